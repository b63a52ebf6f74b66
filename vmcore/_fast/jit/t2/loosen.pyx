"""Elimination of boxes and of canonical NaNs around loops.

What is carried around a loop is lifted as the guest's registers have it: singles boxed, NaNs canonical. Where every way
into a block makes an argument so, OP_BOX or OP_FCLEAN, or gives it a constant that is so already, the argument becomes
what was boxed or cleaned, and that is done behind it instead, for those who need it: arithmetic does not, and what only
exits read is worked out there (NODE_LATE).

Arithmetic that stands behind an exit reads what was cleaned for that exit before it was cleaned; then that, too, is
for the exit alone.

Arguments that are given to one another, as those of loops in loops are, change together: all that may at first, then
without those that get anything else, until none is left that does.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.build cimport const_node
from vmcore._fast.jit.t2.ir cimport (
    OP_ARG, OP_BOX, OP_CONST, OP_F32_F64, OP_F64_F32, OP_FADD, OP_FCLEAN, OP_FLE, OP_FROMBITS, OP_INT_F, T_F32, T_F64,
    append, burn, edge_arg, insert_before, snap_node, BlockOf, Edge, Graph, Node)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef enum:
    CANDIDATE = 1
    WORTH = 2                 # on some way it is boxed or cleaned

cdef struct Loosen:
    Graph *g
    uint32_t op               # OP_BOX or OP_FCLEAN
    uint8_t *marks            # of each node
    uint32_t nodes            # that there were at the beginning


# --- which ------------------------------------------------------------------------------------------------------------

cdef bint is_plain(const Loosen *w, uint32_t node) noexcept nogil:
    # A constant that is boxed, or no NaN.
    cdef const Graph *g = w.g
    cdef const Node *n = &g.nodes[node]
    cdef uint64_t value
    if n.op != OP_FROMBITS or g.nodes[n.a].op != OP_CONST:
        return False
    value = <uint64_t>g.nodes[n.a].imm
    if w.op == OP_BOX:
        return ~value >> 32 == 0
    if n.type == T_F32:
        return <uint32_t>(value << 1) <= <uint32_t>0xFF << 24
    return value << 1 <= <uint64_t>0x7FF << 53


cdef bint fits(Loosen *w, uint32_t arg) noexcept nogil:
    # Does every way in give it what is right, as far as the others are?
    cdef const Graph *g = w.g
    cdef const BlockOf *to = &g.blocks[g.nodes[arg].block]
    cdef const BlockOf *b
    cdef uint32_t i, e, given
    for i in range(to.npreds):
        b = &g.blocks[g.pool[to.preds + i]]
        for e in range(b.nedges):
            if b.edges[e].to != g.nodes[arg].block:
                continue
            given = edge_arg(g, &b.edges[e], <uint32_t>g.nodes[arg].imm)
            if g.nodes[given].op == w.op:
                w.marks[arg] |= WORTH
            elif not (w.marks[given] & CANDIDATE or is_plain(w, given)):
                return False
    return True


cdef bint find_arguments(Loosen *w) noexcept nogil:
    # False: there are none.
    cdef const Graph *g = w.g
    cdef uint32_t i, node
    cdef bint changed = True
    cdef bint found = False
    for i in range(1, g.norder):
        node = g.blocks[g.order[i]].first
        while node and g.nodes[node].op == OP_ARG:
            if g.nodes[node].type == T_F64 or (g.nodes[node].type == T_F32 and w.op == OP_FCLEAN):
                w.marks[node] = CANDIDATE
            node = g.nodes[node].next
    while changed:
        changed = False
        for node in range(1, w.nodes):
            if w.marks[node] & CANDIDATE and not fits(w, node):
                w.marks[node] = 0
                changed = True
    for node in range(1, w.nodes):
        found |= w.marks[node] & WORTH != 0
    return found


# --- the change -------------------------------------------------------------------------------------------------------

cdef inline bint is_arithmetic(uint32_t op) noexcept nogil:
    # It gives the same for any NaN.
    return OP_FADD <= op <= OP_FLE or op == OP_F64_F32 or op == OP_F32_F64 or op == OP_INT_F


cdef uint32_t put_behind(Loosen *w, uint32_t arg) noexcept nogil:
    cdef Graph *g = w.g
    cdef uint32_t block = g.nodes[arg].block
    cdef uint32_t place = g.blocks[block].first
    cdef uint8_t type = T_F64 if w.op == OP_BOX else g.nodes[arg].type
    while place and g.nodes[place].op == OP_ARG:
        place = g.nodes[place].next
    if place:
        return insert_before(g, place, w.op, type, arg, 0, 0, 0)
    return append(g, block, w.op, type, arg, 0, 0, 0)


cdef uint32_t given_instead(Loosen *w, uint32_t given) noexcept nogil:
    cdef Graph *g = w.g
    cdef uint32_t value
    if g.nodes[given].op == w.op:
        return g.nodes[given].a
    if w.op == OP_BOX and given < w.nodes and not w.marks[given] & CANDIDATE:
        # A boxed constant: the single, in the first block, where all constants stand.
        value = const_node(g, <int64_t><uint32_t>g.nodes[g.nodes[given].a].imm)
        return insert_before(g, given, OP_FROMBITS, T_F32, value, 0, 0, 0) if value else given
    return given


cdef void change_ways(Loosen *w) noexcept nogil:
    cdef Graph *g = w.g
    cdef uint32_t i, e, k, arg, found
    cdef Edge *edge
    for i in range(g.norder):
        for e in range(g.blocks[g.order[i]].nedges):
            edge = &g.blocks[g.order[i]].edges[e]
            arg = g.blocks[edge.to].first
            for k in range(edge.nargs):
                if arg < w.nodes and w.marks[arg] & CANDIDATE:
                    found = given_instead(w, g.pool[edge.args + k])
                    g.pool[edge.args + k] = found
                arg = g.nodes[arg].next


cdef void change_uses(Loosen *w, const uint32_t *behind) noexcept nogil:
    # Everywhere but on the ways, in arithmetic, and in what was put behind.
    cdef Graph *g = w.g
    cdef uint32_t i, k, node, arg
    cdef Node *n
    cdef Edge *edge
    for node in range(1, g.nnodes):
        n = &g.nodes[node]
        if n.block == 0 or (w.op == OP_FCLEAN and is_arithmetic(n.op)):
            continue
        if n.op == w.op and n.a < w.nodes and behind[n.a] == node:
            continue
        if n.a < w.nodes and behind[n.a]:
            n.a = behind[n.a]
        if n.b < w.nodes and behind[n.b]:
            n.b = behind[n.b]
        if n.c < w.nodes and behind[n.c]:
            n.c = behind[n.c]
    for i in range(1, g.nsnaps):
        for k in range(g.snaps[i].nregs):
            arg = snap_node(g, &g.snaps[i], k)
            if arg < w.nodes and behind[arg]:
                g.pool[g.snaps[i].regs + k] = (g.pool[g.snaps[i].regs + k] & 0xFF) | behind[arg] << 8
    for i in range(g.norder):
        for k in range(g.blocks[g.order[i]].nedges):
            edge = &g.blocks[g.order[i]].edges[k]
            arg = g.blocks[edge.to].first
            for node in range(edge.nargs):
                # To another that changed it is given as it is.
                if not (arg < w.nodes and w.marks[arg] & CANDIDATE) and edge_arg(g, edge, node) < w.nodes \
                        and behind[edge_arg(g, edge, node)]:
                    g.pool[edge.args + node] = behind[edge_arg(g, edge, node)]
                arg = g.nodes[arg].next


cdef void loosen(Graph *g, uint32_t op) noexcept nogil:
    cdef Loosen w
    cdef uint32_t *behind
    cdef uint32_t i
    analyse(g)
    if g.failed:
        return
    w.g = g
    w.op = op
    w.nodes = g.nnodes
    w.marks = <uint8_t *>scratch_zeroed(&g.scratch, w.nodes, 1)
    behind = <uint32_t *>scratch_zeroed(&g.scratch, w.nodes, sizeof(uint32_t))
    if w.marks == NULL or behind == NULL:
        g.failed = True
    elif find_arguments(&w) and burn(g):
        change_ways(&w)
        for i in range(1, w.nodes):
            if w.marks[i] & CANDIDATE:
                if op == OP_BOX:
                    g.nodes[i].type = T_F32
                behind[i] = put_behind(&w, i)
        if not g.failed:
            change_uses(&w, behind)
    scratch_give(&g.scratch, w.marks)
    scratch_give(&g.scratch, behind)


# --- operands ---------------------------------------------------------------------------------------------------------

cdef inline void take_raw(Graph *g, uint32_t *operand) noexcept nogil:
    # (What is cleaned has been computed, so it is no signalling NaN.)
    if g.nodes[operand[0]].op == OP_FCLEAN and burn(g):
        operand[0] = g.nodes[operand[0]].a


cdef void take_operands(Graph *g) noexcept nogil:
    cdef uint32_t node
    cdef Node *n
    for node in range(1, g.nnodes):
        n = &g.nodes[node]
        if n.block and is_arithmetic(n.op):
            take_raw(g, &n.a)
            if n.b:
                take_raw(g, &n.b)
            if n.c:
                take_raw(g, &n.c)


cdef void pass_loosen(Graph *g) noexcept nogil:
    loosen(g, OP_BOX)
    loosen(g, OP_FCLEAN)
    if not g.failed:
        take_operands(g)
