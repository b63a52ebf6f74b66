"""The run loop: whose turn it is, for how long, and what its exits mean; and Core, which owns a machine's state."""

import os

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from cpython.number cimport PyNumber_Index
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmcore._fast.defs cimport (
    IRQ_SSIP, NO_DEADLINE, VMCORE_ASSERT, clock_advance, clock_next, gva_t, pins_raise, pins_set, vmcore_load32,
    vmcore_store32, vmcore_swap32)
from vmcore._fast.dev.bus cimport ClockHandle, CompiledDevice, Pins
from vmcore._fast.dev.clint cimport Clint
from vmcore._fast.hart.clock cimport vmcore_monotonic_ns
from vmcore._fast.hart.codepage cimport drop_all, drop_marked
from vmcore._fast.hart.control cimport install_paths, run_hart
from vmcore._fast.hart.csr cimport CSR_ILLEGAL, csr_get, csr_put, drive_stimer, update_stimer
from vmcore._fast.hart.fpregs cimport fpu_enter, fpu_leave
from vmcore._fast.hart.isabits cimport (
    BIT_A, BIT_C, BIT_D, BIT_F, BIT_M, BIT_S, BIT_SVNAPOT, BIT_U, BIT_ZBA, BIT_ZBB, BIT_ZBS, has)
from vmcore._fast.hart.parking cimport park_hold, park_release
from vmcore._fast.hart.state cimport (
    FETCH_SIZE, JUMP_SIZE, LEAVE_HTIF, LEAVE_PROBE, LEAVE_PYMMIO, LEAVE_SBI, LEAVE_WAIT, LEAVE_YIELD, NUM_DCTX,
    PAGES_SIZE, PRIV_M, CodePage, DataCtx, FetchEntry, Hart, JumpEntry, System)
from vmcore._fast.hart.translate cimport data_priv, flush_all, flush_tlb, forget_code, translate, update_contexts
from vmcore._fast.hart.trap cimport mip_of
from vmcore._fast.jit.codebuf cimport code_generation, code_is_concurrent
from vmcore._fast.jit.cache cimport CodeCache, cache_close, cache_figures, cache_open
from vmcore._fast.jit.l3 cimport Store
from vmcore._fast.memory.alloc cimport vm_alloc, vm_calloc, vm_free, vm_size
from vmcore._fast.memory.mmu cimport WALK_OK, WALK_PAGE_FAULT, WANT_R, WANT_W, WANT_X
from vmcore._fast.memory.pmp cimport pmp_update
from vmcore._fast.memory.ram cimport MAX_REGIONS, PG_WATCH, Bank, Ram, Region, find_bank, free_banks, ram_span
from vmcore._fast.memory.tlb2 cimport tlb2_clear

# The modules of handlers register what they execute when they are imported.
from vmcore._fast.hart import control, ops_bits, ops_crypto, ops_fp, ops_int, ops_mem, ops_sys
from vmcore._fast.jit import emit_bits, emit_flow, emit_fp, emit_fp_move, emit_int, emit_mem, emit_sys
from vmcore.errors import ClosedError, ConfigError, DeviceError, MemoryAccessError, VmError

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
    MAX_HARTS = 8
    CODE_LIMIT = 96 << 20     # bytes of decoded operations
    # Instructions between two looks at the host's signals: well below 100 ms at any speed.
    SIGNAL_POLL = 4_000_000
    # Executions of a place before it is compiled, when nobody says otherwise.
    HOT_AFTER = 16

EXITS = {
    "budget": EXIT_BUDGET, "probe": EXIT_PROBE, "sbi": EXIT_SBI, "deadline": EXIT_DEADLINE, "idle": EXIT_IDLE,
    "stop": EXIT_STOP, "htif": EXIT_HTIF, "power": EXIT_POWER,
}

# auto: what is executed often is compiled. t0: nothing is. t1: everything is, at once (for tests, mostly).
TIERS = ("auto", "t0", "t1")

HANDLER_MODULES = (ops_bits, ops_crypto, ops_fp, ops_int, ops_mem, ops_sys)
EMITTER_MODULES = (emit_bits, emit_flow, emit_fp, emit_fp_move, emit_int, emit_mem, emit_sys)
control.bind_links()


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


# Its memory and clock are taken back in __dealloc__, so the collector must not clear them before.
@cython.no_gc_clear
cdef class Core:
    """The compiled state of one machine: memory map, harts, clock, decoded code.

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
    parallel : bool
        Each hart runs in a thread of its own, by the host's clock: :func:`vmcore._fast.team.run_team` runs it.

    Notes
    -----
    One thread only, but for :meth:`request_stop`. While parallel harts run, that is the thread that serves an exit at
    the moment: whichever hart it touches stands still then.
    """

    def __cinit__(self, nharts=1, isa_mask=0, host_clock=False, ns_per_insn=1, wall_base_ns=0, seed=0,
                  tier=None, Store store=None, parallel=False):
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
            h.isa = isa_mask
            h.seed_state = <uint64_t>(seed & 0xFFFFFFFFFFFFFFFF) + i * 0x632BE59BD9B4E019u
            h.stimer = self.clock.new_timer(fire_stimer, h, 0)
            install_paths(h)
            self.reset_hart(h)
        if tier is None:
            tier = os.environ.get("VMCORE_TIER", "auto")
        if tier not in TIERS:
            raise ConfigError(f"tier={tier!r}: allowed are {', '.join(map(repr, TIERS))}")
        self.store = store
        if parallel and tier != "t0" and not code_is_concurrent():
            # Code that is being written cannot be executed here, by another hart neither.
            if tier == "t1":
                raise ConfigError("tier='t1' with parallel harts: this host's code memory is not for several threads",
                                  hint="vmcore info says how code is kept; tier='auto' interprets")
        elif tier != "t0" and not cache_open(self.sys, HOT_AFTER if tier == "auto" else 1,
                                             NULL if store is None else &store.table) and tier == "t1":
            raise ConfigError("tier='t1': this host gives no memory for compiled code",
                              hint="vmcore info says why; tier='auto' goes on without")
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

    cdef void reset_hart(self, Hart *h) noexcept:
        # The reset state (privileged specification 1.13, section 3.4); registers are zero for determinism.
        cdef uint64_t isa = h.isa
        cdef uint32_t i
        memset(h.x, 0, sizeof(h.x))
        memset(h.f, 0, sizeof(h.f))
        h.pc = 0
        h.fflags = 0
        h.frm = 0
        h.fs = 0
        h.priv = PRIV_M
        h.waiting = 0
        h.stopped = 0
        h.mstatus = 0 if has(isa, BIT_U) else 3 << 11
        h.mip_soft = h.mie = h.mideleg = h.medeleg = 0
        h.mtvec = h.mepc = h.mcause = h.mtval = h.mscratch = 0
        h.mcounteren = h.mcountinhibit = h.menvcfg = h.mseccfg = 0
        h.stvec = h.sepc = h.scause = h.stval = h.sscratch = 0
        h.scounteren = h.senvcfg = h.satp = 0
        h.stimecmp = ~<uint64_t>0
        h.minstret_off = 0 - (h.icount - h.trapped)
        h.mcycle_off = 0 - h.icount
        memset(h.mstateen, 0, sizeof(h.mstateen))
        memset(&h.pmp, 0, sizeof(h.pmp))
        pmp_update(&h.pmp)
        h.res_size = 0
        h.mmio_done = 0
        h.resuming = 0
        h.walk.mem = &self.sys.mem
        h.walk.pmp = &h.pmp
        h.walk.napot = has(isa, BIT_SVNAPOT)
        h.misa = <uint64_t>2 << 62 | 1 << 8
        if has(isa, BIT_A):
            h.misa |= 1 << 0
        if has(isa, BIT_ZBA) and has(isa, BIT_ZBB) and has(isa, BIT_ZBS):
            h.misa |= 1 << 1
        if has(isa, BIT_C):
            h.misa |= 1 << 2
        if has(isa, BIT_D):
            h.misa |= 1 << 3
        if has(isa, BIT_F):
            h.misa |= 1 << 5
        if has(isa, BIT_M):
            h.misa |= 1 << 12
        if has(isa, BIT_S):
            h.misa |= 1 << 18
        if has(isa, BIT_U):
            h.misa |= 1 << 20
        h.page = NULL
        h.stop_op = NULL
        for i in range(NUM_DCTX):
            h.dctx[i].key = 0
            h.dctx[i].used = 0
        h.dctx_key = 0
        h.fctx_key = 0
        tlb2_clear(&h.tlb2)
        update_contexts(h)
        forget_code(h)
        update_stimer(h)

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
            self.reset_hart(self.sys.harts[i])
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
        if self.store is not None:
            held = self.store.figures()
            figures.update(l3_pages=held.pages, l3_bytes=held.held_bytes, l3_disk_bytes=held.disk_bytes,
                           l3_hot=held.hot, l3_warm=held.warm, l3_cold=held.cold)
        return figures
