"""Goldfish real-time clock: nanoseconds since 1970 and one alarm."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport NO_DEADLINE, timer_set, wire_set
from vmcore._fast.dev.bus cimport ClockHandle, CompiledDevice
from vmcore._fast.dev.declared import checked, uint

cdef enum:
    REGION = 0x1000
    TIME_LOW = 0x00
    TIME_HIGH = 0x04
    ALARM_LOW = 0x08
    ALARM_HIGH = 0x0C
    IRQ_ENABLED = 0x10
    CLEAR_ALARM = 0x14
    ALARM_STATUS = 0x18
    CLEAR_INTERRUPT = 0x1C


cdef inline uint64_t time_ns(const RtcState *s) noexcept nogil:
    return s.clock.wall_base_ns + s.clock.now_ns + s.offset


cdef void drive(RtcState *s) noexcept nogil:
    wire_set(s.irq, s.enabled and s.pending)


cdef void look(RtcState *s) noexcept nogil:
    """Fire an alarm that is due, arm the timer for one that is not."""
    cdef uint64_t now = time_ns(s)
    cdef uint64_t deadline = NO_DEADLINE
    if s.armed and s.alarm <= now:
        s.armed = 0
        s.pending = 1
    elif s.armed and s.alarm - now < NO_DEADLINE - s.clock.now_ns:
        deadline = s.clock.now_ns + (s.alarm - now)
    timer_set(s.clock, s.slot, deadline)
    drive(s)


cdef void fire(void *dev, uint32_t arg) noexcept nogil:
    look(<RtcState *>dev)


cdef uint64_t with_low(uint64_t old, uint64_t value) noexcept nogil:
    return (old & ~<uint64_t>0xFFFFFFFFu) | (value & 0xFFFFFFFFu)


cdef uint64_t with_high(uint64_t old, uint64_t value) noexcept nogil:
    return (old & 0xFFFFFFFFu) | (value << 32)


cdef uint64_t mmio_read(void *dev, uint64_t off, uint32_t size) noexcept nogil:
    cdef RtcState *s = <RtcState *>dev
    cdef uint64_t now
    if size != 4:
        return 0
    if off == TIME_LOW:
        # Both halves are of one moment when the low one is read first.
        now = time_ns(s)
        s.latch = <uint32_t>(now >> 32)
        return now & 0xFFFFFFFFu
    if off == TIME_HIGH:
        return s.latch
    if off == ALARM_LOW:
        return s.alarm & 0xFFFFFFFFu
    if off == ALARM_HIGH:
        return s.alarm >> 32
    if off == IRQ_ENABLED:
        return s.enabled
    if off == ALARM_STATUS:
        return s.armed
    return 0


cdef void mmio_write(void *dev, uint64_t off, uint32_t size, uint64_t value) noexcept nogil:
    cdef RtcState *s = <RtcState *>dev
    cdef uint64_t now = time_ns(s)
    if size != 4:
        return
    if off == TIME_LOW:
        s.offset += with_low(now, value) - now
    elif off == TIME_HIGH:
        s.offset += with_high(now, value) - now
    elif off == ALARM_LOW:
        # The low half comes last and sets the alarm.
        s.alarm = with_low(s.alarm, value)
        s.armed = 1
    elif off == ALARM_HIGH:
        s.alarm = with_high(s.alarm, value)
    elif off == IRQ_ENABLED:
        s.enabled = value & 1
    elif off == CLEAR_ALARM:
        s.armed = 0
    elif off == CLEAR_INTERRUPT:
        s.pending = 0
    else:
        return
    look(s)


@cython.no_gc_clear  # __dealloc__ disarms a timer in the clock, which must be there until then
cdef class Rtc(CompiledDevice):
    """Goldfish real-time clock, as on QEMU's ``virt``: ``clock.wall_base_ns`` plus virtual time.

    Registers are 32 bits wide at multiples of 4 and take accesses of 4 bytes; others read 0 and write nothing.

    Parameters
    ----------
    clock : ClockHandle
        The machine's clock.
    """

    def __cinit__(self, ClockHandle clock not None):
        self.clock = clock
        self.st.slot = <uint32_t>clock.new_timer(fire, &self.st, 0)
        self.st.clock = clock.clock
        self.st.irq = &self.irq
        self.mmio_read = mmio_read
        self.mmio_write = mmio_write
        self.dev = &self.st
        self.size = REGION

    def __dealloc__(self):
        if self.st.clock != NULL:
            timer_set(self.st.clock, self.st.slot, NO_DEADLINE)

    @property
    def time_ns(self):
        """int: the time that the guest sees, in nanoseconds since 1970."""
        return time_ns(&self.st)

    def reset(self):
        """Return to the state after power-on. The time goes on: a real clock has a battery."""
        self.st.armed = self.st.enabled = self.st.pending = 0
        self.st.latch = 0
        self.st.alarm = 0
        look(&self.st)

    def save(self):
        """Return the whole state; the deadline follows from it and from the clock."""
        return {
            "offset": self.st.offset,
            "alarm": self.st.alarm,
            "armed": self.st.armed,
            "enabled": self.st.enabled,
            "pending": self.st.pending,
            "latch": self.st.latch,
        }

    def load(self, state):
        """Take the state that :meth:`save` returned; the clock is already at that state's time."""
        word, bit = uint(2**64 - 1), uint(1)
        good = checked(
            "Rtc",
            state,
            {"offset": word, "alarm": word, "armed": bit, "enabled": bit, "pending": bit, "latch": uint(2**32 - 1)},
        )
        self.st.offset = good["offset"]
        self.st.alarm = good["alarm"]
        self.st.armed = good["armed"]
        self.st.enabled = good["enabled"]
        self.st.pending = good["pending"]
        self.st.latch = good["latch"]
        look(&self.st)
