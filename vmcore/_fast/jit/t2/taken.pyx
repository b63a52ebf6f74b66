"""What branches tell.

Along a way, and where a block is come to by it alone in that and in all that it dominates, its condition is known: a
condition that was not met is 0, a comparison that was met is 1, as is one that was found not to be 0, and what was
found equal to a constant is that constant. The same holds behind a guard, which has left if its condition was met, and
for the state in which it leaves.

So a comparison whose result the guest keeps in a register is wanted by its branch alone, and becomes one with it.
"""

from libc.stdint cimport int64_t, uint32_t

from vmcore._fast.jit.t2.analysis cimport analyse, dominates
from vmcore._fast.jit.t2.build cimport const_node
from vmcore._fast.jit.t2.ir cimport (
    END_BRANCH, OP_CONST, OP_EQ, OP_FEQ, OP_FLE, OP_GEU, OP_LEAVE_IF, OP_NE, T_INT, burn, edge_arg, is_const, snap_node,
    BlockOf, Edge, Graph, Node, Snap)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef struct Told:
    Graph *g
    uint32_t *owners          # of each snapshot: nodes and blocks that have it
    uint32_t old              # node that is known, and what it is there
    uint32_t new_             # 0: the constant `met`, which is not made yet
    int64_t met
    bint changed


cdef inline bint is_comparison(uint32_t op) noexcept nogil:
    return OP_EQ <= op <= OP_GEU or OP_FEQ <= op <= OP_FLE


# --- uses -------------------------------------------------------------------------------------------------------------

cdef inline uint32_t instead(Told *w, uint32_t node) noexcept nogil:
    if node != w.old:
        return node
    if w.new_ == 0:
        w.new_ = const_node(w.g, w.met)
    if w.new_ == 0:
        return node
    w.changed = True
    return w.new_


cdef void change_snap(Told *w, uint32_t snap) noexcept nogil:
    cdef Graph *g = w.g
    cdef const Snap *s = &g.snaps[snap]
    cdef uint32_t i
    for i in range(s.nregs if snap and w.owners[snap] == 1 else 0):
        g.pool[s.regs + i] = (g.pool[s.regs + i] & 0xFF) | instead(w, snap_node(g, s, i)) << 8


cdef void change_way(Told *w, const Edge *edge) noexcept nogil:
    cdef uint32_t i
    for i in range(edge.nargs):
        w.g.pool[edge.args + i] = instead(w, edge_arg(w.g, edge, i))


cdef void change_from(Told *w, uint32_t block, uint32_t node) noexcept nogil:
    # In a block, from a node on (0: its end alone).
    cdef Graph *g = w.g
    cdef BlockOf *b = &g.blocks[block]
    cdef Node *n
    cdef uint32_t e
    while node:
        n = &g.nodes[node]
        if n.a:
            n.a = instead(w, n.a)
        if n.b:
            n.b = instead(w, n.b)
        if n.c:
            n.c = instead(w, n.c)
        change_snap(w, n.snap)
        node = n.next
    if b.cond:
        b.cond = instead(w, b.cond)
    change_snap(w, b.snap)
    for e in range(b.nedges):
        change_way(w, &b.edges[e])


cdef void change_below(Told *w, uint32_t block, bint itself) noexcept nogil:
    # In what a block dominates.
    cdef Graph *g = w.g
    cdef uint32_t i
    for i in range(g.norder):
        if (g.order[i] != block or itself) and dominates(g, block, g.order[i]):
            change_from(w, g.order[i], g.blocks[g.order[i]].first)


# --- what is told -----------------------------------------------------------------------------------------------------

cdef bint tell(Told *w, uint32_t cond, bint met, bint second) noexcept nogil:
    # What is known if a condition was met, or was not: the condition itself, or (`second`) what it compares.
    cdef Graph *g = w.g
    cdef const Node *n = &g.nodes[cond]
    w.changed = False
    if second:
        if not is_const(g, n.b) or is_const(g, n.a):
            return False
        w.old = n.a
        w.new_ = n.b
        if n.op == (OP_EQ if met else OP_NE):
            return True
        # It is not 0, which of comparisons leaves 1.
        w.new_ = 0
        w.met = 1
        return n.op == (OP_NE if met else OP_EQ) and g.nodes[n.b].imm == 0 and is_comparison(g.nodes[n.a].op)
    if n.op == OP_CONST or n.type != T_INT or (met and not is_comparison(n.op)):
        return False
    w.old = cond
    w.new_ = 0
    w.met = met
    return True


cdef void after_branch(Told *w, uint32_t block) noexcept nogil:
    cdef Graph *g = w.g
    cdef uint32_t k, second, to
    if g.blocks[block].edges[0].to == g.blocks[block].edges[1].to:
        return
    for k in range(2):
        to = g.blocks[block].edges[k].to
        for second in range(2):
            if g.burnt < g.fuel and tell(w, g.blocks[block].cond, k == 0, second):
                change_way(w, &g.blocks[block].edges[k])
                if g.blocks[to].npreds == 1:
                    change_below(w, to, True)
                if w.changed:
                    burn(g)


cdef void after_guard(Told *w, uint32_t node) noexcept nogil:
    cdef Graph *g = w.g
    cdef uint32_t cond = g.nodes[node].a
    cdef uint32_t second
    for second in range(2):
        if g.burnt < g.fuel and tell(w, cond, True, second):
            change_snap(w, g.nodes[node].snap)
            if w.changed:
                burn(g)
        if g.burnt < g.fuel and tell(w, cond, False, second):
            change_from(w, g.nodes[node].block, g.nodes[node].next)
            change_below(w, g.nodes[node].block, False)
            if w.changed:
                burn(g)


cdef void count_owners(Told *w) noexcept nogil:
    cdef Graph *g = w.g
    cdef uint32_t i, node
    for i in range(g.norder):
        w.owners[g.blocks[g.order[i]].snap] += 1
        node = g.blocks[g.order[i]].first
        while node:
            w.owners[g.nodes[node].snap] += 1
            node = g.nodes[node].next


cdef void pass_taken(Graph *g) noexcept nogil:
    cdef Told w
    cdef uint32_t i, node
    analyse(g)
    if g.failed:
        return
    w.g = g
    w.owners = <uint32_t *>scratch_zeroed(&g.scratch, g.nsnaps, sizeof(uint32_t))
    if w.owners == NULL:
        g.failed = True
        return
    count_owners(&w)
    for i in range(g.norder):
        node = g.blocks[g.order[i]].first
        while node and not g.failed:
            if g.nodes[node].op == OP_LEAVE_IF:
                after_guard(&w, node)
            node = g.nodes[node].next
        if g.blocks[g.order[i]].end == END_BRANCH and not g.failed:
            after_branch(&w, g.order[i])
    scratch_give(&g.scratch, w.owners)
