"""Lifting: SSA construction, place by place, in reverse postorder.

Which registers a block has arguments for is known when it is begun: at the header of a loop those that the loop writes,
at any other meeting point those in which the ways to it differ, all of which are done by then.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmcore._fast.hart.handlers cimport handler_number
from vmcore._fast.hart.state cimport SINK
from vmcore._fast.jit.convention cimport NUM_PINNED, NUM_PINNED_F, PINNED, PINNED_F
from vmcore._fast.jit.t2.build cimport base_node, const_node, entry_node, make
from vmcore._fast.jit.t2.flow cimport (
    GO_AWAY, GO_BRANCH, GO_ON, GO_SWITCH, GO_TO, MOST_WAYS, Flow, Place, Way, goes_back)
from vmcore._fast.jit.t2.ir cimport *
from vmcore._fast.jit.t2.region cimport MOST_FORMED, Region
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_take
from vmcore._fast.jit.t2.ways cimport LIFT_ALWAYS, RD_NONE, RD_X, Insn, address_of, insn_at, register_liftable

cdef extern from *:
    uint32_t count_ones "__builtin_popcountll"(uint64_t v) noexcept nogil

cdef enum:
    MOST_HANDLERS = 1024
    MOST_LINKS = MOST_WAYS * MOST_FORMED + 1
    EVERYTHING = 0xFFFFFFFF

# A place that was lifted, by its number in the order; 0 stands for what is before the region.
cdef struct Done:
    uint32_t block
    uint64_t args             # registers that are the block's arguments, in order
    # At its end.
    uint32_t count
    uint32_t since
    uint8_t dirty
    uint32_t loose
    uint32_t boxed
    uint32_t loose_single
    uint32_t now[64]
    uint32_t single[32]

# An edge of the graph, whose arguments are filled in when everything is there.
cdef struct Joint:
    uint32_t block
    uint32_t edge
    uint32_t come             # numbers of Done
    uint32_t go

cdef struct Work:
    Lift t
    Done done[MOST_FORMED + 1]
    uint64_t written[MOST_FORMED + 1]     # of a loop's header: registers that the loop writes
    Joint joints[MOST_LINKS]
    uint32_t njoints

cdef lift_t lifters[MOST_HANDLERS]
cdef uint8_t floating_of[MOST_HANDLERS]
cdef uint32_t compare_of[MOST_HANDLERS]
cdef uint32_t JALR = handler_number("jalr")


cdef int register_lift(str name, lift_t lift, uint32_t when, uint32_t rd, bint floating=False) except -1:
    register_liftable(name, when, rd)
    lifters[handler_number(name)] = lift
    floating_of[handler_number(name)] = floating
    return 0


# --- snapshots --------------------------------------------------------------------------------------------------------

cdef uint32_t clean_double(Lift *t, uint32_t r) noexcept nogil:
    return make(t.g, t.block, OP_FCLEAN, T_F64, t.now[F_REGISTERS + r], 0, 0, 0)


cdef uint32_t clean_single(Lift *t, uint32_t r) noexcept nogil:
    return make(t.g, t.block, OP_FCLEAN, T_F32, t.single[r], 0, 0, 0)


cdef void clean(Lift *t, uint32_t which) noexcept nogil:
    cdef uint32_t r
    for r in range(32):
        if t.loose & which & <uint32_t>1 << r:
            t.now[F_REGISTERS + r] = clean_double(t, r)
        elif t.loose_single & which & <uint32_t>1 << r:
            t.single[r] = clean_single(t, r)
            t.now[F_REGISTERS + r] = make(t.g, t.block, OP_BOX, T_F64, t.single[r], 0, 0, 0)
    t.loose &= ~which
    t.loose_single &= ~which


cdef inline uint32_t value_to_leave(Lift *t, uint32_t r) noexcept nogil:
    # Of a register that has been written; clean, for this place alone: what follows may never get here.
    if r >= F_REGISTERS and t.loose >> (r - F_REGISTERS) & 1:
        return clean_double(t, r - F_REGISTERS)
    if r >= F_REGISTERS and t.loose_single >> (r - F_REGISTERS) & 1:
        return make(t.g, t.block, OP_BOX, T_F64, clean_single(t, r - F_REGISTERS), 0, 0, 0)
    return t.now[r]


cdef uint32_t snapshot(Lift *t, int32_t off, uint32_t count, uint32_t kind) noexcept nogil:
    cdef Graph *g = t.g
    cdef uint32_t nodes[64]
    cdef uint32_t wanted = 0
    cdef uint32_t i, r, snap
    memset(nodes, 0, sizeof(nodes))
    for i in range(NUM_PINNED):
        nodes[PINNED[i]] = 1
    if g.has_fpu:
        for i in range(NUM_PINNED_F):
            nodes[F_REGISTERS + PINNED_F[i]] = 1
    for r in range(1, 64):
        if t.now[r] or nodes[r]:
            wanted += 1
            nodes[r] = value_to_leave(t, r) if t.now[r] else entry_node(g, r)
    snap = new_snap(g, off, count, kind, wanted)
    if snap == 0:
        return 0
    g.snaps[snap].insn = t.serial
    i = g.snaps[snap].regs
    for r in range(1, 64):
        if nodes[r]:
            g.pool[i] = r | nodes[r] << 8
            i += 1
    return snap


cdef uint32_t snap_here(Lift *t, uint32_t kind) noexcept nogil:
    clean(t, EVERYTHING)
    return snapshot(t, t.off, t.count, kind)


cdef void leave(Lift *t, uint32_t block, const Way *way) noexcept nogil:
    # At the end of a block, the instructions before which are done.
    cdef Graph *g = t.g
    cdef uint32_t now = t.block
    cdef uint32_t snap
    t.block = block
    # What lies in two pages has no place in this one, as what lies in another.
    if 0 <= way.off < 4096 and not (way.off == 4094 and t.r.guide.given.pages[4094] & 3 == 3):
        snap = snapshot(t, way.off, t.count, SNAP_NEXT)
        g.blocks[block].end = END_LEAVE
    else:
        snap = snapshot(t, t.off, t.count, SNAP_NEXT)
        g.blocks[block].end = END_LEAVE_TO
        g.blocks[block].cond = make(g, block, OP_ADD, T_INT, base_node(g), const_node(g, way.off), 0, 0)
    g.blocks[block].snap = snap
    t.block = now


# --- counting ---------------------------------------------------------------------------------------------------------

cdef void poll(Lift *t, uint32_t block, int32_t off) noexcept nogil:
    # What was executed is counted when it leaves.
    cdef uint32_t now = t.block
    cdef uint32_t snap, node
    t.block = block
    snap = snapshot(t, off, 0, SNAP_NEXT)
    node = append(t.g, block, OP_POLL, T_NONE, 0, 0, 0, t.count)
    t.g.nodes[node].snap = snap
    t.block = now


cdef void begin_insn(Lift *t, int32_t off, const Insn *n) noexcept nogil:
    t.off = off
    t.behind = off + n.length
    t.handler = n.handler
    t.serial += 1
    if t.since >= MOST_UNCOUNTED:
        clean(t, EVERYTHING)
        poll(t, t.block, off)
        t.count = 0
        t.since = 0


cdef inline void end_insn(Lift *t) noexcept nogil:
    t.count += 1
    t.since += 1


# --- from place to place ----------------------------------------------------------------------------------------------

cdef inline bint is_met(const Place *p) noexcept nogil:
    # Do several ways lead there? (To the first one the entry leads.)
    return p.npreds + (p.order == 1) > 1


cdef void join(Work *w, uint32_t block, uint32_t edge, uint32_t come, uint32_t go) noexcept nogil:
    cdef Joint *j = &w.joints[w.njoints]
    w.t.g.blocks[block].edges[edge].to = w.done[go].block
    j.block = block
    j.edge = edge
    j.come = come
    j.go = go
    w.njoints += 1


cdef void go_way(Work *w, const Place *p, const Way *way, uint32_t edge) noexcept nogil:
    # One of the ways on from a place that is done, but for what is to be counted.
    cdef Lift *t = &w.t
    cdef Graph *g = t.g
    cdef const Flow *f = &t.r.flow
    cdef const Place *to = &f.places[way.to]
    cdef uint32_t block = t.block
    g.blocks[block].edges[edge].times = way.times
    if way.to and not is_met(to):
        join(w, block, edge, p.order, to.order)
        return
    if g.blocks[block].nedges > 1:
        # A block of its own.
        block = new_block(g)
        if block == 0:
            return
        g.blocks[block].off = way.off
        g.blocks[t.block].edges[edge].to = block
        g.blocks[block].end = END_GOTO
        g.blocks[block].nedges = 1
        g.blocks[block].edges[0].times = way.times
    if way.to == 0:
        g.blocks[block].nedges = 0
        leave(t, block, way)
        return
    if goes_back(f, f.order[p.order - 1], way.to):
        poll(t, block, address_of(&t.r.guide, to.off))
    elif t.count:
        append(g, block, OP_COUNT, T_NONE, 0, 0, 0, t.count)
    join(w, block, 0, p.order, to.order)


cdef void end_branch(Lift *t, const Insn *n) noexcept nogil:
    cdef Graph *g = t.g
    cdef BlockOf *b
    cdef uint32_t cond = make(g, t.block, compare_of[t.handler], T_INT, get_x(t, n.op.rs1), get_x(t, n.op.rd), 0, 0)
    b = &g.blocks[t.block]
    b.end = END_BRANCH
    b.cond = cond
    b.nedges = 2
    end_insn(t)


cdef void end_jump(Lift *t, const Insn *n) noexcept nogil:
    if n.op.rd != SINK:
        put_x(t, n.op.rd, make(t.g, t.block, OP_ADD, T_INT, base_node(t.g), const_node(t.g, t.behind), 0, 0))
    end_insn(t)


cdef void guard_return(Lift *t, const Insn *n, int32_t back) noexcept nogil:
    # Whoever changed the register on the way returns elsewhere, and not from here.
    cdef Graph *g = t.g
    cdef uint32_t wanted = make(g, t.block, OP_ADD, T_INT, base_node(g), const_node(g, back), 0, 0)
    cdef uint32_t differs = make(g, t.block, OP_NE, T_INT, get_x(t, n.op.rs1), wanted, 0, 0)
    cdef uint32_t snap, node
    if not (is_const(g, differs) and g.nodes[differs].imm == 0):
        snap = snap_here(t, SNAP_NEXT)
        node = append(g, t.block, OP_LEAVE_IF, T_NONE, differs, 0, 0, 0)
        g.nodes[node].snap = snap
    end_insn(t)


cdef uint32_t sum_of(Lift *t, const Insn *n) noexcept nogil:
    return make(t.g, t.block, OP_ADD, T_INT, get_x(t, n.op.rs1), const_node(t.g, n.op.imm), 0, 0)


cdef uint32_t even(Lift *t, uint32_t address) noexcept nogil:
    return make(t.g, t.block, OP_AND, T_INT, address, const_node(t.g, -2), 0, 0)


cdef bint is_sure(Lift *t, const Insn *n, int32_t address) noexcept nogil:
    # Does jalr go there for sure? auipc before it said so, unless that was jumped over.
    cdef Graph *g = t.g
    return get_x(t, n.op.rs1) == make(g, t.block, OP_ADD, T_INT, base_node(g), const_node(g, address - n.op.imm), 0, 0)


cdef void leave_to(Lift *t, uint32_t target) noexcept nogil:
    cdef Graph *g = t.g
    cdef uint32_t snap = snapshot(t, t.off, t.count, SNAP_NEXT)
    g.blocks[t.block].snap = snap
    g.blocks[t.block].end = END_LEAVE_TO
    g.blocks[t.block].cond = target


cdef void end_switch(Work *w, const Place *p, uint32_t sum) noexcept nogil:
    # One comparison after the other, each in a block of its own. What is compared is how far it goes in the page; what
    # is odd, which nobody does, is none of them, and left for where it would go.
    cdef Lift *t = &w.t
    cdef Graph *g = t.g
    cdef uint32_t off = make(g, t.block, OP_SUB, T_INT, sum, base_node(g), 0, 0)
    cdef uint32_t i, cond, following
    cdef uint32_t others = 0
    for i in range(p.nways):
        others += p.ways[i].times
    for i in range(p.nways):
        if p.ways[i].to == 0:
            continue
        others -= p.ways[i].times
        cond = make(g, t.block, OP_EQ, T_INT, off, const_node(g, p.ways[i].off), 0, 0)
        following = new_block(g)
        if following == 0:
            return
        g.blocks[following].off = t.off
        g.blocks[t.block].end = END_BRANCH
        g.blocks[t.block].cond = cond
        g.blocks[t.block].nedges = 2
        g.blocks[t.block].edges[1].to = following
        g.blocks[t.block].edges[1].times = others
        go_way(w, p, &p.ways[i], 0)
        t.block = following
    leave_to(t, even(t, sum))


# --- a place ----------------------------------------------------------------------------------------------------------

cdef void take_state(Lift *t, const Done *d) noexcept nogil:
    memcpy(t.now, d.now, sizeof(t.now))
    t.count = d.count
    t.since = d.since
    t.dirty = d.dirty
    t.loose = d.loose
    t.boxed = d.boxed
    t.loose_single = d.loose_single
    memcpy(t.single, d.single, sizeof(t.single))


cdef void begin_place(Work *w, const Place *p) noexcept nogil:
    # The state at its beginning.
    cdef Lift *t = &w.t
    cdef const Flow *f = &t.r.flow
    cdef Done *here = &w.done[p.order]
    cdef const Done *come
    cdef bint is_first = True
    cdef uint32_t k, r
    cdef uint32_t order
    if p.order == 1:
        take_state(t, &w.done[0])
    for k in range(p.npreds):
        order = f.places[f.list[p.preds + k]].order
        if order >= p.order:
            continue
        come = &w.done[order]
        if is_first:
            take_state(t, come)
            is_first = False
            continue
        for r in range(1, 64):
            if come.now[r] != t.now[r]:
                here.args |= <uint64_t>1 << r
        if come.since > t.since:
            t.since = come.since
        t.dirty = t.dirty and come.dirty
    if not is_met(p):
        return
    t.count = 0
    t.boxed = 0
    here.args |= w.written[p.order]
    for r in range(1, 64):
        if here.args >> r & 1:
            t.now[r] = append_arg(t.g, here.block, T_F64 if r >= F_REGISTERS else T_INT)


cdef void lift_place(Work *w, const Place *p) noexcept nogil:
    cdef Lift *t = &w.t
    cdef Graph *g = t.g
    cdef const Region *r = t.r
    cdef Done *here = &w.done[p.order]
    cdef uint32_t off = p.off
    cdef uint32_t straight = p.insns if p.how == GO_ON else p.insns - 1
    cdef const Insn *n
    cdef uint32_t i
    cdef uint32_t target = 0
    cdef bint compared = False
    t.block = here.block
    begin_place(w, p)
    for _ in range(straight):
        n = insn_at(&r.guide, off)
        begin_insn(t, address_of(&r.guide, off), n)
        lifters[n.handler](t, &n.op)
        end_insn(t)
        off += n.length
        if g.failed:
            return
    if p.how != GO_ON:
        n = insn_at(&r.guide, off)
        begin_insn(t, address_of(&r.guide, off), n)
        compared = p.how == GO_SWITCH or (p.how == GO_TO and n.handler == JALR and not is_sure(t, n, p.ways[0].off))
        if p.how == GO_AWAY or compared:
            target = sum_of(t, n)
        if p.how == GO_AWAY:
            end_jump(t, n)
            leave_to(t, even(t, target))
            return
        if p.how == GO_BRANCH:
            end_branch(t, n)
        elif p.how == GO_TO or p.how == GO_SWITCH:
            end_jump(t, n)
        else:
            guard_return(t, n, p.ways[0].off)
    if p.how != GO_BRANCH and not compared:
        g.blocks[t.block].end = END_GOTO
        g.blocks[t.block].nedges = 1
    for i in range(p.nways):
        if p.ways[i].to and is_met(&r.flow.places[p.ways[i].to]):
            # What is an argument is clean.
            clean(t, EVERYTHING)
    here.count = t.count
    here.since = t.since
    here.dirty = t.dirty
    here.loose = t.loose
    here.boxed = t.boxed
    here.loose_single = t.loose_single
    memcpy(here.single, t.single, sizeof(t.single))
    memcpy(here.now, t.now, sizeof(t.now))
    if compared:
        end_switch(w, p, target)
        return
    for i in range(p.nways):
        go_way(w, p, &p.ways[i], i)


# --- the region -------------------------------------------------------------------------------------------------------

cdef bint needs_fpu(const Region *r) noexcept nogil:
    cdef uint32_t i, off
    cdef const Place *p
    for i in range(r.flow.norder):
        p = &r.flow.places[r.flow.order[i]]
        off = p.off
        for _ in range(p.insns):
            if floating_of[insn_at(&r.guide, off).handler]:
                return True
            off += insn_at(&r.guide, off).length
    return False


cdef void sum_writes(Work *w) noexcept nogil:
    cdef const Flow *f = &w.t.r.flow
    cdef uint32_t i, top
    for i in range(f.norder):
        top = f.places[f.order[i]].loop
        while top:
            w.written[f.places[top].order] |= f.places[f.order[i]].writes
            top = f.places[top].outer


cdef void fill_joint(Work *w, const Joint *j) noexcept nogil:
    cdef Graph *g = w.t.g
    cdef uint64_t args = w.done[j.go].args
    cdef uint32_t nargs = count_ones(args)
    cdef uint32_t first = pool_take(g, nargs)
    cdef uint32_t r, node
    cdef Edge *e = &g.blocks[j.block].edges[j.edge]
    if first == 0:
        return
    e.args = first
    e.nargs = nargs
    for r in range(1, 64):
        if args >> r & 1:
            node = w.done[j.come].now[r]
            g.pool[first] = node if node else entry_node(g, r)
            first += 1


cdef void lift_region(const Region *r, Graph *g) noexcept nogil:
    cdef Work *w = <Work *>scratch_take(&g.scratch, 1, sizeof(Work))
    cdef const Flow *f = &r.flow
    cdef uint32_t i, block, node
    if w == NULL:
        g.failed = True
        return
    # Of all that there may be this region needs a little.
    memset(&w.t, 0, sizeof(w.t))
    memset(w.done, 0, (f.norder + 1) * sizeof(w.done[0]))
    memset(w.written, 0, (f.norder + 1) * sizeof(w.written[0]))
    w.njoints = 0
    w.t.g = g
    w.t.r = r
    block = new_block(g)
    g.insns = r.ninsns
    for i in range(f.norder):
        w.done[i + 1].block = new_block(g)
        g.blocks[w.done[i + 1].block].off = address_of(&r.guide, f.places[f.order[i]].off)
    if not g.failed:
        g.blocks[block].off = <int32_t>r.header
        g.blocks[block].end = END_GOTO
        g.blocks[block].nedges = 1
        if needs_fpu(r):
            # Where it cannot be T0 executes one instruction, and it is tried again the next time.
            i = snapshot(&w.t, <int32_t>r.header, 0, SNAP_STEP)
            node = append(g, block, OP_FPU, T_NONE, 0, 0, 0, 0)
            g.nodes[node].snap = i
            g.has_fpu = True
        sum_writes(w)
        join(w, block, 0, 0, 1)
        for i in range(f.norder):
            if not g.failed:
                lift_place(w, &f.places[f.order[i]])
        for i in range(w.njoints):
            if not g.failed:
                fill_joint(w, &w.joints[i])
    scratch_give(&g.scratch, w)


for _name, _op in (
    ("beq", OP_EQ), ("bne", OP_NE), ("blt", OP_LT), ("bge", OP_GE), ("bltu", OP_LTU), ("bgeu", OP_GEU),
):
    register_liftable(_name, LIFT_ALWAYS, RD_NONE)
    compare_of[handler_number(_name)] = _op
register_liftable("jal", LIFT_ALWAYS, RD_X)
register_liftable("jalr", LIFT_ALWAYS, RD_X)
