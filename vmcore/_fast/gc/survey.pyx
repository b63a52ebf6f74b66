"""What is free in a managed heap, for the fragmentation monitor."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.gc.heap cimport HeapBase
from vmcore._fast.gc.layout cimport (
    BLOCK, BLOCK_SHIFT, CLASSES, GRANULE, GRANULE_SHIFT, KIND_CELLS, KIND_EMPTY, KIND_PAGES, Block, Heap,
    class_granules, gc_highest_bit, gc_load8_acq, gc_load32, gc_load64, is_marked,
    pthread_mutex_lock, pthread_mutex_unlock)

from vmcore._fast.memory.slabheap import Survey
from vmcore.errors import ClosedError

cdef enum:
    BUCKETS = 41              # of a histogram: a heap holds 2**40 bytes at most
    EMPTIES = CLASSES         # in the place of a class: whole blocks

cdef struct Tally:
    uint64_t free
    uint64_t longest[CLASSES + 1]
    uint64_t pieces[BUCKETS]


cdef void add_piece(Tally *tally, uint32_t cls, uint64_t size) noexcept nogil:
    if size == 0:
        return
    tally.free += size
    tally.pieces[gc_highest_bit(size)] += 1
    if size > tally.longest[cls]:
        tally.longest[cls] = size


# Runs of free cells of a block. Below the cursor none is free: what was is handed out by now.
cdef void add_block(Tally *tally, const Heap *heap, uint32_t index) noexcept nogil:
    cdef const Block *b = &heap.blocks[index]
    cdef const uint64_t *taken = heap.maps[gc_load64(&b.swept) & 1]
    cdef uint32_t cls = b.cls
    cdef uint64_t size = <uint64_t>class_granules(cls) * GRANULE
    cdef uint64_t start = <uint64_t>index << BLOCK_SHIFT
    cdef uint64_t end = start + BLOCK // size * size
    cdef uint64_t at = start + (<uint64_t>gc_load32(&b.cursor) << GRANULE_SHIFT)
    cdef uint64_t run = 0
    while at < end:
        if is_marked(taken, at):
            add_piece(tally, cls, run)
            run = 0
        else:
            run += size
        at += size
    add_piece(tally, cls, run)


cdef void measure(Tally *tally, const Heap *heap) noexcept nogil:
    cdef uint32_t high = gc_load32(&heap.high)
    cdef uint32_t i
    cdef uint8_t kind
    cdef uint64_t run = 0
    memset(tally, 0, sizeof(Tally))
    for i in range(high):
        # ORDER: acquire; whoever makes a block something says first what.
        kind = gc_load8_acq(&heap.blocks[i].kind)
        if kind == KIND_EMPTY:
            run += BLOCK
            continue
        add_piece(tally, EMPTIES, run)
        run = 0
        if kind == KIND_CELLS or kind == KIND_PAGES:
            add_block(tally, heap, i)
    add_piece(tally, EMPTIES, run)


def survey(HeapBase heap not None):
    """Return what is free in the memory that the heap holds: about right while mutators or a cycle run.

    Returns
    -------
    Survey
        Free pieces are runs of free cells of a size class, and runs of empty blocks.

    Raises
    ------
    ClosedError
        The heap is closed.
    """
    cdef Tally tally
    cdef uint32_t i
    # A child of fork never touches the lock.
    cdef bint open = gc_load32(&heap.heap.closed) == 0
    if open:
        with nogil:
            # Whoever closes the heap takes it first.
            pthread_mutex_lock(&heap.heap.python_lock)
            open = gc_load32(&heap.heap.closed) == 0
            if open:
                measure(&tally, heap.heap)
            pthread_mutex_unlock(&heap.heap.python_lock)
    if not open:
        raise ClosedError("the heap is closed")
    return Survey(
        gc_load64(&heap.heap.held) << BLOCK_SHIFT,
        tally.free,
        sum([tally.longest[i] for i in range(CLASSES + 1)]),
        tuple([tally.pieces[i] for i in range(BUCKETS)]),
    )
