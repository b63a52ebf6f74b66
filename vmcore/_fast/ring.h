/* A bounded queue for any number of producers and consumers, without locks: a ring of cells, each with a sequence
 * number that says whose turn it is (after D. Vyukov's bounded MPMC queue), and an event count for those who wait.
 *
 * The cell of position p (number p & mask) holds turn p when it is free for the producer of p, p + 1 when it holds the
 * record of p, and p + capacity when the consumer of p has taken it, which is "free" for the next round. Positions
 * never wrap: at 10**9 records a second 63 bits last for 292 years. The top bit of `tail` says that the queue is closed.
 *
 * Why this is right, and what checks it: docs/explanation/ring.md, tests/models/ring.pml, tests/fast/test_ring_model.py.
 * Comments that begin with ORDER are the ones that the checkers break on purpose.
 */
#ifndef VMCORE_RING_H
#define VMCORE_RING_H

#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "atomics.h"

#define VMCORE_RING_CLOSED ((uint64_t)1 << 63)
#define VMCORE_RING_FOREVER UINT64_MAX
/* About two microseconds: what falling asleep and being woken costs. */
#define VMCORE_RING_SPINS 64
#define VMCORE_RING_NAP_NS 1000000u

#define vmcore_always_inline static inline __attribute__((always_inline))

/* Two lines apart: some processors fetch cache lines in pairs. */
#define VMCORE_RING_APART 128

/* One end of the queue, as those who wait at it see it. */
typedef struct {
    uint32_t sleepers;       /* threads that sleep, or are about to */
    uint32_t news;           /* changes whenever one of them has to look again; the futex */
} VmRingDoor;

/* Everybody reads the first lines and nearly nobody writes them; producers write `tail` and consumers `head`. */
typedef struct {
    unsigned char *cells;
    uint64_t mask;
    uint64_t words;          /* 64-bit words of a record */
    VmRingDoor filled;       /* consumers wait here */
    VmRingDoor freed;        /* producers wait here */
    void *block;             /* what the cells lie in */
    unsigned char apart0[VMCORE_RING_APART - 48];
    uint64_t tail;           /* next position to fill, and whether the queue is closed */
    unsigned char apart1[VMCORE_RING_APART - 8];
    uint64_t head;           /* next position to take */
    unsigned char apart2[VMCORE_RING_APART - 8];
} VmRing;

typedef struct {
    uint64_t turn;
    uint64_t record[1];      /* `words` of them */
} VmRingCell;

typedef enum { VMCORE_RING_READY, VMCORE_RING_ENDED, VMCORE_RING_LATE, VMCORE_RING_INTERRUPTED } VmRingWait;

vmcore_always_inline uint64_t vmcore_ring_peek(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
vmcore_always_inline uint64_t vmcore_ring_load(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
vmcore_always_inline void vmcore_ring_show(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
/* On failure `expected` becomes what is there. `alone`: some lock keeps all others from moving the word, which saves half
 * of the time of a push. */
vmcore_always_inline int vmcore_ring_claim(uint64_t *p, uint64_t *expected, uint64_t v, int alone)
{
    if (alone) {
        __atomic_store_n(p, v, __ATOMIC_RELAXED);
        return 1;
    }
    return __atomic_compare_exchange_n(p, expected, v, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

vmcore_always_inline VmRingCell *vmcore_ring_cell(const VmRing *ring, uint64_t at, uint64_t words)
{
    return (VmRingCell *)(ring->cells + (at & ring->mask) * (8 + 8 * words));
}

/* --- making one */

/* Bytes of the block for `size` cells (a power of two); it is one line more than they are, so that they can begin on
 * a line of their own. */
static inline uint64_t vmcore_ring_bytes(uint64_t size, uint64_t words) { return size * (8 + 8 * words) + 64; }

/* Make a ring of `size` cells in `block`, zeroed. Nobody else knows it yet. */
static inline void vmcore_ring_lay_out(VmRing *ring, void *block, uint64_t size, uint64_t words)
{
    memset(ring, 0, sizeof *ring);
    ring->block = block;
    ring->cells = (unsigned char *)(((uintptr_t)block + 63) & ~(uintptr_t)63);
    ring->mask = size - 1;
    ring->words = words;
    for (uint64_t i = 0; i < size; i++)
        vmcore_ring_cell(ring, i, words)->turn = i;
}

/* --- waking */

__attribute__((noinline, unused)) static void vmcore_ring_wake(VmRingDoor *door, uint64_t most)
{
    int n = most < INT32_MAX ? (int)most : INT32_MAX;
    /* ORDER: release; who reads the changed word sees why it was changed. */
    __atomic_fetch_add(&door->news, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &door->news, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* `n` cells have changed; is there somebody who waits for that? */
vmcore_always_inline void vmcore_ring_tell(VmRingDoor *door, uint64_t n)
{
    /* ORDER: the turns are stored before the sleepers are counted. The processor may do it the other way round, and a
     * fence here would double the price of a push; the sleeper pays for both sides instead (vmcore_ring_heavy_fence).
     * This one only holds the compiler. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (vmcore_unlikely(__atomic_load_n(&door->sleepers, __ATOMIC_RELAXED)))
        vmcore_ring_wake(door, n);
}

/* --- push and pop; `words` is a constant wherever it can be, and `alone` (see vmcore_ring_claim) always is */

/* How many of `n` records were added, from the first on, together. 0: full, or closed. */
vmcore_always_inline uint64_t vmcore_ring_push(VmRing *ring, const void *records, uint64_t n, uint64_t words,
                                              int alone)
{
    /* ORDER: relaxed; a stale position only makes the claim below fail. */
    uint64_t at = vmcore_ring_peek(&ring->tail);
    const unsigned char *from = (const unsigned char *)records;
    while (n) {
        uint64_t free = 0;
        int64_t late;
        do {
            /* ORDER: acquire; the consumer that freed the cell has read the old record before we overwrite it. */
            late = (int64_t)(vmcore_ring_load(&vmcore_ring_cell(ring, at + free, words)->turn) - (at + free));
        } while (vmcore_likely(late == 0) && ++free < n && free <= ring->mask);
        if (vmcore_unlikely(free == 0)) {
            /* Closed (no turn is equal to a position with the top bit), full, or another producer was faster. */
            uint64_t now = vmcore_ring_peek(&ring->tail);
            if ((at & VMCORE_RING_CLOSED) || (late < 0 && now == at))
                return 0;
            at = now;
            continue;
        }
        /* A free cell changes only by the producer that owns its position; while the tail is `at`, nobody does.
         * ORDER: relaxed; the claim decides who writes, the cells' turns publish what was written. */
        if (vmcore_unlikely(!vmcore_ring_claim(&ring->tail, &at, at + free, alone)))
            continue;
        for (uint64_t i = 0; i < free; i++) {
            VmRingCell *cell = vmcore_ring_cell(ring, at + i, words);
            memcpy(cell->record, from + 8 * words * i, 8 * words);
            /* ORDER: release; the record is written before this store shows it to consumers. */
            vmcore_ring_show(&cell->turn, at + i + 1);
        }
        vmcore_ring_tell(&ring->filled, free);
        return free;
    }
    return 0;
}

/* How many records, at most `n`, were taken: those that follow each other. 0: empty. */
vmcore_always_inline uint64_t vmcore_ring_pop(VmRing *ring, void *records, uint64_t n, uint64_t words, int alone)
{
    /* ORDER: relaxed; a stale position only makes the claim below fail. */
    uint64_t at = vmcore_ring_peek(&ring->head);
    unsigned char *to = (unsigned char *)records;
    while (n) {
        uint64_t ready = 0;
        int64_t late;
        do {
            /* ORDER: acquire; what the producer wrote before it showed this turn is visible from here on. */
            late = (int64_t)(vmcore_ring_load(&vmcore_ring_cell(ring, at + ready, words)->turn) - (at + ready + 1));
        } while (vmcore_likely(late == 0) && ++ready < n && ready <= ring->mask);
        if (vmcore_unlikely(ready == 0)) {
            uint64_t now = vmcore_ring_peek(&ring->head);
            if (late < 0 && now == at)
                return 0;
            at = now;
            continue;
        }
        /* ORDER: relaxed; the claim decides who reads. The records were acquired above, cell by cell. */
        if (vmcore_unlikely(!vmcore_ring_claim(&ring->head, &at, at + ready, alone)))
            continue;
        for (uint64_t i = 0; i < ready; i++) {
            VmRingCell *cell = vmcore_ring_cell(ring, at + i, words);
            memcpy(to + 8 * words * i, cell->record, 8 * words);
            /* ORDER: release; the record is read before this store gives the cell to the next round's producers. */
            vmcore_ring_show(&cell->turn, at + i + ring->mask + 1);
        }
        vmcore_ring_tell(&ring->freed, ready);
        return ready;
    }
    return 0;
}

/* The same for a ring whose records have any size: the usual ones get code of their own. */
static inline uint64_t vmcore_ring_push_any(VmRing *ring, const void *records, uint64_t n)
{
    switch (ring->words) {
    case 1: return vmcore_ring_push(ring, records, n, 1, 0);
    case 2: return vmcore_ring_push(ring, records, n, 2, 0);
    case 4: return vmcore_ring_push(ring, records, n, 4, 0);
    case 8: return vmcore_ring_push(ring, records, n, 8, 0);
    default: return vmcore_ring_push(ring, records, n, ring->words, 0);
    }
}

static inline uint64_t vmcore_ring_pop_any(VmRing *ring, void *records, uint64_t n)
{
    switch (ring->words) {
    case 1: return vmcore_ring_pop(ring, records, n, 1, 0);
    case 2: return vmcore_ring_pop(ring, records, n, 2, 0);
    case 4: return vmcore_ring_pop(ring, records, n, 4, 0);
    case 8: return vmcore_ring_pop(ring, records, n, 8, 0);
    default: return vmcore_ring_pop(ring, records, n, ring->words, 0);
    }
}

/* --- looking */

static inline uint64_t vmcore_ring_count(const VmRing *ring)
{
    /* The head is read first: it never passes the tail, so the difference is no underflow. */
    uint64_t head = vmcore_ring_load(&ring->head);
    uint64_t count = (vmcore_ring_load(&ring->tail) & ~VMCORE_RING_CLOSED) - head;
    /* Between the two reads others may have moved both. */
    return count <= ring->mask ? count : ring->mask + 1;
}

static inline int vmcore_ring_closed(const VmRing *ring)
{
    return (vmcore_ring_load(&ring->tail) & VMCORE_RING_CLOSED) != 0;
}

/* Closed, and every record was taken: nothing will ever come again. */
static inline int vmcore_ring_drained(const VmRing *ring)
{
    /* ORDER: acquire, and the tail first; a closed tail stands still, and the head follows it. */
    uint64_t tail = vmcore_ring_load(&ring->tail);
    return (tail & VMCORE_RING_CLOSED) != 0 && vmcore_ring_load(&ring->head) == (tail & ~VMCORE_RING_CLOSED);
}

static inline void vmcore_ring_close(VmRing *ring)
{
    /* Producers claim positions by compare-and-swap on this word, so none succeeds once the bit is there. */
    __atomic_fetch_or(&ring->tail, VMCORE_RING_CLOSED, __ATOMIC_ACQ_REL);
    /* Whoever goes to sleep reads `news`, then the bit; whoever wakes looks at the bit again. */
    vmcore_ring_wake(&ring->filled, INT32_MAX);
    vmcore_ring_wake(&ring->freed, INT32_MAX);
}

/* --- waiting */

static inline uint64_t vmcore_ring_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void vmcore_ring_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#endif
}

/* A full fence in every thread of this process: membarrier(2), private and expedited. False where the kernel (or a
 * filter in front of it) has none. */
static int vmcore_ring_heavy_fence(void)
{
    enum { EXPEDITED = 1 << 3, REGISTER = 1 << 4 };
    if (syscall(SYS_membarrier, EXPEDITED, 0, 0) == 0)
        return 1;
    /* EPERM: this process, or the one it was forked from, has not said yet that it will ask. */
    return errno == EPERM && syscall(SYS_membarrier, REGISTER, 0, 0) == 0 && syscall(SYS_membarrier, EXPEDITED, 0, 0) == 0;
}

/* May a pop (or a push) be worth trying? */
vmcore_always_inline VmRingWait vmcore_ring_look(VmRing *ring, VmRingDoor *door)
{
    int popping = door == &ring->filled;
    uint64_t at = vmcore_ring_peek(popping ? &ring->head : &ring->tail);
    if (!popping && (at & VMCORE_RING_CLOSED))
        return VMCORE_RING_ENDED;
    /* A turn that is too late means that the position was an old one: trying finds the new one. */
    if ((int64_t)(vmcore_ring_load(&vmcore_ring_cell(ring, at, ring->words)->turn) - (at + popping)) >= 0)
        return VMCORE_RING_READY;
    return popping && vmcore_ring_drained(ring) ? VMCORE_RING_ENDED : VMCORE_RING_LATE;
}

/* Wait until a pop (door `filled`) or a push (door `freed`) is worth trying: READY; until it never will be again:
 * ENDED; until `deadline`, in nanoseconds of the monotonic clock: LATE; or until a signal: INTERRUPTED. READY is no
 * promise: another thread may be faster. The caller tries in every case, and calls vmcore_ring_pass_on when it is done.
 */
static VmRingWait vmcore_ring_await(VmRing *ring, VmRingDoor *door, uint64_t deadline)
{
    VmRingWait seen;
    for (int i = 0; i < VMCORE_RING_SPINS; i++) {
        if ((seen = vmcore_ring_look(ring, door)) != VMCORE_RING_LATE)
            return seen;
        vmcore_ring_pause();
    }
    __atomic_fetch_add(&door->sleepers, 1, __ATOMIC_SEQ_CST);
    /* ORDER: acquire, and before the look; what is told later changes the word, and then nobody falls asleep on it. */
    uint32_t news = __atomic_load_n(&door->news, __ATOMIC_ACQUIRE);
    /* ORDER: we are counted before we look, and whoever changes a cell stores its turn before it counts. With a full
     * fence between the two in every thread, one of both sees the other. Without it we may miss a wake-up, and look
     * again soon instead. */
    int fenced = vmcore_ring_heavy_fence();
    seen = vmcore_ring_look(ring, door);
    if (seen == VMCORE_RING_LATE) {
        uint64_t soon = fenced ? VMCORE_RING_FOREVER : vmcore_ring_now() + VMCORE_RING_NAP_NS;
        uint64_t until = deadline < soon ? deadline : soon;
        struct timespec time;
        time.tv_sec = (time_t)(until / 1000000000u);
        time.tv_nsec = (long)(until % 1000000000u);
        long failed = syscall(SYS_futex, &door->news, FUTEX_WAIT_BITSET_PRIVATE, news,
                              until == VMCORE_RING_FOREVER ? NULL : &time, NULL, FUTEX_BITSET_MATCH_ANY);
        if (!failed || errno == EAGAIN || (errno == ETIMEDOUT && until != deadline))
            seen = VMCORE_RING_READY;
        else if (errno == EINTR)
            seen = VMCORE_RING_INTERRUPTED;
    }
    __atomic_fetch_sub(&door->sleepers, 1, __ATOMIC_RELAXED);
    return seen;
}

/* Whoever has waited at a door calls this when it got something, or knows that it never will.
 *
 * Each change of a cell wakes as many as it lets in, but one that was woken may have to sleep again because an older
 * cell was not ready; when it then is, two may go on and one is told. So who goes through the door holds it open for
 * the next; and at the end, where nothing more is told, for all. */
static inline void vmcore_ring_pass_on(VmRing *ring, VmRingDoor *door)
{
    if (__atomic_load_n(&door->sleepers, __ATOMIC_RELAXED) == 0)
        return;
    if (vmcore_ring_closed(ring))
        vmcore_ring_wake(door, INT32_MAX);
    else if (vmcore_ring_look(ring, door) == VMCORE_RING_READY)
        vmcore_ring_wake(door, 1);
}

/* As vmcore_ring_push_any, but waits for room until `deadline`. 0: closed, or time is over. */
static inline uint64_t vmcore_ring_push_wait(VmRing *ring, const void *records, uint64_t n, uint64_t deadline)
{
    uint64_t done = vmcore_ring_push_any(ring, records, n);
    if (done || n == 0)
        return done;
    for (;;) {
        VmRingWait seen = vmcore_ring_await(ring, &ring->freed, deadline);
        done = vmcore_ring_push_any(ring, records, n);
        if (done || seen == VMCORE_RING_ENDED || seen == VMCORE_RING_LATE) {
            vmcore_ring_pass_on(ring, &ring->freed);
            return done;
        }
    }
}

/* As vmcore_ring_pop_any, but waits for a record until `deadline`. 0: drained, or time is over. */
static inline uint64_t vmcore_ring_pop_wait(VmRing *ring, void *records, uint64_t n, uint64_t deadline)
{
    uint64_t done = vmcore_ring_pop_any(ring, records, n);
    if (done || n == 0)
        return done;
    for (;;) {
        VmRingWait seen = vmcore_ring_await(ring, &ring->filled, deadline);
        done = vmcore_ring_pop_any(ring, records, n);
        if (done || seen == VMCORE_RING_ENDED || seen == VMCORE_RING_LATE) {
            vmcore_ring_pass_on(ring, &ring->filled);
            return done;
        }
    }
}

#endif
