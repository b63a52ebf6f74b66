# What nothing depends on goes: nodes, arguments of blocks, blocks that are not reached.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_dead(Graph *g) noexcept nogil
