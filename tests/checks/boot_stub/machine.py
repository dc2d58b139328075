"""A confidential guest's processor, played by Unicorn around the real stub: 32-bit start state, the stub's own page
tables, and behind them two views of memory (private and shared) with a shadow of what is validated, page by page.

What the hardware would do and what the specifications say about it (APM volume 2, 15.34 and 15.36; volume 3, PVALIDATE;
GHCB specification; TDX module ABI) is written here from those documents. Anything that would trap or kill a guest is kept
in `violations`."""

import os
import struct
import subprocess
import tempfile

import unicorn
from unicorn import x86_const as x86

from contract import (CPUID_PAGE, GIB, LARGE, MAILBOX, NONE, PAGE, PAGE_TABLES, SEV, SEV_ES, SIMULATED, SNP, STAGING,
                      STAGING_END, STUB, TABLE, TDX, ENTRY_32, AP_ENTRY_16, page_tables)

SHARED = 1 << 44  # where Unicorn keeps the shared view
TRAMPOLINE = 0xD0800000  # ours, where a guest has neither RAM nor devices
GHCB_MSR, SEV_STATUS = 0xC0010130, 0xC0010131
ADDRESS_MASK = 0x000FFFFFFFFFF000
STATUS = {SIMULATED: 1, SEV: 1, SEV_ES: 3, SNP: 7}

ACCEPTED_BEFORE = 0x00000B0A << 32
SIZE_MISMATCH = 0xC0000B0B << 32
BUSY = 0x80000200 << 32
INVALID = 0xC0000100 << 32

# From 64 bits without paging, as Unicorn starts, to the start states of the contract: paging on and off again leaves
# long mode, EFER.LME stays. Registers: EBX cr0, ECX cr4 of the start state, EBP where to, ESI kept.
SWITCH = """
        .code64
        lgdt    gdt_pointer(%rip)
        lidt    idt_pointer(%rip)
        movq    %cr4, %rax
        orq     $0x20, %rax
        movq    %rax, %cr4
        movq    %cr0, %rax
        btsq    $31, %rax
        movq    %rax, %cr0
        pushq   $8
        leaq    protected(%rip), %rax
        pushq   %rax
        lretq
        .code32
protected:
        movl    %ebx, %cr0
        movl    %ecx, %cr4
        movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        cmpl    $0x50020, %ebp
        je      real
        xorl    %eax, %eax
        xorl    %esp, %esp
        jmp     *%ebp
real:   ljmpl   $24, $BASE + (code16 - start)
        .code16
code16: movl    $0x10, %eax
        movl    %eax, %cr0
        ljmpl   $0x5000, $0x20
        .balign 8
gdt:    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x008f9b000000ffff
gdt_pointer:
        .word . - gdt - 1
        .quad gdt
idt_pointer:
        .word 0xffff
        .quad 0
"""


def assembled():
    with tempfile.TemporaryDirectory() as folder:
        source = f".set BASE, {TRAMPOLINE}\n.globl _start\n_start: start:\n" + SWITCH
        subprocess.run(["as", "--64", "-o", f"{folder}/a.o", "-"], input=source.encode(), check=True)
        subprocess.run(["ld", "-Ttext", hex(TRAMPOLINE), "-o", f"{folder}/a", f"{folder}/a.o"], check=True)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", f"{folder}/a", f"{folder}/b"], check=True)
        with open(f"{folder}/b", "rb") as binary:
            return binary.read()


class Machine:
    """`host` overrides what the platform answers: see the attributes set in __init__."""

    def __init__(self, stub, table, ram_bytes=24 << 20, high_pages=0, low=()):
        self.table, self.platform, self.bit = table, table.platform, table.address_bit
        self.violations, self.log, self.touched, self.validated = [], [], set(), set()
        self.large_pages = True       # the host backs 2 MiB pages
        self.validated_before = set()  # CF=1, already accepted
        self.broken_pages = set()     # another failure
        self.busy = 0                 # so many busy answers first
        self.sev_status = STATUS.get(self.platform, 0)
        self.real_bit = self.bit      # where the C-bit is
        self.announced_bit = self.bit  # what CPUID says
        self.coherent = False
        self.ghcb_versions = (1, 2)
        self.jump_table_error = 0
        self.rtmr_status = 0
        self.ended = None             # ("kernel",) or ("refused", number, …)
        self.msr = 0
        self.rtmrs, self.jump_table = [], None
        self.outs, self.cpuids = [], []
        self.translations = {}        # as the processor keeps them: what PVALIDATE uses until CR3 is written
        self.two_views = self.platform in (SEV, SEV_ES, SNP, TDX)
        self._open()
        self._make_memory(stub, ram_bytes, high_pages, low)
        self._hook(stub)

    # -- memory ---------------------------------------------------------------------------------------------------
    def _open(self):
        self.uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        self.uc.ctl_set_tlb_mode(unicorn.UC_TLB_VIRTUAL)
        self.uc.mem_map(TRAMPOLINE, 2 * PAGE)
        self.uc.mem_write(TRAMPOLINE, assembled())
        self.staging_at = STAGING + (SHARED if self.two_views else 0)
        self.uc.mem_map(self.staging_at, 16 << 20)

    def _make_memory(self, stub, ram_bytes, high_pages, low):
        self.uc.mem_map(0, ram_bytes)
        if high_pages:
            self.uc.mem_map(4 * GIB, high_pages * PAGE)
        if self.two_views:
            self.uc.mem_map(SHARED, ram_bytes)
            self.uc.mem_write(SHARED, b"\xee" * ram_bytes)
        if self.platform in (SEV, SEV_ES):  # what was not loaded is noise
            self.uc.mem_write(0, os.urandom(1 << 20) * (ram_bytes >> 20))
        self.load(STUB, stub.ljust(16384, b"\0"))
        self.load(TABLE, self.table.packed().ljust(2 * PAGE, b"\0"))
        self.load(MAILBOX, bytes(2 * PAGE))  # and the stack
        self.load(PAGE_TABLES, page_tables(self.platform, self.bit))
        for blob in self.table.blobs:
            if blob.source:
                self.uc.mem_write(self.staging_at + blob.source - STAGING, blob.content)
            else:
                self.load(blob.destination, blob.content.ljust(-(-len(blob.content) // PAGE) * PAGE, b"\0"))
        for address, content in low:
            self.load(address, content)

    def load(self, address, content):
        """A launch page: in private memory, validated."""
        self.uc.mem_write(address, content)
        self.validated.update(range(address // PAGE, (address + len(content) + PAGE - 1) // PAGE))

    def show_all_to_host(self):
        """The host knows what it loaded, and gives it in the shared view too."""
        for page in self.validated:
            self.uc.mem_write(SHARED + page * PAGE, self.private(page * PAGE, PAGE))

    def private(self, address, size):
        return bytes(self.uc.mem_read(address, size))

    def _walk(self, address):
        """(guest-physical address, private?) as the page tables say; APM volume 2, 5.3."""
        if not self.uc.reg_read(x86.UC_X86_REG_CR0) >> 31:
            return address, True
        # A host that lies about the C-bit backs the address with the wrong bit by the same memory.
        mark = 1 << self.real_bit if self.bit else 0
        ignored = mark | (1 << self.bit if self.platform != TDX else 0)
        entry = self.uc.reg_read(x86.UC_X86_REG_CR3)
        for level in (39, 30, 21, 12):
            table = entry & ADDRESS_MASK & ~ignored
            self._touch(table, "walk")
            entry = struct.unpack("<Q", self.private(table + 8 * (address >> level & 511), 8))[0]
            if not entry & 1:
                return None, True
            if level == 12 or entry & 0x80:
                break
        offset = (1 << level) - 1
        page = entry & ADDRESS_MASK & ~ignored & ~offset
        if self.platform == TDX:
            private = not entry & mark
        else:
            private = bool(entry & mark) or self.platform == NONE
        return page | address & offset, private

    def _touch(self, address, why):
        page = address // PAGE
        self.touched.add(page)
        if self.platform in (SNP, TDX) and page not in self.validated:
            self.violations.append(f"{why} of {address:#x}, which is not validated")
            self.uc.emu_stop()

    def _fill(self, uc, address, access, entry, _):
        if TRAMPOLINE <= address < TRAMPOLINE + 2 * PAGE:
            entry.paddr, entry.perms = address, unicorn.UC_PROT_ALL
            return True
        physical, private = self._walk(address)
        if physical is None:
            self.violations.append(f"page fault at {address:#x}")
            return False
        private = private or access == unicorn.UC_MEM_FETCH
        in_window = STAGING <= physical < STAGING_END
        if private and in_window and self.two_views:
            self.violations.append(f"private access to {physical:#x} in the staging window")
            return False
        if not private and not in_window:
            self.violations.append(f"shared access to {physical:#x}")
        if private and not in_window:
            self._touch(physical, {unicorn.UC_MEM_READ: "read", unicorn.UC_MEM_WRITE: "write"}.get(access, "fetch"))
        entry.paddr = physical + (0 if private or not self.two_views else SHARED)
        entry.perms = unicorn.UC_PROT_ALL
        return True

    # -- instructions ---------------------------------------------------------------------------------------------
    PATTERNS = {
        "pvalidate": b"\xf2\x0f\x01\xff", "vmgexit": b"\xf3\x0f\x01\xd9", "tdcall": b"\x66\x0f\x01\xcc",
        "rdmsr": b"\x0f\x32", "wrmsr": b"\x0f\x30", "cpuid": b"\x0f\xa2", "out": b"\xef", "hlt": b"\xf4",
        "cr3": b"\x0f\x22", "rdrand_ecx": b"\x0f\xc7\xf1", "rdrand_edi": b"\x0f\xc7\xf7",
    }

    def _hook(self, stub):
        self.uc.hook_add(unicorn.UC_HOOK_TLB_FILL, self._fill)
        # A pattern inside another instruction never starts one, so a hook too many does no harm.
        for name, pattern in self.PATTERNS.items():
            at = stub.find(pattern)
            while at >= 0:
                self.uc.hook_add(unicorn.UC_HOOK_CODE, self._instruction, (name, len(pattern)), STUB + at, STUB + at)
                at = stub.find(pattern, at + 1)
        self.uc.hook_add(unicorn.UC_HOOK_CODE, self._kernel, None, self.table.kernel_entry, self.table.kernel_entry)
        self.uc.hook_add(unicorn.UC_HOOK_INTR, self._exception)

    def get(self, name):
        return self.uc.reg_read(getattr(x86, f"UC_X86_REG_{name}"))

    def set(self, name, value):
        self.uc.reg_write(getattr(x86, f"UC_X86_REG_{name}"), value)

    def _instruction(self, uc, address, size, user):
        name, length = user
        self.log.append(name)
        if getattr(self, f"_{name}")() is not False:
            self.set("RIP", address + length)

    def _kernel(self, uc, address, size, _):
        self.ended = ("kernel",)
        uc.emu_stop()

    def _exception(self, uc, number, _):
        self.ended = self.ended or ("exception", number)
        uc.emu_stop()

    def end(self, *what):
        self.ended = what
        self.uc.emu_stop()
        return False

    def only_on(self, *platforms):
        if self.platform not in platforms:
            self.violations.append(f"{self.log[-1]} on platform {self.platform}")

    def _set_flags(self, carry):
        self.set("EFLAGS", self.get("EFLAGS") & ~1 | carry)

    def _cr3(self):
        """MOV to CR0, CR3, CR4: forgets translations, then runs as it is."""
        self.log.pop()
        self.translations.clear()
        return False

    def _rdrand(self, register):
        self.set(register, int.from_bytes(os.urandom(4), "little"))
        self._set_flags(1)

    def _rdrand_ecx(self):
        self._rdrand("RCX")

    def _rdrand_edi(self):
        self._rdrand("RDI")

    def _hlt(self):
        self.only_on(NONE, SIMULATED, SEV, SEV_ES, SNP)  # a TD gets #VE
        self.end(*(self.ended or ("halted",)))

    def _rdmsr(self):
        self.only_on(SIMULATED, SEV, SEV_ES, SNP)
        value = {GHCB_MSR: self.msr, SEV_STATUS: self.sev_status}[self.get("RCX") & 0xFFFFFFFF]
        self.set("RAX", value & 0xFFFFFFFF)
        self.set("RDX", value >> 32)

    def _wrmsr(self):
        self.only_on(SEV_ES, SNP)
        assert self.get("RCX") & 0xFFFFFFFF == GHCB_MSR
        self.msr = self.get("RDX") << 32 | self.get("RAX") & 0xFFFFFFFF

    def _out(self):
        self.only_on(NONE, SIMULATED, SEV)
        self.outs.append((self.get("RDX") & 0xFFFF, self.get("RAX") & 0xFFFFFFFF))

    def cpuid_answer(self, leaf):
        if leaf == 0x8000001F:
            return 2, self.announced_bit | 1 << 6 | (1 << 31 if self.coherent else 0), 0, 0
        if leaf in (0, 0x80000000):
            return leaf | 0x1F, 0, 0, 0
        return 0, 0, 0, 0  # no SHA instructions: Unicorn has none

    def _cpuid(self):
        self.only_on(NONE, SIMULATED, SEV, TDX)
        leaf = self.get("RAX") & 0xFFFFFFFF
        self.cpuids.append(leaf)
        for register, value in zip(("RAX", "RBX", "RCX", "RDX"), self.cpuid_answer(leaf)):
            self.set(register, value)

    def cpuid_page(self):
        leaves = (0, 7, 0x80000000, 0x8000001F)
        entries = [struct.pack("<IIQQIIIIQ", leaf, 0, 0, 0, *self.cpuid_answer(leaf), 0) for leaf in leaves]
        return (struct.pack("<IIQ", len(entries), 0, 0) + b"".join(entries)).ljust(PAGE, b"\0")

    # -- SNP ------------------------------------------------------------------------------------------------------
    def _pvalidate(self):
        self.only_on(SNP)
        size, operation = self.get("RCX") & 0xFFFFFFFF, self.get("RDX") & 0xFFFFFFFF
        virtual = self.get("RAX")
        page, private = self.translations.setdefault(virtual // LARGE, self._walk(virtual & -LARGE))
        address = page + virtual % LARGE
        large = size == 1
        self._set_flags(0)
        if size > 1 or operation != 1 or address % (LARGE if large else PAGE):
            self.set("RAX", 1)  # FAIL_INPUT
        elif not private:
            self.violations.append(f"PVALIDATE of shared {address:#x}")
        elif large and not self.large_pages:
            self.set("RAX", 6)  # FAIL_SIZEMISMATCH
        else:
            pages = set(range(address // PAGE, address // PAGE + (512 if large else 1)))
            if pages & self.broken_pages:
                return self.set("RAX", 1)
            self.set("RAX", 0)
            self._set_flags(int(self._valid_before(pages)))
            self._new_pages(address, len(pages), os.urandom(PAGE))

    def _valid_before(self, pages):
        return not pages.isdisjoint(self.validated_before) or not pages.isdisjoint(self.validated)

    def _new_pages(self, address, count, content):
        fresh = set(range(address // PAGE, address // PAGE + count)) - self.validated
        for page in fresh:
            self.uc.mem_write(page * PAGE, content)
        self.validated |= fresh

    # -- GHCB -----------------------------------------------------------------------------------------------------
    def _vmgexit(self):
        self.only_on(SEV_ES, SNP)
        request = self.msr & 0xFFF
        if request == 0:
            return self._ghcb_page(self.msr)
        if request == 0x100:
            return self.end("refused", self.msr >> 16 & 0xFF, self.msr >> 12 & 0xF)
        if request == 0x002:
            low, high = self.ghcb_versions
            self.msr = 0x001 | self.announced_bit << 24 | low << 32 | high << 48
        elif request == 0x004:
            answer = self.cpuid_answer(self.msr >> 32)
            self.msr = answer[self.msr >> 30 & 3] << 32 | 0x005
        else:
            self.violations.append(f"GHCB MSR request {self.msr:#x}")

    def _ghcb_page(self, address):
        if address != STAGING:
            self.violations.append(f"GHCB at {address:#x}")
        page = bytes(self.uc.mem_read(SHARED + address, PAGE))
        code, info1, info2 = struct.unpack_from("<QQQ", page, 0x390)
        valid = [index for index in range(128) if page[0x3F0 + index // 8] >> index % 8 & 1]
        version, usage = struct.unpack_from("<H", page, 0xFFA)[0], struct.unpack_from("<I", page, 0xFFC)[0]
        low, high = self.ghcb_versions
        if valid != [0x390 // 8, 0x398 // 8, 0x3A0 // 8] or usage != 0 or not low <= version <= min(high, 2):
            self.violations.append(f"GHCB: valid {valid}, usage {usage}, version {version}")
        if (code, info1) != (0x80000005, 0):
            self.violations.append(f"GHCB: exit {code:#x} {info1:#x}")
        self.jump_table = info2
        self.uc.mem_write(SHARED + address + 0x398, struct.pack("<QQ", self.jump_table_error, 0))

    # -- TDX ------------------------------------------------------------------------------------------------------
    def _tdcall(self):
        self.only_on(TDX)
        leaf, rcx, rdx = self.get("RAX"), self.get("RCX"), self.get("RDX")
        if leaf == 0:
            return self._vmcall(rcx)
        if leaf == 1:
            self.set("RCX", self.real_bit + 1)
            return self.set("RAX", 0)
        if self.busy > 0:
            self.busy -= 1
            return self.set("RAX", BUSY)
        self.set("RAX", {2: self._extend, 6: self._accept}[leaf](rcx, rdx))

    def _vmcall(self, mask):
        if (self.get("R10"), self.get("R11")) != (0, 0x10003) or mask & 0x1C00 != 0x1C00 or mask & 0x13:
            self.violations.append(f"TDVMCALL {self.get('R11'):#x}, registers {mask:#x}")
        return self.end("refused", self.get("R12") & 0xFFF, self.get("R12") >> 12)

    def _extend(self, address, rtmr):
        if address % 64 or rtmr > 3 or self.rtmr_status:
            return self.rtmr_status or INVALID
        self.rtmrs.append((rtmr, self.private(address, 48)))
        return 0

    def _accept(self, rcx, _):
        address, large = rcx & ~0xFFF, rcx & 7 == 1
        if rcx & 0xFF8 or rcx & 7 > 1 or large and address % LARGE:
            return INVALID
        if large and not self.large_pages:
            return SIZE_MISMATCH
        pages = set(range(address // PAGE, address // PAGE + (512 if large else 1)))
        if pages & self.broken_pages:
            return INVALID
        if self._valid_before(pages):
            return ACCEPTED_BEFORE
        self._new_pages(address, len(pages), bytes(PAGE))
        return 0

    # -- running --------------------------------------------------------------------------------------------------
    def start(self, entry=STUB + ENTRY_32, index=0, instructions=0):
        """From the start state of the contract until the guest ends, or for so many instructions."""
        self.ended = None
        tdx = self.platform == TDX
        if entry == STUB + ENTRY_32 and self.platform == SNP and CPUID_PAGE // PAGE not in self.validated:
            self.load(CPUID_PAGE, self.cpuid_page())
        for name, value in {"RBX": 0x21 if tdx else 0x11, "RCX": 0x2040 if tdx else 0x60, "RBP": entry,
                            "RSI": index, "RSP": TRAMPOLINE + 2 * PAGE, "EFLAGS": 2}.items():
            self.set(name, value)
        self.uc.msr_write(0xC0000080, 0x500)
        return self.resume(TRAMPOLINE, instructions)

    def resume(self, address, instructions=0):
        try:
            self.uc.emu_start(address, TRAMPOLINE + 2 * PAGE - 1, count=instructions)
        except unicorn.UcError as error:
            self.ended = self.ended or ("fault", str(error))
        return self.ended
