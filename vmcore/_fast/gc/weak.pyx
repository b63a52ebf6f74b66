"""Weak references and finalisers. `weak_lock` guards them, and is held for a few thousand entries at most."""

from libc.stdint cimport SIZE_MAX, int64_t, uint64_t

from vmcore._fast.gc.barrier cimport log_flush, shade
from vmcore._fast.gc.layout cimport (
    BARRIER_IDLE, Heap, Mutator, Obj, WeakTable, Worker, gc_load32_acq, is_marked, offset_of, pthread_mutex_lock,
    pthread_mutex_unlock)
from vmcore._fast.gc.lists cimport list_empty
from vmcore._fast.gc.mark cimport mark_push, mark_slots
from vmcore._fast.memory.alloc cimport vm_free, vm_realloc

cdef enum:
    SLICE = 4096              # entries looked at before the lock is let go


cdef bint is_white(Heap *heap, const Obj *o) noexcept nogil:
    return not is_marked(heap.maps[heap.cycle & 1], offset_of(heap.base, o))


cdef bint weak_take_locked(Mutator *m, Obj *o) noexcept nogil:
    if m.armed == BARRIER_IDLE or is_marked(m.marks, offset_of(m.base, o)):
        return True
    if m.heap.condemned:
        return False
    # Shown to the markers before the lock is let go: condemn() finds it, or has been before and was seen here.
    shade(m, o)
    log_flush(m)
    return True


cdef bint weak_take(Mutator *m, Obj *o) noexcept nogil:
    cdef bint alive
    # While no cycle marks, nothing that a table still names is dead.
    if m.armed == BARRIER_IDLE or is_marked(m.marks, offset_of(m.base, o)):
        return True
    pthread_mutex_lock(&m.heap.weak_lock)
    alive = weak_take_locked(m, o)
    pthread_mutex_unlock(&m.heap.weak_lock)
    return alive


# ---- weak references: a free slot holds the next free one, twice its number plus one

cdef int64_t weak_new(Heap *heap, Obj *o) noexcept nogil:
    cdef uint64_t room
    cdef void *grown
    cdef int64_t slot
    pthread_mutex_lock(&heap.weak_lock)
    if heap.free_weak:
        slot = <int64_t>heap.free_weak - 1
        heap.free_weak = <uint64_t>heap.weak[slot] >> 1
    else:
        if heap.nweak == heap.weak_room:
            room = heap.weak_room * 2 or 64
            grown = vm_realloc(heap.weak, room * sizeof(Obj *)) if room <= SIZE_MAX // sizeof(Obj *) else NULL
            if grown == NULL:
                pthread_mutex_unlock(&heap.weak_lock)
                return -1
            heap.weak = <Obj **>grown
            heap.weak_room = room
        slot = <int64_t>heap.nweak
        heap.nweak += 1
    heap.weak[slot] = o
    pthread_mutex_unlock(&heap.weak_lock)
    return slot


cdef void weak_free(Heap *heap, uint64_t slot) noexcept nogil:
    pthread_mutex_lock(&heap.weak_lock)
    heap.weak[slot] = <Obj *>(heap.free_weak << 1 | 1)
    heap.free_weak = slot + 1
    pthread_mutex_unlock(&heap.weak_lock)


cdef Obj *weak_get(Mutator *m, uint64_t slot) noexcept nogil:
    cdef Obj *o
    pthread_mutex_lock(&m.heap.weak_lock)
    o = m.heap.weak[slot]
    if o != NULL and not weak_take_locked(m, o):
        o = NULL
    pthread_mutex_unlock(&m.heap.weak_lock)
    return o


cdef void weak_table_add(Heap *heap, WeakTable *table) noexcept nogil:
    pthread_mutex_lock(&heap.weak_lock)
    table.next = heap.weak_tables
    heap.weak_tables = table
    pthread_mutex_unlock(&heap.weak_lock)


cdef void weak_table_remove(Heap *heap, WeakTable *table) noexcept nogil:
    cdef WeakTable **at
    # forget_dead holds table_lock while it calls tables, so that none goes meanwhile.
    pthread_mutex_lock(&heap.table_lock)
    pthread_mutex_lock(&heap.weak_lock)
    at = &heap.weak_tables
    while at[0] != table:
        at = &at[0].next
    at[0] = table.next
    pthread_mutex_unlock(&heap.weak_lock)
    pthread_mutex_unlock(&heap.table_lock)


cdef bint condemn(Heap *heap) noexcept nogil:
    pthread_mutex_lock(&heap.weak_lock)
    heap.condemned = list_empty(&heap.inbox) and not gc_load32_acq(&heap.overflow)
    pthread_mutex_unlock(&heap.weak_lock)
    return heap.condemned


cdef void forget_dead(Heap *heap) noexcept nogil:
    cdef WeakTable *table
    cdef uint64_t at = 0
    cdef uint64_t end
    cdef Obj *o
    cdef bint more = True
    while more:
        pthread_mutex_lock(&heap.weak_lock)
        end = at + SLICE if at + SLICE < heap.nweak else heap.nweak
        while at < end:
            o = heap.weak[at]
            if o != NULL and not <uint64_t>o & 1 and is_white(heap, o):
                heap.weak[at] = NULL
            at += 1
        more = at < heap.nweak
        pthread_mutex_unlock(&heap.weak_lock)
    pthread_mutex_lock(&heap.table_lock)
    pthread_mutex_lock(&heap.weak_lock)
    table = heap.weak_tables
    pthread_mutex_unlock(&heap.weak_lock)
    while table != NULL:
        table.forget(table.table, heap)
        # Tables are added in front of the first and removed under table_lock: this link stays.
        table = table.next
    pthread_mutex_unlock(&heap.table_lock)


# ---- finalisers

cdef bint room_for(Obj ***objects, uint64_t **ids, uint64_t *room, uint64_t n) noexcept nogil:
    cdef uint64_t want = room[0]
    cdef void *grown
    if n <= want:
        return True
    want = want * 2 or 64
    if want < n:
        want = n
    if want > SIZE_MAX // sizeof(Obj *):
        return False
    grown = vm_realloc(objects[0], want * sizeof(Obj *))
    if grown == NULL:
        return False
    objects[0] = <Obj **>grown
    grown = vm_realloc(ids[0], want * sizeof(uint64_t))
    if grown == NULL:
        return False
    ids[0] = <uint64_t *>grown
    room[0] = want
    return True


cdef int finaliser_add(Heap *heap, Obj *o, uint64_t id) noexcept nogil:
    cdef int failed = -1
    pthread_mutex_lock(&heap.weak_lock)
    # Room for all of them to die at once is made here, where a lack of memory can be told to somebody.
    if (room_for(&heap.finalisable, &heap.finalisers, &heap.finalisable_room, heap.nfinalisable + 1)
            and room_for(&heap.pending, &heap.pending_ids, &heap.pending_room,
                         heap.npending + heap.nfinalisable + 1)):
        heap.finalisable[heap.nfinalisable] = o
        heap.finalisers[heap.nfinalisable] = id
        heap.nfinalisable += 1
        failed = 0
    pthread_mutex_unlock(&heap.weak_lock)
    return failed


cdef bint finaliser_take(Mutator *m, Obj **o, uint64_t *id) noexcept nogil:
    cdef Heap *heap = m.heap
    cdef bint got = False
    pthread_mutex_lock(&heap.weak_lock)
    if heap.npending:
        heap.npending -= 1
        o[0] = heap.pending[heap.npending]
        id[0] = heap.pending_ids[heap.npending]
        got = True
    pthread_mutex_unlock(&heap.weak_lock)
    return got


cdef uint64_t resurrect(Heap *heap, Worker *w) noexcept nogil:
    cdef uint64_t at = 0
    cdef uint64_t dead = 0
    cdef uint64_t end
    cdef bint more = True
    cdef Obj *o
    while more:
        pthread_mutex_lock(&heap.weak_lock)
        end = at + SLICE if at + SLICE < heap.nfinalisable else heap.nfinalisable
        while at < end:
            o = heap.finalisable[at]
            # An object may have several finalisers: the first that is seen makes it grey, so the dead ones are noted
            # in the entries before any of them is marked.
            if is_white(heap, o):
                heap.finalisable[at] = <Obj *>(<uint64_t>o | 1)
                dead += 1
            at += 1
        more = at < heap.nfinalisable
        pthread_mutex_unlock(&heap.weak_lock)
    at = 0
    more = dead > 0
    while more:
        pthread_mutex_lock(&heap.weak_lock)
        end = at + SLICE if at + SLICE < heap.nfinalisable else heap.nfinalisable
        while at < end:
            if <uint64_t>heap.finalisable[at] & 1:
                mark_push(w, <Obj *>(<uint64_t>heap.finalisable[at] - 1))
            at += 1
        more = at < heap.nfinalisable
        pthread_mutex_unlock(&heap.weak_lock)
    return dead


cdef void publish_dead(Heap *heap) noexcept nogil:
    cdef uint64_t left, n
    cdef uint64_t last
    pthread_mutex_lock(&heap.weak_lock)
    left = heap.nfinalisable
    pthread_mutex_unlock(&heap.weak_lock)
    # Downwards: an entry that is taken out is replaced by the last one, which has been looked at or is new.
    while left:
        pthread_mutex_lock(&heap.weak_lock)
        n = SLICE if left > SLICE else left
        while n:
            n -= 1
            left -= 1
            if <uint64_t>heap.finalisable[left] & 1:
                heap.pending[heap.npending] = <Obj *>(<uint64_t>heap.finalisable[left] - 1)
                heap.pending_ids[heap.npending] = heap.finalisers[left]
                heap.npending += 1
                last = heap.nfinalisable - 1
                heap.finalisable[left] = heap.finalisable[last]
                heap.finalisers[left] = heap.finalisers[last]
                heap.nfinalisable = last
        pthread_mutex_unlock(&heap.weak_lock)


cdef void scan_pending(Heap *heap, Worker *w) noexcept nogil:
    cdef uint64_t at = 0
    cdef uint64_t n
    cdef bint more = True
    while more:
        pthread_mutex_lock(&heap.weak_lock)
        n = heap.npending - at if at < heap.npending else 0
        if n > SLICE:
            n = SLICE
        mark_slots(w, heap.pending + at, n)
        at += n
        more = n > 0
        pthread_mutex_unlock(&heap.weak_lock)


cdef void weak_drop(Heap *heap) noexcept nogil:
    vm_free(heap.weak)
    vm_free(heap.finalisable)
    vm_free(heap.finalisers)
    vm_free(heap.pending)
    vm_free(heap.pending_ids)
