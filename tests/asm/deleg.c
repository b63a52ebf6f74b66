/* Delegation: exceptions taken in S-mode, with exact scause, sepc, stval and sstatus; vectored and direct stvec. */

#include "rt.h"

#define VA 0x1234567000ul

/* Run and expect the trap in S-mode (its handler's ecall then comes to us from there). */
static void delegated(u32 priv, u64 pc, u64 a0, u64 cause, u64 tval)
{
    SET(MSTATUS, MSTATUS_SPIE);
    EQ(run(priv, pc, a0, 0x5EED, 1), ECALL_S);
    EQ(T.epc, (u64)st_strap);
    EQ(RD(SCAUSE), cause);
    if (cause == BREAKPOINT)
        CHECK(RD(STVAL) == 0 || RD(STVAL) == RD(SEPC));
    else
        EQ(RD(STVAL), tval);
    EQ(T.status & MSTATUS_SPP, priv == S ? MSTATUS_SPP : 0);
}
#define DELEGATED(...) FROM_HERE(delegated(__VA_ARGS__))

int main(void)
{
    WR(STVEC, (u64)st_strap);
    EQ(RD(STVEC), (u64)st_strap);
    const u64 all = 1 << FETCH_MISALIGNED | 1 << FETCH_ACCESS | 1 << ILLEGAL | 1 << BREAKPOINT | 1 << LOAD_MISALIGNED
        | 1 << LOAD_ACCESS | 1 << STORE_MISALIGNED | 1 << STORE_ACCESS | 1 << ECALL_U | 1 << FETCH_PAGE
        | 1 << LOAD_PAGE | 1 << STORE_PAGE;
    WR(MEDELEG, all);
    /* Instruction-address-misaligned cannot happen with C: its bit may be wired to 0. */
    EQ(RD(MEDELEG) | 1 << FETCH_MISALIGNED, all);
    /* ecall from M is not delegable. */
    WR(MEDELEG, all | 1 << ECALL_M);
    EQ(RD(MEDELEG) & 1 << ECALL_M, 0);

    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        fence();
        for (u32 priv = 0; priv <= 1; priv++) {
            WR(SEPC, 0);
            DELEGATED(priv, at(priv, st_ld), VA + 1, LOAD_PAGE, VA + 1);
            EQ(RD(SEPC), at(priv, st_ld));
            EQ(T.a1, 0x5EED);
            DELEGATED(priv, at(priv, st_sd), VA + 8, STORE_PAGE, VA + 8);
            EQ(RD(SEPC), at(priv, st_sd));
            DELEGATED(priv, at(priv, st_jr), VA + 2, FETCH_PAGE, VA + 2);
            EQ(RD(SEPC), VA + 2);
            DELEGATED(priv, at(priv, st_ebreak), 0, BREAKPOINT, 0);
            EQ(RD(SEPC), at(priv, st_ebreak));
            CODE(0xFFFFFFFF);
            DELEGATED(priv, at(priv, (char *)dyn), 0, ILLEGAL, 0xFFFFFFFF);
            EQ(RD(SEPC), at(priv, (char *)dyn));
            CODE(0x00010000);
            DELEGATED(priv, at(priv, (char *)dyn), 0, ILLEGAL, 0);
            map(VA, 0x3F000000000000, RWAD | X | (priv == U ? PU : 0));
            fence();
            DELEGATED(priv, at(priv, st_ld), VA + 16, LOAD_ACCESS, VA + 16);
            DELEGATED(priv, at(priv, st_sd), VA + 16, STORE_ACCESS, VA + 16);
            DELEGATED(priv, at(priv, st_jr), VA, FETCH_ACCESS, VA);
            map(VA, 0, 0);
            fence();
        }
        DELEGATED(U, at(U, st_nop), 0, ECALL_U, 0);
        EQ(RD(SEPC), at(U, st_nop) + 4);
        vm_reset(0);
    }

    /* SPIE takes SIE, SIE is cleared; MPIE and MIE are no part of it. Then back: sret puts SIE and the mode right. */
    CLR(MSTATUS, MSTATUS_SPIE);
    SET(MSTATUS, MSTATUS_SIE);
    EQ(run(S, (u64)st_ebreak, 0, 0, 0), ECALL_S);
    EQ(T.status & (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP), MSTATUS_SPIE | MSTATUS_SPP);
    CLR(MSTATUS, MSTATUS_SIE);
    SET(MSTATUS, MSTATUS_SPIE);
    EQ(run(S, (u64)st_ebreak, 0, 0, 0), ECALL_S);
    EQ(T.status & (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP), MSTATUS_SPP);

    /* M-mode never hands a trap down. */
    EQ(run(M, (u64)st_ebreak, 0, 0, 0), BREAKPOINT);
    EQ(T.epc, (u64)st_ebreak);
    /* A bit that is clear keeps that cause, and only that one, in M-mode. */
    CLR(MEDELEG, 1 << BREAKPOINT);
    EQ(run(S, (u64)st_ebreak, 0, 0, 0), BREAKPOINT);
    CODE(0xFFFFFFFF);
    DELEGATED(S, (u64)dyn, 0, ILLEGAL, 0xFFFFFFFF);
    /* ecall from S, delegated to itself: the handler's own ecall would loop, so look with another handler. */
    SET(MEDELEG, 1 << ECALL_S);
    CHECK(RD(MEDELEG) & 1 << ECALL_S);
    WR(STVEC, (u64)st_ebreak & ~3ul);
    EQ((u64)st_ebreak & 3, 0);
    EQ(run(S, (u64)st_nop, 0, 0, 0), BREAKPOINT);
    EQ(T.epc, (u64)st_ebreak);
    EQ(RD(SCAUSE), ECALL_S);
    EQ(RD(SEPC), (u64)st_nop + 4);
    EQ(RD(STVAL), 0);
    CLR(MEDELEG, 1 << ECALL_S);

    /* Vectored: exceptions go to the base, interrupts to base + 4 * cause. */
    WR(STVEC, (u64)st_svector | 1);
    EQ(RD(STVEC), (u64)st_svector | 1);
    EQ(run(S, (u64)dyn, 0, 0, 0), ECALL_S);
    EQ(T.epc, (u64)st_svector);
    WR(MIDELEG, 1 << SSI);
    WR(MIE, 1 << SSI);
    SET(MIP, 1 << SSI);
    SET(MSTATUS, MSTATUS_SIE);
    EQ(run(S, (u64)st_spin, 0, 0, 0), ECALL_S);
    EQ(T.epc, (u64)st_svector + 4 * SSI);
    EQ(RD(SCAUSE), INTERRUPT | SSI);
    EQ(RD(SEPC), (u64)st_spin);
    EQ(RD(STVAL), 0);
    /* In U-mode it needs no SIE. */
    CLR(MSTATUS, MSTATUS_SIE);
    EQ(run(U, (u64)st_spin, 0, 0, 0), ECALL_S);
    EQ(T.epc, (u64)st_svector + 4 * SSI);
    EQ(T.status & MSTATUS_SPP, 0);
    WR(STVEC, (u64)st_strap);
    EQ(run(U, (u64)st_spin, 0, 0, 0), ECALL_S);
    EQ(T.epc, (u64)st_strap);

    /* Vectored in M-mode as well. */
    WR(MIDELEG, 0);
    WR(MTVEC, (u64)st_svector | 1);
    EQ(RD(MTVEC), (u64)st_svector | 1);
    return 0;
}
