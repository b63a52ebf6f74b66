"""Motion out of loops.

*Pure nodes* whose operands are made outside of a loop are moved before it, out of as many loops as possible: what is
dear always, the rest while the loop has registers to spare, for what was worked out and used up in it is alive all
through it from then on. Sums with a constant stay: they cost nothing where they become part of an address.

*HOSTs* whose address is made outside of a loop are asked for before it, if they are executed in every turn (another one
might be for an address that nobody means to access, and keep everybody from entering the loop), or if it lies in the
function's own frame, which is there and is written to as a rule. They are asked for before their time (MEM_EARLY):
where one is not at hand, the region is left before the loop, as if it had been left on entering it. That state is known
where

- the loop is the region's: it is the state at the entry; or
- the first thing in the loop that can leave comes before anything that has an effect: its snapshot, with the header's
  arguments replaced by what they are given at first. Pure nodes that it refers to are worked out before the loop, too.

Limit: MOST_HOSTS of each loop, the first ones: each takes a register all the way.
"""

from libc.stdint cimport int64_t, uint32_t

from vmcore._fast.jit.convention cimport NUM_PINNED, NUM_PINNED_F, PINNED, PINNED_F
from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.build cimport entry_node
from vmcore._fast.jit.t2.ir cimport (
    F_REGISTERS, MEM_EARLY, OP_ADD, OP_ADDEND, OP_ARG, OP_BASE, OP_CLZ, OP_CONST, OP_ENTRY, OP_FPU, OP_HOST, OP_MUL,
    OP_MULH, OP_ORCB, OP_POLL, OP_REMU, OP_DIV32, OP_REMU32, OP_TAG, P_LEAVES, SNAP_NEXT, burn, is_const, is_pure,
    loop_around, move_to_end, new_snap, op_row, operand, snap_node, snap_reg, Graph, Node)
from vmcore._fast.jit.t2.loops cimport (
    block_before, copy_node, copy_snap, handed, in_every_turn, in_loop, is_invariant, make_block_before,
    root_of)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef enum:
    MOST_HOSTS = 4
    SP = 2
    FRAME = 2048              # bytes that one instruction reaches from sp
    MOST_COPIES = 8           # nodes that are worked out for a snapshot alone
    ROOMY = 7                 # values that are alive all through a loop, below which it has registers to spare

# Of each block that is the header of a loop.
cdef struct Loop:
    uint32_t snap             # state on entering it, 0: not known
    uint32_t hosts            # that were moved before it
    uint32_t alive            # values that are alive all through it

cdef struct Hoist:
    Graph *g
    Loop *loops


# --- the state before a loop ------------------------------------------------------------------------------------------

cdef bint is_entry(const Graph *g, uint32_t block) noexcept nogil:
    # Nothing of the guest was executed yet?
    cdef uint32_t node = g.blocks[1].first
    cdef uint32_t op
    if block != 1:
        return False
    while node:
        op = g.nodes[node].op
        if not (is_pure(op) or op == OP_ENTRY or op == OP_BASE or op == OP_FPU or op == OP_TAG or op == OP_ADDEND
                or g.nodes[node].flags & MEM_EARLY):
            return False
        node = g.nodes[node].next
    return True


cdef uint32_t snap_of_entry(Graph *g) noexcept nogil:
    cdef uint32_t count = NUM_PINNED + (NUM_PINNED_F if g.has_fpu else 0)
    cdef uint32_t snap = new_snap(g, g.blocks[1].off, 0, SNAP_NEXT, count)
    cdef uint32_t i, r, node
    for i in range(count if snap else 0):
        r = PINNED[i] if i < NUM_PINNED else F_REGISTERS + PINNED_F[i - NUM_PINNED]
        node = entry_node(g, r)
        g.pool[g.snaps[snap].regs + i] = r | node << 8
    return snap


cdef uint32_t first_snap(const Graph *g, uint32_t header) noexcept nogil:
    # Of the first thing in the loop that can leave, if nothing has happened before it.
    cdef uint32_t node = g.blocks[header].first
    cdef const Node *n
    while node:
        n = &g.nodes[node]
        if op_row(n.op).props & P_LEAVES:
            return 0 if n.op == OP_POLL else n.snap
        if not is_pure(n.op) and n.op != OP_ARG:
            return 0
        node = n.next
    return 0


cdef uint32_t value_before(Hoist *h, uint32_t node, uint32_t header, uint32_t before, uint32_t *copies) noexcept nogil:
    # What a value of the header is when the loop is entered; 0: it cannot be said.
    cdef Graph *g = h.g
    cdef uint32_t args[3]
    cdef uint32_t i, copy
    if is_invariant(g, node, header):
        return node
    if g.nodes[node].op == OP_ARG:
        return handed(g, before, header, <uint32_t>g.nodes[node].imm) if g.nodes[node].block == header else 0
    if not is_pure(g.nodes[node].op) or copies[0] == 0:
        return 0
    copies[0] -= 1
    for i in range(3):
        args[i] = operand(&g.nodes[node], i)
        if args[i]:
            args[i] = value_before(h, args[i], header, before, copies)
            if args[i] == 0:
                return 0
    copy = copy_node(g, node, before)
    if copy:
        g.nodes[copy].a = args[0]
        g.nodes[copy].b = args[1]
        g.nodes[copy].c = args[2]
    return copy


cdef uint32_t snap_before(Hoist *h, uint32_t header, uint32_t before) noexcept nogil:
    cdef Graph *g = h.g
    cdef uint32_t snap = first_snap(g, header)
    cdef uint32_t copies = MOST_COPIES
    cdef uint32_t i, node
    if is_entry(g, before) and g.blocks[1].off == g.blocks[header].off:
        return snap_of_entry(g)
    if snap == 0:
        return 0
    snap = copy_snap(g, snap)
    if snap == 0:
        return 0
    g.snaps[snap].kind = SNAP_NEXT
    for i in range(g.snaps[snap].nregs):
        node = value_before(h, snap_node(g, &g.snaps[snap], i), header, before, &copies)
        if node == 0:
            return 0
        g.pool[g.snaps[snap].regs + i] = snap_reg(g, &g.snaps[snap], i) | node << 8
    return snap


# --- what may move ----------------------------------------------------------------------------------------------------

cdef bint is_free(const Graph *g, const Node *n) noexcept nogil:
    # Becomes part of what uses it, or of nothing.
    return n.op == OP_CONST or (n.op == OP_ADD and is_const(g, n.b))


cdef bint is_in_frame(const Graph *g, const Node *n) noexcept nogil:
    # Of the function that the region is entered in? sp is what it was then.
    cdef int64_t off = 0
    cdef uint32_t root = root_of(g, n.a, &off)
    return root != 0 and g.nodes[root].op == OP_ENTRY and g.nodes[root].imm == SP and 0 <= off + n.imm < FRAME


cdef bint may_move(const Graph *g, const Node *n, uint32_t header) noexcept nogil:
    # A HOST out of the loop?
    return (n.op == OP_HOST and is_invariant(g, n.a, header) and is_invariant(g, n.b, header)
            and (in_every_turn(g, n.block, header) or is_in_frame(g, n)))


cdef bint is_same(const Graph *g, const Node *n, uint32_t header) noexcept nogil:
    # A pure node with the same operands in every turn?
    cdef uint32_t k
    if not is_pure(n.op) or is_free(g, n):
        return False
    for k in range(op_row(n.op).args):
        if not is_invariant(g, operand(n, k), header):
            return False
    return True


# --- HOSTs ------------------------------------------------------------------------------------------------------------

cdef uint32_t outermost(Hoist *h, uint32_t node) noexcept nogil:
    # The header of the largest loop that the HOST may be asked for before; 0: none.
    cdef Graph *g = h.g
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t header = g.blocks[n.block].loop
    cdef uint32_t found = 0
    while header and may_move(g, n, header):
        if h.loops[header].snap and h.loops[header].hosts < MOST_HOSTS:
            found = header
        header = loop_around(g, header)
    return found


cdef void hoist_host(Hoist *h, uint32_t node) noexcept nogil:
    cdef Graph *g = h.g
    cdef uint32_t header = outermost(h, node)
    cdef uint32_t i, snap, block
    if header == 0 or g.nodes[node].flags & MEM_EARLY or not burn(g):
        return
    snap = copy_snap(g, h.loops[header].snap)
    if snap == 0:
        return
    g.nodes[node].snap = snap
    g.nodes[node].flags |= MEM_EARLY
    move_to_end(g, node, block_before(g, header))
    for i in range(g.norder):
        block = g.order[i]
        if g.blocks[block].loop == block and in_loop(g, block, header):
            h.loops[block].hosts += 1


# --- pure nodes -------------------------------------------------------------------------------------------------------

cdef inline bint is_dear(uint32_t op) noexcept nogil:
    return op == OP_MUL or OP_MULH <= op <= OP_REMU or OP_DIV32 <= op <= OP_REMU32 or OP_CLZ <= op <= OP_ORCB


cdef void hoist_pure(Hoist *h, uint32_t node) noexcept nogil:
    cdef Graph *g = h.g
    cdef const Node *n = &g.nodes[node]
    cdef uint32_t header = g.blocks[n.block].loop
    cdef uint32_t found = 0
    while header and is_same(g, n, header):
        if block_before(g, header) and (is_dear(n.op) or h.loops[header].alive < ROOMY):
            found = header
        header = loop_around(g, header)
    if found and burn(g):
        h.loops[found].alive += 1
        move_to_end(g, node, block_before(g, found))


cdef void count_alive(Hoist *h) noexcept nogil:
    # Values that come from outside into each loop, or around it: what nodes read there, for exits hardly count.
    cdef Graph *g = h.g
    cdef uint32_t i, k, node, header, used
    cdef uint32_t *seen = <uint32_t *>scratch_zeroed(&g.scratch, g.nnodes, sizeof(uint32_t))
    if seen == NULL:
        g.failed = True
        return
    for i in range(g.norder):
        header = g.blocks[g.order[i]].loop
        if header == 0:
            continue
        h.loops[header].alive += g.blocks[g.order[i]].nargs if header == g.order[i] else 0
        node = g.blocks[g.order[i]].first
        while node:
            for k in range(3):
                used = operand(&g.nodes[node], k)
                if used and seen[used] != header and not is_const(g, used) and is_invariant(g, used, header):
                    seen[used] = header
                    h.loops[header].alive += 1
            node = g.nodes[node].next
    scratch_give(&g.scratch, seen)


# --- all of it --------------------------------------------------------------------------------------------------------

cdef bint worth_it(const Graph *g, uint32_t header, bint hosts_alone) noexcept nogil:
    # Is there anything in it that might move?
    cdef uint32_t i, node
    for i in range(g.norder):
        if not in_loop(g, g.order[i], header):
            continue
        node = g.blocks[g.order[i]].first
        while node:
            if may_move(g, &g.nodes[node], header) or (not hosts_alone and is_same(g, &g.nodes[node], header)):
                return True
            node = g.nodes[node].next
    return False


cdef void make_blocks(Hoist *h) noexcept nogil:
    # Blocks before loops, one at a time: which block is in which loop has to be known.
    cdef Graph *g = h.g
    cdef uint32_t header
    cdef uint32_t before = g.nblocks
    for header in range(1, before):
        if g.blocks[header].order and g.blocks[header].loop == header and block_before(g, header) == 0:
            if worth_it(g, header, False) and burn(g):
                if make_block_before(g, header) == 0:
                    return
                analyse(g)


cdef void find_states(Hoist *h) noexcept nogil:
    # Outer loops first: what is worked out before them is then there for the inner ones.
    cdef Graph *g = h.g
    cdef uint32_t i, header, before
    for i in range(g.norder):
        header = g.order[i]
        if g.blocks[header].loop != header or not worth_it(g, header, True):
            continue
        before = block_before(g, header)
        if before:
            h.loops[header].snap = snap_before(h, header, before)


cdef void hoist_all(Hoist *h) noexcept nogil:
    # In order: what a node uses has been moved before it is looked at.
    cdef Graph *g = h.g
    cdef uint32_t i, node, following
    for i in range(g.norder):
        node = g.blocks[g.order[i]].first
        while node and g.blocks[g.order[i]].loop:
            following = g.nodes[node].next
            if g.nodes[node].op == OP_HOST:
                hoist_host(h, node)
            else:
                hoist_pure(h, node)
            node = following


cdef void pass_hoist(Graph *g) noexcept nogil:
    cdef Hoist h
    analyse(g)
    if g.failed:
        return
    h.g = g
    make_blocks(&h)
    h.loops = <Loop *>scratch_zeroed(&g.scratch, g.nblocks, sizeof(Loop))
    if h.loops != NULL and not g.failed:
        find_states(&h)
        count_alive(&h)
        if not g.failed:
            hoist_all(&h)
    else:
        g.failed = True
    scratch_give(&g.scratch, h.loops)
