"""Graphs of regions from Python: for tests, and for people who look."""

from libc.stdint cimport uint32_t, uint64_t, uint8_t
from libc.string cimport memset

from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.bits cimport known_bits
from vmcore._fast.jit.t2.evaluate cimport LEFT_MEMORY, LEFT_NOT, LEFT_SNAP, LEFT_TO, LEFT_WRONG, evaluate, Run
from vmcore._fast.jit.t2.ir cimport GUESS_PAGE, SNAP_NEXT, SNAP_STEP, T_INT, graph_free, graph_init
from vmcore._fast.jit.t2.known cimport Bits
from vmcore._fast.jit.t2.passes cimport run_pass
from vmcore._fast.jit.t2.scratch cimport scratch_give
from vmcore._fast.jit.t2.text cimport graph_text, read_graph
from vmcore._fast.jit.t2.verify cimport verify, Fault

from vmcore._fast.jit.t2.fold import RULES
from vmcore._fast.jit.t2.passes import PASSES
from vmcore.errors import ConfigError

cdef object ALL_BITS = 0xFFFFFFFFFFFFFFFF
cdef object MOST_FUEL = 0x7FFFFFFFFFFFFFFF

#: How a run of a region came to an end.
WAYS = {LEFT_NOT: "steps", LEFT_SNAP: "snap", LEFT_TO: "to", LEFT_WRONG: "wrong"}
#: What a snapshot asks for.
KINDS = {SNAP_NEXT: "next", SNAP_STEP: "step"}


cdef class Region:
    """The graph of a region.

    Made from text (:meth:`from_text`). One thread at a time may use it.
    """

    def __cinit__(self):
        if graph_init(&self.g) < 0:
            raise MemoryError("no memory for a graph")

    def __dealloc__(self):
        graph_free(&self.g)

    @staticmethod
    def from_text(text):
        """Return the region that a text describes.

        Parameters
        ----------
        text : str
            As :mod:`vmcore._fast.jit.t2.text` has it.

        Raises
        ------
        ConfigError
            The text is none, or what it describes is not well formed.
        MemoryError
            No memory.
        """
        cdef Region region = Region.__new__(Region)
        read_graph(&region.g, text)
        fault = region.verify()
        if fault is not None:
            raise ConfigError(f"the region is not well formed: {fault}")
        return region

    def text(self, *, renumber=True):
        """Return the region as text.

        Parameters
        ----------
        renumber : bool
            Number nodes and blocks as they are printed, so that texts can be compared; else as they are, so that the
            same node has the same number after each pass.
        """
        return graph_text(&self.g, renumber)

    def verify(self):
        """Return what is not well formed, or None. Blocks that are not reached are emptied."""
        cdef Fault fault
        cdef bint good
        with nogil:
            good = verify(&self.g, &fault)
        if good:
            return None
        where = f"block {fault.block}" + (f", node {fault.node}" if fault.node else "")
        return f"{fault.what.decode()} ({where})\n{graph_text(&self.g, False)}"

    @property
    def fuel(self):
        """Rewrites that passes may still make; settable."""
        return self.g.fuel - self.g.burnt

    @fuel.setter
    def fuel(self, rewrites):
        if not 0 <= rewrites <= MOST_FUEL:
            raise ConfigError(f"{rewrites} rewrites are not allowed", hint="From 0 to 2**63 - 1 are")
        self.g.fuel = self.g.burnt + <uint64_t>rewrites

    @property
    def burnt(self):
        """Rewrites that passes made so far."""
        return self.g.burnt

    @property
    def fired(self):
        """Names of the rules that were applied so far, a frozenset."""
        return frozenset(name for i, name in enumerate(RULES) if self.g.fired[i >> 6] >> (i & 63) & 1)

    @property
    def guesses(self):
        """What may be guessed of addresses along chains of pointers: 2 their pages, 1 what is added to them, 0 nothing.

        Raises
        ------
        ConfigError
            It is set to anything else.
        """
        return self.g.guesses

    @guesses.setter
    def guesses(self, value):
        if not 0 <= value <= GUESS_PAGE:
            raise ConfigError(f"{value} cannot be guessed", hint="2 (pages), 1 (what is added) or 0 (nothing)")
        self.g.guesses = value

    @property
    def narrow(self):
        """Whether look-ups are shared within sixteen bytes alone."""
        return bool(self.g.narrow)

    @narrow.setter
    def narrow(self, value):
        self.g.narrow = bool(value)

    def run_pass(self, name):
        """Run a pass.

        Parameters
        ----------
        name : str
            One of :data:`~vmcore._fast.jit.t2.passes.PASSES`.

        Returns
        -------
        int
            The rewrites that it made.

        Raises
        ------
        ConfigError
            There is no such pass.
        MemoryError
            No memory.
        """
        cdef uint32_t number
        cdef uint64_t before = self.g.burnt
        if name not in PASSES:
            raise ConfigError(f"there is no pass {name!r}", hint=f"There are {', '.join(PASSES)}")
        number = PASSES.index(name)
        with nogil:
            run_pass(&self.g, number)
        if self.g.failed:
            raise MemoryError("no memory for a graph, or it is too large")
        return self.g.burnt - before

    def known(self):
        """Return what is known of the bits of the integers.

        Returns
        -------
        dict
            By number of the node, as :meth:`text` shows it without `renumber`: the bits that are 0, those that are 1,
            and how many of the upper ones are equal.

        Raises
        ------
        MemoryError
            No memory.
        """
        cdef Bits *facts
        cdef uint32_t i
        with nogil:
            analyse(&self.g)
            facts = known_bits(&self.g)
        if facts == NULL:
            raise MemoryError("no memory for facts")
        try:
            return {i: (facts[i].zeros, facts[i].ones, facts[i].signs)
                    for i in range(1, self.g.nnodes) if self.g.nodes[i].block and self.g.nodes[i].type == T_INT}
        finally:
            scratch_give(&self.g.scratch, facts)

    def evaluate(self, regs, *, memory=None, base=0, page=0, budget=1 << 40, steps=1_000_000, leave_at=0, frm=0):
        """Execute the region, one node after the other.

        Parameters
        ----------
        regs : dict
            Registers at the entry, by number: 1 to 31 integers, 32 to 63 floating point; others are 0.
        memory : bytearray, optional
            What the guest has at the addresses from `base` on; changed in place. All other addresses miss.
        base : int
            Guest address of the memory.
        page : int
            Virtual address of the page that the region's code is in.
        budget : int
            Instructions until a poll leaves.
        steps : int
            Nodes and ends of blocks that may be executed.
        leave_at : int
            The number, from 1, of the place where it is left although it need not be; 0: none.
        frm : int
            Rounding mode, 0 to 4.

        Returns
        -------
        dict
            ``how`` (a value of :data:`WAYS`), ``what`` (what was wrong, or None), ``kind`` (a value of
            :data:`KINDS`), ``pc``, ``regs`` (the 64 registers, a list), ``budget``, ``executed``, ``places`` (where it
            could have been left), ``flags`` (fflags), ``dirty``, ``block``.

        Raises
        ------
        ConfigError
            An argument is out of range.
        MemoryError
            No memory.
        """
        cdef Run run
        cdef uint8_t[::1] view
        memset(&run, 0, sizeof(run))
        if not 0 <= frm <= 4:
            raise ConfigError(f"{frm} is no rounding mode", hint="They are 0 to 4")
        for reg, value in regs.items():
            if not 1 <= reg <= 63:
                raise ConfigError(f"{reg} is no register", hint="They are 1 to 63")
            run.regs[<uint32_t>reg] = value & ALL_BITS
        if memory is not None and len(memory):
            view = memory
            run.memory = &view[0]
            run.size = view.shape[0]
        run.base = base & ALL_BITS
        run.page = page & ALL_BITS
        run.budget = budget
        run.steps = steps
        run.leave_at = leave_at
        run.frm = frm
        with nogil:
            evaluate(&self.g, &run)
        if run.how == LEFT_MEMORY:
            raise MemoryError("no memory to evaluate a graph")
        return {
            "how": WAYS[run.how], "what": run.what.decode() if run.what != NULL else None, "kind": KINDS[run.kind],
            "pc": run.pc, "regs": [run.regs[i] for i in range(64)], "budget": run.budget, "executed": run.executed,
            "places": run.places, "flags": run.flags, "dirty": bool(run.dirty), "block": run.block,
        }
