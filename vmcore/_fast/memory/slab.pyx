"""The slab allocator: a byte says what a cell is, every free is checked. See ``slab.pxd`` and ``heaps.pxd``."""

from libc.stdint cimport INT64_MAX, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from vmcore._fast.defs cimport vmcore_likely, vmcore_unlikely
from vmcore._fast.memory.arena cimport UNIT, UNIT_SHIFT, Arena, arena_get, arena_take
from vmcore._fast.memory.heaps cimport (
    CURRENT, DEAD, FREE, LARGE, LIVE, REMOTE, SLAB_CLASSES, SLAB_LARGEST, SLAB_LOTS, SLAB_SMALL, Bin, Heap, Slab,
    byte_peek, byte_swap, bytes_of, choose, class_cells, class_size, collect, drain, event, flag_peek, flag_see,
    flag_swap, heap_abandon, heap_adopt, heap_large, heap_settle, heap_step, heap_trim, heaps_after_fork,
    heaps_before_fork, heaps_count, heaps_late, heaps_lock, heaps_recover, heaps_trim, heaps_unlock, list_claim,
    list_peek, lot_free, next_slab, owner_peek, owner_see, record_get, record_put, retire, slab_back, slab_change,
    slab_count, slab_divide, slab_first, slab_live, slab_lowest, slab_marked, slab_peek, slab_poke, slab_show,
    states_of)

from collections import namedtuple

cdef extern from "memory/slab.h" nogil:
    """
    static pthread_key_t slab_key;
    /* The heap of threads that have none: no note of it has a cell, so the fast path asks no question. */
    static struct { uint64_t words[79 * 8 + 24]; } slab_nobody __attribute__((aligned(64)));
    SLAB_TLS void *slab_mine = &slab_nobody;
    """
    ctypedef unsigned int pthread_key_t
    pthread_key_t slab_key
    char slab_nobody          # a heap, by its address
    void *slab_mine
    int pthread_key_create(pthread_key_t *, void (*)(void *) noexcept nogil)
    int pthread_setspecific(pthread_key_t, const void *)
    int pthread_atfork(void (*)() noexcept nogil, void (*)() noexcept nogil, void (*)() noexcept nogil)

cdef enum:
    SMALL_ROWS = 513          # SLAB_SMALL / 8 + 1
    MIDDLE_ROWS = 64          # SLAB_LARGEST / 512

# The slow parts are called through this table: inlined into the fast ones they would bring their register saves along.
cdef struct Slow:
    void *(*next_lot)(Heap *h, Bin *bin) noexcept nogil
    void *(*refill)(Heap *h, Bin *bin) noexcept nogil
    int (*event)(Heap *h, Slab *s) noexcept nogil
    int (*elsewhere)(void *block) noexcept nogil
    int (*refuse)(int why) noexcept nogil

cdef Slow slow
cdef uint16_t small[SMALL_ROWS]       # place of the bin in a heap, by (size + 7) // 8
cdef uint16_t middle[MIDDLE_ROWS]     # the same by (size - 1) // 512
cdef uintptr_t base = 0               # of the arena
cdef uint64_t extent = 0              # 0: there is none
cdef void **owners = NULL
cdef Heap *large = NULL               # owner of large blocks
cdef uint64_t refused[5]              # by answer


cdef inline Heap *mine() noexcept nogil:
    return <Heap *>slab_mine


cdef inline uint64_t place(uint64_t cls) noexcept nogil:
    # Of a class's bin in a heap.
    return <uintptr_t>&(<Heap *>NULL).bins[0] + cls * sizeof(Bin)


cdef uint32_t slab_class(size_t size) noexcept nogil:
    cdef uint64_t at = small[(size + 7) >> 3] if size <= SLAB_SMALL else middle[(size - 1) >> 9]
    return <uint32_t>((at - place(0)) // sizeof(Bin))


# Taking a cell --------------------------------------------------------------------------------------------------------

cdef inline uint64_t cells(const Slab *s, uint32_t lot) noexcept nogil:
    # The bits of a lot that are cells.
    cdef uint64_t left = s.count - <uint64_t>lot * 64
    return ~<uint64_t>0 if left >= 64 else (<uint64_t>1 << left) - 1


cdef inline bint look_around(Bin *bin) noexcept nogil:
    # Note the free cells of the lowest lot of the current slab that has any.
    cdef Slab *s = bin.current
    cdef uint64_t free
    cdef uint32_t i = slab_first(s.hot, 0, SLAB_LOTS)
    while i < SLAB_LOTS:
        slab_poke(&s.hot[i], 0)
        free = lot_free(s, i) & cells(s, i)
        if free:
            bin.note = free
            bin.states = states_of(s) + i * 64
            bin.origin = s.start + <uint64_t>i * 64 * bin.size
            return True
        i = slab_first(s.hot, i, SLAB_LOTS)
    return False


cdef void *next_lot(Heap *h, Bin *bin) noexcept nogil:
    # The note has no cell left. Mostly the slab has more: no call on the way, so nothing is saved for one.
    if vmcore_likely(bin.current != NULL and look_around(bin)):
        return pop(bin, bin.note)
    return slow.refill(h, bin)


cdef void *refill(Heap *h, Bin *bin) noexcept nogil:
    # Nor has the current slab.
    cdef uint64_t cls = bin - h.bins
    cdef Slab *s
    if <void *>h == &slab_nobody:
        h = heap_mine()
        if h == NULL:
            return NULL
        bin = &h.bins[cls]
    while True:
        if bin.current != NULL:
            # Asked directly: a slab is left when all its free cells are taken, and those that were given back too.
            if flag_peek(&bin.current.pending):
                drain(h, bin.current)
            if look_around(bin):
                return pop(bin, bin.note)
            retire(h, bin)
        if flag_peek(&h.trim):
            flag_swap(&h.trim, 0)
            heap_trim(h)
        if list_peek(&h.pending) != NULL:
            collect(h)
        heap_step(h)
        s = choose(h, bin)
        if s == NULL:
            return NULL
        s.state = CURRENT
        s.until = INT64_MAX       # no number of frees reaches zero
        bin.current = s


cdef inline void *pop(Bin *bin, uint64_t note) noexcept nogil:
    cdef uint64_t i = slab_lowest(note)
    bin.note = note & (note - 1)
    slab_poke(&bin.states[i], LIVE)
    return bin.origin + i * bin.size


cdef inline void *take(Heap *h, uint64_t offset) noexcept nogil:
    # `offset` is the bin's place in the heap: a table with places saves a multiplication.
    cdef Bin *bin = <Bin *>(<char *>h + offset)
    cdef uint64_t note = bin.note
    if vmcore_unlikely(note == 0):
        return slow.next_lot(h, bin)
    return pop(bin, note)


cdef void *slab_alloc(size_t size) noexcept nogil:
    if vmcore_likely(size <= SLAB_SMALL):
        return take(mine(), small[(size + 7) >> 3])
    return alloc_beyond(size)


cdef void *alloc_beyond(size_t size) noexcept nogil:
    return take(mine(), middle[(size - 1) >> 9]) if size <= SLAB_LARGEST else large_new(size)


cdef uint32_t slab_class_aligned(size_t size, size_t align) noexcept nogil:
    # Slabs start on a unit: cells whose size is a multiple of `align` are all aligned.
    cdef uint32_t cls
    if size > SLAB_LARGEST:
        return SLAB_CLASSES
    cls = slab_class(size if size > align else align)
    while cls < SLAB_CLASSES and class_size(cls) & (align - 1):
        cls += 1
    return cls


cdef void *slab_alloc_aligned(size_t size, size_t align) noexcept nogil:
    cdef uint32_t cls
    if align == 0 or align & (align - 1) or align > SLAB_ALIGN_MOST:
        return NULL
    cls = slab_class_aligned(size, align)
    return take(mine(), place(cls)) if cls < SLAB_CLASSES else large_new(size)


cdef void *slab_calloc(size_t size) noexcept nogil:
    cdef void *block = slab_alloc(size)
    if block != NULL and size <= SLAB_LARGEST:
        memset(block, 0, size)
    return block


# Giving one back ------------------------------------------------------------------------------------------------------

cdef inline bint find(Slab *s, const void *block, uint64_t *i) noexcept nogil:
    # False: no cell starts at `block`.
    cdef uint64_t rest
    i[0] = slab_divide(<uintptr_t>block - <uintptr_t>s.start, s.recip, &rest)
    return rest < s.recip


cdef inline int put(Heap *h, Slab *s, void *block) noexcept nogil:
    cdef uint64_t i
    if vmcore_unlikely(not find(s, block, &i)):
        return slow.refuse(SLAB_MISALIGNED)
    if vmcore_unlikely(byte_peek(&states_of(s)[i]) != LIVE):
        return slow.refuse(SLAB_DOUBLE if i < s.count else SLAB_MISALIGNED)
    slab_poke(&states_of(s)[i], FREE)
    slab_poke(&s.hot[i >> 6], 1)
    s.until -= 1
    if vmcore_unlikely(s.until == 0):
        return slow.event(h, s)
    return SLAB_OK


cdef int refuse(int why) noexcept nogil:
    slab_count(&refused[why], 1)
    return why


cdef int slab_free(void *block) noexcept nogil:
    cdef uintptr_t offset = <uintptr_t>block - base
    cdef Slab *s
    if vmcore_unlikely(offset >= extent):
        return slow.refuse(SLAB_FOREIGN) if block != NULL else SLAB_OK
    s = <Slab *>owner_peek(&owners[offset >> UNIT_SHIFT])
    if vmcore_unlikely(s == NULL):
        return slow.refuse(SLAB_FOREIGN)
    if vmcore_likely(s.owner == mine()):
        return put(mine(), s, block)
    return slow.elsewhere(block)


cdef int elsewhere(void *block) noexcept nogil:
    # A block of another thread's heap, a large one, or none.
    cdef void **place = &owners[(<uintptr_t>block - base) >> UNIT_SHIFT]
    cdef Heap *h = heap_mine()
    cdef Heap *owner
    cdef Slab *s
    cdef int answer
    if h == NULL:
        return refuse(SLAB_NO_MEMORY)
    while True:
        s = <Slab *>owner_see(place)
        if s == NULL:
            return refuse(SLAB_FOREIGN)
        # ORDER: see slab_back.
        slab_show(&h.hazard, s)
        if owner_see(place) == s:
            break
    if s.owner == large:
        return large_free(h, s, block)
    if s.owner.private:
        answer = SLAB_FOREIGN
    elif flag_see(&s.owner.orphan):
        slab_show(&h.hazard, NULL)
        return orphan_free(place, block)
    else:
        owner = s.owner
        answer = mark(s, block)
        if answer == SLAB_OK:
            slab_poke(&h.marks, h.marks + 1)
        slab_show(&h.hazard, NULL)
        if flag_see(&owner.orphan):
            # Its thread ended meanwhile; it may have looked at its list before we pushed.
            heap_settle(owner)
        return refuse(answer) if answer else SLAB_OK
    slab_show(&h.hazard, NULL)
    return refuse(answer)


cdef int mark(Slab *s, void *block) noexcept nogil:
    cdef Heap *h = s.owner
    cdef uint64_t i
    if not find(s, block, &i) or i >= s.count:
        return SLAB_MISALIGNED
    # ORDER: releases what this thread wrote to the cell.
    if not slab_change(&states_of(s)[i], LIVE, REMOTE):
        return SLAB_DOUBLE
    # ORDER: whoever sees this sees the mark. It is there before we look whether the slab is on the list already: either
    # we see that it is no more, or whoever took it off sees this.
    slab_show(&s.warm[i >> 6], 1)
    if not flag_see(&s.pending) and not flag_swap(&s.pending, 1):
        s.pending_next = list_peek(&h.pending)
        while not list_claim(&h.pending, &s.pending_next, s):
            pass
    return SLAB_OK


cdef int orphan_free(void **place, void *block) noexcept nogil:
    cdef Slab *s
    cdef int answer
    heaps_lock()
    s = <Slab *>owner_see(place)
    if s == NULL:
        answer = refuse(SLAB_FOREIGN)
    elif flag_see(&s.owner.orphan):
        answer = put(s.owner, s, block)
    else:
        # Adopted meanwhile, or another slab.
        heaps_unlock()
        return slab_free(block)
    heaps_unlock()
    return answer


cdef Slab *slab_of(const void *block) noexcept nogil:
    cdef uintptr_t offset = <uintptr_t>block - base
    return <Slab *>owner_see(&owners[offset >> UNIT_SHIFT]) if offset < extent else NULL


cdef size_t slab_size(const void *block) noexcept nogil:
    cdef Slab *s = slab_of(block)
    cdef uint64_t i
    if s == NULL or s.owner.private:
        return 0
    if s.owner == large:
        return bytes_of(s) if block == s.start else 0
    if not find(s, block, &i) or i >= s.count:
        return 0
    return s.size if byte_peek(&states_of(s)[i]) == LIVE else 0


cdef void *slab_realloc(void *block, size_t size) noexcept nogil:
    cdef size_t before
    cdef void *moved
    if block == NULL:
        return slab_alloc(size)
    before = slab_size(block)
    # Less than half is worth a move.
    if before == 0 or (before >= size and before // 2 <= size):
        return block if before else NULL
    moved = slab_alloc(size)
    if moved != NULL:
        memcpy(moved, block, min(before, size))
        slab_free(block)
    return moved


# Large blocks ---------------------------------------------------------------------------------------------------------

cdef void *large_new(size_t size) noexcept nogil:
    cdef Slab *s
    if size > extent:
        return NULL
    s = record_get(large, <uint32_t>((size + UNIT - 1) >> UNIT_SHIFT), 0)
    if s == NULL:
        return NULL
    s.state = LARGE
    if arena_take(s.units, s, &s.start) == NULL:
        record_put(s)
        return NULL
    return s.start


cdef int large_free(Heap *h, Slab *s, void *block) noexcept nogil:
    # `h` names the slab as its hazard: the record is not used again meanwhile.
    cdef int answer = SLAB_OK
    if block != s.start:
        answer = SLAB_MISALIGNED
    elif byte_swap(&s.state, DEAD) != LARGE:
        answer = SLAB_DOUBLE
    slab_show(&h.hazard, NULL)
    if answer:
        return refuse(answer)
    slab_back(h, s)
    return SLAB_OK


# Threads --------------------------------------------------------------------------------------------------------------

cdef Heap *heap_mine() noexcept nogil:
    cdef Heap *h = mine()
    if <void *>h != &slab_nobody:
        return h
    h = heap_adopt()
    if h == NULL:
        return NULL
    # Without the key thread_gone would not be called, and the heap be lost.
    if pthread_setspecific(slab_key, h):
        heap_abandon(h)
        return NULL
    set_mine(h)
    return h


cdef void set_mine(void *h) noexcept nogil:
    global slab_mine
    slab_mine = h


cdef void thread_gone(void *heap) noexcept nogil:
    # Called by the C library when a thread ends. A later destructor that allocates gets another heap, and this again.
    set_mine(&slab_nobody)
    heap_abandon(<Heap *>heap)


cdef void slab_trim() noexcept nogil:
    heaps_trim(mine())


cdef void after_fork_in_child() noexcept nogil:
    heaps_after_fork()
    heaps_recover(mine())


# Heaps of no thread ---------------------------------------------------------------------------------------------------

cdef void *heap_alloc(Heap *h, uint32_t cls) noexcept nogil:
    return take(h, place(cls))


cdef int heap_free(Heap *h, void *block) noexcept nogil:
    cdef Slab *s = slab_of(block)
    if s == NULL or s.owner != h:
        return refuse(SLAB_FOREIGN)
    return put(h, s, block)


# Statistics -----------------------------------------------------------------------------------------------------------

ClassUse = namedtuple("ClassUse", ("size", "slabs", "cells", "live"))
ClassUse.__doc__ = "One size class: bytes of a cell, slabs, cells in them, and cells that are handed out."
Statistics = namedtuple("Statistics", (
    "blocks", "bytes", "held", "slabs", "large", "heaps", "foreign", "misaligned", "double", "late", "classes"))
Statistics.__doc__ = """What the allocator holds.

Attributes
----------
blocks, bytes : int
    Blocks handed out, and their bytes (of whole cells; large blocks count in units of 64 KiB).
held : int
    Bytes taken from the system, with the allocator's own records, without the pages that went back from sparse slabs.
slabs, large : int
    Slabs, and large blocks.
heaps : int
    Heaps of threads, those included that ended threads left for new ones.
foreign, misaligned, double : int
    Frees that were refused, by reason, since the process began.
late : int
    Double frees that a cell's owner and another thread did at the same moment: both were told that all is well, the
    cell went back once, and it is counted here. Exact while nobody frees.
classes : tuple of ClassUse
    Every size class.
"""


def statistics():
    """Return what the allocator holds now; exact while no other thread allocates.

    Returns
    -------
    Statistics
        See there.
    """
    cdef uint64_t unit = 0
    cdef uint64_t slabs[SLAB_CLASSES]
    cdef uint64_t live[SLAB_CLASSES]
    cdef uint64_t large_blocks = 0
    cdef uint64_t large_bytes = 0
    cdef uint64_t marked = 0
    cdef uint64_t away = 0
    cdef uint64_t count
    cdef uint32_t i
    cdef Slab *s
    cdef Arena *arena = arena_get()
    memset(slabs, 0, sizeof(slabs))
    memset(live, 0, sizeof(live))
    with nogil:
        s = next_slab(&unit)
        while s != NULL:
            away += slab_peek(&s.away)
            if s.owner == large:
                large_blocks += 1
                large_bytes += bytes_of(s)
            elif not s.owner.private:
                slabs[s.cls] += 1
                count = slab_marked(s)
                marked += count
                live[s.cls] += slab_live(s) - count
            s = next_slab(&unit)
    classes = tuple([
        ClassUse(class_size(i), slabs[i], slabs[i] * class_cells(i), live[i])
        for i in range(SLAB_CLASSES)])
    return Statistics(
        large_blocks + sum([one.live for one in classes]),
        large_bytes + sum([one.live * one.size for one in classes]),
        (slab_peek(&arena.held) << UNIT_SHIFT) - away if arena != NULL else 0,
        sum([one.slabs for one in classes]),
        large_blocks,
        heaps_count(),
        slab_peek(&refused[SLAB_FOREIGN]),
        slab_peek(&refused[SLAB_MISALIGNED]),
        slab_peek(&refused[SLAB_DOUBLE]),
        heaps_late(marked),
        classes,
    )


def trim():
    """Give empty slabs back to the system, and pages of the others on which no cell is used.

    Those of the calling thread and of ended threads go at once; other threads give theirs when they next need a slab.
    """
    with nogil:
        slab_trim()


cdef void lay_out() noexcept:
    cdef uint32_t cls = 0
    cdef uint32_t i
    for i in range(SMALL_ROWS):
        cls += i * 8 > class_size(cls)
        small[i] = <uint16_t>place(cls)
    cls = 0
    for i in range(MIDDLE_ROWS):
        while (i + 1) * 512 > class_size(cls):
            cls += 1
        middle[i] = <uint16_t>place(cls)


cdef int set_up() except -1:
    global base, extent, owners, large
    cdef Arena *arena = arena_get()
    if arena != NULL:
        base, extent, owners = arena.base, arena.size, arena.owners
    large = heap_large()
    slow.next_lot, slow.refill = next_lot, refill
    slow.event, slow.elsewhere, slow.refuse = event, elsewhere, refuse
    lay_out()
    if pthread_key_create(&slab_key, thread_gone):
        raise MemoryError("the process has no thread-specific key left for the allocator")
    if pthread_atfork(heaps_before_fork, heaps_after_fork, after_fork_in_child):
        raise MemoryError("no memory to register the allocator's fork handlers")
    return 0

set_up()
