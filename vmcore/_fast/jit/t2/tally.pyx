"""Counts that follow one another.

Where ways of different lengths come together, each of them subtracts from the budget what it has executed. Where
several such places follow one another, as in a state machine, each subtracts a bit more. A count goes back to where
there is one already, as long as nothing in between can leave, since whoever leaves says how much is still to be
counted:

- Both ways of a branch begin with a count: what they have in common is counted before it.
- All that leads to a block goes nowhere else: its count is added to theirs.

Blocks are looked at from the end on, so that what has gone back once goes on from there. No way counts more often than
before.
"""

from libc.stdint cimport int64_t, uint32_t

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.ir cimport (
    END_BRANCH, END_GOTO, OP_COUNT, OP_POLL, T_NONE, append, burn, remove_node, BlockOf, Graph)


cdef uint32_t outermost(const Graph *g, uint32_t block, bint last) noexcept nogil:
    # The count before which nothing of the block can leave, or the last one, behind which nothing can; 0: none.
    cdef uint32_t node = g.blocks[block].last if last else g.blocks[block].first
    while node and g.nodes[node].snap == 0:
        if g.nodes[node].op == OP_COUNT:
            return node
        node = g.nodes[node].prev if last else g.nodes[node].next
    return 0


cdef inline uint32_t leading(const Graph *g, uint32_t block) noexcept nogil:
    return outermost(g, block, False)


cdef inline uint32_t trailing(const Graph *g, uint32_t block) noexcept nogil:
    return outermost(g, block, True)


cdef bint can_leave(const Graph *g, uint32_t block) noexcept nogil:
    cdef uint32_t node = g.blocks[block].first
    while node:
        if g.nodes[node].snap:
            return True
        node = g.nodes[node].next
    return False


cdef void count_less(Graph *g, uint32_t node, int64_t less) noexcept nogil:
    g.nodes[node].imm -= less
    if g.nodes[node].imm == 0:
        remove_node(g, node)


cdef void count_more(Graph *g, uint32_t block, int64_t more) noexcept nogil:
    # At its end.
    cdef uint32_t node = trailing(g, block)
    if node:
        g.nodes[node].imm += more
    else:
        append(g, block, OP_COUNT, T_NONE, 0, 0, 0, more)


cdef uint32_t count_preds(const Graph *g, uint32_t block) noexcept nogil:
    # How many of those that lead to it count at their end; 0 as well if one of them may not count for it.
    cdef const BlockOf *b = &g.blocks[block]
    cdef uint32_t n = 0
    cdef uint32_t i, pred, last
    for i in range(b.npreds):
        pred = g.pool[b.preds + i]
        last = g.blocks[pred].last
        if g.blocks[pred].end != END_GOTO or g.blocks[pred].order >= b.order:
            return 0
        if last and g.nodes[last].op == OP_POLL:
            # Which is one with the jump that follows.
            return 0
        n += trailing(g, pred) != 0
    return n


cdef void take_from_ways(Graph *g, uint32_t block) noexcept nogil:
    cdef const BlockOf *b = &g.blocks[block]
    cdef uint32_t one, other, n
    cdef int64_t both
    if b.end != END_BRANCH or g.blocks[b.edges[0].to].npreds != 1 or g.blocks[b.edges[1].to].npreds != 1:
        return
    one = leading(g, b.edges[0].to)
    other = leading(g, b.edges[1].to)
    if one == 0 or other == 0:
        return
    if trailing(g, block) == 0:
        # It would be a count more for the way that has some left, unless it goes on to where there is one.
        n = 0 if can_leave(g, block) else count_preds(g, block)
        if n == 0 or (n < b.npreds and g.nodes[one].imm != g.nodes[other].imm):
            return
    if not burn(g):
        return
    both = min(g.nodes[one].imm, g.nodes[other].imm)
    count_less(g, one, both)
    count_less(g, other, both)
    count_more(g, block, both)


cdef void give_to_preds(Graph *g, uint32_t block) noexcept nogil:
    cdef const BlockOf *b = &g.blocks[block]
    cdef uint32_t node = leading(g, block)
    cdef uint32_t i
    cdef int64_t more
    if node == 0 or count_preds(g, block) == 0 or not burn(g):
        return
    more = g.nodes[node].imm
    remove_node(g, node)
    for i in range(b.npreds):
        count_more(g, g.pool[b.preds + i], more)


cdef void pass_tally(Graph *g) noexcept nogil:
    cdef uint32_t i
    analyse(g)
    for i in range(0 if g.failed else g.norder, 0, -1):
        take_from_ways(g, g.order[i - 1])
        give_to_preds(g, g.order[i - 1])
