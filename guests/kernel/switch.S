/*
 * From one kernel stack to another.
 *
 * switch_context(from, to) is an ordinary function call for the compiler, so only what a callee must keep is saved.
 * tp is not: it belongs to the hart, and the context may go on on another one.
 */
    .text
    .globl  switch_context
switch_context:
    sd      ra, 0(a0)
    sd      sp, 8(a0)
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11
    sd      s\n, 16 + 8 * \n(a0)
    .endr
    ld      ra, 0(a1)
    ld      sp, 8(a1)
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11
    ld      s\n, 16 + 8 * \n(a1)
    .endr
    ret

/* The kernel itself uses no floating point: the registers move only when the task on the hart changes. */
    .option arch, +f, +d
    .globl  float_save
float_save:
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd     f\n, 8 * \n(a0)
    .endr
    frcsr   t0
    sd      t0, 256(a0)
    ret

    .globl  float_restore
float_restore:
    .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld     f\n, 8 * \n(a0)
    .endr
    ld      t0, 256(a0)
    fscsr   t0
    ret
