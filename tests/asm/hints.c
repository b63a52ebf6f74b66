/* Zawrs, Zimop, Zcmop, Zihintpause, Zihintntl: instructions that must not get in the way. */

#include "rt.h"

#define WRS_NTO 0x00D00073
#define WRS_STO 0x01D00073
#define LR_W_A0 0x1005202F              /* lr.w x0, (a0) */

int main(void)
{
    static const u32 modes[] = { U, S, M };
    for (u32 m = 0; m < 3; m++) {
        u32 priv = modes[m];
        /* No reservation: no waiting. */
        CODE(WRS_NTO, WRS_STO);
        OK(go(priv, 0, 0, 0));
        /* wrs.sto ends by itself. */
        CODE(LR_W_A0, WRS_STO);
        OK(go(priv, (u64)pages, 0, 0));
        /* A pending enabled interrupt ends wrs.nto, taken or not; here M-mode's timer, after a while. */
        WR(MIE, 1 << MTI);
        *MTIMECMP = *MTIME + 1000;
        CODE(LR_W_A0, WRS_NTO, 0xFF9FF06F);          /* lr.w; wrs.nto; j back: until the interrupt, or its wake-up */
        if (priv == M)
            SET(MSTATUS, MSTATUS_MPIE);
        EQ(go(priv, (u64)pages, 0, 0), INTERRUPT | MTI);
        WR(MIE, 0);
        CLR(MSTATUS, MSTATUS_MPIE);

        /* May-be-operations write 0, or with rd = x0 nothing. */
        for (u32 n = 0; n < 32; n++) {
            /* mop.r.n a1, a0: bits 30, 27:26 and 21:20 hold n. */
            u32 word = 0x81C04073 | (n >> 4) << 30 | (n >> 2 & 3) << 26 | (n & 3) << 20 | A0 << 15 | A1 << 7;
            put_code(&word, 1);
            OK(go(priv, 0x1234, 0x5678, 0));
            EQ(T.a1, 0);
            EQ(T.a0, 0x1234);
        }
        for (u32 n = 0; n < 8; n++) {
            /* mop.rr.n a1, a0, a2: bits 30 and 27:26. */
            u32 word = 0x82004073 | (n >> 2) << 30 | (n & 3) << 26 | A2 << 20 | A0 << 15 | A1 << 7;
            put_code(&word, 1);
            OK(go(priv, 0x1234, 0x5678, 0x9ABC));
            EQ(T.a1, 0);
            EQ(T.a0, 0x1234);
            EQ(T.a2, 0x9ABC);
        }
        /* c.mop.n (n odd, 1 to 15) writes no register at all. */
        for (u32 n = 1; n < 16; n += 2) {
            u32 word = 0x00010000 | 0x6001 | n << 7;              /* c.mop.n; c.nop */
            put_code(&word, 1);
            OK(go(priv, 0x1234, 0x5678, 0x9ABC));
            EQ(T.a0, 0x1234);
            EQ(T.a1, 0x5678);
            EQ(T.a2, 0x9ABC);
        }
        /* pause; ntl.p1, ntl.pall, ntl.s1, ntl.all; c.ntl.p1 ... ; fence with reserved fields; HINTs. */
        CODE(0x0100000F, 0x00200033, 0x00300033, 0x00400033, 0x00500033, 0x900E900A, 0x90169012, 0x0FF0000F, 0xFFFFF00F & ~0x7000u,
             0x00001013, 0x00000037, 0x40000033);
        OK(go(priv, 0x1234, 0x5678, 0x9ABC));
        EQ(T.a0, 0x1234);
        EQ(T.a1, 0x5678);
    }
    *MTIMECMP = ~0ul;
    return 0;
}
