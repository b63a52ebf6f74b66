/* A hart without C: jumps to addresses that are 2 modulo 4 trap, at the jump; compressed encodings are illegal; bit 1
 * of mepc and sepc reads 0. Run with C off. */

#include "rt.h"

#define BRANCH(funct3, rs1, rs2, offset) \
    (0x63 | (funct3) << 12 | (rs1) << 15 | (rs2) << 20 | ((u32)(offset) >> 12 & 1) << 31 \
     | ((u32)(offset) >> 5 & 63) << 25 | ((u32)(offset) >> 1 & 15) << 8 | ((u32)(offset) >> 11 & 1) << 7)
#define JAL(rd, offset) \
    (0x6F | (rd) << 7 | ((u32)(offset) >> 20 & 1) << 31 | ((u32)(offset) >> 1 & 0x3FF) << 21 \
     | ((u32)(offset) >> 11 & 1) << 20 | ((u32)(offset) >> 12 & 0xFF) << 12)

int main(void)
{
    static const u32 modes[] = { U, S, M };
    EQ(RD(MISA) >> 2 & 1, 0);
    for (u32 m = 0; m < 3; m++) {
        u32 priv = modes[m];
        u64 here = (u64)dyn;
        /* The jump does not retire: its link register stays, mepc is the jump, mtval the target. */
        CODE(JAL(A1, 6));
        TRAPS(go(priv, 0, 0x5EED, 0), FETCH_MISALIGNED, here + 6);
        EQ(T.epc, here);
        EQ(T.a1, 0x5EED);
        CODE(0x00000013, JAL(A1, -2));
        TRAPS(go(priv, 0, 0x5EED, 0), FETCH_MISALIGNED, here + 2);
        EQ(T.epc, here + 4);
        CODE(0x000505E7);                            /* jalr a1, 0(a0) */
        TRAPS(go(priv, here + 2, 0x5EED, 0), FETCH_MISALIGNED, here + 2);
        EQ(T.a1, 0x5EED);
        EQ(T.epc, here);
        TRAPS(go(priv, here + 3, 0x5EED, 0), FETCH_MISALIGNED, here + 2);
        CODE(0x00250567);                            /* jalr a0, 2(a0): source and destination the same */
        TRAPS(go(priv, here, 0, 0), FETCH_MISALIGNED, here + 2);
        EQ(T.a0, here);
        CODE(0x000505E7, 0x00000013);
        OK(go(priv, here + 5, 0, 0));                /* bit 0 is dropped */
        EQ(T.a1, here + 4);
        /* Branches: only a taken one. */
        for (u32 funct3 = 0; funct3 < 8; funct3++) {
            if (funct3 == 2 || funct3 == 3)
                continue;
            u32 words[2] = { BRANCH(funct3, A0, A1, 6), 0x00000013 };
            put_code(words, 2);
            int taken = funct3 == 1 || funct3 == 4 || funct3 == 6;           /* a0 = 1, a1 = 2 */
            EQ(go(priv, 1, 2, 0), taken ? FETCH_MISALIGNED : DONE);
            if (taken) {
                EQ(T.tval, here + 6);
                EQ(T.epc, here);
            }
        }
        /* c.nop and friends. */
        CODE(0x00010001);
        TRAPS(go(priv, 0, 0, 0), ILLEGAL, 0x0001);
        EQ(T.epc, here);
    }
    EQ(WARL(SEPC, ~0ul), ~3ul);
    EQ(WARL(MEPC, 0x80000006), 0x80000004);
    return 0;
}
