"""Unrolling of small innermost loops.

The blocks of the loop are copied, two or four times in all; where a turn ended with a jump to the header it goes on in
the next copy, and only the last copy goes back. Each may still be left wherever the loop could be. What is gained: one
poll for all of them, fewer jumps, and look-ups of pages that the copies can share.

Counting: a poll subtracts n; of the copies only the last one has it, for all of them together. What is left in copy k,
from 0, has k * n instructions more that were not counted yet: its snapshots say so, and ways out of the loop that go on
in the region count them. The sum stays below what may be executed between two polls.

A value that is made in the loop and used behind it has a version in each copy (repair.pyx).

Limit: one way back, with the only poll of the loop in its last block; no loop inside.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memset

from vmcore._fast.jit.t2.analysis cimport analyse, dominates
from vmcore._fast.jit.t2.copies cimport args_copied, copied, node_copied, snap_copied, used_outside
from vmcore._fast.jit.t2.ir cimport (
    END_GOTO, MOST_BLOCKS, OP_ARG, OP_CONST, OP_COUNT, OP_HOST, OP_POLL, T_NONE, append, burn, edge_arg, new_block,
    remove_node, BlockOf, Edge, Graph, Node)
from vmcore._fast.jit.t2.loops cimport in_loop, is_innermost, split_edge
from vmcore._fast.jit.t2.repair cimport (
    Versions, use_versions, versions_clear, versions_free, versions_init)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef enum:
    MOST_MEMBERS = 24         # blocks that are copied
    MOST_COPIES = 4
    SMALL = 12                # nodes of a turn, up to which there are four copies
    LARGE = 26                # ... two
    TAIL = 8                  # nodes of a block behind the loop that is copied rather than shared
    MOST_POLLED = 60          # instructions between two polls

cdef struct Unroll:
    Graph *g
    uint32_t header
    uint32_t latch
    uint32_t back             # edge of the latch that leads back
    uint32_t poll
    uint32_t times            # copies in all
    # Blocks of the loop in reverse postorder, then those behind it that are copied as well.
    uint32_t members[MOST_MEMBERS]
    uint32_t nmembers
    uint32_t inside           # how many of them are in the loop
    bint behind[MOST_MEMBERS]     # is it behind the poll, out of the last block?
    uint32_t copies[MOST_COPIES][MOST_MEMBERS]
    bint above[MOST_MEMBERS][MOST_MEMBERS]    # does one dominate the other?
    uint32_t *now[MOST_COPIES]                # of each node: what it is in a copy, 0: itself
    uint32_t nnodes           # that there were


# --- which loops ------------------------------------------------------------------------------------------------------

cdef bint find_latch(Unroll *u) noexcept nogil:
    cdef Graph *g = u.g
    cdef const BlockOf *h = &g.blocks[u.header]
    cdef uint32_t i, pred
    u.latch = 0
    for i in range(h.npreds):
        pred = g.pool[h.preds + i]
        if in_loop(g, pred, u.header):
            if u.latch:
                return False
            u.latch = pred
    u.back = 0 if g.blocks[u.latch].edges[0].to == u.header else 1
    return True


cdef bint measure(Unroll *u) noexcept nogil:
    # Its blocks, its poll, and how many copies there are to be.
    cdef Graph *g = u.g
    cdef uint32_t i, node
    cdef uint32_t nodes = 0
    cdef int64_t counted = 0
    cdef const Node *n
    u.nmembers = 0
    u.poll = 0
    memset(u.behind, 0, sizeof(u.behind))
    for i in range(g.norder):
        if g.blocks[g.order[i]].loop != u.header:
            continue
        if u.nmembers == MOST_MEMBERS:
            return False
        u.members[u.nmembers] = g.order[i]
        u.nmembers += 1
        node = g.blocks[g.order[i]].first
        while node:
            n = &g.nodes[node]
            if n.op == OP_POLL:
                if u.poll or n.block != u.latch:
                    return False
                u.poll = node
            if n.op == OP_POLL or n.op == OP_COUNT:
                counted += n.imm
            nodes += n.op != OP_ARG and n.op != OP_CONST
            node = n.next
    u.inside = u.nmembers
    if u.poll == 0 or nodes > LARGE:
        return False
    u.times = 4 if nodes <= SMALL and 4 * counted <= MOST_POLLED else 2
    return u.times * counted <= MOST_POLLED


cdef bint is_tail(const Graph *g, uint32_t block) noexcept nogil:
    # A small block that only the loop leads to, and that can count what is left to count. (Where the region is left is
    # far more code than is seen here: all copies go there, by ways of their own.)
    cdef uint32_t node = g.blocks[block].first
    cdef uint32_t nodes = 0
    if g.blocks[block].npreds != 1 or g.blocks[block].end != END_GOTO:
        return False
    while node:
        nodes += 1
        if g.nodes[node].op == OP_POLL:
            return False
        node = g.nodes[node].next
    return nodes <= TAIL


cdef bint find_tails(Unroll *u) noexcept nogil:
    # Every way out has a block of its own that is copied.
    cdef Graph *g = u.g
    cdef uint32_t i, e, to
    for i in range(u.inside):
        for e in range(g.blocks[u.members[i]].nedges):
            to = g.blocks[u.members[i]].edges[e].to
            if in_loop(g, to, u.header):
                continue
            if u.nmembers == MOST_MEMBERS:
                return False
            if not is_tail(g, to):
                to = split_edge(g, u.members[i], e)
                if to == 0:
                    return False
            u.members[u.nmembers] = to
            u.behind[u.nmembers] = u.members[i] == u.latch
            u.nmembers += 1
    return True


cdef void find_order(Unroll *u) noexcept nogil:
    cdef uint32_t i, k
    for i in range(u.nmembers):
        u.copies[0][i] = u.members[i]
        for k in range(u.nmembers):
            u.above[i][k] = dominates(u.g, u.members[i], u.members[k])


# --- what is used behind the loop -------------------------------------------------------------------------------------

cdef bint is_shared(Unroll *u, const uint8_t *used) noexcept nogil:
    # Is a HOST of the loop used behind it? That cannot be one of several.
    cdef Graph *g = u.g
    cdef uint32_t i, node
    for i in range(u.nmembers):
        node = g.blocks[u.members[i]].first
        while node:
            if used[node] and g.nodes[node].op == OP_HOST:
                return True
            node = g.nodes[node].next
    return False


# --- copying ----------------------------------------------------------------------------------------------------------

cdef inline uint32_t turns(const Unroll *u, uint32_t k) noexcept nogil:
    # Instructions of so many turns.
    return k * <uint32_t>u.g.nodes[u.poll].imm


cdef inline uint32_t uncounted(const Unroll *u, uint32_t k, uint32_t i) noexcept nogil:
    # At the beginning of a block of copy k.
    if u.behind[i]:
        k = k + 1 if k + 1 < u.times else 0
    return turns(u, k)


cdef void count_at_end(Graph *g, uint32_t block, uint32_t more) noexcept nogil:
    cdef uint32_t last = g.blocks[block].last
    if last and g.nodes[last].op == OP_COUNT:
        g.nodes[last].imm += more
    else:
        append(g, block, OP_COUNT, T_NONE, 0, 0, 0, more)


cdef void copy_nodes(Unroll *u, uint32_t k, uint32_t i) noexcept nogil:
    cdef Graph *g = u.g
    cdef uint32_t node = g.blocks[u.members[i]].first
    cdef uint32_t more = uncounted(u, k, i)
    cdef uint32_t copy
    while node and not g.failed:
        if node == u.poll and k + 1 < u.times:
            more += turns(u, 1)
        elif g.nodes[node].op != OP_ARG or i:
            if node == u.poll:
                more = 0
            copy = node_copied(g, u.now[k], node, u.copies[k][i], more)
            if node == u.poll and copy:
                g.nodes[copy].imm *= u.times
        node = g.nodes[node].next
    if i >= u.inside and more:
        count_at_end(g, u.copies[k][i], more)


cdef uint32_t copy_of(const Unroll *u, uint32_t k, uint32_t block) noexcept nogil:
    cdef uint32_t i
    for i in range(u.nmembers):
        if u.members[i] == block:
            return u.copies[k][i]
    return block


cdef void copy_end(Unroll *u, uint32_t k, uint32_t i) noexcept nogil:
    cdef Graph *g = u.g
    cdef uint32_t e, args
    cdef const BlockOf *from_ = &g.blocks[u.members[i]]
    cdef BlockOf *to = &g.blocks[u.copies[k][i]]
    to.end = from_.end
    to.cond = copied(u.now[k], from_.cond)
    to.nedges = from_.nedges
    for e in range(from_.nedges):
        args = args_copied(g, u.now[k], &from_.edges[e])
        to.edges[e].to = copy_of(u, k, from_.edges[e].to)
        to.edges[e].args = args
        to.edges[e].nargs = from_.edges[e].nargs
        to.edges[e].times = from_.edges[e].times


cdef void make_copy(Unroll *u, uint32_t k) noexcept nogil:
    # What the header is given on the way back is what its arguments are in the next copy.
    cdef Graph *g = u.g
    cdef const Edge *back = &g.blocks[u.latch].edges[u.back]
    cdef uint32_t i
    cdef uint32_t arg = g.blocks[u.header].first
    for i in range(back.nargs):
        u.now[k][arg] = copied(u.now[k - 1], edge_arg(g, back, i))
        arg = g.nodes[arg].next
    for i in range(u.nmembers):
        u.copies[k][i] = new_block(g)
        if u.copies[k][i] == 0:
            return
        g.blocks[u.copies[k][i]].off = g.blocks[u.members[i]].off
    for i in range(u.nmembers):
        copy_nodes(u, k, i)
    for i in range(u.nmembers):
        copy_end(u, k, i)


cdef void link_copies(Unroll *u) noexcept nogil:
    # Each but the last one goes on in the next.
    cdef Graph *g = u.g
    cdef uint32_t k
    cdef Edge *e
    for k in range(u.times):
        e = &g.blocks[copy_of(u, k, u.latch)].edges[u.back]
        if k + 1 < u.times:
            e.to = u.copies[k + 1][0]
            e.nargs = 0
        else:
            e.to = u.header


cdef void count_on(Unroll *u, uint32_t node, uint32_t more) noexcept nogil:
    # From a node on there is more that was not counted.
    cdef Graph *g = u.g
    cdef uint32_t snap
    while node:
        if g.nodes[node].snap:
            snap = snap_copied(g, u.now[0], g.nodes[node].snap, more)
            g.nodes[node].snap = snap
        node = g.nodes[node].next


cdef void drop_poll(Unroll *u) noexcept nogil:
    # Of the loop itself, once it was copied.
    cdef Graph *g = u.g
    cdef uint32_t i, more
    count_on(u, g.nodes[u.poll].next, turns(u, 1))
    for i in range(u.inside, u.nmembers):
        more = uncounted(u, 0, i)
        if more:
            count_on(u, g.blocks[u.members[i]].first, more)
            count_at_end(g, u.members[i], more)
    remove_node(g, u.poll)


# --- all of it --------------------------------------------------------------------------------------------------------

cdef void repair(Unroll *u, const uint8_t *used) noexcept nogil:
    cdef Graph *g = u.g
    cdef Versions v
    cdef uint32_t i, j, k, node
    if versions_init(&v, g):
        for i in range(u.nmembers):
            node = g.blocks[u.members[i]].first
            while node:
                if used[node]:
                    versions_clear(&v, g.nodes[node].type)
                    for j in range(u.nmembers):
                        for k in range(u.times if u.above[i][j] else 0):
                            v.out[u.copies[k][j]] = copied(u.now[k], node)
                    use_versions(&v, node)
                node = g.nodes[node].next
    versions_free(&v)


cdef void copy_all(Unroll *u, const uint8_t *used) noexcept nogil:
    cdef Graph *g = u.g
    cdef uint32_t k
    cdef uint32_t *all_now = <uint32_t *>scratch_zeroed(&g.scratch, MOST_COPIES * u.nnodes, sizeof(uint32_t))
    if all_now == NULL:
        g.failed = True
        return
    for k in range(u.times):
        u.now[k] = all_now + k * u.nnodes
    for k in range(1, u.times):
        if not g.failed:
            make_copy(u, k)
    if not g.failed:
        link_copies(u)
        drop_poll(u)
        analyse(g)
        repair(u, used)
        analyse(g)
    scratch_give(&g.scratch, all_now)


cdef void unroll(Unroll *u) noexcept nogil:
    cdef Graph *g = u.g
    cdef uint8_t inside[MOST_BLOCKS]
    cdef uint8_t *used
    cdef uint32_t i
    cdef bint found
    if not find_latch(u) or not measure(u) or not burn(g):
        return
    found = find_tails(u)
    analyse(g)
    if not found or g.failed:
        return
    find_order(u)
    u.nnodes = g.nnodes
    used = <uint8_t *>scratch_zeroed(&g.scratch, u.nnodes, 1)
    if used == NULL:
        g.failed = True
        return
    memset(inside, 0, sizeof(inside))
    for i in range(u.nmembers):
        inside[u.members[i]] = True
    used_outside(g, inside, used, u.nnodes)
    if not is_shared(u, used):
        copy_all(u, used)
    scratch_give(&g.scratch, used)


cdef void pass_unroll(Graph *g) noexcept nogil:
    cdef Unroll u
    cdef uint32_t header
    cdef uint32_t before = g.nblocks
    analyse(g)
    if g.failed:
        return
    u.g = g
    # Copies are in the same loop as what they are copies of, and have headers that are none any more.
    for header in range(1, before):
        if g.failed:
            return
        if g.blocks[header].order and g.blocks[header].loop == header and is_innermost(g, header):
            u.header = header
            unroll(&u)
