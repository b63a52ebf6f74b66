"""Deduplication of pages: equal bytes, one page."""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

from vmcore._fast.gc.layout cimport (
    PAGE_CELL, Heap, Mutator, Obj, gc_add64, gc_store64, pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock,
    pthread_mutex_unlock)
from vmcore._fast.gc.mutator cimport heap_alloc_page
from vmcore._fast.gc.weak cimport is_white, weak_table_add, weak_table_remove, weak_take
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

cdef extern from "gc/pagehash.h" nogil:
    uint64_t page_hash(const uint8_t *page, const uint64_t *seed)

cdef enum:
    LEAST = 1 << 10
    SLICE = 4096              # entries that the collector looks at before it lets go of the lock
    GONE = 1                  # in the place of a page: there was one


cdef void forget(void *self, Heap *heap) noexcept nogil:
    cdef PageTable *table = <PageTable *>self
    cdef uint64_t at = 0
    cdef uint64_t moved = 0
    cdef uint64_t end
    cdef bint more = True
    while more:
        pthread_mutex_lock(&table.lock)
        # Entries that moved may be behind us. Those that were dead before and are found again are no harm.
        if moved != table.moved:
            moved = table.moved
            at = 0
        end = at + SLICE if at + SLICE < table.room else table.room
        while at < end:
            if <uint64_t>table.pages[at] > GONE and is_white(heap, table.pages[at]):
                table.pages[at] = <Obj *>GONE
                gc_store64(&table.count, table.count - 1)
            at += 1
        more = at < table.room
        pthread_mutex_unlock(&table.lock)


cdef void put(PageTable *table, uint64_t hash, Obj *page) noexcept nogil:
    cdef uint64_t at = hash & (table.room - 1)
    while <uint64_t>table.pages[at] > GONE:
        at = (at + 1) & (table.room - 1)
    if table.pages[at] == NULL:
        table.spoiled += 1
    table.hashes[at] = hash
    table.pages[at] = page
    gc_store64(&table.count, table.count + 1)


# Room for one more; False: no memory.
cdef bint make_room(PageTable *table) noexcept nogil:
    cdef PageTable old
    cdef uint64_t room = LEAST
    cdef uint64_t i
    if (table.spoiled + 1) * 4 <= table.room * 3:
        return True
    while room < table.count * 3 + 1:
        room *= 2
    old.room = table.room
    old.hashes = table.hashes
    old.pages = table.pages
    table.hashes = <uint64_t *>vm_calloc(room, sizeof(uint64_t))
    table.pages = <Obj **>vm_calloc(room, sizeof(Obj *))
    if table.hashes == NULL or table.pages == NULL:
        vm_free(table.hashes)
        vm_free(table.pages)
        table.hashes = old.hashes
        table.pages = old.pages
        return False
    table.room = room
    table.count = table.spoiled = 0
    table.moved += 1
    for i in range(old.room):
        if <uint64_t>old.pages[i] > GONE:
            put(table, old.hashes[i], old.pages[i])
    vm_free(old.hashes)
    vm_free(old.pages)
    return True


cdef int pages_init(PageTable *table, Heap *heap) noexcept nogil:
    table.room = table.count = table.spoiled = table.moved = table.hits = table.misses = 0
    table.hashes = NULL
    table.pages = NULL
    if not make_room(table):
        return -1
    pthread_mutex_init(&table.lock, NULL)
    table.weak.forget = forget
    table.weak.table = table
    weak_table_add(heap, &table.weak)
    return 0


cdef void pages_drop(PageTable *table, Heap *heap) noexcept nogil:
    weak_table_remove(heap, &table.weak)
    pthread_mutex_destroy(&table.lock)
    vm_free(table.hashes)
    vm_free(table.pages)


cdef Obj *find(PageTable *table, Mutator *m, uint64_t hash, const uint8_t *data) noexcept nogil:
    cdef uint64_t at = hash & (table.room - 1)
    cdef Obj *page = table.pages[at]
    while page != NULL:
        # Only a page that is taken may be read: a dead one may be something else by now.
        if (<uint64_t>page > GONE and table.hashes[at] == hash and weak_take(m, page)
                and memcmp(page, data, PAGE_CELL) == 0):
            return page
        at = (at + 1) & (table.room - 1)
        page = table.pages[at]
    return NULL


cdef Obj *pages_intern(PageTable *table, Mutator *m, const uint8_t *data) noexcept nogil:
    cdef uint64_t hash = page_hash(data, table.seed)
    cdef Obj *page
    pthread_mutex_lock(&table.lock)
    page = find(table, m, hash, data)
    pthread_mutex_unlock(&table.lock)
    if page != NULL:
        gc_add64(&table.hits, 1)
        return page
    gc_add64(&table.misses, 1)
    # Without the lock: it may be a safepoint, or wait for a cycle, which forgets.
    page = <Obj *>heap_alloc_page(m)
    if page == NULL:
        return NULL
    memcpy(page, data, PAGE_CELL)
    pthread_mutex_lock(&table.lock)
    # Without room it is a page all the same, which nobody will find.
    if make_room(table):
        put(table, hash, page)
    pthread_mutex_unlock(&table.lock)
    return page
