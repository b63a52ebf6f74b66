# What was stored or loaded before is not loaded again.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_forward(Graph *g) noexcept nogil
