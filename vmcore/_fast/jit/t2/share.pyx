"""Sharing of what is known about pages.

The address of a HOST is a root plus a constant (loops.pxd). Of two with the same root the one that dominates the other
can do for both:

- If its range covers the other's, it is simply used instead. What was found inside a region stays true until the region
  is left, and wherever the root is computed again the first HOST is executed again before the second one is reached.
- Otherwise its range is widened to cover both, if it does not become much wider, and where the second one is reached
  only through blocks that the first one's leads straight to, or is in a loop and executed as often. All of a HOST's
  range is in one page, so whatever the guest may do in a part of it, it may do in all of it. Only where the range runs
  over the end of a page that the first access does not is the region left without need: with the state before the first
  access, from where other code goes on.
- In code that was left all the time as what it accesses lies in two pages (Graph.narrow), as frames on a stack may, it
  is widened within sixteen bytes alone, counted from the root: the ABI has sp a multiple of that, so that they never
  lie in two pages.
- What is read and then, in the same block, written is asked for as something to write at once (MEM_AHEAD). Where it
  cannot be written yet, or its page is not dirty, the region is left before it is read, and T0 or T1 gets both: the
  guest may fault between them.

A HOST for reads is never used for writes. One for writes is used for reads: a page-table entry that lets write and not
read is reserved and faults, as is such a PMP entry (csr.pyx keeps the old one); both kinds of entries of the TLB have
the same host page (page_w() is asked for whatever has an entry for writes, and no page moves under one); and what may
have no entry is refused for reads and for writes alike, except that watched pages have none for writes alone.

Limit: first come, first served.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t

from vmcore._fast.jit.t2.analysis cimport analyse, dominates
from vmcore._fast.jit.t2.ir cimport (
    MEM_AHEAD, MEM_EARLY, MEM_WRITE, OP_HOST, OP_LOAD, OP_STORE, SNAP_NEXT, SNAP_STEP, burn, remove_node, Graph, Node)
from vmcore._fast.jit.t2.loops cimport copy_snap, fits_imm, root_of
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_take, scratch_zeroed

# A byte more is one case of 4096 more in which the region is left for nothing, which costs some 150 ns; a look-up that
# is saved, some 2 ns.
cdef enum:
    WIDEST = 512
    GROWTH = 64               # for each HOST that is saved, in one block
    GROWTH_APART = 32         # across blocks, the second of which need not be reached
    GROWTH_EARLY = 16         # where what is saved is not in a loop, and the whole loop is lost
    LOG_CHUNK = 4             # of those of 16 bytes each, from the root on, where that is narrow

# A HOST that stays.
cdef struct Host:
    uint32_t node
    uint32_t root
    int64_t off               # of its address node from the root
    int64_t low               # range, from the root on
    int64_t high

# What became of one that goes.
cdef struct Gone:
    uint32_t instead
    int64_t delta             # from the address node of the one that does for it to its own

cdef struct Shared:
    Graph *g
    Host *hosts
    uint32_t nhosts
    Gone *gone                # of each node


cdef bint leads_straight(const Graph *g, uint32_t one, uint32_t two) noexcept nogil:
    # From the end of block `one` to block `two` of the same loop, without meeting any other way?
    if g.blocks[one].loop != g.blocks[two].loop:
        return False
    while two != one:
        if g.blocks[two].npreds != 1:
            return False
        two = g.pool[g.blocks[two].preds]
    return True


cdef bint is_busier(const Graph *g, uint32_t one, uint32_t two) noexcept nogil:
    # Is block `one` in a loop, and executed as often as block `two`, or more often?
    return g.blocks[one].loop != 0 and g.blocks[one].weight >= g.blocks[two].weight


cdef int64_t growth(const Graph *g, uint32_t one, uint32_t two) noexcept nogil:
    # How many bytes may HOST `one` have more to cover `two`? -1: it may not.
    if g.nodes[one].flags & MEM_EARLY:
        return GROWTH_EARLY if g.nodes[one].block == g.nodes[two].block else -1
    if g.nodes[one].block == g.nodes[two].block:
        return GROWTH
    if leads_straight(g, g.nodes[one].block, g.nodes[two].block):
        return GROWTH_APART
    return GROWTH_APART if is_busier(g, g.nodes[two].block, g.nodes[one].block) else -1


cdef bint widen(Graph *g, Host *h, int64_t low, int64_t high) noexcept nogil:
    cdef uint32_t snap = g.nodes[h.node].snap
    if not fits_imm(low - h.off):
        return False
    if g.snaps[snap].kind == SNAP_STEP:
        # Perhaps it is not the guest's access that is in the way.
        snap = copy_snap(g, snap)
        if snap == 0:
            return False
        g.snaps[snap].kind = SNAP_NEXT
        g.nodes[h.node].snap = snap
    h.low = low
    h.high = high
    g.nodes[h.node].imm = low - h.off
    g.nodes[h.node].size = <uint16_t>(high - low)
    return True


cdef inline bint lets_write(const Graph *g, const Host *h, const Host *other) noexcept nogil:
    # Does it ask for as much as the other one?
    return not g.nodes[other.node].flags & MEM_WRITE or g.nodes[h.node].flags & MEM_WRITE


cdef bint can_serve(Shared *s, const Host *h, const Host *other) noexcept nogil:
    # ... for the other one, once it covers its range?
    cdef const Graph *g = s.g
    cdef const Node *n = &g.nodes[h.node]
    cdef const Node *o = &g.nodes[other.node]
    if h.root != other.root:
        return False
    if not lets_write(g, h, other) and (n.block != o.block or n.flags & MEM_EARLY):
        return False
    if not fits_imm(other.off - h.off):
        return False
    return n.block == o.block or dominates(g, n.block, o.block)


cdef uint32_t find(Shared *s, const Host *other) noexcept nogil:
    # Another one that does for it: its place among the hosts plus 1.
    cdef Graph *g = s.g
    cdef uint32_t i
    cdef int64_t low, high
    cdef Host *h
    for i in range(s.nhosts):
        h = &s.hosts[i]
        if (can_serve(s, h, other) and lets_write(g, h, other) and h.low <= other.low and other.high <= h.high
                and burn(g)):
            return i + 1
    for i in range(s.nhosts, 0, -1):
        h = &s.hosts[i - 1]
        if not can_serve(s, h, other):
            continue
        low = h.low if h.low < other.low else other.low
        high = h.high if h.high > other.high else other.high
        if high - low > WIDEST or high - low - (h.high - h.low) > growth(g, h.node, other.node):
            continue
        if g.narrow and low >> LOG_CHUNK != (high - 1) >> LOG_CHUNK:
            continue
        if burn(g) and widen(g, h, low, high):
            if not lets_write(g, h, other):
                g.nodes[h.node].flags |= MEM_WRITE | MEM_AHEAD
            return i
    return 0


cdef void look_at_host(Shared *s, uint32_t node) noexcept nogil:
    cdef Graph *g = s.g
    cdef const Node *n = &g.nodes[node]
    cdef Host *h = &s.hosts[s.nhosts]
    cdef uint32_t found
    h.node = node
    h.root = root_of(g, n.a, &h.off)
    h.low = h.off + n.imm
    h.high = h.low + n.size
    found = find(s, h)
    if found == 0:
        s.nhosts += 1
        return
    s.gone[node].instead = s.hosts[found - 1].node
    s.gone[node].delta = h.off - s.hosts[found - 1].off
    remove_node(g, node)


cdef void look_at_access(Shared *s, uint32_t node) noexcept nogil:
    # Its address is said from the node that its host is for; but where that would not fit it stays.
    cdef Graph *g = s.g
    cdef Node *n = &g.nodes[node]
    cdef const Gone *gone = &s.gone[n.a]
    cdef uint32_t own = g.nodes[n.a].a
    if gone.instead == 0:
        return
    n.a = gone.instead
    if n.b == own and fits_imm(n.imm + gone.delta):
        n.b = g.nodes[n.a].a
        n.imm += gone.delta


cdef void pass_share(Graph *g) noexcept nogil:
    cdef Shared s
    cdef uint32_t i, node, following
    analyse(g)
    if g.failed:
        return
    s.g = g
    s.nhosts = 0
    s.hosts = <Host *>scratch_take(&g.scratch, g.nnodes, sizeof(Host))
    s.gone = <Gone *>scratch_zeroed(&g.scratch, g.nnodes, sizeof(Gone))
    if s.hosts != NULL and s.gone != NULL:
        for i in range(g.norder):
            node = g.blocks[g.order[i]].first
            while node:
                following = g.nodes[node].next
                if g.nodes[node].op == OP_HOST:
                    look_at_host(&s, node)
                elif g.nodes[node].op == OP_LOAD or g.nodes[node].op == OP_STORE:
                    look_at_access(&s, node)
                node = following
    else:
        g.failed = True
    scratch_give(&g.scratch, s.hosts)
    scratch_give(&g.scratch, s.gone)
