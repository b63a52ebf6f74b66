"""Allocation: registers by one of two ways, then slots for the rest, and the figures."""

from libc.stdint cimport int8_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcpy, memset

from vmcore._fast.jit.t2.colour cimport MOST_COLOURED, colour_ranges
from vmcore._fast.jit.t2.ir cimport NODE_REMAT, OP_CONST, Graph, Node
from vmcore._fast.jit.t2.linear cimport scan_ranges
from vmcore._fast.jit.t2.live cimport (
    NO_RANGE, NO_REG, READ_EARLY, READ_RANGE, Live, Span, Step, bit_of, bits_in, in_set, is_home, live_free, live_make,
    put_in, spill_cost, take_from)
from vmcore._fast.jit.t2.places cimport (
    AT_HOME, AT_NONE, AT_SLOT, AT_XMM, BY_LINEAR_SCAN, MOST_SLOTS, Allocation)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed
from vmcore._fast.jit.t2.split cimport MOST_TRIES, Colours, make_regs, split_ranges
from vmcore._fast.memory.alloc cimport vm_free, vm_realloc

cdef enum:
    FIRST_ROOM = 512
    NO_END = 0xFFFFFFFF
    MOST_ROWS = 1 << 24       # bytes

cdef struct Slotted:
    float cost
    uint32_t rng

# Ranges that get slots. Each has a row of those that live at the same time.
cdef struct Slots:
    const Live *lv
    const Graph *g
    uint8_t *at
    Slotted *order
    uint32_t n
    uint32_t *number          # of each range: its row
    uint64_t *wanted          # those that get slots
    uint64_t *rows
    uint64_t *live
    uint64_t *busy            # of each slot: who lives when one of its owners does
    uint32_t *first           # moves of each range, a list of 2 * move + end
    uint32_t *following
    uint32_t nslots


cdef int allocation_init(Allocation *al) noexcept nogil:
    memset(al, 0, sizeof(Allocation))
    return 0


cdef void allocation_free(Allocation *al) noexcept nogil:
    vm_free(al.at)
    memset(al, 0, sizeof(Allocation))


# --- slots ------------------------------------------------------------------------------------------------------------

cdef inline void mark_row(Slots *s, uint32_t rng) noexcept nogil:
    cdef uint64_t *row = s.rows + <size_t>s.number[rng] * s.lv.words
    cdef uint32_t k
    for k in range(s.lv.words):
        row[k] |= s.live[k] & s.wanted[k]


cdef void find_rows(Slots *s) noexcept nogil:
    cdef const Live *lv = s.lv
    cdef const Span *span
    cdef const Step *step
    cdef uint64_t *row
    cdef uint64_t word
    cdef uint32_t i, k, at, rng, read
    for i in range(lv.nspans):
        span = &lv.spans[i]
        memcpy(s.live, lv.outs + <size_t>i * lv.words, lv.words * sizeof(uint64_t))
        for k in range(span.nends):
            put_in(s.live, lv.reads[span.ends + k] & READ_RANGE)
        for at in range(span.nsteps, 0, -1):
            step = &lv.steps[span.first + at - 1]
            if step.result != NO_RANGE:
                take_from(s.live, step.result)
                if in_set(s.wanted, step.result):
                    mark_row(s, step.result)
                    row = s.rows + <size_t>s.number[step.result] * lv.words
                    for k in range(step.nreads):
                        read = lv.reads[step.first + k]
                        if read & READ_EARLY and in_set(s.wanted, read & READ_RANGE):
                            put_in(row, read & READ_RANGE)
            for k in range(step.nreads):
                put_in(s.live, lv.reads[step.first + k] & READ_RANGE)
        for k in range(span.ndefs):
            put_in(s.live, lv.reads[span.defs + k])
        for k in range(span.ndefs):
            if in_set(s.wanted, lv.reads[span.defs + k]):
                mark_row(s, lv.reads[span.defs + k])
    for i in range(s.n):
        rng = s.order[i].rng
        row = s.rows + <size_t>s.number[rng] * lv.words
        take_from(row, rng)
        for k in range(lv.words):
            word = row[k]
            while word:
                put_in(s.rows + <size_t>s.number[64 * k + bit_of(word)] * lv.words, rng)
                word &= word - 1


cdef uint32_t slot_for(const Slots *s, uint32_t rng) noexcept nogil:
    # That of what flows into it, or out of it, if it is free then: nothing is to be moved along that edge. Moves are in
    # the lists the lightest first.
    cdef uint32_t entry = s.first[rng]
    cdef uint32_t found = NO_END
    cdef uint32_t other, slot
    while entry != NO_END:
        other = s.lv.moves[entry >> 1].one if entry & 1 else s.lv.moves[entry >> 1].two
        slot = s.at[s.lv.node_of[other]]
        if AT_SLOT <= slot < AT_SLOT + MOST_SLOTS and not in_set(s.busy + <size_t>(slot - AT_SLOT) * s.lv.words, rng):
            found = slot - AT_SLOT
        entry = s.following[entry]
    if found != NO_END:
        return found
    for slot in range(s.nslots):
        if not in_set(s.busy + <size_t>slot * s.lv.words, rng):
            return slot
    return s.nslots


cdef bint give_slots(Slots *s) noexcept nogil:
    cdef uint32_t i, k, slot, rng
    cdef uint64_t *row
    cdef uint64_t *busy
    for i in range(s.n):
        rng = s.order[i].rng
        slot = slot_for(s, rng)
        if slot >= MOST_SLOTS:
            return False
        if slot == s.nslots:
            s.nslots += 1
        s.at[s.lv.node_of[rng]] = <uint8_t>(AT_SLOT + slot)
        row = s.rows + <size_t>s.number[rng] * s.lv.words
        busy = s.busy + <size_t>slot * s.lv.words
        for k in range(s.lv.words):
            busy[k] |= row[k]
    return True


cdef int by_cost(const void *one, const void *two) noexcept nogil:
    cdef float a = (<const Slotted *>one).cost
    cdef float b = (<const Slotted *>two).cost
    if a != b:
        return 1 if a < b else -1
    return 1 if (<const Slotted *>one).rng > (<const Slotted *>two).rng else -1


cdef bint make_slots(Slots *s) noexcept nogil:
    # `wanted` and `n` say for whom. Whatever is asked for is freed by the caller.
    cdef const Live *lv = s.lv
    cdef uint32_t i
    cdef uint32_t n = 0
    cdef size_t row_bytes = lv.words * sizeof(uint64_t)
    if s.n * row_bytes > MOST_ROWS:
        return False
    s.order = <Slotted *>scratch_zeroed(lv.scratch, s.n, sizeof(Slotted))
    s.number = <uint32_t *>scratch_zeroed(lv.scratch, lv.nranges, sizeof(uint32_t))
    s.first = <uint32_t *>scratch_zeroed(lv.scratch, lv.nranges + 2 * <size_t>lv.nmoves, sizeof(uint32_t))
    s.rows = <uint64_t *>scratch_zeroed(lv.scratch, <size_t>s.n + MOST_SLOTS + 1, row_bytes)
    if s.order == NULL or s.number == NULL or s.first == NULL or s.rows == NULL:
        return False
    s.busy = s.rows + <size_t>s.n * lv.words
    s.live = s.busy + <size_t>MOST_SLOTS * lv.words
    s.following = s.first + lv.nranges
    for i in range(lv.nranges):
        s.first[i] = NO_END
        if in_set(s.wanted, i):
            s.number[i] = n
            s.order[n].rng = i
            s.order[n].cost = spill_cost(lv, s.g, i)
            n += 1
    for i in range(lv.nmoves):
        s.following[2 * i] = s.first[lv.moves[i].one]
        s.first[lv.moves[i].one] = 2 * i
        s.following[2 * i + 1] = s.first[lv.moves[i].two]
        s.first[lv.moves[i].two] = 2 * i + 1
    find_rows(s)
    qsort(s.order, s.n, sizeof(Slotted), by_cost)
    return give_slots(s)


# --- places -----------------------------------------------------------------------------------------------------------

cdef bint place_all(Graph *g, Allocation *al, const Live *lv, const int8_t *regs) noexcept nogil:
    cdef Slots s
    cdef Node *n
    cdef uint32_t i
    cdef bint done = True
    memset(&s, 0, sizeof(s))
    s.lv = lv
    s.g = g
    s.at = al.at
    s.wanted = <uint64_t *>scratch_zeroed(lv.scratch, lv.words + 1, sizeof(uint64_t))
    if s.wanted == NULL:
        return False
    for i in range(lv.nranges):
        if lv.node_of[i] == 0:
            continue
        n = &g.nodes[lv.node_of[i]]
        if regs[i] != NO_REG:
            al.at[lv.node_of[i]] = <uint8_t>(regs[i] if i < lv.first_fp else AT_XMM + regs[i])
            continue
        al.spilled += 1
        if is_home(n):
            al.at[lv.node_of[i]] = AT_HOME
        elif n.op == OP_CONST:
            n.flags |= NODE_REMAT
        else:
            put_in(s.wanted, i)
            s.n += 1
    if s.n:
        done = make_slots(&s)
    al.nslots = s.nslots
    scratch_give(lv.scratch, s.wanted)
    scratch_give(lv.scratch, s.order)
    scratch_give(lv.scratch, s.number)
    scratch_give(lv.scratch, s.first)
    scratch_give(lv.scratch, s.rows)
    return done


# --- figures ----------------------------------------------------------------------------------------------------------

cdef void sum_up(const Graph *g, Allocation *al, const Live *lv, const int8_t *regs) noexcept nogil:
    cdef uint32_t i, one, two
    for i in range(lv.nranges):
        if lv.node_of[i] and regs[i] == NO_REG:
            al.spill_weight += spill_cost(lv, g, i)
    for i in range(lv.nmoves):
        one = al.at[lv.node_of[lv.moves[i].one]]
        two = al.at[lv.node_of[lv.moves[i].two]]
        if one == two and one < AT_SLOT:
            al.coalesced += 1
        elif one != two:
            al.copy_weight += lv.moves[i].weight
        if one == two and AT_SLOT <= one < AT_SLOT + MOST_SLOTS:
            al.spill_weight -= lv.moves[i].saves
    al.copies = lv.nmoves
    al.ranges = lv.count


cdef bint find_pressure(Allocation *al, const Live *lv) noexcept nogil:
    cdef uint64_t *live = <uint64_t *>scratch_zeroed(lv.scratch, lv.words + 1, sizeof(uint64_t))
    cdef const Span *span
    cdef const Step *step
    cdef uint32_t s, i, k, wanted
    if live == NULL:
        return False
    for s in range(lv.nspans):
        span = &lv.spans[s]
        memcpy(live, lv.outs + <size_t>s * lv.words, lv.words * sizeof(uint64_t))
        for k in range(span.nends):
            put_in(live, lv.reads[span.ends + k] & READ_RANGE)
        for i in range(span.nsteps + 1, 0, -1):
            # Before the step i - 1 that was gone over last; in the end with what begins with the block.
            if i == 1:
                for k in range(span.ndefs):
                    put_in(live, lv.reads[span.defs + k])
            wanted = 0
            for k in range(lv.first_fp >> 6):
                wanted += bits_in(live[k])
            if wanted > al.pressure:
                al.pressure = wanted
            if i > 1:
                step = &lv.steps[span.first + i - 2]
                if step.result != NO_RANGE:
                    take_from(live, step.result)
                for k in range(step.nreads):
                    put_in(live, lv.reads[step.first + k] & READ_RANGE)
    scratch_give(lv.scratch, live)
    return True


cdef bint begin(const Graph *g, Allocation *al) noexcept nogil:
    cdef uint8_t *at = al.at
    cdef uint32_t room = al.room
    if room < g.nnodes:
        room = g.nnodes if g.nnodes > FIRST_ROOM else FIRST_ROOM
        at = <uint8_t *>vm_realloc(at, room)
        if at == NULL:
            return False
    memset(al, 0, sizeof(Allocation))
    al.at = at
    al.room = room
    memset(al.at, AT_NONE, g.nnodes)
    return True


cdef bint allocate_all(Graph *g, Allocation *al, Colours *tries, uint32_t how) noexcept nogil:
    cdef Colours *found = tries
    if live_make(&found.lv, g) < 0 or not make_regs(found):
        return False
    if found.lv.count > MOST_COLOURED:
        how = BY_LINEAR_SCAN
    if how == BY_LINEAR_SCAN:
        if scan_ranges(&found.lv, g, found.regs) < 0:
            return False
    elif colour_ranges(&found.lv, g, found.regs) < 0:
        return False
    else:
        found = split_ranges(g, tries)
    if found == NULL or not begin(g, al) or not place_all(g, al, &found.lv, found.regs) or \
            not find_pressure(al, &found.lv):
        return False
    al.how = <uint8_t>how
    sum_up(g, al, &found.lv, found.regs)
    return True


cdef void allocate(Graph *g, Allocation *al, uint32_t how) noexcept nogil:
    cdef Colours tries[MOST_TRIES]
    cdef uint32_t i
    memset(tries, 0, sizeof(tries))
    al.failed = not allocate_all(g, al, tries, how)
    for i in range(MOST_TRIES, 0, -1):
        scratch_give(tries[i - 1].lv.scratch, tries[i - 1].regs)
        live_free(&tries[i - 1].lv)
