/* Two buffers 1 MiB apart, used in turn word by word: their pages share an entry in a direct-mapped TLB of up to 256. */
#include "board.h"

#define WORDS (1u << 17)
#define USED 8192u
#define ROUNDS 4800u

static uint64_t words[2 * WORDS];

int kernel(void)
{
    uint64_t *a = words, *b = words + hidden(WORDS);

    for (uint32_t i = 0; i < USED; i++) {
        a[i] = i;
        b[i] = 0;
    }
    for (uint32_t round = 0; round < ROUNDS; round++)
        for (uint32_t i = 0; i < USED; i++)
            b[i] += a[i] + round;
    for (uint32_t i = 0; i < USED; i++)
        if (b[i] != (uint64_t)i * ROUNDS + ROUNDS * (ROUNDS - 1) / 2)
            return 1;
    return 0;
}
