"""Forwarding of stores and of loads to loads, and stores that nobody sees.

From each load one looks back, through its block and the blocks that lead straight to it, for what was last stored to,
or loaded from, the same bytes: the same root and offset (loops.pxd), the same size. Accesses with the same root whose
bytes do not overlap do not touch each other; those with different roots may.

The value is then the stored one, cut to its size and extended as the load asks; what is stored is clean already. Guests
may not tell: a hart sees its own stores, and may see a value that was there a moment ago (RVWMO; a fence that orders
loads ends a region where harts run at the same time). Whatever checks that the load is allowed stays.

A store is not needed if the next thing that may read memory, or leave the region, comes after another store to all of
its bytes.

Limit: LOOKS nodes back.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.ir cimport (
    MEM_SIGNED, OP_BITS, OP_FROMBITS, OP_LOAD, OP_SEXT16, OP_SEXT32, OP_SEXT8, OP_STORE, OP_ZEXT16, OP_ZEXT32, OP_ZEXT8,
    P_LEAVES, T_INT, burn, insert_before, op_row, remove_node, replace_all, Graph, Node)
from vmcore._fast.jit.t2.loops cimport root_of
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef enum:
    LOOKS = 200

cdef enum:
    APART = 0                 # do not touch each other
    SAME = 1                  # the same bytes
    MIXED = 2                 # share some, or may

cdef struct Forward:
    Graph *g
    uint32_t *new_of          # of each node that there was
    uint32_t nodes


cdef inline uint32_t now(const Forward *f, uint32_t node) noexcept nogil:
    while node < f.nodes and f.new_of[node]:
        node = f.new_of[node]
    return node


cdef uint32_t how_they_lie(const Graph *g, const Node *one, const Node *two) noexcept nogil:
    cdef int64_t from_one = 0
    cdef int64_t from_two = 0
    if root_of(g, one.b, &from_one) != root_of(g, two.b, &from_two):
        return MIXED
    from_one += one.imm
    from_two += two.imm
    if from_one == from_two and one.size == two.size:
        return SAME
    # Modulo 2 ** 64: each begins behind the other one's end.
    if <uint64_t>(from_two - from_one) >= one.size and <uint64_t>(from_one - from_two) >= two.size:
        return APART
    return MIXED


cdef uint32_t find_source(Forward *f, uint32_t load) noexcept nogil:
    # The store or load that the value comes from; 0: it is not known.
    cdef Graph *g = f.g
    cdef uint32_t block = g.nodes[load].block
    cdef uint32_t node = g.nodes[load].prev
    cdef uint32_t looks = 0
    cdef uint32_t how
    cdef const Node *n
    while looks < LOOKS:
        while node == 0:
            if g.blocks[block].npreds != 1:
                return 0
            block = g.pool[g.blocks[block].preds]
            node = g.blocks[block].last
            looks += 1
            if looks >= LOOKS:
                return 0
        looks += 1
        n = &g.nodes[node]
        if n.op == OP_STORE or n.op == OP_LOAD:
            how = how_they_lie(g, n, &g.nodes[load])
            if how == SAME:
                return node
            if how == MIXED and n.op == OP_STORE:
                return 0
        node = n.prev
    return 0


cdef inline uint32_t extension(uint32_t size, bint is_signed) noexcept nogil:
    if size == 1:
        return OP_SEXT8 if is_signed else OP_ZEXT8
    if size == 2:
        return OP_SEXT16 if is_signed else OP_ZEXT16
    return OP_SEXT32 if is_signed else OP_ZEXT32


cdef uint32_t value_for(Forward *f, uint32_t load, uint32_t source) noexcept nogil:
    # Made before the load, if it is not there yet.
    cdef Graph *g = f.g
    cdef uint32_t value = now(f, g.nodes[source].c) if g.nodes[source].op == OP_STORE else source
    cdef uint8_t type = g.nodes[load].type
    cdef uint32_t size = g.nodes[load].size
    cdef bint is_signed = (g.nodes[load].flags & MEM_SIGNED) != 0
    if type != T_INT:
        if g.nodes[value].type == type:
            return value
        if g.nodes[value].type != T_INT:
            return 0
        return insert_before(g, load, OP_FROMBITS, type, value, 0, 0, 0)
    if g.nodes[value].type != T_INT:
        value = insert_before(g, load, OP_BITS, T_INT, value, 0, 0, 0)
    elif g.nodes[source].op == OP_LOAD and (g.nodes[source].flags & MEM_SIGNED != 0) == is_signed:
        return value
    if size == 8 or value == 0:
        return value
    return insert_before(g, load, extension(size, is_signed), T_INT, value, 0, 0, 0)


cdef void look_at_load(Forward *f, uint32_t load) noexcept nogil:
    cdef Graph *g = f.g
    cdef uint32_t source = find_source(f, load)
    cdef uint32_t value
    if source == 0 or not burn(g):
        return
    value = value_for(f, load, source)
    if value:
        f.new_of[load] = value
        remove_node(g, load)


cdef void look_at_store(Forward *f, uint32_t store) noexcept nogil:
    # Those before it that it makes unnecessary.
    cdef Graph *g = f.g
    cdef uint32_t node = g.nodes[store].prev
    cdef uint32_t before
    cdef const Node *n
    while node:
        n = &g.nodes[node]
        before = n.prev
        if op_row(n.op).props & P_LEAVES or (n.op == OP_LOAD and how_they_lie(g, n, &g.nodes[store]) != APART):
            return
        if n.op == OP_STORE and how_they_lie(g, n, &g.nodes[store]) == SAME and burn(g):
            remove_node(g, node)
        node = before


cdef void pass_forward(Graph *g) noexcept nogil:
    cdef Forward f
    cdef uint32_t i, node, following
    analyse(g)
    if g.failed:
        return
    f.g = g
    f.nodes = g.nnodes
    # Room for two nodes that each load makes.
    f.new_of = <uint32_t *>scratch_zeroed(&g.scratch, 3 * f.nodes, sizeof(uint32_t))
    if f.new_of == NULL:
        g.failed = True
        return
    for i in range(g.norder):
        node = g.blocks[g.order[i]].first
        while node:
            following = g.nodes[node].next
            if g.nodes[node].op == OP_LOAD:
                look_at_load(&f, node)
            elif g.nodes[node].op == OP_STORE:
                look_at_store(&f, node)
            node = following
    if not g.failed:
        replace_all(g, f.new_of)
    scratch_give(&g.scratch, f.new_of)
