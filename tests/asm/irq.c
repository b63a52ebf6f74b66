/* Interrupts: pending, enables, priority, delegation, the moment they are taken, vectors, wfi (specification 3.1.9). */

#include "rt.h"

#define NOP 0x00000013
#define ALL_S (1ul << SSI | 1ul << STI | 1ul << SEI)
#define NEVER (~0ul)

static void quiet(void)
{
    WR(MIE, 0);
    WR(MIDELEG, 0);
    WR(MIP, 0);
    CLR(MSTATUS, MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_SIE | MSTATUS_SPIE);
    *MSIP = 0;
    *MTIMECMP = NEVER;
    while (RD(MIP))
        ;
}

static void raise_all(void)
{
    WR(MIP, ALL_S);
    *MSIP = 1;
    *MTIMECMP = 0;
    while ((RD(MIP) & (1 << MSI | 1 << MTI)) != (1 << MSI | 1 << MTI))
        ;
}

/* Spin in a mode until the interrupt comes; everything about it is exact. */
static void taken(u32 priv, u32 number)
{
    if (priv == M)
        SET(MSTATUS, MSTATUS_MPIE);
    EQ(run(priv, (u64)st_spin, 0, 0, 0), INTERRUPT | number);
    EQ(T.epc, (u64)st_spin);
    EQ(T.tval, 0);
    EQ(T.status & MSTATUS_MPP, (u64)priv << 11);
    EQ(T.status & (MSTATUS_MIE | MSTATUS_MPIE), priv == M ? MSTATUS_MPIE : 0);
    CLR(MSTATUS, MSTATUS_MPIE);
}
#define TAKEN(priv, number) FROM_HERE(taken(priv, number))

static void priority(void)
{
    static const u32 order[] = { MSI, MTI, SEI, SSI, STI };
    static const u32 modes[] = { U, S, M };
    for (u32 m = 0; m < 3; m++) {
        quiet();
        raise_all();
        u64 enabled = ALL_S | 1 << MSI | 1 << MTI;
        for (u32 i = 0; i < 5; i++) {
            WR(MIE, enabled);
            TAKEN(modes[m], order[i]);
            enabled &= ~(1ul << order[i]);
        }
        WR(MIE, 0);
        OK(stub(modes[m], st_nop, 0, 0, 0));
    }
    quiet();
}

static void masks(void)
{
    /* MIE matters in M-mode only. */
    quiet();
    *MSIP = 1;
    WR(MIE, 1 << MSI);
    OK(stub(M, st_nop, 0, 0, 0));
    TAKEN(S, MSI);
    TAKEN(U, MSI);
    TAKEN(M, MSI);
    *MSIP = 0;
    while (RD(MIP))
        ;

    /* A delegated interrupt is not for M-mode, and in S-mode waits for SIE. */
    WR(MIDELEG, ALL_S);
    WR(MIE, ALL_S);
    WR(MIP, ALL_S);
    WR(STVEC, (u64)st_strap);
    SET(MSTATUS, MSTATUS_MPIE | MSTATUS_SIE);
    OK(stub(M, st_nop, 0, 0, 0));
    CLR(MSTATUS, MSTATUS_MPIE | MSTATUS_SIE);
    OK(stub(S, st_nop, 0, 0, 0));
    EQ(T.epc, (u64)st_nop + 4);
    static const u32 order[] = { SEI, SSI, STI };
    for (u32 i = 0; i < 3; i++) {
        SET(MSTATUS, MSTATUS_SIE);
        EQ(run(S, (u64)st_spin, 0, 0, 0), ECALL_S);
        EQ(T.epc, (u64)st_strap);
        EQ(RD(SCAUSE), INTERRUPT | order[i]);
        EQ(RD(SEPC), (u64)st_spin);
        EQ(T.status & (MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE), MSTATUS_SPP | MSTATUS_SPIE);
        CLR(MSTATUS, MSTATUS_SIE);
        EQ(run(U, (u64)st_spin, 0, 0, 0), ECALL_S);
        EQ(RD(SCAUSE), INTERRUPT | order[i]);
        EQ(T.status & (MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE), 0);
        CLR(MIE, 1ul << order[i]);
    }
    /* One for M-mode goes first, whatever its place in the order. */
    WR(MIDELEG, 1 << SEI | 1 << STI);
    WR(MIE, ALL_S);
    SET(MSTATUS, MSTATUS_SIE);
    TAKEN(S, SSI);
    TAKEN(U, SSI);
    quiet();
}

/* It is taken right after the instruction that lets it through (3.1.9): mepc is the next one. */
static void moment(void)
{
    quiet();
    WR(MIP, 1 << SSI);
    WR(MIE, 1 << SSI);
    CODE(CSRRS(ZERO, MSTATUS, A0), NOP, NOP);
    EQ(go(M, MSTATUS_MIE, 0, 0), INTERRUPT | SSI);
    EQ(T.epc, (u64)dyn + 4);
    WR(MIE, 0);
    SET(MSTATUS, MSTATUS_MPIE);
    CODE(NOP, CSRRW(ZERO, MIE, A0), NOP);
    EQ(go(M, 1 << SSI, 0, 0), INTERRUPT | SSI);
    EQ(T.epc, (u64)dyn + 8);
    WR(MIP, 0);
    SET(MSTATUS, MSTATUS_MPIE);
    CODE(NOP, CSRRS(ZERO, MIP, A0), NOP);
    EQ(go(M, 1 << SSI, 0, 0), INTERRUPT | SSI);
    EQ(T.epc, (u64)dyn + 8);
    /* Undoing a delegation in M-mode. */
    WR(MIDELEG, 1 << SSI);
    SET(MSTATUS, MSTATUS_MPIE);
    CODE(NOP, CSRRW(ZERO, MIDELEG, ZERO), NOP);
    EQ(go(M, 0, 0, 0), INTERRUPT | SSI);
    EQ(T.epc, (u64)dyn + 8);
    /* mret arrives at an instruction that does not run. */
    CLR(MSTATUS, MSTATUS_MPIE);
    EQ(run(S, (u64)st_ebreak, 0, 0, 0), INTERRUPT | SSI);
    EQ(T.epc, (u64)st_ebreak);
    /* In S-mode: sie, sip, sstatus and sret. */
    WR(MIDELEG, 1 << SSI);
    WR(STVEC, (u64)st_strap);
    CODE(NOP, CSRRS(ZERO, SSTATUS, A0), NOP);
    EQ(run(S, (u64)dyn, MSTATUS_SIE, 0, 0), ECALL_S);
    EQ(RD(SCAUSE), INTERRUPT | SSI);
    EQ(RD(SEPC), (u64)dyn + 8);
    SET(MSTATUS, MSTATUS_SIE);
    WR(MIP, 0);
    CODE(NOP, CSRRS(ZERO, SIP, A0), NOP);
    EQ(run(S, (u64)dyn, 1 << SSI, 0, 0), ECALL_S);
    EQ(RD(SEPC), (u64)dyn + 8);
    SET(MSTATUS, MSTATUS_SIE);
    WR(MIE, 0);
    CODE(NOP, CSRRS(ZERO, SIE, A0), NOP);
    EQ(run(S, (u64)dyn, 1 << SSI, 0, 0), ECALL_S);
    EQ(RD(SEPC), (u64)dyn + 8);
    CODE(CSRRW(ZERO, SEPC, A0), CSRRC(ZERO, SSTATUS, A1), CSRRS(ZERO, SSTATUS, A2), 0x10200073);
    CLR(MSTATUS, MSTATUS_SIE);
    EQ(run(S, (u64)dyn, (u64)st_ebreak, MSTATUS_SIE, MSTATUS_SPIE | MSTATUS_SPP), ECALL_S);
    EQ(RD(SEPC), (u64)st_ebreak);
    EQ(RD(SCAUSE), INTERRUPT | SSI);
    EQ(run(S, (u64)dyn, (u64)st_ebreak, MSTATUS_SPP, 0), ECALL_S);
    EQ(RD(SEPC), (u64)st_ebreak);
    EQ(T.status & MSTATUS_SPP, 0);
    quiet();
}

/* Vectored mtvec: entry n is `jal a1, ...` at base + 4n, so a1 says which one was used. */
static void vectors(void)
{
    u32 words[40];
    for (u32 i = 0; i < 16; i++) {
        u32 offset = (16 - i) * 4;
        words[i] = offset << 20 | A1 << 7 | 0x6F;
    }
    words[16] = CSRRW(ZERO, MTVEC, A2);
    words[17] = 0x73;
    put_code(words, 18);
    quiet();
    raise_all();
    static const u32 numbers[] = { MSI, MTI, SEI, SSI, STI };
    for (u32 i = 0; i < 5; i++) {
        u64 kept = RD(MTVEC);
        WR(MIE, 1ul << numbers[i]);
        WR(MTVEC, (u64)dyn | 1);
        EQ(run(S, (u64)st_spin, 0, 0, kept), ECALL_M);
        EQ(T.a1, (u64)dyn + 4 * numbers[i] + 4);
        WR(MIE, 0);
        WR(MTVEC, (u64)dyn | 1);
        EQ(run(S, (u64)st_nop, 0, 0, kept), ECALL_M);       /* an exception: the base */
        EQ(T.a1, (u64)dyn + 4);
        WR(MIE, 1ul << numbers[i]);
        WR(MTVEC, (u64)dyn);
        EQ(run(S, (u64)st_spin, 0, 0, kept), ECALL_M);      /* direct: the base */
        EQ(T.a1, (u64)dyn + 4);
        WR(MIE, 0);
    }
    quiet();
}

static void waiting(void)
{
    /* wfi goes on when an enabled interrupt is pending, taken or not. */
    quiet();
    WR(MIE, 1 << MTI);
    *MTIMECMP = *MTIME + 2000;
    OK(stub(M, st_wfi, 0, 0, 0));
    CHECK(RD(MIP) & 1 << MTI);
    CHECK(*MTIME >= *MTIMECMP);
    *MTIMECMP = *MTIME + 2000;
    while (RD(MIP))
        ;
    /* When it is taken, mepc is the instruction after wfi. */
    SET(MSTATUS, MSTATUS_MPIE);
    CODE(0x10500073, NOP);
    EQ(go(M, 0, 0, 0), INTERRUPT | MTI);
    EQ(T.epc, (u64)dyn + 4);
    *MTIMECMP = *MTIME + 2000;
    EQ(go(S, 0, 0, 0), INTERRUPT | MTI);
    EQ(T.epc, (u64)dyn + 4);
    /* Delegation does not matter to waking up. */
    quiet();
    WR(MIDELEG, 1 << SSI);
    WR(MIE, 1 << SSI);
    WR(MIP, 1 << SSI);
    OK(go(M, 0, 0, 0));
    OK(go(S, 0, 0, 0));
    quiet();
}

static void clint(void)
{
    quiet();
    *MSIP = ~0u;
    EQ(*MSIP, 1);                         /* one bit */
    while (!(RD(MIP) & 1 << MSI))
        ;
    *MSIP = 0;
    while (RD(MIP))
        ;
    /* mtimecmp by halves, and mtime running past it. */
    *(volatile u32 *)MTIMECMP = 0;
    EQ(*MTIMECMP, ~0ul << 32);
    *((volatile u32 *)MTIMECMP + 1) = 0;
    EQ(*MTIMECMP, 0);
    while (!(RD(MIP) & 1 << MTI))
        ;
    *MTIMECMP = NEVER;
    while (RD(MIP))
        ;
    u64 now = *MTIME;
    *MTIMECMP = now + 500;
    EQ(RD(MIP) & 1 << MTI, 0);
    while (*MTIME < now + 500)
        ;
    for (u32 i = 0; i < 10000 && !(RD(MIP) & 1 << MTI); i++)
        ;
    CHECK(RD(MIP) & 1 << MTI);
    quiet();
}

int main(void)
{
    priority();
    masks();
    moment();
    vectors();
    waiting();
    clint();
    return 0;
}
