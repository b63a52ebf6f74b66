/* Bit tricks that gcc and clang turn into one or two machine instructions. */
#ifndef VMCORE_BITS_H
#define VMCORE_BITS_H

#include <stdint.h>

/* Number of leading / trailing zero bits. v != 0: the builtins are undefined for 0. */
static inline uint64_t vmcore_clz64(uint64_t v) { return (uint64_t)__builtin_clzll(v); }
static inline uint64_t vmcore_ctz64(uint64_t v) { return (uint64_t)__builtin_ctzll(v); }

static inline uint64_t vmcore_bswap64(uint64_t v) { return __builtin_bswap64(v); }

/* Written so that the compilers see a rotate; every n is allowed. */
static inline uint64_t vmcore_rol64(uint64_t v, uint64_t n) { return (v << (n & 63)) | (v >> (-n & 63)); }
static inline uint64_t vmcore_ror64(uint64_t v, uint64_t n) { return (v >> (n & 63)) | (v << (-n & 63)); }
static inline uint32_t vmcore_rol32(uint32_t v, uint32_t n) { return (v << (n & 31)) | (v >> (-n & 31)); }
static inline uint32_t vmcore_ror32(uint32_t v, uint32_t n) { return (v >> (n & 31)) | (v << (-n & 31)); }

#endif
