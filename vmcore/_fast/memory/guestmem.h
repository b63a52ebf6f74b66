/* Guest memory as the compiled core touches it: one host access of the guest access's own width.
 *
 * The types may alias anything and need no alignment, so one definition serves misaligned accesses too; volatile
 * keeps the compiler from splitting, repeating or merging an access (what C11 calls relaxed, for such types).
 */
#ifndef VMCORE_GUESTMEM_H
#define VMCORE_GUESTMEM_H

#include <stdint.h>

#define VMCORE_GUEST_TYPE(bits)                                                                             \
    typedef uint##bits##_t __attribute__((aligned(1), may_alias)) vmcore_g##bits;                           \
    static inline uint##bits##_t gld##bits(uint64_t hva) { return *(volatile vmcore_g##bits *)hva; }         \
    static inline void gst##bits(uint64_t hva, uint##bits##_t v) { *(volatile vmcore_g##bits *)hva = v; }

VMCORE_GUEST_TYPE(8)
VMCORE_GUEST_TYPE(16)
VMCORE_GUEST_TYPE(32)
VMCORE_GUEST_TYPE(64)

/* Atomic read-modify-write of naturally aligned guest memory, sequentially consistent (stronger than aq+rl). */
#define VMCORE_GUEST_AMO(bits)                                                                              \
    static inline uint##bits##_t gswap##bits(uint64_t hva, uint##bits##_t v)                                \
    { return __atomic_exchange_n((uint##bits##_t *)hva, v, __ATOMIC_SEQ_CST); }                             \
    static inline uint##bits##_t gadd##bits(uint64_t hva, uint##bits##_t v)                                 \
    { return __atomic_fetch_add((uint##bits##_t *)hva, v, __ATOMIC_SEQ_CST); }                              \
    static inline uint##bits##_t gand##bits(uint64_t hva, uint##bits##_t v)                                 \
    { return __atomic_fetch_and((uint##bits##_t *)hva, v, __ATOMIC_SEQ_CST); }                              \
    static inline uint##bits##_t gor##bits(uint64_t hva, uint##bits##_t v)                                  \
    { return __atomic_fetch_or((uint##bits##_t *)hva, v, __ATOMIC_SEQ_CST); }                               \
    static inline uint##bits##_t gxor##bits(uint64_t hva, uint##bits##_t v)                                 \
    { return __atomic_fetch_xor((uint##bits##_t *)hva, v, __ATOMIC_SEQ_CST); }                              \
    static inline uint##bits##_t gmin##bits(uint64_t hva, uint##bits##_t v, int is_signed, int want_max)    \
    {                                                                                                       \
        uint##bits##_t old = __atomic_load_n((uint##bits##_t *)hva, __ATOMIC_RELAXED), next;                 \
        do {                                                                                                \
            int less = is_signed ? (int##bits##_t)v < (int##bits##_t)old : v < old;                         \
            next = less != want_max ? v : old;                                                              \
        } while (!__atomic_compare_exchange_n((uint##bits##_t *)hva, &old, next, 1, __ATOMIC_SEQ_CST,       \
                                              __ATOMIC_RELAXED));                                           \
        return old;                                                                                         \
    }                                                                                                       \
    static inline uint##bits##_t gcas##bits(uint64_t hva, uint##bits##_t expect, uint##bits##_t v)          \
    {                                                                                                       \
        __atomic_compare_exchange_n((uint##bits##_t *)hva, &expect, v, 0, __ATOMIC_SEQ_CST,                 \
                                    __ATOMIC_SEQ_CST);                                                      \
        return expect;                                                                                      \
    }

VMCORE_GUEST_AMO(8)
VMCORE_GUEST_AMO(16)
VMCORE_GUEST_AMO(32)
VMCORE_GUEST_AMO(64)

/* Sixteen bytes become (low, high) if they are pair, which becomes what they were. Not `real`: the pair stands for two
 * zeros and nothing is written to it. What is not aligned is a copy that nobody else sees.
 */
static inline void gcas128(uint64_t hva, uint64_t *pair, int real, uint64_t low, uint64_t high)
{
    uint64_t old_low = real ? pair[0] : 0, old_high = real ? pair[1] : 0;
#if defined(__x86_64__)
    if ((hva & 15) == 0) {
        __asm__ volatile("lock cmpxchg16b %0"
                         : "+m"(*(unsigned __int128 *)hva), "+a"(old_low), "+d"(old_high)
                         : "b"(low), "c"(high)
                         : "cc", "memory");
    } else
#endif
    {
        uint64_t was_low = gld64(hva), was_high = gld64(hva + 8);
        if (was_low == old_low && was_high == old_high) {
            gst64(hva, low);
            gst64(hva + 8, high);
        }
        old_low = was_low;
        old_high = was_high;
    }
    if (real) {
        pair[0] = old_low;
        pair[1] = old_high;
    }
}

/* High halves of 64 x 64 -> 128 bit products. */
static inline uint64_t vmcore_mulhu(uint64_t a, uint64_t b) { return (uint64_t)(((unsigned __int128)a * b) >> 64); }
static inline uint64_t vmcore_mulh(int64_t a, int64_t b) { return (uint64_t)(((__int128)a * b) >> 64); }
static inline uint64_t vmcore_mulhsu(int64_t a, uint64_t b) { return (uint64_t)(((__int128)a * b) >> 64); }

#endif
