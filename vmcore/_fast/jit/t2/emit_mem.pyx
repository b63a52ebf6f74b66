"""Emission of checks of the TLB, of loads and of stores.

A check is T1's, with two scratch registers instead of three; see memory/tlb.pxd for what makes a hit. One that
remembers compares with what it found last: four instructions instead of eight. One that guesses compares the addend
that it found with the last one, which is used at once: no access waits for the look-up. A miss goes out of line, and
comes back to where the check began.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.hart.state cimport TLB_ARRAY
from vmcore._fast.jit.convention cimport at_no_page, at_strays
from vmcore._fast.jit.t2.code cimport (
    ASIDE_MISS, ASIDE_REFILL, ASIDE_STRAY, Away, Code, away, is_covered, is_imm32, is_number, load_to, node_of, op_with,
    put, put_xmm, register_of, target_of, target_xmm, use, use_xmm)
from vmcore._fast.jit.t2.ir cimport *
from vmcore._fast.jit.x64.asm cimport (
    CC_A, CC_NE, F_ADD, F_ADD_I, F_CMP, F_AND_I, F_CMP_I, F_LEA, F_MOV, F_MOV16_MI, F_MOV16_MR, F_MOV8_MI, F_MOV8_MR,
    F_MOVSD_LOAD, F_MOVSD_STORE, F_MOVSS_LOAD, F_MOVSS_STORE, F_MOVSX16, F_MOVSX8, F_MOVSXD, F_MOVZX16, F_MOVZX8,
    F_MOV_MI, F_MOV_MR, F_RORX, F_XOR, R14, RAX, RBP, RDX, x_jcc, x_jmp_to, x_rm, x_rmi, x_rri, x_rx, x_rxi)
from vmcore._fast.memory.tlb cimport TLB_MASK


cdef inline int32_t table_of(const Node *host) noexcept nogil:
    return TLB_ARRAY if host.flags & MEM_WRITE else 0


cdef void host_address(Code *c, uint32_t host, int to) noexcept nogil:
    cdef const Node *n = node_of(c, host)
    cdef int reg = register_of(c, n.a)
    if reg >= 0 and reg != to and n.imm:
        x_rm(&c.a, F_LEA, 1, to, reg, <int32_t>n.imm)
        return
    load_to(c, n.a, to)
    if n.imm:
        x_rri(&c.a, F_ADD_I, 1, 0, to, n.imm)


cdef void look_up(Code *c, uint32_t host, uint8_t *back) noexcept nogil:
    # rax: the entry's place among the others. A miss comes back to `back`.
    cdef const Node *n = node_of(c, host)
    cdef uint8_t *field
    cdef Away *w
    host_address(c, host, RDX)
    x_rri(&c.a, F_RORX, 0, RAX, RDX, 8)
    x_rri(&c.a, F_AND_I, 0, 0, RAX, TLB_MASK << 4)
    x_rx(&c.a, F_XOR, 1, RDX, R14, RAX, 0, table_of(n))
    x_rri(&c.a, F_CMP_I, 1, 0, RDX, 4096 - <int64_t>n.size)
    field = x_jcc(&c.a, CC_A)
    w = away(c, field, ASIDE_MISS, host)
    if w != NULL:
        w.back = back


cdef int guess_host(Code *c, uint32_t host, int to) noexcept nogil:
    # As find_host().
    cdef const Node *n = node_of(c, host)
    cdef int addend = register_of(c, n.b)
    cdef uint8_t *field
    cdef Away *w
    look_up(c, host, c.a.at)
    if addend < 0:
        # What is in memory is no faster than the table.
        x_rx(&c.a, F_MOV, 1, to, R14, RAX, 0, table_of(n) + 8)
        return to
    x_rx(&c.a, F_CMP, 1, addend, R14, RAX, 0, table_of(n) + 8)
    field = x_jcc(&c.a, CC_NE)
    w = away(c, field, ASIDE_STRAY, host)
    if w != NULL:
        w.back = c.a.at
    return addend


cdef int find_host(Code *c, uint32_t host, int to) noexcept nogil:
    # The register that has what is to be added to the guest's address: `to`, or that of OP_ADDEND.
    cdef const Node *n = node_of(c, host)
    cdef uint8_t *back = c.a.at
    cdef uint8_t *field
    cdef Away *w
    if n.b == 0:
        look_up(c, host, back)
        x_rx(&c.a, F_MOV, 1, to, R14, RAX, 0, table_of(n) + 8)
        return to
    if n.c == 0:
        return guess_host(c, host, to)
    host_address(c, host, RDX)
    op_with(c, F_XOR, 1, RDX, n.b)
    x_rri(&c.a, F_CMP_I, 1, 0, RDX, 4096 - <int64_t>n.size)
    field = x_jcc(&c.a, CC_A)
    w = away(c, field, ASIDE_REFILL, host)
    if w != NULL:
        w.back = back
    return use(c, n.c, to)


cdef void remember(Code *c, uint32_t node, int reg) noexcept nogil:
    # A loop's own copy, and what the next one is made from when the loop is entered again (split.pxd).
    cdef const Node *n = node_of(c, node)
    put(c, node, reg)
    if n.op == OP_ARG and n.spare:
        put(c, n.spare, reg)


cdef void refill_aside(Code *c, uint32_t host, uint8_t *back) noexcept nogil:
    cdef const Node *n = node_of(c, host)
    cdef int tag = register_of(c, n.b)
    cdef int addend = register_of(c, n.c)
    look_up(c, host, c.a.at)
    if tag < 0:
        tag = RDX
    x_rx(&c.a, F_MOV, 1, tag, R14, RAX, 0, table_of(n))
    remember(c, n.b, tag)
    if addend < 0:
        addend = RAX
    x_rx(&c.a, F_MOV, 1, addend, R14, RAX, 0, table_of(n) + 8)
    remember(c, n.c, addend)
    if n.flags & MEM_GUESS:
        x_rmi(&c.a, F_ADD_I, 1, 0, RBP, at_strays(c.slot), 1)
    x_jmp_to(&c.a, back)


cdef void stray_aside(Code *c, uint32_t host, uint8_t *back) noexcept nogil:
    # Who decides about regions wants to know whether guesses are wrong often. rax: the entry's place, as it was.
    cdef const Node *n = node_of(c, host)
    x_rx(&c.a, F_MOV, 1, register_of(c, n.b), R14, RAX, 0, table_of(n) + 8)
    remember(c, n.b, register_of(c, n.b))
    x_rmi(&c.a, F_ADD_I, 1, 0, RBP, at_strays(c.slot), 1)
    x_jmp_to(&c.a, back)


# --- accesses ---------------------------------------------------------------------------------------------------------


cdef void host_place(Code *c, uint32_t node, int *base, int *index, int32_t *disp) noexcept nogil:
    # Where an access goes: [base + index + disp], index -1: none. rax may be part of it, rdx is not.
    cdef const Node *n = node_of(c, node)
    cdef int host
    disp[0] = <int32_t>n.imm
    index[0] = -1
    if is_covered(c, n.a):
        host = find_host(c, n.a, RAX)
    else:
        host = use(c, n.a, RAX)
    if register_of(c, n.b) >= 0:
        base[0] = host
        index[0] = register_of(c, n.b)
        return
    base[0] = RAX
    if is_imm32(c, n.b) and node_of(c, n.b).imm + disp[0] == <int32_t>(node_of(c, n.b).imm + disp[0]):
        disp[0] += <int32_t>node_of(c, n.b).imm
        base[0] = host
    elif host == RAX:
        op_with(c, F_ADD, 1, RAX, n.b)
    else:
        load_to(c, n.b, RAX)
        index[0] = host


cdef inline void access(Code *c, int form, int w, int reg, int base, int index, int32_t disp) noexcept nogil:
    if index < 0:
        x_rm(&c.a, form, w, reg, base, disp)
    else:
        x_rx(&c.a, form, w, reg, base, index, 0, disp)


cdef void load(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef bint is_signed = (n.flags & MEM_SIGNED) != 0
    cdef int base = 0
    cdef int index = 0
    cdef int32_t disp = 0
    cdef int to
    host_place(c, node, &base, &index, &disp)
    if n.type != T_INT:
        to = target_xmm(c, node)
        access(c, F_MOVSD_LOAD if n.size == 8 else F_MOVSS_LOAD, 0, to, base, index, disp)
        put_xmm(c, node, to)
        return
    to = target_of(c, node)
    if n.size == 1:
        access(c, F_MOVSX8 if is_signed else F_MOVZX8, is_signed, to, base, index, disp)
    elif n.size == 2:
        access(c, F_MOVSX16 if is_signed else F_MOVZX16, is_signed, to, base, index, disp)
    elif n.size == 4 and is_signed:
        access(c, F_MOVSXD, 1, to, base, index, disp)
    else:
        access(c, F_MOV, n.size == 8, to, base, index, disp)
    put(c, node, to)


cdef inline int store_form(uint32_t size) noexcept nogil:
    return F_MOV8_MR if size == 1 else F_MOV16_MR if size == 2 else F_MOV_MR


cdef inline int store_form_imm(uint32_t size) noexcept nogil:
    return F_MOV8_MI if size == 1 else F_MOV16_MI if size == 2 else F_MOV_MI


cdef inline int64_t narrowed(int64_t value, uint32_t size) noexcept nogil:
    # As the forms want an immediate: signed.
    cdef uint32_t unused = 64 - 8 * size
    return <int64_t>(<uint64_t>value << unused) >> unused


cdef void store(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef uint32_t value = n.c
    cdef int base = 0
    cdef int index = 0
    cdef int32_t disp = 0
    cdef int64_t imm
    host_place(c, node, &base, &index, &disp)
    if is_covered(c, value):
        # An extension of what is stored.
        value = node_of(c, value).a
    if node_of(c, value).type != T_INT:
        access(c, F_MOVSD_STORE if n.size == 8 else F_MOVSS_STORE, 0, use_xmm(c, value, 0), base, index, disp)
        return
    if is_number(c, value):
        imm = narrowed(node_of(c, value).imm, n.size)
        if imm == <int32_t>imm:
            if index < 0:
                x_rmi(&c.a, store_form_imm(n.size), n.size == 8, 0, base, disp, imm)
            else:
                x_rxi(&c.a, store_form_imm(n.size), n.size == 8, 0, base, index, 0, disp, imm)
            return
    access(c, store_form(n.size), n.size == 8, use(c, value, RDX), base, index, disp)


cdef void emit_mem(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    if n.op == OP_LOAD:
        load(c, node)
    elif n.op == OP_STORE:
        store(c, node)
    elif n.op == OP_HOST:
        put(c, node, find_host(c, node, target_of(c, node)))
    elif n.op == OP_TAG:
        x_rm(&c.a, F_MOV, 1, target_of(c, node), RBP, at_no_page())
        put(c, node, target_of(c, node))
