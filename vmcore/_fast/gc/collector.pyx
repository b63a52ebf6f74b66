"""A collection cycle. It stops nobody: it asks each mutator for an answer at that mutator's next safepoint."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.gc.layout cimport (
    ASK_ARM, ASK_BLACK, ASK_DISARM, ASK_PRECISE, ASK_SCAN, BARRIER_CARD, BARRIER_IDLE, BARRIER_INSERT,
    BLOCK_WORDS, CHUNK_BUSY, CHUNK_CLEAN, CHUNK_OWNED, HISTORY, MUTATOR_BORROWED, MUTATOR_PARKED, ROOTS, Cycle, Heap,
    Mutator, RootChunk, Worker, gc_cas32, gc_cas64, gc_load32, gc_load32_acq, gc_load64_acq, gc_load_ptr, gc_nap,
    gc_store32, gc_store32_rel, gc_store64, gc_store64_rel, gc_swap64, gc_thread, gc_wall_ns, pthread_cond_broadcast,
    pthread_cond_signal, pthread_cond_wait, pthread_join, pthread_mutex_lock, pthread_mutex_unlock)
from vmcore._fast.gc.lists cimport list_empty
from vmcore._fast.gc.mark cimport mark_drain, mark_slots, rescan_cards
from vmcore._fast.gc.mutator cimport mutator_answer
from vmcore._fast.gc.sweep cimport sweep_begin, sweep_rest
from vmcore._fast.gc.weak cimport condemn, forget_dead, publish_dead, resurrect, scan_pending

cdef enum:
    PRECLEANS = 3             # rounds over the cards while stores still dirty them


# ---- handshakes

cdef void wait_for_answers(Heap *heap) noexcept nogil:
    cdef Mutator *m
    cdef uint32_t seen, missing
    cdef uint32_t rounds = 0
    while True:
        missing = 0
        pthread_mutex_lock(&heap.registry)
        m = heap.mutators
        while m != NULL:
            if gc_load32_acq(&m.ask):
                seen = MUTATOR_PARKED
                if gc_cas32(&m.state, &seen, MUTATOR_BORROWED):
                    mutator_answer(m)
                    # ORDER: release; the mutator that comes back sees what was done in its name.
                    gc_store32_rel(&m.state, MUTATOR_PARKED)
                else:
                    missing += 1
            m = m.next
        pthread_mutex_unlock(&heap.registry)
        if missing == 0:
            return
        rounds += 1
        gc_nap(20 if rounds < 100 else 500)


cdef void ask(Heap *heap, uint32_t what) noexcept nogil:
    cdef Mutator *m
    pthread_mutex_lock(&heap.registry)
    # Under the lock, so that a mutator is either asked or joins in the state that is asked for.
    if what == ASK_ARM:
        heap.armed = heap.barrier
    elif what == ASK_BLACK:
        heap.black = 1
    elif what == ASK_SCAN:
        heap.scanning = 1
    elif what == ASK_PRECISE:
        heap.armed = BARRIER_INSERT
    elif what == ASK_DISARM:
        heap.armed = BARRIER_IDLE
        heap.black = heap.scanning = 0
    m = heap.mutators
    while m != NULL:
        # ORDER: release; what the answer reads of the heap was written before.
        gc_store32_rel(&m.ask, what)
        m = m.next
    pthread_mutex_unlock(&heap.registry)
    wait_for_answers(heap)


# ---- roots

# Chunks below the one that the mutator scanned itself.
cdef void scan_chunks(Heap *heap, Worker *w, Mutator *m) noexcept nogil:
    cdef RootChunk *chunk = m.scan_from.below
    cdef uint64_t seen
    cdef uint64_t clean = heap.cycle << 2 | CHUNK_CLEAN
    while chunk != NULL:
        seen = gc_load64_acq(&chunk.state)
        if seen == clean:
            # So are all below it: it was scanned on the way down, and whoever changes one of those passes this one.
            return
        # A chunk that is the mutator's again was scanned by it before it became so.
        if seen & 3 != CHUNK_OWNED and gc_cas64(&chunk.state, &seen, CHUNK_BUSY):
            mark_slots(w, chunk.slots, ROOTS)
            # ORDER: release; the slots are read before the mutator may change them.
            gc_store64_rel(&chunk.state, clean)
        chunk = chunk.below


cdef void scan_roots(Heap *heap, Worker *w) noexcept nogil:
    cdef Mutator *m
    pthread_mutex_lock(&heap.registry)
    m = heap.mutators
    while m != NULL:
        if m.scan_from != NULL:
            scan_chunks(heap, w, m)
            m.scan_from = NULL
        # ORDER: release; once the mutator sees that it is black, its roots are marked.
        gc_store32_rel(&m.grey, 0)
        m = m.next
    pthread_mutex_unlock(&heap.registry)


cdef void scan_handles(Heap *heap, Worker *w) noexcept nogil:
    cdef RootChunk *chunk = <RootChunk *>gc_load_ptr(&heap.handles)
    while chunk != NULL:
        mark_slots(w, chunk.slots, ROOTS)
        chunk = chunk.below


# ---- marking

cdef void drain(Heap *heap) noexcept nogil:
    while True:
        gc_store32(&heap.idle, 0)
        if heap.nworkers > 1:
            pthread_mutex_lock(&heap.drain_lock)
            heap.drain_id += 1
            heap.draining = heap.nworkers - 1
            pthread_cond_broadcast(&heap.drain_start)
            pthread_mutex_unlock(&heap.drain_lock)
        mark_drain(&heap.workers[0], heap.nworkers)
        if heap.nworkers > 1:
            pthread_mutex_lock(&heap.drain_lock)
            while heap.draining:
                pthread_cond_wait(&heap.drain_end, &heap.drain_lock)
            pthread_mutex_unlock(&heap.drain_lock)
        if not gc_load32_acq(&heap.overflow):
            return
        # Somebody marked an object and had no room to note it: whatever is marked may have white children.
        gc_store32(&heap.overflow, 0)
        rescan_cards(&heap.workers[0], True)


cdef uint64_t marked(Heap *heap) noexcept nogil:
    cdef uint64_t total = 0
    cdef uint32_t i
    for i in range(heap.nworkers):
        total += heap.workers[i].marked
    return total


cdef void mark_all(Heap *heap, Worker *w) noexcept nogil:
    cdef uint64_t before
    cdef uint32_t _i
    ask(heap, ASK_ARM)
    # From here on every mutator has its barrier on. Only then is an object born black: it will not be scanned, so
    # nobody may fill it without a barrier. And a store that began while others had no barrier yet may have shaded a
    # value that is not the one it overwrites: once everybody has answered again, none is under way any more.
    ask(heap, ASK_BLACK)
    ask(heap, ASK_SCAN)
    scan_roots(heap, w)
    scan_handles(heap, w)
    scan_pending(heap, w)
    drain(heap)
    if heap.barrier == BARRIER_CARD:
        for _i in range(PRECLEANS):
            if rescan_cards(w, False) == 0:
                break
            drain(heap)
        # A mutator that never rests would dirty cards forever. From the next answers on no store hides anything, so
        # the cards that are dirty now are the last.
        ask(heap, ASK_PRECISE)
        rescan_cards(w, False)
        drain(heap)
    while True:
        heap.now.rounds += 1
        before = marked(heap)
        ask(heap, ASK_SCAN)
        scan_roots(heap, w)
        # A round in which nobody had anything: see "Termination" in docs/explanation/collector.md.
        if marked(heap) == before and list_empty(&heap.inbox) and condemn(heap):
            return
        drain(heap)


# ---- the cycle

cdef void begin(Heap *heap) noexcept nogil:
    cdef uint32_t i
    memset(&heap.now, 0, sizeof(Cycle))
    pthread_mutex_lock(&heap.registry)
    heap.cycle += 1
    heap.now.number = heap.cycle
    pthread_mutex_unlock(&heap.registry)
    # Nobody reads this map: all blocks are swept, and the cycle that it belonged to is over for every mutator.
    memset(heap.maps[heap.cycle & 1], 0, <uint64_t>gc_load32(&heap.high) * BLOCK_WORDS * 8)
    gc_store64(&heap.allocated, 0)
    for i in range(heap.nworkers):
        heap.workers[i].marked = heap.workers[i].cpu_ns = heap.workers[i].stolen = 0


cdef void pace(Heap *heap) noexcept nogil:
    # As much again as is live, and never more than half of what is left, so that a cycle ends before the heap is full.
    cdef uint64_t live = heap.now.live_bytes
    cdef uint64_t left = (heap.limit - live) // 2 if live < heap.limit else 0
    cdef uint64_t trigger = live if live > heap.min_trigger else heap.min_trigger
    gc_store64(&heap.trigger, trigger if trigger < left else left)


cdef void end(Heap *heap) noexcept nogil:
    cdef Cycle *now = &heap.now
    cdef uint32_t i
    for i in range(heap.nworkers):
        now.mark_ns += heap.workers[i].cpu_ns
        now.stolen += heap.workers[i].stolen
    now.marked = marked(heap)
    now.shaded = gc_swap64(&heap.shaded, 0)
    now.allocated = gc_swap64(&heap.black_cells, 0)
    now.pause_ns = gc_swap64(&heap.pause_ns, 0)
    now.swept = gc_swap64(&heap.swept_cells, 0)
    now.swept_bytes = gc_swap64(&heap.swept_bytes, 0)
    # What barriers marked was not counted by a worker.
    now.marked += now.shaded


cdef void collect(Heap *heap) noexcept nogil:
    cdef Worker *w = &heap.workers[0]
    cdef uint64_t began = gc_wall_ns()
    begin(heap)
    mark_all(heap, w)
    forget_dead(heap)
    heap.now.finalisable = resurrect(heap, w)
    if heap.now.finalisable:
        drain(heap)
        publish_dead(heap)
    # ORDER: release; the marks are complete.
    gc_store64_rel(&heap.swept_cycle, heap.cycle)
    ask(heap, ASK_DISARM)
    pthread_mutex_lock(&heap.weak_lock)
    heap.condemned = 0
    pthread_mutex_unlock(&heap.weak_lock)
    sweep_begin(heap)
    sweep_rest(heap)
    pace(heap)
    end(heap)
    heap.now.wall_ns = gc_wall_ns() - began


cdef void *collector_main(void *argument) noexcept nogil:
    cdef Heap *heap = <Heap *>argument
    while True:
        pthread_mutex_lock(&heap.cycle_lock)
        while not heap.stopping and heap.done >= heap.wanted:
            pthread_cond_wait(&heap.work, &heap.cycle_lock)
        if heap.stopping:
            pthread_mutex_unlock(&heap.cycle_lock)
            return NULL
        heap.marking = 1
        gc_store32(&heap.requested, 0)
        pthread_mutex_unlock(&heap.cycle_lock)
        collect(heap)
        pthread_mutex_lock(&heap.cycle_lock)
        heap.history[heap.now.number % HISTORY] = heap.now
        heap.total_marked += heap.now.marked
        heap.total_swept += heap.now.swept
        if heap.now.pause_ns > heap.longest_ns:
            heap.longest_ns = heap.now.pause_ns
        heap.marking = 0
        gc_store64_rel(&heap.done, heap.done + 1)
        pthread_cond_broadcast(&heap.finished)
        pthread_mutex_unlock(&heap.cycle_lock)


cdef void *worker_main(void *argument) noexcept nogil:
    cdef Worker *w = <Worker *>argument
    cdef Heap *heap = w.heap
    cdef uint64_t seen = 0
    pthread_mutex_lock(&heap.drain_lock)
    while True:
        while not heap.draining_ended and heap.drain_id == seen:
            pthread_cond_wait(&heap.drain_start, &heap.drain_lock)
        if heap.draining_ended:
            break
        seen = heap.drain_id
        pthread_mutex_unlock(&heap.drain_lock)
        mark_drain(w, heap.nworkers)
        pthread_mutex_lock(&heap.drain_lock)
        heap.draining -= 1
        if heap.draining == 0:
            pthread_cond_signal(&heap.drain_end)
    pthread_mutex_unlock(&heap.drain_lock)
    return NULL


cdef int collector_start(Heap *heap) noexcept nogil:
    cdef uint32_t i
    for i in range(heap.nworkers):
        heap.workers[i].heap = heap
        heap.workers[i].id = i
    if gc_thread(&heap.workers[0].thread, collector_main, heap):
        return -1
    heap.threads = 1
    for i in range(1, heap.nworkers):
        if gc_thread(&heap.workers[i].thread, worker_main, &heap.workers[i]):
            collector_stop(heap)
            return -1
        heap.threads += 1
    return 0


cdef void collector_stop(Heap *heap) noexcept nogil:
    cdef uint32_t i
    if heap.threads == 0:
        return
    pthread_mutex_lock(&heap.cycle_lock)
    gc_store32_rel(&heap.stopping, 1)
    pthread_cond_broadcast(&heap.work)
    pthread_mutex_unlock(&heap.cycle_lock)
    # The collector first: until it is done it needs the others.
    pthread_join(heap.workers[0].thread, NULL)
    pthread_mutex_lock(&heap.drain_lock)
    heap.draining_ended = 1
    pthread_cond_broadcast(&heap.drain_start)
    pthread_mutex_unlock(&heap.drain_lock)
    for i in range(1, heap.threads):
        pthread_join(heap.workers[i].thread, NULL)
    heap.threads = 0
