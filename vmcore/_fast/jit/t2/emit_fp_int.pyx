"""Emission of conversions between integers and floating point.

To integers they saturate, and what does not fit is invalid and nothing else. The host's conversions say "indefinite"
for what they cannot represent, and raise invalid then. What may not fit goes out of line.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.hart.softcore cimport RTZ
from vmcore._fast.jit.convention cimport at_mxcsr
from vmcore._fast.jit.t2.code cimport (
    ASIDE_NODE, XMM0, XMM1, Away, Code, away, home_of, land8, load_to, load_xmm, node_of, put, put_xmm, target_of,
    target_xmm, use, xmm_of)
from vmcore._fast.jit.t2.ir cimport MEM_SIGNED, T_F32, Node
from vmcore._fast.jit.x64.asm cimport (
    CC_AE, CC_B, CC_E, CC_NS, CC_O, CC_P, CC_S, F_ADDSD, F_ADDSS, F_AND_I, F_BTC_I, F_CMP, F_CMP_I, F_CVTSD2SI,
    F_CVTSI2SD, F_CVTSI2SS, F_CVTSS2SI, F_CVTTSD2SI, F_CVTTSS2SI, F_LDMXCSR, F_MOV, F_MOVD_RX, F_MOVQ_RX, F_MOVQ_XR,
    F_MOVSXD, F_OR, F_OR8_MI, F_SHR_I, F_STMXCSR, F_SUBSD, F_SUBSS, F_TEST, F_UCOMISD, F_UCOMISS, F_XOR, F_XORPS, RAX,
    RBP, RDX, x_jcc, x_jcc8, x_jcc_to, x_jmp8, x_jmp_to, x_mov_imm, x_rm, x_rmi, x_rr, x_rri)


# --- from integers ----------------------------------------------------------------------------------------------------

cdef void emit_from_int(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef bint is_signed = (n.flags & MEM_SIGNED) != 0
    cdef int form = F_CVTSI2SS if n.type == T_F32 else F_CVTSI2SD
    cdef int to = target_xmm(c, node)
    cdef int32_t disp = 0
    cdef int base = home_of(c, n.a, &disp)
    # Nothing waits for what was in the register.
    x_rr(&c.a, F_XORPS, 0, to, to)
    if is_signed and base >= 0:
        x_rm(&c.a, form, n.size == 8, to, base, disp)
    elif is_signed:
        x_rr(&c.a, form, n.size == 8, to, use(c, n.a, RAX))
    else:
        load_to(c, n.a, RAX)
        if n.size == 4:
            x_rr(&c.a, F_MOV, 0, RAX, RAX)
        else:
            x_rr(&c.a, F_TEST, 1, RAX, RAX)
            away(c, x_jcc(&c.a, CC_S), ASIDE_NODE, node)
        x_rr(&c.a, form, 1, to, RAX)
        if n.size == 8 and not c.failed:
            c.aways[c.naways - 1].back = c.a.at
    put_xmm(c, node, to)


cdef void from_int_aside(Code *c, uint32_t node, const Away *w) noexcept nogil:
    # Too large for a signed integer: half of it, whose last bit stands for what was shifted out, and twice that.
    cdef const Node *n = node_of(c, node)
    cdef bint single = n.type == T_F32
    cdef int to = target_xmm(c, node)
    cdef uint8_t *back = w.back
    x_rr(&c.a, F_MOV, 0, RDX, RAX)
    x_rri(&c.a, F_AND_I, 0, 0, RDX, 1)
    x_rri(&c.a, F_SHR_I, 1, 0, RAX, 1)
    x_rr(&c.a, F_OR, 1, RAX, RDX)
    x_rr(&c.a, F_CVTSI2SS if single else F_CVTSI2SD, 1, to, RAX)
    x_rr(&c.a, F_ADDSS if single else F_ADDSD, 0, to, to)
    x_jmp_to(&c.a, back)


# --- to integers ------------------------------------------------------------------------------------------------------

cdef inline bint is_single(const Code *c, const Node *n) noexcept nogil:
    return node_of(c, n.a).type == T_F32


cdef void convert(Code *c, const Node *n, int w) noexcept nogil:
    # rax <- the operand, as a signed integer.
    cdef bint truncate = n.mode == RTZ
    cdef int form
    if is_single(c, n):
        form = F_CVTTSS2SI if truncate else F_CVTSS2SI
    else:
        form = F_CVTTSD2SI if truncate else F_CVTSD2SI
    if xmm_of(c, n.a) >= 0:
        x_rr(&c.a, form, w, RAX, xmm_of(c, n.a))
    else:
        load_xmm(c, n.a, XMM0)
        x_rr(&c.a, form, w, RAX, XMM0)


cdef inline void put_int(Code *c, uint32_t node) noexcept nogil:
    cdef int to = target_of(c, node)
    if node_of(c, node).size == 4:
        x_rr(&c.a, F_MOVSXD, 1, to, RAX)
        put(c, node, to)
    else:
        put(c, node, RAX)


cdef void sign_bits(Code *c, const Node *n) noexcept nogil:
    # rdx: the operand's bits, its sign at bit 63 (a single: of edx, at bit 31).
    if is_single(c, n):
        if xmm_of(c, n.a) >= 0:
            x_rr(&c.a, F_MOVD_RX, 0, xmm_of(c, n.a), RDX)
        else:
            load_to(c, n.a, RDX)
    elif xmm_of(c, n.a) >= 0:
        x_rr(&c.a, F_MOVQ_RX, 0, xmm_of(c, n.a), RDX)
    else:
        load_to(c, n.a, RDX)


cdef void emit_to_int(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef bint single = is_single(c, n)
    cdef int w = n.size == 8
    cdef uint32_t rare
    cdef uint32_t limit
    if n.flags & MEM_SIGNED:
        # The least number stands for itself and for everything that does not fit: 1 less than it overflows.
        convert(c, n, w)
        x_rri(&c.a, F_CMP_I, w, 0, RAX, 1)
        rare = c.naways
        away(c, x_jcc(&c.a, CC_O), ASIDE_NODE, node)
    else:
        # What is surely positive and fits in a signed integer, however it is rounded, by sign and exponent.
        sign_bits(c, n)
        limit = (127 if single else 1023) + (63 if w else 32 if n.mode == RTZ else 31)
        x_rri(&c.a, F_SHR_I, not single, 0, RDX, 23 if single else 52)
        x_rri(&c.a, F_CMP_I, 0, 0, RDX, limit)
        rare = c.naways
        away(c, x_jcc(&c.a, CC_AE), ASIDE_NODE, node)
        convert(c, n, 1)
    if not c.failed:
        c.aways[rare].back = c.a.at
    put_int(c, node)


cdef void signed_aside(Code *c, uint32_t node, uint8_t *back) noexcept nogil:
    # The least number; or the greatest for a NaN, and for what is positive.
    cdef const Node *n = node_of(c, node)
    cdef bint single = is_single(c, n)
    cdef uint8_t *nan
    cdef uint8_t *negative
    load_xmm(c, n.a, XMM0)
    x_rr(&c.a, F_UCOMISS if single else F_UCOMISD, 0, XMM0, XMM0)
    nan = x_jcc8(&c.a, CC_P)
    sign_bits(c, n)
    x_rr(&c.a, F_TEST, not single, RDX, RDX)
    negative = x_jcc8(&c.a, CC_S)
    land8(c, nan)
    x_mov_imm(&c.a, RAX, 0x7FFFFFFFFFFFFFFF if n.size == 8 else 0x7FFFFFFF)
    land8(c, negative)
    x_jmp_to(&c.a, back)


cdef inline void two_to_the(Code *c, uint32_t exponent, bint single) noexcept nogil:
    # Into xmm1.
    x_mov_imm(&c.a, RAX, <uint64_t>(127 + exponent) << 23 if single else <uint64_t>(1023 + exponent) << 52)
    x_rr(&c.a, F_MOVQ_XR, 0, XMM1, RAX)


cdef void unsigned_aside(Code *c, uint32_t node, uint8_t *back) noexcept nogil:
    # Converted as a signed integer, to see; where that is not the answer the flags that it raised are taken back.
    cdef const Node *n = node_of(c, node)
    cdef bint single = is_single(c, n)
    cdef int compare = F_UCOMISS if single else F_UCOMISD
    cdef uint8_t *small
    cdef uint8_t *large
    cdef uint8_t *done
    cdef uint8_t *nan
    x_rm(&c.a, F_STMXCSR, 0, 0, RBP, at_mxcsr())
    convert(c, n, 1)
    if n.size == 8:
        x_rr(&c.a, F_TEST, 1, RAX, RAX)
        x_jcc_to(&c.a, CC_NS, back)
    else:
        x_rr(&c.a, F_MOV, 0, RDX, RAX)
        x_rr(&c.a, F_CMP, 1, RDX, RAX)
        x_jcc_to(&c.a, CC_E, back)
    x_rm(&c.a, F_LDMXCSR, 0, 0, RBP, at_mxcsr())
    load_xmm(c, n.a, XMM0)
    if n.size == 8:
        # From 2^63 on it is an integer, and less 2^63 it is converted exactly. (Unordered counts as below.)
        two_to_the(c, 63, single)
        x_rr(&c.a, compare, 0, XMM0, XMM1)
        small = x_jcc8(&c.a, CC_B)
        two_to_the(c, 64, single)
        x_rr(&c.a, compare, 0, XMM0, XMM1)
        large = x_jcc8(&c.a, CC_AE)
        two_to_the(c, 63, single)
        x_rr(&c.a, F_SUBSS if single else F_SUBSD, 0, XMM0, XMM1)
        x_rr(&c.a, F_CVTTSS2SI if single else F_CVTTSD2SI, 1, RAX, XMM0)
        x_rri(&c.a, F_BTC_I, 1, 0, RAX, 63)
        done = x_jmp8(&c.a)
        land8(c, small)
        land8(c, large)
    else:
        done = NULL
    # Invalid: 0 for what is negative, else all ones.
    x_rm(&c.a, F_STMXCSR, 0, 0, RBP, at_mxcsr())
    x_rmi(&c.a, F_OR8_MI, 0, 0, RBP, at_mxcsr(), 1)
    x_rm(&c.a, F_LDMXCSR, 0, 0, RBP, at_mxcsr())
    x_mov_imm(&c.a, RAX, ~<uint64_t>0)
    x_rr(&c.a, compare, 0, XMM0, XMM0)
    nan = x_jcc8(&c.a, CC_P)
    sign_bits(c, n)
    x_rr(&c.a, F_TEST, not single, RDX, RDX)
    small = x_jcc8(&c.a, CC_NS)
    x_rr(&c.a, F_XOR, 0, RAX, RAX)
    land8(c, small)
    land8(c, nan)
    if done != NULL:
        land8(c, done)
    x_jmp_to(&c.a, back)


cdef void to_int_aside(Code *c, uint32_t node, const Away *w) noexcept nogil:
    if node_of(c, node).flags & MEM_SIGNED:
        signed_aside(c, node, w.back)
    else:
        unsigned_aside(c, node, w.back)
