# Constants and copies, through blocks and their arguments; branches whose way is known go.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_constants(Graph *g) noexcept nogil
