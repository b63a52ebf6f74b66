# Objects of one size that are used again and again, named by handles: an index and a serial number, so that a handle
# which was given back is told from the next one at the same place.
#
# Any thread. What a handle names is its holder's alone: a pool does not keep two holders of one handle apart.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    POOL_LIMIT_MOST = 1 << 20

cdef struct Entry:
    void *item
    uint32_t serial           # odd while the object is taken
    uint32_t next             # the free entry below this one, + 1; 0: none

cdef class MemoryPool:
    cdef Entry *entries       # `limit` of them, from the first take on
    cdef uint32_t lock
    cdef uint32_t free        # the free entry to take next, + 1; 0: none
    cdef uint32_t made        # entries from here on have no object yet
    cdef uint32_t live
    cdef readonly size_t size
    cdef readonly uint32_t limit
    cdef uint64_t hits
    cdef uint64_t misses
    cdef uint64_t refused

    # 0: all are taken, or there is no memory. The object holds what its last user left in it.
    cdef uint64_t acquire(self) noexcept nogil
    # NULL: the handle names no object that is taken.
    cdef void *at(self, uint64_t handle) noexcept nogil
    # False: the same, and nothing happened.
    cdef bint release(self, uint64_t handle) noexcept nogil
    cdef uint8_t *item(self, uint64_t handle) except NULL
