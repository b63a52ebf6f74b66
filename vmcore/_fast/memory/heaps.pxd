# Heaps of slabs: what lies behind the allocator's fast paths (slab.pxd). Slabs come and go here, what other threads
# gave back is taken in, and heaps pass from thread to thread.
#
# Where things are. The bytes of a slab are cells and nothing else; its record lies elsewhere, so a guest or a bug that
# writes past a block cannot reach it. Behind the record there is one byte for each cell, its state:
#
#   LIVE    handed out
#   FREE    the owner gave it back, or took in that another thread did, or it was never handed out. Only the owner
#           makes a cell FREE or LIVE, without locked instructions.
#   REMOTE  another thread gave it back: a compare and exchange from LIVE. The owner makes it FREE.
#
# A byte, not a bit: a free stores and need not wait for the store of the free before it, as it would where both change
# one word. The states are the whole truth: no list runs through the cells. A double free is a cell that is not LIVE; a
# pointer that is not ours has no owner in the arena's table; one into the middle of a cell is not a multiple of the
# size. Past the last cell states are FREE: what would lie there cannot be freed either.
#
# Cells are handed out 64 at a time: a bin notes which of 64 neighbours are FREE, and takes one after the other from
# that note. A cell of the note stays FREE until it is handed out, so that giving it back once more is refused. `hot`
# has a byte for each 64 cells that are worth a look, `warm` one for each that other threads marked.
#
# Two threads that free one cell at the same moment. What happens to one byte has one order, which all threads agree on.
# Among threads that do not own the cell one exchange finds it LIVE, the others are refused. The owner looks and stores
# in two steps, and an exchange may come between: both are told "freed", the owner's FREE replaces the mark, and the
# cell goes back once. Nothing comes of it later, for the mark is gone; whoever marks counts it and whoever takes marks
# in counts them too, so the difference says how often that was (`heaps_late`). A cell that is handed out is LIVE by its
# owner's own store, so a mark that was before cannot take it away. tests/fast/memory/test_slab_model.py looks at every
# order in which this can happen.
#
# What lay unused goes back to the system. A slab that is empty, or sparse, and that no cell was taken from for some
# milliseconds gives its pages back where no cell is used; it costs a page fault to use one again. Slow steps look at
# the clock now and then, so a heap that nobody works with keeps what it has until it is trimmed.
#
# A heap belongs to one thread, and every function that takes a `Heap *` is called by that thread; or by whoever holds
# the registry's lock where no thread has it.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "memory/slab.h" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_lock(pthread_mutex_t *)
    int pthread_mutex_unlock(pthread_mutex_t *)
    uint64_t slab_peek(const uint64_t *p)
    void slab_poke(void *p, ...)
    void slab_publish(void *p, ...)
    void slab_show(void *p, ...)
    uint64_t slab_swap(uint64_t *p, uint64_t v)
    uint64_t slab_count(uint64_t *p, uint64_t v)
    void *owner_peek "slab_peek"(void **p)
    void *owner_see "slab_see"(void **p)
    Slab *hazard_see "slab_see"(Slab **p)
    Slab *list_peek "slab_peek"(Slab **p)
    Slab *list_swap "slab_swap"(Slab **p, Slab *v)
    bint list_claim "slab_claim"(Slab **p, Slab **seen, Slab *v)
    Heap *heap_see "slab_see"(Heap **p)
    uint32_t flag_peek "slab_peek"(uint32_t *p)
    uint32_t flag_see "slab_see"(uint32_t *p)
    uint32_t flag_swap "slab_swap"(uint32_t *p, uint32_t v)
    uint8_t byte_acquire "slab_acquire"(const uint8_t *p)
    uint8_t byte_see "slab_see"(uint8_t *p)
    uint8_t byte_swap "slab_swap"(uint8_t *p, uint8_t v)
    uint64_t slab_divide(uint64_t offset, uint64_t recip, uint64_t *rest)
    uint8_t byte_peek "slab_peek"(const uint8_t *p)
    bint slab_change(uint8_t *state, uint8_t before, uint8_t after)
    uint64_t slab_row(const uint8_t *bytes, unsigned int which)
    uint32_t slab_first(const uint8_t *bytes, uint32_t start, uint32_t end)
    uint64_t slab_lowest(uint64_t v)
    uint64_t slab_bits(uint64_t v)

cdef enum:
    SLAB_CLASSES = 79
    SLAB_LOTS = 64                # lots of 64 cells: the 4096 cells of 16 bytes
    SLAB_SMALL = 4096             # up to here one table look-up finds the class
    SLAB_LARGEST = 32768          # larger blocks are runs of 64 KiB units of their own

# State of a cell. The rows of a lot are bits of these: bit 0 says FREE, bit 1 says REMOTE.
cdef enum:
    LIVE = 0
    FREE = 1
    REMOTE = 2
    ROW_FREE = 0
    ROW_REMOTE = 1

# State of a slab.
cdef enum:
    CURRENT = 1                   # its bin takes cells from it
    FULL = 2                      # no cell was free when its bin left it
    PARTIAL = 3                   # on its bin's list
    EMPTY = 4                     # kept for the next burst
    DEAD = 5                      # on its way back
    CLOSED = 6                    # on no list: its cells are not handed out
    LARGE = 7                     # one block

cdef struct Slab:
    Heap *owner
    char *start
    uint64_t recip            # ceil(2**64 / size): the cell's number without a division
    int64_t until             # frees until something is to be done: see `event`
    uint64_t count            # cells
    uint32_t size             # bytes of a cell
    uint32_t lots             # of 64 states
    uint16_t cls
    uint8_t state
    uint8_t pinned            # evacuation leaves it alone
    uint32_t units
    uint32_t pending          # on the owner's pending list
    Slab *prev
    Slab *next
    Slab *pending_next
    uint64_t listed           # the heap's age when it came on a list of its bin
    uint64_t bare             # used cells when its free pages went back; none went since it was current: all ones
    uint64_t away             # bytes of its pages that went back, until cells are taken from it again
    uint64_t unused[2]
    uint8_t hot[SLAB_LOTS]    # the lot may have FREE cells. The owner writes it
    uint8_t warm[SLAB_LOTS]   # the lot may have REMOTE cells. Others write it
    # Behind it: the states.

# Where cells of one size come from.
cdef struct Bin:
    uint64_t note             # FREE cells of a lot, which come next
    uint8_t *states           # of that lot
    char *origin              # its first cell
    uint64_t size
    Slab *current
    Slab *partial             # slabs with free and with used cells
    Slab *empty               # slabs kept for the next burst
    uint64_t unused1

# 81 cache lines. With one more, the lines that a pair of calls uses fell so that in one process of six some class took
# 8 ns a pair instead of 3 (AMD EPYC), until its bin went on to another slab.
cdef struct Heap:
    Bin bins[SLAB_CLASSES]
    Slab *pending             # slabs that other threads marked, a stack
    uint64_t age              # grows by one each time that cold slabs are looked for
    uint64_t due              # when that is next
    uint64_t apart[5]
    Slab *hazard              # the slab that this heap's thread is marking
    uint64_t marks            # that this heap's thread made in other heaps
    uint64_t found            # marks that were taken in here
    Heap *next_heap
    Heap *next_orphan
    uint64_t kept             # bytes of empty slabs
    uint32_t orphan           # no thread has it; whoever holds the registry's lock may work on it
    uint32_t private          # made by heap_new: its blocks are not slab_free's business
    uint32_t trim             # the next slow step gives empty slabs back
    uint32_t steps            # slow ones, to look at the clock now and then

cdef inline uint64_t bytes_of(const Slab *s) noexcept nogil:
    return <uint64_t>s.units << 16

cdef inline uint8_t *states_of(const Slab *s) noexcept nogil:
    return <uint8_t *>(s + 1)

# Its FREE cells, and those that are not LIVE. What is past the last cell counts as FREE.
cdef inline uint64_t lot_free(const Slab *s, uint32_t lot) noexcept nogil:
    return slab_row(states_of(s) + lot * 64, ROW_FREE)

cdef inline uint64_t lot_given(const Slab *s, uint32_t lot) noexcept nogil:
    return lot_free(s, lot) | slab_row(states_of(s) + lot * 64, ROW_REMOTE)

# Records. NULL: no memory.
cdef Slab *record_get(Heap *owner, uint32_t units, uint32_t lots) noexcept nogil
cdef void record_put(Slab *s) noexcept nogil
# Give back a slab that is on no list of its bin and has no used cell, and its record.
cdef void slab_back(Heap *h, Slab *s) noexcept nogil
# Cells that are not FREE; marked ones of them.
cdef uint64_t slab_live(const Slab *s) noexcept nogil
cdef uint64_t slab_marked(const Slab *s) noexcept nogil
# The first slab or large block from a unit on, and the unit behind it. NULL: no more.
cdef Slab *next_slab(uint64_t *unit) noexcept nogil

# `until` of a slab reached zero. Always 0, so that a free can end in it.
cdef int event(Heap *h, Slab *s) noexcept nogil
# Take in the marks of one slab; returns how many cells became free.
cdef uint64_t drain(Heap *h, Slab *s) noexcept nogil
# The same for every slab that other threads marked.
cdef void collect(Heap *h) noexcept nogil
# The current slab of a bin becomes one of the others.
cdef void retire(Heap *h, Bin *bin) noexcept nogil
# A slab with free cells, on no list any more. NULL: no memory.
cdef Slab *choose(Heap *h, Bin *bin) noexcept nogil
# Give empty slabs back, and pages without a used cell of the others.
cdef void heap_trim(Heap *h) noexcept nogil
# A slow step: now and then, give back what lay unused for a while.
cdef void heap_step(Heap *h) noexcept nogil
# Bins that point nowhere.
cdef void heap_clear(Heap *h) noexcept nogil

# A heap for a thread that has none: one that an ended thread left, or a new one. NULL: no memory.
cdef Heap *heap_adopt() noexcept nogil
# Its thread ended.
cdef void heap_abandon(Heap *h) noexcept nogil
# Take in what was marked in the heap of an ended thread.
cdef void heap_settle(Heap *h) noexcept nogil
# Whoever holds this lock may work on heaps of ended threads.
cdef void heaps_lock() noexcept nogil
cdef void heaps_unlock() noexcept nogil
# Trim `me` and heaps of ended threads now, others when their threads next need a slab.
cdef void heaps_trim(Heap *me) noexcept nogil
cdef uint32_t heaps_count() noexcept nogil
# Double frees of an owner and another thread at the same moment. `marked` are the marks that wait now. Exact while
# nobody frees.
cdef uint64_t heaps_late(uint64_t marked) noexcept nogil
# The owner of large blocks.
cdef Heap *heap_large() noexcept nogil

cdef void heaps_before_fork() noexcept nogil
cdef void heaps_after_fork() noexcept nogil
# In the child, by its only thread, whose heap is `me`.
cdef void heaps_recover(const Heap *me) noexcept nogil

# Heaps that no thread owns. The caller locks. NULL: no memory.
cdef Heap *heap_new() noexcept nogil
# Every slab goes back, live cells or not, and the record can be used again.
cdef void heap_drop(Heap *h) noexcept nogil
# Take a slab out of the running, so that no cell of it is handed out; and back.
cdef void heap_close(Heap *h, Slab *s) noexcept nogil
cdef void heap_open(Heap *h, Slab *s) noexcept nogil

cdef uint32_t class_size(uint32_t cls) noexcept nogil
# Cells of a slab.
cdef uint32_t class_cells(uint32_t cls) noexcept nogil
