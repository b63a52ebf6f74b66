"""Jump threading: what was decided where a way came from is not decided again.

In a loop that keeps a state (a state machine, a flag), blocks come together with constants for it, go on for a few
blocks, and a branch looks at what the constant was. The blocks up to there, the chain (states.pxd), are copied for each
constant: in its copy the state is known, the branch is a jump, and what is worked out from the state further on is
worked out here. Each copy ends where the ways come together again:

- behind the branch, or
- if the block behind it uses the state too, before the end of that one, which becomes a block of its own.

Loops stay loops: what would give one a second entry is not done. Values that are made in a chain and used elsewhere
have a version in each copy (repair.pyx).

Limit: small chains, in loops, and a few copies of them.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from vmcore._fast.jit.t2.analysis cimport analyse, odd_ways, outline
from vmcore._fast.jit.t2.copies cimport args_copied, copied, node_copied, used_outside
from vmcore._fast.jit.t2.ir cimport (
    END_BRANCH, END_GOTO, MOST_BLOCKS, OP_ADDEND, OP_HOST, OP_TAG, burn, count_uses, is_pure, move_to_end, new_block,
    BlockOf, Edge, Graph)
from vmcore._fast.jit.t2.loops cimport in_loop
from vmcore._fast.jit.t2.repair cimport Versions, use_versions, versions_clear, versions_free, versions_init
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_take, scratch_zeroed
from vmcore._fast.jit.t2.states cimport (
    MOST_MOVED, Clone, Thread, clone_of, decide, find_chain, find_clones, go_further, is_state, nodes_of, size_of)

cdef enum:
    LARGE = 24                # nodes of a chain
    MOST_COPIED = 160         # nodes, in a region
    MOST_TRIES = 32           # chains, in a region
    MOST_REACH = 3            # places where ways come together that a chain goes back across
    NOT_SO = 0xFFFFFFFF

# What is made in the chain, or behind it, and used elsewhere: where ways come to the chain from elsewhere, and before
# its block in the chain (where it is that of the turn before), are elsewhere.
cdef struct Value:
    uint32_t node
    uint32_t block
    uint32_t from_            # number of its block in the chain; `to`: it is behind it
    uint32_t to               # blocks of the chain that are come to from there alone
    uint8_t type


# --- blocks and edges -------------------------------------------------------------------------------------------------

cdef bint part_end(Thread *t, uint32_t block) noexcept nogil:
    # The branch at its end becomes a block of its own.
    cdef Graph *g = t.g
    cdef uint32_t end = new_block(g)
    cdef BlockOf *b
    cdef BlockOf *to
    cdef uint32_t e
    if end == 0:
        return False
    b = &g.blocks[block]
    to = &g.blocks[end]
    to.off = b.off
    to.end = b.end
    to.cond = b.cond
    to.nedges = b.nedges
    to.edges = b.edges
    b.end = END_GOTO
    b.cond = 0
    b.nedges = 1
    memset(b.edges, 0, sizeof(b.edges))
    b.edges[0].to = end
    for e in range(to.nedges):
        b.edges[0].times += to.edges[e].times
    if g.nodes[to.cond].block == block and g.nodes[to.cond].uses == 1 and is_pure(g.nodes[to.cond].op):
        move_to_end(g, to.cond, end)
    return True


cdef bint part_ends(Thread *t) noexcept nogil:
    cdef uint32_t i
    for i in range(t.nclones):
        if t.clones[i].next_ and t.g.blocks[t.clones[i].next_].end == END_BRANCH:
            count_uses(t.g)
            if not part_end(t, t.clones[i].next_):
                return False
    analyse(t.g)
    return not t.g.failed


cdef void link_clone(Thread *t, Clone *c) noexcept nogil:
    # Where its blocks go to; what goes along the edges follows.
    cdef Graph *g = t.g
    cdef const BlockOf *from_
    cdef BlockOf *to
    cdef uint32_t j, e
    for j in range(t.nchain):
        from_ = &g.blocks[t.chain[j]]
        to = &g.blocks[c.blocks[j]]
        to.off = from_.off
        to.end = from_.end
        to.nedges = from_.nedges
        for e in range(from_.nedges):
            to.edges[e].to = from_.edges[e].to
            if j + 1 < t.nchain and to.edges[e].to == t.chain[j + 1]:
                to.edges[e].to = c.blocks[j + 1]
    to.end = END_GOTO
    to.nedges = 1
    to.edges[0].to = c.blocks[t.nchain] if c.next_ else from_.edges[c.edge].to
    if c.next_:
        to = &g.blocks[c.blocks[t.nchain]]
        to.off = g.blocks[c.next_].off
        to.end = END_GOTO
        to.nedges = 1
        to.edges[0].to = g.blocks[c.next_].edges[0].to


cdef bint lead_on(Thread *t) noexcept nogil:
    # All that brings a constant goes to its copy.
    cdef Graph *g = t.g
    cdef uint32_t i, e, which
    cdef uint32_t head = t.chain[0]
    cdef Edge *edge
    t.nmoved = 0
    for i in range(g.norder):
        for e in range(g.blocks[g.order[i]].nedges):
            edge = &g.blocks[g.order[i]].edges[e]
            if edge.to != head:
                continue
            which = clone_of(t, edge, 0, 0)
            if which and in_loop(g, g.order[i], t.around):
                if t.nmoved == MOST_MOVED:
                    return False
                t.moved[t.nmoved] = g.order[i] << 1 | e
                t.nmoved += 1
                edge.to = t.clones[which - 1].blocks[0]
    return True


cdef uint32_t like_of(const Thread *t, const Clone *c, uint32_t j) noexcept nogil:
    # What block j of a copy is a copy of.
    return t.chain[j] if j < t.nchain else c.next_


cdef uint32_t edge_like(const Thread *t, const Clone *c, uint32_t j, uint32_t e) noexcept nogil:
    return c.edge if j + 1 == t.nchain else e


cdef inline uint32_t blocks_in(const Thread *t, const Clone *c) noexcept nogil:
    return t.nchain + (c.next_ != 0)


cdef void lead_clones_on(Thread *t) noexcept nogil:
    # The same for what leaves the copies, to where the chain began.
    cdef Graph *g = t.g
    cdef Clone *c
    cdef BlockOf *b
    cdef uint32_t i, j, e, which
    for i in range(t.nclones):
        c = &t.clones[i]
        for j in range(blocks_in(t, c)):
            b = &g.blocks[c.blocks[j]]
            for e in range(b.nedges):
                if b.edges[e].to == t.chain[0]:
                    which = clone_of(t, &g.blocks[like_of(t, c, j)].edges[edge_like(t, c, j, e)], i + 1, j + 1)
                    if which:
                        b.edges[e].to = t.clones[which - 1].blocks[0]


cdef bint make_blocks(Thread *t) noexcept nogil:
    # The copies' blocks and all edges, if no loop gets a second entry by them. False: everything is as it was.
    cdef Graph *g = t.g
    cdef uint32_t odd = odd_ways(g)
    cdef uint32_t before = g.nblocks
    cdef uint32_t i, j
    cdef bint done
    if g.nblocks + t.nclones * (t.nchain + 1) >= MOST_BLOCKS:
        return False
    for i in range(t.nclones):
        for j in range(blocks_in(t, &t.clones[i])):
            t.clones[i].blocks[j] = new_block(g)
        if g.failed:
            return False
        link_clone(t, &t.clones[i])
    lead_clones_on(t)
    done = lead_on(t)
    if done:
        outline(g)
        done = odd_ways(g) <= odd and not g.failed
    if not done and not g.failed:
        for i in range(t.nmoved):
            g.blocks[t.moved[i] >> 1].edges[t.moved[i] & 1].to = t.chain[0]
        g.nblocks = before
        outline(g)
    return done


# --- what is in them --------------------------------------------------------------------------------------------------

cdef void copy_block(Thread *t, Clone *c, uint32_t j) noexcept nogil:
    # What is made further on in the chain is still that of the turn before here, and in what goes along the edges.
    cdef Graph *g = t.g
    cdef uint32_t like = like_of(t, c, j)
    cdef uint32_t block = c.blocks[j]
    cdef uint32_t node = g.blocks[like].first
    cdef const Edge *given
    cdef uint32_t e, args
    while node and not g.failed:
        node_copied(g, c.now, node, block, 0)
        if is_state(t, node, j + 1):
            c.now[node] = c.number
        node = g.nodes[node].next
    if g.blocks[block].end == END_BRANCH:
        g.blocks[block].cond = copied(c.now, g.blocks[like].cond)
    for e in range(g.blocks[block].nedges):
        given = &g.blocks[like].edges[edge_like(t, c, j, e)]
        args = args_copied(g, c.now, given)
        g.blocks[block].edges[e].args = args
        g.blocks[block].edges[e].nargs = given.nargs


cdef void fill_clone(Thread *t, Clone *c) noexcept nogil:
    cdef uint32_t j
    for j in range(blocks_in(t, c)):
        copy_block(t, c, j)


cdef void share_times(Thread *t) noexcept nogil:
    # Each way is taken as often as before, in all copies together.
    cdef Graph *g = t.g
    cdef Clone *c
    cdef Edge *like
    cdef uint32_t i, j, e, times
    cdef float left = t.weight
    cdef float part
    for i in range(t.nclones):
        c = &t.clones[i]
        part = c.weight / left if left > c.weight else 1
        left -= c.weight
        for j in range(blocks_in(t, c)):
            for e in range(g.blocks[c.blocks[j]].nedges):
                like = &g.blocks[like_of(t, c, j)].edges[edge_like(t, c, j, e)]
                times = min(<uint32_t>(part * like.times), like.times)
                g.blocks[c.blocks[j]].edges[e].times = times
                like.times -= times


# --- what is used elsewhere -------------------------------------------------------------------------------------------

cdef uint32_t part_from(const Thread *t, uint32_t j) noexcept nogil:
    # How far blocks of the chain are come to from its block j alone: behind it, other ways come to it again.
    j += 1
    while j < t.nchain and t.g.blocks[t.chain[j]].npreds == 1:
        j += 1
    return j


cdef uint32_t list_used(Thread *t, uint32_t from_, uint32_t to, uint8_t *used, Value *values,
                        uint32_t n) noexcept nogil:
    # The values that are made in these blocks of the chain, or behind it, and used elsewhere. NOT_SO: it cannot be
    # copied, as one of them cannot be one of several.
    cdef Graph *g = t.g
    cdef uint32_t i, block, node
    memset(t.inside, 0, sizeof(t.inside))
    for i in range(from_, to):
        t.inside[t.chain[i]] = True
    for i in range(t.nclones if to == t.nchain else 0):
        t.inside[t.clones[i].next_] = t.clones[i].next_ != 0
    memset(used, 0, g.nnodes)
    used_outside(g, t.inside, used, g.nnodes)
    for i in range(g.norder):
        block = g.order[i]
        node = g.blocks[block].first if t.inside[block] else 0
        while node:
            if used[node]:
                if g.nodes[node].op == OP_HOST or g.nodes[node].op == OP_TAG or g.nodes[node].op == OP_ADDEND:
                    return NOT_SO
                values[n].node = node
                values[n].type = g.nodes[node].type
                values[n].from_ = from_
                while values[n].from_ < to and t.chain[values[n].from_] != block:
                    values[n].from_ += 1
                values[n].to = to
                values[n].block = block
                n += 1
            node = g.nodes[node].next
    return n


cdef uint32_t list_all_used(Thread *t, uint8_t *used, Value *values) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t from_ = 0
    cdef uint32_t to
    while from_ < t.nchain and n != NOT_SO:
        to = part_from(t, from_)
        n = list_used(t, from_, to, used, values, n)
        from_ = to
    return n


cdef void repair_one(Thread *t, Versions *v, const Value *value) noexcept nogil:
    cdef const Clone *c
    cdef uint32_t i, j
    versions_clear(v, value.type)
    for j in range(value.from_, value.to):
        v.out[t.chain[j]] = value.node
    if value.from_ == value.to:
        v.out[value.block] = value.node
    for i in range(t.nclones):
        c = &t.clones[i]
        for j in range(value.from_, blocks_in(t, c)):
            # (What is made behind the chain is made in that block alone.)
            if value.from_ < value.to or c.next_ == value.block:
                v.out[c.blocks[j]] = copied(c.now, value.node)
    use_versions(v, value.node)


# --- all of it --------------------------------------------------------------------------------------------------------

cdef bint copy_chain(Thread *t, Value *values, uint8_t *used) noexcept nogil:
    cdef Graph *g = t.g
    cdef Versions v
    cdef uint32_t i
    cdef uint32_t n = list_all_used(t, used, values)
    if n == NOT_SO or not make_blocks(t):
        return False
    for i in range(t.nclones):
        fill_clone(t, &t.clones[i])
    share_times(t)
    g.analysed = False
    analyse(g)
    if g.failed:
        return False
    if versions_init(&v, g):
        for i in range(n):
            repair_one(t, &v, &values[i])
    versions_free(&v)
    g.analysed = False
    analyse(g)
    return True


cdef bint make_room(Thread *t) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t *all_now = <uint32_t *>scratch_zeroed(&t.g.scratch, t.nclones * <size_t>t.g.nnodes, sizeof(uint32_t))
    for i in range(t.nclones):
        t.clones[i].now = all_now + i * t.g.nnodes
    return all_now != NULL


cdef bint copy_all(Thread *t) noexcept nogil:
    cdef Graph *g = t.g
    cdef Value *values = <Value *>scratch_take(&g.scratch, g.nnodes, sizeof(Value))
    cdef uint8_t *used = <uint8_t *>scratch_take(&g.scratch, g.nnodes, 1)
    cdef bint room = make_room(t)
    cdef bint done = False
    if values == NULL or used == NULL or not room:
        g.failed = True
    else:
        done = copy_chain(t, values, used)
    scratch_give(&g.scratch, t.clones[0].now)
    scratch_give(&g.scratch, used)
    scratch_give(&g.scratch, values)
    return done


cdef void try_chain(Thread *t) noexcept nogil:
    cdef uint32_t size = size_of(t)
    cdef uint32_t i
    cdef uint32_t more = 0
    cdef bint next_too = False
    find_clones(t)
    if t.nclones == 0 or size > LARGE:
        return
    decide(t)
    for i in range(t.nclones):
        more += size
        if t.clones[i].next_:
            more += nodes_of(t.g, t.clones[i].next_)
            next_too = True
    if (t.copied + more > MOST_COPIED or t.tries == MOST_TRIES or t.g.nblocks + 2 * t.nclones >= MOST_BLOCKS
            or not burn(t.g)):
        return
    t.tries += 1
    if not part_ends(t):
        return
    if copy_all(t):
        t.copied += more
    elif next_too and not t.g.failed:
        for i in range(t.nclones):
            t.clones[i].next_ = 0
        if copy_all(t):
            t.copied += more


cdef void thread_branch(Thread *t, uint32_t block) noexcept nogil:
    cdef bint found = find_chain(t, block)
    cdef uint32_t i = 0
    while found and i < MOST_REACH and not t.g.failed:
        try_chain(t)
        i += 1
        found = not t.g.failed and t.g.blocks[t.chain[0]].order != 0 and go_further(t)


cdef void pass_thread(Graph *g) noexcept nogil:
    cdef Thread t
    cdef uint32_t block
    cdef uint32_t before = g.nblocks
    analyse(g)
    t.g = g
    t.copied = 0
    t.tries = 0
    for block in range(1, before):
        if g.failed:
            return
        if g.blocks[block].order and g.blocks[block].loop and g.blocks[block].end == END_BRANCH:
            thread_branch(&t, block)
