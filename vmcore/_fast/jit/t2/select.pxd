# What becomes part of what: marks NODE_COVERED and NODE_REMAT, which the allocator needs, and says which nodes an
# emitted node then reads.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.ir cimport Graph

# Marks the nodes. After count_uses(); constants that every user takes as an immediate are NODE_REMAT, and so on.
cdef void select_nodes(Graph *g) noexcept nogil

cdef enum:
    MOST_READS = 12

# The nodes whose places the emission of `node` reads, those of what it covers included: into `reads`. Returns how many.
# (Not those of its snapshot.)
cdef uint32_t reads_of(const Graph *g, uint32_t node, uint32_t *reads) noexcept nogil
# The same for the end of a block: condition or target, without what goes along its edges.
cdef uint32_t reads_of_end(const Graph *g, uint32_t block, uint32_t *reads) noexcept nogil
# The operand that is best in the register of the result already (two-address form), or 0.
cdef uint32_t wants_register_of(const Graph *g, uint32_t node) noexcept nogil
