"""Block code for RV64I and M, without loads, stores and jumps."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.hart.handlers cimport handler_number
from vmcore._fast.hart.state cimport Op
from vmcore._fast.jit.block cimport (
    add_imm, load_x, merge_next, op_x, page_address, peek_next, put_x, register_emitter, target_x, use_x, Block)
from vmcore._fast.jit.convention cimport HOST_OF, at_x
from vmcore._fast.jit.x64.asm cimport (
    CC_B, CC_L, CC_NE, F_ADD, F_ADD_I, F_AND, F_AND_I, F_CDQ, F_CMP, F_CMP_I, F_CQO, F_DIV, F_IDIV, F_IMUL, F_IMUL1,
    F_LEA, F_MOV, F_MOVSXD, F_MOVZX8, F_MUL, F_NEG, F_OR, F_OR_I, F_SAR_CL, F_SAR_I, F_SHL_CL, F_SHL_I, F_SHR_CL,
    F_SHR_I, F_SUB, F_TEST, F_XOR, F_XOR_I, RAX, RBP, RCX, RDX, x_jcc8, x_jmp8, x_mov_imm, x_patch8, x_plain, x_rm,
    x_rmi, x_rr, x_rri, x_rx, x_setcc)


cdef uint32_t number_add = handler_number("add")
cdef uint32_t number_srli = handler_number("srli")


cdef void e_nop(Block *b, const Op *op) noexcept nogil:
    # An instruction whose effect is nothing, and any that writes only x0.
    return


cdef void e_lui(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    x_mov_imm(&b.a, to, <uint64_t><int64_t>op.imm)
    put_x(b, op.rd, to)


cdef void e_auipc(Block *b, const Op *op) noexcept nogil:
    # The page's address is only known at run time; what is added to it fits in 32 bits nearly always.
    cdef int to = target_x(op.rd, RAX)
    cdef int64_t sum = <int64_t>op.imm + b.off
    if sum == <int32_t>sum:
        page_address(b, to, <int32_t>sum)
    else:
        page_address(b, to, op.imm)
        x_rri(&b.a, F_ADD_I, 1, 0, to, b.off)
    put_x(b, op.rd, to)


cdef void e_addi(Block *b, const Op *op) noexcept nogil:
    cdef int to
    if op.rd == op.rs1 and HOST_OF[op.rd] < 0:
        x_rmi(&b.a, F_ADD_I, 1, 0, RBP, at_x(op.rd), op.imm)
        return
    to = target_x(op.rd, RAX)
    add_imm(b, to, op.rs1, op.imm)
    put_x(b, op.rd, to)


cdef void e_addiw(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    cdef int source
    if op.imm == 0:
        op_x(b, F_MOVSXD, 1, to, op.rs1)
    else:
        source = use_x(b, op.rs1, RAX)
        x_rm(&b.a, F_LEA, 0, RAX, source, op.imm)
        x_rr(&b.a, F_MOVSXD, 1, to, RAX)
    put_x(b, op.rd, to)


cdef inline void logic_imm(Block *b, const Op *op, int form) noexcept nogil:
    cdef int to
    if op.rd == op.rs1 and HOST_OF[op.rd] < 0:
        x_rmi(&b.a, form, 1, 0, RBP, at_x(op.rd), op.imm)
        return
    to = target_x(op.rd, RAX)
    load_x(b, op.rs1, to)
    x_rri(&b.a, form, 1, 0, to, op.imm)
    put_x(b, op.rd, to)


cdef void e_xori(Block *b, const Op *op) noexcept nogil:
    logic_imm(b, op, F_XOR_I)


cdef void e_ori(Block *b, const Op *op) noexcept nogil:
    logic_imm(b, op, F_OR_I)


cdef void e_andi(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    if op.imm == 255:
        # One instruction, and no dependence on what `to` was.
        op_x(b, F_MOVZX8, 0, to, op.rs1)
        put_x(b, op.rd, to)
    elif op.imm > 0:
        # The upper half of the result is zero: 32 bits are enough.
        if op.rs1 != op.rd or HOST_OF[op.rd] < 0:
            op_x(b, F_MOV, 0, to, op.rs1)
        x_rri(&b.a, F_AND_I, 0, 0, to, op.imm)
        put_x(b, op.rd, to)
    else:
        logic_imm(b, op, F_AND_I)


cdef inline void set_flag(Block *b, const Op *op, int cc) noexcept nogil:
    # x[rd] <- 0 or 1, by the flags.
    cdef int to = target_x(op.rd, RAX)
    x_setcc(&b.a, cc, RAX)
    x_rr(&b.a, F_MOVZX8, 0, to, RAX)
    put_x(b, op.rd, to)


cdef inline void compare_imm(Block *b, const Op *op) noexcept nogil:
    if HOST_OF[op.rs1] < 0:
        x_rmi(&b.a, F_CMP_I, 1, 0, RBP, at_x(op.rs1), op.imm)
    else:
        x_rri(&b.a, F_CMP_I, 1, 0, HOST_OF[op.rs1], op.imm)


cdef void e_slti(Block *b, const Op *op) noexcept nogil:
    compare_imm(b, op)
    set_flag(b, op, CC_L)


cdef void e_sltiu(Block *b, const Op *op) noexcept nogil:
    compare_imm(b, op)
    set_flag(b, op, CC_B)


cdef void e_slt(Block *b, const Op *op) noexcept nogil:
    op_x(b, F_CMP, 1, use_x(b, op.rs1, RAX), op.imm)
    set_flag(b, op, CC_L)


cdef void e_sltu(Block *b, const Op *op) noexcept nogil:
    op_x(b, F_CMP, 1, use_x(b, op.rs1, RAX), op.imm)
    set_flag(b, op, CC_B)


cdef inline void shift_imm(Block *b, const Op *op, int form) noexcept nogil:
    cdef int to
    if op.rd == op.rs1 and HOST_OF[op.rd] < 0:
        x_rmi(&b.a, form, 1, 0, RBP, at_x(op.rd), op.imm & 63)
        return
    to = target_x(op.rd, RAX)
    load_x(b, op.rs1, to)
    if op.imm & 63:
        x_rri(&b.a, form, 1, 0, to, op.imm & 63)
    put_x(b, op.rd, to)


cdef inline bint shift_and_add(Block *b, const Op *op) noexcept nogil:
    # slli d, a, 1..3; add d, d, c: an address in an array, which is one lea.
    cdef Op add
    cdef uint32_t handler, length, other
    cdef int to, index, base
    if not 1 <= op.imm <= 3 or op.rs1 == 0 or not peek_next(b, &add, &handler, &length):
        return False
    if handler != number_add or add.rd != op.rd or (add.rs1 == op.rd) == (<uint32_t>add.imm == op.rd):
        return False
    other = <uint32_t>add.imm if add.rs1 == op.rd else add.rs1
    if other == 0:
        return False
    to = target_x(op.rd, RAX)
    index = use_x(b, op.rs1, RCX)
    base = use_x(b, other, RDX)
    x_rx(&b.a, F_LEA, 1, to, base, index, op.imm, 0)
    put_x(b, op.rd, to)
    merge_next(b, length)
    return True


cdef inline bint extend_word(Block *b, const Op *op) noexcept nogil:
    # slli d, a, 32; srli d, d, n: the low word, zero-extended and shifted.
    cdef Op srli
    cdef uint32_t handler, length
    cdef int to
    if op.imm != 32 or not peek_next(b, &srli, &handler, &length):
        return False
    if handler != number_srli or srli.rd != op.rd or srli.rs1 != op.rd:
        return False
    to = target_x(op.rd, RAX)
    load_w(b, op.rs1, to)
    if srli.imm < 32:
        x_rri(&b.a, F_SHL_I, 1, 0, to, 32 - srli.imm)
    elif srli.imm > 32:
        x_rri(&b.a, F_SHR_I, 0, 0, to, srli.imm - 32)
    put_x(b, op.rd, to)
    merge_next(b, length)
    return True


cdef void e_slli(Block *b, const Op *op) noexcept nogil:
    if not shift_and_add(b, op) and not extend_word(b, op):
        shift_imm(b, op, F_SHL_I)


cdef void e_srli(Block *b, const Op *op) noexcept nogil:
    shift_imm(b, op, F_SHR_I)


cdef void e_srai(Block *b, const Op *op) noexcept nogil:
    shift_imm(b, op, F_SAR_I)


cdef inline void load_w(Block *b, uint32_t r, int to) noexcept nogil:
    # The low half; the upper half of `to` becomes zero.
    op_x(b, F_MOV, 0, to, r)


cdef inline void put_w(Block *b, const Op *op, int source) noexcept nogil:
    # A 32-bit result is kept sign-extended.
    cdef int to = target_x(op.rd, source)
    x_rr(&b.a, F_MOVSXD, 1, to, source)
    put_x(b, op.rd, to)


cdef inline void shift_imm_w(Block *b, const Op *op, int form) noexcept nogil:
    load_w(b, op.rs1, RAX)
    if op.imm & 31:
        x_rri(&b.a, form, 0, 0, RAX, op.imm & 31)
    put_w(b, op, RAX)


cdef void e_slliw(Block *b, const Op *op) noexcept nogil:
    shift_imm_w(b, op, F_SHL_I)


cdef void e_srliw(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    if op.imm & 31 == 0:
        shift_imm_w(b, op, F_SHR_I)
        return
    # What comes in from the left is 0, and so is the sign.
    load_w(b, op.rs1, to)
    x_rri(&b.a, F_SHR_I, 0, 0, to, op.imm & 31)
    put_x(b, op.rd, to)


cdef void e_sraiw(Block *b, const Op *op) noexcept nogil:
    shift_imm_w(b, op, F_SAR_I)


cdef void e_add(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    cdef int one = HOST_OF[op.rs1]
    cdef int two = HOST_OF[op.imm]
    if op.rs1 == 0:
        load_x(b, op.imm, to)
    elif op.imm == 0:
        load_x(b, op.rs1, to)
    elif one >= 0 and two >= 0 and to != one and to != two:
        x_rx(&b.a, F_LEA, 1, to, one, two, 0, 0)
    elif to == two:
        op_x(b, F_ADD, 1, to, op.rs1)
    else:
        load_x(b, op.rs1, to)
        op_x(b, F_ADD, 1, to, op.imm)
    put_x(b, op.rd, to)


cdef inline void commutative(Block *b, const Op *op, int form) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    if to == HOST_OF[op.imm]:
        op_x(b, form, 1, to, op.rs1)
    else:
        load_x(b, op.rs1, to)
        op_x(b, form, 1, to, op.imm)
    put_x(b, op.rd, to)


cdef void e_xor(Block *b, const Op *op) noexcept nogil:
    commutative(b, op, F_XOR)


cdef void e_or(Block *b, const Op *op) noexcept nogil:
    commutative(b, op, F_OR)


cdef void e_and(Block *b, const Op *op) noexcept nogil:
    commutative(b, op, F_AND)


cdef void e_mul(Block *b, const Op *op) noexcept nogil:
    commutative(b, op, F_IMUL)


cdef void e_sub(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    if to == HOST_OF[op.imm]:
        if op.rs1 == 0:
            x_rr(&b.a, F_NEG, 1, 0, to)
            return
        load_x(b, op.rs1, RAX)
        op_x(b, F_SUB, 1, RAX, op.imm)
        put_x(b, op.rd, RAX)
        return
    load_x(b, op.rs1, to)
    op_x(b, F_SUB, 1, to, op.imm)
    put_x(b, op.rd, to)


cdef void e_addw(Block *b, const Op *op) noexcept nogil:
    cdef int one = HOST_OF[op.rs1]
    cdef int two = HOST_OF[op.imm]
    if one >= 0 and two >= 0:
        x_rx(&b.a, F_LEA, 0, RAX, one, two, 0, 0)
    else:
        load_w(b, op.rs1, RAX)
        op_x(b, F_ADD, 0, RAX, op.imm)
    put_w(b, op, RAX)


cdef void e_subw(Block *b, const Op *op) noexcept nogil:
    load_w(b, op.rs1, RAX)
    op_x(b, F_SUB, 0, RAX, op.imm)
    put_w(b, op, RAX)


cdef void e_mulw(Block *b, const Op *op) noexcept nogil:
    load_w(b, op.rs1, RAX)
    op_x(b, F_IMUL, 0, RAX, op.imm)
    put_w(b, op, RAX)


cdef inline void shift(Block *b, const Op *op, int form) noexcept nogil:
    # The count is taken modulo 64 by the host as by the guest. It goes first: rd may be rs2.
    cdef int to = target_x(op.rd, RAX)
    load_w(b, op.imm, RCX)
    load_x(b, op.rs1, to)
    x_rr(&b.a, form, 1, 0, to)
    put_x(b, op.rd, to)


cdef inline void shift_w(Block *b, const Op *op, int form) noexcept nogil:
    load_w(b, op.imm, RCX)
    load_w(b, op.rs1, RAX)
    x_rr(&b.a, form, 0, 0, RAX)
    put_w(b, op, RAX)


cdef void e_sll(Block *b, const Op *op) noexcept nogil:
    shift(b, op, F_SHL_CL)


cdef void e_srl(Block *b, const Op *op) noexcept nogil:
    shift(b, op, F_SHR_CL)


cdef void e_sra(Block *b, const Op *op) noexcept nogil:
    shift(b, op, F_SAR_CL)


cdef void e_sllw(Block *b, const Op *op) noexcept nogil:
    shift_w(b, op, F_SHL_CL)


cdef void e_srlw(Block *b, const Op *op) noexcept nogil:
    shift_w(b, op, F_SHR_CL)


cdef void e_sraw(Block *b, const Op *op) noexcept nogil:
    shift_w(b, op, F_SAR_CL)


cdef void e_mulh(Block *b, const Op *op) noexcept nogil:
    load_x(b, op.rs1, RAX)
    op_x(b, F_IMUL1, 1, 0, op.imm)
    put_x(b, op.rd, RDX)


cdef void e_mulhu(Block *b, const Op *op) noexcept nogil:
    load_x(b, op.rs1, RAX)
    op_x(b, F_MUL, 1, 0, op.imm)
    put_x(b, op.rd, RDX)


cdef void e_mulhsu(Block *b, const Op *op) noexcept nogil:
    # high(a * b) with a signed and b unsigned = highu(a * b) - (b if a < 0).
    load_x(b, op.rs1, RAX)
    load_x(b, op.rs1, RCX)
    x_rri(&b.a, F_SAR_I, 1, 0, RCX, 63)
    op_x(b, F_AND, 1, RCX, op.imm)
    op_x(b, F_MUL, 1, 0, op.imm)
    x_rr(&b.a, F_SUB, 1, RDX, RCX)
    put_x(b, op.rd, RDX)


# Division: by zero gives all ones (the remainder: the dividend), and the most negative number by -1 gives itself (the
# remainder: 0). The host traps on both, so they are taken out before.

cdef void divide(Block *b, const Op *op, int w, bint is_signed, bint remainder) noexcept nogil:
    cdef uint8_t *to_div
    cdef uint8_t *to_end
    cdef uint8_t *by_minus_one = NULL
    if w:
        load_x(b, op.rs1, RAX)
        load_x(b, op.imm, RCX)
    else:
        load_w(b, op.rs1, RAX)
        load_w(b, op.imm, RCX)
    if is_signed:
        # rcx + 1 is 0 for -1 and 1 for 0: everything else is divided.
        x_rm(&b.a, F_LEA, w, RDX, RCX, 1)
        x_rri(&b.a, F_CMP_I, w, 0, RDX, 1)
        to_div = x_jcc8(&b.a, 7)                 # above
        x_rr(&b.a, F_TEST, w, RCX, RCX)
        by_minus_one = x_jcc8(&b.a, CC_NE)
    else:
        x_rr(&b.a, F_TEST, w, RCX, RCX)
        to_div = x_jcc8(&b.a, CC_NE)
    # By zero.
    if remainder:
        x_rr(&b.a, F_MOV, w, RDX, RAX)
    else:
        x_mov_imm(&b.a, RAX, ~<uint64_t>0)
    to_end = x_jmp8(&b.a)
    if is_signed:
        # By -1: the negated dividend, which wraps as it should; the remainder is 0 (rdx + 1 - 1 is there already).
        if not b.a.full:
            x_patch8(by_minus_one, b.a.at)
        x_rr(&b.a, F_NEG, w, 0, RAX)
        x_rr(&b.a, F_XOR, 0, RDX, RDX)
        # Over the division: 2 bytes of cdq or cqo, 2 or 3 of idiv.
        by_minus_one = x_jmp8(&b.a)
    if not b.a.full:
        x_patch8(to_div, b.a.at)
    if is_signed:
        x_plain(&b.a, F_CQO if w else F_CDQ, w)
        x_rr(&b.a, F_IDIV, w, 0, RCX)
    else:
        x_rr(&b.a, F_XOR, 0, RDX, RDX)
        x_rr(&b.a, F_DIV, w, 0, RCX)
    if not b.a.full:
        x_patch8(to_end, b.a.at)
        if is_signed:
            x_patch8(by_minus_one, b.a.at)
    if w:
        put_x(b, op.rd, RDX if remainder else RAX)
    else:
        put_w(b, op, RDX if remainder else RAX)


cdef void e_div(Block *b, const Op *op) noexcept nogil:
    divide(b, op, 1, True, False)


cdef void e_divu(Block *b, const Op *op) noexcept nogil:
    divide(b, op, 1, False, False)


cdef void e_rem(Block *b, const Op *op) noexcept nogil:
    divide(b, op, 1, True, True)


cdef void e_remu(Block *b, const Op *op) noexcept nogil:
    divide(b, op, 1, False, True)


cdef void e_divw(Block *b, const Op *op) noexcept nogil:
    divide(b, op, 0, True, False)


cdef void e_divuw(Block *b, const Op *op) noexcept nogil:
    divide(b, op, 0, False, False)


cdef void e_remw(Block *b, const Op *op) noexcept nogil:
    divide(b, op, 0, True, True)


cdef void e_remuw(Block *b, const Op *op) noexcept nogil:
    divide(b, op, 0, False, True)


register_emitter("nop", e_nop, True)
register_emitter("lui", e_lui, True)
register_emitter("auipc", e_auipc, True)
register_emitter("addi", e_addi, True)
register_emitter("slti", e_slti, True)
register_emitter("sltiu", e_sltiu, True)
register_emitter("xori", e_xori, True)
register_emitter("ori", e_ori, True)
register_emitter("andi", e_andi, True)
register_emitter("slli", e_slli, True)
register_emitter("srli", e_srli, True)
register_emitter("srai", e_srai, True)
register_emitter("addiw", e_addiw, True)
register_emitter("slliw", e_slliw, True)
register_emitter("srliw", e_srliw, True)
register_emitter("sraiw", e_sraiw, True)
register_emitter("add", e_add, True)
register_emitter("sub", e_sub, True)
register_emitter("xor", e_xor, True)
register_emitter("or", e_or, True)
register_emitter("and", e_and, True)
register_emitter("sll", e_sll, True)
register_emitter("srl", e_srl, True)
register_emitter("sra", e_sra, True)
register_emitter("slt", e_slt, True)
register_emitter("sltu", e_sltu, True)
register_emitter("addw", e_addw, True)
register_emitter("subw", e_subw, True)
register_emitter("sllw", e_sllw, True)
register_emitter("srlw", e_srlw, True)
register_emitter("sraw", e_sraw, True)
register_emitter("mul", e_mul, True)
register_emitter("mulw", e_mulw, True)
register_emitter("mulh", e_mulh, True)
register_emitter("mulhu", e_mulhu, True)
register_emitter("mulhsu", e_mulhsu, True)
register_emitter("div", e_div, True)
register_emitter("divu", e_divu, True)
register_emitter("rem", e_rem, True)
register_emitter("remu", e_remu, True)
register_emitter("divw", e_divw, True)
register_emitter("divuw", e_divuw, True)
register_emitter("remw", e_remw, True)
register_emitter("remuw", e_remuw, True)
