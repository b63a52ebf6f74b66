# What is the same in each turn of a loop is worked out before it.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_hoist(Graph *g) noexcept nogil
