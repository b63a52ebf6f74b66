# Which page of the heap holds given bytes: a hash table that keeps none of them alive.

from libc.stdint cimport uint8_t, uint64_t

from vmcore._fast.gc.layout cimport Heap, Mutator, Obj, WeakTable, pthread_mutex_t

cdef struct PageTable:
    pthread_mutex_t lock       # against the collector, which forgets dead pages; one thread only looks up and adds
    uint64_t room              # a power of two
    uint64_t count
    uint64_t spoiled           # entries that hold a page, or held one
    uint64_t moved             # how often the entries were moved
    uint64_t hits
    uint64_t misses
    uint64_t seed[4]
    uint64_t *hashes
    Obj **pages
    WeakTable weak

# The table is registered with the heap until pages_drop. -1: no memory.
cdef int pages_init(PageTable *table, Heap *heap) noexcept nogil
cdef void pages_drop(PageTable *table, Heap *heap) noexcept nogil
# The one page with these 4096 bytes, made if there is none; root it before the next safepoint. May be a safepoint
# itself. NULL: no memory. `data` is not in the heap.
cdef Obj *pages_intern(PageTable *table, Mutator *m, const uint8_t *data) noexcept nogil
