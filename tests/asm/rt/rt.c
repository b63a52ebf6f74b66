/* The C side of the runtime: ending a test, code made at run time, page tables. */

#include "rt.h"

extern volatile u64 tohost, fromhost;
extern u8 bss_begin[], bss_end[];

#define UART ((volatile u8 *)0x10000000ul)
#define TEST_DEVICE ((volatile u32 *)0x100000ul)

u8 pages[PAGES][PAGE] __attribute__((aligned(65536)));
static u64 tables[160][512] __attribute__((aligned(4096)));
static u32 tables_used;
u64 *vm_root;
u32 vm_levels;
u64 from_line;

/* The compiler turns loops into calls of these. */
void *memset(void *to, int value, u64 n)
{
    for (u64 i = 0; i < n; i++)
        ((volatile u8 *)to)[i] = (u8)value;
    return to;
}

void *memcpy(void *to, const void *from, u64 n)
{
    for (u64 i = 0; i < n; i++)
        ((volatile u8 *)to)[i] = ((const u8 *)from)[i];
    return to;
}

/* The simulators load the file without zeroing what it does not hold only if they start from clean memory, which all
 * of them do; so there is nothing to clear. S and U get at memory through PMP entry 15. */
void prepare(void)
{
    pmp_set(15, PMP_NAPOT | PMP_R | PMP_W | PMP_X, ~0ul);
}

void print(const char *text)
{
    for (; *text; text++)
        *UART = (u8)*text;
}

void print_hex(u64 value)
{
    char text[19] = "0x";
    for (u32 i = 0; i < 16; i++)
        text[2 + i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    text[18] = 0;
    print(text);
}

static void spin_handler(void);

void finish(u64 line)
{
    CLR(MSTATUS, MSTATUS_MIE);
    WR(MTVEC, (u64)&spin_handler);
    tohost = line ? line << 1 | 1 : 1;
    asm volatile("fence" ::: "memory");
    /* Without HTIF the program is still here. Where there is no such device either, this store traps and spins. */
    *TEST_DEVICE = line ? (line & 0xFF ? line & 0xFF : 1) << 16 | 0x3333 : 0x5555;
    for (;;)
        ;
}

__attribute__((aligned(4), naked)) static void spin_handler(void)
{
    asm volatile("1: j 1b");
}

static void print_decimal(u64 value)
{
    char digits[21] = "";
    u32 n = 20;
    do {
        digits[--n] = (char)('0' + value % 10);
    } while (value /= 10);
    print(digits + n);
}

void fail(u64 line, u64 got, u64 want)
{
    print("line ");
    print_decimal(line);
    if (from_line) {
        print(" called from ");
        print_decimal(from_line);
    }
    print(": got ");
    print_hex(got);
    print(" want ");
    print_hex(want);
    print("; last trap cause ");
    print_hex(T.cause);
    print(" epc ");
    print_hex(T.epc);
    print(" tval ");
    print_hex(T.tval);
    print("\n");
    finish(line);
}

void stray_trap(u64 cause, u64 epc, u64 tval)
{
    print("stray trap: cause ");
    print_hex(cause);
    print(" epc ");
    print_hex(epc);
    print(" tval ");
    print_hex(tval);
    print("\n");
    finish(9999);
}

void put_code(const u32 *words, u64 count)
{
    for (u64 i = 0; i < count; i++)
        ((volatile u32 *)dyn)[i] = words[i];
    ((volatile u32 *)dyn)[count] = 0x73;
    asm volatile("fence.i" ::: "memory");
}

u64 at(u64 priv, const char *code)
{
    return (u64)code - (priv == U && vm_levels ? U_OFFSET : 0);
}

static u64 done(u64 cause)
{
    return cause == ECALL_U || cause == ECALL_S || cause == ECALL_M ? DONE : cause;
}

u64 stub(u64 priv, const char *code, u64 a0, u64 a1, u64 a2)
{
    return done(run(priv, at(priv, code), a0, a1, a2));
}

u64 go(u64 priv, u64 a0, u64 a1, u64 a2)
{
    return stub(priv, (const char *)dyn, a0, a1, a2);
}

u64 fetch(u64 priv, u64 va)
{
    return done(run(priv, va, 0, 0, 0));
}

u64 csr_read(u64 priv, u32 csr)
{
    u32 word = CSRRS(A1, csr, ZERO);
    put_code(&word, 1);
    return go(priv, 0, 0x5EED, 0);
}

u64 csr_write(u64 priv, u32 csr, u64 value)
{
    u32 word = CSRRW(ZERO, csr, A0);
    put_code(&word, 1);
    return go(priv, value, 0, 0);
}

static u64 *new_table(void)
{
    if (tables_used == sizeof tables / sizeof tables[0]) {
        print("rt.c: out of page tables\n");
        finish(9998);
    }
    u64 *table = tables[tables_used++];
    for (u32 i = 0; i < 512; i++)
        ((volatile u64 *)table)[i] = 0;
    return table;
}

u64 *pte_of(u64 va, u32 level)
{
    u64 *table = vm_root;
    for (u32 l = vm_levels - 1; l > level; l--) {
        u64 *entry = &table[va >> (12 + 9 * l) & 511];
        if (!(*entry & V))
            put(entry, pte((u64)new_table(), V));
        table = (u64 *)(*entry >> 10 << 12);
    }
    return &table[va >> (12 + 9 * level) & 511];
}

void map(u64 va, u64 pa, u64 flags)
{
    put(pte_of(va, 0), pte(pa, flags));
}

void fence(void)
{
    asm volatile("sfence.vma" ::: "memory");
}

u64 satp_of(u32 levels, u64 asid)
{
    return levels ? (u64)(levels + 5) << 60 | asid << 44 | (u64)vm_root >> 12 : 0;
}

void vm_reset(u32 levels)
{
    WR(SATP, 0);
    tables_used = 0;
    vm_levels = levels;
    if (levels) {
        vm_root = new_table();
        for (u64 p = (u64)stubs_begin; p < (u64)stubs_end; p += PAGE) {
            map(p, p, V | R | W | X | A | D);
            map(p - U_OFFSET, p, V | R | W | X | PU | A | D);
        }
        u64 satp = satp_of(levels, 0);
        EQ(WARL(SATP, satp), satp);
    }
    fence();
}

void pmp_set(u32 entry, u8 cfg, u64 addr)
{
    /* CSR numbers are part of the instruction: 16 addresses, and two words of configuration. */
#define ADDR(n) case n: WR(PMPADDR0 + n, addr); break;
    switch (entry) {
        ADDR(0) ADDR(1) ADDR(2) ADDR(3) ADDR(4) ADDR(5) ADDR(6) ADDR(7)
        ADDR(8) ADDR(9) ADDR(10) ADDR(11) ADDR(12) ADDR(13) ADDR(14) ADDR(15)
    }
    u64 shift = entry % 8 * 8;
    if (entry < 8)
        WR(PMPCFG0, (RD(PMPCFG0) & ~(0xFFul << shift)) | (u64)cfg << shift);
    else
        WR(PMPCFG2, (RD(PMPCFG2) & ~(0xFFul << shift)) | (u64)cfg << shift);
    if (RD(MISA) >> ('S' - 'A') & 1)
        fence();
}
