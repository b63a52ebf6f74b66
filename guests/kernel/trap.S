/*
 * The way into the kernel and out of it.
 *
 * While a user program runs, sscratch holds the address of its hart's struct hart; while the kernel runs it holds 0
 * and tp holds that address. So one swap tells where a trap came from.
 */
#include "layout.h"

    .macro  save n
    sd      x\n, 8 * \n(sp)
    .endm
    .macro  restore n
    ld      x\n, 8 * \n(sp)
    .endm

    .text
    .balign 4
    .globl  trap_entry
trap_entry:
    csrrw   tp, sscratch, tp
    beqz    tp, from_kernel

    sd      sp, HART_USER_SP(tp)
    ld      sp, HART_TASK_STACK(tp)
    addi    sp, sp, -FRAME_SIZE
    save    5
    ld      t0, HART_USER_SP(tp)
    sd      t0, FRAME_SP(sp)
    csrrw   t0, sscratch, zero  /* the user's tp */
    sd      t0, FRAME_TP(sp)
    j       save_rest

from_kernel:
    csrrw   tp, sscratch, zero  /* both as they were */
    addi    sp, sp, -FRAME_SIZE
    save    5
    addi    t0, sp, FRAME_SIZE
    sd      t0, FRAME_SP(sp)
    sd      tp, FRAME_TP(sp)

save_rest:
    save    1
    save    3
    .irp    n, 6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    save    \n
    .endr
    csrr    t0, sepc
    sd      t0, FRAME_PC(sp)
    csrr    t0, sstatus
    sd      t0, FRAME_STATUS(sp)

    mv      a0, sp
    call    trap

    /* A new task starts its life here, with sp at the frame that describes its first instruction. */
    .globl  trap_return
trap_return:
    ld      t0, FRAME_STATUS(sp)
    csrw    sstatus, t0
    ld      t1, FRAME_PC(sp)
    csrw    sepc, t1
    andi    t0, t0, 0x100       /* SPP: was it the kernel? */
    bnez    t0, 1f
    addi    t0, sp, FRAME_SIZE
    sd      t0, HART_TASK_STACK(tp)
    csrw    sscratch, tp
    restore 4
1:
    restore 1
    restore 3
    .irp    n, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    restore \n
    .endr
    restore 2
    sret
