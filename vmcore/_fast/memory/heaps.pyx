"""Heaps of slabs: what lies behind the allocator's fast paths. See ``heaps.pxd``."""

from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memset

from vmcore._fast.memory.arena cimport (
    UNIT_SHIFT, Arena, arena_disown, arena_get, arena_give, arena_lock, arena_record, arena_take, arena_unlock)
from vmcore._fast.memory.slabpages cimport pages_give, pages_in, slab_now

cdef extern from "memory/slab.h" nogil:
    """
    #include <sched.h>
    static pthread_mutex_t heaps_registry = PTHREAD_MUTEX_INITIALIZER;
    static pthread_mutex_t heaps_records = PTHREAD_MUTEX_INITIALIZER;
    """
    pthread_mutex_t heaps_registry
    pthread_mutex_t heaps_records
    int sched_yield()

cdef enum:
    # Empty slabs that a heap keeps, in bytes: a thousand pages come and go without a system call.
    KEEP = 8 << 20
    # How many partial slabs are looked at for the fullest one. Filling the full ones lets the sparse ones run empty.
    CHOICE = 8
    # Slow steps between two looks at the clock.
    STEPS = 16
    # Nanoseconds after which a slab that nobody took a cell from is cold: its empty pages go back, or all of it.
    COLD = 4_000_000
    # Nanoseconds added to that before the next look, for each slab that was looked at, and for each that gave pages
    # back, so that a heap of very many slabs does not spend its time on looking.
    LOOKED = 500
    BARED = 20_000

cdef uint32_t sizes[SLAB_CLASSES]
cdef uint64_t recips[SLAB_CLASSES]
cdef uint32_t spans[SLAB_CLASSES]     # in units
cdef uintptr_t base = 0
cdef void **owners = NULL
cdef Heap *heaps = NULL               # every heap there ever was; records are used again, never freed
cdef Heap *orphans = NULL
cdef Heap *unused_private = NULL
cdef Heap large
cdef Slab *spare[SLAB_LOTS + 1]       # records to use again, by lots: a record stays as long as it is


cdef void link(Slab **head, Slab *s) noexcept nogil:
    s.listed = s.owner.age
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


cdef Slab *record_get(Heap *owner, uint32_t units, uint32_t lots) noexcept nogil:
    cdef Slab *s
    pthread_mutex_lock(&heaps_records)
    s = spare[lots]
    if s != NULL:
        spare[lots] = s.next
    pthread_mutex_unlock(&heaps_records)
    if s == NULL:
        s = <Slab *>arena_record(sizeof(Slab) + <uint64_t>lots * 64)
        if s == NULL:
            return NULL
    s.owner = owner
    s.units = units
    s.lots = lots
    s.pinned = 0
    s.bare = UINT64_MAX
    slab_poke(&s.away, 0)
    return s


cdef void record_put(Slab *s) noexcept nogil:
    pthread_mutex_lock(&heaps_records)
    s.next = spare[s.lots]
    spare[s.lots] = s
    pthread_mutex_unlock(&heaps_records)


cdef Slab *slab_new(Heap *h, uint32_t cls) noexcept nogil:
    cdef uint32_t count = (spans[cls] << UNIT_SHIFT) // sizes[cls]
    # Room for the state past the last cell too, where the slab goes on behind it.
    cdef uint32_t lots = (count + (count * sizes[cls] != spans[cls] << UNIT_SHIFT) + 63) // 64
    cdef Slab *s = record_get(h, spans[cls], lots)
    if s == NULL:
        return NULL
    s.cls = cls
    s.size = sizes[cls]
    s.recip = recips[cls]
    s.count = count
    s.state = EMPTY
    memset(states_of(s), FREE, lots * 64)
    memset(s.hot, 0, SLAB_LOTS)
    memset(s.hot, 1, lots)
    memset(s.warm, 0, SLAB_LOTS)
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
        while hazard_see(&other.hazard) == s:
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
    else:
        if s.state == PARTIAL:
            unlink(partial, s)
        emptied(h, s)
    heap_step(h)
    return 0


cdef uint64_t drain(Heap *h, Slab *s) noexcept nogil:
    cdef uint64_t n = 0
    cdef uint64_t marks
    cdef uint32_t i
    cdef uint8_t *states
    cdef uint8_t *state
    for i in range(s.lots):
        # ORDER: an exchange, so that it is ordered with each marker's store: either we read what that wrote, and see
        # its mark; or it comes later, and stays for the next time.
        if byte_see(&s.warm[i]) and byte_swap(&s.warm[i], 0):
            states = states_of(s) + i * 64
            marks = slab_row(states, ROW_REMOTE)
            while marks:
                state = &states[slab_lowest(marks)]
                # ORDER: acquires what the other thread wrote to the cell before it marked it. Its mark may be seen
                # before its store to `warm`.
                n += byte_acquire(state) == REMOTE
                slab_poke(state, FREE)
                marks &= marks - 1
            slab_poke(&s.hot[i], 1)
    slab_poke(&h.found, h.found + n)
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
        # ORDER: the flag falls before the states are read; a marker changes one before it reads the flag. So either we
        # see the mark or the marker pushes the slab again.
        flag_swap(&s.pending, 0)
        drain(h, s)
        s = after


cdef void retire(Heap *h, Bin *bin) noexcept nogil:
    # The current slab becomes one of the others. What it has free is counted, since frees of it were not.
    cdef Slab *s = bin.current
    cdef uint64_t live
    if bin.note:
        slab_poke(&s.hot[(bin.states - states_of(s)) // 64], 1)
    bin.note = 0
    bin.current = NULL
    s.bare = UINT64_MAX
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
    cdef uint32_t _i
    for _i in range(CHOICE):
        if s == NULL:
            break
        if s.until > best.until:
            best = s
        s = s.next
    if best != NULL:
        unlink(&bin.partial, best)
        # Statistics read it at any time.
        slab_poke(&best.away, 0)
        return best
    best = bin.empty
    if best != NULL:
        unlink(&bin.empty, best)
        h.kept -= bytes_of(best)
        return best
    return slab_new(h, <uint32_t>(bin - h.bins))


cdef uint64_t slab_live(const Slab *s) noexcept nogil:
    cdef uint64_t live = <uint64_t>s.lots * 64
    cdef uint32_t i
    for i in range(s.lots):
        live -= slab_bits(lot_free(s, i))
    return live


cdef uint64_t slab_marked(const Slab *s) noexcept nogil:
    cdef uint64_t marked = 0
    cdef uint32_t i
    for i in range(s.lots):
        marked += slab_bits(slab_row(states_of(s) + i * 64, ROW_REMOTE))
    return marked


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


cdef void heap_clear(Heap *h) noexcept nogil:
    cdef uint32_t i
    for i in range(SLAB_CLASSES):
        h.bins[i].partial = h.bins[i].empty = NULL
        h.bins[i].size = sizes[i]
        h.bins[i].note = 0
        h.bins[i].current = NULL
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


cdef Heap *heap_adopt() noexcept nogil:
    global orphans
    cdef Heap *h
    pthread_mutex_lock(&heaps_registry)
    h = orphans
    if h != NULL:
        orphans = h.next_orphan
        slab_show(&h.orphan, 0)
    else:
        h = heap_record()
    pthread_mutex_unlock(&heaps_registry)
    return h


cdef void heap_abandon(Heap *h) noexcept nogil:
    global orphans
    cdef uint32_t i
    for i in range(SLAB_CLASSES):
        if h.bins[i].current != NULL:
            retire(h, &h.bins[i])
    pthread_mutex_lock(&heaps_registry)
    h.next_orphan = orphans
    orphans = h
    # ORDER: first the flag, then the list: a marker pushes first and reads the flag then.
    slab_show(&h.orphan, 1)
    collect(h)
    heap_trim(h)
    pthread_mutex_unlock(&heaps_registry)


cdef void heap_settle(Heap *h) noexcept nogil:
    pthread_mutex_lock(&heaps_registry)
    if flag_see(&h.orphan):
        collect(h)
    pthread_mutex_unlock(&heaps_registry)


cdef void heaps_lock() noexcept nogil:
    pthread_mutex_lock(&heaps_registry)


cdef void heaps_unlock() noexcept nogil:
    pthread_mutex_unlock(&heaps_registry)


cdef void unkeep(Heap *h, Bin *bin, Slab *s) noexcept nogil:
    unlink(&bin.empty, s)
    h.kept -= bytes_of(s)
    slab_back(h, s)


cdef bint bare(Slab *s) noexcept nogil:
    # Of a partial slab, where some pages are likely to have no used cell, and not for a handful that were freed since
    # the last time. Whether pages were asked for.
    cdef uint64_t live = <uint64_t>s.until
    if live >= 2 * pages_in(bytes_of(s)) or (s.bare != UINT64_MAX and live * 4 > s.bare * 3):
        return False
    slab_poke(&s.away, pages_give(s.start, s.size, states_of(s), s.count, FREE))
    s.bare = live
    return True


cdef void give_cold(Heap *h) noexcept nogil:
    # What came on its list before the last look, and so was not current since.
    cdef uint64_t wait = COLD
    cdef Slab *s
    cdef Slab *after
    cdef Bin *bin
    cdef uint32_t i
    for i in range(SLAB_CLASSES):
        bin = &h.bins[i]
        s = bin.empty
        while s != NULL:
            after = s.next
            wait += LOOKED
            # One on the pending list stays: taking that in would change the list that we walk.
            if s.listed < h.age and not flag_see(&s.pending):
                unkeep(h, bin, s)
                wait += BARED
            s = after
        s = bin.partial
        while s != NULL:
            wait += LOOKED
            if s.listed < h.age and bare(s):
                wait += BARED
            s = s.next
    h.age += 1
    h.due = slab_now() + wait


cdef void heap_step(Heap *h) noexcept nogil:
    h.steps += 1
    if h.steps % STEPS == 0 and slab_now() >= h.due:
        give_cold(h)


cdef void heap_trim(Heap *h) noexcept nogil:
    cdef Bin *bin
    cdef Slab *s
    cdef uint32_t i
    for i in range(SLAB_CLASSES):
        bin = &h.bins[i]
        if bin.current != NULL and slab_live(bin.current) == 0:
            retire(h, bin)
        while bin.empty != NULL:
            unkeep(h, bin, bin.empty)
        s = bin.partial
        while s != NULL:
            bare(s)
            s = s.next


cdef void heaps_trim(Heap *me) noexcept nogil:
    cdef Heap *h
    pthread_mutex_lock(&heaps_registry)
    h = heaps
    while h != NULL:
        if h == me or flag_see(&h.orphan):
            collect(h)
            heap_trim(h)
        elif not h.private:
            flag_swap(&h.trim, 1)
        h = h.next_heap
    pthread_mutex_unlock(&heaps_registry)


cdef uint32_t heaps_count() noexcept nogil:
    cdef Heap *h = heap_see(&heaps)
    cdef uint32_t n = 0
    while h != NULL:
        n += not h.private
        h = h.next_heap
    return n


cdef uint64_t heaps_late(uint64_t marked) noexcept nogil:
    cdef Heap *h = heap_see(&heaps)
    cdef uint64_t made = 0
    cdef uint64_t found = marked
    while h != NULL:
        made += slab_peek(&h.marks)
        found += slab_peek(&h.found)
        h = h.next_heap
    return made - found if made > found else 0


cdef Heap *heap_large() noexcept nogil:
    return &large


cdef uint32_t class_size(uint32_t cls) noexcept nogil:
    return sizes[cls]


cdef uint32_t class_cells(uint32_t cls) noexcept nogil:
    return (spans[cls] << UNIT_SHIFT) // sizes[cls]


# Heaps of no thread ---------------------------------------------------------------------------------------------------

cdef Heap *heap_new() noexcept nogil:
    global unused_private
    cdef Heap *h
    pthread_mutex_lock(&heaps_registry)
    h = unused_private
    if h != NULL:
        unused_private = h.next_orphan
    else:
        h = heap_record()
        if h != NULL:
            h.private = 1
    pthread_mutex_unlock(&heaps_registry)
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
    pthread_mutex_lock(&heaps_registry)
    h.next_orphan = unused_private
    unused_private = h
    pthread_mutex_unlock(&heaps_registry)


cdef void heap_close(Heap *h, Slab *s) noexcept nogil:
    cdef Bin *bin = &h.bins[s.cls]
    cdef uint64_t live
    if bin.current == s:
        live = slab_live(s)
        retire(h, bin)
        if live == 0:
            # It may have gone back, and its record to another heap.
            return
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

cdef void heaps_before_fork() noexcept nogil:
    pthread_mutex_lock(&heaps_registry)
    pthread_mutex_lock(&heaps_records)
    arena_lock()


cdef void heaps_after_fork() noexcept nogil:
    arena_unlock()
    pthread_mutex_unlock(&heaps_records)
    pthread_mutex_unlock(&heaps_registry)


cdef void heaps_recover(const Heap *me) noexcept nogil:
    # The other threads are gone, each perhaps in the middle of something. The states say which cells are used; lists
    # and counts of their heaps are made anew from them, and the heaps wait for new threads. Marks are counted from here
    # on.
    global orphans
    cdef Heap *h = heaps
    cdef Slab *s
    cdef uint64_t unit = 0
    while h != NULL:
        slab_show(&h.hazard, NULL)
        h.marks = 0
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
        # A marker may have ended before it said which lot it marked.
        memset(s.warm, 1, s.lots)
        if h.orphan:
            s.state = DEAD
            drain(h, s)
            memset(s.hot, 1, s.lots)
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
    h = heaps
    while h != NULL:
        h.found = 0
        h = h.next_heap


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


cdef void set_up() noexcept:
    global base, owners
    cdef Arena *arena = arena_get()
    if arena != NULL:
        base, owners = arena.base, arena.owners
    lay_out()

set_up()
