/* mstatus.MPRV: loads and stores of M-mode with the rights and the translation of MPP; SUM and MXR join in. */

#include "rt.h"

#define VA 0x1234567000ul

static u64 mprv_ld(u64 va, u64 mpp) { return stub(M, st_mprv_ld, va, 0x5EED, mpp); }

static u64 mprv_sd(u64 va, u64 mpp) { return stub(M, st_mprv_sd, va, 0x57012E, mpp); }

int main(void)
{
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        map(VA, pa_of(pages[0]), RWAD);
        map(VA + PAGE, pa_of(pages[1]), RWAD | PU);
        map(VA + 2 * PAGE, pa_of(pages[2]), V | X | A | D);
        put(pages[0], 10);
        put(pages[1], 11);
        put(pages[2], 12);
        fence();
        CLR(MSTATUS, MSTATUS_SUM | MSTATUS_MXR);

        OK(mprv_ld(VA, S));
        EQ(T.a1, 10);
        OK(mprv_ld(VA + PAGE, U));
        EQ(T.a1, 11);
        TRAPS(mprv_ld(VA, U), LOAD_PAGE, VA);
        EQ(T.a1, 0x5EED);
        TRAPS(mprv_ld(VA + PAGE, S), LOAD_PAGE, VA + PAGE);
        TRAPS(mprv_sd(VA + PAGE, S), STORE_PAGE, VA + PAGE);
        TRAPS(mprv_sd(VA, U), STORE_PAGE, VA);
        /* The trap came from M-mode: MPP says so, and MPRV is then harmless. */
        EQ(T.status & MSTATUS_MPP, MSTATUS_MPP);
        OK(mprv_sd(VA, S));
        EQ(get(pages[0]), 0x57012E);
        /* MPP = M: no translation. */
        OK(mprv_ld(pa_of(pages[1]), M));
        EQ(T.a1, 11);
        SET(MSTATUS, MSTATUS_SUM);
        OK(mprv_ld(VA + PAGE, S));
        OK(mprv_sd(VA + PAGE, S));
        EQ(get(pages[1]), 0x57012E);
        put(pages[1], 11);
        TRAPS(mprv_ld(VA + 2 * PAGE, S), LOAD_PAGE, VA + 2 * PAGE);
        SET(MSTATUS, MSTATUS_MXR);
        OK(mprv_ld(VA + 2 * PAGE, S));
        EQ(T.a1, 12);
        TRAPS(mprv_sd(VA + 2 * PAGE, S), STORE_PAGE, VA + 2 * PAGE);
        CLR(MSTATUS, MSTATUS_SUM | MSTATUS_MXR);
        TRAPS(mprv_ld(VA + 2 * PAGE, S), LOAD_PAGE, VA + 2 * PAGE);
        TRAPS(mprv_ld(VA + PAGE, S), LOAD_PAGE, VA + PAGE);
    }

    /* mret and sret to a mode below M clear MPRV; mret to M keeps it. */
    vm_reset(0);
    static const u64 targets[] = { U, S, M };
    CODE(CSRRW(ZERO, MEPC, A0), CSRRC(ZERO, MSTATUS, A1), CSRRS(ZERO, MSTATUS, A2), 0x30200073);
    for (u32 i = 0; i < 3; i++) {
        CHECK(run(M, (u64)dyn, (u64)st_nop, MSTATUS_MPP, MSTATUS_MPRV | targets[i] << 11) == ECALL_U + targets[i]);
        EQ(T.status & MSTATUS_MPRV, targets[i] == M ? MSTATUS_MPRV : 0);
    }
    CODE(CSRRW(ZERO, SEPC, A0), CSRRC(ZERO, MSTATUS, A1), CSRRS(ZERO, MSTATUS, A2), 0x10200073);
    for (u32 i = 0; i < 2; i++) {
        CHECK(run(M, (u64)dyn, (u64)st_nop, MSTATUS_SPP | MSTATUS_MPP, MSTATUS_MPRV | targets[i] << 8)
              == ECALL_U + targets[i]);
        EQ(T.status & MSTATUS_MPRV, 0);
    }
    return 0;
}
