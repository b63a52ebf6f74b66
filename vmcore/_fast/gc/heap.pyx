"""The managed heap's face for Python: the heap, handles, weak references, finalisers, figures."""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.gc.barrier cimport heap_load, heap_store, shade_white
from vmcore._fast.gc.blocks cimport blocks_free, blocks_init, blocks_release
from vmcore._fast.gc.collector cimport collector_start, collector_stop
from vmcore._fast.gc.layout cimport (
    BARRIER_CARD, BARRIER_IDLE, BARRIER_INSERT, BARRIER_SATB, BLOCK, BLOCK_SHIFT, GRANULE, HISTORY, KIND_CELLS,
    KIND_EMPTY, KIND_PAGES, MAX_REFS, MAX_WORKERS, PAGE_CELL, ROOTS, Cycle, Heap, Mutator, Obj, RootChunk, Worker,
    class_granules, gc_add64, gc_load8, gc_load32, gc_load64, gc_store_ptr, obj_payload, obj_payload_size, obj_refs,
    offset_of, pthread_cond_destroy, pthread_cond_init, pthread_cond_wait, pthread_mutex_destroy, pthread_mutex_init,
    pthread_mutex_lock, pthread_mutex_t, pthread_mutex_unlock)
from vmcore._fast.gc.lists cimport segments_drop
from vmcore._fast.gc.mutator cimport (
    cycle_request, heap_alloc, heap_alloc_page, mutator_free, mutator_new, mutator_park, mutator_unpark)
from vmcore._fast.gc.sweep cimport count_live
from vmcore._fast.gc.weak cimport finaliser_add, finaliser_take, weak_drop, weak_free, weak_get, weak_new
from vmcore._fast.memory.alloc cimport vm_alloc, vm_calloc, vm_free

import os
import weakref
from collections import namedtuple

from vmcore.errors import ClosedError, ConfigError, HeapError, HeapExhausted, MemoryAccessError

BARRIERS = {"satb": BARRIER_SATB, "insert": BARRIER_INSERT, "card": BARRIER_CARD}
LEAST_LIMIT = 16 * BLOCK
MOST_LIMIT = 1 << 40
MOST_MARKERS = MAX_WORKERS
MOST_REFS = MAX_REFS

CycleStats = namedtuple("CycleStats", (
    "number", "marked", "swept", "swept_bytes", "live", "live_bytes", "allocated", "shaded", "stolen", "rounds",
    "pause_ns", "mark_ns", "wall_ns", "finalisable", "returned_bytes"))
CycleStats.__doc__ = """One collection.

``marked`` objects found live, ``swept`` cells found dead and their ``swept_bytes``, ``live`` cells and ``live_bytes``
when it ended, cells ``allocated`` by mutators while it marked, objects ``shaded`` by barriers and root scans of
mutators, segments ``stolen`` between markers, ``rounds`` of handshakes until nothing was found any more, the longest
stop of a mutator (``pause_ns``, its CPU time), CPU time of all markers (``mark_ns``), ``wall_ns`` from begin to end,
objects with a finaliser found dead (``finalisable``), ``returned_bytes`` to the system."""

HeapStats = namedtuple("HeapStats", (
    "limit", "held_bytes", "live", "live_bytes", "handles", "mutators", "cycles", "marked", "swept",
    "longest_pause_ns"))
HeapStats.__doc__ = """A heap now.

Its ``limit``, memory it has from the system (``held_bytes``), ``live`` cells and bytes (dead ones that are not swept
yet included), ``handles``, registered ``mutators``, and over all ``cycles`` what was marked, swept, and the longest
stop of a mutator."""

heaps = weakref.WeakSet()


def _abandon_all():
    # In a forked child: the collector's threads are the parent's, and a lock may be held by a thread that is not here.
    for heap in list(heaps):
        (<HeapBase>heap).heap.closed = 2


os.register_at_fork(after_in_child=_abandon_all)


# ---- the mutator of Python's threads

cdef Mutator *python_enter(Heap *heap) noexcept nogil:
    # A child of fork never touches the lock: see _abandon_all.
    if gc_load32(&heap.closed) == 2:
        return NULL
    pthread_mutex_lock(&heap.python_lock)
    if heap.closed:
        pthread_mutex_unlock(&heap.python_lock)
        return NULL
    mutator_unpark(heap.python)
    return heap.python


cdef void python_leave(Mutator *m) noexcept nogil:
    mutator_park(m)
    pthread_mutex_unlock(&m.heap.python_lock)


cdef Obj **handle_new(Mutator *m, Obj *o) noexcept nogil:
    cdef Heap *heap = m.heap
    cdef Obj **slot = heap.free_handle
    cdef RootChunk *chunk
    cdef uint32_t i
    if slot == NULL:
        chunk = <RootChunk *>vm_alloc(sizeof(RootChunk))
        if chunk == NULL:
            return NULL
        for i in range(ROOTS):
            chunk.slots[i] = <Obj *>((<uint64_t>&chunk.slots[i + 1] if i + 1 < <uint32_t>ROOTS else 0) | 1)
        chunk.below = heap.handles
        # ORDER: release; a collector that sees the chunk sees its slots.
        gc_store_ptr(&heap.handles, chunk)
        slot = &chunk.slots[0]
    heap.free_handle = <Obj **>(<uint64_t>slot[0] - 1)
    # Handles are shaded when they are made, whatever the barrier: then no scan needs to come back to them.
    if m.armed != BARRIER_IDLE:
        shade_white(m, o)
    gc_store_ptr(slot, o)
    gc_add64(&heap.live_handles, 1)
    return slot


cdef void handle_free(Mutator *m, Obj **slot) noexcept nogil:
    if m.armed == BARRIER_SATB:
        shade_white(m, slot[0])
    gc_store_ptr(slot, <void *>(<uint64_t>m.heap.free_handle | 1))
    m.heap.free_handle = slot
    gc_add64(&m.heap.live_handles, ~<uint64_t>0)


cdef inline bint locks(Heap *heap, bint make) noexcept nogil:
    cdef pthread_mutex_t *all[7]
    cdef int i
    all[0] = &heap.grow
    all[1] = &heap.slab_lock
    all[2] = &heap.registry
    all[3] = &heap.python_lock
    all[4] = &heap.weak_lock
    all[5] = &heap.table_lock
    all[6] = &heap.cycle_lock
    for i in range(7):
        if make:
            pthread_mutex_init(all[i], NULL)
        else:
            pthread_mutex_destroy(all[i])
    if make:
        pthread_mutex_init(&heap.drain_lock, NULL)
        pthread_cond_init(&heap.work, NULL)
        pthread_cond_init(&heap.finished, NULL)
        pthread_cond_init(&heap.drain_start, NULL)
        pthread_cond_init(&heap.drain_end, NULL)
    else:
        pthread_mutex_destroy(&heap.drain_lock)
        pthread_cond_destroy(&heap.work)
        pthread_cond_destroy(&heap.finished)
        pthread_cond_destroy(&heap.drain_start)
        pthread_cond_destroy(&heap.drain_end)
    return True


# Everything but the struct itself and its locks, which calls that come late still look at.
cdef void take_down(Heap *heap) noexcept nogil:
    cdef RootChunk *chunk
    collector_stop(heap)
    if heap.python != NULL:
        mutator_free(heap.python)
        heap.python = NULL
    while heap.handles != NULL:
        chunk = heap.handles
        heap.handles = chunk.below
        vm_free(chunk)
    weak_drop(heap)
    segments_drop(heap)
    blocks_free(heap)
    vm_free(heap.workers)
    heap.workers = NULL


cdef object cycle_stats(const Cycle *c):
    return CycleStats(
        c.number, c.marked, c.swept, c.swept_bytes, c.live, c.live_bytes, c.allocated, c.shaded, c.stolen, c.rounds,
        c.pause_ns, c.mark_ns, c.wall_ns, c.finalisable, c.blocks_freed << BLOCK_SHIFT)


cdef class HeapBase:
    """What `vmcore.heap.ManagedHeap` is built on: its options are numbers here, and none has a default."""

    def __cinit__(self, limit, barrier, markers):
        cdef int failed
        if barrier not in BARRIERS:
            raise ConfigError(f"barrier={barrier!r}: allowed are {', '.join(BARRIERS)}")
        if not LEAST_LIMIT <= limit <= MOST_LIMIT or limit % BLOCK:
            raise ConfigError(f"limit={limit!r}: a heap holds {LEAST_LIMIT} to {MOST_LIMIT} bytes, "
                              f"in steps of {<int>BLOCK}")
        if not 1 <= markers <= MAX_WORKERS:
            raise ConfigError(f"markers={markers!r}: allowed are 1 to {<int>MAX_WORKERS}")
        self.finalisers = {}
        self.heap = <Heap *>vm_calloc(1, sizeof(Heap))
        if self.heap == NULL:
            raise MemoryError("no memory for a heap")
        locks(self.heap, True)
        self.heap.barrier = BARRIERS[barrier]
        self.heap.nworkers = markers
        self.heap.workers = <Worker *>vm_calloc(markers, sizeof(Worker))
        failed = self.heap.workers == NULL or blocks_init(self.heap, limit) < 0
        if not failed:
            self.heap.min_trigger = min(max(limit // 8, BLOCK), 32 << 20)
            self.heap.trigger = self.heap.min_trigger
            self.heap.python = mutator_new(self.heap)
            failed = self.heap.python == NULL or collector_start(self.heap) < 0
        if failed:
            take_down(self.heap)
            self.heap.closed = 1
            raise MemoryError(f"the host has no address space or threads for a heap of {limit} bytes")
        mutator_park(self.heap.python)
        heaps.add(self)

    def __dealloc__(self):
        cdef Heap *heap = self.heap
        if heap == NULL:
            return
        if not heap.closed:
            with nogil:
                take_down(heap)
        if heap.closed != 2:
            locks(heap, False)
        vm_free(heap)

    cdef Handle wrap(self, Obj **slot):
        cdef Handle handle = Handle.__new__(Handle)
        cdef Obj *o = slot[0]
        handle.heap = self
        handle.slot = slot
        handle.o = o
        if gc_load8(&self.heap.blocks[offset_of(self.heap.base, o) >> BLOCK_SHIFT].kind) == KIND_PAGES:
            handle.size = PAGE_CELL
            handle.bytes = <uint8_t *>o
        else:
            handle.refs = obj_refs(o)
            handle.size = obj_payload_size(o)
            handle.bytes = obj_payload(o)
        return handle

    def alloc(self, refs=0, payload=0):
        """Return a handle to a new object: `refs` empty reference fields and `payload` bytes of zeroes.

        Raises
        ------
        ConfigError
            `refs` is not 0 to 16777215, or `payload` not 0 to 4294967295.
        HeapExhausted
            There is no room, not even after the heap was collected.
        """
        cdef uint64_t nrefs, size
        cdef Mutator *m
        cdef Obj *o
        cdef Obj **slot = NULL
        if not 0 <= refs <= MAX_REFS:
            raise ConfigError(f"refs={refs!r}: an object has 0 to {<int>MAX_REFS} reference fields")
        if not 0 <= payload <= 0xFFFFFFFF:
            raise ConfigError(f"payload={payload!r}: an object has 0 to 4294967295 bytes of payload")
        nrefs = refs
        size = payload
        with nogil:
            m = python_enter(self.heap)
            if m != NULL:
                o = heap_alloc(m, nrefs, size)
                if o != NULL:
                    slot = handle_new(m, o)
                python_leave(m)
        if m == NULL:
            raise ClosedError("the heap is closed")
        if slot == NULL:
            raise HeapExhausted(
                f"no room for an object of {8 + 8 * nrefs + size} bytes in a heap of {self.heap.limit} bytes",
                hint="Drop what is not needed, or give the heap a higher limit")
        return self.wrap(slot)

    def alloc_page(self, const uint8_t[::1] data):
        """Return a handle to a page of 4096 bytes, aligned to its size and never moved, that holds `data`."""
        cdef Mutator *m
        cdef uint8_t *page
        cdef Obj **slot = NULL
        if data.shape[0] != PAGE_CELL:
            raise ConfigError(f"a page of {data.shape[0]} bytes: a page has {<int>PAGE_CELL}")
        with nogil:
            m = python_enter(self.heap)
            if m != NULL:
                page = heap_alloc_page(m)
                if page != NULL:
                    memcpy(page, &data[0], PAGE_CELL)
                    slot = handle_new(m, <Obj *>page)
                python_leave(m)
        if m == NULL:
            raise ClosedError("the heap is closed")
        if slot == NULL:
            raise HeapExhausted(f"no room for a page in a heap of {self.heap.limit} bytes")
        return self.wrap(slot)

    def weakref(self, Handle target not None):
        """Return a reference to the object of `target` that does not keep it alive.

        Raises
        ------
        HeapError
            `target` is of another heap.
        """
        cdef WeakRef reference
        cdef Mutator *m
        cdef int64_t slot = -1
        self.own(target)
        reference = WeakRef.__new__(WeakRef)
        with nogil:
            m = python_enter(self.heap)
            if m != NULL:
                slot = weak_new(self.heap, target.o)
                python_leave(m)
        if m == NULL:
            raise ClosedError("the heap is closed")
        if slot < 0:
            raise MemoryError("no memory for a weak reference")
        reference.heap = self
        reference.slot = slot
        reference.made = True
        return reference

    def finalise(self, Handle target not None, call):
        """Have ``call(handle)`` called once the object of `target` is dead.

        It is called by `run_finalisers`, never by the collector, with a handle that makes the object alive again, with
        all that it refers to. Weak references to them are empty by then. A finaliser is called once; an object may have
        several, in no order.
        """
        cdef Mutator *m
        cdef int failed = 0
        cdef uint64_t number
        self.own(target)
        if not callable(call):
            raise ConfigError(f"finaliser {call!r} cannot be called")
        number = self.next_finaliser
        self.next_finaliser += 1
        self.finalisers[number] = call
        with nogil:
            m = python_enter(self.heap)
            if m != NULL:
                failed = finaliser_add(self.heap, target.o, number)
                python_leave(m)
        if m == NULL or failed:
            del self.finalisers[number]
            if m == NULL:
                raise ClosedError("the heap is closed")
            raise MemoryError("no memory for a finaliser")

    def run_finalisers(self, most=None):
        """Call finalisers of objects that were found dead, on this thread; return how many were called.

        Parameters
        ----------
        most : int, optional
            Call no more than so many.

        Notes
        -----
        An exception of a finaliser is raised to the caller; those not called yet stay for the next time.
        """
        cdef uint64_t number
        cdef Mutator *m
        cdef Obj *o
        cdef Obj **slot
        called = 0
        while most is None or called < most:
            slot = NULL
            with nogil:
                m = python_enter(self.heap)
                if m != NULL:
                    if finaliser_take(m, &o, &number):
                        slot = handle_new(m, o)
                    python_leave(m)
            if m == NULL:
                raise ClosedError("the heap is closed")
            if slot == NULL:
                break
            called += 1
            self.finalisers.pop(number)(self.wrap(slot))
        return called

    def collect(self):
        """Run a whole cycle that begins now, wait for its end, and return its `CycleStats`.

        Other mutators keep running. One that never comes to a safepoint is waited for.
        """
        cdef uint64_t number
        cdef Heap *heap = self.heap
        cdef Mutator *m
        cdef Cycle cycle
        with nogil:
            m = python_enter(heap)
            if m != NULL:
                number = cycle_request(heap)
                python_leave(m)
                pthread_mutex_lock(&heap.cycle_lock)
                while heap.done < number and not heap.stopping:
                    pthread_cond_wait(&heap.finished, &heap.cycle_lock)
                cycle = heap.history[heap.done % HISTORY]
                pthread_mutex_unlock(&heap.cycle_lock)
        if m == NULL:
            raise ClosedError("the heap is closed")
        return cycle_stats(&cycle)

    def cycles(self):
        """Return the `CycleStats` of up to 256 cycles, the latest last."""
        cdef Heap *heap = self.heap
        cdef uint64_t n, i
        cdef Cycle cycle
        found = []
        self.refuse_closed()
        pthread_mutex_lock(&heap.cycle_lock)
        n = heap.done
        pthread_mutex_unlock(&heap.cycle_lock)
        for i in range(max(0, <int64_t>n - <int64_t>HISTORY) + 1, n + 1):
            pthread_mutex_lock(&heap.cycle_lock)
            cycle = heap.history[i % HISTORY]
            pthread_mutex_unlock(&heap.cycle_lock)
            # A newer one may have taken its place.
            if cycle.number == i:
                found.append(cycle_stats(&cycle))
        return found

    def stats(self):
        """Return `HeapStats`."""
        cdef Heap *heap = self.heap
        cdef uint64_t cells, size, done, marked, swept, longest
        cdef uint32_t mutators = 0
        cdef Mutator *m
        self.refuse_closed()
        with nogil:
            count_live(heap, &cells, &size)
            pthread_mutex_lock(&heap.registry)
            longest = 0
            m = heap.mutators
            while m != NULL:
                mutators += 1
                if gc_load64(&m.longest_ns) > longest:
                    longest = gc_load64(&m.longest_ns)
                m = m.next
            pthread_mutex_unlock(&heap.registry)
            pthread_mutex_lock(&heap.cycle_lock)
            done = heap.done
            marked = heap.total_marked
            swept = heap.total_swept
            if heap.longest_ns > longest:
                longest = heap.longest_ns
            pthread_mutex_unlock(&heap.cycle_lock)
        return HeapStats(heap.limit, gc_load64(&heap.held) << BLOCK_SHIFT, cells, size, gc_load64(&heap.live_handles),
                         mutators, done, marked, swept, longest)

    def free_blocks(self):
        """Return a histogram of the free memory that the heap holds: ``{bytes: how many pieces of that size}``.

        Pieces are free cells, and runs of empty blocks of 256 KiB.
        """
        cdef Heap *heap = self.heap
        cdef uint32_t i
        cdef uint32_t kind, free
        cdef uint64_t run = 0
        cdef uint64_t size
        cdef uint32_t high
        self.refuse_closed()
        high = gc_load32(&heap.high)
        pieces = {}
        for i in range(high + 1):
            kind = gc_load8(&heap.blocks[i].kind) if i < high else 0
            if kind == KIND_EMPTY:
                run += BLOCK
                continue
            if run:
                pieces[run] = pieces.get(run, 0) + 1
                run = 0
            if kind == KIND_CELLS or kind == KIND_PAGES:
                size = class_granules(gc_load8(&heap.blocks[i].cls)) * GRANULE
                free = BLOCK // <uint32_t>size - gc_load32(&heap.blocks[i].used)
                if free:
                    pieces[size] = pieces.get(size, 0) + free
        return pieces

    @property
    def total_free(self):
        """int: bytes that the heap holds and nothing is in."""
        return sum(size * count for size, count in self.free_blocks().items())

    @property
    def largest_free(self):
        """int: bytes of the largest piece of `total_free`; 0 when there is none."""
        return max(self.free_blocks(), default=0)

    def compact(self):
        """Collect, and return the memory of every empty block to the system; how many bytes that was.

        No object moves: a page may be addressed by a TLB, and compiled code holds addresses.
        """
        cdef Heap *heap = self.heap
        cdef uint64_t freed = self.collect().returned_bytes
        with nogil:
            freed += blocks_release(heap, 0) << BLOCK_SHIFT
        return freed

    def close(self):
        """End the collector's threads and give all memory back. Handles are useless afterwards. Again: does nothing.

        Raises
        ------
        HeapError
            A mutator is registered (a store is open), or a buffer of a payload is held.
        """
        cdef Heap *heap = self.heap
        cdef Mutator *m
        cdef uint32_t others = 0
        if heap.closed:
            return
        with nogil:
            pthread_mutex_lock(&heap.python_lock)
            pthread_mutex_lock(&heap.registry)
            m = heap.mutators
            while m != NULL:
                others += m != heap.python
                m = m.next
            pthread_mutex_unlock(&heap.registry)
            if others == 0 and heap.exports == 0 and not heap.closed:
                heap.closed = 1
            pthread_mutex_unlock(&heap.python_lock)
        if not heap.closed:
            raise HeapError(f"the heap has {others} mutators and {heap.exports} buffers",
                            hint="Close its stores, unregister mutators and release memoryviews first")
        with nogil:
            take_down(heap)
        self.finalisers.clear()

    cdef int own(self, Handle target) except -1:
        if target.heap is not self:
            raise HeapError("the object is of another heap")
        return 0

    cdef int refuse_closed(self) except -1:
        if gc_load32(&self.heap.closed):
            raise ClosedError("the heap is closed")
        return 0

    @property
    def limit(self):
        """int: bytes it may hold."""
        return self.heap.limit

    @property
    def barrier(self):
        """str: its write barrier."""
        return next(name for name, number in BARRIERS.items() if number == self.heap.barrier)

    @property
    def markers(self):
        """int: threads that mark."""
        return self.heap.nworkers

    @property
    def closed(self):
        """bool: whether it is closed."""
        return gc_load32(&self.heap.closed) != 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __repr__(self):
        state = "closed" if self.closed else f"{gc_load64(&self.heap.held) << BLOCK_SHIFT} of {self.heap.limit} bytes"
        return f"<{type(self).__name__}: {self.barrier}, {state}>"


cdef class Handle:
    """An object of a managed heap, kept alive. Made by `ManagedHeap.alloc`.

    ``handle[i]`` is what reference field ``i`` refers to, as a new handle, or None; ``handle[i] = other`` stores
    through the write barrier; ``len(handle)`` is the number of fields; ``memoryview(handle)`` is the payload. Handles
    of the same object are equal.
    """

    def __dealloc__(self):
        cdef Mutator *m
        if self.slot == NULL:
            return
        with nogil:
            m = python_enter(self.heap.heap)
            if m != NULL:
                handle_free(m, self.slot)
                python_leave(m)

    cdef uint64_t field(self, index) except? 0xFFFFFFFF:
        if not -<int64_t>self.refs <= index < <int64_t>self.refs:
            raise IndexError(f"reference field {index} of an object that has {self.refs}")
        return index + self.refs if index < 0 else index

    def __len__(self):
        return <Py_ssize_t>self.refs

    def __bool__(self):
        return True

    def __getitem__(self, index):
        cdef uint64_t at = self.field(index)
        cdef Mutator *m
        cdef Obj *o = NULL
        cdef Obj **slot = NULL
        with nogil:
            m = python_enter(self.heap.heap)
            if m != NULL:
                o = heap_load(self.o, at)
                if o != NULL:
                    slot = handle_new(m, o)
                python_leave(m)
        if m == NULL:
            raise ClosedError("the heap is closed")
        if o == NULL:
            return None
        if slot == NULL:
            raise MemoryError("no memory for a handle")
        return self.heap.wrap(slot)

    def __setitem__(self, index, Handle value):
        cdef uint64_t at = self.field(index)
        cdef Mutator *m
        cdef Obj *o = NULL
        if value is not None:
            self.heap.own(value)
            o = value.o
        with nogil:
            m = python_enter(self.heap.heap)
            if m != NULL:
                heap_store(m, self.o, at, o)
                python_leave(m)
        if m == NULL:
            raise ClosedError("the heap is closed")

    cdef int within(self, offset, size) except -1:
        if offset < 0 or size < 0 or offset + size > self.size:
            raise MemoryAccessError(f"{size} bytes at {offset} of a payload of {self.size} bytes")
        return 0

    def read(self, offset=0, size=None):
        """Return `size` bytes (None: the rest) of the payload from `offset` on.

        Raises
        ------
        MemoryAccessError
            They are not all in the payload.
        """
        if size is None:
            size = max(<int64_t>self.size - offset, 0)
        self.within(offset, size)
        self.heap.refuse_closed()
        return (<const char *>self.bytes)[<uint64_t>offset:<uint64_t>(offset + size)]

    def write(self, offset, const uint8_t[::1] data):
        """Write `data` into the payload at `offset`.

        Raises
        ------
        MemoryAccessError
            It does not fit.
        """
        cdef uint64_t at
        self.within(offset, data.shape[0])
        self.heap.refuse_closed()
        at = offset
        if data.shape[0]:
            memcpy(self.bytes + at, &data[0], data.shape[0])

    def __getbuffer__(self, Py_buffer *view, int flags):
        cdef Mutator *m
        PyBuffer_FillInfo(view, self, self.bytes, <Py_ssize_t>self.size, False, flags)
        with nogil:
            m = python_enter(self.heap.heap)
            if m != NULL:
                m.heap.exports += 1
                python_leave(m)
        if m == NULL:
            raise ClosedError("the heap is closed")

    def __releasebuffer__(self, Py_buffer *view):
        cdef Mutator *m
        with nogil:
            m = python_enter(self.heap.heap)
            if m != NULL:
                m.heap.exports -= 1
                python_leave(m)

    @property
    def payload(self):
        """int: bytes of payload."""
        return self.size

    def __eq__(self, other):
        if not isinstance(other, Handle):
            return NotImplemented
        return self.o == (<Handle>other).o and self.heap is (<Handle>other).heap

    def __hash__(self):
        return hash(<uint64_t>self.o)

    def __repr__(self):
        return f"<Handle: {self.refs} references, {self.size} bytes at {<uint64_t>self.o:#x}>"


cdef class WeakRef:
    """A reference that does not keep its object alive: call it. Made by `ManagedHeap.weakref`."""

    def __dealloc__(self):
        cdef Mutator *m
        if not self.made:
            return
        with nogil:
            m = python_enter(self.heap.heap)
            if m != NULL:
                weak_free(m.heap, self.slot)
                python_leave(m)

    def __call__(self):
        """Return a handle to the object, or None when it is dead."""
        cdef Mutator *m
        cdef Obj *o = NULL
        cdef Obj **slot = NULL
        with nogil:
            m = python_enter(self.heap.heap)
            if m != NULL:
                o = weak_get(m, self.slot)
                if o != NULL:
                    slot = handle_new(m, o)
                python_leave(m)
        if m == NULL:
            raise ClosedError("the heap is closed")
        if o == NULL:
            return None
        if slot == NULL:
            raise MemoryError("no memory for a handle")
        return self.heap.wrap(slot)
