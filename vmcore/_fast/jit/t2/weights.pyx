"""How often blocks are executed: what comes along the edges into each, but never more than the loop around it turns."""

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.ir cimport END_LEAVE, END_LEAVE_TO, BlockOf, Graph, loop_around

cdef extern from *:
    """
    /* Turns of a loop that nobody looked at, and the most that a short look can tell. */
    #define VMCORE_LOOP_WEIGHT 10.0f
    /* How often the region is left at a place, for each time that it is come near, if nobody looked. */
    #define VMCORE_LEAVE_WEIGHT 0.05f
    /* At least, whatever many branches one after the other come to. */
    #define VMCORE_LEAST_WEIGHT 1e-4f
    """
    float LEAST_WEIGHT "VMCORE_LEAST_WEIGHT"
    float LOOP_WEIGHT "VMCORE_LOOP_WEIGHT"
    float LEAVE_WEIGHT "VMCORE_LEAVE_WEIGHT"


cdef float turns_of(const Graph *g, uint32_t header) noexcept nogil:
    # Of a loop, for each time that it is entered.
    cdef const BlockOf *b = &g.blocks[header]
    cdef const BlockOf *before
    cdef uint32_t entries = 0
    cdef uint32_t turns = 0
    cdef uint32_t k, e, pred
    for k in range(b.npreds):
        pred = g.pool[b.preds + k]
        before = &g.blocks[pred]
        for e in range(before.nedges):
            if before.edges[e].to == header:
                if before.order < b.order:
                    entries += before.edges[e].times
                else:
                    turns += before.edges[e].times
    if entries == 0 or turns >= <uint32_t>LOOP_WEIGHT * entries:
        return LOOP_WEIGHT
    return 1 + turns / <float>entries


cdef float come_to(const Graph *g, uint32_t block, bint *measured) noexcept nogil:
    # From before it; the ways back are in the turns. No more than the loop around it turns, though all ways out of a
    # loop count for all that leaves it.
    cdef const BlockOf *b = &g.blocks[block]
    cdef uint32_t k, e, pred
    cdef uint32_t last = 0
    cdef float weight = 0
    measured[0] = True
    for k in range(b.npreds):
        pred = g.pool[b.preds + k]
        if g.blocks[pred].order >= b.order or pred == last:
            continue
        # A block with two edges to this one is twice among those before it.
        last = pred
        for e in range(g.blocks[pred].nedges):
            if g.blocks[pred].edges[e].to == block:
                measured[0] = measured[0] and is_measured(g, pred, e)
                weight += g.blocks[pred].weight * share_of(g, pred, e)
    return weight


cdef void weigh(Graph *g) noexcept nogil:
    # Nobody looked: a loop turns ten times, a branch goes both ways; out of a loop it goes rarely, and to where the
    # region is left almost never.
    cdef uint32_t i, block, around
    cdef BlockOf *b
    cdef float most
    cdef bint measured
    for i in range(g.norder):
        block = g.order[i]
        b = &g.blocks[block]
        around = loop_around(g, block) if b.loop == block else b.loop
        most = g.blocks[around].weight if around else 1
        b.weight = come_to(g, block, &measured) if i else 1
        if b.weight > most:
            b.weight = most
        if b.loop == block:
            b.weight *= turns_of(g, block)
        if (b.end == END_LEAVE or b.end == END_LEAVE_TO) and not measured:
            b.weight *= LEAVE_WEIGHT
        if b.weight < LEAST_WEIGHT:
            b.weight = LEAST_WEIGHT
