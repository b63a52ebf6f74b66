/* A 64-bit hash of a page. It only finds candidates, whose bytes are then compared; the seed is secret to the process, so
 * that a guest cannot make pages that all fall together.
 */
#ifndef VMCORE_GC_PAGEHASH_H
#define VMCORE_GC_PAGEHASH_H

#include <stdint.h>
#include <string.h>

static inline uint64_t page_fold(uint64_t a, uint64_t b)
{
    __uint128_t wide = (__uint128_t)a * b;
    return (uint64_t)wide ^ (uint64_t)(wide >> 64);
}

/* Two chains that do not wait for each other, of products of 64 bits folded in half. */
static inline uint64_t page_hash(const uint8_t *page, const uint64_t seed[4])
{
    uint64_t left = seed[0], right = seed[1], word[4];
    for (int i = 0; i < 4096; i += 32) {
        memcpy(word, page + i, sizeof word);
        left = page_fold(left ^ word[0], seed[2] ^ word[1]);
        right = page_fold(right ^ word[2], seed[3] ^ word[3]);
    }
    return page_fold(left ^ seed[3], right ^ seed[2]);
}

static inline int page_is_zero(const uint8_t *page)
{
    uint64_t word[8], any = 0;
    for (int i = 0; i < 4096 && !any; i += 64) {
        memcpy(word, page + i, sizeof word);
        any = word[0] | word[1] | word[2] | word[3] | word[4] | word[5] | word[6] | word[7];
    }
    return !any;
}

#endif
