"""Memory for what one pass works with: a stack."""

from libc.stdint cimport SIZE_MAX, uint8_t
from libc.string cimport memset

from vmcore._fast.defs cimport VMCORE_ASSERT
from vmcore._fast.memory.alloc cimport vm_alloc, vm_free

cdef enum:
    # Far more than what nearly all regions need: pages that are never touched cost nothing. What does not fit is a
    # block of its own.
    ROOM = 1 << 20
    STEP = 16


cdef inline bint is_inside(const Scratch *s, const void *block) noexcept nogil:
    return s.start != NULL and <size_t>block - <size_t>s.start < ROOM


cdef void *scratch_take(Scratch *s, size_t count, size_t size) noexcept nogil:
    cdef void *block
    if size and count > (SIZE_MAX - STEP) // size:
        return NULL
    # (A block of nothing has a place of its own, too.)
    size = (count * size + STEP) & ~<size_t>(STEP - 1)
    if s.start == NULL:
        s.start = <uint8_t *>vm_alloc(ROOM)
    if s.start == NULL or size > ROOM - s.used:
        return vm_alloc(size)
    block = s.start + s.used
    s.used += size
    return block


cdef void *scratch_zeroed(Scratch *s, size_t count, size_t size) noexcept nogil:
    cdef void *block = scratch_take(s, count, size)
    if block != NULL:
        memset(block, 0, count * size)
    return block


cdef void scratch_give(Scratch *s, void *block) noexcept nogil:
    if block == NULL:
        return
    if not is_inside(s, block):
        vm_free(block)
    elif <size_t>block - <size_t>s.start < s.used:
        s.used = <size_t>block - <size_t>s.start


cdef void scratch_free(Scratch *s) noexcept nogil:
    VMCORE_ASSERT(s.used == 0)
    vm_free(s.start)
    s.start = NULL
    s.used = 0
