# Functions of which `vmcore jit show` shows every reason for which a block can end.
    .option norvc
    .globl _start
_start:
    j _start

    .globl loop
loop:
0:  addi a0, a0, -1
    bnez a0, 0b
    ret

    .globl product
product:
    mul a0, a0, a1
    ret

    .globl skips
skips:
    addi a0, a0, 1
    j 1f
    .word 0
1:  addi a0, a0, 2
    call loop
    fence.i
    addi a0, a0, 3
    ret

    .globl long
long:
    .rept 100
    add a0, a0, a1
    .endr
    ret

    .balign 4096
    .space 4084
    .globl across
across:
    addi a0, a0, 1
    addi a0, a0, 2
    addi a0, a0, 3
    addi a0, a0, 4
    ret

    .section .tohost, "aw"
    .balign 64
    .globl tohost
tohost: .dword 0
    .globl fromhost
fromhost: .dword 0

    .data
    .globl begin_signature
begin_signature:
    .dword 0
    .globl end_signature
end_signature:
