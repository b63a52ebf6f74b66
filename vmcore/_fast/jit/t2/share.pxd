# Sharing of HOST: of accesses to the same page, the first one asks for it.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_share(Graph *g) noexcept nogil
