/* The edges of memory: the end of DRAM, addresses that no bus has, devices under page tables, AMOs on devices, code in
 * odd places. Whatever happens, the hart says so exactly and goes on. */

#include "rt.h"

#define VA 0x1234567000ul
#define CLINT 0x2000000ul

static void refuse(u32 priv, u64 a)
{
    TRAPS(ld(priv, a), LOAD_ACCESS, a);
    EQ(T.a1, 0x5EED);
    TRAPS(stub(priv, st_lb, a, 0x5EED, 0), LOAD_ACCESS, a);
    TRAPS(sd(priv, a), STORE_ACCESS, a);
    TRAPS(stub(priv, st_sb, a, 0, 0), STORE_ACCESS, a);
    TRAPS(amo(priv, a), STORE_ACCESS, a);
    EQ(T.a1, 0x5EED);
    TRAPS(fetch(priv, a), FETCH_ACCESS, a);
    EQ(T.epc, a);
}
#define REFUSE(priv, a) FROM_HERE(refuse(priv, a))

int main(void)
{
    static const u32 modes[] = { U, S, M };
    /* Find the end of DRAM: the first 1 MiB step that refuses. */
    u64 end = 0x80000000;
    while (stub(M, st_lb, end, 0, 0) == DONE)
        end += 1ul << 20;
    for (u32 m = 0; m < 3; m++) {
        u32 priv = modes[m];
        REFUSE(priv, end);
        REFUSE(priv, end + 0x1000);
        /* Addresses of 56 bits that lead nowhere, and addresses that no physical bus has. */
        REFUSE(priv, 1ul << 55);
        REFUSE(priv, (1ul << 56) - 8);
        if (priv == M)
            for (u32 bit = 56; bit < 64; bit++)
                REFUSE(priv, 0x80000000 | 1ul << bit);
        /* The last bytes of DRAM, aligned and not. */
        OK(sd(priv, end - 8));
        OK(ld(priv, end - 8));
        EQ(T.a1, 0x57012E);
        TRAPS(ld(priv, end - 4), LOAD_ACCESS, end);
        EQ(T.a1, 0x5EED);
        TRAPS(sd(priv, end - 4), STORE_ACCESS, end);
        /* Code up to the last byte: it runs, and what follows it does not. */
        put((void *)(end - 8), 0x0000001300100593);          /* li a1, 1; nop */
        asm volatile("fence.i");
        TRAPS(fetch(priv, end - 8), FETCH_ACCESS, end);
        EQ(T.epc, end);
        EQ(T.a1, 1);
        /* A four-byte instruction that begins in the last two. */
        *(volatile u16 *)(end - 2) = 0x0013;
        asm volatile("fence.i");
        TRAPS(fetch(priv, end - 2), FETCH_ACCESS, end);
        EQ(T.epc, end - 2);
        /* A jump there by a branch of the last instruction. */
        put((void *)(end - 8), 0x0040006F00100593);          /* li a1, 1; j +4 */
        asm volatile("fence.i");
        TRAPS(fetch(priv, end - 8), FETCH_ACCESS, end);
        EQ(T.epc, end);

        /* Devices: they can be read and written, but hold no code and no reservation. */
        OK(stub(priv, st_lw, CLINT, 0x5EED, 0));
        EQ(T.a1, 0);
        /* Whether a device can be fetched from is the platform's choice; msip is 0, so nothing runs anyway. */
        EQ(fetch(priv, CLINT) == FETCH_ACCESS || T.cause == ILLEGAL, 1);
        EQ(T.epc, CLINT);
        u64 cause = stub(priv, st_lrw, CLINT, 0x5EED, 0);
        if (cause != DONE) {
            EQ(cause, LOAD_ACCESS);
            EQ(T.tval, CLINT);
            EQ(T.a1, 0x5EED);
        }
        cause = stub(priv, st_amow, CLINT, 0x5EED, 0);
        if (cause != DONE) {
            EQ(cause, STORE_ACCESS);
            EQ(T.tval, CLINT);
            EQ(T.a1, 0x5EED);
        }
    }

    /* The same through a page table, S-mode. */
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        map(VA, CLINT + 0xB000, RWAD | X);            /* mtime is at 0xFF8 */
        fence();
        OK(ld(S, VA + 0xFF8));
        u64 first = T.a1;
        OK(ld(S, VA + 0xFF8));
        CHECK(T.a1 >= first);
        /* DRAM ends between two pages of one access. */
        map(VA, end - PAGE, RWAD);
        map(VA + PAGE, end, RWAD);
        fence();
        OK(ld(S, VA + PAGE - 8));
        TRAPS(ld(S, VA + PAGE - 6), LOAD_ACCESS, VA + PAGE);
        EQ(T.a1, 0x5EED);
        TRAPS(sd(S, VA + PAGE - 6), STORE_ACCESS, VA + PAGE);
        /* Tables inside a device or beyond DRAM: no walk, an access fault of the access. */
        u64 *pointer = pte_of(VA, 1), kept = get(pointer);
        static const u64 places[] = { 0x10000000, 0x3F000000000000 };
        for (u32 i = 0; i < 2; i++) {
            put(pointer, pte(places[i], V));
            fence();
            u64 cause = ld(S, VA);
            CHECK(cause == LOAD_ACCESS || cause == LOAD_PAGE);
            EQ(T.tval, VA);
        }
        put(pointer, kept);
        /* A table that points to itself: the walk ends where the levels do. */
        put(pointer, pte((u64)pointer & ~(PAGE - 1), V));
        fence();
        u64 cause = ld(S, VA);
        CHECK(cause == DONE || cause == LOAD_PAGE);
        vm_reset(0);
        /* The root itself nowhere. */
        WR(SATP, (u64)(levels + 5) << 60 | 0x3F000000000000 >> 12);
        fence();
        TRAPS(run(S, 0x80000000, 0, 0, 0), FETCH_ACCESS, 0x80000000);
        WR(SATP, 0);
        fence();
    }

    /* Jumps to addresses that are not sign-extended: the whole of it is reported. */
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        for (u32 bit = 11 + 9 * levels; bit < 64; bit++) {
            u64 target = (u64)st_nop ^ 1ul << bit;
            TRAPS(stub(S, st_jr, target, 0, 0), FETCH_PAGE, target);
            EQ(T.epc, target);
        }
        vm_reset(0);
    }
    return 0;
}
