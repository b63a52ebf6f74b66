# ACLINT SSWI: supervisor software interrupts. Under the lock of bus.pxd.

from libc.stdint cimport uint32_t

from vmcore._fast.defs cimport HartPins
from vmcore._fast.dev.bus cimport CompiledDevice

cdef enum:
    SSWI_MAX_HARTS = 8

cdef struct SswiState:
    uint32_t nharts
    HartPins *pins[SSWI_MAX_HARTS]

cdef class Sswi(CompiledDevice):
    cdef SswiState st
    cdef list pins
