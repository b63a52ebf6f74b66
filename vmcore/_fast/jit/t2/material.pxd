# What a region is made from, as the hart knows it that was seen where it is to be.

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.defs cimport gva_t
from vmcore._fast.hart.state cimport CodeBundle, Hart
from vmcore._fast.jit.cache cimport PageBlocks
from vmcore._fast.jit.t2.job cimport Job

# Whose blocks the hart was in at pc; NULL: none that a region may be made of.
cdef CodeBundle *bundle_at(Hart *hart, gva_t pc) noexcept nogil
# How many halfwords are warm: of a map, and of a page.
cdef uint32_t count_warm(const uint8_t *warm) noexcept nogil
cdef uint32_t warmth(const PageBlocks *u) noexcept nogil
# Jumps to what a register says are found by what the hart looks up from now on.
cdef void forget_targets(Hart *hart, gva_t page) noexcept nogil
# A job with all that the region around pc is made from; it is the caller's to free. NULL: no memory.
cdef Job *describe(Hart *hart, CodeBundle *bundle, gva_t pc) noexcept nogil
