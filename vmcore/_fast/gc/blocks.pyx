"""Blocks of the managed heap: reserved once, given memory by the first touch, returned to the system when empty."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap

from vmcore._fast.gc.layout cimport (
    AT_NOBODY, BLOCK, BLOCK_SHIFT, CARD_SHIFT, KIND_EMPTY, KIND_NONE, KIND_TAIL, NO_BLOCK, Block, Heap, gc_add64,
    gc_load8, gc_load64, gc_store8_rel, gc_store32, gc_store64, pthread_mutex_lock, pthread_mutex_unlock)
from vmcore._fast.gc.lists cimport block_pop, block_push
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

cdef extern from "sys/mman.h" nogil:
    int madvise(void *addr, size_t length, int advice)
    int MADV_DONTNEED
    int MADV_NOHUGEPAGE


cdef inline void *reserve(uint64_t size) noexcept nogil:
    cdef void *got = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    return NULL if got == MAP_FAILED else got


cdef int blocks_init(Heap *heap, uint64_t limit) noexcept nogil:
    cdef uint64_t bitmap = limit >> 7
    heap.limit = limit
    heap.nblocks = <uint32_t>(limit >> BLOCK_SHIFT)
    heap.raw_size = limit + BLOCK
    heap.raw = <uint8_t *>reserve(heap.raw_size)
    heap.raw_maps_size = 2 * bitmap + (limit >> CARD_SHIFT)
    heap.raw_maps = <uint8_t *>reserve(heap.raw_maps_size)
    heap.blocks = <Block *>vm_calloc(heap.nblocks, sizeof(Block))
    if heap.raw == NULL or heap.raw_maps == NULL or heap.blocks == NULL:
        blocks_free(heap)
        return -1
    heap.base = <uint8_t *>((<uint64_t>heap.raw + BLOCK - 1) & ~<uint64_t>(BLOCK - 1))
    # Huge pages would speed marking up by five percent, but a mutator that touches fresh memory then waits until the
    # kernel has found and cleared 2 MiB: up to 5 ms, measured.
    madvise(heap.base, limit, MADV_NOHUGEPAGE)
    heap.maps[0] = <uint64_t *>heap.raw_maps
    heap.maps[1] = <uint64_t *>(heap.raw_maps + bitmap)
    heap.cards = heap.raw_maps + 2 * bitmap
    return 0


cdef void blocks_free(Heap *heap) noexcept nogil:
    if heap.raw != NULL:
        munmap(heap.raw, heap.raw_size)
        heap.raw = NULL
    if heap.raw_maps != NULL:
        munmap(heap.raw_maps, heap.raw_maps_size)
        heap.raw_maps = NULL
    vm_free(heap.blocks)
    heap.blocks = NULL


cdef inline void raise_high(Heap *heap, uint32_t end) noexcept nogil:
    # Under `grow`. Others read it without, and see a smaller one at worst: they look at blocks of their own past.
    if end > heap.high:
        gc_store32(&heap.high, end)


cdef uint32_t block_take(Heap *heap) noexcept nogil:
    cdef uint32_t index = block_pop(heap, &heap.empty)
    cdef uint32_t i
    if index != NO_BLOCK:
        gc_add64(&heap.empties, ~<uint64_t>0)
        return index
    pthread_mutex_lock(&heap.grow)
    for i in range(heap.hint, heap.nblocks):
        if gc_load8(&heap.blocks[i].kind) == KIND_NONE:
            index = i
            break
    if index != NO_BLOCK:
        heap.hint = index + 1
        gc_store8_rel(&heap.blocks[index].kind, KIND_EMPTY)
        gc_add64(&heap.held, 1)
        raise_high(heap, index + 1)
    else:
        heap.hint = heap.nblocks
    pthread_mutex_unlock(&heap.grow)
    return index


cdef void block_give(Heap *heap, uint32_t index) noexcept nogil:
    cdef Block *b = &heap.blocks[index]
    gc_store32(&b.used, 0)
    gc_store8_rel(&b.where, AT_NOBODY)
    gc_store8_rel(&b.kind, KIND_EMPTY)
    gc_add64(&heap.empties, 1)
    block_push(heap, &heap.empty, index)


cdef uint64_t blocks_release(Heap *heap, uint64_t keep) noexcept nogil:
    cdef uint64_t freed = 0
    cdef uint32_t index
    while gc_load64(&heap.empties) > keep:
        index = block_pop(heap, &heap.empty)
        if index == NO_BLOCK:
            break
        gc_add64(&heap.empties, ~<uint64_t>0)
        span_give(heap, index, 1)
        freed += 1
    return freed


cdef void span_give(Heap *heap, uint32_t index, uint32_t n) noexcept nogil:
    cdef uint32_t i
    # Fresh pages are zero: whoever takes a span relies on it.
    madvise(heap.base + (<uint64_t>index << BLOCK_SHIFT), <uint64_t>n << BLOCK_SHIFT, MADV_DONTNEED)
    pthread_mutex_lock(&heap.grow)
    for i in range(index, index + n):
        gc_store64(&heap.blocks[i].span, 0)
        gc_store32(&heap.blocks[i].used, 0)
        gc_store8_rel(&heap.blocks[i].kind, KIND_NONE)
    if index < heap.hint:
        heap.hint = index
    gc_add64(&heap.held, 0 - <uint64_t>n)
    pthread_mutex_unlock(&heap.grow)


cdef uint32_t find_span(Heap *heap, uint32_t n) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t run = 0
    for i in range(heap.hint, heap.nblocks):
        run = run + 1 if gc_load8(&heap.blocks[i].kind) == KIND_NONE else 0
        if run == n:
            return i + 1 - n
    return NO_BLOCK


cdef uint32_t span_take(Heap *heap, uint32_t n) noexcept nogil:
    cdef uint32_t index
    cdef uint32_t i
    cdef uint32_t _tries
    for _tries in range(2):
        pthread_mutex_lock(&heap.grow)
        index = find_span(heap, n)
        if index != NO_BLOCK:
            for i in range(index, index + n):
                gc_store8_rel(&heap.blocks[i].kind, KIND_TAIL)
            gc_add64(&heap.held, n)
            raise_high(heap, index + n)
        pthread_mutex_unlock(&heap.grow)
        # Empty blocks have memory and so are in the way of nothing but this.
        if index != NO_BLOCK or blocks_release(heap, 0) == 0:
            break
    return index
