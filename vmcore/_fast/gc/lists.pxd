# Stacks without locks: of blocks, and of segments of grey objects.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.gc.layout cimport Heap, Segment

# A list's head is index + 1 (0: empty) below, a tag above.
cdef void block_push(Heap *heap, uint64_t *head, uint32_t index) noexcept nogil
# NO_BLOCK: empty.
cdef uint32_t block_pop(Heap *heap, uint64_t *head) noexcept nogil
# All of them: the first, linked by `next` to the others (NO_BLOCK ends them), which are the caller's from now on.
cdef uint32_t block_pop_all(Heap *heap, uint64_t *head) noexcept nogil
# Next of a chain taken by block_pop_all.
cdef uint32_t block_after(Heap *heap, uint32_t index) noexcept nogil

# An empty segment; NULL: no memory.
cdef Segment *segment_new(Heap *heap) noexcept nogil
cdef void segment_free(Heap *heap, Segment *segment) noexcept nogil
cdef void segment_push(Heap *heap, uint64_t *head, Segment *segment) noexcept nogil
cdef Segment *segment_pop(Heap *heap, uint64_t *head) noexcept nogil
cdef bint list_empty(const uint64_t *head) noexcept nogil
cdef void segments_drop(Heap *heap) noexcept nogil
