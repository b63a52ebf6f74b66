"""What outlives a block: liveness of nodes, to the fixed point."""

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.jit.t2.ir cimport edge_arg, operand, snap_node, BlockOf, Graph, Node
from vmcore._fast.jit.t2.live cimport bit_of, put_in, take_from
from vmcore._fast.jit.t2.scratch cimport scratch_zeroed
from vmcore._fast.jit.t2.select cimport late_source


cdef inline void use(const Graph *g, uint64_t *live, uint32_t node) noexcept nogil:
    put_in(live, node)
    put_in(live, late_source(g, node))


cdef void use_snap(const Graph *g, uint64_t *live, uint32_t snap) noexcept nogil:
    cdef uint32_t i
    for i in range(g.snaps[snap].nregs if snap else 0):
        use(g, live, snap_node(g, &g.snaps[snap], i))


cdef void use_end(const Graph *g, uint64_t *live, const BlockOf *b) noexcept nogil:
    cdef uint32_t e, i
    use(g, live, b.cond)
    use_snap(g, live, b.snap)
    for e in range(b.nedges):
        for i in range(b.edges[e].nargs):
            use(g, live, edge_arg(g, &b.edges[e], i))


cdef void use_nodes(const Graph *g, uint64_t *live, const BlockOf *b) noexcept nogil:
    # Backwards: what is made here is not read before.
    cdef uint32_t node = b.last
    cdef uint32_t i
    cdef const Node *n
    while node:
        n = &g.nodes[node]
        take_from(live, node)
        for i in range(3):
            use(g, live, operand(n, i))
        use_snap(g, live, n.snap)
        node = n.prev


cdef uint64_t *find_outliving(Graph *g, uint32_t words) noexcept nogil:
    # `live` is what is read in a block or behind it, before it is made.
    cdef uint64_t *outs = <uint64_t *>scratch_zeroed(&g.scratch, 2 * <size_t>g.nblocks * words, sizeof(uint64_t))
    cdef uint64_t *ins
    cdef uint64_t *live
    cdef uint64_t *out
    cdef const uint64_t *following
    cdef const BlockOf *b
    cdef uint32_t i, e, k, node
    cdef uint64_t more
    cdef bint changed = True
    if outs == NULL:
        return NULL
    ins = outs + <size_t>g.nblocks * words
    for i in range(g.norder):
        b = &g.blocks[g.order[i]]
        use_end(g, outs + <size_t>g.order[i] * words, b)
        use_nodes(g, ins + <size_t>g.order[i] * words, b)
    while changed:
        changed = False
        for i in range(g.norder, 0, -1):
            b = &g.blocks[g.order[i - 1]]
            out = outs + <size_t>g.order[i - 1] * words
            live = ins + <size_t>g.order[i - 1] * words
            for e in range(b.nedges):
                following = ins + <size_t>b.edges[e].to * words
                for k in range(words):
                    out[k] |= following[k]
            for k in range(words):
                more = out[k] & ~live[k]
                while more:
                    node = 64 * k + bit_of(more)
                    more &= more - 1
                    if g.nodes[node].block != g.order[i - 1]:
                        put_in(live, node)
                        changed = True
    return outs
