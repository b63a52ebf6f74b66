"""Block code for the arithmetic and the comparisons of F and D.

Everything is done by the host's FPU under the guest's rounding mode; it raises the guest's flags. Its results differ
from the guest's in their NaNs only (see ``loose`` in block.pxd). A single is computed in its box: an operation on the
low 32 bits of a register keeps the others, so the result is boxed because the first operand was.
"""

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.hart.state cimport SINK, Op
from vmcore._fast.jit.block cimport Block, Stub, away_late, forget_f, put_x, register_emitter, target_x
from vmcore._fast.jit.convention cimport XMM_OF, at_f, at_mxcsr
from vmcore._fast.jit.fpu cimport (
    LOOSE32, LOOSE64, NOWHERE, RAW, RAW_BOXED, XMM0, XMM1, begin, call_fp, can_round, check_mode, free_f, land, load_f,
    mark_dirty, op_f, put_f, reads, rs2_of, rs3_of, target_f, use_f, where_f)
from vmcore._fast.jit.host cimport HAS_FMA, find_features, host_bits
from vmcore._fast.jit.x64.asm cimport (
    CC_A, CC_AE, CC_E, CC_NP, CC_P, F_ADDSD, F_ADDSS, F_AND, F_AND_I, F_ANDPS, F_COMISD, F_COMISS, F_DIVSD, F_DIVSS,
    F_LDMXCSR, F_MAXSD, F_MAXSS, F_MINSD, F_MINSS, F_MOV, F_MOVAPS, F_MOVQ_XR, F_MOVZX8, F_MULSD, F_MULSS, F_ORPS,
    F_OR_MR, F_SQRTSD, F_SQRTSS, F_STMXCSR, F_SUBSD, F_SUBSS, F_UCOMISD, F_UCOMISS, F_VFMADD132SD, F_VFMSUB132SD,
    F_VFNMADD132SD, F_VFNMSUB132SD, RAX, RBP, RCX, x_jcc, x_jcc8, x_jmp8, x_jmp_to, x_mov_imm, x_patch8, x_rm, x_rr,
    x_rri, x_setcc, x_vrm, x_vrr)

cdef enum:
    # From the first form of a fused operation to its other orders, and from doubles to singles.
    TO_213 = 1
    TO_231 = 2
    TO_SINGLE = 3


cdef inline uint32_t loose_kind(bint single) noexcept nogil:
    return LOOSE32 if single else LOOSE64


# --- arithmetic -------------------------------------------------------------------------------------------------------

cdef void arithmetic(Block *b, const Op *op, int form, bint commutes, bint single) noexcept nogil:
    cdef uint32_t rs1 = op.rs1
    cdef uint32_t rs2 = rs2_of(op)
    cdef int one, two, to
    cdef uint32_t stub
    if not can_round(op):
        call_fp(b, op)
        return
    begin(b, op)
    reads(b, rs1, single)
    reads(b, rs2, single)
    stub = check_mode(b, op)
    mark_dirty(b)
    one = where_f(b, rs1)
    two = where_f(b, rs2)
    to = XMM_OF[op.rd]
    if op.rd == rs2 and two >= 0 and commutes:
        # In place; also where rd is not pinned but at hand.
        op_f(b, form, two, rs1)
        to = two
    else:
        if to < 0 and one >= 0 and op.rd == rs1 and one != two:
            to = one
        elif to < 0 or (op.rd == rs2 and rs1 != rs2):
            to = free_f(b, two)
        load_f(b, to, rs1)
        op_f(b, form, to, rs2)
    put_f(b, op.rd, to, loose_kind(single))
    land(b, stub)


cdef void e_fadd_d(Block *b, const Op *op) noexcept nogil:
    arithmetic(b, op, F_ADDSD, True, False)


cdef void e_fsub_d(Block *b, const Op *op) noexcept nogil:
    arithmetic(b, op, F_SUBSD, False, False)


cdef void e_fmul_d(Block *b, const Op *op) noexcept nogil:
    arithmetic(b, op, F_MULSD, True, False)


cdef void e_fdiv_d(Block *b, const Op *op) noexcept nogil:
    arithmetic(b, op, F_DIVSD, False, False)


cdef void e_fadd_s(Block *b, const Op *op) noexcept nogil:
    arithmetic(b, op, F_ADDSS, True, True)


cdef void e_fsub_s(Block *b, const Op *op) noexcept nogil:
    arithmetic(b, op, F_SUBSS, False, True)


cdef void e_fmul_s(Block *b, const Op *op) noexcept nogil:
    arithmetic(b, op, F_MULSS, True, True)


cdef void e_fdiv_s(Block *b, const Op *op) noexcept nogil:
    arithmetic(b, op, F_DIVSS, False, True)


cdef inline void square_root(Block *b, const Op *op, int form, bint single) noexcept nogil:
    cdef int to
    cdef uint32_t stub
    if not can_round(op):
        call_fp(b, op)
        return
    begin(b, op)
    reads(b, op.rs1, single)
    stub = check_mode(b, op)
    mark_dirty(b)
    to = target_f(b, op.rd, where_f(b, op.rs1))
    # Loaded first: the other bits of `to` must be those of a box, and must not make this wait for its old value.
    load_f(b, to, op.rs1)
    x_rr(&b.a, form, 0, to, to)
    put_f(b, op.rd, to, loose_kind(single))
    land(b, stub)


cdef void e_fsqrt_d(Block *b, const Op *op) noexcept nogil:
    square_root(b, op, F_SQRTSD, False)


cdef void e_fsqrt_s(Block *b, const Op *op) noexcept nogil:
    square_root(b, op, F_SQRTSS, True)


# --- fused multiply-add -----------------------------------------------------------------------------------------------
# Infinity times zero is invalid even when the addend is a quiet NaN; the host says nothing then. So a NaN is looked
# into at once, and made canonical: a plain multiplication of the factors raises the flag. They are still there, as
# the result overwrites neither of them before.

cdef inline void late_fused(Block *b, const Stub *s, bint single) noexcept nogil:
    # Of the multiplication's flags only the invalid one counts. The result is in the register that `info` names.
    x_rm(&b.a, F_STMXCSR, 0, 0, RBP, at_mxcsr())
    load_f(b, s.info, s.op.rs1)
    op_f(b, F_MULSS if single else F_MULSD, s.info, rs2_of(&s.op))
    x_rm(&b.a, F_STMXCSR, 0, 0, RBP, at_mxcsr() + 4)
    x_rm(&b.a, F_MOV, 0, RAX, RBP, at_mxcsr() + 4)
    x_rri(&b.a, F_AND_I, 0, 0, RAX, 1)
    x_rm(&b.a, F_OR_MR, 0, RAX, RBP, at_mxcsr())
    x_rm(&b.a, F_LDMXCSR, 0, 0, RBP, at_mxcsr())
    x_mov_imm(&b.a, RAX, 0xFFFFFFFF7FC00000 if single else 0x7FF8000000000000)
    x_rr(&b.a, F_MOVQ_XR, 0, s.info, RAX)
    x_jmp_to(&b.a, s.back)


cdef void late_fused_d(Block *b, const Stub *s) noexcept nogil:
    late_fused(b, s, False)


cdef void late_fused_s(Block *b, const Stub *s) noexcept nogil:
    late_fused(b, s, True)


cdef inline void vop_f(Block *b, int form, int reg, int two, uint32_t r) noexcept nogil:
    cdef int place = where_f(b, r)
    if place >= 0:
        x_vrr(&b.a, form, 0, reg, two, place)
    else:
        x_vrm(&b.a, form, 0, reg, two, RBP, at_f(r))


cdef void fused(Block *b, const Op *op, int form, bint single) noexcept nogil:
    cdef uint32_t rs1 = op.rs1
    cdef uint32_t rs2 = rs2_of(op)
    cdef uint32_t rs3 = rs3_of(op)
    cdef int to, two, three
    cdef uint32_t stub
    if not host_bits & HAS_FMA or not can_round(op):
        call_fp(b, op)
        return
    begin(b, op)
    reads(b, rs1, single)
    reads(b, rs2, single)
    reads(b, rs3, single)
    stub = check_mode(b, op)
    mark_dirty(b)
    if single:
        form += TO_SINGLE
    two = where_f(b, rs2)
    three = where_f(b, rs3)
    if op.rd == rs3 and three >= 0 and rs1 != rs3 and rs2 != rs3:
        # The sum grows in place.
        to = three
        vop_f(b, form + TO_231, to, use_f(b, rs1, to), rs2)
    else:
        to = XMM_OF[op.rd]
        if to < 0 or op.rd == rs1 or op.rd == rs2:
            to = free_f(b, two)
        load_f(b, to, rs1)
        vop_f(b, form + TO_213, to, use_f(b, rs2, to), rs3)
    x_rr(&b.a, F_UCOMISS if single else F_UCOMISD, 0, to, to)
    away_late(b, x_jcc(&b.a, CC_P), late_fused_s if single else late_fused_d, op)
    b.stubs[b.nstubs - 1].info = <uint32_t>to
    put_f(b, op.rd, to, RAW_BOXED if single else RAW)
    land(b, stub)


cdef void e_fmadd_d(Block *b, const Op *op) noexcept nogil:
    fused(b, op, F_VFMADD132SD, False)


cdef void e_fmsub_d(Block *b, const Op *op) noexcept nogil:
    fused(b, op, F_VFMSUB132SD, False)


cdef void e_fnmsub_d(Block *b, const Op *op) noexcept nogil:
    # -(a * b) + c: what the host calls the negated multiply-add.
    fused(b, op, F_VFNMADD132SD, False)


cdef void e_fnmadd_d(Block *b, const Op *op) noexcept nogil:
    fused(b, op, F_VFNMSUB132SD, False)


cdef void e_fmadd_s(Block *b, const Op *op) noexcept nogil:
    fused(b, op, F_VFMADD132SD, True)


cdef void e_fmsub_s(Block *b, const Op *op) noexcept nogil:
    fused(b, op, F_VFMSUB132SD, True)


cdef void e_fnmsub_s(Block *b, const Op *op) noexcept nogil:
    fused(b, op, F_VFNMADD132SD, True)


cdef void e_fnmadd_s(Block *b, const Op *op) noexcept nogil:
    fused(b, op, F_VFNMSUB132SD, True)


# --- minimum and maximum ----------------------------------------------------------------------------------------------
# The host's take the second operand of equal ones, and of any two when one is a NaN, and call quiet NaNs invalid. So
# what compares as equal or unordered goes out of line, where zeros of two signs and NaNs are looked at.

cdef inline void late_choice(Block *b, const Stub *s, bint largest, bint single) noexcept nogil:
    cdef int compare = F_UCOMISS if single else F_UCOMISD
    cdef int to = XMM_OF[s.op.rd]
    cdef uint8_t *nans
    cdef uint8_t *done[3]
    cdef int i
    # Reached with the flags of the comparison.
    nans = x_jcc8(&b.a, CC_P)
    # Equal: of zeros the minimum has the sign if one has it, the maximum if both have.
    load_f(b, XMM0, s.op.rs1)
    load_f(b, XMM1, rs2_of(&s.op))
    x_rr(&b.a, F_ANDPS if largest else F_ORPS, 0, XMM0, XMM1)
    done[0] = x_jmp8(&b.a)
    if not b.a.full:
        x_patch8(nans, b.a.at)
    # The one that is no NaN. The comparison has raised invalid if one was signalling.
    load_f(b, XMM0, s.op.rs1)
    x_rr(&b.a, compare, 0, XMM0, XMM0)
    done[1] = x_jcc8(&b.a, CC_NP)
    load_f(b, XMM0, rs2_of(&s.op))
    x_rr(&b.a, compare, 0, XMM0, XMM0)
    done[2] = x_jcc8(&b.a, CC_NP)
    x_mov_imm(&b.a, RAX, 0xFFFFFFFF7FC00000 if single else 0x7FF8000000000000)
    x_rr(&b.a, F_MOVQ_XR, 0, XMM0, RAX)
    if not b.a.full:
        for i in range(3):
            x_patch8(done[i], b.a.at)
    if to >= 0:
        x_rr(&b.a, F_MOVAPS, 0, to, XMM0)
    x_jmp_to(&b.a, s.back)


cdef void late_min_d(Block *b, const Stub *s) noexcept nogil:
    late_choice(b, s, False, False)


cdef void late_max_d(Block *b, const Stub *s) noexcept nogil:
    late_choice(b, s, True, False)


cdef void late_min_s(Block *b, const Stub *s) noexcept nogil:
    late_choice(b, s, False, True)


cdef void late_max_s(Block *b, const Stub *s) noexcept nogil:
    late_choice(b, s, True, True)


cdef inline void choose(Block *b, const Op *op, bint largest, bint single) noexcept nogil:
    cdef int form = (F_MAXSS if largest else F_MINSS) if single else (F_MAXSD if largest else F_MINSD)
    cdef uint32_t rs1 = op.rs1
    cdef uint32_t rs2 = rs2_of(op)
    cdef int to = XMM_OF[op.rd] if XMM_OF[op.rd] >= 0 else XMM0
    cdef uint32_t stub
    begin(b, op)
    reads(b, rs1, single)
    reads(b, rs2, single)
    mark_dirty(b)
    op_f(b, F_UCOMISS if single else F_UCOMISD, use_f(b, rs1, NOWHERE), rs2)
    # Both scratch registers are used out of line, and xmm0 here.
    forget_f(b)
    if single:
        away_late(b, x_jcc(&b.a, CC_E), late_max_s if largest else late_min_s, op)
    else:
        away_late(b, x_jcc(&b.a, CC_E), late_max_d if largest else late_min_d, op)
    stub = b.nstubs - 1
    # Here the operands differ, and their order does not matter.
    if to == XMM_OF[rs2]:
        op_f(b, form, to, rs1)
    else:
        load_f(b, to, rs1)
        op_f(b, form, to, rs2)
    land(b, stub)
    put_f(b, op.rd, to, RAW_BOXED if single else RAW)


cdef void e_fmin_d(Block *b, const Op *op) noexcept nogil:
    choose(b, op, False, False)


cdef void e_fmax_d(Block *b, const Op *op) noexcept nogil:
    choose(b, op, True, False)


cdef void e_fmin_s(Block *b, const Op *op) noexcept nogil:
    choose(b, op, False, True)


cdef void e_fmax_s(Block *b, const Op *op) noexcept nogil:
    choose(b, op, True, True)


# --- comparisons ------------------------------------------------------------------------------------------------------

cdef void equal(Block *b, const Op *op, bint single) noexcept nogil:
    # A quiet comparison; unordered is equal to the host, but for the parity flag.
    cdef int to = target_x(op.rd, RAX)
    begin(b, op)
    reads(b, op.rs1, single)
    reads(b, rs2_of(op), single)
    op_f(b, F_UCOMISS if single else F_UCOMISD, use_f(b, op.rs1, NOWHERE), rs2_of(op))
    if op.rd != SINK:
        x_setcc(&b.a, CC_NP, RAX)
        x_setcc(&b.a, CC_E, RCX)
        x_rr(&b.a, F_AND, 0, RAX, RCX)
        x_rr(&b.a, F_MOVZX8, 0, to, RAX)
        put_x(b, op.rd, to)


cdef void less(Block *b, const Op *op, int cc, bint single) noexcept nogil:
    # rs2 is compared with rs1: "above" is false for what is unordered, "below" would be true.
    cdef int to = target_x(op.rd, RAX)
    begin(b, op)
    reads(b, op.rs1, single)
    reads(b, rs2_of(op), single)
    op_f(b, F_COMISS if single else F_COMISD, use_f(b, rs2_of(op), NOWHERE), op.rs1)
    if op.rd != SINK:
        x_setcc(&b.a, cc, RAX)
        x_rr(&b.a, F_MOVZX8, 0, to, RAX)
        put_x(b, op.rd, to)


cdef void e_feq_d(Block *b, const Op *op) noexcept nogil:
    equal(b, op, False)


cdef void e_flt_d(Block *b, const Op *op) noexcept nogil:
    less(b, op, CC_A, False)


cdef void e_fle_d(Block *b, const Op *op) noexcept nogil:
    less(b, op, CC_AE, False)


cdef void e_feq_s(Block *b, const Op *op) noexcept nogil:
    equal(b, op, True)


cdef void e_flt_s(Block *b, const Op *op) noexcept nogil:
    less(b, op, CC_A, True)


cdef void e_fle_s(Block *b, const Op *op) noexcept nogil:
    less(b, op, CC_AE, True)


# --- what T0's handlers do --------------------------------------------------------------------------------------------

cdef void e_call_fp(Block *b, const Op *op) noexcept nogil:
    call_fp(b, op)


find_features()
register_emitter("fadd.d", e_fadd_d, False)
register_emitter("fsub.d", e_fsub_d, False)
register_emitter("fmul.d", e_fmul_d, False)
register_emitter("fdiv.d", e_fdiv_d, False)
register_emitter("fsqrt.d", e_fsqrt_d, False)
register_emitter("fmadd.d", e_fmadd_d, False)
register_emitter("fmsub.d", e_fmsub_d, False)
register_emitter("fnmsub.d", e_fnmsub_d, False)
register_emitter("fnmadd.d", e_fnmadd_d, False)
register_emitter("fmin.d", e_fmin_d, False)
register_emitter("fmax.d", e_fmax_d, False)
register_emitter("feq.d", e_feq_d, False)
register_emitter("flt.d", e_flt_d, False)
register_emitter("fle.d", e_fle_d, False)
register_emitter("fadd.s", e_fadd_s, False)
register_emitter("fsub.s", e_fsub_s, False)
register_emitter("fmul.s", e_fmul_s, False)
register_emitter("fdiv.s", e_fdiv_s, False)
register_emitter("fsqrt.s", e_fsqrt_s, False)
register_emitter("fmadd.s", e_fmadd_s, False)
register_emitter("fmsub.s", e_fmsub_s, False)
register_emitter("fnmsub.s", e_fnmsub_s, False)
register_emitter("fnmadd.s", e_fnmadd_s, False)
register_emitter("fmin.s", e_fmin_s, False)
register_emitter("fmax.s", e_fmax_s, False)
register_emitter("feq.s", e_feq_s, False)
register_emitter("flt.s", e_flt_s, False)
register_emitter("fle.s", e_fle_s, False)

# Classification, half precision and Zfa: rare.
for _name in (
    "fclass.d", "fclass.s", "fminm.d", "fmaxm.d", "fltq.d", "fleq.d", "fround.d", "froundnx.d", "fli.d", "fcvtmod.w.d",
    "fminm.s", "fmaxm.s", "fltq.s", "fleq.s", "fround.s", "froundnx.s", "fli.s",
    "fadd.h", "fsub.h", "fmul.h", "fdiv.h", "fsqrt.h", "fmadd.h", "fmsub.h", "fnmsub.h", "fnmadd.h", "fsgnj.h",
    "fsgnjn.h", "fsgnjx.h", "fmin.h", "fmax.h", "fminm.h", "fmaxm.h", "feq.h", "flt.h", "fle.h", "fltq.h", "fleq.h",
    "fclass.h", "fround.h", "froundnx.h", "fcvt.w.h", "fcvt.wu.h", "fcvt.l.h", "fcvt.lu.h", "fcvt.h.w", "fcvt.h.wu",
    "fcvt.h.l", "fcvt.h.lu", "fcvt.h.s", "fcvt.h.d", "fcvt.s.h", "fcvt.d.h", "fmv.x.h", "fmv.h.x", "fli.h",
):
    register_emitter(_name, e_call_fp, False)
