# What is known of the bits of a value from the bits of its operands.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.jit.t2.ir cimport Graph

# For all executions: the bits of `zeros` are 0, those of `ones` 1, and the upper `signs` bits, 1 to 64, are equal.
cdef struct Bits:
    uint64_t zeros
    uint64_t ones
    uint32_t signs            # 0: nothing was found yet (the value is never made)

# The result of a node that is no argument; facts[n] is about node n.
cdef Bits bits_of(const Graph *g, const Bits *facts, uint32_t node) noexcept nogil
# What holds for both.
cdef Bits common_bits(Bits one, Bits two) noexcept nogil
# Every value that `one` allows is allowed by `two`?
cdef bint within(Bits one, Bits two) noexcept nogil
