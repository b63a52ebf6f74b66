/* M alone. */

#include "rt.h"

static const u16 csrs[] = { SSTATUS, SATP, MEDELEG, MIDELEG, MCOUNTEREN, MENVCFG, SCOUNTEREN };

int main(void)
{
    EQ(RD(MISA) >> 18 & 1, 0);
    EQ(RD(MISA) >> 20 & 1, 0);
    for (u32 i = 0; i < sizeof csrs / 2; i++)
        EQ(csr_read(M, csrs[i]), ILLEGAL);
    /* MPP is M whatever is written, also after mret. */
    WR(MSTATUS, 0);
    EQ(RD(MSTATUS) & (MSTATUS_MPP | MSTATUS_MPRV | MSTATUS_TW | 3ul << 32), MSTATUS_MPP);
    SET(MSTATUS, MSTATUS_MPRV | MSTATUS_TW | MSTATUS_TSR | MSTATUS_TVM | MSTATUS_SUM);
    EQ(RD(MSTATUS) & (MSTATUS_MPRV | MSTATUS_TW | MSTATUS_TSR | MSTATUS_TVM | MSTATUS_SUM), 0);
    EQ(run(M, (u64)st_nop, 0, 0, 0), ECALL_M);
    EQ(run(0, (u64)st_nop, 0, 0, 0), ECALL_M);
    CODE(CSRRW(ZERO, MEPC, A0), 0x30200073, 0x00000013, CSRRS(A1, MSTATUS, ZERO));
    EQ(run(M, (u64)dyn, (u64)dyn + 12, 0, 0), ECALL_M);
    EQ(T.a1 & MSTATUS_MPP, MSTATUS_MPP);
    CODE(0x10200073);
    TRAPS(go(M, 0, 0, 0), ILLEGAL, 0x10200073);
    OK(csr_read(M, TIME));
    OK(csr_read(M, INSTRET));
    return 0;
}
