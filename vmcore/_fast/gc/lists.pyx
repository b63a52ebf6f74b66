"""Lists without locks, of blocks and of segments. Their members are never unmapped while the heap lives."""

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.gc.layout cimport (
    MAX_SLABS, NO_BLOCK, SEGMENTS_A_SLAB, Heap, Segment, gc_cas64, gc_load32, gc_load64, gc_load64_acq, gc_store32,
    pthread_mutex_lock, pthread_mutex_unlock)
from vmcore._fast.memory.alloc cimport vm_alloc, vm_free

cdef enum:
    INDEX = 0xFFFFFFFF

cdef inline uint64_t head_of(uint64_t before, uint32_t first) noexcept nogil:
    # 2**32 pushes and pops would have to happen between two instructions of one thread for a tag to come again.
    return (((before >> 32) + 1) << 32) | first


cdef void block_push(Heap *heap, uint64_t *head, uint32_t index) noexcept nogil:
    cdef uint64_t seen = gc_load64(head)
    while True:
        gc_store32(&heap.blocks[index].next, <uint32_t>(seen & INDEX))
        # ORDER: what the pusher wrote to the block is published by this exchange.
        if gc_cas64(head, &seen, head_of(seen, index + 1)):
            return


cdef uint32_t block_pop(Heap *heap, uint64_t *head) noexcept nogil:
    cdef uint64_t seen = gc_load64_acq(head)
    cdef uint32_t first
    while True:
        first = <uint32_t>(seen & INDEX)
        if first == 0:
            return NO_BLOCK
        # The link may be another list's by now; then the tag has changed and the exchange fails.
        if gc_cas64(head, &seen, head_of(seen, gc_load32(&heap.blocks[first - 1].next))):
            return first - 1


cdef uint32_t block_pop_all(Heap *heap, uint64_t *head) noexcept nogil:
    cdef uint64_t seen = gc_load64_acq(head)
    while True:
        if gc_cas64(head, &seen, head_of(seen, 0)):
            return <uint32_t>(seen & INDEX) - 1


cdef uint32_t block_after(Heap *heap, uint32_t index) noexcept nogil:
    return gc_load32(&heap.blocks[index].next) - 1


cdef inline Segment *segment_at(Heap *heap, uint32_t index) noexcept nogil:
    return &heap.slabs[index // SEGMENTS_A_SLAB][index % SEGMENTS_A_SLAB]


cdef Segment *segment_new(Heap *heap) noexcept nogil:
    cdef Segment *segment = segment_pop(heap, &heap.free_segments)
    cdef Segment *slab
    cdef uint32_t i
    if segment != NULL:
        segment.count = 0
        return segment
    pthread_mutex_lock(&heap.slab_lock)
    slab = NULL
    if heap.nslabs < MAX_SLABS:
        slab = <Segment *>vm_alloc(SEGMENTS_A_SLAB * sizeof(Segment))
    if slab != NULL:
        for i in range(SEGMENTS_A_SLAB):
            slab[i].id = heap.nslabs * SEGMENTS_A_SLAB + i
            slab[i].count = 0
        heap.slabs[heap.nslabs] = slab
        heap.nslabs += 1
    pthread_mutex_unlock(&heap.slab_lock)
    if slab == NULL:
        return NULL
    for i in range(1, SEGMENTS_A_SLAB):
        segment_push(heap, &heap.free_segments, &slab[i])
    return slab


cdef void segment_free(Heap *heap, Segment *segment) noexcept nogil:
    segment_push(heap, &heap.free_segments, segment)


cdef void segment_push(Heap *heap, uint64_t *head, Segment *segment) noexcept nogil:
    cdef uint64_t seen = gc_load64(head)
    while True:
        gc_store32(&segment.next, <uint32_t>(seen & INDEX))
        # ORDER: the items are published by this exchange.
        if gc_cas64(head, &seen, head_of(seen, segment.id + 1)):
            return


cdef Segment *segment_pop(Heap *heap, uint64_t *head) noexcept nogil:
    cdef uint64_t seen = gc_load64_acq(head)
    cdef uint32_t first
    while True:
        first = <uint32_t>(seen & INDEX)
        if first == 0:
            return NULL
        if gc_cas64(head, &seen, head_of(seen, gc_load32(&segment_at(heap, first - 1).next))):
            return segment_at(heap, first - 1)


cdef bint list_empty(const uint64_t *head) noexcept nogil:
    return (gc_load64_acq(head) & INDEX) == 0


cdef void segments_drop(Heap *heap) noexcept nogil:
    cdef uint32_t i
    for i in range(heap.nslabs):
        vm_free(heap.slabs[i])
    heap.nslabs = 0
