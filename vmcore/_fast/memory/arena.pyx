"""One reserved range of addresses, handed out in runs of 64 KiB units."""

from libc.stdint cimport uint64_t, uintptr_t

cdef extern from "memory/slab.h" nogil:
    """
    static pthread_mutex_t arena_mutex = PTHREAD_MUTEX_INITIALIZER;
    #define ARENA_SPAN (sizeof(void *) == 8 ? (uint64_t)1 << 38 : (uint64_t)1 << 30)
    """
    ctypedef struct pthread_mutex_t:
        pass
    pthread_mutex_t arena_mutex
    const uint64_t ARENA_SPAN
    int pthread_mutex_lock(pthread_mutex_t *)
    int pthread_mutex_unlock(pthread_mutex_t *)
    void slab_poke(void *p, ...)
    void slab_show(void *p, ...)
    void slab_publish(void *p, ...)
    Arena *arena_see "slab_see"(Arena **p)
    uint64_t slab_lowest(uint64_t v)
    void *mmap(void *, size_t, int, int, int, long)
    int munmap(void *, size_t)
    int mprotect(void *, size_t, int)
    int madvise(void *, size_t, int)
    void *MAP_FAILED
    int MADV_DONTNEED
    int MAP_ANONYMOUS
    int MAP_FIXED
    int MAP_NORESERVE
    int MAP_PRIVATE
    int PROT_NONE
    int PROT_READ
    int PROT_WRITE

cdef enum:
    LEAST_UNITS = 256         # 16 MiB: less is no allocator
    READY_UNITS = 32          # made usable together: one system call for 2 MiB

cdef Arena the
cdef Arena *published = NULL
cdef char *record = NULL      # the rest of the unit that records are cut from
cdef uint64_t record_left = 0


cdef inline bint test(const uint64_t *row, uint64_t i) noexcept nogil:
    return (row[i >> 6] >> (i & 63)) & 1


cdef void assign(uint64_t *row, uint64_t i, uint64_t n, bint value) noexcept nogil:
    # Whole words at once: a run may be a million units.
    cdef uint64_t mask, part
    while n:
        part = 64 - (i & 63)
        if part > n:
            part = n
        mask = (~<uint64_t>0 >> (64 - part)) << (i & 63)
        if value:
            row[i >> 6] |= mask
        else:
            row[i >> 6] &= ~mask
        i += part
        n -= part


cdef uint64_t next_with(const uint64_t *row, uint64_t i, uint64_t end, bint value) noexcept nogil:
    # The first bit from i on that is `value`; `end` when there is none before it.
    cdef uint64_t flip = 0 if value else ~<uint64_t>0
    cdef uint64_t word
    if i >= end:
        return end
    word = (row[i >> 6] ^ flip) >> (i & 63) << (i & 63)
    while not word:
        i = (i | 63) + 1
        if i >= end:
            return end
        word = row[i >> 6] ^ flip
    i = (i & ~<uint64_t>63) + slab_lowest(word)
    return i if i < end else end


cdef void *fresh(uint64_t size, int rights) noexcept nogil:
    cdef void *at = mmap(NULL, size, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return NULL if at == MAP_FAILED else at


cdef bint reserve(uint64_t size) noexcept nogil:
    # Addresses without memory behind them, and the tables. Tables cost what is touched of them.
    cdef uint64_t units = size >> UNIT_SHIFT
    cdef uint64_t bits = (units + 63) // 64 * 8
    cdef char *at = <char *>fresh(size + UNIT, PROT_NONE)
    cdef char *tables
    if at == NULL:
        return False
    tables = <char *>fresh(units * sizeof(void *) + 2 * bits, PROT_READ | PROT_WRITE)
    if tables == NULL:
        munmap(at, size + UNIT)
        return False
    the.base = (<uintptr_t>at + UNIT - 1) & ~<uintptr_t>(UNIT - 1)
    the.size = size
    the.units = units
    the.owners = <void **>tables
    the.taken = <uint64_t *>(tables + units * sizeof(void *))
    the.ready = <uint64_t *>(tables + units * sizeof(void *) + bits)
    return True


cdef Arena *arena_get() noexcept nogil:
    cdef Arena *arena = arena_see(&published)
    cdef uint64_t size
    if arena != NULL:
        return arena
    pthread_mutex_lock(&arena_mutex)
    size = ARENA_SPAN
    # A limit on the address space (ulimit -v) may leave less.
    while published == NULL and size >> UNIT_SHIFT >= LEAST_UNITS:
        if reserve(size):
            # ORDER: the fields are written before this store shows the arena to threads without the lock.
            slab_show(&published, &the)
        size >>= 1
    arena = published
    pthread_mutex_unlock(&arena_mutex)
    return arena


cdef char *unit_address(uint64_t i) noexcept nogil:
    return <char *>(the.base + (i << UNIT_SHIFT))


cdef bint make_ready(uint64_t i, uint64_t n) noexcept nogil:
    cdef uint64_t first = next_with(the.ready, i, i + n, False)
    cdef uint64_t end
    if first == i + n:
        return True
    end = i + n
    if n < READY_UNITS:
        end = (end + READY_UNITS - 1) & ~<uint64_t>(READY_UNITS - 1)
        # Only what is not usable yet: what lies behind may be a large block.
        end = next_with(the.ready, i + n, min(end, the.units), True)
    if mprotect(unit_address(first), (end - first) << UNIT_SHIFT, PROT_READ | PROT_WRITE):
        return False
    assign(the.ready, first, end - first, True)
    return True


cdef uint64_t find(uint64_t n) noexcept nogil:
    # The lowest run of n free units; the.units when there is none.
    cdef uint64_t i = next_with(the.taken, the.low, the.units, False)
    cdef uint64_t end
    the.low = i
    while i < the.units and n <= the.units - i:
        end = next_with(the.taken, i, i + n, True)
        if end == i + n:
            return i
        i = next_with(the.taken, end, the.units, False)
    return the.units


cdef char *take(uint64_t n) noexcept nogil:
    cdef uint64_t i
    if n == 0 or n > the.units:
        return NULL
    i = find(n)
    if i == the.units or not make_ready(i, n):
        return NULL
    assign(the.taken, i, n, True)
    # Statistics read it without the lock.
    slab_poke(&the.held, the.held + n)
    if i + n > the.top:
        # Read without the lock by whoever walks the table.
        slab_poke(&the.top, i + n)
    return unit_address(i)


cdef char *arena_take(uint64_t units, void *owner, char **start) noexcept nogil:
    cdef char *run
    cdef uint64_t i, k
    if arena_get() == NULL:
        return NULL
    pthread_mutex_lock(&arena_mutex)
    run = take(units)
    if run != NULL:
        start[0] = run
        i = (<uintptr_t>run - the.base) >> UNIT_SHIFT
        for k in range(units):
            # ORDER: the owner's record is written before these stores show it.
            slab_publish(&the.owners[i + k], owner)
    pthread_mutex_unlock(&arena_mutex)
    return run


cdef void arena_disown(const char *run, uint64_t units) noexcept nogil:
    cdef uint64_t i = (<uintptr_t>run - the.base) >> UNIT_SHIFT
    cdef uint64_t k
    for k in range(units):
        slab_show(&the.owners[i + k], NULL)


cdef void arena_give(char *run, uint64_t units) noexcept nogil:
    cdef uint64_t i = (<uintptr_t>run - the.base) >> UNIT_SHIFT
    cdef uint64_t size = units << UNIT_SHIFT
    cdef bint ready = units < READY_UNITS and madvise(run, size, MADV_DONTNEED) == 0
    # Large runs give their addresses' rights back too, so that they do not count as promised memory. Locked memory
    # refuses the advice: mapped anew it is gone all the same.
    if not ready and mmap(
        run, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0
    ) == MAP_FAILED:
        # Nothing else to try: the pages stay with us, and so do the addresses, for they would not read as zeros.
        return
    pthread_mutex_lock(&arena_mutex)
    if not ready:
        assign(the.ready, i, units, False)
    assign(the.taken, i, units, False)
    slab_poke(&the.held, the.held - units)
    if i < the.low:
        the.low = i
    pthread_mutex_unlock(&arena_mutex)


cdef char *arena_record(uint64_t size) noexcept nogil:
    global record, record_left
    cdef char *at = NULL
    size = (size + 63) & ~<uint64_t>63
    if arena_get() == NULL:
        return NULL
    pthread_mutex_lock(&arena_mutex)
    if size > record_left:
        at = take(1)
        if at != NULL:
            record = at
            record_left = UNIT
    if size <= record_left:
        at = record
        record += size
        record_left -= size
    pthread_mutex_unlock(&arena_mutex)
    return at


cdef void arena_lock() noexcept nogil:
    pthread_mutex_lock(&arena_mutex)


cdef void arena_unlock() noexcept nogil:
    pthread_mutex_unlock(&arena_mutex)
