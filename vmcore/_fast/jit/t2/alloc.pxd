# Where each value of a region lives. The input is a Graph after selection (select.pxd) and analyse(), and the order in
# which its blocks are laid out; the output is one place for the whole life of each node, those included that splitting
# adds.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.places cimport Allocation

cdef int allocation_init(Allocation *al) noexcept nogil
cdef void allocation_free(Allocation *al) noexcept nogil

# Colouring leaves regions with more than MOST_COLOURED live ranges (colour.pxd) to linear scan. A constant that is
# spilled becomes NODE_REMAT; what is split around a loop becomes an argument of its header (split.pxd).
cdef void allocate(Graph *g, Allocation *al, uint32_t how) noexcept nogil
