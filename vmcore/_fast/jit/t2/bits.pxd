# Known bits and needed bits: extensions, masks and comparisons that change nothing, or nothing that counts, go.

from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.known cimport Bits

cdef void pass_bits(Graph *g) noexcept nogil
# The facts that it finds first, about each node; right after analyse(). NULL: no memory. To be given back to
# g.scratch.
cdef Bits *known_bits(Graph *g) noexcept nogil
