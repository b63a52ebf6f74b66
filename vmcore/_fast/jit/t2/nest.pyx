"""What an allocation does in loops: gone through once, block by block."""

from libc.stdint cimport int8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmcore._fast.jit.t2.ir cimport BlockOf, Graph, edge_arg, loop_around
from vmcore._fast.jit.t2.live cimport (
    NO_RANGE, NO_REG, READ_EXIT, READ_RANGE, Live, Span, Step, bits_in, edge_weight, put_in, take_from)
from vmcore._fast.jit.t2.select cimport MOST_READS, reads_of_end
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed


# --- the loops --------------------------------------------------------------------------------------------------------

cdef bint take_memory(Nest *n, const Graph *g, const Live *lv) noexcept nogil:
    cdef uint32_t i
    memset(n, 0, sizeof(Nest))
    n.scratch = lv.scratch
    for i in range(g.norder):
        if g.blocks[g.order[i]].loop == g.order[i]:
            n.n += 1
    n.nranges = lv.nranges
    n.words = lv.words
    n.header = <uint32_t *>scratch_zeroed(n.scratch, n.n + 1, sizeof(uint32_t))
    n.around = <uint32_t *>scratch_zeroed(n.scratch, n.n + 1, sizeof(uint32_t))
    n.innermost = <uint32_t *>scratch_zeroed(n.scratch, g.nblocks, sizeof(uint32_t))
    n.entered = <float *>scratch_zeroed(n.scratch, n.n + 1, sizeof(float))
    n.inside = <uint64_t *>scratch_zeroed(n.scratch, <size_t>n.n * n.words + 1, sizeof(uint64_t))
    n.busy = <uint32_t *>scratch_zeroed(n.scratch, 2 * n.n + 1, sizeof(uint32_t))
    n.reads = <float *>scratch_zeroed(n.scratch, <size_t>n.n * n.nranges + 1, sizeof(float))
    return n.header != NULL and n.around != NULL and n.innermost != NULL and n.entered != NULL and \
        n.inside != NULL and n.busy != NULL and n.reads != NULL


cdef void nest_free(Nest *n) noexcept nogil:
    scratch_give(n.scratch, n.reads)
    scratch_give(n.scratch, n.busy)
    scratch_give(n.scratch, n.inside)
    scratch_give(n.scratch, n.entered)
    scratch_give(n.scratch, n.innermost)
    scratch_give(n.scratch, n.around)
    scratch_give(n.scratch, n.header)
    memset(n, 0, sizeof(Nest))


cdef void number_loops(Nest *n, const Graph *g) noexcept nogil:
    # In reverse postorder a header comes before the blocks of its loop, and before the loops inside.
    cdef uint32_t i, block, header
    cdef uint32_t found = 0
    for i in range(g.norder):
        block = g.order[i]
        header = g.blocks[block].loop
        if header == block:
            n.header[found] = block
            n.innermost[block] = found
            header = loop_around(g, block)
            n.around[found] = n.innermost[header] if header else <uint32_t>NO_LOOP
            found += 1
        else:
            n.innermost[block] = n.innermost[header] if header else <uint32_t>NO_LOOP


cdef void weigh_entries(Nest *n, const Graph *g) noexcept nogil:
    cdef const BlockOf *b
    cdef uint32_t i, e, loop
    for i in range(g.norder):
        b = &g.blocks[g.order[i]]
        for e in range(b.nedges):
            loop = n.innermost[b.edges[e].to]
            if loop != NO_LOOP and n.header[loop] == b.edges[e].to and not is_around(n, loop, n.innermost[g.order[i]]):
                n.entered[loop] += edge_weight(g, g.order[i], e)


# --- one block --------------------------------------------------------------------------------------------------------

cdef void see_place(Nest *n, const Live *lv, uint32_t loop, const uint64_t *live, const uint64_t *held) noexcept nogil:
    # `held`: what has a register.
    cdef uint64_t *inside = n.inside + <size_t>loop * n.words
    cdef uint32_t busy[2]
    cdef uint32_t k
    memset(busy, 0, sizeof(busy))
    for k in range(n.words):
        inside[k] |= live[k]
        busy[k >= lv.first_fp >> 6] += bits_in(live[k] & held[k])
    for k in range(2):
        if busy[k] > n.busy[2 * loop + k]:
            n.busy[2 * loop + k] = busy[k]


cdef void see_block(Nest *n, const Live *lv, uint32_t at, uint64_t *live, const uint64_t *held) noexcept nogil:
    # Backwards.
    cdef const Span *span = &lv.spans[at]
    cdef uint32_t loop = n.innermost[span.block]
    cdef const Step *step
    cdef uint32_t i, k
    memcpy(live, lv.outs + <size_t>at * n.words, n.words * sizeof(uint64_t))
    for k in range(span.nends):
        put_in(live, lv.reads[span.ends + k] & READ_RANGE)
    see_place(n, lv, loop, live, held)
    for i in range(span.nsteps, 0, -1):
        step = &lv.steps[span.first + i - 1]
        if step.result != NO_RANGE:
            # It may live nowhere else.
            put_in(n.inside + <size_t>loop * n.words, step.result)
            take_from(live, step.result)
        for k in range(step.nreads):
            put_in(live, lv.reads[step.first + k] & READ_RANGE)
        see_place(n, lv, loop, live, held)
    for k in range(span.ndefs):
        put_in(live, lv.reads[span.defs + k])
    see_place(n, lv, loop, live, held)


cdef void see_reads(Nest *n, const Graph *g, const Live *lv, const Span *span) noexcept nogil:
    cdef const BlockOf *b = &g.blocks[span.block]
    cdef float *reads = n.reads + <size_t>n.innermost[span.block] * n.nranges
    cdef const Step *step
    cdef uint32_t read[MOST_READS]
    cdef uint32_t nread = reads_of_end(g, span.block, read)
    cdef uint32_t i, k, e, rng
    for i in range(span.nsteps):
        step = &lv.steps[span.first + i]
        for k in range(step.nreads):
            if lv.reads[step.first + k] & READ_EXIT == 0:
                reads[lv.reads[step.first + k] & READ_RANGE] += b.weight
    for i in range(nread):
        reads[lv.range_of[read[i]]] += b.weight
    for e in range(b.nedges):
        for i in range(b.edges[e].nargs):
            rng = lv.range_of[edge_arg(g, &b.edges[e], i)]
            if rng != NO_RANGE:
                reads[rng] += edge_weight(g, span.block, e)


# --- all of them ------------------------------------------------------------------------------------------------------

cdef void see_inner(Nest *n) noexcept nogil:
    # The inner ones first, so that whatever is in a loop comes to all of those around it.
    cdef uint32_t i, k, up
    for i in range(n.n, 0, -1):
        up = n.around[i - 1]
        if up == NO_LOOP:
            continue
        for k in range(n.words):
            n.inside[<size_t>up * n.words + k] |= n.inside[<size_t>(i - 1) * n.words + k]
        for k in range(n.nranges):
            n.reads[<size_t>up * n.nranges + k] += n.reads[<size_t>(i - 1) * n.nranges + k]
        for k in range(2):
            if n.busy[2 * up + k] < n.busy[2 * (i - 1) + k]:
                n.busy[2 * up + k] = n.busy[2 * (i - 1) + k]


cdef bint nest_make(Nest *n, const Graph *g, const Live *lv, const int8_t *regs) noexcept nogil:
    cdef uint64_t *live
    cdef uint64_t *held
    cdef uint32_t i
    if not take_memory(n, g, lv):
        return False
    live = <uint64_t *>scratch_zeroed(n.scratch, 2 * <size_t>lv.words + 1, sizeof(uint64_t))
    if live == NULL:
        return False
    held = live + lv.words
    number_loops(n, g)
    weigh_entries(n, g)
    for i in range(lv.nranges):
        if lv.node_of[i] and regs[i] != NO_REG:
            put_in(held, i)
    for i in range(lv.nspans):
        if n.innermost[lv.spans[i].block] != NO_LOOP:
            see_block(n, lv, i, live, held)
            see_reads(n, g, lv, &lv.spans[i])
    see_inner(n)
    scratch_give(n.scratch, live)
    return True
