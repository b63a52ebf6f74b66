/* Atomic words of the managed heap, and the few host services that its threads need.
 *
 * Names without a suffix are relaxed: they are for words whose order somebody else guarantees. `_acq` and `_rel` pair up;
 * the place of use says what they publish.
 */
#ifndef VMCORE_GC_ORDER_H
#define VMCORE_GC_ORDER_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

#define gc_load8(p) __atomic_load_n((uint8_t *)(p), __ATOMIC_RELAXED)
#define gc_load8_acq(p) __atomic_load_n((uint8_t *)(p), __ATOMIC_ACQUIRE)
#define gc_load32(p) __atomic_load_n((uint32_t *)(p), __ATOMIC_RELAXED)
#define gc_load64(p) __atomic_load_n((uint64_t *)(p), __ATOMIC_RELAXED)
#define gc_store8(p, v) __atomic_store_n((uint8_t *)(p), (uint8_t)(v), __ATOMIC_RELAXED)
#define gc_store32(p, v) __atomic_store_n((uint32_t *)(p), (uint32_t)(v), __ATOMIC_RELAXED)
#define gc_store64(p, v) __atomic_store_n((uint64_t *)(p), (uint64_t)(v), __ATOMIC_RELAXED)
#define gc_store8_rel(p, v) __atomic_store_n((uint8_t *)(p), (uint8_t)(v), __ATOMIC_RELEASE)
#define gc_load32_acq(p) __atomic_load_n((uint32_t *)(p), __ATOMIC_ACQUIRE)
#define gc_store32_rel(p, v) __atomic_store_n((uint32_t *)(p), (uint32_t)(v), __ATOMIC_RELEASE)
#define gc_load64_acq(p) __atomic_load_n((uint64_t *)(p), __ATOMIC_ACQUIRE)
#define gc_store64_rel(p, v) __atomic_store_n((uint64_t *)(p), (uint64_t)(v), __ATOMIC_RELEASE)
#define gc_load_ptr(p) __atomic_load_n((void **)(p), __ATOMIC_ACQUIRE)
#define gc_store_ptr(p, v) __atomic_store_n((void **)(p), (void *)(v), __ATOMIC_RELEASE)
#define gc_or64(p, v) __atomic_fetch_or((uint64_t *)(p), (uint64_t)(v), __ATOMIC_ACQ_REL)
#define gc_and64(p, v) __atomic_fetch_and((uint64_t *)(p), (uint64_t)(v), __ATOMIC_RELAXED)
#define gc_add32(p, v) __atomic_fetch_add((uint32_t *)(p), (uint32_t)(v), __ATOMIC_ACQ_REL)
#define gc_add64(p, v) __atomic_fetch_add((uint64_t *)(p), (uint64_t)(v), __ATOMIC_RELAXED)
#define gc_swap64(p, v) __atomic_exchange_n((uint64_t *)(p), (uint64_t)(v), __ATOMIC_ACQ_REL)
/* On failure `expected` becomes what is there. */
#define gc_cas32(p, expected, v) \
    __atomic_compare_exchange_n((uint32_t *)(p), (expected), (uint32_t)(v), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define gc_cas64(p, expected, v) \
    __atomic_compare_exchange_n((uint64_t *)(p), (expected), (uint64_t)(v), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

#define gc_prefetch(p) __builtin_prefetch((p), 0, 3)
#define gc_popcount(v) ((uint32_t)__builtin_popcountll(v))
#define gc_lowest_bit(v) ((uint32_t)__builtin_ctzll(v))
#define gc_highest_bit(v) (63u - (uint32_t)__builtin_clzll(v))

static inline uint64_t gc_clock(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Time of this thread on a CPU: what others do to the host is not in it. */
static inline uint64_t gc_cpu_ns(void) { return gc_clock(CLOCK_THREAD_CPUTIME_ID); }
static inline uint64_t gc_wall_ns(void) { return gc_clock(CLOCK_MONOTONIC); }

static inline void gc_nap(uint32_t us)
{
    struct timespec t = {0, (long)us * 1000};
    nanosleep(&t, NULL);
}

/* A thread that no signal is delivered to: Python's handlers belong to Python's threads. */
static inline int gc_thread(pthread_t *thread, void *(*run)(void *), void *argument)
{
    sigset_t all, before;
    int failed;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

#endif
