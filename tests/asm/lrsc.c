/* LR and SC (unprivileged specification 13.2): when SC must fail, when it must succeed in the end, and faults. */

#include "rt.h"

#define VA 0x1234567000ul

/* lr.d a1, (a0); ... ; sc.d a3, a2, (a0); then a3 to a0. */
#define LR_W(rd, rs1) (0x1000202F | (rs1) << 15 | (rd) << 7)
#define LR_D(rd, rs1) (0x1000302F | (rs1) << 15 | (rd) << 7)
#define SC_W(rd, rs2, rs1) (0x1800202F | (rs2) << 20 | (rs1) << 15 | (rd) << 7)
#define SC_D(rd, rs2, rs1) (0x1800302F | (rs2) << 20 | (rs1) << 15 | (rd) << 7)
#define AQRL (3 << 25)
#define MV(rd, rs) (0x00000013 | (rs) << 15 | (rd) << 7)
#define ADDI(rd, rs, n) (0x00000013 | (u32)(n) << 20 | (rs) << 15 | (rd) << 7)
/* The loop of 13.3 must succeed in the end: lr; sc; bnez back to lr. */
#define BNEZ_BACK(rs, bytes) (0x00001063 | (rs) << 15 | (u32)(0x1000 - (bytes)) >> 5 << 25 \
                              | ((u32)(0x1000 - (bytes)) >> 1 & 15) << 8 | ((u32)(0x1000 - (bytes)) >> 11 & 1) << 7)

int main(void)
{
    u64 a = (u64)pages[0];
    static const u32 modes[] = { U, S, M };

    for (u32 m = 0; m < 3; m++) {
        u32 priv = modes[m];
        put(pages[0], 0x8000000090000000);
        put(pages[0] + 8, 0x11);

        CODE(LR_D(A1, A0), SC_D(A3, A2, A0), BNEZ_BACK(A3, 8), MV(A2, A3));
        OK(go(priv, a, 0, 42));
        EQ(T.a1, 0x8000000090000000);
        EQ(T.a2, 0);
        EQ(get(pages[0]), 42);
        /* .w: the load is sign-extended, the other half untouched. */
        put(pages[0], 0x8000000090000000);
        CODE(LR_W(A1, A0), SC_W(A3, A2, A0), BNEZ_BACK(A3, 8), MV(A2, A3));
        OK(go(priv, a, 0, 0x123456789));
        EQ(T.a1, 0xFFFFFFFF90000000);
        EQ(get(pages[0]), 0x8000000023456789);
        OK(go(priv, a + 4, 0, 7));
        EQ(T.a1, 0xFFFFFFFF80000000);
        EQ(get(pages[0]), 0x0000000723456789);
        CODE(LR_D(A1, A0) | AQRL, SC_D(A3, A2, A0) | AQRL, BNEZ_BACK(A3, 8), MV(A2, A3));
        OK(go(priv, a, 0, 43));
        EQ(get(pages[0]), 43);

        /* No reservation: SC fails and stores nothing. An SC uses the reservation up, whether it fails or not. */
        CODE(LR_D(A1, A0), SC_D(A1, A2, A0), SC_D(A1, A2, A0));
        OK(go(priv, a, 0, 44));
        CHECK(T.a1 != 0);
        put(pages[0], 43);
        CODE(SC_D(A1, A2, A0));
        OK(go(priv, a, 0, 45));
        CHECK(T.a1 != 0);
        EQ(get(pages[0]), 43);
        CODE(SC_W(A1, A2, A0));
        OK(go(priv, a, 0, 45));
        CHECK(T.a1 != 0);
        EQ(get(pages[0]), 43);
        /* Another address, far enough to be outside any reservation set. */
        CODE(LR_D(A1, A0), ADDI(A3, A0, 2000), SC_D(A1, A2, A3), SC_D(A2, A2, A0));
        OK(go(priv, a, 0, 46));
        CHECK(T.a1 != 0);
        CHECK(T.a2 != 0);
        EQ(get(pages[0]), 43);
        EQ(get(pages[0] + 2000), 0);
        /* The failure code is 1 unless said otherwise; vmcore knows no other failure. */
        EQ(T.a1, 1);

        /* rd = x0 and rd = rs. */
        CODE(LR_D(A0, A0));
        OK(go(priv, a, 0, 0));
        EQ(T.a0, 43);
        CODE(LR_D(A1, A0), SC_D(A0, A2, A0));
        OK(go(priv, a, 0, 47));
        CHECK(T.a0 == 1 || get(pages[0]) == 47);
        CODE(LR_D(ZERO, A0), SC_D(ZERO, A2, A0));
        OK(go(priv, a, 0x5EED, 48));
        EQ(T.a1, 0x5EED);
    }

    /* A failing SC writes no memory, but sees the page: R alone is a store page fault once the reservation stands. */
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        put(pages[0], 43);
        map(VA, a, V | R | A | D);
        fence();
        CODE(LR_D(A1, A0), SC_D(A1, A2, A0));
        TRAPS(go(S, VA, 0x5EED, 1), STORE_PAGE, VA);
        EQ(T.a1, 43);
        EQ(T.epc, (u64)dyn + 4);
        EQ(get(pages[0]), 43);
        map(VA, a, RWAD);
        fence();
        /* Two names of one page: a reservation is about memory, so this may succeed or fail, but must be honest. */
        map(VA + PAGE, a, RWAD);
        fence();
        CODE(LR_D(A1, A0), ADDI(A3, A0, 2047), ADDI(A3, A3, 2047), ADDI(A3, A3, 2), SC_D(A1, A2, A3));
        OK(go(S, VA, 0, 99));
        EQ(get(pages[0]), T.a1 ? 43 : 99);
        put(pages[0], 43);
        /* The same name, another page: the store must not happen as if the reservation were for the new page. */
        map(VA, (u64)pages[1], RWAD);
        put(pages[1], 5);
        CODE(LR_D(A1, A0), 0x12000073, SC_D(A1, A2, A0));
        OK(go(S, VA, 0, 100));
        EQ(get(pages[1]), T.a1 ? 5 : 100);
        vm_reset(0);
    }
    return 0;
}
