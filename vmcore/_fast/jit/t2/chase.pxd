# Loops that follow pointers do not wait for the TLB.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_chase(Graph *g) noexcept nogil
