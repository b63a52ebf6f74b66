# Register allocation by colouring (Chaitin-Briggs, with iterated coalescing).
#
# The interference graph is a square matrix of bits and nothing else: with rows of at most 63 words, the union of two
# rows, the neighbours of significant degree and the two conservative tests are a few operations on words each, cheaper
# than lists of neighbours.

from libc.stdint cimport int8_t, uint64_t

from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.live cimport Live
from vmcore._fast.jit.t2.paint cimport Colouring

cdef enum:
    MOST_COLOURED = 4000      # live ranges

# The register of each range, NO_REG for those that have to be spilled: into `regs`. -1: no memory.
cdef int colour_ranges(const Live *lv, const Graph *g, int8_t *regs) noexcept nogil
# Who interferes with whom, into the rows c.clean, which are empty: both ways, nobody with itself. Of `c`, besides, only
# what says which class it is must be there (lv, base, n, words). `live` has room for a set of all ranges.
cdef void interfere(Colouring *c, uint64_t *live) noexcept nogil
