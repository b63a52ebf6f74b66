"""Memory for compiled code: the C library's, counted, so that a test can say that nothing is left."""

from libc.stdint cimport SIZE_MAX, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc

from vmcore._fast.defs cimport VMCORE_ASSERT

from collections import namedtuple

cdef extern from *:
    """
    #define vmcore_count(p, n) __atomic_fetch_add((p), (uint64_t)(n), __ATOMIC_RELAXED)
    #define vmcore_counted(p) __atomic_load_n((p), __ATOMIC_RELAXED)
    """
    void vmcore_count(uint64_t *p, uint64_t n) nogil
    uint64_t vmcore_counted(uint64_t *p) nogil

# In front of each block. Sixteen bytes, so that the block keeps malloc's alignment.
cdef struct Header:
    size_t size
    uint64_t mark

cdef enum:
    MARK = 0x6B6C6276         # a live block; another value: freed before, or not ours

# ORDER: relaxed; the counters publish nothing, and whoever compares them has joined the threads before.
cdef uint64_t live_blocks = 0
cdef uint64_t live_bytes = 0

Live = namedtuple("Live", ("blocks", "bytes"))
Live.__doc__ = "Blocks that compiled code holds now, and the bytes that were asked for in them."


cdef inline Header *header_of(const void *block) noexcept nogil:
    cdef Header *h = <Header *>block - 1
    VMCORE_ASSERT(h.mark == MARK)
    return h


cdef inline void *hand_out(Header *h, size_t size) noexcept nogil:
    if h == NULL:
        return NULL
    h.size = size
    h.mark = MARK
    vmcore_count(&live_blocks, 1)
    vmcore_count(&live_bytes, size)
    return h + 1


cdef void *vm_alloc(size_t size) noexcept nogil:
    if size > SIZE_MAX - sizeof(Header):
        return NULL
    return hand_out(<Header *>malloc(sizeof(Header) + size), size)


cdef void *vm_calloc(size_t count, size_t size) noexcept nogil:
    if size and count > (SIZE_MAX - sizeof(Header)) // size:
        return NULL
    return hand_out(<Header *>calloc(1, sizeof(Header) + count * size), count * size)


cdef void *vm_realloc(void *block, size_t size) noexcept nogil:
    cdef Header *h
    cdef size_t before
    if block == NULL:
        return vm_alloc(size)
    if size > SIZE_MAX - sizeof(Header):
        return NULL
    h = header_of(block)
    before = h.size
    h = <Header *>realloc(h, sizeof(Header) + size)
    if h == NULL:
        return NULL
    h.size = size
    # Modulo 2**64, so this also counts downwards.
    vmcore_count(&live_bytes, <uint64_t>size - <uint64_t>before)
    return h + 1


cdef void vm_free(void *block) noexcept nogil:
    cdef Header *h
    if block == NULL:
        return
    h = header_of(block)
    h.mark = 0
    vmcore_count(&live_blocks, ~<uint64_t>0)
    vmcore_count(&live_bytes, 0 - <uint64_t>h.size)
    free(h)


cdef size_t vm_size(const void *block) noexcept nogil:
    return header_of(block).size


def live():
    """Return what compiled code holds now.

    Returns
    -------
    Live
        ``blocks`` and ``bytes``. Guest memory is mapped, not allocated, and does not count.
    """
    return Live(vmcore_counted(&live_blocks), vmcore_counted(&live_bytes))
