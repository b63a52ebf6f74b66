"""Mutators: registration, safepoints, root stacks, and where their memory comes from."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.gc.barrier cimport log_flush, shade_white
from vmcore._fast.gc.blocks cimport block_take, span_take
from vmcore._fast.gc.layout cimport (
    ASK_ARM, ASK_BLACK, ASK_DISARM, ASK_NOTHING, ASK_PRECISE, ASK_SCAN, AT_LIST, AT_MUTATOR, AT_NOBODY, BARRIER_IDLE,
    BARRIER_INSERT, BARRIER_SATB, BLOCK, BLOCK_GRANULES, BLOCK_SHIFT, CHUNK_BUSY, CHUNK_CLEAN, CHUNK_DIRTY,
    CHUNK_OWNED, CLASSES, GRANULE, GRANULE_SHIFT, KIND_CELLS, KIND_LARGE, KIND_PAGES, MAX_CELL, MUTATOR_PARKED,
    MUTATOR_RUNNING, NO_BLOCK, PAGE_CLASS, ROOTS, RUN_BYTES, RUN_CELLS, Block, Heap, Mutator, Obj, RootChunk, Tlab,
    class_granules, gc_add64, gc_and64, gc_cas32, gc_cas64, gc_cpu_ns, gc_load32, gc_load32_acq, gc_load64,
    gc_load64_acq, gc_nap, gc_store8, gc_store8_rel, gc_store32, gc_store32_rel, gc_store64, gc_store64_rel,
    gc_wall_ns, is_marked, offset_of, pthread_cond_signal, pthread_mutex_lock, pthread_mutex_unlock, sched_yield,
    set_mark, size_class)
from vmcore._fast.gc.lists cimport block_pop, block_push
from vmcore._fast.gc.sweep cimport sweep_block
from vmcore._fast.memory.alloc cimport vm_alloc, vm_calloc, vm_free

cdef enum:
    SWEEPS = 8                # blocks that one allocation sweeps at most before it takes an empty one
    TRIES = 3                 # cycles that an allocation waits for


# ---- runs of free cells

cdef void retire(Mutator *m, uint32_t cls) noexcept nogil:
    cdef Heap *heap = m.heap
    cdef Tlab *t = &m.tlabs[cls]
    cdef Block *b
    cdef uint64_t at, end
    cdef uint32_t zeroed
    if t.block == NO_BLOCK:
        return
    b = &heap.blocks[t.block]
    if t.cursor != t.end:
        # What is left of the run was never an object: the block's search for cells goes on there.
        at = offset_of(m.base, <Obj *>t.cursor)
        end = offset_of(m.base, <Obj *>t.end)
        gc_store32(&b.used, b.used - <uint32_t>((end - at) // t.size))
        b.cursor = <uint32_t>((at & (BLOCK - 1)) >> GRANULE_SHIFT)
        zeroed = <uint32_t>((end - (<uint64_t>t.block << BLOCK_SHIFT)) >> GRANULE_SHIFT)
        if b.zeroed < zeroed:
            b.zeroed = zeroed
        # A black run is marked; what is no object must not look like one.
        if m.black:
            # ORDER: relaxed; a scanner of cards that has the mark already reads the cell later than this, whoever has
            # the cell then. See next_run.
            while at < end:
                gc_and64(&m.marks[at >> 10], ~(<uint64_t>1 << ((at >> GRANULE_SHIFT) & 63)))
                at += t.size
    gc_store8_rel(&b.where, AT_LIST)
    if b.swept == gc_load64_acq(&heap.swept_cycle):
        block_push(heap, &heap.partial[cls], t.block)
    else:
        block_push(heap, &heap.unswept[cls], t.block)
    t.block = NO_BLOCK
    t.cursor = t.end = NULL


cdef void retire_all(Mutator *m) noexcept nogil:
    cdef uint32_t cls
    for cls in range(CLASSES):
        retire(m, cls)


# The next run of free cells of the block that this mutator has; False: no more.
cdef bint next_run(Mutator *m, uint32_t cls) noexcept nogil:
    cdef Heap *heap = m.heap
    cdef Tlab *t = &m.tlabs[cls]
    cdef Block *b = &heap.blocks[t.block]
    cdef const uint64_t *taken = heap.maps[b.swept & 1]
    cdef uint64_t start = <uint64_t>t.block << BLOCK_SHIFT
    cdef uint64_t size = t.size
    cdef uint64_t end = start + BLOCK // size * size
    cdef uint64_t at = start + (<uint64_t>b.cursor << GRANULE_SHIFT)
    cdef uint64_t most = RUN_BYTES if RUN_BYTES < RUN_CELLS * size else RUN_CELLS * size
    cdef uint64_t dirty = start + (<uint64_t>b.zeroed << GRANULE_SHIFT)
    cdef uint64_t stop, cell
    while at < end and is_marked(taken, at):
        at += size
    if at >= end:
        return False
    stop = at + size
    while stop < end and stop + size - at <= most and not is_marked(taken, stop):
        stop += size
    if dirty < at:
        dirty = at
    # ORDER: a cell is written without atomics only while no thread can read it. A scanner comes to a cell by a
    # reference, which is stored with release after this, or by its mark, which is set with release after this
    # (set_mark); so it sees the zeroes. What it read in the cycle before is over: this mutator has answered since. But
    # a mark may be taken back in mid-cycle, by a mutator that leaves with a black run half used (retire), from under a
    # scanner that has looked at the bitmap and not yet at the cell. Nothing orders that scanner before the next owner
    # of the cell, so it is not zeroed again: it is zero since its mark was set, and that owner knows so from the list
    # that the block came by. The scanner finds no header, or that of a new object: header and fields are atomic words.
    if cls != PAGE_CLASS and dirty < stop:
        memset(m.base + dirty, 0, stop - dirty)
    if m.black:
        cell = at
        while cell < stop:
            set_mark(m.marks, cell)
            cell += size
        m.black_cells += (stop - at) // size
    b.cursor = <uint32_t>((stop - start) >> GRANULE_SHIFT)
    gc_store32(&b.used, b.used + <uint32_t>((stop - at) // size))
    t.cursor = m.base + at
    t.end = m.base + stop
    count_allocated(heap, stop - at)
    return True


cdef inline void count_allocated(Heap *heap, uint64_t bytes) noexcept nogil:
    if gc_add64(&heap.allocated, bytes) + bytes >= gc_load64(&heap.trigger) and not gc_load32(&heap.requested):
        cycle_request(heap)


# A block of the class with free cells, or an empty one; False: the limit is reached.
cdef bint next_block(Mutator *m, uint32_t cls) noexcept nogil:
    cdef Heap *heap = m.heap
    cdef Tlab *t = &m.tlabs[cls]
    cdef Block *b
    cdef uint32_t index = NO_BLOCK
    cdef uint32_t sweeps = 0
    if t.block != NO_BLOCK:
        b = &heap.blocks[t.block]
        t.block = NO_BLOCK
        gc_store8_rel(&b.where, AT_NOBODY)
    while True:
        index = block_pop(heap, &heap.partial[cls])
        if index == NO_BLOCK and sweeps < SWEEPS:
            index = block_pop(heap, &heap.unswept[cls])
        if index == NO_BLOCK:
            index = block_take(heap)
            if index != NO_BLOCK:
                b = &heap.blocks[index]
                gc_store32(&b.used, 0)
                b.cursor = b.zeroed = 0
                gc_store8(&b.cls, cls)
                gc_store64(&b.swept, m.cycle)
                gc_store8_rel(&b.where, AT_MUTATOR)
                gc_store8_rel(&b.kind, KIND_PAGES if cls == PAGE_CLASS else KIND_CELLS)
                break
            # Only now is it worth looking into more blocks than SWEEPS.
            index = block_pop(heap, &heap.unswept[cls])
            if index == NO_BLOCK:
                return False
        b = &heap.blocks[index]
        gc_store8_rel(&b.where, AT_MUTATOR)
        # Marks of a cycle that this mutator has not seen the end of are not looked at: until then it goes by the map
        # that the block was swept with.
        if b.swept < m.cycle:
            sweeps += 1
            if sweep_block(heap, index, m.cycle) == BLOCK_GRANULES // class_granules(cls):
                gc_store8_rel(&b.where, AT_NOBODY)
                continue
        break
    t.block = index
    t.size = class_granules(cls) * GRANULE
    t.cursor = t.end = m.base + (<uint64_t>index << BLOCK_SHIFT)
    return True


cdef bint refill(Mutator *m, uint32_t cls) noexcept nogil:
    if m.tlabs[cls].block != NO_BLOCK and next_run(m, cls):
        return True
    while next_block(m, cls):
        if next_run(m, cls):
            return True
    return False


cdef Obj *alloc_large(Mutator *m, uint64_t size) noexcept nogil:
    cdef Heap *heap = m.heap
    cdef uint64_t blocks = (size + BLOCK - 1) >> BLOCK_SHIFT
    cdef uint32_t index
    cdef Block *b
    if blocks > heap.nblocks:
        return NULL
    index = span_take(heap, <uint32_t>blocks)
    if index == NO_BLOCK:
        return NULL
    b = &heap.blocks[index]
    gc_store64(&b.span, blocks)
    gc_store64(&b.swept, m.cycle)
    if m.black:
        set_mark(m.marks, <uint64_t>index << BLOCK_SHIFT)
        m.black_cells += 1
    gc_store8_rel(&b.kind, KIND_LARGE)
    count_allocated(heap, blocks << BLOCK_SHIFT)
    return <Obj *>(m.base + (<uint64_t>index << BLOCK_SHIFT))


cdef Obj *alloc_cell(Mutator *m, uint32_t cls) noexcept nogil:
    cdef Tlab *t = &m.tlabs[cls]
    cdef uint64_t began
    cdef uint32_t tries
    cdef uint8_t *o
    heap_safepoint(m)
    if t.block == NO_BLOCK or not next_run(m, cls):
        began = gc_cpu_ns()
        tries = 0
        while not refill(m, cls):
            if tries == TRIES:
                return NULL
            tries += 1
            stopped(m, began)
            cycle_wait(m)
            began = gc_cpu_ns()
        stopped(m, began)
    o = t.cursor
    t.cursor = o + t.size
    return <Obj *>o


cdef Obj *alloc_slow(Mutator *m, uint64_t refs, uint64_t payload) noexcept nogil:
    cdef uint64_t size = 8 + refs * 8 + payload
    cdef Obj *o
    cdef uint32_t tries = 0
    if size <= MAX_CELL:
        o = alloc_cell(m, size_class(size))
    else:
        heap_safepoint(m)
        o = alloc_large(m, size)
        while o == NULL and tries < TRIES and size <= m.heap.limit:
            tries += 1
            cycle_wait(m)
            o = alloc_large(m, size)
    if o != NULL:
        gc_store64(&o.header, refs << 32 | payload)
    return o


# ---- safepoints

cdef inline void stopped(Mutator *m, uint64_t began) noexcept nogil:
    cdef uint64_t took = gc_cpu_ns() - began
    gc_store64(&m.stops, m.stops + 1)
    if took > m.longest_ns:
        gc_store64(&m.longest_ns, took)
    if took > m.cycle_ns:
        m.cycle_ns = took


# What this mutator did in the cycle that ends.
cdef void report(Mutator *m) noexcept nogil:
    cdef Heap *heap = m.heap
    cdef uint64_t seen = gc_load64(&heap.pause_ns)
    gc_add64(&heap.shaded, m.barrier_hits)
    gc_add64(&heap.black_cells, m.black_cells)
    while m.cycle_ns > seen and not gc_cas64(&heap.pause_ns, &seen, m.cycle_ns):
        continue
    m.barrier_hits = m.black_cells = m.cycle_ns = 0


cdef void scan_chunk(Mutator *m, RootChunk *chunk, uint64_t n) noexcept nogil:
    cdef uint64_t i
    for i in range(n):
        shade_white(m, chunk.slots[i])


cdef void mutator_answer(Mutator *m) noexcept nogil:
    cdef Heap *heap = m.heap
    cdef uint32_t ask = gc_load32_acq(&m.ask)
    if ask == ASK_ARM:
        m.marks = heap.maps[heap.cycle & 1]
        gc_store32(&m.grey, 1)
        m.scan_from = NULL
        m.armed = heap.barrier
    elif ask == ASK_BLACK:
        # Cells that are handed out from here on are black; what is left of the runs is taken again.
        retire_all(m)
        m.black = 1
    elif ask == ASK_SCAN:
        if heap.barrier != BARRIER_SATB or gc_load32(&m.grey):
            scan_chunk(m, m.chunk, <uint64_t>(m.sp - m.sp_base))
            m.scan_from = m.chunk
        log_flush(m)
    elif ask == ASK_PRECISE:
        m.armed = BARRIER_INSERT
    elif ask == ASK_DISARM:
        retire_all(m)
        m.armed = BARRIER_IDLE
        m.black = 0
        m.cycle = heap.swept_cycle
        report(m)
    # ORDER: release; what was done here is seen by the collector that sees the answer.
    gc_store32_rel(&m.ask, ASK_NOTHING)


cdef void safepoint_slow(Mutator *m) noexcept nogil:
    cdef uint64_t began = gc_cpu_ns()
    mutator_answer(m)
    stopped(m, began)


cdef void mutator_park(Mutator *m) noexcept nogil:
    heap_safepoint(m)
    # ORDER: release; the collector that borrows the mutator sees everything it did.
    gc_store32_rel(&m.state, MUTATOR_PARKED)


cdef void mutator_unpark(Mutator *m) noexcept nogil:
    cdef uint32_t seen = MUTATOR_PARKED
    while not gc_cas32(&m.state, &seen, MUTATOR_RUNNING):
        seen = MUTATOR_PARKED
        sched_yield()
    heap_safepoint(m)


# ---- roots

cdef inline void use_chunk(Mutator *m, RootChunk *chunk, uint64_t n) noexcept nogil:
    m.chunk = chunk
    m.sp_base = &chunk.slots[0]
    m.sp_end = &chunk.slots[ROOTS]
    m.sp = &chunk.slots[n]


cdef int roots_grow(Mutator *m) noexcept nogil:
    cdef RootChunk *chunk = m.chunk.above
    if chunk == NULL:
        chunk = <RootChunk *>vm_alloc(sizeof(RootChunk))
        if chunk == NULL:
            return -1
        chunk.above = NULL
        chunk.below = m.chunk
        m.chunk.above = chunk
    gc_store64(&chunk.state, CHUNK_OWNED)
    # ORDER: release; whoever sees the chunk dirty sees its slots.
    gc_store64_rel(&m.chunk.state, CHUNK_DIRTY)
    use_chunk(m, chunk, 0)
    return 0


cdef void roots_shrink(Mutator *m) noexcept nogil:
    cdef RootChunk *chunk = m.chunk.below
    cdef uint64_t seen = gc_load64_acq(&chunk.state)
    # What the collector has not scanned yet is scanned before it changes, and shown before the chunk is ours: a
    # collector that skips it because it is ours finds the log.
    if (m.armed != BARRIER_IDLE and seen != (m.heap.cycle << 2 | CHUNK_CLEAN)
            and (m.armed != BARRIER_SATB or gc_load32(&m.grey))):
        scan_chunk(m, chunk, ROOTS)
        log_flush(m)
    while True:
        if seen & 3 == CHUNK_BUSY:
            sched_yield()
            seen = gc_load64_acq(&chunk.state)
        elif gc_cas64(&chunk.state, &seen, CHUNK_OWNED):
            break
    use_chunk(m, chunk, ROOTS)


# ---- registration

cdef Mutator *mutator_new(Heap *heap) noexcept nogil:
    cdef Mutator *m = <Mutator *>vm_calloc(1, sizeof(Mutator))
    cdef RootChunk *chunk = <RootChunk *>vm_alloc(sizeof(RootChunk))
    cdef uint32_t cls
    if m == NULL or chunk == NULL:
        vm_free(m)
        vm_free(chunk)
        return NULL
    chunk.above = chunk.below = NULL
    chunk.state = CHUNK_OWNED
    m.heap = heap
    m.base = heap.base
    m.cards = heap.cards
    m.state = MUTATOR_RUNNING
    for cls in range(CLASSES):
        m.tlabs[cls].block = NO_BLOCK
    use_chunk(m, chunk, 0)
    pthread_mutex_lock(&heap.registry)
    # It joins where the cycle is. Before the roots are asked for it is grey like everyone; afterwards it has none that
    # were there when they were, so it is black.
    m.armed = heap.armed
    m.black = heap.black
    m.marks = heap.maps[heap.cycle & 1]
    m.cycle = heap.swept_cycle if m.armed == BARRIER_IDLE else heap.cycle - 1
    m.grey = m.armed != BARRIER_IDLE and not heap.scanning
    m.next = heap.mutators
    heap.mutators = m
    pthread_mutex_unlock(&heap.registry)
    return m


cdef void mutator_free(Mutator *m) noexcept nogil:
    cdef Heap *heap = m.heap
    cdef Mutator **at
    cdef RootChunk *chunk
    pthread_mutex_lock(&heap.registry)
    retire_all(m)
    log_flush(m)
    at = &heap.mutators
    while at[0] != m:
        at = &at[0].next
    at[0] = m.next
    report(m)
    pthread_mutex_unlock(&heap.registry)
    chunk = m.chunk
    while chunk.above != NULL:
        chunk = chunk.above
    while chunk != NULL:
        m.chunk = chunk.below
        vm_free(chunk)
        chunk = m.chunk
    vm_free(m)


# ---- cycles

cdef uint64_t cycle_request(Heap *heap) noexcept nogil:
    cdef uint64_t number
    pthread_mutex_lock(&heap.cycle_lock)
    # A cycle that runs began before; the one after it is the one that counts.
    number = heap.done + 1 + heap.marking
    if heap.wanted < number:
        heap.wanted = number
    gc_store32_rel(&heap.requested, 1)
    pthread_cond_signal(&heap.work)
    pthread_mutex_unlock(&heap.cycle_lock)
    return number


cdef void cycle_wait(Mutator *m) noexcept nogil:
    cdef Heap *heap = m.heap
    cdef uint64_t began = gc_wall_ns()
    cdef uint64_t number = cycle_request(heap)
    while gc_load64_acq(&heap.done) < number and not gc_load32_acq(&heap.stopping):
        heap_safepoint(m)
        gc_nap(20)
    gc_store64(&m.stalls, m.stalls + 1)
    gc_store64(&m.stall_ns, m.stall_ns + gc_wall_ns() - began)
