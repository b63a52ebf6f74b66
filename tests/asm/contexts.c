/* Many address spaces, privileges and aliases at once: more than a hart can keep apart without throwing some away. */

#include "rt.h"

#define SPACES 24
#define STRIDE (4ul << 20)                /* far apart in the tables, close in a small cache of translations */

static u64 VA;
static u64 tops[SPACES][512] __attribute__((aligned(4096)));
static u64 *leaf[SPACES], *code_leaf[SPACES];
static u64 satps[SPACES];

/* Each space maps VA to a word of its own, and VA + PAGE to code that loads its own number into a1. */
static void build(u32 levels)
{
    u64 *first = vm_root;
    for (u32 i = 0; i < SPACES; i++) {
        for (u32 k = 0; k < 512; k++)
            put(&tops[i][k], get(&first[k]));
        vm_root = tops[i];
        leaf[i] = pte_of(VA, 0);
        code_leaf[i] = pte_of(VA + PAGE, 0);
        satps[i] = satp_of(levels, 1 + i * 0x531 % 0xFFFF);
        put(leaf[i], pte((u64)pages[i], RWAD));
        put(code_leaf[i], pte((u64)pages[i], V | X | A));
        *(volatile u32 *)pages[i] = 0x00000593 | i << 20;
        *(volatile u32 *)(pages[i] + 4) = 0x73;
        put(pages[i] + 8, 1000 + i);
    }
    vm_root = first;
    asm volatile("fence.i");
    fence();
}

static void look(u32 i, u64 value)
{
    WR(SATP, satps[i]);
    OK(ld(S, VA + 8));
    EQ(T.a1, value);
    OK(fetch(S, VA + PAGE));
    EQ(T.a1, i);
    TRAPS(ld(U, VA + 8), LOAD_PAGE, VA + 8);
    TRAPS(fetch(U, VA + PAGE), FETCH_PAGE, VA + PAGE);
}

static void spaces(u32 levels)
{
    build(levels);
    for (u32 round = 0; round < 4; round++)
        for (u32 i = 0; i < SPACES; i++)
            look(i * (2 * round + 1) % SPACES, 1000 + i * (2 * round + 1) % SPACES);
    /* Stores land in the space that is on, also when it was thrown out meanwhile. */
    for (u32 i = 0; i < SPACES; i++) {
        WR(SATP, satps[i]);
        OK(stub(S, st_sd, VA + 8, 2000 + i, 0));
    }
    for (u32 i = SPACES; i-- > 0;) {
        EQ(get(pages[i] + 8), 2000 + i);
        look(i, 2000 + i);
    }
    /* Take the right to write away from every other space, each fenced while another one is on. */
    for (u32 i = 0; i < SPACES; i++) {
        WR(SATP, satps[(i + 7) % SPACES]);
        if (i & 1) {
            put(leaf[i], pte((u64)pages[i], V | R | A));
            asm volatile("sfence.vma %0, %1" :: "r"(VA), "r"(satps[i] >> 44 & 0xFFFF) : "memory");
        }
    }
    for (u32 i = 0; i < SPACES; i++) {
        WR(SATP, satps[i]);
        EQ(stub(S, st_sd, VA + 8, 3000 + i, 0), i & 1 ? STORE_PAGE : DONE);
        look(i, (i & 1 ? 2000 : 3000) + i);
    }
    /* One fence for all of them. */
    for (u32 i = 0; i < SPACES; i++)
        put(leaf[i], 0);
    fence();
    for (u32 i = 0; i < SPACES; i++) {
        WR(SATP, satps[i]);
        TRAPS(ld(S, VA + 8), LOAD_PAGE, VA + 8);
    }
}

/* SUM, MXR, U, S and MPRV in turn, on pages whose answer depends on them; no fence in between. */
static void modes(void)
{
    map(VA, (u64)pages[0], RWAD | PU);
    map(VA + PAGE, (u64)pages[1], V | X | A | D);
    map(VA + 2 * PAGE, (u64)pages[2], V | X | PU | A | D);
    for (u64 i = 0; i < 3; i++)
        put(pages[i] + 8, 70 + i);
    fence();
    for (u32 n = 0; n < 64; n++) {
        u32 bits = n * 5 % 16;
        int sum = bits & 1, mxr = bits >> 1 & 1;
        CLR(MSTATUS, MSTATUS_SUM | MSTATUS_MXR);
        SET(MSTATUS, (sum ? MSTATUS_SUM : 0) | (mxr ? MSTATUS_MXR : 0));
        for (u32 p = 0; p < 3; p++) {
            int user_page = p != 1, exec_only = p != 0;
            for (u32 priv = 0; priv < 2; priv++) {
                int ok = (!exec_only || mxr) && (priv == U ? user_page : !user_page || sum);
                u64 va = VA + p * PAGE + 8;
                EQ(ld(priv, va), ok ? DONE : LOAD_PAGE);
                EQ(T.a1, ok ? 70 + p : 0x5EED);
                EQ(stub(M, st_mprv_ld, va, 0x5EED, priv), ok ? DONE : LOAD_PAGE);
                EQ(T.a1, ok ? 70 + p : 0x5EED);
                int store = p == 0 && (priv == U || sum);
                EQ(stub(priv, st_sd, va, 70 + p, 0), store ? DONE : STORE_PAGE);
            }
        }
    }
    CLR(MSTATUS, MSTATUS_SUM | MSTATUS_MXR);
}

/* Pages that fall on one place of a direct-mapped cache, and pages beside it; each keeps its own contents and rights. */
static void aliases(void)
{
    for (u64 i = 0; i < 16; i++) {
        map(VA + i * STRIDE, (u64)pages[i], i & 1 ? V | R | A | D : RWAD);
        put(pages[i] + 24, 40 + i);
    }
    fence();
    for (u32 round = 0; round < 3; round++)
        for (u64 i = 0; i < 16; i++) {
            u64 k = (i * 5 + round) & 15, va = VA + k * STRIDE + 24;
            OK(ld(S, va));
            EQ(T.a1, 40 + k);
            EQ(stub(S, st_sd, va, 40 + k, 0), k & 1 ? STORE_PAGE : DONE);
        }
    /* Two of them at once, across a page boundary. */
    map(VA + STRIDE + PAGE, (u64)pages[20], RWAD);
    map(VA + PAGE, (u64)pages[21], RWAD);
    fence();
    put(pages[20], 0xA0);
    put(pages[21], 0xB0);
    for (u32 i = 0; i < 4; i++) {
        OK(ld(S, VA + STRIDE + PAGE - 1));
        EQ(T.a1 >> 8, 0xA0);
        OK(ld(S, VA + PAGE - 1));
        EQ(T.a1 >> 8, 0xB0);
    }
}

/* Several superpages and small pages: a fence for one place leaves no stale byte of it. */
static void spans(void)
{
    u64 pa = (u64)pages & ~((2ul << 20) - 1), off = (u64)pages - pa;
    for (u64 i = 0; i < 4; i++)
        *pte_of(VA + (8 + 2 * i) * (2ul << 20), 1) = pte(pa, RWAD);
    map(VA, (u64)pages[0], RWAD);
    fence();
    for (u64 i = 0; i < 4; i++)
        for (u64 p = 0; p < 4; p++)
            OK(sd(S, VA + (8 + 2 * i) * (2ul << 20) + off + p * PAGE));
    OK(sd(S, VA));
    for (u64 i = 0; i < 4; i++) {
        u64 base = VA + (8 + 2 * i) * (2ul << 20);
        *pte_of(base, 1) = 0;
        asm volatile("sfence.vma %0, x0" :: "r"(base + 0x1FF000) : "memory");
        for (u64 k = 0; k < 4; k++)
            for (u64 p = 0; p < 4; p++) {
                u64 va = VA + (8 + 2 * k) * (2ul << 20) + off + p * PAGE;
                EQ(sd(S, va), k <= i ? STORE_PAGE : DONE);
            }
        OK(sd(S, VA));
    }
}

int main(void)
{
    for (u32 levels = 3; levels <= 5; levels++) {
        VA = 1ul << (10 + 9 * levels);
        vm_reset(levels);
        spaces(levels);
        vm_reset(levels);
        modes();
        vm_reset(levels);
        aliases();
        vm_reset(levels);
        spans();
    }
    return 0;
}
