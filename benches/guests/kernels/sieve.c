/* Primes below four million by Eratosthenes: strided byte stores over far more memory than a TLB covers. */
#include "board.h"

#define LIMIT 4000000

static uint8_t composite[LIMIT];

int kernel(void)
{
    uint32_t primes = 0;

    for (int round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < LIMIT; i++)
            composite[i] = 0;
        primes = 0;
        for (uint32_t i = 2; i < LIMIT; i++) {
            if (composite[i])
                continue;
            primes++;
            for (uint64_t j = (uint64_t)i * i; j < LIMIT; j += i)
                composite[j] = 1;
        }
    }
    return primes != 283146;
}
