"""The boot stub's contract, written down a second time from the text of src/guest_abi/stub_table.hpp: addresses, the launch
table and the page tables that a planner makes. Nothing here comes from our C++ code."""

import dataclasses
import hashlib
import struct

PAGE = 4096
LARGE = 2 << 20
GIB = 1 << 30

CPUID_PAGE = 0x3000
STUB = 0x50000
STUB_MAX = 16 * 1024
TABLE = 0x54000
MAILBOX = 0x56000
STACK = 0x57000
STACK_TOP = 0x57FF0
PAGE_TABLES = 0x58000
RESERVED_END = 0x60000
ENTRY_32, AP_ENTRY_16, PARK_32 = 0x00, 0x20, 0x30
STAGING = 0xD1000000
STAGING_END = 0xF8000000
EXIT_PORT = 0x0B04

NONE, SIMULATED, SEV, SEV_ES, SNP, TDX = range(6)
KERNEL, INITRD, COMMAND_LINE, BOOT_PARAMS, ACPI, LAUNCH_SECRET = range(1, 7)
SECRET_AT, SECRET_BYTES = 128, 3840  # in the launch secret's page
REFUSALS = ("table platform address_bit validated memory kernel initrd command_line boot_params acpi rtmr "
            "ap_jump_table launch_secret").split()


@dataclasses.dataclass
class Blob:
    kind: int
    content: bytes
    destination: int
    source: int = 0
    sha256: bytes = b""

    def packed(self):
        digest = self.sha256 or hashlib.sha256(self.content).digest()
        return struct.pack("<IIQQQ32s", self.kind, 0, self.source, self.destination, len(self.content), digest)


@dataclasses.dataclass
class Table:
    platform: int
    address_bit: int
    blobs: list
    ranges: list  # (address, pages)
    kernel_entry: int
    boot_params: int
    vcpus: int = 1
    magic: int = 0x425554534E5A5442
    version: int = 1

    def packed(self):
        head = struct.pack("<QIIIIQQII", self.magic, self.version, self.platform, self.address_bit, self.vcpus,
                           self.kernel_entry, self.boot_params, len(self.blobs), len(self.ranges))
        blobs = b"".join(blob.packed() for blob in self.blobs).ljust(8 * 64, b"\0")
        ranges = b"".join(struct.pack("<QQ", *item) for item in self.ranges).ljust(64 * 16, b"\0")
        return head + blobs + ranges


def page_tables(platform, bit):
    """4 GiB, identity: private, but for the staging window. Eight pages, the last two empty."""
    flags, page_flags = 0x23, 0xE3
    c_bit = 1 << bit if platform in (SIMULATED, SEV, SEV_ES, SNP) else 0
    shared = 1 << bit if platform == TDX else 0
    tables = [[0] * 512 for _ in range(8)]
    tables[0][0] = PAGE_TABLES + PAGE | flags | c_bit
    for directory in range(4):
        tables[1][directory] = PAGE_TABLES + (2 + directory) * PAGE | flags | c_bit
        for index in range(512):
            address = (directory * 512 + index) * LARGE
            mark = shared if STAGING <= address < STAGING_END else c_bit
            tables[2 + directory][index] = address | page_flags | mark
    return b"".join(struct.pack("<512Q", *table) for table in tables)
