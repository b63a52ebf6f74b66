# Small loops are executed several times over before they are polled.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_unroll(Graph *g) noexcept nogil
