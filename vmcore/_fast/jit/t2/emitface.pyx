"""Emission from Python: graphs as text become code, which is looked at, or put into a machine and run. For tests.

Places are dealt out at random, so that every operation is emitted with its operands and its result everywhere they may
be; a graph of one block gets them by the lives of its values, others one place for each value.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.hart.codepage cimport get_page, recode
from vmcore._fast.hart.state cimport CodePage, Hart
from vmcore._fast.jit.block cimport END_NEXT
from vmcore._fast.jit.cache cimport Made, cache_start, put_made
from vmcore._fast.jit.convention cimport HOST_OF, XMM_OF
from vmcore._fast.jit.t2.alloc cimport allocate, allocation_free, allocation_init
from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.code cimport Code
from vmcore._fast.jit.t2.emit cimport code_free, code_init, emit_region
from vmcore._fast.jit.t2.evaluate cimport LEFT_MEMORY, LEFT_NOT, LEFT_SNAP, LEFT_TO, LEFT_WRONG, Run, evaluate
from vmcore._fast.jit.t2.ir cimport (
    F_REGISTERS, MOST_BLOCKS, NODE_COVERED, NODE_REMAT, OP_BASE, OP_CONST, OP_ENTRY, T_INT, T_NONE, Graph, Node, Snap,
    count_uses, graph_free, graph_init)
from vmcore._fast.jit.t2.layout cimport lay_out
from vmcore._fast.jit.t2.moves cimport (
    MOST_MOVES, NUM_PLACES, PLACE_BASE, PLACE_CONST, PLACE_HOME, PLACE_TEMP, Move, order_moves)
from vmcore._fast.jit.t2.places cimport (
    AT_HOME, AT_NONE, AT_SLOT, AT_XMM, BY_COLOURING, BY_LINEAR_SCAN, MOST_SLOTS, Allocation)
from vmcore._fast.jit.t2.select cimport MOST_READS, reads_of, reads_of_end, select_nodes, snap_source
from vmcore._fast.jit.t2.text cimport graph_text, read_graph
from vmcore._fast.memory.alloc cimport vm_alloc, vm_calloc, vm_free
from vmcore._fast.run cimport Core
from vmcore.errors import ConfigError, VmError

cdef enum:
    ROOM = 1 << 16
    # Allocatable registers: rcx rbx rsi rdi r8-r13 r15; xmm2-xmm15.
    GENERAL = 0xBFCA
    VECTORS = 0xFFFC
    FOR_EVER = 0x7FFFFFFF

#: Numbers of the kinds of places that :func:`order` takes.
PLACES = {"xmm": AT_XMM, "slot": AT_SLOT, "temp": PLACE_TEMP, "home": PLACE_HOME, "base": PLACE_BASE,
          "const": PLACE_CONST, "end": NUM_PLACES}
ALLOCATORS = {"colouring": BY_COLOURING, "scan": BY_LINEAR_SCAN}
WAYS = {LEFT_NOT: "never", LEFT_SNAP: "snap", LEFT_TO: "to", LEFT_WRONG: "wrong", LEFT_MEMORY: "memory"}


cdef inline uint64_t draw(uint64_t *state) noexcept nogil:
    state[0] ^= state[0] << 13
    state[0] ^= state[0] >> 7
    state[0] ^= state[0] << 17
    return state[0] * 0x2545F4914F6CDD1Du >> 33


cdef class _Scatter:
    """Places for the nodes of one graph."""

    cdef Graph *g
    cdef uint8_t *at
    cdef uint64_t state
    cdef int64_t until[NUM_PLACES]     # position at which the place is free again
    cdef int64_t *last                 # of each node: where it is read last
    cdef bint straight

    cdef void read(self, uint32_t node, int64_t position):
        if self.last[node] < position:
            self.last[node] = position

    cdef void read_snap(self, uint32_t snap, int64_t position):
        cdef const Snap *s = &self.g.snaps[snap]
        cdef uint32_t i
        for i in range(s.nregs):
            self.read(snap_source(self.g, s, i), position)

    cdef void find_lives(self):
        # A covered check stands right before what covers it, and its snapshot is read there.
        cdef uint32_t reads[MOST_READS]
        cdef uint32_t node = self.g.blocks[1].first
        cdef uint32_t n, i
        cdef int64_t position = 0
        while node:
            position += 1
            if not self.g.nodes[node].flags & (NODE_COVERED | NODE_REMAT):
                n = reads_of(self.g, node, reads)
                for i in range(n):
                    self.read(reads[i], position)
            if self.g.nodes[node].snap:
                self.read_snap(self.g.nodes[node].snap, position)
            node = self.g.nodes[node].next
        n = reads_of_end(self.g, 1, reads)
        for i in range(n):
            self.read(reads[i], position + 1)
        self.read_snap(self.g.blocks[1].snap, position + 1)

    cdef int place(self, uint32_t node, int64_t position) except -1:
        cdef const Node *n = &self.g.nodes[node]
        cdef uint32_t free[NUM_PLACES]
        cdef uint32_t nfree = 0
        cdef uint32_t nregs, i
        cdef bint home = n.op == OP_BASE
        cdef uint32_t choice
        self.at[node] = AT_NONE
        if n.uses == 0 or n.flags & (NODE_COVERED | NODE_REMAT):
            return 0
        if n.op == OP_ENTRY:
            home = HOST_OF[n.imm] < 0 if n.imm < F_REGISTERS else XMM_OF[n.imm - F_REGISTERS] < 0
        if home and draw(&self.state) & 1:
            self.at[node] = AT_HOME
            return 0
        if n.op == OP_CONST and draw(&self.state) & 1:
            return 0
        for i in range(16):
            if n.type == T_INT and GENERAL >> i & 1 and self.until[i] <= position:
                free[nfree] = i
                nfree += 1
            if n.type != T_INT and VECTORS >> i & 1 and self.until[AT_XMM + i] <= position:
                free[nfree] = AT_XMM + i
                nfree += 1
        nregs = nfree
        for i in range(MOST_SLOTS):
            if self.until[AT_SLOT + i] <= position:
                free[nfree] = AT_SLOT + i
                nfree += 1
        if nfree == 0:
            raise ConfigError("more values than places", hint="Give a smaller graph")
        if nregs and draw(&self.state) % 4:
            choice = free[draw(&self.state) % nregs]
        elif nregs < nfree:
            choice = free[nregs + draw(&self.state) % min(nfree - nregs, 4)]
        else:
            choice = free[draw(&self.state) % nfree]
        self.at[node] = <uint8_t>choice
        self.until[choice] = self.last[node] if self.straight else FOR_EVER
        return 0

    cdef int run(self) except -1:
        cdef uint32_t node, i
        cdef int64_t position
        memset(self.until, 0, sizeof(self.until))
        self.straight = self.g.norder == 1
        if self.straight:
            self.find_lives()
        # What is there at the entry is there all at once.
        for i in range(2):
            position = 0
            node = self.g.blocks[1].first
            while node:
                position += 1
                if (self.g.nodes[node].op == OP_ENTRY or self.g.nodes[node].op == OP_BASE) == (i == 0):
                    if self.g.nodes[node].type != T_NONE:
                        self.place(node, 0 if i == 0 else position)
                node = self.g.nodes[node].next
        for i in range(1, self.g.norder):
            node = self.g.blocks[self.g.order[i]].first
            while node:
                if self.g.nodes[node].type != T_NONE:
                    self.place(node, 0)
                node = self.g.nodes[node].next
        return 0


cdef class Emitted:
    """The code of a graph.

    Parameters
    ----------
    text : str
        The graph (grammar: ``text.pyx``).
    seed : int
        For the places of its values.
    select : bool
        Whether anything is covered.
    how : str
        Who deals them out: ``"scatter"``, at random, or one of the allocators, ``"colouring"`` and ``"scan"``.
    parallel : bool
        Whether links are to lie where another hart may be at them.

    Raises
    ------
    ConfigError
        The text is no graph, or one that is not well formed; or `how` is none of these.
    VmError
        It cannot be emitted.
    """

    cdef Graph g
    cdef Code code
    cdef Allocation places
    cdef uint8_t *window

    def __cinit__(self, text, seed=1, select=True, how="scatter", parallel=False):
        cdef uint32_t layout[MOST_BLOCKS]
        cdef uint32_t n
        code_init(&self.code)
        if graph_init(&self.g) != 0 or allocation_init(&self.places) != 0:
            raise MemoryError("no memory for a graph")
        self.window = <uint8_t *>vm_alloc(ROOM)
        if self.window == NULL:
            raise MemoryError("no memory for code")
        read_graph(&self.g, text)
        analyse(&self.g)
        count_uses(&self.g)
        if select:
            select_nodes(&self.g)
        if how in ALLOCATORS:
            allocate(&self.g, &self.places, ALLOCATORS[how])
            if self.places.failed:
                raise VmError("the region cannot be allocated")
        elif how == "scatter":
            self.scatter(seed)
        else:
            raise ConfigError(f"{how!r} deals out no places", hint=f"There are scatter, {', '.join(ALLOCATORS)}")
        n = lay_out(&self.g, layout)
        if not emit_region(&self.g, &self.places, layout, n, &self.code, self.window, self.window + ROOM, parallel,
                           False, 0):
            raise VmError("the region cannot be emitted")

    cdef int scatter(self, seed) except -1:
        cdef _Scatter scatter = _Scatter()
        self.places.room = self.g.nnodes
        self.places.at = <uint8_t *>vm_calloc(self.g.nnodes, 1)
        scatter.g = &self.g
        scatter.at = self.places.at
        scatter.state = <uint64_t>(seed & 0xFFFFFFFF) << 1 | 1
        scatter.last = <int64_t *>vm_calloc(self.g.nnodes, sizeof(int64_t))
        if self.places.at == NULL or scatter.last == NULL:
            vm_free(scatter.last)
            raise MemoryError("no memory for code")
        try:
            scatter.run()
        finally:
            vm_free(scatter.last)
        return 0

    def __dealloc__(self):
        graph_free(&self.g)
        code_free(&self.code)
        allocation_free(&self.places)
        vm_free(self.window)

    def bytes(self):
        """Return the code."""
        return PyBytes_FromStringAndSize(<char *>self.window, self.code.a.at - self.code.a.start)

    def figures(self):
        """Return how many bytes are ``hot``, ``cold`` and ``tables``, and the ``links`` and ``marks`` as pairs."""
        cdef uint32_t i
        return {
            "hot": self.code.hot_bytes, "cold": self.code.cold_bytes, "tables": self.code.table_bytes,
            "links": [(self.code.links[i].field, self.code.links[i].off) for i in range(self.code.nlinks)],
            "marks": [(self.code.marks[i].at, self.code.marks[i].node) for i in range(self.code.nmarks)],
        }

    def text(self):
        """Return the graph as it was emitted."""
        return graph_text(&self.g, False)

    def place_of(self):
        """Return the place of each node that has one, by number."""
        cdef uint32_t i
        return {i: self.places.at[i] for i in range(1, self.g.nnodes) if self.places.at[i] != AT_NONE}

    def put(self, Core core, gpa):
        """Put the code into a machine, as what is compiled of physical address `gpa`."""
        cdef Hart *hart = core.hart(0)
        cdef CodePage *page = get_page(hart, <uint64_t>gpa & ~<uint64_t>4095)
        cdef Made made
        core.check_idle()
        if page == NULL or core.sys.cache == NULL or not cache_start(core.sys):
            raise VmError("this machine compiles nothing")
        # Its tables, and block code that this replaces.
        if page.bundle.code == NULL:
            core.sys.compile(hart, page.bundle, <uint32_t>gpa & 4095)
        if page.bundle.code == NULL:
            raise VmError("nothing of the page can be compiled")
        made.code = self.window
        made.size = <uint32_t>(self.code.a.at - self.code.a.start)
        made.start = <uint32_t>gpa & 4095
        made.end = made.start + 2
        made.insns = 1
        made.why = END_NEXT
        made.nlinks = self.code.nlinks
        made.links = self.code.links
        if not put_made(core.sys, page.bundle, &made):
            raise VmError("no memory for code")
        # What was there before is to be reached no more.
        recode(hart)


def evaluated(text, regs, *, page=0, memory=b"", base=0, budget=1 << 40, frm=0):
    """Execute a graph by the reference evaluator.

    Parameters
    ----------
    text : str
        The graph.
    regs : list of int
        The 64 registers, floating point from 32 on.
    page : int
        Virtual address of its page.
    memory : bytes
        What lies at guest address `base`.
    base, budget, frm : int
        Where that is, how many instructions may be executed, the rounding mode.

    Returns
    -------
    dict
        ``how`` it was left (a value of :data:`WAYS`), ``pc``, ``regs``, ``executed``, ``flags``, ``kind``, ``memory``,
        ``what`` was wrong.
    """
    cdef Graph g
    cdef Run run
    cdef uint32_t i
    cdef bytearray copy = bytearray(memory)
    cdef uint8_t *there = copy
    memset(&run, 0, sizeof(run))
    if graph_init(&g) != 0:
        raise MemoryError("no memory for a graph")
    try:
        read_graph(&g, text)
        analyse(&g)
        for i in range(64):
            run.regs[i] = regs[i]
        run.page = page
        run.memory = there
        run.base = base
        run.size = len(copy)
        run.budget = budget
        run.steps = 1 << 20
        run.frm = frm
        evaluate(&g, &run)
        return {"how": WAYS[run.how], "pc": run.pc, "regs": [run.regs[i] for i in range(64)],
                "executed": run.executed, "flags": run.flags, "kind": run.kind, "memory": bytes(copy),
                "what": "" if run.what == NULL else run.what.decode()}
    finally:
        graph_free(&g)


def order(moves, keep_rax=False):
    """Return parallel moves, pairs of places (to, from), as steps to be done one after another."""
    cdef Move given[MOST_MOVES]
    cdef Move steps[2 * MOST_MOVES]
    cdef uint32_t n = len(moves)
    cdef uint32_t i
    if n > MOST_MOVES:
        raise ConfigError(f"{n} moves: at most {<int>MOST_MOVES}")
    for i in range(n):
        given[i].to, given[i].source = moves[i]
        given[i].value = 0
    n = order_moves(given, n, steps, keep_rax)
    return [(steps[i].to, steps[i].source) for i in range(n)]
