# The slab allocator: cells of 79 sizes in slabs of 64 to 512 KiB, a heap for each thread, every free checked. How it
# works is written in heaps.pxd.
#
# Alignment: a block of n bytes is aligned as a type of that size would be: to 16 bytes where n is a multiple of 16,
# to 8 else. slab_alloc_aligned gives more. From 9 bytes on a cell is at most 7 bytes or 12.5 percent larger than the
# block.

from libc.stdint cimport uint32_t

from vmcore._fast.memory.heaps cimport Heap, Slab

cdef enum:
    SLAB_ALIGN_MOST = 4096

# What slab_free answers.
cdef enum:
    SLAB_OK = 0
    SLAB_FOREIGN = 1          # no address of a block
    SLAB_MISALIGNED = 2       # inside a block, not its start
    SLAB_DOUBLE = 3           # given back before
    SLAB_NO_MEMORY = 4        # the thread's first call, and there is no memory for its heap: nothing was freed

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
# Give empty slabs back, and pages without a used block: this thread's and those of ended threads now, other threads'
# when they next need a slab.
cdef void slab_trim() noexcept nogil

# Blocks of a heap that no thread owns. `cls` is a class; blocks go back through heap_free only.
cdef void *heap_alloc(Heap *h, uint32_t cls) noexcept nogil
cdef int heap_free(Heap *h, void *block) noexcept nogil
# The class of blocks of `size` bytes; size is at most SLAB_LARGEST.
cdef uint32_t slab_class(size_t size) noexcept nogil
# The same for blocks aligned to `align`, a power of two of at most SLAB_ALIGN_MOST; SLAB_CLASSES: there is no such
# class.
cdef uint32_t slab_class_aligned(size_t size, size_t align) noexcept nogil
# The slab that an address is in, or NULL.
cdef Slab *slab_of(const void *block) noexcept nogil
