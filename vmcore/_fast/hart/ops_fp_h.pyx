"""The instructions on binary16 (Zfhmin, Zfh, and the h forms of Zfa).

All of it in software: the host has no arithmetic in this format.
"""

from libc.stdint cimport int16_t, int64_t, uint32_t, uint64_t

from vmcore._fast.hart.fpregs cimport (
    FS_OFF, put16, put32, put64, put_x, rounding, source1, source2, source3, unbox16, unbox32,
)
from vmcore._fast.hart.handlers cimport register_handler
from vmcore._fast.hart.softcore cimport RMM
from vmcore._fast.hart.softfloat cimport (
    f16_add, f16_classify, f16_div, f16_eq, f16_fma, f16_from_i32, f16_from_i64, f16_from_u32, f16_from_u64, f16_le,
    f16_leq, f16_lt, f16_ltq, f16_max, f16_maxm, f16_min, f16_minm, f16_mul, f16_round, f16_roundnx, f16_sqrt,
    f16_sub, f16_to_f32, f16_to_f64, f16_to_i32, f16_to_i64, f16_to_u32, f16_to_u64, f32_to_f16, f64_to_f16,
)
from vmcore._fast.hart.state cimport Hart, Op, illegal, next_op

cdef extern from "hart/inline_all.h":
    pass

cdef enum:
    SIGN16 = 0x8000


# --- arithmetic -------------------------------------------------------------------------------------------------

cdef void h_fadd_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_add(unbox16(source1(op, hart)), unbox16(source2(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fsub_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_sub(unbox16(source1(op, hart)), unbox16(source2(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fmul_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_mul(unbox16(source1(op, hart)), unbox16(source2(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fdiv_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_div(unbox16(source1(op, hart)), unbox16(source2(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fsqrt_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_sqrt(unbox16(source1(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


# --- fused multiply-add: the signs of the product and of the addend are flipped beforehand, which is exact ------

cdef void h_fmadd_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = unbox16(source1(op, hart))
    cdef uint64_t c = unbox16(source3(op, hart))
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_fma(a, unbox16(source2(op, hart)), c, rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fmsub_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = unbox16(source1(op, hart))
    cdef uint64_t c = unbox16(source3(op, hart)) ^ SIGN16
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_fma(a, unbox16(source2(op, hart)), c, rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fnmsub_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = unbox16(source1(op, hart)) ^ SIGN16
    cdef uint64_t c = unbox16(source3(op, hart))
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_fma(a, unbox16(source2(op, hart)), c, rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fnmadd_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint64_t a = unbox16(source1(op, hart)) ^ SIGN16
    cdef uint64_t c = unbox16(source3(op, hart)) ^ SIGN16
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_fma(a, unbox16(source2(op, hart)), c, rm, &hart.fflags))
    next_op(op, hart)


# --- signs, minimum and maximum ---------------------------------------------------------------------------------

cdef void h_fsgnj_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = unbox16(source1(op, hart))
    cdef uint64_t b = unbox16(source2(op, hart))
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put16(op, hart, (a & ~SIGN16) | (b & SIGN16))
    next_op(op, hart)


cdef void h_fsgnjn_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = unbox16(source1(op, hart))
    cdef uint64_t b = unbox16(source2(op, hart))
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put16(op, hart, (a & ~SIGN16) | (~b & SIGN16))
    next_op(op, hart)


cdef void h_fsgnjx_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = unbox16(source1(op, hart))
    cdef uint64_t b = unbox16(source2(op, hart))
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put16(op, hart, a ^ (b & SIGN16))
    next_op(op, hart)


cdef void h_fmin_h(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put16(op, hart, f16_min(unbox16(source1(op, hart)), unbox16(source2(op, hart)), &hart.fflags))
    next_op(op, hart)


cdef void h_fmax_h(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put16(op, hart, f16_max(unbox16(source1(op, hart)), unbox16(source2(op, hart)), &hart.fflags))
    next_op(op, hart)


cdef void h_fminm_h(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put16(op, hart, f16_minm(unbox16(source1(op, hart)), unbox16(source2(op, hart)), &hart.fflags))
    next_op(op, hart)


cdef void h_fmaxm_h(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put16(op, hart, f16_maxm(unbox16(source1(op, hart)), unbox16(source2(op, hart)), &hart.fflags))
    next_op(op, hart)


# --- comparing and classifying ----------------------------------------------------------------------------------

cdef void h_feq_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f16_eq(unbox16(source1(op, hart)), unbox16(source2(op, hart)), &hart.fflags), old)
    next_op(op, hart)


cdef void h_flt_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f16_lt(unbox16(source1(op, hart)), unbox16(source2(op, hart)), &hart.fflags), old)
    next_op(op, hart)


cdef void h_fle_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f16_le(unbox16(source1(op, hart)), unbox16(source2(op, hart)), &hart.fflags), old)
    next_op(op, hart)


cdef void h_fltq_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f16_ltq(unbox16(source1(op, hart)), unbox16(source2(op, hart)), &hart.fflags), old)
    next_op(op, hart)


cdef void h_fleq_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t old = hart.fflags
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put_x(op, hart, f16_leq(unbox16(source1(op, hart)), unbox16(source2(op, hart)), &hart.fflags), old)
    next_op(op, hart)


cdef void h_fclass_h(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    hart.x[op.rd] = f16_classify(unbox16(source1(op, hart)))
    next_op(op, hart)


# --- rounding to an integral value ------------------------------------------------------------------------------

cdef void h_fround_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_round(unbox16(source1(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_froundnx_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_roundnx(unbox16(source1(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


# --- to and from integers ---------------------------------------------------------------------------------------

cdef void h_fcvt_w_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f16_to_i32(unbox16(source1(op, hart)), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_wu_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f16_to_u32(unbox16(source1(op, hart)), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_l_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f16_to_i64(unbox16(source1(op, hart)), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_lu_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    cdef uint32_t old = hart.fflags
    if rm > RMM:
        illegal(op, hart)
        return
    put_x(op, hart, f16_to_u64(unbox16(source1(op, hart)), rm, &hart.fflags), old)
    next_op(op, hart)


cdef void h_fcvt_h_w(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_from_i32(hart.x[op.rs1], rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_h_wu(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_from_u32(hart.x[op.rs1], rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_h_l(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_from_i64(hart.x[op.rs1], rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_h_lu(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f16_from_u64(hart.x[op.rs1], rm, &hart.fflags))
    next_op(op, hart)


# --- to and from other formats, and bit patterns ----------------------------------------------------------------

cdef void h_fcvt_h_s(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f32_to_f16(unbox32(source1(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_h_d(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put16(op, hart, f64_to_f16(source1(op, hart), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_s_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put32(op, hart, f16_to_f32(unbox16(source1(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fcvt_d_h(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = rounding(op, hart)
    if rm > RMM:
        illegal(op, hart)
        return
    put64(op, hart, f16_to_f64(unbox16(source1(op, hart)), rm, &hart.fflags))
    next_op(op, hart)


cdef void h_fmv_x_h(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    hart.x[op.rd] = <uint64_t><int64_t><int16_t>source1(op, hart)
    next_op(op, hart)


cdef void h_fmv_h_x(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put16(op, hart, hart.x[op.rs1] & 0xffff)
    next_op(op, hart)


cdef uint64_t[32] FLI = [
    0xbc00, 0x0400, 0x0100, 0x0200,
    0x1c00, 0x2000, 0x2c00, 0x3000,
    0x3400, 0x3500, 0x3600, 0x3700,
    0x3800, 0x3900, 0x3a00, 0x3b00,
    0x3c00, 0x3d00, 0x3e00, 0x3f00,
    0x4000, 0x4100, 0x4200, 0x4400,
    0x4800, 0x4c00, 0x5800, 0x5c00,
    0x7800, 0x7c00, 0x7c00, 0x7e00,
]


cdef void h_fli_h(Op *op, Hart *hart) noexcept nogil:
    if hart.fs == FS_OFF:
        illegal(op, hart)
        return
    put16(op, hart, FLI[op.rs1 & 31])
    next_op(op, hart)


register_handler("fadd.h", h_fadd_h)
register_handler("fsub.h", h_fsub_h)
register_handler("fmul.h", h_fmul_h)
register_handler("fdiv.h", h_fdiv_h)
register_handler("fsqrt.h", h_fsqrt_h)
register_handler("fmadd.h", h_fmadd_h)
register_handler("fmsub.h", h_fmsub_h)
register_handler("fnmsub.h", h_fnmsub_h)
register_handler("fnmadd.h", h_fnmadd_h)
register_handler("fsgnj.h", h_fsgnj_h)
register_handler("fsgnjn.h", h_fsgnjn_h)
register_handler("fsgnjx.h", h_fsgnjx_h)
register_handler("fmin.h", h_fmin_h)
register_handler("fmax.h", h_fmax_h)
register_handler("fminm.h", h_fminm_h)
register_handler("fmaxm.h", h_fmaxm_h)
register_handler("feq.h", h_feq_h)
register_handler("flt.h", h_flt_h)
register_handler("fle.h", h_fle_h)
register_handler("fltq.h", h_fltq_h)
register_handler("fleq.h", h_fleq_h)
register_handler("fclass.h", h_fclass_h)
register_handler("fround.h", h_fround_h)
register_handler("froundnx.h", h_froundnx_h)
register_handler("fcvt.w.h", h_fcvt_w_h)
register_handler("fcvt.wu.h", h_fcvt_wu_h)
register_handler("fcvt.l.h", h_fcvt_l_h)
register_handler("fcvt.lu.h", h_fcvt_lu_h)
register_handler("fcvt.h.w", h_fcvt_h_w)
register_handler("fcvt.h.wu", h_fcvt_h_wu)
register_handler("fcvt.h.l", h_fcvt_h_l)
register_handler("fcvt.h.lu", h_fcvt_h_lu)
register_handler("fcvt.h.s", h_fcvt_h_s)
register_handler("fcvt.h.d", h_fcvt_h_d)
register_handler("fcvt.s.h", h_fcvt_s_h)
register_handler("fcvt.d.h", h_fcvt_d_h)
register_handler("fmv.x.h", h_fmv_x_h)
register_handler("fmv.h.x", h_fmv_h_x)
register_handler("fli.h", h_fli_h)
