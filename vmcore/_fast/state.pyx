"""What a machine consists of: its memory map, its harts and all that they know, looked at and changed between runs."""

import os

cimport cython
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.defs cimport IRQ_SSIP, VMCORE_ASSERT, gva_t, pins_set
from vmcore._fast.dev.bus cimport ClockHandle, CompiledDevice, Pins
from vmcore._fast.dev.clint cimport Clint
from vmcore._fast.hart.clock cimport vmcore_monotonic_ns
from vmcore._fast.hart.codepage cimport drop_all, drop_marked
from vmcore._fast.hart.control cimport install_paths
from vmcore._fast.hart.csr cimport CSR_ILLEGAL, csr_get, csr_put, drive_stimer
from vmcore._fast.hart.isabits cimport BIT_S, BIT_U, has
from vmcore._fast.hart.parking cimport park_hold, park_release
from vmcore._fast.hart.reset cimport reset_hart
from vmcore._fast.hart.state cimport (
    FETCH_SIZE, JUMP_SIZE, MAX_HARTS, NUM_DCTX, PAGES_SIZE, CodePage, DataCtx, FetchEntry, Hart, JumpEntry, System)
from vmcore._fast.hart.translate cimport data_priv, flush_all, flush_tlb, translate, update_contexts
from vmcore._fast.jit.codebuf cimport code_is_concurrent
from vmcore._fast.jit.cache cimport cache_close, cache_open
from vmcore._fast.jit.l3 cimport Store
from vmcore._fast.jit.t2.places cimport BY_COLOURING, BY_LINEAR_SCAN
from vmcore._fast.jit.t2.tier cimport NO_LIMIT, tier_close, tier_open
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free, vm_size
from vmcore._fast.memory.mmu cimport WALK_OK, WALK_PAGE_FAULT, WANT_R, WANT_W, WANT_X
from vmcore._fast.memory.ram cimport MAX_REGIONS, PG_WATCH, Bank, Ram, Region, find_bank, free_banks, ram_span

# The modules of handlers register what they execute when they are imported.
from vmcore._fast.hart import control, ops_bits, ops_crypto, ops_fp, ops_int, ops_mem, ops_sys
from vmcore._fast.jit import emit_bits, emit_flow, emit_fp, emit_fp_move, emit_int, emit_mem, emit_sys
from vmcore._fast.jit.t2 import lift_fp, lift_int, lift_mem
from vmcore.errors import ClosedError, ConfigError, MemoryAccessError, VmError

cdef extern from *:
    """
    #if defined(__x86_64__)
    #define VMCORE_KEEPS_ORDER 1
    #else
    #define VMCORE_KEEPS_ORDER 0
    #endif
    """
    const bint HOST_KEEPS_ORDER "VMCORE_KEEPS_ORDER"

cdef enum:
    CODE_LIMIT = 96 << 20     # bytes of decoded operations
    # Executions of a place before it is compiled, when nobody says otherwise.
    HOT_AFTER = 16

# auto: what is executed often is compiled, and its loops are optimised in the background. t0: nothing is. t1:
# everything is compiled at once, t2: wherever a hart is seen its loop is optimised at once, too (for tests, mostly).
TIERS = ("auto", "t0", "t1", "t2")

HANDLER_MODULES = (ops_bits, ops_crypto, ops_fp, ops_int, ops_mem, ops_sys)
LIFTER_MODULES = (lift_fp, lift_int, lift_mem)
EMITTER_MODULES = (emit_bits, emit_flow, emit_fp, emit_fp_move, emit_int, emit_mem, emit_sys)
control.bind_links()

cdef object MOST_FUEL = (1 << 63) - 1


cdef object fuel_given():
    # Rewrites that the environment allows, None: all.
    given = os.environ.get("VMCORE_JIT_FUEL", "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit()) or len(given) > len(str(MOST_FUEL)) or int(given) > MOST_FUEL:
        raise ConfigError(f"the environment variable VMCORE_JIT_FUEL is {given[:40]!r}: it is no number of rewrites",
                          hint="Give a number from 0 to 2**63 - 1, or leave it out")
    return int(given)


# Who gives registers to the values of a region.
cdef dict ALLOCATORS = {"colouring": BY_COLOURING, "scan": BY_LINEAR_SCAN}


cdef object allocator_given():
    # BY_*, None: the environment does not say.
    given = os.environ.get("VMCORE_JIT_ALLOCATOR", "")
    if not given:
        return None
    if given not in ALLOCATORS:
        raise ConfigError(f"the environment variable VMCORE_JIT_ALLOCATOR is {given[:40]!r}: it is no allocator",
                          hint=f"Give {' or '.join(ALLOCATORS)}, or leave it out")
    return ALLOCATORS[given]


cdef inline size_t HART_BYTES() noexcept nogil:
    # A multiple of a cache line.
    return (sizeof(Hart) + 63) & ~<size_t>63


cdef void fire_stimer(void *dev, uint32_t arg) noexcept nogil:
    drive_stimer(<Hart *>dev)


cdef void mtime_moved(void *dev, uint32_t arg) noexcept nogil:
    # The guest wrote mtime: what compares with it looks again.
    cdef System *sys = <System *>dev
    cdef uint32_t i
    sys.time_off = <int64_t>(sys.time_source[0])
    for i in range(sys.nharts):
        drive_stimer(sys.harts[i])


cdef uint64_t secret_page():
    # What a region takes for the page that it has looked up before it has looked up any. Its uppermost eight bits
    # differ among themselves. In every valid address they are all equal (Sv39, Sv48, Sv57) or zero (physical
    # addresses), so address ^ page has one of them set and is above 4095: no access that may succeed is taken for one
    # that was found. An access that must fail could be, at 52 bits that no guest can read: they are drawn at random
    # for each hart.
    cdef uint64_t page = int.from_bytes(os.urandom(8), "little")
    cdef uint64_t top = page >> 56
    if top == 0 or top == 0xFF:
        page ^= <uint64_t>0x5A << 56
    return page & ~<uint64_t>4095


# Its memory and clock are taken back in __dealloc__, so the collector must not clear them before.
@cython.no_gc_clear
cdef class State:
    """The compiled state of one machine: memory map, harts, clock, decoded code. A ``Core`` can run, too.

    Parameters
    ----------
    nharts : int
        1 to 8.
    isa_mask : int
        The extensions that are on, as a mask over :data:`vmcore._fast.hart.isabits.ISA_BITS`.
    host_clock : bool
        Time is the host's monotonic clock instead of instructions at a fixed rate.
    ns_per_insn : int
        Virtual nanoseconds that an instruction takes.
    wall_base_ns : int
        Nanoseconds since 1970 at virtual time 0.
    seed : int
        Of the entropy source (Zkr).
    tier : str, optional
        One of :data:`TIERS`; by default what the environment variable ``VMCORE_TIER`` says, else ``"auto"``.
    store : Store, optional
        Where compiled pages come from and go to (:func:`vmcore._fast.jit.l3.open_store`).
    counting : bool, optional
        Compiled code counts its look-ups in the L1 table (``l1_lookups`` of :meth:`stats`), which makes it slower; by
        default whether the environment variable ``VMCORE_JIT_COUNT`` is ``1``.
    parallel : bool
        Each hart runs in a thread of its own, by the host's clock: :func:`vmcore._fast.team.run_team` runs it.

    Notes
    -----
    One thread only, but for :meth:`request_stop`. While parallel harts run, that is the thread that serves an exit at
    the moment: whichever hart it touches stands still then.
    """

    def __cinit__(self, nharts=1, isa_mask=0, host_clock=False, ns_per_insn=1, wall_base_ns=0, seed=0,
                  tier=None, Store store=None, parallel=False, counting=None):
        cdef uint32_t i, count
        cdef Hart *h
        if not 1 <= nharts <= MAX_HARTS:
            raise ConfigError(f"harts={nharts!r}: a machine has 1 to {<int>MAX_HARTS} harts")
        if not 1 <= ns_per_insn <= 1_000_000:
            raise ConfigError(f"ns_per_insn={ns_per_insn!r}: allowed are 1 to 1000000")
        if parallel and not host_clock:
            raise ConfigError("parallel harts need the host's clock: instructions of several harts are no common time",
                              hint="Give host_clock=True")
        if parallel and not HOST_KEEPS_ORDER:
            raise ConfigError("parallel harts need an x86-64 host, whose memory is ordered as RISC-V wants it",
                              hint="Leave parallel out: one thread runs all harts then")
        count = nharts
        self.nharts = count
        self.clock = ClockHandle(wall_base_ns)
        self.sys = <System *>vm_calloc(1, sizeof(System))
        if self.sys == NULL:
            raise MemoryError("no memory for a machine")
        self.sys.clock = self.clock.clock
        self.sys.ns_per_insn = ns_per_insn
        self.sys.host_clock = bool(host_clock)
        self.sys.parallel = bool(parallel)
        self.sys.code_limit = CODE_LIMIT
        self.memory = Ram.__new__(Ram)
        self.memory.mem = &self.sys.mem
        self.devices = []
        self.hooks = {}
        self.hook_args = tuple(range(nharts))
        self.watch_owners = []
        self.pins_handles = []
        self.hart_block = vm_calloc(count, HART_BYTES() + NUM_DCTX * sizeof(DataCtx) + JUMP_SIZE * sizeof(JumpEntry)
                                    + FETCH_SIZE * sizeof(FetchEntry) + PAGES_SIZE * sizeof(void *) + 64)
        if self.hart_block == NULL:
            raise MemoryError("no memory for the harts of a machine")
        self.place_harts()
        for i in range(count):
            h = self.sys.harts[i]
            h.no_page = secret_page()
            h.isa = isa_mask
            h.seed_state = <uint64_t>(seed & 0xFFFFFFFFFFFFFFFF) + i * 0x632BE59BD9B4E019u
            h.stimer = self.clock.new_timer(fire_stimer, h, 0)
            install_paths(h)
            reset_hart(h)
        if tier is None:
            tier = os.environ.get("VMCORE_TIER", "auto")
        if tier not in TIERS:
            raise ConfigError(f"tier={tier!r}: allowed are {', '.join(map(repr, TIERS))}")
        if counting is None:
            counting = os.environ.get("VMCORE_JIT_COUNT") == "1"
        self.sys.counting = bool(counting)
        fuel = fuel_given()
        how = allocator_given()
        if fuel is not None or how is not None:
            # What is found in the store was made otherwise, and what is made now is for no one else.
            store = None
        self.store = store
        if parallel and tier != "t0" and not code_is_concurrent():
            # Code that is being written cannot be executed here, by another hart neither.
            if tier != "auto":
                raise ConfigError(f"tier={tier!r} with parallel harts: this host's code memory is not for several "
                                  "threads",
                                  hint="vmcore info says how code is kept; tier='auto' interprets")
        elif tier != "t0" and not cache_open(self.sys, HOT_AFTER if tier == "auto" else 1,
                                             NULL if store is None else &store.table) and tier != "auto":
            raise ConfigError(f"tier={tier!r}: this host gives no memory for compiled code",
                              hint="vmcore info says why; tier='auto' goes on without")
        if tier == "t2" or tier == "auto":
            if not tier_open(self.sys, tier == "t2", <uint64_t>(NO_LIMIT if fuel is None else fuel),
                             <uint32_t>(BY_COLOURING if how is None else how)) and tier == "t2":
                raise ConfigError("tier='t2': this host's processor lacks BMI1, BMI2, LZCNT, POPCNT or FMA, or there "
                                  "is no memory",
                                  hint="tier='t1' compiles without regions; tier='auto' goes on without")
        self.quantum = QUANTUM if count > 1 else QUANTUM_ALONE
        self.quantum_left = self.quantum
        self.sys.clock.changed = 0
        if host_clock:
            self.sys.host_base_ns = vmcore_monotonic_ns()

    cdef void place_harts(self) noexcept:
        # One block holds everything of every hart, each on a cache line of its own.
        cdef uint8_t *at = <uint8_t *>((<uint64_t>self.hart_block + 63) & ~<uint64_t>63)
        cdef uint32_t i
        cdef Hart *h
        for i in range(self.nharts):
            h = <Hart *>at
            at += HART_BYTES()
            self.sys.harts[i] = h
            h.index = i
            h.sys = self.sys
        for i in range(self.nharts):
            h = self.sys.harts[i]
            h.jumps = <JumpEntry *>at
            at += JUMP_SIZE * sizeof(JumpEntry)
            h.fetches = <FetchEntry *>at
            at += FETCH_SIZE * sizeof(FetchEntry)
            h.pages = <CodePage **>at
            at += PAGES_SIZE * sizeof(void *)
            h.dctx = <DataCtx *>at
            at += NUM_DCTX * sizeof(DataCtx)
        VMCORE_ASSERT(at <= <uint8_t *>self.hart_block + vm_size(self.hart_block))
        self.sys.nharts = self.nharts

    def __dealloc__(self):
        # What a fork left half changed is not looked at again, not even to give it back.
        if self.sys != NULL and not self.abandoned:
            self.release()

    def abandon(self):
        """Give the machine up, in the child of a fork that happened while its harts ran: their threads are not here."""
        self.abandoned = True
        self.closed = True
        self.team = self.running = False
        self.sys.over = 1
        self.sys.code_lock = self.sys.shot_lock = self.sys.clock.lock = 0

    cdef void release(self):
        # The memory and the clock may outlive this object: nothing of it may be reached through them.
        self.memory.mem = NULL
        self.clock.clock.ntimers = 0
        drop_all(self.sys)
        tier_close(self.sys)
        cache_close(self.sys)
        free_banks(&self.sys.mem)
        vm_free(self.sys.probes)
        vm_free(self.hart_block)
        vm_free(self.sys)
        self.sys = NULL

    def close(self):
        """Give everything back to the host.

        Raises
        ------
        VmError
            While the machine runs, or while views of its memory are alive.
        """
        if self.closed:
            return
        if self.running:
            raise VmError("the machine is running", hint="Stop it before closing it")
        if self.memory.views:
            raise VmError(f"{self.memory.views} views of guest memory are alive",
                          hint="Release them (del, or memoryview.release) before closing the machine")
        # Nobody surveys the code meanwhile (codesurvey.pyx).
        with cython.critical_section(self):
            self.closed = True
            drop_all(self.sys)
            tier_close(self.sys)
            cache_close(self.sys)
        free_banks(&self.sys.mem)
        self.hooks.clear()
        if self.store is not None:
            self.store.flush()

    cdef Hart *hart(self, object index) except NULL:
        cdef int64_t i = index
        if self.closed:
            raise ClosedError("the machine is closed")
        if not 0 <= i < self.nharts:
            raise ConfigError(f"hart {index!r}: this machine has harts 0 to {self.nharts - 1}")
        if self.team:
            self.still(self.sys.harts[i])
        return self.sys.harts[i]

    cdef int check_idle(self) except -1:
        if self.closed:
            raise ClosedError("the machine is closed")
        if self.running:
            raise VmError("the machine is running", hint="Change it between runs")
        return 0

    # --- parallel harts that run ------------------------------------------------------------------------------

    cdef int own(self) except -1:
        # Only the thread that serves an exit may touch harts while they run.
        if self.server != PyThread_get_thread_ident():
            raise VmError("the machine is running", hint="Touch it between runs, or from a hook or a device")
        return 0

    cdef int still(self, Hart *h) except -1:
        # From now on until let_go() the hart stands still.
        self.own()
        if h.index != self.server_hart and not self.held >> h.index & 1:
            with nogil:
                park_hold(h)
            self.held |= <uint32_t>1 << h.index
        return 0

    cdef int still_all(self) except -1:
        cdef uint32_t i
        if self.team:
            for i in range(self.nharts):
                self.still(self.sys.harts[i])
        return 0

    cdef void let_go(self) noexcept:
        cdef uint32_t i
        for i in range(self.nharts):
            if self.held >> i & 1:
                park_release(self.sys.harts[i])
        self.held = 0

    # --- memory map -------------------------------------------------------------------------------------------

    def add_ram(self, base, size, readonly=False):
        """Add a bank of RAM (or ROM) at `base` of `size` bytes, multiples of 4 KiB."""
        self.check_idle()
        self.memory.map_bank(base, size, readonly)

    def attach(self, base, CompiledDevice device, executable=False):
        """Map a compiled device at `base`. `executable`: the guest may fetch code from it."""
        self.add_region(base, device.size, device, executable)

    def attach_python(self, base, size, device):
        """Map a device written in Python (``read(offset, size)``, ``write(offset, size, value)``) at `base`."""
        self.add_region(base, size, device, False)

    def add_region(self, base, size, device, executable):
        """Map a device of either kind."""
        cdef Region *r
        cdef uint32_t i
        cdef uint64_t lo = base
        cdef uint64_t n = size
        self.check_idle()
        if self.sys.mem.nregions >= MAX_REGIONS:
            raise ConfigError(f"a machine has at most {<int>MAX_REGIONS} device regions")
        if n == 0 or lo + n < lo:
            raise ConfigError(f"a device region at {base:#x} of {size:#x} bytes is no region")
        for i in range(self.sys.mem.nregions):
            r = &self.sys.mem.regions[i]
            if lo < r.base + r.size and r.base < lo + n:
                raise ConfigError(f"the device region at {base:#x} of {size:#x} bytes overlaps the one at {r.base:#x}")
        for bank_base, bank_size, _ in self.memory.banks():
            if lo < bank_base + bank_size and bank_base < lo + n:
                raise ConfigError(f"the device region at {base:#x} of {size:#x} bytes overlaps RAM at {bank_base:#x}")
        r = &self.sys.mem.regions[self.sys.mem.nregions]
        r.base = lo
        r.size = n
        r.read = NULL
        r.write = NULL
        r.dev = NULL
        r.executable = bool(executable)
        if isinstance(device, CompiledDevice):
            (<CompiledDevice>device).share_lock(self.clock)
            r.read = (<CompiledDevice>device).mmio_read
            r.write = (<CompiledDevice>device).mmio_write
            r.dev = (<CompiledDevice>device).dev
        self.devices.append(device)
        self.sys.mem.nregions += 1
        if isinstance(device, Clint):
            self.follow(device)

    cdef int follow(self, Clint clint) except -1:
        # The time CSR reads what the CLINT's mtime reads.
        self.sys.time_source = &clint.st.offset
        self.sys.time_off = <int64_t>clint.st.offset
        clint.on_moved(mtime_moved, self.sys, 0)
        return 0

    def watch_word(self, uint64_t address, owner):
        """End runs with ``EXITS["power"]`` while the 32-bit word at host address `address` (of `owner`) is set."""
        if self.nwatched >= 8:
            raise ConfigError("at most 8 words are watched")
        self.watched[self.nwatched] = <uint32_t *>address
        self.nwatched += 1
        self.watch_owners.append(owner)

    def serve_sbi(self, on):
        """Choose whether an ecall from S-mode ends the run (``EXITS["sbi"]``) with the hart's pc behind it."""
        self.check_idle()
        self.sys.sbi = bool(on)

    def htif_watch(self, lo, hi):
        """Leave the run loop after a store into ``[lo, hi)`` of physical memory; ``lo == hi`` ends that."""
        cdef Bank *b
        cdef uint64_t page
        self.check_idle()
        if lo < hi:
            b = find_bank(&self.sys.mem, lo)
            if b == NULL or hi - b.base > b.size:
                raise MemoryAccessError(f"HTIF words at {lo:#x} are not in RAM")
            for page in range((lo - b.base) >> 12, ((hi - 1 - b.base) >> 12) + 1):
                b.state[page] |= PG_WATCH
        self.sys.htif_lo = lo
        self.sys.htif_hi = hi
        for i in range(self.nharts):
            flush_all(self.sys.harts[<int>i])

    # --- harts ------------------------------------------------------------------------------------------------

    def pins(self, index):
        """Return the interrupt inputs of a hart (:class:`vmcore._fast.dev.bus.Pins`)."""
        cdef Pins p = Pins()
        p.pins = &self.hart(index).pins
        p.owner = self
        return p

    def reset(self):
        """Put every hart into its reset state (memory and devices keep theirs)."""
        cdef uint32_t i
        if self.team:
            self.still_all()
        else:
            self.check_idle()
        for i in range(self.nharts):
            self.sys.harts[i].pins.lines = 0
            reset_hart(self.sys.harts[i])
            self.pending[i] = 0
        self.current = 0
        self.last = 0
        self.quantum_left = self.quantum

    def x(self, index, number):
        """Return integer register `number` (0 to 31)."""
        if not 0 <= number <= 31:
            raise ConfigError(f"x{number}: registers are x0 to x31")
        return self.hart(index).x[<int>number]

    def set_x(self, index, number, value):
        """Set integer register `number`; the value is taken modulo 2**64, a write to x0 is ignored."""
        if not 0 <= number <= 31:
            raise ConfigError(f"x{number}: registers are x0 to x31")
        if number:
            self.hart(index).x[<int>number] = <uint64_t>(value & 0xFFFFFFFFFFFFFFFF)

    def f(self, index, number):
        """Return the 64 bits of floating-point register `number`."""
        if not 0 <= number <= 31:
            raise ConfigError(f"f{number}: registers are f0 to f31")
        return self.hart(index).f[<int>number]

    def set_f(self, index, number, value):
        """Set the 64 bits of floating-point register `number`."""
        if not 0 <= number <= 31:
            raise ConfigError(f"f{number}: registers are f0 to f31")
        self.hart(index).f[<int>number] = <uint64_t>(value & 0xFFFFFFFFFFFFFFFF)

    def pc(self, index):
        """Return the program counter."""
        return self.hart(index).pc

    def set_pc(self, index, value):
        """Set the program counter."""
        cdef Hart *h = self.hart(index)
        h.pc = <uint64_t>(value & 0xFFFFFFFFFFFFFFFE)
        self.pending[h.index] = 0
        h.resuming = 0
        h.mmio_done = 0

    def priv(self, index):
        """Return the privilege: 0 user, 1 supervisor, 3 machine."""
        return self.hart(index).priv

    def set_priv(self, index, value):
        """Set the privilege: 0 user, 1 supervisor, 3 machine."""
        cdef Hart *h = self.hart(index)
        if value not in (0, 1, 3) or (value == 1 and not has(h.isa, BIT_S)) or (value == 0 and not has(h.isa, BIT_U)):
            raise ConfigError(f"privilege {value!r}: this hart has 3"
                              f"{', 1' if has(h.isa, BIT_S) else ''}{', 0' if has(h.isa, BIT_U) else ''}")
        h.priv = value
        update_contexts(h)
        h.pins.exit_req = 1

    cdef void stand_still(self, Hart *h) noexcept:
        # Counters and timers bring the clock up to date from where the turn of "their" hart began. Between turns that
        # is now, for whichever hart is asked.
        self.sys.q_ns = self.sys.clock.now_ns
        self.sys.q_icount = h.icount

    def csr_read(self, index, number):
        """Return a CSR as M-mode would read it; None when the hart has no such register."""
        cdef Hart *h = self.hart(index)
        cdef uint64_t v = 0
        self.stand_still(h)
        if csr_get(h, number, &v) == CSR_ILLEGAL:
            return None
        return v

    def csr_write(self, index, number, value):
        """Write a CSR as M-mode would (WARL applied); False when the hart has no such register."""
        cdef Hart *h = self.hart(index)
        cdef int status
        if number >> 10 == 3:
            return False
        self.stand_still(h)
        status = csr_put(h, number, <uint64_t>(value & 0xFFFFFFFFFFFFFFFF))
        # No instruction makes this write: the counters start at the value itself.
        if status != CSR_ILLEGAL and number == 0xB00:
            h.mcycle_off += 1
        elif status != CSR_ILLEGAL and number == 0xB02:
            h.minstret_off += 1
        return status != CSR_ILLEGAL

    def icount(self, index=None):
        """Return the instructions attempted since power-on, of one hart or of all together."""
        cdef uint64_t total = 0
        if index is not None:
            return self.hart(index).icount
        for i in range(self.nharts):
            total += self.sys.harts[<int>i].icount
        return total

    def hart_start(self, index, pc, a0, a1, priv):
        """Let a stopped hart start at `pc` with `a0` and `a1`, in privilege `priv` and without translation."""
        cdef Hart *h = self.hart(index)
        h.pc = pc
        h.x[10] = a0
        h.x[11] = a1
        h.satp = 0
        h.mstatus &= ~<uint64_t>2
        h.priv = priv
        h.stopped = 0
        h.waiting = 0
        h.resuming = 0
        update_contexts(h)

    def hart_stop(self, index):
        """Stop a hart until :meth:`hart_start`."""
        self.hart(index).stopped = 1

    def hart_interrupt(self, index):
        """Make the supervisor's software interrupt of a hart pending, whatever the hart does at the moment."""
        if self.closed or not 0 <= index < self.nharts:
            self.hart(index)
        pins_set(&self.sys.harts[<int>index].pins, IRQ_SSIP, True)

    def hart_wait(self, index):
        """Let a hart wait for an interrupt, as WFI does."""
        self.hart(index).waiting = 1

    def hart_stopped(self, index):
        """Return whether the hart is stopped."""
        return bool(self.hart(index).stopped)

    def hart_waiting(self, index):
        """Return whether the hart waits for an interrupt."""
        return bool(self.hart(index).waiting)

    # --- translation ------------------------------------------------------------------------------------------

    cdef int look_up(self, Hart *h, gva_t gva, uint32_t want) except -1:
        # As the hart itself would access it now, but without setting A or D.
        cdef uint32_t priv = h.priv if want == WANT_X else data_priv(h)
        cdef int status
        h.walk.peek = 1
        status = translate(h, gva, 1, want, priv)
        h.walk.peek = 0
        return status

    def translate(self, index, gva, access="r"):
        """Return the physical address of `gva` for access "r", "w" or "x" in the hart's present state.

        Raises
        ------
        MemoryAccessError
            When the hart would take a page fault or an access fault.
        """
        cdef Hart *h = self.hart(index)
        cdef uint32_t want
        cdef int status
        if access not in ("r", "w", "x"):
            raise ConfigError(f"access={access!r}: allowed are 'r', 'w' and 'x'")
        want = {"r": WANT_R, "w": WANT_W, "x": WANT_X}[access]
        status = self.look_up(h, <uint64_t>(gva & 0xFFFFFFFFFFFFFFFF), want)
        if status != WALK_OK:
            raise MemoryAccessError(f"hart {index}: {'page' if status == WALK_PAGE_FAULT else 'access'} fault at "
                                    f"{gva:#x} for access {access!r} in privilege {h.priv}")
        return h.walk.gpa

    cdef int copy_virtual(self, Hart *h, gva_t gva, uint8_t *buffer, uint64_t n, bint write) except -1:
        cdef uint64_t done = 0
        cdef uint64_t part, got = 0
        cdef uint8_t *host
        while done < n:
            part = 4096 - (gva & 4095)
            if part > n - done:
                part = n - done
            # A debugger reads and writes whatever is mapped: rights are the guest's own affair.
            if self.look_up(h, gva, WANT_R) != WALK_OK and self.look_up(h, gva, WANT_X) != WALK_OK:
                raise MemoryAccessError(f"address {gva:#x} is not mapped for hart {h.index} in privilege {h.priv}",
                                        hint="vm.phys reaches physical memory")
            host = ram_span(&self.sys.mem, h.walk.gpa, part, write, &got)
            if host == NULL or got < part:
                raise MemoryAccessError(f"address {gva:#x} (physical {h.walk.gpa:#x}) is not "
                                        f"{'writable ' if write else ''}RAM")
            if write:
                memcpy(host, buffer + done, part)
            else:
                memcpy(buffer + done, host, part)
            done += part
            gva += part
        return 0

    def read_virt(self, index, gva, n):
        """Return `n` bytes at virtual address `gva` as the hart sees them now."""
        cdef Hart *h = self.hart(index)
        cdef bytearray out
        if n < 0 or n > 1 << 32:
            raise MemoryAccessError(f"cannot read {n} bytes; allowed are 0 to 4 GiB")
        out = bytearray(n)
        self.copy_virtual(h, <uint64_t>(gva & 0xFFFFFFFFFFFFFFFF), <uint8_t *><char *>out, n, False)
        return bytes(out)

    def write_virt(self, index, gva, const uint8_t[::1] data):
        """Write `data` at virtual address `gva`. Every page is checked before the first byte is written."""
        cdef Hart *h = self.hart(index)
        cdef uint64_t n = <uint64_t>data.shape[0]
        cdef uint64_t at = <uint64_t>(gva & 0xFFFFFFFFFFFFFFFF)
        cdef bytearray probe
        if n == 0:
            return
        probe = bytearray(n)
        self.copy_virtual(h, at, <uint8_t *><char *>probe, n, False)
        self.copy_virtual(h, at, <uint8_t *>&data[0], n, True)
        # The writer is outside the guest: it sees to it that decoded code is not stale.
        if self.sys.mem.marked:
            self.still_all()
            drop_marked(self.sys)

    def flush_tlb(self, index, gva=None, asid=None):
        """Do what ``sfence.vma`` does on one hart; None stands for x0."""
        flush_tlb(self.hart(index), gva is not None, <uint64_t>((gva or 0) & 0xFFFFFFFFFFFFFFFF), asid is not None,
                  <uint64_t>((asid or 0) & 0xFFFF))

    def fence_i(self):
        """Do what ``fence.i`` on every hart does."""
        if self.team:
            self.still_all()
        else:
            self.check_idle()
        drop_marked(self.sys)
