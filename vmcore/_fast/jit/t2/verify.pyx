"""What a well-formed graph is."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from vmcore._fast.jit.convention cimport INFO_COUNT_MASK
from vmcore._fast.jit.t2.analysis cimport analyse, dominates
from vmcore._fast.jit.t2.ir cimport (
    END_BRANCH, END_GOTO, END_LEAVE, END_LEAVE_TO, END_NONE, F_REGISTERS, MEM_AHEAD, MEM_GUESS, MEM_WRITE, MOST_OFF,
    OP_ADDEND, OP_ARG, OP_BASE, OP_BITS, OP_BOX, OP_COUNT_OF, OP_ENTRY, OP_F32_F64, OP_F64_F32, OP_FADD, OP_FCLEAN,
    OP_FEQ, OP_FLE, OP_FMAX, OP_FPU, OP_FROMBITS, OP_FSGNJ, OP_F_INT, OP_HOST, OP_INT_F, OP_LOAD, OP_NONE, OP_SELECT,
    OP_STORE, OP_TAG, OP_UNBOX, P_LEAVES, SNAP_STEP, T_F32, T_F64, T_INT, T_NONE, edge_arg, op_row, operand,
    snap_node, snap_reg, BlockOf, Edge, Graph, Node, OpRow, Snap)
from vmcore._fast.jit.t2.scratch cimport scratch_give, scratch_take
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

cdef enum:
    ANY_TYPE = 0xFF

# Where each node stands, as far as it was seen.
cdef struct Check:
    Graph *g
    Fault *fault
    uint32_t *place           # of each node: its number in its block, from 1; 0: not in a block
    uint32_t node             # which is looked at
    uint32_t block
    uint32_t fpu              # the first node that makes floating point possible


cdef bint wrong(Check *k, const char *what) noexcept nogil:
    # The first one is kept.
    if k.fault.what == NULL:
        k.fault.what = what
        k.fault.node = k.node
        k.fault.block = k.block
    return False


cdef bint check_use(Check *k, uint32_t used, uint32_t place, uint8_t type) noexcept nogil:
    # May `used` be used by what stands at `place` of the block, and has it that type? (ANY_TYPE: some.)
    cdef Graph *g = k.g
    if used == 0 or used >= g.nnodes:
        return wrong(k, "an operand is no node")
    if k.place[used] == 0:
        return wrong(k, "an operand is in no block that is reached")
    if g.nodes[used].type == T_NONE:
        return wrong(k, "an operand has no result")
    if type != ANY_TYPE and g.nodes[used].type != type:
        return wrong(k, "an operand has another type")
    if g.nodes[used].block == k.block:
        if k.place[used] >= place:
            return wrong(k, "an operand is made later")
    elif not dominates(g, g.nodes[used].block, k.block):
        return wrong(k, "an operand does not dominate its use")
    if ((g.nodes[used].op == OP_TAG or g.nodes[used].op == OP_ADDEND)
            and (k.node == 0 or g.nodes[k.node].op != OP_HOST)):
        return wrong(k, "only a host refers to what is remembered")
    return True


cdef bint check_snap(Check *k, uint32_t snap, uint32_t place) noexcept nogil:
    cdef Graph *g = k.g
    cdef const Snap *s
    cdef uint32_t i, reg, used
    cdef bint seen[64]
    memset(seen, 0, sizeof(seen))
    if snap == 0 or snap >= g.nsnaps:
        return wrong(k, "what can leave has no snapshot")
    s = &g.snaps[snap]
    if s.kind > SNAP_STEP or not -MOST_OFF <= s.off <= MOST_OFF or s.off & 1:
        return wrong(k, "a snapshot is for no instruction")
    if s.count > INFO_COUNT_MASK:
        return wrong(k, "a snapshot counts more than it can say")
    for i in range(s.nregs):
        reg = snap_reg(g, s, i)
        used = snap_node(g, s, i)
        if reg == 0 or reg >= 64:
            return wrong(k, "a snapshot has a register that there is not")
        if seen[reg]:
            return wrong(k, "a snapshot has a register twice")
        seen[reg] = True
        if not check_use(k, used, place, T_F64 if reg >= F_REGISTERS else T_INT):
            return False
    return True


cdef uint8_t operand_type(const Graph *g, const Node *n, uint32_t i) noexcept nogil:
    # ANY_TYPE: a floating-point one, or what the operation is about.
    cdef uint32_t op = n.op
    if op == OP_SELECT:
        return n.type if i else T_INT
    if op == OP_STORE:
        return ANY_TYPE if i == 2 else T_INT
    if OP_FADD <= op and op <= OP_FMAX or OP_FSGNJ <= op and op <= OP_FCLEAN:
        return n.type
    if OP_FEQ <= op and op <= OP_FLE:
        return g.nodes[n.a].type
    if op == OP_BOX or op == OP_F64_F32:
        return T_F32
    if op == OP_UNBOX or op == OP_F32_F64:
        return T_F64
    return ANY_TYPE if op == OP_BITS or op == OP_INT_F else T_INT


cdef bint is_size(uint32_t size) noexcept nogil:
    return size == 1 or size == 2 or size == 4 or size == 8


cdef bint check_access(Check *k, const Node *n) noexcept nogil:
    cdef const Node *host = &k.g.nodes[n.a]
    cdef uint8_t type = n.type if n.op == OP_LOAD else k.g.nodes[n.c].type
    if not is_size(n.size) or type != T_INT and n.size != (8 if type == T_F64 else 4):
        return wrong(k, "an access has a size that there is not")
    if host.op != OP_HOST:
        return wrong(k, "an access has no host")
    # Where the host is for another node, that has to have the same value: who says so answers for it.
    if host.a == n.b and (n.imm < host.imm or n.imm + n.size > host.imm + host.size):
        return wrong(k, "a host does not cover the access")
    if n.op == OP_STORE and not host.flags & MEM_WRITE:
        return wrong(k, "a store has a host for loads")
    return True


cdef bint check_host(Check *k, const Node *n, uint32_t place) noexcept nogil:
    if n.size == 0 or n.size > 4096:
        return wrong(k, "a host has a span that there is not")
    if n.flags & MEM_GUESS and n.c == 0:
        return wrong(k, "a host that guesses its page has none")
    if n.flags & MEM_AHEAD and not n.flags & MEM_WRITE:
        return wrong(k, "a host for loads is not one for stores ahead of time")
    if n.b == 0:
        return True if n.c == 0 else wrong(k, "a host has half of what it remembers")
    if not check_use(k, n.b, place, T_INT) or (n.c and not check_use(k, n.c, place, T_INT)):
        return False
    if n.c == 0 and k.g.nodes[n.b].op == OP_TAG:
        return wrong(k, "a host has half of what it remembers")
    if k.g.nodes[n.b].op != (OP_TAG if n.c else OP_ADDEND) or (n.c and k.g.nodes[n.c].op != OP_ADDEND):
        return wrong(k, "a host remembers something else")
    return True


cdef bint check_float(Check *k, const Node *n) noexcept nogil:
    # What is about an operand's type, where operand_type() leaves it open.
    cdef uint8_t type = k.g.nodes[n.a].type
    if (OP_FEQ <= n.op and n.op <= OP_FLE or n.op == OP_BITS or n.op == OP_INT_F) and type == T_INT:
        return wrong(k, "an operand has another type")
    if ((OP_FADD <= n.op and n.op <= OP_FMAX or OP_FSGNJ <= n.op and n.op <= OP_FCLEAN or n.op == OP_FROMBITS
            or n.op == OP_F_INT) and n.type == T_INT):
        return wrong(k, "a result has another type")
    if n.mode > 7 or n.mode == 5 or n.mode == 6:
        return wrong(k, "there is no such rounding mode")
    if (n.op == OP_INT_F or n.op == OP_F_INT) and n.size != 4 and n.size != 8:
        return wrong(k, "a conversion has a size that there is not")
    return True


cdef bint is_floating(const Graph *g, const Node *n) noexcept nogil:
    return n.type == T_F64 or n.type == T_F32 or g.nodes[n.a].type == T_F64 or g.nodes[n.a].type == T_F32


cdef bint check_fpu(Check *k, uint32_t node, uint32_t place) noexcept nogil:
    # Where a region makes floating point possible, that comes before all of it.
    cdef Graph *g = k.g
    if g.nodes[node].op == OP_FPU and (k.block != 1 or k.fpu != node):
        return wrong(k, "floating point is made possible twice, or in another block")
    if k.fpu and is_floating(g, &g.nodes[node]) and k.block == 1 and k.place[k.fpu] >= place:
        return wrong(k, "something floating comes before it is possible")
    return True


cdef bint check_node(Check *k, uint32_t node, uint32_t place) noexcept nogil:
    cdef Graph *g = k.g
    cdef const Node *n = &g.nodes[node]
    cdef const OpRow *row
    cdef uint32_t i
    if n.op == OP_NONE or n.op >= OP_COUNT_OF:
        return wrong(k, "there is no such operation")
    row = op_row(n.op)
    if n.type > T_F32 or (row.type == ANY_TYPE and n.type == T_NONE) or (row.type != ANY_TYPE and row.type != n.type):
        return wrong(k, "a result has another type")
    for i in range(3):
        if i >= row.args:
            if operand(n, i):
                return wrong(k, "there are more operands than the operation has")
        elif n.op == OP_HOST and i:
            break
        elif not check_use(k, operand(n, i), place, operand_type(g, n, i)):
            return False
    if not check_fpu(k, node, place):
        return False
    if row.props & P_LEAVES:
        if not check_snap(k, n.snap, place):
            return False
    elif n.snap:
        return wrong(k, "what cannot leave has a snapshot")
    if n.op == OP_ENTRY and (k.block != 1 or n.imm < 1 or n.imm > 63
                             or n.type != (T_F64 if n.imm >= F_REGISTERS else T_INT)):
        return wrong(k, "an entry value is in another block, or of no register")
    if n.op == OP_BASE and k.block != 1:
        return wrong(k, "the page's address is made in another block")
    if n.op == OP_HOST:
        return check_host(k, n, place)
    if n.op == OP_LOAD or n.op == OP_STORE:
        return check_access(k, n)
    return check_float(k, n) if n.op > OP_STORE else True


cdef bint check_list(Check *k) noexcept nogil:
    # The nodes of a block hang together, its arguments first.
    cdef Graph *g = k.g
    cdef uint32_t node = g.blocks[k.block].first
    cdef uint32_t before = 0
    cdef uint32_t place = 0
    cdef bint in_args = True
    while node:
        k.node = node
        if node >= g.nnodes or k.place[node]:
            return wrong(k, "a node is in two places")
        if g.nodes[node].block != k.block or g.nodes[node].prev != before:
            return wrong(k, "a node does not know its place")
        if g.nodes[node].op == OP_FPU and k.fpu == 0:
            k.fpu = node
        if g.nodes[node].op == OP_ARG:
            if not in_args or g.nodes[node].imm != place:
                return wrong(k, "the arguments of a block are out of order")
        elif in_args:
            in_args = False
            if place != g.blocks[k.block].nargs:
                return wrong(k, "a block has another number of arguments")
        place += 1
        k.place[node] = place
        before = node
        node = g.nodes[node].next
    k.node = 0
    if in_args and place != g.blocks[k.block].nargs:
        return wrong(k, "a block has another number of arguments")
    if g.blocks[k.block].last != before:
        return wrong(k, "a block does not know its last node")
    return True


cdef bint check_edge(Check *k, const Edge *e) noexcept nogil:
    cdef Graph *g = k.g
    cdef uint32_t i
    cdef uint32_t arg
    if e.to < 2 or e.to >= g.nblocks:
        return wrong(k, "an edge leads nowhere, or to where the region is entered")
    if e.nargs != g.blocks[e.to].nargs:
        return wrong(k, "an edge has another number of arguments than its block")
    arg = g.blocks[e.to].first
    for i in range(e.nargs):
        if not check_use(k, edge_arg(g, e, i), ~<uint32_t>0, g.nodes[arg].type):
            return False
        arg = g.nodes[arg].next
    return True


cdef bint check_end(Check *k) noexcept nogil:
    cdef Graph *g = k.g
    cdef const BlockOf *b = &g.blocks[k.block]
    cdef uint32_t last = ~<uint32_t>0
    cdef uint32_t i
    cdef uint32_t edges = 2 if b.end == END_BRANCH else b.end == END_GOTO
    if b.end == END_NONE or b.end > END_LEAVE_TO:
        return wrong(k, "a block has no end")
    if b.nedges != edges:
        return wrong(k, "a block has another number of edges")
    if b.end == END_BRANCH or b.end == END_LEAVE_TO:
        if not check_use(k, b.cond, last, T_INT):
            return False
    elif b.cond:
        return wrong(k, "a block has a condition that nothing asks for")
    if b.end == END_LEAVE or b.end == END_LEAVE_TO:
        if not check_snap(k, b.snap, last):
            return False
    elif b.snap:
        return wrong(k, "what cannot leave has a snapshot")
    for i in range(b.nedges):
        if not check_edge(k, &b.edges[i]):
            return False
    return True


cdef bint check_targets(Check *k) noexcept nogil:
    # Before anything follows them.
    cdef uint32_t i
    cdef const BlockOf *b
    for k.block in range(1, k.g.nblocks):
        b = &k.g.blocks[k.block]
        if k.block == 1 and b.nargs:
            return wrong(k, "where the region is entered nobody gives it arguments")
        if b.nedges > 2:
            return wrong(k, "a block has another number of edges")
        for i in range(b.nedges):
            if b.edges[i].to < 2 or b.edges[i].to >= k.g.nblocks:
                return wrong(k, "an edge leads nowhere, or to where the region is entered")
    return True


cdef bint check_all(Check *k) noexcept nogil:
    cdef Graph *g = k.g
    cdef uint32_t i, node, place
    for i in range(g.norder):
        k.block = g.order[i]
        if not check_list(k):
            return False
    for i in range(g.norder):
        k.block = g.order[i]
        node = g.blocks[k.block].first
        place = 0
        while node:
            place += 1
            k.node = node
            if not check_node(k, node, place):
                return False
            node = g.nodes[node].next
        k.node = 0
        if not check_end(k):
            return False
    return True


cdef bint is_analysed(Graph *g) noexcept nogil:
    # Once more; does it say what it said, where nothing is said to have changed?
    cdef uint32_t n = g.nblocks if g.analysed else 0
    cdef BlockOf *before = <BlockOf *>scratch_take(&g.scratch, n, sizeof(BlockOf))
    cdef const BlockOf *b
    cdef uint32_t i
    cdef bint good = True
    if before == NULL:
        g.failed = True
        return True
    memcpy(before, g.blocks, n * sizeof(BlockOf))
    g.analysed = False
    analyse(g)
    for i in range(n):
        b = &g.blocks[i]
        good = good and before[i].order == b.order and before[i].idom == b.idom and before[i].loop == b.loop \
            and before[i].depth == b.depth and before[i].npreds == b.npreds
    scratch_give(&g.scratch, before)
    return good


cdef bint verify(Graph *g, Fault *fault) noexcept nogil:
    cdef Check k
    cdef bint good
    memset(fault, 0, sizeof(Fault))
    memset(&k, 0, sizeof(Check))
    k.g = g
    k.fault = fault
    if g.nblocks < 2:
        return wrong(&k, "there is no block")
    if not check_targets(&k):
        return False
    if not is_analysed(g):
        return wrong(&k, "what was found out about its blocks is so no more")
    k.place = <uint32_t *>vm_calloc(g.nnodes, sizeof(uint32_t))
    if g.failed or k.place == NULL:
        vm_free(k.place)
        k.block = 0
        return wrong(&k, "there was no memory")
    good = check_all(&k)
    vm_free(k.place)
    return good
