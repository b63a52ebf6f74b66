# Pages of a slab on which every cell is FREE, given back to the system. Nothing is written down about them: no list
# runs through free cells and nobody relies on what is in them, so a page that is touched again comes back as zeros by
# itself.

from libc.stdint cimport uint64_t

from vmcore._fast.memory.heaps cimport Slab

# Nanoseconds of a cheap clock, some milliseconds coarse.
cdef uint64_t slab_now() noexcept nogil
cdef uint64_t pages_of(const Slab *s) noexcept nogil
# Give back the pages without a used cell. Called by the slab's owner, between two cells that it takes.
cdef void slab_bare(const Slab *s) noexcept nogil
