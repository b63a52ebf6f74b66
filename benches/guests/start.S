# M-mode entry: everything is allowed by PMP, DRAM and the finisher are mapped under Sv39 by 4 KiB pages, and the
# kernel runs in S-mode. Any trap ends the program as a failure.

    .section .text.start
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, 3f
    la      sp, stack_top
    la      t0, 2f
    csrw    mtvec, t0
    # The whole address space, readable, writable, executable.
    li      t0, -1
    csrw    pmpaddr0, t0
    li      t0, 0x1f
    csrw    pmpcfg0, t0
    li      t0, 7
    csrw    mcounteren, t0
    call    make_page_tables
    csrw    satp, a0
    sfence.vma
    # mstatus.MPP = S, and FS = Initial: floating point is on
    li      t0, 0x1800
    csrc    mstatus, t0
    li      t0, 0x2800
    csrs    mstatus, t0
    la      t0, 1f
    csrw    mepc, t0
    mret
1:  call    kernel
    # A kernel returns 0 when its result is right.
    call    finish
2:  li      a0, 99
    call    finish
3:  wfi
    j       3b

    .section .bss
    .balign 16
    .space 65536
stack_top:

    .section .tohost, "aw"
    .balign 4096
    .globl tohost
tohost:
    .dword 0
    .globl fromhost
fromhost:
    .dword 0
    .balign 4096
