/* mret and sret: where they go, with what in mstatus; TVM, TW, TSR. */

#include "rt.h"

#define SRET 0x10200073
#define MRET 0x30200073
#define WFI 0x10500073

/* From M: clear and set bits of mstatus, then the xret in `word`, to st_nop. The cause tells the mode it arrived in,
 * T.status what it left behind. */
static u64 xret(u32 word, u64 clear, u64 set)
{
    u32 words[] = { CSRRW(ZERO, word == MRET ? MEPC : SEPC, A0), CSRRC(ZERO, MSTATUS, A1), CSRRS(ZERO, MSTATUS, A2), word };
    put_code(words, 4);
    return run(M, (u64)dyn, (u64)st_nop, clear, set);
}

int main(void)
{
    const u64 m_bits = MSTATUS_MPP | MSTATUS_MPIE | MSTATUS_MIE, s_bits = MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE;
    WR(MIE, 0);
    for (u64 mode = 0; mode < 4; mode++) {
        if (mode == 2)
            continue;
        EQ(xret(MRET, m_bits, mode << 11), ECALL_U + mode);
        /* MIE was 0 (so MPIE is now 0), MPIE became 1 and went into MPIE ... seen after the trap: MPIE = MIE. */
        EQ(T.status & (MSTATUS_MIE | MSTATUS_MPIE), 0);
        EQ(xret(MRET, m_bits, mode << 11 | MSTATUS_MPIE), ECALL_U + mode);
        EQ(T.status & (MSTATUS_MIE | MSTATUS_MPIE), MSTATUS_MPIE);
    }
    for (u64 mode = 0; mode < 2; mode++) {
        EQ(xret(SRET, s_bits, mode << 8), ECALL_U + mode);
        EQ(T.status & s_bits, MSTATUS_SPIE);          /* SPP = U, SPIE = 1, SIE = old SPIE */
        EQ(xret(SRET, s_bits, mode << 8 | MSTATUS_SPIE), ECALL_U + mode);
        EQ(T.status & s_bits, MSTATUS_SPIE | MSTATUS_SIE);
    }
    /* mret leaves MPP = U, the least privileged mode: look at it without a trap in between. */
    CODE(CSRRW(ZERO, MEPC, A0), MRET, 0x00000013, CSRRS(A1, MSTATUS, ZERO));
    SET(MSTATUS, MSTATUS_MPIE);
    EQ(run(M, (u64)dyn, (u64)dyn + 12, 0, 0), ILLEGAL);       /* run() left MPP = U after its own mret */
    CODE(CSRRS(ZERO, MSTATUS, A2), CSRRW(ZERO, MEPC, A0), MRET, CSRRS(A1, MSTATUS, ZERO));
    EQ(run(M, (u64)dyn, (u64)dyn + 12, 0, MSTATUS_MPP), ECALL_M);
    EQ(T.a1 & MSTATUS_MPP, 0);
    EQ(T.a1 & MSTATUS_MPIE, MSTATUS_MPIE);

    /* The reserved value 2 of MPP is not kept. */
    WR(MSTATUS, (RD(MSTATUS) & ~MSTATUS_MPP) | 2ul << 11);
    CHECK((RD(MSTATUS) & MSTATUS_MPP) != 2ul << 11);

    /* Bit 0 of mepc and sepc reads 0, and so do jumps through them. */
    EQ(WARL(MEPC, 0x80001003), 0x80001002);
    EQ(WARL(SEPC, 0x80001003), 0x80001002);
    EQ(WARL(MEPC, ~0ul), ~1ul);

    /* TSR: sret in S-mode is illegal; M-mode's is not. */
    CODE(SRET);
    WR(SEPC, (u64)st_nop);
    CLR(MSTATUS, MSTATUS_SPP);
    EQ(run(S, (u64)dyn, 0, 0, 0), ECALL_U);
    SET(MSTATUS, MSTATUS_TSR);
    TRAPS(run(S, (u64)dyn, 0, 0, 0), ILLEGAL, SRET);
    EQ(run(M, (u64)dyn, 0, 0, 0), ECALL_U);
    TRAPS(run(U, (u64)dyn, 0, 0, 0), ILLEGAL, SRET);
    CLR(MSTATUS, MSTATUS_TSR);
    /* Nothing of mstatus changes when sret traps. */
    SET(MSTATUS, MSTATUS_TSR | MSTATUS_SPP);
    CLR(MSTATUS, MSTATUS_SPIE | MSTATUS_SIE);
    TRAPS(run(S, (u64)dyn, 0, 0, 0), ILLEGAL, SRET);
    EQ(T.status & s_bits, MSTATUS_SPP);
    CLR(MSTATUS, MSTATUS_TSR | MSTATUS_SPP);

    /* TW: wfi below M is illegal (a hart may wait a bounded time first); without it S may wait, and goes on at once when
     * an enabled interrupt is pending, even one that it cannot take. */
    WR(MIE, 1 << SSI);
    SET(MIP, 1 << SSI);
    CLR(MSTATUS, MSTATUS_SIE | MSTATUS_MIE | MSTATUS_MPIE);
    WR(MIDELEG, 1 << SSI);
    OK(stub(S, st_wfi, 0, 0, 0));
    OK(stub(M, st_wfi, 0, 0, 0));
    SET(MSTATUS, MSTATUS_TW);
    OK(stub(M, st_wfi, 0, 0, 0));
    CLR(MIP, 1 << SSI);
    TRAPS(stub(S, st_wfi, 0, 0, 0), ILLEGAL, WFI);
    TRAPS(stub(U, st_wfi, 0, 0, 0), ILLEGAL, WFI);
    CLR(MSTATUS, MSTATUS_TW);
    return 0;
}
