# Pages of a slab on which every cell is FREE, given back to the system. Nothing is written down about them: no list
# runs through free cells and nobody relies on what is in them, so a page that is touched again comes back as zeros by
# itself.

from libc.stdint cimport uint8_t, uint64_t

# Nanoseconds of a cheap clock, some milliseconds coarse.
cdef uint64_t slab_now() noexcept nogil
cdef uint64_t pages_in(uint64_t size) noexcept nogil
# Give back the pages from `start` on without a used cell: `count` cells of `size` bytes, whose states are `free` where
# they are not used. (One that another thread marked is not: its page stays until the owner has taken it in.) Called by
# the slab's owner, between two cells that it takes. Returns the bytes of all pages that have none now.
cdef uint64_t pages_give(char *start, uint64_t size, const uint8_t *states, uint64_t count, uint8_t free) noexcept nogil
