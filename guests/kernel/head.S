/*
 * Where the kernel begins. The loader jumps to the first byte of the image in S-mode with the MMU off,
 * a0 = number of this hart and a1 = physical address of the device tree; the other harts sleep in the firmware.
 */
#include "layout.h"

    .section .head, "ax"
    .globl _start
_start:
    /* The header that the RISC-V Linux boot protocol asks for (64 bytes). */
    .option push
    .option norvc
    j       boot
    nop
    .option pop
    .dword  0x200000            /* text_offset: distance from the start of RAM */
    .dword  _image_size         /* with .bss and stacks, which the file does not hold */
    .dword  0                   /* flags: little endian */
    .word   2                   /* header version 0.2 */
    .word   0
    .dword  0
    .ascii  "RISCV\0\0\0"
    .ascii  "RSC\x05"
    .word   0

    .text
boot:
    csrw    sie, zero
    csrci   sstatus, 2          /* no interrupts yet */
    mv      s0, a0
    mv      s1, a1

    /*
     * The first one here boots. A firmware may let another hart in by mistake: OpenSBI 1.1 does when a hart is started
     * before it has gone to sleep. That one is sent back to sleep, to be started again (see hart_start_others).
     */
    la      t0, arrivals
    li      t1, 1
    amoadd.w.aqrl t1, t1, (t0)
    beqz    t1, first
    li      a7, SBI_EXT_HSM
    li      a6, SBI_HSM_HART_STOP
    ecall
1:  wfi
    j       1b

first:
    la      t0, _bss            /* a raw image does not hold .bss, so nobody cleared it */
    la      t1, _end
1:  sd      zero, 0(t0)
    addi    t0, t0, 8
    bltu    t0, t1, 1b

    /*
     * boot_root, a page table of 1 GiB pages: the upper half maps physical memory from 0 on, and one entry maps the
     * kernel at its physical address, because the MMU is switched on while the pc is still there.
     */
    la      t0, boot_root
    li      t1, 0xcf            /* dirty accessed execute write read valid */
    li      t2, 1 << 28         /* 1 GiB, as a step of the entry's page number field */
    li      t3, 256
    addi    t4, t0, 1024
    addi    t4, t4, 1024
1:  sd      t1, 0(t4)
    add     t1, t1, t2
    addi    t4, t4, 8
    addi    t3, t3, -1
    bnez    t3, 1b
    la      t1, _start
    srli    t1, t1, 30
    slli    t3, t1, 3
    add     t3, t3, t0
    slli    t1, t1, 28
    addi    t1, t1, 0xcf
    sd      t1, 0(t3)

    la      sp, boot_stack + STACK_SIZE
    call    enable_paging
    mv      a0, s0
    mv      a1, s1
    call    kernel_main         /* never returns */

/* Turns the MMU on and returns to the caller at its linked address. sp moves along. */
enable_paging:
    li      t1, KERNEL_OFFSET
    add     ra, ra, t1
    add     sp, sp, t1
    la      t0, boot_root
    srli    t0, t0, 12
    li      t1, 8 << 60         /* Sv39 */
    or      t0, t0, t1
    sfence.vma
    csrw    satp, t0
    sfence.vma
    ret

/* Every other hart starts here: a0 = its number, a1 = physical address of its struct hart. */
    .globl  secondary_start
secondary_start:
    csrw    sie, zero
    csrci   sstatus, 2
    mv      s1, a1
    call    enable_paging
    li      t0, KERNEL_OFFSET
    add     tp, s1, t0
    ld      sp, HART_STACK(tp)
    call    secondary_main      /* never returns */

    .data
    .balign 4
arrivals:                       /* not in .bss, which is cleared after it counts */
    .word   0

    .bss
    .balign 4096
    .globl  boot_root
boot_root:
    .skip   4096
    .globl  boot_stack
boot_stack:
    .skip   STACK_SIZE
