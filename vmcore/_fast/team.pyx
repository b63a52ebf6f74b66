"""Parallel harts: one thread a hart without the GIL, and one lock for whatever they leave to Python.

Each hart's thread runs its hart in slices. Between two slices it looks at what the machine wants of it: to end, to wait
while somebody holds the hart (hart/parking.pxd), to forget dead code, to fire timers that are due, to sleep. What needs
Python (a call of the firmware, a device written in Python, a hook) is served by that same thread under the machine's
lock, while the others go on; a hart that the server touches stands still until it is done. The caller's thread is that
of hart 0: it looks at the host's signals, too, and notices when all harts wait.
"""

import os
import threading
import time

from cpython.exc cimport PyErr_CheckSignals
from cpython.number cimport PyNumber_Index
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport (
    NO_DEADLINE, clock_fire, clock_next, pins_raise, vmcore_add32, vmcore_add64, vmcore_load32, vmcore_load64,
    vmcore_lock, vmcore_look32, vmcore_raise64, vmcore_store32, vmcore_store64, vmcore_swap32, vmcore_unlock)
from vmcore._fast.hart.clock cimport vmcore_monotonic_ns
from vmcore._fast.hart.codepage cimport catch_up, drop_all, reap
from vmcore._fast.hart.control cimport run_hart
from vmcore._fast.hart.fpregs cimport fpu_enter, fpu_leave
from vmcore._fast.hart.parking cimport park_enter, park_leave, park_sleep
from vmcore._fast.hart.state cimport LEAVE_HTIF, LEAVE_PROBE, LEAVE_PYMMIO, LEAVE_SBI, LEAVE_YIELD, Hart, System
from vmcore._fast.hart.trap cimport mip_of
from vmcore._fast.jit.cache cimport cache_evict
from vmcore._fast.run cimport (
    EXIT_BUDGET, EXIT_DEADLINE, EXIT_FULL, EXIT_HTIF, EXIT_IDLE, EXIT_LOOK, EXIT_OVER, EXIT_POWER, EXIT_PROBE,
    EXIT_PYMMIO, EXIT_SBI, EXIT_STOP, Core)
from vmcore.errors import ClosedError, ConfigError

cdef extern from "sched.h" nogil:
    int sched_yield()

cdef extern from *:
    """
    /* Take up to `most` of what is left of *budget; 0: nothing is left. */
    static inline uint64_t vmcore_take(uint64_t *budget, uint64_t most, uint64_t parts)
    {
        uint64_t left = __atomic_load_n(budget, __ATOMIC_ACQUIRE), n;
        do {
            n = left / parts + (left % parts != 0);
            if (n > most) n = most;
            if (n > left) n = left;
        } while (n && !__atomic_compare_exchange_n(budget, &left, left - n, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
        return n;
    }
    """
    uint64_t vmcore_take(uint64_t *budget, uint64_t most, uint64_t parts) nogil

cdef enum:
    # Instructions between two looks around: a tenth of a millisecond or so.
    SLICE = 100_000
    # Between two looks at the host's signals, and whether all harts wait; and the longest that any other hart sleeps.
    LOOK_NS = 10_000_000
    IDLE_LOOK_NS = 5_000_000
    SLEEP_NS = 20_000_000
    # What turn() answers beside EXIT_*.
    TURN_ON = -1
    TURN_SLEEP = -2
    TURN_YIELD = -3

# Machines whose harts run now: what os.fork() leaves of them in the child is of no use, see _abandon().
cdef set cores_that_run = set()


cdef inline uint64_t bring_up(System *sys) noexcept nogil:
    # Bring the machine's clock up to date.
    vmcore_raise64(&sys.clock.now_ns, vmcore_monotonic_ns() - sys.host_base_ns)
    return vmcore_load64(&sys.clock.now_ns)


cdef class Team:
    """The threads of one run. Made by :func:`run_team`."""

    cdef int turn(self, Hart *h, uint64_t *nap) noexcept nogil:
        # One slice of a hart that is busy. An exit that is for Python, or TURN_*.
        cdef System *sys = h.sys
        cdef uint64_t now, due, n, before
        cdef uint32_t i
        if vmcore_look32(&sys.over):
            return EXIT_OVER
        if vmcore_load32(&sys.request) and vmcore_swap32(&sys.request, 0):
            return EXIT_STOP
        if vmcore_load32(&sys.code_full):
            return EXIT_FULL
        if h.code_serial != vmcore_load64(&sys.code_serial):
            catch_up(h)
            vmcore_lock(&sys.code_lock)
            reap(sys)
            vmcore_unlock(&sys.code_lock)
        now = bring_up(sys)
        due = clock_next(sys.clock)
        if now >= due:
            vmcore_lock(&sys.clock.lock)
            clock_fire(sys.clock, now)
            vmcore_unlock(&sys.clock.lock)
            due = clock_next(sys.clock)
        for i in range(self.nwatched):
            if vmcore_load32(self.watched[i]):
                return EXIT_POWER
        if h.index == 0:
            if now >= vmcore_load64(&self.until_ns):
                return EXIT_DEADLINE
            if now >= self.next_look_ns:
                return EXIT_LOOK
            due = min(due, vmcore_load64(&self.until_ns))
        if h.stopped or h.waiting:
            # ORDER: taken back before the lines are looked at; whoever raises one from now on is seen by park_sleep().
            vmcore_swap32(&h.pins.exit_req, 0)
            if h.stopped or not mip_of(h) & h.mie:
                if vmcore_load64(&sys.budget) == 0 and vmcore_load32(&sys.takers) == 0:
                    return EXIT_BUDGET
                nap[0] = due - now if due > now else 0
                n = <uint64_t>IDLE_LOOK_NS if h.index == 0 else <uint64_t>SLEEP_NS
                if nap[0] > n:
                    nap[0] = n
                return TURN_SLEEP
            h.waiting = 0
            vmcore_store32(&h.pins.exit_req, 1)
        # What others have taken and do not need comes back before they are no takers any more: so what is gone is gone.
        vmcore_add32(&sys.takers, 1)
        n = vmcore_take(&sys.budget, SLICE, sys.nharts)
        if n:
            before = h.icount
            run_hart(h, n)
            vmcore_add64(&sys.budget, n - (h.icount - before))
        # (It counts modulo 2**32: this also counts downwards.)
        if vmcore_add32(&sys.takers, ~<uint32_t>0) == 1 and n == 0 and vmcore_load64(&sys.budget) == 0:
            return EXIT_BUDGET
        if n == 0:
            return TURN_YIELD
        if h.exit_reason == LEAVE_PYMMIO:
            return EXIT_PYMMIO
        if h.exit_reason == LEAVE_PROBE:
            return EXIT_PROBE
        if h.exit_reason == LEAVE_SBI:
            return EXIT_SBI
        if h.exit_reason == LEAVE_HTIF:
            return EXIT_HTIF
        return TURN_YIELD if h.exit_reason == LEAVE_YIELD else TURN_ON

    cdef int work(self, Hart *h) noexcept nogil:
        # Run the hart until something is for Python: EXIT_*. It is not busy then.
        cdef uint64_t nap = 0
        cdef int what
        while True:
            park_enter(h)
            what = self.turn(h, &nap)
            park_leave(h)
            if what >= 0:
                return what
            if what == TURN_SLEEP:
                park_sleep(h, nap)
                if h.index == 0:
                    return EXIT_LOOK
            elif what == TURN_YIELD:
                sched_yield()

    cdef void end(self) noexcept:
        # Every hart leaves at its next poll.
        cdef uint32_t i
        cdef System *sys = self.core.sys
        vmcore_swap32(&sys.over, 1)
        for i in range(sys.nharts):
            pins_raise(&sys.harts[i].pins)

    cdef bint all_wait(self) noexcept:
        # Asked by hart 0's thread, with the lock: nobody else serves, so only a hart that is awake could wake another.
        # One look does not do: the last one awake may have woken one that was looked at before, and gone to sleep. If
        # nobody has woken since the first look began, all sleep since it ended, and the second one sees who is raised.
        cdef System *sys = self.core.sys
        cdef uint32_t woken = vmcore_look32(&sys.woken)
        return self.seem_to_wait() and self.seem_to_wait() and vmcore_look32(&sys.woken) == woken

    cdef object serve_idle(self):
        # A hart that sleeps until a timer is due wakes by itself, fires it, and leaves no deadline behind: a machine is
        # idle only if there was none before either, and nobody has woken all the while.
        cdef System *sys = self.core.sys
        cdef uint32_t woken = vmcore_look32(&sys.woken)
        cdef bint quiet = clock_next(sys.clock) == NO_DEADLINE
        if not self.all_wait():
            return None
        stop = self.serve(EXIT_IDLE)
        if not (quiet and vmcore_look32(&sys.woken) == woken):
            return None
        return stop

    cdef bint seem_to_wait(self) noexcept:
        cdef System *sys = self.core.sys
        cdef Hart *h
        cdef uint32_t i
        for i in range(sys.nharts):
            h = sys.harts[i]
            if i and not vmcore_look32(&h.pins.sleeping):
                return False
            if vmcore_look32(&h.pins.exit_req) or not (h.stopped or h.waiting):
                return False
        return True

    cdef int note_until(self) except -1:
        cdef uint64_t until = NO_DEADLINE
        cdef bint sooner
        if self.next_stop is not None:
            limit = self.next_stop()
            if limit is not None:
                until = limit
        sooner = until < self.until_ns
        vmcore_store64(&self.until_ns, until)
        if sooner and self.core.server_hart:
            pins_raise(&self.core.sys.harts[0].pins)
        return 0

    cdef object answer_to(self, Hart *h, int code):
        # Serve an exit of the hart, with the lock. What is not None ends the run.
        cdef Core core = self.core
        cdef System *sys = core.sys
        if code == EXIT_PYMMIO:
            core.serve(h)
            return None
        if code == EXIT_FULL:
            core.still_all()
            if sys.code_full:
                sys.code_full = 0
                drop_all(sys)
                cache_evict(sys, 0)
            return None
        if code == EXIT_LOOK:
            return self.serve_idle()
        if code == EXIT_DEADLINE and bring_up(sys) < vmcore_load64(&self.until_ns):
            return None
        if code == EXIT_PROBE and (h.pc not in core.hooks or not core.at_probe(h)):
            return None
        return self.serve(code)

    cdef int attend(self, uint32_t index) except -1:
        # The life of a hart's thread.
        cdef Core core = self.core
        cdef Hart *h = core.sys.harts[index]
        cdef uint64_t fpu
        cdef int code
        while True:
            code = <int>core.pending[index]
            if code == 0:
                with nogil:
                    fpu = fpu_enter()
                    code = self.work(h)
                    fpu_leave(fpu)
            if code == EXIT_OVER:
                return 0
            if code == EXIT_LOOK:
                PyErr_CheckSignals()
                self.next_look_ns = vmcore_load64(&core.sys.clock.now_ns) + <uint64_t>LOOK_NS
                if not (h.stopped or h.waiting):
                    continue
            if is_of_hart(code):
                core.pending[index] = code
            with self.lock:
                if core.sys.over:
                    # What the guest has done already is served when the machine runs again; a probe is met again.
                    if code == EXIT_PROBE:
                        core.pending[index] = 0
                    elif code == EXIT_STOP:
                        vmcore_store32(&core.sys.request, 1)
                    return 0
                if is_of_hart(code) and core.pending[index] == 0:
                    # The machine was reset meanwhile.
                    continue
                core.server = PyThread_get_thread_ident()
                core.server_hart = index
                core.exit_hart = index
                bring_up(core.sys)
                try:
                    if is_of_hart(code):
                        core.pending[index] = 0
                    answer = self.answer_to(h, code)
                    if answer is None:
                        self.note_until()
                    else:
                        self.answer = answer
                        self.end()
                except BaseException as error:
                    # The first one is the run's; it ends for everybody before anybody goes on.
                    self.error = error
                    self.end()
                finally:
                    core.server = 0
                    core.let_go()

    def thread(self, index):
        """Run in a hart's thread."""
        # ORDER: counted before `finished` is looked at; join() sets that before it looks at the count.
        vmcore_add32(&self.alive, 1)
        try:
            if not vmcore_look32(&self.finished):
                self.attend(index)
        except BaseException as error:
            self.fail(error)
        finally:
            vmcore_add32(&self.alive, ~<uint32_t>0)

    def fail(self, error):
        """End the run with an exception."""
        with self.lock:
            if self.error is None:
                self.error = error
            self.end()

    def run(self):
        """Run in the caller's thread, that of hart 0; returns what ended the run."""
        cdef Core core = self.core
        cdef uint32_t i
        try:
            self.note_until()
            for i in range(1, core.nharts):
                thread = threading.Thread(target=self.thread, args=(i,), name=f"vmcore-hart-{i}")
                self.threads.append(thread)
                thread.start()
            self.attend(0)
        except BaseException as error:
            self.end()
            if self.error is None:
                self.error = error
        self.join()
        if core.closed:
            raise ClosedError("this machine belongs to the process that was forked from")
        if self.error is not None:
            raise self.error
        return self.answer

    def join(self):
        """Wait for all threads, whatever comes: a second Ctrl-C ends the run as the first one did."""
        # A thread whose start was interrupted may not be known to be alive, and begin later: it finds that all is over.
        vmcore_swap32(&self.finished, 1)
        while self.threads:
            try:
                thread = self.threads[len(self.threads) - 1]
                if thread.is_alive():
                    thread.join()
                elif vmcore_look32(&self.alive) and len(self.threads) == 1 and not self.core.closed:
                    time.sleep(0.001)
                    continue
                self.threads.pop()
            except BaseException as error:
                if self.error is None:
                    self.error = error


cdef inline bint is_of_hart(int code) noexcept:
    # Something that the guest did, and not the machine.
    return code == EXIT_SBI or code == EXIT_HTIF or code == EXIT_PYMMIO or code == EXIT_PROBE


def run_team(Core core not None, serve, next_stop=None, max_insns=None):
    """Run a machine whose harts are parallel, until something ends the run.

    Parameters
    ----------
    core : Core
        Made with ``parallel=True``.
    serve : callable
        Called with one of :data:`vmcore._fast.run.EXITS` for what the core does not serve itself;
        ``core.exit_hart`` says whose it is. One call at a time, in the thread of that hart; the others run meanwhile.
        A result that is not None ends the run.
    next_stop : callable, optional
        Returns the virtual time at which ``serve`` is to be called with ``EXITS["deadline"]``, or None. Asked at the
        beginning and after each call of `serve`.
    max_insns : int, optional
        Instructions that all harts together may attempt: exactly so many, unless something else ends the run.

    Returns
    -------
    object
        What `serve` returned. ``core.insns_left`` is what is left of `max_insns`.

    Raises
    ------
    BaseException
        What `serve`, a hook or a device raised. All harts have stopped, and their threads have ended, when this
        function leaves, however it leaves.
    """
    cdef uint64_t budget = NO_DEADLINE
    cdef uint32_t i
    cdef Team team
    core.check_idle()
    core.check_generation()
    if not core.sys.parallel:
        raise ConfigError("the harts of this machine are not parallel", hint="Core.run() runs them")
    if max_insns is not None:
        try:
            budget = PyNumber_Index(max_insns)
        except (TypeError, OverflowError):
            raise ConfigError(f"max_insns={max_insns!r} is no number of instructions",
                              hint="Give a whole number from 0 to 2**64 - 1") from None
    team = Team.__new__(Team)
    team.core = core
    team.serve = serve
    team.next_stop = next_stop
    team.lock = threading.RLock()
    team.threads = []
    team.until_ns = NO_DEADLINE
    team.nwatched = core.nwatched
    for i in range(core.nwatched):
        team.watched[i] = core.watched[i]
    core.sys.budget = budget
    core.sys.over = 0
    core.server = 0
    core.held = 0
    core.running = core.team = True
    core.tidy_code()
    cores_that_run.add(core)
    try:
        return team.run()
    finally:
        cores_that_run.discard(core)
        core.running = core.team = False
        core.insns_left = core.sys.budget


def _abandon():
    # In the child of a fork, no thread but this one exists: nobody will ever give back what the others held.
    cdef Core core
    for core in list(cores_that_run):
        core.abandon()


os.register_at_fork(after_in_child=_abandon)
