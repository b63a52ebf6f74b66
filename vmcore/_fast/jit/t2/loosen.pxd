from vmcore._fast.jit.t2.ir cimport Graph

# Arguments of blocks that are boxed, or made clean, on every way in get that done where they are used.
cdef void pass_loosen(Graph *g) noexcept nogil
