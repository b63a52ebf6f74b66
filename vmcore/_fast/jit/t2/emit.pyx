"""Emission of a region: the way in, its blocks one after another, what lies out of line, side tables."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from vmcore._fast.hart.fpregs cimport FS_DIRTY
from vmcore._fast.jit.convention cimport (
    STUB_LOST, STUB_NEXT, STUB_NEXT_RAX, STUB_STEP, at_budget, at_entries, at_fp_live, at_fs, at_insns, at_stub)
from vmcore._fast.jit.t2.code cimport (
    ASIDE_CROSS, ASIDE_DIVIDE, ASIDE_EDGE, ASIDE_EXIT, ASIDE_FPU, ASIDE_LOST, ASIDE_MISS, ASIDE_NEXT, ASIDE_NEXT_RAX,
    ASIDE_PAGES, ASIDE_POLLED, ASIDE_REFILL, ASIDE_STEP, ASIDE_STRAY, Away, Mark, Wait, away, land, make_moves, node_of,
    one_more, source_of)
from vmcore._fast.jit.t2.emit_fp cimport emit_fp, fp_aside
from vmcore._fast.jit.t2.emit_int cimport divide_aside, emit_condition, emit_int
from vmcore._fast.jit.t2.emit_mem cimport emit_mem, refill_aside, stray_aside
from vmcore._fast.jit.t2.exits cimport (
    boundary_of, emit_cross, emit_exit, emit_leave_to, emit_tables, find_exit, fpu_aside, miss_aside)
from vmcore._fast.jit.t2.guard cimport emit_guard, emit_pages, guard_aside
from vmcore._fast.jit.t2.ir cimport *
from vmcore._fast.jit.t2.moves cimport MOST_MOVES, PLACE_BASE, PLACE_CONST
from vmcore._fast.jit.t2.places cimport AT_HOME, AT_NONE
from vmcore._fast.jit.x64.asm cimport (
    CC_E, CC_GE, CC_L, F_ADD_I, F_ADD_MR, F_CMP8_MI, F_MOV, F_MOV8_MI, F_SUB_I, RAX, RBP, RDX, x_jcc, x_jcc8, x_jmp,
    x_jmp8, x_jmp_m, x_mov_imm, x_nops, x_open, x_patch32, x_patch8, x_rm, x_rmi)
from vmcore._fast.memory.alloc cimport vm_free, vm_realloc

cdef enum:
    LOOP_ALIGNMENT = 16


cdef void code_init(Code *c) noexcept nogil:
    memset(c, 0, sizeof(Code))


cdef void code_free(Code *c) noexcept nogil:
    vm_free(c.links)
    vm_free(c.marks)
    vm_free(c.jumps)
    vm_free(c.tables)
    vm_free(c.aways)
    vm_free(c.starts)
    memset(c, 0, sizeof(Code))


# --- jumps ------------------------------------------------------------------------------------------------------------

cdef void wait_for(Code *c, uint8_t *field, uint32_t block) noexcept nogil:
    cdef Wait *w = <Wait *>one_more(c, <void **>&c.jumps, &c.njumps, 1, sizeof(Wait))
    if w != NULL:
        w.field = field
        w.what = block


cdef inline bint is_near(const Code *c, uint32_t block) noexcept nogil:
    # Two bytes from here it can be reached by a displacement of one byte.
    return c.starts[block] != NULL and c.starts[block] - (c.a.at + 2) >= -128


cdef void jump(Code *c, uint32_t block) noexcept nogil:
    cdef uint8_t *field
    if is_near(c, block):
        field = x_jmp8(&c.a)
        if not c.a.full:
            x_patch8(field, c.starts[block])
    else:
        wait_for(c, x_jmp(&c.a), block)


cdef void jump_if(Code *c, int cc, uint32_t block) noexcept nogil:
    cdef uint8_t *field
    if is_near(c, block):
        field = x_jcc8(&c.a, cc)
        if not c.a.full:
            x_patch8(field, c.starts[block])
    else:
        wait_for(c, x_jcc(&c.a, cc), block)


cdef inline void jump_unless_next(Code *c, uint32_t block) noexcept nogil:
    if block != c.following:
        jump(c, block)


# --- edges ------------------------------------------------------------------------------------------------------------

cdef uint32_t edge_moves(Code *c, const Edge *e) noexcept nogil:
    # Into c.moves, without those that move nothing.
    cdef uint32_t arg = c.g.blocks[e.to].first
    cdef uint32_t n = 0
    cdef uint32_t i
    for i in range(e.nargs):
        if c.places[arg] != AT_NONE:
            if n >= MOST_MOVES:
                c.failed = True
                return 0
            c.moves[n].to = c.places[arg]
            source_of(c, edge_arg(c.g, e, i), &c.moves[n])
            n += c.moves[n].to != c.moves[n].source
        arg = node_of(c, arg).next
    return n


cdef inline void follow(Code *c, const Edge *e) noexcept nogil:
    make_moves(c, edge_moves(c, e), False)


cdef void branch(Code *c, uint32_t block) noexcept nogil:
    # Where both ways are plain, or one is: two jumps at most. Else the moves of the lighter way go out of line.
    cdef const BlockOf *b = &c.g.blocks[block]
    cdef int cc = emit_condition(c, b.cond)
    cdef uint32_t one = 0
    cdef uint32_t two = 1
    cdef bint one_moves = edge_moves(c, &b.edges[0]) > 0
    cdef bint two_moves = edge_moves(c, &b.edges[1]) > 0
    cdef Away *w
    if b.edges[0].to == c.following or (b.edges[1].to != c.following and c.g.blocks[b.edges[0].to].weight
                                        > c.g.blocks[b.edges[1].to].weight and one_moves):
        # The second way by the jump, on to the first.
        one = 1
        two = 0
        one_moves, two_moves = two_moves, one_moves
        cc ^= 1
    if one_moves and not two_moves and c.g.blocks[b.edges[one].to].weight > c.g.blocks[b.edges[two].to].weight:
        # The jump is the plain way.
        one, two = two, one
        one_moves, two_moves = two_moves, one_moves
        cc ^= 1
    if one_moves:
        w = away(c, x_jcc(&c.a, cc), ASIDE_EDGE, block)
        if w != NULL:
            w.more = one
    else:
        jump_if(c, cc, b.edges[one].to)
    if two_moves:
        follow(c, &b.edges[two])
    jump_unless_next(c, b.edges[two].to)


cdef void emit_end(Code *c, uint32_t block) noexcept nogil:
    cdef const BlockOf *b = &c.g.blocks[block]
    if b.end == END_GOTO:
        follow(c, &b.edges[0])
        jump_unless_next(c, b.edges[0].to)
    elif b.end == END_BRANCH:
        branch(c, block)
    elif b.end == END_LEAVE:
        emit_exit(c, b.snap, False)
    elif b.end == END_LEAVE_TO:
        emit_leave_to(c, b.cond, b.snap)
    else:
        c.failed = True


# --- nodes ------------------------------------------------------------------------------------------------------------

cdef void constant(Code *c, uint32_t node) noexcept nogil:
    c.moves[0].to = c.places[node]
    c.moves[0].source = PLACE_CONST
    c.moves[0].value = node_of(c, node).imm
    make_moves(c, 1, False)


cdef void emit_node(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef uint32_t op = n.op
    if op == OP_CONST:
        constant(c, node)
    elif OP_ADD <= op <= OP_SELECT:
        emit_int(c, node)
    elif OP_HOST <= op <= OP_STORE:
        emit_mem(c, node)
    elif OP_FADD <= op <= OP_INT_F:
        emit_fp(c, node)
    elif op == OP_DIRTY:
        x_rmi(&c.a, F_MOV8_MI, 0, 0, RBP, at_fs(), FS_DIRTY)
    elif op == OP_COUNT:
        x_rmi(&c.a, F_SUB_I, 1, 0, RBP, at_budget(), n.imm)
    elif op == OP_POLL:
        x_rmi(&c.a, F_SUB_I, 1, 0, RBP, at_budget(), n.imm)
        away(c, x_jcc(&c.a, CC_L), ASIDE_POLLED, n.snap)
    elif op == OP_LEAVE_IF:
        away(c, x_jcc(&c.a, emit_condition(c, n.a)), ASIDE_EXIT, n.snap)
    else:
        c.failed = True


cdef inline bint is_emitted(const Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef uint32_t op = n.op
    if n.flags & (NODE_COVERED | NODE_REMAT) or op == OP_ENTRY or op == OP_BASE or op == OP_ARG or op == OP_FPU:
        return False
    # What nobody wants, or what is made anew wherever it is wanted.
    return c.places[node] != AT_NONE or not (is_pure(op) or op == OP_LOAD or op == OP_TAG or op == OP_ADDEND)


cdef bint is_closing_poll(const Code *c, uint32_t block, uint32_t node) noexcept nogil:
    # The last thing in a loop that then just begins again: one jump does both.
    cdef const BlockOf *b = &c.g.blocks[block]
    return node_of(c, node).op == OP_POLL and node_of(c, node).next == 0 and b.end == END_GOTO and \
        c.starts[b.edges[0].to] != NULL


cdef void put_mark(Code *c, uint32_t node) noexcept nogil:
    cdef Mark *mark = <Mark *>one_more(c, <void **>&c.marks, &c.nmarks, 4, sizeof(Mark))
    if mark != NULL:
        mark.at = <uint32_t>(c.a.at - c.a.start)
        mark.node = node


cdef void emit_block(Code *c, uint32_t block) noexcept nogil:
    cdef const BlockOf *b = &c.g.blocks[block]
    cdef uint32_t node = b.first
    if b.loop == block:
        x_nops(&c.a, -<uint32_t>(c.a.at - c.a.start) & (LOOP_ALIGNMENT - 1))
    c.starts[block] = c.a.at
    # It is come to from elsewhere as well.
    c.compared = 0
    while node:
        if is_emitted(c, node):
            put_mark(c, node)
            if is_closing_poll(c, block, node) and edge_moves(c, &b.edges[0]) == 0:
                x_rmi(&c.a, F_SUB_I, 1, 0, RBP, at_budget(), node_of(c, node).imm)
                jump_if(c, CC_GE, b.edges[0].to)
                away(c, x_jmp(&c.a), ASIDE_POLLED, node_of(c, node).snap)
                return
            emit_node(c, node)
        node = node_of(c, node).next
    put_mark(c, 0)
    emit_end(c, block)


# --- the way in -------------------------------------------------------------------------------------------------------

cdef void enter(Code *c) noexcept nogil:
    # The host's FPU first, as its stub knows the boundary only. Then what the hart has goes to its places, at once.
    cdef uint32_t node = c.g.blocks[1].first
    cdef uint32_t n = 0
    cdef uint32_t place
    cdef const Node *one
    # Who decides about regions wants to know whether they are left soon.
    x_rmi(&c.a, F_ADD_I, 1, 0, RBP, at_entries(c.slot), 1)
    emit_guard(c)
    while node:
        one = node_of(c, node)
        place = c.places[node]
        if one.op == OP_FPU:
            x_rmi(&c.a, F_CMP8_MI, 0, 0, RBP, at_fp_live(), 0)
            away(c, x_jcc(&c.a, CC_E), ASIDE_FPU, one.snap)
        elif (one.op == OP_ENTRY or one.op == OP_BASE) and place != AT_NONE and place != AT_HOME:
            if n >= MOST_MOVES:
                c.failed = True
                return
            c.moves[n].to = place
            c.moves[n].source = PLACE_BASE if one.op == OP_BASE else boundary_of(<uint32_t>one.imm)
            c.moves[n].value = 0
            n += 1
        node = one.next
    x_rm(&c.a, F_MOV, 1, RAX, RBP, at_budget())
    x_rm(&c.a, F_ADD_MR, 1, RAX, RBP, at_insns(c.slot))
    make_moves(c, n, False)


# --- out of line ------------------------------------------------------------------------------------------------------

cdef void emit_aside(Code *c, uint32_t i) noexcept nogil:
    # A copy: more of them may come, and move the others.
    cdef Away w = c.aways[i]
    cdef const Edge *e
    if w.kind == ASIDE_EXIT or w.kind == ASIDE_POLLED:
        emit_exit(c, w.what, w.kind == ASIDE_POLLED)
    elif w.kind == ASIDE_CROSS:
        emit_cross(c, w.what)
    elif w.kind == ASIDE_STEP:
        x_mov_imm(&c.a, RDX, w.what >> 1)
        x_jmp_m(&c.a, RBP, at_stub(STUB_STEP))
    elif w.kind == ASIDE_NEXT:
        x_mov_imm(&c.a, RDX, w.what)
        x_jmp_m(&c.a, RBP, at_stub(STUB_NEXT))
    elif w.kind == ASIDE_LOST:
        x_jmp_m(&c.a, RBP, at_stub(STUB_LOST))
    elif w.kind == ASIDE_NEXT_RAX:
        x_jmp_m(&c.a, RBP, at_stub(STUB_NEXT_RAX))
    elif w.kind == ASIDE_MISS:
        miss_aside(c, w.what, &w)
    elif w.kind == ASIDE_REFILL:
        refill_aside(c, w.what, w.back)
    elif w.kind == ASIDE_STRAY:
        stray_aside(c, w.what, w.back)
    elif w.kind == ASIDE_EDGE:
        e = &c.g.blocks[w.what].edges[w.more]
        follow(c, e)
        jump(c, e.to)
    elif w.kind == ASIDE_FPU:
        fpu_aside(c, w.what, &w)
    elif w.kind == ASIDE_PAGES:
        guard_aside(c, w.what, w.back)
    elif w.kind == ASIDE_DIVIDE:
        divide_aside(c, w.what, &w)
    else:
        fp_aside(c, w.what, &w)


cdef void emit_asides(Code *c) noexcept nogil:
    cdef Away *same
    cdef uint32_t i = 0
    c.following = 0
    while i < c.naways and not c.failed and not c.a.full:
        same = find_exit(c, &c.aways[i])
        if same != NULL:
            x_patch32(c.aways[i].field, same.at)
        else:
            land(c, c.aways[i].field)
            c.aways[i].at = c.a.at
            emit_aside(c, i)
        i += 1


cdef bint emit_region(const Graph *g, const Allocation *al, const uint32_t *layout, uint32_t n, Code *c,
                      uint8_t *start, uint8_t *end, bint parallel, bint counting, uint32_t slot) noexcept nogil:
    cdef uint32_t i
    if c.rooms[5] < g.nblocks:
        vm_free(c.starts)
        c.starts = <uint8_t **>vm_realloc(NULL, g.nblocks * sizeof(uint8_t *))
        c.rooms[5] = 0 if c.starts == NULL else g.nblocks
        if c.starts == NULL:
            return False
    memset(c.starts, 0, g.nblocks * sizeof(uint8_t *))
    x_open(&c.a, start, end)
    c.parallel = parallel
    c.counting = counting
    c.slot = slot
    c.failed = False
    c.g = g
    c.places = al.at
    c.nlinks = c.nmarks = c.njumps = c.ntables = c.naways = 0
    enter(c)
    for i in range(n):
        c.following = layout[i + 1] if i + 1 < n else 0
        emit_block(c, layout[i])
    c.hot_bytes = <uint32_t>(c.a.at - start)
    emit_asides(c)
    c.cold_bytes = <uint32_t>(c.a.at - start) - c.hot_bytes
    emit_tables(c)
    emit_pages(c)
    c.table_bytes = <uint32_t>(c.a.at - start) - c.hot_bytes - c.cold_bytes
    if c.failed or c.a.full:
        return False
    for i in range(c.njumps):
        x_patch32(c.jumps[i].field, c.starts[c.jumps[i].what])
    return True
