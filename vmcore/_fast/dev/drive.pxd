# Driving a hart's interrupt input without disturbing the hart when nothing changed.

from libc.stdint cimport uint64_t

from vmcore._fast.defs cimport HartPins, pins_set, vmcore_load64

cdef inline void pins_drive(HartPins *pins, uint64_t bit, bint level) noexcept nogil:
    # A level that stays does not make the hart look: a poll costs it the rest of its quantum.
    if ((vmcore_load64(&pins.lines) & bit) != 0) != level:
        pins_set(pins, bit, level)
