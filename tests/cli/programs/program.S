# Ends with status EXIT through HTIF, or never ends (SPIN, SLEEP); writes a signature first.
    .globl _start
_start:
    csrr t0, mhartid
    bnez t0, rest
    la t1, begin_signature
    li t2, 0x1122334455667788
    sd t2, 8(t1)
#ifdef HELLO
    la a0, call
    la t0, tohost
    sd a0, 0(t0)
    la t0, fromhost
wait_call:
    ld t1, 0(t0)
    beqz t1, wait_call
    sd zero, 0(t0)
#endif
#ifdef EXIT
    li a0, (EXIT << 1) | 1
    la t0, tohost
    sd a0, 0(t0)
#endif
    .globl rest
rest:
#ifdef SPIN
    j rest
#endif
    wfi
    j rest

    .section .tohost, "aw"
    .balign 64
    .globl tohost
tohost: .dword 0
    .globl fromhost
fromhost: .dword 0

    .data
    .balign 64
call: .dword 64, 1, text, 6, 0, 0, 0, 0
text: .ascii "hello\n"
    .balign 16
    .globl begin_signature
begin_signature:
    .word 0x00000001, 0xdeadbeef
    .dword 0
    .globl end_signature
end_signature:
