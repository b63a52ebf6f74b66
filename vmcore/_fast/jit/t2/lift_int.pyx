"""Lifting RV64I and M without loads, stores and jumps, and the bit-manipulation instructions."""

from libc.stdint cimport int64_t, uint32_t

from vmcore._fast.hart.state cimport Op
from vmcore._fast.jit.t2.build cimport base_node, make
from vmcore._fast.jit.t2.ir cimport *
from vmcore._fast.jit.t2.lift cimport Lift, do_x, get_x, number, put_x, register_lift, rs2_x, sext32
from vmcore._fast.jit.t2.ways cimport LIFT_ALONE, LIFT_ALWAYS, LIFT_TURNS, RD_NONE, RD_X

cdef enum:
    MOST_HANDLERS = 1024

# Instructions that are one operation, by the number of their handler.
cdef enum Shape:
    BY_REG = 1                # x[rs1], x[rs2]
    BY_IMM = 2                # x[rs1], imm
    BY_AMOUNT = 4             # x[rs1], the lower bits of imm
    BY_ONE = 8                # x[rs1]
    AND_SEXT = 16             # of the result

cdef struct Simple:
    uint32_t op
    uint32_t shape
    int64_t mask              # of an amount

cdef Simple simple[MOST_HANDLERS]


cdef void l_simple(Lift *t, const Op *op) noexcept nogil:
    cdef const Simple *s = &simple[t.handler]
    cdef uint32_t one = get_x(t, op.rs1)
    cdef uint32_t two = 0
    if s.shape & BY_REG:
        two = rs2_x(t, op)
    elif s.shape & BY_IMM:
        two = number(t, op.imm)
    elif s.shape & BY_AMOUNT:
        two = number(t, op.imm & s.mask)
    one = do_x(t, s.op, one, two)
    put_x(t, op.rd, sext32(t, one) if s.shape & AND_SEXT else one)


cdef void l_nop(Lift *t, const Op *op) noexcept nogil:
    # Hints; and fences where one thread runs all harts, as its own order is every hart's order.
    return


cdef void l_lui(Lift *t, const Op *op) noexcept nogil:
    put_x(t, op.rd, number(t, op.imm))


cdef void l_auipc(Lift *t, const Op *op) noexcept nogil:
    put_x(t, op.rd, do_x(t, OP_ADD, base_node(t.g), number(t, <int64_t>op.imm + t.off)))


# --- Zba --------------------------------------------------------------------------------------------------------------

cdef inline void shift_add(Lift *t, const Op *op, int64_t shift, bint word) noexcept nogil:
    cdef uint32_t one = get_x(t, op.rs1)
    if word:
        one = do_x(t, OP_ZEXT32, one, 0)
    if shift:
        one = do_x(t, OP_SHL, one, number(t, shift))
    put_x(t, op.rd, do_x(t, OP_ADD, one, rs2_x(t, op)))


cdef void l_sh1add(Lift *t, const Op *op) noexcept nogil:
    shift_add(t, op, 1, False)


cdef void l_sh2add(Lift *t, const Op *op) noexcept nogil:
    shift_add(t, op, 2, False)


cdef void l_sh3add(Lift *t, const Op *op) noexcept nogil:
    shift_add(t, op, 3, False)


cdef void l_add_uw(Lift *t, const Op *op) noexcept nogil:
    shift_add(t, op, 0, True)


cdef void l_sh1add_uw(Lift *t, const Op *op) noexcept nogil:
    shift_add(t, op, 1, True)


cdef void l_sh2add_uw(Lift *t, const Op *op) noexcept nogil:
    shift_add(t, op, 2, True)


cdef void l_sh3add_uw(Lift *t, const Op *op) noexcept nogil:
    shift_add(t, op, 3, True)


cdef void l_slli_uw(Lift *t, const Op *op) noexcept nogil:
    put_x(t, op.rd, do_x(t, OP_SHL, do_x(t, OP_ZEXT32, get_x(t, op.rs1), 0), number(t, op.imm & 63)))


# --- Zbb --------------------------------------------------------------------------------------------------------------

cdef inline void with_inverse(Lift *t, const Op *op, uint32_t how) noexcept nogil:
    put_x(t, op.rd, do_x(t, how, get_x(t, op.rs1), do_x(t, OP_NOT, rs2_x(t, op), 0)))


cdef void l_andn(Lift *t, const Op *op) noexcept nogil:
    with_inverse(t, op, OP_AND)


cdef void l_orn(Lift *t, const Op *op) noexcept nogil:
    with_inverse(t, op, OP_OR)


cdef void l_xnor(Lift *t, const Op *op) noexcept nogil:
    # ~(a ^ b) = a ^ ~b
    with_inverse(t, op, OP_XOR)


cdef inline uint32_t choose(Lift *t, uint32_t cond, uint32_t one, uint32_t two) noexcept nogil:
    return make(t.g, t.block, OP_SELECT, T_INT, cond, one, two, 0)


cdef inline void extreme(Lift *t, const Op *op, uint32_t less, bint largest) noexcept nogil:
    cdef uint32_t one = get_x(t, op.rs1)
    cdef uint32_t two = rs2_x(t, op)
    cdef uint32_t cond = do_x(t, less, one, two)
    put_x(t, op.rd, choose(t, cond, two, one) if largest else choose(t, cond, one, two))


cdef void l_max(Lift *t, const Op *op) noexcept nogil:
    extreme(t, op, OP_LT, True)


cdef void l_maxu(Lift *t, const Op *op) noexcept nogil:
    extreme(t, op, OP_LTU, True)


cdef void l_min(Lift *t, const Op *op) noexcept nogil:
    extreme(t, op, OP_LT, False)


cdef void l_minu(Lift *t, const Op *op) noexcept nogil:
    extreme(t, op, OP_LTU, False)


cdef void l_rol(Lift *t, const Op *op) noexcept nogil:
    # To the left by n is to the right by -n, modulo the width.
    put_x(t, op.rd, do_x(t, OP_ROTR, get_x(t, op.rs1), do_x(t, OP_NEG, rs2_x(t, op), 0)))


cdef void l_rolw(Lift *t, const Op *op) noexcept nogil:
    put_x(t, op.rd, do_x(t, OP_ROTR32, get_x(t, op.rs1), do_x(t, OP_NEG, rs2_x(t, op), 0)))


# --- Zbs --------------------------------------------------------------------------------------------------------------

cdef inline void one_bit(Lift *t, const Op *op, uint32_t how, uint32_t amount) noexcept nogil:
    cdef uint32_t mask = do_x(t, OP_SHL, number(t, 1), amount)
    if how == OP_AND:
        mask = do_x(t, OP_NOT, mask, 0)
    put_x(t, op.rd, do_x(t, how, get_x(t, op.rs1), mask))


cdef inline void one_bit_of(Lift *t, const Op *op, uint32_t amount) noexcept nogil:
    put_x(t, op.rd, do_x(t, OP_AND, do_x(t, OP_SHR, get_x(t, op.rs1), amount), number(t, 1)))


cdef void l_bclr(Lift *t, const Op *op) noexcept nogil:
    one_bit(t, op, OP_AND, rs2_x(t, op))


cdef void l_bclri(Lift *t, const Op *op) noexcept nogil:
    one_bit(t, op, OP_AND, number(t, op.imm & 63))


cdef void l_bset(Lift *t, const Op *op) noexcept nogil:
    one_bit(t, op, OP_OR, rs2_x(t, op))


cdef void l_bseti(Lift *t, const Op *op) noexcept nogil:
    one_bit(t, op, OP_OR, number(t, op.imm & 63))


cdef void l_binv(Lift *t, const Op *op) noexcept nogil:
    one_bit(t, op, OP_XOR, rs2_x(t, op))


cdef void l_binvi(Lift *t, const Op *op) noexcept nogil:
    one_bit(t, op, OP_XOR, number(t, op.imm & 63))


cdef void l_bext(Lift *t, const Op *op) noexcept nogil:
    one_bit_of(t, op, rs2_x(t, op))


cdef void l_bexti(Lift *t, const Op *op) noexcept nogil:
    one_bit_of(t, op, number(t, op.imm & 63))


# --- Zbkb and Zicond --------------------------------------------------------------------------------------------------

cdef inline uint32_t packed(Lift *t, const Op *op, uint32_t extend, int64_t shift) noexcept nogil:
    return do_x(t, OP_OR, do_x(t, extend, get_x(t, op.rs1), 0), do_x(t, OP_SHL, rs2_x(t, op), number(t, shift)))


cdef void l_pack(Lift *t, const Op *op) noexcept nogil:
    put_x(t, op.rd, packed(t, op, OP_ZEXT32, 32))


cdef void l_packw(Lift *t, const Op *op) noexcept nogil:
    put_x(t, op.rd, sext32(t, packed(t, op, OP_ZEXT16, 16)))


cdef void l_packh(Lift *t, const Op *op) noexcept nogil:
    put_x(t, op.rd, do_x(t, OP_ZEXT16, packed(t, op, OP_ZEXT8, 8), 0))


cdef void l_czero_eqz(Lift *t, const Op *op) noexcept nogil:
    put_x(t, op.rd, choose(t, rs2_x(t, op), get_x(t, op.rs1), number(t, 0)))


cdef void l_czero_nez(Lift *t, const Op *op) noexcept nogil:
    put_x(t, op.rd, choose(t, rs2_x(t, op), number(t, 0), get_x(t, op.rs1)))


def _simple(name, op, shape, mask=0):
    from vmcore._fast.hart.handlers import names

    register_lift(name, l_simple, LIFT_ALWAYS, RD_X)
    simple[<uint32_t>names[name]].op = op
    simple[<uint32_t>names[name]].shape = shape
    simple[<uint32_t>names[name]].mask = mask


for _name, _op in (
    ("add", OP_ADD), ("sub", OP_SUB), ("and", OP_AND), ("or", OP_OR), ("xor", OP_XOR), ("sll", OP_SHL),
    ("srl", OP_SHR), ("sra", OP_SAR), ("slt", OP_LT), ("sltu", OP_LTU), ("mul", OP_MUL), ("mulh", OP_MULH),
    ("mulhu", OP_MULHU), ("mulhsu", OP_MULHSU), ("div", OP_DIV), ("divu", OP_DIVU), ("rem", OP_REM),
    ("remu", OP_REMU), ("sllw", OP_SHL32), ("srlw", OP_SHR32), ("sraw", OP_SAR32), ("divw", OP_DIV32),
    ("divuw", OP_DIVU32), ("remw", OP_REM32), ("remuw", OP_REMU32), ("ror", OP_ROTR), ("rorw", OP_ROTR32),
):
    _simple(_name, _op, BY_REG)
for _name, _op in (("addw", OP_ADD), ("subw", OP_SUB), ("mulw", OP_MUL)):
    _simple(_name, _op, BY_REG | AND_SEXT)
for _name, _op in (
    ("addi", OP_ADD), ("andi", OP_AND), ("ori", OP_OR), ("xori", OP_XOR), ("slti", OP_LT), ("sltiu", OP_LTU),
):
    _simple(_name, _op, BY_IMM)
_simple("addiw", OP_ADD, BY_IMM | AND_SEXT)
for _name, _op in (("slli", OP_SHL), ("srli", OP_SHR), ("srai", OP_SAR), ("rori", OP_ROTR)):
    _simple(_name, _op, BY_AMOUNT, 63)
for _name, _op in (("srliw", OP_SHR32), ("sraiw", OP_SAR32), ("roriw", OP_ROTR32)):
    _simple(_name, _op, BY_AMOUNT, 31)
_simple("slliw", OP_SHL, BY_AMOUNT | AND_SEXT, 31)
for _name, _op in (
    ("clz", OP_CLZ), ("ctz", OP_CTZ), ("cpop", OP_POPCNT), ("clzw", OP_CLZ32), ("ctzw", OP_CTZ32),
    ("cpopw", OP_POPCNT32), ("sext.b", OP_SEXT8), ("sext.h", OP_SEXT16), ("zext.h", OP_ZEXT16), ("rev8", OP_BSWAP),
    ("orc.b", OP_ORCB),
):
    _simple(_name, _op, BY_ONE)
register_lift("nop", l_nop, LIFT_ALWAYS, RD_NONE)
register_lift("fence", l_nop, LIFT_TURNS, RD_NONE)
register_lift("pause", l_nop, LIFT_ALONE, RD_NONE)
register_lift("lui", l_lui, LIFT_ALWAYS, RD_X)
register_lift("auipc", l_auipc, LIFT_ALWAYS, RD_X)
register_lift("sh1add", l_sh1add, LIFT_ALWAYS, RD_X)
register_lift("sh2add", l_sh2add, LIFT_ALWAYS, RD_X)
register_lift("sh3add", l_sh3add, LIFT_ALWAYS, RD_X)
register_lift("add.uw", l_add_uw, LIFT_ALWAYS, RD_X)
register_lift("sh1add.uw", l_sh1add_uw, LIFT_ALWAYS, RD_X)
register_lift("sh2add.uw", l_sh2add_uw, LIFT_ALWAYS, RD_X)
register_lift("sh3add.uw", l_sh3add_uw, LIFT_ALWAYS, RD_X)
register_lift("slli.uw", l_slli_uw, LIFT_ALWAYS, RD_X)
register_lift("andn", l_andn, LIFT_ALWAYS, RD_X)
register_lift("orn", l_orn, LIFT_ALWAYS, RD_X)
register_lift("xnor", l_xnor, LIFT_ALWAYS, RD_X)
register_lift("max", l_max, LIFT_ALWAYS, RD_X)
register_lift("maxu", l_maxu, LIFT_ALWAYS, RD_X)
register_lift("min", l_min, LIFT_ALWAYS, RD_X)
register_lift("minu", l_minu, LIFT_ALWAYS, RD_X)
register_lift("rol", l_rol, LIFT_ALWAYS, RD_X)
register_lift("rolw", l_rolw, LIFT_ALWAYS, RD_X)
register_lift("bclr", l_bclr, LIFT_ALWAYS, RD_X)
register_lift("bclri", l_bclri, LIFT_ALWAYS, RD_X)
register_lift("bset", l_bset, LIFT_ALWAYS, RD_X)
register_lift("bseti", l_bseti, LIFT_ALWAYS, RD_X)
register_lift("binv", l_binv, LIFT_ALWAYS, RD_X)
register_lift("binvi", l_binvi, LIFT_ALWAYS, RD_X)
register_lift("bext", l_bext, LIFT_ALWAYS, RD_X)
register_lift("bexti", l_bexti, LIFT_ALWAYS, RD_X)
register_lift("pack", l_pack, LIFT_ALWAYS, RD_X)
register_lift("packw", l_packw, LIFT_ALWAYS, RD_X)
register_lift("packh", l_packh, LIFT_ALWAYS, RD_X)
register_lift("czero.eqz", l_czero_eqz, LIFT_ALWAYS, RD_X)
register_lift("czero.nez", l_czero_nez, LIFT_ALWAYS, RD_X)
