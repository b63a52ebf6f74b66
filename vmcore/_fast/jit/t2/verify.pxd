# Is a graph well formed? Between passes in debug builds, and in tests.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.ir cimport Graph

# What is wrong first, and where; `node` or `block` is 0 where it is about the other alone.
cdef struct Fault:
    const char *what          # NULL: nothing
    uint32_t node
    uint32_t block

# True if it is well formed. Runs analyse().
cdef bint verify(Graph *g, Fault *fault) noexcept nogil
