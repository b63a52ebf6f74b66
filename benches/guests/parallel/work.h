/* The work that is shared out: parts of it, by whoever takes the next one. */
#ifndef WORK_H
#define WORK_H

#include <stdint.h>

#define PARTS 256
#define WORDS 4096 /* of a part: 32 KiB, so that each worker's lies in its own cache */
#define PASSES 24
#define RIGHT 0x2f4d8ad017429d13ul

static volatile uint64_t next_part, sum;

/* Fill, mix and fold: loads, stores, multiplications and shifts, as hashing and simulation have them. */
static uint64_t part(uint64_t number, uint64_t *at)
{
    uint64_t v = number * 0x9e3779b97f4a7c15ul + 1, total = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        v ^= v << 13;
        v ^= v >> 7;
        v ^= v << 17;
        at[i] = v;
    }
    for (unsigned pass = 0; pass < PASSES; pass++)
        for (unsigned i = 0; i < WORDS; i++) {
            uint64_t left = at[(i - 1) % WORDS], right = at[(i + 1) % WORDS];
            at[i] = (at[i] ^ (left >> 3)) * 0xff51afd7ed558ccdul + (right & 0xffff);
        }
    for (unsigned i = 0; i < WORDS; i++)
        total += at[i] ^ at[i] >> 31;
    return total;
}

/* One worker's share. */
static void work(uint64_t *at)
{
    uint64_t number, mine = 0;
    while ((number = __atomic_fetch_add(&next_part, 1, __ATOMIC_RELAXED)) < PARTS)
        mine += part(number, at);
    __atomic_fetch_add(&sum, mine, __ATOMIC_SEQ_CST);
}

#endif
