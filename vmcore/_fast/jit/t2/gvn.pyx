"""Value numbering over the tree of dominators.

Blocks are visited in reverse postorder, so what dominates a node was visited before it. Each node has its operands
replaced, is simplified, and is looked up by what it computes: x op y == x op y, wherever the first one dominates.

Arguments of a block that are given the same on each way are one.

Where x + y is there already, x + (y + c) becomes that plus c, and where x + (y << k) is, so does x + ((y + c) << k):
what the copies of an unrolled loop access has one root then, and constants apart (loops.pxd).

Limits: pure operations only (loads, look-ups of hosts and what raises flags have passes of their own); constants are
one node each in block 1, unless they are marked.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.jit.t2.analysis cimport analyse, dominates
from vmcore._fast.jit.t2.build cimport MOST_MADE, const_node, room_to_rewrite, simplify
from vmcore._fast.jit.t2.ir cimport (
    OP_ADD, OP_ARG, OP_CONST, OP_SHL, T_INT, burn, edge_arg, is_const, is_pure, remove_node, replace_all, BlockOf, Edge,
    Graph, Node)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef enum:
    LEAST_HEADS = 64

cdef struct Numbers:
    Graph *g
    uint32_t *heads           # of chains, by hash
    uint32_t nheads           # a power of two
    uint32_t *chain           # the next node of the chain, of each node
    uint32_t *new_of
    uint32_t room             # nodes that there may be


cdef inline uint32_t now(const Numbers *t, uint32_t node) noexcept nogil:
    while t.new_of[node]:
        node = t.new_of[node]
    return node


cdef inline uint32_t hash_of(const Node *n) noexcept nogil:
    cdef uint64_t h = n.op | <uint64_t>n.type << 16 | <uint64_t>n.a << 32
    h = (h ^ n.b ^ <uint64_t>n.c << 20) * <uint64_t>0x9E3779B97F4A7C15u
    h = (h ^ h >> 29 ^ <uint64_t>n.imm) * <uint64_t>0xBF58476D1CE4E5B9u
    return <uint32_t>(h >> 40)


cdef inline bint same(const Node *one, const Node *two) noexcept nogil:
    return (one.op == two.op and one.a == two.a and one.b == two.b and one.c == two.c and one.imm == two.imm
            and one.type == two.type and one.size == two.size and one.mode == two.mode and one.flags == two.flags)


cdef uint32_t find(Numbers *t, uint32_t node) noexcept nogil:
    # One that dominates it, or itself, which is then remembered.
    cdef Graph *g = t.g
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t *head = &t.heads[hash_of(n) & (t.nheads - 1)]
    cdef uint32_t other = head[0]
    while other:
        if same(&g.nodes[other], n) and dominates(g, g.nodes[other].block, n.block) and burn(g):
            return other
        other = t.chain[other]
    t.chain[node] = head[0]
    head[0] = node
    return node


cdef uint32_t there(const Numbers *t, uint32_t op, uint32_t a, uint32_t b, uint32_t block) noexcept nogil:
    # The node that computes that, if one dominates the block; 0: there is none. Operands in either order.
    cdef const Graph *g = t.g
    cdef Node wanted
    cdef uint32_t other
    memset(&wanted, 0, sizeof(Node))
    wanted.op = <uint16_t>op
    wanted.type = T_INT
    wanted.a = a
    wanted.b = b
    for _ in range(2 if op == OP_ADD else 1):
        other = t.heads[hash_of(&wanted) & (t.nheads - 1)]
        while other:
            if same(&g.nodes[other], &wanted) and dominates(g, g.nodes[other].block, block):
                return other
            other = t.chain[other]
        wanted.a = b
        wanted.b = a
    return 0


cdef bint take_out(Numbers *t, uint32_t node, uint32_t x, uint32_t y) noexcept nogil:
    # Take a constant out of the sum of both, that is part of the second one, if that is of use.
    cdef Graph *g = t.g
    cdef uint32_t block = g.nodes[node].block
    cdef uint32_t by = 0
    cdef uint32_t sum, number
    cdef uint64_t c
    if g.nodes[y].op == OP_SHL and is_const(g, g.nodes[y].b):
        by = g.nodes[y].b
        y = g.nodes[y].a
    if g.nodes[y].op != OP_ADD or not is_const(g, g.nodes[y].b):
        return False
    c = <uint64_t>g.nodes[g.nodes[y].b].imm
    y = g.nodes[y].a
    if by:
        c <<= <uint64_t>g.nodes[by].imm & 63
        y = there(t, OP_SHL, y, by, block)
    sum = there(t, OP_ADD, x, y, block) if y else 0
    if sum == 0 or not burn(g):
        return False
    number = const_node(g, <int64_t>c)
    if number == 0:
        return False
    g.nodes[node].a = sum
    g.nodes[node].b = number
    return True


cdef void map_operands(Numbers *t, uint32_t node) noexcept nogil:
    cdef Node *n = &t.g.nodes[node]
    n.a = now(t, n.a)
    n.b = now(t, n.b)
    n.c = now(t, n.c)


cdef void become(Numbers *t, uint32_t node, uint32_t found) noexcept nogil:
    if found != node:
        t.new_of[node] = found
        remove_node(t.g, node)


cdef void visit(Numbers *t, uint32_t node) noexcept nogil:
    cdef Graph *g = t.g
    cdef uint32_t op = g.nodes[node].op
    cdef uint32_t before = g.nodes[node].prev
    cdef uint32_t block = g.nodes[node].block
    cdef uint32_t found, made, following
    map_operands(t, node)
    if op == OP_CONST and block != 1 and g.nodes[node].flags == 0 and burn(g):
        found = const_node(g, g.nodes[node].imm)
        if found:
            become(t, node, found)
        return
    if op == OP_CONST or not is_pure(op):
        return
    found = simplify(g, node) if g.nnodes + MOST_MADE < t.room else node
    # What it made stands before it.
    made = g.nodes[before].next if before else g.blocks[block].first
    while made != node and not g.failed:
        following = g.nodes[made].next
        if g.nodes[made].op != OP_CONST and is_pure(g.nodes[made].op) and made != before:
            map_operands(t, made)
            become(t, made, find(t, made))
        made = following
    found = now(t, found)
    if found == node and op == OP_ADD and not is_const(g, g.nodes[node].b) and g.nnodes < t.room:
        if not take_out(t, node, g.nodes[node].a, g.nodes[node].b):
            take_out(t, node, g.nodes[node].b, g.nodes[node].a)
    become(t, node, find(t, node) if found == node else found)


cdef bint are_given_alike(const Numbers *t, const BlockOf *b, uint32_t one, uint32_t two) noexcept nogil:
    # Two arguments of a block, by number: the same on each way?
    cdef const Graph *g = t.g
    cdef const Edge *edge
    cdef uint32_t i, e
    cdef const BlockOf *pred
    for i in range(b.npreds):
        pred = &g.blocks[g.pool[b.preds + i]]
        for e in range(pred.nedges):
            edge = &pred.edges[e]
            if (&g.blocks[edge.to] == b
                    and now(t, edge_arg(g, edge, one)) != now(t, edge_arg(g, edge, two))):
                return False
    return True


cdef void join_args(Numbers *t, uint32_t block) noexcept nogil:
    # One stays; where the other one is handed over is left to those who look for what is dead.
    cdef Graph *g = t.g
    cdef const BlockOf *b = &g.blocks[block]
    cdef uint32_t arg = b.first
    cdef uint32_t other
    while arg and g.nodes[arg].op == OP_ARG:
        other = g.nodes[arg].next if t.new_of[arg] == 0 else 0
        while other and g.nodes[other].op == OP_ARG:
            if (t.new_of[other] == 0 and g.nodes[arg].type == g.nodes[other].type
                    and are_given_alike(t, b, <uint32_t>g.nodes[arg].imm, <uint32_t>g.nodes[other].imm) and burn(g)):
                t.new_of[other] = arg
            other = g.nodes[other].next
        arg = g.nodes[arg].next


cdef void pass_gvn(Graph *g) noexcept nogil:
    cdef Numbers t
    cdef uint32_t i, node, following
    analyse(g)
    t.g = g
    t.nheads = LEAST_HEADS
    while t.nheads < g.nnodes:
        t.nheads *= 2
    t.heads = <uint32_t *>scratch_zeroed(&g.scratch, t.nheads, sizeof(uint32_t))
    t.room = room_to_rewrite(g)
    t.chain = <uint32_t *>scratch_zeroed(&g.scratch, t.room, sizeof(uint32_t))
    t.new_of = <uint32_t *>scratch_zeroed(&g.scratch, t.room, sizeof(uint32_t))
    if t.heads != NULL and t.chain != NULL and t.new_of != NULL and not g.failed:
        for i in range(g.norder):
            join_args(&t, g.order[i])
            node = g.blocks[g.order[i]].first
            while node and not g.failed:
                following = g.nodes[node].next
                visit(&t, node)
                node = following
        replace_all(g, t.new_of)
    else:
        g.failed = True
    scratch_give(&g.scratch, t.heads)
    scratch_give(&g.scratch, t.chain)
    scratch_give(&g.scratch, t.new_of)
