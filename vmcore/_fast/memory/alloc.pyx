"""Memory for compiled code: the slab allocator's, counted, so that a test can say that nothing is left."""

from libc.stdint cimport SIZE_MAX, uint32_t, uint64_t

from vmcore._fast.defs cimport VMCORE_ASSERT
from vmcore._fast.memory.slab cimport SLAB_OK, slab_alloc, slab_calloc, slab_free, slab_realloc, slab_size

from collections import namedtuple

cdef extern from *:
    """
    #define vmcore_count(p, n) __atomic_fetch_add((p), (uint64_t)(n), __ATOMIC_RELAXED)
    #define vmcore_counted(p) __atomic_load_n((p), __ATOMIC_RELAXED)
    """
    void vmcore_count(uint64_t *p, uint64_t n) nogil
    uint64_t vmcore_counted(uint64_t *p) nogil

# In front of each block.
cdef struct Header:
    size_t size
    uint64_t unused

cdef enum:
    # The slab allocator aligns a block as its size is aligned: whole steps, so every block begins on a step.
    STEP = 16

# ORDER: relaxed; the counters publish nothing, and whoever compares them has joined the threads before.
cdef uint64_t live_blocks = 0
cdef uint64_t live_bytes = 0

Live = namedtuple("Live", ("blocks", "bytes"))
Live.__doc__ = "Blocks that compiled code holds now, and the bytes that were asked for in them."


cdef inline size_t most() noexcept nogil:
    # The greatest block that header and rounding still fit to.
    return SIZE_MAX - sizeof(Header) - STEP


cdef inline size_t whole(size_t size) noexcept nogil:
    return (sizeof(Header) + size + STEP - 1) & ~<size_t>(STEP - 1)


cdef inline void *hand_out(Header *h, size_t size) noexcept nogil:
    if h == NULL:
        return NULL
    h.size = size
    vmcore_count(&live_blocks, 1)
    vmcore_count(&live_bytes, size)
    return h + 1


cdef void *vm_alloc(size_t size) noexcept nogil:
    return hand_out(<Header *>slab_alloc(whole(size)), size) if size <= most() else NULL


cdef void *vm_calloc(size_t count, size_t size) noexcept nogil:
    if size and count > most() // size:
        return NULL
    return hand_out(<Header *>slab_calloc(whole(count * size)), count * size)


cdef void *vm_realloc(void *block, size_t size) noexcept nogil:
    cdef Header *h
    cdef size_t before
    if block == NULL:
        return vm_alloc(size)
    h = <Header *>block - 1
    if size > most() or not is_live(h):
        return NULL
    before = h.size
    h = <Header *>slab_realloc(h, whole(size))
    if h == NULL:
        return NULL
    h.size = size
    # Modulo 2**64, so this also counts downwards.
    vmcore_count(&live_bytes, <uint64_t>size - <uint64_t>before)
    return h + 1


cdef bint is_live(const Header *h) noexcept nogil:
    # Asked before the header is read: where no block is, there may be no memory.
    cdef bint live = slab_size(h) != 0
    VMCORE_ASSERT(live)
    return live


cdef bint vm_grow(void **array, uint32_t *room, uint32_t wanted, uint32_t least, size_t each) noexcept nogil:
    cdef uint64_t larger = room[0] if room[0] else least
    cdef void *moved
    if wanted <= room[0]:
        return True
    while larger < wanted:
        larger *= 2
    if larger > 0xFFFFFFFFu or larger > most() // each:
        return False
    moved = vm_realloc(array[0], larger * each)
    if moved == NULL:
        return False
    array[0] = moved
    room[0] = <uint32_t>larger
    return True


cdef void vm_free(void *block) noexcept nogil:
    cdef Header *h
    cdef size_t size
    if block == NULL:
        return
    h = <Header *>block - 1
    size = h.size if is_live(h) else 0
    # What is no block is refused, and counted among the allocator's statistics.
    if slab_free(h) != SLAB_OK:
        return
    vmcore_count(&live_blocks, ~<uint64_t>0)
    vmcore_count(&live_bytes, 0 - <uint64_t>size)


cdef size_t vm_size(const void *block) noexcept nogil:
    cdef const Header *h = <const Header *>block - 1
    return h.size if is_live(h) else 0


def live():
    """Return what compiled code holds now.

    Returns
    -------
    Live
        ``blocks`` and ``bytes``. Guest memory is mapped, not allocated, and does not count.
    """
    return Live(vmcore_counted(&live_blocks), vmcore_counted(&live_bytes))
