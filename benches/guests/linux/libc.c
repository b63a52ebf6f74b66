/* memcpy, strlen and memset of the C library, on pieces of many sizes. */
#include <string.h>

#include "board.h"

#define SIZE 4096
#define ROUNDS 12000

static char from[SIZE + 1], to[SIZE + 1];

int kernel(void)
{
    size_t total = 0, expected = 0;

    memset(from, 'x', SIZE);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t n = 16; n <= SIZE; n += n / 2 + (unsigned)round % 8) {
            memcpy(to, from + SIZE - n, n);
            to[n] = 0;
            total += strlen(to);
            expected += n;
        }
    return total != expected || memcmp(from, to, 16) != 0;
}
