"""Dead code.

A node is alive if it has an effect, or if what is alive uses it: a node, the snapshot of a node, the end of a block. A
value that goes along an edge is alive only if the argument that it becomes is; so arguments that only feed themselves
around a loop go as well.

A block that only one edge leads to, from a block that goes nowhere else, becomes the end of that block.

Limit: a HOST is kept although nothing is accessed by it, as the guest's access may fault; one that was hoisted is not,
as the guest has not asked for it yet.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.ir cimport (
    END_GOTO, END_NONE, MEM_EARLY, OP_ARG, OP_HOST, P_EFFECT, burn, edge_arg, move_to_end, op_row, remove_node,
    replace_all, snap_node, BlockOf, Edge, Graph, Node, Snap)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_take, scratch_zeroed

cdef struct Life:
    Graph *g
    uint8_t *alive            # of each node
    uint32_t *work            # nodes that are alive, and whose operands are still to be marked
    uint32_t nwork


cdef inline void mark(Life *l, uint32_t node) noexcept nogil:
    if node and not l.alive[node]:
        l.alive[node] = True
        l.work[l.nwork] = node
        l.nwork += 1


cdef void mark_snap(Life *l, uint32_t snap) noexcept nogil:
    cdef uint32_t i
    cdef const Snap *s = &l.g.snaps[snap]
    for i in range(s.nregs if snap else 0):
        mark(l, snap_node(l.g, s, i))


cdef void mark_arg(Life *l, const Node *arg) noexcept nogil:
    # What it is given by each edge.
    cdef Graph *g = l.g
    cdef const BlockOf *to = &g.blocks[arg.block]
    cdef const BlockOf *b
    cdef uint32_t i, e
    for i in range(to.npreds):
        b = &g.blocks[g.pool[to.preds + i]]
        for e in range(b.nedges):
            if b.edges[e].to == arg.block:
                mark(l, edge_arg(g, &b.edges[e], <uint32_t>arg.imm))


cdef void spread(Life *l) noexcept nogil:
    cdef const Node *n
    while l.nwork:
        l.nwork -= 1
        n = &l.g.nodes[l.work[l.nwork]]
        mark(l, n.a)
        mark(l, n.b)
        mark(l, n.c)
        mark_snap(l, n.snap)
        if n.op == OP_ARG:
            mark_arg(l, n)


cdef inline bint is_root(const Node *n) noexcept nogil:
    return op_row(n.op).props & P_EFFECT and not (n.op == OP_HOST and n.flags & MEM_EARLY)


cdef void mark_roots(Life *l) noexcept nogil:
    cdef Graph *g = l.g
    cdef uint32_t i, node
    for i in range(g.norder):
        node = g.blocks[g.order[i]].first
        while node:
            if is_root(&g.nodes[node]):
                mark(l, node)
            node = g.nodes[node].next
        mark(l, g.blocks[g.order[i]].cond)
        mark_snap(l, g.blocks[g.order[i]].snap)
    spread(l)


cdef void ask(Life *l) noexcept nogil:
    # What may not go, as the fuel is used up, is alive like the rest; so is what it uses.
    cdef Graph *g = l.g
    cdef uint32_t i, node
    for i in range(g.norder):
        node = g.blocks[g.order[i]].first
        while node:
            if not l.alive[node] and not burn(g):
                mark(l, node)
                spread(l)
            node = g.nodes[node].next


cdef void drop_args(Life *l, uint32_t block) noexcept nogil:
    # Edges first, by the old numbers.
    cdef Graph *g = l.g
    cdef BlockOf *b
    cdef const BlockOf *to
    cdef Edge *edge
    cdef uint32_t arg, e, i, kept
    b = &g.blocks[block]
    for e in range(b.nedges):
        edge = &b.edges[e]
        to = &g.blocks[edge.to]
        arg = to.first
        kept = 0
        for i in range(edge.nargs):
            if l.alive[arg]:
                g.pool[edge.args + kept] = g.pool[edge.args + i]
                kept += 1
            arg = g.nodes[arg].next
        edge.nargs = kept


cdef void drop_nodes(Life *l, uint32_t block) noexcept nogil:
    cdef Graph *g = l.g
    cdef uint32_t node = g.blocks[block].first
    cdef uint32_t following
    cdef uint32_t args = 0
    while node:
        following = g.nodes[node].next
        if not l.alive[node]:
            remove_node(g, node)
        elif g.nodes[node].op == OP_ARG:
            g.nodes[node].imm = args
            args += 1
        node = following
    g.blocks[block].nargs = args


cdef void join_next(Life *l, uint32_t block, uint32_t *new_of) noexcept nogil:
    # The blocks that can only be reached from this one's end become part of it.
    cdef Graph *g = l.g
    cdef BlockOf *b = &g.blocks[block]
    cdef BlockOf *to
    cdef uint32_t node, following, i
    while b.end == END_GOTO and g.blocks[b.edges[0].to].npreds == 1 and burn(g):
        to = &g.blocks[b.edges[0].to]
        g.analysed = False
        node = to.first
        for i in range(to.nargs):
            following = g.nodes[node].next
            new_of[node] = edge_arg(g, &b.edges[0], i)
            remove_node(g, node)
            node = following
        while node:
            following = g.nodes[node].next
            move_to_end(g, node, block)
            node = following
        b.end = to.end
        b.cond = to.cond
        b.snap = to.snap
        b.nedges = to.nedges
        b.edges = to.edges
        to.nargs = 0
        to.nedges = 0
        to.end = END_NONE


cdef void pass_dead(Graph *g) noexcept nogil:
    cdef Life l
    cdef uint32_t i
    analyse(g)
    if g.failed:
        return
    l.g = g
    l.nwork = 0
    l.alive = <uint8_t *>scratch_zeroed(&g.scratch, g.nnodes, 1)
    l.work = <uint32_t *>scratch_take(&g.scratch, g.nnodes, sizeof(uint32_t))
    if l.alive != NULL and l.work != NULL:
        mark_roots(&l)
        ask(&l)
        for i in range(g.norder):
            drop_args(&l, g.order[i])
        for i in range(g.norder):
            drop_nodes(&l, g.order[i])
        memset(l.work, 0, g.nnodes * sizeof(uint32_t))
        for i in range(g.norder):
            join_next(&l, g.order[i], l.work)
        replace_all(g, l.work)
        analyse(g)
    else:
        g.failed = True
    scratch_give(&g.scratch, l.alive)
    scratch_give(&g.scratch, l.work)
