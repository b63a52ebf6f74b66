/* Sstc: stimecmp drives STIP once menvcfg.STCE is set, and mcounteren.TM lets S-mode at it. */

#include "rt.h"

int main(void)
{
    WR(MIE, 0);
    WR(MIDELEG, 1 << STI);
    WR(STVEC, (u64)st_strap);

    /* Who may. */
    for (u32 stce = 0; stce < 2; stce++)
        for (u32 tm = 0; tm < 2; tm++) {
            CLR(MENVCFG, MENVCFG_STCE);
            if (stce)
                SET(MENVCFG, MENVCFG_STCE);
            WR(MCOUNTEREN, tm ? 2 : 5);
            EQ(csr_read(S, STIMECMP), stce && tm ? DONE : ILLEGAL);
            EQ(csr_write(S, STIMECMP, ~0ul), stce && tm ? DONE : ILLEGAL);
            EQ(csr_read(U, STIMECMP), ILLEGAL);
            OK(csr_write(M, STIMECMP, ~0ul));
        }
    WR(MCOUNTEREN, 2);

    /* Without STCE, STIP is a bit of software's. */
    CLR(MENVCFG, MENVCFG_STCE);
    WR(STIMECMP, 0);
    WR(MIP, 0);
    EQ(RD(MIP) & 1 << STI, 0);
    WR(MIP, 1 << STI);
    EQ(RD(MIP) & 1 << STI, 1 << STI);
    WR(MIP, 0);
    EQ(RD(MIP) & 1 << STI, 0);

    /* With it, STIP is time >= stimecmp, and writes of mip do not reach it. */
    SET(MENVCFG, MENVCFG_STCE);
    CHECK(RD(MENVCFG) & MENVCFG_STCE);
    while (!(RD(MIP) & 1 << STI))
        ;
    WR(MIP, 0);
    EQ(RD(MIP) & 1 << STI, 1 << STI);
    EQ(RD(SIP), 1 << STI);
    WR(STIMECMP, ~0ul);
    while (RD(MIP) & 1 << STI)
        ;
    WR(MIP, 1 << STI);
    EQ(RD(MIP) & 1 << STI, 0);

    /* A deadline that comes. */
    u64 now = RD(TIME);
    WR(STIMECMP, now + 1000);
    EQ(RD(STIMECMP), now + 1000);
    EQ(RD(MIP) & 1 << STI, 0);
    while (RD(TIME) < now + 1000)
        ;
    for (u32 i = 0; i < 10000 && !(RD(MIP) & 1 << STI); i++)
        ;
    EQ(RD(MIP) & 1 << STI, 1 << STI);

    /* Taken in S-mode, and in U-mode; wfi in S-mode waits for it. */
    WR(MIE, 1 << STI);
    for (u32 priv = 0; priv < 2; priv++) {
        SET(MSTATUS, MSTATUS_SIE);
        WR(STIMECMP, RD(TIME) + 1000);
        EQ(run(priv, (u64)st_spin, 0, 0, 0), ECALL_S);
        EQ(T.epc, (u64)st_strap);
        EQ(RD(SCAUSE), INTERRUPT | STI);
        EQ(RD(SEPC), (u64)st_spin);
        CHECK(RD(TIME) >= RD(STIMECMP));
    }
    CLR(MSTATUS, MSTATUS_SIE);
    WR(STIMECMP, RD(TIME) + 1000);
    OK(stub(S, st_wfi, 0, 0, 0));
    CHECK(RD(TIME) >= RD(STIMECMP));
    /* Moving the deadline away takes the interrupt back. */
    WR(STIMECMP, ~0ul);
    while (RD(MIP) & 1 << STI)
        ;
    SET(MSTATUS, MSTATUS_SIE);
    OK(stub(S, st_nop, 0, 0, 0));

    /* time jumps (mtime is written): stimecmp follows. */
    WR(STIMECMP, 1ul << 50);
    while (RD(MIP) & 1 << STI)
        ;
    *MTIME = 1ul << 50;
    for (u32 i = 0; i < 10000 && !(RD(MIP) & 1 << STI); i++)
        ;
    EQ(RD(MIP) & 1 << STI, 1 << STI);
    *MTIME = 0;
    for (u32 i = 0; i < 10000 && RD(MIP) & 1 << STI; i++)
        ;
    EQ(RD(MIP) & 1 << STI, 0);
    return 0;
}
