"""What a compiled device is to the machine: two functions, an interrupt wire and a place on the clock."""

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport MAX_TIMERS, NO_DEADLINE, clock_advance, clock_next, pins_set, wire_set
from vmcore.errors import DeviceError


cdef class Irq:
    """One interrupt wire. ``irq(True)`` raises it, ``irq(False)`` lowers it."""

    def __call__(self, level):
        cdef bint on = bool(level)
        cdef CompiledDevice sink
        if not isinstance(self.owner, CompiledDevice):
            wire_set(&self.wire, on)
            return
        sink = self.owner
        sink.begin()
        wire_set(&self.wire, on)
        sink.end()


cdef class Pins:
    """The interrupt inputs of one hart, as bits of ``mip``."""

    def __cinit__(self):
        self.pins = &self.own

    def set(self, bits, level):
        """Drive the inputs in `bits` (a mask of ``mip`` bits) to `level`."""
        pins_set(self.pins, <uint64_t>bits, bool(level))

    @property
    def lines(self):
        """int: the inputs now, as bits of ``mip``."""
        return self.pins.lines


cdef class ClockHandle:
    """The machine's clock, in virtual nanoseconds."""

    def __cinit__(self, wall_base_ns=0):
        self.clock = &self.state
        self.clock.wall_base_ns = wall_base_ns

    def advance(self, uint64_t now_ns):
        """Set virtual time to `now_ns` and fire the timers that are due (the run loop does this itself)."""
        clock_advance(self.clock, now_ns)

    @property
    def next_deadline_ns(self):
        """int or None: the earliest deadline of any device."""
        cdef uint64_t d = clock_next(self.clock)
        return None if d == NO_DEADLINE else d

    @property
    def now_ns(self):
        """int: virtual time in nanoseconds."""
        return self.clock.now_ns

    @property
    def wall_base_ns(self):
        """int: nanoseconds since 1970-01-01 at virtual time 0."""
        return self.clock.wall_base_ns

    cdef int new_timer(self, timer_fire_t fire, void *dev, uint32_t arg) except -1:
        cdef uint32_t slot = self.clock.ntimers
        if slot >= MAX_TIMERS:
            raise DeviceError(f"the machine's clock has {MAX_TIMERS} timers and all are taken")
        self.clock.timers[slot].deadline_ns = NO_DEADLINE
        self.clock.timers[slot].fire = fire
        self.clock.timers[slot].dev = dev
        self.clock.timers[slot].arg = arg
        self.clock.ntimers = slot + 1
        return <int>slot


cdef class CompiledDevice:
    """Base of the devices that run inside the run loop, without the GIL."""

    def __cinit__(self):
        self.lock = &self.own_lock

    cdef void share_lock(self, ClockHandle clock) noexcept:
        self.lock = &clock.clock.lock
        self.lock_owner = clock

    def connect(self, Irq irq):
        """Connect the device's interrupt output to `irq`."""
        self.irq = irq.wire
        self.irq_owner = irq

    def read(self, uint64_t offset, uint32_t size):
        """Read a register as the guest would; `size` is 1, 2, 4 or 8 bytes."""
        cdef uint64_t value
        if size not in (1, 2, 4, 8) or offset >= self.size or size > self.size - offset:
            raise DeviceError(f"offset {offset:#x} size {size} is outside a device of {self.size:#x} bytes")
        self.begin()
        value = self.mmio_read(self.dev, offset, size)
        self.end()
        return value

    def write(self, uint64_t offset, uint32_t size, uint64_t value):
        """Write a register as the guest would; `size` is 1, 2, 4 or 8 bytes."""
        if size not in (1, 2, 4, 8) or offset >= self.size or size > self.size - offset:
            raise DeviceError(f"offset {offset:#x} size {size} is outside a device of {self.size:#x} bytes")
        self.begin()
        self.mmio_write(self.dev, offset, size, value)
        self.end()

    def save(self):
        """Return the whole state of the device as a dict of ints, bytes and lists (never pickled)."""
        raise DeviceError(f"{type(self).__name__} declares no state")

    def load(self, state):
        """Take the state that :meth:`save` of the same class returned."""
        raise DeviceError(f"{type(self).__name__} declares no state")
