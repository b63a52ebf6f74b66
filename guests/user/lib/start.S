/* A program's first instructions. The kernel has set sp, and a0 to the command line. */
    .section .text.start, "ax"
    .globl  _start
_start:
    call    program_start
    unimp                       /* program_start ends the task */

/* call(number, a, b, c, d): the kernel wants the number in a7 and the arguments from a0 on. */
    .globl  call
call:
    mv      a7, a0
    mv      a0, a1
    mv      a1, a2
    mv      a2, a3
    mv      a3, a4
    ecall
    ret
