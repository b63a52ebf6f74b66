# Guest physical memory as a device sees it: host pointers, asked for one contiguous run at a time.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef class Dma:
    # Live memoryviews handed out by view(). Whoever unmaps the memory looks here first.
    cdef readonly Py_ssize_t views

    # Host pointer to up to n (>= 1) bytes of RAM that start at gpa and lie together in host memory; *got says how
    # many (1..n). NULL: no RAM at gpa, or read-only memory and write is set. write=True: the pages are about to be
    # written (the implementation marks them dirty and their decoded code stale). The pointer is good until the caller
    # returns to the run loop; it is never kept.
    cdef uint8_t *span(self, uint64_t gpa, uint64_t n, bint write, uint64_t *got) noexcept nogil

    # Whether [gpa, gpa + n) is all RAM. Nothing is marked. n == 0 is true wherever gpa is.
    cdef bint covers(self, uint64_t gpa, uint64_t n) noexcept nogil
    # Copy n bytes out of or into guest memory. False: some of it is no RAM (a store may then be done in part).
    cdef bint fetch(self, uint64_t gpa, void *into, uint64_t n) noexcept nogil
    cdef bint store(self, uint64_t gpa, const void *data, uint64_t n) noexcept nogil

cdef enum:
    MAX_BUFFERS = 8

cdef struct BufferBank:
    uint64_t gpa
    uint64_t size
    uint8_t *host

cdef class BufferDma(Dma):
    # Guest memory over writable Python buffers (their exports are held until the object goes).
    cdef BufferBank banks[MAX_BUFFERS]
    cdef uint32_t nbanks
    cdef object held
