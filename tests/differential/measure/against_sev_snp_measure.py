"""Compares our SNP launch digest with sev-snp-measure's, page list by page list, and our VMSA page with one that is
filled into sev-snp-measure's own structure. Usage: against_sev_snp_measure.py SNP_DIGEST_LINES"""

import ctypes
import hashlib
import os
import pathlib
import random
import subprocess
import sys

SKIPPED = 77
LISTS = 40
VENV = pathlib.Path(__file__).resolve().parents[3] / "build/venv/bin/python"

try:
    from sevsnpmeasure import gctx, vmsa
except ImportError:
    # scripts/setup puts the package there.
    if VENV.exists() and not os.environ.get("BARTIZAN_IN_VENV"):
        os.environ["BARTIZAN_IN_VENV"] = "1"
        os.execv(VENV, [str(VENV), *sys.argv])
    print("skipped: Python package sev-snp-measure is not installed (scripts/setup installs it)")
    sys.exit(SKIPPED)

SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs", "gdtr", "ldtr", "idtr", "tr")
REGISTERS = ("rip", "rsp", "rbp", "rsi", "rflags", "cr0", "cr3", "cr4", "efer")


def theirs_vmsa(features, registers, segments):
    """The page by KVM's rules (forced bits and reset values), at sev-snp-measure's offsets."""
    area = vmsa.SevEsSaveArea()
    for name, value in registers.items():
        setattr(area, name, value)
    for name, (selector, attributes, limit, base) in segments.items():
        setattr(area, name, vmsa.VmcbSeg(selector, attributes, limit, base))
    area.cpl = segments["ss"][1] >> 5 & 3
    area.efer |= 0x1000
    area.cr4 |= 0x40
    area.cr0 &= ~0x60000000
    area.dr6, area.dr7, area.g_pat, area.xcr0 = 0xFFFF0FF0, 0x400, 0x0007040600070406, 1
    area.mxcsr, area.x87_fcw, area.sev_features = 0x1F80, 0x37F, features
    page = bytes(area)
    assert ctypes.sizeof(area) == len(page) == 4096
    return page


def random_range(draw, context):
    """One plan item: the line for our side, and the same update on theirs."""
    kind = draw.choice((1, 1, 1, 3, 4, 5, 6))
    pages = 1 if kind >= 5 else draw.randint(1, 5)
    address, size = draw.getrandbits(35) << 12, pages * 4096
    content = draw.randbytes(draw.randint(1, size)) if kind == 1 else b""
    if kind == 1:
        context.update_normal_pages(address, content.ljust(size, b"\0"))
    elif kind == 3:
        context.update_zero_pages(address, size)
    elif kind == 4:
        context.update_unmeasured_pages(address, size)
    elif kind == 5:
        context.update_secrets_page(address)
    else:
        context.update_cpuid_page(address)
    return f"range {kind:x} {address:x} {size:x} {content.hex() or '-'}"


def random_vmsa(draw, context):
    features = draw.choice((0x1, 0x21))
    registers = {name: draw.getrandbits(64) for name in REGISTERS}
    segments = {name: (draw.getrandbits(16), draw.getrandbits(12), draw.getrandbits(32), draw.getrandbits(64))
                for name in SEGMENTS}
    page = theirs_vmsa(features, registers, segments)
    context.update_vmsa_page(page)
    numbers = [features, *registers.values(), *(number for segment in segments.values() for number in segment)]
    return "vmsa " + " ".join(f"{number:x}" for number in numbers), page.hex()


def one_list(seed):
    draw, context = random.Random(seed), gctx.GCTX()
    lines, expected = [], []
    for _ in range(draw.randint(1, 12)):
        lines.append(random_range(draw, context))
    for _ in range(draw.randint(0, 4)):
        line, page = random_vmsa(draw, context)
        lines.append(line)
        expected.append(page)
    return lines + ["end"], expected + [context.hex_ld()]


def other_tees(seed):
    """SEV and TDX have no calculator on PyPI that takes page lists: the rules are written down here a second time."""
    draw = random.Random(seed)
    verb = draw.choice(("end-sev", "end-tdx"))
    whole, lines = b"", []
    for _ in range(draw.randint(1, 8)):
        kind, pages, address = draw.choice((1, 1, 3, 4, 5, 6)), draw.randint(1, 4), draw.getrandbits(35) << 12
        content = draw.randbytes(draw.randint(1, 4096 * pages)) if kind == 1 else b""
        lines.append(f"range {kind:x} {address:x} {4096 * pages:x} {content.hex() or '-'}")
        padded = content.ljust(4096 * pages, b"\0")
        if verb == "end-sev":
            whole += padded if kind in (1, 3) else b""
            continue
        for page in range(0, 4096 * pages, 4096) if kind in (1, 3, 4) else ():
            whole += b"MEM.PAGE.ADD".ljust(16, b"\0") + (address + page).to_bytes(8, "little") + bytes(104)
            for chunk in range(page, page + 4096, 256) if kind != 4 else ():
                whole += b"MR.EXTEND".ljust(16, b"\0") + (address + chunk).to_bytes(8, "little") + bytes(104)
                whole += padded[chunk:chunk + 256]
    digest = hashlib.sha256(whole) if verb == "end-sev" else hashlib.sha384(whole)
    return lines + [verb], [digest.hexdigest()]


def main():
    lines, expected = [], []
    for seed in range(LISTS):
        for more_lines, more_expected in (one_list(seed), other_tees(seed)):
            lines += more_lines
            expected += more_expected
    ours = subprocess.run([sys.argv[1]], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
    got = ours.stdout.split()
    differing = [index for index, pair in enumerate(zip(got, expected)) if pair[0] != pair[1]]
    if len(got) != len(expected) or differing:
        print(f"FAILED: {len(got)} answers for {len(expected)} questions; differing: {differing}")
        sys.exit(1)
    print(f"{2 * LISTS} page lists, {len(expected) - 2 * LISTS} VMSA pages: equal")


main()
