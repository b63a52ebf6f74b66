"""Propagation of constants and of copies, with the ways that are taken.

Optimistic: at first no block is reached and nothing is known of any value; what is found is followed until nothing
changes. A value is then unknown (never made), a constant, or the same as a node that dominates it, itself mostly. An
argument is what it is given by all edges that may be taken, if that is one and the same; so an argument that is given
itself around a loop, and a constant from outside, is that constant, and code that would spoil it is seen not to be
reached.

Limit: integers only become constants; of floating point, copies alone are followed (fold.pyx knows the rest).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.arith cimport fold_op
from vmcore._fast.jit.t2.build cimport const_node
from vmcore._fast.jit.t2.ir cimport (
    END_BRANCH, END_GOTO, END_LEAVE, OP_ARG, OP_CONST, OP_LEAVE_IF, OP_SELECT, T_INT, burn, edge_arg, is_pure, op_row,
    operand, remove_node, replace_all, BlockOf, Graph, Node)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef enum:
    UNKNOWN = 0
    KNOWN = 1                 # `bits`
    SAME = 2                  # as node `as_node`

cdef enum:
    MOST_SWEEPS = 64          # a few more than loops are deep are needed

cdef struct Fact:
    uint8_t state
    uint32_t as_node
    int64_t bits

cdef struct Facts:
    Graph *g
    Fact *of                  # each node
    uint8_t *reached          # of each block
    bint changed


cdef inline bint equal(const Fact *one, const Fact *two) noexcept nogil:
    return one.state == two.state and one.bits == two.bits and one.as_node == two.as_node


cdef inline void known(Fact *fact, int64_t bits) noexcept nogil:
    fact.state = KNOWN
    fact.bits = bits
    fact.as_node = 0


cdef inline void same(Fact *fact, uint32_t node) noexcept nogil:
    fact.state = SAME
    fact.bits = 0
    fact.as_node = node


cdef bint is_taken(const Facts *f, uint32_t block, uint32_t edge) noexcept nogil:
    # May the edge be taken, as far as is known?
    cdef const BlockOf *b = &f.g.blocks[block]
    cdef const Fact *cond = &f.of[b.cond]
    if not f.reached[block]:
        return False
    if b.end != END_BRANCH or cond.state == SAME:
        return True
    return cond.state == KNOWN and (cond.bits == 0) == (edge == 1)


cdef void join_arg(Facts *f, uint32_t node, Fact *fact) noexcept nogil:
    cdef Graph *g = f.g
    cdef const Node *n = &g.nodes[node]
    cdef const BlockOf *to = &g.blocks[n.block]
    cdef const BlockOf *b
    cdef const Fact *given
    cdef uint32_t i, e, pred
    for i in range(to.npreds):
        pred = g.pool[to.preds + i]
        b = &g.blocks[pred]
        for e in range(b.nedges):
            if b.edges[e].to != n.block or not is_taken(f, pred, e):
                continue
            given = &f.of[edge_arg(g, &b.edges[e], <uint32_t>n.imm)]
            if given.state == UNKNOWN or (given.state == SAME and given.as_node == node):
                continue
            if fact.state == UNKNOWN:
                fact[0] = given[0]
            elif not equal(fact, given):
                same(fact, node)
                return


cdef void look(Facts *f, uint32_t node, Fact *fact) noexcept nogil:
    cdef Graph *g = f.g
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t i
    cdef const Fact *used
    cdef bint all_known = True
    fact.state = UNKNOWN
    fact.bits = 0
    fact.as_node = 0
    if n.op == OP_ARG:
        join_arg(f, node, fact)
        return
    if n.op == OP_CONST:
        known(fact, n.imm)
        return
    same(fact, node)
    if not is_pure(n.op):
        return
    for i in range(op_row(n.op).args):
        used = &f.of[operand(n, i)]
        if used.state == UNKNOWN:
            fact.state = UNKNOWN
            fact.as_node = 0
            return
        all_known &= used.state == KNOWN
    if all_known and n.type == T_INT:
        known(fact, fold_op(n.op, n.type, n.size, n.mode, f.of[n.a].bits, f.of[n.b].bits, f.of[n.c].bits))
    elif n.op == OP_SELECT and f.of[n.a].state == KNOWN:
        fact[0] = f.of[n.b if f.of[n.a].bits else n.c]


cdef void sweep(Facts *f) noexcept nogil:
    cdef Graph *g = f.g
    cdef uint32_t i, e, block, node
    cdef Fact fact
    for i in range(g.norder):
        block = g.order[i]
        if not f.reached[block]:
            continue
        node = g.blocks[block].first
        while node:
            look(f, node, &fact)
            if not equal(&fact, &f.of[node]):
                f.of[node] = fact
                f.changed = True
            node = g.nodes[node].next
        for e in range(g.blocks[block].nedges):
            if is_taken(f, block, e) and not f.reached[g.blocks[block].edges[e].to]:
                f.reached[g.blocks[block].edges[e].to] = True
                f.changed = True


# --- what it means for the graph --------------------------------------------------------------------------------------

cdef void leave_here(Graph *g, uint32_t node) noexcept nogil:
    # LEAVE_IF of what is not zero ends the block: what follows is not executed, nor what it dominates.
    cdef BlockOf *b = &g.blocks[g.nodes[node].block]
    cdef uint32_t following
    b.end = END_LEAVE
    b.snap = g.nodes[node].snap
    b.cond = 0
    b.nedges = 0
    g.analysed = False
    while node:
        following = g.nodes[node].next
        remove_node(g, node)
        node = following


cdef void change_block(Facts *f, uint32_t block, uint32_t *new_of, uint32_t before) noexcept nogil:
    # `before`: nodes that there were when the facts were found.
    cdef Graph *g = f.g
    cdef BlockOf *b
    cdef uint32_t node = g.blocks[block].first
    cdef uint32_t following, made
    cdef Node *n
    cdef const Fact *fact
    while node:
        following = g.nodes[node].next
        n = &g.nodes[node]
        if node >= before:
            node = following
            continue
        fact = &f.of[node]
        if n.op == OP_LEAVE_IF and f.of[n.a].state == KNOWN and burn(g):
            if f.of[n.a].bits:
                leave_here(g, node)
                return
            remove_node(g, node)
        elif fact.state == KNOWN and n.op != OP_CONST and burn(g):
            made = const_node(g, fact.bits)
            if made == 0:
                return
            new_of[node] = made
        elif fact.state == SAME and fact.as_node != node and burn(g):
            new_of[node] = fact.as_node
        node = following
    b = &g.blocks[block]
    if b.end != END_BRANCH:
        return
    if f.of[b.cond].state == KNOWN and burn(g):
        if f.of[b.cond].bits == 0:
            b.edges[0] = b.edges[1]
    elif not same_edges(g, b) or not burn(g):
        return
    b.end = END_GOTO
    b.nedges = 1
    b.cond = 0
    g.analysed = False


cdef bint same_edges(const Graph *g, const BlockOf *b) noexcept nogil:
    # Both ways lead to the same place with the same values.
    cdef uint32_t i
    if b.edges[0].to != b.edges[1].to:
        return False
    for i in range(b.edges[0].nargs):
        if edge_arg(g, &b.edges[0], i) != edge_arg(g, &b.edges[1], i):
            return False
    return True


cdef void pass_constants(Graph *g) noexcept nogil:
    cdef Facts f
    cdef uint32_t i
    cdef uint32_t before = g.nnodes
    cdef uint32_t sweeps = 0
    # Each node becomes one new constant at most.
    cdef uint32_t *new_of = <uint32_t *>scratch_zeroed(&g.scratch, 2 * g.nnodes, sizeof(uint32_t))
    analyse(g)
    f.g = g
    f.of = <Fact *>scratch_zeroed(&g.scratch, g.nnodes, sizeof(Fact))
    f.reached = <uint8_t *>scratch_zeroed(&g.scratch, g.nblocks, 1)
    if new_of != NULL and f.of != NULL and f.reached != NULL and not g.failed:
        f.reached[1] = True
        f.changed = True
        while f.changed and sweeps < MOST_SWEEPS:
            f.changed = False
            sweep(&f)
            sweeps += 1
        # What has not settled is worth nothing.
        for i in range(0 if f.changed else g.norder):
            if f.reached[g.order[i]]:
                change_block(&f, g.order[i], new_of, before)
        replace_all(g, new_of)
        analyse(g)
    else:
        g.failed = True
    scratch_give(&g.scratch, f.of)
    scratch_give(&g.scratch, f.reached)
    scratch_give(&g.scratch, new_of)
