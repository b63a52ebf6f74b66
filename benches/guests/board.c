/* Page tables, and the two ways to end: HTIF's tohost (vmcore, Spike) and the finisher (QEMU's virt). */
#include "board.h"

#define DRAM 0x80000000ul
#define FINISHER 0x100000ul
#define MEGA (2ul << 20)
#define TABLES 64 /* 128 MiB of DRAM in pages of 4 KiB */

#define V 1u
#define RWXAD 0xCEu /* R, W, X, A and D: no page has to be marked while a kernel runs */

extern volatile uint64_t tohost;

static uint64_t root[512] __attribute__((aligned(4096)));
static uint64_t middle[512] __attribute__((aligned(4096)));
static uint64_t low[512] __attribute__((aligned(4096)));
static uint64_t leaves[TABLES][512] __attribute__((aligned(4096)));

static uint64_t entry(uint64_t address, uint64_t bits)
{
    return (address >> 12) << 10 | bits | V;
}

uint64_t make_page_tables(void)
{
    for (uint64_t t = 0; t < TABLES; t++) {
        for (uint64_t i = 0; i < 512; i++)
            leaves[t][i] = entry(DRAM + t * MEGA + i * 4096, RWXAD);
        middle[t] = entry((uint64_t)leaves[t], 0);
    }
    root[DRAM >> 30] = entry((uint64_t)middle, 0);
    /* The first gigabyte holds the finisher. */
    low[0] = entry(0, RWXAD);
    root[0] = entry((uint64_t)low, 0);
    return 8ul << 60 | (uint64_t)root >> 12;
}

void finish(int code)
{
    tohost = (uint64_t)(unsigned)code << 1 | 1;
    *(volatile uint32_t *)FINISHER = code ? (uint32_t)code << 16 | 0x3333 : 0x5555;
    for (;;)
        ;
}

/* The compiler calls these for records that are set or assigned whole. */

void *memset(void *to, int value, size_t n)
{
    for (uint8_t *t = to; n; n--)
        *t++ = (uint8_t)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    const uint8_t *f = from;

    for (uint8_t *t = to; n; n--)
        *t++ = *f++;
    return to;
}
