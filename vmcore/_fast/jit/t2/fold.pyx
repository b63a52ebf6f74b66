"""Rewriting rules of the pure operations.

Each rule is an equation over all values of its variables; it stands as a comment above the place where it is applied,
with its limits. The rules of one operation look at the operations of its operands alone. What they make goes through
the rules again, so they bring expressions into one form: constants last, nearest to the root; extensions instead of
pairs of shifts and of masks; additions instead of subtractions of constants; no width stated twice.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.fold_bits cimport (
    narrow_operands, negated, of_bswap, of_compare, of_extension, of_float, of_select, of_shift, of_shift32,
    rotation, without_width, zero_bits)
from vmcore._fast.jit.t2.ir cimport (
    OP_ADD, OP_AND, OP_BSWAP, OP_CONST, OP_DIV, OP_DIV32, OP_DIVU, OP_DIVU32, OP_EQ, OP_FROMBITS, OP_FSGNJ, OP_GEU,
    OP_MUL, OP_MULH, OP_MULHSU, OP_MULHU, OP_NEG, OP_NOT, OP_OR, OP_REMU, OP_REMU32, OP_ROTR, OP_ROTR32, OP_SELECT,
    OP_SEXT32, OP_SEXT8, OP_SHL, OP_SHL32, OP_SHR, OP_SHR32, OP_SUB, OP_XOR, OP_ZEXT32, is_const, Node)
from vmcore._fast.jit.t2.rules cimport (
    R_ADD_ADD, R_ADD_FROM, R_ADD_NEG, R_ADD_SUB, R_ADD_ZERO, R_AND_AND, R_AND_COVERS, R_AND_EXTENDED, R_AND_NOT,
    R_AND_OR, R_AND_SELF, R_AND_ZERO, R_AND_ZEXT, R_COUNT_OF, R_DIVU_POWER, R_DIV_MINUS, R_DIV_ONE, R_DIV_ZERO,
    R_MULHU_POWER, R_MULH_ZERO, R_MUL_MINUS, R_MUL_MUL, R_MUL_ONE, R_MUL_POWER, R_MUL_ZERO, R_NEG_ADD, R_NEG_NEG,
    R_NEG_SUB, R_NOT_NOT, R_NOT_XOR, R_OR_AND, R_OR_NOT, R_OR_ONES, R_OR_OR, R_OR_SELF, R_OR_ZERO, R_SUB_ADD,
    R_SUB_CONST, R_SUB_FROM_ADD, R_SUB_FROM_ZERO, R_SUB_NEG, R_SUB_OF_ADD, R_SUB_SELF, R_SUB_SUB, R_XOR_COMPARE,
    R_XOR_NOT, R_XOR_ONES, R_XOR_SELF, R_XOR_XOR, R_XOR_ZERO, by_const, fire, is_compare, is_number, is_power,
    low_bits, number, put1, put2, value_of, width_of, with_number, zext_of, Maker)

cdef extern from *:
    int clz64 "__builtin_clzll"(uint64_t value) noexcept nogil
    int ctz64 "__builtin_ctzll"(uint64_t value) noexcept nogil

# In the order of Rule (fold.pxd).
RULES = (
    "constants", "add_zero", "add_add", "add_from", "add_neg", "add_sub", "sub_const", "sub_self", "sub_from_zero",
    "sub_neg", "sub_add", "sub_of_add", "sub_sub", "sub_from_add", "neg_neg", "neg_sub", "neg_add", "mul_zero",
    "mul_one", "mul_minus", "mul_power", "mul_mul", "mulh_zero", "mulhu_power", "div_zero", "div_one", "div_minus",
    "divu_power", "and_zero", "and_covers", "and_and", "and_extended", "and_zext", "and_self", "and_not", "and_or",
    "or_zero", "or_ones", "or_or", "or_self", "or_not", "or_and", "xor_zero", "xor_ones", "xor_xor", "xor_not",
    "xor_compare", "xor_self", "not_not", "not_xor", "rotate", "rotate32", "shift_modulo", "shift_amount",
    "shl_shl", "shl_shr", "shl_extended", "shr_out", "shr_shr", "shr_shl", "shr_mask", "shr_sign", "shr_zext32",
    "sar_positive", "sar_sar", "sar_shl", "sar_sext32", "shift_of", "shift_zero", "rotr_rotr", "shift32_zero",
    "shl32_const", "shr32_shr32", "sar32_sar32", "shift32_extends", "rotr32_rotr32", "narrow", "sext_known",
    "zext_known", "extend_extended", "zext_and", "sext_and", "bswap_bswap", "eq_difference", "eq_add", "eq_xor",
    "eq_neg", "eq_never", "eq_bool", "compare_self", "lt_least", "ltu_zero", "ltu_one", "ltu_from_zero",
    "select_const", "select_same", "select_zero", "select_bool", "sign_own", "clean_clean", "clean_fused", "unbox_box",
    "frombits_bits", "bits_frombits",
)

if len(RULES) != R_COUNT_OF:
    raise AssertionError("the rules and their names differ")

# --- sums -------------------------------------------------------------------------------------------------------------

cdef uint32_t of_add(Maker *m, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef Node right = m.g.nodes[b]
    if right.op == OP_CONST:
        # x + 0 == x
        if right.imm == 0 and fire(m, R_ADD_ZERO):
            return a
        # (x + c) + d == x + (c + d)
        if by_const(m, a, OP_ADD) and fire(m, R_ADD_ADD):
            return with_number(m, OP_ADD, left.a, value_of(m, left.b) + right.imm)
        # (c - x) + d == (c + d) - x
        if left.op == OP_SUB and is_const(m.g, left.a) and fire(m, R_ADD_FROM):
            return put2(m, OP_SUB, number(m, value_of(m, left.a) + right.imm), left.b)
        return 0
    # x + -y == x - y
    if right.op == OP_NEG and fire(m, R_ADD_NEG):
        return put2(m, OP_SUB, a, right.a)
    if left.op == OP_NEG and fire(m, R_ADD_NEG):
        return put2(m, OP_SUB, b, left.a)
    # (x - y) + y == x
    if left.op == OP_SUB and left.b == b and fire(m, R_ADD_SUB):
        return left.a
    if right.op == OP_SUB and right.b == a and fire(m, R_ADD_SUB):
        return right.a
    return 0


cdef uint32_t of_sub(Maker *m, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef Node right = m.g.nodes[b]
    # x - c == x + -c
    if right.op == OP_CONST and fire(m, R_SUB_CONST):
        return with_number(m, OP_ADD, a, <int64_t>(0 - <uint64_t>right.imm))
    # x - x == 0
    if a == b and fire(m, R_SUB_SELF):
        return number(m, 0)
    # 0 - x == -x
    if is_number(m, a, 0) and fire(m, R_SUB_FROM_ZERO):
        return put1(m, OP_NEG, b)
    # x - -y == x + y
    if right.op == OP_NEG and fire(m, R_SUB_NEG):
        return put2(m, OP_ADD, a, right.a)
    # (x + y) - x == y
    if left.op == OP_ADD and (left.a == b or left.b == b) and fire(m, R_SUB_ADD):
        return left.b if left.a == b else left.a
    # x - (x + y) == -y
    if right.op == OP_ADD and (right.a == a or right.b == a) and fire(m, R_SUB_OF_ADD):
        return put1(m, OP_NEG, right.b if right.a == a else right.a)
    # x - (x - y) == y
    if right.op == OP_SUB and right.a == a and fire(m, R_SUB_SUB):
        return right.b
    # c - (x + d) == (c - d) - x
    if left.op == OP_CONST and by_const(m, b, OP_ADD) and fire(m, R_SUB_FROM_ADD):
        return put2(m, OP_SUB, number(m, left.imm - value_of(m, right.b)), right.a)
    return 0


cdef uint32_t of_neg(Maker *m, uint32_t a) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    # --x == x
    if left.op == OP_NEG and fire(m, R_NEG_NEG):
        return left.a
    # -(x - y) == y - x
    if left.op == OP_SUB and fire(m, R_NEG_SUB):
        return put2(m, OP_SUB, left.b, left.a)
    # -(x + c) == -c - x
    if by_const(m, a, OP_ADD) and fire(m, R_NEG_ADD):
        return put2(m, OP_SUB, number(m, <int64_t>(0 - <uint64_t>value_of(m, left.b))), left.a)
    return 0


cdef uint32_t of_mul(Maker *m, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef int64_t c = value_of(m, b)
    if not is_const(m.g, b):
        return 0
    # x * 0 == 0
    if c == 0 and fire(m, R_MUL_ZERO):
        return b
    # x * 1 == x
    if c == 1 and fire(m, R_MUL_ONE):
        return a
    # x * -1 == -x
    if c == -1 and fire(m, R_MUL_MINUS):
        return put1(m, OP_NEG, a)
    # x * 2**k == x << k
    if is_power(c) and fire(m, R_MUL_POWER):
        return with_number(m, OP_SHL, a, ctz64(c))
    # (x * c) * d == x * (c * d)
    if by_const(m, a, OP_MUL) and fire(m, R_MUL_MUL):
        return with_number(m, OP_MUL, left.a, <int64_t>(<uint64_t>value_of(m, left.b) * <uint64_t>c))
    return 0


cdef uint32_t of_mulh(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil:
    # The upper half of x * 0 is 0; unsigned, of x * 1 too.
    if (is_number(m, b, 0) or op == OP_MULHU and is_number(m, b, 1)) and fire(m, R_MULH_ZERO):
        return number(m, 0)
    # Of x * 2**k, unsigned, it is x >> (64 - k), for k from 1.
    if op == OP_MULHU and is_const(m.g, b) and is_power(value_of(m, b)) and fire(m, R_MULHU_POWER):
        return with_number(m, OP_SHR, a, 64 - ctz64(value_of(m, b)))
    return 0


cdef uint32_t of_div(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil:
    # Of 32 bits: the lower half of the divisor counts, and the result is sign-extended.
    cdef bint half = op >= OP_DIV32
    cdef bint quotient = op == OP_DIV or op == OP_DIVU or op == OP_DIV32 or op == OP_DIVU32
    cdef bint unsigned = op == OP_DIVU or op == OP_REMU or op == OP_DIVU32 or op == OP_REMU32
    cdef uint64_t by
    if not is_const(m.g, b):
        return 0
    by = <uint32_t>value_of(m, b) if half else <uint64_t>value_of(m, b)
    # x / 0 == -1, x % 0 == x
    if by == 0 and fire(m, R_DIV_ZERO):
        return number(m, -1) if quotient else put1(m, OP_SEXT32, a) if half else a
    # x / 1 == x, x % 1 == 0
    if by == 1 and fire(m, R_DIV_ONE):
        return number(m, 0) if not quotient else put1(m, OP_SEXT32, a) if half else a
    if not unsigned:
        # x / -1 == -x, x % -1 == 0, the least number included
        if by == low_bits(32 if half else 64) and fire(m, R_DIV_MINUS):
            if not quotient:
                return number(m, 0)
            a = put1(m, OP_NEG, a)
            return put1(m, OP_SEXT32, a) if half else a
        return 0
    # Unsigned: x / 2**k == x >> k, x % 2**k == x & (2**k - 1), for k from 1
    if is_power(by) and fire(m, R_DIVU_POWER):
        if quotient:
            return with_number(m, OP_SHR32 if half else OP_SHR, a, ctz64(by))
        return with_number(m, OP_AND, a, <int64_t>(by - 1))
    return 0


# --- logic ------------------------------------------------------------------------------------------------------------

cdef uint32_t of_and(Maker *m, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef Node right = m.g.nodes[b]
    cdef uint64_t mask
    if right.op == OP_CONST:
        # x & 0 == 0
        if right.imm == 0 and fire(m, R_AND_ZERO):
            return b
        # x & c == x, where c has all bits that x may have
        mask = low_bits(64 - zero_bits(m.g, a))
        if (right.imm & mask) == mask and fire(m, R_AND_COVERS):
            return a
        # (x & c) & d == x & (c & d)
        if by_const(m, a, OP_AND) and fire(m, R_AND_AND):
            return with_number(m, OP_AND, left.a, value_of(m, left.b) & right.imm)
        # extended(x) & c == x & c, where c is within the width
        if width_of(left.op) and (right.imm & ~low_bits(width_of(left.op))) == 0 and fire(m, R_AND_EXTENDED):
            return put2(m, OP_AND, left.a, b)
        # x & 0xFF == zero-extended x
        if right.imm == 0xFF or right.imm == 0xFFFF or right.imm == <int64_t>0xFFFFFFFF:
            if fire(m, R_AND_ZEXT):
                return put1(m, zext_of(64 - clz64(right.imm)), a)
        return 0
    # x & x == x
    if a == b and fire(m, R_AND_SELF):
        return a
    # x & ~x == 0
    if (left.op == OP_NOT and left.a == b or right.op == OP_NOT and right.a == a) and fire(m, R_AND_NOT):
        return number(m, 0)
    # x & (x | y) == x
    if right.op == OP_OR and (right.a == a or right.b == a) and fire(m, R_AND_OR):
        return a
    if left.op == OP_OR and (left.a == b or left.b == b) and fire(m, R_AND_OR):
        return b
    return 0


cdef uint32_t of_or(Maker *m, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef Node right = m.g.nodes[b]
    cdef uint32_t found
    if right.op == OP_CONST:
        # x | 0 == x
        if right.imm == 0 and fire(m, R_OR_ZERO):
            return a
        # x | -1 == -1
        if right.imm == -1 and fire(m, R_OR_ONES):
            return b
        # (x | c) | d == x | (c | d)
        if by_const(m, a, OP_OR) and fire(m, R_OR_OR):
            return with_number(m, OP_OR, left.a, value_of(m, left.b) | right.imm)
        return 0
    # x | x == x
    if a == b and fire(m, R_OR_SELF):
        return a
    # x | ~x == -1
    if (left.op == OP_NOT and left.a == b or right.op == OP_NOT and right.a == a) and fire(m, R_OR_NOT):
        return number(m, -1)
    # x | (x & y) == x
    if right.op == OP_AND and (right.a == a or right.b == a) and fire(m, R_OR_AND):
        return a
    if left.op == OP_AND and (left.a == b or left.b == b) and fire(m, R_OR_AND):
        return b
    found = rotation(m, a, b)
    return found if found else rotation(m, b, a)


cdef uint32_t of_xor(Maker *m, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef Node right = m.g.nodes[b]
    if right.op == OP_CONST:
        # x ^ 0 == x
        if right.imm == 0 and fire(m, R_XOR_ZERO):
            return a
        # x ^ -1 == ~x
        if right.imm == -1 and fire(m, R_XOR_ONES):
            return put1(m, OP_NOT, a)
        # (x ^ c) ^ d == x ^ (c ^ d)
        if by_const(m, a, OP_XOR) and fire(m, R_XOR_XOR):
            return with_number(m, OP_XOR, left.a, value_of(m, left.b) ^ right.imm)
        # ~x ^ c == x ^ ~c
        if left.op == OP_NOT and fire(m, R_XOR_NOT):
            return with_number(m, OP_XOR, left.a, ~right.imm)
        # (x < y) ^ 1 == (x >= y)
        if right.imm == 1 and is_compare(left.op) and fire(m, R_XOR_COMPARE):
            return put2(m, negated(left.op), left.a, left.b)
        return 0
    # x ^ x == 0
    if a == b and fire(m, R_XOR_SELF):
        return number(m, 0)
    return 0


cdef uint32_t of_not(Maker *m, uint32_t a) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    # ~~x == x
    if left.op == OP_NOT and fire(m, R_NOT_NOT):
        return left.a
    # ~(x ^ c) == x ^ ~c
    if by_const(m, a, OP_XOR) and fire(m, R_NOT_XOR):
        return with_number(m, OP_XOR, left.a, ~value_of(m, left.b))
    return 0

# --- all --------------------------------------------------------------------------------------------------------------

cdef uint32_t rewrite(Maker *m, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c) noexcept nogil:
    cdef uint32_t found
    if narrow_operands(op):
        found = without_width(m, op, a, b)
        if found or m.g.failed:
            return found
    if op == OP_ADD:
        return of_add(m, a, b)
    elif op == OP_SUB:
        return of_sub(m, a, b)
    elif op == OP_NEG:
        return of_neg(m, a)
    elif op == OP_NOT:
        return of_not(m, a)
    elif op == OP_AND:
        return of_and(m, a, b)
    elif op == OP_OR:
        return of_or(m, a, b)
    elif op == OP_XOR:
        return of_xor(m, a, b)
    elif op == OP_MUL:
        return of_mul(m, a, b)
    elif op == OP_BSWAP:
        return of_bswap(m, a)
    elif op == OP_SELECT:
        return of_select(m, type, a, b, c)
    elif OP_MULH <= op and op <= OP_MULHSU:
        return of_mulh(m, op, a, b)
    elif OP_DIV <= op and op <= OP_REMU or OP_DIV32 <= op and op <= OP_REMU32:
        return of_div(m, op, a, b)
    elif OP_SHL <= op and op <= OP_ROTR:
        return of_shift(m, op, a, b)
    elif OP_SHL32 <= op and op <= OP_ROTR32:
        return of_shift32(m, op, a, b)
    elif OP_SEXT8 <= op and op <= OP_ZEXT32:
        return of_extension(m, op, a)
    elif OP_EQ <= op and op <= OP_GEU:
        return of_compare(m, op, a, b)
    elif OP_FSGNJ <= op and op <= OP_FROMBITS:
        return of_float(m, op, type, a, b)
    return 0
