/* The work on the harts of a machine, in M-mode; the last one to be done ends it through HTIF. */
#include "work.h"

#define MOST 8

static uint64_t areas[MOST][WORDS] __attribute__((aligned(4096)));
uint8_t stacks[MOST][4096] __attribute__((aligned(16)));
static volatile uint64_t done;
/* The host sets it before the machine runs. */
volatile uint64_t workers = 1;
volatile uint64_t tohost __attribute__((section(".tohost"))), fromhost __attribute__((section(".tohost")));

__asm__(".section .text.start\n"
        ".globl _start\n"
        "_start:\n"
        "    csrr a0, mhartid\n"
        "    la sp, stacks\n"
        "    addi t0, a0, 1\n"
        "    slli t0, t0, 12\n"
        "    add sp, sp, t0\n"
        "    call hart_main\n"
        "1:  wfi\n"
        "    j 1b\n"
        ".text\n");

void hart_main(uint64_t hart)
{
    work(areas[hart]);
    if (__atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST) == workers)
        tohost = (sum != RIGHT) << 1 | 1;
}
