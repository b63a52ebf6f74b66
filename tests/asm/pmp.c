/* Physical memory protection without locks: matching, priority, rights, accesses on an edge, page walks, MPRV
 * (privileged specification 3.7). Entry 15 opens everything at first; the tests put entries before it. */

#include "rt.h"

#define NAPOT(base, size) ((u64)(base) >> 2 | ((size) / 8 - 1))
#define VA 0x1234567000ul

static u8 *page;                          /* pages[4]: the range that the entries protect */

static void rights(u32 priv, u64 address, u32 allowed)
{
    EQ(ld(priv, address), allowed & PMP_R ? DONE : LOAD_ACCESS);
    EQ(T.a1 == 0x5EED, !(allowed & PMP_R));
    if (!(allowed & PMP_R))
        EQ(T.tval, address);
    EQ(sd(priv, address), allowed & PMP_W ? DONE : STORE_ACCESS);
    if (!(allowed & PMP_W))
        EQ(T.tval, address);
    put((void *)address, 0x7300000073);
    EQ(amo(priv, address), (allowed & (PMP_R | PMP_W)) == (PMP_R | PMP_W) ? DONE : STORE_ACCESS);
    put((void *)address, 0x7300000073);
    asm volatile("fence.i");
    EQ(fetch(priv, address), allowed & PMP_X ? DONE : FETCH_ACCESS);
    if (!(allowed & PMP_X))
        EQ(T.tval, address);
}
#define RIGHTS(priv, address, allowed) FROM_HERE(rights(priv, (u64)(address), allowed))

#define RWX (PMP_R | PMP_W | PMP_X)

static void clear(void)
{
    for (u32 i = 0; i < 8; i++)
        pmp_set(i, 0, 0);
}

static void combinations(void)
{
    for (u32 bits = 0; bits < 8; bits++) {
        if ((bits & (PMP_R | PMP_W)) == PMP_W)
            continue;                     /* reserved */
        pmp_set(0, PMP_NAPOT | bits, NAPOT(page, 4096));
        RIGHTS(S, page, bits);
        RIGHTS(U, page + 4088, bits);
        RIGHTS(M, page, RWX);
        RIGHTS(S, page - 8, RWX);
        RIGHTS(S, page + 4096, RWX);
    }
    clear();
}

static void sizes(void)
{
    for (u64 size = 8; size <= 65536; size *= 2) {
        u64 base = (u64)pages & ~(size - 1);
        if (base < (u64)pages)
            base += size;
        if (size > 16384)
            base = (u64)pages;
        pmp_set(0, PMP_NAPOT | PMP_R, NAPOT(base, size));
        EQ(RD(PMPADDR0), NAPOT(base, size));
        EQ(ld(S, base), DONE);
        TRAPS(sd(S, base), STORE_ACCESS, base);
        TRAPS(sd(S, base + size - 8), STORE_ACCESS, base + size - 8);
        OK(sd(S, base + size));
    }
    /* Four bytes. */
    pmp_set(0, PMP_NA4 | PMP_R, (u64)page >> 2);
    OK(stub(S, st_lw, (u64)page, 0, 0));
    TRAPS(stub(S, st_sw, (u64)page, 0, 0), STORE_ACCESS, (u64)page);
    OK(stub(S, st_sw, (u64)page + 4, 0, 0));
    OK(stub(S, st_sw, (u64)page - 4, 0, 0));
    TRAPS(stub(S, st_sb, (u64)page + 3, 0, 0), STORE_ACCESS, (u64)page + 3);
    clear();
    /* The whole address space. */
    pmp_set(0, PMP_NAPOT | PMP_R | PMP_X, ~0ul);
    TRAPS(sd(S, (u64)page), STORE_ACCESS, (u64)page);
    OK(ld(S, (u64)page));
    clear();
}

static void tor(void)
{
    u64 a = (u64)page >> 2;
    /* Entry 0 starts at 0. */
    pmp_set(0, PMP_TOR | PMP_R | PMP_X, a);
    RIGHTS(S, page - 8, PMP_R | PMP_X);
    RIGHTS(S, page, RWX);
    pmp_set(0, 0, a);
    /* The entry before gives the bottom, whether it is on or not. */
    pmp_set(1, PMP_TOR | PMP_R, a + 8);
    RIGHTS(S, page, PMP_R);
    RIGHTS(S, page + 24, PMP_R);
    RIGHTS(S, page + 32, RWX);
    RIGHTS(S, page - 8, RWX);
    /* Nothing matches an empty or a turned range. */
    pmp_set(0, 0, a + 8);
    RIGHTS(S, page + 32, RWX);
    RIGHTS(S, page + 24, RWX);
    pmp_set(0, 0, a + 9);
    RIGHTS(S, page + 32, RWX);
    clear();
    pmp_set(0, PMP_TOR, 0);
    RIGHTS(S, page, RWX);
    clear();
}

static void priority(void)
{
    u64 a = (u64)page;
    pmp_set(2, PMP_NAPOT | PMP_R, NAPOT(a, 64));
    pmp_set(3, PMP_NAPOT | PMP_X, NAPOT(a, 4096));
    RIGHTS(S, a, PMP_R);
    RIGHTS(S, a + 64, PMP_X);
    pmp_set(1, PMP_NAPOT | RWX, NAPOT(a, 32));
    RIGHTS(S, a, RWX);
    RIGHTS(S, a + 32, PMP_R);
    RIGHTS(S, a + 64, PMP_X);
    RIGHTS(S, a + 4096, RWX);
    clear();
    /* No match: S and U have nothing, M has everything. */
    pmp_set(2, PMP_NAPOT | RWX, NAPOT(0x80000000, 1ul << 16));
    pmp_set(15, 0, 0);
    RIGHTS(M, a, RWX);
    if (a >= 0x80010000) {
        RIGHTS(S, a, 0);
        RIGHTS(U, a, 0);
    }
    pmp_set(15, PMP_NAPOT | RWX, ~0ul);
    clear();
}

/* An access that an entry covers in part fails in every mode, whatever the entry says. */
static void edges(void)
{
    u64 a = (u64)page;
    pmp_set(0, PMP_NA4 | RWX, (a + 4) >> 2);
    TRAPS(ld(S, a), LOAD_ACCESS, a);
    TRAPS(sd(S, a), STORE_ACCESS, a);
    TRAPS(ld(M, a), LOAD_ACCESS, a);
    TRAPS(sd(M, a), STORE_ACCESS, a);
    TRAPS(amo(M, a), STORE_ACCESS, a);
    EQ(T.a1, 0x5EED);
    OK(stub(S, st_lw, a + 4, 0, 0));
    OK(stub(S, st_lw, a, 0, 0));
    OK(stub(M, st_sw, a + 4, 0, 0));
    clear();
    /* A four-byte instruction whose second half lies where nothing may run: mepc is its start, mtval the half. */
    *(volatile u16 *)(a + 62) = 0x0001 | 0x0012;          /* addi x0, x0, 0: 0x00000013, low half */
    *(volatile u16 *)(a + 62) = 0x0013;
    *(volatile u16 *)(a + 64) = 0x0000;
    *(volatile u32 *)(a + 68) = 0x73;
    *(volatile u16 *)(a + 66) = 0x0001;                   /* c.nop */
    asm volatile("fence.i");
    OK(fetch(S, a + 62));
    pmp_set(0, PMP_NAPOT | PMP_R, NAPOT(a + 64, 64));
    TRAPS(fetch(S, a + 62), FETCH_ACCESS, a + 64);
    EQ(T.epc, a + 62);
    clear();
    OK(fetch(S, a + 62));
}

/* Tables are read, and A and D written, with S-mode's rights; a refusal is an access fault of the first access. */
static void walks(void)
{
    vm_reset(3);
    put(page, 0x73);
    map(VA, (u64)page, RWAD | X);
    fence();
    u64 table = (u64)pte_of(VA, 0) & ~(PAGE - 1);
    OK(ld(S, VA));
    pmp_set(0, PMP_NAPOT | PMP_W | PMP_R, NAPOT(page, 4096));
    OK(ld(S, VA));
    OK(sd(S, VA));
    put(page, 0x73);
    TRAPS(fetch(S, VA), FETCH_ACCESS, VA);
    pmp_set(0, PMP_NAPOT | PMP_X, NAPOT(page, 4096));
    TRAPS(ld(S, VA), LOAD_ACCESS, VA);
    TRAPS(sd(S, VA), STORE_ACCESS, VA);
    OK(fetch(S, VA));
    pmp_set(0, PMP_NAPOT, NAPOT(table, 4096));
    TRAPS(ld(S, VA), LOAD_ACCESS, VA);
    TRAPS(sd(S, VA), STORE_ACCESS, VA);
    TRAPS(amo(S, VA), STORE_ACCESS, VA);
    TRAPS(fetch(S, VA), FETCH_ACCESS, VA);
    pmp_set(0, PMP_NAPOT | PMP_R, NAPOT(table, 4096));
    OK(ld(S, VA));
    OK(fetch(S, VA));
    clear();
    vm_reset(0);
}

static void mprv(void)
{
    u64 a = (u64)page;
    pmp_set(0, PMP_NAPOT | PMP_R, NAPOT(a, 64));
    OK(stub(M, st_mprv_ld, a, 0, U));
    TRAPS(stub(M, st_mprv_sd, a, 0, U), STORE_ACCESS, a);
    TRAPS(stub(M, st_mprv_sd, a, 0, S), STORE_ACCESS, a);
    OK(stub(M, st_mprv_sd, a, 0, M));
    clear();
}

static void registers(void)
{
    EQ(WARL(PMPADDR0, ~0ul), ~0ul >> 10);
    EQ(WARL(PMPADDR0, 0), 0);
    /* Bits 5 and 6 of a configuration byte are zero. */
    WR(PMPCFG0, 0x60);
    EQ(RD(PMPCFG0) & 0xFF, 0);
    /* Odd configuration registers do not exist in RV64; the even ones and 64 addresses do. */
    EQ(csr_read(M, PMPCFG0 + 1), ILLEGAL);
    EQ(csr_read(M, PMPCFG0 + 3), ILLEGAL);
    for (u32 i = 0; i < 16; i += 2)
        OK(csr_read(M, PMPCFG0 + i));
    for (u32 i = 0; i < 64; i++)
        OK(csr_read(M, PMPADDR0 + i));
    EQ(csr_read(S, PMPCFG0), ILLEGAL);
    EQ(csr_read(S, PMPADDR0), ILLEGAL);
}

int main(void)
{
    page = pages[4];
    registers();
    combinations();
    sizes();
    tor();
    priority();
    edges();
    walks();
    mprv();
    return 0;
}
