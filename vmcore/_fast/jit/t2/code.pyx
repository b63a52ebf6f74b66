"""What every emitter of operations needs."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.jit.convention cimport at_page_base
from vmcore._fast.jit.t2.ir cimport NODE_REMAT, OP_ADD, OP_BASE, OP_CONST, Node
from vmcore._fast.jit.t2.moves cimport PLACE_BASE, PLACE_CONST, PLACE_HOME, Move, emit_move, memory_of, order_moves
from vmcore._fast.jit.t2.places cimport AT_HOME, AT_SLOT, AT_XMM, MOST_SLOTS
from vmcore._fast.jit.x64.asm cimport (
    F_LEA, F_MOV, F_MOVAPS, F_MOVSD_LOAD, F_MOVSD_STORE, F_MOV_MR, RBP, x_mov_imm, x_rm, x_rr)
from vmcore._fast.memory.alloc cimport vm_grow

cdef enum:
    FIRST_ROOM = 64


cdef void *one_more(Code *c, void **array, uint32_t *n, uint32_t which, uint64_t each) noexcept nogil:
    if not vm_grow(array, &c.rooms[which], n[0] + 1, FIRST_ROOM, each):
        c.failed = True
        return NULL
    n[0] += 1
    return <uint8_t *>array[0] + (n[0] - 1) * each


cdef Away *away(Code *c, uint8_t *field, uint32_t kind, uint32_t what) noexcept nogil:
    cdef Away *w = <Away *>one_more(c, <void **>&c.aways, &c.naways, 0, sizeof(Away))
    if w == NULL:
        return NULL
    w.field = field
    w.back = c.a.at
    w.at = NULL
    w.kind = kind
    w.what = what
    w.more = 0
    return w


cdef void load_to(Code *c, uint32_t node, int to) noexcept nogil:
    cdef const Node *n = &c.g.nodes[node]
    cdef int32_t disp = 0
    cdef int base = home_of(c, node, &disp)
    if base >= 0:
        x_rm(&c.a, F_MOV, 1, to, base, disp)
    elif c.places[node] < AT_XMM:
        if c.places[node] != to:
            x_rr(&c.a, F_MOV, 1, to, c.places[node])
    elif n.op == OP_CONST:
        x_mov_imm(&c.a, to, <uint64_t>n.imm)
    elif n.flags & NODE_REMAT:
        # The page's address and a constant.
        x_rm(&c.a, F_MOV, 1, to, RBP, at_page_base())
        x_rm(&c.a, F_LEA, 1, to, to, <int32_t>c.g.nodes[n.b].imm)
    else:
        c.failed = True


cdef void put(Code *c, uint32_t node, int reg) noexcept nogil:
    cdef uint32_t place = c.places[node]
    cdef int32_t disp = 0
    cdef int base
    if place < AT_XMM:
        if <int>place != reg:
            x_rr(&c.a, F_MOV, 1, place, reg)
        return
    base = memory_of(place, &disp) if place < AT_SLOT + MOST_SLOTS else NO_REGISTER
    if base >= 0:
        x_rm(&c.a, F_MOV_MR, 1, reg, base, disp)


cdef void load_xmm(Code *c, uint32_t node, int to) noexcept nogil:
    cdef int32_t disp = 0
    cdef int base = home_of(c, node, &disp)
    if base >= 0:
        x_rm(&c.a, F_MOVSD_LOAD, 0, to, base, disp)
    elif xmm_of(c, node) >= 0:
        if xmm_of(c, node) != to:
            x_rr(&c.a, F_MOVAPS, 0, to, xmm_of(c, node))
    else:
        c.failed = True


cdef void put_xmm(Code *c, uint32_t node, int reg) noexcept nogil:
    cdef uint32_t place = c.places[node]
    cdef int32_t disp = 0
    cdef int base
    if AT_XMM <= place < AT_SLOT:
        if <int>place - AT_XMM != reg:
            x_rr(&c.a, F_MOVAPS, 0, <int>place - AT_XMM, reg)
        return
    base = memory_of(place, &disp) if place < AT_SLOT + MOST_SLOTS else NO_REGISTER
    if base >= 0:
        x_rm(&c.a, F_MOVSD_STORE, 0, reg, base, disp)


cdef void source_of(Code *c, uint32_t node, Move *m) noexcept nogil:
    cdef const Node *n = &c.g.nodes[node]
    cdef uint32_t place = c.places[node]
    m.value = 0
    if place < AT_SLOT + MOST_SLOTS:
        m.source = <uint16_t>place
    elif place == AT_HOME:
        m.source = PLACE_BASE if n.op == OP_BASE else <uint16_t>(PLACE_HOME + n.imm)
    elif n.op == OP_CONST:
        m.source = PLACE_CONST
        m.value = n.imm
    elif n.flags & NODE_REMAT and n.op == OP_ADD:
        m.source = PLACE_BASE
        m.value = c.g.nodes[n.b].imm
    else:
        m.source = PLACE_CONST
        c.failed = True


cdef void make_moves(Code *c, uint32_t n, bint keep_rax) noexcept nogil:
    cdef uint32_t i
    n = order_moves(c.moves, n, c.steps, keep_rax)
    for i in range(n):
        emit_move(&c.a, &c.steps[i])
