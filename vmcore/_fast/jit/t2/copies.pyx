"""Copies of blocks, as unrolling and threading make them."""

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.jit.t2.ir cimport OP_ARG, edge_arg, pool_take, snap_node, BlockOf, Edge, Graph, Node
from vmcore._fast.jit.t2.loops cimport copy_node, copy_snap


cdef uint32_t snap_copied(Graph *g, const uint32_t *now, uint32_t snap, uint32_t more) noexcept nogil:
    cdef uint32_t copy = copy_snap(g, snap)
    cdef uint32_t i, at
    if copy == 0:
        return 0
    g.snaps[copy].count += more
    for i in range(g.snaps[copy].nregs):
        at = g.snaps[copy].regs + i
        g.pool[at] = (g.pool[at] & 0xFF) | copied(now, g.pool[at] >> 8) << 8
    return copy


cdef uint32_t node_copied(Graph *g, uint32_t *now, uint32_t node, uint32_t block, uint32_t more) noexcept nogil:
    cdef uint32_t copy = copy_node(g, node, block)
    cdef uint32_t snap
    cdef Node *n
    if copy == 0:
        return 0
    n = &g.nodes[copy]
    n.a = copied(now, n.a)
    n.b = copied(now, n.b)
    n.c = copied(now, n.c)
    if n.op == OP_ARG:
        g.blocks[block].nargs += 1
    now[node] = copy
    if g.nodes[node].snap:
        snap = snap_copied(g, now, g.nodes[node].snap, more)
        g.nodes[copy].snap = snap
    return copy


cdef uint32_t args_copied(Graph *g, const uint32_t *now, const Edge *given) noexcept nogil:
    cdef uint32_t args = given.args
    cdef uint32_t nargs = given.nargs
    cdef uint32_t first = pool_take(g, nargs)
    cdef uint32_t i
    for i in range(nargs if first else 0):
        g.pool[first + i] = copied(now, g.pool[args + i])
    return first


# --- what is used elsewhere -------------------------------------------------------------------------------------------

cdef inline void note(uint8_t *used, uint32_t node, uint32_t most) noexcept nogil:
    if node < most:
        used[node] = True


cdef void note_snap(const Graph *g, uint32_t snap, uint8_t *used, uint32_t most) noexcept nogil:
    cdef uint32_t i
    for i in range(g.snaps[snap].nregs):
        note(used, snap_node(g, &g.snaps[snap], i), most)


cdef void used_outside(const Graph *g, const uint8_t *inside, uint8_t *used, uint32_t most) noexcept nogil:
    cdef uint32_t i, k, e, node
    cdef const BlockOf *b
    for i in range(g.norder):
        if inside[g.order[i]]:
            continue
        b = &g.blocks[g.order[i]]
        node = b.first
        while node:
            note(used, g.nodes[node].a, most)
            note(used, g.nodes[node].b, most)
            note(used, g.nodes[node].c, most)
            note_snap(g, g.nodes[node].snap, used, most)
            node = g.nodes[node].next
        note(used, b.cond, most)
        note_snap(g, b.snap, used, most)
        for e in range(b.nedges):
            for k in range(b.edges[e].nargs):
                note(used, edge_arg(g, &b.edges[e], k), most)
