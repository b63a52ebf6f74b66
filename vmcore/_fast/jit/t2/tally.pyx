"""Where what was executed is counted: as seldom as possible.

All ways from one poll to the next have to count the same as before, and whoever leaves on the way says how much is
still to be counted. Where it is counted in between is free. So each block gets an amount that is pending when it
begins, and a way from block to block counts what is pending on its one side and not on the other: for most of them,
nothing.

The amounts that cost least are found as for a profile with the fewest counters (Knuth's: ways that are not in a
spanning tree of largest weight): the heaviest ways first, each ties what is pending at its two ends, as long as they
are not tied yet by other ways; what is left over counts. Polls leave nothing pending.

A way may have to count less than nothing, where a heavier one to the same block brought more. Pending amounts are
never negative, so that a snapshot has no less to count than was executed, and never large, as a snapshot can say so
much and no more: what ties say beyond that is counted after all.
"""

from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport qsort

from vmcore._fast.jit.convention cimport INFO_COUNT_MASK
from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.ir cimport (
    END_GOTO, MOST_BLOCKS, OP_ARG, OP_COUNT, OP_POLL, T_NONE, append, burn, insert_before, remove_node, BlockOf, Graph)
from vmcore._fast.jit.t2.lift cimport MOST_UNCOUNTED
from vmcore._fast.jit.t2.live cimport edge_weight
from vmcore._fast.jit.t2.loops cimport copy_snap, split_edge
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_take, scratch_zeroed

cdef extern from *:
    """
    /* A way between two branches needs a block, and a jump, to count. */
    #define VMCORE_BRANCH_COST 2.0f
    /* It cannot be counted there. */
    #define VMCORE_FORCED 1e30f
    """
    float BRANCH_COST "VMCORE_BRANCH_COST"
    float FORCED "VMCORE_FORCED"

cdef enum:
    MOST_PENDING = INFO_COUNT_MASK - MOST_UNCOUNTED

cdef struct Way:
    float cost                # of counting there
    uint32_t block
    uint32_t edge

# The begin of block b is place 2 * b, its end 2 * b + 1. Place 0 is where nothing is pending.
cdef struct Tally:
    Graph *g
    uint32_t *tied            # to which place, 0 and itself: none
    int64_t *more             # pending here than there
    Way *ways                 # the dearest first
    uint32_t nways
    int64_t *pending          # at the begin of each block
    int64_t *ends             # at its end


# --- what is tied -----------------------------------------------------------------------------------------------------

cdef uint32_t root_of(const Tally *t, uint32_t place, int64_t *more) noexcept nogil:
    more[0] = 0
    while place and t.tied[place] != place:
        more[0] += t.more[place]
        place = t.tied[place]
    return place


cdef bint tie(Tally *t, uint32_t place, uint32_t to, int64_t more) noexcept nogil:
    # `more` is pending at one place than at the other. False: they were tied already.
    cdef int64_t one, other
    cdef uint32_t a = root_of(t, place, &one)
    cdef uint32_t b = root_of(t, to, &other)
    if a == b:
        return False
    if a:
        t.tied[a] = b
        t.more[a] = more + other - one
    else:
        t.tied[b] = a
        t.more[b] = one - more - other
    return True


cdef bint is_polled(const Graph *g, uint32_t block) noexcept nogil:
    # At its very end, where the poll is one with the jump that follows.
    return g.blocks[block].last != 0 and g.nodes[g.blocks[block].last].op == OP_POLL


cdef void tie_ends(Tally *t, uint32_t block) noexcept nogil:
    cdef const Graph *g = t.g
    cdef uint32_t node = g.blocks[block].first
    cdef uint32_t from_ = 2 * block
    cdef int64_t counted = 0
    while node:
        if g.nodes[node].op == OP_POLL:
            from_ = 0
            counted = 0
        elif g.nodes[node].op == OP_COUNT:
            counted += g.nodes[node].imm
        node = g.nodes[node].next
    tie(t, 2 * block + 1, from_, counted)


cdef int dearest(const void *one, const void *two) noexcept nogil:
    cdef const Way *a = <const Way *>one
    cdef const Way *b = <const Way *>two
    if a.cost != b.cost:
        return -1 if a.cost > b.cost else 1
    # The order of what costs the same must not depend on the library.
    return -1 if a.block * 2 + a.edge < b.block * 2 + b.edge else 1


cdef void find_ways(Tally *t) noexcept nogil:
    cdef Graph *g = t.g
    cdef uint32_t i, e, block
    cdef const BlockOf *b
    cdef Way *w
    t.nways = 0
    for i in range(g.norder):
        block = g.order[i]
        b = &g.blocks[block]
        for e in range(b.nedges):
            w = &t.ways[t.nways]
            w.block = block
            w.edge = e
            w.cost = edge_weight(g, block, e)
            if is_polled(g, block):
                w.cost = FORCED
            elif b.end != END_GOTO and g.blocks[b.edges[e].to].npreds != 1:
                w.cost *= BRANCH_COST
            t.nways += 1
    qsort(t.ways, t.nways, sizeof(Way), dearest)


cdef void find_pending(Tally *t) noexcept nogil:
    cdef Graph *g = t.g
    cdef uint32_t i, block
    cdef int64_t more
    cdef const Way *w
    for i in range(2, 2 * g.nblocks):
        t.tied[i] = i
    tie(t, 2, 0, 0)
    for i in range(g.norder):
        tie_ends(t, g.order[i])
    find_ways(t)
    for i in range(t.nways):
        w = &t.ways[i]
        tie(t, 2 * g.blocks[w.block].edges[w.edge].to, 2 * w.block + 1, 0)
    for i in range(g.norder):
        block = g.order[i]
        root_of(t, 2 * block, &more)
        t.pending[block] = min(max(more, <int64_t>0), <int64_t>MOST_PENDING)


cdef inline bint can_say(const Graph *g, uint32_t snap, int64_t pending) noexcept nogil:
    return snap == 0 or g.snaps[snap].count + pending <= INFO_COUNT_MASK


cdef bint find_end(Tally *t, uint32_t block) noexcept nogil:
    # What is pending there. False: somewhere before it is more than a snapshot can say.
    cdef const Graph *g = t.g
    cdef uint32_t node = g.blocks[block].first
    cdef int64_t pending = t.pending[block]
    cdef bint well = True
    while node:
        if g.nodes[node].op == OP_POLL:
            pending = 0
        elif g.nodes[node].op == OP_COUNT:
            pending += g.nodes[node].imm
        else:
            well = well and can_say(g, g.nodes[node].snap, pending)
        node = g.nodes[node].next
    t.ends[block] = pending
    return well and can_say(g, g.blocks[block].snap, pending)


cdef float cost_before(const Graph *g) noexcept nogil:
    cdef float cost = 0
    cdef uint32_t i, node
    for i in range(g.norder):
        node = g.blocks[g.order[i]].first
        while node:
            if g.nodes[node].op == OP_COUNT:
                cost += g.blocks[g.order[i]].weight
            node = g.nodes[node].next
    return cost


cdef float cost_after(const Tally *t) noexcept nogil:
    cdef float cost = 0
    cdef uint32_t i
    cdef const Way *w
    for i in range(t.nways):
        w = &t.ways[i]
        if t.ends[w.block] != t.pending[t.g.blocks[w.block].edges[w.edge].to]:
            cost += w.cost
    return cost


# --- changing it ------------------------------------------------------------------------------------------------------

cdef uint32_t snap_with(Graph *g, uint32_t snap, int64_t more, int64_t *given) noexcept nogil:
    # The snapshot with more to count; `given`, of each: that and 1, once it was given. Some are of several nodes.
    if snap == 0 or given[snap] == more + 1:
        return snap
    if given[snap]:
        more -= given[snap] - 1
        snap = copy_snap(g, snap)
        if snap == 0:
            return 0
    else:
        given[snap] = more + 1
    g.snaps[snap].count += <uint32_t>more
    return snap


cdef void recount(Tally *t, uint32_t block, int64_t *given) noexcept nogil:
    cdef Graph *g = t.g
    cdef uint32_t node = g.blocks[block].first
    cdef int64_t pending = t.pending[block]
    cdef uint32_t following, snap
    while node and not g.failed:
        following = g.nodes[node].next
        if g.nodes[node].op == OP_COUNT:
            pending += g.nodes[node].imm
            remove_node(g, node)
        elif g.nodes[node].op == OP_POLL:
            g.nodes[node].imm += pending
            pending = 0
        else:
            snap = snap_with(g, g.nodes[node].snap, pending, given)
            g.nodes[node].snap = snap
        node = following
    snap = snap_with(g, g.blocks[block].snap, pending, given)
    g.blocks[block].snap = snap


cdef void count_at_begin(Graph *g, uint32_t block, int64_t imm) noexcept nogil:
    cdef uint32_t node = g.blocks[block].first
    while node and g.nodes[node].op == OP_ARG:
        node = g.nodes[node].next
    if node:
        insert_before(g, node, OP_COUNT, T_NONE, 0, 0, 0, imm)
    else:
        append(g, block, OP_COUNT, T_NONE, 0, 0, 0, imm)


cdef void count_ways(Tally *t) noexcept nogil:
    cdef Graph *g = t.g
    cdef uint32_t i, to, block
    cdef int64_t imm
    cdef const Way *w
    for i in range(t.nways):
        w = &t.ways[i]
        block = w.block
        to = g.blocks[block].edges[w.edge].to
        imm = t.ends[block] - t.pending[to]
        if imm == 0:
            continue
        if g.blocks[block].end == END_GOTO:
            append(g, block, OP_COUNT, T_NONE, 0, 0, 0, imm)
        elif g.blocks[to].npreds == 1:
            count_at_begin(g, to, imm)
        else:
            block = split_edge(g, block, w.edge)
            if block == 0:
                return
            append(g, block, OP_COUNT, T_NONE, 0, 0, 0, imm)


cdef void tally(Tally *t, int64_t *given) noexcept nogil:
    cdef Graph *g = t.g
    cdef uint32_t i
    cdef bint well = True
    find_pending(t)
    for i in range(g.norder):
        well = find_end(t, g.order[i]) and well
    if not well or not cost_after(t) < cost_before(g) or g.nblocks + t.nways >= MOST_BLOCKS or not burn(g):
        return
    for i in range(g.norder):
        recount(t, g.order[i], given)
    if not g.failed:
        count_ways(t)
        analyse(g)


cdef void pass_tally(Graph *g) noexcept nogil:
    cdef Tally t
    cdef int64_t *given
    analyse(g)
    if g.failed:
        return
    t.g = g
    t.tied = <uint32_t *>scratch_zeroed(&g.scratch, 2 * <size_t>g.nblocks, sizeof(uint32_t))
    t.more = <int64_t *>scratch_zeroed(&g.scratch, 2 * <size_t>g.nblocks, sizeof(int64_t))
    t.ways = <Way *>scratch_take(&g.scratch, 2 * <size_t>g.nblocks, sizeof(Way))
    t.pending = <int64_t *>scratch_zeroed(&g.scratch, g.nblocks, sizeof(int64_t))
    t.ends = <int64_t *>scratch_zeroed(&g.scratch, g.nblocks, sizeof(int64_t))
    given = <int64_t *>scratch_zeroed(&g.scratch, g.nsnaps, sizeof(int64_t))
    if t.tied != NULL and t.more != NULL and t.ways != NULL and t.pending != NULL and t.ends != NULL and given != NULL:
        tally(&t, given)
    else:
        g.failed = True
    scratch_give(&g.scratch, given)
    scratch_give(&g.scratch, t.ends)
    scratch_give(&g.scratch, t.pending)
    scratch_give(&g.scratch, t.ways)
    scratch_give(&g.scratch, t.more)
    scratch_give(&g.scratch, t.tied)
