from vmcore._fast.jit.t2.ir cimport Graph

# What a branch or a guard has asked for is known where it has gone on.
cdef void pass_taken(Graph *g) noexcept nogil
