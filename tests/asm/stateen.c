/* Smstateen: what mstateen0 takes from S-mode. */

#include "rt.h"

#define SE (1ul << 63)
#define ENVCFG (1ul << 62)

int main(void)
{
    for (u32 i = 0; i < 2; i++) {
        WR(MSTATEEN0, 0);
        EQ(RD(MSTATEEN0), 0);
        EQ(csr_read(S, SENVCFG), ILLEGAL);
        EQ(csr_write(S, SENVCFG, 0), ILLEGAL);
        EQ(csr_read(S, SSTATEEN0), ILLEGAL);
        EQ(csr_write(S, SSTATEEN0, 0), ILLEGAL);
        OK(csr_read(M, SENVCFG));
        OK(csr_read(M, SSTATEEN0));
        EQ(WARL(MSTATEEN0, ENVCFG), ENVCFG);
        OK(csr_read(S, SENVCFG));
        EQ(csr_read(S, SSTATEEN0), ILLEGAL);
        EQ(WARL(MSTATEEN0, SE), SE);
        EQ(csr_read(S, SENVCFG), ILLEGAL);
        OK(csr_read(S, SSTATEEN0));
        OK(csr_write(S, SSTATEEN0, ~0ul));
        EQ(csr_read(U, SSTATEEN0), ILLEGAL);
        /* Upper bits of sstateen do not exist. */
        EQ(RD(SSTATEEN0) >> 32, 0);
    }
    WR(MSTATEEN0 + 1, 0);
    WR(MSTATEEN0 + 2, SE);
    EQ(RD(MSTATEEN0 + 2), SE);
    EQ(csr_read(S, SSTATEEN0 + 1), ILLEGAL);
    OK(csr_read(S, SSTATEEN0 + 2));
    WR(MSTATEEN0 + 1, SE);
    WR(MSTATEEN0 + 3, SE);
    OK(csr_read(S, SSTATEEN0 + 1));
    OK(csr_read(S, SSTATEEN0 + 3));
    return 0;
}
