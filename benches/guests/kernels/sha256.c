/* SHA-256 (FIPS 180-4) of the letter a, a million times, twelve times over: shifts, rotates, additions, hardly a branch.
 */
#include "board.h"

static uint32_t constants[64];

static uint32_t rotate(uint32_t v, unsigned n)
{
    return v >> n | v << (32 - n);
}

/* The constants are the first fraction bits of the cube roots of the first primes: found by bisection in integers. */
static uint64_t root_bits(uint64_t prime, int cube)
{
    /* The largest r with (r / 2^32)^2 or ^3 <= prime. */
    uint64_t r = 0;

    for (int bit = 36; bit >= 0; bit--) {
        uint64_t t = r | 1ul << bit;
        unsigned __int128 square = (unsigned __int128)t * t;
        if (cube) {
            /* t^3 <= prime * 2^96, both sides over 2^32: exact enough, since no root is a whole number. */
            unsigned __int128 third = (square >> 32) * t + (((square & 0xffffffff) * t) >> 32);
            if (third < (unsigned __int128)prime << 64)
                r = t;
        } else if (square < (unsigned __int128)prime << 64) {
            r = t;
        }
    }
    return r;
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], v[8];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    for (int i = 0; i < 8; i++)
        v[i] = state[i];
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[i] + w[i];
        uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        v[7] = v[6];
        v[6] = v[5];
        v[5] = v[4];
        v[4] = v[3] + t1;
        v[3] = v[2];
        v[2] = v[1];
        v[1] = v[0];
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
}

static int digest(void)
{
    static uint8_t block[64], last[64];
    const uint64_t bytes = 1000000;
    uint32_t state[8];
    uint64_t prime = 1;

    for (int i = 0; i < 64; i++) {
        int divided;
        do {
            prime++;
            divided = 0;
            for (uint64_t d = 2; d * d <= prime; d++)
                divided |= prime % d == 0;
        } while (divided);
        constants[i] = (uint32_t)root_bits(prime, 1);
        if (i < 8)
            state[i] = (uint32_t)root_bits(prime, 0);
    }
    for (int i = 0; i < 64; i++)
        block[i] = 'a';
    for (uint64_t i = 0; i < bytes / 64; i++)
        compress(state, block);
    last[0] = 0x80;
    for (int i = 0; i < 8; i++)
        last[63 - i] = (uint8_t)(bytes * 8 >> 8 * i);
    compress(state, last);
    /* The standard's test vector for a million letters. */
    return state[0] != 0xcdc76e5c || state[1] != 0x9914fb92 || state[7] != 0xc7112cd0;
}

int kernel(void)
{
    for (int round = 0; round < 12; round++)
        if (digest())
            return 1;
    return 0;
}
