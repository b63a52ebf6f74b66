"""Heaps of blocks behind handles, which a compaction can move; and what slabs have free. See ``slabheap.pxd``."""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from vmcore._fast.memory.heaps cimport (
    CLOSED, SLAB_CLASSES, Heap, Slab, bytes_of, heap_close, heap_drop, heap_large, heap_new, heap_open, heap_trim,
    lot_free, lot_given, next_slab, pthread_mutex_lock, pthread_mutex_t, pthread_mutex_unlock, slab_live)
from vmcore._fast.memory.slab cimport (
    SLAB_ALIGN_MOST, heap_alloc, heap_free, slab_alloc, slab_calloc, slab_class_aligned, slab_free, slab_of)

from collections import namedtuple

from vmcore.errors import ClosedError, ConfigError

cdef extern from "memory/slab.h" nogil:
    int pthread_mutex_init(pthread_mutex_t *, const void *)
    int pthread_mutex_destroy(pthread_mutex_t *)
    uint64_t slab_lowest(uint64_t v)

cdef enum:
    MOST_CELLS = 4096         # of a slab
    BUCKETS = 40              # of a histogram: the longest run of free cells is a slab


# Which slabs to empty -------------------------------------------------------------------------------------------------

cdef bint is_dense(const Slab *s, uint64_t live) noexcept nogil:
    # Its used cells are its first ones.
    cdef uint64_t free
    cdef uint32_t i
    for i in range(<uint32_t>((live + 63) // 64)):
        free = lot_free(s, i)
        if live < (<uint64_t>i + 1) * 64:
            free &= (<uint64_t>1 << (live - <uint64_t>i * 64)) - 1
        if free:
            return False
    return True


cdef class SlabHeap:
    """A heap of its own whose blocks can be moved, so that churn leaves no sparse slabs behind.

    Blocks are :class:`SlabBuffer` objects: they free themselves when nobody holds them, and lie still only while
    somebody looks at their memory. Any thread may use a heap.
    """

    def __cinit__(self):
        if pthread_mutex_init(&self.lock, NULL):
            raise MemoryError("no memory for the lock of a slab heap")
        self.heap = heap_new()
        if self.heap == NULL:
            raise MemoryError("no memory for the record of a slab heap")

    def __dealloc__(self):
        # Each buffer holds its heap: there is none left.
        if self.heap != NULL:
            heap_drop(self.heap)
        pthread_mutex_destroy(&self.lock)

    cdef Handle *handle_new(self, size_t size, size_t align) noexcept nogil:
        cdef uint32_t cls = slab_class_aligned(size, align)
        cdef Handle *handle = <Handle *>slab_alloc(sizeof(Handle))
        cdef void *at
        if handle == NULL:
            return NULL
        handle.size = size
        handle.pins = 0
        handle.apart = cls == SLAB_CLASSES
        handle.prev = NULL
        pthread_mutex_lock(&self.lock)
        handle.at = at = slab_calloc(size) if handle.apart else heap_alloc(self.heap, cls)
        if at != NULL:
            self.blocks += 1
            self.bytes += size
            handle.next = self.handles
            if handle.next != NULL:
                handle.next.prev = handle
            self.handles = handle
            if not handle.apart:
                memset(at, 0, size)
        pthread_mutex_unlock(&self.lock)
        # Without the lock a compaction may be moving it already: `handle.at` is not ours to read any more.
        if at == NULL:
            slab_free(handle)
            return NULL
        return handle

    cdef bint handle_drop(self, Handle *handle) noexcept nogil:
        cdef bint free
        pthread_mutex_lock(&self.lock)
        free = handle.pins == 0
        if free:
            if handle.prev != NULL:
                handle.prev.next = handle.next
            else:
                self.handles = handle.next
            if handle.next != NULL:
                handle.next.prev = handle.prev
            self.blocks -= 1
            self.bytes -= handle.size
            if handle.apart:
                slab_free(handle.at)
            else:
                heap_free(self.heap, handle.at)
        pthread_mutex_unlock(&self.lock)
        if free:
            slab_free(handle)
        return free

    cdef void *pin(self, Handle *handle) noexcept nogil:
        pthread_mutex_lock(&self.lock)
        handle.pins += 1
        pthread_mutex_unlock(&self.lock)
        return handle.at

    cdef void *where(self, Handle *handle) noexcept nogil:
        cdef void *at
        pthread_mutex_lock(&self.lock)
        at = handle.at
        pthread_mutex_unlock(&self.lock)
        return at

    cdef void unpin(self, Handle *handle) noexcept nogil:
        pthread_mutex_lock(&self.lock)
        handle.pins -= 1
        pthread_mutex_unlock(&self.lock)

    cdef void gather(self) noexcept nogil:
        # Our slabs by class; each knows whether a block in it is pinned.
        cdef uint64_t unit = 0
        cdef Slab *s = next_slab(&unit)
        cdef Handle *handle = self.handles
        memset(self.slabs, 0, sizeof(self.slabs))
        while s != NULL:
            # Nobody else marks cells of a heap without a thread, so the link is free for use.
            if s.owner == self.heap:
                s.pinned = 0
                s.pending_next = self.slabs[s.cls]
                self.slabs[s.cls] = s
            s = next_slab(&unit)
        while handle != NULL:
            if handle.pins and not handle.apart:
                slab_of(handle.at).pinned = 1
            handle = handle.next

    cdef void close_sparse(self, uint32_t cls) noexcept nogil:
        # Keep as many slabs as the blocks fill to the last cell, the fullest ones. The blocks of the others fill these,
        # and what is left over goes to a fresh slab from its first cell on: all that is free is then in one piece.
        cdef uint32_t tally[MOST_CELLS + 1]
        cdef Slab *s = self.slabs[cls]
        cdef Slab *after
        cdef uint64_t count, live, keep, seen, last, extra
        cdef uint64_t moving = 0
        cdef uint64_t unpinned = 0
        cdef uint64_t room = 0
        if s == NULL:
            return
        count = s.count
        memset(tally, 0, (count + 1) * sizeof(uint32_t))
        while s != NULL:
            live = slab_live(s)
            if s.pinned:
                room += count - live
            elif live:
                moving += live
                unpinned += 1
                tally[live] += 1
            s = s.pending_next
        keep = (moving - room) // count if moving > room else 0
        # `last` is the fill of the emptiest slabs that are kept, `extra` how many of that fill.
        seen = extra = 0
        last = count
        while last and seen + tally[last] < keep:
            seen += tally[last]
            last -= 1
        extra = keep - seen
        s = self.slabs[cls]
        while s != NULL:
            after = s.pending_next
            live = slab_live(s)
            if live and live <= last and not s.pinned:
                if live == last and extra:
                    extra -= 1
                elif unpinned > keep + 1 or room or not is_dense(s, live):
                    heap_close(self.heap, s)
            s = after

    cdef uint64_t move_all(self) noexcept nogil:
        cdef Handle *handle = self.handles
        cdef uint64_t moved = 0
        cdef Slab *s
        cdef void *to
        while handle != NULL:
            s = slab_of(handle.at) if not handle.apart else NULL
            if s != NULL and s.state == CLOSED:
                to = heap_alloc(self.heap, s.cls)
                if to == NULL:
                    break
                memcpy(to, handle.at, handle.size)
                heap_free(self.heap, handle.at)
                handle.at = to
                moved += 1
            handle = handle.next
        return moved

    cdef uint64_t evacuate(self) noexcept nogil:
        cdef uint64_t moved
        cdef uint64_t unit = 0
        cdef uint32_t cls
        cdef Slab *s
        pthread_mutex_lock(&self.lock)
        self.gather()
        for cls in range(SLAB_CLASSES):
            self.close_sparse(cls)
        moved = self.move_all()
        # Where memory ran out, slabs are closed that still have blocks.
        s = next_slab(&unit)
        while s != NULL:
            if s.owner == self.heap and s.state == CLOSED:
                heap_open(self.heap, s)
            s = next_slab(&unit)
        heap_trim(self.heap)
        self.moved += moved
        self.compactions += 1
        pthread_mutex_unlock(&self.lock)
        return moved

    def alloc(self, size_t size, size_t align=8):
        """Return a zeroed block.

        Parameters
        ----------
        size : int
            Bytes; 0 is allowed.
        align : int
            A power of two, at most 4096. Blocks of more than 32 KiB always lie on a boundary of 64 KiB.

        Returns
        -------
        SlabBuffer
            It frees itself when nobody holds it or a view of it any more.

        Raises
        ------
        ConfigError
            `align` is something else.
        MemoryError
            There is no memory.
        """
        if align == 0 or align & (align - 1) or align > SLAB_ALIGN_MOST:
            raise ConfigError(f"an alignment of {align} is not possible", hint="Use a power of two up to 4096")
        cdef SlabBuffer made = SlabBuffer.__new__(SlabBuffer)
        cdef Handle *handle
        with nogil:
            handle = self.handle_new(size, align)
        if handle == NULL:
            raise MemoryError(f"no memory for a block of {size} bytes")
        made.heap = self
        made.handle = handle
        made.shape = <Py_ssize_t>size
        return made

    def compact(self):
        """Move blocks together and give slabs that become empty back to the system.

        Blocks with views stay where they are, and so do those of more than 32 KiB. Other threads' calls wait.

        Returns
        -------
        int
            How many blocks moved.
        """
        cdef uint64_t moved
        with nogil:
            moved = self.evacuate()
        return moved

    def statistics(self):
        """Return what the heap holds.

        Returns
        -------
        HeapUse
            See there.
        """
        cdef uint64_t held = 0
        cdef uint64_t slabs = 0
        cdef uint64_t unit = 0
        cdef uint64_t blocks, size, compactions, moved
        cdef Slab *s
        cdef Handle *handle
        with nogil:
            pthread_mutex_lock(&self.lock)
            blocks, size, compactions, moved = self.blocks, self.bytes, self.compactions, self.moved
            s = next_slab(&unit)
            while s != NULL:
                if s.owner == self.heap:
                    held += bytes_of(s) - s.away
                    slabs += 1
                s = next_slab(&unit)
            handle = self.handles
            while handle != NULL:
                if handle.apart:
                    held += bytes_of(slab_of(handle.at))
                handle = handle.next
            pthread_mutex_unlock(&self.lock)
        return HeapUse(blocks, size, held, slabs, compactions, moved)

    def survey(self):
        """Return what is free in the heap's slabs.

        Returns
        -------
        Survey
            See there.
        """
        cdef Tally tally
        with nogil:
            pthread_mutex_lock(&self.lock)
            measure(&tally, self.heap)
            pthread_mutex_unlock(&self.lock)
        return survey_of(&tally)


cdef class SlabBuffer:
    """A block of a :class:`SlabHeap`, with the buffer protocol: ``memoryview(block)``, ``numpy.frombuffer(block)``.

    While there is a view the block stays where it is; without one a compaction may move it. One thread at a time may
    free it.
    """

    def __init__(self):
        raise TypeError("blocks are made by SlabHeap.alloc")

    def __dealloc__(self):
        # A view holds its block: there is none left.
        if self.handle != NULL:
            self.heap.handle_drop(self.handle)

    cdef Handle *live(self) except NULL:
        if self.handle == NULL:
            raise ClosedError("this block was freed", hint="Ask the heap for another one")
        return self.handle

    def __getbuffer__(self, Py_buffer *view, int flags):
        cdef Handle *handle = self.live()
        cdef void *at = self.heap.pin(handle)
        try:
            PyBuffer_FillInfo(view, self, at, self.shape, 0, flags)
        except BaseException:
            self.heap.unpin(handle)
            raise

    def __releasebuffer__(self, Py_buffer *view):
        self.heap.unpin(self.handle)

    def __len__(self):
        return self.shape

    @property
    def closed(self):
        """bool: the block was freed."""
        return self.handle == NULL

    @property
    def address(self):
        """int: where the block lies now, in the host's memory."""
        return <uintptr_t>self.heap.where(self.live())

    def free(self):
        """Give the block back now. Once it is free, this does nothing.

        Raises
        ------
        BufferError
            There are views of it.
        """
        cdef Handle *handle = self.handle
        if handle == NULL:
            return
        if not self.heap.handle_drop(handle):
            raise BufferError("this block has views; release them first")
        self.handle = NULL

    def __enter__(self):
        self.live()
        return self

    def __exit__(self, kind, error, traceback):
        self.free()


# What is free ---------------------------------------------------------------------------------------------------------

cdef struct Tally:
    uint64_t held
    uint64_t free
    uint64_t runs[BUCKETS]
    uint64_t longest[SLAB_CLASSES]

HeapUse = namedtuple("HeapUse", ("blocks", "bytes", "held", "slabs", "compactions", "moved"))
HeapUse.__doc__ = """What a slab heap holds.

Attributes
----------
blocks, bytes : int
    Blocks that live, and the bytes that were asked for in them.
held : int
    Bytes taken from the system, without the pages that went back from sparse slabs.
slabs : int
    Slabs.
compactions, moved : int
    Compactions so far, and the blocks that they moved.
"""
Survey = namedtuple("Survey", ("held", "free", "largest", "histogram"))
Survey.__doc__ = """What is free in an allocator.

Attributes
----------
held : int
    Bytes taken from the system. Of sparse slabs, pages may have gone back that count here as free.
free : int
    Bytes of them that are free.
largest : int
    Bytes of the largest free piece. Free memory of one size class is no room for another: where there are classes, this
    is the sum of the largest piece of each.
histogram : tuple of int
    How many free pieces there are by size: entry k counts those of 2**k to 2**(k+1) - 1 bytes.
"""


cdef void count_run(Tally *tally, const Slab *s, uint64_t cells) noexcept nogil:
    cdef uint64_t size = cells * s.size
    cdef uint32_t bucket = 0
    if cells == 0:
        return
    tally.free += size
    if size > tally.longest[s.cls]:
        tally.longest[s.cls] = size
    while bucket < BUCKETS - 1 and size >> (bucket + 1):
        bucket += 1
    tally.runs[bucket] += 1


cdef void measure_slab(Tally *tally, Slab *s) noexcept nogil:
    # Runs of free cells, lot by lot: `run` are those that end where the lot begins.
    cdef uint64_t run = 0
    cdef uint64_t word, used, left
    cdef uint32_t at, i
    for i in range((s.count + 63) // 64):
        used = ~lot_given(s, i)
        left = s.count - <uint64_t>i * 64
        if left > 64:
            left = 64
        if left < 64:
            used &= (<uint64_t>1 << left) - 1
        at = 0
        word = used
        while word:
            run += slab_lowest(word) - at
            count_run(tally, s, run)
            run = 0
            at = <uint32_t>slab_lowest(word) + 1
            word &= word - 1
        run += left - at
    count_run(tally, s, run)


cdef void measure(Tally *tally, const Heap *only) noexcept nogil:
    # `only` one heap, or NULL: those of all threads.
    cdef uint64_t unit = 0
    cdef Slab *s
    memset(tally, 0, sizeof(Tally))
    s = next_slab(&unit)
    while s != NULL:
        # By its owner, which stays, and not by its state, which other threads change meanwhile.
        if s.owner != heap_large() and (s.owner == only if only != NULL else not s.owner.private):
            tally.held += bytes_of(s)
            measure_slab(tally, s)
        s = next_slab(&unit)


cdef object survey_of(const Tally *tally):
    cdef uint32_t i
    return Survey(
        tally.held,
        tally.free,
        sum([tally.longest[i] for i in range(SLAB_CLASSES)]),
        tuple([tally.runs[i] for i in range(BUCKETS)]),
    )


def survey():
    """Return what is free in the slabs of all threads; about right while others allocate.

    Returns
    -------
    Survey
        See there.
    """
    cdef Tally tally
    with nogil:
        measure(&tally, NULL)
    return survey_of(&tally)
