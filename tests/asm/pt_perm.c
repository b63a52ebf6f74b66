/* Permissions of a page: every combination of V, R, W, X and U against every access, privilege, SUM and MXR, in Sv39,
 * Sv48 and Sv57, with A and D set (privileged specification 12.3.1 and 12.3.2). */

#include "rt.h"

#define VA 0x1234567000ul

/* What the specification says of a leaf at level 0. want: R, W (store or AMO) or X. */
static int allowed(u64 flags, u32 priv, int sum, int mxr, u64 want)
{
    if (!(flags & V) || (flags & (R | W)) == W || !(flags & (R | W | X)))
        return 0;                         /* invalid, reserved, or a pointer below the last level */
    if (want == R && !(flags & R) && !(mxr && flags & X))
        return 0;
    if (want != R && !(flags & want))
        return 0;
    if (priv == U)
        return (flags & PU) != 0;
    return !(flags & PU) || (want != X && sum);
}

static void check(u64 flags, u32 priv, int sum, int mxr)
{
    put(pages[0] + 8, 77);
    int ok = allowed(flags, priv, sum, mxr, R);
    EQ(ld(priv, VA + 8), ok ? DONE : LOAD_PAGE);
    EQ(T.a1, ok ? 77 : 0x5EED);
    if (!ok)
        EQ(T.tval, VA + 8);
    ok = allowed(flags, priv, sum, mxr, W);
    EQ(sd(priv, VA + 8), ok ? DONE : STORE_PAGE);
    EQ(get(pages[0] + 8), ok ? 0x57012E : 77);
    if (!ok)
        EQ(T.tval, VA + 8);
    /* An AMO needs both rights, but reports any failure as a store's. */
    put(pages[0] + 8, 77);
    EQ(amo(priv, VA + 8), ok ? DONE : STORE_PAGE);
    EQ(T.a1, ok ? 77 : 0x5EED);
    EQ(get(pages[0] + 8), ok ? 78 : 77);
    if (!ok)
        EQ(T.tval, VA + 8);
    /* SC without a reservation stores nothing; whether it may fault is left open, so only LR is looked at. */
    ok = allowed(flags, priv, sum, mxr, R);
    EQ(stub(priv, st_lrd, VA + 8, 0x5EED, 0), ok ? DONE : LOAD_PAGE);
    ok = allowed(flags, priv, sum, mxr, X);
    EQ(fetch(priv, VA), ok ? DONE : FETCH_PAGE);
    if (!ok) {
        EQ(T.tval, VA);
        EQ(T.epc, VA);
    }
}

int main(void)
{
    *(volatile u32 *)pages[0] = 0x73;     /* ecall, for the fetch */
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        for (u64 flags = 0; flags < 64; flags++) {     /* V R W X U G */
            map(VA, pa_of(pages), flags | A | D);
            fence();
            for (u32 mode = 0; mode < 4; mode++) {
                CLR(MSTATUS, MSTATUS_SUM | MSTATUS_MXR);
                SET(MSTATUS, (mode & 1 ? MSTATUS_SUM : 0) | (mode & 2 ? MSTATUS_MXR : 0));
                check(flags, U, mode & 1, mode >> 1);
                check(flags, S, mode & 1, mode >> 1);
            }
        }
    }
    return 0;
}
