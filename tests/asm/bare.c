/* A plain rv64gc with M, S and U: whatever belongs to another extension is illegal, reserved or wired to 0. */

#include "rt.h"

#define VA 0x1234567000ul

/* One or more encodings of each extension that is off. a0 holds an address, so that a memory access would not fault. */
static const u32 words[] = {
    0x0805053B, 0x20C52533, 0x0805151B,             /* Zba: add.uw, sh1add, slli.uw */
    0x40C57533, 0x60051513, 0x0AC54533, 0x6B855513, /* Zbb: andn, clz, min, rev8 */
    0x60C51533, 0x60555513, 0x28755513,             /* rol, rori, orc.b */
    0x48C51533, 0x28C51533, 0x68051513,             /* Zbs: bclr, bset, binvi */
    0x0AC51533, 0x0AC53533, 0x0AC52533,             /* Zbc: clmul, clmulh, clmulr */
    0x08C54533, 0x68755513, 0x28C52533, 0x28C54533, /* Zbkb, Zbkx: pack, brev8, xperm4, xperm8 */
    0x32C50533, 0x3AC50533, 0x30051513, 0x31051513, /* Zkne, Zknd: aes64es, aes64ds, aes64im, aes64ks1i */
    0x10051513, 0x10651513, 0x10851513, 0x10951513, /* Zknh, Zksh: sha256sum0, sha512sig0, sm3p0, sm3p1 */
    0x30C50533, 0x34C50533,                         /* Zksed: sm4ed, sm4ks */
    0x0EC55533, 0x0EC57533,                         /* Zicond: czero.eqz, czero.nez */
    0x00D00073, 0x01D00073,                         /* Zawrs */
    0x28C535AF, 0x28C525AF, 0x00C505AF, 0x00C515AF, /* Zacas, Zabha: amocas.d, .w, amoadd.b, .h */
    0x81C545F3, 0x82C545F3,                         /* Zimop: mop.r.0, mop.rr.0 */
    0x0005200F, 0x0015200F, 0x0025200F, 0x0045200F, /* Zicbom, Zicboz */
    0x16050073, 0x18000073, 0x18100073,             /* Svinval */
    0x00051507, 0x00A51027, 0x04B57553, 0xF4050553, /* Zfh: flh, fsh, fadd.h, fmv.h.x */
    0xF0150553, 0x42455553, 0x28B52553,             /* Zfa: fli.s, fround.d, fminm.s */
    0x00019C61, 0x00018108, 0x00018908, 0x00019D75, /* Zcb: c.mul space, c.lbu, c.sb, c.not space */
    0x00016081,                                     /* Zcmop: c.mop.1 */
};
static const u16 csrs[] = { STIMECMP, SENVCFG, SEED, SSTATEEN0, MSTATEEN0, MSTATEEN0 + 3, MSECCFG, JVT, 0xDA0 };

int main(void)
{
    static const u32 modes[] = { U, S, M };
    WR(MCOUNTEREN, ~0ul);
    for (u32 m = 0; m < 3; m++) {
        for (u32 i = 0; i < sizeof words / 4; i++) {
            u32 word = words[i];
            put_code(&word, 1);
            EQ(go(modes[m], (u64)pages, 0x5EED, 0), ILLEGAL);
            EQ(T.tval, (word & 3) == 3 ? word : word & 0xFFFF);
            EQ(T.a1, 0x5EED);
        }
        for (u32 i = 0; i < sizeof csrs / 2; i++)
            if (csrs[i] != SENVCFG)                 /* that one comes with S */
                EQ(csr_read(modes[m], csrs[i]), ILLEGAL);
        /* Hints stay hints: pause, ntl.all, prefetch.r. */
        CODE(0x0100000F, 0x00500033, 0x00156013);
        OK(go(modes[m], (u64)pages, 0, 0));
    }
    EQ(WARL(MENVCFG, ~0ul) & ~1ul, 0);
    EQ(WARL(SENVCFG, ~0ul) & ~1ul, 0);
    /* Without Sstc, mip.STIP is software's. */
    EQ(WARL(MIP, 1 << STI) & 1 << STI, 1 << STI);
    WR(MIP, 0);

    vm_reset(3);
    put(pages[0], 5);
    for (u32 bit = 61; bit < 64; bit++) {
        map(VA, (u64)pages[0] | 0x8000, RWAD | 1ul << bit);
        *pte_of(VA, 0) = pte((u64)pages[0] | (bit == 63 ? 0x8000 : 0), RWAD) | 1ul << bit;
        fence();
        TRAPS(ld(S, VA), LOAD_PAGE, VA);
    }
    map(VA, (u64)pages[0], RWAD);
    fence();
    OK(ld(S, VA));
    vm_reset(0);
    return 0;
}
