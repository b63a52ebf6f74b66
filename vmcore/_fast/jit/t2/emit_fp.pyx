"""Emission of floating point: arithmetic, comparisons, signs, NaNs and boxes.

The host computes under the guest's rounding mode and raises the guest's flags (docs/adr/0003-boundary-convention.md);
results differ in their NaNs only, which OP_FCLEAN puts right. Scratch: xmm0, xmm1, rax, rdx.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t

from vmcore._fast.hart.fpregs cimport DYNAMIC
from vmcore._fast.hart.softcore cimport RTZ
from vmcore._fast.jit.convention cimport at_mxcsr
from vmcore._fast.jit.t2.code cimport (
    ASIDE_NODE, XMM0, XMM1, Away, Code, away, home_of, land8, load_to, load_xmm, node_of, op_xmm, put, put_xmm,
    target_of, target_xmm, use, use_xmm, xmm_of)
from vmcore._fast.jit.t2.emit_fp_int cimport emit_from_int, emit_to_int, from_int_aside, to_int_aside
from vmcore._fast.jit.t2.ir cimport *
from vmcore._fast.jit.x64.asm cimport (
    CC_A, CC_AE, CC_E, CC_NE, CC_NP, CC_P, F_ADDSD, F_ADDSS, F_AND, F_AND_I, F_ANDNPS, F_ANDPS, F_BTR_I, F_CMP_I,
    F_COMISD, F_COMISS, F_CVTSD2SS, F_CVTSS2SD, F_DIVSD, F_DIVSS, F_LDMXCSR, F_MAXSD, F_MAXSS, F_MINSD, F_MINSS, F_MOV,
    F_MOVAPS, F_MOVD_RX, F_MOVQ_RX, F_MOVQ_XR, F_MOVSXD, F_MOVZX8, F_MULSD, F_MULSS, F_NOT, F_OR, F_ORPS, F_OR_MR,
    F_PCMPEQD, F_PSLLQ_I, F_PSRLQ_I, F_SAR_I, F_SHL_I, F_SHR_I, F_SQRTSD, F_SQRTSS, F_STMXCSR, F_SUBSD, F_SUBSS,
    F_UCOMISD, F_UCOMISS, F_UNPCKLPS, F_VFMADD231SD, F_VFMADD231SS, F_VFMSUB231SD, F_VFMSUB231SS, F_VFNMADD231SD,
    F_VFNMADD231SS, F_VFNMSUB231SD, F_VFNMSUB231SS, F_XOR, F_XORPS, RAX, RBP, RDX, x_jcc, x_jcc8, x_jmp8, x_jmp_to,
    x_mov_imm, x_rm, x_rmi, x_rr, x_rri, x_setcc, x_vrm, x_vrr)


cdef inline bint is_single(const Code *c, uint32_t node) noexcept nogil:
    return node_of(c, node).type == T_F32


cdef inline void canonical(Code *c, int to, bint single) noexcept nogil:
    x_mov_imm(&c.a, RAX, 0xFFFFFFFF7FC00000 if single else 0x7FF8000000000000)
    x_rr(&c.a, F_MOVQ_XR, 0, to, RAX)


# --- arithmetic -------------------------------------------------------------------------------------------------------

cdef inline int form_of(uint32_t op, bint single) noexcept nogil:
    if op == OP_FADD:
        return F_ADDSS if single else F_ADDSD
    if op == OP_FSUB:
        return F_SUBSS if single else F_SUBSD
    if op == OP_FMUL:
        return F_MULSS if single else F_MULSD
    return F_DIVSS if single else F_DIVSD


cdef void arithmetic(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef bint commutes = n.op == OP_FADD or n.op == OP_FMUL
    cdef uint32_t a = n.a
    cdef uint32_t b = n.b
    cdef int to = target_xmm(c, node)
    if commutes and xmm_of(c, b) == to:
        a, b = b, a
    elif xmm_of(c, b) == to and xmm_of(c, a) != to:
        to = XMM0
    load_xmm(c, a, to)
    op_xmm(c, form_of(n.op, is_single(c, node)), to, b)
    put_xmm(c, node, to)


cdef void unary(Code *c, uint32_t node, int form) noexcept nogil:
    # (The operand first: nothing waits for what was in the register.)
    cdef int to = target_xmm(c, node)
    load_xmm(c, node_of(c, node).a, to)
    x_rr(&c.a, form, 0, to, to)
    put_xmm(c, node, to)


# Infinity times zero is invalid even when the addend is a quiet NaN; the host says nothing then. So a NaN is looked
# into at once, and made canonical: a plain multiplication of the factors, which are still there, raises the flag.

cdef inline int fused_form(uint32_t op, bint single) noexcept nogil:
    if op == OP_FMADD:
        return F_VFMADD231SS if single else F_VFMADD231SD
    if op == OP_FMSUB:
        return F_VFMSUB231SS if single else F_VFMSUB231SD
    # -(a * b) + c: what the host calls the negated multiply-add.
    if op == OP_FNMSUB:
        return F_VFNMADD231SS if single else F_VFNMADD231SD
    return F_VFNMSUB231SS if single else F_VFNMSUB231SD


cdef inline int fused_target(const Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef int to = target_xmm(c, node)
    return XMM0 if to == xmm_of(c, n.a) or to == xmm_of(c, n.b) else to


cdef void fused(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef bint single = is_single(c, node)
    cdef int form = fused_form(n.op, single)
    cdef int to = fused_target(c, node)
    cdef int32_t disp = 0
    cdef int base = home_of(c, n.b, &disp)
    load_xmm(c, n.c, to)
    if base >= 0:
        x_vrm(&c.a, form, 0, to, use_xmm(c, n.a, XMM1), base, disp)
    else:
        x_vrr(&c.a, form, 0, to, use_xmm(c, n.a, XMM1), xmm_of(c, n.b))
    x_rr(&c.a, F_UCOMISS if single else F_UCOMISD, 0, to, to)
    away(c, x_jcc(&c.a, CC_P), ASIDE_NODE, node)
    put_xmm(c, node, to)


cdef void fused_aside(Code *c, uint32_t node, uint8_t *back) noexcept nogil:
    # Of the multiplication's flags only the invalid one counts.
    cdef const Node *n = node_of(c, node)
    cdef bint single = is_single(c, node)
    x_rm(&c.a, F_STMXCSR, 0, 0, RBP, at_mxcsr())
    load_xmm(c, n.a, XMM1)
    op_xmm(c, F_MULSS if single else F_MULSD, XMM1, n.b)
    x_rm(&c.a, F_STMXCSR, 0, 0, RBP, at_mxcsr() + 4)
    x_rm(&c.a, F_MOV, 0, RAX, RBP, at_mxcsr() + 4)
    x_rri(&c.a, F_AND_I, 0, 0, RAX, 1)
    x_rm(&c.a, F_OR_MR, 0, RAX, RBP, at_mxcsr())
    x_rm(&c.a, F_LDMXCSR, 0, 0, RBP, at_mxcsr())
    canonical(c, fused_target(c, node), single)
    x_jmp_to(&c.a, back)


# The host's minimum and maximum take the second operand of equal ones, and of any two when one is a NaN, and call quiet
# NaNs invalid. So what compares as equal or unordered goes out of line, where zeros of two signs and NaNs are looked
# at.

cdef void choose(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef bint single = is_single(c, node)
    cdef int to = target_xmm(c, node)
    cdef uint32_t a = n.a
    cdef uint32_t b = n.b
    cdef uint32_t rare
    cdef int form
    if n.op == OP_FMAX:
        form = F_MAXSS if single else F_MAXSD
    else:
        form = F_MINSS if single else F_MINSD
    op_xmm(c, F_UCOMISS if single else F_UCOMISD, use_xmm(c, a, XMM0), b)
    rare = c.naways
    away(c, x_jcc(&c.a, CC_E), ASIDE_NODE, node)
    # Here the operands differ, and their order does not matter.
    if xmm_of(c, b) == to:
        a, b = b, a
    load_xmm(c, a, to)
    op_xmm(c, form, to, b)
    if not c.failed:
        c.aways[rare].back = c.a.at
    put_xmm(c, node, to)


cdef void choose_aside(Code *c, uint32_t node, uint8_t *back) noexcept nogil:
    # Reached with the flags of the comparison.
    cdef const Node *n = node_of(c, node)
    cdef bint single = is_single(c, node)
    cdef int compare = F_UCOMISS if single else F_UCOMISD
    cdef int to = target_xmm(c, node)
    cdef uint8_t *nans = x_jcc8(&c.a, CC_P)
    cdef uint8_t *done[3]
    cdef uint32_t i
    # Equal: of zeros the minimum has the sign if one has it, the maximum if both have.
    load_xmm(c, n.a, XMM0)
    load_xmm(c, n.b, XMM1)
    x_rr(&c.a, F_ANDPS if n.op == OP_FMAX else F_ORPS, 0, XMM0, XMM1)
    done[0] = x_jmp8(&c.a)
    land8(c, nans)
    # The one that is no NaN. The comparison has raised invalid if one was signalling.
    load_xmm(c, n.a, XMM0)
    x_rr(&c.a, compare, 0, XMM0, XMM0)
    done[1] = x_jcc8(&c.a, CC_NP)
    load_xmm(c, n.b, XMM0)
    x_rr(&c.a, compare, 0, XMM0, XMM0)
    done[2] = x_jcc8(&c.a, CC_NP)
    canonical(c, XMM0, single)
    for i in range(3):
        land8(c, done[i])
    if to != XMM0:
        x_rr(&c.a, F_MOVAPS, 0, to, XMM0)
    x_jmp_to(&c.a, back)


# --- comparisons ------------------------------------------------------------------------------------------------------

cdef int emit_order(Code *c, uint32_t node) noexcept nogil:
    # b is compared with a: "above" is false for what is unordered, "below" would be true.
    cdef const Node *n = node_of(c, node)
    op_xmm(c, F_COMISS if is_single(c, n.a) else F_COMISD, use_xmm(c, n.b, XMM0), n.a)
    return CC_A if n.op == OP_FLT else CC_AE


cdef void compare(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef bint single = is_single(c, n.a)
    cdef int to = target_of(c, node)
    if n.op == OP_FEQ:
        # A quiet comparison; unordered is equal to the host, but for the parity flag.
        op_xmm(c, F_UCOMISS if single else F_UCOMISD, use_xmm(c, n.a, XMM0), n.b)
        x_setcc(&c.a, CC_NP, RAX)
        x_setcc(&c.a, CC_E, RDX)
        x_rr(&c.a, F_AND, 0, RAX, RDX)
    else:
        x_setcc(&c.a, emit_order(c, node), RAX)
    x_rr(&c.a, F_MOVZX8, 0, to, RAX)
    put(c, node, to)


# --- signs ------------------------------------------------------------------------------------------------------------

cdef void change_sign(Code *c, uint32_t node) noexcept nogil:
    # Of one operand: its negative, or its magnitude.
    cdef const Node *n = node_of(c, node)
    x_rr(&c.a, F_PCMPEQD, 0, XMM0, XMM0)
    x_rri(&c.a, F_PSLLQ_I, 0, 0, XMM0, 63)
    if is_single(c, node):
        x_rri(&c.a, F_PSRLQ_I, 0, 0, XMM0, 32)
    x_rr(&c.a, F_XORPS if n.op == OP_FSGNJN else F_ANDNPS, 0, XMM0, use_xmm(c, n.a, XMM1))
    put_xmm(c, node, XMM0)


cdef inline void bits_to(Code *c, uint32_t node, int to) noexcept nogil:
    # All 64 bits that are there.
    if xmm_of(c, node) >= 0:
        x_rr(&c.a, F_MOVQ_RX, 0, xmm_of(c, node), to)
    else:
        load_to(c, node, to)


cdef void move_sign(Code *c, uint32_t node) noexcept nogil:
    # From one to another.
    cdef const Node *n = node_of(c, node)
    cdef uint32_t sign = 31 if is_single(c, node) else 63
    if n.a == n.b:
        if n.op == OP_FSGNJ:
            load_xmm(c, n.a, target_xmm(c, node))
            put_xmm(c, node, target_xmm(c, node))
        else:
            change_sign(c, node)
        return
    bits_to(c, n.a, RAX)
    bits_to(c, n.b, RDX)
    if n.op == OP_FSGNJN:
        x_rr(&c.a, F_NOT, 1, 0, RDX)
    x_rri(&c.a, F_SHR_I, sign == 63, 0, RDX, sign)
    x_rri(&c.a, F_SHL_I, sign == 63, 0, RDX, sign)
    if n.op == OP_FSGNJX:
        x_rr(&c.a, F_XOR, 1, RAX, RDX)
    else:
        x_rri(&c.a, F_BTR_I, 1, 0, RAX, sign)
        x_rr(&c.a, F_OR, 1, RAX, RDX)
    x_rr(&c.a, F_MOVQ_XR, 0, target_xmm(c, node), RAX)
    put_xmm(c, node, target_xmm(c, node))


# --- NaNs, boxes, bits ------------------------------------------------------------------------------------------------

cdef void clean(Code *c, uint32_t node) noexcept nogil:
    cdef int to = target_xmm(c, node)
    load_xmm(c, node_of(c, node).a, to)
    x_rr(&c.a, F_UCOMISS if is_single(c, node) else F_UCOMISD, 0, to, to)
    away(c, x_jcc(&c.a, CC_P), ASIDE_NODE, node)
    put_xmm(c, node, to)


cdef void box(Code *c, uint32_t node) noexcept nogil:
    cdef int to = xmm_of(c, node)
    if to < 0:
        to = XMM1
    load_xmm(c, node_of(c, node).a, to)
    x_rr(&c.a, F_PCMPEQD, 0, XMM0, XMM0)
    x_rr(&c.a, F_UNPCKLPS, 0, to, XMM0)
    put_xmm(c, node, to)


cdef void unbox(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef int to = target_xmm(c, node)
    cdef int32_t disp = 0
    cdef int base = home_of(c, n.a, &disp)
    load_xmm(c, n.a, to)
    if base >= 0:
        x_rmi(&c.a, F_CMP_I, 0, 0, base, disp + 4, -1)
    else:
        x_rr(&c.a, F_MOVQ_RX, 0, to, RAX)
        x_rri(&c.a, F_SAR_I, 1, 0, RAX, 32)
        x_rri(&c.a, F_CMP_I, 0, 0, RAX, -1)
    away(c, x_jcc(&c.a, CC_NE), ASIDE_NODE, node)
    put_xmm(c, node, to)


cdef void bits(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef int to = target_of(c, node)
    cdef int32_t disp = 0
    cdef int base = home_of(c, n.a, &disp)
    if not is_single(c, n.a):
        bits_to(c, n.a, to)
    elif base >= 0:
        x_rm(&c.a, F_MOVSXD, 1, to, base, disp)
    else:
        x_rr(&c.a, F_MOVD_RX, 0, xmm_of(c, n.a), to)
        x_rr(&c.a, F_MOVSXD, 1, to, to)
    put(c, node, to)


cdef void from_bits(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef int to = target_xmm(c, node)
    cdef int32_t disp = 0
    if home_of(c, n.a, &disp) >= 0:
        load_xmm(c, n.a, to)
    else:
        x_rr(&c.a, F_MOVQ_XR, 0, to, use(c, n.a, RAX))
    put_xmm(c, node, to)


cdef inline bint rounds(uint32_t op) noexcept nogil:
    return OP_FADD <= op <= OP_FNMADD or op == OP_F32_F64 or op == OP_F_INT or op == OP_INT_F


cdef void emit_fp(Code *c, uint32_t node) noexcept nogil:
    cdef uint32_t op = node_of(c, node).op
    cdef bint single = is_single(c, node)
    if rounds(op) and node_of(c, node).mode != DYNAMIC and not (op == OP_INT_F and node_of(c, node).mode == RTZ):
        # MXCSR has the guest's mode, and no other.
        c.failed = True
    elif op == OP_FSQRT:
        unary(c, node, F_SQRTSS if single else F_SQRTSD)
    elif OP_FADD <= op <= OP_FDIV:
        arithmetic(c, node)
    elif OP_FMADD <= op <= OP_FNMADD:
        fused(c, node)
    elif op == OP_FMIN or op == OP_FMAX:
        choose(c, node)
    elif OP_FEQ <= op <= OP_FLE:
        compare(c, node)
    elif OP_FSGNJ <= op <= OP_FSGNJX:
        move_sign(c, node)
    elif op == OP_FCLEAN:
        clean(c, node)
    elif op == OP_BOX:
        box(c, node)
    elif op == OP_UNBOX:
        unbox(c, node)
    elif op == OP_BITS:
        bits(c, node)
    elif op == OP_FROMBITS:
        from_bits(c, node)
    elif op == OP_F64_F32:
        unary(c, node, F_CVTSS2SD)
    elif op == OP_F32_F64:
        unary(c, node, F_CVTSD2SS)
    elif op == OP_F_INT:
        emit_from_int(c, node)
    else:
        emit_to_int(c, node)


cdef void fp_aside(Code *c, uint32_t node, const Away *w) noexcept nogil:
    cdef uint32_t op = node_of(c, node).op
    if OP_FMADD <= op <= OP_FNMADD:
        fused_aside(c, node, w.back)
    elif op == OP_FMIN or op == OP_FMAX:
        choose_aside(c, node, w.back)
    elif op == OP_F_INT:
        from_int_aside(c, node, w)
    elif op == OP_INT_F:
        to_int_aside(c, node, w)
    else:
        # FCLEAN, UNBOX.
        canonical(c, target_xmm(c, node), is_single(c, node))
        x_jmp_to(&c.a, w.back)
