# How often each block is executed, for one entry of the region.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.ir cimport BlockOf, Graph

# BlockOf.weight, once there are loops: by what was seen (Edge.times), or else as most code does.
cdef void weigh(Graph *g) noexcept nogil

cdef enum:
    LEAST_SEEN = 8            # times that a block went anywhere

# Did anybody look how often it goes this way of two, for long enough? A loop is left once, however long it turns.
cdef inline bint is_measured(const Graph *g, uint32_t block, uint32_t edge) noexcept nogil:
    cdef const BlockOf *b = &g.blocks[block]
    return b.nedges == 2 and b.edges[0].times + b.edges[1].times >= LEAST_SEEN and \
        g.blocks[b.edges[edge].to].depth >= b.depth

# How often it goes this way, of all times. What was not seen is seldom, not never.
cdef inline float share_of(const Graph *g, uint32_t block, uint32_t edge) noexcept nogil:
    cdef const BlockOf *b = &g.blocks[block]
    if not is_measured(g, block, edge):
        return 1
    return (b.edges[edge].times + <float>0.5) / (b.edges[0].times + b.edges[1].times + <float>1)
