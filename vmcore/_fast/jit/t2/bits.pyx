"""Known bits, then needed bits.

First, forward: what is known of the bits of each value (known.pyx), around loops too. Where all of them are known the
value is a constant; an extension or a mask goes where it says what is known already.

Then, backward: which bits of each value anything depends on. An extension or a mask goes where it changes others only.
What a value is in the bits that nobody needs may change by that, so the facts of the first part are no longer used:
x & c needs the bits of c where c is a constant, whatever is known of a variable.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.build cimport const_node
from vmcore._fast.jit.t2.ir cimport (
    OP_ADD, OP_AND, OP_ARG, OP_BSWAP, OP_CLZ32, OP_CONST, OP_DIV32, OP_FROMBITS, OP_F_INT, OP_MUL, OP_NEG, OP_NOT,
    OP_OR, OP_POPCNT32, OP_REMU32, OP_ROTR, OP_ROTR32, OP_SAR, OP_SELECT, OP_SEXT32, OP_SHL, OP_SHL32, OP_SHR, OP_SHR32,
    OP_STORE, OP_SUB, OP_XOR, OP_ZEXT32, T_F32, T_INT, burn, edge_arg, insert_before, is_pure, op_row, operand,
    replace_all, snap_node, BlockOf, Graph, Node, Snap)
from vmcore._fast.jit.t2.known cimport bits_of, common_bits, within, Bits
from vmcore._fast.jit.t2.rules cimport low_bits, width_of
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef extern from *:
    int clz64 "__builtin_clzll"(uint64_t value) noexcept nogil
    int ctz64 "__builtin_ctzll"(uint64_t value) noexcept nogil
    uint64_t bswap64 "__builtin_bswap64"(uint64_t value) noexcept nogil

cdef enum:
    PATIENCE = 4              # sweeps in which an argument may change bit by bit

cdef struct Work:
    Graph *g
    Bits *facts
    uint64_t *need
    uint32_t *new_of
    uint32_t nodes            # that there were at the beginning
    bint changed


# --- forward ----------------------------------------------------------------------------------------------------------

cdef Bits arg_bits(const Work *w, uint32_t node, uint32_t sweep) noexcept nogil:
    # Only ever less than before. A counter would lose one bit with each sweep: after a few it has its width alone, if
    # that is 32 bits with sign, then nothing.
    cdef const Graph *g = w.g
    cdef const Node *n = &g.nodes[node]
    cdef const BlockOf *to = &g.blocks[n.block]
    cdef const BlockOf *b
    cdef Bits before = w.facts[node]
    cdef Bits found = before
    cdef uint32_t i, e
    for i in range(to.npreds):
        b = &g.blocks[g.pool[to.preds + i]]
        for e in range(b.nedges):
            if b.edges[e].to == n.block:
                found = common_bits(found, w.facts[edge_arg(g, &b.edges[e], <uint32_t>n.imm)])
    if found.signs == 0 or sweep < PATIENCE or before.signs and within(found, before):
        return found
    found.zeros = 0
    found.ones = 0
    found.signs = 33 if found.signs >= 33 and sweep < 2 * PATIENCE else 1
    return found


cdef void find_facts(Work *w) noexcept nogil:
    cdef Graph *g = w.g
    cdef uint32_t sweep = 0
    cdef uint32_t i, node
    cdef Bits found
    w.changed = True
    while w.changed:
        w.changed = False
        for i in range(g.norder):
            node = g.blocks[g.order[i]].first
            while node:
                if g.nodes[node].op == OP_ARG and g.nodes[node].type == T_INT:
                    found = arg_bits(w, node, sweep)
                    if found.signs and (w.facts[node].signs == 0 or not within(found, w.facts[node])):
                        w.changed = True
                else:
                    found = bits_of(g, w.facts, node)
                w.facts[node] = found
                node = g.nodes[node].next
        sweep += 1


cdef uint32_t instead(Work *w, uint32_t node) noexcept nogil:
    # What a node is by what is known, or 0.
    cdef Graph *g = w.g
    cdef const Node *n = &g.nodes[node]
    cdef Bits k = w.facts[node]
    cdef Bits a = w.facts[n.a]
    cdef Bits b = w.facts[n.b]
    cdef uint64_t every = ~<uint64_t>0
    cdef uint32_t width = width_of(n.op)
    if n.type != T_INT or k.signs == 0 or n.op == OP_CONST or not (is_pure(n.op) or n.op == OP_ARG):
        return 0
    # All bits are known
    if k.zeros | k.ones == every:
        return const_node(g, <int64_t>k.ones) if burn(g) else 0
    # Extended already
    if width and (a.signs >= 65 - width if n.op <= OP_SEXT32 else a.zeros | low_bits(width) == every):
        return n.a if burn(g) else 0
    # x & y == x, where each bit of x is 0 or that of y is 1; x | y == x, where each bit of x is 1 or that of y is 0
    if n.op == OP_AND and (a.zeros | b.ones == every or b.zeros | a.ones == every):
        return 0 if not burn(g) else n.a if a.zeros | b.ones == every else n.b
    if n.op == OP_OR and (a.ones | b.zeros == every or b.ones | a.zeros == every):
        return 0 if not burn(g) else n.a if a.ones | b.zeros == every else n.b
    # x ? y : z == y, where x has a bit that is 1
    if n.op == OP_SELECT and a.ones:
        return n.b if burn(g) else 0
    return 0


cdef void use_facts(Work *w) noexcept nogil:
    cdef Graph *g = w.g
    cdef uint32_t i, node
    for i in range(g.norder):
        node = g.blocks[g.order[i]].first
        while node:
            if node < w.nodes:
                w.new_of[node] = instead(w, node)
            node = g.nodes[node].next


# --- backward ---------------------------------------------------------------------------------------------------------

cdef inline uint64_t up_to(uint64_t need) noexcept nogil:
    # The bits from the lowest one to the highest of `need`: what sums depend on.
    return ~<uint64_t>0 >> clz64(need)


cdef inline uint64_t from_on(uint64_t need) noexcept nogil:
    return ~<uint64_t>0 << ctz64(need)


cdef uint64_t shift_need(const Graph *g, const Node *n, uint32_t i, uint64_t need) noexcept nogil:
    cdef bint fixed = g.nodes[n.b].op == OP_CONST
    cdef uint32_t by = <uint32_t>g.nodes[n.b].imm & 63
    cdef uint64_t sign = <uint64_t>1 << 63
    if i:
        return 63
    if n.op == OP_SHL:
        return need >> by if fixed else up_to(need)
    if n.op == OP_SHR:
        return need << by if fixed else from_on(need)
    if n.op == OP_SAR:
        # The sign comes in from above.
        if not fixed:
            return from_on(need) | sign
        return need << by | (sign if need & ~(~<uint64_t>0 >> by) else 0)
    return need << by | need >> ((64 - by) & 63) if fixed else ~<uint64_t>0


cdef uint64_t other_const(const Graph *g, const Node *n, uint32_t i, uint64_t otherwise) noexcept nogil:
    cdef const Node *other = &g.nodes[n.a if i else n.b]
    return <uint64_t>other.imm if other.op == OP_CONST else otherwise


cdef uint64_t operand_need(const Graph *g, const Node *n, uint32_t i, uint64_t need) noexcept nogil:
    # The bits of operand `i` that those of the result depend on.
    cdef uint32_t op = n.op
    cdef uint64_t every = ~<uint64_t>0
    cdef uint32_t width = width_of(op)
    if op == OP_STORE and i == 2:
        return low_bits(8 * n.size)
    if op == OP_F_INT:
        return low_bits(8 * n.size)
    if not is_pure(op):
        return every
    if need == 0:
        return 0
    if op == OP_ADD or op == OP_SUB or op == OP_MUL or op == OP_NEG:
        return up_to(need)
    elif op == OP_AND:
        return need & other_const(g, n, i, every)
    elif op == OP_OR:
        return need & ~other_const(g, n, i, 0)
    elif op == OP_XOR or op == OP_NOT:
        return need
    elif OP_SHL <= op and op <= OP_ROTR:
        return shift_need(g, n, i, need)
    elif OP_SHL32 <= op and op <= OP_ROTR32:
        return 31 if i else low_bits(32)
    elif OP_DIV32 <= op and op <= OP_REMU32 or OP_CLZ32 <= op and op <= OP_POPCNT32:
        return low_bits(32)
    elif width:
        if op <= OP_SEXT32 and need & ~low_bits(width):
            return need & low_bits(width) | <uint64_t>1 << (width - 1)
        return need & low_bits(width)
    elif op == OP_SELECT:
        return need if i else every
    elif op == OP_BSWAP:
        return bswap64(need)
    elif op == OP_FROMBITS:
        return low_bits(32) if n.type == T_F32 else every
    return every


cdef inline void add_need(Work *w, uint32_t node, uint64_t need) noexcept nogil:
    if need & ~w.need[node]:
        w.need[node] |= need
        w.changed = True


cdef void need_all(Work *w, uint32_t snap) noexcept nogil:
    cdef uint32_t i
    cdef const Snap *s = &w.g.snaps[snap]
    for i in range(s.nregs if snap else 0):
        add_need(w, snap_node(w.g, s, i), ~<uint64_t>0)


cdef void find_needs(Work *w) noexcept nogil:
    cdef Graph *g = w.g
    cdef uint32_t i, e, k, node, arg
    cdef const BlockOf *b
    cdef const Node *n
    w.changed = True
    while w.changed:
        w.changed = False
        for i in range(g.norder, 0, -1):
            b = &g.blocks[g.order[i - 1]]
            add_need(w, b.cond, ~<uint64_t>0)
            need_all(w, b.snap)
            for e in range(b.nedges):
                arg = g.blocks[b.edges[e].to].first
                for k in range(b.edges[e].nargs):
                    add_need(w, edge_arg(g, &b.edges[e], k), w.need[arg])
                    arg = g.nodes[arg].next
            node = b.last
            while node:
                n = &g.nodes[node]
                need_all(w, n.snap)
                for k in range(op_row(n.op).args):
                    add_need(w, operand(n, k), operand_need(g, n, k, w.need[node]))
                node = n.prev


cdef uint32_t unneeded(const Graph *g, uint32_t node, uint64_t need) noexcept nogil:
    # The operand that has the same bits, as far as they are needed; 0: there is none.
    cdef const Node *n = &g.nodes[node]
    cdef uint64_t c = <uint64_t>g.nodes[n.b].imm
    # Extended bits that nobody needs
    if width_of(n.op):
        return n.a if need & ~low_bits(width_of(n.op)) == 0 else 0
    if not (OP_AND <= n.op and n.op <= OP_XOR) or g.nodes[n.b].op != OP_CONST:
        return 0
    # x & c, x | c, x ^ c are x in the bits where c is 1 or 0
    if n.op == OP_AND:
        return n.a if need & ~c == 0 else 0
    return n.a if need & c == 0 else 0


cdef inline uint32_t lower_half(const Graph *g, uint32_t node) noexcept nogil:
    # What has the same lower half.
    return g.nodes[node].a if g.nodes[node].op == OP_SEXT32 or g.nodes[node].op == OP_ZEXT32 else node


cdef uint32_t half_rotation(Graph *g, uint32_t node, uint32_t down, uint32_t up) noexcept nogil:
    # shr32(x, c) | x << (32 - c), and the same with ^ and +, is in its lower half x rotated by c: compilers write it
    # with a shift of 64 bits. Limit: 0 < c < 32. A new node before `node`, or 0.
    cdef const Node *n = &g.nodes[down]
    cdef const Node *m = &g.nodes[up]
    cdef int64_t by = g.nodes[n.b].imm
    if (n.op != OP_SHR32 or m.op != OP_SHL or g.nodes[n.b].op != OP_CONST or g.nodes[m.b].op != OP_CONST
            or by <= 0 or by >= 32 or g.nodes[m.b].imm != 32 - by
            or lower_half(g, n.a) != lower_half(g, m.a) or not burn(g)):
        return 0
    return insert_before(g, node, OP_ROTR32, T_INT, n.a, n.b, 0, 0)


cdef void use_need(Work *w, uint32_t node) noexcept nogil:
    cdef Graph *g = w.g
    cdef Node *n = &g.nodes[node]
    cdef uint64_t need = w.need[node]
    cdef uint32_t inner = g.nodes[n.a].a
    cdef uint32_t found = unneeded(g, node, need)
    if found:
        if burn(g):
            w.new_of[node] = found
        return
    if need and need & ~low_bits(32) == 0 and (n.op == OP_OR or n.op == OP_XOR or n.op == OP_ADD):
        found = half_rotation(g, node, n.a, n.b)
        w.new_of[node] = found if found else half_rotation(g, node, g.nodes[node].b, g.nodes[node].a)
        n = &g.nodes[node]
    # ext(x + c) + d, where the extension does not matter here, though elsewhere: two constants meet.
    if (n.op == OP_ADD and g.nodes[n.b].op == OP_CONST and g.nodes[inner].op == OP_ADD
            and g.nodes[g.nodes[inner].b].op == OP_CONST
            and unneeded(g, n.a, operand_need(g, n, 0, need)) == inner and burn(g)):
        n.a = inner


cdef void use_needs(Work *w) noexcept nogil:
    cdef Graph *g = w.g
    cdef uint32_t i, node, following
    for i in range(g.norder):
        node = g.blocks[g.order[i]].first
        while node:
            following = g.nodes[node].next
            if node < w.nodes and g.nodes[node].type == T_INT:
                use_need(w, node)
            node = following


# --- what only exits need whole ---------------------------------------------------------------------------------------

cdef inline uint64_t need_of(const Work *w, uint32_t node) noexcept nogil:
    return w.need[node] if node < w.nodes else ~<uint64_t>0


cdef void look_for_whole(Work *w, uint8_t *whole) noexcept nogil:
    # Mark the extensions that something but a snapshot needs whole.
    cdef Graph *g = w.g
    cdef const BlockOf *b
    cdef uint32_t i, e, k, node, arg
    for i in range(g.norder):
        b = &g.blocks[g.order[i]]
        whole[b.cond] = True
        for e in range(b.nedges):
            arg = g.blocks[b.edges[e].to].first
            for k in range(b.edges[e].nargs):
                whole[edge_arg(g, &b.edges[e], k)] |= need_of(w, arg) & ~low_bits(32) != 0
                arg = g.nodes[arg].next
        node = b.first
        while node:
            for k in range(op_row(g.nodes[node].op).args):
                whole[operand(&g.nodes[node], k)] |= \
                    operand_need(g, &g.nodes[node], k, need_of(w, node)) & ~low_bits(32) != 0
            node = g.nodes[node].next


cdef inline uint32_t its_half(Graph *g, const uint8_t *whole, uint32_t node) noexcept nogil:
    if node and g.nodes[node].op == OP_SEXT32 and not whole[node] and burn(g):
        return g.nodes[node].a
    return node


cdef void leave_to_exits(Work *w) noexcept nogil:
    # An extension that snapshots alone need is worked out where the region is left (NODE_LATE): all others take what
    # it is made from.
    cdef Graph *g = w.g
    cdef uint8_t *whole = <uint8_t *>scratch_zeroed(&g.scratch, g.nnodes, 1)
    cdef BlockOf *b
    cdef Node *n
    cdef uint32_t i, e, k, node
    if whole == NULL:
        g.failed = True
        return
    look_for_whole(w, whole)
    for i in range(g.norder):
        b = &g.blocks[g.order[i]]
        for e in range(b.nedges):
            for k in range(b.edges[e].nargs):
                g.pool[b.edges[e].args + k] = its_half(g, whole, edge_arg(g, &b.edges[e], k))
        node = b.first
        while node:
            n = &g.nodes[node]
            n.a = its_half(g, whole, n.a)
            n.b = its_half(g, whole, n.b)
            n.c = its_half(g, whole, n.c)
            node = n.next
    scratch_give(&g.scratch, whole)


cdef Bits *known_bits(Graph *g) noexcept nogil:
    cdef Work w
    w.g = g
    w.facts = <Bits *>scratch_zeroed(&g.scratch, g.nnodes, sizeof(Bits))
    if w.facts != NULL:
        find_facts(&w)
    return w.facts


cdef void use_known(Graph *g) noexcept nogil:
    cdef Work w
    w.g = g
    w.facts = known_bits(g)
    w.nodes = g.nnodes
    # Each node becomes one new constant at most.
    w.new_of = <uint32_t *>scratch_zeroed(&g.scratch, 2 * g.nnodes, sizeof(uint32_t))
    if w.facts != NULL and w.new_of != NULL:
        use_facts(&w)
        replace_all(g, w.new_of)
    else:
        g.failed = True
    scratch_give(&g.scratch, w.facts)
    scratch_give(&g.scratch, w.new_of)


cdef void use_needed(Graph *g) noexcept nogil:
    cdef Work w
    w.g = g
    w.nodes = g.nnodes
    w.need = <uint64_t *>scratch_zeroed(&g.scratch, g.nnodes, sizeof(uint64_t))
    # Each node becomes one new node at most.
    w.new_of = <uint32_t *>scratch_zeroed(&g.scratch, 2 * g.nnodes, sizeof(uint32_t))
    if w.need != NULL and w.new_of != NULL:
        find_needs(&w)
        use_needs(&w)
        replace_all(g, w.new_of)
        leave_to_exits(&w)
    else:
        g.failed = True
    scratch_give(&g.scratch, w.need)
    scratch_give(&g.scratch, w.new_of)


cdef void pass_bits(Graph *g) noexcept nogil:
    analyse(g)
    if not g.failed:
        use_known(g)
    if not g.failed:
        use_needed(g)
