"""Launches as our planner lays them out (src/plan/boot), run by the stub under the emulator; and what Linux would then find,
followed by the documents: e820, setup_data (boot.rst), ACPI tables (ACPI 6.4), the SNP hand-over (linux sev-common.h)."""

import struct
import subprocess

import pytest

from conftest import BUILD
from contract import (CPUID_PAGE, GIB, LAUNCH_SECRET, MAILBOX, NONE, PAGE, SECRET_AT, SECRET_BYTES, SEV, SEV_ES, SIMULATED, SNP,
                      STAGING, TDX, Blob, Table)
from machine import Machine
from scenario import refusal
from test_emulated import number

RESET_PAGE = 0xFFFFF000
HOLE = 0xD0000000
CONFIGURATIONS = [(NONE, 0, 1, 256), (SIMULATED, 39, 2, 256), (SEV, 47, 2, 256), (SEV_ES, 51, 4, 256), (SNP, 51, 1, 256),
                  (SNP, 47, 4, 4608), (TDX, 47, 1, 256), (TDX, 47, 4, 4608)]


def only(*platforms):
    """The launches of these platforms alone."""
    chosen = [item for item in CONFIGURATIONS if item[0] in platforms]
    return pytest.mark.parametrize("launched", chosen, indirect=True, ids=lambda item: "-".join(map(str, item)))


def parse_table(raw):
    magic, version, platform, bit, vcpus, entry, params, blobs, ranges = struct.unpack_from("<QIIIIQQII", raw)
    parsed = []
    for index in range(blobs):
        kind, _, source, destination, size, digest = struct.unpack_from("<IIQQQ32s", raw, 48 + 64 * index)
        parsed.append(Blob(kind, bytes(size), destination, source, digest))
    found = [struct.unpack_from("<QQ", raw, 48 + 512 + 16 * index) for index in range(ranges)]
    return Table(platform, bit, parsed, found, entry, params, vcpus, magic, version)


class PlannedMachine(Machine):
    def __init__(self, stub, folder, ram_mib):
        self.folder, self.ram_bytes = folder, ram_mib << 20
        self.index = [line.split() for line in (folder / "index").read_text().splitlines()]
        self.raw_table = (folder / "launch_table").read_bytes()
        super().__init__(stub, parse_table(self.raw_table))

    def _make_memory(self, stub, *_):
        low = min(self.ram_bytes, HOLE)
        self.uc.mem_map(0, low)
        self.uc.mem_map(RESET_PAGE, PAGE)
        if self.ram_bytes > low:
            self.uc.mem_map(4 * GIB, self.ram_bytes - low)
        for what, kind, address, size, name in self.index:
            address, size = int(address), int(size)
            if what == "staged":
                self.uc.mem_write(self.staging_at + address - STAGING, (self.folder / f"staged_{name}").read_bytes())
            else:
                content = {"zero": bytes(size), "secrets": b"\x5a" * size, "cpuid": bytes(size)}
                self.load(address, content[kind] if kind in content else (self.folder / name).read_bytes().ljust(size, b"\0"))
        self.launched = set(self.validated)

    def _new_pages(self, address, count, content):
        """New memory reads as what the planner must not rely on; of a large guest only the first and last page, for speed."""
        self.validated |= set(range(address // PAGE, address // PAGE + count))
        for page in {address, address + (count - 1) * PAGE} if self.ram_bytes > GIB else range(address, address + count * PAGE, PAGE):
            self.uc.mem_write(page, content)

    def e820(self):
        raw = self.private(self.table.boot_params, PAGE)
        return [struct.unpack_from("<QQI", raw, 0x2D0 + 20 * index) for index in range(raw[0x1E8])]


@pytest.fixture(scope="module", params=CONFIGURATIONS, ids=lambda item: "-".join(map(str, item)))
def launched(request, stub, tmp_path_factory):
    program = BUILD / "tests/checks/boot_stub_plan"
    if not program.exists():
        pytest.skip("boot_stub_plan is not built")
    platform, bit, vcpus, ram_mib = request.param
    folder = tmp_path_factory.mktemp("plan")
    subprocess.run([program, folder, *map(str, request.param)], check=True)
    made = PlannedMachine(stub, folder, ram_mib)
    made.vcpus = vcpus
    made.coherent = ram_mib > 1024  # else each page of a large guest is read, which takes minutes here
    if platform == SNP:
        made.load(CPUID_PAGE, made.cpuid_page())
    made.start(*([RESET_PAGE + 0xFF0] if platform == TDX else []))
    return made


def test_reaches_the_kernel(launched):
    assert launched.ended == ("kernel",) and launched.violations == []
    assert launched.get("RSI") == launched.table.boot_params
    assert launched.platform != SEV_ES or launched.jump_table == MAILBOX


def archived(segment):
    """Names, modes and sizes of a cpio archive, as GNU cpio reads it."""
    listing = subprocess.run(["cpio", "--list", "--verbose", "--numeric-uid-gid", "--quiet"], input=segment,
                             stdout=subprocess.PIPE, check=True).stdout.decode()
    entries = [line.split() for line in listing.splitlines()]
    letters = {"-r--------": 0o100400}
    return {words[-1]: (letters[words[0]], int(words[4])) for words in entries}


def test_kernel_and_initrd_are_the_files(launched):
    """From the bzImage by boot.rst: the protected-mode part behind the setup sectors, at pref_address."""
    image = (launched.folder / "bzImage").read_bytes()
    code = image[(image[0x1F1] + 1) * 512:]
    where = struct.unpack_from("<Q", image, 0x258)[0]
    assert launched.private(where, len(code)) == code and launched.table.kernel_entry == where + 0x200
    params = launched.private(launched.table.boot_params, PAGE)
    address, size = struct.unpack_from("<II", params, 0x218)
    initramfs = launched.private(address, size)
    if launched.platform in (SEV, SEV_ES):
        assert archived(initramfs[:PAGE]) == {"bartizan.secret": (0o100400, 3840)}
        initramfs = initramfs[PAGE:]
    assert initramfs == (launched.folder / "initrd").read_bytes()
    command_line = struct.unpack_from("<I", params, 0x228)[0]
    assert launched.private(command_line, 15) == b"quiet panic=-1\0"


@pytest.mark.parametrize("platform", [SEV, SEV_ES])
@pytest.mark.parametrize("at, refused", [(SECRET_AT, False), (SECRET_AT + 48, False), (80, True), (112, True), (0, True),
                                         (SECRET_AT + SECRET_BYTES - 32, True), (PAGE - 48, True)])
def test_secret_in_its_place_or_not_at_all(stub, tmp_path, platform, at, refused):
    """LAUNCH_SECRET (SEV API): 48 bytes at any multiple of 16, which the host chooses after the page was measured."""
    subprocess.run([BUILD / "tests/checks/boot_stub_plan", tmp_path, str(platform), "47", "1", "256"], check=True)
    made = PlannedMachine(stub, tmp_path, 256)
    page = next(blob.destination for blob in made.table.blobs if blob.kind == LAUNCH_SECRET)
    content = bytearray(made.private(page, PAGE))
    content[at:at + 48] = b"\xa5" * 48
    made.load(page, bytes(content))
    made.start()
    assert (refusal(made) == number("launch_secret")) if refused else (made.ended == ("kernel",))


@only(SNP, TDX)
def test_all_that_linux_uses_is_the_guests(launched):
    """e820 types 1 (RAM), 3 and 4 (ACPI): validated or loaded, every page; page 0, which Linux always reads, too."""
    wanted = {0}
    for address, size, kind in launched.e820():
        if kind in (1, 3, 4):
            wanted |= set(range(address // PAGE, (address + size) // PAGE))
    assert wanted <= launched.validated
    ram = sum(size for _, size, kind in launched.e820() if kind == 1)
    assert ram > launched.ram_bytes - (2 << 20)


def test_rom_area(launched):
    """SNP: older kernels validate it themselves and stop if somebody did so before. TDX: Linux scans it."""
    rom = set(range(0xC0, 0x100))
    if launched.platform == SNP:
        assert not rom & launched.validated
    elif launched.platform == TDX:
        assert rom <= launched.validated
    assert all(kind not in (1, 3, 4) or not 0xC0000 <= address < 0x100000 for address, _, kind in launched.e820())


def acpi_table(launched, address):
    size = struct.unpack_from("<I", launched.private(address, 8), 4)[0]
    raw = launched.private(address, size)
    assert sum(raw) % 256 == 0
    return raw


def test_processors_in_the_acpi_tables(launched):
    """Local APIC (type 0): ids are vCPU indices. TDX: the wakeup structure (type 0x10) names the mailbox."""
    rsdp = struct.unpack_from("<Q", launched.private(launched.table.boot_params, PAGE), 0x70)[0]
    root = launched.private(rsdp, 36)
    assert root[:8] == b"RSD PTR "
    xsdt = acpi_table(launched, struct.unpack_from("<Q", root, 24)[0])
    tables = [acpi_table(launched, *struct.unpack_from("<Q", xsdt, at)) for at in range(36, len(xsdt), 8)]
    madt = next(table for table in tables if table[:4] == b"APIC")
    ids, mailboxes, at = [], [], 44
    while at < len(madt):
        kind, length = madt[at], madt[at + 1]
        if kind == 0:
            ids.append(madt[at + 3])
        elif kind == 0x10:
            mailboxes.append(struct.unpack_from("<Q", madt, at + 8)[0])
        at += length
    assert ids == list(range(launched.vcpus))
    assert mailboxes == ([MAILBOX] if launched.platform == TDX else [])


def test_snp_hand_over(launched):
    """setup_data of type 7 holds the address of the blob, which names secrets and CPUID page; all of it is private."""
    node = struct.unpack_from("<Q", launched.private(launched.table.boot_params, PAGE), 0x250)[0]
    blobs = []
    while node:
        assert node // PAGE in launched.validated
        following, kind, _, address = struct.unpack("<QIII", launched.private(node, 20))
        blobs += [address] if kind == 7 else []
        node = following
    assert len(blobs) == (1 if launched.platform == SNP else 0)
    for blob in blobs:
        magic, _, _, secrets, secrets_size, _, cpuid, cpuid_size = struct.unpack("<IHHQIIQI", launched.private(blob, 36))
        assert (magic, secrets_size, cpuid_size, cpuid) == (0x45444D41, 4096, 4096, CPUID_PAGE)
        assert {blob // PAGE, secrets // PAGE, cpuid // PAGE} <= launched.launched
        assert launched.private(secrets, 1) == b"\x5a"


@only(TDX)
def test_tdx_further_processors_wait(launched):
    entry = launched.table.kernel_entry
    assert launched.start(RESET_PAGE + 0xFF0, index=1, instructions=3000) is None
    launched.uc.mem_write(MAILBOX, struct.pack("<HHIQ", 1, 0, 1, entry))
    assert launched.resume(launched.get("RIP"), 3000) == ("kernel",)
    assert launched.violations == []
