/* satp: WARL fields, who may touch it, and that a write takes effect for the next instruction in S-mode. */

#include "rt.h"

int main(void)
{
    vm_reset(0);
    vm_root = (u64 *)0x80000000ul;
    /* A write of a mode that does not exist changes nothing at all. */
    u64 good = satp_of(3, 0x55);
    EQ(WARL(SATP, good), good);
    for (u64 mode = 1; mode < 16; mode++)
        if (mode < 8 || mode > 10)
            EQ(WARL(SATP, mode << 60 | 0x1234ul << 44 | 0x999), good);
    for (u64 mode = 8; mode <= 10; mode++)
        EQ(WARL(SATP, mode << 60 | 0x1234ul << 44 | 0x80999), mode << 60 | 0x1234ul << 44 | 0x80999);
    /* 16 bits of ASID and 44 of PPN. */
    EQ(WARL(SATP, 8ul << 60 | ~0ul >> 4), 8ul << 60 | ~0ul >> 4);
    EQ(WARL(SATP, 0), 0);

    CHECK(csr_read(U, SATP) == ILLEGAL);
    CHECK(csr_write(U, SATP, 0) == ILLEGAL);
    OK(csr_read(S, SATP));
    OK(csr_write(S, SATP, 0));
    SET(MSTATUS, MSTATUS_TVM);
    CHECK(csr_read(S, SATP) == ILLEGAL);
    CHECK(csr_write(S, SATP, 0) == ILLEGAL);
    OK(csr_read(M, SATP));
    CODE(0x12000073);
    TRAPS(go(S, 0, 0, 0), ILLEGAL, 0x12000073);
    OK(go(M, 0, 0, 0));
    CLR(MSTATUS, MSTATUS_TVM);

    /* S-mode turns translation on under its own feet (the stubs are mapped one to one) and off again. */
    vm_reset(3);
    u64 on = RD(SATP);
    map(0x100000000, pa_of(pages), RWAD);
    put(pages[0], 42);
    fence();
    WR(SATP, 0);
    CODE(CSRRW(ZERO, SATP, A0), 0x12000073, 0x00063583, CSRRW(ZERO, SATP, ZERO));   /* ld a1, 0(a2) */
    EQ(run(S, (u64)dyn, on, 0, 0x100000000), ECALL_S);
    EQ(T.a1, 42);
    EQ(RD(SATP), 0);
    return 0;
}
