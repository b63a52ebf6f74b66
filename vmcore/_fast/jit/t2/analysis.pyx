"""What is known of a graph's blocks: an order, predecessors, dominators, loops."""

from libc.stdint cimport uint32_t
from libc.string cimport memset

from vmcore._fast.jit.t2.ir cimport END_NONE, BlockOf, Graph, pool_take, remove_node
from vmcore._fast.jit.t2.weights cimport weigh
from vmcore._fast.memory.alloc cimport vm_grow

cdef enum:
    FIRST_ORDER = 64


cdef bint dominates(const Graph *g, uint32_t one, uint32_t two) noexcept nogil:
    # An immediate dominator comes earlier in reverse postorder.
    while g.blocks[two].order > g.blocks[one].order:
        two = g.blocks[two].idom
    return one == two


cdef void number_blocks(Graph *g) noexcept nogil:
    # Depth first, with a stack of (block, edges that are done) in the pool's unused end.
    cdef uint32_t mark = g.npool
    cdef uint32_t stack = pool_take(g, 2 * g.nblocks + 2)
    cdef uint32_t depth = 0
    cdef uint32_t left, to, i
    cdef BlockOf *b
    if stack == 0 or not vm_grow(<void **>&g.order, &g.order_room, g.nblocks, FIRST_ORDER, sizeof(uint32_t)):
        g.failed = True
        g.norder = 0
        g.npool = mark
        return
    for i in range(g.nblocks):
        g.blocks[i].order = 0
    left = g.nblocks - 1
    g.pool[stack] = 1
    g.pool[stack + 1] = 0
    g.blocks[1].order = 1
    depth = 1
    while depth:
        b = &g.blocks[g.pool[stack + 2 * depth - 2]]
        if g.pool[stack + 2 * depth - 1] < b.nedges:
            # The last edge first: then the first one's target comes next in the order.
            to = b.edges[b.nedges - 1 - g.pool[stack + 2 * depth - 1]].to
            g.pool[stack + 2 * depth - 1] += 1
            if g.blocks[to].order == 0:
                g.blocks[to].order = 1
                g.pool[stack + 2 * depth] = to
                g.pool[stack + 2 * depth + 1] = 0
                depth += 1
        else:
            left -= 1
            g.order[left] = g.pool[stack + 2 * depth - 2]
            depth -= 1
    g.norder = g.nblocks - 1 - left
    for i in range(g.norder):
        g.order[i] = g.order[left + i]
        g.blocks[g.order[i]].order = i + 1
    g.npool = mark


cdef void find_preds(Graph *g) noexcept nogil:
    # The lists of the last time stay in the pool: a pass or two more, and the graph is done with.
    cdef uint32_t i, e, total
    cdef BlockOf *b
    cdef BlockOf *to
    total = 0
    for i in range(g.nblocks):
        g.blocks[i].npreds = 0
    for i in range(g.norder):
        b = &g.blocks[g.order[i]]
        for e in range(b.nedges):
            g.blocks[b.edges[e].to].npreds += 1
            total += 1
    total = pool_take(g, total + 1)
    if total == 0:
        g.norder = 0
        return
    for i in range(g.norder):
        b = &g.blocks[g.order[i]]
        b.preds = total
        total += b.npreds
        b.npreds = 0
    for i in range(g.norder):
        b = &g.blocks[g.order[i]]
        for e in range(b.nedges):
            to = &g.blocks[b.edges[e].to]
            g.pool[to.preds + to.npreds] = g.order[i]
            to.npreds += 1


cdef inline uint32_t common(const Graph *g, uint32_t one, uint32_t two) noexcept nogil:
    while one != two:
        while g.blocks[one].order > g.blocks[two].order:
            one = g.blocks[one].idom
        while g.blocks[two].order > g.blocks[one].order:
            two = g.blocks[two].idom
    return one


cdef void find_dominators(Graph *g) noexcept nogil:
    cdef uint32_t i, k, pred, found
    cdef BlockOf *b
    cdef bint changed = True
    for i in range(g.nblocks):
        g.blocks[i].idom = 0
    if g.norder == 0:
        return
    g.blocks[1].idom = 1
    while changed:
        changed = False
        for i in range(1, g.norder):
            b = &g.blocks[g.order[i]]
            found = 0
            for k in range(b.npreds):
                pred = g.pool[b.preds + k]
                if g.blocks[pred].idom:
                    found = common(g, found, pred) if found else pred
            if b.idom != found:
                b.idom = found
                changed = True


cdef void outline(Graph *g) noexcept nogil:
    g.analysed = False
    number_blocks(g)
    find_preds(g)
    find_dominators(g)


cdef uint32_t odd_ways(const Graph *g) noexcept nogil:
    cdef const BlockOf *b
    cdef uint32_t n = 0
    cdef uint32_t i, e
    for i in range(g.norder):
        b = &g.blocks[g.order[i]]
        for e in range(b.nedges):
            n += g.blocks[b.edges[e].to].order <= b.order and not dominates(g, b.edges[e].to, g.order[i])
    return n


cdef void find_loops(Graph *g) noexcept nogil:
    # Inner headers come later in reverse postorder, so theirs is the first loop that a block is found in.
    cdef uint32_t mark = g.npool
    cdef uint32_t edges = 0
    cdef uint32_t i, k, pred, header, stack, seen, around, depth
    cdef BlockOf *b
    for i in range(g.nblocks):
        g.blocks[i].loop = 0
        g.blocks[i].depth = 0
        edges += g.blocks[i].nedges
    stack = pool_take(g, 2 * edges + 1)
    seen = pool_take(g, g.nblocks)
    around = pool_take(g, g.nblocks)
    if g.failed:
        return
    memset(&g.pool[seen], 0, g.nblocks * sizeof(uint32_t))
    memset(&g.pool[around], 0, g.nblocks * sizeof(uint32_t))
    for i in range(g.norder, 0, -1):
        header = g.order[i - 1]
        b = &g.blocks[header]
        depth = 0
        for k in range(b.npreds):
            pred = g.pool[b.preds + k]
            if dominates(g, header, pred):
                b.loop = header
                if pred != header:
                    g.pool[stack + depth] = pred
                    depth += 1
        g.pool[seen + header] = header
        while depth:
            depth -= 1
            pred = g.pool[stack + depth]
            if g.pool[seen + pred] == header:
                continue
            g.pool[seen + pred] = header
            b = &g.blocks[pred]
            if b.loop == 0:
                b.loop = header
            elif b.loop == pred and g.pool[around + pred] == 0:
                g.pool[around + pred] = header
            for k in range(b.npreds):
                if g.pool[seen + g.pool[b.preds + k]] != header:
                    g.pool[stack + depth] = g.pool[b.preds + k]
                    depth += 1
    # A header comes before the rest of its loop, and before the headers inside.
    for i in range(g.norder):
        header = g.order[i]
        b = &g.blocks[header]
        if b.loop == header:
            b.depth = 1 + g.blocks[g.pool[around + header]].depth
        else:
            b.depth = g.blocks[b.loop].depth
    g.npool = mark


cdef void analyse(Graph *g) noexcept nogil:
    cdef uint32_t i, node, following
    if g.analysed:
        return
    number_blocks(g)
    for i in range(1, g.nblocks):
        if g.blocks[i].order:
            continue
        node = g.blocks[i].first
        while node:
            following = g.nodes[node].next
            remove_node(g, node)
            node = following
        g.blocks[i].nedges = 0
        g.blocks[i].nargs = 0
        g.blocks[i].cond = 0
        g.blocks[i].snap = 0
        g.blocks[i].end = END_NONE
    find_preds(g)
    find_dominators(g)
    find_loops(g)
    weigh(g)
    g.analysed = not g.failed
