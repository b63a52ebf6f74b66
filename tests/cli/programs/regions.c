/* Functions of which `vmcore jit explain` shows regions: loops of several kinds, and what is none. */
typedef unsigned long u64;

#define DATA __attribute__((section(".data"), aligned(64)))

u64 table[64] DATA;

u64 sum(const u64 *from, u64 n) {
    u64 total = 0;
    for (u64 i = 0; i < n; i++)
        total += from[i];
    return total;
}

double dot(const double *a, const double *b, u64 n) {
    double total = 0;
    for (u64 i = 0; i < n; i++)
        total += a[i] * b[i];
    return total;
}

/* More values at a time than there are registers. */
void mix(u64 *s, u64 n) {
    u64 a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
    u64 i = s[8], j = s[9], k = s[10], l = s[11], m = s[12], o = s[13], p = s[14], q = s[15];
    while (n--) {
        a += b ^ q, b += c ^ a, c += d ^ b, d += e ^ c, e += f ^ d, f += g ^ e, g += h ^ f, h += i ^ g;
        i += j ^ h, j += k ^ i, k += l ^ j, l += m ^ k, m += o ^ l, o += p ^ m, p += q ^ o, q += a ^ p;
    }
    s[0] = a, s[1] = b, s[2] = c, s[3] = d, s[4] = e, s[5] = f, s[6] = g, s[7] = h;
    s[8] = i, s[9] = j, s[10] = k, s[11] = l, s[12] = m, s[13] = o, s[14] = p, s[15] = q;
}

/* Two loops next to each other; the second one has more instructions. */
void twice(u64 *to, u64 n) {
    for (u64 i = 0; i < n; i++)
        to[i] = i;
    for (u64 i = 1; i < n; i++)
        to[i] = (to[i] << 3 ^ to[i - 1]) * 0x9E3779B9;
}

u64 straight(u64 a, u64 b) {
    return (a + b) ^ (a >> 3);
}

/* Nothing for a region: its first instruction reads a CSR. */
__asm__(".globl first\nfirst: csrr a0, mhartid\n ret\n");
u64 first(void);

/* Ends with status 0 through HTIF if all of it computes what it should, for long enough to be compiled. */
u64 tohost __attribute__((section(".tohost"), aligned(64)));
u64 fromhost __attribute__((section(".tohost")));
u64 stack[512] DATA;

__asm__(".globl _start\n_start: la sp, stack + 4096\n call check\n slli a0, a0, 1\n ori a0, a0, 1\n"
        " la t0, tohost\n sd a0, 0(t0)\n0: j 0b\n");

u64 check(void) {
    u64 total = first();
    for (u64 i = 0; i < 64; i++)
        table[i] = i;
    for (u64 i = 0; i < ROUNDS; i++)
        total += sum(table, 64);
    return total != ROUNDS * 2016ul;
}
