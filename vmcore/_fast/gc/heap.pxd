# The managed heap as an object that owns everything, and handles: what Python holds of it.

from libc.stdint cimport uint8_t, uint64_t

from vmcore._fast.gc.layout cimport Heap, Mutator, Obj

# All Python threads share one mutator, which is parked between their calls. Between python_enter and python_leave no
# Python runs and the GIL is not held. NULL, and nothing to leave: the heap is closed.
cdef Mutator *python_enter(Heap *heap) noexcept nogil
cdef void python_leave(Mutator *m) noexcept nogil
# A slot that keeps o alive; NULL: no memory. Inside python_enter.
cdef Obj **handle_new(Mutator *m, Obj *o) noexcept nogil
cdef void handle_free(Mutator *m, Obj **slot) noexcept nogil

# Any thread.
cdef class HeapBase:
    cdef Heap *heap
    cdef object __weakref__
    cdef dict finalisers
    cdef uint64_t next_finaliser
    cdef Handle wrap(self, Obj **slot)
    cdef int own(self, Handle target) except -1
    cdef int refuse_closed(self) except -1

# Any thread; its fields and payload are shared with whoever else has the object.
cdef class Handle:
    cdef readonly HeapBase heap
    cdef Obj **slot
    cdef Obj *o               # never moves, so it is worth keeping
    cdef uint64_t refs
    cdef uint64_t size
    cdef uint8_t *bytes
    cdef uint64_t field(self, index) except? 0xFFFFFFFF
    cdef int within(self, offset, size) except -1

cdef class WeakRef:
    cdef readonly HeapBase heap
    cdef uint64_t slot
    cdef bint made
