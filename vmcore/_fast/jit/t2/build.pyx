"""Making pure nodes: folded, simplified and numbered on the way."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.arith cimport fold_op
from vmcore._fast.jit.t2.fold cimport rewrite
from vmcore._fast.jit.t2.ir cimport (
    F_REGISTERS, OP_BASE, OP_BITS, OP_CONST, OP_ENTRY, OP_FPU, OP_FROMBITS, P_COMMUTES, T_F64, T_INT,
    append, burn, insert_before, is_const, is_pure, op_row, remove_node, replace_all, Graph, Node)
from vmcore._fast.jit.t2.rules cimport MOST_DEPTH, R_CONSTANTS, fire, Maker
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

cdef enum:
    FIRST_TABLE = 1024


# --- the hash of what there is ----------------------------------------------------------------------------------------
#
# Open addressing; nothing is taken out. What a slot says is compared with the node as it is now, so a node that was
# changed, moved or removed since is at worst not found.

cdef inline uint32_t hash_of(uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c, int64_t imm) noexcept nogil:
    cdef uint64_t h = op | <uint64_t>type << 16 | <uint64_t>a << 32
    h = (h ^ b) * <uint64_t>0x9E3779B97F4A7C15u
    h = (h ^ h >> 29 ^ c) * <uint64_t>0xBF58476D1CE4E5B9u
    h = (h ^ h >> 32 ^ <uint64_t>imm) * <uint64_t>0x94D049BB133111EBu
    return <uint32_t>(h ^ h >> 31)


cdef inline uint32_t home_of(const Graph *g, const Node *n) noexcept nogil:
    return hash_of(n.op, n.type, n.a, n.b, n.c, n.imm) & (g.table_size - 1)


cdef void put_in_table(Graph *g, uint32_t node) noexcept nogil:
    cdef uint32_t i = home_of(g, &g.nodes[node])
    while g.table[i]:
        i = (i + 1) & (g.table_size - 1)
    g.table[i] = node


cdef bint is_numbered(uint32_t op) noexcept nogil:
    return op == OP_ENTRY or op == OP_BASE or is_pure(op)


cdef bint table_ready(Graph *g) noexcept nogil:
    # At most half full, as each node is put in once. The numbers of nodes only grow, until the graph is cleared.
    cdef uint32_t size = g.table_size if g.table_size else FIRST_TABLE
    cdef uint32_t *table
    cdef uint32_t i
    if g.nnodes < g.table_size // 2:
        return True
    while g.nnodes >= size // 2:
        size *= 2
    table = <uint32_t *>vm_calloc(size, sizeof(uint32_t))
    if table == NULL:
        g.failed = True
        return False
    vm_free(g.table)
    g.table = table
    g.table_size = size
    for i in range(1, g.nnodes):
        if is_numbered(g.nodes[i].op):
            put_in_table(g, i)
    return True


cdef uint32_t look_up(const Graph *g, uint32_t block, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c,
                      int64_t imm) noexcept nogil:
    # A node of `block` or of block 1.
    cdef uint32_t i = hash_of(op, type, a, b, c, imm) & (g.table_size - 1)
    cdef const Node *n
    while g.table[i]:
        n = &g.nodes[g.table[i]]
        if (n.op == op and n.a == a and n.b == b and n.c == c and n.imm == imm and n.type == type
                and (n.block == block or n.block == 1)):
            return g.table[i]
        i = (i + 1) & (g.table_size - 1)
    return 0


# --- leaves -----------------------------------------------------------------------------------------------------------

cdef inline bint is_leaf(uint32_t op) noexcept nogil:
    return op == OP_CONST or op == OP_ENTRY or op == OP_BASE


cdef uint32_t leaf(Graph *g, uint32_t op, uint8_t type, int64_t imm, bint behind_fpu) noexcept nogil:
    # They come first in block 1, in the order in which they are made: whatever is there may use them.
    cdef uint32_t node, place
    if not table_ready(g):
        return 0
    node = look_up(g, 1, op, type, 0, 0, 0, imm)
    if node:
        return node
    place = g.blocks[1].first
    if behind_fpu and g.has_fpu:
        while place and g.nodes[place].op != OP_FPU:
            place = g.nodes[place].next
        place = g.nodes[place].next if place else g.blocks[1].first
    while place and is_leaf(g.nodes[place].op):
        place = g.nodes[place].next
    if place:
        node = insert_before(g, place, op, type, 0, 0, 0, imm)
    else:
        node = append(g, 1, op, type, 0, 0, 0, imm)
    if node:
        put_in_table(g, node)
    return node


cdef uint32_t const_node(Graph *g, int64_t value) noexcept nogil:
    return leaf(g, OP_CONST, T_INT, value, False)


cdef uint32_t entry_node(Graph *g, uint32_t reg) noexcept nogil:
    return leaf(g, OP_ENTRY, T_F64 if reg >= F_REGISTERS else T_INT, reg, reg >= F_REGISTERS)


cdef uint32_t base_node(Graph *g) noexcept nogil:
    return leaf(g, OP_BASE, T_INT, 0, False)


# --- making -----------------------------------------------------------------------------------------------------------

cdef inline uint8_t type_for(const Graph *g, uint32_t op, uint8_t type, uint32_t a) noexcept nogil:
    # As fold_op() wants it.
    return g.nodes[a].type if op == OP_BITS else type


cdef bint bits_of(const Graph *g, uint32_t node, int64_t *bits) noexcept nogil:
    # A constant, of floating point too.
    cdef const Node *n = &g.nodes[node]
    if n.op == OP_FROMBITS and g.nodes[n.a].op == OP_CONST:
        bits[0] = fold_op(OP_FROMBITS, n.type, 0, 0, g.nodes[n.a].imm, 0, 0)
        return True
    bits[0] = n.imm
    return n.op == OP_CONST


cdef uint32_t constant(Maker *m, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c) noexcept nogil:
    # The result where all operands are constants; 0: they are not.
    cdef Graph *g = m.g
    cdef uint32_t args = op_row(op).args
    cdef int64_t va = 0
    cdef int64_t vb = 0
    cdef int64_t vc = 0
    if op == OP_FROMBITS or args == 0 or not bits_of(g, a, &va):
        return 0
    if args > 1 and not bits_of(g, b, &vb) or args > 2 and not bits_of(g, c, &vc):
        return 0
    if not fire(m, R_CONSTANTS):
        return 0
    va = fold_op(op, type_for(g, op, type, a), 0, 0, va, vb, vc)
    if type == T_INT:
        return m.number(m, va)
    return m.put(m, OP_FROMBITS, type, m.number(m, va), 0, 0)


cdef uint32_t better(Maker *m, uint32_t op, uint8_t type, uint32_t *a, uint32_t *b, uint32_t c) noexcept nogil:
    # What is there instead, or 0; the operands of what commutes are put in order.
    cdef Graph *g = m.g
    cdef uint32_t found
    cdef uint32_t swapped
    if (op_row(op).props & P_COMMUTES and g.burnt < g.fuel
            and (is_const(g, a[0]) > is_const(g, b[0]) or is_const(g, a[0]) == is_const(g, b[0]) and a[0] > b[0])):
        swapped = a[0]
        a[0] = b[0]
        b[0] = swapped
    if m.depth >= MOST_DEPTH:
        return 0
    m.depth += 1
    found = constant(m, op, type, a[0], b[0], c)
    if found == 0 and not g.failed:
        found = rewrite(m, op, type, a[0], b[0], c)
    m.depth -= 1
    return found


cdef uint32_t put_node(Maker *m, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c) noexcept nogil:
    cdef Graph *g = m.g
    cdef uint32_t node
    if g.failed or not table_ready(g):
        return 0
    node = better(m, op, type, &a, &b, c)
    if node or g.failed or not table_ready(g):
        return node
    if m.place:
        return insert_before(g, m.place, op, type, a, b, c, 0)
    node = look_up(g, m.block, op, type, a, b, c, 0)
    if node and burn(g):
        return node
    node = append(g, m.block, op, type, a, b, c, 0)
    if node and table_ready(g):
        put_in_table(g, node)
    return node


cdef uint32_t put_number(Maker *m, int64_t value) noexcept nogil:
    return const_node(m.g, value)


cdef inline void set_up(Maker *m, Graph *g, uint32_t block, uint32_t place) noexcept nogil:
    m.g = g
    m.block = block
    m.place = place
    m.depth = 0
    m.put = put_node
    m.number = put_number


cdef uint32_t make(Graph *g, uint32_t block, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c,
                   int64_t imm) noexcept nogil:
    cdef Maker m
    if op == OP_CONST:
        return const_node(g, imm)
    if op == OP_ENTRY:
        return entry_node(g, <uint32_t>imm)
    if op == OP_BASE:
        return base_node(g)
    if not is_pure(op):
        return append(g, block, op, type, a, b, c, imm)
    set_up(&m, g, block, 0)
    return put_node(&m, op, type, a, b, c)


cdef uint32_t simplify(Graph *g, uint32_t node) noexcept nogil:
    cdef Maker m
    cdef Node n = g.nodes[node]
    cdef uint32_t found
    if n.op == OP_CONST or not is_pure(n.op) or not table_ready(g):
        return node
    set_up(&m, g, n.block, node)
    found = better(&m, n.op, n.type, &n.a, &n.b, n.c)
    # Only the order of the operands may have changed.
    g.nodes[node].a = n.a
    g.nodes[node].b = n.b
    return found if found else node


cdef inline uint32_t now(const uint32_t *new_of, uint32_t node) noexcept nogil:
    while new_of[node]:
        node = new_of[node]
    return node


cdef void pass_fold(Graph *g) noexcept nogil:
    # Each node becomes what the rules say, once more for what it became.
    cdef uint32_t i, node, following, found
    cdef uint32_t room = room_to_rewrite(g)
    cdef uint32_t *new_of = <uint32_t *>scratch_zeroed(&g.scratch, room, sizeof(uint32_t))
    cdef Node *n
    if new_of == NULL:
        g.failed = True
        return
    for i in range(1, g.nblocks):
        node = g.blocks[i].first
        while node and not g.failed:
            following = g.nodes[node].next
            n = &g.nodes[node]
            n.a = now(new_of, n.a)
            n.b = now(new_of, n.b)
            n.c = now(new_of, n.c)
            found = simplify(g, node) if g.nnodes + MOST_MADE < room else node
            if found != node:
                new_of[node] = found
                remove_node(g, node)
            node = following
    replace_all(g, new_of)
    scratch_give(&g.scratch, new_of)
