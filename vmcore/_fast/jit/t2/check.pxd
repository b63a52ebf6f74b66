# The check of an allocation, by what it does: every place is followed along all ways through the region, with the
# number of the node whose value it has there, and whatever is read has to be where it is read from. It knows nothing of
# live ranges or interference. After each allocation in debug builds, and in tests.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.places cimport Allocation

cdef struct Misplaced:
    const char *what          # NULL: nothing
    uint32_t block
    uint32_t node             # which reads, 0: the end of the block
    uint32_t read             # what it reads

# True if it is right. After allocate(), for the graph as it was allocated.
cdef bint check_allocation(const Graph *g, const Allocation *al, Misplaced *found) noexcept nogil
