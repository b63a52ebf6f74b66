/* Addresses and offsets that assembly and C share. */
#ifndef LAYOUT_H
#define LAYOUT_H

/* Physical address p is seen at KERNEL_OFFSET + p: the upper half of Sv39's space mirrors physical memory. */
#define KERNEL_OFFSET 0xffffffc000000000
#define PAGE_SIZE 4096
#define STACK_SIZE 8192

#define SBI_EXT_HSM 0x48534d
#define SBI_HSM_HART_STOP 1

/* struct frame: the registers of whoever was interrupted, as trap.S saves them. Register xN is at 8 * N. */
#define FRAME_SP (8 * 2)
#define FRAME_TP (8 * 4)
#define FRAME_PC (8 * 0) /* x0 needs no place, so sepc gets it */
#define FRAME_STATUS (8 * 32)
#define FRAME_SIZE (8 * 34) /* a multiple of 16, as the stack pointer must be */

/* struct hart: the fields that assembly touches; tp points to it while the kernel runs. */
#define HART_STACK 0
#define HART_TASK_STACK 8
#define HART_USER_SP 16

#endif
