/* bench [scale]: three loops, their speed, and results that show that they computed the right thing. */
#include "../lib/user.h"

#define WORDS (1u << 17) /* 1 MiB */

static void report(const char *name, u64 iterations, u64 ns, const char *result)
{
    printf("%-8s %10lu iterations in %s  %6lu million/s  %s\n", name, iterations, seconds(ns),
           iterations * 1000 / (ns ? ns : 1), result);
}

/* Shifts, exclusive ors and a multiplication: xorshift64*. */
static void integer(u64 iterations)
{
    u64 state = 88172645463325252ul, sum = 0, start = now_ns();
    char result[32];

    for (u64 i = 0; i < iterations; i++) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        sum += state * 0x2545f4914f6cdd1dul;
    }
    format_text(result, sizeof(result), "sum %016lx", sum);
    report("integer", iterations, now_ns() - start, result);
}

/* Reads and writes a mebibyte, over and over: each word gets the sum of itself and the one before. */
static void memory(u64 iterations)
{
    u64 *words = grow(WORDS * sizeof(u64));
    u64 start, done = 0;
    char result[32];

    for (u32 i = 0; i < WORDS; i++)
        words[i] = i;
    start = now_ns();
    while (done < iterations) {
        for (u32 i = 1; i < WORDS; i++)
            words[i] += words[i - 1];
        done += WORDS - 1;
    }
    format_text(result, sizeof(result), "last %016lx", words[WORDS - 1]);
    report("memory", done, now_ns() - start, result);
}

/* Additions and divisions: Leibniz' series for pi. */
static void floating(u64 iterations)
{
    double sum = 0, sign = 4;
    u64 start = now_ns(), pi;
    char result[32];

    for (u64 i = 0; i < iterations; i++) {
        sum += sign / (double)(2 * i + 1);
        sign = -sign;
    }
    pi = (u64)(sum * 1000000);
    format_text(result, sizeof(result), "pi about %lu.%06lu", pi / 1000000, pi % 1000000);
    report("float", iterations, now_ns() - start, result);
}

int main(int argc, char **argv)
{
    u64 scale = argument(argc, argv, 1, 20);

    integer(scale * 200000);
    memory(scale * 200000);
    floating(scale * 100000);
    return 0;
}
