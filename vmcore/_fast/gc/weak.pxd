# Weak references, tables of them, and finalisers: what is told that an object died, and when.

from libc.stdint cimport int64_t, uint64_t

from vmcore._fast.gc.layout cimport Heap, Mutator, Obj, WeakTable, Worker

# A pointer that was not kept alive until now becomes one that the caller may use (and must root before its next
# safepoint). False: the object is dead.
cdef bint weak_take(Mutator *m, Obj *o) noexcept nogil

# Weak references: slots that are emptied when their object dies. -1 as a slot: no memory.
cdef int64_t weak_new(Heap *heap, Obj *o) noexcept nogil
cdef void weak_free(Heap *heap, uint64_t slot) noexcept nogil
# The object, taken; NULL: it is dead.
cdef Obj *weak_get(Mutator *m, uint64_t slot) noexcept nogil

# A table whose dead entries `forget` removes. The table calls is_white only from there.
cdef void weak_table_add(Heap *heap, WeakTable *table) noexcept nogil
cdef void weak_table_remove(Heap *heap, WeakTable *table) noexcept nogil
cdef bint is_white(Heap *heap, const Obj *o) noexcept nogil

# When o dies, `id` is handed out by finaliser_take, once, together with o (alive again). -1: no memory.
cdef int finaliser_add(Heap *heap, Obj *o, uint64_t id) noexcept nogil
cdef bint finaliser_take(Mutator *m, Obj **o, uint64_t *id) noexcept nogil

# The collector's half. Nothing is grey any more: from now on what is white is dead. False: something is grey.
cdef bint condemn(Heap *heap) noexcept nogil
cdef void forget_dead(Heap *heap) noexcept nogil
# Objects with a finaliser that died become grey; how many.
cdef uint64_t resurrect(Heap *heap, Worker *w) noexcept nogil
# They are marked, with all that they reach: now mutators may have them.
cdef void publish_dead(Heap *heap) noexcept nogil
cdef void scan_pending(Heap *heap, Worker *w) noexcept nogil
cdef void weak_drop(Heap *heap) noexcept nogil
