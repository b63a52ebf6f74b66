"""What the passes over loops and memory share."""

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.analysis cimport dominates
from vmcore._fast.jit.t2.ir cimport (
    END_GOTO, append, append_arg, edge_arg, loop_around, new_block, new_snap, pool_take, BlockOf, Edge, Graph, Node,
    Snap)


# --- loops ------------------------------------------------------------------------------------------------------------

cdef bint in_loop(const Graph *g, uint32_t block, uint32_t header) noexcept nogil:
    cdef uint32_t inside = g.blocks[block].loop
    while inside and inside != header:
        inside = loop_around(g, inside)
    return inside == header


cdef bint is_innermost(const Graph *g, uint32_t header) noexcept nogil:
    cdef uint32_t i, block
    for i in range(g.norder):
        block = g.order[i]
        if g.blocks[block].loop == block and block != header and in_loop(g, block, header):
            return False
    return True


cdef bint in_every_turn(const Graph *g, uint32_t block, uint32_t header) noexcept nogil:
    cdef const BlockOf *b = &g.blocks[header]
    cdef uint32_t i, pred
    for i in range(b.npreds):
        pred = g.pool[b.preds + i]
        if in_loop(g, pred, header) and not dominates(g, block, pred):
            return False
    return True


cdef uint32_t largest_with_room(const Graph *g, const uint32_t *live, uint32_t most, uint32_t header) noexcept nogil:
    cdef uint32_t found = 0
    while header and live[header] < most:
        found = header
        header = loop_around(g, header)
    return found


cdef void take_room(const Graph *g, uint32_t *live, uint32_t header, uint32_t found) noexcept nogil:
    while header:
        live[header] += 1
        if header == found:
            return
        header = loop_around(g, header)


# --- the block before a loop ------------------------------------------------------------------------------------------

cdef uint32_t block_before(const Graph *g, uint32_t header) noexcept nogil:
    cdef const BlockOf *b = &g.blocks[header]
    cdef uint32_t found = 0
    cdef uint32_t i, pred
    for i in range(b.npreds):
        pred = g.pool[b.preds + i]
        if in_loop(g, pred, header):
            continue
        if found:
            return 0
        found = pred
    return found if g.blocks[found].end == END_GOTO else 0


cdef uint32_t make_block_before(Graph *g, uint32_t header) noexcept nogil:
    # It has the arguments of the header, and hands them on.
    cdef uint32_t preds = g.blocks[header].preds
    cdef uint32_t npreds = g.blocks[header].npreds
    cdef uint32_t nargs = g.blocks[header].nargs
    cdef uint32_t before = new_block(g)
    cdef uint32_t first = pool_take(g, nargs)
    cdef uint32_t i, e, pred, arg, node
    cdef uint32_t times = 0
    cdef Edge *edge
    if before == 0 or first == 0:
        g.failed = True
        return 0
    g.blocks[before].off = g.blocks[header].off
    arg = g.blocks[header].first
    for i in range(nargs):
        node = append_arg(g, before, g.nodes[arg].type)
        if node == 0:
            return 0
        g.pool[first + i] = node
        arg = g.nodes[arg].next
    for i in range(npreds):
        pred = g.pool[preds + i]
        if in_loop(g, pred, header):
            continue
        for e in range(g.blocks[pred].nedges):
            edge = &g.blocks[pred].edges[e]
            if edge.to == header:
                edge.to = before
                times += edge.times
    g.blocks[before].end = END_GOTO
    g.blocks[before].nedges = 1
    g.blocks[before].edges[0].to = header
    g.blocks[before].edges[0].args = first
    g.blocks[before].edges[0].nargs = nargs
    g.blocks[before].edges[0].times = times
    return before


cdef uint32_t handed(const Graph *g, uint32_t come, uint32_t go, uint32_t i) noexcept nogil:
    cdef const BlockOf *b = &g.blocks[come]
    return edge_arg(g, &b.edges[0 if b.edges[0].to == go else 1], i)


# --- copies -----------------------------------------------------------------------------------------------------------

cdef uint32_t copy_snap(Graph *g, uint32_t snap) noexcept nogil:
    cdef uint32_t copy = new_snap(g, g.snaps[snap].off, g.snaps[snap].count, g.snaps[snap].kind, g.snaps[snap].nregs)
    cdef const Snap *s = &g.snaps[snap]
    cdef uint32_t i
    if copy == 0:
        return 0
    g.snaps[copy].insn = s.insn
    for i in range(s.nregs):
        g.pool[g.snaps[copy].regs + i] = g.pool[s.regs + i]
    return copy


cdef void add_edge_arg(Graph *g, uint32_t block, uint32_t edge, uint32_t node) noexcept nogil:
    cdef uint32_t nargs = g.blocks[block].edges[edge].nargs
    cdef uint32_t first = pool_take(g, nargs + 1)
    cdef Edge *e = &g.blocks[block].edges[edge]
    cdef uint32_t i
    if first == 0:
        return
    for i in range(nargs):
        g.pool[first + i] = g.pool[e.args + i]
    g.pool[first + nargs] = node
    e.args = first
    e.nargs = nargs + 1


cdef uint32_t copy_node(Graph *g, uint32_t node, uint32_t block) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t copy = append(g, block, n.op, n.type, n.a, n.b, n.c, n.imm)
    if copy == 0:
        return 0
    n = &g.nodes[node]
    g.nodes[copy].flags = n.flags
    g.nodes[copy].size = n.size
    g.nodes[copy].mode = n.mode
    return copy


cdef uint32_t split_edge(Graph *g, uint32_t block, uint32_t edge) noexcept nogil:
    cdef uint32_t middle = new_block(g)
    cdef BlockOf *m
    cdef Edge *e
    if middle == 0:
        return 0
    e = &g.blocks[block].edges[edge]
    m = &g.blocks[middle]
    m.off = g.blocks[e.to].off
    m.end = END_GOTO
    m.nedges = 1
    m.edges[0] = e[0]
    e.to = middle
    e.args = 0
    e.nargs = 0
    return middle
