# A heap of blocks that are reached through handles, so that it can be compacted: blocks move out of sparse slabs, and
# the slabs go back to the system. Any thread; the heap's lock is held inside, never across a call of Python.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.memory.heaps cimport SLAB_CLASSES, Heap, Slab, pthread_mutex_t

# A handle is valid from handle_new until handle_drop; `at` is valid while the block is pinned, and until the next
# compaction else.
cdef struct Handle:
    void *at
    uint64_t size             # that was asked for
    uint32_t pins
    uint32_t apart            # larger than any class: a block of its own, which never moves
    Handle *prev
    Handle *next

cdef class SlabHeap:
    cdef object __weakref__
    cdef Heap *heap
    cdef Handle *handles
    cdef pthread_mutex_t lock
    cdef uint64_t blocks
    cdef uint64_t bytes
    cdef uint64_t moved
    cdef uint64_t compactions
    cdef Slab *slabs[SLAB_CLASSES]    # lists of a compaction, through pending_next

    # A zeroed block; `align` is a power of two of at most SLAB_ALIGN_MOST. NULL: no memory.
    cdef Handle *handle_new(self, size_t size, size_t align) noexcept nogil
    # False: somebody has pinned it, and nothing happened.
    cdef bint handle_drop(self, Handle *handle) noexcept nogil
    # The block stays where it is until as many calls of unpin.
    cdef void *pin(self, Handle *handle) noexcept nogil
    cdef void unpin(self, Handle *handle) noexcept nogil
    # Where the block lies at this moment.
    cdef void *where(self, Handle *handle) noexcept nogil
    # Returns how many blocks moved.
    cdef uint64_t evacuate(self) noexcept nogil
    cdef uint64_t move_all(self) noexcept nogil
    cdef void gather(self) noexcept nogil
    cdef void close_sparse(self, uint32_t cls) noexcept nogil

cdef class SlabBuffer:
    cdef SlabHeap heap
    cdef Handle *handle
    cdef Py_ssize_t shape
    cdef Handle *live(self) except NULL
