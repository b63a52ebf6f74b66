# PLIC: platform-level interrupt controller. Under the lock of bus.pxd.

from libc.stdint cimport uint32_t, uint8_t

from vmcore._fast.defs cimport HartPins
from vmcore._fast.dev.bus cimport CompiledDevice, Irq

cdef enum:
    PLIC_MAX_SOURCES = 127
    PLIC_WORDS = 4            # of 32 sources, source 0 included
    PLIC_MAX_HARTS = 8
    PLIC_MAX_CONTEXTS = 2 * PLIC_MAX_HARTS

cdef struct PlicState:
    uint32_t nsources
    uint32_t ncontexts        # 2 * hart: M, 2 * hart + 1: S
    uint32_t valid[PLIC_WORDS]              # the sources that exist
    uint32_t level[PLIC_WORDS]              # the wires
    # A source is pending (request latched by its gateway), in flight (claimed, not completed) or neither, never both.
    uint32_t pending[PLIC_WORDS]
    uint32_t flight[PLIC_WORDS]
    uint8_t priority[PLIC_WORDS * 32]
    uint32_t enable[PLIC_MAX_CONTEXTS][PLIC_WORDS]
    uint8_t threshold[PLIC_MAX_CONTEXTS]
    HartPins *pins[PLIC_MAX_HARTS]

cdef class Plic(CompiledDevice):
    cdef PlicState st
    cdef list pins
    cpdef Irq line(self, n)
