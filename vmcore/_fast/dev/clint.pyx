"""SiFive CLINT: software interrupts, machine timers and the machine's ``mtime``."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.defs cimport IRQ_MSIP, IRQ_MTIP, NO_DEADLINE, NS_PER_TICK, timer_fire_t, timer_set
from vmcore._fast.dev.bus cimport ClockHandle, CompiledDevice, Pins
from vmcore._fast.dev.drive cimport pins_drive
from vmcore._fast.dev.declared import checked, uint, uints
from vmcore.errors import DeviceError

cdef enum:
    REGION = 0x10000
    MTIMECMP = 0x4000
    MTIME = 0xBFF8


cdef void look(ClintState *s, uint32_t hart) noexcept nogil:
    """Drive MTIP of one hart and arm its timer for the next change."""
    pins_drive(s.pins[hart], IRQ_MTIP, clint_time(s) >= s.mtimecmp[hart])
    timer_set(s.clock, s.slots[hart], clint_deadline(s, s.mtimecmp[hart]))


cdef void fire(void *dev, uint32_t hart) noexcept nogil:
    look(<ClintState *>dev, hart)


cdef uint64_t half(uint64_t value, uint64_t off, uint32_t size) noexcept nogil:
    """Return what a read of `size` at `off` sees of a 64-bit register."""
    if size == 8:
        return value
    return (value >> 32) if off & 4 else (value & 0xFFFFFFFFu)


cdef uint64_t merged(uint64_t old, uint64_t off, uint32_t size, uint64_t value) noexcept nogil:
    """Return a 64-bit register after a write of `size` at `off`."""
    if size == 8:
        return value
    if off & 4:
        return (old & 0xFFFFFFFFu) | (value << 32)
    return (old & ~<uint64_t>0xFFFFFFFFu) | (value & 0xFFFFFFFFu)


cdef uint64_t mmio_read(void *dev, uint64_t off, uint32_t size) noexcept nogil:
    cdef ClintState *s = <ClintState *>dev
    cdef uint64_t i
    cdef uint64_t value = 0
    if (size != 4 and size != 8) or off % size:
        return 0
    if off < MTIMECMP:
        i = off / 4
        if i < s.nharts:
            value = s.msip[i]
        if size == 8 and i + 1 < s.nharts:
            value |= <uint64_t>s.msip[i + 1] << 32
        return value
    if off - off % 8 == MTIME:
        return half(clint_time(s), off, size)
    i = (off - MTIMECMP) / 8
    return half(s.mtimecmp[i], off, size) if i < s.nharts else 0


cdef void set_msip(ClintState *s, uint64_t hart, uint32_t value) noexcept nogil:
    if hart < s.nharts:
        s.msip[hart] = value & 1
        pins_drive(s.pins[hart], IRQ_MSIP, value & 1)


cdef void mmio_write(void *dev, uint64_t off, uint32_t size, uint64_t value) noexcept nogil:
    cdef ClintState *s = <ClintState *>dev
    cdef uint64_t i
    cdef uint32_t hart
    if (size != 4 and size != 8) or off % size:
        return
    if off < MTIMECMP:
        set_msip(s, off / 4, <uint32_t>value)
        if size == 8:
            set_msip(s, off / 4 + 1, <uint32_t>(value >> 32))
    elif off - off % 8 == MTIME:
        s.offset = merged(clint_time(s), off, size, value) - s.clock.now_ns / NS_PER_TICK
        for hart in range(s.nharts):
            look(s, hart)
        if s.moved != NULL:
            s.moved(s.moved_dev, s.moved_arg)
    else:
        i = (off - MTIMECMP) / 8
        if i < s.nharts:
            s.mtimecmp[i] = merged(s.mtimecmp[i], off, size, value)
            look(s, <uint32_t>i)


@cython.no_gc_clear  # __dealloc__ disarms timers in the clock, which must be there until then
cdef class Clint(CompiledDevice):
    """SiFive CLINT: ``msip`` at 0, ``mtimecmp`` at 0x4000, ``mtime`` at 0xBFF8 (SiFive FU540 manual, chapter 9).

    ``mtime`` runs at 10 MHz and is writable. Registers take aligned accesses of 4 and 8 bytes; others read 0 and
    write nothing. ``mtimecmp`` starts as all ones, so no timer interrupt is pending before software asks for one.

    Parameters
    ----------
    clock : ClockHandle
        The machine's clock.
    pins : list of Pins
        The harts' interrupt inputs, 1 to 8; MSIP and MTIP are driven.

    Raises
    ------
    DeviceError
        No hart, more than 8, or the clock has no free timer.
    """

    def __cinit__(self, ClockHandle clock not None, pins):
        cdef uint32_t i
        cdef Pins one
        self.pins = list(pins)
        if not 1 <= len(self.pins) <= CLINT_MAX_HARTS:
            raise DeviceError(f"a CLINT for {len(self.pins)} harts: allowed are 1 to {CLINT_MAX_HARTS}")
        self.clock = clock
        self.st.clock = clock.clock
        for i in range(<uint32_t>len(self.pins)):
            one = self.pins[i]
            self.st.pins[i] = one.pins
            self.st.slots[i] = <uint32_t>clock.new_timer(fire, &self.st, i)
            self.st.nharts = i + 1
            self.st.mtimecmp[i] = NO_DEADLINE
        self.mmio_read = mmio_read
        self.mmio_write = mmio_write
        self.dev = &self.st
        self.size = REGION

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.st.nharts):
            timer_set(self.st.clock, self.st.slots[i], NO_DEADLINE)

    cdef ClintState *source(self) noexcept:
        return &self.st

    cdef void on_moved(self, timer_fire_t fn, void *dev, uint32_t arg) noexcept:
        self.st.moved = fn
        self.st.moved_dev = dev
        self.st.moved_arg = arg

    @property
    def mtime(self):
        """int: the timer's value now, in ticks of 100 ns."""
        return clint_time(&self.st)

    cdef void drive(self) noexcept:
        cdef uint32_t i
        for i in range(self.st.nharts):
            pins_drive(self.st.pins[i], IRQ_MSIP, self.st.msip[i])
            look(&self.st, i)
        if self.st.moved != NULL:
            self.st.moved(self.st.moved_dev, self.st.moved_arg)

    def reset(self):
        """Return to the state after power-on: mtime follows the clock again, nothing is pending."""
        cdef uint32_t i
        self.st.offset = 0
        memset(self.st.msip, 0, sizeof(self.st.msip))
        for i in range(self.st.nharts):
            self.st.mtimecmp[i] = NO_DEADLINE
        self.drive()

    def save(self):
        """Return the whole state; the deadlines follow from it and from the clock."""
        cdef uint32_t i
        return {
            "offset": self.st.offset,
            "mtimecmp": [self.st.mtimecmp[i] for i in range(self.st.nharts)],
            "msip": [self.st.msip[i] for i in range(self.st.nharts)],
        }

    def load(self, state):
        """Take the state that :meth:`save` returned; the clock is already at that state's time."""
        cdef uint32_t i
        n = self.st.nharts
        good = checked(
            "Clint",
            state,
            {"offset": uint(2**64 - 1), "mtimecmp": uints(n, 2**64 - 1), "msip": uints(n, 1)},
        )
        self.st.offset = good["offset"]
        for i in range(n):
            self.st.mtimecmp[i] = good["mtimecmp"][i]
            self.st.msip[i] = good["msip"][i]
        self.drive()
