# What a HOST in a loop found last is remembered, where it will mostly be found again.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_pair(Graph *g) noexcept nogil
