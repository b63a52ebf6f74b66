# Which nodes are read where a block ends, or behind it, another turn of its loop included.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.jit.t2.ir cimport Graph

# `words` for each block, by number, each a set of nodes; after select_nodes(). What is worked out late counts for what
# it is made from. NULL: no memory. To be given back to g.scratch.
cdef uint64_t *find_outliving(Graph *g, uint32_t words) noexcept nogil

cdef inline uint32_t words_of_nodes(const Graph *g) noexcept nogil:
    return g.nnodes + 63 >> 6
