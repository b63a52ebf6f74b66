"""The run loop: whose turn it is, for how long, and what its exits mean; and Core, a machine that can run."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.number cimport PyNumber_Index
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.defs cimport (
    NO_DEADLINE, clock_advance, clock_next, gva_t, pins_raise, vmcore_load32, vmcore_store32, vmcore_swap32)
from vmcore._fast.hart.clock cimport vmcore_monotonic_ns
from vmcore._fast.hart.codepage cimport drop_all
from vmcore._fast.hart.control cimport run_hart
from vmcore._fast.hart.fpregs cimport fpu_enter, fpu_leave
from vmcore._fast.hart.state cimport (
    LEAVE_HTIF, LEAVE_PROBE, LEAVE_PYMMIO, LEAVE_SBI, LEAVE_WAIT, LEAVE_YIELD, Hart, System)
from vmcore._fast.hart.trap cimport mip_of
from vmcore._fast.jit.codebuf cimport code_generation
from vmcore._fast.jit.cache cimport CodeCache, cache_evict, cache_figures
from vmcore._fast.jit.t2.made cimport regions_of
from vmcore._fast.jit.t2.tier cimport SAMPLE_INSNS, tier_figures
from vmcore._fast.memory.alloc cimport vm_alloc, vm_free
from vmcore._fast.memory.ram cimport Region
from vmcore._fast.state cimport State

from vmcore.errors import ClosedError, ConfigError, DeviceError

cdef enum:
    # Instructions between two looks at the host's signals: well below 100 ms at any speed.
    SIGNAL_POLL = 4_000_000

EXITS = {
    "budget": EXIT_BUDGET, "probe": EXIT_PROBE, "sbi": EXIT_SBI, "deadline": EXIT_DEADLINE, "idle": EXIT_IDLE,
    "stop": EXIT_STOP, "htif": EXIT_HTIF, "power": EXIT_POWER,
}


# Its memory and clock are taken back in State.__dealloc__, so the collector must not clear them before.
@cython.no_gc_clear
cdef class Core(State):
    """A machine that can run: probes, turns, exits. It is made as its :class:`~vmcore._fast.state.State` is."""

    # --- probes -----------------------------------------------------------------------------------------------

    cdef int rebuild_probes(self) except -1:
        cdef uint64_t n = len(self.hooks)
        self.still_all()
        self.hit = None
        cdef gva_t *table = NULL
        cdef uint32_t i, off
        if n:
            table = <gva_t *>vm_alloc(n * sizeof(gva_t))
            if table == NULL:
                raise MemoryError("no memory for the probes")
        memset(self.sys.probe_map, 0, sizeof(self.sys.probe_map))
        for i, address in enumerate(sorted(self.hooks)):
            table[i] = address
            off = address & 4095
            self.sys.probe_map[off >> 4] |= 1 << ((off >> 1) & 7)
        vm_free(self.sys.probes)
        self.sys.probes = table
        self.sys.nprobes = <uint32_t>n
        # Decoded pages hold their probes: all are decoded anew.
        drop_all(self.sys)
        return 0

    def probe_add(self, gva):
        """Stop (``EXITS["probe"]``) before the instruction at `gva` is executed."""
        if self.closed:
            raise ClosedError("the machine is closed")
        self.hook_add(gva, None)

    def probe_remove(self, gva):
        """Undo one :meth:`probe_add`."""
        self.hook_remove(gva, None)

    def hook_add(self, gva, callback):
        """Call `callback` before the instruction at `gva`; a true result ends the run.

        It is given the hart's entry of :attr:`hook_args`: its index, unless the owner put something else there.
        """
        if self.closed:
            raise ClosedError("the machine is closed")
        self.still_all()
        if gva & 1:
            raise ConfigError(f"no instruction can be at the odd address {gva:#x}")
        gva &= 0xFFFFFFFFFFFFFFFF
        self.hooks[gva] = (*self.hooks.get(gva, ()), callback)
        self.rebuild_probes()

    def hook_remove(self, gva, callback):
        """Undo one :meth:`hook_add`."""
        self.still_all()
        gva &= 0xFFFFFFFFFFFFFFFF
        callbacks = list(self.hooks.get(gva, ()))
        if callback not in callbacks:
            raise ConfigError(f"no such hook or breakpoint at {gva:#x}")
        callbacks.remove(callback)
        if callbacks:
            self.hooks[gva] = tuple(callbacks)
        else:
            del self.hooks[gva]
        self.rebuild_probes()

    # --- running ----------------------------------------------------------------------------------------------

    def request_stop(self):
        """End the current (or the next) run with ``EXITS["stop"]``. Safe from any thread and from signal handlers."""
        cdef uint32_t i
        if self.sys != NULL:
            vmcore_store32(&self.sys.request, 1)
            for i in range(self.nharts):
                pins_raise(&self.sys.harts[i].pins)

    def forget_stop(self):
        """Take back a :meth:`request_stop` that came too late for the run it was meant for."""
        if self.sys != NULL:
            vmcore_swap32(&self.sys.request, 0)

    cdef int run_system(self, uint64_t budget, uint64_t until_ns) noexcept nogil:
        # Returns EXIT_*. Budgets count instructions of all harts together.
        cdef System *sys = self.sys
        cdef Hart *h
        cdef uint64_t n, due, ran
        cdef uint32_t i, _turn
        cdef int reason
        while True:
            if vmcore_load32(&sys.request):
                vmcore_store32(&sys.request, 0)
                return EXIT_STOP
            sys.clock.changed = 0
            if sys.host_clock:
                sys.clock.now_ns = vmcore_monotonic_ns() - sys.host_base_ns
            due = clock_next(sys.clock)
            if sys.clock.now_ns >= due:
                clock_advance(sys.clock, sys.clock.now_ns)
                continue
            for i in range(self.nwatched):
                if self.watched[i][0]:
                    return EXIT_POWER
            if budget == 0:
                return EXIT_BUDGET
            if sys.clock.now_ns >= until_ns:
                return EXIT_DEADLINE
            # Whose turn is it?
            if self.quantum_left == 0:
                self.current = (self.current + 1) % self.nharts
                self.quantum_left = self.quantum
            h = NULL
            for _turn in range(self.nharts):
                h = sys.harts[self.current]
                if h.waiting and mip_of(h) & h.mie:
                    h.waiting = 0
                if not h.stopped and not h.waiting:
                    break
                h = NULL
                self.current = (self.current + 1) % self.nharts
                self.quantum_left = self.quantum
            if h == NULL:
                if sys.host_clock or due == NO_DEADLINE:
                    if not sys.host_clock and until_ns != NO_DEADLINE:
                        sys.clock.now_ns = until_ns
                        return EXIT_DEADLINE
                    return EXIT_IDLE
                # Nobody has anything to do before `due`: time jumps there.
                sys.clock.now_ns = due if due < until_ns else until_ns
                continue
            if self.last != self.current:
                # A reservation does not outlive another hart's turn, so none of its stores can be missed.
                sys.harts[self.last].res_size = 0
                self.last = self.current
            n = self.quantum_left if self.quantum_left < budget else budget
            if sys.sample != NULL and n > SAMPLE_INSNS:
                # It is looked where the hart is now and then.
                n = SAMPLE_INSNS
            if not sys.host_clock:
                if due > until_ns:
                    due = until_ns
                ran = (due - sys.clock.now_ns + sys.ns_per_insn - 1) // sys.ns_per_insn
                if ran < n:
                    n = ran
            sys.q_ns = sys.clock.now_ns
            sys.q_icount = h.icount
            run_hart(h, n)
            ran = h.icount - sys.q_icount
            if not sys.host_clock:
                sys.clock.now_ns = sys.q_ns + ran * sys.ns_per_insn
            budget -= ran
            self.budget_left = budget
            self.quantum_left -= ran
            reason = h.exit_reason
            if reason == LEAVE_WAIT or reason == LEAVE_YIELD:
                self.quantum_left = 0
            elif reason == LEAVE_PYMMIO:
                return EXIT_PYMMIO
            elif reason == LEAVE_PROBE:
                return EXIT_PROBE
            elif reason == LEAVE_SBI:
                return EXIT_SBI
            elif reason == LEAVE_HTIF:
                return EXIT_HTIF

    cdef int serve(self, Hart *h) except -1:
        # An access of `h` to a device written in Python.
        cdef Region *r = &self.sys.mem.regions[h.mmio_region]
        device = self.devices[h.mmio_region]
        name = getattr(device, "name", type(device).__name__)
        if h.mmio_write:
            try:
                device.write(h.mmio_off, h.mmio_size, h.mmio_value)
            except Exception as error:
                raise DeviceError(f"device {name!r} at {r.base:#x} raised {type(error).__name__} serving a write of "
                                  f"{h.mmio_size} bytes at offset {h.mmio_off:#x}: {error}") from error
            return 0
        try:
            value = device.read(h.mmio_off, h.mmio_size)
            h.mmio_value = <uint64_t>(int(value) & 0xFFFFFFFFFFFFFFFF)
        except Exception as error:
            raise DeviceError(f"device {name!r} at {r.base:#x} raised {type(error).__name__} serving a read of "
                              f"{h.mmio_size} bytes at offset {h.mmio_off:#x}: {error}") from error
        h.mmio_done = 1
        return 0

    cdef int check_generation(self) except -1:
        if self.sys.cache != NULL and code_generation() != (<CodeCache *>self.sys.cache).generation:
            raise ClosedError("this machine belongs to the process that was forked from",
                              hint="Make machines in the child; code compiled by the parent cannot be run there")
        return 0

    cdef void tidy_code(self) noexcept:
        if vmcore_load32(&self.code_due):
            vmcore_store32(&self.code_due, 0)
            # All of it fits where it was; only the holes go.
            if self.sys.cache != NULL:
                cache_evict(self.sys, (<CodeCache *>self.sys.cache).limit)

    cdef bint at_probe(self, Hart *h) except -1:
        # `h` is at a probed address: whether its callbacks end the run.
        cdef bint stop = False
        h.resume_pc = h.pc
        h.resuming = 1
        # The same place is often hit again: its callbacks are at hand.
        if self.hit is None or h.pc != self.hit_pc:
            self.hit = self.hooks.get(h.pc)
            self.hit_pc = h.pc
        callbacks = self.hit
        if callbacks is None:
            return True
        argument = self.hook_args[self.exit_hart]
        for callback in <tuple>callbacks:
            if callback is None or callback(argument):
                stop = True
        return stop

    def run(self, max_insns=None, until_ns=None):
        """Run until something happens.

        Parameters
        ----------
        max_insns : int, optional
            Instructions that all harts together may attempt.
        until_ns : int, optional
            Virtual time at which to return.

        Returns
        -------
        int
            One of :data:`EXITS`; :attr:`exit_hart` is the hart that caused it.
        """
        cdef uint64_t budget = NO_DEADLINE
        cdef uint64_t part
        cdef uint64_t until = NO_DEADLINE
        cdef uint64_t fpu
        cdef int reason
        cdef Hart *h
        self.check_idle()
        self.check_generation()
        if self.sys.parallel:
            raise ConfigError("the harts of this machine are parallel", hint="run_team() runs them")
        if max_insns is not None:
            try:
                budget = PyNumber_Index(max_insns)
            except (TypeError, OverflowError):
                raise ConfigError(f"max_insns={max_insns!r} is no number of instructions",
                                  hint="Give a whole number from 0 to 2**64 - 1") from None
        if until_ns is not None:
            until = until_ns
        self.running = True
        try:
            while True:
                self.tidy_code()
                part = budget if budget < <uint64_t>SIGNAL_POLL else <uint64_t>SIGNAL_POLL
                self.budget_left = part
                with nogil:
                    fpu = fpu_enter()
                    reason = self.run_system(part, until)
                    fpu_leave(fpu)
                if reason == EXIT_BUDGET and part < budget:
                    # Only a look at the host's signals: Ctrl-C raises here, between two instructions.
                    budget -= part
                    PyErr_CheckSignals()
                    continue
                budget = budget - part + self.budget_left
                self.insns_left = budget
                if reason != EXIT_PYMMIO and reason != EXIT_PROBE:
                    self.exit_hart = self.current
                    return reason
                h = self.sys.harts[self.last]
                self.exit_hart = self.last
                if reason == EXIT_PYMMIO:
                    self.serve(h)
                    continue
                if self.at_probe(h):
                    return reason
        finally:
            self.running = False

    @property
    def now_ns(self):
        """int: virtual time in nanoseconds."""
        return self.sys.clock.now_ns

    def stop_host_clock(self):
        """Note that the machine stands still: host time that passes until it runs again does not count."""
        if self.sys.host_clock:
            self.sys.clock.now_ns = vmcore_monotonic_ns() - self.sys.host_base_ns

    def start_host_clock(self):
        """Let the clock go on where :meth:`stop_host_clock` left it."""
        self.check_idle()
        if self.sys.host_clock:
            self.sys.host_base_ns = vmcore_monotonic_ns() - self.sys.clock.now_ns

    def regions(self):
        """Return the optimised regions that there are now, for whoever has them compiled again.

        Returns
        -------
        list of tuple
            Of each: the bytes of its page, the offset in it where it begins, which halfwords of the page are warm, a
            bit for each, its other pages, and the jumps of its page to what a register says
            (:func:`vmcore._fast.jit.t2.explain.explain_region`).
        """
        return regions_of(self.sys)

    def stats(self):
        """Return counters of the engine as a dict."""
        cdef System *s = self.sys
        figures = {
            "instructions": self.icount(),
            "decoded_runs": sum(s.harts[<int>i].n_decoded for i in range(s.nharts)),
            "tlb_fills": sum(s.harts[<int>i].n_fills for i in range(s.nharts)),
            "l2_tlb_hits": sum(s.harts[<int>i].n_tlb2_hits for i in range(s.nharts)),
            "page_walks": sum(s.harts[<int>i].n_walks for i in range(s.nharts)),
            "traps": sum(s.harts[<int>i].n_traps for i in range(s.nharts)),
            "mmio": sum(s.harts[<int>i].n_mmio for i in range(s.nharts)),
            "code_bytes": s.code_bytes + sum(s.harts[<int>i].code_bytes for i in range(s.nharts)),
            "evictions": s.code_serial,
            "t1_insns": sum(s.harts[<int>i].n_code for i in range(s.nharts)),
            "exits": sum(s.harts[<int>i].n_exits for i in range(s.nharts)),
            "exits_to_step": sum(s.harts[<int>i].n_steps for i in range(s.nharts)),
            "l1_misses": sum(s.harts[<int>i].n_misses for i in range(s.nharts)),
        }
        figures["t0_insns"] = figures["instructions"] - figures["t1_insns"]
        if s.cache != NULL:
            figures.update(cache_figures(s))
            figures.update(tier_figures(s))
        if s.cache != NULL and s.counting:
            hits = sum(s.harts[<int>i].n_hits for i in range(s.nharts))
            lookups = sum(s.harts[<int>i].n_lookups for i in range(s.nharts))
            figures.update(l1_lookups=lookups, l1_hits=hits, l1_hit_pct=100 * hits / lookups if lookups else 0.0)
        if self.store is not None:
            held = self.store.figures()
            figures.update(l3_pages=held.pages, l3_bytes=held.held_bytes, l3_disk_bytes=held.disk_bytes,
                           l3_hot=held.hot, l3_warm=held.warm, l3_cold=held.cold)
        return figures
