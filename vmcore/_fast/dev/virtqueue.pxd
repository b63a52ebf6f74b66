# The one implementation of split virtqueues (virtio 1.2, section 2.7).

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from vmcore._fast.dev.dma cimport Dma
from vmcore._fast.memory.pool cimport MemoryPool

cdef enum:
    MAX_QUEUE_SIZE = 1024      # a device's largest queue
    MAX_INDIRECT = 1024        # descriptors in an indirect table (drivers go past the queue size there)
    POOLED_SEGMENTS = 32       # of a chain whose row of segments is used again
    MAX_CHAIN_BYTES = 0xffffffff   # 2.7.5.2: a chain never describes 2**32 bytes or more

# One buffer of a chain, checked to be RAM when the chain was popped.
cdef struct Segment:
    uint64_t gpa
    uint64_t size

# A place in a row of segments.
cdef struct Cursor:
    uint32_t segment
    uint64_t offset

cdef class Chain:
    cdef VirtQueue queue
    cdef Dma dma
    cdef readonly uint16_t head
    cdef uint32_t epoch            # of the queue when popped: a reset makes the chain stale
    cdef uint64_t pooled           # the segments' handle in the queue's pool; 0: they are a block of their own
    cdef Segment *segments         # `nread` readable ones, then the writable ones
    cdef uint32_t count
    cdef uint32_t nread
    cdef Cursor reader
    cdef Cursor writer
    cdef readonly uint64_t length      # bytes the device may read, in all
    cdef readonly uint64_t capacity    # bytes the device may write, in all
    cdef readonly uint64_t consumed    # bytes read() and skip() have passed
    cdef readonly uint64_t written     # bytes write() has stored
    cdef int fill(self, const Segment *segments, uint32_t count, uint32_t nread) except -1
    cdef void _advance(self, Cursor *at, uint64_t n) noexcept
    cdef void _skip(self, uint64_t left) noexcept
    cdef void _resume(self, uint64_t consumed, uint64_t written) noexcept
    cdef dict _save(self)

# One thread only: the thread that serves the device.
cdef class VirtQueue:
    cdef readonly uint16_t index
    cdef readonly uint16_t max_size
    # What the driver says; the transport changes these only while the queue is not enabled.
    cdef public uint32_t size
    cdef public uint64_t desc
    cdef public uint64_t driver
    cdef public uint64_t device
    cdef readonly bint enabled
    cdef readonly str broken           # why nothing more is taken from this queue; "" while it works
    cdef readonly bint event_idx
    cdef readonly bint indirect
    cdef Dma dma
    cdef uint32_t ring                 # the size in use: what enable() found good
    cdef uint32_t epoch
    cdef uint16_t next_avail           # the next entry of the available ring to take
    cdef uint16_t next_used            # the next entry of the used ring to fill
    cdef uint16_t signalled            # next_used when the driver was last told
    cdef bint ever_signalled
    cdef dict inflight                 # head -> Chain
    cdef Segment *scratch
    cdef readonly MemoryPool pool      # segments of chains
    cdef const char *_take(self, uint16_t *head, bint *found) noexcept nogil
    cdef const char *_walk(self, uint16_t head, uint32_t *count, uint32_t *nread) noexcept nogil
    cdef const char *_complete(self, uint16_t head, uint32_t written) noexcept nogil
