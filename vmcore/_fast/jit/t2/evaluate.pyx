"""The reference evaluator.

It shares its arithmetic with the folding of constants (arith.pyx); what that computes is compared with other
implementations by the tests.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.hart.softfloat cimport (
    f32_add, f32_div, f32_eq, f32_fma, f32_from_i32, f32_from_i64, f32_from_u32, f32_from_u64, f32_le, f32_lt, f32_max,
    f32_min, f32_mul, f32_sqrt, f32_sub, f32_to_f64, f32_to_i32, f32_to_i64, f32_to_u32, f32_to_u64, f64_add, f64_div,
    f64_eq, f64_fma, f64_from_i32, f64_from_i64, f64_from_u32, f64_from_u64, f64_le, f64_lt, f64_max, f64_min, f64_mul,
    f64_sqrt, f64_sub, f64_to_f32, f64_to_i32, f64_to_i64, f64_to_u32, f64_to_u64)
from vmcore._fast.jit.t2.arith cimport fold_op
from vmcore._fast.jit.t2.ir cimport (
    END_BRANCH, END_LEAVE, END_LEAVE_TO, MEM_SIGNED, OP_ADDEND, OP_ARG, OP_BASE, OP_BITS, OP_CONST, OP_COUNT,
    OP_DIRTY, OP_ENTRY, OP_F32_F64, OP_F64_F32, OP_FADD, OP_FDIV, OP_FEQ, OP_FLT, OP_FMADD, OP_FMAX, OP_FMIN,
    OP_FMSUB, OP_FMUL, OP_FNMADD, OP_FNMSUB, OP_FPU, OP_FSQRT, OP_FSUB, OP_F_INT, OP_HOST, OP_INT_F, OP_LEAVE_IF,
    OP_LOAD, OP_POLL, OP_SEXT16, OP_SEXT32, OP_SEXT8, OP_STORE, OP_TAG, T_F32, T_INT, edge_arg, is_pure, snap_node,
    snap_reg, BlockOf, Edge, Graph, Node, Snap)
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

cdef enum:
    DYNAMIC = 7

cdef struct State:
    const Graph *g
    Run *run
    uint64_t *values
    uint64_t *passed          # along an edge
    uint32_t node
    uint32_t block


cdef bint wrong(State *s, const char *what) noexcept nogil:
    s.run.how = LEFT_WRONG
    s.run.what = what
    s.run.node = s.node
    s.run.block = s.block
    return False


cdef bint leave(State *s, uint32_t snap, uint32_t how, uint64_t to) noexcept nogil:
    cdef const Snap *snapshot = &s.g.snaps[snap]
    cdef uint32_t i
    for i in range(snapshot.nregs):
        s.run.regs[snap_reg(s.g, snapshot, i)] = s.values[snap_node(s.g, snapshot, i)]
    s.run.how = how
    s.run.node = s.node
    s.run.block = s.block
    s.run.kind = snapshot.kind
    s.run.executed += snapshot.count
    s.run.budget -= snapshot.count
    s.run.pc = to if how == LEFT_TO else s.run.page + snapshot.off
    return False


cdef bint is_place(State *s) noexcept nogil:
    # One more place where it may be left: is it the one where it has to be?
    s.run.places += 1
    return s.run.places == s.run.leave_at


# --- memory -----------------------------------------------------------------------------------------------------------

cdef bint has(const State *s, uint64_t address, uint64_t size) noexcept nogil:
    # Bytes that are there, in one page.
    if address < s.run.base or address - s.run.base > s.run.size or size > s.run.size - (address - s.run.base):
        return False
    return address >> 12 == (address + size - 1) >> 12


cdef bint load(State *s, const Node *n) noexcept nogil:
    # What is added to a guest's address to make it the host's is the beginning of the bytes.
    cdef uint64_t at = s.values[n.a] + s.values[n.b] + <uint64_t>n.imm
    cdef uint64_t value = 0
    if at > s.run.size or n.size > s.run.size - at:
        return wrong(s, "a load is not where its host is")
    memcpy(&value, s.run.memory + at, n.size)
    if n.flags & MEM_SIGNED and n.type == T_INT:
        value = fold_op(OP_SEXT8 if n.size == 1 else OP_SEXT16 if n.size == 2 else OP_SEXT32, T_INT, 0, 0,
                        <int64_t>value, 0, 0) if n.size < 8 else value
    s.values[s.node] = value
    return True


cdef bint store(State *s, const Node *n) noexcept nogil:
    cdef uint64_t at = s.values[n.a] + s.values[n.b] + <uint64_t>n.imm
    if at > s.run.size or n.size > s.run.size - at:
        return wrong(s, "a store is not where its host is")
    memcpy(s.run.memory + at, &s.values[n.c], n.size)
    return True


# --- floating point ---------------------------------------------------------------------------------------------------

cdef uint64_t double_op(uint32_t op, uint64_t a, uint64_t b, uint64_t c, uint32_t rm, uint32_t *flags) noexcept nogil:
    cdef uint64_t sign = <uint64_t>1 << 63
    if op == OP_FADD:
        return f64_add(a, b, rm, flags)
    elif op == OP_FSUB:
        return f64_sub(a, b, rm, flags)
    elif op == OP_FMUL:
        return f64_mul(a, b, rm, flags)
    elif op == OP_FDIV:
        return f64_div(a, b, rm, flags)
    elif op == OP_FSQRT:
        return f64_sqrt(a, rm, flags)
    elif op == OP_FMADD:
        return f64_fma(a, b, c, rm, flags)
    elif op == OP_FMSUB:
        return f64_fma(a, b, c ^ sign, rm, flags)
    elif op == OP_FNMSUB:
        return f64_fma(a ^ sign, b, c, rm, flags)
    elif op == OP_FNMADD:
        return f64_fma(a ^ sign, b, c ^ sign, rm, flags)
    elif op == OP_FMIN:
        return f64_min(a, b, flags)
    elif op == OP_FMAX:
        return f64_max(a, b, flags)
    elif op == OP_FEQ:
        return f64_eq(a, b, flags)
    elif op == OP_FLT:
        return f64_lt(a, b, flags)
    return f64_le(a, b, flags)


cdef uint64_t single_op(uint32_t op, uint64_t a, uint64_t b, uint64_t c, uint32_t rm, uint32_t *flags) noexcept nogil:
    cdef uint64_t sign = <uint64_t>1 << 31
    if op == OP_FADD:
        return f32_add(a, b, rm, flags)
    elif op == OP_FSUB:
        return f32_sub(a, b, rm, flags)
    elif op == OP_FMUL:
        return f32_mul(a, b, rm, flags)
    elif op == OP_FDIV:
        return f32_div(a, b, rm, flags)
    elif op == OP_FSQRT:
        return f32_sqrt(a, rm, flags)
    elif op == OP_FMADD:
        return f32_fma(a, b, c, rm, flags)
    elif op == OP_FMSUB:
        return f32_fma(a, b, c ^ sign, rm, flags)
    elif op == OP_FNMSUB:
        return f32_fma(a ^ sign, b, c, rm, flags)
    elif op == OP_FNMADD:
        return f32_fma(a ^ sign, b, c ^ sign, rm, flags)
    elif op == OP_FMIN:
        return f32_min(a, b, flags)
    elif op == OP_FMAX:
        return f32_max(a, b, flags)
    elif op == OP_FEQ:
        return f32_eq(a, b, flags)
    elif op == OP_FLT:
        return f32_lt(a, b, flags)
    return f32_le(a, b, flags)


cdef uint64_t to_integer(const Node *n, uint8_t of, uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    if of == T_F32:
        if n.size == 4:
            return f32_to_i32(a, rm, flags) if n.flags & MEM_SIGNED else f32_to_u32(a, rm, flags)
        return f32_to_i64(a, rm, flags) if n.flags & MEM_SIGNED else f32_to_u64(a, rm, flags)
    if n.size == 4:
        return f64_to_i32(a, rm, flags) if n.flags & MEM_SIGNED else f64_to_u32(a, rm, flags)
    return f64_to_i64(a, rm, flags) if n.flags & MEM_SIGNED else f64_to_u64(a, rm, flags)


cdef uint64_t from_integer(const Node *n, uint64_t a, uint32_t rm, uint32_t *flags) noexcept nogil:
    # 32-bit integers are as a register holds them, which the softfloat functions ask for.
    if n.size == 4:
        a = <uint64_t><int64_t><int32_t>a
        if n.type == T_F32:
            return f32_from_i32(a, rm, flags) if n.flags & MEM_SIGNED else f32_from_u32(a, rm, flags)
        return f64_from_i32(a, rm, flags) if n.flags & MEM_SIGNED else f64_from_u32(a, rm, flags)
    if n.type == T_F32:
        return f32_from_i64(a, rm, flags) if n.flags & MEM_SIGNED else f32_from_u64(a, rm, flags)
    return f64_from_i64(a, rm, flags) if n.flags & MEM_SIGNED else f64_from_u64(a, rm, flags)


cdef void float_op(State *s, const Node *n) noexcept nogil:
    cdef uint32_t *flags = &s.run.flags
    cdef uint32_t rm = s.run.frm if n.mode == DYNAMIC else n.mode
    cdef uint8_t of = s.g.nodes[n.a].type
    cdef uint64_t mask = 0xFFFFFFFFu if of == T_F32 else ~<uint64_t>0
    cdef uint64_t a = s.values[n.a]
    cdef uint64_t b = s.values[n.b] & mask
    cdef uint64_t c = s.values[n.c] & mask
    cdef uint64_t *to = &s.values[s.node]
    if n.op == OP_F_INT:
        to[0] = from_integer(n, a, rm, flags)
        return
    a &= mask
    if n.op == OP_INT_F:
        to[0] = to_integer(n, of, a, rm, flags)
    elif n.op == OP_F64_F32:
        to[0] = f32_to_f64(a, rm, flags)
    elif n.op == OP_F32_F64:
        to[0] = f64_to_f32(a, rm, flags)
    elif of == T_F32:
        to[0] = single_op(n.op, a, b, c, rm, flags)
    else:
        to[0] = double_op(n.op, a, b, c, rm, flags)


# --- one after the other ----------------------------------------------------------------------------------------------

cdef bint step(State *s) noexcept nogil:
    # False: that is the end.
    cdef const Node *n = &s.g.nodes[s.node]
    cdef uint64_t address
    if n.op == OP_CONST:
        s.values[s.node] = n.imm
    elif n.op == OP_ENTRY:
        s.values[s.node] = s.run.regs[n.imm & 63]
    elif n.op == OP_BASE:
        s.values[s.node] = s.run.page
    elif n.op == OP_ARG or n.op == OP_TAG or n.op == OP_ADDEND:
        return True
    elif n.op == OP_HOST:
        address = s.values[n.a] + <uint64_t>n.imm
        if is_place(s) or not has(s, address, n.size):
            return leave(s, n.snap, LEFT_SNAP, 0)
        s.values[s.node] = 0 - s.run.base
    elif n.op == OP_LOAD:
        return load(s, n)
    elif n.op == OP_STORE:
        return store(s, n)
    elif n.op == OP_FPU:
        return True if not is_place(s) else leave(s, n.snap, LEFT_SNAP, 0)
    elif n.op == OP_DIRTY:
        s.run.dirty = 1
    elif n.op == OP_COUNT or n.op == OP_POLL:
        s.run.budget -= n.imm
        s.run.executed += n.imm
        if n.op == OP_POLL and (is_place(s) or s.run.budget < 0):
            return leave(s, n.snap, LEFT_SNAP, 0)
    elif n.op == OP_LEAVE_IF:
        s.run.places += 1
        if s.values[n.a]:
            return leave(s, n.snap, LEFT_SNAP, 0)
    elif is_pure(n.op):
        s.values[s.node] = fold_op(n.op, s.g.nodes[n.a].type if n.op == OP_BITS else n.type, n.size, n.mode,
                                   s.values[n.a], s.values[n.b], s.values[n.c])
    else:
        float_op(s, n)
    return True


cdef void follow(State *s, const Edge *e) noexcept nogil:
    # All arguments at once: one may be what another is to become.
    cdef uint32_t i
    cdef uint32_t arg
    for i in range(e.nargs):
        s.passed[i] = s.values[edge_arg(s.g, e, i)]
    arg = s.g.blocks[e.to].first
    for i in range(e.nargs):
        s.values[arg] = s.passed[i]
        arg = s.g.nodes[arg].next
    s.block = e.to


cdef bint end(State *s) noexcept nogil:
    cdef const BlockOf *b = &s.g.blocks[s.block]
    s.node = 0
    if b.end == END_LEAVE:
        return leave(s, b.snap, LEFT_SNAP, 0)
    if b.end == END_LEAVE_TO:
        return leave(s, b.snap, LEFT_TO, s.values[b.cond])
    follow(s, &b.edges[1 if b.end == END_BRANCH and s.values[b.cond] == 0 else 0])
    return True


cdef void evaluate(const Graph *g, Run *run) noexcept nogil:
    cdef State s
    run.how = LEFT_NOT
    run.executed = 0
    run.places = 0
    run.flags = 0
    run.dirty = 0
    run.what = NULL
    s.g = g
    s.run = run
    s.block = 1
    s.values = <uint64_t *>vm_calloc(g.nnodes, sizeof(uint64_t))
    s.passed = <uint64_t *>vm_calloc(g.nnodes, sizeof(uint64_t))
    if s.values == NULL or s.passed == NULL:
        run.how = LEFT_MEMORY
    while run.how == LEFT_NOT and run.steps:
        s.node = g.blocks[s.block].first
        while s.node and run.steps:
            run.steps -= 1
            if not step(&s):
                break
            s.node = g.nodes[s.node].next
        # An empty block counts too, so that no loop is without end.
        if run.how == LEFT_NOT and run.steps:
            run.steps -= 1
            end(&s)
    vm_free(s.values)
    vm_free(s.passed)
