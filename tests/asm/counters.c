/* Counters: minstret to the instruction, writes, inhibition, and who may read (privileged specification 3.1.10 to
 * 3.1.12). */

#include "rt.h"

#define NOP 0x00000013

/* Where go() ends after a trap that the code below took itself: it puts mtvec (in a2) back and ends in an ecall. */
static void counting(void)
{
    /* What is written is what the next instruction reads. */
    CODE(CSRRW(ZERO, MINSTRET, A0), CSRRS(A1, MINSTRET, ZERO));
    OK(go(M, 1000, 0, 0));
    EQ(T.a1, 1000);
    CODE(CSRRW(ZERO, MINSTRET, A0), NOP, NOP, NOP, CSRRS(A1, MINSTRET, ZERO));
    OK(go(M, 1000, 0, 0));
    EQ(T.a1, 1003);
    OK(go(M, ~0ul - 1, 0, 0));
    EQ(T.a1, 1);
    CODE(CSRRS(A0, MINSTRET, ZERO), NOP, 0x00000463, NOP, CSRRS(A1, MINSTRET, ZERO));   /* a taken branch over one */
    OK(go(M, 0, 0, 0));
    EQ(T.a1 - T.a0, 3);
    /* csrrw returns the old value, and set and clear work on it. */
    CODE(CSRRW(ZERO, MINSTRET, A0), CSRRW(A1, MINSTRET, A2), CSRRS(A2, MINSTRET, ZERO));
    OK(go(M, 500, 0, 70));
    EQ(T.a1, 500);
    EQ(T.a2, 70);
    CODE(CSRRW(ZERO, MINSTRET, A0), CSRRS(A1, MINSTRET, A2), CSRRS(A2, MINSTRET, ZERO));
    OK(go(M, 0x100, 0, 0xF));
    EQ(T.a1, 0x100);
    EQ(T.a2, 0x10F);

    /* An instruction that traps does not retire: ecall, ebreak, an illegal one, a load that faults. */
    static const u32 trapping[] = { 0x00000073, 0x00100073, 0xFFFFFFFF, 0x00003583 };   /* ld a1, 0(x0) */
    for (u32 i = 0; i < 4; i++) {
        u32 words[] = {
            CSRRW(ZERO, MTVEC, A0), CSRRW(ZERO, MINSTRET, ZERO), NOP, trapping[i], NOP, NOP,
            /* dyn + 24: the handler */ CSRRS(A1, MINSTRET, ZERO), CSRRW(ZERO, MTVEC, A2),
        };
        if (trapping[i] == 0x00003583)
            words[3] = 0x0005B583;                   /* ld a1, 0(a1): a1 holds an address that nothing has */
        put_code(words, 8);
        OK(go(M, (u64)dyn + 24, 0x3F000000000000, RD(MTVEC)));
        EQ(T.a1, 1);
    }
    /* mret and a taken jump retire. */
    CODE(CSRRW(ZERO, MEPC, A0), CSRRS(ZERO, MSTATUS, A2), CSRRW(ZERO, MINSTRET, ZERO), 0x30200073, NOP,
         CSRRS(A1, MINSTRET, ZERO));
    OK(go(M, (u64)dyn + 20, 0, MSTATUS_MPP));
    EQ(T.a1, 1);
}

static void inhibited(void)
{
    WR(MCOUNTINHIBIT, 5);
    u64 c = RD(MCYCLE), i = RD(MINSTRET);
    for (u32 n = 0; n < 100; n++)
        asm volatile("nop");
    EQ(RD(MCYCLE), c);
    EQ(RD(MINSTRET), i);
    EQ(RD(INSTRET), i);
    WR(MCYCLE, 12345);
    WR(MINSTRET, 54321);
    EQ(RD(MCYCLE), 12345);
    EQ(RD(CYCLE), 12345);
    EQ(RD(MINSTRET), 54321);
    WR(MCOUNTINHIBIT, 1);
    EQ(RD(MCYCLE), 12345);
    CHECK(RD(MINSTRET) > 54321);
    CHECK(RD(MINSTRET) < 54400);
    WR(MCOUNTINHIBIT, 4);
    i = RD(MINSTRET);
    CHECK(RD(MCYCLE) > 12345);
    EQ(RD(MINSTRET), i);
    WR(MCOUNTINHIBIT, 0);
    CHECK(RD(MCYCLE) > 12345);
    /* The cycle counter runs, and takes a write. */
    WR(MCYCLE, 1ul << 40);
    c = RD(MCYCLE);
    CHECK(c >= 1ul << 40);
    CHECK(c < (1ul << 40) + 100000);
    CHECK(RD(CYCLE) > c);
}

static void who_may(void)
{
    static const u16 user[] = { CYCLE, TIME, INSTRET };
    for (u32 bit = 0; bit < 3; bit++) {
        for (u32 m = 0; m < 2; m++)
            for (u32 s = 0; s < 2; s++) {
                WR(MCOUNTEREN, m ? 1ul << bit : 7 & ~(1ul << bit));
                WR(SCOUNTEREN, s ? 1ul << bit : 7 & ~(1ul << bit));
                OK(csr_read(M, user[bit]));
                EQ(csr_read(S, user[bit]), m ? DONE : ILLEGAL);
                EQ(csr_read(U, user[bit]), m && s ? DONE : ILLEGAL);
                if (!(m && s))
                    EQ(T.tval, CSRRS(A1, user[bit], ZERO));
            }
    }
    WR(MCOUNTEREN, 0);
    WR(SCOUNTEREN, ~0ul);
    EQ(csr_read(S, HPMCOUNTER3), ILLEGAL);
    EQ(csr_read(U, HPMCOUNTER3 + 5), ILLEGAL);
    /* S-mode never reaches the machine's own. */
    WR(MCOUNTEREN, ~0ul);
    EQ(csr_read(S, MCYCLE), ILLEGAL);
    EQ(csr_read(S, MINSTRET), ILLEGAL);
}

int main(void)
{
    counting();
    inhibited();
    who_may();
    /* time is the CLINT's mtime. */
    u64 before = RD(TIME), between = *MTIME, after = RD(TIME);
    CHECK(before <= between);
    CHECK(between <= after);
    *MTIME = 1ul << 50;
    CHECK(RD(TIME) >= 1ul << 50);
    CHECK(RD(TIME) < (1ul << 50) + (1ul << 30));
    return 0;
}
