# The one range of addresses that small and large blocks come from, reserved once and handed out in runs of 64 KiB
# units.
#
# Because it is one range, whether an address is ours is one subtraction and one comparison, and who owns its unit is
# one load: that is what lets every free check its pointer. Runs are taken lowest first, so that what is in use stays
# together; a run that is given back returns its pages to the system at once, and reads as zeros when it comes again.
#
# Any thread. After a fork the child goes on with its copy.

from libc.stdint cimport uint64_t, uintptr_t

cdef enum:
    UNIT_SHIFT = 16
    UNIT = 1 << UNIT_SHIFT

cdef struct Arena:
    uintptr_t base
    uint64_t size
    void **owners             # a word for each unit: who owns it; NULL: nobody, or the allocator's own records
    uint64_t *taken           # a bit for each unit
    uint64_t *ready           # a bit for each unit that can be read and written
    uint64_t units
    uint64_t top              # units from here on were never taken
    uint64_t low              # no unit below is free
    uint64_t held             # units taken now

# The arena, or NULL where the system reserves no addresses at all. Fixed once it is there.
cdef Arena *arena_get() noexcept nogil
# `units` units that follow each other, zeroed. `start`, a field of the owner's record, is written before the owner is
# shown in the table. NULL: no memory.
cdef char *arena_take(uint64_t units, void *owner, char **start) noexcept nogil
# Take `owner` out of the table. The run stays taken until arena_give: addresses in it are nobody's.
cdef void arena_disown(const char *run, uint64_t units) noexcept nogil
cdef void arena_give(char *run, uint64_t units) noexcept nogil
# Memory for records that live as long as the process, 64-byte aligned, zeroed. `size` is at most a unit.
cdef char *arena_record(uint64_t size) noexcept nogil
# Around fork: nobody is inside while the process is copied.
cdef void arena_lock() noexcept nogil
cdef void arena_unlock() noexcept nogil
