"""Lazy sweep: a block is swept by the mutator that wants its cells, or by the collector when nobody did."""

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.gc.blocks cimport block_give, blocks_release, span_give
from vmcore._fast.gc.layout cimport (
    AT_LIST, AT_MUTATOR, AT_NOBODY, BLOCK_GRANULES, BLOCK_SHIFT, BLOCK_WORDS, CLASSES, KIND_CELLS, KIND_LARGE,
    KIND_PAGES, NO_BLOCK, Block, Heap, class_granules, gc_add64, gc_load8, gc_load8_acq, gc_load32, gc_load64,
    gc_popcount, gc_store8_rel, gc_store32, gc_store64, is_marked)
from vmcore._fast.gc.lists cimport block_after, block_pop, block_pop_all, block_push


cdef uint32_t sweep_block(Heap *heap, uint32_t index, uint64_t cycle) noexcept nogil:
    cdef Block *b = &heap.blocks[index]
    cdef const uint64_t *marks = heap.maps[cycle & 1] + <uint64_t>index * BLOCK_WORDS
    cdef uint32_t live = 0
    cdef uint32_t dead
    cdef uint32_t i
    for i in range(BLOCK_WORDS):
        live += gc_popcount(gc_load64(&marks[i]))
    dead = b.used - live
    gc_add64(&heap.swept_cells, dead)
    gc_add64(&heap.swept_bytes, <uint64_t>dead * class_granules(b.cls) * 16)
    gc_store32(&b.used, live)
    b.cursor = b.zeroed = 0
    gc_store64(&b.swept, cycle)
    return live


cdef void sweep_begin(Heap *heap) noexcept nogil:
    cdef uint64_t cycle = heap.swept_cycle
    cdef const uint64_t *marks = heap.maps[cycle & 1]
    cdef uint32_t high = gc_load32(&heap.high)
    cdef uint32_t i, after, kind
    cdef Block *b
    for i in range(CLASSES):
        after = block_pop_all(heap, &heap.partial[i])
        while after != NO_BLOCK:
            b = &heap.blocks[after]
            after = block_after(heap, after)
            block_push(heap, &heap.unswept[i], <uint32_t>(b - heap.blocks))
    for i in range(high):
        b = &heap.blocks[i]
        # ORDER: acquire; whoever makes a block something says first whose marks it goes by. So does a mutator that
        # swept and filled one since the cycle ended, before it says that nobody has it: that is looked at last.
        kind = gc_load8_acq(&b.kind)
        if gc_load64(&b.swept) == cycle:
            continue
        if kind == KIND_LARGE:
            if is_marked(marks, <uint64_t>i << BLOCK_SHIFT):
                gc_store64(&b.swept, cycle)
            else:
                gc_add64(&heap.swept_cells, 1)
                gc_add64(&heap.swept_bytes, b.span << BLOCK_SHIFT)
                heap.now.blocks_freed += b.span
                span_give(heap, i, <uint32_t>b.span)
        elif ((kind == KIND_CELLS or kind == KIND_PAGES) and gc_load8_acq(&b.where) == AT_NOBODY
                and gc_load64(&b.swept) != cycle):
            gc_store8_rel(&b.where, AT_LIST)
            block_push(heap, &heap.unswept[b.cls], i)


cdef void sweep_rest(Heap *heap) noexcept nogil:
    cdef uint64_t cycle = heap.swept_cycle
    cdef uint32_t cls, index, granules
    cdef Block *b
    for cls in range(CLASSES):
        granules = class_granules(cls)
        while True:
            index = block_pop(heap, &heap.unswept[cls])
            if index == NO_BLOCK:
                break
            b = &heap.blocks[index]
            gc_store8_rel(&b.where, AT_MUTATOR)
            # A mutator may have swept it, filled cells that the marks know nothing of, and given it back.
            if b.swept != cycle:
                sweep_block(heap, index, cycle)
            if b.used == 0:
                block_give(heap, index)
            elif b.used == BLOCK_GRANULES // granules:
                gc_store8_rel(&b.where, AT_NOBODY)
            else:
                gc_store8_rel(&b.where, AT_LIST)
                block_push(heap, &heap.partial[cls], index)
    count_live(heap, &heap.now.live, &heap.now.live_bytes)
    # Room for as much as is live, so that a steady churn does not ask the system for memory at every turn.
    heap.now.blocks_freed += blocks_release(heap, 16 + (heap.now.live_bytes >> BLOCK_SHIFT))


cdef void count_live(Heap *heap, uint64_t *cells, uint64_t *bytes) noexcept nogil:
    cdef uint32_t i, kind
    cdef uint64_t used
    cdef Block *b
    cells[0] = bytes[0] = 0
    for i in range(gc_load32(&heap.high)):
        b = &heap.blocks[i]
        kind = gc_load8(&b.kind)
        if kind == KIND_CELLS or kind == KIND_PAGES:
            used = gc_load32(&b.used)
            cells[0] += used
            bytes[0] += used * class_granules(gc_load8(&b.cls)) * 16
        elif kind == KIND_LARGE:
            cells[0] += 1
            bytes[0] += gc_load64(&b.span) << BLOCK_SHIFT
