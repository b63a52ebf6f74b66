/* primes [n]: counts the primes up to n with the sieve of Eratosthenes. */
#include "../lib/user.h"

#define MOST 100000000

int main(int argc, char **argv)
{
    u64 n = argument(argc, argv, 1, 1000000), count = 0, largest = 0, start = now_ns();
    u8 *composite;

    if (n > MOST) {
        printf("primes: at most %u\n", MOST);
        return 1;
    }
    composite = grow(n + 1);
    for (u64 i = 2; i * i <= n; i++) {
        if (composite[i])
            continue;
        for (u64 multiple = i * i; multiple <= n; multiple += i)
            composite[multiple] = 1;
    }
    for (u64 i = 2; i <= n; i++) {
        if (!composite[i]) {
            count++;
            largest = i;
        }
    }
    printf("%lu primes up to %lu, the largest is %lu (%s)\n", count, n, largest, seconds(now_ns() - start));
    return 0;
}
