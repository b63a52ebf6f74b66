/* The few atomic operations and the invariant check that every compiled module shares.
 *
 * Relaxed accesses of the access's own width are how guest memory is touched: a racing guest gets torn values at
 * most between its own accesses, and the host compiler sees no data race.
 */
#ifndef VMCORE_ATOMICS_H
#define VMCORE_ATOMICS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef VMCORE_DEBUG
#define VMCORE_ASSERT(c)                                                                  \
    do {                                                                                  \
        if (!(c)) {                                                                       \
            fprintf(stderr, "vmcore: broken invariant %s at %s:%d\n", #c, __FILE__, __LINE__); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)
#define VMCORE_SWITCH_LOOP 1
#else
#define VMCORE_ASSERT(c) ((void)0)
#ifndef VMCORE_SWITCH_LOOP
#define VMCORE_SWITCH_LOOP 0
#endif
#endif

#define NO_DEADLINE UINT64_MAX

#define vmcore_likely(c) __builtin_expect(!!(c), 1)
#define vmcore_unlikely(c) __builtin_expect(!!(c), 0)

#define vmcore_or64(p, v) __atomic_fetch_or((uint64_t *)(p), (uint64_t)(v), __ATOMIC_ACQ_REL)
#define vmcore_and64(p, v) __atomic_fetch_and((uint64_t *)(p), (uint64_t)(v), __ATOMIC_ACQ_REL)
#define vmcore_load64(p) __atomic_load_n((uint64_t *)(p), __ATOMIC_ACQUIRE)
#define vmcore_load32(p) __atomic_load_n((uint32_t *)(p), __ATOMIC_ACQUIRE)
#define vmcore_store64(p, v) __atomic_store_n((uint64_t *)(p), (uint64_t)(v), __ATOMIC_RELEASE)
#define vmcore_store32(p, v) __atomic_store_n((uint32_t *)(p), (uint32_t)(v), __ATOMIC_RELEASE)

/* A byte of flags that several harts change. Sequentially consistent: of two that each set a flag and then look for the
 * other's, at least one sees it (ram.pxd relies on that). */
#define vmcore_or8(p, v) __atomic_fetch_or((uint8_t *)(p), (uint8_t)(v), __ATOMIC_SEQ_CST)
#define vmcore_and8(p, v) __atomic_fetch_and((uint8_t *)(p), (uint8_t)(v), __ATOMIC_SEQ_CST)

/* Counts that several harts change. */
#define vmcore_add32(p, n) __atomic_fetch_add((uint32_t *)(p), (uint32_t)(n), __ATOMIC_ACQ_REL)
#define vmcore_add64(p, n) __atomic_fetch_add((uint64_t *)(p), (uint64_t)(n), __ATOMIC_ACQ_REL)

/* A word that one side sets before it looks at another word, which the other side sets before it looks at this one:
 * sequentially consistent, so that at least one of them sees what the other has set. */
#define vmcore_swap32(p, v) __atomic_exchange_n((uint32_t *)(p), (uint32_t)(v), __ATOMIC_SEQ_CST)
#define vmcore_look32(p) __atomic_load_n((uint32_t *)(p), __ATOMIC_SEQ_CST)
#define vmcore_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* The word becomes v if that is more: a clock that several threads bring up to date never goes back. */
static inline void vmcore_raise64(uint64_t *word, uint64_t v)
{
    uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);
    while (old < v && !__atomic_compare_exchange_n(word, &old, v, 1, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ;
}

/* A lock for a few hundred instructions, or a system call at most: who waits spins, then gives way. */
#include <sched.h>
static inline void vmcore_lock(uint32_t *lock)
{
    int spins = 0;
    /* ORDER: acquire: what the last holder wrote is seen behind this line. */
    while (__atomic_exchange_n(lock, 1u, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(lock, __ATOMIC_RELAXED))
            if (++spins > 200) sched_yield();
}
/* ORDER: release: what was written under the lock is there before it is free. */
static inline void vmcore_unlock(uint32_t *lock) { __atomic_store_n(lock, 0u, __ATOMIC_RELEASE); }

#endif
