from vmcore._fast.jit.t2.ir cimport Graph

# Where a loop's state decides which way it goes, each state has a way of its own.
cdef void pass_thread(Graph *g) noexcept nogil
