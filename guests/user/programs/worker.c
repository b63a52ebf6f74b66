/* worker [rounds]: computes in rounds and tells which harts it ran on; `spawn` starts many. Status: a mask of harts. */
#include "../lib/user.h"

#define ROUND 200000

int main(int argc, char **argv)
{
    u64 rounds = argument(argc, argv, 1, 8), state = (u64)call(SYS_GETPID), mask = 0;
    char seen[64];
    size_t used = 0;

    for (u64 round = 0; round < rounds; round++) {
        u64 hart = (u64)call(SYS_GETHART);

        mask |= 1ul << hart;
        for (u32 i = 0; i < ROUND; i++)
            state = state * 6364136223846793005ul + 1442695040888963407ul;
        call(SYS_YIELD);
    }
    for (u64 hart = 0; hart < MAX_HARTS; hart++) {
        if (mask >> hart & 1)
            used += format_text(seen + used, sizeof(seen) - used, " %lu", hart);
    }
    printf("worker %ld: %lu rounds, result %016lx, on hart%s\n", call(SYS_GETPID), rounds, state,
           used ? seen : " none");
    return (int)mask;
}
