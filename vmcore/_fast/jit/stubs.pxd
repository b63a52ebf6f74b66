# The stubs of the boundary convention, and the C functions behind them.

from libc.stdint cimport uint64_t

from vmcore._fast.hart.state cimport Hart
from vmcore._fast.jit.x64.asm cimport Asm

# Write them; `delta` is the distance from where they are written to where they run. table has room for STUB_COUNT + 1
# addresses, the last one that of the way in. `counting`: as the machine's blocks do.
cdef void write_stubs(Asm *a, uint64_t delta, uint64_t *table, bint counting) noexcept nogil
# What STUB_MISS calls: 0, the TLB has an entry for it now.
cdef uint64_t on_miss(Hart *hart, uint64_t gva, uint64_t info) noexcept nogil
cdef void install_stubs(Hart *hart, const uint64_t *table) noexcept nogil
