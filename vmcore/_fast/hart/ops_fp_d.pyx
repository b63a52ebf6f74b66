"""The instructions on binary64 (D, and the d forms of Zfa).

A handler that has a ``soft_`` twin lets the host's FPU do the common case (fpregs.pxd says when) and goes there for
the rest.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from vmcore._fast.hart.fpregs cimport (
    BOX32, FS_OFF, HOST_FPU, double1, double2, double3, double_bits, find_fma, float_bits, go_soft, has_fma, host_fma,
    host_ready, host_sqrt, host_truncates, is_finite64, is_safe32, is_safe64, isunordered, put32, put64, put_x,
    rounding, single1, source1, source2, source3, unbox32,
)
from vmcore._fast.hart.handlers cimport register_handler
from vmcore._fast.hart.softcore cimport RMM
from vmcore._fast.hart.softfloat cimport (
    f32_to_f64, f64_add, f64_classify, f64_div, f64_eq, f64_fma, f64_from_i64, f64_from_u64, f64_le, f64_leq, f64_lt,
    f64_ltq, f64_max, f64_maxm, f64_min, f64_minm, f64_mul, f64_round, f64_roundnx, f64_sqrt, f64_sub, f64_to_f32,
    f64_to_i32, f64_to_i32_mod, f64_to_i64, f64_to_u32, f64_to_u64,
)
from vmcore._fast.hart.state cimport Hart, Op, illegal, next_op

cdef extern from "hart/inline_all.h":
    pass

cdef enum:
    SIGN64 = 0x8000000000000000


# --- arithmetic -------------------------------------------------------------------------------------------------

cdef void soft_fadd_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_add(source1(op, hart), source2(op, hart), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fadd_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t r
    if host_ready(op, hart):
        r = double_bits(double1(op, hart) + double2(op, hart))
        if is_finite64(r):
            put64(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fadd_d, op, hart)


cdef void soft_fsub_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_sub(source1(op, hart), source2(op, hart), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fsub_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t r
    if host_ready(op, hart):
        r = double_bits(double1(op, hart) - double2(op, hart))
        if is_finite64(r):
            put64(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fsub_d, op, hart)


cdef void soft_fmul_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_mul(source1(op, hart), source2(op, hart), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fmul_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t r
    if host_ready(op, hart):
        r = double_bits(double1(op, hart) * double2(op, hart))
        if is_safe64(r):
            put64(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fmul_d, op, hart)


cdef void soft_fdiv_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_div(source1(op, hart), source2(op, hart), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fdiv_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t r
    if host_ready(op, hart):
        r = double_bits(double1(op, hart) / double2(op, hart))
        if is_safe64(r):
            put64(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fdiv_d, op, hart)


cdef void soft_fsqrt_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_sqrt(source1(op, hart), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fsqrt_d(Op *op, Hart *hart) noexcept nogil:
    # A positive finite number: the root is in the middle of the range.
    if host_ready(op, hart) and source1(op, hart) - 1 < (<uint64_t>0x7ff << 52) - 1:
        put64(op, hart, double_bits(host_sqrt(double1(op, hart))))
        next_op(op, hart)
        return
    go_soft(soft_fsqrt_d, op, hart)


# --- fused multiply-add: the signs of the product and of the addend are flipped beforehand, which is exact ------

cdef void soft_fmadd_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = source1(op, hart)
    cdef uint64_t c = source3(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_fma(a, source2(op, hart), c, rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fmadd_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t r
    if has_fma and host_ready(op, hart):
        r = double_bits(host_fma(double1(op, hart), double2(op, hart), double3(op, hart)))
        if is_safe64(r):
            put64(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fmadd_d, op, hart)


cdef void soft_fmsub_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = source1(op, hart)
    cdef uint64_t c = source3(op, hart) ^ SIGN64
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_fma(a, source2(op, hart), c, rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fmsub_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t r
    if has_fma and host_ready(op, hart):
        r = double_bits(host_fma(double1(op, hart), double2(op, hart), -double3(op, hart)))
        if is_safe64(r):
            put64(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fmsub_d, op, hart)


cdef void soft_fnmsub_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = source1(op, hart) ^ SIGN64
    cdef uint64_t c = source3(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_fma(a, source2(op, hart), c, rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fnmsub_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t r
    if has_fma and host_ready(op, hart):
        r = double_bits(host_fma(-double1(op, hart), double2(op, hart), double3(op, hart)))
        if is_safe64(r):
            put64(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fnmsub_d, op, hart)


cdef void soft_fnmadd_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = source1(op, hart) ^ SIGN64
    cdef uint64_t c = source3(op, hart) ^ SIGN64
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_fma(a, source2(op, hart), c, rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fnmadd_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t r
    if has_fma and host_ready(op, hart):
        r = double_bits(host_fma(-double1(op, hart), double2(op, hart), -double3(op, hart)))
        if is_safe64(r):
            put64(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fnmadd_d, op, hart)


# --- signs, minimum and maximum ---------------------------------------------------------------------------------

cdef void h_fsgnj_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = source1(op, hart)
    cdef uint64_t b = source2(op, hart)
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put64(op, hart, (a & ~SIGN64) | (b & SIGN64))
    next_op(op, hart)


cdef void h_fsgnjn_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = source1(op, hart)
    cdef uint64_t b = source2(op, hart)
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put64(op, hart, (a & ~SIGN64) | (~b & SIGN64))
    next_op(op, hart)


cdef void h_fsgnjx_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = source1(op, hart)
    cdef uint64_t b = source2(op, hart)
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put64(op, hart, a ^ (b & SIGN64))
    next_op(op, hart)


cdef void soft_fmin_d(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put64(op, hart, f64_min(source1(op, hart), source2(op, hart), &hart.fflags))
    next_op(op, hart)


cdef void h_fmin_d(Op *op, Hart *hart) noexcept nogil:
    cdef double a = double1(op, hart)
    cdef double b = double2(op, hart)
    # Equal operands may be zeros of two signs, unordered ones are NaNs: not for the host.
    if HOST_FPU and hart.fs != FS_OFF and (a < b or a > b):
        put64(op, hart, source1(op, hart) if a < b else source2(op, hart))
        next_op(op, hart)
        return
    go_soft(soft_fmin_d, op, hart)


cdef void soft_fmax_d(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put64(op, hart, f64_max(source1(op, hart), source2(op, hart), &hart.fflags))
    next_op(op, hart)


cdef void h_fmax_d(Op *op, Hart *hart) noexcept nogil:
    cdef double a = double1(op, hart)
    cdef double b = double2(op, hart)
    # Equal operands may be zeros of two signs, unordered ones are NaNs: not for the host.
    if HOST_FPU and hart.fs != FS_OFF and (a < b or a > b):
        put64(op, hart, source1(op, hart) if a > b else source2(op, hart))
        next_op(op, hart)
        return
    go_soft(soft_fmax_d, op, hart)


cdef void h_fminm_d(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put64(op, hart, f64_minm(source1(op, hart), source2(op, hart), &hart.fflags))
    next_op(op, hart)


cdef void h_fmaxm_d(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put64(op, hart, f64_maxm(source1(op, hart), source2(op, hart), &hart.fflags))
    next_op(op, hart)


# --- comparing and classifying ----------------------------------------------------------------------------------

cdef void soft_feq_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f64_eq(source1(op, hart), source2(op, hart), &hart.fflags), old)
    next_op(op, hart)


cdef void h_feq_d(Op *op, Hart *hart) noexcept nogil:
    cdef double a = double1(op, hart)
    cdef double b = double2(op, hart)
    if HOST_FPU and hart.fs != FS_OFF and not isunordered(a, b):
        hart.x[op.rd] = a == b
        next_op(op, hart)
        return
    go_soft(soft_feq_d, op, hart)


cdef void soft_flt_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f64_lt(source1(op, hart), source2(op, hart), &hart.fflags), old)
    next_op(op, hart)


cdef void h_flt_d(Op *op, Hart *hart) noexcept nogil:
    cdef double a = double1(op, hart)
    cdef double b = double2(op, hart)
    if HOST_FPU and hart.fs != FS_OFF and not isunordered(a, b):
        hart.x[op.rd] = a < b
        next_op(op, hart)
        return
    go_soft(soft_flt_d, op, hart)


cdef void soft_fle_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f64_le(source1(op, hart), source2(op, hart), &hart.fflags), old)
    next_op(op, hart)


cdef void h_fle_d(Op *op, Hart *hart) noexcept nogil:
    cdef double a = double1(op, hart)
    cdef double b = double2(op, hart)
    if HOST_FPU and hart.fs != FS_OFF and not isunordered(a, b):
        hart.x[op.rd] = a <= b
        next_op(op, hart)
        return
    go_soft(soft_fle_d, op, hart)


cdef void h_fltq_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f64_ltq(source1(op, hart), source2(op, hart), &hart.fflags), old)
    next_op(op, hart)


cdef void h_fleq_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f64_leq(source1(op, hart), source2(op, hart), &hart.fflags), old)
    next_op(op, hart)


cdef void h_fclass_d(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    hart.x[op.rd] = f64_classify(source1(op, hart))
    next_op(op, hart)


# --- rounding to an integral value ------------------------------------------------------------------------------

cdef void h_fround_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_round(source1(op, hart), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_froundnx_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_roundnx(source1(op, hart), rm, &hart.fflags))
    next_op(op, hart)


# --- to and from integers ---------------------------------------------------------------------------------------

cdef void soft_fcvt_w_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f64_to_i32(source1(op, hart), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_w_d(Op *op, Hart *hart) noexcept nogil:
    cdef double v = double1(op, hart)
    if host_truncates(op, hart) and v > -2147483649.0 and v < 2147483648.0:
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>v
        next_op(op, hart)
        return
    go_soft(soft_fcvt_w_d, op, hart)


cdef void soft_fcvt_wu_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f64_to_u32(source1(op, hart), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_wu_d(Op *op, Hart *hart) noexcept nogil:
    cdef double v = double1(op, hart)
    if host_truncates(op, hart) and v > -1.0 and v < 4294967296.0:
        hart.x[op.rd] = <uint64_t><int64_t><int32_t><int64_t>v
        next_op(op, hart)
        return
    go_soft(soft_fcvt_wu_d, op, hart)


cdef void soft_fcvt_l_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f64_to_i64(source1(op, hart), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_l_d(Op *op, Hart *hart) noexcept nogil:
    cdef double v = double1(op, hart)
    if host_truncates(op, hart) and v >= -9223372036854775808.0 and v < 9223372036854775808.0:
        hart.x[op.rd] = <uint64_t><int64_t>v
        next_op(op, hart)
        return
    go_soft(soft_fcvt_l_d, op, hart)


cdef void soft_fcvt_lu_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f64_to_u64(source1(op, hart), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_lu_d(Op *op, Hart *hart) noexcept nogil:
    cdef double v = double1(op, hart)
    if host_truncates(op, hart) and v > -1.0 and v < 9223372036854775808.0:
        hart.x[op.rd] = <uint64_t><int64_t>v
        next_op(op, hart)
        return
    go_soft(soft_fcvt_lu_d, op, hart)


cdef void h_fcvt_d_w(Op *op, Hart *hart) noexcept nogil:
    # Exact in every mode.
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, double_bits(<double><int32_t>hart.x[op.rs1]))
    next_op(op, hart)


cdef void h_fcvt_d_wu(Op *op, Hart *hart) noexcept nogil:
    # Exact in every mode.
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, double_bits(<double><uint32_t>hart.x[op.rs1]))
    next_op(op, hart)


cdef void soft_fcvt_d_l(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_from_i64(hart.x[op.rs1], rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_d_l(Op *op, Hart *hart) noexcept nogil:
    if host_ready(op, hart):
        put64(op, hart, double_bits(<double><int64_t>hart.x[op.rs1]))
        next_op(op, hart)
        return
    go_soft(soft_fcvt_d_l, op, hart)


cdef void h_fcvt_d_lu(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f64_from_u64(hart.x[op.rs1], rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvtmod_w_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f64_to_i32_mod(source1(op, hart), &hart.fflags), old)
    next_op(op, hart)


# --- to and from other formats, and bit patterns ----------------------------------------------------------------

cdef void soft_fcvt_d_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f32_to_f64(unbox32(source1(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_d_s(Op *op, Hart *hart) noexcept nogil:
    cdef float v = single1(op, hart)
    # Exact, unless it is a NaN.
    if HOST_FPU and source1(op, hart) >= BOX32 and rounding(op, hart) <= RMM and v == v:
        put64(op, hart, double_bits(<double>v))
        next_op(op, hart)
        return
    go_soft(soft_fcvt_d_s, op, hart)


cdef void soft_fcvt_s_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f64_to_f32(source1(op, hart), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_s_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t r
    if host_ready(op, hart):
        r = float_bits(<float>double1(op, hart))
        if is_safe32(r):
            put32(op, hart, r)
            next_op(op, hart)
            return
    go_soft(soft_fcvt_s_d, op, hart)


cdef void h_fmv_x_d(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    hart.x[op.rd] = source1(op, hart)
    next_op(op, hart)


cdef void h_fmv_d_x(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put64(op, hart, hart.x[op.rs1])
    next_op(op, hart)


cdef uint64_t[32] FLI = [
    0xbff0000000000000, 0x0010000000000000, 0x3ef0000000000000, 0x3f00000000000000,
    0x3f70000000000000, 0x3f80000000000000, 0x3fb0000000000000, 0x3fc0000000000000,
    0x3fd0000000000000, 0x3fd4000000000000, 0x3fd8000000000000, 0x3fdc000000000000,
    0x3fe0000000000000, 0x3fe4000000000000, 0x3fe8000000000000, 0x3fec000000000000,
    0x3ff0000000000000, 0x3ff4000000000000, 0x3ff8000000000000, 0x3ffc000000000000,
    0x4000000000000000, 0x4004000000000000, 0x4008000000000000, 0x4010000000000000,
    0x4020000000000000, 0x4030000000000000, 0x4060000000000000, 0x4070000000000000,
    0x40e0000000000000, 0x40f0000000000000, 0x7ff0000000000000, 0x7ff8000000000000,
]


cdef void h_fli_d(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put64(op, hart, FLI[op.rs1 & 31])
    next_op(op, hart)


find_fma()
register_handler("fadd.d", h_fadd_d)
register_handler("fsub.d", h_fsub_d)
register_handler("fmul.d", h_fmul_d)
register_handler("fdiv.d", h_fdiv_d)
register_handler("fsqrt.d", h_fsqrt_d)
register_handler("fmadd.d", h_fmadd_d)
register_handler("fmsub.d", h_fmsub_d)
register_handler("fnmsub.d", h_fnmsub_d)
register_handler("fnmadd.d", h_fnmadd_d)
register_handler("fsgnj.d", h_fsgnj_d)
register_handler("fsgnjn.d", h_fsgnjn_d)
register_handler("fsgnjx.d", h_fsgnjx_d)
register_handler("fmin.d", h_fmin_d)
register_handler("fmax.d", h_fmax_d)
register_handler("fminm.d", h_fminm_d)
register_handler("fmaxm.d", h_fmaxm_d)
register_handler("feq.d", h_feq_d)
register_handler("flt.d", h_flt_d)
register_handler("fle.d", h_fle_d)
register_handler("fltq.d", h_fltq_d)
register_handler("fleq.d", h_fleq_d)
register_handler("fclass.d", h_fclass_d)
register_handler("fround.d", h_fround_d)
register_handler("froundnx.d", h_froundnx_d)
register_handler("fcvt.w.d", h_fcvt_w_d)
register_handler("fcvt.wu.d", h_fcvt_wu_d)
register_handler("fcvt.l.d", h_fcvt_l_d)
register_handler("fcvt.lu.d", h_fcvt_lu_d)
register_handler("fcvt.d.w", h_fcvt_d_w)
register_handler("fcvt.d.wu", h_fcvt_d_wu)
register_handler("fcvt.d.l", h_fcvt_d_l)
register_handler("fcvt.d.lu", h_fcvt_d_lu)
register_handler("fcvtmod.w.d", h_fcvtmod_w_d)
register_handler("fcvt.d.s", h_fcvt_d_s)
register_handler("fcvt.s.d", h_fcvt_s_d)
register_handler("fmv.x.d", h_fmv_x_d)
register_handler("fmv.d.x", h_fmv_d_x)
register_handler("fli.d", h_fli_d)
