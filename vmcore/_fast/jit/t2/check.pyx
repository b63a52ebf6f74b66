"""An allocation, followed through the region."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from vmcore._fast.jit.t2.ir cimport (
    NODE_COVERED, NODE_REMAT, OP_ARG, OP_BASE, OP_ENTRY, OP_FPU, OP_HOST, T_INT, T_NONE, BlockOf, Edge, Graph, Node,
    Snap, edge_arg, operand)
from vmcore._fast.jit.t2.live cimport GPR_SET, XMM_SET, is_home, result_may_overlap
from vmcore._fast.jit.t2.places cimport AT_HOME, AT_NONE, AT_SLOT, AT_XMM, MOST_SLOTS, Allocation
from vmcore._fast.jit.t2.select cimport MOST_READS, reads_of, reads_of_end, snap_source
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

cdef enum:
    NUM_PLACES = 96           # registers, xmm registers, slots

cdef struct Walk:
    const Graph *g
    const Allocation *al
    Misplaced *found
    uint32_t *enter           # of each block: which node each place has, where it begins; 0: unknown
    uint8_t *reached
    uint32_t has[NUM_PLACES]  # now
    uint32_t block
    uint32_t node
    bint complain             # the fixed point is reached


cdef bint wrong(Walk *w, const char *what, uint32_t read) noexcept nogil:
    if w.found.what == NULL:
        w.found.what = what
        w.found.block = w.block
        w.found.node = w.node
        w.found.read = read
    return False


# --- places -----------------------------------------------------------------------------------------------------------

cdef bint is_fit(Walk *w, uint32_t node) noexcept nogil:
    # Is its place one that it may have?
    cdef const Node *n = &w.g.nodes[node]
    cdef uint32_t at = w.al.at[node]
    if at == AT_NONE:
        return True
    if n.type == T_NONE or n.flags & (NODE_COVERED | NODE_REMAT):
        return wrong(w, "what needs no place has one", node)
    if at == AT_HOME:
        return is_home(n) or wrong(w, "what has no home is at home", node)
    if at >= AT_SLOT:
        return at - AT_SLOT < w.al.nslots <= MOST_SLOTS or wrong(w, "a slot that there is not", node)
    if n.type == T_INT:
        return (at < AT_XMM and GPR_SET >> at & 1) or wrong(w, "an integer is not in a general register", node)
    return (at >= AT_XMM and XMM_SET >> (at - AT_XMM) & 1) or wrong(w, "a float is not in an xmm register", node)


cdef bint read_one(Walk *w, uint32_t read) noexcept nogil:
    cdef const Node *n = &w.g.nodes[read]
    cdef uint32_t at = w.al.at[read]
    if not w.complain or n.flags & NODE_REMAT or at == AT_HOME:
        return True
    if n.flags & NODE_COVERED:
        return wrong(w, "what is covered is read by itself", read)
    if at >= NUM_PLACES:
        return wrong(w, "what is read has no place", read)
    if w.has[at] != read:
        return wrong(w, "what is read is not in its place", read)
    return True


cdef bint read_snap(Walk *w, uint32_t snap, uint32_t written) noexcept nogil:
    # `written`: what may have been written before it is read.
    cdef const Snap *s = &w.g.snaps[snap]
    cdef uint32_t i, read
    for i in range(s.nregs):
        read = snap_source(w.g, s, i)
        if not read_one(w, read):
            return False
        if written and w.al.at[written] < NUM_PLACES and w.al.at[written] == w.al.at[read]:
            return wrong(w, "a result is in the place of what an exit reads", read)
    return True


cdef bint read_copied(Walk *w, uint32_t node) noexcept nogil:
    # What a check remembers is written where it was copied from, too (split.pxd).
    cdef const Node *n = &w.g.nodes[node]
    cdef uint32_t i, at
    for i in range(1, 3):
        at = operand(n, i)
        if n.op == OP_HOST and w.g.nodes[at].op == OP_ARG and w.g.nodes[at].spare and \
                not read_one(w, w.g.nodes[at].spare):
            return False
    return True


cdef bint read_covered(Walk *w, uint32_t node) noexcept nogil:
    cdef uint32_t i, at
    for i in range(3):
        at = operand(&w.g.nodes[node], i)
        if at and w.g.nodes[at].flags & NODE_COVERED:
            if not read_copied(w, at):
                return False
            if w.g.nodes[at].snap and not read_snap(w, w.g.nodes[at].snap, 0):
                return False
            if not read_covered(w, at):
                return False
    return True


cdef inline void write_one(Walk *w, uint32_t node) noexcept nogil:
    if w.al.at[node] < NUM_PLACES:
        w.has[w.al.at[node]] = node


# --- steps ------------------------------------------------------------------------------------------------------------

cdef bint step(Walk *w, uint32_t node) noexcept nogil:
    cdef const Node *n = &w.g.nodes[node]
    cdef uint32_t read[MOST_READS]
    cdef uint32_t nread = reads_of(w.g, node, read)
    cdef uint32_t i
    for i in range(nread):
        if not read_one(w, read[i]):
            return False
        if w.al.at[node] < NUM_PLACES and w.al.at[node] == w.al.at[read[i]] and \
                not result_may_overlap(w.g, node, read[i]):
            return wrong(w, "a result is in the place of an operand that is still read", read[i])
    if not read_copied(w, node):
        return False
    if n.snap and not read_snap(w, n.snap, node if n.type != T_NONE else 0):
        return False
    if not read_covered(w, node):
        return False
    if n.type != T_NONE:
        write_one(w, node)
    return True


cdef bint begin_block(Walk *w) noexcept nogil:
    # What gets its place before the first step, all at once. (A block's arguments got theirs along the edge.)
    cdef uint32_t node = w.g.blocks[w.block].first
    cdef uint32_t op
    while node:
        op = w.g.nodes[node].op
        if w.complain and not is_fit(w, node):
            return False
        if op == OP_ENTRY or op == OP_BASE:
            if w.block != 1:
                return wrong(w, "an entry value outside of block 1", node)
            if w.al.at[node] < NUM_PLACES:
                if w.has[w.al.at[node]]:
                    return wrong(w, "two entry values have one place", node)
                write_one(w, node)
        node = w.g.nodes[node].next
    return True


cdef bint take_edge(Walk *w, const Edge *e, bint *changed) noexcept nogil:
    # All values are read before any place is written. What is known where the block begins is what all ways agree on.
    cdef uint32_t moved[NUM_PLACES]
    cdef uint32_t *enter = w.enter + <size_t>NUM_PLACES * e.to
    cdef uint32_t arg = w.g.blocks[e.to].first
    cdef uint32_t i, at
    memcpy(moved, w.has, sizeof(moved))
    for i in range(e.nargs):
        if w.g.nodes[arg].op != OP_ARG:
            return wrong(w, "an edge has more values than its block has arguments", arg)
        at = w.al.at[arg]
        if at == AT_HOME:
            return wrong(w, "an argument is at home", arg)
        if at != AT_NONE:
            if not read_one(w, edge_arg(w.g, e, i)):
                return False
            moved[at] = arg
        arg = w.g.nodes[arg].next
    # Did another one take its place after it?
    arg = w.g.blocks[e.to].first
    while arg and w.g.nodes[arg].op == OP_ARG:
        if w.al.at[arg] != AT_NONE and moved[w.al.at[arg]] != arg:
            return wrong(w, "two arguments have one place", arg)
        arg = w.g.nodes[arg].next
    if not w.reached[e.to]:
        w.reached[e.to] = True
        memcpy(enter, moved, sizeof(moved))
        changed[0] = True
        return True
    for i in range(NUM_PLACES):
        if enter[i] != moved[i] and enter[i]:
            enter[i] = 0
            changed[0] = True
    return True


cdef bint walk_block(Walk *w, bint *changed) noexcept nogil:
    cdef const BlockOf *b = &w.g.blocks[w.block]
    cdef const Node *n
    cdef uint32_t read[MOST_READS]
    cdef uint32_t nread, i
    cdef uint32_t node = b.first
    w.node = 0
    memcpy(w.has, w.enter + <size_t>NUM_PLACES * w.block, sizeof(w.has))
    if not begin_block(w):
        return False
    while node:
        n = &w.g.nodes[node]
        w.node = node
        if not (n.flags & (NODE_COVERED | NODE_REMAT) or n.op == OP_ARG or n.op == OP_ENTRY or n.op == OP_BASE
                or n.op == OP_FPU) and not step(w, node):
            return False
        node = n.next
    w.node = 0
    nread = reads_of_end(w.g, w.block, read)
    for i in range(nread):
        if not read_one(w, read[i]):
            return False
    if b.snap and not read_snap(w, b.snap, 0):
        return False
    for i in range(b.nedges):
        if not take_edge(w, &b.edges[i], changed):
            return False
    return True


cdef bint check_allocation(const Graph *g, const Allocation *al, Misplaced *found) noexcept nogil:
    cdef Walk w
    cdef uint32_t i
    cdef bint changed = True
    memset(found, 0, sizeof(Misplaced))
    memset(&w, 0, sizeof(w))
    w.g = g
    w.al = al
    w.found = found
    w.enter = <uint32_t *>vm_calloc(<size_t>NUM_PLACES * g.nblocks, sizeof(uint32_t))
    w.reached = <uint8_t *>vm_calloc(g.nblocks, 1)
    if w.enter == NULL or w.reached == NULL:
        vm_free(w.enter)
        vm_free(w.reached)
        found.what = "no memory"
        return False
    w.reached[1] = True
    # What places have can only become unknown: this ends. Complaints wait until it did.
    while changed and found.what == NULL:
        changed = False
        for i in range(g.norder):
            w.block = g.order[i]
            if w.reached[w.block] and not walk_block(&w, &changed):
                break
    w.complain = True
    for i in range(g.norder):
        w.block = g.order[i]
        if found.what == NULL and w.reached[w.block]:
            walk_block(&w, &changed)
    vm_free(w.enter)
    vm_free(w.reached)
    return found.what == NULL
