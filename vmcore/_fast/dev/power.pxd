# The test finisher: how a guest ends or restarts its machine. Under the lock of bus.pxd.

from libc.stdint cimport uint32_t

from vmcore._fast.defs cimport HartPins
from vmcore._fast.dev.bus cimport CompiledDevice

cdef enum:
    POWER_MAX_HARTS = 8
    # What the guest asked for. The first request stays until the host clears it.
    POWER_NONE = 0
    POWER_OFF = 1
    POWER_FAIL = 2
    POWER_RESET = 3

cdef struct PowerState:
    uint32_t request          # for the run loop: non-zero ends the run
    uint32_t code             # exit status, of POWER_FAIL
    uint32_t nharts
    HartPins *pins[POWER_MAX_HARTS]

cdef class PowerControl(CompiledDevice):
    cdef PowerState st
    cdef list pins
    # The pointer that the run loop keeps; valid as long as the device lives.
    cdef uint32_t *request_word(self) noexcept
