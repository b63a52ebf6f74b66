# Blocks: who has memory, who is empty, and runs of blocks for large objects.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.gc.layout cimport Heap

# Reserve the address space and the tables for `limit` bytes (a multiple of BLOCK). -1: the host has no memory.
cdef int blocks_init(Heap *heap, uint64_t limit) noexcept nogil
cdef void blocks_free(Heap *heap) noexcept nogil
# A block with memory (not zeroed) and nothing in it, owned by the caller; NO_BLOCK: the limit is reached.
cdef uint32_t block_take(Heap *heap) noexcept nogil
# Give back a block that holds nothing.
cdef void block_give(Heap *heap, uint32_t index) noexcept nogil
# `n` blocks that follow each other, zeroed; NO_BLOCK: there is no such run.
cdef uint32_t span_take(Heap *heap, uint32_t n) noexcept nogil
cdef void span_give(Heap *heap, uint32_t index, uint32_t n) noexcept nogil
# Return memory of empty blocks to the system until `keep` are left; how many were returned.
cdef uint64_t blocks_release(Heap *heap, uint64_t keep) noexcept nogil
