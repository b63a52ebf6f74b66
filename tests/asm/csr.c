/* CSRs: who may touch which, what a write keeps, and the six instructions (privileged specification 2 and 3.1). */

#include "rt.h"

/* Registers that a hart with M, S, U, F, Zicntr, Zihpm, PMP, Sstc and Smstateen has. */
static const u16 present[] = {
    FFLAGS, FRM, FCSR, CYCLE, TIME, INSTRET, HPMCOUNTER3, HPMCOUNTER3 + 28,
    SSTATUS, SIE, STVEC, SCOUNTEREN, SENVCFG, SSTATEEN0, SSTATEEN0 + 3, SSCRATCH, SEPC, SCAUSE, STVAL, SIP, STIMECMP, SATP,
    MSTATUS, MISA, MEDELEG, MIDELEG, MIE, MTVEC, MCOUNTEREN, MENVCFG, MSTATEEN0, MSTATEEN0 + 3, MCOUNTINHIBIT,
    MHPMEVENT3, MHPMEVENT3 + 28, MSCRATCH, MEPC, MCAUSE, MTVAL, MIP, PMPCFG0, PMPADDR0, PMPADDR0 + 15, MCYCLE,
    MINSTRET, MHPMCOUNTER3, MHPMCOUNTER3 + 28, MVENDORID, MARCHID, MIMPID, MHARTID, MCONFIGPTR,
};
/* Numbers that no ratified extension without H, N or debug uses; and those that exist on RV32 only. */
static const u16 absent[] = {
    0x000, 0x004, 0x005, 0x040, 0x0FF, 0x101, 0x102, 0x103, 0x107, 0x145, 0x1FF, 0x200, 0x240, 0x280, 0x307, 0x30B,
    0x310, 0x312, 0x345, 0x3F0, 0x3FF, 0x600, 0x643, 0x680, 0xA00, 0xB01, 0xC80, 0xC81, 0xC82, 0xB80, 0xB82, 0xE00,
    0xF00, 0xF10, 0xFFF, PMPCFG0 + 1,
};

static void who_may(void)
{
    static const u32 modes[] = { U, S, M };
    for (u32 m = 0; m < 3; m++) {
        u32 priv = modes[m];
        for (u32 i = 0; i < sizeof present / 2; i++) {
            u32 csr = present[i], needs = csr >> 8 & 3;
            EQ(csr_read(priv, csr), priv >= needs ? DONE : ILLEGAL);
            if (priv < needs) {
                EQ(T.tval, CSRRS(A1, csr, ZERO));
                EQ(T.a1, 0x5EED);
                EQ(csr_write(priv, csr, 0), ILLEGAL);
            }
            /* Bits 11:10 of the number: 3 is read-only, also for a write of the value that is there. */
            if (csr >> 10 == 3) {
                EQ(csr_write(priv, csr, 0), ILLEGAL);
                u32 word = CSRRS(A1, csr, A0);
                put_code(&word, 1);
                EQ(go(priv, 0, 0x5EED, 0), ILLEGAL);
                EQ(T.a1, 0x5EED);
                word = 0x00006073 | CSRRS(A1, csr, ZERO);          /* csrrsi a1, csr, 0 does not write */
                put_code(&word, 1);
                EQ(go(priv, 0, 0x5EED, 0), priv >= needs ? DONE : ILLEGAL);
                word = 0x00007073 | CSRRC(A1, csr, 1);             /* csrrci with a bit does */
                put_code(&word, 1);
                EQ(go(priv, 0, 0x5EED, 0), ILLEGAL);
            }
        }
        for (u32 i = 0; i < sizeof absent / 2; i++) {
            EQ(csr_read(priv, absent[i]), ILLEGAL);
            EQ(T.tval, CSRRS(A1, absent[i], ZERO));
            EQ(csr_write(priv, absent[i], 0), ILLEGAL);
        }
    }
    /* The number alone decides: nothing of a higher mode, whether it exists or not. */
    for (u32 csr = 0; csr < 4096; csr++) {
        u32 needs = csr >> 8 & 3;
        if (needs > U)
            EQ(csr_read(U, csr), ILLEGAL);
        if (needs > S)
            EQ(csr_read(S, csr), ILLEGAL);
    }
}

static void six_instructions(void)
{
    WR(SSCRATCH, 0xF0F0);
    CODE(CSRRW(A1, SSCRATCH, A0));
    OK(go(M, 0x1234, 0, 0));
    EQ(T.a1, 0xF0F0);
    /* Source and destination the same: the old value comes out, the old register goes in. */
    CODE(CSRRW(A0, SSCRATCH, A0));
    OK(go(M, 0x5678, 0, 0));
    EQ(T.a0, 0x1234);
    EQ(RD(SSCRATCH), 0x5678);
    CODE(CSRRS(A1, SSCRATCH, A0));
    OK(go(M, 0x8001, 0, 0));
    EQ(T.a1, 0x5678);
    EQ(RD(SSCRATCH), 0xD679);
    CODE(CSRRC(A0, SSCRATCH, A0));
    OK(go(M, 0xFF, 0, 0));
    EQ(T.a0, 0xD679);
    EQ(RD(SSCRATCH), 0xD600);
    CODE(0x00005073 | CSRRW(A1, SSCRATCH, 31));      /* csrrwi a1, sscratch, 31 */
    OK(go(M, 0, 0, 0));
    EQ(T.a1, 0xD600);
    EQ(RD(SSCRATCH), 31);
    CODE(0x00006073 | CSRRS(A1, SSCRATCH, 0));       /* csrrsi a1, sscratch, 0 */
    OK(go(M, 0, 0, 0));
    EQ(T.a1, 31);
    CODE(0x00007073 | CSRRC(A1, SSCRATCH, 5));       /* csrrci a1, sscratch, 5 */
    OK(go(M, 0, 0, 0));
    EQ(RD(SSCRATCH), 26);
    CODE(CSRRW(ZERO, SSCRATCH, ZERO));
    OK(go(M, 0, 0, 0));
    EQ(RD(SSCRATCH), 0);
}

static void status(void)
{
    const u64 xl = 2ul << 32 | 2ul << 34;
    const u64 s_view = MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR;
    const u64 m_view = s_view | MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP | MSTATUS_MPRV | MSTATUS_TVM | MSTATUS_TW
        | MSTATUS_TSR;
    WR(MIE, 0);
    EQ(WARL(MSTATUS, 0), xl);
    EQ(WARL(SSTATUS, 0), 2ul << 32);
    WR(MSTATUS, ~0ul);
    u64 all = RD(MSTATUS);
    CLR(MSTATUS, MSTATUS_MPRV);
    /* No V, no custom state, little-endian only (UBE, SBE and MBE are wired to 0). */
    EQ(all, m_view | xl | MSTATUS_SD);
    EQ(RD(SSTATUS), s_view | 2ul << 32 | MSTATUS_SD);
    /* sstatus reaches its own bits only. */
    WR(SSTATUS, 0);
    EQ(RD(MSTATUS), (m_view & ~s_view & ~MSTATUS_MPRV) | xl);
    WR(MSTATUS, 0);
    WR(SSTATUS, ~0ul);
    EQ(RD(MSTATUS), s_view | xl | MSTATUS_SD);
    /* SD follows FS. */
    for (u64 fs = 0; fs < 4; fs++) {
        WR(MSTATUS, fs << 13);
        EQ(RD(MSTATUS), xl | fs << 13 | (fs == 3 ? MSTATUS_SD : 0));
    }
    /* An instruction that writes an f register or a flag makes FS Dirty. */
    CODE(0xF2050553);                                /* fmv.d.x fa0, a0 */
    WR(MSTATUS, 1ul << 13);
    OK(go(M, 0, 0, 0));
    EQ(RD(MSTATUS) & (MSTATUS_FS | MSTATUS_SD), MSTATUS_FS | MSTATUS_SD);
    CODE(CSRRW(ZERO, FFLAGS, A0));
    WR(MSTATUS, 2ul << 13);
    OK(go(U, 1, 0, 0));
    EQ(RD(MSTATUS) & MSTATUS_FS, MSTATUS_FS);
    CODE(0x1AB57553);                                /* fdiv.d fa0, fa0, fa1 */
    WR(MSTATUS, 2ul << 13);
    OK(go(S, 1, 0, 0));
    EQ(RD(MSTATUS) & MSTATUS_FS, MSTATUS_FS);
    CODE(0x00053507);                                /* fld fa0, 0(a0) */
    WR(MSTATUS, 1ul << 13);
    OK(go(U, (u64)pages, 0, 0));
    EQ(RD(MSTATUS) & MSTATUS_FS, MSTATUS_FS);
    /* UXL and SXL cannot be changed. */
    WR(MSTATUS, 1ul << 32 | 1ul << 34 | MSTATUS_FS);
    EQ(RD(MSTATUS), xl | MSTATUS_FS | MSTATUS_SD);
}

static void machine(void)
{
    u64 misa = RD(MISA);
    EQ(misa >> 62, 2);
    const u64 letters = 1 << ('I' - 'A') | 1 << ('M' - 'A') | 1 << ('A' - 'A') | 1 << ('F' - 'A') | 1 << ('D' - 'A')
        | 1 << ('C' - 'A') | 1 << ('S' - 'A') | 1 << ('U' - 'A');
    EQ(misa & letters, letters);
    /* B (Zba, Zbb and Zbs together) is the one letter beside them that may show. */
    EQ(misa & 0x3FFFFFFF & ~letters & ~(1ul << ('B' - 'A')), 0);
    EQ(WARL(MISA, misa), misa);

    /* Base and mode: two modes, four-byte alignment. */
    u64 kept = RD(MTVEC);
    EQ(WARL(MTVEC, 0x80000100), 0x80000100);
    EQ(WARL(MTVEC, 0x80000101), 0x80000101);
    CHECK((WARL(MTVEC, 0x80000102) & 3) < 2);
    CHECK((WARL(MTVEC, 0x80000103) & 3) < 2);
    WR(MTVEC, kept);
    EQ(WARL(STVEC, 0x80000100), 0x80000100);
    EQ(WARL(STVEC, 0x80000101), 0x80000101);
    CHECK((WARL(STVEC, 0x80000102) & 3) < 2);
    CHECK((WARL(STVEC, ~0ul) & 3) < 2);

    /* What cannot be delegated, or does not exist, reads 0. */
    EQ(WARL(MEDELEG, ~0ul) & (1 << 10 | 1 << ECALL_M | 1 << 14 | 1 << 16 | 1 << 17), 0);
    EQ(RD(MEDELEG) & 0xB1FE, 0xB1FE);
    EQ(WARL(MEDELEG, 0), 0);
    const u64 s_ints = 1 << SSI | 1 << STI | 1 << SEI, m_ints = 1 << MSI | 1 << MTI | 1 << MEI;
    EQ(WARL(MIDELEG, ~0ul), s_ints);
    EQ(WARL(MIDELEG, 0), 0);
    EQ(WARL(MIE, ~0ul), s_ints | m_ints);
    EQ(RD(SIE), 0);
    WR(MIDELEG, 1 << STI);
    EQ(RD(SIE), 1 << STI);
    WR(SIE, 0);
    EQ(RD(MIE), (s_ints | m_ints) & ~(1ul << STI));
    WR(SIE, ~0ul);
    EQ(RD(MIE), s_ints | m_ints);
    WR(MIDELEG, s_ints);
    EQ(RD(SIE), s_ints);
    WR(MIE, 0);

    /* mip: software owns SSIP, SEIP and (without stimecmp) STIP; the others are wires. */
    CLR(MENVCFG, MENVCFG_STCE);
    EQ(WARL(MIP, ~0ul) & (s_ints | 1 << MSI | 1 << MEI), s_ints);
    EQ(RD(SIP), s_ints);
    WR(SIP, 0);
    EQ(RD(SIP), 1 << STI | 1 << SEI);
    WR(SIP, ~0ul);
    EQ(RD(SIP), s_ints);
    EQ(WARL(MIP, 0) & s_ints, 0);
    WR(SIP, 1 << STI | 1 << SEI);
    EQ(RD(SIP), 0);
    /* A bit that is not delegated is not there for S-mode. */
    WR(MIDELEG, 0);
    WR(SIP, 1 << SSI);
    EQ(RD(MIP) & s_ints, 0);
    WR(MIP, s_ints);
    EQ(RD(SIP), 0);
    WR(MIP, 0);

    /* Full-width registers. */
    kept = RD(MSCRATCH);                  /* the trap handler's */
    u64 ones = WARL(MSCRATCH, ~0ul);
    WR(MSCRATCH, kept);
    EQ(ones, ~0ul);
    EQ(WARL(SSCRATCH, 0x123456789ABCDEF0), 0x123456789ABCDEF0);
    EQ(WARL(MTVAL, ~0ul), ~0ul);
    EQ(WARL(STVAL, ~0ul), ~0ul);
    EQ(WARL(SEPC, ~0ul), ~1ul);
    /* WLRL: what can occur is kept. */
    EQ(WARL(MCAUSE, INTERRUPT | MEI), INTERRUPT | MEI);
    EQ(WARL(SCAUSE, INTERRUPT | SEI), INTERRUPT | SEI);
    for (u64 cause = 0; cause <= STORE_PAGE; cause++) {
        EQ(WARL(MCAUSE, cause), cause);
        EQ(WARL(SCAUSE, cause), cause);
    }

    /* Environment configuration. CBIE = 2 is reserved. */
    const u64 s_env = ENVCFG_FIOM | ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE;
    EQ(WARL(MENVCFG, ~0ul) | ENVCFG_FIOM, s_env | MENVCFG_ADUE | MENVCFG_PBMTE | MENVCFG_STCE);
    EQ(WARL(SENVCFG, ~0ul) | ENVCFG_FIOM, s_env);
    CHECK((WARL(MENVCFG, 2 << 4) & ENVCFG_CBIE) != 2 << 4);
    CHECK((WARL(SENVCFG, 2 << 4) & ENVCFG_CBIE) != 2 << 4);
    EQ(WARL(MENVCFG, 1 << 4), 1 << 4);
    EQ(WARL(MENVCFG, 0), 0);
    EQ(WARL(SENVCFG, 0), 0);

    /* Counter enables: CY, TM and IR at least; 32 bits at most. */
    EQ(WARL(MCOUNTEREN, ~0ul) & 7, 7);
    EQ(RD(MCOUNTEREN) >> 32, 0);
    EQ(WARL(MCOUNTEREN, 0), 0);
    EQ(WARL(SCOUNTEREN, ~0ul) & 7, 7);
    EQ(RD(SCOUNTEREN) >> 32, 0);
    EQ(WARL(SCOUNTEREN, 0), 0);
    EQ(WARL(MCOUNTINHIBIT, ~0ul) & 7, 5);
    EQ(WARL(MCOUNTINHIBIT, 0), 0);

    EQ(RD(MHARTID), 0);
}

static void floating_point(void)
{
    EQ(WARL(FCSR, ~0ul), 0xFF);
    EQ(RD(FFLAGS), 31);
    EQ(RD(FRM), 7);
    EQ(WARL(FFLAGS, 0x25), 5);
    EQ(RD(FCSR), 0xE5);
    EQ(WARL(FRM, 0xF9), 1);
    EQ(RD(FCSR), 0x25);
    EQ(WARL(FCSR, 0), 0);
}

int main(void)
{
    /* Everything open, so that only the number decides. */
    WR(MCOUNTEREN, ~0ul);
    WR(SCOUNTEREN, ~0ul);
    WR(MSTATEEN0, ~0ul);
    WR(MSTATEEN0 + 1, ~0ul);
    WR(MSTATEEN0 + 2, ~0ul);
    WR(MSTATEEN0 + 3, ~0ul);
    WR(MENVCFG, MENVCFG_STCE);
    who_may();
    six_instructions();
    machine();
    status();
    floating_point();
    /* FIOM has to be there where satp has translation (3.1.18, 12.1.10). Last, because Spike lacks it. */
    EQ(WARL(SENVCFG, ENVCFG_FIOM), ENVCFG_FIOM);
    EQ(WARL(MENVCFG, ENVCFG_FIOM), ENVCFG_FIOM);
    return 0;
}
