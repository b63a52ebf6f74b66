/* Locked PMP entries: they bind M-mode and stay as they are until reset. */

#include "rt.h"

#define NAPOT(base, size) ((u64)(base) >> 2 | ((size) / 8 - 1))

int main(void)
{
    u64 a = (u64)pages[4], b = (u64)pages[8], c = (u64)pages[12];

    pmp_set(0, PMP_NAPOT | PMP_L | PMP_R, NAPOT(a, 4096));
    OK(ld(M, a));
    TRAPS(sd(M, a), STORE_ACCESS, a);
    TRAPS(fetch(M, a), FETCH_ACCESS, a);
    TRAPS(sd(S, a + 4088), STORE_ACCESS, a + 4088);
    OK(sd(M, a + 4096));
    /* Neither its address nor its configuration can be changed; its neighbours in the word can. */
    EQ(WARL(PMPADDR0, 0), NAPOT(a, 4096));
    WR(PMPCFG0, 0);
    EQ(RD(PMPCFG0), PMP_NAPOT | PMP_L | PMP_R);
    WR(PMPCFG0, (u64)(PMP_NA4 | PMP_R) << 16);
    EQ(RD(PMPCFG0), (u64)(PMP_NA4 | PMP_R) << 16 | PMP_NAPOT | PMP_L | PMP_R);
    WR(PMPCFG0, 0);
    TRAPS(sd(M, a), STORE_ACCESS, a);

    /* A locked TOR entry locks the address before it as well. */
    WR(PMPADDR0 + 4, b >> 2);
    pmp_set(5, PMP_TOR | PMP_L | PMP_X | PMP_R, (b + 4096) >> 2);
    EQ(WARL(PMPADDR0 + 4, 0), b >> 2);
    EQ(WARL(PMPADDR0 + 5, 0), (b + 4096) >> 2);
    OK(csr_write(M, PMPADDR0 + 6, 0));
    TRAPS(sd(M, b), STORE_ACCESS, b);
    OK(ld(M, b));
    /* ... but not its configuration. */
    pmp_set(4, PMP_NA4, b >> 2);
    EQ(RD(PMPCFG0) >> 32 & 0xFF, PMP_NA4);
    TRAPS(stub(S, st_lw, b, 0, 0), LOAD_ACCESS, b);
    OK(stub(M, st_lw, b, 0, 0));

    /* A locked entry that is off still locks its registers, and matches nothing. */
    WR(PMPADDR0 + 7, NAPOT(c, 64));
    WR(PMPCFG0, (RD(PMPCFG0) & ~(0xFFul << 56)) | (u64)PMP_L << 56);
    EQ(WARL(PMPADDR0 + 7, 0), NAPOT(c, 64));
    OK(sd(M, c));
    OK(sd(S, c));

    /* An unlocked entry of higher priority frees M-mode from a locked one below it. */
    pmp_set(9, PMP_NAPOT | PMP_L, NAPOT(c, 4096));
    TRAPS(ld(M, c), LOAD_ACCESS, c);
    pmp_set(8, PMP_NAPOT, NAPOT(c, 64));
    OK(ld(M, c));
    TRAPS(ld(S, c), LOAD_ACCESS, c);
    TRAPS(ld(M, c + 64), LOAD_ACCESS, c + 64);
    return 0;
}
