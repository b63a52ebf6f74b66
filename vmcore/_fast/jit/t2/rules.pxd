# What the rewriting rules share (fold.pyx, fold_bits.pyx): their numbers, how they look at nodes, how they make them.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.ir cimport (
    OP_CONST, OP_EQ, OP_GEU, OP_SEXT16, OP_SEXT32, OP_SEXT8, OP_ZEXT16, OP_ZEXT32, OP_ZEXT8, T_INT, burn, Graph)

# Where new nodes go, and how they are made (build.pyx): folded like all others.
cdef struct Maker:
    Graph *g
    uint32_t block
    uint32_t place            # before this node; 0: at the end of the block
    uint32_t depth            # of rules in rules
    uint32_t (*put)(Maker *m, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c) noexcept nogil
    uint32_t (*number)(Maker *m, int64_t value) noexcept nogil

cdef enum:
    MOST_DEPTH = 16           # rules in rules

# The numbers of the rules, in the order of RULES (fold.pyx).
cdef enum Rule:
    R_CONSTANTS
    R_ADD_ZERO
    R_ADD_ADD
    R_ADD_FROM
    R_ADD_NEG
    R_ADD_SUB
    R_SUB_CONST
    R_SUB_SELF
    R_SUB_FROM_ZERO
    R_SUB_NEG
    R_SUB_ADD
    R_SUB_OF_ADD
    R_SUB_SUB
    R_SUB_FROM_ADD
    R_NEG_NEG
    R_NEG_SUB
    R_NEG_ADD
    R_MUL_ZERO
    R_MUL_ONE
    R_MUL_MINUS
    R_MUL_POWER
    R_MUL_MUL
    R_MULH_ZERO
    R_MULHU_POWER
    R_DIV_ZERO
    R_DIV_ONE
    R_DIV_MINUS
    R_DIVU_POWER
    R_AND_ZERO
    R_AND_COVERS
    R_AND_AND
    R_AND_EXTENDED
    R_AND_ZEXT
    R_AND_SELF
    R_AND_NOT
    R_AND_OR
    R_OR_ZERO
    R_OR_ONES
    R_OR_OR
    R_OR_SELF
    R_OR_NOT
    R_OR_AND
    R_XOR_ZERO
    R_XOR_ONES
    R_XOR_XOR
    R_XOR_NOT
    R_XOR_COMPARE
    R_XOR_SELF
    R_NOT_NOT
    R_NOT_XOR
    R_ROTATE
    R_ROTATE32
    R_SHIFT_MODULO
    R_SHIFT_AMOUNT
    R_SHL_SHL
    R_SHL_SHR
    R_SHL_EXTENDED
    R_SHR_OUT
    R_SHR_SHR
    R_SHR_SHL
    R_SHR_MASK
    R_SHR_SIGN
    R_SHR_ZEXT32
    R_SAR_POSITIVE
    R_SAR_SAR
    R_SAR_SHL
    R_SAR_SEXT32
    R_SHIFT_OF
    R_SHIFT_ZERO
    R_ROTR_ROTR
    R_SHIFT32_ZERO
    R_SHL32_CONST
    R_SHR32_SHR32
    R_SAR32_SAR32
    R_SHIFT32_EXTENDS
    R_ROTR32_ROTR32
    R_NARROW
    R_SEXT_KNOWN
    R_ZEXT_KNOWN
    R_EXTEND_EXTENDED
    R_ZEXT_AND
    R_SEXT_AND
    R_BSWAP_BSWAP
    R_EQ_DIFFERENCE
    R_EQ_ADD
    R_EQ_XOR
    R_EQ_NEG
    R_EQ_NEVER
    R_EQ_BOOL
    R_COMPARE_SELF
    R_LT_LEAST
    R_LTU_ZERO
    R_LTU_ONE
    R_LTU_FROM_ZERO
    R_SELECT_CONST
    R_SELECT_SAME
    R_SELECT_ZERO
    R_SELECT_BOOL
    R_SIGN_OWN
    R_CLEAN_CLEAN
    R_CLEAN_FUSED
    R_UNBOX_BOX
    R_FROMBITS_BITS
    R_BITS_FROMBITS
    R_COUNT_OF

# May the rule be applied? Asked after everything else, and before anything is made.
cdef inline bint fire(Maker *m, uint32_t rule) noexcept nogil:
    if not burn(m.g):
        return False
    m.g.fired[rule >> 6] |= <uint64_t>1 << (rule & 63)
    return True

# --- looking ----------------------------------------------------------------------------------------------------------

cdef inline bint is_op(const Maker *m, uint32_t node, uint32_t op) noexcept nogil:
    return m.g.nodes[node].op == op

cdef inline bint is_number(const Maker *m, uint32_t node, int64_t value) noexcept nogil:
    return m.g.nodes[node].op == OP_CONST and m.g.nodes[node].imm == value

# `node` is `op` of something and a constant.
cdef inline bint by_const(const Maker *m, uint32_t node, uint32_t op) noexcept nogil:
    return m.g.nodes[node].op == op and m.g.nodes[m.g.nodes[node].b].op == OP_CONST

cdef inline int64_t value_of(const Maker *m, uint32_t node) noexcept nogil:
    return m.g.nodes[node].imm

cdef inline bint is_compare(uint32_t op) noexcept nogil:
    return OP_EQ <= op and op <= OP_GEU

cdef inline bint is_power(uint64_t value) noexcept nogil:
    return value != 0 and (value & (value - 1)) == 0

# Bits of the operand that an extension keeps; 0: it is none.
cdef inline uint32_t width_of(uint32_t op) noexcept nogil:
    if op == OP_SEXT8 or op == OP_ZEXT8:
        return 8
    if op == OP_SEXT16 or op == OP_ZEXT16:
        return 16
    return 32 if op == OP_SEXT32 or op == OP_ZEXT32 else 0

cdef inline uint32_t zext_of(uint32_t width) noexcept nogil:
    return OP_ZEXT8 if width == 8 else OP_ZEXT16 if width == 16 else OP_ZEXT32

cdef inline uint32_t sext_of(uint32_t width) noexcept nogil:
    return OP_SEXT8 if width == 8 else OP_SEXT16 if width == 16 else OP_SEXT32

cdef inline bint is_width(uint64_t width) noexcept nogil:
    return width == 8 or width == 16 or width == 32

cdef inline uint64_t low_bits(uint32_t width) noexcept nogil:
    return (<uint64_t>1 << width) - 1 if width < 64 else ~<uint64_t>0

# --- making -----------------------------------------------------------------------------------------------------------

cdef inline uint32_t put1(Maker *m, uint32_t op, uint32_t a) noexcept nogil:
    return m.put(m, op, T_INT, a, 0, 0)

cdef inline uint32_t put2(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil:
    return m.put(m, op, T_INT, a, b, 0)

cdef inline uint32_t number(Maker *m, int64_t value) noexcept nogil:
    return m.number(m, value)

cdef inline uint32_t with_number(Maker *m, uint32_t op, uint32_t a, int64_t value) noexcept nogil:
    return m.put(m, op, T_INT, a, m.number(m, value), 0)
