from vmcore._fast.jit.t2.ir cimport Graph

# What is executed is counted once along a way, where it was counted piece by piece.
cdef void pass_tally(Graph *g) noexcept nogil
