/* Four harts: atomics lose nothing, reservations break, interrupts find their hart, and changes of code and of page
 * tables reach the others when they fence. */

#include "rt.h"

#define HARTS 4
#define ROUNDS 2000
#define VA 0x1234567000ul

static volatile u64 arrived, phase;
static volatile u64 counters[4][8] __attribute__((aligned(64)));
static volatile u32 lock;
static volatile u64 guarded[2];
static volatile u64 cell, ready, woken[8], timed[8];
static volatile u32 failed_line;

static u64 add(volatile u64 *p, u64 n) { return __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST); }

/* Harts other than 0 report a failure to hart 0, which alone ends the test. */
#define REQUIRE(condition) do { if (!(condition)) failed_line = __LINE__; } while (0)

static void barrier(void)
{
    u64 now = phase;
    if (add(&arrived, 1) == HARTS - 1) {
        arrived = 0;
        __atomic_store_n(&phase, now + 1, __ATOMIC_SEQ_CST);
    } else {
        while (__atomic_load_n(&phase, __ATOMIC_SEQ_CST) == now)
            asm volatile(".word 0x0100000F" ::: "memory");             /* pause */
    }
}

static void atomics(void)
{
    for (u32 i = 0; i < ROUNDS; i++) {
        add(&counters[0][0], 1);
        u64 t, f;
        asm volatile("1: lr.d %0, (%2); addi %0, %0, 1; sc.d %1, %0, (%2); bnez %1, 1b"
                     : "=&r"(t), "=&r"(f) : "r"(&counters[1][0]) : "memory");
        asm volatile("1: lr.w.aq %0, (%2); addi %0, %0, 1; sc.w.rl %1, %0, (%2); bnez %1, 1b"
                     : "=&r"(t), "=&r"(f) : "r"(&counters[1][1]) : "memory");
        /* A lock, and two words that it keeps equal. */
        while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
            ;
        REQUIRE(guarded[0] == guarded[1]);
        guarded[0]++;
        guarded[1]++;
        __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
        u32 bit = 1u << (i & 31);
        __atomic_fetch_xor((volatile u32 *)&counters[2][0], bit, __ATOMIC_RELAXED);
        __atomic_fetch_xor((volatile u32 *)&counters[2][0], bit, __ATOMIC_RELAXED);
    }
}

/* A store of another hart between LR and SC makes the SC fail, also when it stores the value that was there (but for
 * harts that are parallel, which tell it by the value). */
static void reservation(u64 hart)
{
#ifdef BY_VALUE
    const u64 step = 2;
#else
    const u64 step = 1;
#endif
    for (u64 round = 0; round < 20; round += step) {
        if (hart == 0) {
            u64 f;
            cell = 7;
            asm volatile("lr.d %0, (%1)\n"
                         "fence\n"
                         "sd %3, (%2)\n"                   /* ready = 1 */
                         "1: ld %0, (%2)\n"
                         "li t0, 2\n"
                         "bne %0, t0, 1b\n"
                         "fence\n"
                         "sc.d %0, %3, (%1)\n"
                         : "=&r"(f) : "r"(&cell), "r"(&ready), "r"(1ul) : "t0", "memory");
            EQ(f != 0, 1);
            EQ(cell, round & 1 ? 7 : 8);
            ready = 0;
        } else if (hart == 1) {
            while (ready != 1)
                ;
            __atomic_store_n(&cell, round & 1 ? 7 : 8, __ATOMIC_SEQ_CST);
            __atomic_store_n(&ready, 2, __ATOMIC_SEQ_CST);
        }
        barrier();
    }
}

/* Everyone wakes the next hart by msip, round and round; it waits in wfi with interrupts off. */
static void doorbells(u64 hart)
{
    WR(MIE, 1 << MSI);
    for (u32 round = 0; round < 50; round++) {
        if (hart != 0 || round != 0) {
            while (!(RD(MIP) & 1 << MSI))
                asm volatile("wfi");
            MSIP[hart] = 0;
            while (RD(MIP) & 1 << MSI)
                ;
        }
        woken[hart]++;
        if (hart != HARTS - 1 || round != 49)
            MSIP[(hart + 1) % HARTS] = 1;
    }
    WR(MIE, 0);
}

/* Each hart has a timer of its own: later harts have earlier deadlines. */
static void timers(u64 hart)
{
    WR(MIE, 1 << MTI);
    u64 start = *MTIME, deadline = start + 2000 - 300 * hart;
    MTIMECMP[hart] = deadline;
    while (!(RD(MIP) & 1 << MTI))
        asm volatile("wfi");
    timed[hart] = *MTIME;
    REQUIRE(timed[hart] >= deadline);
    MTIMECMP[hart] = ~0ul;
    WR(MIE, 0);
}

static u64 through_mprv(u64 va)
{
    u64 v, bits = MSTATUS_MPRV;
    CLR(MSTATUS, MSTATUS_MPP);
    SET(MSTATUS, 1ul << 11);
    asm volatile("csrs mstatus, %1; ld %0, (%2); csrc mstatus, %1" : "=&r"(v) : "r"(bits), "r"(va) : "memory");
    return v;
}

/* Hart 0 changes a mapping and the others' code; they fence when told, and see it. */
static void shootdown(u64 hart)
{
    static u64 satp;
    typedef u64 function(void);
    function *code = (function *)(u64)pages[10];
    if (hart == 0) {
        vm_reset(3);
        satp = RD(SATP);
        put(pages[0], 100);
        put(pages[1], 101);
        map(VA, (u64)pages[0], RWAD);
    }
    barrier();
    WR(SATP, satp);
    fence();
    for (u32 round = 0; round < 20; round++) {
        if (hart == 0) {
            map(VA, (u64)pages[round & 1], RWAD);
            ((volatile u32 *)code)[0] = 0x00000513 | round << 20;      /* li a0, round */
            ((volatile u32 *)code)[1] = 0x00008067;                    /* ret */
            asm volatile("fence; fence.i" ::: "memory");
        }
        barrier();
        asm volatile("sfence.vma %0, x0; fence.i" :: "r"(VA) : "memory");
        REQUIRE(through_mprv(VA) == 100 + (round & 1));
        REQUIRE(code() == round);
        barrier();
    }
    WR(SATP, 0);
    fence();
}

/* Message passing, and a wait on a reservation that ends when another hart stores. */
static void messages(u64 hart)
{
    static volatile u64 data, flag;
    for (u64 round = 1; round <= 20; round++) {
        if (hart == 1) {
            data = round * 3;
            asm volatile("fence w, w" ::: "memory");
            flag = round;
        } else if (hart == 2) {
            u64 v;
            do
                asm volatile("lr.d %0, (%1); beq %0, %2, 1f; .word 0x00D00073; 1:"      /* wrs.nto */
                             : "=&r"(v) : "r"(&flag), "r"(round) : "memory");
            while (v != round);
            asm volatile("fence r, r" ::: "memory");
            REQUIRE(data == round * 3);
        }
        barrier();
    }
}

static void everybody(u64 hart)
{
    REQUIRE(RD(MHARTID) == hart);
    barrier();
    atomics();
    barrier();
    reservation(hart);
    doorbells(hart);
    barrier();
    timers(hart);
    barrier();
    shootdown(hart);
    barrier();
    messages(hart);
    barrier();
}

void hart_main(u64 hart)
{
    if (hart >= HARTS)
        return;
    /* PMP is each hart's own; MPRV accesses below M need an entry. */
    pmp_set(15, PMP_NAPOT | PMP_R | PMP_W | PMP_X, ~0ul);
    WR(MIE, 0);
    MTIMECMP[hart] = ~0ul;
    everybody(hart);
}

int main(void)
{
    MTIMECMP[0] = ~0ul;
    everybody(0);
    EQ(failed_line, 0);
    EQ(counters[0][0], HARTS * ROUNDS);
    EQ(counters[1][0], HARTS * ROUNDS);
    EQ(counters[1][1], HARTS * ROUNDS);
    EQ(counters[2][0], 0);
    EQ(guarded[0], HARTS * ROUNDS);
    for (u32 i = 0; i < HARTS; i++)
        EQ(woken[i], 50);
    return 0;
}
