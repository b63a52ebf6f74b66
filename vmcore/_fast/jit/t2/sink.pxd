# What is wanted only where the loop, or the region, is left is worked out there.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_sink(Graph *g) noexcept nogil
