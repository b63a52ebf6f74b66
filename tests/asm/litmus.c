/* Memory order between harts that really run at the same time: outcomes that RVWMO forbids are never seen, and nothing
 * that is added atomically gets lost. Harts 0 and 1 are a pair, 2 and 3 another; IRIW takes all four. */

#include "rt.h"

#define HARTS 4
#define CELLS 256
#define BATCHES 16
#define ROUNDS 3000

/* Each word on a cache line of its own. */
struct word { volatile u64 v; u64 gap[7]; };
static struct word x[2][CELLS] __attribute__((aligned(64))), y[2][CELLS] __attribute__((aligned(64)));
static struct word turn[HARTS] __attribute__((aligned(64)));
static u64 seen[HARTS][CELLS][2];
static volatile u64 arrived, phase;
static volatile u64 sums[8] __attribute__((aligned(64)));
static volatile u64 pair[2] __attribute__((aligned(16)));
static volatile u64 next_ticket, now_serving, held;
static volatile u64 failed_line;

#define REQUIRE(condition) do { if (!(condition)) failed_line = __LINE__; } while (0)

static void barrier(void)
{
    u64 now = phase;
    if (__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST) == HARTS - 1) {
        arrived = 0;
        __atomic_store_n(&phase, now + 1, __ATOMIC_SEQ_CST);
    } else {
        while (__atomic_load_n(&phase, __ATOMIC_SEQ_CST) == now)
            asm volatile(".word 0x0100000F" ::: "memory");             /* pause */
    }
}

enum { MESSAGE, STORE_BUFFER, SWAP_BUFFER, RESERVE_BUFFER, LOAD_BUFFER, IRIW, SHAPES };

/* One side of one cell: what it reads. */
static inline __attribute__((always_inline)) void side(int shape, u64 hart, volatile u64 *a, volatile u64 *b, u64 *r)
{
    u64 first = 0, second = 0, one = 1;
    switch (shape) {
    case MESSAGE:
        if (hart & 1)
            asm volatile("ld %0, (%3); fence r, r; ld %1, (%2)"
                         : "=&r"(first), "=&r"(second) : "r"(a), "r"(b) : "memory");
        else
            asm volatile("sd %2, (%0); fence w, w; sd %2, (%1)" :: "r"(a), "r"(b), "r"(one) : "memory");
        break;
    case STORE_BUFFER:
        asm volatile("sd %3, (%1); fence w, r; ld %0, (%2)"
                     : "=&r"(first) : "r"(hart & 1 ? b : a), "r"(hart & 1 ? a : b), "r"(one) : "memory");
        break;
    case SWAP_BUFFER:
        asm volatile("amoswap.d.aqrl x0, %3, (%1); ld %0, (%2)"
                     : "=&r"(first) : "r"(hart & 1 ? b : a), "r"(hart & 1 ? a : b), "r"(one) : "memory");
        break;
    case RESERVE_BUFFER:
        asm volatile("sd %3, (%1); lr.d.aqrl %0, (%2)"
                     : "=&r"(first) : "r"(hart & 1 ? b : a), "r"(hart & 1 ? a : b), "r"(one) : "memory");
        break;
    case LOAD_BUFFER:
        asm volatile("ld %0, (%1); fence r, w; sd %3, (%2)"
                     : "=&r"(first) : "r"(hart & 1 ? b : a), "r"(hart & 1 ? a : b), "r"(one) : "memory");
        break;
    default:
        if (hart < 2)
            asm volatile("sd %1, (%0)" :: "r"(hart ? b : a), "r"(one) : "memory");
        else
            asm volatile("ld %0, (%2); fence r, r; ld %1, (%3)"
                         : "=&r"(first), "=&r"(second) : "r"(hart == 2 ? a : b), "r"(hart == 2 ? b : a) : "memory");
    }
    r[0] = first;
    r[1] = second;
}

static u64 forbidden(int shape, u64 one, u64 i)
{
    u64 *r = seen[one][i], *s = seen[one + 1][i];
    switch (shape) {
    case MESSAGE:
        return s[0] == 1 && s[1] == 0;
    case STORE_BUFFER: case SWAP_BUFFER: case RESERVE_BUFFER:
        return r[0] == 0 && s[0] == 0;
    case LOAD_BUFFER:
        return r[0] == 1 && s[0] == 1;
    default:
        return one == 2 && r[0] == 1 && r[1] == 0 && s[0] == 1 && s[1] == 0;
    }
}

static inline __attribute__((always_inline)) void shape(int which, u64 hart)
{
    u64 set = which == IRIW ? 0 : hart >> 1;
    for (u32 batch = 0; batch < BATCHES; batch++) {
        barrier();
        /* One pair at a time: a host may have no more than two processors. */
        for (u32 i = 0; i < CELLS && (which == IRIW || set == (batch & 1)); i++) {
            /* Side by side as far as may be, so that the two really meet. */
            turn[hart].v = i + 1;
            for (u32 spins = 0; spins < 3000 && turn[hart ^ 1].v < i + 1; spins++)
                ;
            side(which, hart, &x[set][i].v, &y[set][i].v, seen[hart][i]);
        }
        barrier();
        turn[hart].v = 0;
        if (hart == 0)
            for (u32 i = 0; i < CELLS; i++) {
                REQUIRE((which != IRIW && batch & 1) || !forbidden(which, 0, i));
                REQUIRE((which != IRIW && !(batch & 1)) || !forbidden(which, 2, i));
                x[0][i].v = x[1][i].v = y[0][i].v = y[1][i].v = 0;
            }
    }
}

static void count(void)
{
    for (u32 i = 0; i < ROUNDS; i++) {
        u64 t, f;
        asm volatile("1: lr.d.aq %0, (%2); addi %0, %0, 1; sc.d.rl %1, %0, (%2); bnez %1, 1b"
                     : "=&r"(t), "=&r"(f) : "r"(&sums[0]) : "memory");
        asm volatile("1: lr.w %0, (%2); addiw %0, %0, 1; sc.w %1, %0, (%2); bnez %1, 1b"
                     : "=&r"(t), "=&r"(f) : "r"(&sums[1]) : "memory");
        __atomic_fetch_add(&sums[2], 1, __ATOMIC_RELAXED);
        __atomic_fetch_add((volatile u32 *)&sums[3], 1, __ATOMIC_RELAXED);
        /* The greatest of all. */
        asm volatile("amomaxu.d x0, %0, (%1)" :: "r"((u64)i), "r"(&sums[4]) : "memory");
        /* Sixteen bytes at once: two counters that are always equal. */
        register u64 low asm("t3"), high asm("t4"), new_low asm("a2"), new_high asm("a3");
        register volatile u64 *at asm("a0") = pair;
        do {
            u64 want_low = low = pair[0];
            u64 want_high = high = pair[1];
            new_low = low + 1;
            new_high = high + 1;
            asm volatile(".word 0x28C54E2F"          /* amocas.q t3, a2, (a0) */
                         : "+r"(low), "+r"(high) : "r"(new_low), "r"(new_high), "r"(at) : "memory");
            if (low == want_low && high == want_high)
                break;
        } while (1);
        REQUIRE(low == high);
        /* A ticket lock. */
        u64 mine = __atomic_fetch_add(&next_ticket, 1, __ATOMIC_RELAXED);
        while (__atomic_load_n(&now_serving, __ATOMIC_ACQUIRE) != mine)
            asm volatile(".word 0x0100000F" ::: "memory");
        held++;
        __atomic_store_n(&now_serving, mine + 1, __ATOMIC_RELEASE);
    }
}

static void everybody(u64 hart)
{
    shape(MESSAGE, hart);
    shape(STORE_BUFFER, hart);
    shape(SWAP_BUFFER, hart);
    shape(RESERVE_BUFFER, hart);
    shape(LOAD_BUFFER, hart);
    shape(IRIW, hart);
    barrier();
    count();
    barrier();
}

void hart_main(u64 hart)
{
    if (hart < HARTS)
        everybody(hart);
}

int main(void)
{
    everybody(0);
    EQ(failed_line, 0);
    EQ(sums[0], HARTS * ROUNDS);
    EQ(sums[1], HARTS * ROUNDS);
    EQ(sums[2], HARTS * ROUNDS);
    EQ(sums[3], HARTS * ROUNDS);
    EQ(sums[4], ROUNDS - 1);
    EQ(pair[0], HARTS * ROUNDS);
    EQ(pair[1], HARTS * ROUNDS);
    EQ(held, HARTS * ROUNDS);
    return 0;
}
