/* What makes an entry or an address malformed: reserved bits, misaligned superpages, pointers with leaf bits, addresses
 * that are not sign-extended, entries and tables outside memory. All but the last are page faults. */

#include "rt.h"

#define NOWHERE 0x3F000000000000ul        /* no memory there: physical addresses have 56 bits */

static void expect_fault(u64 va, u64 load, u64 store, u64 fetch_cause)
{
    fence();
    TRAPS(ld(S, va), load, va);
    EQ(T.a1, 0x5EED);
    TRAPS(sd(S, va), store, va);
    TRAPS(amo(S, va), store, va);
    TRAPS(fetch(S, va), fetch_cause, va);
    EQ(T.epc, va);
}

#define page_fault(va) FROM_HERE(expect_fault(va, LOAD_PAGE, STORE_PAGE, FETCH_PAGE))
#define access_fault(va) FROM_HERE(expect_fault(va, LOAD_ACCESS, STORE_ACCESS, FETCH_ACCESS))

int main(void)
{
    const u64 good = V | R | W | X | A | D;
    *(volatile u32 *)pages[0] = 0x73;
    CLR(MENVCFG, MENVCFG_PBMTE);
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        /* Not below the top-level entry of the stubs: that pointer is spoilt too. */
        const u64 VA = (1ul << (10 + 9 * levels)) + 0x34567000;
        u64 *leaf = pte_of(VA, 0);
        map(VA, pa_of(pages), good);
        fence();
        OK(ld(S, VA));
        OK(fetch(S, VA));

        /* Bits 54..60 are reserved; 61 and 62 belong to Svpbmt, which is off. Bits 8 and 9 are software's. */
        for (u32 bit = 54; bit <= 62; bit++) {
            put(leaf, pte(pa_of(pages), good) | 1ul << bit);
            page_fault(VA);
        }
        put(leaf, pte(pa_of(pages), good | 3 << 8));
        fence();
        OK(ld(S, VA));
        /* No leaf at the last level. */
        put(leaf, pte(pa_of(pages), V));
        page_fault(VA);
        put(leaf, pte(NOWHERE, good));
        access_fault(VA);
        map(VA, pa_of(pages), good);

        for (u32 level = 1; level < levels; level++) {
            u64 *pointer = pte_of(VA, level);
            u64 kept = get(pointer);
            const u64 bad[] = { A, D, PU, 1ul << 54, 1ul << 60, 1ul << 61, 1ul << 62, 1ul << 63 };
            for (u32 i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                put(pointer, kept | bad[i]);
                page_fault(VA);
            }
            /* W without R is reserved at every level. */
            put(pointer, kept | W);
            page_fault(VA);
            put(pointer, kept & ~(u64)V);
            page_fault(VA);
            put(pointer, pte(NOWHERE, V));
            access_fault(VA);
            /* G and the software bits of a pointer are no reason to fault. */
            put(pointer, kept | G | 3 << 8);
            fence();
            OK(ld(S, VA));
            put(pointer, kept);

            /* A superpage whose low PPN bits are not zero. */
            for (u32 bit = 0; bit < 9 * level; bit++) {
                put(pointer, pte(PAGE << bit, good));
                page_fault(VA);
            }
            /* N is for the last level only. */
            put(pointer, pte(0, good) | 1ul << 63);
            page_fault(VA);
            put(pointer, kept);
            fence();
            OK(ld(S, VA));
        }

        /* An address must be the sign extension of its low bits: flip each of the upper ones. */
        u32 bits = 12 + 9 * levels;
        for (u32 bit = bits - 1; bit < 64; bit++)
            page_fault(VA ^ 1ul << bit);
        for (u32 bit = bits; bit < 64; bit++)
            page_fault(~0ul << (bits - 1) & ~(1ul << bit));
        /* The highest page of the space is an ordinary one. */
        map(~0ul << 12, pa_of(pages), good);
        fence();
        OK(ld(S, ~0ul << 12));
        OK(fetch(S, ~0ul << 12));
    }
    return 0;
}
