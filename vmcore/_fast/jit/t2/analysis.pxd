# What is known of a graph's blocks.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.ir cimport Graph

# Reverse postorder, predecessors, dominators, loops, weights. Blocks that are not reached lose their nodes. Nothing is
# to be done as long as `analysed` says so: new_block() takes that back, and so does who changes the end of a block.
cdef void analyse(Graph *g) noexcept nogil
cdef bint dominates(const Graph *g, uint32_t one, uint32_t two) noexcept nogil

# Order, predecessors and dominators alone, of a graph that is still being made: nothing is removed, and it has to be
# analysed yet.
cdef void outline(Graph *g) noexcept nogil
# Edges that go back to a block which was not passed on all ways: what makes loops with several entries.
cdef uint32_t odd_ways(const Graph *g) noexcept nogil
