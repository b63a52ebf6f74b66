"""Splitting: which values, around which loops. Then all is coloured again, and what did not help is undone.

A register in a loop costs what it costs those who have it there. Whoever is read in another loop for the most part
costs little: it is split around that one, and is in a slot where the register is wanted. Whether all of it was worth
it is seen when it is coloured: with the same costs, and those of copies, the old colours or the new ones are taken.

Limit: one attempt, and each value is split around one set of loops that lie side by side.
"""

from libc.stdint cimport int8_t, uint32_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from vmcore._fast.jit.t2.colour cimport colour_ranges
from vmcore._fast.jit.t2.ir cimport (
    NODE_REMAT, OP_ADDEND, OP_ARG, OP_CONST, OP_TAG, BlockOf, Edge, Graph, Node, append_arg, remove_node, replace_all)
from vmcore._fast.jit.t2.live cimport (
    GPR_SET, NO_RANGE, NO_REG, XMM_SET, Live, bits_in, in_set, live_make, spill_cost)
from vmcore._fast.jit.t2.loops cimport add_edge_arg
from vmcore._fast.jit.t2.nest cimport NO_LOOP, Nest, are_apart, is_around, lives_in, nest_free, nest_make, read_in
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed
from vmcore._fast.memory.alloc cimport vm_free, vm_grow

cdef enum:
    NUM_REGS = 32             # of both classes
    FIRST_XMM = 16
    FIRST_SPLITS = 32
    # One of so many parts of what spills cost, below which a gain is not worth colouring once more.
    LEAST_GAIN = 16

cdef extern from *:
    """
    /* A copy between registers, beside a read or a write of memory. */
    #define VMCORE_COPY_COST 0.25f
    """
    float COPY_COST "VMCORE_COPY_COST"

cdef struct Split:
    uint32_t node
    uint32_t arg              # of the loop's header
    uint32_t header

cdef struct Spilled:
    float cost
    uint32_t rng

cdef struct Splits:
    Graph *g
    const Live *lv
    const int8_t *regs
    Nest nest
    Spilled *spilled          # the dearest first
    uint32_t nspilled
    uint32_t *apart           # of each range with a register: the loop that it would do to have one in, or NO_LOOP
    float *owned              # of each loop and register: what it costs to take it from those who have it there
    float *best               # of each loop: what is gained most by splitting around it, or around one inside of it
    Split *made
    uint32_t nmade
    uint32_t made_room
    float gain                # reads of slots that are saved, if it colours as well as is hoped


cdef inline bint is_remembered(const Graph *g, uint32_t node) noexcept nogil:
    return g.nodes[node].op == OP_TAG or g.nodes[node].op == OP_ADDEND


# --- one split --------------------------------------------------------------------------------------------------------

cdef void see_arg(Graph *g, uint32_t block, uint32_t node, uint32_t arg) noexcept nogil:
    # All that reads it there, but snapshots, and what is computed anew at each use.
    cdef BlockOf *b = &g.blocks[block]
    cdef Node *n
    cdef uint32_t e, i
    cdef uint32_t at = b.first
    while at:
        n = &g.nodes[at]
        if n.flags & NODE_REMAT == 0:
            if n.a == node:
                n.a = arg
            if n.b == node:
                n.b = arg
            if n.c == node:
                n.c = arg
        at = n.next
    if b.cond == node:
        b.cond = arg
    for e in range(b.nedges):
        for i in range(b.edges[e].nargs):
            if g.pool[b.edges[e].args + i] == node:
                g.pool[b.edges[e].args + i] = arg


cdef bint split(Splits *s, uint32_t loop, uint32_t node) noexcept nogil:
    cdef Graph *g = s.g
    cdef uint32_t header = s.nest.header[loop]
    cdef uint32_t arg = append_arg(g, header, g.nodes[node].type)
    cdef uint32_t i, e, block
    cdef bint within
    if arg == 0 or not vm_grow(<void **>&s.made, &s.made_room, s.nmade + 1, FIRST_SPLITS, sizeof(Split)):
        return False
    for i in range(g.norder):
        block = g.order[i]
        within = is_around(&s.nest, loop, s.nest.innermost[block])
        if within:
            see_arg(g, block, node, arg)
        for e in range(g.blocks[block].nedges):
            if g.blocks[block].edges[e].to == header:
                add_edge_arg(g, block, e, arg if within else node)
    s.made[s.nmade].node = node
    s.made[s.nmade].arg = arg
    s.made[s.nmade].header = header
    s.nmade += 1
    return not g.failed


cdef void drop_arg(Graph *g, const Split *one) noexcept nogil:
    cdef uint32_t number = <uint32_t>g.nodes[one.arg].imm
    cdef uint32_t node = g.nodes[one.arg].next
    cdef uint32_t i, e, k
    cdef Edge *edge
    for i in range(g.norder):
        for e in range(g.blocks[g.order[i]].nedges):
            edge = &g.blocks[g.order[i]].edges[e]
            if edge.to == one.header:
                for k in range(number + 1, edge.nargs):
                    g.pool[edge.args + k - 1] = g.pool[edge.args + k]
                edge.nargs -= 1
    while node and g.nodes[node].op == OP_ARG:
        g.nodes[node].imm -= 1
        node = g.nodes[node].next
    remove_node(g, one.arg)
    g.blocks[one.header].nargs -= 1


# --- what registers cost ----------------------------------------------------------------------------------------------

cdef inline bint is_made_in(const Splits *s, uint32_t rng, uint32_t loop) noexcept nogil:
    return is_around(&s.nest, loop, s.nest.innermost[s.g.nodes[s.lv.node_of[rng]].block])


cdef inline float saved(const Splits *s, uint32_t rng, uint32_t loop) noexcept nogil:
    # Reads of a slot, if it has a register in the loop.
    return read_in(&s.nest, loop, rng) - s.nest.entered[loop]


cdef inline uint32_t reg_of(const Splits *s, uint32_t rng) noexcept nogil:
    return s.regs[rng] + (FIRST_XMM if rng >= s.lv.first_fp else 0)


cdef float price_of_owner(const Splits *s, uint32_t rng, uint32_t loop) noexcept nogil:
    # A slot for all of its life, or for all but the loop that reads it.
    cdef float cost = spill_cost(s.lv, s.g, rng)
    if s.apart[rng] != NO_LOOP and are_apart(&s.nest, s.apart[rng], loop):
        cost -= saved(s, rng, s.apart[rng])
    return cost


cdef void see_owners(Splits *s) noexcept nogil:
    cdef Nest *n = &s.nest
    cdef uint32_t i, rng
    for rng in range(s.lv.nranges):
        s.apart[rng] = NO_LOOP
        if s.lv.node_of[rng] == 0 or s.regs[rng] == NO_REG:
            continue
        for i in range(n.n):
            # The smallest one that has most of what reads it.
            if 2 * saved(s, rng, i) > spill_cost(s.lv, s.g, rng) and not is_made_in(s, rng, i):
                s.apart[rng] = i
        for i in range(n.n):
            if lives_in(n, i, rng):
                s.owned[NUM_REGS * i + reg_of(s, rng)] += price_of_owner(s, rng, i)


cdef bint split_owner(Splits *s, uint32_t rng) noexcept nogil:
    # Its register is free wherever its own loop is not.
    cdef Nest *n = &s.nest
    cdef uint32_t loop = s.apart[rng]
    cdef uint32_t i
    for i in range(n.n):
        if lives_in(n, i, rng) and are_apart(n, i, loop):
            # (They need not all have been there at once.)
            if n.busy[2 * i + (rng >= s.lv.first_fp)]:
                n.busy[2 * i + (rng >= s.lv.first_fp)] -= 1
            s.owned[NUM_REGS * i + reg_of(s, rng)] -= price_of_owner(s, rng, i)
    s.apart[rng] = NO_LOOP
    return split(s, loop, s.lv.node_of[rng])


cdef float price(const Splits *s, uint32_t loop, bint fp, uint32_t *reg) noexcept nogil:
    # Of a register all through a loop, and which one. Where one is free at each place, whoever is in the way may find
    # another one.
    cdef const float *owned = s.owned + NUM_REGS * loop
    cdef uint32_t set_of = XMM_SET if fp else GPR_SET
    cdef uint32_t base = FIRST_XMM if fp else 0
    cdef uint32_t r
    reg[0] = NUM_REGS
    for r in range(16):
        if set_of >> r & 1 and (reg[0] == NUM_REGS or owned[base + r] < owned[reg[0]]):
            reg[0] = base + r
    return owned[reg[0]] if s.nest.busy[2 * loop + fp] >= bits_in(set_of) else 0


cdef bint pay(Splits *s, uint32_t loop, bint fp, uint32_t reg, float worth) noexcept nogil:
    # The register is somebody else's all through the loop, so those around have it taken as well.
    cdef Nest *n = &s.nest
    cdef uint32_t i
    if n.busy[2 * loop + fp] >= bits_in(XMM_SET if fp else GPR_SET):
        for i in range(s.lv.nranges):
            if s.apart[i] != NO_LOOP and reg_of(s, i) == reg and lives_in(n, loop, i) and \
                    are_apart(n, s.apart[i], loop) and not split_owner(s, i):
                return False
    for i in range(n.n):
        if not are_apart(n, i, loop):
            n.busy[2 * i + fp] += 1
            s.owned[NUM_REGS * i + reg] += worth
    return True


# --- the choice -------------------------------------------------------------------------------------------------------

cdef void find_best(Splits *s, uint32_t rng) noexcept nogil:
    cdef Nest *n = &s.nest
    cdef uint32_t i, up, reg
    cdef float gain
    memset(s.best, 0, n.n * sizeof(float))
    for i in range(n.n, 0, -1):
        gain = saved(s, rng, i - 1)
        if gain > 0 and not is_made_in(s, rng, i - 1):
            gain -= price(s, i - 1, rng >= s.lv.first_fp, &reg)
            if gain > s.best[i - 1]:
                s.best[i - 1] = gain
        up = n.around[i - 1]
        if up != NO_LOOP and s.best[up] < s.best[i - 1]:
            s.best[up] = s.best[i - 1]


cdef bint split_spilled(Splits *s, uint32_t rng) noexcept nogil:
    # Around the largest loops that no loop inside is better than. -1 among the best: it was split around a larger one.
    cdef Nest *n = &s.nest
    cdef bint fp = rng >= s.lv.first_fp
    cdef uint32_t i, up, reg
    cdef float gain
    find_best(s, rng)
    for i in range(n.n):
        up = n.around[i]
        if up != NO_LOOP and s.best[up] < 0:
            s.best[i] = -1
        gain = saved(s, rng, i)
        if s.best[i] <= 0 or gain <= 0 or is_made_in(s, rng, i) or gain - price(s, i, fp, &reg) < s.best[i]:
            continue
        s.gain += gain - price(s, i, fp, &reg)
        if not pay(s, i, fp, reg, gain) or not split(s, i, s.lv.node_of[rng]):
            return False
        s.best[i] = -1
    return True


cdef float spilled_around(const Splits *s, uint32_t rng) noexcept nogil:
    # What its register could do where its own loop is not.
    cdef const Nest *n = &s.nest
    cdef uint32_t outer = s.apart[rng]
    cdef uint32_t i, other
    cdef float cost = 0
    while n.around[outer] != NO_LOOP and not is_made_in(s, rng, n.around[outer]):
        outer = n.around[outer]
    for i in range(s.nspilled):
        other = s.spilled[i].rng
        if (other < s.lv.first_fp) == (rng < s.lv.first_fp) and lives_in(n, outer, other) and \
                not lives_in(n, s.apart[rng], other):
            cost += s.spilled[i].cost
    return cost


cdef int by_cost(const void *one, const void *two) noexcept nogil:
    cdef float a = (<const Spilled *>one).cost
    cdef float b = (<const Spilled *>two).cost
    if a != b:
        return 1 if a < b else -1
    return 1 if (<const Spilled *>one).rng > (<const Spilled *>two).rng else -1


cdef void see_spilled(Splits *s) noexcept nogil:
    # A constant is made anew wherever it is read.
    cdef uint32_t i, node
    for i in range(s.lv.nranges):
        node = s.lv.node_of[i]
        if node and s.regs[i] == NO_REG and s.g.nodes[node].op != OP_CONST:
            s.spilled[s.nspilled].rng = i
            s.spilled[s.nspilled].cost = spill_cost(s.lv, s.g, i)
            s.nspilled += 1
    qsort(s.spilled, s.nspilled, sizeof(Spilled), by_cost)


cdef bint split_some(Splits *s) noexcept nogil:
    # What is remembered lives from before the largest loop it has room in to its own: it is worth moving aside for all
    # that could live between the two. For whoever else is in the way, pay() does that where it is.
    cdef uint32_t i, node
    for i in range(s.lv.nranges):
        node = s.lv.node_of[i]
        if node and is_remembered(s.g, node) and s.apart[i] != NO_LOOP and \
                spilled_around(s, i) > s.nest.entered[s.apart[i]] and not split_owner(s, i):
            return False
    for i in range(s.nspilled):
        if not split_spilled(s, s.spilled[i].rng):
            return False
    return True


# --- back again -------------------------------------------------------------------------------------------------------

cdef bint take_back(Splits *s, const Live *lv, const int8_t *regs) noexcept nogil:
    # With `regs`: those whose argument has no register.
    cdef Graph *g = s.g
    cdef uint32_t *new_of = <uint32_t *>scratch_zeroed(&g.scratch, g.nnodes, sizeof(uint32_t))
    cdef uint32_t kept = 0
    cdef uint32_t i, rng
    if new_of == NULL:
        return False
    for i in range(s.nmade):
        rng = NO_RANGE if regs == NULL else lv.range_of[s.made[i].arg]
        if rng == NO_RANGE or regs[rng] == NO_REG:
            new_of[s.made[i].arg] = s.made[i].node
    replace_all(g, new_of)
    for i in range(s.nmade):
        if new_of[s.made[i].arg]:
            drop_arg(g, &s.made[i])
        else:
            s.made[kept] = s.made[i]
            kept += 1
    s.nmade = kept
    scratch_give(&g.scratch, new_of)
    return True


cdef bint make_regs(Colours *c) noexcept nogil:
    c.regs = <int8_t *>scratch_zeroed(c.lv.scratch, c.lv.nranges + 1, 1)
    return c.regs != NULL


cdef bint all_held(const Splits *s, const Colours *c) noexcept nogil:
    cdef uint32_t i, rng
    for i in range(s.nmade):
        rng = c.lv.range_of[s.made[i].arg]
        if rng == NO_RANGE or c.regs[rng] == NO_REG:
            return False
    return True


cdef bint settle(Splits *s, const Colours *was, Colours *now) noexcept nogil:
    # What has no register in a loop is read from its slot there, as it was. It lives there for longer than it was
    # coloured for, so it gets none elsewhere; nobody else's place changes.
    cdef uint32_t i, rng
    for i in range(s.nmade):
        rng = was.lv.range_of[s.made[i].arg]
        if rng == NO_RANGE or was.regs[rng] == NO_REG:
            was.regs[was.lv.range_of[s.made[i].node]] = NO_REG
    if not take_back(s, &was.lv, was.regs) or live_make(&now.lv, s.g) < 0 or not make_regs(now):
        return False
    for i in range(now.lv.nranges):
        if now.lv.node_of[i]:
            now.regs[i] = was.regs[was.lv.range_of[now.lv.node_of[i]]]
    return True


# --- once more --------------------------------------------------------------------------------------------------------

cdef float cost_of(const Live *lv, const Graph *g, const int8_t *regs) noexcept nogil:
    cdef float cost = 0
    cdef uint32_t i, one, two
    for i in range(lv.nranges):
        if lv.node_of[i] and regs[i] == NO_REG:
            cost += spill_cost(lv, g, i)
    for i in range(lv.nmoves):
        one = lv.moves[i].one
        two = lv.moves[i].two
        if regs[one] == NO_REG and regs[two] == NO_REG:
            cost -= lv.moves[i].saves
        elif regs[one] != NO_REG and regs[two] != NO_REG and regs[one] != regs[two]:
            cost += COPY_COST * lv.moves[i].weight
    return cost


cdef bint choose(Splits *s) noexcept nogil:
    cdef bint done
    s.spilled = <Spilled *>scratch_zeroed(s.lv.scratch, s.lv.nranges + 1, sizeof(Spilled))
    if s.spilled == NULL:
        return False
    see_spilled(s)
    if s.nspilled == 0:
        scratch_give(s.lv.scratch, s.spilled)
        return True
    done = nest_make(&s.nest, s.g, s.lv, s.regs)
    s.apart = <uint32_t *>scratch_zeroed(s.lv.scratch, s.lv.nranges, sizeof(uint32_t))
    s.owned = <float *>scratch_zeroed(s.lv.scratch, NUM_REGS * s.nest.n + 1, sizeof(float))
    s.best = <float *>scratch_zeroed(s.lv.scratch, s.nest.n + 1, sizeof(float))
    if s.apart == NULL or s.owned == NULL or s.best == NULL:
        done = False
    if done:
        see_owners(s)
        done = split_some(s)
    scratch_give(s.lv.scratch, s.best)
    scratch_give(s.lv.scratch, s.owned)
    scratch_give(s.lv.scratch, s.apart)
    nest_free(&s.nest)
    scratch_give(s.lv.scratch, s.spilled)
    return done


cdef Colours *colour_again(Splits *s, Colours *tries) noexcept nogil:
    # All of it is undone unless it is better.
    cdef Colours *now = &tries[1]
    cdef float cost = cost_of(&tries[0].lv, s.g, tries[0].regs)
    if LEAST_GAIN * s.gain >= cost:
        if live_make(&now.lv, s.g) < 0 or not make_regs(now) or colour_ranges(&now.lv, s.g, now.regs) < 0:
            return NULL
        if not all_held(s, now):
            if not settle(s, now, &tries[2]):
                return NULL
            now = &tries[2]
        if s.nmade and cost_of(&now.lv, s.g, now.regs) < cost:
            return now
    return &tries[0] if take_back(s, NULL, NULL) else NULL


cdef void note_copies(const Splits *s, const Live *lv) noexcept nogil:
    # Where a loop is come to again, what was remembered in it is read again.
    cdef Graph *g = s.g
    cdef const Split *one
    cdef uint32_t i
    for i in range(s.nmade):
        one = &s.made[i]
        g.nodes[one.arg].spare = 0
        if is_remembered(g, one.node) and in_set(lv.ins + <size_t>(g.blocks[one.header].order - 1) * lv.words,
                                                 lv.range_of[one.node]):
            g.nodes[one.arg].spare = one.node


cdef Colours *split_ranges(Graph *g, Colours *tries) noexcept nogil:
    cdef Splits s
    cdef Colours *found = &tries[0]
    memset(&s, 0, sizeof(s))
    s.g = g
    s.lv = &found.lv
    s.regs = found.regs
    if not choose(&s):
        found = NULL
    elif s.nmade:
        found = colour_again(&s, tries)
    if found != NULL:
        note_copies(&s, &found.lv)
    vm_free(s.made)
    return found if not g.failed else NULL
