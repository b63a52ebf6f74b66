"""The slow half of the write barriers: a white object becomes grey and goes into the mutator's log."""

from libc.stdint cimport uint64_t

from vmcore._fast.gc.layout cimport (
    BLOCK_SHIFT, KIND_PAGES, SEGMENT_ITEMS, Mutator, Obj, Segment, gc_load8, gc_store32_rel, offset_of, set_mark)
from vmcore._fast.gc.lists cimport segment_free, segment_new, segment_push


cdef void shade(Mutator *m, Obj *o) noexcept nogil:
    cdef uint64_t offset = offset_of(m.base, o)
    cdef Segment *log
    if not set_mark(m.marks, offset):
        return
    m.barrier_hits += 1
    # A page refers to nothing: marked is black.
    if gc_load8(&m.heap.blocks[offset >> BLOCK_SHIFT].kind) == KIND_PAGES:
        return
    log = m.log
    if log == NULL:
        log = m.log = segment_new(m.heap)
        if log == NULL:
            # ORDER: release; the mark is set before the flag that makes the collector look at every mark again.
            gc_store32_rel(&m.heap.overflow, 1)
            return
    log.items[log.count] = o
    log.count += 1
    if log.count == SEGMENT_ITEMS:
        log_flush(m)


cdef void log_flush(Mutator *m) noexcept nogil:
    cdef Segment *log = m.log
    if log == NULL:
        return
    m.log = NULL
    if log.count:
        segment_push(m.heap, &m.heap.inbox, log)
    else:
        segment_free(m.heap, log)
