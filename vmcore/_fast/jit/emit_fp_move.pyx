"""Block code for F and D where bits move: loads, stores, moves, signs, and conversions."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.hart.fpregs cimport DYNAMIC
from vmcore._fast.hart.softcore cimport RTZ
from vmcore._fast.hart.state cimport ACC_READ, ACC_WRITE, SINK, Op
from vmcore._fast.jit.block cimport (
    Block, Stub, add_imm, away_late, forget_f, load_x, op_x, put_x, register_emitter, target_x)
from vmcore._fast.jit.convention cimport XMM_OF, at_f
from vmcore._fast.jit.emit_mem cimport find_host
from vmcore._fast.jit.fpu cimport (
    LOOSE32, LOOSE64, NOWHERE, NO_STUB, RAW, RAW_BOXED, XMM0, XMM1, begin, call_fp, can_round, check_mode, free_f,
    is_legal, land, load_f, mark_dirty, op_f, put_f, reads, reads_bits, reads_double, reads_single, rm_of, rs2_of,
    target_f, to_handler, use_f, where_f)
from vmcore._fast.jit.host cimport HAS_SSE41, find_features, host_bits
from vmcore._fast.jit.x64.asm cimport (
    CC_A, CC_AE, CC_NE, CC_O, CC_P, CC_S, F_ADD, F_AND_I, F_ANDNPS, F_ANDPS, F_CMP_I, F_CVTSD2SI, F_CVTSD2SS,
    F_CVTSI2SD, F_CVTSI2SS, F_CVTSS2SD, F_CVTSS2SI, F_CVTTSD2SI, F_CVTTSS2SI, F_MOV, F_MOV16_MR, F_MOVD_RX, F_MOVD_XR,
    F_MOVQ_RX, F_MOVQ_XR, F_MOVSD_LOAD, F_MOVSD_STORE, F_MOVSS_LOAD, F_MOVSS_STORE, F_MOVSXD, F_MOVZX16, F_MOV_MR,
    F_OR_I, F_PCMPEQD, F_PSLLQ_I, F_PSRLQ_I, F_ROUNDSD_I, F_ROUNDSS_I, F_SHR_I, F_TEST, F_UCOMISD, F_UCOMISS,
    F_UNPCKLPS, F_XORPS, RAX, RBP, RCX, RDX, x_jcc, x_jcc8, x_jmp_to, x_mov_imm, x_patch8, x_rm, x_rr, x_rri, x_rx)


# --- loads and stores -------------------------------------------------------------------------------------------------

cdef inline void all_ones(Block *b, int to) noexcept nogil:
    x_rr(&b.a, F_PCMPEQD, 0, to, to)


cdef inline void box(Block *b, int to) noexcept nogil:
    # The low word of `to` in its box.
    cdef int ones = free_f(b, to)
    all_ones(b, ones)
    x_rr(&b.a, F_UNPCKLPS, 0, to, ones)


cdef inline void load(Block *b, const Op *op, uint32_t size) noexcept nogil:
    begin(b, op)
    add_imm(b, RAX, op.rs1, op.imm)
    find_host(b, size, ACC_READ)


cdef void e_fld(Block *b, const Op *op) noexcept nogil:
    cdef int to
    load(b, op, 8)
    mark_dirty(b)
    to = target_f(b, op.rd, NOWHERE)
    x_rx(&b.a, F_MOVSD_LOAD, 0, to, RCX, RAX, 0, 0)
    put_f(b, op.rd, to, RAW)
    if XMM_OF[op.rd] < 0:
        b.results &= ~(<uint32_t>1 << to)


cdef void e_flw(Block *b, const Op *op) noexcept nogil:
    cdef int to
    load(b, op, 4)
    mark_dirty(b)
    to = target_f(b, op.rd, NOWHERE)
    x_rx(&b.a, F_MOVSS_LOAD, 0, to, RCX, RAX, 0, 0)
    box(b, to)
    put_f(b, op.rd, to, RAW_BOXED)


cdef void e_flh(Block *b, const Op *op) noexcept nogil:
    cdef int to
    load(b, op, 2)
    mark_dirty(b)
    to = target_f(b, op.rd, NOWHERE)
    x_rx(&b.a, F_MOVZX16, 0, RDX, RCX, RAX, 0, 0)
    x_rri(&b.a, F_OR_I, 0, 0, RDX, 0xFFFF0000)
    x_rr(&b.a, F_MOVD_XR, 0, to, RDX)
    box(b, to)
    put_f(b, op.rd, to, RAW_BOXED)


cdef inline void store(Block *b, const Op *op, uint32_t size) noexcept nogil:
    begin(b, op)
    reads_bits(b, op.rd)
    add_imm(b, RAX, op.rs1, op.imm)
    find_host(b, size, ACC_WRITE)


cdef void e_fsd(Block *b, const Op *op) noexcept nogil:
    store(b, op, 8)
    if where_f(b, op.rd) >= 0:
        x_rx(&b.a, F_MOVSD_STORE, 0, where_f(b, op.rd), RCX, RAX, 0, 0)
    else:
        x_rm(&b.a, F_MOV, 1, RDX, RBP, at_f(op.rd))
        x_rx(&b.a, F_MOV_MR, 1, RDX, RCX, RAX, 0, 0)


cdef void e_fsw(Block *b, const Op *op) noexcept nogil:
    store(b, op, 4)
    if where_f(b, op.rd) >= 0:
        x_rx(&b.a, F_MOVSS_STORE, 0, where_f(b, op.rd), RCX, RAX, 0, 0)
    else:
        x_rm(&b.a, F_MOV, 0, RDX, RBP, at_f(op.rd))
        x_rx(&b.a, F_MOV_MR, 0, RDX, RCX, RAX, 0, 0)


cdef void e_fsh(Block *b, const Op *op) noexcept nogil:
    store(b, op, 2)
    if where_f(b, op.rd) >= 0:
        x_rr(&b.a, F_MOVD_RX, 0, where_f(b, op.rd), RDX)
    else:
        x_rm(&b.a, F_MOV, 0, RDX, RBP, at_f(op.rd))
    x_rx(&b.a, F_MOV16_MR, 0, RDX, RCX, RAX, 0, 0)


# --- signs ------------------------------------------------------------------------------------------------------------

cdef inline void sign_bit(Block *b, int to, bint single) noexcept nogil:
    # The mask of the sign; of a single in its box, bit 31 alone.
    all_ones(b, to)
    x_rri(&b.a, F_PSLLQ_I, 0, 0, to, 63)
    if single:
        x_rri(&b.a, F_PSRLQ_I, 0, 0, to, 32)


cdef inline void bit_operands(Block *b, const Op *op, bint single) noexcept nogil:
    begin(b, op)
    reads(b, op.rs1, single)
    reads(b, rs2_of(op), single)
    reads_bits(b, op.rs1)
    reads_bits(b, rs2_of(op))
    mark_dirty(b)


cdef inline void differ(Block *b, const Op *op, bint single) noexcept nogil:
    # XMM0: where rs1 and rs2 differ; XMM1: the sign's mask.
    bit_operands(b, op, single)
    forget_f(b)
    load_f(b, XMM0, rs2_of(op))
    load_f(b, XMM1, op.rs1)
    x_rr(&b.a, F_XORPS, 0, XMM0, XMM1)
    sign_bit(b, XMM1, single)


cdef void e_fsgnj(Block *b, const Op *op, bint single) noexcept nogil:
    cdef uint32_t rs1 = op.rs1
    cdef uint32_t rs2 = rs2_of(op)
    cdef int home = XMM_OF[rs1]
    cdef int to
    cdef uint32_t kind = RAW_BOXED if single else RAW
    begin(b, op)
    if rs1 == rs2 and single:
        reads_single(b, rs1)
        if home >= 0 and b.loose >> 16 >> home & 1:
            kind = LOOSE32
        mark_dirty(b)
        to = target_f(b, op.rd, where_f(b, rs1))
        load_f(b, to, rs1)
    elif rs1 == rs2:
        # A move: what is loose, or boxed, stays so.
        if home >= 0 and b.loose >> 16 >> home & 1:
            kind = LOOSE32
        elif home >= 0 and b.loose >> home & 1:
            kind = LOOSE64
        elif b.boxed >> rs1 & 1:
            kind = RAW_BOXED
        mark_dirty(b)
        to = target_f(b, op.rd, where_f(b, rs1))
        load_f(b, to, rs1)
    else:
        # a ^ ((a ^ b) & sign)
        differ(b, op, single)
        x_rr(&b.a, F_ANDPS, 0, XMM0, XMM1)
        load_f(b, XMM1, rs1)
        x_rr(&b.a, F_XORPS, 0, XMM0, XMM1)
        to = XMM0
    put_f(b, op.rd, to, kind)


cdef void e_fsgnj_d(Block *b, const Op *op) noexcept nogil:
    e_fsgnj(b, op, False)


cdef void e_fsgnj_s(Block *b, const Op *op) noexcept nogil:
    e_fsgnj(b, op, True)


cdef void e_fsgnjn(Block *b, const Op *op, bint single) noexcept nogil:
    cdef int to = XMM0
    if op.rs1 == rs2_of(op):
        # Negated.
        bit_operands(b, op, single)
        to = free_f(b, where_f(b, op.rs1))
        sign_bit(b, to, single)
        x_rr(&b.a, F_XORPS, 0, to, use_f(b, op.rs1, to))
    else:
        # a ^ (~(a ^ b) & sign)
        differ(b, op, single)
        x_rr(&b.a, F_ANDNPS, 0, XMM0, XMM1)
        load_f(b, XMM1, op.rs1)
        x_rr(&b.a, F_XORPS, 0, XMM0, XMM1)
    put_f(b, op.rd, to, RAW_BOXED if single else RAW)


cdef void e_fsgnjn_d(Block *b, const Op *op) noexcept nogil:
    e_fsgnjn(b, op, False)


cdef void e_fsgnjn_s(Block *b, const Op *op) noexcept nogil:
    e_fsgnjn(b, op, True)


cdef void e_fsgnjx(Block *b, const Op *op, bint single) noexcept nogil:
    cdef int to = free_f(b, where_f(b, op.rs1))
    bit_operands(b, op, single)
    sign_bit(b, to, single)
    if op.rs1 == rs2_of(op):
        # The absolute value.
        x_rr(&b.a, F_ANDNPS, 0, to, use_f(b, op.rs1, to))
    else:
        x_rr(&b.a, F_ANDPS, 0, to, use_f(b, rs2_of(op), to))
        x_rr(&b.a, F_XORPS, 0, to, use_f(b, op.rs1, to))
    put_f(b, op.rd, to, RAW_BOXED if single else RAW)


cdef void e_fsgnjx_d(Block *b, const Op *op) noexcept nogil:
    e_fsgnjx(b, op, False)


cdef void e_fsgnjx_s(Block *b, const Op *op) noexcept nogil:
    e_fsgnjx(b, op, True)


# --- bits to and from integer registers -------------------------------------------------------------------------------

cdef void e_fmv_x_d(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    begin(b, op)
    if op.rd == SINK:
        return
    reads_bits(b, op.rs1)
    if where_f(b, op.rs1) >= 0:
        x_rr(&b.a, F_MOVQ_RX, 0, where_f(b, op.rs1), to)
    else:
        x_rm(&b.a, F_MOV, 1, to, RBP, at_f(op.rs1))
    put_x(b, op.rd, to)


cdef void e_fmv_x_w(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    begin(b, op)
    if op.rd == SINK:
        return
    reads_bits(b, op.rs1)
    if where_f(b, op.rs1) >= 0:
        x_rr(&b.a, F_MOVD_RX, 0, where_f(b, op.rs1), RAX)
        x_rr(&b.a, F_MOVSXD, 1, to, RAX)
    else:
        x_rm(&b.a, F_MOVSXD, 1, to, RBP, at_f(op.rs1))
    put_x(b, op.rd, to)


cdef void e_fmv_d_x(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_f(b, op.rd, NOWHERE)
    begin(b, op)
    mark_dirty(b)
    op_x(b, F_MOVQ_XR, 1, to, op.rs1)
    put_f(b, op.rd, to, RAW)


cdef void e_fmv_w_x(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_f(b, op.rd, NOWHERE)
    begin(b, op)
    mark_dirty(b)
    op_x(b, F_MOVD_XR, 0, to, op.rs1)
    box(b, to)
    put_f(b, op.rd, to, RAW_BOXED)


# --- to integers ------------------------------------------------------------------------------------------------------
# The host gives the most negative integer for what does not fit, and raises invalid alone; where it fits, inexact.

cdef inline void late_saturate(Block *b, const Stub *s, int w, bint single) noexcept nogil:
    # rax is the most negative integer: right as a result, or because the operand was too small. A large one and a NaN
    # give the most positive.
    cdef uint8_t *large
    cdef uint8_t *unordered
    x_rr(&b.a, F_XORPS, 0, XMM1, XMM1)
    x_rr(&b.a, F_UCOMISS if single else F_UCOMISD, 0, use_f(b, s.op.rs1, XMM1), XMM1)
    unordered = x_jcc8(&b.a, CC_P)
    large = x_jcc8(&b.a, CC_A)
    x_jmp_to(&b.a, s.back)
    if not b.a.full:
        x_patch8(unordered, b.a.at)
        x_patch8(large, b.a.at)
    x_mov_imm(&b.a, RAX, 0x7FFFFFFFFFFFFFFF if w else 0x7FFFFFFF)
    x_jmp_to(&b.a, s.back)


cdef void late_saturate_wd(Block *b, const Stub *s) noexcept nogil:
    late_saturate(b, s, 0, False)


cdef void late_saturate_ld(Block *b, const Stub *s) noexcept nogil:
    late_saturate(b, s, 1, False)


cdef void late_saturate_ws(Block *b, const Stub *s) noexcept nogil:
    late_saturate(b, s, 0, True)


cdef void late_saturate_ls(Block *b, const Stub *s) noexcept nogil:
    late_saturate(b, s, 1, True)


cdef inline uint32_t high_bits(Block *b, const Op *op, bint single, uint32_t clear) noexcept nogil:
    # eax: sign and exponent of the operand, without the bits of `clear`. Returns the exponent's bias.
    cdef uint32_t r = op.rs1
    cdef int place = where_f(b, r)
    if place < 0:
        x_rm(&b.a, F_MOV, not single, RAX, RBP, at_f(r))
    elif single:
        x_rr(&b.a, F_MOVD_RX, 0, place, RAX)
    else:
        x_rr(&b.a, F_MOVQ_RX, 0, place, RAX)
    x_rri(&b.a, F_SHR_I, not single, 0, RAX, 23 if single else 52)
    if clear:
        x_rri(&b.a, F_AND_I, 0, 0, RAX, 0xFF if single else 0x7FF)
    return 127 if single else 1023


cdef inline void put_int(Block *b, const Op *op, int w) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    if op.rd == SINK:
        return
    if not w:
        x_rr(&b.a, F_MOVSXD, 1, to, RAX)
        put_x(b, op.rd, to)
    else:
        put_x(b, op.rd, RAX)


cdef inline void convert(Block *b, const Op *op, int w, bint single, bint truncate) noexcept nogil:
    # rax <- the operand, as a signed integer.
    cdef int form
    if single:
        form = F_CVTTSS2SI if truncate else F_CVTSS2SI
    else:
        form = F_CVTTSD2SI if truncate else F_CVTSD2SI
    if where_f(b, op.rs1) >= 0:
        x_rr(&b.a, form, w, RAX, where_f(b, op.rs1))
    else:
        x_rm(&b.a, form, w, RAX, RBP, at_f(op.rs1))


cdef void to_signed(Block *b, const Op *op, int w, bint single) noexcept nogil:
    cdef uint32_t rm = rm_of(op)
    cdef uint32_t stub = NO_STUB
    cdef uint32_t bias
    cdef int to
    if not can_round(op) or (rm != DYNAMIC and rm != RTZ and not host_bits & HAS_SSE41):
        call_fp(b, op)
        return
    begin(b, op)
    reads(b, op.rs1, single)
    if rm == RTZ or rm == DYNAMIC:
        convert(b, op, w, single, rm == RTZ)
        # One subtracted overflows only from the most negative integer.
        x_rri(&b.a, F_CMP_I, w, 0, RAX, 1)
        if single:
            away_late(b, x_jcc(&b.a, CC_O), late_saturate_ls if w else late_saturate_ws, op)
        else:
            away_late(b, x_jcc(&b.a, CC_O), late_saturate_ld if w else late_saturate_wd, op)
        # The scratch registers are used out of line.
        forget_f(b)
    else:
        # Rounded to an integral number in the instruction's own mode, which raises inexact; then it is converted
        # exactly. Only what surely fits: the handler does the rest.
        bias = high_bits(b, op, single, 1)
        x_rri(&b.a, F_CMP_I, 0, 0, RAX, bias + (62 if w else 30))
        stub = to_handler(b, x_jcc(&b.a, CC_AE), op)
        to = free_f(b, where_f(b, op.rs1))
        # The host's modes: nearest, down, up. The guest's: nearest, (zero), down, up.
        x_rri(&b.a, F_ROUNDSS_I if single else F_ROUNDSD_I, 0, to, use_f(b, op.rs1, to), rm - 1 if rm else 0)
        x_rr(&b.a, F_CVTTSS2SI if single else F_CVTTSD2SI, w, RAX, to)
    put_int(b, op, w)
    land(b, stub)


cdef void to_unsigned(Block *b, const Op *op, int w, bint single) noexcept nogil:
    # What is positive and fits in a signed word of 64 bits, whatever the rounding; the handler does the rest.
    cdef uint32_t stub, other, bias
    if not can_round(op):
        call_fp(b, op)
        return
    begin(b, op)
    reads(b, op.rs1, single)
    stub = NO_STUB if rm_of(op) == RTZ else check_mode(b, op)
    bias = high_bits(b, op, single, 0)
    x_rri(&b.a, F_CMP_I, 0, 0, RAX, bias + (63 if w else 32 if rm_of(op) == RTZ else 31))
    other = to_handler(b, x_jcc(&b.a, CC_AE), op)
    convert(b, op, 1, single, rm_of(op) == RTZ)
    put_int(b, op, w)
    land(b, stub)
    land(b, other)


cdef void e_fcvt_w_d(Block *b, const Op *op) noexcept nogil:
    to_signed(b, op, 0, False)


cdef void e_fcvt_l_d(Block *b, const Op *op) noexcept nogil:
    to_signed(b, op, 1, False)


cdef void e_fcvt_wu_d(Block *b, const Op *op) noexcept nogil:
    to_unsigned(b, op, 0, False)


cdef void e_fcvt_lu_d(Block *b, const Op *op) noexcept nogil:
    to_unsigned(b, op, 1, False)


cdef void e_fcvt_w_s(Block *b, const Op *op) noexcept nogil:
    to_signed(b, op, 0, True)


cdef void e_fcvt_l_s(Block *b, const Op *op) noexcept nogil:
    to_signed(b, op, 1, True)


cdef void e_fcvt_wu_s(Block *b, const Op *op) noexcept nogil:
    to_unsigned(b, op, 0, True)


cdef void e_fcvt_lu_s(Block *b, const Op *op) noexcept nogil:
    to_unsigned(b, op, 1, True)


# --- from integers ----------------------------------------------------------------------------------------------------

cdef inline void fresh(Block *b, int to, bint single) noexcept nogil:
    # What a conversion does not write: the box, or anything that it need not wait for.
    if single:
        all_ones(b, to)
    else:
        x_rr(&b.a, F_XORPS, 0, to, to)


cdef void exact_from(Block *b, const Op *op, bint is_signed) noexcept nogil:
    # Any 32-bit integer is a double: the rounding mode only has to be a legal one.
    cdef int to
    if not is_legal(op):
        call_fp(b, op)
        return
    begin(b, op)
    mark_dirty(b)
    to = target_f(b, op.rd, NOWHERE)
    fresh(b, to, False)
    if is_signed:
        op_x(b, F_CVTSI2SD, 0, to, op.rs1)
    else:
        op_x(b, F_MOV, 0, RAX, op.rs1)
        x_rr(&b.a, F_CVTSI2SD, 1, to, RAX)
    put_f(b, op.rd, to, RAW)


cdef void e_fcvt_d_w(Block *b, const Op *op) noexcept nogil:
    exact_from(b, op, True)


cdef void e_fcvt_d_wu(Block *b, const Op *op) noexcept nogil:
    exact_from(b, op, False)


cdef void from_int(Block *b, const Op *op, int w, bint is_signed, bint single) noexcept nogil:
    cdef int to
    cdef uint32_t stub = NO_STUB
    cdef uint32_t other = NO_STUB
    if not can_round(op):
        call_fp(b, op)
        return
    begin(b, op)
    if w and is_signed and not single and rm_of(op) != DYNAMIC:
        # Exact as long as it has 53 bits, in every mode.
        load_x(b, op.rs1, RAX)
        x_mov_imm(&b.a, RCX, <uint64_t>1 << 53)
        x_rr(&b.a, F_ADD, 1, RAX, RCX)
        x_rri(&b.a, F_SHR_I, 1, 0, RAX, 54)
        stub = to_handler(b, x_jcc(&b.a, CC_NE), op)
    else:
        stub = check_mode(b, op)
    if not is_signed:
        if w:
            load_x(b, op.rs1, RAX)
            x_rr(&b.a, F_TEST, 1, RAX, RAX)
            other = to_handler(b, x_jcc(&b.a, CC_S), op)
        else:
            op_x(b, F_MOV, 0, RAX, op.rs1)
    mark_dirty(b)
    to = target_f(b, op.rd, NOWHERE)
    fresh(b, to, single)
    if is_signed:
        op_x(b, F_CVTSI2SS if single else F_CVTSI2SD, w, to, op.rs1)
    else:
        x_rr(&b.a, F_CVTSI2SS if single else F_CVTSI2SD, 1, to, RAX)
    put_f(b, op.rd, to, RAW_BOXED if single else RAW)
    land(b, stub)
    land(b, other)


cdef void e_fcvt_d_l(Block *b, const Op *op) noexcept nogil:
    from_int(b, op, 1, True, False)


cdef void e_fcvt_d_lu(Block *b, const Op *op) noexcept nogil:
    from_int(b, op, 1, False, False)


cdef void e_fcvt_s_w(Block *b, const Op *op) noexcept nogil:
    from_int(b, op, 0, True, True)


cdef void e_fcvt_s_wu(Block *b, const Op *op) noexcept nogil:
    from_int(b, op, 0, False, True)


cdef void e_fcvt_s_l(Block *b, const Op *op) noexcept nogil:
    from_int(b, op, 1, True, True)


cdef void e_fcvt_s_lu(Block *b, const Op *op) noexcept nogil:
    from_int(b, op, 1, False, True)


# --- between the formats ----------------------------------------------------------------------------------------------

cdef void e_fcvt_d_s(Block *b, const Op *op) noexcept nogil:
    # Exact.
    cdef int to
    if not is_legal(op):
        call_fp(b, op)
        return
    begin(b, op)
    reads_single(b, op.rs1)
    mark_dirty(b)
    to = target_f(b, op.rd, where_f(b, op.rs1))
    if to != where_f(b, op.rs1):
        fresh(b, to, False)
    op_f(b, F_CVTSS2SD, to, op.rs1)
    put_f(b, op.rd, to, LOOSE64)


cdef void e_fcvt_s_d(Block *b, const Op *op) noexcept nogil:
    cdef int to
    cdef uint32_t stub
    if not can_round(op):
        call_fp(b, op)
        return
    begin(b, op)
    reads_double(b, op.rs1)
    stub = check_mode(b, op)
    mark_dirty(b)
    to = target_f(b, op.rd, where_f(b, op.rs1))
    if to == where_f(b, op.rs1):
        to = free_f(b, to)
    fresh(b, to, True)
    op_f(b, F_CVTSD2SS, to, op.rs1)
    put_f(b, op.rd, to, LOOSE32)
    land(b, stub)


find_features()
register_emitter("fld", e_fld, False)
register_emitter("flw", e_flw, False)
register_emitter("flh", e_flh, False)
register_emitter("fsd", e_fsd, False)
register_emitter("fsw", e_fsw, False)
register_emitter("fsh", e_fsh, False)
register_emitter("fsgnj.d", e_fsgnj_d, False)
register_emitter("fsgnjn.d", e_fsgnjn_d, False)
register_emitter("fsgnjx.d", e_fsgnjx_d, False)
register_emitter("fsgnj.s", e_fsgnj_s, False)
register_emitter("fsgnjn.s", e_fsgnjn_s, False)
register_emitter("fsgnjx.s", e_fsgnjx_s, False)
register_emitter("fmv.x.d", e_fmv_x_d, False)
register_emitter("fmv.x.w", e_fmv_x_w, False)
register_emitter("fmv.d.x", e_fmv_d_x, False)
register_emitter("fmv.w.x", e_fmv_w_x, False)
register_emitter("fcvt.w.d", e_fcvt_w_d, False)
register_emitter("fcvt.l.d", e_fcvt_l_d, False)
register_emitter("fcvt.wu.d", e_fcvt_wu_d, False)
register_emitter("fcvt.lu.d", e_fcvt_lu_d, False)
register_emitter("fcvt.w.s", e_fcvt_w_s, False)
register_emitter("fcvt.l.s", e_fcvt_l_s, False)
register_emitter("fcvt.wu.s", e_fcvt_wu_s, False)
register_emitter("fcvt.lu.s", e_fcvt_lu_s, False)
register_emitter("fcvt.d.w", e_fcvt_d_w, False)
register_emitter("fcvt.d.wu", e_fcvt_d_wu, False)
register_emitter("fcvt.d.l", e_fcvt_d_l, False)
register_emitter("fcvt.d.lu", e_fcvt_d_lu, False)
register_emitter("fcvt.s.w", e_fcvt_s_w, False)
register_emitter("fcvt.s.wu", e_fcvt_s_wu, False)
register_emitter("fcvt.s.l", e_fcvt_s_l, False)
register_emitter("fcvt.s.lu", e_fcvt_s_lu, False)
register_emitter("fcvt.d.s", e_fcvt_d_s, False)
register_emitter("fcvt.s.d", e_fcvt_s_d, False)
