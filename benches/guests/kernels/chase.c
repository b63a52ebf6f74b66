/* A chain of pointers through 64 MiB in random order: every load waits for the one before and misses every cache. */
#include "board.h"

#define COUNT (1u << 20)

static struct {
    uint32_t next;
    uint32_t rest[15];
} lines[COUNT];

int kernel(void)
{
    uint64_t seed = 1;
    uint32_t at = 0, steps = 0;

    for (uint32_t i = 0; i < COUNT; i++)
        lines[i].next = i;
    /* Sattolo: the permutation is one cycle. */
    for (uint32_t i = COUNT - 1; i > 0; i--) {
        uint32_t other, mine = lines[i].next;
        seed = seed * 6364136223846793005ul + 1442695040888963407ul;
        other = (uint32_t)((seed >> 32) * i >> 32);
        lines[i].next = lines[other].next;
        lines[other].next = mine;
    }
    /* Twice around, and never at the start in between. */
    for (int round = 0; round < 2; round++)
        do {
            at = lines[at].next;
            steps++;
        } while (at);
    return steps != 2 * COUNT;
}
