/* The widest mode is Sv39: satp refuses Sv48 and Sv57. */

#include "rt.h"

int main(void)
{
    vm_reset(3);
    u64 on = RD(SATP);
    EQ(on >> 60, 8);
    for (u64 mode = 9; mode < 16; mode++)
        EQ(WARL(SATP, mode << 60 | 0x80123), on);
    OK(csr_read(S, SATP));
    EQ(T.a1, on);
    EQ(WARL(SATP, 0), 0);
    EQ(WARL(SATP, 9ul << 60), 0);
    return 0;
}
