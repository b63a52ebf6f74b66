/* Synchronous exceptions taken in M-mode: cause, mepc, mtval and mstatus, exactly. */

#include "rt.h"

#define NOWHERE 0x3F000000000000ul

static void illegal(u32 priv, u32 word)
{
    put_code(&word, 1);
    TRAPS(go(priv, 0, 0, 0), ILLEGAL, (word & 3) == 3 ? word : word & 0xFFFF);
    EQ(T.epc, at(priv, (char *)dyn));
    EQ(T.status & MSTATUS_MPP, (u64)priv << 11);
}
#define ILLEGAL_WORD(priv, word) FROM_HERE(illegal(priv, word))

/* The unprivileged specification (13.2, 13.4) leaves the choice of the two. */
#define MISALIGNED(call, one, other) do { u64 c_ = (call); CHECK(c_ == (one) || c_ == (other)); } while (0)

int main(void)
{
    static const u32 modes[] = { U, S, M };
    for (u32 i = 0; i < 3; i++) {
        u32 priv = modes[i];
        /* ecall: the cause names the mode; mtval is 0. */
        TRAPS(run(priv, at(priv, st_nop), 0, 0, 0), ECALL_U + priv, 0);
        EQ(T.epc, at(priv, st_nop) + 4);
        EQ(T.status & MSTATUS_MPP, (u64)priv << 11);
        /* ebreak: mtval is 0 or the address of the instruction. */
        EQ(run(priv, at(priv, st_ebreak), 0, 0, 0), BREAKPOINT);
        EQ(T.epc, at(priv, st_ebreak));
        CHECK(T.tval == 0 || T.tval == T.epc);
        CODE(0x00019002);                 /* c.ebreak; c.nop */
        EQ(go(priv, 0, 0, 0), BREAKPOINT);
        EQ(T.epc, (u64)dyn);

        ILLEGAL_WORD(priv, 0x00000000);   /* defined to be illegal, 16 bits */
        ILLEGAL_WORD(priv, 0xFFFFFFFF);   /* and so is this */
        ILLEGAL_WORD(priv, 0xFFFF0000);
        ILLEGAL_WORD(priv, 0x0000000B);   /* custom-0 */
        ILLEGAL_WORD(priv, 0x00007073);   /* csrrci x0, ustatus: no such register */
        ILLEGAL_WORD(priv, 0x10500073 | 1 << 7);    /* wfi with rd */
        ILLEGAL_WORD(priv, 0x00100073 | 1 << 15);
        ILLEGAL_WORD(priv, 0x02000033 | 7 << 25);   /* OP with funct7 that nothing has */
        ILLEGAL_WORD(priv, 0x0200101B);   /* slliw by 32 */
        ILLEGAL_WORD(priv, 0x00000004);   /* c.addi4spn with immediate 0 */
        ILLEGAL_WORD(priv, 0x00009C79);   /* reserved beside Zcb's c.not */
        ILLEGAL_WORD(priv, 0x00006201);   /* c.lui with immediate 0 and an even rd (odd ones are Zcmop's) */
        ILLEGAL_WORD(priv, 0x00006101);   /* c.addi16sp with immediate 0 */
        ILLEGAL_WORD(priv, 0x00002001);   /* c.addiw with rd = 0 */
        ILLEGAL_WORD(priv, 0x00004002);   /* c.lwsp with rd = 0 */
        ILLEGAL_WORD(priv, 0x00006002);   /* c.ldsp with rd = 0 */
        ILLEGAL_WORD(priv, 0x00008002);   /* c.jr with rs1 = 0 */

        /* Loads and stores to nowhere; the destination stays. */
        TRAPS(ld(priv, NOWHERE), LOAD_ACCESS, NOWHERE);
        EQ(T.a1, 0x5EED);
        EQ(T.epc, at(priv, st_ld));
        TRAPS(sd(priv, NOWHERE + 8), STORE_ACCESS, NOWHERE + 8);
        EQ(T.epc, at(priv, st_sd));
        TRAPS(amo(priv, NOWHERE), STORE_ACCESS, NOWHERE);
        EQ(T.a1, 0x5EED);
        TRAPS(stub(priv, st_lrd, NOWHERE, 0x5EED, 0), LOAD_ACCESS, NOWHERE);
        EQ(T.a1, 0x5EED);
        TRAPS(stub(priv, st_fld, NOWHERE, 0, 0), LOAD_ACCESS, NOWHERE);
        TRAPS(stub(priv, st_fsd, NOWHERE, 0, 0), STORE_ACCESS, NOWHERE);
        TRAPS(fetch(priv, NOWHERE), FETCH_ACCESS, NOWHERE);
        EQ(T.epc, NOWHERE);
        /* The jump itself retires; the fetch at its target is what traps. */
        TRAPS(stub(priv, st_jr, NOWHERE + 4, 0, 0), FETCH_ACCESS, NOWHERE + 4);
        EQ(T.epc, NOWHERE + 4);
        /* jalr clears bit 0 of its target. */
        TRAPS(stub(priv, st_jr, NOWHERE + 7, 0, 0), FETCH_ACCESS, NOWHERE + 6);
        /* Its link is written, since it retired: jalr a1, 0(a0). */
        CODE(0x000505E7);
        TRAPS(go(priv, NOWHERE, 0, 0), FETCH_ACCESS, NOWHERE);
        EQ(T.a1, (u64)dyn + 4);

        /* An AMO, LR or SC on a misaligned address: misaligned or access fault, never done. */
        put(pages[0], 0x1111);
        MISALIGNED(stub(priv, st_amod, (u64)pages[0] + 4, 0x5EED, 1), STORE_MISALIGNED, STORE_ACCESS);
        EQ(T.tval, (u64)pages[0] + 4);
        EQ(T.a1, 0x5EED);
        MISALIGNED(stub(priv, st_amow, (u64)pages[0] + 2, 0x5EED, 1), STORE_MISALIGNED, STORE_ACCESS);
        MISALIGNED(stub(priv, st_lrd, (u64)pages[0] + 4, 0x5EED, 0), LOAD_MISALIGNED, LOAD_ACCESS);
        EQ(T.tval, (u64)pages[0] + 4);
        EQ(T.a1, 0x5EED);
        MISALIGNED(stub(priv, st_scw, (u64)pages[0] + 1, 0x5EED, 0), STORE_MISALIGNED, STORE_ACCESS);
        EQ(T.tval, (u64)pages[0] + 1);
        EQ(get(pages[0]), 0x1111);
    }

    /* What a lower mode may not run. */
    ILLEGAL_WORD(U, 0x30200073);          /* mret */
    ILLEGAL_WORD(S, 0x30200073);
    ILLEGAL_WORD(U, 0x10200073);          /* sret */
    ILLEGAL_WORD(U, 0x12000073);          /* sfence.vma */

    /* Floating point with FS off, also when it only looks. */
    CLR(MSTATUS, MSTATUS_FS);
    ILLEGAL_WORD(S, 0x00053507);          /* fld fa0, 0(a0) */
    ILLEGAL_WORD(M, 0x02B57553);          /* fadd.d */
    ILLEGAL_WORD(U, 0xE2050553);          /* fmv.x.d */
    ILLEGAL_WORD(U, CSRRS(A0, FCSR, ZERO));
    ILLEGAL_WORD(M, CSRRS(A0, FFLAGS, ZERO));
    ILLEGAL_WORD(M, CSRRS(A0, FRM, ZERO));
    ILLEGAL_WORD(S, 0x00002108);          /* c.fld fa0, 0(a0) */
    SET(MSTATUS, MSTATUS_FS);
    /* Rounding modes that do not exist: 5 and 6 always, 7 when frm holds one of them. */
    ILLEGAL_WORD(U, 0x02B55553);
    ILLEGAL_WORD(U, 0x02B56553);
    WR(FRM, 5);
    ILLEGAL_WORD(U, 0x02B57553);
    WR(FRM, 7);
    ILLEGAL_WORD(U, 0x02B57553);
    WR(FRM, 0);

    /* The interrupt enables on the way in: MPIE takes MIE, MIE is cleared. */
    SET(MSTATUS, MSTATUS_MPIE);
    EQ(run(M, (u64)st_nop, 0, 0, 0), ECALL_M);
    EQ(T.status & (MSTATUS_MIE | MSTATUS_MPIE), MSTATUS_MPIE);
    CLR(MSTATUS, MSTATUS_MPIE);
    EQ(run(S, (u64)st_nop, 0, 0, 0), ECALL_S);
    EQ(T.status & (MSTATUS_MIE | MSTATUS_MPIE), 0);

    /* An instruction across two pages, the second of which is missing: mepc is its start, mtval the second page. */
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        u64 va = 0x1234567000;
        map(va, (u64)pages[0], V | R | X | A);
        *(volatile u32 *)(pages[0] + PAGE - 4) = 0x00130001;      /* c.nop; low half of addi x0, x0, 0 */
        asm volatile("fence.i");
        fence();
        TRAPS(fetch(S, va + PAGE - 4), FETCH_PAGE, va + PAGE);
        EQ(T.epc, va + PAGE - 2);
        map(va + PAGE, (u64)pages[1], V | R | A);
        fence();
        TRAPS(fetch(S, va + PAGE - 2), FETCH_PAGE, va + PAGE);
        EQ(T.epc, va + PAGE - 2);
        /* Its halves may come from pages that are not neighbours. */
        map(va + PAGE, (u64)pages[5], V | R | X | A);
        *(volatile u16 *)pages[5] = 0;
        *(volatile u16 *)(pages[5] + 2) = 1;
        *(volatile u32 *)(pages[5] + 4) = 0x73;
        asm volatile("fence.i");
        fence();
        OK(fetch(S, va + PAGE - 2));
        EQ(T.epc, va + PAGE + 4);
        /* An illegal one: mtval has all its bits. */
        *(volatile u16 *)(pages[0] + PAGE - 2) = 0xFFFF;
        *(volatile u16 *)pages[5] = 0x1234;
        asm volatile("fence.i");
        TRAPS(fetch(S, va + PAGE - 2), ILLEGAL, 0x1234FFFF);
        EQ(T.epc, va + PAGE - 2);
        vm_reset(0);
    }
    return 0;
}
