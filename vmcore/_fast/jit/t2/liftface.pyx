"""Regions and their graphs as they are before any pass, from Python: for tests, and for people who look."""

from libc.stdint cimport int32_t, uint32_t
from libc.string cimport memcpy, memset

from vmcore._fast.jit.t2 import lift_fp, lift_int, lift_mem
from vmcore._fast.jit.image cimport MOST_JUMPS, Jump
from vmcore._fast.jit.t2.flow cimport GO_AWAY, GO_BACK, GO_BRANCH, GO_ON, GO_SWITCH, GO_TO, Place
from vmcore._fast.jit.t2.given cimport fill_jumps, fill_trail
from vmcore._fast.jit.t2.ir cimport (
    MOST_OFF, Graph, Node, Snap, edge_arg, graph_free, graph_init, op_row, snap_node, snap_reg)
from vmcore._fast.jit.t2.lift cimport lift_region
from vmcore._fast.jit.t2.reach cimport MOST_LED, Led, led_to
from vmcore._fast.jit.t2.region cimport (
    NOT_A_PLACE, REFUSED_COLD, REFUSED_FIRST, REFUSED_LARGE, REFUSED_MEMORY, REFUSED_NOT, Region, form_region,
    loop_header, region_free, region_new)
from vmcore._fast.jit.t2.trail cimport TRAIL, count_ways
from vmcore._fast.jit.t2.ways cimport MOST_PAGES, RegionInput, address_of
from vmcore.errors import ConfigError

#: What fills the tables of the lifter when it is imported.
LIFTER_MODULES = (lift_fp, lift_int, lift_mem)
#: Why there is no region, by number.
REFUSALS = {
    REFUSED_NOT: None, REFUSED_COLD: "cold", REFUSED_FIRST: "first", REFUSED_LARGE: "large", REFUSED_MEMORY: "memory",
}
#: How a basic block goes on.
WAYS = {GO_ON: "on", GO_BRANCH: "branch", GO_TO: "to", GO_BACK: "back", GO_AWAY: "away", GO_SWITCH: "switch"}
PAGE = 4096
#: How many pages a region may be made of.
REGION_PAGES = <int>MOST_PAGES


cdef int check_page(const unsigned char[::1] page) except -1:
    if page.shape[0] != PAGE:
        raise ConfigError(f"{page.shape[0]} bytes are no page", hint=f"A page has {PAGE}")
    return 0


cdef class Former:
    """A page that regions are made of, and others that they may lead to.

    One thread at a time may use it.

    Parameters
    ----------
    page : bytes
        4096 bytes of code.
    isa : int
        The extensions that are on, as :attr:`vmcore.isa.riscv.extensions.Isa.mask` has them.
    more : dict of int to bytes, optional
        Other pages, by how many bytes they lie behind the first one, at most seven. All of them is warm.
    warm : iterable of int, optional
        Offsets of the halfwords of the first page that are warm; everything, if left out.
    taken : iterable of int, optional
        Offsets where no header is looked for.
    targets : iterable of int, optional
        Offsets where jumps to what a register says have gone lately.
    trail : iterable of int, optional
        What was executed lately, in order: offsets from the start of the first page.
    jumps : iterable of tuple, optional
        Jumps of the first page to what a register says that were seen, returns apart: offsets of where from and where
        to, and how often.
    limit : int
        Instructions of a region.
    harts : int
        How many there are.
    parallel : bool
        Each of them has a thread of its own.

    Raises
    ------
    ConfigError
        A page has another size, there are too many, or an offset does not lie in the first one.
    MemoryError
        No memory.
    """

    cdef Region *region
    cdef RegionInput given
    cdef unsigned char pages[MOST_PAGES][4096]
    cdef unsigned char warm[MOST_PAGES][256]
    cdef int32_t at[MOST_PAGES]
    cdef unsigned char taken[256]
    cdef unsigned char targets[256]
    cdef int32_t trail[TRAIL]
    cdef Jump jumps[MOST_JUMPS]

    def __cinit__(self, const unsigned char[::1] page, isa, *, more=None, warm=None, taken=(), targets=(), trail=(),
                  jumps=(), limit=500, harts=1, parallel=False):
        check_page(page)
        memcpy(self.pages, &page[0], PAGE)
        memset(self.warm, 0xFF, sizeof(self.warm))
        if warm is not None:
            memset(self.warm[0], 0, sizeof(self.warm[0]))
        self.at[0] = 0
        self.given.npages = 1
        for distance, other in (more or {}).items():
            self.add(distance, other)
        memset(self.taken, 0, sizeof(self.taken))
        for off in warm or ():
            self.warm[0][self.checked(off) >> 4] |= 1 << ((off >> 1) & 7)
        for off in taken:
            self.taken[self.checked(off) >> 4] |= 1 << ((off >> 1) & 7)
        memset(self.targets, 0, sizeof(self.targets))
        for off in targets:
            self.targets[self.checked(off) >> 4] |= 1 << ((off >> 1) & 7)
        self.given.pages = &self.pages[0][0]
        self.given.warm = &self.warm[0][0]
        self.given.at = self.at
        self.given.taken = self.taken
        self.given.targets = self.targets
        self.given.ntrail = fill_trail(self.trail, trail)
        self.given.njumps = fill_jumps(self.jumps, jumps)
        self.given.jumps = self.jumps
        self.given.trail = self.trail
        self.given.isa = isa
        self.given.limit = limit
        self.given.many_harts = harts > 1
        self.given.parallel = parallel
        self.region = region_new()
        if self.region == NULL:
            raise MemoryError("no memory for a region")

    def __dealloc__(self):
        region_free(self.region)

    cdef int add(self, distance, const unsigned char[::1] other) except -1:
        cdef uint32_t number = self.given.npages
        check_page(other)
        if number == MOST_PAGES:
            raise ConfigError(f"there are more than {number} pages", hint="Leave out what is led to least")
        if distance % PAGE or not -MOST_OFF < distance < MOST_OFF:
            raise ConfigError(f"no page lies {distance:#x} bytes from another one",
                              hint=f"It is a multiple of {PAGE}, within {<int>MOST_OFF:#x}")
        memcpy(self.pages[number], &other[0], PAGE)
        self.at[number] = distance
        self.given.npages = number + 1
        return 0

    cdef int checked(self, off) except -1:
        if not 0 <= off < PAGE or off & 1:
            raise ConfigError(f"offset {off:#x} is not that of an instruction",
                              hint=f"It is even, and at most {PAGE - 2:#x}")
        return off

    def header(self, sample, *, innermost=False):
        """Return which offset to make the header of a region for what is executed at `sample`, or None."""
        cdef uint32_t off = self.checked(sample)
        cdef uint32_t found
        cdef bint inner = innermost
        with nogil:
            found = loop_header(self.region, &self.given, off, inner)
        return None if found == NOT_A_PLACE else found

    def form(self, header):
        """Return the region at that offset.

        Returns
        -------
        dict
            ``refused`` (why there is none, or None), ``loop``, ``insns``, ``pages`` (the bytes that those of its
            pages lie behind the first one), and ``places``: the basic blocks in reverse postorder, with ``off``
            (from the start of the first page, as all of them), ``context``, ``insns``, ``how`` (a value of
            :data:`WAYS`), ``ways`` (pairs of an offset and the index of a basic block, -1: it leaves the region),
            ``times`` (how often each of them was gone in the trail) and ``loop`` (the index of the header of the
            innermost loop around it, -1: none).
        """
        cdef uint32_t off = self.checked(header)
        cdef uint32_t i
        cdef Region *r = self.region
        cdef const Place *p
        with nogil:
            if form_region(r, &self.given, off) == REFUSED_NOT:
                count_ways(r)
        found = {"refused": REFUSALS[r.refused], "loop": bool(r.is_loop), "insns": r.ninsns, "places": [],
                 "pages": [self.at[i] for i in range(self.given.npages) if r.used >> i & 1]}
        if r.refused:
            return found
        for i in range(r.flow.norder):
            p = &r.flow.places[r.flow.order[i]]
            found["places"].append({
                "off": address_of(&r.guide, p.off), "context": p.context, "insns": p.insns, "how": WAYS[p.how],
                "ways": [(p.ways[k].off, r.flow.places[p.ways[k].to].order - 1 if p.ways[k].to else -1)
                         for k in range(p.nways)],
                "times": [p.ways[k].times for k in range(p.nways)],
                "loop": r.flow.places[p.loop].order - 1 if p.loop else -1,
            })
        return found

    def lift(self, header):
        """Return the graph of the region at that offset.

        Returns
        -------
        dict or None
            ``fpu``, ``insns``, ``blocks`` (a dict by number) and ``nodes`` (a dict by number); None if there is no
            region. A block has ``nodes`` (their numbers, in order), ``end``, ``cond``, ``snap``, ``edges`` (pairs of a
            block and the nodes of its arguments) and ``off``. A node has the fields of ``ir.pxd``. A snapshot has
            ``off``, ``count``, ``kind`` and ``regs`` (a dict of nodes by register).

        Raises
        ------
        MemoryError
            No memory.
        """
        cdef Graph g
        cdef uint32_t off = self.checked(header)
        with nogil:
            form_region(self.region, &self.given, off)
        if self.region.refused:
            return None
        if graph_init(&g) < 0:
            raise MemoryError("no memory for a graph")
        try:
            with nogil:
                lift_region(self.region, &g)
            if g.failed:
                raise MemoryError("no memory for a graph, or the region is too large for one")
            return describe(&g)
        finally:
            graph_free(&g)


def pages_led_to(const unsigned char[::1] page, isa, here):
    """Return which other pages the instructions of a page lead to, as far as they say so themselves.

    Parameters
    ----------
    page : bytes
        4096 bytes of code.
    isa : int
        The extensions that are on, as :attr:`vmcore.isa.riscv.extensions.Isa.mask` has them.
    here : int
        An offset in the page: what is led to from near it comes first.

    Returns
    -------
    list of int
        How many bytes they lie behind this one.

    Raises
    ------
    ConfigError
        The page has another size.
    """
    cdef Led led[MOST_LED]
    cdef unsigned char warm[256]
    cdef uint32_t i
    check_page(page)
    memset(warm, 0xFF, sizeof(warm))
    return [led[i].to & -PAGE for i in range(led_to(&page[0], warm, isa, here, led))]


cdef dict describe_snap(const Graph *g, uint32_t snap):
    cdef const Snap *s = &g.snaps[snap]
    if snap == 0:
        return None
    return {"off": s.off, "count": s.count, "kind": s.kind,
            "regs": {snap_reg(g, s, i): snap_node(g, s, i) for i in range(s.nregs)}}


cdef dict describe(const Graph *g):
    cdef uint32_t number, node
    cdef const Node *n
    blocks, nodes = {}, {}
    for number in range(1, g.nblocks):
        inside = []
        node = g.blocks[number].first
        while node:
            n = &g.nodes[node]
            nodes[node] = {
                "op": op_row(n.op).name.decode(), "type": n.type, "flags": n.flags, "size": n.size, "mode": n.mode,
                "a": n.a, "b": n.b, "c": n.c, "imm": n.imm, "snap": describe_snap(g, n.snap),
            }
            inside.append(node)
            node = n.next
        blocks[number] = {
            "nodes": inside, "end": g.blocks[number].end, "cond": g.blocks[number].cond, "off": g.blocks[number].off,
            "snap": describe_snap(g, g.blocks[number].snap),
            "edges": [(g.blocks[number].edges[k].to, [edge_arg(g, &g.blocks[number].edges[k], i)
                                                      for i in range(g.blocks[number].edges[k].nargs)])
                      for k in range(g.blocks[number].nedges)],
        }
    return {"fpu": bool(g.has_fpu), "insns": g.insns, "blocks": blocks, "nodes": nodes}
