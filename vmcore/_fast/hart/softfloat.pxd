# IEEE 754 arithmetic in software for binary16, binary32 and binary64, with the choices that RISC-V makes: canonical
# NaNs, tininess after rounding, saturating conversions, minimum and maximum that prefer a number to a NaN.
#
# A number is a bit pattern in the low bits of a uint64_t; higher bits must be zero (the caller has checked the NaN
# box). `rm` is a value of softcore.Rounding, nothing else. Exceptions are or-ed into *flags as bits of fflags.
# Integers are as an x register holds them: 32-bit ones sign-extended, the unsigned ones too.

from libc.stdint cimport uint32_t, uint64_t


# binary16
cdef uint64_t f16_add(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_sub(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_mul(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_div(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_sqrt(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_fma(uint64_t a, uint64_t b, uint64_t c, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_min(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f16_max(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f16_minm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f16_maxm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f16_eq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f16_lt(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f16_ltq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f16_le(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f16_leq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f16_classify(uint64_t a) noexcept nogil
cdef uint64_t f16_round(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_roundnx(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_to_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_to_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_to_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_to_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_from_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_from_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_from_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_from_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_to_f32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f16_to_f64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil

# binary32
cdef uint64_t f32_add(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_sub(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_mul(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_div(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_sqrt(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_fma(uint64_t a, uint64_t b, uint64_t c, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_min(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f32_max(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f32_minm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f32_maxm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f32_eq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f32_lt(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f32_ltq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f32_le(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f32_leq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f32_classify(uint64_t a) noexcept nogil
cdef uint64_t f32_round(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_roundnx(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_to_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_to_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_to_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_to_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_from_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_from_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_from_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_from_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_to_f16(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f32_to_f64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil

# binary64
cdef uint64_t f64_add(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_sub(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_mul(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_div(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_sqrt(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_fma(uint64_t a, uint64_t b, uint64_t c, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_min(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f64_max(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f64_minm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f64_maxm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f64_eq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f64_lt(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f64_ltq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f64_le(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f64_leq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil
cdef uint64_t f64_classify(uint64_t a) noexcept nogil
cdef uint64_t f64_round(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_roundnx(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_to_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_to_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_to_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_to_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_from_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_from_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_from_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_from_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_to_f16(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil
cdef uint64_t f64_to_f32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil

# The integer part modulo 2**32, sign-extended (fcvtmod.w.d); raises what f64_to_i32 with RTZ would.
cdef uint64_t f64_to_i32_mod(uint64_t a, uint32_t *flags) noexcept nogil
