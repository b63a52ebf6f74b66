/* Misaligned loads and stores are done, also across pages; a fault on the second page names its first byte, and leaves
 * the destination as it was. */

#include "rt.h"

#define VA 0x1234567000ul

static const char *const loads[] = { st_lb, st_lh, st_lw, st_ld };
static const char *const stores[] = { st_sb, st_sh, st_sw, st_sd };

static void fill(void)
{
    for (u64 p = 0; p < 6; p++)
        for (u64 i = 0; i < PAGE; i++)
            pages[p][i] = (u8)(i * 7 + p * 31 + (i >> 8));
}

/* The byte that virtual address va shows: pages[0] and then pages[3]. */
static u8 *byte_of(u64 va)
{
    return va < VA + PAGE ? &pages[0][va - VA] : &pages[3][va - VA - PAGE];
}

static void check(u32 priv, u64 va)
{
    for (u32 size = 0; size < 4; size++) {
        u64 want = 0;
        for (u64 i = 0; i < 1ul << size; i++)
            want |= (u64)*byte_of(va + i) << 8 * i;
        OK(stub(priv, loads[size], va, 0, 0));
        EQ(T.a1, want);
        u64 before = *byte_of(va - 1), after = *byte_of(va + (1ul << size));
        OK(stub(priv, stores[size], va, 0x1122334455667788, 0));
        for (u64 i = 0; i < 1ul << size; i++)
            EQ(*byte_of(va + i), 0x1122334455667788 >> 8 * i & 0xFF);
        EQ(*byte_of(va - 1), before);
        EQ(*byte_of(va + (1ul << size)), after);
    }
    put(byte_of(va) - ((u64)byte_of(va) & 7), 0x4000000000000000);
}

int main(void)
{
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        for (u32 priv = 0; priv <= 1; priv++) {
            u64 flags = RWAD | (priv == U ? PU : 0);
            map(VA, (u64)pages[0], flags);
            map(VA + PAGE, (u64)pages[3], flags);
            fence();
            fill();
            for (u64 offset = 8; offset < 24; offset++)
                check(priv, VA + offset);
            for (u64 offset = PAGE - 16; offset < PAGE + 16; offset++)
                check(priv, VA + offset);
            /* fld and fsd move the same bytes. */
            fill();
            u64 want = 0;
            for (u64 i = 0; i < 8; i++)
                want |= (u64)*byte_of(VA + PAGE - 3 + i) << 8 * i;
            OK(stub(priv, st_fld, VA + PAGE - 3, 0, 0));
            OK(stub(priv, st_fsd, VA + 41, 0, 0));
            OK(stub(priv, st_ld, VA + 41, 0, 0));
            EQ(T.a1, want);

            /* The second page is missing, read-only, or not ours. */
            static const u64 second[] = { 0, V | X | A, V | R | W };
            for (u32 k = 0; k < 3; k++) {
                map(VA + PAGE, (u64)pages[3], second[k] ? second[k] | (priv == U ? PU : 0) : 0);
                CLR(MENVCFG, MENVCFG_ADUE);
                fence();
                for (u64 back = 1; back < 8; back++) {
                    u64 va = VA + PAGE - back;
                    TRAPS(ld(priv, va), LOAD_PAGE, VA + PAGE);
                    EQ(T.a1, 0x5EED);
                    EQ(T.epc, at(priv, st_ld));
                    TRAPS(sd(priv, va), STORE_PAGE, VA + PAGE);
                    EQ(T.epc, at(priv, st_sd));
                    TRAPS(stub(priv, st_fld, va, 0, 0), LOAD_PAGE, VA + PAGE);
                    TRAPS(stub(priv, st_fsd, va, 0, 0), STORE_PAGE, VA + PAGE);
                    if (back < 4) {
                        TRAPS(stub(priv, st_lw, va, 0x5EED, 0), LOAD_PAGE, VA + PAGE);
                        EQ(T.a1, 0x5EED);
                        TRAPS(stub(priv, st_sw, va, 0, 0), STORE_PAGE, VA + PAGE);
                    } else {
                        OK(stub(priv, st_lw, va - 4, 0, 0));
                    }
                }
                /* A faulting load leaves an f register alone as well: it holds what the fld before brought. */
            }
            map(VA + PAGE, (u64)pages[3], V | R | A | D | (priv == U ? PU : 0));
            fence();
            OK(ld(priv, VA + PAGE - 5));
            TRAPS(sd(priv, VA + PAGE - 5), STORE_PAGE, VA + PAGE);
            /* Both pages refuse: the first one is named, by the address of the access. */
            map(VA, 0, 0);
            map(VA + PAGE, 0, 0);
            fence();
            TRAPS(ld(priv, VA + PAGE - 5), LOAD_PAGE, VA + PAGE - 5);
            TRAPS(sd(priv, VA + PAGE - 5), STORE_PAGE, VA + PAGE - 5);
            /* The first refuses, the second would not. */
            map(VA + PAGE, (u64)pages[3], flags);
            fence();
            TRAPS(ld(priv, VA + PAGE - 5), LOAD_PAGE, VA + PAGE - 5);
            TRAPS(sd(priv, VA + PAGE - 5), STORE_PAGE, VA + PAGE - 5);
            EQ(pages[3][0], (u8)(3 * 31));
            /* The second page leads nowhere: an access fault. */
            map(VA, (u64)pages[0], flags);
            map(VA + PAGE, 0x3F000000000000, flags);
            fence();
            TRAPS(ld(priv, VA + PAGE - 5), LOAD_ACCESS, VA + PAGE);
            EQ(T.a1, 0x5EED);
            TRAPS(sd(priv, VA + PAGE - 5), STORE_ACCESS, VA + PAGE);
        }
        /* Across the end of the address space: the lower half is not mapped, the upper not even canonical. */
        u64 last = (1ul << (11 + 9 * levels)) - PAGE;
        map(last, (u64)pages[0], RWAD);
        fence();
        OK(ld(S, last + PAGE - 8));
        TRAPS(ld(S, last + PAGE - 4), LOAD_PAGE, last + PAGE);
        map(~0ul << 12, (u64)pages[0], RWAD);
        fence();
        OK(ld(S, ~7ul));
        TRAPS(ld(S, ~3ul), LOAD_PAGE, 0);
        TRAPS(sd(S, ~3ul), STORE_PAGE, 0);
    }
    vm_reset(0);
    fill();
    for (u64 offset = 8; offset < 16; offset++) {
        u64 want = 0;
        for (u64 i = 0; i < 8; i++)
            want |= (u64)pages[1][offset + i] << 8 * i;
        OK(ld(M, (u64)pages[1] + offset));
        EQ(T.a1, want);
    }
    return 0;
}
