/* Svpbmt: menvcfg.PBMTE decides whether bits 61 and 62 of a leaf mean something; 3 is reserved, and so are they in a
 * pointer. */

#include "rt.h"

#define VA 0x1234560000ul

int main(void)
{
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        put(pages[0] + 8, 33);
        *(volatile u32 *)pages[0] = 0x73;
        u64 *entry = pte_of(VA, 0), *big = pte_of(VA + (1ul << 30), 1);
        for (u64 on = 0; on < 2; on++) {
            CLR(MENVCFG, MENVCFG_PBMTE);
            if (on)
                SET(MENVCFG, MENVCFG_PBMTE);
            EQ(RD(MENVCFG) & MENVCFG_PBMTE, on ? MENVCFG_PBMTE : 0);
            for (u64 type = 0; type < 4; type++) {
                int ok = type == 0 || (on && type < 3);
                put(entry, pte(pa_of(pages[0]), RWAD | X) | type << 61);
                put(big, pte(0x80000000, RWAD | X) | type << 61);
                fence();
                EQ(ld(S, VA + 8), ok ? DONE : LOAD_PAGE);
                EQ(T.a1, ok ? 33 : 0x5EED);
                EQ(sd(S, VA + 16), ok ? DONE : STORE_PAGE);
                EQ(fetch(S, VA), ok ? DONE : FETCH_PAGE);
                EQ(ld(S, VA + (1ul << 30)), ok ? DONE : LOAD_PAGE);
            }
            put(entry, pte(pa_of(pages[0]), RWAD | X));
            u64 *pointer = pte_of(VA, 1), kept = get(pointer);
            for (u64 type = 1; type < 4; type++) {
                put(pointer, kept | type << 61);
                fence();
                TRAPS(ld(S, VA + 8), LOAD_PAGE, VA + 8);
            }
            put(pointer, kept);
            fence();
            OK(ld(S, VA + 8));
        }
        CLR(MENVCFG, MENVCFG_PBMTE);
    }
    return 0;
}
