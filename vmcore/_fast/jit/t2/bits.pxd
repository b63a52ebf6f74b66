# Known bits and needed bits: extensions, masks and comparisons that change nothing, or nothing that counts, go.

from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.known cimport Bits

cdef void pass_bits(Graph *g) noexcept nogil
# The facts that it finds first, about each node. NULL: no memory. To be freed with vm_free().
cdef Bits *known_bits(Graph *g) noexcept nogil
