/* What a fence must make visible, and address spaces that live side by side under ASIDs. Stale translations are allowed
 * before a fence, so nothing is checked there. */

#include "rt.h"

#define SPAN (1ul << 21)

/* Below a top-level entry of its own, not that of the stubs. */
static u64 VA;

/* The fence is made by the code under test: sfence.vma with these operands, from S-mode. */
static void sfence(u64 rs1, u64 rs2, u64 va, u64 asid)
{
    u32 word = 0x12000073 | (u32)rs2 << 20 | (u32)rs1 << 15;
    put_code(&word, 1);
    EQ(go(S, va, 0, asid), DONE);
}

static void expect(u64 va, u64 value)
{
    EQ(ld(S, va), DONE);
    EQ(T.a1, value);
}

static void by_address(void)
{
    for (u64 i = 0; i < 4; i++)
        put(pages[i], 100 + i);
    map(VA, pa_of(pages[0]), RWAD);
    map(VA + PAGE, pa_of(pages[1]), RWAD);
    fence();
    expect(VA, 100);
    expect(VA + PAGE, 101);
    map(VA, pa_of(pages[2]), RWAD);
    sfence(A0, ZERO, VA, 0);
    expect(VA, 102);
    /* Any address inside the page will do. */
    map(VA, pa_of(pages[3]), RWAD);
    sfence(A0, ZERO, VA + 0xABC, 0);
    expect(VA, 103);
    OK(sd(S, VA));
    map(VA, pa_of(pages[0]), V | R | A);
    sfence(A0, ZERO, VA, 0);
    TRAPS(sd(S, VA), STORE_PAGE, VA);
    map(VA, 0, 0);
    sfence(A0, ZERO, VA, 0);
    TRAPS(ld(S, VA), LOAD_PAGE, VA);
    expect(VA + PAGE, 101);
    map(VA + PAGE, pa_of(pages[2]), RWAD);
    sfence(ZERO, ZERO, 0, 0);
    expect(VA + PAGE, 102);
    /* Both operands: the ASID in use is 0. */
    map(VA + PAGE, pa_of(pages[3]), RWAD);
    sfence(A0, A2, VA + PAGE, 0);
    expect(VA + PAGE, 0x57012E);
    map(VA + PAGE, pa_of(pages[0]), RWAD);
    sfence(ZERO, A2, 0, 0);
    expect(VA + PAGE, 100);
    map(VA + PAGE, 0, 0);
    map(VA, 0, 0);
    fence();
}

/* One address inside a superpage flushes all of it. */
static void superpage(void)
{
    u64 pa = pa_of(pages) & ~(SPAN - 1), inside = VA + SPAN + (pa_of(pages) - pa);
    u64 *entry = pte_of(VA + SPAN, 1);
    put(entry, pte(pa, RWAD));
    fence();
    for (u64 i = 0; i < PAGES; i++)
        OK(sd(S, inside + i * PAGE));
    put(entry, pte(pa, V | R | A | D));
    sfence(A0, ZERO, VA + 2 * SPAN - 8, 0);
    for (u64 i = 0; i < PAGES; i++) {
        TRAPS(sd(S, inside + i * PAGE), STORE_PAGE, inside + i * PAGE);
        OK(ld(S, inside + i * PAGE));
    }
    put(entry, 0);
    sfence(A0, ZERO, VA + SPAN, 0);
    for (u64 i = 0; i < PAGES; i++)
        TRAPS(ld(S, inside + i * PAGE), LOAD_PAGE, inside + i * PAGE);
}

/* The code that runs comes from another page after the fence. */
static void fetched(void)
{
    volatile u32 *one = (volatile u32 *)pages[0], *two = (volatile u32 *)pages[1];
    one[0] = 0x00100593;                  /* li a1, 1 */
    two[0] = 0x00200593;                  /* li a1, 2 */
    one[1] = two[1] = 0x73;
    map(VA, pa_of(one), V | R | X | A);
    asm volatile("fence.i");
    fence();
    OK(fetch(S, VA));
    EQ(T.a1, 1);
    map(VA, pa_of(two), V | R | X | A);
    sfence(A0, ZERO, VA, 0);
    OK(fetch(S, VA));
    EQ(T.a1, 2);
    map(VA, pa_of(two), V | R | A);
    sfence(A0, ZERO, VA, 0);
    TRAPS(fetch(S, VA), FETCH_PAGE, VA);
    map(VA, 0, 0);
    fence();
}

/* Two spaces that differ below VA: the one that is on decides, with no fence between. */
static void asids(u32 levels)
{
    /* The second tree's top level has the stubs' entries too, but nothing at VA. */
    static u64 top[512] __attribute__((aligned(4096)));
    u64 *table_one = pte_of(VA, 0), *code_one = pte_of(VA + PAGE, 0), *shared_one = pte_of(VA + 2 * PAGE, 0);
    u64 first = satp_of(levels, 1);
    for (u32 i = 0; i < 512; i++)
        put(&top[i], get(&vm_root[i]));
    put(&top[VA >> (3 + 9 * levels) & 511], 0);
    vm_root = top;
    u64 *table_two = pte_of(VA, 0), *code_two = pte_of(VA + PAGE, 0), *shared_two = pte_of(VA + 2 * PAGE, 0);
    u64 second = satp_of(levels, 2);

    put(pages[0], 1);
    put(pages[1], 2);
    put(pages[4], 3);
    volatile u32 *one = (volatile u32 *)pages[2], *two = (volatile u32 *)pages[3];
    one[0] = 0x00100593;
    two[0] = 0x00200593;
    one[1] = two[1] = 0x73;
    asm volatile("fence.i");
    put(table_one, pte(pa_of(pages[0]), RWAD));
    put(table_two, pte(pa_of(pages[1]), V | R | A));
    put(code_one, pte(pa_of(one), V | X | A));
    put(code_two, pte(pa_of(two), V | X | A));
    put(shared_one, pte(pa_of(pages[4]), RWAD | G));
    put(shared_two, pte(pa_of(pages[4]), RWAD | G));
    fence();
    for (u32 i = 0; i < 3; i++) {
        WR(SATP, first);
        expect(VA, 1);
        OK(sd(S, VA));
        put(pages[0], 1);
        OK(fetch(S, VA + PAGE));
        EQ(T.a1, 1);
        expect(VA + 2 * PAGE, 3);
        WR(SATP, second);
        expect(VA, 2);
        TRAPS(sd(S, VA), STORE_PAGE, VA);
        OK(fetch(S, VA + PAGE));
        EQ(T.a1, 2);
        expect(VA + 2 * PAGE, 3);
    }
    /* Each space is fenced by its own number, also while the other one is on; x0 takes every space along. */
    put(table_one, pte(pa_of(pages[4]), RWAD));
    sfence(A0, A2, VA, 1);
    expect(VA, 2);
    WR(SATP, first);
    expect(VA, 3);
    put(table_two, pte(pa_of(pages[4]), RWAD));
    sfence(ZERO, A2, 0, 2);
    WR(SATP, second);
    expect(VA, 3);
    put(table_one, pte(pa_of(pages[0]), RWAD));
    sfence(A0, ZERO, VA, 0);
    WR(SATP, first);
    expect(VA, 1);
    /* A global page is not the business of a fence with an ASID, but of one without. */
    put(shared_one, pte(pa_of(pages[0]), RWAD | G));
    put(shared_two, pte(pa_of(pages[0]), RWAD | G));
    sfence(A0, ZERO, VA + 2 * PAGE, 0);
    expect(VA + 2 * PAGE, 1);
    WR(SATP, second);
    expect(VA + 2 * PAGE, 1);
    /* The same ASID with another root is fenced by software. */
    WR(SATP, satp_of(levels, 1));
    sfence(ZERO, A2, 0, 1);
    expect(VA, 3);
}

/* Svinval: the same, in three pieces. */
static void svinval(void)
{
    map(VA, pa_of(pages[0]), RWAD);
    put(pages[0], 10);
    put(pages[1], 11);
    fence();
    expect(VA, 10);
    map(VA, pa_of(pages[1]), RWAD);
    CODE(0x18000073, 0x16050073, 0x18100073);   /* sfence.w.inval; sinval.vma a0, x0; sfence.inval.ir */
    EQ(go(S, VA, 0, 0), DONE);
    expect(VA, 11);
    /* From U-mode all three are illegal; TVM makes sinval.vma, and only it, illegal in S-mode. */
    CODE(0x16050073);
    TRAPS(go(U, VA, 0, 0), ILLEGAL, 0x16050073);
    SET(MSTATUS, MSTATUS_TVM);
    TRAPS(go(S, VA, 0, 0), ILLEGAL, 0x16050073);
    CODE(0x18000073);
    TRAPS(go(U, 0, 0, 0), ILLEGAL, 0x18000073);
    OK(go(S, 0, 0, 0));
    CODE(0x18100073);
    TRAPS(go(U, 0, 0, 0), ILLEGAL, 0x18100073);
    OK(go(S, 0, 0, 0));
    CLR(MSTATUS, MSTATUS_TVM);
    CODE(0x12000073);
    TRAPS(go(U, 0, 0, 0), ILLEGAL, 0x12000073);
    OK(go(M, 0, 0, 0));
}

int main(void)
{
    for (u32 levels = 3; levels <= 5; levels++) {
        VA = 1ul << (10 + 9 * levels);
        vm_reset(levels);
        by_address();
        superpage();
        fetched();
        asids(levels);
        vm_reset(levels);
        svinval();
    }
    return 0;
}
