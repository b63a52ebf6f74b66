"""The slab allocator: a heap for each thread, cells found by bits, every free checked. See ``slab.pxd``."""

from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

from vmcore._fast.defs cimport vmcore_likely, vmcore_unlikely
from vmcore._fast.memory.arena cimport (
    UNIT, UNIT_SHIFT, Arena, arena_disown, arena_get, arena_give, arena_lock, arena_record, arena_take, arena_unlock)

from collections import namedtuple

cdef extern from "memory/slab.h" nogil:
    """
    #include <sched.h>
    static pthread_mutex_t slab_registry = PTHREAD_MUTEX_INITIALIZER;
    static pthread_mutex_t slab_records = PTHREAD_MUTEX_INITIALIZER;
    static pthread_key_t slab_key;
    /* The heap of threads that have none: no word of it has a bit, so the fast path asks no question. */
    static struct { uint64_t words[79 * 8 + 24]; } slab_nobody __attribute__((aligned(64)));
    SLAB_TLS void *slab_mine = &slab_nobody;
    """
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef unsigned int pthread_key_t
    pthread_mutex_t slab_registry
    pthread_mutex_t slab_records
    pthread_key_t slab_key
    char slab_nobody          # a heap, by its address
    void *slab_mine
    int pthread_mutex_lock(pthread_mutex_t *)
    int pthread_mutex_unlock(pthread_mutex_t *)
    int pthread_key_create(pthread_key_t *, void (*)(void *) noexcept nogil)
    int pthread_setspecific(pthread_key_t, const void *)
    int pthread_atfork(void (*)() noexcept nogil, void (*)() noexcept nogil, void (*)() noexcept nogil)
    int sched_yield()
    uint64_t slab_peek(const uint64_t *p)
    void slab_poke(void *p, ...)
    void slab_show(void *p, ...)
    uint64_t slab_swap(uint64_t *p, uint64_t v)
    uint64_t slab_acquire(const uint64_t *p)
    void slab_publish(void *p, ...)
    uint64_t slab_mark(uint64_t *p, uint64_t v)
    uint64_t slab_count(uint64_t *p, uint64_t v)
    void *owner_peek "slab_peek"(void **p)
    void *owner_see "slab_see"(void **p)
    Slab *slab_see(Slab **p)
    Slab *list_peek "slab_peek"(Slab **p)
    Slab *list_swap "slab_swap"(Slab **p, Slab *v)
    bint list_claim "slab_claim"(Slab **p, Slab **seen, Slab *v)
    Heap *heap_see "slab_see"(Heap **p)
    uint32_t flag_peek "slab_peek"(uint32_t *p)
    uint32_t flag_see "slab_see"(uint32_t *p)
    uint32_t flag_swap "slab_swap"(uint32_t *p, uint32_t v)
    uint8_t state_swap "slab_swap"(uint8_t *p, uint8_t v)
    uint64_t slab_divide(uint64_t offset, uint64_t recip, uint64_t *rest)
    uint64_t slab_unmark(uint64_t *p, uint64_t v)
    void slab_fence()
    uint64_t slab_with(uint64_t word, uint64_t i)
    uint32_t slab_lowest(uint64_t v)
    uint64_t slab_bits(uint64_t v)

cdef enum:
    # State of a slab.
    CURRENT = 1               # its bin takes cells from it
    FULL = 2                  # no cell was free when its bin left it
    PARTIAL = 3               # on its bin's list, or closed
    EMPTY = 4                 # kept for the next burst
    DEAD = 5                  # on its way back
    CLOSED = 6                # on no list: its cells are not handed out
    LARGE = 7                 # one block
    SMALL_ROWS = 513          # SLAB_SMALL / 8 + 1
    MIDDLE_ROWS = 64          # SLAB_LARGEST / 512
    CLAIM = SLAB_WORDS            # from a word of `free` to the same word of `claim`
    REMOTE = 2 * SLAB_WORDS
    # Empty slabs that a heap keeps, in bytes: a thousand pages come and go without a system call.
    KEEP = 8 << 20
    # How many partial slabs are looked at for the fullest one. Filling the full ones lets the sparse ones run empty.
    CHOICE = 8

# The slow parts are called through this table: inlined into the fast ones they would bring their register saves along.
cdef struct Slow:
    void *(*refill)(Heap *h, Bin *bin) noexcept nogil
    int (*event)(Heap *h, Slab *s) noexcept nogil
    int (*elsewhere)(void *block) noexcept nogil
    int (*refuse)(int why) noexcept nogil

cdef Slow slow
cdef uint32_t sizes[SLAB_CLASSES]
cdef uint64_t recips[SLAB_CLASSES]
cdef uint32_t spans[SLAB_CLASSES]                     # in units
cdef uint16_t small[SMALL_ROWS]              # place of the bin in a heap, by (size + 7) // 8
cdef uint16_t middle[MIDDLE_ROWS]            # the same by (size - 1) // 512
cdef uint64_t nothing[1]                              # a claim without a cell
cdef uintptr_t base = 0                               # of the arena; 0 long: no address is in it yet
cdef uint64_t extent = 0
cdef void **owners = NULL
cdef Heap *heaps = NULL                               # every heap there ever was; records are used again, never freed
cdef Heap *orphans = NULL
cdef Heap *unused_private = NULL
cdef Heap large                                       # owner of large blocks
cdef Slab *spare = NULL                               # records to use again
cdef uint64_t refused[5]             # by answer
cdef uint64_t late = 0                                # double frees on two threads at once, found by the owner


cdef inline Heap *mine() noexcept nogil:
    return <Heap *>slab_mine


cdef inline uint64_t bytes_of(Slab *s) noexcept nogil:
    return <uint64_t>s.units << UNIT_SHIFT


cdef inline uint64_t place(uint64_t cls) noexcept nogil:
    # Of a class's bin in a heap.
    return <uintptr_t>&(<Heap *>NULL).bins[0] + cls * sizeof(Bin)


cdef uint32_t slab_class(size_t size) noexcept nogil:
    cdef uint64_t at = small[(size + 7) >> 3] if size <= SLAB_SMALL else middle[(size - 1) >> 9]
    return <uint32_t>((at - place(0)) // sizeof(Bin))


# Lists of slabs -------------------------------------------------------------------------------------------------------

cdef void link(Slab **head, Slab *s) noexcept nogil:
    s.prev = NULL
    s.next = head[0]
    if s.next != NULL:
        s.next.prev = s
    head[0] = s


cdef void unlink(Slab **head, Slab *s) noexcept nogil:
    if s.prev != NULL:
        s.prev.next = s.next
    else:
        head[0] = s.next
    if s.next != NULL:
        s.next.prev = s.prev


# Slabs come and go ----------------------------------------------------------------------------------------------------

cdef Slab *record_get(Heap *owner, uint32_t units) noexcept nogil:
    global spare
    cdef Slab *s
    pthread_mutex_lock(&slab_records)
    s = spare
    if s != NULL:
        spare = s.next
    pthread_mutex_unlock(&slab_records)
    if s == NULL:
        s = <Slab *>arena_record(sizeof(Slab))
        if s == NULL:
            return NULL
    s.owner = owner
    s.units = units
    s.pinned = 0
    return s


cdef void record_put(Slab *s) noexcept nogil:
    global spare
    pthread_mutex_lock(&slab_records)
    s.next = spare
    spare = s
    pthread_mutex_unlock(&slab_records)


cdef Slab *slab_new(Heap *h, uint32_t cls) noexcept nogil:
    cdef uint32_t count = (spans[cls] << UNIT_SHIFT) // sizes[cls]
    cdef Slab *s = record_get(h, spans[cls])
    cdef uint32_t i
    if s == NULL:
        return NULL
    s.cls = cls
    s.size = sizes[cls]
    s.recip = recips[cls]
    s.count = count
    # Room for the bit past the last cell, where the slab goes on behind it.
    s.words = count // 64 + (count * sizes[cls] != spans[cls] << UNIT_SHIFT)
    s.state = EMPTY
    for i in range(s.words):
        slab_poke(&s.free[i], ~<uint64_t>0)
        slab_poke(&s.claim[i], 0)
    if arena_take(s.units, s, &s.start) == NULL:
        record_put(s)
        return NULL
    return s


cdef void slab_back(Heap *h, Slab *s) noexcept nogil:
    # Every cell is free and `s` is on no list of its bin. Whoever frees a cell of it now frees it twice; that must not
    # reach the record once it is used again.
    cdef Heap *other
    s.state = DEAD
    arena_disown(s.start, s.units)
    # ORDER: the table says "nobody" before we look who may still be marking: a marker names the slab first and reads
    # the table again after that, so one of the two sees the other.
    other = heap_see(&heaps)
    while other != NULL:
        while slab_see(&other.hazard) == s:
            sched_yield()
        other = other.next_heap
    if flag_see(&s.pending):
        collect(h)
    arena_give(s.start, s.units)
    record_put(s)


cdef void emptied(Heap *h, Slab *s) noexcept nogil:
    # A slab that is on no list has no used cell.
    if h.kept + bytes_of(s) > KEEP and not flag_see(&s.pending):
        slab_back(h, s)
        return
    s.state = EMPTY
    h.kept += bytes_of(s)
    link(&h.bins[s.cls].empty, s)


cdef int event(Heap *h, Slab *s) noexcept nogil:
    # `until` reached zero: the first free in a full slab, or the last used cell of a partial one.
    cdef Slab **partial = &h.bins[s.cls].partial
    if s.state == FULL:
        s.state = PARTIAL
        s.until = <int64_t>s.count - 1
        link(partial, s)
        return SLAB_OK
    if s.state == PARTIAL:
        unlink(partial, s)
    emptied(h, s)
    return SLAB_OK


# What other threads gave back -----------------------------------------------------------------------------------------

cdef uint64_t drain(Heap *h, Slab *s) noexcept nogil:
    # Move marks to the free bits; returns how many cells became free.
    cdef uint64_t n = 0
    cdef uint64_t marks, free, twice
    cdef uint32_t i
    for i in range(s.words):
        if slab_peek(&s.remote[i]):
            # ORDER: acquires what the other threads wrote to the cells before they marked them.
            marks = slab_swap(&s.remote[i], 0)
            free = slab_peek(&s.free[i])
            twice = marks & (free | slab_peek(&s.claim[i]))
            if twice:
                slab_count(&late, slab_bits(twice))
                marks ^= twice
            n += slab_bits(marks)
            slab_poke(&s.free[i], free | marks)
    if n == 0 or s.state == DEAD:
        return 0
    if s.state == CURRENT:
        return n
    if s.state == FULL:
        s.state = PARTIAL
        s.until = s.count
        link(&h.bins[s.cls].partial, s)
    s.until -= <int64_t>n
    if s.until == 0:
        unlink(&h.bins[s.cls].partial, s)
        emptied(h, s)
    return n


cdef void collect(Heap *h) noexcept nogil:
    cdef Slab *s = list_swap(&h.pending, NULL)
    cdef Slab *after
    while s != NULL:
        after = s.pending_next
        # ORDER: the flag falls before the rows are read; a marker sets its bit before it reads the flag. So either we
        # see the bit or the marker pushes the slab again.
        flag_swap(&s.pending, 0)
        drain(h, s)
        s = after


# Taking a cell --------------------------------------------------------------------------------------------------------

cdef inline void aim_nowhere(Bin *bin) noexcept nogil:
    bin.claim = nothing
    bin.current = NULL


cdef inline uint64_t cells(Slab *s, uint32_t word) noexcept nogil:
    # The bits of a word that are cells.
    cdef uint64_t left = s.count - <uint64_t>word * 64
    return ~<uint64_t>0 if left >= 64 else (<uint64_t>1 << left) - 1


cdef bint look_around(Bin *bin) noexcept nogil:
    # Claim the lowest word of the current slab that has free cells.
    cdef Slab *s = bin.current
    cdef uint64_t free, taken
    cdef uint32_t i
    for i in range(s.words):
        free = s.free[i]
        if free == 0:
            continue
        # ORDER: all our frees are seen before we look for marks; see the head of slab.pxd.
        slab_fence()
        taken = free & cells(s, i) & ~slab_peek(&s.remote[i])
        if taken:
            slab_poke(&s.claim[i], taken)
            # ORDER: whoever no longer sees a cell in `free` sees it in `claim`.
            slab_publish(&s.free[i], free ^ taken)
            bin.claim = &s.claim[i]
            bin.origin = s.start + <uint64_t>i * 64 * bin.size
            return True
    return False


cdef void unclaim(Bin *bin) noexcept nogil:
    cdef uint64_t *free = bin.claim - CLAIM
    slab_poke(free, free[0] | free[CLAIM])
    slab_publish(&free[CLAIM], 0)


cdef void retire(Heap *h, Bin *bin) noexcept nogil:
    # The current slab becomes one of the others. What it has free is counted, since frees of it were not.
    cdef Slab *s = bin.current
    cdef uint64_t live
    unclaim(bin)
    aim_nowhere(bin)
    live = slab_live(s)
    if live == s.count:
        s.state = FULL
        s.until = 1
    elif live:
        s.state = PARTIAL
        s.until = <int64_t>live
        link(&bin.partial, s)
    else:
        emptied(h, s)


cdef Slab *choose(Heap *h, Bin *bin) noexcept nogil:
    cdef Slab *s = bin.partial
    cdef Slab *best = s
    cdef uint32_t i
    for i in range(CHOICE):
        if s == NULL:
            break
        if s.until > best.until:
            best = s
        s = s.next
    if best != NULL:
        unlink(&bin.partial, best)
        return best
    best = bin.empty
    if best != NULL:
        unlink(&bin.empty, best)
        h.kept -= bytes_of(best)
        return best
    return slab_new(h, <uint32_t>(bin - h.bins))


cdef void *refill(Heap *h, Bin *bin) noexcept nogil:
    # The claim has no cell left.
    cdef uint64_t cls = bin - h.bins
    cdef Slab *s
    if <void *>h == &slab_nobody:
        h = heap_mine()
        if h == NULL:
            return NULL
        bin = &h.bins[cls]
    while True:
        if bin.current != NULL:
            if look_around(bin):
                return pop(bin, bin.claim[0])
            # Asked directly: a slab is left when all its free cells are taken, and those that were given back too.
            if flag_peek(&bin.current.pending) and drain(h, bin.current):
                continue
            retire(h, bin)
        if flag_peek(&h.trim):
            flag_swap(&h.trim, 0)
            heap_trim(h)
        if list_peek(&h.pending) != NULL:
            collect(h)
        s = choose(h, bin)
        if s == NULL:
            return NULL
        s.state = CURRENT
        s.until = INT64_MAX       # no number of frees reaches zero
        bin.current = s
        bin.claim = s.claim


cdef inline void *pop(Bin *bin, uint64_t claim) noexcept nogil:
    slab_poke(bin.claim, claim & (claim - 1))
    return bin.origin + slab_lowest(claim) * bin.size


cdef inline void *take(Heap *h, uint64_t offset) noexcept nogil:
    # `offset` is the bin's place in the heap: a table with places saves a multiplication. What only its owner writes the
    # owner reads as it likes.
    cdef Bin *bin = <Bin *>(<char *>h + offset)
    cdef uint64_t claim = bin.claim[0]
    if vmcore_unlikely(claim == 0):
        return slow.refill(h, bin)
    return pop(bin, claim)


cdef void *slab_alloc(size_t size) noexcept nogil:
    if vmcore_likely(size <= SLAB_SMALL):
        return take(mine(), small[(size + 7) >> 3])
    return alloc_beyond(size)


cdef void *alloc_beyond(size_t size) noexcept nogil:
    return take(mine(), middle[(size - 1) >> 9]) if size <= SLAB_LARGEST else large_new(size)


cdef void *slab_alloc_aligned(size_t size, size_t align) noexcept nogil:
    cdef uint32_t cls
    if align == 0 or align & (align - 1) or align > SLAB_ALIGN_MOST:
        return NULL
    if size > SLAB_LARGEST:
        return large_new(size)
    # Slabs start on a unit: cells whose size is a multiple of `align` are all aligned.
    cls = slab_class(size if size > align else align)
    while cls < SLAB_CLASSES and sizes[cls] & (align - 1):
        cls += 1
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
    cdef uint64_t i, free
    cdef uint64_t *word
    if vmcore_unlikely(not find(s, block, &i)):
        return slow.refuse(SLAB_MISALIGNED)
    word = s.free + (i >> 6)
    free = word[0]
    if vmcore_unlikely(((free | word[CLAIM] | slab_peek(word + REMOTE)) >> (i & 63)) & 1):
        return slow.refuse(SLAB_DOUBLE if i < s.count else SLAB_MISALIGNED)
    slab_poke(word, slab_with(free, i))
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
    if s.owner == &large:
        return large_free(h, s, block)
    if s.owner.private:
        answer = SLAB_FOREIGN
    elif flag_see(&s.owner.orphan):
        slab_show(&h.hazard, NULL)
        return orphan_free(place, block)
    else:
        owner = s.owner
        answer = mark(s, block)
        slab_show(&h.hazard, NULL)
        if flag_see(&owner.orphan):
            # Its thread ended meanwhile; it may have looked at its list before we pushed.
            pthread_mutex_lock(&slab_registry)
            if flag_see(&owner.orphan):
                collect(owner)
            pthread_mutex_unlock(&slab_registry)
        return refuse(answer) if answer else SLAB_OK
    slab_show(&h.hazard, NULL)
    return refuse(answer)


cdef int mark(Slab *s, void *block) noexcept nogil:
    cdef Heap *h = s.owner
    cdef uint64_t i, bit
    if not find(s, block, &i) or i >= s.count:
        return SLAB_MISALIGNED
    bit = <uint64_t>1 << (i & 63)
    # ORDER: see look_around.
    if (slab_acquire(&s.free[i >> 6]) | slab_peek(&s.claim[i >> 6])) & bit:
        return SLAB_DOUBLE
    # ORDER: releases what this thread wrote to the cell.
    if slab_mark(&s.remote[i >> 6], bit) & bit:
        return SLAB_DOUBLE
    if (slab_acquire(&s.free[i >> 6]) | slab_peek(&s.claim[i >> 6])) & bit:
        # The owner freed it at the same moment. Unless it has taken the mark already, and so believed us.
        if slab_unmark(&s.remote[i >> 6], bit) & bit:
            return SLAB_DOUBLE
        return SLAB_OK
    if not flag_see(&s.pending) and not flag_swap(&s.pending, 1):
        s.pending_next = list_peek(&h.pending)
        while not list_claim(&h.pending, &s.pending_next, s):
            pass
    return SLAB_OK


cdef int orphan_free(void **place, void *block) noexcept nogil:
    cdef Slab *s
    cdef int answer
    pthread_mutex_lock(&slab_registry)
    s = <Slab *>owner_see(place)
    if s == NULL:
        answer = refuse(SLAB_FOREIGN)
    elif flag_see(&s.owner.orphan):
        answer = put(s.owner, s, block)
    else:
        # Adopted meanwhile, or another slab.
        pthread_mutex_unlock(&slab_registry)
        return slab_free(block)
    pthread_mutex_unlock(&slab_registry)
    return answer


cdef uint64_t slab_live(Slab *s) noexcept nogil:
    cdef uint64_t live = <uint64_t>s.words * 64
    cdef uint32_t i
    for i in range(s.words):
        live -= slab_bits(slab_peek(&s.free[i]) | slab_peek(&s.claim[i]))
    return live


cdef Slab *slab_of(const void *block) noexcept nogil:
    cdef uintptr_t offset = <uintptr_t>block - base
    return <Slab *>owner_see(&owners[offset >> UNIT_SHIFT]) if offset < extent else NULL


cdef size_t slab_size(const void *block) noexcept nogil:
    cdef Slab *s = slab_of(block)
    cdef uint64_t i, given
    if s == NULL or s.owner.private:
        return 0
    if s.owner == &large:
        return bytes_of(s) if block == s.start else 0
    if not find(s, block, &i) or i >= s.count:
        return 0
    given = slab_acquire(&s.free[i >> 6]) | slab_peek(&s.claim[i >> 6]) | slab_peek(&s.remote[i >> 6])
    return 0 if (given >> (i & 63)) & 1 else s.size


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
    s = record_get(&large, <uint32_t>((size + UNIT - 1) >> UNIT_SHIFT))
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
    elif state_swap(&s.state, DEAD) != LARGE:
        answer = SLAB_DOUBLE
    slab_show(&h.hazard, NULL)
    if answer:
        return refuse(answer)
    slab_back(h, s)
    return SLAB_OK


# Heaps and threads ----------------------------------------------------------------------------------------------------

cdef void heap_clear(Heap *h) noexcept nogil:
    cdef uint32_t i
    for i in range(SLAB_CLASSES):
        h.bins[i].partial = h.bins[i].empty = NULL
        h.bins[i].size = sizes[i]
        aim_nowhere(&h.bins[i])
    h.kept = 0
    slab_show(&h.pending, NULL)


cdef Heap *heap_record() noexcept nogil:
    # The registry's lock is held.
    cdef Heap *h = <Heap *>arena_record(sizeof(Heap))
    if h == NULL:
        return NULL
    heap_clear(h)
    h.next_heap = heaps
    # ORDER: seen by slab_back, which walks the list without the lock.
    slab_show(&heaps, h)
    return h


cdef Heap *heap_mine() noexcept nogil:
    global orphans
    cdef Heap *h = mine()
    if <void *>h != &slab_nobody:
        return h
    pthread_mutex_lock(&slab_registry)
    h = orphans
    if h != NULL:
        orphans = h.next_orphan
        slab_show(&h.orphan, 0)
    else:
        h = heap_record()
    pthread_mutex_unlock(&slab_registry)
    # Without the key thread_gone would not be called, and the heap be lost.
    if h != NULL and pthread_setspecific(slab_key, h):
        orphaned(h)
        return NULL
    if h != NULL:
        set_mine(h)
    return h


cdef void set_mine(void *h) noexcept nogil:
    global slab_mine
    slab_mine = h


cdef void orphaned(Heap *h) noexcept nogil:
    global orphans
    pthread_mutex_lock(&slab_registry)
    h.next_orphan = orphans
    orphans = h
    # ORDER: first the flag, then the list: a marker pushes first and reads the flag then.
    slab_show(&h.orphan, 1)
    collect(h)
    heap_trim(h)
    pthread_mutex_unlock(&slab_registry)


cdef void thread_gone(void *heap) noexcept nogil:
    # Called by the C library when a thread ends. A later destructor that allocates gets another heap, and this again.
    cdef Heap *h = <Heap *>heap
    cdef uint32_t i
    set_mine(&slab_nobody)
    for i in range(SLAB_CLASSES):
        if h.bins[i].current != NULL:
            retire(h, &h.bins[i])
    orphaned(h)


cdef void heap_trim(Heap *h) noexcept nogil:
    cdef Bin *bin
    cdef Slab *s
    cdef uint32_t i
    for i in range(SLAB_CLASSES):
        bin = &h.bins[i]
        if bin.current != NULL and slab_live(bin.current) == 0:
            retire(h, bin)
        while bin.empty != NULL:
            s = bin.empty
            unlink(&bin.empty, s)
            h.kept -= bytes_of(s)
            slab_back(h, s)


cdef void slab_trim() noexcept nogil:
    cdef Heap *me = mine()
    cdef Heap *h
    pthread_mutex_lock(&slab_registry)
    h = heaps
    while h != NULL:
        if h == me or flag_see(&h.orphan):
            collect(h)
            heap_trim(h)
        elif not h.private:
            flag_swap(&h.trim, 1)
        h = h.next_heap
    pthread_mutex_unlock(&slab_registry)


cdef Slab *next_slab(uint64_t *unit) noexcept nogil:
    # The first slab or large block from a unit on, and the unit behind it. NULL: no more.
    cdef Arena *arena = arena_get()
    cdef Slab *s
    cdef uint64_t i = unit[0]
    cdef uint64_t top = slab_peek(&arena.top) if arena != NULL else 0
    while i < top:
        s = <Slab *>owner_see(&owners[i])
        if s != NULL and <uintptr_t>s.start == base + (i << UNIT_SHIFT):
            unit[0] = i + s.units
            return s
        i += 1
    return NULL


# Heaps of no thread ---------------------------------------------------------------------------------------------------

cdef Heap *heap_new() noexcept nogil:
    global unused_private
    cdef Heap *h
    pthread_mutex_lock(&slab_registry)
    h = unused_private
    if h != NULL:
        unused_private = h.next_orphan
    else:
        h = heap_record()
        if h != NULL:
            h.private = 1
    pthread_mutex_unlock(&slab_registry)
    return h


cdef void heap_drop(Heap *h) noexcept nogil:
    global unused_private
    cdef uint64_t unit = 0
    cdef Slab *s = next_slab(&unit)
    while s != NULL:
        if s.owner == h:
            slab_back(h, s)
        s = next_slab(&unit)
    heap_clear(h)
    pthread_mutex_lock(&slab_registry)
    h.next_orphan = unused_private
    unused_private = h
    pthread_mutex_unlock(&slab_registry)


cdef void *heap_alloc(Heap *h, uint32_t cls) noexcept nogil:
    return take(h, place(cls))


cdef int heap_free(Heap *h, void *block) noexcept nogil:
    cdef Slab *s = slab_of(block)
    if s == NULL or s.owner != h:
        return refuse(SLAB_FOREIGN)
    return put(h, s, block)


cdef void heap_close(Heap *h, Slab *s) noexcept nogil:
    cdef Bin *bin = &h.bins[s.cls]
    if bin.current == s:
        retire(h, bin)
    if s.state == PARTIAL:
        unlink(&bin.partial, s)
    elif s.state == FULL:
        s.until = s.count
    else:
        return
    s.state = CLOSED


cdef void heap_open(Heap *h, Slab *s) noexcept nogil:
    if s.state != CLOSED:
        return
    if s.until == s.count:
        s.state = FULL
        s.until = 1
    else:
        s.state = PARTIAL
        link(&h.bins[s.cls].partial, s)


# Fork -----------------------------------------------------------------------------------------------------------------

cdef void before_fork() noexcept nogil:
    pthread_mutex_lock(&slab_registry)
    pthread_mutex_lock(&slab_records)
    arena_lock()


cdef void after_fork() noexcept nogil:
    arena_unlock()
    pthread_mutex_unlock(&slab_records)
    pthread_mutex_unlock(&slab_registry)


cdef void after_fork_in_child() noexcept nogil:
    # The other threads are gone, each perhaps in the middle of something. The bits say which cells are used; lists and
    # counts of their heaps are made anew from them, and the heaps wait for new threads.
    global orphans
    cdef Heap *me = mine()
    cdef Heap *h = heaps
    cdef Slab *s
    cdef uint64_t unit = 0
    cdef uint32_t i
    after_fork()
    while h != NULL:
        slab_show(&h.hazard, NULL)
        if h != me and not h.private:
            heap_clear(h)
            if not h.orphan:
                h.orphan = 1
                h.next_orphan = orphans
                orphans = h
        elif h == me:
            # Somebody may have flagged a slab and not pushed it yet.
            slab_show(&h.pending, NULL)
        h = h.next_heap
    s = next_slab(&unit)
    while s != NULL:
        h = s.owner
        slab_show(&s.pending, 0)
        if h.orphan:
            for i in range(s.words):
                s.free[i] |= s.claim[i] | slab_swap(&s.remote[i], 0)
                s.claim[i] = 0
            s.state = PARTIAL
            s.until = <int64_t>slab_live(s)
            if s.until == s.count:
                s.state = FULL
                s.until = 1
            elif s.until:
                link(&h.bins[s.cls].partial, s)
            else:
                emptied(h, s)
        elif h == me:
            drain(h, s)
        s = next_slab(&unit)


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
    Bytes taken from the system, with the allocator's own records.
slabs, large : int
    Slabs, and large blocks.
heaps : int
    Heaps of threads, those included that ended threads left for new ones.
foreign, misaligned, double : int
    Frees that were refused, by reason, since the process began.
late : int
    Double frees that two threads did at once: both were told that all is well, and one of them counted.
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
    cdef uint32_t nheaps = 0
    cdef uint32_t i
    cdef Slab *s
    cdef Heap *h
    cdef Arena *arena = arena_get()
    memset(slabs, 0, sizeof(slabs))
    memset(live, 0, sizeof(live))
    with nogil:
        s = next_slab(&unit)
        while s != NULL:
            if s.owner == &large:
                large_blocks += 1
                large_bytes += bytes_of(s)
            elif not s.owner.private:
                slabs[s.cls] += 1
                live[s.cls] += slab_live(s)
                for i in range(s.words):
                    live[s.cls] -= slab_bits(slab_peek(&s.remote[i]))
            s = next_slab(&unit)
        h = heap_see(&heaps)
        while h != NULL:
            nheaps += not h.private
            h = h.next_heap
    classes = tuple([
        ClassUse(sizes[i], slabs[i], slabs[i] * ((spans[i] << UNIT_SHIFT) // sizes[i]), live[i])
        for i in range(SLAB_CLASSES)])
    return Statistics(
        large_blocks + sum([one.live for one in classes]),
        large_bytes + sum([one.live * one.size for one in classes]),
        slab_peek(&arena.held) << UNIT_SHIFT if arena != NULL else 0,
        sum([one.slabs for one in classes]),
        large_blocks,
        nheaps,
        slab_peek(&refused[SLAB_FOREIGN]),
        slab_peek(&refused[SLAB_MISALIGNED]),
        slab_peek(&refused[SLAB_DOUBLE]),
        slab_peek(&late),
        classes,
    )


def trim():
    """Give empty slabs back to the system.

    Those of the calling thread and of ended threads go at once; other threads give theirs when they next need a slab.
    """
    with nogil:
        slab_trim()


cdef void lay_out() noexcept:
    # Eight classes to each doubling, multiples of 8 below that. A slab has at least 64 small or 16 middle cells, and
    # wastes at most 4 percent behind the last one.
    cdef uint32_t cls = 0
    cdef uint32_t size = 16
    cdef uint32_t i
    while size <= SLAB_LARGEST:
        sizes[cls] = size
        # ceil(2**64 / size), for every size above 1.
        recips[cls] = UINT64_MAX // size + 1
        spans[cls] = 1
        while (spans[cls] << UNIT_SHIFT) // size < (64 if size <= SLAB_SMALL else 16) or (
            spans[cls] < 8 and (spans[cls] << UNIT_SHIFT) % size * 64 > spans[cls] << UNIT_SHIFT
        ):
            spans[cls] *= 2
        cls += 1
        i = 128
        while i * 2 <= size:
            i *= 2
        size += 8 if size < 128 else i // 8
    cls = 0
    for i in range(SMALL_ROWS):
        cls += i * 8 > sizes[cls]
        small[i] = <uint16_t>place(cls)
    cls = 0
    for i in range(MIDDLE_ROWS):
        while (i + 1) * 512 > sizes[cls]:
            cls += 1
        middle[i] = <uint16_t>place(cls)


cdef int set_up() except -1:
    global base, extent, owners
    cdef Arena *arena = arena_get()
    slow.refill, slow.event, slow.elsewhere, slow.refuse = refill, event, elsewhere, refuse
    if arena != NULL:
        base, extent, owners = arena.base, arena.size, arena.owners
    lay_out()
    heap_clear(<Heap *>&slab_nobody)
    if pthread_key_create(&slab_key, thread_gone):
        raise MemoryError("the process has no thread-specific key left for the allocator")
    if pthread_atfork(before_fork, after_fork, after_fork_in_child):
        raise MemoryError("no memory to register the allocator's fork handlers")
    return 0

set_up()
