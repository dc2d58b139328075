"""One launch for all tests: five blobs, RAM of 24 MiB and, in TDX and SNP, 4 MiB above 4 GiB."""

import random
import struct

from contract import (ACPI, BOOT_PARAMS, COMMAND_LINE, GIB, INITRD, KERNEL, NONE, PAGE, SEV, SEV_ES, SIMULATED, SNP, STACK,
                      STAGING, TDX, Blob, Table)
from machine import Machine

KERNEL_ENTRY = 0x1000200
PLATFORMS = [(NONE, 0), (SIMULATED, 39), (SEV, 47), (SEV, 51), (SEV_ES, 47), (SEV_ES, 51), (SNP, 47), (SNP, 51),
             (TDX, 47), (TDX, 51)]
RANGED = [item for item in PLATFORMS if item[0] in (SNP, TDX)]
# One of each way to tell the host.
WAYS = [(NONE, 0), (SEV_ES, 51), (SNP, 51), (TDX, 47)]

# Around the launch pages: what is loaded is valid already. Odd ends on purpose: not all of it is whole large pages.
LOW = [(0, 3), (0x8000, 8), (0x60000, 0x20)]
HIGH = [(0x100000, (24 << 20) // PAGE - 0x100 - 3), (4 * GIB, 600), (5 * GIB - 3 * PAGE, 6)]


def content(kind, size):
    return random.Random(kind).randbytes(size)


def blobs():
    return [Blob(KERNEL, content(1, 70_001), 0x1000000, STAGING + 0x1000),
            Blob(INITRD, content(2, 33_333), 0x1400000, STAGING + 0x45000),
            Blob(COMMAND_LINE, b"quiet panic=-1\0", 0x20000),
            Blob(BOOT_PARAMS, content(4, PAGE), 0x7000),
            Blob(ACPI, content(5, 5000), 0x40000)]


def table(platform, bit, **changes):
    ranges = LOW + HIGH if platform in (SNP, TDX) else []
    fields = dict(blobs=blobs(), ranges=ranges, kernel_entry=KERNEL_ENTRY, boot_params=0x7000)
    return Table(platform, bit, **(fields | changes))


def machine(stub, platform, bit, **changes):
    made = Machine(stub, table(platform, bit, **changes), high_pages=(1 << 18) + 3)
    made.load(STACK, b"\xa5" * PAGE)
    return made


def pages(ranges):
    return {page for address, count in ranges for page in range(address // PAGE, address // PAGE + count)}


def refusal(made):
    """The number that the host gets, by whatever way the platform has; None if it got none, or something else too."""
    if made.platform in (NONE, SIMULATED, SEV):
        if made.ended is None or made.ended[0] not in ("exception", "fault") or len(made.outs) != 1:
            return None
        port, value = made.outs[0]
        assert (port, value & 0xFFFF00FF) == (0x0B04, 2 << 24)
        return value >> 8 & 0xFF
    if not made.ended or made.ended[0] != "refused":
        return None
    assert made.ended[2] == 0xB
    return made.ended[1]


def flip(made, blob, offset):
    """The host changes a byte of a blob, where it lies."""
    at = made.staging_at + blob.source - STAGING if blob.source else blob.destination
    byte = made.uc.mem_read(at + offset, 1)[0]
    made.uc.mem_write(at + offset, struct.pack("B", byte ^ 0x10))
