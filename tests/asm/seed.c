/* Zkr: the seed register wants a write, and mseccfg says who may (scalar cryptography specification 4). */

#include "rt.h"

#define USEED (1ul << 8)
#define SSEED (1ul << 9)

static u64 poll(u32 priv)
{
    u32 word = CSRRW(A1, SEED, ZERO);
    put_code(&word, 1);
    return go(priv, 0, 0x5EED, 0);
}

int main(void)
{
    static const u32 modes[] = { U, S, M };
    for (u64 bits = 0; bits < 4; bits++) {
        EQ(WARL(MSECCFG, bits << 8) & (USEED | SSEED), bits << 8);
        for (u32 m = 0; m < 3; m++) {
            int ok = modes[m] == M || bits & (modes[m] == U ? 1 : 2);
            EQ(poll(modes[m]), ok ? DONE : ILLEGAL);
            if (!ok)
                EQ(T.a1, 0x5EED);
            /* A read alone is never allowed. */
            EQ(csr_read(modes[m], SEED), ILLEGAL);
        }
    }
    u32 words[] = { 0x00007073 | CSRRC(A1, SEED, 0), 0x00006073 | CSRRS(A1, SEED, 0) };
    for (u32 i = 0; i < 2; i++) {
        put_code(&words[i], 1);
        EQ(go(M, 0, 0, 0), ILLEGAL);
    }
    /* 16 fresh bits whenever the state is ES16 (2 in bits 31:30); the reserved bits are 0. */
    u64 ones = 0, zeros = 0;
    for (u32 got = 0, tries = 0; got < 64; tries++) {
        CHECK(tries < 100000);
        OK(poll(M));
        EQ(T.a1 >> 32, 0);
        EQ(T.a1 >> 24 & 0x3F, 0);
        if (T.a1 >> 30 != 2) {
            EQ(T.a1 & 0xFFFF, 0);
            CHECK(T.a1 >> 30 != 3);
            continue;
        }
        got++;
        ones |= T.a1 & 0xFFFF;
        zeros |= ~T.a1 & 0xFFFF;
    }
    EQ(ones, 0xFFFF);
    EQ(zeros, 0xFFFF);
    return 0;
}
