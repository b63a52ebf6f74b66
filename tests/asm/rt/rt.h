/* What the test programs share. A program is `int main(void)`; it runs in M-mode and reaches other privileges by run().
 *
 * A check that fails ends the program with its line number: through HTIF (tohost = line << 1 | 1) and, where there is
 * none, through the test device of QEMU's virt board. A program that returns from main has passed (tohost = 1).
 */
#ifndef RT_H
#define RT_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long s64;

enum { U = 0, S = 1, M = 3 };

/* Exception causes. DONE is ours: the stub ran to its ecall. */
enum {
    FETCH_MISALIGNED = 0, FETCH_ACCESS = 1, ILLEGAL = 2, BREAKPOINT = 3, LOAD_MISALIGNED = 4, LOAD_ACCESS = 5,
    STORE_MISALIGNED = 6, STORE_ACCESS = 7, ECALL_U = 8, ECALL_S = 9, ECALL_M = 11, FETCH_PAGE = 12, LOAD_PAGE = 13,
    STORE_PAGE = 15, DONE = 64,
};
#define INTERRUPT (1ul << 63)

/* The trap that ended the last run(). */
struct trap { u64 cause, epc, tval, status, a0, a1, a2; };
extern volatile struct trap T;

u64 run(u64 priv, u64 pc, u64 a0, u64 a1, u64 a2);
void finish(u64 line) __attribute__((noreturn));
void fail(u64 line, u64 got, u64 want) __attribute__((noreturn));
void print(const char *text);
void print_hex(u64 value);

#define EQ(got, want) do { u64 g_ = (u64)(got), w_ = (u64)(want); if (g_ != w_) fail(__LINE__, g_, w_); } while (0)
#define CHECK(condition) do { if (!(condition)) fail(__LINE__, 0, 1); } while (0)
/* The last access trapped like this, or (OK) ran through. */
#define TRAPS(call, cause_, tval_) do { EQ(call, cause_); EQ(T.tval, tval_); } while (0)
#define OK(call) EQ(call, DONE)

/* Wraps the call of a helper that checks, so that a failure says which call it was. */
extern u64 from_line;
#define FROM_HERE(call) do { from_line = __LINE__; call; from_line = 0; } while (0)

/* --- CSRs, by number --- */
enum {
    FFLAGS = 0x001, FRM = 0x002, FCSR = 0x003, SEED = 0x015, JVT = 0x017,
    CYCLE = 0xC00, TIME = 0xC01, INSTRET = 0xC02, HPMCOUNTER3 = 0xC03,
    SSTATUS = 0x100, SIE = 0x104, STVEC = 0x105, SCOUNTEREN = 0x106, SENVCFG = 0x10A, SSTATEEN0 = 0x10C,
    SSCRATCH = 0x140, SEPC = 0x141, SCAUSE = 0x142, STVAL = 0x143, SIP = 0x144, STIMECMP = 0x14D, SATP = 0x180,
    MSTATUS = 0x300, MISA = 0x301, MEDELEG = 0x302, MIDELEG = 0x303, MIE = 0x304, MTVEC = 0x305, MCOUNTEREN = 0x306,
    MENVCFG = 0x30A, MSTATEEN0 = 0x30C, MCOUNTINHIBIT = 0x320, MHPMEVENT3 = 0x323,
    MSCRATCH = 0x340, MEPC = 0x341, MCAUSE = 0x342, MTVAL = 0x343, MIP = 0x344,
    PMPCFG0 = 0x3A0, PMPCFG2 = 0x3A2, PMPADDR0 = 0x3B0, MSECCFG = 0x747, TSELECT = 0x7A0,
    MCYCLE = 0xB00, MINSTRET = 0xB02, MHPMCOUNTER3 = 0xB03,
    MVENDORID = 0xF11, MARCHID = 0xF12, MIMPID = 0xF13, MHARTID = 0xF14, MCONFIGPTR = 0xF15,
};
#define RD(csr) ({ u64 v_; asm volatile("csrr %0, %1" : "=r"(v_) : "i"(csr) : "memory"); v_; })
#define WR(csr, value) asm volatile("csrw %0, %1" :: "i"(csr), "r"((u64)(value)) : "memory")
#define SET(csr, value) asm volatile("csrs %0, %1" :: "i"(csr), "r"((u64)(value)) : "memory")
#define CLR(csr, value) asm volatile("csrc %0, %1" :: "i"(csr), "r"((u64)(value)) : "memory")
/* Write, and read back what was kept. */
#define WARL(csr, value) ({ WR(csr, value); RD(csr); })

#define MSTATUS_SIE (1ul << 1)
#define MSTATUS_MIE (1ul << 3)
#define MSTATUS_SPIE (1ul << 5)
#define MSTATUS_UBE (1ul << 6)
#define MSTATUS_MPIE (1ul << 7)
#define MSTATUS_SPP (1ul << 8)
#define MSTATUS_MPP (3ul << 11)
#define MSTATUS_FS (3ul << 13)
#define MSTATUS_MPRV (1ul << 17)
#define MSTATUS_SUM (1ul << 18)
#define MSTATUS_MXR (1ul << 19)
#define MSTATUS_TVM (1ul << 20)
#define MSTATUS_TW (1ul << 21)
#define MSTATUS_TSR (1ul << 22)
#define MSTATUS_SD (1ul << 63)
#define ENVCFG_FIOM 1ul
#define ENVCFG_CBIE (3ul << 4)
#define ENVCFG_CBCFE (1ul << 6)
#define ENVCFG_CBZE (1ul << 7)
#define MENVCFG_ADUE (1ul << 61)
#define MENVCFG_PBMTE (1ul << 62)
#define MENVCFG_STCE (1ul << 63)
enum { SSI = 1, MSI = 3, STI = 5, MTI = 7, SEI = 9, MEI = 11 };

/* --- instructions made at run time, followed by an ecall: CODE(...) then go(priv, ...) --- */
#define CSRRW(rd, csr, rs1) ((u32)(csr) << 20 | (rs1) << 15 | 1 << 12 | (rd) << 7 | 0x73)
#define CSRRS(rd, csr, rs1) ((u32)(csr) << 20 | (rs1) << 15 | 2 << 12 | (rd) << 7 | 0x73)
#define CSRRC(rd, csr, rs1) ((u32)(csr) << 20 | (rs1) << 15 | 3 << 12 | (rd) << 7 | 0x73)
enum { ZERO = 0, A0 = 10, A1 = 11, A2 = 12, A3 = 13 };
extern u32 dyn[1024];
void put_code(const u32 *words, u64 count);
#define CODE(...) do { static const u32 w_[] = { __VA_ARGS__ }; put_code(w_, sizeof w_ / 4); } while (0)
/* Run the code made last; a1 is the usual result register (T.a1). Returns the cause, DONE after its ecall. */
u64 go(u64 priv, u64 a0, u64 a1, u64 a2);
/* Read / write a CSR from a privilege: DONE (the value read is T.a1) or the cause. */
u64 csr_read(u64 priv, u32 csr);
u64 csr_write(u64 priv, u32 csr, u64 value);

/* --- stubs (start.S) and what runs them: each returns DONE or the cause --- */
extern char st_nop[], st_lb[], st_lh[], st_lw[], st_ld[], st_sb[], st_sh[], st_sw[], st_sd[], st_lrw[], st_lrd[],
    st_scw[], st_scd[], st_amow[], st_amod[], st_fld[], st_flw[], st_fsd[], st_jr[], st_fencei[], st_wfi[], st_mret[],
    st_sret[], st_ebreak[], st_spin[], st_mprv_ld[], st_mprv_sd[], st_strap[], st_svector[], stubs_begin[], stubs_end[];
u64 stub(u64 priv, const char *code, u64 a0, u64 a1, u64 a2);
/* Where a stub is for this privilege: U-mode sees the stubs through a mapping of its own. */
u64 at(u64 priv, const char *code);
static inline u64 ld(u64 priv, u64 va) { return stub(priv, st_ld, va, 0x5EED, 0); }
static inline u64 sd(u64 priv, u64 va) { return stub(priv, st_sd, va, 0x57012E, 0); }
static inline u64 amo(u64 priv, u64 va) { return stub(priv, st_amod, va, 0x5EED, 1); }
/* Jump to va, where an ecall should be. */
u64 fetch(u64 priv, u64 va);

/* --- page tables --- */
enum { V = 1, R = 2, W = 4, X = 8, PU = 16, G = 32, A = 64, D = 128 };
#define RWAD (V | R | W | A | D)
#define PAGE 4096ul
#define U_OFFSET 0x40000000ul        /* U-mode's view of the stubs is this far below the stubs */
extern u64 *vm_root;
extern u32 vm_levels;
/* Start over with empty tables of 3, 4 or 5 levels that map the stubs; translation goes on. 0: Bare. */
void vm_reset(u32 levels);
/* The entry for va at a level (0: 4 KiB), with the tables above it made as needed. */
u64 *pte_of(u64 va, u32 level);
static inline u64 pte(u64 pa, u64 flags) { return pa >> 12 << 10 | flags; }
void map(u64 va, u64 pa, u64 flags);
void fence(void);
u64 satp_of(u32 levels, u64 asid);

/* Data pages for the tests: adjacent, zeroed, and 64 KiB-aligned. */
#define PAGES 32
extern u8 pages[PAGES][PAGE];
static inline u64 pa_of(const volatile void *p) { return (u64)p; }
static inline u64 get(const volatile void *p) { return *(const volatile u64 *)p; }
static inline void put(volatile void *p, u64 v) { *(volatile u64 *)p = v; }

/* A PMP entry; entry 15 opens everything to S and U at the start. */
void pmp_set(u32 entry, u8 cfg, u64 addr);
enum { PMP_R = 1, PMP_W = 2, PMP_X = 4, PMP_TOR = 8, PMP_NA4 = 16, PMP_NAPOT = 24, PMP_L = 128 };

/* The CLINT. */
#define MSIP ((volatile u32 *)0x2000000ul)
#define MTIMECMP ((volatile u64 *)0x2004000ul)
#define MTIME ((volatile u64 *)0x200BFF8ul)

/* What harts other than 0 run, if the program has more than one (start.S). They end in a wait for interrupts. */
void hart_main(u64 hart);

#endif
