/* Superpages of every size reach the right bytes, and give way to smaller pages and back after a fence. */

#include "rt.h"

int main(void)
{
    for (u32 levels = 3; levels <= 5; levels++) {
        for (u32 level = 1; level < levels; level++) {
            vm_reset(levels);
            u64 size = PAGE << (9 * level);
            /* The page that holds DRAM: from 0 on when it is larger than where DRAM starts. */
            u64 pa = 0x80000000 & ~(size - 1);
            u64 va = level < levels - 1 ? 3 * size : size;
            u64 inside = va + (pa_of(pages[5]) & (size - 1));
            if (level == 1)
                pa = pa_of(pages[5]) & ~(size - 1);
            *pte_of(va, level) = pte(pa, V | R | W | X | A | D);
            fence();
            for (u64 off = 0; off < PAGE; off += 1032) {
                put(pages[5] + off, off + 99);
                OK(ld(S, inside + off));
                EQ(T.a1, off + 99);
                OK(sd(S, inside + off));
                EQ(get(pages[5] + off), 0x57012E);
            }
            *(volatile u32 *)pages[5] = 0x73;
            OK(fetch(S, inside));
            /* Misaligned across a 4 KiB boundary inside the superpage. */
            put(pages[6] - 8, 0x1122334455667788);
            put(pages[6], 0xAABBCCDDEEFF0011);
            OK(ld(S, inside + PAGE - 3));
            EQ(T.a1, 0xDDEEFF0011112233);
            /* Split: a table of smaller pages in its place, only one of them present. */
            *pte_of(va, level) = 0;
            *pte_of(inside, 0) = pte(pa_of(pages[7]), RWAD);
            put(pages[7] + 8, 4711);
            fence();
            OK(ld(S, inside + 8));
            EQ(T.a1, 4711);
            TRAPS(ld(S, inside + PAGE), LOAD_PAGE, inside + PAGE);
        }
    }
    return 0;
}
