/* Recursive Fibonacci: calls, returns, and the stack. */
#include "board.h"

__attribute__((noinline)) static uint64_t fib(uint64_t n)
{
    uint64_t below;

    if (n < 2)
        return n;
    below = fib(n - 2);
    __asm__ volatile("" : "+r"(below)); /* keep both calls */
    return fib(n - 1) + below;
}

int kernel(void)
{
    return fib(hidden(34)) != 5702887;
}
