# A bounded queue for any number of producers and consumers, without locks: a ring of cells, each with a sequence
# number that says whose turn it is (after D. Vyukov's bounded MPMC queue).
#
# Cell i of position p (p & mask == i) holds sequence p when it is free for the producer of p, p + 1 when it holds the
# record of p, and p + capacity when the consumer of p has taken it, which is "free" for the next round. Positions never
# wrap: at 10**9 records a second 63 bits last for 292 years. The top bit of `tail` says that the queue is closed.

from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #define vmcore_ring_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define vmcore_ring_peek(p) __atomic_load_n((p), __ATOMIC_RELAXED)
    #define vmcore_ring_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #define vmcore_ring_or(p, v) __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)
    #define vmcore_ring_claim(p, expected, v) \\
        __atomic_compare_exchange_n((p), (expected), (v), 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
    """
    uint64_t vmcore_ring_load(const uint64_t *p) nogil
    uint64_t vmcore_ring_peek(const uint64_t *p) nogil
    void vmcore_ring_store(uint64_t *p, uint64_t v) nogil
    uint64_t vmcore_ring_or(uint64_t *p, uint64_t v) nogil
    # On failure `expected` becomes what is there; may fail for no reason.
    bint vmcore_ring_claim(uint64_t *p, uint64_t *expected, uint64_t v) nogil

cdef enum:
    RING_LEAST = 2            # with one cell "full" and "free for the next round" would be the same number
    RING_MOST = 1 << 24

cdef struct Cell:
    uint64_t turn
    uint64_t record

# Producers touch `tail` and consumers `head`: each has a cache line of its own.
cdef struct Ring:
    Cell *cells
    uint64_t mask
    uint64_t apart0[6]
    uint64_t tail             # next position to fill
    uint64_t apart1[7]
    uint64_t head             # next position to take
    uint64_t apart2[7]

# Room for `capacity` records, rounded up to a power of two. -1: no memory, or not RING_LEAST to RING_MOST.
cdef int ring_init(Ring *ring, uint64_t capacity) noexcept nogil
# Nobody may use the ring any more.
cdef void ring_free(Ring *ring) noexcept nogil
# No push succeeds after this; what is in can be taken.
cdef void ring_close(Ring *ring) noexcept nogil
# How many of `n` records were added, from the first on, together: no other producer's come between them. 0: full, or
# closed.
cdef uint64_t ring_push(Ring *ring, const uint64_t *records, uint64_t n) noexcept nogil
# How many records, at most `n`, were taken into `records`: those that follow each other. 0: empty.
cdef uint64_t ring_pop(Ring *ring, uint64_t *records, uint64_t n) noexcept nogil
# Records in it now, those included that a producer is just writing.
cdef uint64_t ring_count(const Ring *ring) noexcept nogil
cdef bint ring_closed(const Ring *ring) noexcept nogil

# Any thread.
cdef class RingQueue:
    cdef Ring ring
    cdef int refuse_closed(self) except -1
