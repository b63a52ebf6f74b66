"""Which states a loop has.

A state is an argument of a block that a branch further on looks at, directly or by a few operations with constants. The
*chain* is the blocks from the one to the other; each of them but the first one is come to from the one before it alone,
as far as the chain is concerned. Where what comes to the chain is an argument again, of a block before it, the chain
can be longer.
"""

from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset

from vmcore._fast.jit.t2.arith cimport fold_op
from vmcore._fast.jit.t2.ir cimport (
    END_BRANCH, END_GOTO, OP_ARG, OP_CONST, T_INT, edge_arg, is_const, is_pure, loop_around, op_row, operand, BlockOf,
    Edge, Graph)
from vmcore._fast.jit.t2.loops cimport in_loop
from vmcore._fast.jit.t2.weights cimport share_of

cdef enum:
    LARGE_NEXT = 16           # nodes of the block behind a chain that is copied with it
    MOST_DEPTH = 4            # operations between the state and the condition
    SELDOM = 32               # one of so many ways into a chain is not worth a copy


# --- the chain --------------------------------------------------------------------------------------------------------

cdef uint32_t state_of(const Graph *g, uint32_t node) noexcept nogil:
    # The argument that alone, with constants, decides what the node is; 0: there is none.
    cdef uint32_t other
    for _ in range(MOST_DEPTH):
        if g.nodes[node].op == OP_ARG:
            return node
        if not is_pure(g.nodes[node].op) or g.nodes[node].type != T_INT:
            return 0
        other = g.nodes[node].b
        if op_row(g.nodes[node].op).args == 2:
            if is_const(g, other):
                other = g.nodes[node].a
            elif not is_const(g, g.nodes[node].a):
                return 0
        elif op_row(g.nodes[node].op).args == 1:
            other = g.nodes[node].a
        else:
            return 0
        if g.nodes[other].type != T_INT:
            return 0
        node = other
    return 0


cdef bint go_back(Thread *t, uint32_t block, uint32_t state) noexcept nogil:
    # Put the blocks before the chain that lead from where the state is an argument to `block`, and that one.
    cdef Graph *g = t.g
    cdef uint32_t head = g.nodes[state].block
    cdef uint32_t more[MOST_CHAIN]
    cdef uint32_t n = 0
    cdef uint32_t i
    while True:
        if n + t.nchain == MOST_CHAIN or block == 1:
            return False
        for i in range(t.nchain):
            if t.chain[i] == block:
                return False
        more[n] = block
        n += 1
        if block == head:
            break
        if g.blocks[block].npreds != 1:
            return False
        block = g.pool[g.blocks[block].preds]
    for i in range(t.nchain, 0, -1):
        t.chain[n + i - 1] = t.chain[i - 1]
        t.state[n + i - 1] = t.state[i - 1]
    for i in range(n):
        t.chain[i] = more[n - 1 - i]
        t.state[i] = 0
    t.state[0] = state
    t.nchain += n
    return True


cdef uint32_t largest_around(const Graph *g, uint32_t block) noexcept nogil:
    cdef uint32_t header = g.blocks[block].loop
    cdef uint32_t found = header
    while header:
        found = header
        header = loop_around(g, header)
    return found


cdef bint find_chain(Thread *t, uint32_t block) noexcept nogil:
    cdef uint32_t state = state_of(t.g, t.g.blocks[block].cond)
    t.nchain = 0
    if state == 0 or not go_back(t, block, state):
        return False
    t.around = largest_around(t.g, t.chain[0])
    return t.around != 0


cdef uint32_t nodes_of(const Graph *g, uint32_t block) noexcept nogil:
    cdef uint32_t node = g.blocks[block].first
    cdef uint32_t n = 0
    while node:
        n += g.nodes[node].op != OP_ARG and g.nodes[node].op != OP_CONST
        node = g.nodes[node].next
    return n


cdef uint32_t size_of(const Thread *t) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t i
    for i in range(t.nchain):
        n += nodes_of(t.g, t.chain[i])
    return n


cdef bint is_state(const Thread *t, uint32_t node, uint32_t blocks) noexcept nogil:
    cdef uint32_t i
    for i in range(min(blocks, t.nchain) if node else 0):
        if t.state[i] == node:
            return True
    return False


cdef inline float weight_of(const Graph *g, uint32_t block, uint32_t edge) noexcept nogil:
    return g.blocks[block].weight * share_of(g, block, edge)


cdef bint go_further(Thread *t) noexcept nogil:
    cdef Graph *g = t.g
    cdef const BlockOf *b = &g.blocks[t.chain[0]]
    cdef uint32_t number = <uint32_t>g.nodes[t.state[0]].imm
    cdef uint32_t i, e, pred, node
    cdef uint32_t best = 0
    cdef uint32_t from_ = 0
    cdef float weight = 0
    cdef uint32_t loop = t.around
    for i in range(b.npreds):
        pred = g.pool[b.preds + i]
        if not in_loop(g, pred, loop) or (i and g.pool[b.preds + i - 1] == pred) or (
                i + 1 < b.npreds and g.pool[b.preds + i + 1] == pred):
            # A block with two edges to this one is twice among those before it.
            continue
        for e in range(g.blocks[pred].nedges):
            if g.blocks[pred].edges[e].to != t.chain[0]:
                continue
            node = edge_arg(g, &g.blocks[pred].edges[e], number)
            if g.nodes[node].op == OP_ARG and weight_of(g, pred, e) > weight:
                weight = weight_of(g, pred, e)
                best = node
                from_ = pred
    return best != 0 and in_loop(g, g.nodes[best].block, loop) and go_back(t, from_, best)


# --- its copies -------------------------------------------------------------------------------------------------------

cdef int64_t value_of(const Thread *t, uint32_t node, int64_t state) noexcept nogil:
    # Of what state_of() has found.
    cdef const Graph *g = t.g
    cdef uint32_t a = g.nodes[node].a
    cdef uint32_t b = g.nodes[node].b
    if g.nodes[node].op == OP_ARG:
        return state
    if g.nodes[node].op == OP_CONST:
        return g.nodes[node].imm
    return fold_op(g.nodes[node].op, T_INT, 0, 0, value_of(t, a, state), value_of(t, b, state) if b else 0, 0)


cdef uint32_t clone_of(const Thread *t, const Edge *edge, uint32_t within, uint32_t blocks) noexcept nogil:
    cdef const Graph *g = t.g
    cdef uint32_t node = edge_arg(g, edge, <uint32_t>g.nodes[t.state[0]].imm)
    cdef uint32_t i
    if within and is_state(t, node, blocks):
        return within
    for i in range(t.nclones if is_const(g, node) else 0):
        if t.clones[i].value == g.nodes[node].imm:
            return i + 1
    return 0


cdef void drop_seldom(Thread *t) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t kept = 0
    for i in range(t.nclones):
        if t.clones[i].weight * SELDOM >= t.weight:
            t.clones[kept] = t.clones[i]
            kept += 1
    t.nclones = kept


cdef void find_clones(Thread *t) noexcept nogil:
    cdef Graph *g = t.g
    cdef uint32_t head = t.chain[0]
    cdef const BlockOf *b = &g.blocks[head]
    cdef const Edge *edge
    cdef uint32_t i, e, pred, node, which
    cdef uint32_t before = 0
    cdef Clone *c
    t.nclones = 0
    t.weight = 0
    for i in range(b.npreds):
        pred = g.pool[b.preds + i]
        if pred == before:
            continue
        # A block with two edges to this one is twice among those before it.
        before = pred
        for e in range(g.blocks[pred].nedges):
            edge = &g.blocks[pred].edges[e]
            if edge.to != head:
                continue
            t.weight += weight_of(g, pred, e)
            node = edge_arg(g, edge, <uint32_t>g.nodes[t.state[0]].imm)
            if not is_const(g, node) or not in_loop(g, pred, t.around):
                continue
            which = clone_of(t, edge, 0, 0)
            if which == 0:
                if t.nclones == MOST_CLONES:
                    continue
                c = &t.clones[t.nclones]
                memset(c, 0, sizeof(Clone))
                c.value = g.nodes[node].imm
                c.number = node
                t.nclones += 1
                which = t.nclones
            t.clones[which - 1].weight += weight_of(g, pred, e)
    drop_seldom(t)


cdef bint uses_state(const Thread *t, uint32_t block) noexcept nogil:
    cdef const Graph *g = t.g
    cdef uint32_t node = g.blocks[block].first
    cdef uint32_t k
    while node:
        for k in range(3):
            if is_state(t, operand(&g.nodes[node], k), t.nchain):
                return True
        node = g.nodes[node].next
    return False


cdef void decide(Thread *t) noexcept nogil:
    cdef Graph *g = t.g
    cdef const BlockOf *last = &g.blocks[t.chain[t.nchain - 1]]
    cdef uint32_t i, to, k
    cdef bint within
    for i in range(t.nclones):
        t.clones[i].edge = 0 if value_of(t, last.cond, t.clones[i].value) else 1
        t.clones[i].next_ = 0
        to = last.edges[t.clones[i].edge].to
        within = False
        for k in range(t.nchain):
            within = within or t.chain[k] == to
        if within or g.blocks[to].npreds != 1 or nodes_of(g, to) > LARGE_NEXT:
            continue
        if g.blocks[to].end == END_GOTO and g.blocks[to].edges[0].to == t.chain[0]:
            t.clones[i].next_ = to
        elif uses_state(t, to) and (g.blocks[to].end == END_GOTO or g.blocks[to].end == END_BRANCH):
            t.clones[i].next_ = to
