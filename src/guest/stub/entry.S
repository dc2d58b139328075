# The first instructions of a guest: from the start states of src/guest_abi/stub_table.hpp to stub_main. Assembled, because
# it walks through 16, 32 and 64 bits before there is a stack, and because its entry points have fixed offsets.
#
# Nothing here writes EFER (LME is set from the start; in a TD a write traps) or clears a bit of CR4 (in a TD, MCE and
# VMXE must stay set). The interrupt table is empty: an exception, also one that a host injects, ends the VM.

# From stub_table.hpp; tests/checks/boot_stub/test_static.py compares.
#define kStubTableAddress 0x54000
#define kStubMailboxAddress 0x56000
#define kStubStackAddress 0x57000
#define kStubStackTop 0x57ff0
#define kStubPageTables 0x58000
#define kTablePlatform 12
#define kPlatformSev 2
#define kPlatformSnp 4
#define kPlatformTdx 5
#define kAddressBitRefused 3
#define kStubReasonSet 0xb
#define kExitPort 0x0b04

#define kCodeSelector 0x10
#define kDataSelector 0x18
#define kGhcbMsr 0xc0010130
#define kCr4PaeOsfxsr 0x220
#define kCr0EmTs 0xc
#define kCr0PgMp 0x80000002

        .section .entry, "ax"
        .globl  stub_entry, stub_enter_kernel, c_bit_elsewhere, application_processor_64
        .code32
stub_entry:
        jmp     start_32

        .org    0x20
        .code16
        jmp     application_processor_16

        .org    0x30
        .code32
park_32:
        hlt
        jmp     park_32

start_32:
        cli
        cld
        lgdt    gdt_pointer
        lidt    no_interrupts
        movl    $kDataSelector, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        movl    kStubTableAddress + kTablePlatform, %ebp

# Without paging each access is private, whatever the C-bit's place. So a random number left here is found again below
# only if the C-bit of the page tables is the real one; had the host made us run with another one, what the tables call
# private would be the host's to read and write.
        leal    -kPlatformSev(%ebp), %eax
        cmpl    $kPlatformSnp - kPlatformSev, %eax
        ja      paging
1:      rdrand  %ecx
        jnc     1b
2:      rdrand  %edi
        jnc     2b
        movl    %ecx, kStubStackAddress
        movl    %edi, kStubStackAddress + 4

paging: movl    %cr4, %eax
        orl     $kCr4PaeOsfxsr, %eax
        movl    %eax, %cr4
        movl    $kStubPageTables, %eax
        movl    %eax, %cr3
        movl    %cr0, %eax
        andl    $~kCr0EmTs, %eax
        orl     $kCr0PgMp, %eax
        movl    %eax, %cr0
        ljmpl   $kCodeSelector, $start_64

        .code64
start_64:
        cmpl    $kPlatformTdx, %ebp
        jne     1f
        testl   %esi, %esi              # vCPU index
        jne     application_processor_64
1:      leal    -kPlatformSev(%rbp), %eax
        cmpl    $kPlatformSnp - kPlatformSev, %eax
        ja      2f
        cmpl    %ecx, kStubStackAddress
        jne     c_bit_elsewhere
        cmpl    %edi, kStubStackAddress + 4
        jne     c_bit_elsewhere
2:      movl    $kStubStackTop, %esp
        xorl    %ebp, %ebp
        call    stub_main               # does not return
        ud2

# Says so without a stack: what the tables map is not ours.
c_bit_elsewhere:
        cmpl    $kPlatformSev, %ebp
        jne     1f
        movl    $kExitPort, %edx
        movl    $(2 << 24 | kAddressBitRefused << 8), %eax
        outl    %eax, %dx
        ud2
1:      movl    $kGhcbMsr, %ecx
        movl    $(kAddressBitRefused << 16 | kStubReasonSet << 12 | 0x100), %eax
        xorl    %edx, %edx
        wrmsr
        .byte   0xf3, 0x0f, 0x01, 0xd9  # VMGEXIT
2:      hlt
        jmp     2b

# A further processor of a TD, index in ESI: ACPI 6.4, 5.2.12.19, multiprocessor wakeup mailbox. No stack: all of them
# wait here at once. The index is the APIC id (the planner makes it so).
application_processor_64:
        movl    $kStubMailboxAddress, %ebx
1:      pause
        cmpw    $1, (%rbx)              # wakeup
        jne     1b
        cmpl    %esi, 4(%rbx)
        jne     1b
        movq    8(%rbx), %rax
        movw    $0, (%rbx)              # taken: Linux waits for this
        jmp     *%rax

# SEV-ES, after the first SIPI: GHCB specification, "AP Jump Table": the kernel left {IP, CS} there.
        .code16
application_processor_16:
        movw    $(kStubMailboxAddress >> 4), %ax
        movw    %ax, %ds
1:      cmpl    $0, 0
        je      1b
        ljmpw   *0

# stub_enter_kernel(entry, boot_params): Linux Documentation/arch/x86/boot.rst, "64-bit Boot Protocol": RSI, segments,
# interrupts off. No register tells anything else.
        .code64
stub_enter_kernel:
        movq    %rdi, %rax
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        xorl    %edi, %edi
        xorl    %ebp, %ebp
        xorl    %r8d, %r8d
        xorl    %r9d, %r9d
        xorl    %r10d, %r10d
        xorl    %r11d, %r11d
        xorl    %r12d, %r12d
        xorl    %r13d, %r13d
        xorl    %r14d, %r14d
        xorl    %r15d, %r15d
        cld
        jmp     *%rax

        .section .rodata.entry, "a"
        .balign 8
gdt:    .quad   0, 0
        .quad   0x00af9b000000ffff      # 0x10: code, 64 bits
        .quad   0x00cf93000000ffff      # 0x18: data
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt
no_interrupts:
        .word   0
        .long   0
        .section .note.GNU-stack, "", @progbits
