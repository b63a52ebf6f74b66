# What the managed heap is made of: objects, blocks, mark bitmaps, mutators. Everything else in this folder works on
# these structs; nothing here calls anything.
#
# The heap is one reservation of address space, cut into blocks of 256 KiB. A block holds cells of one size class, or is
# part of one large object. An object never moves. Beside the cells, indexed by the distance from the heap's base: two
# bitmaps with a bit for each 16 bytes (an object is its first bit), and a card byte for each 512 bytes.
#
# Of the two bitmaps the one of the running cycle's parity collects marks; the other says which cells were live after
# the cycle before. When marking has ended the marks become the allocation map: that is the whole of "sweeping" a cell.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "<pthread.h>" nogil:
    ctypedef unsigned long pthread_t
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *lock, void *attributes)
    int pthread_mutex_destroy(pthread_mutex_t *lock)
    int pthread_mutex_lock(pthread_mutex_t *lock)
    int pthread_mutex_unlock(pthread_mutex_t *lock)
    int pthread_cond_init(pthread_cond_t *cond, void *attributes)
    int pthread_cond_destroy(pthread_cond_t *cond)
    int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
    int pthread_cond_signal(pthread_cond_t *cond)
    int pthread_cond_broadcast(pthread_cond_t *cond)
    int pthread_join(pthread_t thread, void **result)

cdef extern from "gc/order.h" nogil:
    uint8_t gc_load8(const void *p)
    uint8_t gc_load8_acq(const void *p)
    uint32_t gc_load32(const void *p)
    uint64_t gc_load64(const void *p)
    void gc_store8(void *p, uint8_t v)
    void gc_store32(void *p, uint32_t v)
    void gc_store64(void *p, uint64_t v)
    void gc_store8_rel(void *p, uint8_t v)
    uint32_t gc_load32_acq(const void *p)
    void gc_store32_rel(void *p, uint32_t v)
    uint64_t gc_load64_acq(const void *p)
    void gc_store64_rel(void *p, uint64_t v)
    void *gc_load_ptr(const void *p)
    void gc_store_ptr(void *p, void *v)
    uint64_t gc_or64(void *p, uint64_t v)
    uint64_t gc_and64(void *p, uint64_t v)
    uint32_t gc_add32(void *p, uint32_t v)
    uint64_t gc_add64(void *p, uint64_t v)
    uint64_t gc_swap64(void *p, uint64_t v)
    bint gc_cas32(void *p, uint32_t *expected, uint32_t v)
    bint gc_cas64(void *p, uint64_t *expected, uint64_t v)
    void gc_prefetch(const void *p)
    uint32_t gc_popcount(uint64_t v)
    uint32_t gc_lowest_bit(uint64_t v)
    uint32_t gc_highest_bit(uint64_t v)
    uint64_t gc_cpu_ns()
    uint64_t gc_wall_ns()
    void gc_nap(uint32_t us)
    void sched_yield()
    int gc_thread(pthread_t *thread, void *(*run)(void *) noexcept nogil, void *argument)

cdef enum:
    GRANULE_SHIFT = 4
    GRANULE = 16
    BLOCK_SHIFT = 18
    BLOCK = 1 << 18
    BLOCK_GRANULES = BLOCK >> 4
    BLOCK_WORDS = BLOCK >> 10           # of a bitmap
    CARD_SHIFT = 9
    SMALL_CLASSES = 80                  # cells of 16 bytes to 32 KiB, behind a header
    PAGE_CLASS = 80                     # cells of 4 KiB on a page boundary, no header, no reference
    CLASSES = 81
    MAX_CELL = 32 << 10
    PAGE_CELL = 4096
    MAX_REFS = (1 << 24) - 1
    RUN_CELLS = 256                     # a mutator takes at most so many cells at a time, and
    RUN_BYTES = 16 << 10                # at most so many bytes, so that taking them is short
    SEGMENT_ITEMS = 510
    SEGMENTS_A_SLAB = 64
    MAX_SLABS = 1 << 16
    ROOTS = 512                         # in a chunk of roots: what a mutator scans itself at a safepoint
    MAX_WORKERS = 64
    NO_BLOCK = 0xFFFFFFFF
    HISTORY = 256                       # cycles that are remembered

# What a barrier does; 0 while no cycle marks.
cdef enum:
    BARRIER_IDLE = 0
    BARRIER_SATB = 1
    BARRIER_INSERT = 2
    BARRIER_CARD = 3

# What the collector may ask of a mutator at its next safepoint.
cdef enum:
    ASK_NOTHING = 0
    ASK_ARM = 1                         # the barrier is on
    ASK_SCAN = 2                        # show the roots, hand over what the barrier logged
    ASK_PRECISE = 3                     # cards no longer: shade what is stored
    ASK_DISARM = 4                      # marking has ended
    ASK_BLACK = 5                       # what is allocated is black; no store from before all were armed is under way

cdef enum:
    MUTATOR_RUNNING = 0
    MUTATOR_PARKED = 1                  # at a safepoint until it says otherwise: the collector answers for it
    MUTATOR_BORROWED = 2                # the collector is just doing so

# An object: `refs` (high half of the header) reference fields, then `payload` (low half) bytes.
cdef struct Obj:
    uint64_t header

cdef enum:
    KIND_NONE = 0                       # no memory behind it
    KIND_EMPTY = 1                      # memory, and nothing in it
    KIND_CELLS = 2
    KIND_PAGES = 3                      # cells of PAGE_CLASS
    KIND_LARGE = 4                      # first block of a large object
    KIND_TAIL = 5

cdef enum:
    AT_NOBODY = 0                       # full, as far as is known
    AT_MUTATOR = 1
    AT_LIST = 2

# The owner (a mutator, or whoever took it from a list) writes it; a list's links are atomic.
cdef struct Block:
    uint32_t next                       # in a BlockList
    uint32_t cursor                     # granule where the search for free cells goes on
    uint32_t zeroed                     # free cells from there to this granule are zero already
    uint32_t used                       # cells that are allocated
    uint8_t kind
    uint8_t where
    uint8_t cls
    uint64_t swept                      # the cycle whose marks say what is free here
    uint64_t span                       # blocks of a large object

# Lists of blocks and of segments are stacks whose head is an index and a tag: the tag changes with every push and pop,
# so a compare-and-swap never takes a head that went and came back.
cdef struct Segment:
    uint32_t next
    uint32_t id
    uint64_t count
    Obj *items[SEGMENT_ITEMS]

cdef struct Tlab:
    uint8_t *cursor
    uint8_t *end
    uint32_t size
    uint32_t block

# Roots are a stack in chunks. Only the top chunk is OWNED (by the mutator); state is cycle << 2 | one of these.
cdef enum:
    CHUNK_OWNED = 0
    CHUNK_DIRTY = 1                     # below the top, changed since it was scanned
    CHUNK_BUSY = 2                      # the collector reads it
    CHUNK_CLEAN = 3                     # scanned in that cycle

cdef struct RootChunk:
    uint64_t state
    RootChunk *below
    RootChunk *above
    Obj *slots[ROOTS]

cdef struct Heap

cdef struct Mutator:
    uint32_t ask                        # what the collector waits for: one load at every safepoint
    uint32_t armed                      # which barrier is on
    uint32_t black                      # what it allocates is marked
    uint32_t grey                       # SATB: some of its roots are not scanned yet
    uint32_t state
    uint8_t *base
    uint64_t *marks
    uint8_t *cards
    Obj **sp                            # next free root slot
    Obj **sp_base
    Obj **sp_end
    Heap *heap
    Segment *log                        # grey objects that this mutator found
    RootChunk *chunk
    RootChunk *scan_from                # the top chunk when it was last asked to scan
    uint64_t cycle                      # the last cycle that it knows to have ended
    Mutator *next
    uint64_t longest_ns                 # its longest stop, at a safepoint or for memory: ever, and in this cycle
    uint64_t cycle_ns
    uint64_t stops
    uint64_t stalls                     # times it waited for a cycle because the heap was full
    uint64_t stall_ns
    uint64_t black_cells                # taken while a cycle was marking
    uint64_t barrier_hits               # shaded by its barrier
    Tlab tlabs[CLASSES]

cdef struct Worker:
    Heap *heap
    Segment *top
    uint64_t shared                     # stack of full segments that others may steal
    uint64_t marked
    uint64_t cpu_ns
    uint64_t stolen
    pthread_t thread
    uint32_t id
    uint8_t apart[64]

# What a table of weak references does once marking has ended: forget whatever is not marked.
ctypedef void (*forget_t)(void *table, Heap *heap) noexcept nogil

cdef struct WeakTable:
    forget_t forget
    void *table
    WeakTable *next

cdef struct Cycle:
    uint64_t number
    uint64_t marked                     # objects found live by marking
    uint64_t swept                      # cells found dead
    uint64_t swept_bytes
    uint64_t live                       # cells live when it ended, those allocated meanwhile included
    uint64_t live_bytes
    uint64_t allocated                  # cells taken by mutators while it marked
    uint64_t shaded                     # objects that barriers and roots handed over
    uint64_t stolen
    uint64_t rounds                     # of handshakes until nothing was found any more
    uint64_t pause_ns                   # longest stop of a mutator in it
    uint64_t mark_ns                    # CPU time of all markers
    uint64_t wall_ns
    uint64_t finalisable
    uint64_t blocks_freed               # blocks whose memory went back to the system

cdef struct Heap:
    # Constant after heap_init.
    uint8_t *base
    uint64_t limit
    uint32_t nblocks
    uint32_t barrier
    uint32_t nworkers
    uint8_t *raw
    uint64_t raw_size
    uint8_t *raw_maps
    uint64_t raw_maps_size
    uint64_t *maps[2]
    uint8_t *cards
    Block *blocks
    # Blocks. `grow` is for those without memory; the lists need no lock.
    pthread_mutex_t grow
    uint32_t hint
    uint32_t high                       # no block at or above it was ever used
    uint64_t held                       # blocks with memory
    uint64_t empty                      # list, as those below
    uint64_t empties
    uint64_t partial[CLASSES]           # swept, with free cells
    uint64_t unswept[CLASSES]
    # Segments.
    pthread_mutex_t slab_lock
    Segment *slabs[MAX_SLABS]
    uint32_t nslabs
    uint64_t free_segments
    uint64_t inbox                      # segments of grey objects from mutators
    uint32_t overflow                   # grey objects that no segment could hold: scan everything marked again
    # Mutators.
    pthread_mutex_t registry
    Mutator *mutators
    uint32_t armed
    uint32_t black
    uint32_t scanning                   # roots of this cycle have been asked for
    Mutator *python                     # the mutator of all Python threads, under python_lock
    pthread_mutex_t python_lock
    RootChunk *handles                  # slots of Python handles; a free one holds the next free one, its low bit set
    Obj **free_handle
    uint64_t live_handles
    uint64_t exports                    # buffers of payloads that Python holds
    uint32_t closed
    # Weak references and finalisers.
    pthread_mutex_t weak_lock
    uint32_t condemned                  # marking has ended: what is white is dead
    WeakTable *weak_tables
    pthread_mutex_t table_lock
    Obj **weak
    uint64_t nweak
    uint64_t weak_room
    uint64_t free_weak
    Obj **finalisable
    uint64_t *finalisers
    uint64_t nfinalisable
    uint64_t finalisable_room
    Obj **pending                       # found dead, kept until their finaliser has run
    uint64_t *pending_ids
    uint64_t npending
    uint64_t pending_room
    # Cycles.
    uint64_t cycle                      # the one that runs, or the last
    uint64_t swept_cycle                # the last whose marks are complete
    uint64_t done                       # cycles finished, sweeping included
    uint64_t wanted                     # cycles asked for
    uint32_t requested
    uint32_t stopping
    uint32_t marking
    uint64_t allocated                  # bytes taken since the last cycle began
    uint64_t trigger
    uint64_t min_trigger
    pthread_mutex_t cycle_lock
    pthread_cond_t work
    pthread_cond_t finished
    Worker *workers
    uint32_t threads                    # running ones
    # Drains: workers other than the first wait for drain_id to change.
    pthread_mutex_t drain_lock
    pthread_cond_t drain_start
    pthread_cond_t drain_end
    uint64_t drain_id
    uint32_t draining
    uint32_t draining_ended
    uint32_t idle
    # Added up by mutators, taken by the collector at the end of a cycle.
    uint64_t swept_cells
    uint64_t swept_bytes
    uint64_t shaded
    uint64_t black_cells
    uint64_t pause_ns
    Cycle now                           # the collector's own
    Cycle history[HISTORY]              # under cycle_lock; cycle n is at n % HISTORY
    uint64_t total_marked
    uint64_t total_swept
    uint64_t longest_ns

cdef inline uint64_t obj_refs(const Obj *o) noexcept nogil:
    return gc_load64(&o.header) >> 32

cdef inline uint64_t obj_payload_size(const Obj *o) noexcept nogil:
    return <uint32_t>gc_load64(&o.header)

cdef inline Obj **obj_slots(Obj *o) noexcept nogil:
    return <Obj **>(o + 1)

# For objects with a header; a page's payload is the page itself.
cdef inline uint8_t *obj_payload(Obj *o) noexcept nogil:
    return <uint8_t *>(obj_slots(o) + obj_refs(o))

# The size class of an object of `size` bytes, header included: 16-byte steps up to 512, then eight steps to each
# doubling, so a cell is at most an eighth larger than what is in it.
cdef inline uint32_t size_class(uint64_t size) noexcept nogil:
    cdef uint32_t last = <uint32_t>((size - 1) >> GRANULE_SHIFT)
    cdef uint32_t top
    if last < 32:
        return last
    top = gc_highest_bit(last)
    return 32 + (top - 5) * 8 + (last >> (top - 3)) - 8

cdef inline uint32_t class_granules(uint32_t cls) noexcept nogil:
    cdef uint32_t step
    if cls == PAGE_CLASS:
        return PAGE_CELL >> GRANULE_SHIFT
    if cls < 32:
        return cls + 1
    step = cls - 32
    return ((step & 7) + 9) << (step // 8 + 2)

cdef inline uint64_t offset_of(const uint8_t *base, const Obj *o) noexcept nogil:
    return <uint64_t>(<const uint8_t *>o - base)

cdef inline bint is_marked(const uint64_t *marks, uint64_t offset) noexcept nogil:
    return (gc_load64(&marks[offset >> 10]) >> ((offset >> GRANULE_SHIFT) & 63)) & 1

# True: this call made it grey (or black); it was white before.
cdef inline bint set_mark(uint64_t *marks, uint64_t offset) noexcept nogil:
    cdef uint64_t bit = <uint64_t>1 << ((offset >> GRANULE_SHIFT) & 63)
    if gc_load64(&marks[offset >> 10]) & bit:
        return False
    # ORDER: acq_rel; a cell of a run is zeroed before its mark is set, and a scanner of cards that sees the mark sees
    # the zeroes. Who wins the bit owns the grey object.
    return not gc_or64(&marks[offset >> 10], bit) & bit
