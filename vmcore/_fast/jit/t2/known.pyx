"""Known bits, operation by operation.

Each function is the best that is cheap, for all values that the operands may have; where nothing is said, nothing is
known. tests/ir/test_known.py compares them with the arithmetic of the operations.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.ir cimport (
    MEM_SIGNED, OP_ADD, OP_AND, OP_BASE, OP_BITS, OP_BSWAP, OP_CLZ, OP_CONST, OP_DIV, OP_DIV32, OP_DIVU, OP_EQ,
    OP_GE, OP_GEU, OP_LOAD, OP_LT, OP_MUL, OP_NE, OP_NEG, OP_NOT, OP_OR, OP_POPCNT32, OP_REMU, OP_REMU32, OP_ROTR,
    OP_ROTR32, OP_SAR, OP_SAR32, OP_SELECT, OP_SEXT16, OP_SEXT32, OP_SEXT8, OP_SHL, OP_SHL32, OP_SHR, OP_SHR32,
    OP_SUB, OP_XOR, OP_ZEXT16, OP_ZEXT32, OP_ZEXT8, T_F32, T_INT, is_pure, op_row, operand, Graph, Node)

cdef extern from *:
    int clz64 "__builtin_clzll"(uint64_t value) noexcept nogil
    int ctz64 "__builtin_ctzll"(uint64_t value) noexcept nogil
    uint64_t bswap64 "__builtin_bswap64"(uint64_t value) noexcept nogil


# --- helpers ----------------------------------------------------------------------------------------------------------

cdef inline uint32_t leading(uint64_t bits) noexcept nogil:
    # Ones at the upper end.
    return clz64(~bits) if ~bits else 64


cdef inline uint32_t trailing(uint64_t bits) noexcept nogil:
    return ctz64(~bits) if ~bits else 64


cdef inline uint64_t upper(uint32_t count) noexcept nogil:
    return ~(~<uint64_t>0 >> count) if count < 64 else ~<uint64_t>0


cdef inline uint64_t lower(uint32_t count) noexcept nogil:
    return (<uint64_t>1 << count) - 1 if count < 64 else ~<uint64_t>0


cdef inline Bits made(uint64_t zeros, uint64_t ones, int64_t signs) noexcept nogil:
    # What the bits say of the sign, and the sign of the bits.
    cdef Bits k
    cdef uint32_t count
    k.zeros = zeros
    k.ones = ones
    k.signs = <uint32_t>signs if signs > 1 else 1
    count = leading(zeros) if leading(zeros) > leading(ones) else leading(ones)
    if count > k.signs:
        k.signs = count
    if zeros >> 63:
        k.zeros |= upper(k.signs)
    elif ones >> 63:
        k.ones |= upper(k.signs)
    return k


cdef inline Bits nothing(int64_t signs) noexcept nogil:
    return made(0, 0, signs)


cdef inline Bits number(uint64_t value) noexcept nogil:
    return made(~value, value, 1)


cdef inline uint32_t least(uint32_t one, uint32_t two) noexcept nogil:
    return one if one < two else two


cdef Bits common_bits(Bits one, Bits two) noexcept nogil:
    if one.signs == 0:
        return two
    if two.signs == 0:
        return one
    return made(one.zeros & two.zeros, one.ones & two.ones, least(one.signs, two.signs))


cdef bint within(Bits one, Bits two) noexcept nogil:
    return two.zeros & ~one.zeros == 0 and two.ones & ~one.ones == 0 and one.signs >= two.signs


# --- sums and products ------------------------------------------------------------------------------------------------

cdef Bits sum_of(Bits a, Bits b, uint32_t carry) noexcept nogil:
    # a + b + carry. The carries into each bit are those of the greatest sum where that has none, and those of the least
    # sum where that has one.
    cdef uint64_t most = ~a.zeros + ~b.zeros + carry
    cdef uint64_t fewest = a.ones + b.ones + carry
    cdef uint64_t no_carry = ~(most ^ a.zeros ^ b.zeros)
    cdef uint64_t has_carry = fewest ^ a.ones ^ b.ones
    cdef uint64_t sure = (a.zeros | a.ones) & (b.zeros | b.ones) & (no_carry | has_carry)
    # One bit more than the wider one.
    return made(~most & sure, fewest & sure, <int64_t>least(a.signs, b.signs) - 1)


cdef Bits inverse(Bits a) noexcept nogil:
    return made(a.ones, a.zeros, a.signs)


cdef Bits product(Bits a, Bits b) noexcept nogil:
    cdef uint32_t low = trailing(a.zeros) + trailing(b.zeros)
    cdef uint32_t high = leading(a.zeros) + leading(b.zeros)
    cdef uint64_t zeros = lower(low) | (upper(high - 64) if high > 64 else 0)
    # n bits with sign times m bits with sign are n + m bits with sign.
    return made(zeros, 0, <int64_t>a.signs + b.signs - 65)


# --- shifts and widths ------------------------------------------------------------------------------------------------

cdef Bits left(Bits a, uint32_t by) noexcept nogil:
    return made(a.zeros << by | lower(by), a.ones << by, <int64_t>a.signs - by)


cdef Bits right(Bits a, uint32_t by) noexcept nogil:
    return made(a.zeros >> by | upper(by), a.ones >> by, 1)


cdef Bits right_signed(Bits a, uint32_t by) noexcept nogil:
    return made(<uint64_t>(<int64_t>a.zeros >> by), <uint64_t>(<int64_t>a.ones >> by), least(64, a.signs + by))


cdef Bits rotated(Bits a, uint32_t by) noexcept nogil:
    cdef uint32_t back = (64 - by) & 63
    return made(a.zeros >> by | a.zeros << back, a.ones >> by | a.ones << back, 1)


cdef Bits sign_extended(Bits a, uint32_t width) noexcept nogil:
    cdef uint32_t by = 64 - width
    cdef int64_t signs = a.signs if a.signs > by else by + 1
    return made(<uint64_t>(<int64_t>(a.zeros << by) >> by), <uint64_t>(<int64_t>(a.ones << by) >> by), signs)


cdef Bits zero_extended(Bits a, uint32_t width) noexcept nogil:
    return made(a.zeros | ~lower(width), a.ones & lower(width), 1)


cdef Bits shifted(uint32_t op, Bits a, Bits b) noexcept nogil:
    cdef uint32_t mask = 31 if OP_SHL32 <= op and op <= OP_ROTR32 else 63
    cdef uint32_t by = <uint32_t>b.ones & mask
    if (b.zeros | b.ones) & mask != mask:
        # By an amount that is not known.
        if op == OP_SHL:
            return made(lower(trailing(a.zeros)), 0, 1)
        if op == OP_SHR:
            return made(upper(leading(a.zeros)), 0, 1)
        if op == OP_SAR:
            return made(upper(leading(a.zeros)), upper(leading(a.ones)), a.signs)
        if op == OP_SAR32:
            a = sign_extended(a, 32)
            return made(upper(leading(a.zeros)), upper(leading(a.ones)), a.signs)
        return nothing(1 if op == OP_ROTR else 33)
    if op == OP_SHL:
        return left(a, by)
    if op == OP_SHR:
        return right(a, by)
    if op == OP_SAR:
        return right_signed(a, by)
    if op == OP_ROTR:
        return rotated(a, by)
    if op == OP_SHL32:
        return sign_extended(left(a, by), 32)
    if op == OP_SHR32:
        return sign_extended(right(zero_extended(a, 32), by), 32)
    if op == OP_SAR32:
        return right_signed(sign_extended(a, 32), by)
    return nothing(33)


# --- all --------------------------------------------------------------------------------------------------------------

cdef Bits compared(uint32_t op, Bits a, Bits b) noexcept nogil:
    # 0 or 1, and which where the bits say it.
    cdef bint less = ~a.zeros < b.ones
    cdef bint not_less = a.ones >= ~b.zeros
    cdef bint opposite = op == OP_NE or op == OP_GE or op == OP_GEU
    if op == OP_EQ or op == OP_NE:
        if a.zeros & b.ones | a.ones & b.zeros:
            return number(opposite)
        return made(~<uint64_t>1, 0, 63)
    if op == OP_LT or op == OP_GE:
        # As unsigned, where the signs are known and equal; the negative one is less where they differ.
        if not (a.zeros | a.ones) >> 63 or not (b.zeros | b.ones) >> 63:
            return made(~<uint64_t>1, 0, 63)
        if a.ones >> 63 != b.ones >> 63:
            less = a.ones >> 63
            not_less = not less
    if less or not_less:
        return number(less != opposite)
    return made(~<uint64_t>1, 0, 63)


cdef Bits loaded(const Node *n) noexcept nogil:
    if n.type != T_INT or n.size >= 8:
        return nothing(1)
    return nothing(65 - 8 * n.size) if n.flags & MEM_SIGNED else made(~lower(8 * n.size), 0, 1)


cdef Bits divided(uint32_t op, Bits a, Bits b) noexcept nogil:
    # Unsigned, neither is greater than the dividend, but for -1 after a division by zero; a remainder is less than a
    # divisor that is not zero.
    cdef uint32_t high = leading(a.zeros)
    if OP_DIV32 <= op and op <= OP_REMU32:
        return nothing(33)
    if op == OP_DIVU and b.ones:
        return made(upper(high), 0, 1)
    if op == OP_REMU:
        if b.ones and leading(b.zeros) > high:
            high = leading(b.zeros)
        return made(upper(high), 0, 1)
    return nothing(1)


cdef Bits bits_of(const Graph *g, const Bits *facts, uint32_t node) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t op = n.op
    cdef Bits a = facts[n.a]
    cdef Bits b = facts[n.b]
    cdef uint32_t i
    if n.type != T_INT:
        return nothing(1)
    if op == OP_CONST:
        return number(n.imm)
    if op == OP_BASE:
        return made(0xFFF, 0, 1)
    if op == OP_LOAD:
        return loaded(n)
    if not is_pure(op):
        return nothing(1)
    for i in range(op_row(op).args):
        if facts[operand(n, i)].signs == 0:
            # What it needs is never made.
            return facts[operand(n, i)]
    if op == OP_ADD:
        return sum_of(a, b, 0)
    elif op == OP_SUB:
        return sum_of(a, inverse(b), 1)
    elif op == OP_NEG:
        return sum_of(number(0), inverse(a), 1)
    elif op == OP_MUL:
        return product(a, b)
    elif op == OP_AND:
        return made(a.zeros | b.zeros, a.ones & b.ones, least(a.signs, b.signs))
    elif op == OP_OR:
        return made(a.zeros & b.zeros, a.ones | b.ones, least(a.signs, b.signs))
    elif op == OP_XOR:
        return made(a.zeros & b.zeros | a.ones & b.ones, a.zeros & b.ones | a.ones & b.zeros, least(a.signs, b.signs))
    elif op == OP_NOT:
        return inverse(a)
    elif OP_SHL <= op and op <= OP_ROTR or OP_SHL32 <= op and op <= OP_ROTR32:
        return shifted(op, a, b)
    elif OP_DIV <= op and op <= OP_REMU or OP_DIV32 <= op and op <= OP_REMU32:
        return divided(op, a, b)
    elif op == OP_SEXT8:
        return sign_extended(a, 8)
    elif op == OP_SEXT16:
        return sign_extended(a, 16)
    elif op == OP_SEXT32:
        return sign_extended(a, 32)
    elif op == OP_ZEXT8:
        return zero_extended(a, 8)
    elif op == OP_ZEXT16:
        return zero_extended(a, 16)
    elif op == OP_ZEXT32:
        return zero_extended(a, 32)
    elif OP_CLZ <= op and op <= OP_POPCNT32:
        return made(~<uint64_t>127, 0, 1)
    elif op == OP_BSWAP:
        return made(bswap64(a.zeros), bswap64(a.ones), 1)
    elif OP_EQ <= op and op <= OP_GEU:
        return compared(op, a, b)
    elif op == OP_SELECT:
        return common_bits(b, facts[n.c])
    elif op == OP_BITS and g.nodes[n.a].type == T_F32:
        return nothing(33)
    return nothing(1)
