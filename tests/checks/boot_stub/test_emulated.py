"""The stub's real bytes, run by an emulator on every platform; see machine.py for what plays the processor."""

import struct

import pytest
import unicorn

from contract import (ACPI, AP_ENTRY_16, BOOT_PARAMS, COMMAND_LINE, CPUID_PAGE, GIB, INITRD, KERNEL, LARGE, MAILBOX, NONE, PAGE,
                      PAGE_TABLES, PARK_32, REFUSALS, RESERVED_END, SEV, SEV_ES, SIMULATED, SNP, STACK, STACK_TOP, STAGING,
                      STUB, TABLE, TDX)
from machine import SHARED
from scenario import (HIGH, KERNEL_ENTRY, LOW, PLATFORMS, RANGED, WAYS, blobs, flip, machine, pages, refusal)


def number(name):
    return REFUSALS.index(name) + 1


@pytest.mark.parametrize("platform,bit", PLATFORMS)
def test_reaches_the_kernel_in_the_state_that_linux_wants(stub, platform, bit):
    made = machine(stub, platform, bit)
    assert made.start() == ("kernel",)
    assert made.violations == []
    assert made.get("RIP") == KERNEL_ENTRY and made.get("RSI") == 0x7000
    assert made.get("CS") == 0x10
    assert {made.get(name) for name in ("DS", "ES", "SS")} == {0x18}
    assert made.get("EFLAGS") & 0x600 == 0  # IF, DF
    assert made.get("CR0") & 0x80000001 == 0x80000001
    assert made.get("CR4") & 0x20
    assert made.uc.msr_read(0xC0000080) & 0x500 == 0x500
    assert made.get("CR3") == PAGE_TABLES | (1 << bit if platform in (SIMULATED, SEV, SEV_ES, SNP) else 0)
    assert made.get("IDTR")[2] == 0
    if platform == TDX:
        assert made.get("CR4") & 0x2040 == 0x2040  # MCE, VMXE as they were


@pytest.mark.parametrize("platform,bit", PLATFORMS)
def test_blobs_are_in_private_memory(stub, platform, bit):
    made = machine(stub, platform, bit)
    made.uc.mem_write(0, b"\x55" * PAGE)
    for blob in made.table.blobs:  # what a careless copy would leave behind the end
        if blob.source:
            made.uc.mem_write(blob.destination, b"\x55" * (len(blob.content) + PAGE))
    made.start()
    for blob in made.table.blobs:
        end = -len(blob.content) % PAGE
        assert made.private(blob.destination, len(blob.content) + end) == blob.content + bytes(end)
    assert made.private(0, PAGE) == bytes(PAGE)
    assert made.private(PAGE_TABLES + 8, 8) == bytes(8)  # the window to high memory is shut again


@pytest.mark.parametrize("large", [True, False], ids=["2MiB", "4KiB"])
@pytest.mark.parametrize("platform,bit", RANGED)
def test_exactly_the_ranges_become_the_guests(stub, platform, bit, large):
    made = machine(stub, platform, bit)
    made.large_pages = large
    launched = set(made.validated)
    if platform == SNP:
        launched.add(3)
    assert made.start() == ("kernel",)
    assert made.violations == []
    assert made.validated - launched == pages(LOW + HIGH)
    all_pages = pages(LOW + HIGH)
    wholes = sum(max(0, (address + count * PAGE) // LARGE - -(-address // LARGE)) for address, count in LOW + HIGH)
    calls = made.log.count("pvalidate") if platform == SNP else made.log.count("tdcall") - 1 - len(made.rtmrs)
    assert calls == len(all_pages) + (-511 if large else 1) * wholes


@pytest.mark.parametrize("platform,bit", RANGED)
def test_rom_area_stays_as_it_was(stub, platform, bit):
    made = machine(stub, platform, bit)
    made.start()
    rom = set(range(0xC0, 0x100))
    assert not rom & made.validated and not rom & made.touched


@pytest.mark.parametrize("large", [True, False], ids=["2MiB", "4KiB"])
@pytest.mark.parametrize("page", [0, 0x60, 0x100, 0x1234, 4 * GIB // PAGE + 550, 5 * GIB // PAGE + 1])
@pytest.mark.parametrize("platform,bit", [(SNP, 51), (TDX, 47)])
def test_page_validated_before_is_refused(stub, platform, bit, page, large):
    made = machine(stub, platform, bit)
    made.large_pages = large
    made.validated_before = {page}
    made.start()
    assert refusal(made) == number("validated")


@pytest.mark.parametrize("page", [0, 0x1234, 4 * GIB // PAGE + 550])
@pytest.mark.parametrize("platform,bit", [(SNP, 51), (TDX, 47)])
def test_page_that_fails_is_refused(stub, platform, bit, page):
    made = machine(stub, platform, bit)
    made.broken_pages = {page}
    made.start()
    assert refusal(made) == number("memory")


def test_range_over_a_launch_page_is_refused(stub):
    for platform, bit in RANGED:
        made = machine(stub, platform, bit, ranges=[(0, 0x20)] + HIGH)
        made.start()
        assert refusal(made) == number("validated")


def test_busy_pages_are_tried_again_but_not_for_ever(stub):
    made = machine(stub, TDX, 47)
    made.busy = 1000
    assert made.start() == ("kernel",)
    made = machine(stub, TDX, 47)
    made.busy = 10 ** 9
    made.start()
    assert refusal(made) == number("memory")


@pytest.mark.parametrize("coherent", [False, True])
def test_first_and_last_line_of_validated_pages_are_read(stub, coherent):
    made = machine(stub, SNP, 51)
    made.coherent = coherent
    read = set()
    window = 4 * GIB  # Unicorn tells physical addresses
    for begin in (0x60000, 0x800000, window):
        made.uc.hook_add(unicorn.UC_HOOK_MEM_READ, lambda uc, access, address, size, value, user: read.add(address), None,
                         begin, begin + 2 * PAGE - 1)
    made.start()
    lines = {begin + at for begin in (0x60000, 0x800000, window) for at in (0, PAGE - 1, PAGE, 2 * PAGE - 1)}
    assert read == (set() if coherent else lines)


@pytest.mark.parametrize("kind", [KERNEL, INITRD, COMMAND_LINE, BOOT_PARAMS, ACPI])
@pytest.mark.parametrize("platform,bit", WAYS)
def test_changed_byte_is_refused_by_name(stub, platform, bit, kind):
    for where in (0, -1):
        made = machine(stub, platform, bit)
        blob = made.table.blobs[kind - 1]
        flip(made, blob, where % len(blob.content))
        made.start()
        assert refusal(made) == number("kernel") + kind - KERNEL


def test_all_of_a_digest_is_compared(stub):
    for byte in range(32):
        changed = blobs()
        digest = bytearray(changed[2].packed()[-32:])
        digest[byte] ^= 1
        changed[2].sha256 = bytes(digest)
        made = machine(stub, NONE, 0, blobs=changed)
        made.start()
        assert refusal(made) == number("command_line")


@pytest.mark.parametrize("platform,bit", WAYS)
def test_staging_is_read_once_and_the_copy_is_hashed(stub, platform, bit):
    """The host changes each byte right after it was read. Were the copy not what is hashed, one of both would show it."""
    made = machine(stub, platform, bit)
    kernel = made.table.blobs[0]
    at = made.staging_at + kernel.source - STAGING
    reads = []

    def change(address, size):
        for offset in range(address - at, address - at + size):
            flip(made, kernel, offset)

    def after_read(uc, access, address, size, value, _):
        if reads:
            change(*reads[-1])
        reads.append((address, size))

    made.uc.hook_add(unicorn.UC_HOOK_MEM_READ, after_read, None, at, at + len(kernel.content) - 1)
    assert made.start() == ("kernel",)
    assert [begin for begin, _ in reads] == [at] + [begin + size for begin, size in reads[:-1]]
    assert sum(size for _, size in reads) == len(kernel.content)
    assert made.private(kernel.destination, len(kernel.content)) == kernel.content
    last = reads[-1][1]
    staged = bytes(made.uc.mem_read(at, len(kernel.content) - last))
    assert all(a ^ b == 0x10 for a, b in zip(staged, kernel.content))


@pytest.mark.parametrize("platform,bit,status", [(SIMULATED, 39, 0), (SEV, 47, 3), (SEV, 47, 0), (SEV_ES, 51, 1),
                                                 (SEV_ES, 51, 7), (SNP, 51, 3), (SNP, 51, 0)])
def test_other_platform_is_refused(stub, platform, bit, status):
    made = machine(stub, platform, bit)
    made.sev_status = status
    made.start()
    assert refusal(made) == number("platform")


@pytest.mark.parametrize("platform,bit", [item for item in PLATFORMS if item[0] not in (NONE, TDX)])
def test_announced_c_bit_elsewhere_is_refused(stub, platform, bit):
    made = machine(stub, platform, bit)
    made.announced_bit = bit - 1
    made.start()
    assert refusal(made) == number("address_bit")


@pytest.mark.parametrize("platform", [SEV, SEV_ES])
@pytest.mark.parametrize("bit,real", [(51, 47), (47, 51)])
def test_host_that_lies_about_the_c_bit_is_found_out(stub, platform, bit, real):
    """All that the page tables call private is the host's: it prepared the same content there, and sees what we write."""
    made = machine(stub, platform, bit)
    made.real_bit = real
    made.show_all_to_host()
    made.start()
    assert refusal(made) == number("address_bit")
    assert STACK_TOP - 8 not in made.touched  # nothing secret was written


def test_shared_bit_elsewhere_is_refused(stub):
    for bit, real in ((47, 51), (51, 47)):
        made = machine(stub, TDX, bit)
        made.real_bit = real
        made.start()
        assert refusal(made) == number("address_bit")


@pytest.mark.parametrize("change", [dict(magic=1), dict(version=2), dict(vcpus=0), dict(kernel_entry=0x1400000),
                                    dict(boot_params=0x8000), dict(blobs=[]), dict(ranges=[(STAGING, 1)])])
@pytest.mark.parametrize("platform,bit", WAYS)
def test_bad_table_is_refused(stub, platform, bit, change):
    made = machine(stub, platform, bit, **change)
    made.start()
    assert refusal(made) == number("table")


def test_table_that_does_not_say_where_we_are_ends_silently(stub):
    made = machine(stub, NONE, 0)
    made.uc.mem_write(TABLE + 12, struct.pack("<I", 6))
    made.start()
    assert made.ended[0] in ("exception", "fault") and made.outs == [] and made.log == []


@pytest.mark.parametrize("platform,bit", PLATFORMS)
def test_stack_is_deep_enough(stub, platform, bit):
    made = machine(stub, platform, bit)
    made.start()
    used = made.private(STACK, PAGE)[8:].lstrip(b"\xa5")
    assert 0 < len(used) < 2048
    written = (STACK // PAGE, MAILBOX // PAGE)
    assert written[0] in made.touched and written[1] not in made.touched


@pytest.mark.parametrize("bit", [47, 51])
def test_tdx_registers_are_extended_in_order(stub, bit):
    made = machine(stub, TDX, bit)
    made.start()
    expected = [(rtmr, blob.packed()[-32:] + bytes(16)) for rtmr, blob in zip((1, 2, 2, 0, 0), made.table.blobs)]
    assert made.rtmrs == expected
    made = machine(stub, TDX, bit)
    made.rtmr_status = 0xC000_0100_0000_0000
    made.start()
    assert refusal(made) == number("rtmr")


@pytest.mark.parametrize("index", [1, 2, 253])
def test_tdx_processor_waits_for_its_turn(stub, index):
    made = machine(stub, TDX, 47, vcpus=254)
    writes = []
    made.uc.hook_add(unicorn.UC_HOOK_MEM_WRITE, lambda uc, access, address, size, value, user:
                     writes.append((address, size, value)), None, 0, 24 << 20)
    mailbox = lambda command, apic: made.uc.mem_write(MAILBOX, struct.pack("<HHIQ", command, 0, apic, KERNEL_ENTRY))
    assert made.start(index=index, instructions=3000) is None
    mailbox(1, index + 1)  # another's turn
    assert made.resume(made.get("RIP"), 3000) is None
    mailbox(0, index)      # no command yet
    assert made.resume(made.get("RIP"), 3000) is None
    assert writes == []
    mailbox(1, index)
    made.uc.mem_write(KERNEL_ENTRY, b"\xf4")
    made.validated.add(KERNEL_ENTRY // PAGE)
    assert made.resume(made.get("RIP"), 3000) == ("kernel",)
    assert made.violations == [] and writes == [(MAILBOX, 2, 0)]
    assert made.get("CS") == 0x10 and made.get("EFLAGS") & 0x200 == 0 and made.get("CR0") >> 31
    assert made.get("CR4") & 0x2040 == 0x2040
    assert STACK // PAGE not in made.touched


def test_tdx_boot_processor_and_another_run_one_after_the_other(stub):
    made = machine(stub, TDX, 51, vcpus=2)
    assert made.start(index=1, instructions=3000) is None
    assert made.start(index=0) == ("kernel",)
    made.uc.mem_write(MAILBOX, struct.pack("<HHIQ", 1, 0, 1, KERNEL_ENTRY))
    assert made.start(index=1, instructions=3000) == ("kernel",)
    assert made.violations == [] and made.private(MAILBOX, 2) == bytes(2)


@pytest.mark.parametrize("versions,used", [((1, 1), 1), ((1, 2), 2), ((2, 5), 2)])
def test_sev_es_host_learns_the_jump_table(stub, versions, used):
    made = machine(stub, SEV_ES, 51, vcpus=4)
    made.ghcb_versions = versions
    assert made.start() == ("kernel",)
    assert made.violations == [] and made.jump_table == MAILBOX
    assert struct.unpack("<H", made.uc.mem_read(SHARED + STAGING + 0xFFA, 2))[0] == used


def test_sev_es_host_that_does_not_take_it_is_refused(stub):
    for change in (dict(jump_table_error=1), dict(ghcb_versions=(3, 4))):
        made = machine(stub, SEV_ES, 51, vcpus=2)
        for name, value in change.items():
            setattr(made, name, value)
        made.start()
        assert refusal(made) == number("ap_jump_table")
    made = machine(stub, SEV_ES, 51, vcpus=1)
    made.jump_table_error = 1
    assert made.start() == ("kernel",) and made.jump_table is None


def test_sev_es_processor_takes_its_start_from_the_jump_table(stub):
    made = machine(stub, SEV_ES, 51, vcpus=2)
    assert made.start(entry=STUB + AP_ENTRY_16, instructions=3000) is None  # empty: waits
    made.uc.mem_write(MAILBOX, struct.pack("<HH", 0x0123, 0x9900))
    made.uc.mem_write(0x99000 + 0x123, b"\xeb\xfe")
    made.resume(made.get("RIP"), 3000)
    assert made.get("CS") == 0x9900 and made.get("RIP") % 0x10000 == 0x123
    assert made.get("CR0") & 1 == 0 and made.get("EFLAGS") & 0x200 == 0
    assert made.violations == [] and STACK // PAGE not in made.touched


def test_snp_further_processor_parks(stub):
    made = machine(stub, SNP, 51, vcpus=2)
    assert made.start(entry=STUB + PARK_32) == ("halted",)
    assert made.log == ["hlt"] and made.touched == {STUB // PAGE}


@pytest.mark.parametrize("platform,bit", PLATFORMS)
def test_only_the_stubs_own_pages_and_the_tables_are_touched(stub, platform, bit):
    made = machine(stub, platform, bit)
    made.start()
    own = set(range(STUB // PAGE, RESERVED_END // PAGE)) | {0, CPUID_PAGE // PAGE}
    for blob in made.table.blobs:
        own |= pages([(blob.destination, -(-len(blob.content) // PAGE))])
    ranges = pages(LOW + HIGH) if platform == SNP else set()  # the cache lines of validated pages
    assert made.touched <= own | ranges
