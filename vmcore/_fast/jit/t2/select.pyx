"""Selection: which nodes become part of the instruction of their only user.

A node can be covered if it has one use, in the same block. It is worked out where its user stands then, which is later:
so its operands live longer, and a check of the TLB may only be covered if nothing happens in between.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t

from vmcore._fast.jit.t2.ir cimport *


cdef inline bint is_one_of_compares(uint32_t op) noexcept nogil:
    return OP_EQ <= op <= OP_GEU


cdef inline bint is_imm32(const Graph *g, uint32_t node) noexcept nogil:
    return g.nodes[node].op == OP_CONST and g.nodes[node].imm == <int32_t>g.nodes[node].imm


cdef inline bint is_free(const Graph *g, uint32_t node, uint32_t block) noexcept nogil:
    # Nobody else wants it.
    cdef const Node *n = &g.nodes[node]
    return n.uses == 1 and n.block == block and n.flags & (NODE_COVERED | NODE_REMAT) == 0


cdef inline bint is_free_inside(const Graph *g, uint32_t node, uint32_t block) noexcept nogil:
    # Nobody else wants it but exits, which can work it out themselves. (`spare`: look_at_exits().)
    cdef const Node *n = &g.nodes[node]
    return n.uses == n.spare + 1 and n.block == block and n.flags & (NODE_COVERED | NODE_REMAT) == 0


cdef inline void cover(Graph *g, uint32_t node) noexcept nogil:
    g.nodes[node].flags |= NODE_COVERED


cdef inline void cover_half(Graph *g, uint32_t node) noexcept nogil:
    # A sign extension whose user takes the lower half as well.
    g.nodes[node].flags |= NODE_COVERED | NODE_LATE if g.nodes[node].spare else NODE_COVERED


cdef inline bint may_be_late(const Graph *g, uint32_t node) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    if n.op == OP_SEXT32 or n.op == OP_FCLEAN or n.op == OP_BOX:
        # What it is made from has to have a place.
        return g.nodes[n.a].flags & NODE_REMAT == 0
    return False


# --- constants --------------------------------------------------------------------------------------------------------

cdef inline bint takes_constant(const Node *n, uint32_t i, int64_t value) noexcept nogil:
    # Is a register of its own of no use to a constant that is operand i of n?
    cdef uint32_t op = n.op
    if i == 1 and (OP_SHL <= op <= OP_ROTR or OP_SHL32 <= op <= OP_ROTR32):
        return True
    if value != <int32_t>value:
        return False
    if OP_ADD <= op <= OP_ROTR or OP_SHL32 <= op <= OP_ROTR32 or is_one_of_compares(op):
        return True
    return (op == OP_STORE and i == 2) or (op == OP_SELECT and i)


cdef void look_at_constants(Graph *g) noexcept nogil:
    # A constant that every user takes as it is has no register, nor has an address in the page that hardly anything but
    # exits reads. `spare` counts the nodes that would need it in a register.
    cdef uint32_t i, k, operand_
    cdef Node *n
    cdef Node *o
    for i in range(1, g.nnodes):
        g.nodes[i].spare = 0
        g.nodes[i].flags &= ~<uint32_t>(NODE_COVERED | NODE_REMAT | NODE_LATE)
    for i in range(1, g.nnodes):
        n = &g.nodes[i]
        if n.op == OP_NONE:
            continue
        for k in range(3):
            operand_ = operand(n, k)
            if operand_ == 0:
                continue
            o = &g.nodes[operand_]
            if o.op == OP_CONST:
                if not takes_constant(n, k, o.imm):
                    o.spare += 1
            elif n.op != OP_EQ and n.op != OP_NE:
                o.spare += 1
    for i in range(1, g.nnodes):
        n = &g.nodes[i]
        if n.spare == 0 and (n.op == OP_CONST or (n.op == OP_ADD and g.nodes[n.a].op == OP_BASE
                                                  and is_imm32(g, n.b))):
            n.flags |= NODE_REMAT


# --- patterns ---------------------------------------------------------------------------------------------------------

cdef inline bint is_word(const Graph *g, uint32_t node) noexcept nogil:
    # Is it surely the sign extension of its own lower half?
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t op = n.op
    if op == OP_CONST:
        return n.imm == <int32_t>n.imm
    if op == OP_LOAD:
        return n.type == T_INT and (n.size <= 2 or (n.size == 4 and n.flags & MEM_SIGNED))
    if op == OP_ZEXT32:
        return False
    return OP_SHL32 <= op <= OP_ZEXT16 or OP_CLZ <= op <= OP_POPCNT32 or is_one_of_compares(op)


cdef inline bint is_quiet_until(const Graph *g, uint32_t node, uint32_t user) noexcept nogil:
    # Does nothing happen between the two (0: the end of the block) that could not as well happen before the first?
    cdef uint32_t at = g.nodes[node].next
    while at and at != user:
        if not is_pure(g.nodes[at].op) and g.nodes[at].op != OP_LOAD:
            return False
        at = g.nodes[at].next
    return at == user


cdef inline bint is_order(const Graph *g, uint32_t node, uint32_t block, uint32_t user) noexcept nogil:
    # A comparison of floating point that one condition of the host tells. It raises flags.
    return (g.nodes[node].op == OP_FLT or g.nodes[node].op == OP_FLE) and is_free(g, node, block) and \
        is_quiet_until(g, node, user)


cdef void cover_compare(Graph *g, uint32_t node, uint32_t block, uint32_t user) noexcept nogil:
    # `user`: what reads the flags, 0 for the end of the block.
    cdef Node *n = &g.nodes[node]
    if (n.op == OP_EQ or n.op == OP_NE) and is_imm32(g, n.b) and g.nodes[n.b].imm == 0 and \
            is_order(g, n.a, block, user):
        cover(g, n.a)
        return
    if (n.op == OP_EQ or n.op == OP_NE) and g.nodes[n.a].op == OP_AND and is_imm32(g, n.b) and \
            g.nodes[n.b].imm == 0 and is_free(g, n.a, block):
        cover(g, n.a)
        return
    # Of two sign-extended words the lower halves compare as the whole does, signed or not.
    if is_word(g, n.a) and is_word(g, n.b):
        if g.nodes[n.a].op == OP_SEXT32 and may_be_late(g, n.a) and is_free_inside(g, n.a, block):
            cover_half(g, n.a)
        if g.nodes[n.b].op == OP_SEXT32 and may_be_late(g, n.b) and is_free_inside(g, n.b, block):
            cover_half(g, n.b)


cdef void cover_condition(Graph *g, uint32_t node, uint32_t block, uint32_t user) noexcept nogil:
    cdef uint32_t op = g.nodes[node].op
    if not is_free(g, node, block):
        return
    if is_one_of_compares(op):
        cover(g, node)
        cover_compare(g, node, block, user)
    elif op == OP_AND or is_order(g, node, block, user):
        cover(g, node)


cdef inline bint is_scaled(const Graph *g, uint32_t node) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    return n.op == OP_SHL and is_imm32(g, n.b) and 1 <= g.nodes[n.b].imm <= 3


cdef void cover_sum(Graph *g, uint32_t node, uint32_t block) noexcept nogil:
    # What one lea does: base + index << scale + constant.
    cdef Node *n = &g.nodes[node]
    if is_imm32(g, n.b):
        if g.nodes[n.a].op == OP_ADD and is_free(g, n.a, block) and g.nodes[g.nodes[n.a].a].op != OP_CONST and \
                g.nodes[g.nodes[n.a].b].op != OP_CONST:
            cover(g, n.a)
            cover_sum(g, n.a, block)
    elif is_scaled(g, n.b) and is_free(g, n.b, block):
        cover(g, n.b)
    elif is_scaled(g, n.a) and is_free(g, n.a, block):
        cover(g, n.a)


cdef inline bint has_narrow_form(const Graph *g, uint32_t node) noexcept nogil:
    # Can its lower 32 bits be computed from those of its operands, by the same instruction?
    cdef uint32_t op = g.nodes[node].op
    if OP_ADD <= op <= OP_XOR or op == OP_NEG or op == OP_NOT:
        return True
    return op == OP_SHL and is_imm32(g, g.nodes[node].b) and 0 < g.nodes[g.nodes[node].b].imm < 32


cdef inline uint32_t kept_bits(uint32_t op) noexcept nogil:
    # How many of the lowest bits an extension leaves as they are.
    if op == OP_SEXT8 or op == OP_ZEXT8:
        return 8
    if op == OP_SEXT16 or op == OP_ZEXT16:
        return 16
    return 32 if op == OP_SEXT32 or op == OP_ZEXT32 else 0


cdef void cover_host(Graph *g, uint32_t node, uint32_t block) noexcept nogil:
    # A check of the TLB for one access alone: nothing may happen between the two but what can wait until after both, or
    # is done before.
    cdef uint32_t host = g.nodes[node].a
    if g.nodes[host].op != OP_HOST or not is_free(g, host, block) or not is_quiet_until(g, host, node):
        return
    # Next to each other: its snapshot reads nothing later than it would have.
    move_before(g, host, node)
    cover(g, host)


cdef void cover_operands(Graph *g, uint32_t node, uint32_t block) noexcept nogil:
    cdef Node *n = &g.nodes[node]
    cdef uint32_t op = n.op
    if op == OP_ADD:
        cover_sum(g, node, block)
    elif op == OP_SEXT32 or op == OP_ZEXT32:
        if has_narrow_form(g, n.a) and is_free(g, n.a, block):
            cover(g, n.a)
            if g.nodes[n.a].op == OP_ADD:
                cover_sum(g, n.a, block)
    elif op == OP_AND:
        if g.nodes[n.b].op == OP_NOT and is_free(g, n.b, block):
            cover(g, n.b)
        elif g.nodes[n.a].op == OP_NOT and is_free(g, n.a, block) and g.nodes[n.b].op != OP_CONST:
            cover(g, n.a)
    elif is_one_of_compares(op):
        cover_compare(g, node, block, node)
    elif op == OP_SELECT or op == OP_LEAVE_IF:
        cover_condition(g, n.a, block, node)
    elif op == OP_LOAD:
        cover_host(g, node, block)
    elif op == OP_STORE:
        if g.nodes[n.c].type == T_INT and 8 * <uint32_t>n.size <= kept_bits(g.nodes[n.c].op) and \
                is_free(g, n.c, block):
            cover(g, n.c)
        cover_host(g, node, block)


# --- what only exits read ---------------------------------------------------------------------------------------------

cdef void count_exits(Graph *g, uint32_t snap) noexcept nogil:
    cdef const Snap *s = &g.snaps[snap]
    cdef uint32_t i
    for i in range(s.nregs if snap else 0):
        g.nodes[snap_node(g, s, i)].spare += 1


cdef void look_at_exits(Graph *g) noexcept nogil:
    # `spare` counts the uses by snapshots, those of what is reached, as count_uses() counts all.
    cdef uint32_t i, node
    cdef Node *n
    for i in range(1, g.nnodes):
        g.nodes[i].spare = 0
    for i in range(g.norder):
        count_exits(g, g.blocks[g.order[i]].snap)
        node = g.blocks[g.order[i]].first
        while node:
            count_exits(g, g.nodes[node].snap)
            node = g.nodes[node].next
    for i in range(1, g.nnodes):
        n = &g.nodes[i]
        if n.op == OP_NONE or n.uses == 0 or n.spare != n.uses or not may_be_late(g, i):
            continue
        if n.op == OP_FCLEAN and n.type != T_F64:
            # By itself a single is in no snapshot.
            continue
        n.flags |= NODE_COVERED | NODE_LATE
        node = n.a
        if n.op == OP_BOX and g.nodes[node].op == OP_FCLEAN and g.nodes[node].uses == 1 and may_be_late(g, node):
            g.nodes[node].flags |= NODE_COVERED | NODE_LATE


cdef void select_nodes(Graph *g) noexcept nogil:
    cdef uint32_t i, block, node, before
    look_at_constants(g)
    look_at_exits(g)
    for i in range(g.norder):
        block = g.order[i]
        if g.blocks[block].end == END_BRANCH:
            cover_condition(g, g.blocks[block].cond, block, 0)
        # Users first: what is covered covers nothing by itself.
        node = g.blocks[block].last
        while node:
            if g.nodes[node].flags & (NODE_COVERED | NODE_REMAT) == 0:
                cover_operands(g, node, block)
            # A check that was moved stands before it now.
            before = g.nodes[node].prev
            node = before


# --- what is read -----------------------------------------------------------------------------------------------------

cdef uint32_t add_reads(const Graph *g, uint32_t node, uint32_t *reads, uint32_t n) noexcept nogil:
    cdef const Node *o = &g.nodes[node]
    cdef uint32_t i
    if node == 0 or o.flags & NODE_REMAT:
        return n
    if o.flags & NODE_COVERED:
        for i in range(3):
            n = add_reads(g, operand(o, i), reads, n)
        return n
    if n < MOST_READS:
        reads[n] = node
    return n + 1


cdef uint32_t reads_of(const Graph *g, uint32_t node, uint32_t *reads) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t i
    for i in range(3):
        n = add_reads(g, operand(&g.nodes[node], i), reads, n)
    return n if n < MOST_READS else MOST_READS


cdef uint32_t reads_of_end(const Graph *g, uint32_t block, uint32_t *reads) noexcept nogil:
    return add_reads(g, g.blocks[block].cond, reads, 0)


cdef uint32_t wants_register_of(const Graph *g, uint32_t node) noexcept nogil:
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t op = n.op
    cdef uint32_t wish = n.a
    if (op == OP_SEXT32 or op == OP_ZEXT32) and g.nodes[n.a].flags & NODE_COVERED and g.nodes[n.a].op != OP_ADD:
        n = &g.nodes[n.a]
        wish = n.a
    elif OP_ADD <= op <= OP_XOR:
        if g.nodes[n.a].flags & NODE_COVERED or g.nodes[n.b].flags & NODE_COVERED:
            wish = 0
    elif op == OP_SHL or op == OP_SHR or op == OP_SAR:
        if g.nodes[n.b].op != OP_CONST:
            wish = 0
    elif op == OP_SELECT or OP_FMADD <= op <= OP_FNMADD:
        wish = n.c
    elif not (op == OP_NEG or op == OP_NOT or op == OP_BSWAP or OP_FADD <= op <= OP_FDIV or op == OP_FCLEAN):
        wish = 0
    if g.nodes[wish].flags & (NODE_COVERED | NODE_REMAT):
        return 0
    return wish
