"""Colouring: the graph, and taking it apart: simplify, coalesce, freeze, spill."""

from libc.stdint cimport int8_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.live cimport (
    GPR_SET, NO_RANGE, NO_REG, READ_EARLY, READ_RANGE, XMM_SET, Live, Move, Span, Step, bit_of, bits_in, in_set, put_in,
    spill_cost, take_from)
from vmcore._fast.jit.t2.paint cimport (
    NO_END, Colouring, Ranked, chain, find, improve, row_of, select_colours)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef enum:
    MOVE_WAITS = 0
    MOVE_DONE = 1
    NUM_METRICS = 3


# --- the graph --------------------------------------------------------------------------------------------------------

cdef void mark_live(const Colouring *c, uint64_t *clean, uint32_t rng, const uint64_t *live) noexcept nogil:
    cdef uint64_t *row = row_of(clean, c, rng - c.base)
    cdef uint32_t i
    live += c.base >> 6
    for i in range(c.words):
        row[i] |= live[i]


cdef void interfere(Colouring *c, uint64_t *live) noexcept nogil:
    # Backwards through each block. A definition interferes with what is live behind it.
    cdef const Live *lv = c.lv
    cdef const Span *span
    cdef const Step *step
    cdef uint64_t word
    cdef uint64_t *row
    cdef uint32_t s, i, k, read, t
    for s in range(lv.nspans):
        span = &lv.spans[s]
        memcpy(live, lv.outs + <size_t>s * lv.words, lv.words * sizeof(uint64_t))
        for k in range(span.nends):
            put_in(live, lv.reads[span.ends + k] & READ_RANGE)
        for i in range(span.nsteps, 0, -1):
            step = &lv.steps[span.first + i - 1]
            if step.result != NO_RANGE:
                take_from(live, step.result)
                if c.base <= step.result < c.base + c.n:
                    mark_live(c, c.clean, step.result, live)
                    for k in range(step.nreads):
                        read = lv.reads[step.first + k]
                        if read & READ_EARLY and c.base <= read & READ_RANGE < c.base + c.n:
                            put_in(row_of(c.clean, c, step.result - c.base), (read & READ_RANGE) - c.base)
            for k in range(step.nreads):
                put_in(live, lv.reads[step.first + k] & READ_RANGE)
        # All of these begin at once.
        for k in range(span.ndefs):
            put_in(live, lv.reads[span.defs + k])
        for k in range(span.ndefs):
            read = lv.reads[span.defs + k]
            if c.base <= read < c.base + c.n:
                mark_live(c, c.clean, read, live)
    # In both directions, and nobody with itself.
    for i in range(c.n):
        row = row_of(c.clean, c, i)
        take_from(row, i)
        for k in range(c.words):
            word = row[k]
            while word:
                t = 64 * k + bit_of(word)
                word &= word - 1
                put_in(row_of(c.clean, c, t), i)


# --- memory -----------------------------------------------------------------------------------------------------------

cdef inline void *part(char **at, size_t bytes) noexcept nogil:
    cdef void *here = at[0]
    at[0] += bytes + 15 & ~<size_t>15
    return here


cdef size_t lay_out(Colouring *c, char *block) noexcept nogil:
    # Everything is in one block. With NULL: how large it is.
    cdef char *at = block
    cdef size_t n = c.n + 1
    cdef size_t moves = c.lv.nmoves + 1
    cdef size_t set_bytes = (c.words + 1) * sizeof(uint64_t)
    c.clean = <uint64_t *>part(&at, n * c.words * sizeof(uint64_t))
    c.cost = <float *>part(&at, n * sizeof(float))
    c.row = <uint64_t *>part(&at, n * c.words * sizeof(uint64_t))
    c.active = <uint64_t *>part(&at, set_bytes)
    c.heavy = <uint64_t *>part(&at, set_bytes)
    c.edge = <uint64_t *>part(&at, set_bytes)
    c.related = <uint64_t *>part(&at, set_bytes)
    c.stirred = <uint64_t *>part(&at, set_bytes)
    c.coloured = <uint64_t *>part(&at, set_bytes)
    c.choosy = <uint64_t *>part(&at, set_bytes)
    c.degree = <uint32_t *>part(&at, n * sizeof(uint32_t))
    c.alias = <uint32_t *>part(&at, n * sizeof(uint32_t))
    c.stack = <uint32_t *>part(&at, n * sizeof(uint32_t))
    c.cost_of = <float *>part(&at, n * sizeof(float))
    c.wants = <float *>part(&at, 16 * n * sizeof(float))
    c.waiting = <uint32_t *>part(&at, n * sizeof(uint32_t))
    c.pull = <float *>part(&at, n * sizeof(float))
    c.first = <uint32_t *>part(&at, n * sizeof(uint32_t))
    c.last = <uint32_t *>part(&at, n * sizeof(uint32_t))
    c.following = <uint32_t *>part(&at, 2 * moves * sizeof(uint32_t))
    c.moves = <Move *>part(&at, moves * sizeof(Move))
    c.state = <uint8_t *>part(&at, moves)
    c.reg = <int8_t *>part(&at, n)
    c.order = <Ranked *>part(&at, n * sizeof(Ranked))
    c.heap = <Ranked *>part(&at, (2 * n + moves) * sizeof(Ranked))
    c.looked = <uint64_t *>part(&at, (moves + 63 >> 6) * sizeof(uint64_t))
    return at - block


# --- who is worth least -----------------------------------------------------------------------------------------------
# A heap of what each was worth at some time. While neighbours go away that grows, and it is enough to look again at
# what comes out of the heap; whoever is coalesced may be worth less, or heavy once more, and is put in again.

cdef inline float worth(const Colouring *c, uint32_t i) noexcept nogil:
    # What is lost by spilling it for what is gained.
    cdef float degree = <float>(c.degree[i] + 1)
    if c.metric == 0:
        return c.cost_of[i] / degree
    return c.cost_of[i] / (degree * degree) if c.metric == 1 else c.cost_of[i]


cdef inline bint is_less(const Ranked *one, const Ranked *two) noexcept nogil:
    return one.cost < two.cost or (one.cost == two.cost and one.rng < two.rng)


cdef void push_worth(Colouring *c, uint32_t i) noexcept nogil:
    cdef Ranked new
    cdef uint32_t at = c.nheap
    new.cost = worth(c, i)
    new.rng = i
    c.nheap += 1
    while at and is_less(&new, &c.heap[(at - 1) >> 1]):
        c.heap[at] = c.heap[(at - 1) >> 1]
        at = (at - 1) >> 1
    c.heap[at] = new


cdef void drop_least(Colouring *c) noexcept nogil:
    cdef Ranked last
    cdef uint32_t at = 0
    cdef uint32_t below = 1
    c.nheap -= 1
    last = c.heap[c.nheap]
    while below < c.nheap:
        if below + 1 < c.nheap and is_less(&c.heap[below + 1], &c.heap[below]):
            below += 1
        if not is_less(&c.heap[below], &last):
            break
        c.heap[at] = c.heap[below]
        at = below
        below = 2 * at + 1
    c.heap[at] = last


# --- where every attempt begins ---------------------------------------------------------------------------------------

cdef void take_moves(Colouring *c) noexcept nogil:
    # Those of this class that are possible at all.
    cdef const Move *m
    cdef uint32_t i, one, two
    c.nmoves = 0
    for i in range(c.lv.nmoves):
        m = &c.lv.moves[i]
        if not c.base <= m.one < c.base + c.n or not c.base <= m.two < c.base + c.n:
            continue
        one = m.one - c.base
        two = m.two - c.base
        if in_set(row_of(c.clean, c, one), two):
            continue
        c.moves[c.nmoves].one = one
        c.moves[c.nmoves].two = two
        c.moves[c.nmoves].weight = m.weight
        c.moves[c.nmoves].saves = m.saves
        c.nmoves += 1


cdef inline void set_degree(Colouring *c, uint32_t i, uint32_t degree) noexcept nogil:
    c.degree[i] = degree
    if degree >= c.k:
        put_in(c.heavy, i)
    else:
        take_from(c.heavy, i)
    if degree == c.k:
        put_in(c.edge, i)
    else:
        take_from(c.edge, i)


cdef void begin(Colouring *c) noexcept nogil:
    cdef const uint64_t *row
    cdef uint32_t i, k, degree
    cdef size_t set_bytes = (c.words + 1) * sizeof(uint64_t)
    memcpy(c.row, c.clean, <size_t>c.n * c.words * sizeof(uint64_t))
    memcpy(c.wants, c.lv.wants + 16 * c.base, 16 * c.n * sizeof(float))
    memcpy(c.cost_of, c.cost, c.n * sizeof(float))
    memset(c.active, 0, set_bytes)
    memset(c.heavy, 0, set_bytes)
    memset(c.edge, 0, set_bytes)
    memset(c.related, 0, set_bytes)
    memset(c.coloured, 0, set_bytes)
    memset(c.choosy, 0, set_bytes)
    c.nstack = 0
    c.nheap = 0
    for i in range(c.n):
        put_in(c.active, i)
        c.alias[i] = i
        c.reg[i] = NO_REG
        c.first[i] = NO_END
        c.waiting[i] = 0
        c.pull[i] = 0
        row = row_of(c.row, c, i)
        degree = 0
        for k in range(c.words):
            degree += bits_in(row[k])
        set_degree(c, i, degree)
        push_worth(c, i)
        for k in range(16):
            if c.wants[16 * i + k] > 0:
                put_in(c.choosy, i)
    memcpy(c.stirred, c.active, set_bytes)
    for i in range(c.nmoves):
        c.state[i] = MOVE_WAITS
        chain(c, c.moves[i].one, 2 * i)
        chain(c, c.moves[i].two, 2 * i + 1)
        c.waiting[c.moves[i].one] += 1
        c.waiting[c.moves[i].two] += 1
        c.pull[c.moves[i].one] += c.moves[i].weight
        c.pull[c.moves[i].two] += c.moves[i].weight
        put_in(c.related, c.moves[i].one)
        put_in(c.related, c.moves[i].two)


# --- taking away ------------------------------------------------------------------------------------------------------

cdef void stir(Colouring *c, uint32_t i) noexcept nogil:
    # It is not heavy any more: moves of it and of its neighbours may be possible now.
    cdef const uint64_t *row = row_of(c.row, c, i)
    cdef uint32_t k
    for k in range(c.words):
        c.stirred[k] |= row[k] & c.active[k]
    put_in(c.stirred, i)


cdef inline void lose_neighbour(Colouring *c, uint32_t i) noexcept nogil:
    cdef uint32_t degree = c.degree[i] - 1
    set_degree(c, i, degree)
    if degree == c.k - 1:
        stir(c, i)


cdef void take_away(Colouring *c, uint32_t i) noexcept nogil:
    # Onto the stack.
    cdef const uint64_t *row = row_of(c.row, c, i)
    cdef uint64_t word
    cdef uint32_t k
    c.stack[c.nstack] = i
    c.nstack += 1
    take_from(c.active, i)
    take_from(c.heavy, i)
    take_from(c.edge, i)
    take_from(c.related, i)
    for k in range(c.words):
        word = row[k] & c.active[k]
        while word:
            lose_neighbour(c, 64 * k + bit_of(word))
            word &= word - 1


cdef inline void drop_end(Colouring *c, uint32_t i, float weight) noexcept nogil:
    c.waiting[i] -= 1
    c.pull[i] -= weight
    if c.waiting[i] == 0:
        take_from(c.related, i)


cdef void drop_move(Colouring *c, uint32_t move) noexcept nogil:
    c.state[move] = MOVE_DONE
    drop_end(c, find(c, c.moves[move].one), c.moves[move].weight)
    drop_end(c, find(c, c.moves[move].two), c.moves[move].weight)


cdef void freeze(Colouring *c, uint32_t i) noexcept nogil:
    cdef uint32_t entry = c.first[i]
    while entry != NO_END:
        if c.state[entry >> 1] == MOVE_WAITS:
            drop_move(c, entry >> 1)
        entry = c.following[entry]


# --- coalescing -------------------------------------------------------------------------------------------------------

cdef bint is_safe(const Colouring *c, uint32_t one, uint32_t two) noexcept nogil:
    # Briggs: together they have less than k heavy neighbours (one with k neighbours, both of them, has k - 1 then).
    # George: every heavy neighbour of one is the other's already. Either way no colour is lost.
    cdef const uint64_t *a = row_of(c.row, c, one)
    cdef const uint64_t *b = row_of(c.row, c, two)
    cdef uint32_t heavy = 0
    cdef uint64_t of_a = 0
    cdef uint64_t of_b = 0
    cdef uint64_t x, y
    cdef uint32_t k
    for k in range(c.words):
        x = a[k] & c.heavy[k]
        y = b[k] & c.heavy[k]
        heavy += bits_in((x | y) & ~(x & y & c.edge[k]))
        of_a |= x & ~y
        of_b |= y & ~x
    return heavy < c.k or of_a == 0 or of_b == 0


cdef void coalesce(Colouring *c, uint32_t one, uint32_t two) noexcept nogil:
    # `two` becomes `one`.
    cdef uint64_t *a = row_of(c.row, c, one)
    cdef uint64_t *b = row_of(c.row, c, two)
    cdef uint64_t word
    cdef uint64_t *row
    cdef uint32_t k, t
    cdef uint32_t degree = 0
    c.alias[two] = one
    take_from(c.active, two)
    take_from(c.heavy, two)
    take_from(c.edge, two)
    take_from(c.related, two)
    for k in range(c.words):
        # Those on the stack are told too: they are coloured later.
        word = b[k]
        while word:
            t = 64 * k + bit_of(word)
            word &= word - 1
            row = row_of(c.row, c, t)
            take_from(row, two)
            if in_set(row, one):
                if in_set(c.active, t):
                    # Two of its neighbours are one now.
                    put_in(c.stirred, t)
                    lose_neighbour(c, t)
            else:
                put_in(row, one)
        a[k] |= b[k]
        degree += bits_in(a[k] & c.active[k])
    set_degree(c, one, degree)
    c.cost_of[one] += c.cost_of[two]
    for k in range(16):
        c.wants[16 * one + k] += c.wants[16 * two + k]
    if in_set(c.choosy, two):
        put_in(c.choosy, one)
    c.waiting[one] += c.waiting[two]
    c.pull[one] += c.pull[two]
    if c.waiting[one]:
        put_in(c.related, one)
    if c.first[two] != NO_END:
        if c.first[one] == NO_END:
            c.first[one] = c.first[two]
        else:
            c.following[c.last[one]] = c.first[two]
        c.last[one] = c.last[two]
    put_in(c.stirred, one)


cdef bint find_looked(Colouring *c) noexcept nogil:
    # The moves of all that has changed since they were looked at. False: there are none.
    cdef uint64_t word
    cdef uint32_t k, entry
    cdef bint found = False
    memset(c.looked, 0, (c.nmoves + 63 >> 6) * sizeof(uint64_t))
    for k in range(c.words):
        word = c.stirred[k] & c.related[k]
        c.stirred[k] = 0
        while word:
            entry = c.first[64 * k + bit_of(word)]
            word &= word - 1
            while entry != NO_END:
                if c.state[entry >> 1] == MOVE_WAITS:
                    put_in(c.looked, entry >> 1)
                    found = True
                entry = c.following[entry]
    return found


cdef bint coalesce_some(Colouring *c) noexcept nogil:
    # The heaviest first. What changes meanwhile is for the next time.
    cdef uint64_t word
    cdef uint32_t i, k, one, two
    cdef bint any_one = False
    if not find_looked(c):
        return False
    for k in range(c.nmoves + 63 >> 6):
        word = c.looked[k]
        while word:
            i = 64 * k + bit_of(word)
            word &= word - 1
            one = find(c, c.moves[i].one)
            two = find(c, c.moves[i].two)
            if one == two or in_set(row_of(c.row, c, one), two):
                drop_move(c, i)
                any_one = True
                if one == two:
                    c.cost_of[one] -= c.moves[i].saves
                    push_worth(c, one)
            elif is_safe(c, one, two):
                drop_move(c, i)
                coalesce(c, one, two)
                c.cost_of[one] -= c.moves[i].saves
                push_worth(c, one)
                any_one = True
    return any_one


# --- the stack --------------------------------------------------------------------------------------------------------

cdef bint simplify(Colouring *c) noexcept nogil:
    # Everything with less than k neighbours and without a move.
    cdef uint64_t word
    cdef uint32_t k
    cdef bint any_one = False
    for k in range(c.words):
        while True:
            word = c.active[k] & ~c.heavy[k] & ~c.related[k]
            if word == 0:
                break
            take_away(c, 64 * k + bit_of(word))
            any_one = True
    return any_one


cdef bint freeze_one(Colouring *c) noexcept nogil:
    # The one whose moves weigh least loses them.
    cdef uint64_t word
    cdef uint32_t k, i
    cdef uint32_t best = NO_END
    for k in range(c.words):
        word = c.related[k] & ~c.heavy[k]
        while word:
            i = 64 * k + bit_of(word)
            word &= word - 1
            if best == NO_END or c.pull[i] < c.pull[best]:
                best = i
    if best == NO_END:
        return False
    freeze(c, best)
    return True


cdef bint give_up_one(Colouring *c) noexcept nogil:
    # The one that is worth least. It may find a colour nevertheless.
    cdef uint32_t i
    cdef float value
    while c.nheap:
        i = c.heap[0].rng
        value = worth(c, i)
        if not in_set(c.heavy, i):
            drop_least(c)
        elif value > c.heap[0].cost:
            # It has lost neighbours meanwhile.
            drop_least(c)
            push_worth(c, i)
        else:
            drop_least(c)
            freeze(c, i)
            take_away(c, i)
            return True
    return False


# --- all of it --------------------------------------------------------------------------------------------------------

cdef void attempt(Colouring *c) noexcept nogil:
    begin(c)
    while simplify(c) or coalesce_some(c) or freeze_one(c) or give_up_one(c):
        pass
    select_colours(c)
    improve(c)


cdef int colour_class(const Live *lv, const Graph *g, int8_t *regs, uint32_t base, uint32_t n,
                      uint32_t set_of) noexcept nogil:
    cdef Colouring c
    cdef void *block
    cdef uint64_t *live
    cdef float least = 0
    cdef uint32_t i
    if n == 0:
        return 0
    memset(&c, 0, sizeof(c))
    c.lv = lv
    c.base = base
    c.n = n
    c.words = n + 63 >> 6
    c.set_of = set_of
    c.k = bits_in(set_of)
    block = scratch_zeroed(lv.scratch, 1, lay_out(&c, NULL))
    live = <uint64_t *>scratch_zeroed(lv.scratch, lv.words + 1, sizeof(uint64_t))
    if block == NULL or live == NULL:
        scratch_give(lv.scratch, block)
        scratch_give(lv.scratch, live)
        return -1
    lay_out(&c, <char *>block)
    for i in range(n):
        c.cost[i] = spill_cost(lv, g, base + i)
    interfere(&c, live)
    take_moves(&c)
    for c.metric in range(NUM_METRICS):
        # Whoever is cheap and in many ways is best left out; what that means, no rule knows for every graph.
        attempt(&c)
        if c.metric == 0 or c.spilled < least:
            least = c.spilled
            for i in range(n):
                regs[base + i] = c.reg[i]
        if least == 0:
            break
    scratch_give(lv.scratch, block)
    scratch_give(lv.scratch, live)
    return 0


cdef int colour_ranges(const Live *lv, const Graph *g, int8_t *regs) noexcept nogil:
    if colour_class(lv, g, regs, 0, lv.nints, GPR_SET) < 0:
        return -1
    return colour_class(lv, g, regs, lv.first_fp, lv.nranges - lv.first_fp, XMM_SET)
