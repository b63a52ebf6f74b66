"""Lifting: SSA construction, place by place, in reverse postorder.

Which registers a block has arguments for is known when it is begun: at the header of a loop those that the loop writes,
at any other meeting point those in which the ways to it differ, all of which are done by then.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmcore._fast.hart.handlers cimport handler_number
from vmcore._fast.hart.state cimport SINK, Op
from vmcore._fast.jit.convention cimport NUM_PINNED, NUM_PINNED_F, PINNED, PINNED_F
from vmcore._fast.jit.t2.build cimport base_node, const_node, entry_node, make
from vmcore._fast.jit.t2.ir cimport *
from vmcore._fast.jit.t2.region cimport (
    GO_AWAY, GO_BACK, GO_BRANCH, GO_ON, GO_TO, LIFT_ALWAYS, MOST_FORMED, RD_NONE, RD_X, Flow, Insn, Place, Region, Way,
    goes_back, insn_at, register_liftable)
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

cdef extern from *:
    uint32_t count_ones "__builtin_popcountll"(uint64_t v) noexcept nogil

cdef enum:
    MOST_HANDLERS = 1024
    MOST_LINKS = 2 * MOST_FORMED + 1

# A place that was lifted, by its number in the order; 0 stands for what is before the region.
cdef struct Done:
    uint32_t block
    uint64_t args             # registers that are the block's arguments, in order
    # At its end.
    uint32_t count
    uint32_t since
    uint8_t dirty
    uint32_t loose
    uint32_t now[64]

# An edge of the graph, whose arguments are filled in when everything is there.
cdef struct Joint:
    uint32_t block
    uint32_t edge
    uint32_t come             # numbers of Done
    uint32_t go

cdef struct Work:
    Lift l
    Done done[MOST_FORMED + 1]
    uint64_t written[MOST_FORMED + 1]     # of a loop's header: registers that the loop writes
    Joint joints[MOST_LINKS]
    uint32_t njoints

cdef lift_t lifters[MOST_HANDLERS]
cdef uint8_t floating_of[MOST_HANDLERS]
cdef uint32_t compare_of[MOST_HANDLERS]


cdef int register_lift(str name, lift_t lift, uint32_t when, uint32_t rd, bint floating=False) except -1:
    register_liftable(name, when, rd)
    lifters[handler_number(name)] = lift
    floating_of[handler_number(name)] = floating
    return 0


# --- snapshots --------------------------------------------------------------------------------------------------------

cdef inline uint32_t clean_f(Lift *l, uint32_t r) noexcept nogil:
    return make(l.g, l.block, OP_FCLEAN, T_F64, l.now[F_REGISTERS + r], 0, 0, 0)


cdef void clean_all(Lift *l) noexcept nogil:
    cdef uint32_t r
    for r in range(32):
        if l.loose >> r & 1:
            l.now[F_REGISTERS + r] = clean_f(l, r)
    l.loose = 0


cdef uint32_t snapshot(Lift *l, uint32_t off, uint32_t count, uint32_t kind) noexcept nogil:
    # What is loose is cleaned for this place alone: what follows may never get here.
    cdef Graph *g = l.g
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
        if l.now[r] or nodes[r]:
            wanted += 1
            if l.now[r] == 0:
                nodes[r] = entry_node(g, r)
            elif r >= F_REGISTERS and l.loose >> (r - F_REGISTERS) & 1:
                nodes[r] = clean_f(l, r - F_REGISTERS)
            else:
                nodes[r] = l.now[r]
    snap = new_snap(g, off, count, kind, wanted)
    if snap == 0:
        return 0
    g.snaps[snap].insn = l.serial
    i = g.snaps[snap].regs
    for r in range(1, 64):
        if nodes[r]:
            g.pool[i] = r | nodes[r] << 8
            i += 1
    return snap


cdef uint32_t snap_here(Lift *l, uint32_t kind) noexcept nogil:
    clean_all(l)
    return snapshot(l, l.off, l.count, kind)


cdef void leave(Lift *l, uint32_t block, const Way *way) noexcept nogil:
    # At the end of a block, the instructions before which are done.
    cdef Graph *g = l.g
    cdef uint32_t now = l.block
    cdef uint32_t snap
    l.block = block
    if 0 <= way.off < 4096:
        snap = snapshot(l, <uint32_t>way.off, l.count, SNAP_NEXT)
        g.blocks[block].end = END_LEAVE
    else:
        snap = snapshot(l, l.off, l.count, SNAP_NEXT)
        g.blocks[block].end = END_LEAVE_TO
        g.blocks[block].cond = make(g, block, OP_ADD, T_INT, base_node(g), const_node(g, way.off), 0, 0)
    g.blocks[block].snap = snap
    l.block = now


# --- counting ---------------------------------------------------------------------------------------------------------

cdef void poll(Lift *l, uint32_t block, uint32_t off) noexcept nogil:
    # What was executed is counted when it leaves.
    cdef uint32_t now = l.block
    cdef uint32_t snap, node
    l.block = block
    snap = snapshot(l, off, 0, SNAP_NEXT)
    node = append(l.g, block, OP_POLL, T_NONE, 0, 0, 0, l.count)
    l.g.nodes[node].snap = snap
    l.block = now


cdef void begin_insn(Lift *l, uint32_t off, const Insn *n) noexcept nogil:
    l.off = off
    l.behind = off + n.length
    l.handler = n.handler
    l.serial += 1
    if l.since >= MOST_UNCOUNTED:
        clean_all(l)
        poll(l, l.block, off)
        l.count = 0
        l.since = 0


cdef inline void end_insn(Lift *l) noexcept nogil:
    l.count += 1
    l.since += 1


# --- from place to place ----------------------------------------------------------------------------------------------

cdef inline bint is_met(const Place *p) noexcept nogil:
    # Do several ways lead there? (To the first one the entry leads.)
    return p.npreds + (p.order == 1) > 1


cdef void join(Work *w, uint32_t block, uint32_t edge, uint32_t come, uint32_t go) noexcept nogil:
    cdef Joint *j = &w.joints[w.njoints]
    w.l.g.blocks[block].edges[edge].to = w.done[go].block
    j.block = block
    j.edge = edge
    j.come = come
    j.go = go
    w.njoints += 1


cdef void go_way(Work *w, const Place *p, const Way *way, uint32_t edge) noexcept nogil:
    # One of the ways on from a place that is done, but for what is to be counted.
    cdef Lift *l = &w.l
    cdef Graph *g = l.g
    cdef const Flow *f = &l.r.flow
    cdef const Place *to = &f.places[way.to]
    cdef uint32_t block = l.block
    if way.to and not is_met(to):
        join(w, block, edge, p.order, to.order)
        return
    if g.blocks[block].nedges > 1:
        # A block of its own.
        block = new_block(g)
        if block == 0:
            return
        g.blocks[block].off = way.off & 0xFFF
        g.blocks[l.block].edges[edge].to = block
        g.blocks[block].end = END_GOTO
        g.blocks[block].nedges = 1
    if way.to == 0:
        g.blocks[block].nedges = 0
        leave(l, block, way)
        return
    if goes_back(f, f.order[p.order - 1], way.to):
        poll(l, block, to.off)
    elif l.count:
        append(g, block, OP_COUNT, T_NONE, 0, 0, 0, l.count)
    join(w, block, 0, p.order, to.order)


cdef void end_branch(Lift *l, const Insn *n) noexcept nogil:
    cdef Graph *g = l.g
    cdef BlockOf *b
    cdef uint32_t cond = make(g, l.block, compare_of[l.handler], T_INT, get_x(l, n.op.rs1), get_x(l, n.op.rd), 0, 0)
    b = &g.blocks[l.block]
    b.end = END_BRANCH
    b.cond = cond
    b.nedges = 2
    end_insn(l)


cdef void end_jump(Lift *l, const Insn *n) noexcept nogil:
    if n.op.rd != SINK:
        put_x(l, n.op.rd, make(l.g, l.block, OP_ADD, T_INT, base_node(l.g), const_node(l.g, l.behind), 0, 0))
    end_insn(l)


cdef void guard_return(Lift *l, const Insn *n, int64_t back) noexcept nogil:
    # Whoever changed the register on the way returns elsewhere, and not from here.
    cdef Graph *g = l.g
    cdef uint32_t wanted = make(g, l.block, OP_ADD, T_INT, base_node(g), const_node(g, back), 0, 0)
    cdef uint32_t differs = make(g, l.block, OP_NE, T_INT, get_x(l, n.op.rs1), wanted, 0, 0)
    cdef uint32_t snap, node
    if not (is_const(g, differs) and g.nodes[differs].imm == 0):
        snap = snap_here(l, SNAP_NEXT)
        node = append(g, l.block, OP_LEAVE_IF, T_NONE, differs, 0, 0, 0)
        g.nodes[node].snap = snap
    end_insn(l)


cdef void end_away(Lift *l, const Insn *n) noexcept nogil:
    cdef Graph *g = l.g
    cdef uint32_t target = make(g, l.block, OP_ADD, T_INT, get_x(l, n.op.rs1), const_node(g, n.op.imm), 0, 0)
    cdef uint32_t snap
    target = make(g, l.block, OP_AND, T_INT, target, const_node(g, -2), 0, 0)
    end_jump(l, n)
    snap = snapshot(l, l.off, l.count, SNAP_NEXT)
    g.blocks[l.block].snap = snap
    g.blocks[l.block].end = END_LEAVE_TO
    g.blocks[l.block].cond = target


# --- a place ----------------------------------------------------------------------------------------------------------

cdef void take_state(Lift *l, const Done *d) noexcept nogil:
    memcpy(l.now, d.now, sizeof(l.now))
    l.count = d.count
    l.since = d.since
    l.dirty = d.dirty
    l.loose = d.loose


cdef void begin_place(Work *w, const Place *p) noexcept nogil:
    # The state at its beginning.
    cdef Lift *l = &w.l
    cdef const Flow *f = &l.r.flow
    cdef Done *here = &w.done[p.order]
    cdef const Done *come
    cdef bint is_first = True
    cdef uint32_t k, r
    cdef uint32_t order
    if p.order == 1:
        take_state(l, &w.done[0])
    for k in range(p.npreds):
        order = f.places[f.list[p.preds + k]].order
        if order >= p.order:
            continue
        come = &w.done[order]
        if is_first:
            take_state(l, come)
            is_first = False
            continue
        for r in range(1, 64):
            if come.now[r] != l.now[r]:
                here.args |= <uint64_t>1 << r
        if come.since > l.since:
            l.since = come.since
        l.dirty = l.dirty and come.dirty
    if not is_met(p):
        return
    l.count = 0
    here.args |= w.written[p.order]
    for r in range(1, 64):
        if here.args >> r & 1:
            l.now[r] = append_arg(l.g, here.block, T_F64 if r >= F_REGISTERS else T_INT)


cdef void lift_place(Work *w, const Place *p) noexcept nogil:
    cdef Lift *l = &w.l
    cdef Graph *g = l.g
    cdef const Region *r = l.r
    cdef Done *here = &w.done[p.order]
    cdef uint32_t off = p.off
    cdef uint32_t straight = p.insns if p.how == GO_ON else p.insns - 1
    cdef const Insn *n
    cdef uint32_t i
    l.block = here.block
    begin_place(w, p)
    for i in range(straight):
        n = insn_at(r, off)
        begin_insn(l, off, n)
        lifters[n.handler](l, &n.op)
        end_insn(l)
        off += n.length
        if g.failed:
            return
    if p.how != GO_ON:
        n = insn_at(r, off)
        begin_insn(l, off, n)
        if p.how == GO_AWAY:
            end_away(l, n)
            return
        if p.how == GO_BRANCH:
            end_branch(l, n)
        elif p.how == GO_TO:
            end_jump(l, n)
        else:
            guard_return(l, n, p.ways[0].off)
    if p.how != GO_BRANCH:
        g.blocks[l.block].end = END_GOTO
        g.blocks[l.block].nedges = 1
    for i in range(p.nways):
        if p.ways[i].to and is_met(&r.flow.places[p.ways[i].to]):
            # What is an argument is clean.
            clean_all(l)
    here.count = l.count
    here.since = l.since
    here.dirty = l.dirty
    here.loose = l.loose
    memcpy(here.now, l.now, sizeof(l.now))
    for i in range(p.nways):
        go_way(w, p, &p.ways[i], i)


# --- the region -------------------------------------------------------------------------------------------------------

cdef bint needs_fpu(const Region *r) noexcept nogil:
    cdef uint32_t i, k, off
    cdef const Place *p
    for i in range(r.flow.norder):
        p = &r.flow.places[r.flow.order[i]]
        off = p.off
        for k in range(p.insns):
            if floating_of[insn_at(r, off).handler]:
                return True
            off += insn_at(r, off).length
    return False


cdef void sum_writes(Work *w) noexcept nogil:
    cdef const Flow *f = &w.l.r.flow
    cdef uint32_t i, top
    for i in range(f.norder):
        top = f.places[f.order[i]].loop
        while top:
            w.written[f.places[top].order] |= f.places[f.order[i]].writes
            top = f.places[top].outer


cdef void fill_joint(Work *w, const Joint *j) noexcept nogil:
    cdef Graph *g = w.l.g
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
    cdef Work *w = <Work *>vm_calloc(1, sizeof(Work))
    cdef const Flow *f = &r.flow
    cdef uint32_t i, block, node
    if w == NULL:
        g.failed = True
        return
    w.l.g = g
    w.l.r = r
    block = new_block(g)
    g.insns = r.ninsns
    for i in range(f.norder):
        w.done[i + 1].block = new_block(g)
        g.blocks[w.done[i + 1].block].off = f.places[f.order[i]].off
    if not g.failed:
        g.blocks[block].off = r.header
        g.blocks[block].end = END_GOTO
        g.blocks[block].nedges = 1
        if needs_fpu(r):
            # Where it cannot be T0 executes one instruction, and it is tried again the next time.
            i = snapshot(&w.l, r.header, 0, SNAP_STEP)
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
    vm_free(w)


for _name, _op in (
    ("beq", OP_EQ), ("bne", OP_NE), ("blt", OP_LT), ("bge", OP_GE), ("bltu", OP_LTU), ("bgeu", OP_GEU),
):
    register_liftable(_name, LIFT_ALWAYS, RD_NONE)
    compare_of[handler_number(_name)] = _op
register_liftable("jal", LIFT_ALWAYS, RD_X)
register_liftable("jalr", LIFT_ALWAYS, RD_X)
