/* Svnapot: 64 KiB pages made of sixteen entries whose PPN ends in 1000. */

#include "rt.h"

#define VA 0x1234560000ul
#define N (1ul << 63)

int main(void)
{
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        u64 *entries = pte_of(VA, 0);
        u64 good = pte(pa_of(pages) | 0x8000, RWAD | X) | N;
        for (u32 i = 0; i < 16; i++)
            put(&entries[i], good);
        fence();
        for (u64 i = 0; i < 16; i++)
            put(pages[i] + 0xFF8, 500 + i);
        for (u64 i = 0; i < 16; i++) {
            OK(ld(S, VA + i * PAGE + 0xFF8));
            EQ(T.a1, 500 + i);
            OK(sd(S, VA + i * PAGE));
            EQ(get(pages[i]), 0x57012E);
            *(volatile u32 *)pages[i] = 0x73;
            OK(fetch(S, VA + i * PAGE));
            TRAPS(ld(U, VA + i * PAGE), LOAD_PAGE, VA + i * PAGE);
        }
        /* An address inside flushes its own 4 KiB at least; with all of them fenced the range is gone. */
        for (u32 i = 0; i < 16; i++)
            put(&entries[i], 0);
        for (u64 i = 0; i < 16; i++)
            asm volatile("sfence.vma %0, x0" :: "r"(VA + i * PAGE) : "memory");
        for (u64 i = 0; i < 16; i++)
            TRAPS(ld(S, VA + i * PAGE), LOAD_PAGE, VA + i * PAGE);
        /* Every other ending is reserved. */
        for (u64 low = 0; low < 16; low++) {
            if (low == 8)
                continue;
            put(entries, pte((pa_of(pages) & ~0xFFFFul) | low << 12, RWAD | X) | N);
            fence();
            TRAPS(ld(S, VA), LOAD_PAGE, VA);
            TRAPS(sd(S, VA), STORE_PAGE, VA);
            TRAPS(fetch(S, VA), FETCH_PAGE, VA);
        }
        /* N in a superpage is reserved, whatever its PPN. */
        u64 *big = pte_of(VA + (1ul << 30), 1);
        put(big, pte(0x80000000, RWAD) | N);
        fence();
        TRAPS(ld(S, VA + (1ul << 30)), LOAD_PAGE, VA + (1ul << 30));
        put(big, pte(0x80008000, RWAD) | N);
        fence();
        TRAPS(ld(S, VA + (1ul << 30)), LOAD_PAGE, VA + (1ul << 30));
    }
    return 0;
}
