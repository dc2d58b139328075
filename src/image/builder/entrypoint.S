# What runs when a confidential image is started as an ordinary container: says what to do, exits 1. Linux, x86-64.
        .globl  _start
        .text
_start:
        mov     $1, %eax                # write(2, message, size)
        mov     $2, %edi
        lea     message(%rip), %rsi
        mov     $message_end - message, %edx
        syscall
        mov     $60, %eax               # exit(1)
        mov     $1, %edi
        syscall
message:
        .ascii  "This is a confidential image: its disk opens only inside a confidential VM.\n"
        .ascii  "Launch it with \"bartizan run IMAGE\" or with a container runtime that starts confidential workloads (krun).\n"
message_end:
        .section .note.GNU-stack, "", @progbits
