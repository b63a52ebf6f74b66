# Rewriting rules of shifts, widths, comparisons and choices, and what is known of a node from its operation.

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.rules cimport Maker

# How many of the upper bits are known to be equal to the sign, from the operation alone: 1 to 64.
cdef uint32_t sign_bits(const Graph *g, uint32_t node) noexcept nogil
# How many of the upper bits are known to be zero.
cdef uint32_t zero_bits(const Graph *g, uint32_t node) noexcept nogil
# Does the operation read the lower halves of its operands alone? Bit 0: of a, bit 1: of b.
cdef uint32_t narrow_operands(uint32_t op) noexcept nogil
# The comparison that is true where `op` is false; 0: it is none.
cdef uint32_t negated(uint32_t op) noexcept nogil

# As rewrite(), for the operations of each.
cdef uint32_t rotation(Maker *m, uint32_t down, uint32_t up) noexcept nogil
cdef uint32_t of_shift(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil
cdef uint32_t of_shift32(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil
cdef uint32_t without_width(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil
cdef uint32_t of_extension(Maker *m, uint32_t op, uint32_t a) noexcept nogil
cdef uint32_t of_bswap(Maker *m, uint32_t a) noexcept nogil
cdef uint32_t of_compare(Maker *m, uint32_t op, uint32_t a, uint32_t b) noexcept nogil
cdef uint32_t of_select(Maker *m, uint8_t type, uint32_t a, uint32_t b, uint32_t c) noexcept nogil
cdef uint32_t of_float(Maker *m, uint32_t op, uint8_t type, uint32_t a, uint32_t b) noexcept nogil
