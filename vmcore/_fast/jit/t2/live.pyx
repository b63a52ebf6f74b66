"""Live ranges: what is read and written where, what is live where, what it costs, and what it wishes."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from vmcore._fast.jit.convention cimport HOST_OF, XMM_OF
from vmcore._fast.jit.t2.ir cimport (
    F_REGISTERS, NODE_COVERED, NODE_REMAT, OP_ADD, OP_ARG, OP_BASE, OP_CONST, OP_ENTRY, OP_FPU, OP_LEAVE_IF, OP_LOAD,
    T_INT, T_NONE, BlockOf, Edge, Graph, Node, Snap, edge_arg, operand, snap_reg)
from vmcore._fast.jit.t2.scratch cimport Scratch, scratch_give, scratch_take, scratch_zeroed
from vmcore._fast.jit.t2.select cimport MOST_READS, reads_of, reads_of_end, snap_source, wants_register_of
from vmcore._fast.jit.t2.weights cimport is_measured, share_of
from vmcore._fast.memory.alloc cimport vm_free, vm_grow

cdef enum:
    FIRST_STEPS = 512
    FIRST_READS = 2048
    FIRST_MOVES = 256

cdef extern from *:
    """
    /* Of the times that an instruction which could leave the region is executed, how often it does; and how much the
       places of the boundary convention count there. Where a guard leaves, that is likelier than a fault. */
    #define VMCORE_EXIT_RATE 0.001f
    #define VMCORE_GUARD_RATE 0.02f
    /* A sum in a register of its own is an lea, which only is longer and has fewer ports than an addition. */
    #define VMCORE_SUM_RATE 0.25f
    """
    float EXIT_RATE "VMCORE_EXIT_RATE"
    float SUM_RATE "VMCORE_SUM_RATE"
    float GUARD_RATE "VMCORE_GUARD_RATE"


# --- what the emission may do -----------------------------------------------------------------------------------------

cdef bint reached_by(const Graph *g, uint32_t node, uint32_t read) noexcept nogil:
    # Is it what `node`, a covered one, reads?
    cdef uint32_t i, at
    for i in range(3):
        at = operand(&g.nodes[node], i)
        if at == read and at:
            return True
        if at and g.nodes[at].flags & NODE_COVERED and reached_by(g, at, read):
            return True
    return False


cdef bint result_may_overlap(const Graph *g, uint32_t node, uint32_t read) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t before = read_before_result(n)
    cdef uint32_t in_place = updated_in_place(n)
    cdef uint32_t i, at
    cdef bint found = False
    for i in range(3):
        at = operand(n, i)
        if at == 0:
            continue
        if at == read:
            if not (before | in_place) >> i & 1:
                return False
            found = True
        elif g.nodes[at].flags & NODE_COVERED and reached_by(g, at, read):
            if not before >> i & 1:
                return False
            found = True
    return found


cdef bint is_home(const Node *n) noexcept nogil:
    return n.op == OP_BASE or n.op == OP_ENTRY and boundary_place(<uint32_t>n.imm) < 0


cdef int boundary_place(uint32_t reg) noexcept nogil:
    return HOST_OF[reg] if reg < F_REGISTERS else XMM_OF[reg - F_REGISTERS]


cdef float edge_weight(const Graph *g, uint32_t block, uint32_t edge) noexcept nogil:
    cdef const BlockOf *b = &g.blocks[block]
    cdef float there = g.blocks[b.edges[edge].to].weight
    if is_measured(g, block, edge):
        return b.weight * share_of(g, block, edge)
    if b.nedges == 1 or b.weight < there:
        return b.weight
    return there


cdef float spill_cost(const Live *lv, const Graph *g, uint32_t rng) noexcept nogil:
    cdef const Node *n = &g.nodes[lv.node_of[rng]]
    cdef float cost
    if is_home(n) or n.op == OP_CONST:
        cost = lv.read[rng] - lv.written[rng]
        return cost if cost > 0 else 0
    return lv.read[rng] + lv.written[rng]


# --- memory -----------------------------------------------------------------------------------------------------------

cdef void live_free(Live *lv) noexcept nogil:
    scratch_give(lv.scratch, lv.range_of)
    scratch_give(lv.scratch, lv.node_of)
    scratch_give(lv.scratch, lv.spans)
    vm_free(lv.steps)
    vm_free(lv.reads)
    scratch_give(lv.scratch, lv.ins)
    scratch_give(lv.scratch, lv.outs)
    scratch_give(lv.scratch, lv.read)
    scratch_give(lv.scratch, lv.written)
    scratch_give(lv.scratch, lv.wants)
    vm_free(lv.moves)
    memset(lv, 0, sizeof(Live))


# --- steps ------------------------------------------------------------------------------------------------------------
# First with the numbers of nodes as what is read, and range_of marking those that are; then ranges get numbers.

cdef inline bint push(Live *lv, const Graph *g, uint32_t node, uint32_t flags) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    if node == 0 or n.type == T_NONE or n.flags & (NODE_COVERED | NODE_REMAT):
        return True
    if not vm_grow(<void **>&lv.reads, &lv.reads_room, lv.nreads + 1, FIRST_READS, sizeof(uint32_t)):
        return False
    lv.reads[lv.nreads] = node | flags
    lv.nreads += 1
    lv.range_of[node] = 0
    return True


cdef bint push_snap(Live *lv, const Graph *g, uint32_t snap, uint32_t flags) noexcept nogil:
    cdef const Snap *s = &g.snaps[snap]
    cdef uint32_t i
    for i in range(s.nregs):
        if not push(lv, g, snap_source(g, s, i), flags):
            return False
    return True


cdef bint push_covered_snaps(Live *lv, const Graph *g, uint32_t node, uint32_t flags) noexcept nogil:
    # A covered node that can leave does so where its user is emitted.
    cdef uint32_t i, at
    for i in range(3):
        at = operand(&g.nodes[node], i)
        if at and g.nodes[at].flags & NODE_COVERED:
            if g.nodes[at].snap and not push_snap(lv, g, g.nodes[at].snap, flags):
                return False
            if not push_covered_snaps(lv, g, at, flags):
                return False
    return True


cdef bint make_step(Live *lv, const Graph *g, uint32_t node) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t read[MOST_READS]
    cdef uint32_t nread = reads_of(g, node, read)
    cdef uint32_t flags = READ_EXIT
    cdef uint32_t i
    cdef Step *s
    if not vm_grow(<void **>&lv.steps, &lv.steps_room, lv.nsteps + 1, FIRST_STEPS, sizeof(Step)):
        return False
    s = &lv.steps[lv.nsteps]
    lv.nsteps += 1
    s.node = node
    s.first = lv.nreads
    for i in range(nread):
        if not push(lv, g, read[i],
                    READ_EARLY if n.type != T_NONE and not result_may_overlap(g, node, read[i]) else 0):
            return False
    # A load alone is known to write nothing before it can leave no more.
    if n.type != T_NONE and n.op != OP_LOAD:
        flags |= READ_EARLY
    if n.snap and not push_snap(lv, g, n.snap, flags):
        return False
    if not push_covered_snaps(lv, g, node, flags):
        return False
    s.nreads = lv.nreads - s.first
    return True


cdef bint make_end(Live *lv, const Graph *g, Span *span) noexcept nogil:
    cdef const BlockOf *b = &g.blocks[span.block]
    cdef uint32_t read[MOST_READS]
    cdef uint32_t nread = reads_of_end(g, span.block, read)
    cdef uint32_t i, e
    span.ends = lv.nreads
    for i in range(nread):
        if not push(lv, g, read[i], 0):
            return False
    if b.snap and not push_snap(lv, g, b.snap, 0):
        return False
    for e in range(b.nedges):
        for i in range(b.edges[e].nargs):
            if not push(lv, g, edge_arg(g, &b.edges[e], i), 0):
                return False
    span.nends = lv.nreads - span.ends
    return True


cdef bint make_span(Live *lv, const Graph *g, Span *span) noexcept nogil:
    cdef const Node *n
    cdef uint32_t node = g.blocks[span.block].first
    span.first = lv.nsteps
    while node:
        n = &g.nodes[node]
        if not (n.flags & (NODE_COVERED | NODE_REMAT) or n.op == OP_ARG or n.op == OP_ENTRY or n.op == OP_BASE
                or n.op == OP_FPU) and not make_step(lv, g, node):
            return False
        node = n.next
    span.nsteps = lv.nsteps - span.first
    return make_end(lv, g, span)


cdef bint make_defs(Live *lv, const Graph *g, Span *span) noexcept nogil:
    # What nobody reads gets no place, and is no definition.
    cdef uint32_t node = g.blocks[span.block].first
    cdef uint32_t op
    span.defs = lv.nreads
    while node:
        op = g.nodes[node].op
        if (op == OP_ARG or op == OP_ENTRY or op == OP_BASE) and lv.range_of[node] != NO_RANGE:
            if not vm_grow(<void **>&lv.reads, &lv.reads_room, lv.nreads + 1, FIRST_READS, sizeof(uint32_t)):
                return False
            lv.reads[lv.nreads] = node
            lv.nreads += 1
        node = g.nodes[node].next
    span.ndefs = lv.nreads - span.defs
    return True


cdef bint number_ranges(Live *lv, const Graph *g) noexcept nogil:
    cdef uint32_t i, node
    cdef uint32_t nfp = 0
    for i in range(1, lv.nodes):
        if lv.range_of[i] != NO_RANGE:
            if g.nodes[i].type == T_INT:
                lv.nints += 1
            else:
                nfp += 1
    lv.count = lv.nints + nfp
    lv.first_fp = lv.nints + 63 & ~<uint32_t>63
    lv.nranges = lv.first_fp + nfp
    lv.words = lv.nranges + 63 >> 6
    lv.node_of = <uint32_t *>scratch_zeroed(lv.scratch, lv.nranges + 1, sizeof(uint32_t))
    if lv.node_of == NULL:
        return False
    i = 0
    nfp = lv.first_fp
    for node in range(1, lv.nodes):
        if lv.range_of[node] != NO_RANGE:
            if g.nodes[node].type == T_INT:
                lv.range_of[node] = i
                lv.node_of[i] = node
                i += 1
            else:
                lv.range_of[node] = nfp
                lv.node_of[nfp] = node
                nfp += 1
    for i in range(lv.nreads):
        lv.reads[i] = lv.range_of[lv.reads[i] & READ_RANGE] | (lv.reads[i] & ~<uint32_t>READ_RANGE)
    for i in range(lv.nsteps):
        lv.steps[i].result = lv.range_of[lv.steps[i].node]
    return True


# --- liveness ---------------------------------------------------------------------------------------------------------

cdef bint find_live(Live *lv, const Graph *g) noexcept nogil:
    # `ins` begins as what each block reads before it writes it, and grows to the fixed point.
    cdef uint64_t *kills
    cdef uint64_t *live
    cdef uint64_t *kill
    cdef uint64_t *out
    cdef const uint64_t *following
    cdef uint64_t now
    cdef const Span *span
    cdef const Step *step
    cdef const BlockOf *b
    cdef uint32_t i, k, s
    cdef bint changed = True
    lv.ins = <uint64_t *>scratch_zeroed(lv.scratch, <size_t>lv.nspans * lv.words + 1, sizeof(uint64_t))
    lv.outs = <uint64_t *>scratch_zeroed(lv.scratch, <size_t>lv.nspans * lv.words + 1, sizeof(uint64_t))
    kills = <uint64_t *>scratch_zeroed(lv.scratch, <size_t>lv.nspans * lv.words + 1, sizeof(uint64_t))
    if kills == NULL or lv.ins == NULL or lv.outs == NULL:
        scratch_give(lv.scratch, kills)
        return False
    for s in range(lv.nspans):
        span = &lv.spans[s]
        live = lv.ins + <size_t>s * lv.words
        kill = kills + <size_t>s * lv.words
        for k in range(span.nends):
            put_in(live, lv.reads[span.ends + k] & READ_RANGE)
        for i in range(span.nsteps, 0, -1):
            step = &lv.steps[span.first + i - 1]
            if step.result != NO_RANGE:
                take_from(live, step.result)
                put_in(kill, step.result)
            for k in range(step.nreads):
                put_in(live, lv.reads[step.first + k] & READ_RANGE)
        for k in range(span.ndefs):
            take_from(live, lv.reads[span.defs + k])
            put_in(kill, lv.reads[span.defs + k])
    while changed:
        changed = False
        for s in range(lv.nspans, 0, -1):
            b = &g.blocks[lv.spans[s - 1].block]
            out = lv.outs + <size_t>(s - 1) * lv.words
            live = lv.ins + <size_t>(s - 1) * lv.words
            kill = kills + <size_t>(s - 1) * lv.words
            for k in range(b.nedges):
                following = lv.ins + <size_t>(g.blocks[b.edges[k].to].order - 1) * lv.words
                for i in range(lv.words):
                    out[i] |= following[i]
            for i in range(lv.words):
                now = live[i] | out[i] & ~kill[i]
                if now != live[i]:
                    live[i] = now
                    changed = True
    scratch_give(lv.scratch, kills)
    return True


# --- costs and wishes -------------------------------------------------------------------------------------------------

cdef inline bint push_move(Live *lv, uint32_t one, uint32_t two, float weight, float saves) noexcept nogil:
    if one == two or one == NO_RANGE or two == NO_RANGE:
        return True
    if not vm_grow(<void **>&lv.moves, &lv.moves_room, lv.nmoves + 1, FIRST_MOVES, sizeof(Move)):
        return False
    lv.moves[lv.nmoves].one = one
    lv.moves[lv.nmoves].two = two
    lv.moves[lv.nmoves].weight = weight
    lv.moves[lv.nmoves].saves = saves
    lv.nmoves += 1
    return True


cdef void want_boundary(Live *lv, const Graph *g, uint32_t snap, float weight) noexcept nogil:
    # Where each register is at the boundary is where an exit would like it to be.
    cdef const Snap *s = &g.snaps[snap]
    cdef uint32_t i, rng
    cdef int place
    for i in range(s.nregs):
        rng = lv.range_of[snap_source(g, s, i)]
        place = boundary_place(snap_reg(g, s, i))
        if rng != NO_RANGE and place >= 0 and (rng < lv.first_fp) == (snap_reg(g, s, i) < F_REGISTERS):
            lv.wants[16 * rng + place] += weight


cdef void want_covered(Live *lv, const Graph *g, uint32_t node, float weight) noexcept nogil:
    cdef uint32_t i, at
    for i in range(3):
        at = operand(&g.nodes[node], i)
        if at and g.nodes[at].flags & NODE_COVERED:
            if g.nodes[at].snap:
                want_boundary(lv, g, g.nodes[at].snap, weight)
            want_covered(lv, g, at, weight)


cdef bint weigh_span(Live *lv, const Graph *g, const Span *span) noexcept nogil:
    cdef const BlockOf *b = &g.blocks[span.block]
    cdef const Step *step
    cdef const Edge *edge
    cdef uint32_t i, k, e, rng, read, arg, wish
    cdef float taken
    cdef int place
    for k in range(span.ndefs):
        rng = lv.reads[span.defs + k]
        if g.nodes[lv.node_of[rng]].op != OP_ARG:
            lv.written[rng] += b.weight
        if g.nodes[lv.node_of[rng]].op == OP_ENTRY:
            place = boundary_place(<uint32_t>g.nodes[lv.node_of[rng]].imm)
            if place >= 0:
                lv.wants[16 * rng + place] += b.weight
    for i in range(span.nsteps):
        step = &lv.steps[span.first + i]
        for k in range(step.nreads):
            read = lv.reads[step.first + k]
            lv.read[read & READ_RANGE] += b.weight * EXIT_RATE if read & READ_EXIT else b.weight
        if step.result != NO_RANGE:
            lv.written[step.result] += b.weight
            wish = wants_register_of(g, step.node)
            if wish and not push_move(lv, step.result, lv.range_of[wish],
                                      b.weight * SUM_RATE if g.nodes[step.node].op == OP_ADD else b.weight, 0):
                return False
        if g.nodes[step.node].snap:
            want_boundary(lv, g, g.nodes[step.node].snap,
                          b.weight * (GUARD_RATE if g.nodes[step.node].op == OP_LEAVE_IF else EXIT_RATE))
        want_covered(lv, g, step.node, b.weight * EXIT_RATE)
    if b.snap:
        want_boundary(lv, g, b.snap, b.weight)
    for e in range(b.nedges):
        edge = &b.edges[e]
        taken = edge_weight(g, span.block, e)
        arg = g.blocks[edge.to].first
        for i in range(edge.nargs):
            rng = lv.range_of[arg]
            read = lv.range_of[edge_arg(g, edge, i)]
            # What goes to itself around a loop stays where it is.
            if rng != NO_RANGE and rng != read:
                lv.written[rng] += taken
                # From a slot to itself: neither read nor written.
                if not push_move(lv, rng, read, taken, 2 * taken):
                    return False
            arg = g.nodes[arg].next
    return True


cdef void weigh_ends(Live *lv, const Graph *g, const Span *span) noexcept nogil:
    # The end's own reads come first, what goes along the edges has the weight of its edge.
    cdef const BlockOf *b = &g.blocks[span.block]
    cdef uint32_t e, i, rng, arg
    cdef uint32_t own = span.nends
    cdef float taken
    for e in range(b.nedges):
        taken = edge_weight(g, span.block, e)
        arg = g.blocks[b.edges[e].to].first
        for i in range(b.edges[e].nargs):
            rng = lv.range_of[edge_arg(g, &b.edges[e], i)]
            if rng != NO_RANGE:
                if edge_arg(g, &b.edges[e], i) != arg:
                    lv.read[rng] += taken
                own -= 1
            arg = g.nodes[arg].next
    for i in range(own):
        lv.read[lv.reads[span.ends + i] & READ_RANGE] += b.weight


cdef int by_weight(const void *one, const void *two) noexcept nogil:
    cdef float a = (<const Move *>one).weight
    cdef float b = (<const Move *>two).weight
    if a != b:
        return 1 if a < b else -1
    # The order of equals must not depend on the C library's sort.
    if (<const Move *>one).one != (<const Move *>two).one:
        return 1 if (<const Move *>one).one > (<const Move *>two).one else -1
    if (<const Move *>one).two != (<const Move *>two).two:
        return 1 if (<const Move *>one).two > (<const Move *>two).two else -1
    return 0


cdef bint weigh(Live *lv, const Graph *g) noexcept nogil:
    cdef uint32_t s
    lv.read = <float *>scratch_zeroed(lv.scratch, lv.nranges + 1, sizeof(float))
    lv.written = <float *>scratch_zeroed(lv.scratch, lv.nranges + 1, sizeof(float))
    lv.wants = <float *>scratch_zeroed(lv.scratch, <size_t>16 * lv.nranges + 1, sizeof(float))
    if lv.read == NULL or lv.written == NULL or lv.wants == NULL:
        return False
    for s in range(lv.nspans):
        if not weigh_span(lv, g, &lv.spans[s]):
            return False
        weigh_ends(lv, g, &lv.spans[s])
    if lv.nmoves:
        qsort(lv.moves, lv.nmoves, sizeof(Move), by_weight)
    return True


cdef int live_make(Live *lv, const Graph *g) noexcept nogil:
    cdef uint32_t s
    memset(lv, 0, sizeof(Live))
    lv.scratch = <Scratch *>&g.scratch
    lv.nodes = g.nnodes
    lv.nspans = g.norder
    lv.range_of = <uint32_t *>scratch_take(lv.scratch, lv.nodes, sizeof(uint32_t))
    lv.spans = <Span *>scratch_zeroed(lv.scratch, lv.nspans + 1, sizeof(Span))
    if lv.range_of == NULL or lv.spans == NULL:
        return -1
    for s in range(lv.nodes):
        lv.range_of[s] = NO_RANGE
    for s in range(lv.nspans):
        lv.spans[s].block = g.order[s]
        if not make_span(lv, g, &lv.spans[s]):
            return -1
    for s in range(lv.nspans):
        if not make_defs(lv, g, &lv.spans[s]):
            return -1
    return 0 if number_ranges(lv, g) and find_live(lv, g) and weigh(lv, g) else -1
