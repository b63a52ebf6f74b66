# A bounded queue for any number of producers and consumers, without locks. The algorithm, what each access is ordered
# against, and the layout are in ring.h; docs/explanation/ring.md says why it is right.
#
# A deadline is in nanoseconds of the host's monotonic clock (ring_deadline); RING_FOREVER is none.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "ring.h" nogil:
    const uint64_t RING_FOREVER "VMCORE_RING_FOREVER"

    ctypedef struct Door "VmRingDoor":
        uint32_t sleepers
        uint32_t news

    ctypedef struct Ring "VmRing":
        unsigned char *cells
        uint64_t mask
        uint64_t words
        Door filled
        Door freed
        void *block
        uint64_t tail
        uint64_t head

    uint64_t vmcore_ring_push(Ring *ring, const void *records, uint64_t n, uint64_t words, bint alone)
    uint64_t vmcore_ring_pop(Ring *ring, void *records, uint64_t n, uint64_t words, bint alone)

cdef enum:
    RING_LEAST = 2            # with one cell "full" and "free for the next round" would be the same number
    RING_MOST = 1 << 24
    RING_MOST_WORDS = 512     # a record of 4 KiB

# One record of 64 bits, in line: nothing is called. False: full or closed; empty.
cdef inline bint ring_push_one(Ring *ring, uint64_t record) noexcept nogil:
    return vmcore_ring_push(ring, &record, 1, 1, False) != 0

cdef inline bint ring_pop_one(Ring *ring, uint64_t *record) noexcept nogil:
    return vmcore_ring_pop(ring, record, 1, 1, False) != 0

# Room for `capacity` records of 64 bits, rounded up to a power of two. -1: no memory, or not RING_LEAST to RING_MOST.
cdef int ring_init(Ring *ring, uint64_t capacity) noexcept nogil
# The same for records of `size` bytes: a multiple of 8 up to 4096.
cdef int ring_init_records(Ring *ring, uint64_t capacity, uint64_t size) noexcept nogil
# Nobody may use the ring any more.
cdef void ring_free(Ring *ring) noexcept nogil
# No push succeeds after this; what is in can be taken. Wakes everybody who waits.
cdef void ring_close(Ring *ring) noexcept nogil
# How many of `n` records were added, from the first on, together: no other producer's come between them. 0: full, or
# closed. Wakes those who wait for them.
cdef uint64_t ring_push(Ring *ring, const uint64_t *records, uint64_t n) noexcept nogil
# How many records, at most `n`, were taken into `records`: those that follow each other. 0: empty.
cdef uint64_t ring_pop(Ring *ring, uint64_t *records, uint64_t n) noexcept nogil
# The same for records of the size that the ring was made for.
cdef uint64_t ring_push_records(Ring *ring, const void *records, uint64_t n) noexcept nogil
cdef uint64_t ring_pop_records(Ring *ring, void *records, uint64_t n) noexcept nogil
# The same, but they wait: for room, or for a record. 0: closed (and, to pop, empty), or the deadline has passed.
# Signals do not end the wait.
cdef uint64_t ring_push_wait(Ring *ring, const void *records, uint64_t n, uint64_t deadline) noexcept nogil
cdef uint64_t ring_pop_wait(Ring *ring, void *records, uint64_t n, uint64_t deadline) noexcept nogil
# The deadline that is `ns` nanoseconds from now.
cdef uint64_t ring_deadline(uint64_t ns) noexcept nogil
# Records in it now, those included that a producer is just writing.
cdef uint64_t ring_count(const Ring *ring) noexcept nogil
cdef bint ring_closed(const Ring *ring) noexcept nogil

# Any thread.
cdef class RingQueue:
    # Keeps the object's reference count, which every caller writes, off the lines that every caller reads.
    cdef uint8_t apart[128]
    cdef Ring ring
    cdef object tracked
    cdef int refuse_closed(self) except -1
    cdef object push_items(self, object items)
    cdef object wait_to_push(self, object item, object timeout)
    cdef object wait_to_pop(self, object timeout, object default)
