"""Divisions and remainders by constants become multiplications and shifts.

For a divisor d > 1 that is no power of two, n / d is the upper half of n * m, shifted, for a suitable m (Granlund and
Montgomery 1994). With m * d == 2 ** (64 + s) + e the result is exact as long as n * e < 2 ** (64 + s):

- lower halves: s == 0, m == 2 ** 64 // d + 1; n and e are below 2 ** 32, or d.
- 64 bits, unsigned: s == log2(d), if e <= 2 ** s; else m has 65 bits, the uppermost of which is added by hand, after an
  even d had its factors of two taken out.
- 64 bits, signed: half of that range is enough, so m has 64 bits, and is negative as a signed number where it needs
  them all, which is made good by adding n.

Signed quotients are rounded towards minus infinity by the multiplication: one more if n is negative, as the quotient is
never exact then. Negative divisors: n / -d == -(n / d), n % -d == n % d. Powers of two are shifts, signed ones after
2 ** k - 1 was added to a negative n. By 0 is left alone.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.build cimport const_node
from vmcore._fast.jit.t2.ir cimport (
    OP_ADD, OP_AND, OP_DIV, OP_DIV32, OP_MUL, OP_MULH, OP_MULHU, OP_NEG, OP_REM, OP_REM32, OP_REMU, OP_REMU32, OP_SAR,
    OP_SEXT32, OP_SHR, OP_SUB, OP_ZEXT32, T_INT, burn, insert_before, is_const, remove_node, replace_all, Graph, Node)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef extern from *:
    """
    /* (high * 2 ** 64) / d and its remainder, for high < d. */
    static inline unsigned long long vmcore_wide_div(unsigned long long high, unsigned long long d,
                                                     unsigned long long *rest)
    {
        unsigned __int128 n = (unsigned __int128)high << 64;
        *rest = (unsigned long long)(n % d);
        return (unsigned long long)(n / d);
    }
    """
    uint64_t wide_div "vmcore_wide_div"(uint64_t high, uint64_t d, unsigned long long *rest) nogil
    uint32_t leading_zeros "__builtin_clzll"(uint64_t v) nogil
    uint32_t trailing_zeros "__builtin_ctzll"(uint64_t v) nogil

cdef enum:
    MADE = 16                 # more nodes than one division makes

# Nodes are made before the division.
cdef struct Place:
    Graph *g
    uint32_t node


cdef inline uint32_t do2(Place *p, uint32_t op, uint32_t a, uint32_t b) noexcept nogil:
    return insert_before(p.g, p.node, op, T_INT, a, b, 0, 0) if a and b else 0


cdef inline uint32_t do1(Place *p, uint32_t op, uint32_t a) noexcept nogil:
    return insert_before(p.g, p.node, op, T_INT, a, 0, 0, 0) if a else 0


cdef inline uint32_t by(Place *p, uint32_t op, uint32_t a, int64_t value) noexcept nogil:
    # With a constant. A shift by nothing is left out.
    if value == 0 and (op == OP_SHR or op == OP_SAR):
        return a
    return do2(p, op, a, const_node(p.g, value))


cdef inline bint is_power(uint64_t d) noexcept nogil:
    return d & (d - 1) == 0


# --- quotients by d > 1 that is no power of two -----------------------------------------------------------------------

cdef uint32_t divide_halves(Place *p, uint32_t n, uint64_t d, bint is_signed) noexcept nogil:
    # `n` has 32 bits, extended.
    cdef int64_t m = <int64_t>(~<uint64_t>0 // d + 1)
    if is_signed:
        return do2(p, OP_ADD, by(p, OP_MULH, n, m), by(p, OP_SHR, n, 63))
    return by(p, OP_MULHU, n, m)


cdef uint32_t divide_unsigned(Place *p, uint32_t n, uint64_t d) noexcept nogil:
    cdef unsigned long long rest = 0
    cdef uint32_t shift = 63 - leading_zeros(d)
    cdef uint64_t m = wide_div(<uint64_t>1 << shift, d, &rest)
    cdef uint32_t even = trailing_zeros(d)
    cdef uint32_t q
    if d - rest < <uint64_t>1 << shift:
        return by(p, OP_SHR, by(p, OP_MULHU, n, <int64_t>(m + 1)), shift)
    if even:
        # n >> even has bits to spare.
        n = by(p, OP_SHR, n, even)
        d >>= even
        shift = 63 - leading_zeros(d)
        m = wide_div(<uint64_t>1 << shift, d, &rest)
        return by(p, OP_SHR, by(p, OP_MULHU, n, <int64_t>(m + 1)), shift)
    # m' == 2 ** 64 + m, with one bit more: n * m' >> 64 == q + n, which may have 65 bits.
    m = 2 * m + (1 if 2 * rest >= d or 2 * rest < rest else 0)
    q = by(p, OP_MULHU, n, <int64_t>(m + 1))
    n = by(p, OP_SHR, do2(p, OP_SUB, n, q), 1)
    return by(p, OP_SHR, do2(p, OP_ADD, n, q), shift)


cdef uint32_t divide_signed(Place *p, uint32_t n, uint64_t d) noexcept nogil:
    cdef unsigned long long rest = 0
    cdef uint32_t shift = 63 - leading_zeros(d)
    cdef uint64_t m = wide_div(<uint64_t>1 << (shift - 1), d, &rest)
    cdef uint32_t q
    if d - rest < <uint64_t>1 << shift:
        shift -= 1
    else:
        m = 2 * m + (1 if 2 * rest >= d or 2 * rest < rest else 0)
    m += 1
    q = by(p, OP_MULH, n, <int64_t>m)
    if <int64_t>m < 0:
        q = do2(p, OP_ADD, q, n)
    return do2(p, OP_ADD, by(p, OP_SAR, q, shift), by(p, OP_SHR, n, 63))


# --- one division -----------------------------------------------------------------------------------------------------

cdef uint32_t rounded(Place *p, uint32_t n, uint32_t k) noexcept nogil:
    # n, plus 2 ** k - 1 if it is negative.
    return do2(p, OP_ADD, n, by(p, OP_SHR, by(p, OP_SAR, n, 63), 64 - k))


cdef uint32_t quotient(Place *p, uint32_t n, uint64_t d, bint is_signed, bint halves) noexcept nogil:
    # By d > 0.
    cdef uint32_t k = trailing_zeros(d)
    if d == 1:
        return n
    if is_power(d):
        return by(p, OP_SAR, rounded(p, n, k), k) if is_signed else by(p, OP_SHR, n, k)
    if halves:
        return divide_halves(p, n, d, is_signed)
    return divide_signed(p, n, d) if is_signed else divide_unsigned(p, n, d)


cdef uint32_t remainder(Place *p, uint32_t n, uint64_t d, bint is_signed, bint halves) noexcept nogil:
    if is_power(d):
        if not is_signed:
            return by(p, OP_AND, n, <int64_t>(d - 1))
        if d == 1:
            return const_node(p.g, 0)
        return do2(p, OP_SUB, n, by(p, OP_AND, rounded(p, n, trailing_zeros(d)), -<int64_t>d))
    return do2(p, OP_SUB, n, by(p, OP_MUL, quotient(p, n, d, is_signed, halves), <int64_t>d))


cdef uint32_t divided(Graph *g, uint32_t node) noexcept nogil:
    # What there is instead; 0: nothing.
    cdef Place p
    cdef uint32_t op = g.nodes[node].op
    cdef uint32_t n = g.nodes[node].a
    cdef int64_t by_ = g.nodes[g.nodes[node].b].imm
    cdef bint halves = OP_DIV32 <= op <= OP_REMU32
    cdef bint is_signed = op == OP_DIV or op == OP_REM or op == OP_DIV32 or op == OP_REM32
    cdef bint is_rest = op == OP_REM or op == OP_REMU or op == OP_REM32 or op == OP_REMU32
    cdef uint64_t d
    p.g = g
    p.node = node
    if halves:
        by_ = <int32_t>by_ if is_signed else <int64_t><uint32_t>by_
    if by_ == 0 or not burn(g):
        return 0
    if halves:
        n = do1(&p, OP_SEXT32 if is_signed else OP_ZEXT32, n)
    d = -<uint64_t>by_ if is_signed and by_ < 0 else <uint64_t>by_
    if is_rest:
        n = remainder(&p, n, d, is_signed, halves)
    else:
        n = quotient(&p, n, d, is_signed, halves)
        if is_signed and by_ < 0:
            n = do1(&p, OP_NEG, n)
    # Of what does not fit into a signed lower half: unsigned results, and the least number by -1.
    return do1(&p, OP_SEXT32, n) if halves and (not is_signed or by_ == -1) else n


cdef inline bint is_division(const Graph *g, uint32_t node) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    return (OP_DIV <= n.op <= OP_REMU or OP_DIV32 <= n.op <= OP_REMU32) and is_const(g, n.b)


cdef void pass_strength(Graph *g) noexcept nogil:
    cdef uint32_t i, node, following
    cdef uint32_t divisions = 0
    cdef uint32_t *new_of
    analyse(g)
    if g.failed:
        return
    for i in range(1, g.nnodes):
        divisions += is_division(g, i)
    if divisions == 0:
        return
    new_of = <uint32_t *>scratch_zeroed(&g.scratch, g.nnodes + MADE * divisions, sizeof(uint32_t))
    if new_of == NULL:
        g.failed = True
        return
    for i in range(g.norder):
        node = g.blocks[g.order[i]].first
        while node:
            following = g.nodes[node].next
            if is_division(g, node):
                new_of[node] = divided(g, node)
                if new_of[node]:
                    remove_node(g, node)
            node = following
    if not g.failed:
        replace_all(g, new_of)
    scratch_give(&g.scratch, new_of)
