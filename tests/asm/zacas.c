/* Zacas and Zabha: compare-and-swap of every width, and the byte and halfword AMOs. */

#include "rt.h"

#define AMO(funct5, width, rd, rs1, rs2) \
    ((u32)(funct5) << 27 | (rs2) << 20 | (rs1) << 15 | (width) << 12 | (rd) << 7 | 0x2F)
#define CAS(width, rd, rs1, rs2) AMO(5, width, rd, rs1, rs2)
enum { B = 0, H = 1, WORD = 2, DOUBLE = 3, QUAD = 4 };
#define VA 0x1234567000ul
#define MV(rd, rs) (0x00000013 | (rs) << 15 | (rd) << 7)

static u64 *cell;

int main(void)
{
    cell = (u64 *)pages[0];
    u64 a = (u64)cell;

    /* amocas.d a1, a2, (a0): a1 is the expected value and takes the old one. */
    CODE(CAS(DOUBLE, A1, A0, A2));
    put(cell, 10);
    OK(go(U, a, 10, 20));
    EQ(T.a1, 10);
    EQ(get(cell), 20);
    OK(go(U, a, 10, 30));
    EQ(T.a1, 20);
    EQ(get(cell), 20);

    /* .w compares 32 bits, whatever is above them, and sign-extends what it loads. */
    CODE(CAS(WORD, A1, A0, A2));
    put(cell, 0x1111111180000000);
    OK(go(U, a, 0x80000000, 0x22222222));
    EQ(T.a1, 0xFFFFFFFF80000000);
    EQ(get(cell), 0x1111111122222222);
    OK(go(U, a + 4, 0xABCDEF0011111111, 0x80000001));
    EQ(T.a1, 0x11111111);
    EQ(get(cell), 0x8000000122222222);
    OK(go(U, a, 0x22222223, 1));
    EQ(T.a1, 0x22222222);
    EQ(get(cell), 0x8000000122222222);

    /* .b and .h (Zabha). */
    CODE(CAS(B, A1, A0, A2));
    put(cell, 0x8877665544332211);
    OK(go(U, a + 7, 0xFFFFFFFFFFFFFF88, 0x1FF));
    EQ(T.a1, 0xFFFFFFFFFFFFFF88);
    EQ(get(cell), 0xFF77665544332211);
    OK(go(U, a + 3, 0x45, 0));
    EQ(T.a1, 0x44);
    EQ(get(cell), 0xFF77665544332211);
    CODE(CAS(H, A1, A0, A2));
    OK(go(U, a + 2, 0x12344433, 0x8001));
    EQ(T.a1, 0x4433);
    EQ(get(cell), 0xFF77665580012211);

    /* .q: register pairs. x12:x13 hold what is expected, x14:x15 the new value, x16 the address. (a2 is x12.) */
    u32 quad[] = { MV(16, A0), MV(13, A2), MV(14, A2), MV(15, A1), MV(12, A1), CAS(QUAD, 12, 16, 14), MV(A1, 12),
                   MV(A2, 13) };
    put(cell, 100);
    put(cell + 1, 200);
    put_code(quad, 8);
    OK(go(U, a, 100, 200));                          /* expected 100:200, new 200:100 */
    EQ(T.a1, 100);
    EQ(T.a2, 200);
    EQ(get(cell), 200);
    EQ(get(cell + 1), 100);
    OK(go(U, a, 200, 101));                          /* the upper half differs */
    EQ(T.a1, 200);
    EQ(T.a2, 100);
    EQ(get(cell), 200);
    EQ(get(cell + 1), 100);
    OK(go(U, a, 201, 100));                          /* the lower half differs */
    EQ(T.a1, 200);
    EQ(get(cell), 200);
    /* Source x0 means the pair of two zeros; destination x0 compares with zeros and writes nothing. */
    u32 zero_source[] = { MV(16, A0), MV(13, A2), MV(12, A1), CAS(QUAD, 12, 16, 0), MV(A1, 12), MV(A2, 13) };
    put_code(zero_source, 6);
    OK(go(U, a, 200, 100));
    EQ(get(cell), 0);
    EQ(get(cell + 1), 0);
    u32 zero_dest[] = { MV(16, A0), MV(14, A1), MV(15, A2), CAS(QUAD, 0, 16, 14) };
    put_code(zero_dest, 4);
    OK(go(U, a, 77, 88));
    EQ(get(cell), 77);
    EQ(get(cell + 1), 88);
    OK(go(U, a, 1, 2));
    EQ(get(cell), 77);
    /* Odd registers are reserved. */
    static const u32 odd[] = { CAS(QUAD, 13, 16, 14), CAS(QUAD, 12, 16, 15), CAS(QUAD, 1, 16, 2) };
    for (u32 i = 0; i < 3; i++) {
        put_code(&odd[i], 1);
        TRAPS(go(U, a, 0, 0), ILLEGAL, odd[i]);
    }

    /* Misaligned: never done. */
    static const u32 wide[] = { CAS(H, A1, A0, A2), CAS(WORD, A1, A0, A2), CAS(DOUBLE, A1, A0, A2),
                                CAS(QUAD, 12, A0, 14) };
    for (u32 i = 0; i < 4; i++) {
        put_code(&wide[i], 1);
        put(cell, 0);
        put(cell + 1, 0);
        u64 at_ = a + (1ul << i);
        u64 cause = go(U, at_, 0, 0);
        CHECK(cause == STORE_MISALIGNED || cause == STORE_ACCESS);
        EQ(T.tval, at_);
        EQ(get(cell), 0);
    }

    /* It needs the right to write, also when the comparison fails; the registers stay. */
    for (u32 levels = 3; levels <= 5; levels++) {
        vm_reset(levels);
        map(VA, a, V | R | A | D);
        fence();
        put(cell, 5);
        CODE(CAS(DOUBLE, A1, A0, A2));
        TRAPS(go(S, VA, 6, 7), STORE_PAGE, VA);
        EQ(T.a1, 6);
        TRAPS(go(S, VA, 5, 7), STORE_PAGE, VA);
        EQ(get(cell), 5);
        u32 q[] = { MV(12, A1), CAS(QUAD, 12, A0, 14), MV(A1, 12) };
        put_code(q, 3);
        TRAPS(go(S, VA, 5, 0), STORE_PAGE, VA);
        map(VA, a, RWAD);
        fence();
        CODE(CAS(DOUBLE, A1, A0, A2));
        OK(go(S, VA, 5, 7));
        EQ(get(cell), 7);
        vm_reset(0);
    }

    /* Byte and halfword AMOs: {funct5, old, operand, new} for bytes; signed and unsigned order differ. */
    static const struct { u8 funct5, old, operand, result; } rows[] = {
        { 0x01, 0x80, 0x7F, 0x7F }, { 0x00, 0xFF, 0x02, 0x01 }, { 0x04, 0xF0, 0x3C, 0xCC }, { 0x0C, 0xF0, 0x3C, 0x30 },
        { 0x08, 0xF0, 0x3C, 0xFC }, { 0x10, 0x80, 0x7F, 0x80 }, { 0x14, 0x80, 0x7F, 0x7F }, { 0x18, 0x80, 0x7F, 0x7F },
        { 0x1C, 0x80, 0x7F, 0x80 },
    };
    for (u32 i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (u64 lane = 0; lane < 8; lane++) {
            u64 rest = 0x5A5A5A5A5A5A5A5A & ~(0xFFul << 8 * lane);
            put(cell, rest | (u64)rows[i].old << 8 * lane);
            u32 word = AMO(rows[i].funct5, B, A1, A0, A2);
            put_code(&word, 1);
            OK(go(U, a + lane, 0, 0xFFFFFF00 | rows[i].operand));
            EQ(T.a1, (u64)(s64)(signed char)rows[i].old);
            EQ(get(cell), rest | (u64)rows[i].result << 8 * lane);
        }
        for (u64 lane = 0; lane < 4; lane++) {
            /* The same in the upper byte of a halfword (no carry comes from below). */
            u64 rest = 0x5A5A5A5A5A5A5A5A & ~(0xFFFFul << 16 * lane);
            put(cell, rest | (u64)rows[i].old << (16 * lane + 8));
            u32 word = AMO(rows[i].funct5, H, A1, A0, A2);
            put_code(&word, 1);
            OK(go(U, a + 2 * lane, 0, 0xFFFF0000 | (u64)rows[i].operand << 8));
            EQ(T.a1, (u64)(s64)(short)(rows[i].old << 8));
            EQ(get(cell), rest | (u64)rows[i].result << (16 * lane + 8));
        }
    }
    return 0;
}
