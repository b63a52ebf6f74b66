# Mutators: threads that allocate, read and write objects. The face for compiled code:
#
#     m = mutator_new(heap)                  one per thread; mutator_free(m) from the same thread
#     o = heap_alloc(m, refs, payload)       NULL: the heap is full, even after collecting
#     heap_store(m, o, i, value)             barrier.pxd
#     heap_load(o, i)
#     root_push(m, o), root_pop(m, n), root_set(m, depth, o)
#                                            what is on the root stack is alive
#     heap_safepoint(m)                      often, where nothing unrooted is held
#     mutator_park(m), mutator_unpark(m)     around anything that may block
#
# An object that is neither rooted nor reachable from something that is may die at any safepoint, and heap_alloc may be
# one.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport vmcore_unlikely
from vmcore._fast.gc.barrier cimport shade_white
from vmcore._fast.gc.layout cimport (
    BARRIER_IDLE, MAX_CELL, PAGE_CLASS, ROOTS, Heap, Mutator, Obj, RootChunk, Tlab, gc_load32_acq, gc_store64,
    gc_store_ptr, size_class)

# NULL: no memory.
cdef Mutator *mutator_new(Heap *heap) noexcept nogil
# Its roots go with it.
cdef void mutator_free(Mutator *m) noexcept nogil
cdef void mutator_park(Mutator *m) noexcept nogil
cdef void mutator_unpark(Mutator *m) noexcept nogil
# Do what the collector asked for. Called by the mutator's thread, or for a parked mutator by the collector.
cdef void mutator_answer(Mutator *m) noexcept nogil
cdef void safepoint_slow(Mutator *m) noexcept nogil
cdef Obj *alloc_slow(Mutator *m, uint64_t refs, uint64_t payload) noexcept nogil
cdef Obj *alloc_cell(Mutator *m, uint32_t cls) noexcept nogil
cdef int roots_grow(Mutator *m) noexcept nogil
cdef void roots_shrink(Mutator *m) noexcept nogil
# Ask for a cycle; returns at once. The number of the last cycle that must be done for it.
cdef uint64_t cycle_request(Heap *heap) noexcept nogil
# Ask for a cycle that begins after the call, and wait for it at a safepoint.
cdef void cycle_wait(Mutator *m) noexcept nogil

cdef inline void heap_safepoint(Mutator *m) noexcept nogil:
    if vmcore_unlikely(gc_load32_acq(&m.ask)):
        safepoint_slow(m)

# refs at most MAX_REFS, payload below 2**32. Fields are empty, the payload is zero.
cdef inline Obj *heap_alloc(Mutator *m, uint64_t refs, uint64_t payload) noexcept nogil:
    cdef uint64_t size = 8 + refs * 8 + payload
    cdef Tlab *t
    cdef uint8_t *o
    if vmcore_unlikely(size > MAX_CELL):
        return alloc_slow(m, refs, payload)
    t = &m.tlabs[size_class(size)]
    o = t.cursor
    if vmcore_unlikely(o == t.end):
        return alloc_slow(m, refs, payload)
    t.cursor = o + t.size
    gc_store64(o, refs << 32 | payload)
    return <Obj *>o

# 4 KiB on a page boundary, no references, not zeroed; nothing ever moves it.
cdef inline uint8_t *heap_alloc_page(Mutator *m) noexcept nogil:
    cdef Tlab *t = &m.tlabs[PAGE_CLASS]
    cdef uint8_t *o = t.cursor
    if vmcore_unlikely(o == t.end):
        return <uint8_t *>alloc_cell(m, PAGE_CLASS)
    t.cursor = o + t.size
    return o

# -1: no memory for more roots.
cdef inline int root_push(Mutator *m, Obj *o) noexcept nogil:
    if vmcore_unlikely(m.sp == m.sp_end) and roots_grow(m) < 0:
        return -1
    m.sp[0] = o
    m.sp += 1
    return 0

# No more than were pushed.
cdef inline void root_pop(Mutator *m, uint64_t n) noexcept nogil:
    while vmcore_unlikely(n > <uint64_t>(m.sp - m.sp_base)):
        n -= <uint64_t>(m.sp - m.sp_base)
        roots_shrink(m)
    m.sp -= n

# The root that was pushed last.
cdef inline Obj *root_top(Mutator *m) noexcept nogil:
    return root_slot(m, 0)[0]

# The slot of the root pushed `depth` before the last. To read: it is written with root_set.
cdef inline Obj **root_slot(Mutator *m, uint64_t depth) noexcept nogil:
    cdef RootChunk *chunk = m.chunk
    cdef uint64_t here = <uint64_t>(m.sp - m.sp_base)
    while depth >= here:
        depth -= here
        chunk = chunk.below
        here = ROOTS
    return &chunk.slots[here - 1 - depth]

# Replace the root pushed `depth` before the last. The slot may be in a chunk that is scanned just now, or was: so what
# goes and what comes are both shaded.
cdef inline void root_set(Mutator *m, uint64_t depth, Obj *o) noexcept nogil:
    cdef Obj **slot = root_slot(m, depth)
    if vmcore_unlikely(m.armed != BARRIER_IDLE):
        shade_white(m, slot[0])
        shade_white(m, o)
    gc_store_ptr(slot, o)
