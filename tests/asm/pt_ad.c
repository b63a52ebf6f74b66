/* A and D bits: page faults without menvcfg.ADUE (Svade), updates by hardware with it (Svadu). */

#include "rt.h"

#define VA 0x1234567000ul

static u64 *entry;

static u64 flags_now(void) { return get(entry) & 0x3FF; }

static void set(u64 flags)
{
    put(entry, pte(pa_of(pages), flags));
    fence();
}

int main(void)
{
    *(volatile u32 *)pages[0] = 0x73;
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        entry = pte_of(VA, 0);
        for (u32 priv = 0; priv <= 1; priv++) {
            u64 base = V | R | W | X | (priv == U ? PU : 0);

            CLR(MENVCFG, MENVCFG_ADUE);
            fence();
            set(base);
            TRAPS(ld(priv, VA + 16), LOAD_PAGE, VA + 16);
            TRAPS(sd(priv, VA + 16), STORE_PAGE, VA + 16);
            TRAPS(amo(priv, VA + 16), STORE_PAGE, VA + 16);
            TRAPS(fetch(priv, VA), FETCH_PAGE, VA);
            EQ(flags_now(), base);
            set(base | A);
            OK(ld(priv, VA + 16));
            OK(fetch(priv, VA));
            TRAPS(sd(priv, VA + 16), STORE_PAGE, VA + 16);
            TRAPS(amo(priv, VA + 16), STORE_PAGE, VA + 16);
            EQ(flags_now(), base | A);
            set(base | D);
            TRAPS(ld(priv, VA + 16), LOAD_PAGE, VA + 16);
            TRAPS(sd(priv, VA + 16), STORE_PAGE, VA + 16);
            EQ(flags_now(), base | D);
            set(base | A | D);
            OK(sd(priv, VA + 16));

            SET(MENVCFG, MENVCFG_ADUE);
            CHECK(RD(MENVCFG) & MENVCFG_ADUE);
            fence();
            set(base);
            OK(ld(priv, VA + 16));
            EQ(flags_now(), base | A);
            /* The page is in the TLB for reading: the store has to set D all the same. */
            OK(sd(priv, VA + 16));
            EQ(flags_now(), base | A | D);
            set(base);
            OK(fetch(priv, VA));
            EQ(flags_now(), base | A);
            set(base);
            OK(sd(priv, VA + 16));
            EQ(flags_now(), base | A | D);
            set(base);
            OK(amo(priv, VA + 16));
            EQ(flags_now(), base | A | D);
            /* An access that is refused sets nothing. */
            set(base & ~(u64)W);
            TRAPS(sd(priv, VA + 16), STORE_PAGE, VA + 16);
            EQ(flags_now(), base & ~(u64)W);
            set(base ^ PU);
            TRAPS(ld(priv, VA + 16), LOAD_PAGE, VA + 16);
            EQ(flags_now(), base ^ PU);
            /* Superpages keep these bits in their own leaf. */
            u64 *big = pte_of(0x40000000ul * 7, 1);
            put(big, pte(0x80000000, base));
            fence();
            OK(ld(priv, 0x40000000ul * 7 + 64));
            EQ(get(big) & 0x3FF, base | A);
            OK(sd(priv, 0x40000000ul * 7 + (pa_of(pages) - 0x80000000) + 16));
            EQ(get(big) & 0x3FF, base | A | D);
            /* Turning ADUE off brings the faults back, once the TLB is fenced. */
            CLR(MENVCFG, MENVCFG_ADUE);
            set(base);
            TRAPS(ld(priv, VA + 16), LOAD_PAGE, VA + 16);
        }
    }
    return 0;
}
