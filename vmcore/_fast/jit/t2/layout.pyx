"""Block layout: loops in one piece, the heavier edge falls through, cold blocks last."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from vmcore._fast.jit.t2.ir cimport MOST_BLOCKS, BlockOf, Graph, loop_around
from vmcore._fast.jit.t2.loops cimport in_loop

cdef extern from *:
    """
    /* What is executed less often than this, for one entry of the region, is cold. */
    #define VMCORE_COLD_WEIGHT 0.5f
    """
    float COLD_WEIGHT "VMCORE_COLD_WEIGHT"


cdef inline bint is_cold(const Graph *g, uint32_t block) noexcept nogil:
    return block != 1 and g.blocks[block].weight < COLD_WEIGHT


cdef inline bint is_better(const BlockOf *one, const BlockOf *two) noexcept nogil:
    return one.depth > two.depth if one.depth != two.depth else one.weight > two.weight


cdef uint32_t best_after(const Graph *g, const uint8_t *placed, uint32_t block) noexcept nogil:
    # The successor that is to follow: one that stays in the deeper loop, or else the heavier one.
    cdef const BlockOf *b = &g.blocks[block]
    cdef uint32_t best = 0
    cdef uint32_t to, e
    for e in range(b.nedges):
        to = b.edges[e].to
        if placed[to] or is_cold(g, to):
            continue
        if best == 0 or is_better(&g.blocks[to], &g.blocks[best]):
            best = to
    return best


cdef uint32_t first_of(const Graph *g, const uint8_t *placed, uint32_t loop) noexcept nogil:
    # The first block in reverse postorder that is still to be placed in the loop (0: anywhere).
    cdef uint32_t i, block
    for i in range(g.norder):
        block = g.order[i]
        if not placed[block] and not is_cold(g, block) and (loop == 0 or in_loop(g, block, loop)):
            return block
    return 0


cdef uint32_t lay_out(const Graph *g, uint32_t *order) noexcept nogil:
    cdef uint8_t placed[MOST_BLOCKS]
    cdef uint32_t n = 0
    cdef uint32_t block = 1
    cdef uint32_t loop, following, pending, i
    memset(placed, 0, sizeof(placed))
    while block:
        placed[block] = True
        order[n] = block
        n += 1
        following = best_after(g, placed, block)
        # No loop is left before all of it is placed.
        loop = g.blocks[block].loop
        while loop:
            if following and in_loop(g, following, loop):
                break
            pending = first_of(g, placed, loop)
            if pending:
                following = pending
                break
            loop = loop_around(g, loop)
        block = following if following else first_of(g, placed, 0)
    for i in range(g.norder):
        if not placed[g.order[i]]:
            order[n] = g.order[i]
            n += 1
    return n
