/* Products of 128 bits, quotients and remainders of 64: powers modulo a Mersenne prime, Euclid's algorithm. */
#include "board.h"

#define PRIME ((1ul << 61) - 1)

static uint64_t times(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    uint64_t sum = (uint64_t)(product >> 61) + ((uint64_t)product & PRIME);

    return sum >= PRIME ? sum - PRIME : sum;
}

static uint64_t power(uint64_t base, uint64_t exponent)
{
    uint64_t result = 1;

    for (; exponent; exponent >>= 1) {
        if (exponent & 1)
            result = times(result, base);
        base = times(base, base);
    }
    return result;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int kernel(void)
{
    uint64_t seed = hidden(1);

    for (int round = 0; round < 800000; round++) {
        uint64_t a, b, factor, quotient;
        seed = seed * 6364136223846793005ul + 1442695040888963407ul;
        a = (seed >> 36) | 1;
        b = (seed >> 8 & 0xfffffff) | 1;
        factor = seed >> 59 | 1;
        /* Fermat: a number to the prime less one is one. */
        if (round % 4 == 0 && power(seed >> 4, PRIME - 1) != 1)
            return 1;
        if (gcd(a * factor, b * factor) != factor * gcd(a, b))
            return 1;
        quotient = seed / a;
        if (quotient * a + seed % a != seed || (int64_t)seed / (int64_t)b * (int64_t)b + (int64_t)seed % (int64_t)b != (int64_t)seed)
            return 1;
    }
    return 0;
}
