/* A hart without F: its registers and instructions do not exist, whatever mstatus.FS says. */

#include "rt.h"

static const u32 words[] = {
    0x00053507, 0x00052507, 0x00A53027, 0x00A52027,     /* fld, flw, fsd, fsw */
    0x02B57553, 0x00B57553, 0xE2050553, 0xF2050553,     /* fadd.d, fadd.s, fmv.x.d, fmv.d.x */
    0x6AB57543, 0x22B50553, 0x04B57553, 0x00051507,     /* fmadd.d, fsgnj.d, fadd.h, flh */
    0x00012108, 0x0001A108, 0x00012502,                 /* c.fld, c.fsd, c.fldsp */
};

int main(void)
{
    static const u32 modes[] = { U, S, M };
    EQ(RD(MISA) >> 5 & 1, 0);
    EQ(RD(MISA) >> 3 & 1, 0);
    for (u64 fs = 0; fs < 4; fs++) {
        CLR(MSTATUS, MSTATUS_FS);
        SET(MSTATUS, fs << 13);
        for (u32 m = 0; m < 3; m++) {
            for (u32 i = 0; i < sizeof words / 4; i++) {
                u32 word = words[i];
                put_code(&word, 1);
                EQ(go(modes[m], (u64)pages, 0, 0), ILLEGAL);
                EQ(T.tval, (word & 3) == 3 ? word : word & 0xFFFF);
            }
            EQ(csr_read(modes[m], FFLAGS), ILLEGAL);
            EQ(csr_read(modes[m], FRM), ILLEGAL);
            EQ(csr_read(modes[m], FCSR), ILLEGAL);
        }
    }
    return 0;
}
