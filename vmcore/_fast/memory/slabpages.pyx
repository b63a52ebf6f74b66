"""Pages of a slab on which no cell is used go back to the system. See ``slabpages.pxd``."""

from libc.stdint cimport uint64_t

from vmcore._fast.memory.heaps cimport FREE, Slab, byte_peek, states_of

cdef extern from "memory/slab.h" nogil:
    """
    #include <time.h>
    #include <unistd.h>
    #ifndef CLOCK_MONOTONIC_COARSE
    #define CLOCK_MONOTONIC_COARSE CLOCK_MONOTONIC
    #endif
    static inline uint64_t slab_clock(void)
    {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    }
    """
    uint64_t slab_clock()
    int getpagesize()
    int madvise(void *, size_t, int)
    int MADV_DONTNEED

cdef uint64_t page = <uint64_t>getpagesize()


cdef uint64_t slab_now() noexcept nogil:
    return slab_clock()


cdef uint64_t pages_of(const Slab *s) noexcept nogil:
    return (<uint64_t>s.units << 16) // page


cdef void give_pages(const Slab *s, uint64_t first, uint64_t end) noexcept nogil:
    # Whole pages between two cells. Locked memory refuses the advice, and stays.
    cdef uint64_t start = (first * s.size + page - 1) & ~(page - 1)
    cdef uint64_t stop = (end * s.size) & ~(page - 1)
    if start < stop:
        madvise(s.start + start, stop - start, MADV_DONTNEED)


cdef void slab_bare(const Slab *s) noexcept nogil:
    # A cell that another thread marked is not FREE yet: its page stays until the owner has taken it in.
    cdef uint64_t first = 0
    cdef uint64_t i
    for i in range(s.count):
        if byte_peek(&states_of(s)[i]) != FREE:
            give_pages(s, first, i)
            first = i + 1
    give_pages(s, first, s.count)
