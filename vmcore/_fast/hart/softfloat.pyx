"""IEEE 754 arithmetic in software: binary16, binary32 and binary64 exactly as RISC-V wants them.

The arithmetic is in ``softcore.pxd``; here it becomes the functions of each format. :func:`op` lets tests call
every one of them by name.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from vmcore._fast.hart cimport softcore

cdef extern from "hart/inline_all.h":
    pass


# --- binary16: 5 exponent bits, 10 fraction bits -----------------------------------------------------------------


cdef uint64_t f16_add(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.add(a, b, rm, flags, 5, 10)


cdef uint64_t f16_sub(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.sub(a, b, rm, flags, 5, 10)


cdef uint64_t f16_mul(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.mul(a, b, rm, flags, 5, 10)


cdef uint64_t f16_div(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.div(a, b, rm, flags, 5, 10)


cdef uint64_t f16_sqrt(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.sqrt(a, rm, flags, 5, 10)


cdef uint64_t f16_fma(uint64_t a, uint64_t b, uint64_t c, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.fma(a, b, c, rm, flags, 5, 10)


cdef uint64_t f16_min(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, False, False, flags, 5, 10)


cdef uint64_t f16_max(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, True, False, flags, 5, 10)


cdef uint64_t f16_minm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, False, True, flags, 5, 10)


cdef uint64_t f16_maxm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, True, True, flags, 5, 10)


cdef uint64_t f16_eq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.eq(a, b, flags, 5, 10)


cdef uint64_t f16_lt(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.lt(a, b, False, flags, 5, 10)


cdef uint64_t f16_ltq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.lt(a, b, True, flags, 5, 10)


cdef uint64_t f16_le(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.le(a, b, False, flags, 5, 10)


cdef uint64_t f16_leq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.le(a, b, True, flags, 5, 10)


cdef uint64_t f16_classify(uint64_t a) noexcept nogil:
    return softcore.classify(a, 5, 10)


cdef uint64_t f16_round(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.integral(a, rm, False, flags, 5, 10)


cdef uint64_t f16_roundnx(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.integral(a, rm, True, flags, 5, 10)


cdef uint64_t f16_to_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 32, True, 5, 10)


cdef uint64_t f16_to_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 32, False, 5, 10)


cdef uint64_t f16_to_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 64, True, 5, 10)


cdef uint64_t f16_to_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 64, False, 5, 10)


cdef uint64_t f16_from_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_int(<int32_t>a, rm, flags, 5, 10)


cdef uint64_t f16_from_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_magnitude(0, <uint32_t>a, rm, flags, 5, 10)


cdef uint64_t f16_from_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_int(<int64_t>a, rm, flags, 5, 10)


cdef uint64_t f16_from_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_magnitude(0, a, rm, flags, 5, 10)


cdef uint64_t f16_to_f32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.convert(a, rm, flags, 5, 10, 8, 23)


cdef uint64_t f16_to_f64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.convert(a, rm, flags, 5, 10, 11, 52)


# --- binary32: 8 exponent bits, 23 fraction bits -----------------------------------------------------------------


cdef uint64_t f32_add(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.add(a, b, rm, flags, 8, 23)


cdef uint64_t f32_sub(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.sub(a, b, rm, flags, 8, 23)


cdef uint64_t f32_mul(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.mul(a, b, rm, flags, 8, 23)


cdef uint64_t f32_div(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.div(a, b, rm, flags, 8, 23)


cdef uint64_t f32_sqrt(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.sqrt(a, rm, flags, 8, 23)


cdef uint64_t f32_fma(uint64_t a, uint64_t b, uint64_t c, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.fma(a, b, c, rm, flags, 8, 23)


cdef uint64_t f32_min(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, False, False, flags, 8, 23)


cdef uint64_t f32_max(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, True, False, flags, 8, 23)


cdef uint64_t f32_minm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, False, True, flags, 8, 23)


cdef uint64_t f32_maxm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, True, True, flags, 8, 23)


cdef uint64_t f32_eq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.eq(a, b, flags, 8, 23)


cdef uint64_t f32_lt(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.lt(a, b, False, flags, 8, 23)


cdef uint64_t f32_ltq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.lt(a, b, True, flags, 8, 23)


cdef uint64_t f32_le(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.le(a, b, False, flags, 8, 23)


cdef uint64_t f32_leq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.le(a, b, True, flags, 8, 23)


cdef uint64_t f32_classify(uint64_t a) noexcept nogil:
    return softcore.classify(a, 8, 23)


cdef uint64_t f32_round(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.integral(a, rm, False, flags, 8, 23)


cdef uint64_t f32_roundnx(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.integral(a, rm, True, flags, 8, 23)


cdef uint64_t f32_to_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 32, True, 8, 23)


cdef uint64_t f32_to_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 32, False, 8, 23)


cdef uint64_t f32_to_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 64, True, 8, 23)


cdef uint64_t f32_to_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 64, False, 8, 23)


cdef uint64_t f32_from_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_int(<int32_t>a, rm, flags, 8, 23)


cdef uint64_t f32_from_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_magnitude(0, <uint32_t>a, rm, flags, 8, 23)


cdef uint64_t f32_from_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_int(<int64_t>a, rm, flags, 8, 23)


cdef uint64_t f32_from_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_magnitude(0, a, rm, flags, 8, 23)


cdef uint64_t f32_to_f16(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.convert(a, rm, flags, 8, 23, 5, 10)


cdef uint64_t f32_to_f64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.convert(a, rm, flags, 8, 23, 11, 52)


# --- binary64: 11 exponent bits, 52 fraction bits ----------------------------------------------------------------


cdef uint64_t f64_add(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.add(a, b, rm, flags, 11, 52)


cdef uint64_t f64_sub(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.sub(a, b, rm, flags, 11, 52)


cdef uint64_t f64_mul(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.mul(a, b, rm, flags, 11, 52)


cdef uint64_t f64_div(uint64_t a, uint64_t b, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.div(a, b, rm, flags, 11, 52)


cdef uint64_t f64_sqrt(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.sqrt(a, rm, flags, 11, 52)


cdef uint64_t f64_fma(uint64_t a, uint64_t b, uint64_t c, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.fma(a, b, c, rm, flags, 11, 52)


cdef uint64_t f64_min(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, False, False, flags, 11, 52)


cdef uint64_t f64_max(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, True, False, flags, 11, 52)


cdef uint64_t f64_minm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, False, True, flags, 11, 52)


cdef uint64_t f64_maxm(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.pick(a, b, True, True, flags, 11, 52)


cdef uint64_t f64_eq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.eq(a, b, flags, 11, 52)


cdef uint64_t f64_lt(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.lt(a, b, False, flags, 11, 52)


cdef uint64_t f64_ltq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.lt(a, b, True, flags, 11, 52)


cdef uint64_t f64_le(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.le(a, b, False, flags, 11, 52)


cdef uint64_t f64_leq(uint64_t a, uint64_t b, uint32_t *flags) noexcept nogil:
    return softcore.le(a, b, True, flags, 11, 52)


cdef uint64_t f64_classify(uint64_t a) noexcept nogil:
    return softcore.classify(a, 11, 52)


cdef uint64_t f64_round(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.integral(a, rm, False, flags, 11, 52)


cdef uint64_t f64_roundnx(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.integral(a, rm, True, flags, 11, 52)


cdef uint64_t f64_to_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 32, True, 11, 52)


cdef uint64_t f64_to_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 32, False, 11, 52)


cdef uint64_t f64_to_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 64, True, 11, 52)


cdef uint64_t f64_to_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.to_int(a, rm, flags, 64, False, 11, 52)


cdef uint64_t f64_from_i32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_int(<int32_t>a, rm, flags, 11, 52)


cdef uint64_t f64_from_u32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_magnitude(0, <uint32_t>a, rm, flags, 11, 52)


cdef uint64_t f64_from_i64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_int(<int64_t>a, rm, flags, 11, 52)


cdef uint64_t f64_from_u64(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.from_magnitude(0, a, rm, flags, 11, 52)


cdef uint64_t f64_to_f16(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.convert(a, rm, flags, 11, 52, 5, 10)


cdef uint64_t f64_to_f32(uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    return softcore.convert(a, rm, flags, 11, 52, 8, 23)


cdef uint64_t f64_to_i32_mod(uint64_t a, uint32_t *flags) noexcept nogil:
    cdef softcore.Number x = softcore.unpack(a, 11, 52)
    cdef uint64_t low
    # What raises invalid here is what saturates there.
    softcore.to_int(a, softcore.RTZ, flags, 32, True, 11, 52)
    if x.kind != softcore.FINITE or x.exp >= 52 + 32:
        return 0                                     # nothing finite, or a multiple of 2**32
    low = x.sig >> (softcore.LEAD - 52)
    if x.exp >= 52:
        low <<= x.exp - 52
    else:
        low = low >> (52 - x.exp) if x.exp >= 0 else 0
    if x.sign:
        low = 0 - low
    return <uint64_t><int64_t><int32_t>low


# --- by name, for tests -----------------------------------------------------------------------------------------

ctypedef uint64_t (*classify_t)(uint64_t) noexcept nogil
ctypedef uint64_t (*plain1_t)(uint64_t, uint32_t *) noexcept nogil
ctypedef uint64_t (*plain2_t)(uint64_t, uint64_t, uint32_t *) noexcept nogil
ctypedef uint64_t (*round1_t)(uint64_t, uint32_t, uint32_t *) noexcept nogil
ctypedef uint64_t (*round2_t)(uint64_t, uint64_t, uint32_t, uint32_t *) noexcept nogil
ctypedef uint64_t (*round3_t)(uint64_t, uint64_t, uint64_t, uint32_t, uint32_t *) noexcept nogil

# How a function is called: its operands, and whether it takes a rounding mode.
cdef enum:
    CLASSIFY
    PLAIN1
    PLAIN2
    ROUND1
    ROUND2
    ROUND3

FUNCTIONS = {
    "f16_add": (ROUND2, <size_t>&f16_add),
    "f16_sub": (ROUND2, <size_t>&f16_sub),
    "f16_mul": (ROUND2, <size_t>&f16_mul),
    "f16_div": (ROUND2, <size_t>&f16_div),
    "f16_sqrt": (ROUND1, <size_t>&f16_sqrt),
    "f16_fma": (ROUND3, <size_t>&f16_fma),
    "f16_min": (PLAIN2, <size_t>&f16_min),
    "f16_max": (PLAIN2, <size_t>&f16_max),
    "f16_minm": (PLAIN2, <size_t>&f16_minm),
    "f16_maxm": (PLAIN2, <size_t>&f16_maxm),
    "f16_eq": (PLAIN2, <size_t>&f16_eq),
    "f16_lt": (PLAIN2, <size_t>&f16_lt),
    "f16_ltq": (PLAIN2, <size_t>&f16_ltq),
    "f16_le": (PLAIN2, <size_t>&f16_le),
    "f16_leq": (PLAIN2, <size_t>&f16_leq),
    "f16_classify": (CLASSIFY, <size_t>&f16_classify),
    "f16_round": (ROUND1, <size_t>&f16_round),
    "f16_roundnx": (ROUND1, <size_t>&f16_roundnx),
    "f16_to_i32": (ROUND1, <size_t>&f16_to_i32),
    "f16_to_u32": (ROUND1, <size_t>&f16_to_u32),
    "f16_to_i64": (ROUND1, <size_t>&f16_to_i64),
    "f16_to_u64": (ROUND1, <size_t>&f16_to_u64),
    "f16_from_i32": (ROUND1, <size_t>&f16_from_i32),
    "f16_from_u32": (ROUND1, <size_t>&f16_from_u32),
    "f16_from_i64": (ROUND1, <size_t>&f16_from_i64),
    "f16_from_u64": (ROUND1, <size_t>&f16_from_u64),
    "f16_to_f32": (ROUND1, <size_t>&f16_to_f32),
    "f16_to_f64": (ROUND1, <size_t>&f16_to_f64),
    "f32_add": (ROUND2, <size_t>&f32_add),
    "f32_sub": (ROUND2, <size_t>&f32_sub),
    "f32_mul": (ROUND2, <size_t>&f32_mul),
    "f32_div": (ROUND2, <size_t>&f32_div),
    "f32_sqrt": (ROUND1, <size_t>&f32_sqrt),
    "f32_fma": (ROUND3, <size_t>&f32_fma),
    "f32_min": (PLAIN2, <size_t>&f32_min),
    "f32_max": (PLAIN2, <size_t>&f32_max),
    "f32_minm": (PLAIN2, <size_t>&f32_minm),
    "f32_maxm": (PLAIN2, <size_t>&f32_maxm),
    "f32_eq": (PLAIN2, <size_t>&f32_eq),
    "f32_lt": (PLAIN2, <size_t>&f32_lt),
    "f32_ltq": (PLAIN2, <size_t>&f32_ltq),
    "f32_le": (PLAIN2, <size_t>&f32_le),
    "f32_leq": (PLAIN2, <size_t>&f32_leq),
    "f32_classify": (CLASSIFY, <size_t>&f32_classify),
    "f32_round": (ROUND1, <size_t>&f32_round),
    "f32_roundnx": (ROUND1, <size_t>&f32_roundnx),
    "f32_to_i32": (ROUND1, <size_t>&f32_to_i32),
    "f32_to_u32": (ROUND1, <size_t>&f32_to_u32),
    "f32_to_i64": (ROUND1, <size_t>&f32_to_i64),
    "f32_to_u64": (ROUND1, <size_t>&f32_to_u64),
    "f32_from_i32": (ROUND1, <size_t>&f32_from_i32),
    "f32_from_u32": (ROUND1, <size_t>&f32_from_u32),
    "f32_from_i64": (ROUND1, <size_t>&f32_from_i64),
    "f32_from_u64": (ROUND1, <size_t>&f32_from_u64),
    "f32_to_f16": (ROUND1, <size_t>&f32_to_f16),
    "f32_to_f64": (ROUND1, <size_t>&f32_to_f64),
    "f64_add": (ROUND2, <size_t>&f64_add),
    "f64_sub": (ROUND2, <size_t>&f64_sub),
    "f64_mul": (ROUND2, <size_t>&f64_mul),
    "f64_div": (ROUND2, <size_t>&f64_div),
    "f64_sqrt": (ROUND1, <size_t>&f64_sqrt),
    "f64_fma": (ROUND3, <size_t>&f64_fma),
    "f64_min": (PLAIN2, <size_t>&f64_min),
    "f64_max": (PLAIN2, <size_t>&f64_max),
    "f64_minm": (PLAIN2, <size_t>&f64_minm),
    "f64_maxm": (PLAIN2, <size_t>&f64_maxm),
    "f64_eq": (PLAIN2, <size_t>&f64_eq),
    "f64_lt": (PLAIN2, <size_t>&f64_lt),
    "f64_ltq": (PLAIN2, <size_t>&f64_ltq),
    "f64_le": (PLAIN2, <size_t>&f64_le),
    "f64_leq": (PLAIN2, <size_t>&f64_leq),
    "f64_classify": (CLASSIFY, <size_t>&f64_classify),
    "f64_round": (ROUND1, <size_t>&f64_round),
    "f64_roundnx": (ROUND1, <size_t>&f64_roundnx),
    "f64_to_i32": (ROUND1, <size_t>&f64_to_i32),
    "f64_to_u32": (ROUND1, <size_t>&f64_to_u32),
    "f64_to_i64": (ROUND1, <size_t>&f64_to_i64),
    "f64_to_u64": (ROUND1, <size_t>&f64_to_u64),
    "f64_from_i32": (ROUND1, <size_t>&f64_from_i32),
    "f64_from_u32": (ROUND1, <size_t>&f64_from_u32),
    "f64_from_i64": (ROUND1, <size_t>&f64_from_i64),
    "f64_from_u64": (ROUND1, <size_t>&f64_from_u64),
    "f64_to_f16": (ROUND1, <size_t>&f64_to_f16),
    "f64_to_f32": (ROUND1, <size_t>&f64_to_f32),
    "f64_to_i32_mod": (PLAIN1, <size_t>&f64_to_i32_mod),
}


def op(str name, uint64_t a, uint64_t b=0, uint64_t c=0, uint32_t rm=0):
    """Run one function of the software floating point.

    Parameters
    ----------
    name : str
        The function: a key of ``FUNCTIONS``, for example ``"f64_add"`` or ``"f32_to_i64"``.
    a, b, c : int
        Its operands as bit patterns; those it does not have are ignored.
    rm : int
        The rounding mode, 0 to 4 as in the instruction's ``rm`` field; ignored where there is none.

    Returns
    -------
    tuple of (int, int)
        The result's bit pattern and the flags raised, as bits of ``fflags``.

    Raises
    ------
    ValueError
        There is no such function or no such rounding mode.
    """
    if name not in FUNCTIONS:
        raise ValueError(f"{name!r} is no function of softfloat: choose a key of FUNCTIONS")
    if rm > 4:
        raise ValueError(f"{rm} is no rounding mode: 0 to 4 are")
    cdef int kind = FUNCTIONS[name][0]
    cdef size_t fn = FUNCTIONS[name][1]
    cdef uint32_t flags = 0
    cdef uint64_t result
    if kind == CLASSIFY:
        result = (<classify_t>fn)(a)
    elif kind == PLAIN1:
        result = (<plain1_t>fn)(a, &flags)
    elif kind == PLAIN2:
        result = (<plain2_t>fn)(a, b, &flags)
    elif kind == ROUND1:
        result = (<round1_t>fn)(a, rm, &flags)
    elif kind == ROUND2:
        result = (<round2_t>fn)(a, b, rm, &flags)
    else:
        result = (<round3_t>fn)(a, b, c, rm, &flags)
    return result, flags
