"""Motion of pure nodes to where they are used.

A node may stand anywhere between its operands and its uses: in any block on the way from its own down the tree of
dominators to the one that dominates all of its uses. It is moved to the one of these that is executed least, if that is
clearly less often. So what compilers keep in registers for the end of a loop, and what only an exit writes back, is
worked out there.

A use by a snapshot counts for the block of what it is the snapshot of; one along an edge for the block that the edge
comes from. So ways out of loops that lead to where others lead as well get a block of their own first.

What an exit can work out by itself (NODE_LATE) is there twice, if only snapshots keep it where it is: once for them,
and once where the others are.

Limit: nodes of which more than one operand would live longer for it stay.
"""

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.ir cimport (
    END_BRANCH, END_GOTO, OP_ARG, OP_BOX, OP_CONST, OP_FCLEAN, OP_SEXT32, append, burn, edge_arg, insert_before,
    is_const, is_pure, move_before, move_to_end, new_block, op_row, operand, snap_node, BlockOf, Graph, Node)
from vmcore._fast.jit.t2.loops cimport in_loop
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef extern from *:
    """
    /* How much less often it has to be. */
    #define VMCORE_SINK_GAIN 0.6f
    """
    float GAIN "VMCORE_SINK_GAIN"

cdef struct Sink:
    Graph *g
    uint32_t *target          # of each node: the block that dominates the uses that were met; 0: none was
    uint32_t *inner           # ... without those by snapshots
    uint32_t *copy            # what takes its place everywhere but in snapshots; 0: nothing does
    uint32_t nodes            # that there were at the beginning


cdef uint32_t meeting(const Graph *g, uint32_t one, uint32_t two) noexcept nogil:
    # The last block that dominates both.
    if one == 0:
        return two
    while one != two:
        while g.blocks[one].order > g.blocks[two].order:
            one = g.blocks[one].idom
        while g.blocks[two].order > g.blocks[one].order:
            two = g.blocks[two].idom
    return one


cdef inline void use(Sink *s, uint32_t node, uint32_t block) noexcept nogil:
    if node and node < s.nodes:
        s.target[node] = meeting(s.g, s.target[node], block)
        s.inner[node] = meeting(s.g, s.inner[node], block)


cdef void use_snap(Sink *s, uint32_t snap, uint32_t block) noexcept nogil:
    cdef uint32_t i, node
    if snap:
        for i in range(s.g.snaps[snap].nregs):
            node = snap_node(s.g, &s.g.snaps[snap], i)
            s.target[node] = meeting(s.g, s.target[node], block)


cdef void use_operands(Sink *s, uint32_t node) noexcept nogil:
    cdef const Node *n = &s.g.nodes[node]
    use(s, n.a, n.block)
    use(s, n.b, n.block)
    use(s, n.c, n.block)
    use_snap(s, n.snap, n.block)


cdef void use_end(Sink *s, uint32_t block) noexcept nogil:
    cdef Graph *g = s.g
    cdef const BlockOf *b = &g.blocks[block]
    cdef uint32_t e, i
    use(s, b.cond, block)
    use_snap(s, b.snap, block)
    for e in range(b.nedges):
        for i in range(b.edges[e].nargs):
            use(s, edge_arg(g, &b.edges[e], i), block)


cdef uint32_t coldest(const Graph *g, uint32_t block, uint32_t target) noexcept nogil:
    # On the way from the target up to the block; the one that is nearest to the block among equals.
    cdef uint32_t best = block
    while target != block:
        if g.blocks[target].weight < GAIN * g.blocks[block].weight and (
                best == block or g.blocks[target].weight <= g.blocks[best].weight):
            best = target
        target = g.blocks[target].idom
    return best


cdef bint is_light(const Sink *s, uint32_t node) noexcept nogil:
    # Would at most one operand live longer? Those that are used further on live anyway.
    cdef const Graph *g = s.g
    cdef uint32_t i, used
    cdef uint32_t longer = 0
    for i in range(op_row(g.nodes[node].op).args):
        used = operand(&g.nodes[node], i)
        if i == 0 or used != operand(&g.nodes[node], i - 1):
            longer += not is_const(g, used) and s.target[used] == 0
    return longer <= 1


cdef uint32_t place_in(const Graph *g, uint32_t block) noexcept nogil:
    # The first node that is no argument; 0: there is none.
    cdef uint32_t node = g.blocks[block].first
    while node and g.nodes[node].op == OP_ARG:
        node = g.nodes[node].next
    return node


cdef inline bint can_be_late(uint32_t op) noexcept nogil:
    return op == OP_SEXT32 or op == OP_FCLEAN or op == OP_BOX


cdef void look_at_inner(Sink *s, uint32_t node) noexcept nogil:
    cdef Graph *g = s.g
    cdef uint32_t block = g.nodes[node].block
    cdef Node n = g.nodes[node]
    cdef uint32_t to, place
    if not can_be_late(n.op) or s.inner[node] == 0:
        return
    to = coldest(g, block, s.inner[node])
    if to == block or not burn(g):
        return
    place = place_in(g, to)
    if place:
        s.copy[node] = insert_before(g, place, n.op, n.type, n.a, 0, 0, n.imm)
    else:
        s.copy[node] = append(g, to, n.op, n.type, n.a, 0, 0, n.imm)


cdef void look_at(Sink *s, uint32_t node) noexcept nogil:
    # All of its uses were met.
    cdef Graph *g = s.g
    cdef uint32_t block = g.nodes[node].block
    cdef uint32_t to, place
    if not is_pure(g.nodes[node].op) or g.nodes[node].op == OP_CONST or s.target[node] == 0:
        return
    to = coldest(g, block, s.target[node])
    if to == block:
        look_at_inner(s, node)
        return
    if not is_light(s, node) or not burn(g):
        return
    place = place_in(g, to)
    if place:
        move_before(g, node, place)
    else:
        move_to_end(g, node, to)


cdef inline uint32_t copied(const Sink *s, uint32_t node) noexcept nogil:
    return s.copy[node] if node < s.nodes and s.copy[node] else node


cdef void use_copies(Sink *s) noexcept nogil:
    cdef Graph *g = s.g
    cdef uint32_t i, e, k, node
    cdef BlockOf *b
    cdef Node *n
    for i in range(g.norder):
        b = &g.blocks[g.order[i]]
        for e in range(b.nedges):
            for k in range(b.edges[e].nargs):
                g.pool[b.edges[e].args + k] = copied(s, edge_arg(g, &b.edges[e], k))
        b.cond = copied(s, b.cond)
        node = b.first
        while node:
            n = &g.nodes[node]
            n.a = copied(s, n.a)
            n.b = copied(s, n.b)
            n.c = copied(s, n.c)
            node = n.next


cdef void split_ways_out(Graph *g) noexcept nogil:
    cdef uint32_t i, e, block, to, made
    cdef uint32_t n = g.norder
    cdef bint any_split = False
    for i in range(n):
        block = g.order[i]
        if g.blocks[block].end != END_BRANCH or g.blocks[block].loop == 0:
            continue
        for e in range(2):
            to = g.blocks[block].edges[e].to
            if g.blocks[block].edges[e].nargs == 0 or g.blocks[to].npreds == 1 or \
                    in_loop(g, to, g.blocks[block].loop) or not burn(g):
                continue
            made = new_block(g)
            if made == 0:
                return
            g.blocks[made].off = g.blocks[to].off
            g.blocks[made].end = END_GOTO
            g.blocks[made].nedges = 1
            g.blocks[made].edges[0] = g.blocks[block].edges[e]
            g.blocks[block].edges[e].to = made
            g.blocks[block].edges[e].nargs = 0
            any_split = True
    if any_split:
        analyse(g)


cdef void pass_sink(Graph *g) noexcept nogil:
    cdef Sink s
    cdef uint32_t i, node, before
    analyse(g)
    if not g.failed:
        split_ways_out(g)
    if g.failed:
        return
    s.g = g
    s.nodes = g.nnodes
    s.target = <uint32_t *>scratch_zeroed(&g.scratch, 3 * <uint64_t>g.nnodes, sizeof(uint32_t))
    if s.target == NULL:
        g.failed = True
        return
    s.inner = s.target + s.nodes
    s.copy = s.inner + s.nodes
    for i in range(g.norder):
        use_end(&s, g.order[i])
    # Backwards, so that users were moved before their operands are looked at. What is used around a loop is given to an
    # argument, at the end of a block.
    for i in range(g.norder, 0, -1):
        node = g.blocks[g.order[i - 1]].last
        while node:
            if node >= s.nodes:
                # A copy that was put here.
                node = g.nodes[node].prev
                continue
            before = g.nodes[node].prev
            look_at(&s, node)
            use_operands(&s, node)
            if s.copy[node]:
                use_operands(&s, s.copy[node])
            node = before
    use_copies(&s)
    scratch_give(&g.scratch, s.target)
