# The slab allocator: cells of 79 sizes in slabs of 64 to 512 KiB, a heap for each thread, every free checked.
#
# Where things are. The bytes of a slab are cells and nothing else; its record lies elsewhere, so a guest or a bug that
# writes past a block cannot reach it. A record has three rows of bits, one bit a cell:
#
#   free    the owner gave the cell back. Only the owner writes it, without locked instructions.
#   claim   the cell is next in turn: the bin takes over a whole word of `free` at a time, and hands out cell after cell.
#           Two rows, so that a free and the next allocation do not wait for each other's store.
#   remote  another thread gave the cell back. Anybody sets a bit (atomically); the owner moves it to `free`.
#
# The rows are the whole truth: no list runs through the cells and no cache lies beside them. A double free is a bit that
# is set already; a pointer that is not ours has no owner in the arena's table; one into the middle of a cell is not a
# multiple of the size. Bits of `free` past the last cell are always set: what would lie there cannot be freed either.
#
# Two threads that free one cell at the same moment. The owner sets its bit without a fence, so both may be told "freed".
# Before it claims a word, the owner passes a fence and leaves out cells that are marked; a marker looks at `free` and
# `claim` after its mark once more and takes the mark back if the cell is there. Whichever came first, a cell is never
# handed out with a mark from before: a mark that comes later is seen by its marker, who finds the cell claimed.
#
# Alignment: a block of n bytes is aligned as a type of that size would be: to 16 bytes where n is a multiple of 16, to
# 8 else. slab_alloc_aligned gives more. From 9 bytes on a cell is at most 7 bytes or 12.5 percent larger than the block.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t

cdef enum:
    SLAB_CLASSES = 79
    SLAB_WORDS = 64           # of a row: the 4096 cells of 16 bytes
    SLAB_SMALL = 4096         # up to here one table look-up finds the class
    SLAB_LARGEST = 32768      # larger blocks are runs of 64 KiB units of their own
    SLAB_ALIGN_MOST = 4096

# What slab_free answers.
cdef enum:
    SLAB_OK = 0
    SLAB_FOREIGN = 1          # no address of a block
    SLAB_MISALIGNED = 2       # inside a block, not its start
    SLAB_DOUBLE = 3           # given back before
    SLAB_NO_MEMORY = 4        # the thread's first call, and there is no memory for its heap: nothing was freed

cdef struct Slab:
    Heap *owner
    char *start
    uint64_t recip            # ceil(2**64 / size): the cell's number without a division
    int64_t until             # frees until something is to be done: see `event`
    uint64_t count            # cells
    uint32_t size             # bytes of a cell
    uint32_t words            # of each row
    uint16_t cls
    uint8_t state
    uint8_t pinned            # evacuation leaves it alone
    uint32_t units
    uint32_t pending          # on the owner's pending list
    Slab *prev
    Slab *next
    Slab *pending_next
    uint64_t unused[5]
    # From here on a cache line is written either by the owner or by others. The same word of the three rows is found at
    # fixed distances.
    uint64_t free[SLAB_WORDS]
    uint64_t claim[SLAB_WORDS]
    uint64_t remote[SLAB_WORDS]

# Where cells of one size come from.
cdef struct Bin:
    uint64_t *claim           # the word that is handed out
    char *origin              # the cell of its bit 0
    uint32_t size
    uint32_t unused0
    Slab *current
    Slab *partial             # slabs with free and with used cells
    Slab *empty               # slabs kept for the next burst
    uint64_t unused[2]

cdef struct Heap:
    Bin bins[SLAB_CLASSES]
    Slab *pending             # slabs that other threads marked, a stack
    uint64_t apart[7]
    Slab *hazard              # the slab that this heap's thread is marking
    Heap *next_heap
    Heap *next_orphan
    uint64_t kept             # bytes of empty slabs
    uint32_t orphan           # no thread has it; whoever holds the registry's lock may work on it
    uint32_t private          # made by heap_new: its blocks are not slab_free's business
    uint32_t trim             # the next slow step gives empty slabs back
    uint32_t unused

# NULL: no memory. Size 0 gives a block of its own. Any thread; a block may be freed by another thread.
cdef void *slab_alloc(size_t size) noexcept nogil
# `align` is a power of two, at most SLAB_ALIGN_MOST; NULL for others.
cdef void *slab_alloc_aligned(size_t size, size_t align) noexcept nogil
# Zeroed. Large blocks are zero because fresh pages are: untouched they cost nothing.
cdef void *slab_calloc(size_t size) noexcept nogil
# One of the answers above; whatever is not SLAB_OK changed nothing. NULL is SLAB_OK.
cdef int slab_free(void *block) noexcept nogil
# Bytes that can be used at `block`; 0 when it is no live block.
cdef size_t slab_size(const void *block) noexcept nogil
# As realloc; NULL also when `block` is no live block. What is added is not zeroed.
cdef void *slab_realloc(void *block, size_t size) noexcept nogil
# Give empty slabs back: this thread's and those of ended threads now, other threads' when they next need a slab.
cdef void slab_trim() noexcept nogil

# For the handle heap: a heap that no thread owns. The caller locks; blocks go back through heap_free only.
cdef Heap *heap_new() noexcept nogil
# Every slab goes back, live cells or not, and the record can be used again.
cdef void heap_drop(Heap *h) noexcept nogil
cdef void *heap_alloc(Heap *h, uint32_t cls) noexcept nogil
cdef int heap_free(Heap *h, void *block) noexcept nogil
# Give empty slabs back.
cdef void heap_trim(Heap *h) noexcept nogil
# The class of blocks of `size` bytes; size is at most SLAB_LARGEST.
cdef uint32_t slab_class(size_t size) noexcept nogil
cdef Slab *slab_of(const void *block) noexcept nogil
cdef uint64_t slab_live(Slab *s) noexcept nogil
# Take a slab out of the running, so that no cell of it is handed out; and back.
cdef void heap_close(Heap *h, Slab *s) noexcept nogil
cdef void heap_open(Heap *h, Slab *s) noexcept nogil
