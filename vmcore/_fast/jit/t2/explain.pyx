"""A region on its way through the compiler, stage by stage, for people: nothing is run."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmcore._fast.jit.image cimport MOST_JUMPS, Jump
from vmcore._fast.jit.t2.alloc cimport allocate
from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.code cimport (
    ASIDE_CROSS, ASIDE_DIVIDE, ASIDE_EDGE, ASIDE_EXIT, ASIDE_FPU, ASIDE_LOST, ASIDE_MISS, ASIDE_NEXT, ASIDE_NEXT_RAX,
    ASIDE_NODE, ASIDE_PAGES, ASIDE_POLLED, ASIDE_REFILL, ASIDE_STEP, ASIDE_STRAY, Away)
from vmcore._fast.jit.t2.colour cimport interfere
from vmcore._fast.jit.t2.compile cimport REGION_LIMIT, WINDOW_BYTES, Workshop, workshop_close, workshop_open
from vmcore._fast.jit.t2.emit cimport emit_region
from vmcore._fast.jit.t2.given cimport fill_jumps, fill_trail
from vmcore._fast.jit.t2.ir cimport MOST_BLOCKS, MOST_OFF, NODE_REMAT, T_INT, Graph, count_uses, graph_clear, op_row
from vmcore._fast.jit.t2.layout cimport lay_out
from vmcore._fast.jit.t2.lift cimport lift_region
from vmcore._fast.jit.t2.live cimport (
    NO_RANGE, READ_RANGE, Live, Span, Step, in_set, live_free, live_make, put_in, spill_cost, take_from)
from vmcore._fast.jit.t2.paint cimport Colouring, row_of
from vmcore._fast.jit.t2.passes cimport num_steps, run_pass, step_pass
from vmcore._fast.jit.t2.places cimport AT_HOME, AT_SLOT, AT_XMM, BY_COLOURING, BY_LINEAR_SCAN
from vmcore._fast.jit.t2.region cimport form_region
from vmcore._fast.jit.t2.select cimport select_nodes
from vmcore._fast.jit.t2.text cimport graph_lines
from vmcore._fast.jit.t2.trail cimport TRAIL, count_ways
from vmcore._fast.jit.t2.ways cimport MAP_BYTES, MOST_PAGES, RegionInput
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

# The lifter's tables are filled by these.
from vmcore._fast.jit.t2 import lift_fp, lift_int, lift_mem
from vmcore._fast.jit.t2.liftface import REFUSALS
from vmcore._fast.jit.t2.passes import PASSES
from vmcore.errors import ConfigError

cdef enum:
    PAGE = 4096

#: What fills the tables of the lifter when it is imported.
LIFTER_MODULES = (lift_fp, lift_int, lift_mem)

cdef tuple GPRS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
                   "r14", "r15")


# What lies out of line, and what it is for: an offset of the guest, a node, a block, or nothing.
cdef dict ASIDES = {
    ASIDE_EXIT: ("exit", "off"), ASIDE_POLLED: ("poll", "off"), ASIDE_FPU: ("fpu", "off"), ASIDE_NEXT: ("next", "off"),
    ASIDE_NEXT_RAX: ("next", ""), ASIDE_LOST: ("lost", ""), ASIDE_MISS: ("miss", "node"),
    ASIDE_REFILL: ("refill", "node"), ASIDE_STRAY: ("stray", "node"), ASIDE_DIVIDE: ("divide", "node"),
    ASIDE_CROSS: ("cross", "off"), ASIDE_STEP: ("step", "off"), ASIDE_NODE: ("rare", "node"),
    ASIDE_EDGE: ("edge", "block"), ASIDE_PAGES: ("pages", "off"),
}


cdef str place_name(uint32_t at):
    if at < AT_XMM:
        return GPRS[at]
    if at < AT_SLOT:
        return f"xmm{at - AT_XMM}"
    return "home" if at == AT_HOME else f"slot{at - AT_SLOT}"


cdef class _Shop:
    """A workshop, and what a region is made from."""

    cdef Workshop *shop
    cdef RegionInput given
    cdef unsigned char pages[MOST_PAGES][PAGE]
    cdef unsigned char warm[MOST_PAGES][MAP_BYTES]
    cdef int32_t at[MOST_PAGES]
    cdef int32_t trail[TRAIL]
    cdef Jump jumps[MOST_JUMPS]
    cdef uint32_t layout[MOST_BLOCKS]
    cdef uint32_t nlayout

    def __cinit__(self, const unsigned char[::1] page, isa, warm, more, trail, jumps):
        memset(&self.given, 0, sizeof(self.given))
        self.add(0, page, warm)
        for distance, other, warmth in more:
            if distance % PAGE or not -MOST_OFF < distance < MOST_OFF or self.given.npages == MOST_PAGES:
                raise ConfigError(f"no page of a region lies {distance:#x} bytes from its first one",
                                  hint=f"At most {MOST_PAGES - 1} do, whole pages away")
            self.add(distance, other, warmth)
        self.given.njumps = fill_jumps(self.jumps, jumps)
        self.given.jumps = self.jumps
        self.given.ntrail = fill_trail(self.trail, trail)
        self.given.trail = self.trail
        self.given.pages = &self.pages[0][0]
        self.given.warm = &self.warm[0][0]
        self.given.at = self.at
        self.given.isa = isa
        self.given.limit = REGION_LIMIT
        self.shop = workshop_open()
        if self.shop == NULL:
            raise MemoryError("no memory for a compiler")

    cdef int add(self, int32_t distance, const unsigned char[::1] page, const unsigned char[::1] warm) except -1:
        cdef uint32_t number = self.given.npages
        if page.shape[0] != PAGE:
            raise ConfigError(f"{page.shape[0]} bytes are no page", hint=f"A page has {<int>PAGE}")
        if warm is not None and warm.shape[0] != MAP_BYTES:
            raise ConfigError(f"{warm.shape[0]} bytes do not say what is warm in a page",
                              hint=f"A bit for each halfword are {<int>MAP_BYTES}")
        memcpy(self.pages[number], &page[0], PAGE)
        memset(self.warm[number], 0xFF, MAP_BYTES)
        if warm is not None:
            memcpy(self.warm[number], &warm[0], MAP_BYTES)
        self.at[number] = distance
        self.given.npages = number + 1
        return 0

    def __dealloc__(self):
        workshop_close(self.shop)

    cdef list optimise(self, uint64_t fuel):
        # After the region was formed: name of the stage, rewrites, and the graph behind it.
        cdef Graph *g = &self.shop.graph
        cdef uint32_t step, number
        cdef uint64_t before = 0
        with nogil:
            graph_clear(g)
            g.fuel = fuel
            count_ways(self.shop.region)
            lift_region(self.shop.region, g)
            analyse(g)
        if g.failed:
            return []
        stages = [("lift", g.burnt, graph_lines(g))]
        for step in range(num_steps()):
            number = step_pass(step)
            before = g.burnt
            with nogil:
                run_pass(g, number)
            if g.failed:
                return []
            stages.append((PASSES[number], g.burnt - before, graph_lines(g)))
        with nogil:
            analyse(g)
            count_uses(g)
            select_nodes(g)
        stages.append(("select", 0, graph_lines(g)))
        return stages

    cdef dict nodes(self):
        # What a text does not say of a node: its block, its operation, the instruction that it can leave at.
        cdef const Graph *g = &self.shop.graph
        cdef uint32_t i, node
        found = {}
        for i in range(g.norder):
            node = g.blocks[g.order[i]].first
            while node:
                found[node] = {
                    "block": g.order[i], "op": op_row(g.nodes[node].op).name.decode(),
                    "imm": g.nodes[node].imm, "off": g.snaps[g.nodes[node].snap].off if g.nodes[node].snap else None,
                }
                node = g.nodes[node].next
        return found

    cdef bint emit(self):
        cdef Workshop *shop = self.shop
        cdef bint done
        cdef uint32_t i
        shop.code.npages = 0
        for i in range(1, self.given.npages):
            if shop.region.used >> i & 1:
                # (Which number its bundle had makes no difference.)
                shop.code.pages[shop.code.npages].at = self.at[i]
                shop.code.pages[shop.code.npages].serial = i
                shop.code.npages += 1
        with nogil:
            self.nlayout = lay_out(&shop.graph, self.layout)
            done = emit_region(&shop.graph, &shop.places, self.layout, self.nlayout, &shop.code, shop.window,
                               shop.window + WINDOW_BYTES, False, False, 0)
        return done

    cdef list pieces(self):
        cdef Workshop *shop = self.shop
        cdef const Away *w
        cdef uint32_t i
        cdef const uint32_t *layout = self.layout
        cdef int64_t number
        found = [{"at": 0, "what": "entry"}]
        for i in range(self.nlayout):
            found.append({"at": shop.code.starts[layout[i]] - shop.code.a.start, "what": "block", "block": layout[i]})
        for i in range(shop.code.nmarks):
            if shop.code.marks[i].node:
                found.append({"at": shop.code.marks[i].at, "what": "node", "node": shop.code.marks[i].node})
            else:
                found.append({"at": shop.code.marks[i].at, "what": "end"})
        for i in range(shop.code.naways):
            w = &shop.code.aways[i]
            if w.at == NULL:
                continue
            what, whose = ASIDES[w.kind]
            number = w.what
            if whose == "off" and w.kind not in (ASIDE_NEXT, ASIDE_PAGES, ASIDE_STEP):
                number = shop.graph.snaps[w.what].off
            found.append({"at": w.at - shop.code.a.start, "what": what, **({whose: number} if whose else {})})
        found.append({"at": shop.code.hot_bytes + shop.code.cold_bytes, "what": "tables"})
        # (Stable: a block comes before its first node.)
        return sorted(found, key=lambda piece: piece["at"])

    cdef dict places(self, nodes):
        cdef uint32_t node
        found = {}
        for number in nodes:
            node = number
            found[number] = "remat" if self.shop.graph.nodes[node].flags & NODE_REMAT \
                else place_name(self.shop.places.at[node])
        return found

    cdef dict blocks(self):
        cdef const Graph *g = &self.shop.graph
        cdef uint32_t i
        return {g.order[i]: {"off": g.blocks[g.order[i]].off, "depth": g.blocks[g.order[i]].depth,
                             "weight": g.blocks[g.order[i]].weight} for i in range(g.norder)}


cdef class _Ranges:
    """Live ranges of a graph after selection, before allocation (which marks what is computed anew)."""

    cdef Live lv
    cdef _Shop shop           # whose graph it is: it lives as long
    cdef const Graph *g
    cdef uint64_t *live

    def __dealloc__(self):
        live_free(&self.lv)
        vm_free(self.live)

    cdef int make(self, _Shop shop) except -1:
        self.shop = shop
        self.g = &shop.shop.graph
        live_free(&self.lv)
        vm_free(self.live)
        self.live = NULL
        if live_make(&self.lv, self.g) < 0:
            raise MemoryError("no memory for live ranges")
        self.live = <uint64_t *>vm_calloc(self.lv.words + 1, sizeof(uint64_t))
        if self.live == NULL:
            raise MemoryError("no memory for live ranges")
        return 0

    cdef list edges_of(self, uint32_t base, uint32_t n):
        # Pairs of nodes of one class that cannot share a register.
        cdef Colouring c
        cdef uint32_t i, k
        memset(&c, 0, sizeof(c))
        c.lv = &self.lv
        c.base = base
        c.n = n
        c.words = n + 63 >> 6
        c.clean = <uint64_t *>vm_calloc(<size_t>n * c.words + 1, sizeof(uint64_t))
        if c.clean == NULL:
            raise MemoryError("no memory for an interference graph")
        with nogil:
            interfere(&c, self.live)
        try:
            return [(self.lv.node_of[base + i], self.lv.node_of[base + k])
                    for i in range(n) for k in range(i) if in_set(row_of(c.clean, &c, i), k)]
        finally:
            vm_free(c.clean)

    cdef list edges(self):
        return self.edges_of(0, self.lv.nints) + self.edges_of(self.lv.first_fp, self.lv.nranges - self.lv.first_fp)

    cdef object live_set(self):
        return int.from_bytes((<const unsigned char *>self.live)[:self.lv.words * sizeof(uint64_t)], "little")

    cdef list sets_of(self, const Span *span):
        # What lives at each place of a block: where it begins, at each step, and where it ends.
        cdef const Step *step
        cdef uint32_t at, k
        cdef uint32_t i = <uint32_t>(span - self.lv.spans)
        memcpy(self.live, self.lv.outs + <size_t>i * self.lv.words, self.lv.words * sizeof(uint64_t))
        for k in range(span.nends):
            put_in(self.live, self.lv.reads[span.ends + k] & READ_RANGE)
        sets = [self.live_set()]
        for at in range(span.nsteps, 0, -1):
            step = &self.lv.steps[span.first + at - 1]
            before = self.live_set()
            if step.result != NO_RANGE:
                before |= <object>1 << <object>step.result
                take_from(self.live, step.result)
            for k in range(step.nreads):
                put_in(self.live, self.lv.reads[step.first + k] & READ_RANGE)
            sets.append(before | self.live_set())
        for k in range(span.ndefs):
            put_in(self.live, self.lv.reads[span.defs + k])
        sets.append(self.live_set())
        return sets[::-1]

    cdef tuple intervals(self, const uint32_t *layout, uint32_t n):
        # By node: pairs of its first and last position of each stretch. Positions are counted through the blocks as
        # they are laid out; of each block: its first and last one.
        cdef uint32_t i, k
        spans = {self.lv.spans[k].block: k for k in range(self.lv.nspans)}
        found = {self.lv.node_of[k]: [] for k in range(self.lv.nranges) if self.lv.node_of[k]}
        borders = {}
        began = {}
        at = 0
        before = 0
        for i in range(n):
            first = at
            k = spans[layout[i]]
            for now in [*self.sets_of(&self.lv.spans[k]), 0]:
                changed = now ^ before
                while changed:
                    rng = (changed & -changed).bit_length() - 1
                    changed &= changed - 1
                    if now >> rng & 1:
                        began[rng] = at
                    else:
                        found[self.lv.node_of[<uint32_t>rng]].append((began[rng], at - 1))
                before = now
                at += 1
            # The empty set behind the block is no position.
            at -= 1
            borders[layout[i]] = (first, at - 1)
        return found, borders

    cdef dict costs(self):
        cdef uint32_t i
        return {self.lv.node_of[i]: spill_cost(&self.lv, self.g, i) for i in range(self.lv.nranges)
                if self.lv.node_of[i]}


cdef list joined(list stretches):
    # Those that meet, across the border of two blocks, are one.
    found = []
    begin, end = stretches[0]
    for first, last in stretches[1:]:
        if end + 1 != first:
            found.append((begin, end))
            begin = first
        end = last
    found.append((begin, end))
    return found


def explain_region(page, isa, header, fuel=None, warm=None, more=(), trail=(), jumps=()):
    """Compile the region at a place of a page, and return what came of it at each stage.

    Parameters
    ----------
    page : bytes
        4096 bytes of code.
    isa : int
        The extensions that are on, as :attr:`vmcore.isa.riscv.extensions.Isa.mask` has them.
    header : int
        Offset of its first instruction.
    fuel : int, optional
        How many rewrites may be made; all, if left out.
    warm : bytes, optional
        A bit for each halfword of the page, of those that may be in it; all, if left out.
    more : iterable of tuple, optional
        Other pages that it may have: how many bytes they lie behind the first one, their bytes, and what is warm.
    trail : iterable of int, optional
        What was executed lately, in order, 512 instructions at most: offsets from the start of the first page.
    jumps : iterable of tuple, optional
        Jumps of the first page to what a register says that were seen, returns apart: offsets of where from and where
        to, and how often; 64 at most.

    Returns
    -------
    dict
        ``refused``: why there is no region, a value of :data:`~vmcore._fast.jit.t2.liftface.REFUSALS`, or None. If
        there is one:

        ``stages``
            Tuples of the name of a stage, the rewrites that it made, and the graph behind it: pairs of a node (0: it
            is no node's) and a line. The first is ``lift``, the last ``select``, between them all passes in order.
        ``nodes``
            By number of the node, after selection: its ``block``, ``op`` and ``imm``, and ``off``, the offset of the
            guest's instruction where it can leave the region, or None.
        ``blocks``
            By number: ``off`` (of its first guest instruction), ``depth`` of loops, ``weight``, and ``span``, the
            first and last position of it in the code; in the order of the code.
        ``values``
            By number of the node, for each live range: ``place`` (a register, ``slotN``, ``home``: read where the
            hart has it, ``remat``: computed anew at each use), ``float``, ``cost`` of spilling it, and ``lives``,
            pairs of a first and a last position.
        ``edges``
            Pairs of nodes that interfere.
        ``figures``
            What allocation says of itself (alloc.pxd).
        ``code``, ``hot``, ``cold``, ``tables``
            The host's code, and how many bytes are in line, out of line, and side tables.
        ``pieces``
            What begins where in the code: dicts with ``at``, an offset in it, and ``what``: ``entry``, ``block`` (with
            its number), ``node`` (with its number), ``end`` (of the block), out of line ``exit``, ``poll``, ``fpu``,
            ``next`` (with an offset of the guest as ``off``, or none), ``miss``, ``refill``, ``divide``, ``rare`` (with
            a ``node``), ``edge`` (with the ``block`` that it comes from), ``pages`` (are the others
            what they were?), and ``tables``.

    Raises
    ------
    ConfigError
        A page or what is warm has another size, there are too many pages, or the header is no offset in the first one.
    MemoryError
        No memory.
    """
    cdef _Shop work = _Shop.__new__(_Shop, page, isa, warm, more, trail, jumps)
    cdef Workshop *shop = work.shop
    cdef _Ranges ranges = _Ranges.__new__(_Ranges)
    cdef uint32_t off, refused
    cdef uint64_t rewrites = <uint64_t>-1 if fuel is None else fuel
    if not 0 <= header < PAGE or header & 1:
        raise ConfigError(f"offset {header:#x} is not that of an instruction",
                          hint=f"It is even, and at most {PAGE - 2:#x}")
    off = header
    with nogil:
        refused = form_region(shop.region, &work.given, off)
    if refused:
        return {"refused": REFUSALS[refused]}
    stages = work.optimise(rewrites)
    if not stages:
        return {"refused": "large"}
    ranges.make(work)
    costs = ranges.costs()
    edges = ranges.edges()
    nnodes = shop.graph.nnodes
    with nogil:
        allocate(&shop.graph, &shop.places, BY_COLOURING)
    if shop.places.failed or not work.emit():
        return {"refused": "large"}
    lives, spans = ranges.intervals(work.layout, work.nlayout)
    if shop.graph.nnodes != nnodes:
        # What was split lives for less long, and its copies live, too.
        ranges.make(work)
        edges = ranges.edges()
        costs.update(ranges.costs())
        lives.update(ranges.intervals(work.layout, work.nlayout)[0])
    blocks = work.blocks()
    places = work.places(lives)
    return {
        "refused": None, "stages": stages, "nodes": work.nodes(), "edges": edges,
        "blocks": {number: {**blocks[number], "span": spans[number]} for number in spans},
        "values": {node: {
            "place": places[node], "float": shop.graph.nodes[<uint32_t>node].type != T_INT, "cost": costs[node],
            "lives": joined(lives[node]) if lives[node] else [],
        } for node in lives},
        "figures": {
            "way": "linear scan" if shop.places.how == BY_LINEAR_SCAN else "colouring",
            "ranges": shop.places.ranges, "pressure": shop.places.pressure, "spilled": shop.places.spilled,
            "slots": shop.places.nslots, "spill_weight": shop.places.spill_weight, "copies": shop.places.copies,
            "coalesced": shop.places.coalesced, "copy_weight": shop.places.copy_weight,
        },
        "code": (<const unsigned char *>shop.window)[:shop.code.a.at - shop.code.a.start],
        "hot": shop.code.hot_bytes, "cold": shop.code.cold_bytes, "tables": shop.code.table_bytes,
        "pieces": work.pieces(),
    }
