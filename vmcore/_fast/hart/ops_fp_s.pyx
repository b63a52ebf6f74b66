"""The instructions on binary32 (F, and the s forms of Zfa).

A handler that has a ``soft_`` twin lets the host's FPU do the common case (fpregs.pxd says when) and goes there for
the rest.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from vmcore._fast.hart.fpregs cimport (
    BOX32, FS_OFF, HOST_FPU, as_float, boxed2, boxed3, find_fma, float_bits, go_soft, has_fma, host_fmaf, host_ready,
    host_sqrtf, host_truncates, is_finite32, is_safe32, isunordered, put32, put_x, rounding, single1, single2,
    single3, source1, source2, source3, unbox32,
)
from vmcore._fast.hart.handlers cimport register_handler
from vmcore._fast.hart.softcore cimport RMM
from vmcore._fast.hart.softfloat cimport (
    f32_add, f32_classify, f32_div, f32_eq, f32_fma, f32_from_i32, f32_from_i64, f32_from_u32, f32_from_u64, f32_le,
    f32_leq, f32_lt, f32_ltq, f32_max, f32_maxm, f32_min, f32_minm, f32_mul, f32_round, f32_roundnx, f32_sqrt,
    f32_sub, f32_to_i32, f32_to_i64, f32_to_u32, f32_to_u64,
)
from vmcore._fast.hart.state cimport Hart, Op, illegal, next_op

cdef extern from "hart/inline_all.h":
    pass

cdef enum:
    SIGN32 = 0x80000000


# --- arithmetic -------------------------------------------------------------------------------------------------

cdef void soft_fadd_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_add(unbox32(source1(op, hart)), unbox32(source2(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fadd_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t r
    if host_ready(op, hart) and boxed2(op, hart):
        r = float_bits(single1(op, hart) + single2(op, hart))
        if is_finite32(r):
            put32(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fadd_s, op, hart)


cdef void soft_fsub_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_sub(unbox32(source1(op, hart)), unbox32(source2(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fsub_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t r
    if host_ready(op, hart) and boxed2(op, hart):
        r = float_bits(single1(op, hart) - single2(op, hart))
        if is_finite32(r):
            put32(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fsub_s, op, hart)


cdef void soft_fmul_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_mul(unbox32(source1(op, hart)), unbox32(source2(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fmul_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t r
    if host_ready(op, hart) and boxed2(op, hart):
        r = float_bits(single1(op, hart) * single2(op, hart))
        if is_safe32(r):
            put32(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fmul_s, op, hart)


cdef void soft_fdiv_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_div(unbox32(source1(op, hart)), unbox32(source2(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fdiv_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t r
    if host_ready(op, hart) and boxed2(op, hart):
        r = float_bits(single1(op, hart) / single2(op, hart))
        if is_safe32(r):
            put32(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fdiv_s, op, hart)


cdef void soft_fsqrt_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_sqrt(unbox32(source1(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fsqrt_s(Op *op, Hart *hart) noexcept nogil:
    # A boxed positive finite number: the root is in the middle of the range.
    if host_ready(op, hart) and source1(op, hart) - BOX32 - 1 < (<uint64_t>0xff << 23) - 1:
        put32(op, hart, float_bits(host_sqrtf(single1(op, hart))))
        next_op(op, hart)
        return
    go_soft(soft_fsqrt_s, op, hart)


# --- fused multiply-add: the signs of the product and of the addend are flipped beforehand, which is exact ------

cdef void soft_fmadd_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = unbox32(source1(op, hart))
    cdef uint64_t c = unbox32(source3(op, hart))
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_fma(a, unbox32(source2(op, hart)), c, rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fmadd_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t r
    if has_fma and host_ready(op, hart) and boxed3(op, hart):
        r = float_bits(host_fmaf(single1(op, hart), single2(op, hart), single3(op, hart)))
        if is_safe32(r):
            put32(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fmadd_s, op, hart)


cdef void soft_fmsub_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = unbox32(source1(op, hart))
    cdef uint64_t c = unbox32(source3(op, hart)) ^ SIGN32
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_fma(a, unbox32(source2(op, hart)), c, rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fmsub_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t r
    if has_fma and host_ready(op, hart) and boxed3(op, hart):
        r = float_bits(host_fmaf(single1(op, hart), single2(op, hart), -single3(op, hart)))
        if is_safe32(r):
            put32(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fmsub_s, op, hart)


cdef void soft_fnmsub_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = unbox32(source1(op, hart)) ^ SIGN32
    cdef uint64_t c = unbox32(source3(op, hart))
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_fma(a, unbox32(source2(op, hart)), c, rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fnmsub_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t r
    if has_fma and host_ready(op, hart) and boxed3(op, hart):
        r = float_bits(host_fmaf(-single1(op, hart), single2(op, hart), single3(op, hart)))
        if is_safe32(r):
            put32(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fnmsub_s, op, hart)


cdef void soft_fnmadd_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = unbox32(source1(op, hart)) ^ SIGN32
    cdef uint64_t c = unbox32(source3(op, hart)) ^ SIGN32
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_fma(a, unbox32(source2(op, hart)), c, rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fnmadd_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t r
    if has_fma and host_ready(op, hart) and boxed3(op, hart):
        r = float_bits(host_fmaf(-single1(op, hart), single2(op, hart), -single3(op, hart)))
        if is_safe32(r):
            put32(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fnmadd_s, op, hart)


# --- signs, minimum and maximum ---------------------------------------------------------------------------------

cdef void h_fsgnj_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = unbox32(source1(op, hart))
    cdef uint64_t b = unbox32(source2(op, hart))
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put32(op, hart, (a & ~SIGN32) | (b & SIGN32))
    next_op(op, hart)


cdef void h_fsgnjn_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = unbox32(source1(op, hart))
    cdef uint64_t b = unbox32(source2(op, hart))
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put32(op, hart, (a & ~SIGN32) | (~b & SIGN32))
    next_op(op, hart)


cdef void h_fsgnjx_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = unbox32(source1(op, hart))
    cdef uint64_t b = unbox32(source2(op, hart))
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put32(op, hart, a ^ (b & SIGN32))
    next_op(op, hart)


cdef void soft_fmin_s(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put32(op, hart, f32_min(unbox32(source1(op, hart)), unbox32(source2(op, hart)), &hart.fflags))
    next_op(op, hart)


cdef void h_fmin_s(Op *op, Hart *hart) noexcept nogil:
    cdef float a = single1(op, hart)
    cdef float b = single2(op, hart)
    # Equal operands may be zeros of two signs, unordered ones are NaNs: not for the host.
    if HOST_FPU and hart.fs != FS_OFF and boxed2(op, hart) and (a < b or a > b):
        put32(op, hart, source1(op, hart) if a < b else source2(op, hart))
        next_op(op, hart)
        return
    go_soft(soft_fmin_s, op, hart)


cdef void soft_fmax_s(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put32(op, hart, f32_max(unbox32(source1(op, hart)), unbox32(source2(op, hart)), &hart.fflags))
    next_op(op, hart)


cdef void h_fmax_s(Op *op, Hart *hart) noexcept nogil:
    cdef float a = single1(op, hart)
    cdef float b = single2(op, hart)
    # Equal operands may be zeros of two signs, unordered ones are NaNs: not for the host.
    if HOST_FPU and hart.fs != FS_OFF and boxed2(op, hart) and (a < b or a > b):
        put32(op, hart, source1(op, hart) if a > b else source2(op, hart))
        next_op(op, hart)
        return
    go_soft(soft_fmax_s, op, hart)


cdef void h_fminm_s(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put32(op, hart, f32_minm(unbox32(source1(op, hart)), unbox32(source2(op, hart)), &hart.fflags))
    next_op(op, hart)


cdef void h_fmaxm_s(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put32(op, hart, f32_maxm(unbox32(source1(op, hart)), unbox32(source2(op, hart)), &hart.fflags))
    next_op(op, hart)


# --- comparing and classifying ----------------------------------------------------------------------------------

cdef void soft_feq_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f32_eq(unbox32(source1(op, hart)), unbox32(source2(op, hart)), &hart.fflags), old)
    next_op(op, hart)


cdef void h_feq_s(Op *op, Hart *hart) noexcept nogil:
    cdef float a = single1(op, hart)
    cdef float b = single2(op, hart)
    if HOST_FPU and hart.fs != FS_OFF and boxed2(op, hart) and not isunordered(a, b):
        hart.x[op.rd] = a == b
        next_op(op, hart)
        return
    go_soft(soft_feq_s, op, hart)


cdef void soft_flt_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f32_lt(unbox32(source1(op, hart)), unbox32(source2(op, hart)), &hart.fflags), old)
    next_op(op, hart)


cdef void h_flt_s(Op *op, Hart *hart) noexcept nogil:
    cdef float a = single1(op, hart)
    cdef float b = single2(op, hart)
    if HOST_FPU and hart.fs != FS_OFF and boxed2(op, hart) and not isunordered(a, b):
        hart.x[op.rd] = a < b
        next_op(op, hart)
        return
    go_soft(soft_flt_s, op, hart)


cdef void soft_fle_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f32_le(unbox32(source1(op, hart)), unbox32(source2(op, hart)), &hart.fflags), old)
    next_op(op, hart)


cdef void h_fle_s(Op *op, Hart *hart) noexcept nogil:
    cdef float a = single1(op, hart)
    cdef float b = single2(op, hart)
    if HOST_FPU and hart.fs != FS_OFF and boxed2(op, hart) and not isunordered(a, b):
        hart.x[op.rd] = a <= b
        next_op(op, hart)
        return
    go_soft(soft_fle_s, op, hart)


cdef void h_fltq_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f32_ltq(unbox32(source1(op, hart)), unbox32(source2(op, hart)), &hart.fflags), old)
    next_op(op, hart)


cdef void h_fleq_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f32_leq(unbox32(source1(op, hart)), unbox32(source2(op, hart)), &hart.fflags), old)
    next_op(op, hart)


cdef void h_fclass_s(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    hart.x[op.rd] = f32_classify(unbox32(source1(op, hart)))
    next_op(op, hart)


# --- rounding to an integral value ------------------------------------------------------------------------------

cdef void h_fround_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_round(unbox32(source1(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_froundnx_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_roundnx(unbox32(source1(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


# --- to and from integers ---------------------------------------------------------------------------------------

cdef void soft_fcvt_w_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f32_to_i32(unbox32(source1(op, hart)), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_w_s(Op *op, Hart *hart) noexcept nogil:
    cdef float v = as_float(<uint32_t>unbox32(source1(op, hart)))
    if host_truncates(op, hart) and v >= -2147483648.0 and v < 2147483648.0:
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>v
        next_op(op, hart)
        return
    go_soft(soft_fcvt_w_s, op, hart)


cdef void soft_fcvt_wu_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f32_to_u32(unbox32(source1(op, hart)), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_wu_s(Op *op, Hart *hart) noexcept nogil:
    cdef float v = as_float(<uint32_t>unbox32(source1(op, hart)))
    if host_truncates(op, hart) and v > -1.0 and v < 4294967296.0:
        hart.x[op.rd] = <uint64_t><int64_t><int32_t><int64_t>v
        next_op(op, hart)
        return
    go_soft(soft_fcvt_wu_s, op, hart)


cdef void soft_fcvt_l_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f32_to_i64(unbox32(source1(op, hart)), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_l_s(Op *op, Hart *hart) noexcept nogil:
    cdef float v = as_float(<uint32_t>unbox32(source1(op, hart)))
    if host_truncates(op, hart) and v >= -9223372036854775808.0 and v < 9223372036854775808.0:
        hart.x[op.rd] = <uint64_t><int64_t>v
        next_op(op, hart)
        return
    go_soft(soft_fcvt_l_s, op, hart)


cdef void soft_fcvt_lu_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f32_to_u64(unbox32(source1(op, hart)), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_lu_s(Op *op, Hart *hart) noexcept nogil:
    cdef float v = as_float(<uint32_t>unbox32(source1(op, hart)))
    if host_truncates(op, hart) and v > -1.0 and v < 9223372036854775808.0:
        hart.x[op.rd] = <uint64_t><int64_t>v
        next_op(op, hart)
        return
    go_soft(soft_fcvt_lu_s, op, hart)


cdef void soft_fcvt_s_w(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_from_i32(hart.x[op.rs1], rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_s_w(Op *op, Hart *hart) noexcept nogil:
    if host_ready(op, hart):
        put32(op, hart, float_bits(<float><int32_t>hart.x[op.rs1]))
        next_op(op, hart)
        return
    go_soft(soft_fcvt_s_w, op, hart)


cdef void soft_fcvt_s_wu(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_from_u32(hart.x[op.rs1], rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_s_wu(Op *op, Hart *hart) noexcept nogil:
    if host_ready(op, hart):
        put32(op, hart, float_bits(<float><uint32_t>hart.x[op.rs1]))
        next_op(op, hart)
        return
    go_soft(soft_fcvt_s_wu, op, hart)


cdef void soft_fcvt_s_l(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_from_i64(hart.x[op.rs1], rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_s_l(Op *op, Hart *hart) noexcept nogil:
    if host_ready(op, hart):
        put32(op, hart, float_bits(<float><int64_t>hart.x[op.rs1]))
        next_op(op, hart)
        return
    go_soft(soft_fcvt_s_l, op, hart)


cdef void h_fcvt_s_lu(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f32_from_u64(hart.x[op.rs1], rm, &hart.fflags))
    next_op(op, hart)


# --- to and from other formats, and bit patterns ----------------------------------------------------------------

cdef void h_fmv_x_w(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    hart.x[op.rd] = <uint64_t><int64_t><int32_t>source1(op, hart)
    next_op(op, hart)


cdef void h_fmv_w_x(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put32(op, hart, <uint32_t>hart.x[op.rs1])
    next_op(op, hart)


cdef uint64_t[32] FLI = [
    0xbf800000, 0x00800000, 0x37800000, 0x38000000,
    0x3b800000, 0x3c000000, 0x3d800000, 0x3e000000,
    0x3e800000, 0x3ea00000, 0x3ec00000, 0x3ee00000,
    0x3f000000, 0x3f200000, 0x3f400000, 0x3f600000,
    0x3f800000, 0x3fa00000, 0x3fc00000, 0x3fe00000,
    0x40000000, 0x40200000, 0x40400000, 0x40800000,
    0x41000000, 0x41800000, 0x43000000, 0x43800000,
    0x47000000, 0x47800000, 0x7f800000, 0x7fc00000,
]


cdef void h_fli_s(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put32(op, hart, FLI[op.rs1 & 31])
    next_op(op, hart)


find_fma()
register_handler("fadd.s", h_fadd_s)
register_handler("fsub.s", h_fsub_s)
register_handler("fmul.s", h_fmul_s)
register_handler("fdiv.s", h_fdiv_s)
register_handler("fsqrt.s", h_fsqrt_s)
register_handler("fmadd.s", h_fmadd_s)
register_handler("fmsub.s", h_fmsub_s)
register_handler("fnmsub.s", h_fnmsub_s)
register_handler("fnmadd.s", h_fnmadd_s)
register_handler("fsgnj.s", h_fsgnj_s)
register_handler("fsgnjn.s", h_fsgnjn_s)
register_handler("fsgnjx.s", h_fsgnjx_s)
register_handler("fmin.s", h_fmin_s)
register_handler("fmax.s", h_fmax_s)
register_handler("fminm.s", h_fminm_s)
register_handler("fmaxm.s", h_fmaxm_s)
register_handler("feq.s", h_feq_s)
register_handler("flt.s", h_flt_s)
register_handler("fle.s", h_fle_s)
register_handler("fltq.s", h_fltq_s)
register_handler("fleq.s", h_fleq_s)
register_handler("fclass.s", h_fclass_s)
register_handler("fround.s", h_fround_s)
register_handler("froundnx.s", h_froundnx_s)
register_handler("fcvt.w.s", h_fcvt_w_s)
register_handler("fcvt.wu.s", h_fcvt_wu_s)
register_handler("fcvt.l.s", h_fcvt_l_s)
register_handler("fcvt.lu.s", h_fcvt_lu_s)
register_handler("fcvt.s.w", h_fcvt_s_w)
register_handler("fcvt.s.wu", h_fcvt_s_wu)
register_handler("fcvt.s.l", h_fcvt_s_l)
register_handler("fcvt.s.lu", h_fcvt_s_lu)
register_handler("fmv.x.w", h_fmv_x_w)
register_handler("fmv.w.x", h_fmv_w_x)
register_handler("fli.s", h_fli_s)
