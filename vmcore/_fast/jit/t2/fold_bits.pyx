"""Rewriting rules of shifts, widths, comparisons and choices; see fold.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.ir cimport (
    MEM_SIGNED, OP_ADD, OP_AND, OP_BITS, OP_BOX, OP_BSWAP, OP_CLZ, OP_CLZ32, OP_CONST, OP_EQ, OP_FCLEAN, OP_FEQ, OP_FLE,
    OP_FMADD, OP_FNMADD, OP_FROMBITS, OP_FSGNJ, OP_GE, OP_GEU, OP_LOAD, OP_LT, OP_NE, OP_NEG, OP_NOT, OP_POPCNT32,
    OP_REMU32, OP_ROTR, OP_ROTR32, OP_SAR, OP_SAR32, OP_SELECT, OP_SEXT32, OP_SEXT8, OP_SHL, OP_SHL32, OP_SHR, OP_SHR32,
    OP_SUB, OP_UNBOX, OP_XOR, OP_ZEXT32, OP_ZEXT8, T_F32, T_INT, is_const, Graph, Node)
from vmcore._fast.jit.t2.rules cimport (
    R_BITS_FROMBITS, R_BSWAP_BSWAP, R_CLEAN_CLEAN, R_CLEAN_FUSED, R_COMPARE_SELF, R_EQ_ADD, R_EQ_BOOL, R_EQ_DIFFERENCE,
    R_EQ_NEG, R_EQ_NEVER, R_EQ_XOR, R_EXTEND_EXTENDED, R_FROMBITS_BITS, R_LTU_FROM_ZERO, R_LTU_ONE, R_LTU_ZERO,
    R_LT_LEAST, R_NARROW, R_ROTATE, R_ROTATE32, R_ROTR32_ROTR32, R_ROTR_ROTR, R_SAR32_SAR32, R_SAR_POSITIVE, R_SAR_SAR,
    R_SAR_SEXT32, R_SAR_SHL, R_SELECT_BOOL, R_SELECT_CONST, R_SELECT_SAME, R_SELECT_ZERO, R_SEXT_AND, R_SEXT_KNOWN,
    R_SHIFT32_EXTENDS, R_SHIFT32_ZERO, R_SHIFT_AMOUNT, R_SHIFT_MODULO, R_SHIFT_OF, R_SHIFT_ZERO, R_SHL32_CONST,
    R_SHL_EXTENDED, R_SHL_SHL, R_SHL_SHR, R_SHR32_SHR32, R_SHR_MASK, R_SHR_OUT, R_SHR_SHL, R_SHR_SHR, R_SHR_SIGN,
    R_SHR_ZEXT32, R_SIGN_OWN, R_UNBOX_BOX, R_ZEXT_AND, R_ZEXT_KNOWN, by_const, fire, is_compare, is_number, is_op,
    is_width, low_bits, number, put1, put2, sext_of, value_of, width_of, with_number, zext_of, Maker)

cdef extern from *:
    int clz64 "__builtin_clzll"(uint64_t value) noexcept nogil


# --- facts ------------------------------------------------------------------------------------------------------------

cdef uint32_t negated(uint32_t op) noexcept nogil:
    # They stand in pairs.
    if not is_compare(op):
        return 0
    return op + 1 if (op - OP_EQ) % 2 == 0 else op - 1


cdef uint32_t narrow_operands(uint32_t op) noexcept nogil:
    if OP_SHL32 <= op and op <= OP_REMU32:
        return 3
    return 1 if OP_SEXT8 <= op and op <= OP_ZEXT32 or OP_CLZ32 <= op and op <= OP_POPCNT32 else 0


cdef uint32_t zero_bits(const Graph *g, uint32_t node) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    cdef const Node *by = &g.nodes[n.b]
    if n.op == OP_CONST:
        return clz64(n.imm) if n.imm else 64
    if is_compare(n.op) or OP_FEQ <= n.op <= OP_FLE:
        return 63
    if OP_CLZ <= n.op and n.op <= OP_POPCNT32:
        return 57
    if OP_ZEXT8 <= n.op and n.op <= OP_ZEXT32:
        return 64 - width_of(n.op)
    if n.op == OP_LOAD and n.type == T_INT and not n.flags & MEM_SIGNED:
        return 64 - 8 * n.size
    if by.op == OP_CONST:
        if n.op == OP_AND and by.imm >= 0:
            return clz64(by.imm) if by.imm else 64
        if n.op == OP_SHR:
            return by.imm & 63
        if n.op == OP_SHR32 and by.imm & 31:
            return 32 + (by.imm & 31)
    return 0


cdef uint32_t sign_bits(const Graph *g, uint32_t node) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t zeros
    if n.op == OP_CONST:
        return clz64(n.imm ^ n.imm >> 63) if n.imm ^ n.imm >> 63 else 64
    if OP_SEXT8 <= n.op and n.op <= OP_SEXT32:
        return 65 - width_of(n.op)
    if n.op == OP_LOAD and n.type == T_INT and n.flags & MEM_SIGNED:
        return 65 - 8 * n.size
    zeros = zero_bits(g, node)
    if OP_SHL32 <= n.op and n.op <= OP_REMU32 and zeros < 33:
        return 33
    if n.op == OP_SAR and g.nodes[n.b].op == OP_CONST:
        return 1 + (g.nodes[n.b].imm & 63)
    if n.op == OP_BITS and g.nodes[n.a].type == T_F32:
        return 33
    return zeros if zeros else 1


# --- rotations --------------------------------------------------------------------------------------------------------

cdef inline bint opposite(const Maker *m, uint32_t y, uint32_t z, int64_t mask) noexcept nogil:
    # y == -z, modulo mask + 1
    if is_op(m, z, OP_NEG) and m.g.nodes[z].a == y or is_op(m, y, OP_NEG) and m.g.nodes[y].a == z:
        return True
    return is_const(m.g, y) and is_const(m.g, z) and ((value_of(m, y) + value_of(m, z)) & mask) == 0


cdef uint32_t rotation(Maker *m, uint32_t down, uint32_t up) noexcept nogil:
    # down | up, if they are the parts of a rotation.
    cdef Node left = m.g.nodes[down]
    cdef Node right = m.g.nodes[up]
    # (x >> y) | (x << -y) == x rotated by y, as shifts are modulo the width; -y may be a constant
    if (left.op == OP_SHR and right.op == OP_SHL and left.a == right.a and opposite(m, left.b, right.b, 63)
            and fire(m, R_ROTATE)):
        return put2(m, OP_ROTR, left.a, left.b)
    if left.op != OP_SHR32:
        return 0
    # The same of 32 bits; shifts by a constant are made of the 64-bit operation
    if right.op == OP_SHL32 and left.a == right.a and opposite(m, left.b, right.b, 31) and fire(m, R_ROTATE32):
        return put2(m, OP_ROTR32, left.a, left.b)
    if right.op != OP_SEXT32:
        return 0
    right = m.g.nodes[right.a]
    # Limit: 0 < y < 32, for y == 0 shifts by 32
    if (right.op == OP_SHL and left.a == right.a and is_const(m.g, left.b) and is_const(m.g, right.b)
            and 0 < value_of(m, left.b) and value_of(m, left.b) < 32
            and value_of(m, left.b) + value_of(m, right.b) == 32 and fire(m, R_ROTATE32)):
        return put2(m, OP_ROTR32, left.a, left.b)
    return 0


# --- shifts -----------------------------------------------------------------------------------------------------------

cdef uint32_t amount_of(Maker *m, uint32_t b, int64_t mask) noexcept nogil:
    # Another node for the amount of a shift modulo mask + 1, or 0.
    cdef Node right = m.g.nodes[b]
    # An amount beyond the width is as good as what is left of it
    if right.op == OP_CONST and right.imm & ~mask and fire(m, R_SHIFT_MODULO):
        return number(m, right.imm & mask)
    # So is one that was extended, or masked with all bits that count
    if width_of(right.op) and fire(m, R_SHIFT_AMOUNT):
        return right.a
    if by_const(m, b, OP_AND) and (value_of(m, right.b) & mask) == mask and fire(m, R_SHIFT_AMOUNT):
        return right.a
    return 0


cdef uint32_t of_shl(Maker *m, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef int64_t by = value_of(m, b)
    cdef int64_t before = value_of(m, left.b)
    # (x << c) << d == x << (c + d), 0 from 64
    if by_const(m, a, OP_SHL) and fire(m, R_SHL_SHL):
        return number(m, 0) if by + before > 63 else with_number(m, OP_SHL, left.a, by + before)
    # (x >> c) << c == x & (-1 << c). Limit: c < 32, that the mask fits into an instruction
    if ((by_const(m, a, OP_SHR) or by_const(m, a, OP_SAR)) and before == by and by < 32
            and fire(m, R_SHL_SHR)):
        return with_number(m, OP_AND, left.a, <int64_t>(~<uint64_t>0 << by))
    # extended(x) << c == x << c, where all that it extended with is shifted out
    if width_of(left.op) and by >= 64 - width_of(left.op) and fire(m, R_SHL_EXTENDED):
        return put2(m, OP_SHL, left.a, b)
    return 0


cdef uint32_t extended(Maker *m, uint32_t extension, uint32_t down, uint32_t a, int64_t up,
                       int64_t by) noexcept nogil:
    # The extension of a, shifted as up and then down are.
    a = put1(m, extension, a)
    if by == up:
        return a
    return with_number(m, OP_SHL, a, up - by) if up > by else with_number(m, down, a, by - up)


cdef uint32_t of_shr(Maker *m, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef int64_t by = value_of(m, b)
    cdef int64_t before = value_of(m, left.b)
    # x >> c == 0, where no bits are left
    if by + zero_bits(m.g, a) >= 64 and fire(m, R_SHR_OUT):
        return number(m, 0)
    # (x >> c) >> d == x >> (c + d); from 64 it was 0 above
    if by_const(m, a, OP_SHR) and by + before < 64 and fire(m, R_SHR_SHR):
        return with_number(m, OP_SHR, left.a, by + before)
    if by_const(m, a, OP_SHL):
        # (x << c) >> d == zext(x) << (c - d) or >> (d - c), where 64 - c is a width
        if is_width(64 - before) and fire(m, R_SHR_SHL):
            return extended(m, zext_of(64 - before), OP_SHR, left.a, before, by)
        # (x << c) >> c == x & (2**(64 - c) - 1). Limit: c > 32, that the mask fits into an instruction
        if before == by and by > 32 and fire(m, R_SHR_MASK):
            return with_number(m, OP_AND, left.a, <int64_t>(~<uint64_t>0 >> by))
    # The sign of (x >> c), arithmetic, is that of x
    if by_const(m, a, OP_SAR) and by == 63 and fire(m, R_SHR_SIGN):
        return put2(m, OP_SHR, left.a, b)
    # zext32(x) >> c == shr32(x, c), for c from 1: it is positive
    if left.op == OP_ZEXT32 and by < 32 and fire(m, R_SHR_ZEXT32):
        return put2(m, OP_SHR32, left.a, b)
    return 0


cdef uint32_t of_sar(Maker *m, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef int64_t by = value_of(m, b)
    cdef int64_t before = value_of(m, left.b)
    # Of what is not negative, it is the logical shift
    if zero_bits(m.g, a) and fire(m, R_SAR_POSITIVE):
        return put2(m, OP_SHR, a, b)
    # (x >> c) >> d == x >> (c + d), 63 at most
    if by_const(m, a, OP_SAR) and fire(m, R_SAR_SAR):
        return with_number(m, OP_SAR, left.a, by + before if by + before < 63 else 63)
    # (x << c) >> d == sext(x) << (c - d) or >> (d - c), where 64 - c is a width
    if by_const(m, a, OP_SHL) and is_width(64 - before) and fire(m, R_SAR_SHL):
        return extended(m, sext_of(64 - before), OP_SAR, left.a, before, by)
    # sext32(x) >> c == sar32(x, c), 31 at most
    if left.op == OP_SEXT32 and fire(m, R_SAR_SEXT32):
        return with_number(m, OP_SAR32, left.a, by if by < 32 else 31)
    return 0


cdef uint32_t of_shift(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef uint32_t by = amount_of(m, b, 63)
    if by:
        return put2(m, op, a, by)
    # 0 shifted, or -1 rotated or shifted arithmetically, stay what they are
    if (is_number(m, a, 0) or is_number(m, a, -1) and (op == OP_SAR or op == OP_ROTR)) and fire(m, R_SHIFT_OF):
        return a
    if not is_const(m.g, b):
        return 0
    # A shift by 0 does nothing
    if value_of(m, b) == 0 and fire(m, R_SHIFT_ZERO):
        return a
    if op == OP_SHL:
        return of_shl(m, a, b)
    if op == OP_SHR:
        return of_shr(m, a, b)
    if op == OP_SAR:
        return of_sar(m, a, b)
    # Rotations add up, modulo 64
    if by_const(m, a, OP_ROTR) and fire(m, R_ROTR_ROTR):
        return with_number(m, OP_ROTR, left.a, (value_of(m, left.b) + value_of(m, b)) & 63)
    return 0


cdef uint32_t of_shift32(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef uint32_t amount = amount_of(m, b, 31)
    cdef int64_t by = value_of(m, b)
    cdef int64_t before = value_of(m, left.b)
    if amount:
        return put2(m, op, a, amount)
    # 0 shifted stays 0
    if is_number(m, a, 0) and fire(m, R_SHIFT_OF):
        return a
    if not is_const(m.g, b):
        return 0
    # A shift by 0 is the extension
    if by == 0 and fire(m, R_SHIFT32_ZERO):
        return put1(m, OP_SEXT32, a)
    # shl32(x, c) == sext32(x << c)
    if op == OP_SHL32 and fire(m, R_SHL32_CONST):
        return put1(m, OP_SEXT32, put2(m, OP_SHL, a, b))
    # (x >> c) >> d == x >> (c + d): logical, 0 from 32; arithmetic, 31 at most
    if op == OP_SHR32 and by_const(m, a, OP_SHR32) and before & 31 and fire(m, R_SHR32_SHR32):
        before = by + (before & 31)
        return number(m, 0) if before > 31 else with_number(m, OP_SHR32, left.a, before)
    if op == OP_SAR32 and by_const(m, a, OP_SAR32) and fire(m, R_SAR32_SAR32):
        before = by + (before & 31)
        return with_number(m, OP_SAR32, left.a, before if before < 31 else 31)
    # (x << c) >> c == the extension, where 32 - c is 8 or 16
    if op != OP_ROTR32 and by_const(m, a, OP_SHL) and before == by and (by == 16 or by == 24):
        if fire(m, R_SHIFT32_EXTENDS):
            return put1(m, sext_of(32 - by) if op == OP_SAR32 else zext_of(32 - by), left.a)
    # Rotations add up, modulo 32
    if op == OP_ROTR32 and by_const(m, a, OP_ROTR32) and fire(m, R_ROTR32_ROTR32):
        return with_number(m, OP_ROTR32, left.a, (by + before) & 31)
    return 0


# --- width ------------------------------------------------------------------------------------------------------------

cdef uint32_t without_width(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil:
    # What reads lower halves does not care how these were extended to 64 bits
    cdef uint32_t narrow = narrow_operands(op)
    cdef uint32_t la = m.g.nodes[a].op
    cdef uint32_t rb = m.g.nodes[b].op
    if narrow & 1 and (la == OP_SEXT32 or la == OP_ZEXT32) and fire(m, R_NARROW):
        return m.put(m, op, T_INT, m.g.nodes[a].a, b, 0)
    if narrow & 2 and (rb == OP_SEXT32 or rb == OP_ZEXT32) and fire(m, R_NARROW):
        return m.put(m, op, T_INT, a, m.g.nodes[b].a, 0)
    return 0


cdef uint32_t of_extension(Maker *m, uint32_t op, uint32_t a) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef uint32_t width = width_of(op)
    cdef bint signed = op <= OP_SEXT32
    # What is extended already
    if signed and sign_bits(m.g, a) >= 65 - width and fire(m, R_SEXT_KNOWN):
        return a
    if not signed and zero_bits(m.g, a) >= 64 - width and fire(m, R_ZEXT_KNOWN):
        return a
    # Extended from the same width or a wider one: that is not looked at
    if width_of(left.op) >= width and fire(m, R_EXTEND_EXTENDED):
        return put1(m, op, left.a)
    if by_const(m, a, OP_AND):
        # zext(x & c) == x & c', where c' is c within the width
        if not signed and fire(m, R_ZEXT_AND):
            return with_number(m, OP_AND, left.a, value_of(m, left.b) & <int64_t>low_bits(width))
        # sext(x & c) == sext(x), where c keeps the width
        if (value_of(m, left.b) & low_bits(width)) == low_bits(width) and fire(m, R_SEXT_AND):
            return put1(m, op, left.a)
    return 0


cdef uint32_t of_bswap(Maker *m, uint32_t a) noexcept nogil:
    # Twice is not at all
    if is_op(m, a, OP_BSWAP) and fire(m, R_BSWAP_BSWAP):
        return m.g.nodes[a].a
    return 0


# --- comparisons and choices ------------------------------------------------------------------------------------------

cdef inline bint is_bool(const Maker *m, uint32_t node) noexcept nogil:
    return zero_bits(m.g, node) >= 63


cdef uint32_t of_equal(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    cdef int64_t c = value_of(m, b)
    cdef uint32_t found
    # x - y == 0 is x == y; so is x ^ y == 0
    if c == 0 and (left.op == OP_SUB or left.op == OP_XOR and not is_const(m.g, left.b)) and fire(m, R_EQ_DIFFERENCE):
        return put2(m, op, left.a, left.b)
    # x + c == d is x == d - c, x ^ c == d is x == d ^ c, -x == d is x == -d, ~x == d is x == ~d
    if by_const(m, a, OP_ADD) and fire(m, R_EQ_ADD):
        return with_number(m, op, left.a, <int64_t>(<uint64_t>c - <uint64_t>value_of(m, left.b)))
    if by_const(m, a, OP_XOR) and fire(m, R_EQ_XOR):
        return with_number(m, op, left.a, c ^ value_of(m, left.b))
    if (left.op == OP_NEG or left.op == OP_NOT) and fire(m, R_EQ_NEG):
        return with_number(m, op, left.a, ~c if left.op == OP_NOT else <int64_t>(0 - <uint64_t>c))
    # x == c is false where c has a bit that x cannot have
    if <uint64_t>c & ~low_bits(64 - zero_bits(m.g, a)) and fire(m, R_EQ_NEVER):
        return number(m, op == OP_NE)
    # Of what is 0 or 1: itself, or its opposite
    if is_bool(m, a) and (c == 0 or c == 1):
        if (op == OP_EQ) == (c == 1):
            if fire(m, R_EQ_BOOL):
                return a
        elif is_compare(left.op) and fire(m, R_EQ_BOOL):
            found = negated(left.op)
            return put2(m, found, left.a, left.b)
    return 0


cdef inline int64_t low_number() noexcept nogil:
    return <int64_t>(<uint64_t>1 << 63)


cdef uint32_t of_compare(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil:
    cdef bint or_equal = op == OP_GE or op == OP_GEU
    # x == x, x >= x are true; x != x, x < x are false
    if a == b and fire(m, R_COMPARE_SELF):
        return number(m, or_equal or op == OP_EQ)
    if op == OP_EQ or op == OP_NE:
        return of_equal(m, op, a, b) if is_const(m.g, b) else 0
    if op == OP_LT or op == OP_GE:
        # Nothing is less than the least number, and what is not negative not less than 0
        if is_const(m.g, b) and (value_of(m, b) == low_number() or value_of(m, b) == 0 and zero_bits(m.g, a)):
            if fire(m, R_LT_LEAST):
                return number(m, or_equal)
        return 0
    # Unsigned: x < 0 is false, x < 1 is x == 0, 0 < x is x != 0
    if is_number(m, b, 0) and fire(m, R_LTU_ZERO):
        return number(m, or_equal)
    if is_number(m, b, 1) and fire(m, R_LTU_ONE):
        return with_number(m, OP_NE if or_equal else OP_EQ, a, 0)
    if is_number(m, a, 0) and fire(m, R_LTU_FROM_ZERO):
        return put2(m, OP_EQ if or_equal else OP_NE, b, a)
    return 0


cdef uint32_t of_select(Maker *m, uint8_t type, uint32_t a, uint32_t b, uint32_t c) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    # By a constant: one of them
    if left.op == OP_CONST and fire(m, R_SELECT_CONST):
        return b if left.imm else c
    # x ? y : y == y
    if b == c and fire(m, R_SELECT_SAME):
        return b
    # (x != 0) ? y : z == x ? y : z, (x == 0) ? y : z == x ? z : y
    if left.op == OP_NE and is_number(m, left.b, 0) and fire(m, R_SELECT_ZERO):
        return m.put(m, OP_SELECT, type, left.a, b, c)
    if left.op == OP_EQ and is_number(m, left.b, 0) and fire(m, R_SELECT_ZERO):
        return m.put(m, OP_SELECT, type, left.a, c, b)
    # x ? 1 : 0 == x where x is 0 or 1; x ? 1 : 0 == (x != 0), x ? 0 : 1 == (x == 0)
    if is_number(m, b, 1) and is_number(m, c, 0) and fire(m, R_SELECT_BOOL):
        return a if is_bool(m, a) else with_number(m, OP_NE, a, 0)
    if is_number(m, b, 0) and is_number(m, c, 1) and fire(m, R_SELECT_BOOL):
        return with_number(m, OP_EQ, a, 0)
    return 0


# --- floating point, as far as it is about bits -----------------------------------------------------------------------

cdef uint32_t of_float(Maker *m, uint32_t op, uint8_t type, uint32_t a, uint32_t b) noexcept nogil:
    cdef Node left = m.g.nodes[a]
    # A number with its own sign is that number
    if op == OP_FSGNJ and a == b and fire(m, R_SIGN_OWN):
        return a
    # Clean is clean
    if op == OP_FCLEAN and left.op == OP_FCLEAN and fire(m, R_CLEAN_CLEAN):
        return a
    # A NaN of fused arithmetic is made with care, out of line, and canonical
    if op == OP_FCLEAN and OP_FMADD <= left.op <= OP_FNMADD and fire(m, R_CLEAN_FUSED):
        return a
    # What was boxed is in the box
    if op == OP_UNBOX and left.op == OP_BOX and fire(m, R_UNBOX_BOX):
        return left.a
    # From bits to a number and back; a single's bits are sign-extended
    if op == OP_FROMBITS and left.op == OP_BITS and m.g.nodes[left.a].type == type and fire(m, R_FROMBITS_BITS):
        return left.a
    if op == OP_BITS and left.op == OP_FROMBITS and fire(m, R_BITS_FROMBITS):
        return put1(m, OP_SEXT32, left.a) if left.type == T_F32 else left.a
    return 0
