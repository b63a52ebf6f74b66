"""List scheduling, by the longest way to the end of the block.

The host looks ahead as well, but not without end: what the next turn of a loop waits for is better begun early. So, of
all that could be next, what has its operands and most to come behind it is; among equals the order stays.

A unit is a node that is emitted, with all that it covers then (select.pyx): selection comes first, and once more after
it. What happens in order:

- looks at pages, and other places where the region may be left, among themselves and beside stores;
- stores among themselves and beside loads, as nobody knows what they overlap with; loads among themselves;
- polls and whatever counts, and whatever else is neither pure nor one of these, beside everything.

Registers: there are never more values at a time than there were, of either kind. Where that leads nowhere the block
stays as it was. What is read by a snapshot lives as long.

Limits: blocks of loops; no arithmetic on floating point, whose chains of two-address instructions lose more by copies
than they gain (kernels by 2 to 3 percent); as many units and values as a Set has room for.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.ir cimport (
    NODE_COVERED, NODE_LATE, NODE_REMAT, OP_ARG, OP_DIV, OP_DIV32, OP_FADD, OP_HOST, OP_INT_F, OP_LOAD, OP_MUL, OP_MULH,
    OP_MULHSU, OP_REMU, OP_REMU32, OP_STORE, T_INT, T_NONE, burn, count_uses, is_pure, move_to_end, operand, snap_node,
    Graph, Node)
from vmcore._fast.jit.t2.live cimport bit_of, in_set
from vmcore._fast.jit.t2.outlive cimport find_outliving, words_of_nodes
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_take, scratch_zeroed
from vmcore._fast.jit.t2.select cimport late_source, select_nodes

cdef enum:
    MOST = 128                # units of a block, and values
    WORDS = 2
    WIDTH = 4                 # units that begin at a time
    KINDS = 3                 # of values: none, integers, floating point
    NEVER = 0x7FFFFFFF
    # How long a result takes.
    LATENCY_LOAD = 5
    LATENCY_HOST = 5
    LATENCY_MUL = 3
    LATENCY_DIV = 18

cdef struct Set:
    uint64_t words[WORDS]

cdef struct Unit:
    uint32_t node
    uint32_t value            # that it makes; MOST: none
    uint32_t latency
    uint32_t height           # the longest way from its beginning to the end of the block
    uint32_t ready            # when its operands are there
    Set after                 # units that come before it
    Set reads                 # values

cdef struct Value:
    uint32_t node
    uint32_t maker            # its unit; MOST: it is there when the block begins
    uint32_t kind             # 0: it needs no register
    uint32_t reads            # units that read it
    bint dies                 # once they are done

cdef struct Work:
    Graph *g
    uint32_t block
    uint64_t *outlive         # sets of nodes, `words` for each block
    uint32_t words
    uint32_t *value_of        # of each node: its number plus 1, in this block
    Value values[MOST]
    uint32_t nvalues
    Unit units[MOST]
    uint32_t nunits
    bint full                 # too much for one block, or arithmetic on floating point
    # Units so far, while they are collected.
    Set leaves
    Set loads
    Set stores
    Set fixed
    Set before
    # Along an order: units that are done, reads to come of each value, values alive of each kind.
    Set done
    uint32_t left[MOST]
    uint32_t alive[KINDS]
    uint32_t most[KINDS]      # of any place of the order that there was
    uint32_t order[MOST]


# --- sets -------------------------------------------------------------------------------------------------------------

cdef inline void put(Set *s, uint32_t i) noexcept nogil:
    s.words[i >> 6] |= <uint64_t>1 << (i & 63)


cdef inline void join(Set *s, const Set *more) noexcept nogil:
    cdef uint32_t i
    for i in range(WORDS):
        s.words[i] |= more.words[i]


cdef inline bint is_within(const Set *s, const Set *larger) noexcept nogil:
    cdef uint32_t i
    for i in range(WORDS):
        if s.words[i] & ~larger.words[i]:
            return False
    return True


cdef inline uint32_t following(const Set *s, uint32_t i) noexcept nogil:
    # The first member from i on; MOST: there is none.
    cdef uint64_t rest
    while i < MOST:
        rest = s.words[i >> 6] >> (i & 63)
        if rest:
            return i + bit_of(rest)
        i = (i | 63) + 1
    return MOST


# --- values -----------------------------------------------------------------------------------------------------------

cdef inline bint is_part(const Work *w, uint32_t node) noexcept nogil:
    # Of a unit of this block, whose node covers it. What an exit can work out by itself is a unit of its own.
    cdef const Node *n = &w.g.nodes[node]
    return n.flags & (NODE_COVERED | NODE_LATE) == NODE_COVERED and n.block == w.block


cdef uint32_t new_value(Work *w, uint32_t node, uint32_t maker) noexcept nogil:
    # MOST: there is no room, or it is none.
    cdef const Node *n = &w.g.nodes[node]
    cdef uint32_t i = w.nvalues
    cdef Value *v = &w.values[i]
    if n.type == T_NONE:
        return MOST
    if i == MOST:
        w.full = True
        return MOST
    memset(v, 0, sizeof(Value))
    v.node = node
    v.maker = maker
    if n.uses and not n.flags & (NODE_COVERED | NODE_REMAT):
        v.kind = 1 if n.type == T_INT else 2
    w.value_of[node] = i + 1
    w.nvalues += 1
    return i


cdef void read_value(Work *w, uint32_t unit, uint32_t node) noexcept nogil:
    cdef Unit *u = &w.units[unit]
    cdef uint32_t i = w.value_of[node]
    i = i - 1 if i else new_value(w, node, MOST)
    if i == MOST:
        return
    put(&u.reads, i)
    if w.values[i].maker != MOST:
        put(&u.after, w.values[i].maker)


cdef void use(Work *w, uint32_t unit, uint32_t node) noexcept nogil:
    # What is late is worked out from its source where it is used: both are read.
    cdef uint32_t source = late_source(w.g, node)
    read_value(w, unit, node)
    if source != node:
        read_value(w, unit, source)


# --- units ------------------------------------------------------------------------------------------------------------

cdef inline uint32_t latency_of_host(const Node *n) noexcept nogil:
    # What it remembers is there already, and taken to be right while that is looked at.
    return 1 if n.c else <uint32_t>LATENCY_HOST


cdef uint32_t latency_of(const Graph *g, uint32_t node) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t op = n.op
    if op == OP_LOAD:
        return LATENCY_LOAD + (latency_of_host(&g.nodes[n.a]) if g.nodes[n.a].flags & NODE_COVERED else 0)
    if op == OP_HOST:
        return latency_of_host(n)
    if op == OP_MUL or OP_MULH <= op <= OP_MULHSU:
        return LATENCY_MUL
    if OP_DIV <= op <= OP_REMU or OP_DIV32 <= op <= OP_REMU32:
        return LATENCY_DIV
    return 0 if n.flags & NODE_COVERED or op == OP_ARG else 1


cdef void come_after(Work *w, Unit *u, uint32_t node) noexcept nogil:
    # What happens before it, of what does not depend on it.
    cdef uint32_t op = w.g.nodes[node].op
    cdef uint32_t number = <uint32_t>(u - w.units)
    join(&u.after, &w.fixed)
    if is_pure(op) or op == OP_ARG:
        return
    if OP_FADD <= op <= OP_INT_F:
        w.full = True
    elif op == OP_LOAD:
        join(&u.after, &w.stores)
        join(&u.after, &w.loads)
        put(&w.loads, number)
    elif op == OP_STORE:
        join(&u.after, &w.stores)
        join(&u.after, &w.loads)
        join(&u.after, &w.leaves)
        put(&w.stores, number)
    elif op == OP_HOST:
        join(&u.after, &w.stores)
        join(&u.after, &w.leaves)
        put(&w.leaves, number)
    else:
        join(&u.after, &w.before)
        put(&w.fixed, number)


cdef void collect(Work *w, uint32_t unit, uint32_t node) noexcept nogil:
    # The node, and what it covers.
    cdef Graph *g = w.g
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t i, read
    come_after(w, &w.units[unit], node)
    for i in range(g.snaps[n.snap].nregs if n.snap else 0):
        use(w, unit, snap_node(g, &g.snaps[n.snap], i))
    for i in range(3):
        read = operand(n, i)
        if read and is_part(w, read):
            collect(w, unit, read)
        elif read:
            use(w, unit, read)


cdef void make_units(Work *w) noexcept nogil:
    cdef Graph *g = w.g
    cdef uint32_t node = g.blocks[w.block].first
    cdef uint32_t i
    cdef Unit *u
    w.nunits = w.nvalues = 0
    w.full = False
    memset(&w.leaves, 0, sizeof(Set))
    memset(&w.loads, 0, sizeof(Set))
    memset(&w.stores, 0, sizeof(Set))
    memset(&w.fixed, 0, sizeof(Set))
    memset(&w.before, 0, sizeof(Set))
    while node and not w.full:
        if g.nodes[node].op == OP_ARG:
            new_value(w, node, MOST)
        elif not is_part(w, node):
            i = w.nunits
            if i == MOST:
                w.full = True
                return
            u = &w.units[i]
            memset(u, 0, sizeof(Unit))
            u.node = node
            u.latency = latency_of(g, node)
            collect(w, i, node)
            u.value = new_value(w, node, i)
            put(&w.before, i)
            w.nunits += 1
        node = g.nodes[node].next


cdef void find_deaths(Work *w) noexcept nogil:
    cdef const uint64_t *outlive = w.outlive + <size_t>w.block * w.words
    cdef uint32_t i, k
    for i in range(w.nvalues):
        w.values[i].dies = not in_set(outlive, w.values[i].node)
    for i in range(w.nunits):
        k = following(&w.units[i].reads, 0)
        while k < MOST:
            w.values[k].reads += 1
            k = following(&w.units[i].reads, k + 1)


cdef void find_heights(Work *w) noexcept nogil:
    cdef uint32_t i, k, height
    cdef Unit *u
    for i in range(w.nunits):
        w.units[i].height = w.units[i].latency
    for i in range(w.nunits, 0, -1):
        u = &w.units[i - 1]
        k = following(&u.reads, 0)
        while k < MOST:
            if w.values[k].maker != MOST:
                height = u.height + w.units[w.values[k].maker].latency
                if height > w.units[w.values[k].maker].height:
                    w.units[w.values[k].maker].height = height
            k = following(&u.reads, k + 1)
        k = following(&u.after, 0)
        while k < MOST:
            if u.height > w.units[k].height:
                w.units[k].height = u.height
            k = following(&u.after, k + 1)


# --- an order ---------------------------------------------------------------------------------------------------------

cdef void begin(Work *w) noexcept nogil:
    cdef uint32_t i
    memset(&w.done, 0, sizeof(Set))
    memset(w.alive, 0, sizeof(w.alive))
    for i in range(w.nvalues):
        w.left[i] = w.values[i].reads
        if w.values[i].maker == MOST:
            w.alive[w.values[i].kind] += 1


cdef uint32_t alive_after(const Work *w, const Unit *u, uint32_t kind) noexcept nogil:
    cdef uint32_t alive = w.alive[kind]
    cdef uint32_t i = following(&u.reads, 0)
    while i < MOST:
        alive -= w.values[i].kind == kind and w.values[i].dies and w.left[i] == 1
        i = following(&u.reads, i + 1)
    return alive + (u.value != MOST and w.values[u.value].kind == kind)


cdef void go_on(Work *w, uint32_t unit) noexcept nogil:
    cdef const Unit *u = &w.units[unit]
    cdef uint32_t i
    for i in range(1, KINDS):
        w.alive[i] = alive_after(w, u, i)
    i = following(&u.reads, 0)
    while i < MOST:
        w.left[i] -= 1
        i = following(&u.reads, i + 1)
    put(&w.done, unit)


cdef void find_most(Work *w) noexcept nogil:
    # In the order that there is.
    cdef uint32_t i, k
    memset(w.most, 0, sizeof(w.most))
    begin(w)
    for i in range(w.nunits):
        go_on(w, i)
        for k in range(1, KINDS):
            if w.alive[k] > w.most[k]:
                w.most[k] = w.alive[k]


cdef inline bint fits(const Work *w, const Unit *u) noexcept nogil:
    cdef uint32_t i
    for i in range(1, KINDS):
        if alive_after(w, u, i) > w.most[i]:
            return False
    return True


cdef uint32_t best_at(const Work *w, uint32_t now, uint32_t *soonest) noexcept nogil:
    # The unit to begin; MOST: none is ready, the next one is at `soonest`.
    cdef uint32_t best = MOST
    cdef uint32_t i
    cdef const Unit *u
    soonest[0] = NEVER
    for i in range(w.nunits):
        u = &w.units[i]
        if w.done.words[i >> 6] >> (i & 63) & 1 or not is_within(&u.after, &w.done):
            continue
        if best != MOST and u.height <= w.units[best].height or not fits(w, u):
            continue
        if u.ready <= now:
            best = i
        elif u.ready < soonest[0]:
            soonest[0] = u.ready
    return best


cdef void tell_readers(Work *w, uint32_t unit, uint32_t when) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t value = w.units[unit].value
    for i in range(unit + 1, w.nunits if value != MOST else 0):
        if w.units[i].reads.words[value >> 6] >> (value & 63) & 1 and w.units[i].ready < when:
            w.units[i].ready = when


cdef bint find_order(Work *w) noexcept nogil:
    # False: there is none, or none that is another one.
    cdef uint32_t now = 0
    cdef uint32_t begun = 0
    cdef uint32_t soonest = 0
    cdef uint32_t i, best
    cdef bint differs = False
    begin(w)
    for i in range(w.nunits):
        best = best_at(w, now, &soonest)
        if best == MOST and soonest != NEVER:
            now = soonest
            begun = 0
            best = best_at(w, now, &soonest)
        if best == MOST:
            return False
        go_on(w, best)
        tell_readers(w, best, now + w.units[best].latency)
        w.order[i] = best
        differs = differs or best != i
        begun += 1
        if begun == WIDTH:
            now += 1
            begun = 0
    return differs


# --- all of it --------------------------------------------------------------------------------------------------------

cdef void put_last(Work *w, uint32_t node) noexcept nogil:
    # Behind what it covers.
    cdef uint32_t i, read
    for i in range(3):
        read = operand(&w.g.nodes[node], i)
        if read and is_part(w, read):
            put_last(w, read)
    move_to_end(w.g, node, w.block)


cdef void arrange(Work *w) noexcept nogil:
    cdef uint32_t cond = w.g.blocks[w.block].cond
    cdef uint32_t i
    for i in range(w.nunits):
        put_last(w, w.units[w.order[i]].node)
    if cond and is_part(w, cond):
        put_last(w, cond)


cdef void look_at(Work *w) noexcept nogil:
    cdef uint32_t i
    make_units(w)
    if not w.full and w.nunits > 2:
        find_deaths(w)
        find_heights(w)
        find_most(w)
        if find_order(w) and burn(w.g):
            arrange(w)
    for i in range(w.nvalues):
        w.value_of[w.values[i].node] = 0


cdef void pass_schedule(Graph *g) noexcept nogil:
    cdef Work *w = <Work *>scratch_take(&g.scratch, 1, sizeof(Work))
    cdef uint32_t i
    analyse(g)
    if w != NULL:
        w.value_of = <uint32_t *>scratch_zeroed(&g.scratch, g.nnodes, sizeof(uint32_t))
    if w == NULL or w.value_of == NULL:
        g.failed = True
    if not g.failed:
        count_uses(g)
        select_nodes(g)
        w.g = g
        w.words = words_of_nodes(g)
        w.outlive = find_outliving(g, w.words)
        g.failed = w.outlive == NULL
        for i in range(0 if g.failed else g.norder):
            w.block = g.order[i]
            if g.blocks[w.block].depth:
                look_at(w)
        for i in range(1, g.nnodes):
            g.nodes[i].flags &= ~<uint32_t>(NODE_COVERED | NODE_REMAT | NODE_LATE)
        scratch_give(&g.scratch, w.outlive)
    if w != NULL:
        scratch_give(&g.scratch, w.value_of)
    scratch_give(&g.scratch, w)
