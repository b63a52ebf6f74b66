"""The markers: a stack of grey objects, a short prefetch queue before it, and segments that hungry workers steal."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport vmcore_likely, vmcore_unlikely
from vmcore._fast.gc.layout cimport (
    BLOCK_SHIFT, CARD_SHIFT, KIND_PAGES, SEGMENT_ITEMS, Heap, Obj, Segment, Worker, gc_add32, gc_cpu_ns, gc_load8,
    gc_load32, gc_load32_acq, gc_load64, gc_load64_acq, gc_load_ptr, gc_lowest_bit, gc_nap, gc_prefetch,
    gc_store32_rel, gc_swap64, obj_slots, offset_of, sched_yield, set_mark)
from vmcore._fast.gc.lists cimport list_empty, segment_free, segment_new, segment_pop, segment_push

cdef enum:
    QUEUE = 16                # objects between "its line is asked for" and "its fields are read"
    WORTH_SHARING = 32        # grey objects, before a hungry worker is given them


cdef inline bint make_room(Worker *w) noexcept nogil:
    cdef Segment *fresh = segment_new(w.heap)
    if fresh == NULL:
        # ORDER: release; the marks of what is dropped are set before the flag that makes every mark be looked at again.
        gc_store32_rel(&w.heap.overflow, 1)
        return False
    if w.top != NULL:
        segment_push(w.heap, &w.shared, w.top)
    w.top = fresh
    return True


cdef inline void push(Worker *w, Obj *o, uint64_t offset) noexcept nogil:
    cdef Segment *top = w.top
    w.marked += 1
    # A page refers to nothing: it is black without being looked at.
    if gc_load8(&w.heap.blocks[offset >> BLOCK_SHIFT].kind) == KIND_PAGES:
        return
    if vmcore_unlikely(top == NULL or top.count == SEGMENT_ITEMS):
        if not make_room(w):
            return
        top = w.top
    top.items[top.count] = o
    top.count += 1


cdef void mark_push(Worker *w, Obj *o) noexcept nogil:
    cdef uint64_t offset = offset_of(w.heap.base, o)
    if set_mark(w.heap.maps[w.heap.cycle & 1], offset):
        push(w, o, offset)


cdef void mark_slots(Worker *w, Obj **slots, uint64_t n) noexcept nogil:
    cdef uint64_t i
    cdef Obj *o
    for i in range(n):
        o = <Obj *>gc_load_ptr(&slots[i])
        if o != NULL and not <uint64_t>o & 1:
            mark_push(w, o)


cdef inline void scan(Worker *w, uint64_t *marks, const uint8_t *base, Obj *o) noexcept nogil:
    cdef uint64_t n = gc_load64(&o.header) >> 32
    cdef uint64_t i, offset
    cdef Obj **slots = obj_slots(o)
    cdef Obj *child
    for i in range(n):
        # ORDER: acquire; the object that the reference shows was made before it was stored.
        child = <Obj *>gc_load_ptr(&slots[i])
        if child == NULL:
            continue
        offset = offset_of(base, child)
        if set_mark(marks, offset):
            push(w, child, offset)


cdef Segment *steal(Worker *w) noexcept nogil:
    cdef Heap *heap = w.heap
    cdef Segment *got = segment_pop(heap, &w.shared)
    cdef uint32_t i
    if got != NULL:
        return got
    got = segment_pop(heap, &heap.inbox)
    if got != NULL:
        return got
    for i in range(1, heap.nworkers):
        got = segment_pop(heap, &heap.workers[(w.id + i) % heap.nworkers].shared)
        if got != NULL:
            w.stolen += 1
            return got
    return NULL


cdef bint anything(Heap *heap) noexcept nogil:
    cdef uint32_t i
    if not list_empty(&heap.inbox):
        return True
    for i in range(heap.nworkers):
        if not list_empty(&heap.workers[i].shared):
            return True
    return False


# False: every worker is idle, so nothing is left. True: there may be something to take.
cdef bint wait_for_work(Worker *w, uint32_t workers) noexcept nogil:
    cdef Heap *heap = w.heap
    cdef uint32_t spins = 0
    gc_add32(&heap.idle, 1)
    while gc_load32_acq(&heap.idle) < workers:
        if anything(heap):
            # Not idle any more before anything is taken, so the last of all to be idle knows that no worker has work.
            # One that left too early only leaves the rest to others.
            gc_add32(&heap.idle, 0xFFFFFFFF)
            return True
        spins += 1
        if spins < 64:
            sched_yield()
        else:
            gc_nap(50)
    return False


cdef void mark_drain(Worker *w, uint32_t workers) noexcept nogil:
    cdef Heap *heap = w.heap
    cdef uint64_t *marks = heap.maps[heap.cycle & 1]
    cdef const uint8_t *base = heap.base
    cdef Obj *queue[QUEUE]
    cdef Segment *top
    cdef Obj *o
    cdef Obj *later
    cdef uint32_t at = 0
    cdef uint32_t misses = 0
    cdef uint64_t began = gc_cpu_ns()
    for at in range(QUEUE):
        queue[at] = NULL
    at = 0
    while True:
        top = w.top
        if vmcore_likely(top != NULL and top.count):
            top.count -= 1
            later = top.items[top.count]
            gc_prefetch(later)
            if vmcore_unlikely(workers > 1 and gc_load32(&heap.idle)) and top.count >= WORTH_SHARING:
                if list_empty(&w.shared):
                    make_room(w)
        else:
            top = steal(w)
            if top != NULL:
                if w.top != NULL:
                    segment_free(heap, w.top)
                w.top = top
                continue
            later = NULL
        o = queue[at]
        queue[at] = later
        at = (at + 1) % QUEUE
        if vmcore_likely(o != NULL):
            misses = 0
            scan(w, marks, base, o)
        elif later == NULL:
            misses += 1
            # The queue went round without anything in it.
            if misses > QUEUE:
                misses = 0
                if not wait_for_work(w, workers):
                    break
    w.cpu_ns += gc_cpu_ns() - began


cdef uint64_t rescan_cards(Worker *w, bint all) noexcept nogil:
    cdef Heap *heap = w.heap
    cdef uint64_t *marks = heap.maps[heap.cycle & 1]
    cdef const uint8_t *base = heap.base
    # Eight cards are one word of the table and four words of the bitmap.
    cdef uint64_t words = (<uint64_t>gc_load32(&heap.high) << BLOCK_SHIFT) >> (CARD_SHIFT + 3)
    cdef uint64_t dirty = 0
    cdef uint64_t i, cards, bits
    cdef uint32_t card, at
    cdef uint64_t *table = <uint64_t *>heap.cards
    for i in range(words):
        cards = gc_load64(&table[i])
        if cards == 0 and not all:
            continue
        # ORDER: acq_rel exchange, a full fence on x86: the cards are clean before any field is read. A store after that
        # dirties its card again; a store before it is seen by the reads.
        cards = gc_swap64(&table[i], 0)
        for card in range(8):
            if not all and not (cards >> (card * 8)) & 0xFF:
                continue
            dirty += 1
            # ORDER: acquire; see set_mark.
            bits = <uint32_t>(gc_load64_acq(&marks[i * 4 + (card >> 1)]) >> ((card & 1) << 5))
            while bits:
                at = gc_lowest_bit(bits)
                bits &= bits - 1
                if gc_load8(&heap.blocks[i >> (BLOCK_SHIFT - CARD_SHIFT - 3)].kind) != KIND_PAGES:
                    scan(w, marks, base, <Obj *>(base + (((i * 8 + card) << CARD_SHIFT) + at * 16)))
    return dirty
