# Copies of blocks: what a copy's nodes, snapshots and edges refer to is what was copied with them.

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.jit.t2.ir cimport Edge, Graph

# What a node is in a copy, where `now` says so of each: 0, or itself.
cdef inline uint32_t copied(const uint32_t *now, uint32_t node) noexcept nogil:
    return now[node] if now[node] else node

# A copy of a node at the end of a block, which `now` knows from then on. 0: failed. `more` instructions were not
# counted before it: its snapshot says so.
cdef uint32_t node_copied(Graph *g, uint32_t *now, uint32_t node, uint32_t block, uint32_t more) noexcept nogil
cdef uint32_t snap_copied(Graph *g, const uint32_t *now, uint32_t snap, uint32_t more) noexcept nogil
# The values that go along an edge: first of them in the pool. 0: failed, or there are none.
cdef uint32_t args_copied(Graph *g, const uint32_t *now, const Edge *given) noexcept nogil

# Mark the nodes below number `most` that other blocks use than those in `inside`. Right after analyse().
cdef void used_outside(const Graph *g, const uint8_t *inside, uint8_t *used, uint32_t most) noexcept nogil
