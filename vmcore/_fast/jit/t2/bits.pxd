# Known bits and needed bits: extensions, masks and comparisons that change nothing, or nothing that counts, go.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_bits(Graph *g) noexcept nogil
