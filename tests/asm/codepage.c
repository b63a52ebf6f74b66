/* Every kind of store into a page of code is seen after fence.i: each width, AMO, SC, cbo.zero, floating point, across
 * two pages, and a page table inside the page. */

#include "rt.h"

#define VA 0x1234567000ul
#define LI(rd, n) (0x00000013 | (u32)(n) << 20 | (rd) << 7)

static volatile u32 *code;

static void expect(u64 value)
{
    asm volatile("fence.i" ::: "memory");
    OK(fetch(S, VA));
    EQ(T.a1, value);
}

static void fresh(u32 n)
{
    for (u32 i = 0; i < 16; i++)
        code[i] = 0x00000013;
    code[0] = LI(A1, n);
    code[16] = 0x73;
    expect(n);
}

int main(void)
{
    WR(MENVCFG, ENVCFG_CBZE);
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        code = (volatile u32 *)pages[1];
        map(VA - PAGE, (u64)pages[0], RWAD);
        map(VA, (u64)pages[1], RWAD | X);
        map(VA + PAGE, (u64)pages[2], RWAD | X);
        fence();
        fresh(1);
        OK(stub(S, st_sw, VA, LI(A1, 2), 0));
        expect(2);
        OK(stub(S, st_sb, VA + 3, 0x05, 0));                   /* the immediate's upper byte */
        expect(0x52);
        fresh(0);
        OK(stub(S, st_sh, VA + 2, 0x0030, 0));
        expect(3);
        fresh(0);
        OK(stub(S, st_sd, VA, LI(A1, 4) | (u64)0x13 << 32, 0));
        expect(4);
        fresh(0);
        OK(stub(S, st_amow, VA, 0, 5 << 20));
        expect(5);
        fresh(0);
        OK(stub(S, st_amod, VA, 0, 6 << 20));
        expect(6);
        fresh(0);
        OK(stub(S, st_lrw, VA, 0, 0));
        CODE(0x100525AF, 0x00C006B3, 0x18D527AF, 0xFE079AE3);   /* lr.w a1; add a3, x0, a2; sc.w a5, a3; bnez a5 */
        OK(go(S, VA, 0, LI(A1, 7)));
        expect(7);
        /* A double moved through f registers. */
        fresh(0);
        put(pages[0], LI(A1, 8) | (u64)0x13 << 32);
        OK(stub(S, st_fld, VA - PAGE, 0, 0));
        OK(stub(S, st_fsd, VA, 0, 0));
        expect(8);
        /* A store from the data page into the code page: the last byte of one, the first of the other. */
        fresh(0x45);
        code[0] = LI(A1, 0x45);
        expect(0x45);
        OK(stub(S, st_sd, VA - 4, (u64)LI(A1, 9) << 32, 0));
        expect(9);
        OK(stub(S, st_sd, VA - 7, (u64)(LI(A1, 10) & 0xFF) << 56, 0));
        expect(9);
        /* cbo.zero clears code: what was there is the defined illegal instruction now. */
        fresh(11);
        CODE(0x0045200F);
        OK(go(S, VA, 0, 0));
        asm volatile("fence.i" ::: "memory");
        TRAPS(fetch(S, VA), ILLEGAL, 0);
        EQ(T.epc, VA);
        /* Written through a page table that has another name for it, while the code is running there: the code at VA
         * stores to VA + 8 through VA + PAGE's twin, fences, and runs into it. */
        map(VA + 3 * PAGE, (u64)pages[1], RWAD);
        fence();
        code[0] = 0x00C52423;                                  /* sw a2, 8(a0) */
        code[1] = 0x0000100F;
        code[2] = LI(A1, 0);
        code[3] = 0x73;
        asm volatile("fence.i");
        for (u32 n = 12; n < 20; n++) {
            EQ(run(S, VA, VA + 3 * PAGE, 0, LI(A1, n)), ECALL_S);
            EQ(T.a1, n);
        }
        /* Code below, data above, in one page, and a counter in it that the code itself raises: no fence needed. */
        code[0] = 0x20052583;                                  /* lw a1, 512(a0) */
        code[1] = 0x00158593;
        code[2] = 0x20B52023;                                  /* sw a1, 512(a0) */
        code[3] = 0xFFF60613;
        code[4] = 0xFE0618E3;                                  /* bnez a2, -16 */
        code[5] = 0x73;
        code[128] = 0;
        asm volatile("fence.i");
        EQ(run(S, VA, VA, 0, 1000), ECALL_S);
        EQ(T.a1, 1000);
        EQ(code[128], 1000);
        /* A page of code that is a page table too: hardware sets A in it (Svadu). */
        if ((WARL(MENVCFG, RD(MENVCFG) | MENVCFG_ADUE) & MENVCFG_ADUE)) {
            u64 far = VA + (1ul << 30);
            u64 *table = (u64 *)pages[4];
            for (u32 i = 0; i < 512; i++)
                put(&table[i], 0);
            *pte_of(far, 1) = pte((u64)table, V);
            put(&table[far >> 12 & 511], pte((u64)pages[5], V | R | W));
            u64 spot = (far >> 12 & 511) * 8;
            map(VA + 4 * PAGE, (u64)table, RWAD | X);
            *(volatile u32 *)(pages[4] + ((spot + 64) & 0xFFF)) = LI(A1, 77);
            *(volatile u32 *)(pages[4] + ((spot + 68) & 0xFFF)) = 0x73;
            fence();
            asm volatile("fence.i");
            EQ(run(S, VA + 4 * PAGE + ((spot + 64) & 0xFFF), 0, 0, 0), ECALL_S);
            EQ(T.a1, 77);
            OK(sd(S, far));
            EQ(get(&table[far >> 12 & 511]) & 0xFF, V | R | W | A | D);
            EQ(run(S, VA + 4 * PAGE + ((spot + 64) & 0xFFF), 0, 0, 0), ECALL_S);
            EQ(T.a1, 77);
            CLR(MENVCFG, MENVCFG_ADUE);
        }
        vm_reset(0);
    }
    return 0;
}
