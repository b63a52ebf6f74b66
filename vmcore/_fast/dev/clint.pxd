# SiFive CLINT: software interrupts, machine timers and the machine's `mtime`. Under the lock of bus.pxd.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport NO_DEADLINE, NS_PER_TICK, Clock, HartPins, timer_fire_t
from vmcore._fast.dev.bus cimport ClockHandle, CompiledDevice

cdef enum:
    CLINT_MAX_HARTS = 8

cdef struct ClintState:
    Clock *clock
    uint32_t nharts
    uint64_t offset                          # mtime = now_ns / 100 + offset, modulo 2**64
    uint64_t mtimecmp[CLINT_MAX_HARTS]
    uint32_t msip[CLINT_MAX_HARTS]
    uint32_t slots[CLINT_MAX_HARTS]
    HartPins *pins[CLINT_MAX_HARTS]
    # Called after the guest moved mtime, so that whoever compares with it (stimecmp) looks again.
    timer_fire_t moved
    void *moved_dev
    uint32_t moved_arg

cdef inline uint64_t clint_time(const ClintState *s) noexcept nogil:
    # What both mtime and the time CSR read.
    return s.clock.now_ns / NS_PER_TICK + s.offset

cdef inline uint64_t clint_deadline(const ClintState *s, uint64_t compare) noexcept nogil:
    # When `mtime >= compare` next changes, in virtual ns: mtime reaches it, or wraps to 0 and is below it again.
    cdef uint64_t now = s.clock.now_ns / NS_PER_TICK
    cdef uint64_t mtime = now + s.offset
    cdef uint64_t ticks = compare - mtime if mtime < compare else 0 - mtime
    # (now + ticks) * 100 must fit below NO_DEADLINE; later than that is never.
    if ticks == 0 or ticks > (NO_DEADLINE - 1) / NS_PER_TICK - now:
        return NO_DEADLINE
    return (now + ticks) * NS_PER_TICK

cdef class Clint(CompiledDevice):
    cdef ClintState st
    cdef ClockHandle clock
    cdef list pins
    # The pointer that the core keeps for the time CSR; valid as long as the device lives.
    cdef void drive(self) noexcept
    cdef ClintState *source(self) noexcept
    cdef void on_moved(self, timer_fire_t fn, void *dev, uint32_t arg) noexcept
