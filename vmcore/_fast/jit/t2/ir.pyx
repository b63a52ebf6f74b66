"""The graph of a region: making and changing it."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.jit.t2.scratch cimport scratch_free
from vmcore._fast.memory.alloc cimport vm_free, vm_grow

cdef extern from "jit/t2/ops.h" nogil:
    const OpRow OPS "vmcore_ops"[]
    int ROWS "(int)(sizeof(vmcore_ops) / sizeof(vmcore_ops[0]))"

cdef enum:
    FIRST_NODES = 512
    FIRST_BLOCKS = 64
    FIRST_POOL = 4096
    MOST_POOL = 1 << 24

if ROWS != OP_COUNT_OF:
    raise AssertionError("the table of operations and their numbers differ")


cdef const OpRow *op_row(uint32_t op) noexcept nogil:
    return &OPS[op]


# --- memory -----------------------------------------------------------------------------------------------------------

cdef int graph_init(Graph *g) noexcept nogil:
    memset(g, 0, sizeof(Graph))
    if not (vm_grow(<void **>&g.nodes, &g.nodes_room, FIRST_NODES, FIRST_NODES, sizeof(Node))
            and vm_grow(<void **>&g.blocks, &g.blocks_room, FIRST_BLOCKS, FIRST_BLOCKS, sizeof(BlockOf))
            and vm_grow(<void **>&g.snaps, &g.snaps_room, FIRST_BLOCKS, FIRST_BLOCKS, sizeof(Snap))
            and vm_grow(<void **>&g.pool, &g.pool_room, FIRST_POOL, FIRST_POOL, sizeof(uint32_t))):
        graph_free(g)
        return -1
    graph_clear(g)
    return 0


cdef void graph_free(Graph *g) noexcept nogil:
    vm_free(g.nodes)
    vm_free(g.blocks)
    vm_free(g.snaps)
    vm_free(g.pool)
    vm_free(g.order)
    vm_free(g.table)
    scratch_free(&g.scratch)
    memset(g, 0, sizeof(Graph))


cdef void graph_clear(Graph *g) noexcept nogil:
    # Number 0 of each is none, and zero.
    memset(&g.nodes[0], 0, sizeof(Node))
    memset(&g.blocks[0], 0, sizeof(BlockOf))
    memset(&g.snaps[0], 0, sizeof(Snap))
    g.nnodes = 1
    g.nblocks = 1
    g.nsnaps = 1
    g.npool = 1
    g.norder = 0
    if g.table != NULL:
        memset(g.table, 0, g.table_size * sizeof(uint32_t))
    g.insns = 0
    g.fuel = ~<uint64_t>0
    g.burnt = 0
    memset(g.fired, 0, sizeof(g.fired))
    g.has_fpu = False
    g.guesses = GUESS_PAGE
    g.narrow = False
    g.analysed = False
    g.failed = False


# --- making -----------------------------------------------------------------------------------------------------------

cdef uint32_t new_block(Graph *g) noexcept nogil:
    cdef uint32_t number = g.nblocks
    if number >= MOST_BLOCKS or not vm_grow(<void **>&g.blocks, &g.blocks_room, number + 1, FIRST_BLOCKS,
                                            sizeof(BlockOf)):
        g.failed = True
        return 0
    memset(&g.blocks[number], 0, sizeof(BlockOf))
    g.nblocks += 1
    g.analysed = False
    return number


cdef uint32_t new_node(Graph *g, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c,
                       int64_t imm) noexcept nogil:
    cdef uint32_t number = g.nnodes
    cdef Node *n
    if number >= MOST_NODES or not vm_grow(<void **>&g.nodes, &g.nodes_room, number + 1, FIRST_NODES, sizeof(Node)):
        g.failed = True
        return 0
    n = &g.nodes[number]
    memset(n, 0, sizeof(Node))
    n.op = op
    n.type = type
    n.a = a
    n.b = b
    n.c = c
    n.imm = imm
    g.nnodes += 1
    return number


cdef inline void put_between(Graph *g, uint32_t node, uint32_t block, uint32_t before, uint32_t behind) noexcept nogil:
    # `before` and `behind` are its neighbours, 0 at the ends.
    cdef Node *n = &g.nodes[node]
    n.block = block
    n.prev = before
    n.next = behind
    if before:
        g.nodes[before].next = node
    else:
        g.blocks[block].first = node
    if behind:
        g.nodes[behind].prev = node
    else:
        g.blocks[block].last = node


cdef inline void take_out(Graph *g, uint32_t node) noexcept nogil:
    cdef Node *n = &g.nodes[node]
    if n.prev:
        g.nodes[n.prev].next = n.next
    else:
        g.blocks[n.block].first = n.next
    if n.next:
        g.nodes[n.next].prev = n.prev
    else:
        g.blocks[n.block].last = n.prev
    n.prev = 0
    n.next = 0


cdef uint32_t append(Graph *g, uint32_t block, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c,
                     int64_t imm) noexcept nogil:
    cdef uint32_t node = new_node(g, op, type, a, b, c, imm)
    if node:
        put_between(g, node, block, g.blocks[block].last, 0)
    return node


cdef uint32_t insert_before(Graph *g, uint32_t place, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c,
                            int64_t imm) noexcept nogil:
    cdef uint32_t node = new_node(g, op, type, a, b, c, imm)
    if node:
        put_between(g, node, g.nodes[place].block, g.nodes[place].prev, place)
    return node


cdef uint32_t append_arg(Graph *g, uint32_t block, uint8_t type) noexcept nogil:
    cdef BlockOf *b = &g.blocks[block]
    cdef uint32_t before = 0
    cdef uint32_t behind = b.first
    cdef uint32_t node
    while behind and g.nodes[behind].op == OP_ARG:
        before = behind
        behind = g.nodes[behind].next
    node = new_node(g, OP_ARG, type, 0, 0, 0, b.nargs)
    if node:
        put_between(g, node, block, before, behind)
        g.blocks[block].nargs += 1
    return node


cdef void remove_node(Graph *g, uint32_t node) noexcept nogil:
    take_out(g, node)
    g.nodes[node].op = OP_NONE
    g.nodes[node].block = 0


cdef void move_before(Graph *g, uint32_t node, uint32_t place) noexcept nogil:
    if node == place:
        return
    take_out(g, node)
    put_between(g, node, g.nodes[place].block, g.nodes[place].prev, place)


cdef void move_to_end(Graph *g, uint32_t node, uint32_t block) noexcept nogil:
    take_out(g, node)
    put_between(g, node, block, g.blocks[block].last, 0)


cdef uint32_t pool_take(Graph *g, uint32_t count) noexcept nogil:
    cdef uint32_t first = g.npool
    if count > MOST_POOL - first or not vm_grow(<void **>&g.pool, &g.pool_room, first + count, FIRST_POOL,
                                                sizeof(uint32_t)):
        g.failed = True
        return 0
    g.npool += count
    return first


cdef uint32_t new_snap(Graph *g, int32_t off, uint32_t count, uint32_t kind, uint32_t nregs) noexcept nogil:
    cdef uint32_t number = g.nsnaps
    cdef uint32_t regs = pool_take(g, nregs)
    cdef Snap *s
    if regs == 0 or not vm_grow(<void **>&g.snaps, &g.snaps_room, number + 1, FIRST_BLOCKS, sizeof(Snap)):
        g.failed = True
        return 0
    s = &g.snaps[number]
    s.off = off
    s.count = count
    s.kind = kind
    s.nregs = nregs
    s.regs = regs
    s.insn = 0
    g.nsnaps += 1
    return number


# --- uses -------------------------------------------------------------------------------------------------------------

cdef inline uint32_t become(uint32_t *new_of, uint32_t node) noexcept nogil:
    # Chains are shortened on the way.
    cdef uint32_t last = node
    cdef uint32_t following
    while new_of[last]:
        last = new_of[last]
    while new_of[node]:
        following = new_of[node]
        new_of[node] = last
        node = following
    return last


cdef void replace_all(Graph *g, uint32_t *new_of) noexcept nogil:
    cdef uint32_t i, k, e
    cdef Node *n
    cdef BlockOf *b
    cdef Snap *s
    cdef uint32_t *at
    for i in range(1, g.nnodes):
        n = &g.nodes[i]
        if n.op == OP_NONE:
            continue
        n.a = become(new_of, n.a)
        n.b = become(new_of, n.b)
        n.c = become(new_of, n.c)
    for i in range(1, g.nblocks):
        b = &g.blocks[i]
        b.cond = become(new_of, b.cond)
        for e in range(b.nedges):
            for k in range(b.edges[e].nargs):
                at = &g.pool[b.edges[e].args + k]
                at[0] = become(new_of, at[0])
    for i in range(1, g.nsnaps):
        s = &g.snaps[i]
        for k in range(s.nregs):
            at = &g.pool[s.regs + k]
            at[0] = (at[0] & 0xFF) | become(new_of, at[0] >> 8) << 8


cdef inline void use_snap(Graph *g, uint32_t snap) noexcept nogil:
    cdef uint32_t i
    for i in range(g.snaps[snap].nregs):
        g.nodes[snap_node(g, &g.snaps[snap], i)].uses += 1


cdef void count_uses(Graph *g) noexcept nogil:
    # Of what is in the blocks that are reached: the order of analyse().
    cdef uint32_t i, k, e, node
    cdef Node *n
    cdef BlockOf *b
    for i in range(g.nnodes):
        g.nodes[i].uses = 0
    for i in range(g.norder):
        b = &g.blocks[g.order[i]]
        node = b.first
        while node:
            n = &g.nodes[node]
            g.nodes[n.a].uses += 1
            g.nodes[n.b].uses += 1
            g.nodes[n.c].uses += 1
            if n.snap:
                use_snap(g, n.snap)
            node = n.next
        g.nodes[b.cond].uses += 1
        if b.snap:
            use_snap(g, b.snap)
        for e in range(b.nedges):
            for k in range(b.edges[e].nargs):
                g.nodes[edge_arg(g, &b.edges[e], k)].uses += 1
    g.nodes[0].uses = 0
