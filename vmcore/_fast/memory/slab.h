/* What the allocator needs from C: relaxed words, atomic marks, bit counting, locks, one variable a thread.
 *
 * Words that another thread may read or mark while their owner works on them are relaxed atomics: on x86-64 and AArch64
 * these are ordinary loads and stores, and the compiler neither tears nor invents one.
 */
#ifndef VMCORE_SLAB_H
#define VMCORE_SLAB_H

#if defined(__GNUC__) && !defined(__clang__)
/* The fast paths are a few dozen bytes each: on cache lines of their own they take the same time in every build. */
#pragma GCC optimize("align-functions=64")
#endif

#include <pthread.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/mman.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define slab_peek(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define slab_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define slab_poke(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define slab_see(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define slab_show(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define slab_publish(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define slab_swap(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define slab_count(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define slab_claim(p, seen, v) \
    __atomic_compare_exchange_n((p), (seen), (v), 1, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)

/* Product of an offset and ceil(2**64 / size): the upper half is the quotient, and the lower half is below that factor
 * exactly where nothing remains (offset and size are small enough for both).
 */
static inline uint64_t slab_divide(uint64_t offset, uint64_t recip, uint64_t *rest)
{
    unsigned __int128 product = (unsigned __int128)offset * recip;
    *rest = (uint64_t)product;
    return (uint64_t)(product >> 64);
}

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define slab_little(v) __builtin_bswap64(v)
#else
#define slab_little(v) (v)
#endif

/* From one state of a cell to another, unless it has a third. */
static inline int slab_change(uint8_t *state, uint8_t from, uint8_t to)
{
    return __atomic_compare_exchange_n(state, &from, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Bit k of the result is bit `which` of byte k, for 64 bytes from a 64-byte boundary on. */
static inline uint64_t slab_row(const uint8_t *bytes, unsigned which)
{
    uint64_t row = 0;
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
    /* Bytes are read once and whole here too; the thread sanitizer would not know. */
#pragma GCC unroll 4
    for (unsigned k = 0; k < 64; k += 16) {
        __m128i some = _mm_load_si128((const __m128i *)(const void *)(bytes + k));
        row |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_slli_epi16(some, (int)(7 - which))) << k;
    }
#else
    for (unsigned k = 0; k < 64; k += 8) {
        uint64_t eight = slab_little(slab_peek((const uint64_t *)(const void *)(bytes + k)));
        /* Each factor moves one byte's bit to its place in the highest byte; no two of the 64 meet. */
        row |= ((eight >> which & 0x0101010101010101u) * 0x0102040810204080u >> 56) << k;
    }
#endif
    return row;
}

/* The first byte from `start` on that is not zero; `end` when there is none. Eight at a time, from an 8-byte boundary
 * on: bytes before `start` are zero, and `end` is a multiple of 8.
 */
static inline uint32_t slab_first(const uint8_t *bytes, uint32_t start, uint32_t end)
{
    for (start &= ~7u; start < end; start += 8) {
        uint64_t eight = slab_little(slab_peek((const uint64_t *)(const void *)(bytes + start)));
        if (eight)
            return start + ((uint32_t)__builtin_ctzll(eight) >> 3);
    }
    return end;
}

#define slab_lowest(v) ((uint64_t)__builtin_ctzll(v))
#define slab_bits(v) ((uint64_t)__builtin_popcountll(v))

/* With glibc a module that is loaded late may still place a word at a fixed distance from the thread pointer (there is
 * room kept for that); elsewhere the loader would refuse the module, and a call finds the word.
 */
#ifdef __GLIBC__
#define SLAB_TLS static __thread __attribute__((tls_model("initial-exec")))
#else
#define SLAB_TLS static __thread
#endif

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

#endif
