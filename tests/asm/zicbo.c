/* Zicbom and Zicboz: permissions by menvcfg and senvcfg, faults, and what cbo.zero writes. Zicbop never traps. */

#include "rt.h"

#define VA 0x1234567000ul
#define CBO(n, rs1) (0x0000200F | (u32)(n) << 20 | (rs1) << 15)
enum { INVAL = 0, CLEAN = 1, FLUSH = 2, ZERO_BLOCK = 4 };
#define BLOCK 64ul

static u64 cbo(u32 priv, u32 n, u64 a)
{
    u32 word = CBO(n, A0);
    put_code(&word, 1);
    return go(priv, a, 0, 0);
}

int main(void)
{
    static const u32 modes[] = { U, S, M };
    static const u32 kinds[] = { INVAL, CLEAN, FLUSH, ZERO_BLOCK };
    u64 a = (u64)pages[0];

    /* Every value of the enables. CBIE: 0 illegal, 1 flush, 3 invalidate. */
    for (u32 menv = 0; menv < 16; menv++)
        for (u32 senv = 0; senv < 16; senv++) {
            if ((menv & 3) == 2 || (senv & 3) == 2)
                continue;
            EQ(WARL(MENVCFG, (u64)menv << 4), (u64)menv << 4);
            EQ(WARL(SENVCFG, (u64)senv << 4), (u64)senv << 4);
            for (u32 m = 0; m < 3; m++)
                for (u32 k = 0; k < 4; k++) {
                    u32 mask = kinds[k] == INVAL ? 3 : kinds[k] == ZERO_BLOCK ? 8 : 4;
                    int ok = (modes[m] == M || menv & mask) && (modes[m] != U || senv & mask);
                    EQ(cbo(modes[m], kinds[k], a), ok ? DONE : ILLEGAL);
                    if (!ok)
                        EQ(T.tval, CBO(kinds[k], A0));
                }
        }
    WR(MENVCFG, ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE);
    WR(SENVCFG, ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE);

    /* Zeroes the block around its address, and no byte more. */
    for (u64 offset = 0; offset < 2 * BLOCK; offset += 9) {
        for (u64 i = 0; i < 4 * BLOCK; i++)
            pages[0][i] = 0xEE;
        OK(cbo(M, ZERO_BLOCK, a + BLOCK + offset));
        u64 start = BLOCK + (offset & ~(BLOCK - 1));
        for (u64 i = 0; i < 4 * BLOCK; i++)
            EQ(pages[0][i], i >= start && i < start + BLOCK ? 0 : 0xEE);
    }

    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        static const u64 rights[] = { 0, V | R | A | D, V | R | W | A | D, V | X | A | D, V | R | W | A, V | R | W };
        for (u32 priv = 0; priv <= 1; priv++)
            for (u32 r = 0; r < 6; r++) {
                u64 flags = rights[r] | (priv == U && rights[r] ? PU : 0);
                map(VA, a, flags);
                fence();
                put(pages[0], ~0ul);
                int writes = (rights[r] & (V | R | W | A | D)) == (V | R | W | A | D);
                /* A fault of any of them is a store's, and names an address in the block. */
                EQ(cbo(priv, ZERO_BLOCK, VA + 5), writes ? DONE : STORE_PAGE);
                if (!writes)
                    EQ(T.tval & ~(BLOCK - 1), VA);
                EQ(get(pages[0]), writes ? 0 : ~0ul);
                /* The management operations want any right to load or store. */
                for (u32 k = 0; k < 3; k++) {
                    int any = (rights[r] & (V | R | A)) == (V | R | A);
                    EQ(cbo(priv, kinds[k], VA + 5), any ? DONE : STORE_PAGE);
                    if (!any)
                        EQ(T.tval & ~(BLOCK - 1), VA);
                }
            }
        /* No memory there. */
        map(VA, 0x3F000000000000, RWAD);
        fence();
        EQ(cbo(S, ZERO_BLOCK, VA + 5), STORE_ACCESS);
        EQ(T.tval & ~(BLOCK - 1), VA);
        /* Prefetches are hints: ori x0, a0, ... with 0 (i), 1 (r), 3 (w) in rs2, to anywhere. */
        CODE(0x00056013, 0x00156013, 0x00356013);
        OK(go(S, VA, 0, 0));
        OK(go(U, 0x3F000000000000, 0, 0));
        vm_reset(0);
    }
    return 0;
}
