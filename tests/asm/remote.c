/* A supervisor on vmcore's own firmware: what one hart changes, the others see once the firmware's fence has returned,
 * without a fence of their own; and interrupts between harts wake who waits.
 *
 * Ends by SRST, reason 1 when a check failed; the line is then in `failed_line`.
 */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define MOST 8
#define ROUNDS 96
#define PINGS 200
#define VA 0x1234567000ul
#define PTE(pa, flags) ((pa) >> 12 << 10 | (flags))
#define V_R_W_A_D 0xC7
#define V_R_W_X_A_D 0xCF
#define V 1

static u64 root[512] __attribute__((aligned(4096))), middle[512] __attribute__((aligned(4096)));
static u64 leaves[512] __attribute__((aligned(4096)));
static volatile u64 pages[2][512] __attribute__((aligned(4096)));
static volatile u32 code[1024] __attribute__((aligned(4096)));
static u8 stacks[MOST][4096] __attribute__((aligned(16)));
static volatile u64 present, mapped, written, done, looked[MOST], pings[MOST];
volatile u64 harts, failed_line;
extern void secondary(void);

#define REQUIRE(condition) do { if (!(condition)) failed_line = __LINE__; } while (0)
#define CSR_WRITE(name, value) asm volatile("csrw " #name ", %0" :: "r"((u64)(value)) : "memory")
#define CSR_READ(name) ({ u64 v_; asm volatile("csrr %0, " #name : "=r"(v_) :: "memory"); v_; })

asm(".section .text.start, \"ax\"\n"
    ".globl _start\n"
    "_start:\n"
    "    la sp, stacks + 4096\n"
    "    call first\n"
    ".globl secondary\n"
    "secondary:\n"
    "    mv sp, a1\n"
    "    call other\n"
    ".text\n");

static long sbi_value(u64 eid, u64 fid, u64 a, u64 b, u64 c, u64 d, u64 *value)
{
    register u64 a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a3 asm("a3") = d, a6 asm("a6") = fid;
    register u64 a7 asm("a7") = eid;
    asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
    *value = a1;
    return (long)a0;
}

static long sbi(u64 eid, u64 fid, u64 a, u64 b, u64 c, u64 d)
{
    u64 value;
    return sbi_value(eid, fid, a, b, c, d, &value);
}

/* 0: started, 1: stopped, -1: there is no such hart. */
static long status(u64 hart)
{
    u64 value;
    return sbi_value(0x48534D, 2, hart, 0, 0, 0, &value) ? -1 : (long)value;
}

static void paging(void)
{
    CSR_WRITE(satp, 8ul << 60 | (u64)root >> 12);
    asm volatile("sfence.vma" ::: "memory");
}

static u64 call(void)
{
    return ((u64 (*)(void))(u64)code)();
}

/* Look again and again. What is seen may be newer than what was announced before the look, never older. */
static void look(u64 hart)
{
    u64 before, got;
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
        before = __atomic_load_n(&mapped, __ATOMIC_ACQUIRE);
        got = *(volatile u64 *)VA;
        REQUIRE(got >= before);
        before = __atomic_load_n(&written, __ATOMIC_ACQUIRE);
        got = call();
        REQUIRE(got >= before);
        looked[hart]++;
    }
}

/* Each hart waits for its software interrupt and passes it on. */
static void ping(u64 hart)
{
    CSR_WRITE(sie, 2);
    while (pings[hart] < PINGS) {
        while (!(CSR_READ(sip) & 2))
            asm volatile("wfi");
        asm volatile("csrc sip, %0" :: "r"(2ul) : "memory");
        pings[hart]++;
        REQUIRE(sbi(0x735049, 0, 1, (hart + 1) % harts, 0, 0) == 0);
    }
}

static void together(u64 *arrived_at)
{
    u64 now = __atomic_add_fetch(&present, 1, __ATOMIC_SEQ_CST);
    *arrived_at += harts;
    while (now < *arrived_at) {
        asm volatile(".word 0x0100000F");                              /* pause */
        now = __atomic_load_n(&present, __ATOMIC_SEQ_CST);
    }
}

static void both(u64 hart, u64 arrived_at)
{
    together(&arrived_at);
    if (hart) {
        look(hart);
    } else {
        u64 others = ((1ul << harts) - 1) & ~1ul;
        for (u64 round = 1; round <= ROUNDS; round++) {
            pages[round & 1][0] = round;
            __atomic_store_n(&leaves[VA >> 12 & 511], PTE((u64)pages[round & 1], V_R_W_A_D), __ATOMIC_RELEASE);
            asm volatile("sfence.vma" ::: "memory");
            REQUIRE(sbi(0x52464E43, 1, others, 0, VA, 4096) == 0);
            __atomic_store_n(&mapped, round, __ATOMIC_RELEASE);
            code[0] = 0x00000513 | (u32)round << 20;                   /* li a0, round */
            asm volatile("fence.i" ::: "memory");
            REQUIRE(sbi(0x52464E43, 0, others, 0, 0, 0) == 0);
            __atomic_store_n(&written, round, __ATOMIC_RELEASE);
            REQUIRE(call() == round);
            if (round % 16 == 0)
                /* So that each of them looks now and then, wherever its thread is run. */
                for (u64 i = 1, was; i < harts; i++)
                    for (was = looked[i]; looked[i] == was;)
                        asm volatile(".word 0x0100000F");              /* pause */
        }
        __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
    }
    together(&arrived_at);
    if (hart == 0)
        REQUIRE(sbi(0x735049, 0, 1, 0, 0, 0) == 0);
    ping(hart);
    together(&arrived_at);
}

void other(u64 hart)
{
    paging();
    both(hart, 0);
    /* Not to be reached again: stopping does not return. */
    sbi(0x48534D, 1, 0, 0, 0, 0);
    REQUIRE(0);
}

void first(u64 hart)
{
    (void)hart;
    root[2] = PTE(0x80000000ul, V_R_W_X_A_D);
    root[VA >> 30 & 511] = PTE((u64)middle, V);
    middle[VA >> 21 & 511] = PTE((u64)leaves, V);
    leaves[VA >> 12 & 511] = PTE((u64)pages[0], V_R_W_A_D);
    code[0] = 0x00000513;
    code[1] = 0x00008067;                                              /* ret */
    paging();
    asm volatile("fence.i" ::: "memory");
    for (harts = 1; harts < MOST && status(harts) == 1; harts++)
        ;
    for (u64 i = 1; i < harts; i++)
        REQUIRE(sbi(0x48534D, 0, i, (u64)secondary, (u64)stacks[i] + 4096, 0) == 0);
    both(0, 0);
    for (u64 i = 1; i < harts; i++) {
        while (status(i) == 0)
            ;
        REQUIRE(looked[i] >= ROUNDS / 16);
        REQUIRE(pings[i] == PINGS);
    }
    sbi(0x53525354, 0, 0, failed_line != 0, 0, 0);
    for (;;)
        ;
}
