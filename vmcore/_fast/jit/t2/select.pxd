# What becomes part of what: marks NODE_COVERED and NODE_REMAT, which the allocator needs, and says which nodes an
# emitted node then reads.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.ir cimport NODE_LATE, OP_BOX, OP_SEXT32, Graph, Snap, snap_node

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

# What is left to do to a value where it leaves: NODE_LATE.
cdef enum:
    LATE_SEXT32 = 1           # of an integer
    LATE_CLEAN = 1            # of a double, or of a single that becomes one
    LATE_BOX = 2              # a single becomes a double

# What is read for a node of a snapshot: itself, or what a late node is worked out from.
cdef inline uint32_t late_source(const Graph *g, uint32_t node) noexcept nogil:
    while g.nodes[node].flags & NODE_LATE:
        node = g.nodes[node].a
    return node

cdef inline uint32_t snap_source(const Graph *g, const Snap *s, uint32_t i) noexcept nogil:
    return late_source(g, snap_node(g, s, i))

# LATE_*, 0: nothing.
cdef inline uint32_t late_work(const Graph *g, uint32_t node) noexcept nogil:
    cdef uint32_t work = 0
    while g.nodes[node].flags & NODE_LATE:
        if g.nodes[node].op == OP_BOX:
            work |= LATE_BOX
        else:
            work |= <uint32_t>LATE_SEXT32 if g.nodes[node].op == OP_SEXT32 else <uint32_t>LATE_CLEAN
        node = g.nodes[node].a
    return work
