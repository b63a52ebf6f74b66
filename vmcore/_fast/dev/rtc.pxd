# Goldfish real-time clock. Under the lock of bus.pxd.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport Clock, IrqWire
from vmcore._fast.dev.bus cimport ClockHandle, CompiledDevice

cdef struct RtcState:
    Clock *clock
    IrqWire *irq
    uint32_t slot
    uint8_t armed             # the alarm is set and has not fired
    uint8_t enabled
    uint8_t pending
    uint32_t latch            # high half of the time, taken when the low one is read
    uint64_t alarm            # ns since 1970
    uint64_t offset           # time = wall_base_ns + now_ns + offset, modulo 2**64

cdef class Rtc(CompiledDevice):
    cdef RtcState st
    cdef ClockHandle clock
