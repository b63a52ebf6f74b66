# Traps: entry, return, and which interrupt is due.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport IRQ_SSIP, gva_t, vmcore_and64, vmcore_load64
from vmcore._fast.hart.state cimport Hart

# A software interrupt that a device raised for S-mode is an edge: it sets SSIP, which the guest itself clears.
cdef inline void fold_ssip(Hart *hart) noexcept nogil:
    if vmcore_load64(&hart.pins.lines) & IRQ_SSIP:
        vmcore_and64(&hart.pins.lines, ~<uint64_t>IRQ_SSIP)
        hart.mip_soft |= IRQ_SSIP

# mip as the guest sees it.
cdef inline uint64_t mip_of(Hart *hart) noexcept nogil:
    fold_ssip(hart)
    return vmcore_load64(&hart.pins.lines) | hart.mip_soft

# Enter the handler of an exception raised at pc; returns the handler's address.
cdef gva_t take_exception(Hart *hart, uint64_t cause, uint64_t tval, gva_t pc) noexcept nogil

# The interrupt to be taken now, or -1.
cdef int due_interrupt(Hart *hart) noexcept nogil
cdef gva_t take_interrupt(Hart *hart, uint32_t number, gva_t pc) noexcept nogil

# mret and sret: returns the address to go on at.
cdef gva_t return_m(Hart *hart) noexcept nogil
cdef gva_t return_s(Hart *hart) noexcept nogil
