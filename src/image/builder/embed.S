# The assembled entrypoint as data of the library.
        .section .rodata
        .globl  bartizan_entrypoint_begin, bartizan_entrypoint_end
        .hidden bartizan_entrypoint_begin, bartizan_entrypoint_end
bartizan_entrypoint_begin:
        .incbin ENTRYPOINT_FILE
bartizan_entrypoint_end:
        .section .note.GNU-stack, "", @progbits
