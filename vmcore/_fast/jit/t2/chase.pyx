"""Chains of pointers.

Where a loop loads an address and goes on from there, as along a list, a turn takes what its loads take one after the
other: the entry of the TLB that says what is to be added, and then what lies there. Two things may be guessed:

- *The page* (GUESS_PAGE). Short lists have few pages, and what their nodes point to as well: the HOSTs of either get an
  OP_TAG and an OP_ADDEND, as in pair.pyx, one pair for reads and one for writes. A right guess saves the look-up.
- *The addend* (GUESS_ADDEND). All of RAM often has the same. The HOSTs of a chain's nodes, whether for reads or writes,
  get an OP_ADDEND: the access uses what was found last, while the entry is still being fetched, and is done again
  should that be something else. What is checked is the same as without; a guess saves no instruction, but half of the
  time.

Where each turn finds something else, a wrong guess costs a mispredicted jump: those are counted in the hart, and who
decides about regions has them made with the second sort then, and if that goes wrong too without any (tier.pyx).

What is remembered stands before the largest loop around.

Limit: chains in loops that have no other loop inside; MOST_PAGES or MOST_CHAINS of each.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.ir cimport (
    GUESS_ADDEND, GUESS_NONE, GUESS_PAGE, MEM_GUESS, MEM_WRITE, OP_ADDEND, OP_ARG, OP_HOST, OP_LOAD, OP_SELECT, OP_TAG,
    T_INT, append, burn, edge_arg, BlockOf, Graph, Node)
from vmcore._fast.jit.t2.loops cimport (
    block_before, in_loop, is_innermost, is_invariant, largest_with_room, make_block_before, root_of, take_room)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_zeroed

cdef enum:
    MOST_CHAINS = 2           # in any loop: each takes a register all the way
    MOST_PAGES = 4            # ... or two; but what has none is in memory
    MOST_LOADS = 24           # one after the other, in a turn
    MOST_IN_ALL = 32

# Reads and writes.
cdef enum:
    MEM_BOTH = 0xFF

# What is known of a node.
cdef enum:
    UNSEEN = 0
    PENDING                   # ... while those before it are looked at
    APART
    LINKED                    # comes from an argument of the header by loads

cdef struct Chase:
    Graph *g
    uint8_t *state            # of each node, for one chain at a time
    uint32_t *guess_of        # of each HOST that guesses: the place of what it remembers plus 1
    uint32_t before[MOST_IN_ALL]      # headers of the loops that this stands before
    uint32_t nguesses
    uint32_t *live            # of each block that is a header: chains in its loop


# --- which ------------------------------------------------------------------------------------------------------------

cdef uint8_t look(Chase *s, uint32_t node, uint32_t header, uint32_t depth) noexcept nogil:
    # Does the value come from the argument that is LINKED already?
    cdef const Graph *g = s.g
    cdef const Node *n
    cdef const BlockOf *to
    cdef const BlockOf *b
    cdef int64_t off = 0
    cdef uint32_t i, e, pred
    cdef uint8_t found = APART
    node = root_of(g, node, &off)
    if node == 0 or depth == 0 or is_invariant(g, node, header):
        return APART
    if s.state[node] != UNSEEN:
        return s.state[node]
    n = &g.nodes[node]
    s.state[node] = PENDING
    if n.op == OP_LOAD and n.size == 8 and n.type == T_INT:
        found = look(s, n.b, header, depth - 1)
    elif n.op == OP_SELECT:
        found = max(look(s, n.b, header, depth - 1), look(s, n.c, header, depth - 1))
    elif n.op == OP_ARG and n.block != header:
        to = &g.blocks[n.block]
        for i in range(to.npreds):
            pred = g.pool[to.preds + i]
            b = &g.blocks[pred]
            for e in range(b.nedges):
                if b.edges[e].to == n.block:
                    found = max(found, look(s, edge_arg(g, &b.edges[e], <uint32_t>n.imm), header, depth - 1))
    s.state[node] = found
    return found


cdef void forget(Chase *s) noexcept nogil:
    cdef uint32_t i
    for i in range(s.g.nnodes):
        s.state[i] = UNSEEN


cdef bint is_chain(Chase *s, uint32_t arg, uint32_t header) noexcept nogil:
    # Is what the argument is given for the next turn loaded from where it points to, or further on?
    cdef const Graph *g = s.g
    cdef const BlockOf *to = &g.blocks[header]
    cdef const BlockOf *b
    cdef uint32_t i, e, pred, node
    cdef int64_t off = 0
    cdef bint found = False
    forget(s)
    s.state[arg] = LINKED
    for i in range(to.npreds):
        pred = g.pool[to.preds + i]
        b = &g.blocks[pred]
        for e in range(b.nedges):
            if b.edges[e].to != header or not in_loop(g, pred, header):
                continue
            node = root_of(g, edge_arg(g, &b.edges[e], <uint32_t>g.nodes[arg].imm), &off)
            if node and node != arg and look(s, node, header, MOST_LOADS) == LINKED:
                found = True
    return found


cdef bint note_hosts(Chase *s, uint32_t header, uint32_t write, bint beyond) noexcept nogil:
    # Those of the chain that was looked at last, and that remember nothing yet: for reads or writes, or MEM_BOTH. Of
    # the chain itself, or `beyond`: of what its nodes point to.
    cdef const Graph *g = s.g
    cdef const Node *n
    cdef uint32_t i, node, root
    cdef int64_t off = 0
    cdef bint found = False
    for i in range(g.norder):
        if g.blocks[g.order[i]].loop != header:
            continue
        node = g.blocks[g.order[i]].first
        while node:
            n = &g.nodes[node]
            if (n.op == OP_HOST and n.b == 0 and s.guess_of[node] == 0
                    and (write == MEM_BOTH or n.flags & MEM_WRITE == write)):
                root = root_of(g, n.a, &off)
                if root and (s.state[root] == LINKED or (beyond and look(s, root, header, MOST_LOADS) == LINKED)):
                    s.guess_of[node] = s.nguesses + 1
                    found = True
            node = n.next
    return found


# --- where ------------------------------------------------------------------------------------------------------------

cdef bint guess(Chase *s, uint32_t header, uint32_t write, bint beyond) noexcept nogil:
    # False: there is no room for more.
    cdef uint32_t most = MOST_PAGES if s.g.guesses == GUESS_PAGE else MOST_CHAINS
    cdef uint32_t before = largest_with_room(s.g, s.live, most, header)
    if before == 0 or s.nguesses == MOST_IN_ALL:
        return False
    if note_hosts(s, header, write, beyond):
        s.before[s.nguesses] = before
        s.nguesses += 1
        take_room(s.g, s.live, header, before)
    return True


cdef void find_chains(Chase *s) noexcept nogil:
    cdef Graph *g = s.g
    cdef uint32_t i, header, node
    for i in range(g.norder):
        header = g.order[i]
        if g.blocks[header].loop != header or not is_innermost(g, header):
            continue
        node = g.blocks[header].first
        while node and g.nodes[node].op == OP_ARG:
            if g.nodes[node].type == T_INT and is_chain(s, node, header):
                if g.guesses == GUESS_ADDEND:
                    if not guess(s, header, MEM_BOTH, False):
                        break
                elif not (guess(s, header, 0, False) and guess(s, header, MEM_WRITE, False)
                          and guess(s, header, 0, True) and guess(s, header, MEM_WRITE, True)):
                    break
            node = g.nodes[node].next


cdef void put_guesses(Chase *s, uint32_t nodes) noexcept nogil:
    # `nodes`: there were when they were looked at.
    cdef Graph *g = s.g
    cdef uint32_t i, k
    cdef uint32_t tags[MOST_IN_ALL]
    cdef uint32_t addends[MOST_IN_ALL]
    for i in range(s.nguesses):
        tags[i] = 0
        addends[i] = 0
        # One at a time: which block is in which loop has to be known.
        if block_before(g, s.before[i]) == 0:
            if make_block_before(g, s.before[i]) == 0:
                return
            analyse(g)
        if burn(g):
            if g.guesses == GUESS_PAGE:
                tags[i] = append(g, block_before(g, s.before[i]), OP_TAG, T_INT, 0, 0, 0, 0)
            addends[i] = append(g, block_before(g, s.before[i]), OP_ADDEND, T_INT, 0, 0, 0, 0)
    for i in range(1, nodes):
        k = s.guess_of[i]
        if k == 0 or addends[k - 1] == 0:
            continue
        if tags[k - 1]:
            g.nodes[i].flags |= MEM_GUESS
            g.nodes[i].b = tags[k - 1]
            g.nodes[i].c = addends[k - 1]
        else:
            g.nodes[i].b = addends[k - 1]


cdef void pass_chase(Graph *g) noexcept nogil:
    cdef Chase s
    cdef uint32_t nodes
    analyse(g)
    if g.failed or g.guesses == GUESS_NONE:
        return
    nodes = g.nnodes
    s.g = g
    s.nguesses = 0
    s.state = <uint8_t *>scratch_zeroed(&g.scratch, nodes, sizeof(uint8_t))
    s.guess_of = <uint32_t *>scratch_zeroed(&g.scratch, nodes, sizeof(uint32_t))
    s.live = <uint32_t *>scratch_zeroed(&g.scratch, g.nblocks, sizeof(uint32_t))
    if s.state != NULL and s.guess_of != NULL and s.live != NULL:
        find_chains(&s)
        put_guesses(&s, nodes)
    else:
        g.failed = True
    scratch_give(&g.scratch, s.state)
    scratch_give(&g.scratch, s.guess_of)
    scratch_give(&g.scratch, s.live)
