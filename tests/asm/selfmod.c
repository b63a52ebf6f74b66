/* Code that changes: after fence.i the new instructions run, however they were written and wherever they are. */

#include "rt.h"

#define VA 0x1234567000ul
#define LI(rd, n) (0x00000013 | (u32)(n) << 20 | (rd) << 7)

int main(void)
{
    volatile u32 *code = (volatile u32 *)pages[0];
    static const u32 modes[] = { U, S, M };

    /* Written from M-mode, run in every mode, again and again at one address. */
    for (u32 n = 0; n < 50; n++) {
        code[0] = LI(A1, n);
        code[1] = 0x73;
        asm volatile("fence.i" ::: "memory");
        for (u32 m = 0; m < 3; m++) {
            OK(fetch(modes[m], (u64)code));
            EQ(T.a1, n);
        }
    }

    /* The program writes its own next instructions: sw a2, 16(a0); fence.i; then the word at 16 runs. */
    CODE(0x00C52823, 0x0000100F, LI(A1, 1), 0x00000013, LI(A1, 2));
    for (u32 m = 0; m < 3; m++) {
        OK(go(modes[m], (u64)dyn, 0, LI(A1, 100 + m)));
        EQ(T.a1, 100 + m);
    }
    /* A loop whose body it changes on every turn: the immediate of `addi a1, a1, n` goes up by one. */
    CODE(LI(A1, 0), LI(A3, 10),
         0x00058593,                      /* 8: addi a1, a1, 0 */
         0x00852703, 0x00100793, 0x01479793, 0x00F70733, 0x00E52423,    /* lw a4, 8(a0); a4 += 1 << 20; sw a4, 8(a0) */
         0x0000100F, 0xFFF68693, 0xFE0690E3);                             /* fence.i; addi a3, a3, -1; bnez a3, 8 */
    OK(go(M, (u64)dyn, 0, 0));
    EQ(T.a1, 45);

    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        /* Written through one name, run through another; then the other way round in U-mode. */
        map(VA, (u64)code, V | R | W | A | D);
        map(VA + PAGE, (u64)code, V | X | A);
        map(VA + 2 * PAGE, (u64)code, V | R | W | X | PU | A | D);
        fence();
        for (u32 n = 0; n < 20; n++) {
            OK(stub(S, st_sw, VA, LI(A1, 200 + n), 0));
            OK(stub(S, st_fencei, 0, 0, 0));
            OK(fetch(S, VA + PAGE));
            EQ(T.a1, 200 + n);
            OK(stub(U, st_sw, VA + 2 * PAGE, LI(A1, 300 + n), 0));
            OK(stub(U, st_fencei, 0, 0, 0));
            OK(fetch(U, VA + 2 * PAGE));
            EQ(T.a1, 300 + n);
            OK(fetch(S, VA + PAGE));
            EQ(T.a1, 300 + n);
        }
        /* Half an instruction: compressed ones where a long one was, and an entry in its middle. */
        OK(stub(S, st_sw, VA, 0x00010001, 0));                   /* c.nop; c.nop */
        OK(stub(S, st_sh, VA, 0x4585, 0));                       /* c.li a1, 1 */
        OK(stub(S, st_fencei, 0, 0, 0));
        OK(fetch(S, VA + PAGE));
        EQ(T.a1, 1);
        OK(fetch(S, VA + PAGE + 2));
        EQ(T.a1, 0);
        OK(stub(S, st_sh, VA + 2, 0x4589, 0));                   /* c.li a1, 2 */
        OK(stub(S, st_fencei, 0, 0, 0));
        OK(fetch(S, VA + PAGE));
        EQ(T.a1, 2);
        /* An instruction across two pages; first one half changes, then the other. */
        u64 end = VA + 4 * PAGE - 2;
        map(VA + 3 * PAGE, (u64)pages[1], RWAD | X);
        map(VA + 4 * PAGE, (u64)pages[3], RWAD | X);
        fence();
        u32 one = LI(A1, 0x111), two = LI(A1, 0x222);
        *(volatile u16 *)(pages[1] + PAGE - 2) = (u16)one;
        *(volatile u16 *)pages[3] = one >> 16;
        *(volatile u16 *)(pages[3] + 2) = 0x0001;
        *(volatile u32 *)(pages[3] + 4) = 0x73;
        asm volatile("fence.i" ::: "memory");
        OK(fetch(S, end));
        EQ(T.a1, 0x111);
        *(volatile u16 *)pages[3] = two >> 16;
        asm volatile("fence.i" ::: "memory");
        OK(fetch(S, end));
        EQ(T.a1, 0x222);
        *(volatile u16 *)(pages[1] + PAGE - 2) = (u16)LI(A2, 0);
        asm volatile("fence.i" ::: "memory");
        OK(fetch(S, end));
        EQ(T.a2, 0x222);
        /* A load and a store, AMO and SC to a page of code leave the code around them as it is. */
        *(volatile u32 *)code = LI(A1, 9);
        code[1] = 0x73;
        put((void *)(code + 16), 5);
        asm volatile("fence.i" ::: "memory");
        OK(amo(U, VA + 2 * PAGE + 64));
        EQ(T.a1, 5);
        OK(fetch(U, VA + 2 * PAGE));
        EQ(T.a1, 9);
        vm_reset(0);
    }
    return 0;
}
