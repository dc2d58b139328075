# The linked boot stub as data of the library.
        .section .rodata
        .globl  bartizan_boot_stub_begin, bartizan_boot_stub_end
        .hidden bartizan_boot_stub_begin, bartizan_boot_stub_end
bartizan_boot_stub_begin:
        .incbin BOOT_STUB_FILE
bartizan_boot_stub_end:
        .section .note.GNU-stack, "", @progbits
