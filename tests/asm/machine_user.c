/* M and U without S: nothing is delegated, and what belongs to S does not exist. */

#include "rt.h"

static const u16 csrs[] = { SSTATUS, SIE, STVEC, SCOUNTEREN, SENVCFG, SSCRATCH, SEPC, SCAUSE, STVAL, SIP, SATP, STIMECMP,
                            SSTATEEN0, MEDELEG, MIDELEG };

int main(void)
{
    static const u32 modes[] = { U, M };
    EQ(RD(MISA) >> 18 & 1, 0);
    EQ(RD(MISA) >> 20 & 1, 1);
    for (u32 m = 0; m < 2; m++) {
        for (u32 i = 0; i < sizeof csrs / 2; i++) {
            EQ(csr_read(modes[m], csrs[i]), ILLEGAL);
            EQ(csr_write(modes[m], csrs[i], 0), ILLEGAL);
        }
        static const u32 words[] = { 0x10200073, 0x12000073 };            /* sret, sfence.vma */
        for (u32 i = 0; i < 2; i++) {
            put_code(&words[i], 1);
            TRAPS(go(modes[m], 0, 0, 0), ILLEGAL, words[i]);
        }
        EQ(run(modes[m], (u64)st_nop, 0, 0, 0), ECALL_U + modes[m]);
        EQ(run(modes[m], (u64)st_ebreak, 0, 0, 0), BREAKPOINT);
    }
    /* MPP holds U and M; SXL, SPP, SIE, SPIE, SUM, MXR, TVM and TSR are 0. */
    WR(MSTATUS, ~0ul & ~MSTATUS_MPRV & ~MSTATUS_MIE);
    u64 all = RD(MSTATUS);
    EQ(all & (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_SUM | MSTATUS_MXR | MSTATUS_TVM | MSTATUS_TSR
              | 3ul << 34), 0);
    EQ(all & (MSTATUS_MPIE | MSTATUS_MPP | MSTATUS_TW), MSTATUS_MPIE | MSTATUS_MPP | MSTATUS_TW);
    EQ(all >> 32 & 3, 2);
    WR(MSTATUS, 0);
    WR(MSTATUS, 1ul << 11);
    CHECK((RD(MSTATUS) & MSTATUS_MPP) != 1ul << 11);
    /* Only the machine's interrupts; U-mode's time is gated by mcounteren alone. */
    EQ(WARL(MIE, ~0ul), 1 << MSI | 1 << MTI | 1 << MEI);
    WR(MIE, 0);
    *MTIMECMP = ~0ul;
    while (RD(MIP))
        ;
    EQ(WARL(MIP, ~0ul) & 0xFFFF, 0);
    WR(MCOUNTEREN, 0);
    EQ(csr_read(U, TIME), ILLEGAL);
    WR(MCOUNTEREN, 2);
    OK(csr_read(U, TIME));
    EQ(csr_read(U, CYCLE), ILLEGAL);
    /* wfi in U-mode waits, unless TW is set. */
    WR(MIE, 1 << MTI);
    *MTIMECMP = *MTIME + 1000;
    EQ(stub(U, st_wfi, 0, 0, 0), INTERRUPT | MTI);
    *MTIMECMP = ~0ul;
    while (RD(MIP))
        ;
    SET(MSTATUS, MSTATUS_TW);
    TRAPS(stub(U, st_wfi, 0, 0, 0), ILLEGAL, 0x10500073);
    CLR(MSTATUS, MSTATUS_TW);
    /* MPRV with MPP = U: PMP decides. */
    OK(stub(M, st_mprv_ld, (u64)pages, 0, U));
    pmp_set(0, PMP_NAPOT, (u64)pages >> 2 | 511);
    TRAPS(stub(M, st_mprv_ld, (u64)pages, 0, U), LOAD_ACCESS, (u64)pages);
    OK(stub(M, st_mprv_ld, (u64)pages, 0, M));
    pmp_set(0, 0, 0);
    return 0;
}
