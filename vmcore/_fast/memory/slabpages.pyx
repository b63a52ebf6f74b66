"""Pages of a slab on which no cell is used go back to the system. See ``slabpages.pxd``."""

from libc.stdint cimport uint8_t, uint64_t

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
    uint8_t byte_peek "slab_peek"(const uint8_t *p)
    int getpagesize()
    int madvise(void *, size_t, int)
    int MADV_DONTNEED

cdef uint64_t page = <uint64_t>getpagesize()


cdef uint64_t slab_now() noexcept nogil:
    return slab_clock()


cdef uint64_t pages_in(uint64_t size) noexcept nogil:
    return size // page


cdef uint64_t give_pages(char *start, uint64_t size, uint64_t first, uint64_t end) noexcept nogil:
    # Whole pages between two cells. Locked memory refuses the advice, and stays.
    cdef uint64_t begin = (first * size + page - 1) & ~(page - 1)
    cdef uint64_t stop = (end * size) & ~(page - 1)
    if begin >= stop or madvise(start + begin, stop - begin, MADV_DONTNEED):
        return 0
    return stop - begin


cdef uint64_t pages_give(
    char *start, uint64_t size, const uint8_t *states, uint64_t count, uint8_t free
) noexcept nogil:
    cdef uint64_t given = 0
    cdef uint64_t first = 0
    cdef uint64_t i
    for i in range(count):
        if byte_peek(&states[i]) != free:
            given += give_pages(start, size, first, i)
            first = i + 1
    return given + give_pages(start, size, first, count)
