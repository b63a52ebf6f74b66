# Sweeping: the marks of a finished cycle become a block's allocation map.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.gc.layout cimport Heap

# Sweep a block of cells that the caller owns with the marks of `cycle`; the cells that are left in it.
cdef uint32_t sweep_block(Heap *heap, uint32_t index, uint64_t cycle) noexcept nogil
# Hand over blocks that filled up before the cycle ended, and free large objects that died. No mutator may still be of
# the cycle before.
cdef void sweep_begin(Heap *heap) noexcept nogil
# Sweep what mutators have not swept yet; counts what is live into heap.now.
cdef void sweep_rest(Heap *heap) noexcept nogil
# Count live cells and bytes, block by block.
cdef void count_live(Heap *heap, uint64_t *cells, uint64_t *bytes) noexcept nogil
