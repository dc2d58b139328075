"""What can be said of the stub without running it: size, entry points, which instructions it holds and where, and that
others build the same bytes."""

import re
import subprocess

import capstone
import pytest

import contract
from conftest import SOURCE

MODES = {16: capstone.CS_MODE_16, 32: capstone.CS_MODE_32, 64: capstone.CS_MODE_64}

# Instructions that do nothing but compute, move, and branch. An instruction that is not here or in PRIVILEGED is a
# finding: it may trap in some guest.
ORDINARY = set("""
    adc add and bswap call cld cli cmova cmovae cmovb cmovbe cmove cmovne cmp ja jae jb jbe je jmp jne lea ljmp mov
    movabs movzx neg nop not or pop push ret rol ror sar sbb seta setae setb setbe sete setne shl shr shrd sub test
    xor jg jge jl jle js jns dec inc rorx xchg imul mul bt
""".split()) | {"rep movsb", "rep movsq", "rep stosb", "rep stosq"}
VECTOR = set("""
    movaps movdqa movdqu movups movq movd paddd palignr pblendw pshufb pshufd punpcklqdq pinsrq sha256msg1 sha256msg2
    sha256rnds2
""".split())

# Where each instruction that is special in a confidential guest may be: function or label.
PRIVILEGED = {
    "cpuid": {"platform::cpuid"},
    "rdmsr": {"platform::read_msr"},
    "wrmsr": {"platform::write_ghcb_msr", "c_bit_elsewhere"},
    "out": {"platform::out32", "c_bit_elsewhere"},
    "hlt": {"platform::halt", "park_32", "c_bit_elsewhere"},
    "pvalidate": {"platform::pvalidate"},
    "vmgexit": {"platform::vmgexit", "c_bit_elsewhere"},
    "tdcall": {"platform::tdcall"},
    "ud2": {"platform::triple_fault", "c_bit_elsewhere", "start_64"},
    "lgdt": {"start_32"},
    "lidt": {"start_32"},
    "rdrand": {"start_32"},
    "pause": {"application_processor_64"},
    "mov cr0": {"paging"},
    "mov cr3": {"paging", "platform::load_cr3"},
    "mov cr4": {"paging"},
    "mov segment": {"start_32", "application_processor_16"},
}
BYTES = {b"\xf2\x0f\x01\xff": "pvalidate", b"\xf3\x0f\x01\xd9": "vmgexit", b"\x66\x0f\x01\xcc": "tdcall"}


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def symbols(stub_folder):
    """[(address, name)], ascending, up to the constants."""
    found = []
    for line in run("nm", "-nC", stub_folder / "bartizan_boot_stub").splitlines():
        address, kind, name = line.split(" ", 2)
        if kind in "tT" and name != "stub_end":
            name = re.sub(r"\(.*", "", name.replace("(anonymous namespace)::", ""))
            found.append((int(address, 16), name.removeprefix("bartizan::guest::stub::")))
    return found


def mode_of(name):
    """entry.S walks through three widths."""
    if name == "application_processor_16":
        return 16
    return 32 if name in ("stub_entry", "park_32", "start_32", "paging") else 64


def decoded(code, address, mode):
    machine = capstone.Cs(capstone.CS_ARCH_X86, MODES[mode])
    at = 0
    while at < len(code):
        special = BYTES.get(code[at:at + 4])
        if special:
            yield at + address, special, "", code[at:at + 4]
            at += 4
            continue
        item = next(machine.disasm(code[at:at + 15], address + at, 1), None)
        assert item, f"{address + at:#x}: not an instruction: {code[at:at + 8].hex()}"
        yield item.address, item.mnemonic, item.op_str, bytes(item.bytes)
        at += item.size


@pytest.fixture(scope="module")
def instructions(stub, symbols):
    """[(function, address, mnemonic, operands)] of all that is executable."""
    found = []
    ends = [address for address, _ in symbols[1:]]
    for (begin, name), end in zip(symbols, ends):
        if name in ("gdt", "gdt_pointer", "no_interrupts"):
            break
        code = stub[begin - contract.STUB:end - contract.STUB]
        if name == "stub_entry":  # 0x00: 32 bits; 0x20: 16 bits; zeroes between
            pieces = [(0x00, 32), (contract.AP_ENTRY_16, 16)]
            for offset, mode in pieces:
                address, mnemonic, operands, _ = next(decoded(code[offset:], begin + offset, mode))
                found.append((name, address, mnemonic, operands))
            continue
        found += [(name, *item[:3]) for item in decoded(code, begin, mode_of(name))]
    return found


def special(mnemonic, operands):
    control = re.search(r"\bcr\d", operands)
    if control:
        return f"mov {control.group()}"
    if mnemonic == "mov" and re.match(r"[cdefgs]s,", operands):
        return "mov segment"
    return mnemonic


def test_size_and_sections(stub, stub_folder):
    assert 0 < len(stub) <= contract.STUB_MAX
    headers = run("readelf", "-SlW", stub_folder / "bartizan_boot_stub")
    allocated = re.findall(r"\] (\.\S+)\s+\S+\s+(\w+) \w+ \w+ \w+ +\w*A\w* ", headers)
    assert allocated == [(".image", f"{contract.STUB:016x}")]
    assert headers.count("LOAD") == 1
    assert run("readelf", "-rW", stub_folder / "bartizan_boot_stub").strip() == "There are no relocations in this file."
    flat = run("objdump", "-s", "-j", ".image", stub_folder / "bartizan_boot_stub")
    dumped = "".join("".join(line[7:43].split()) for line in flat.splitlines() if re.match(r" 5[0-9a-f]{4} ", line))
    assert bytes.fromhex(dumped) == stub


def test_entry_points(symbols, instructions):
    where = {name: address for address, name in symbols}
    entries = [(address, mnemonic, int(operands, 16)) for name, address, mnemonic, operands in instructions
               if name == "stub_entry"]
    assert entries == [(contract.STUB + contract.ENTRY_32, "jmp", where["start_32"]),
                       (contract.STUB + contract.AP_ENTRY_16, "jmp", where["application_processor_16"])]
    assert where["park_32"] == contract.STUB + contract.PARK_32


def test_only_allowed_instructions_where_they_are_allowed(instructions):
    found = []
    for function, address, mnemonic, operands in instructions:
        name = special(mnemonic, operands)
        vector = re.search(r"\b[xyz]mm\d|\bmm\d|\bst\(", operands)
        if name in PRIVILEGED:
            allowed = function in PRIVILEGED[name]
        elif vector:
            allowed = mnemonic in VECTOR and function == "sha256_blocks_instructions" and "ymm" not in operands
        else:
            allowed = mnemonic in ORDINARY
        if not allowed:
            found.append(f"{function}: {address:#x}: {mnemonic} {operands}")
    assert not found, "\n".join(found)


def test_every_privileged_place_is_there(instructions):
    """So that a renamed function does not leave an exemption behind."""
    there = {(special(mnemonic, operands), function) for function, _, mnemonic, operands in instructions}
    assert {(name, place) for name, places in PRIVILEGED.items() for place in places} <= there


def test_control_registers_lose_no_bit_that_traps(instructions):
    """CR4: only ever more bits (MCE and VMXE stay); CR0: EM and TS go, PG and MP come. EFER is not written at all: the
    only WRMSRs are to the GHCB."""
    paging = [f"{mnemonic} {operands}" for function, _, mnemonic, operands in instructions if function == "paging"]
    assert paging[:3] == ["mov eax, cr4", "or eax, 0x220", "mov cr4, eax"]
    assert paging[3:5] == [f"mov eax, {contract.PAGE_TABLES:#x}", "mov cr3, eax"]
    assert paging[5:9] == ["mov eax, cr0", "and eax, 0xfffffff3", "or eax, 0x80000002", "mov cr0, eax"]
    for place in PRIVILEGED["wrmsr"]:
        code = [f"{mnemonic} {operands}" for function, _, mnemonic, operands in instructions if function == place]
        assert "mov ecx, 0xc0010130" in code[:code.index("wrmsr ")]


def numbers(text, pattern):
    return {name: int(value, 0) for name, value in re.findall(pattern, text, re.M)}


def test_one_contract():
    """stub_table.hpp, entry.S and this folder's contract.py say the same."""
    header = (SOURCE / "src/guest_abi/stub_table.hpp").read_text().replace("'", "")
    header = re.sub(r"=\n\s+", "= ", header)
    ours = numbers(header, r"constexpr \w+ (\w+) = (0x[0-9a-f]+|\d+);")
    entry = numbers((SOURCE / "src/guest/stub/entry.S").read_text(), r"^#define (\w+) (0x[0-9a-f]+|\d+)$")
    for name, value in entry.items():
        if name in ours:
            assert value == ours[name], name
    assert {"kStubTableAddress", "kStubMailboxAddress", "kStubStackTop", "kStubPageTables"} <= set(ours) & set(entry)
    assert entry["kExitPort"] == contract.EXIT_PORT
    names = {"kSnpCpuidAddress": "CPUID_PAGE", "kStubAddress": "STUB", "kStubTableAddress": "TABLE",
             "kStubMailboxAddress": "MAILBOX", "kStubStackAddress": "STACK", "kStubStackTop": "STACK_TOP",
             "kStubPageTables": "PAGE_TABLES", "kStubReservedEnd": "RESERVED_END", "kStubEntry32": "ENTRY_32",
             "kStubApEntry16": "AP_ENTRY_16", "kStubPark32": "PARK_32", "kStagingAddress": "STAGING",
             "kStagingEnd": "STAGING_END"}
    assert {name: ours[name] for name in names} == {name: getattr(contract, mine) for name, mine in names.items()}
    refusals = re.search(r"enum class StubRefusal.*?\};", header, re.S).group()
    assert [name for name, _ in sorted(numbers(refusals, r"(\w+) = (\d+),").items(), key=lambda item: item[1])] \
        == contract.REFUSALS


def test_all_of_it_is_inside_the_measured_pages():
    """What the stub reads and writes before the first range is taken: its pages, table, mailbox, stack, page tables."""
    regions = [(contract.STUB, contract.STUB + contract.STUB_MAX), (contract.TABLE, contract.MAILBOX),
               (contract.MAILBOX, contract.STACK), (contract.STACK, contract.PAGE_TABLES),
               (contract.PAGE_TABLES, contract.RESERVED_END)]
    assert all(end == begin for (_, end), (begin, _) in zip(regions, regions[1:]))
    assert contract.STACK < contract.STACK_TOP <= contract.STACK + contract.PAGE and contract.STACK_TOP % 16 == 0


def test_same_bytes_elsewhere(stub, stub_folder, tmp_path):
    """Another folder, another build type, hostile flags: what is measured must not depend on who builds."""
    cache = (stub_folder.parents[2] / "CMakeCache.txt").read_text()
    compiler = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, re.M).group(1)
    if "clang" in compiler:
        pytest.skip("the reference is g++'s")
    source = tmp_path / "elsewhere"
    for name in ("src/guest_abi/stub_table.hpp", "src/base/units.hpp"):
        (source / name).parent.mkdir(parents=True)
        (source / name).write_bytes((SOURCE / name).read_bytes())
    (source / "src/guest/stub").mkdir(parents=True)
    for path in (SOURCE / "src/guest/stub").iterdir():
        (source / "src/guest/stub" / path.name).write_bytes(path.read_bytes())
    (source / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(elsewhere CXX C ASM)\n"
        "set(CMAKE_CXX_STANDARD 20)\nset(CMAKE_POSITION_INDEPENDENT_CODE ON)\n"
        "add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer)\n"
        "add_compile_definitions(_GLIBCXX_ASSERTIONS)\n"
        "function(bartizan_component)\nadd_custom_target(bartizan_guest_stub)\nendfunction()\n"
        "add_subdirectory(src/guest/stub)\n")
    build = tmp_path / "build"
    run("cmake", "-S", source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", f"-DCMAKE_CXX_COMPILER={compiler}",
        "-DCMAKE_CXX_FLAGS=-O0 -ggdb3 -fstack-protector-all -fprofile-arcs -ftest-coverage")
    run("ninja", "-C", build, "bartizan_boot_stub_image")
    assert (build / "src/guest/stub/boot_stub.bin").read_bytes() == stub
