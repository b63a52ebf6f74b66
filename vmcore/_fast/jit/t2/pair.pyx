"""Remembered pages.

A HOST in a loop whose address moves little from one turn to the next finds what it found the last time. It gets an
OP_TAG and an OP_ADDEND, which stand before the loop; one pair serves all of them whose addresses have the same root, or
lie in the same small table, and that ask for the same, reads or writes. Where addresses jump from page to page it would
be asked in vain, so what it is worth is estimated: `reach` bounds how far an address moves in a turn of the loop. It
only decides what is fast; a pair is right whatever the address does.

A pair stands before the largest loop around in which it has room: each takes two registers all the way, and as it is
empty at first it costs a look-up more wherever it begins anew, which in short inner loops is all the time. A loop
beside its own has room for others, as has one inside: there it lies aside. Innermost loops choose first; what goes on
in one around with the address that they have joins their pairs, the rest of it has its own.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.ir cimport (
    END_BRANCH, MEM_EARLY, MEM_SIGNED, MEM_WRITE, OP_ADD, OP_ADDEND, OP_AND, OP_ARG, OP_GEU, OP_HOST, OP_LOAD, OP_LTU,
    OP_MUL, OP_REMU, OP_SELECT, OP_SEXT32, OP_SHL, OP_SHR, OP_SUB, OP_TAG, OP_ZEXT16, OP_ZEXT32, OP_ZEXT8, T_INT,
    append, burn, edge_arg, is_const, BlockOf, Edge, Graph, Node)
from vmcore._fast.jit.t2.loops cimport (
    block_before, in_loop, is_innermost, is_invariant, largest_with_room, make_block_before, root_of, take_room)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef enum:
    MOST_PAIRS = 3            # of a loop, and in those around it
    FAR = 1 << 30
    NEAR = 256                # a turn: sixteen are in the same page
    SCATTER = 2048            # ... if it comes back: about half of them are
    DEEPEST = 12              # operations that are looked through, one after the other
    SHALLOW = 3               # ... for a small thing
    MOST_LOOKS = 4000         # all in all
    TURNS = 16                # of an inner loop
    MOST_ABOVE = 16           # blocks on the way to one, whose conditions are looked at

# HOSTs with one root, or one table, that ask for the same.
cdef struct Stream:
    uint32_t root
    int64_t off               # of the first one's address from it
    uint32_t write
    uint32_t loop             # header of the loop that it is in
    uint32_t before           # header of the loop that the pair stands before; 0: none
    uint32_t tag
    uint32_t addend
    float weight

cdef struct Pairs:
    Graph *g
    Stream *streams
    uint32_t nstreams
    uint32_t *stream_of       # each HOST: its stream's place plus 1
    uint32_t looks
    uint32_t *live            # of each block that is a header: pairs in its loop
    uint32_t block            # where what is asked about is used
    uint32_t *kin             # of each node: another one that it is given to, or gets; 0: it stands for all of them
    uint32_t *origins         # ... what little was added to, 0: not looked at yet


# --- how far an address moves -----------------------------------------------------------------------------------------

cdef inline int64_t near(int64_t reach) noexcept nogil:
    return reach if 0 <= reach < FAR else FAR


cdef int64_t told_width(const Graph *g, uint32_t node, uint32_t block) noexcept nogil:
    # What a comparison with a constant, which every way to the block has met, says of a value.
    cdef const BlockOf *b
    cdef const Node *n
    cdef uint32_t before
    cdef uint64_t most
    for _ in range(MOST_ABOVE):
        before = g.blocks[block].idom
        if before == 0 or before == block:
            break
        b = &g.blocks[before]
        n = &g.nodes[b.cond]
        if (b.end == END_BRANCH and g.blocks[block].npreds == 1 and (n.op == OP_LTU or n.op == OP_GEU)
                and n.a == node and is_const(g, n.b) and b.edges[0 if n.op == OP_LTU else 1].to == block):
            most = <uint64_t>g.nodes[n.b].imm
            return near(<int64_t>most - 1 if 0 < most < FAR else FAR)
        block = before
    return FAR


cdef int64_t width(const Pairs *p, uint32_t node, uint32_t depth) noexcept nogil:
    # A bound of a value that is not negative; FAR: there is none.
    cdef const Graph *g = p.g
    cdef const Node *n = &g.nodes[node]
    cdef const Node *by = &g.nodes[n.b]
    cdef int64_t a, b
    if depth == 0:
        return FAR
    if is_const(g, node):
        return near(n.imm)
    if n.op == OP_ZEXT8 or (n.op == OP_LOAD and n.size == 1 and not n.flags & MEM_SIGNED):
        return 0xFF
    if n.op == OP_ZEXT16 or (n.op == OP_LOAD and n.size == 2 and not n.flags & MEM_SIGNED):
        return 0xFFFF
    if n.op == OP_AND:
        a = width(p, n.a, depth - 1)
        b = width(p, n.b, depth - 1)
        return a if a < b else b
    if n.op == OP_ADD:
        return near(width(p, n.a, depth - 1) + width(p, n.b, depth - 1))
    if n.op == OP_REMU and is_const(g, n.b) and by.imm > 0:
        return near(by.imm)
    if n.op == OP_SHL and is_const(g, n.b) and by.imm & 63 < 32:
        return near(width(p, n.a, depth - 1) << (by.imm & 63))
    if n.op == OP_SHR and is_const(g, n.b):
        if by.imm & 63 > 40:
            return <int64_t>(~<uint64_t>0 >> (by.imm & 63))
        return near(width(p, n.a, depth - 1)) >> (by.imm & 63)
    return told_width(g, node, p.block)


cdef int64_t drift(Pairs *p, uint32_t node, uint32_t start, uint32_t header, uint32_t depth) noexcept nogil:
    # How far the value is from `start`, an argument of the loop's header, in the same turn.
    cdef const Graph *g = p.g
    cdef const Node *n = &g.nodes[node]
    cdef const BlockOf *to
    cdef const BlockOf *b
    cdef uint32_t i, e, pred
    cdef int64_t most = 0
    cdef int64_t one
    if node == start:
        return 0
    p.looks += 1
    if depth == 0 or p.looks > MOST_LOOKS or is_invariant(g, node, header):
        return FAR
    if n.op == OP_ADD and is_const(g, n.b):
        one = g.nodes[n.b].imm
        return near(drift(p, n.a, start, header, depth - 1) + near(-one if one < 0 else one))
    if n.op == OP_ADD or n.op == OP_SUB:
        most = near(drift(p, n.a, start, header, depth - 1) + width(p, n.b, depth - 1))
        one = FAR if n.op == OP_SUB else near(drift(p, n.b, start, header, depth - 1) + width(p, n.a, depth - 1))
        return most if most < one else one
    if n.op == OP_SEXT32 or n.op == OP_ZEXT32:
        return drift(p, n.a, start, header, depth - 1)
    if n.op == OP_SELECT:
        most = drift(p, n.b, start, header, depth - 1)
        one = drift(p, n.c, start, header, depth - 1)
        return most if most > one else one
    if n.op != OP_ARG or n.block == header:
        return FAR
    to = &g.blocks[n.block]
    for i in range(to.npreds):
        pred = g.pool[to.preds + i]
        b = &g.blocks[pred]
        for e in range(b.nedges):
            if b.edges[e].to != n.block:
                continue
            if to.loop == n.block and in_loop(g, pred, n.block):
                # Around an inner loop.
                one = TURNS * drift(p, edge_arg(g, &b.edges[e], <uint32_t>n.imm), node, n.block, depth - 1)
            else:
                one = drift(p, edge_arg(g, &b.edges[e], <uint32_t>n.imm), start, header, depth - 1)
            if near(one) > most:
                most = near(one)
    return most


cdef int64_t step_of(Pairs *p, uint32_t arg, uint32_t header) noexcept nogil:
    # Of an argument of the loop's header, from turn to turn.
    cdef const Graph *g = p.g
    cdef const BlockOf *to = &g.blocks[header]
    cdef const BlockOf *b
    cdef uint32_t i, e, pred
    cdef int64_t most = 0
    cdef int64_t one
    for i in range(to.npreds):
        pred = g.pool[to.preds + i]
        b = &g.blocks[pred]
        for e in range(b.nedges):
            if b.edges[e].to == header and in_loop(g, pred, header):
                one = drift(p, edge_arg(g, &b.edges[e], <uint32_t>g.nodes[arg].imm), arg, header, DEEPEST)
                if one > most:
                    most = one
    return most


cdef int64_t reach(Pairs *p, uint32_t node, uint32_t header, uint32_t depth) noexcept nogil:
    # How far a value may move in a turn of the loop. What comes back counts an eighth of how far it goes.
    cdef const Graph *g = p.g
    cdef const Node *n = &g.nodes[node]
    cdef const Node *by = &g.nodes[n.b]
    cdef int64_t wide
    cdef int64_t one = FAR
    if is_invariant(g, node, header):
        return 0
    p.looks += 1
    if depth == 0 or p.looks > MOST_LOOKS:
        return FAR
    if n.op == OP_ARG and n.block == header:
        return step_of(p, node, header)
    if n.op == OP_ADD or n.op == OP_SUB:
        one = near(reach(p, n.a, header, depth - 1) + reach(p, n.b, header, depth - 1))
    elif n.op == OP_SEXT32 or n.op == OP_ZEXT32:
        one = reach(p, n.a, header, depth - 1)
    elif n.op == OP_SHL and is_const(g, n.b) and by.imm & 63 < 16:
        one = near(reach(p, n.a, header, depth - 1) << (by.imm & 63))
    elif n.op == OP_MUL and is_const(g, n.b) and 0 < by.imm < 0x10000:
        one = near(reach(p, n.a, header, depth - 1) * by.imm)
    wide = width(p, node, depth)
    if wide < FAR and wide // (SCATTER // NEAR) < one:
        one = wide // (SCATTER // NEAR)
    return one


cdef uint32_t table_of(const Pairs *p, uint32_t root, uint32_t header) noexcept nogil:
    # What stays the same of a root to which the loop adds but little: where a table begins, whatever is looked up.
    cdef const Graph *g = p.g
    cdef const Node *n = &g.nodes[root]
    if n.op == OP_ADD and is_invariant(g, n.a, header) and width(p, n.b, DEEPEST) < SCATTER:
        return n.a
    if n.op == OP_ADD and is_invariant(g, n.b, header) and width(p, n.a, DEEPEST) < SCATTER:
        return n.b
    return root


# --- which, and where -------------------------------------------------------------------------------------------------

cdef void collect(Pairs *p, bint innermost) noexcept nogil:
    # Those of innermost loops, or of others.
    cdef Graph *g = p.g
    cdef uint32_t i, k, node, header, root
    cdef const Node *n
    cdef Stream *s
    cdef int64_t off = 0
    for i in range(g.norder):
        header = g.blocks[g.order[i]].loop
        if header == 0 or is_innermost(g, header) != innermost:
            continue
        p.block = g.order[i]
        node = g.blocks[p.block].first
        while node:
            n = &g.nodes[node]
            if n.op == OP_HOST and n.b == 0 and p.stream_of[node] == 0 and not n.flags & MEM_EARLY:
                root = table_of(p, root_of(g, n.a, &off), header)
                off += n.imm
                for k in range(p.nstreams):
                    s = &p.streams[k]
                    if (s.root == root and s.write == n.flags & MEM_WRITE and s.loop == header
                            and -SCATTER < off - s.off < SCATTER):
                        break
                else:
                    if reach(p, n.a, header, DEEPEST) > NEAR:
                        node = n.next
                        continue
                    k = p.nstreams
                    s = &p.streams[k]
                    s.root = root
                    s.off = off
                    s.write = n.flags & MEM_WRITE
                    s.loop = header
                    p.nstreams += 1
                s.weight += g.blocks[n.block].weight
                p.stream_of[node] = k + 1
            node = n.next


cdef void choose(Pairs *p) noexcept nogil:
    # The heaviest streams first, each before the largest loop that has room.
    cdef Graph *g = p.g
    cdef uint32_t i, found
    cdef Stream *s
    cdef Stream *best
    while True:
        best = NULL
        for i in range(p.nstreams):
            s = &p.streams[i]
            if s.weight > 0 and s.before == 0 and (best == NULL or s.weight > best.weight):
                best = s
        if best == NULL:
            return
        found = largest_with_room(g, p.live, MOST_PAIRS, best.loop)
        if found == 0 or not burn(g):
            best.weight = 0
            continue
        best.before = found
        take_room(g, p.live, best.loop, found)


# --- what is done with it further out ---------------------------------------------------------------------------------

cdef uint32_t origin(Pairs *p, uint32_t node) noexcept nogil:
    # What little was added to.
    cdef const Graph *g = p.g
    cdef const Node *n
    cdef uint32_t asked = node
    cdef int64_t off
    if p.origins[asked]:
        return p.origins[asked]
    for _ in range(DEEPEST):
        node = root_of(g, node, &off)
        n = &g.nodes[node]
        if n.op != OP_ADD:
            break
        if width(p, n.b, SHALLOW) < NEAR:
            node = n.a
        elif width(p, n.a, SHALLOW) < NEAR:
            node = n.b
        else:
            break
    p.origins[asked] = node
    return node


cdef uint32_t kin_of(Pairs *p, uint32_t node) noexcept nogil:
    while p.kin[node]:
        if p.kin[p.kin[node]]:
            p.kin[node] = p.kin[p.kin[node]]
        node = p.kin[node]
    return node


cdef void find_kin(Pairs *p) noexcept nogil:
    # Arguments, and what they are given.
    cdef Graph *g = p.g
    cdef uint32_t i, e, k, arg, one, other
    cdef const Edge *edge
    for i in range(g.norder):
        p.block = g.order[i]
        for e in range(g.blocks[p.block].nedges):
            edge = &g.blocks[p.block].edges[e]
            arg = g.blocks[edge.to].first
            for k in range(edge.nargs):
                if g.nodes[arg].type == T_INT:
                    one = kin_of(p, arg)
                    other = kin_of(p, origin(p, edge_arg(g, edge, k)))
                    if one != other and other:
                        p.kin[one] = other
                arg = g.nodes[arg].next


cdef void join_streams(Pairs *p) noexcept nogil:
    # A HOST between the loop that a pair stands before and the innermost one, of the same address as it goes along.
    cdef Graph *g = p.g
    cdef uint32_t i, k, node, loop
    cdef const Node *n
    cdef const Stream *s
    find_kin(p)
    for i in range(g.norder):
        p.block = g.order[i]
        loop = g.blocks[p.block].loop
        node = 0 if loop == 0 or is_innermost(g, loop) else g.blocks[p.block].first
        while node:
            n = &g.nodes[node]
            for k in range(p.nstreams if n.op == OP_HOST and n.b == 0 and p.stream_of[node] == 0
                           and not n.flags & MEM_EARLY else 0):
                s = &p.streams[k]
                if (s.before and s.write == n.flags & MEM_WRITE and in_loop(g, p.block, s.before)
                        and kin_of(p, origin(p, n.a)) == kin_of(p, s.root)):
                    p.stream_of[node] = k + 1
                    break
            node = n.next


cdef void make_blocks(Pairs *p) noexcept nogil:
    cdef Graph *g = p.g
    cdef uint32_t i, header
    for i in range(p.nstreams):
        header = p.streams[i].before
        # One at a time: which block is in which loop has to be known.
        if header and block_before(g, header) == 0:
            if make_block_before(g, header) == 0:
                return
            analyse(g)


cdef void put_pairs(Pairs *p, uint32_t nodes) noexcept nogil:
    # `nodes`: there were when they were looked at.
    cdef Graph *g = p.g
    cdef uint32_t i, block
    cdef Stream *s
    for i in range(p.nstreams):
        s = &p.streams[i]
        if s.before == 0:
            continue
        block = block_before(g, s.before)
        s.tag = append(g, block, OP_TAG, T_INT, 0, 0, 0, 0)
        s.addend = append(g, block, OP_ADDEND, T_INT, 0, 0, 0, 0)
    for i in range(1, nodes):
        if p.stream_of[i]:
            s = &p.streams[p.stream_of[i] - 1]
            g.nodes[i].b = s.tag
            g.nodes[i].c = s.addend


cdef void pass_pair(Graph *g) noexcept nogil:
    cdef Pairs p
    cdef uint32_t nodes = g.nnodes
    analyse(g)
    if g.failed:
        return
    p.g = g
    p.nstreams = 0
    p.looks = 0
    p.streams = <Stream *>scratch_zeroed(&g.scratch, nodes, sizeof(Stream))
    p.stream_of = <uint32_t *>scratch_zeroed(&g.scratch, nodes, sizeof(uint32_t))
    p.live = <uint32_t *>scratch_zeroed(&g.scratch, g.nblocks, sizeof(uint32_t))
    p.kin = <uint32_t *>scratch_zeroed(&g.scratch, nodes, sizeof(uint32_t))
    p.origins = <uint32_t *>scratch_zeroed(&g.scratch, nodes, sizeof(uint32_t))
    if p.kin != NULL and p.origins != NULL and p.streams != NULL and p.stream_of != NULL and p.live != NULL:
        collect(&p, True)
        choose(&p)
        join_streams(&p)
        collect(&p, False)
        choose(&p)
        make_blocks(&p)
        if not g.failed:
            put_pairs(&p, nodes)
    else:
        g.failed = True
    scratch_give(&g.scratch, p.streams)
    scratch_give(&g.scratch, p.stream_of)
    scratch_give(&g.scratch, p.live)
    scratch_give(&g.scratch, p.kin)
    scratch_give(&g.scratch, p.origins)
