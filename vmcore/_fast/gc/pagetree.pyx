"""Page trees in the managed heap: built from bytes or from a parent and its changes, compared by structure."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from vmcore._fast.gc.barrier cimport heap_load, heap_store
from vmcore._fast.gc.heap cimport Handle, HeapBase, handle_new, python_enter, python_leave
from vmcore._fast.gc.layout cimport (
    PAGE_CELL, Mutator, Obj, gc_load32, gc_load64, pthread_mutex_destroy, pthread_mutex_init, pthread_mutex_lock,
    pthread_mutex_unlock)
from vmcore._fast.gc.mutator cimport (
    heap_alloc, heap_safepoint, mutator_free, mutator_new, mutator_park, mutator_unpark, root_pop, root_push)
from vmcore._fast.gc.pagetable cimport pages_drop, pages_init, pages_intern
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free, vm_realloc
from vmcore._fast.memory.ram cimport PAGE, PG_DIRTY, PG_WRITABLE, Bank, Memory, Ram, note_write

import os
from collections import namedtuple

from vmcore.errors import ClosedError, ConfigError, HeapExhausted, MemoryAccessError

cdef extern from "gc/pagehash.h" nogil:
    bint page_is_zero(const uint8_t *page)

PageFigures = namedtuple("PageFigures", ("mapped", "pages", "nodes"))
PageFigures.__doc__ = """Of some trees: references to pages that are not zero (``mapped``), different ``pages`` and
``nodes``."""

# The number of the next capture, of all machines and stores. Under the GIL, or by atomic addition without it.
cdef uint64_t captures = 0

cdef extern from "gc/order.h" nogil:
    uint64_t gc_add64(void *p, uint64_t v)


# ---- lists of pages

cdef bint pages_add(Pages *pages, uint64_t index, const uint8_t *bytes) noexcept nogil:
    cdef uint64_t room
    cdef void *grown
    if pages.count == pages.room:
        room = pages.room * 2 or 256
        grown = vm_realloc(pages.index, room * sizeof(uint64_t))
        if grown == NULL:
            return False
        pages.index = <uint64_t *>grown
        grown = vm_realloc(pages.bytes, room * sizeof(uint8_t *))
        if grown == NULL:
            return False
        pages.bytes = <const uint8_t **>grown
        pages.room = room
    pages.index[pages.count] = index
    pages.bytes[pages.count] = bytes
    pages.count += 1
    return True


cdef void pages_free(Pages *pages) noexcept nogil:
    vm_free(pages.index)
    vm_free(pages.bytes)


# ---- trees. `level` 0 is a page, level n a node that spans 64**n of them.

cdef inline uint32_t height_of(uint64_t npages) noexcept nogil:
    cdef uint32_t height = 1
    while npages > <uint64_t>1 << (height * FAN_BITS):
        height += 1
    return height


# What build answers when the heap is full. It is no object: it is never stored.
cdef inline Obj *failed() noexcept nogil:
    return <Obj *>1


# The tree that differs from `old` in pages from..to (exclusive) of the list; `old` itself when it differs in none, NULL
# when nothing but zeroes is left. `old` is rooted by the caller; the result is not.
cdef Obj *build(TreeStore store, Obj *old, uint32_t level, const Pages *pages, uint64_t at, uint64_t to) noexcept nogil:
    cdef Mutator *m = store.m
    cdef uint32_t shift, child, i
    cdef uint64_t end
    cdef Obj *node
    cdef Obj *before
    cdef Obj *now
    cdef bint changed = False
    cdef bint empty = True
    if level == 0:
        # The parent's page at this place is the likeliest to be equal.
        if page_is_zero(pages.bytes[at]):
            return NULL
        if old != NULL and memcmp(old, pages.bytes[at], PAGE_CELL) == 0:
            return old
        node = pages_intern(&store.table, m, pages.bytes[at])
        return node if node != NULL else failed()
    shift = (level - 1) * FAN_BITS
    node = heap_alloc(m, FAN, 0)
    if node == NULL:
        return failed()
    if old != NULL:
        for i in range(FAN):
            heap_store(m, node, i, heap_load(old, i))
    if root_push(m, node) < 0:
        return failed()
    heap_safepoint(m)
    while at < to:
        child = (pages.index[at] >> shift) & (FAN - 1)
        end = at + 1
        while end < to and ((pages.index[end] >> shift) & (FAN - 1)) == child:
            end += 1
        before = heap_load(node, child)
        now = build(store, before, level - 1, pages, at, end)
        if now == failed():
            root_pop(m, 1)
            return failed()
        if now != before:
            changed = True
            heap_store(m, node, child, now)
        at = end
    root_pop(m, 1)
    if not changed:
        return old
    for i in range(FAN):
        if heap_load(node, i) != NULL:
            empty = False
            break
    return NULL if empty else node


cdef inline Obj *find_page(Obj *root, uint32_t height, uint64_t index) noexcept nogil:
    cdef uint32_t level = height
    while level and root != NULL:
        level -= 1
        root = heap_load(root, (index >> (level * FAN_BITS)) & (FAN - 1))
    return root


# The first page from `index` on that is not zero; npages: there is none.
cdef uint64_t next_page(Obj *node, uint32_t level, uint64_t first, uint64_t index, uint64_t npages) noexcept nogil:
    cdef uint64_t span, at
    cdef uint32_t i
    if node == NULL:
        return npages
    if level == 0:
        return first
    span = <uint64_t>1 << ((level - 1) * FAN_BITS)
    i = <uint32_t>((index - first) // span) if index > first else 0
    while i < FAN and first + i * span < npages:
        at = next_page(heap_load(node, i), level - 1, first + i * span, index, npages)
        if at < npages:
            return at
        i += 1
    return npages


# Indexes of the pages that differ, into `found`; False: no memory. Both trees are kept alive by their handles.
cdef bint differ(Mutator *m, Obj *a, Obj *b, uint32_t level, uint64_t first, uint64_t npages,
                 Pages *found) noexcept nogil:
    cdef uint64_t span
    cdef uint32_t i
    if a == b or first >= npages:
        return True
    if level == 0:
        # Equal pages are one page, but for those that were given up and made again while a cycle ended.
        if a != NULL and b != NULL and memcmp(a, b, PAGE_CELL) == 0:
            return True
        return pages_add(found, first, NULL)
    heap_safepoint(m)
    span = <uint64_t>1 << ((level - 1) * FAN_BITS)
    for i in range(FAN):
        if not differ(m, NULL if a == NULL else heap_load(a, i), NULL if b == NULL else heap_load(b, i), level - 1,
                      first + i * span, npages, found):
            return False
    return True


# ---- counting

cdef struct Seen:
    uint64_t room
    uint64_t count
    Obj **objects


cdef bint seen_grow(Seen *seen) noexcept nogil:
    cdef Seen old = seen[0]
    cdef uint64_t i, at
    seen.room = old.room * 2 or 1024
    seen.objects = <Obj **>vm_calloc(seen.room, sizeof(Obj *))
    if seen.objects == NULL:
        seen[0] = old
        return False
    for i in range(old.room):
        if old.objects[i] != NULL:
            at = (<uint64_t>old.objects[i] >> 4) * <uint64_t>0x9E3779B97F4A7C15 >> 20 & (seen.room - 1)
            while seen.objects[at] != NULL:
                at = (at + 1) & (seen.room - 1)
            seen.objects[at] = old.objects[i]
    vm_free(old.objects)
    return True


# 1: new; 0: seen before; -1: no memory.
cdef int seen_add(Seen *seen, Obj *o) noexcept nogil:
    cdef uint64_t at
    if seen.count * 2 >= seen.room and not seen_grow(seen):
        return -1
    at = (<uint64_t>o >> 4) * <uint64_t>0x9E3779B97F4A7C15 >> 20 & (seen.room - 1)
    while seen.objects[at] != NULL:
        if seen.objects[at] == o:
            return 0
        at = (at + 1) & (seen.room - 1)
    seen.objects[at] = o
    seen.count += 1
    return 1


cdef int measure(Mutator *m, Seen *seen, Obj *o, uint32_t level, uint64_t *pages, uint64_t *nodes) noexcept nogil:
    cdef int fresh
    cdef uint32_t i
    if o == NULL:
        return 0
    fresh = seen_add(seen, o)
    if fresh <= 0:
        return fresh
    if level == 0:
        pages[0] += 1
        return 0
    nodes[0] += 1
    heap_safepoint(m)
    for i in range(FAN):
        if measure(m, seen, heap_load(o, i), level - 1, pages, nodes) < 0:
            return -1
    return 0


cdef uint64_t mapped(Mutator *m, Obj *o, uint32_t level) noexcept nogil:
    cdef uint64_t total = 0
    cdef uint32_t i
    if o == NULL or level == 0:
        return o != NULL
    heap_safepoint(m)
    for i in range(FAN):
        total += mapped(m, heap_load(o, i), level - 1)
    return total


# ---- memory of a machine

cdef inline uint64_t ram_pages(const Memory *mem) noexcept nogil:
    cdef uint64_t total = 0
    cdef uint32_t i
    for i in range(mem.nbanks):
        total += mem.banks[i].size >> 12
    return total


# A page that may hold something else than it did at the capture that the memory counts from.
cdef inline bint may_differ(const Bank *b, uint64_t page) noexcept nogil:
    return b.state[page] & (PG_DIRTY | PG_WRITABLE) != 0


# From here on the dirty pages are those written from now on. A page that a TLB may write without being asked stays
# dirty, and so do all while somebody has a view of the memory.
cdef void count_from(Memory *mem, uint64_t number, bint views) noexcept nogil:
    cdef Bank *b
    cdef uint64_t page
    cdef uint32_t i
    if not views:
        for i in range(mem.nbanks):
            b = &mem.banks[i]
            for page in range(b.size >> 12):
                if not b.state[page] & PG_WRITABLE:
                    b.state[page] &= ~<uint8_t>PG_DIRTY
    mem.since = number


cdef bint write_page(Memory *mem, Bank *b, uint64_t page, Obj *leaf) noexcept nogil:
    cdef uint8_t *host = b.host + (page << 12)
    if leaf == NULL:
        if page_is_zero(host):
            return False
        note_write(mem, b, page)
        memset(host, 0, PAGE)
        return True
    if memcmp(host, leaf, PAGE) == 0:
        return False
    note_write(mem, b, page)
    memcpy(host, leaf, PAGE)
    return True


cdef class TreeStore:
    """Builds page trees in a heap. `vmcore.heap.store.PageStore` is its face."""

    def __cinit__(self, HeapBase heap not None):
        cdef bytes seed = os.urandom(sizeof(self.table.seed))
        if heap.closed:
            raise ClosedError("the heap is closed")
        self.heap = heap
        memcpy(&self.table.seed, <const char *>seed, sizeof(self.table.seed))
        self.m = mutator_new(heap.heap)
        if self.m == NULL or pages_init(&self.table, heap.heap) < 0:
            if self.m != NULL:
                mutator_free(self.m)
            raise MemoryError("no memory for a store of pages")
        mutator_park(self.m)
        pthread_mutex_init(&self.lock, NULL)
        self.ready = self.open = True

    def __dealloc__(self):
        if not self.ready:
            return
        # In a forked child its threads and locks are the parent's.
        if gc_load32(&self.heap.heap.closed) != 2:
            self.close()
            pthread_mutex_destroy(&self.lock)

    cdef int enter(self) except -1:
        # A child of fork never touches the lock.
        if gc_load32(&self.heap.heap.closed):
            raise ClosedError("the heap is closed")
        with nogil:
            pthread_mutex_lock(&self.lock)
            if self.open:
                mutator_unpark(self.m)
            else:
                pthread_mutex_unlock(&self.lock)
        if not self.open:
            raise ClosedError("the store is closed")
        return 0

    cdef void leave(self) noexcept nogil:
        mutator_park(self.m)
        pthread_mutex_unlock(&self.lock)

    def close(self):
        """Unregister from the heap. Closing again does nothing."""
        if gc_load32(&self.heap.heap.closed):
            return
        with nogil:
            pthread_mutex_lock(&self.lock)
            if self.open:
                self.open = False
                pages_drop(&self.table, self.heap.heap)
                mutator_unpark(self.m)
                mutator_free(self.m)
            pthread_mutex_unlock(&self.lock)

    # A tree of `npages` with the pages of the list, derived from `root` (which a handle keeps). Returns the handle of
    # its root; None: all zero.
    cdef object make(self, Obj *root, uint64_t npages, const Pages *pages):
        cdef Mutator *python
        cdef Obj **slot = NULL
        cdef Obj *made
        self.enter()
        with nogil:
            made = root if pages.count == 0 else build(self, root, height_of(npages), pages, 0, pages.count)
            if made != NULL and made != failed():
                # This mutator roots the tree until Python's has it, parked: who holds Python's may wait for a cycle.
                if root_push(self.m, made) == 0:
                    mutator_park(self.m)
                    python = python_enter(self.heap.heap)
                    if python != NULL:
                        slot = handle_new(python, made)
                        python_leave(python)
                    mutator_unpark(self.m)
                    root_pop(self.m, 1)
            self.leave()
        if made == NULL:
            return None
        if slot == NULL:
            raise HeapExhausted(f"no room for {pages.count} more pages in a heap of {self.heap.limit} bytes",
                                hint="Drop snapshots, or give the store a higher limit")
        return self.heap.wrap(slot)

    def derive(self, Handle root, npages, changes):
        """Return the root of the tree that differs from the tree of `root` in `changes`, or None when it is all zero.

        Parameters
        ----------
        root : Handle or None
            The parent's root; None: all zero.
        npages : int
            Pages of both.
        changes : iterable of (int, bytes-like)
            Index and 4096 bytes of each page that changes; of an index that comes twice, the last counts.
        """
        cdef Pages pages
        cdef const uint8_t[::1] view
        cdef uint64_t total = npages
        memset(&pages, 0, sizeof(pages))
        kept = {}
        for index, data in changes:
            if not 0 <= index < npages:
                raise MemoryAccessError(f"page {index} of a tree of {npages} pages")
            view = memoryview(data).cast("B")
            if view.shape[0] != PAGE_CELL:
                raise ConfigError(f"page {index} has {view.shape[0]} bytes: a page has {<int>PAGE_CELL}")
            kept[index] = view
        try:
            for index in sorted(kept):
                view = kept[index]
                if not pages_add(&pages, index, &view[0]):
                    raise MemoryError(f"no memory for a list of {len(kept)} pages")
            return self.make(NULL if root is None else root.o, total, &pages)
        finally:
            pages_free(&pages)

    def from_buffer(self, const uint8_t[::1] data):
        """Return the root of a tree of the bytes of `data`, a whole number of pages; None when all are zero."""
        cdef Pages pages
        cdef uint64_t i
        cdef uint64_t total = <uint64_t>data.shape[0] >> 12
        if total == 0 or data.shape[0] & (PAGE_CELL - 1):
            raise ConfigError(f"{data.shape[0]} bytes: a tree is made from one or more pages of {<int>PAGE_CELL}")
        memset(&pages, 0, sizeof(pages))
        try:
            for i in range(total):
                if not pages_add(&pages, i, &data[i << 12]):
                    raise MemoryError(f"no memory for a list of {total} pages")
            return self.make(NULL, total, &pages)
        finally:
            pages_free(&pages)

    def read(self, Handle root, npages, index):
        """Return the 4096 bytes of page `index`."""
        cdef Obj *leaf
        cdef uint64_t at
        if not 0 <= index < npages:
            raise MemoryAccessError(f"page {index} of a tree of {npages} pages")
        at = index
        self.enter()
        # Whoever has the root has the page, which never changes.
        leaf = NULL if root is None else find_page(root.o, height_of(npages), at)
        data = bytes(PAGE_CELL) if leaf == NULL else (<const char *>leaf)[:PAGE_CELL]
        self.leave()
        return data

    def next_page(self, Handle root, npages, index):
        """Return the first page from `index` on that is not zero; `npages` when there is none."""
        cdef uint64_t at = index
        cdef uint64_t total = npages
        if root is None:
            return npages
        self.enter()
        with nogil:
            at = next_page(root.o, height_of(total), 0, at, total)
            self.leave()
        return at

    def diff(self, Handle a, Handle b, npages):
        """Return the indexes of the pages that differ, ascending. Subtrees that both share are not looked at."""
        cdef Pages found
        cdef Obj *left = NULL if a is None else a.o
        cdef Obj *right = NULL if b is None else b.o
        cdef uint64_t total = npages
        cdef bint fine
        memset(&found, 0, sizeof(found))
        self.enter()
        with nogil:
            fine = differ(self.m, left, right, height_of(total), 0, total, &found)
            self.leave()
        try:
            if not fine:
                raise MemoryError("no memory for a list of pages")
            return [found.index[i] for i in range(found.count)]
        finally:
            pages_free(&found)

    def figures(self, trees):
        """Return `PageFigures` of ``[(root, npages), ...]``, each page and node counted once but for ``mapped``."""
        cdef Seen seen
        cdef uint64_t pages = 0
        cdef uint64_t nodes = 0
        cdef uint64_t total = 0
        cdef uint32_t height
        cdef int fine = 0
        cdef Handle root
        memset(&seen, 0, sizeof(seen))
        try:
            for root, npages in trees:
                if root is None:
                    continue
                height = height_of(npages)
                self.enter()
                with nogil:
                    fine = measure(self.m, &seen, root.o, height, &pages, &nodes)
                    total += mapped(self.m, root.o, height)
                    self.leave()
                if fine < 0:
                    raise MemoryError("no memory to count pages")
        finally:
            vm_free(seen.objects)
        return PageFigures(total, pages, nodes)

    def hits(self):
        """Return how many pages were asked for that were there already, and how many were not."""
        return gc_load64(&self.table.hits), gc_load64(&self.table.misses)

    def capture(self, Ram ram not None, Handle parent, serial):
        """Make a tree of a machine's memory: ``(root, serial)``, its banks one after the other.

        `parent` is the root of the capture with number `serial`: when the memory's dirty pages count from that one, no
        other page is looked at. Otherwise every page is compared. ``serial=0``: there is no parent. Nobody may run the
        machine meanwhile.
        """
        cdef Memory *mem = ram.mem
        cdef Bank *b
        cdef Pages pages
        cdef uint64_t first = 0
        cdef uint64_t number, page, total
        cdef uint32_t i
        cdef bint dirty_only, fine = True
        # A closed machine has no banks.
        if mem == NULL or mem.nbanks == 0:
            raise ClosedError("the machine is closed")
        # Without a capture before, what is not dirty is zero as it was mapped, so no parent is needed.
        dirty_only = mem.since == <uint64_t>serial
        total = ram_pages(mem)
        memset(&pages, 0, sizeof(pages))
        try:
            for i in range(mem.nbanks):
                b = &mem.banks[i]
                for page in range(b.size >> 12):
                    if not dirty_only or may_differ(b, page):
                        fine = fine and pages_add(&pages, first + page, b.host + (page << 12))
                first += b.size >> 12
            if not fine:
                raise MemoryError(f"no memory for a list of {total} pages")
            root = self.make(NULL if parent is None else parent.o, total, &pages)
        finally:
            pages_free(&pages)
        number = gc_add64(&captures, 1) + 1
        count_from(mem, number, ram.views != 0)
        return root, number

    def restore(self, Ram ram not None, Handle root, serial, changed):
        """Make the machine's memory what it was at capture number `serial`; return how many pages were written.

        `changed` are the indexes of the pages in which that capture differs from the one that the memory's dirty pages
        count from, or None when that one is not known: then every page is compared. Nobody may run the machine.
        """
        cdef Memory *mem = ram.mem
        cdef Bank *b
        cdef uint64_t first = 0
        cdef uint64_t written = 0
        cdef uint64_t page, total
        cdef uint32_t i, height
        cdef uint8_t *look = NULL
        cdef Obj *top = NULL if root is None else root.o
        if mem == NULL or mem.nbanks == 0:
            raise ClosedError("the machine is closed")
        total = ram_pages(mem)
        height = height_of(total)
        if changed is not None:
            look = <uint8_t *>vm_calloc(total, 1)
            if look == NULL:
                raise MemoryError(f"no memory for {total} flags")
            for index in changed:
                look[<uint64_t>index] = 1
        try:
            self.enter()
            with nogil:
                for i in range(mem.nbanks):
                    b = &mem.banks[i]
                    for page in range(b.size >> 12):
                        if look == NULL or look[first + page] or may_differ(b, page):
                            written += write_page(mem, b, page, find_page(top, height, first + page))
                            heap_safepoint(self.m)
                    first += b.size >> 12
                self.leave()
            count_from(mem, serial, ram.views != 0)
        finally:
            vm_free(look)
        return written


def since(Ram ram not None):
    """Return the number of the capture or restore that the memory's dirty pages count from; 0: none."""
    if ram.mem == NULL:
        raise ClosedError("the machine is closed")
    return ram.mem.since
