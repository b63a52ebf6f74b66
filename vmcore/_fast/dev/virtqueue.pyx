"""Split virtqueues (virtio 1.2, section 2.7): the only code that reads rings and descriptors.

Everything in a ring is the guest's word, so each field is fetched once into a local and checked before it is used:

===============================================  ==================================================
what the driver can say wrong                    what is checked
===============================================  ==================================================
queue size, ring addresses (2.7)                 power of two, at most `max_size`; aligned; inside RAM
available index (2.7.13)                         at most `size` entries ahead
head, ``next`` (2.7.5)                           below the table's length
a chain without end                              no longer than its table
order (2.7.4.2)                                  no readable buffer after a writable one
buffers                                          inside RAM, less than 2**32 bytes in all (2.7.5.2)
indirect tables (2.7.5.3)                        negotiated, whole descriptors, at most 1024, not nested, end the chain
one head twice before its completion             refused
===============================================  ==================================================

A violation is no exception: the queue is *broken*, says why in :attr:`VirtQueue.broken` and gives nothing more until
it is reset; the device then asks for that with DEVICE_NEEDS_RESET (2.1.2). Work is bounded by the queue size: one
:meth:`VirtQueue.pop` looks at no more than `size` + 1024 descriptors.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport UINT32_MAX, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.dev.dma cimport Dma
from vmcore._fast.memory.alloc cimport vm_alloc, vm_free
from vmcore._fast.memory.pool cimport MemoryPool
from vmcore.errors import ConfigError, DeviceError

cdef extern from *:
    """
    #define vq_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
    #define vq_release() __atomic_thread_fence(__ATOMIC_RELEASE)
    #define vq_full()    __atomic_thread_fence(__ATOMIC_SEQ_CST)
    """
    void vq_acquire() noexcept nogil
    void vq_release() noexcept nogil
    void vq_full() noexcept nogil

cdef enum:
    DESC_NEXT = 1
    DESC_WRITE = 2
    DESC_INDIRECT = 4
    AVAIL_NO_INTERRUPT = 1
    F_INDIRECT_DESC = 28
    F_EVENT_IDX = 29

# The layout in guest memory (2.7.5), little endian as every host we build for.
cdef packed struct Descriptor:
    uint64_t gpa
    uint32_t size
    uint16_t flags
    uint16_t next

cdef packed struct UsedElement:
    uint32_t head
    uint32_t written


# A chain that a dead cycle of objects takes along still needs its queue, to give its segments back to.
@cython.no_gc_clear
cdef class Chain:
    """A descriptor chain: the bytes the driver gave to the device and the room for the answer.

    Reading and writing walk over buffer borders by themselves (2.7.4.2: a device must not depend on how the driver cut
    the request into buffers). Made by :meth:`VirtQueue.pop`.
    """

    def __dealloc__(self):
        if self.pooled:
            self.queue.pool.release(self.pooled)
        else:
            vm_free(self.segments)

    cdef int fill(self, const Segment *segments, uint32_t count, uint32_t nread) except -1:
        cdef uint32_t i
        if count <= POOLED_SEGMENTS:
            self.pooled = self.queue.pool.acquire()
        if self.pooled:
            self.segments = <Segment *>self.queue.pool.at(self.pooled)
        else:
            # Long, or more chains are held than the queue has entries, those of before a reset included.
            # count is at most MAX_QUEUE_SIZE + MAX_INDIRECT: the product is small.
            self.segments = <Segment *>vm_alloc((count if count else 1) * sizeof(Segment))
        if self.segments == NULL:
            raise MemoryError
        memcpy(self.segments, segments, count * sizeof(Segment))
        self.count = count
        self.nread = nread
        self.length = self.capacity = 0
        for i in range(count):
            if i < nread:
                self.length += segments[i].size
            else:
                self.capacity += segments[i].size
        self.reader.segment = 0
        self.writer.segment = nread
        return 0

    @property
    def readable(self):
        """int: bytes that :meth:`read` can still return."""
        return self.length - self.consumed

    @property
    def writable(self):
        """int: bytes that :meth:`write` can still take."""
        return self.capacity - self.written

    @property
    def stale(self):
        """bool: the queue was reset since the chain was popped; its memory is the driver's again."""
        return self.epoch != self.queue.epoch

    def rewind(self):
        """Begin anew: what was read or written counts as not yet done."""
        self.consumed = self.written = 0
        self.reader.segment = 0
        self.writer.segment = self.nread
        self.reader.offset = self.writer.offset = 0

    def read(self, n=None):
        """Return the next `n` readable bytes (all that are left when None), fewer where the chain ends.

        A chain may describe 4 GiB: a device asks for no more than it is ready to hold.
        """
        cdef uint64_t left = self.length - self.consumed
        if n is not None and n < left:
            left = <uint64_t>max(n, 0)
        if left == 0 or self.epoch != self.queue.epoch:
            return b""
        cdef bytes out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>left)
        cdef uint8_t *to = <uint8_t *>PyBytes_AS_STRING(out)
        cdef uint64_t part
        cdef Segment *s
        self.consumed += left
        while left:
            s = &self.segments[self.reader.segment]
            part = s.size - self.reader.offset
            if part > left:
                part = left
            if not self.dma.fetch(s.gpa + self.reader.offset, to, part):
                # Checked when popped: only memory that was taken from under the device gets here.
                self.queue.fail("a readable buffer is no longer RAM")
                return b""
            to += part
            left -= part
            self._advance(&self.reader, part)
        return out

    def skip(self, n):
        """Pass over `n` readable bytes; returns how many there were."""
        cdef uint64_t left = self.length - self.consumed
        if n < left:
            left = <uint64_t>max(n, 0)
        self._skip(left)
        return left

    cdef void _skip(self, uint64_t left) noexcept:
        cdef uint64_t part
        self.consumed += left
        while left:
            part = self.segments[self.reader.segment].size - self.reader.offset
            if part > left:
                part = left
            left -= part
            self._advance(&self.reader, part)

    def write(self, const uint8_t[::1] data):
        """Store `data` in the next writable bytes; returns how many fitted (0 too when the queue was reset)."""
        cdef uint64_t left = self.capacity - self.written
        if <uint64_t>data.shape[0] < left:
            left = <uint64_t>data.shape[0]
        if left == 0 or self.epoch != self.queue.epoch:
            return 0
        cdef const uint8_t *source = &data[0]
        cdef uint64_t done = left
        cdef uint64_t part
        cdef Segment *s
        while left:
            s = &self.segments[self.writer.segment]
            part = s.size - self.writer.offset
            if part > left:
                part = left
            if not self.dma.store(s.gpa + self.writer.offset, source, part):
                self.queue.fail("a writable buffer cannot be written")
                return 0
            source += part
            left -= part
            self._advance(&self.writer, part)
        self.written += done
        return done

    def write_at(self, uint64_t offset, const uint8_t[::1] data):
        """Store `data` at `offset` of the writable bytes, without moving :meth:`write`'s place or `written`.

        Returns
        -------
        bool
            False, and nothing is stored, when it does not fit or the queue was reset.
        """
        cdef uint64_t left = <uint64_t>data.shape[0]
        if offset > self.capacity or left > self.capacity - offset or self.epoch != self.queue.epoch:
            return False
        if left == 0:
            return True
        cdef const uint8_t *source = &data[0]
        cdef uint32_t i = self.nread
        cdef uint64_t part
        while offset >= self.segments[i].size:
            offset -= self.segments[i].size
            i += 1
        while left:
            part = self.segments[i].size - offset
            if part > left:
                part = left
            if part and not self.dma.store(self.segments[i].gpa + offset, source, part):
                self.queue.fail("a writable buffer cannot be written")
                return False
            source += part
            left -= part
            offset = 0
            i += 1
        return True

    cdef void _advance(self, Cursor *at, uint64_t n) noexcept:
        # n does not pass the end of the segment; empty segments are never stood on while bytes are left.
        at.offset += n
        while at.segment < self.count and at.offset >= self.segments[at.segment].size:
            at.offset = 0
            at.segment += 1

    cdef void _resume(self, uint64_t consumed, uint64_t written) noexcept:
        # Stand where the saved chain stood.
        self._skip(consumed)
        self.written = written
        cdef uint64_t part
        while written:
            part = self.segments[self.writer.segment].size
            if part > written:
                part = written
            written -= part
            self._advance(&self.writer, part)

    cdef dict _save(self):
        return {
            "head": self.head,
            "segments": [[self.segments[i].gpa, self.segments[i].size] for i in range(self.count)],
            "nread": self.nread,
            "consumed": self.consumed,
            "written": self.written,
        }

    def __repr__(self):
        return f"<Chain {self.head}: {self.length} readable, {self.capacity} writable>"


cdef class VirtQueue:
    """One split virtqueue, the device's side.

    Parameters
    ----------
    index : int
        Number of the queue in its device.
    max_size : int
        Largest size the driver may choose: a power of two, at most 1024.

    Attributes
    ----------
    size, desc, driver, device : int
        Queue size and the addresses of the descriptor table, the available ring and the used ring, as the driver set
        them. They take effect, and are checked, in :meth:`enable`.
    broken : str
        What the driver did wrong, or "".
    pool : MemoryPool
        Where chains keep their segments; its statistics say how often they were used again.
    """

    def __cinit__(self, index, max_size):
        if not 1 <= max_size <= MAX_QUEUE_SIZE or max_size & (max_size - 1):
            raise ConfigError(f"queue size {max_size}: allowed are the powers of two up to {MAX_QUEUE_SIZE}")
        self.index = index
        self.max_size = max_size
        self.scratch = <Segment *>vm_alloc((<size_t>self.max_size + MAX_INDIRECT) * sizeof(Segment))
        if self.scratch == NULL:
            raise MemoryError
        self.pool = MemoryPool(POOLED_SEGMENTS * sizeof(Segment), self.max_size)
        self.epoch = 0
        self.reset()

    def __dealloc__(self):
        vm_free(self.scratch)

    def reset(self):
        """Forget everything the driver said, chains in flight included (2.6.1, 4.1.4.3.2)."""
        self.epoch += 1
        self.size = self.max_size
        self.desc = self.driver = self.device = 0
        self.enabled = self.event_idx = self.indirect = self.ever_signalled = False
        self.broken = ""
        self.next_avail = self.next_used = self.signalled = 0
        self.inflight = {}
        self.ring = 0
        self.dma = None

    def fail(self, reason):
        """Break the queue: the driver did something the device cannot go on from. The first reason stays."""
        if not self.broken:
            self.broken = reason

    def enable(self, Dma memory, uint64_t features):
        """Start the queue with what the driver has set.

        Parameters
        ----------
        memory : Dma
            Guest memory.
        features : int
            The negotiated feature bits.

        Returns
        -------
        bool
            False when size or addresses are not allowed: the queue is then broken.
        """
        cdef uint64_t n = self.size
        self.dma = memory
        self.event_idx = (features >> F_EVENT_IDX) & 1
        self.indirect = (features >> F_INDIRECT_DESC) & 1
        self.enabled = True
        if n == 0 or n > self.max_size or n & (n - 1):
            self.fail("the queue size is not a power of two up to the largest allowed")
        elif self.desc & 15 or self.driver & 1 or self.device & 3:
            self.fail("a ring address is not aligned")
        elif not (
            memory.covers(self.desc, 16 * n)
            and memory.covers(self.driver, 6 + 2 * n)
            and memory.covers(self.device, 6 + 8 * n)
        ):
            self.fail("a ring is not inside RAM")
        self.ring = 0 if self.broken else <uint32_t>n
        return not self.broken

    def pop(self):
        """Take the next available chain.

        Returns
        -------
        Chain or None
            None when there is none or the queue is not enabled or broken.
        """
        cdef uint16_t head
        cdef bint found = False
        cdef uint32_t count, nread
        cdef const char *wrong
        if not self.enabled or self.broken:
            return None
        wrong = self._take(&head, &found)
        if wrong == NULL and not found:
            return None
        if wrong == NULL and head in self.inflight:
            wrong = b"a head is available again before it was used"
        if wrong == NULL:
            wrong = self._walk(head, &count, &nread)
        if wrong != NULL:
            self.fail((<bytes>wrong).decode())
            return None
        cdef Chain chain = Chain.__new__(Chain)
        chain.queue = self
        chain.dma = self.dma
        chain.epoch = self.epoch
        chain.head = head
        chain.fill(self.scratch, count, nread)
        self.inflight[head] = chain
        # Only now: an error on the way (no host memory) leaves the chain available.
        self.next_avail += 1
        return chain

    cdef const char *_take(self, uint16_t *head, bint *found) noexcept nogil:
        # The head at next_avail, without moving on. Empty: ask for a doorbell, then look once more (2.7.10).
        cdef uint16_t idx, ahead
        cdef uint32_t attempt
        for attempt in range(2):
            if not self.dma.fetch(self.driver + 2, &idx, 2):
                return b"the available ring is not inside RAM"
            ahead = <uint16_t>(idx - self.next_avail)
            if ahead > self.ring:
                return b"the available index is more than the queue size ahead"
            if ahead:
                break
            if not self.event_idx or attempt:
                return NULL
            if not self.dma.store(self.device + 4 + 8 * <uint64_t>self.ring, &self.next_avail, 2):
                return b"the used ring cannot be written"
            # ORDER: avail_event is seen by the driver before we look again, or both would wait for the other.
            vq_full()
        # ORDER: entries are read after the index that published them.
        vq_acquire()
        if not self.dma.fetch(self.driver + 4 + 2 * <uint64_t>(self.next_avail & (self.ring - 1)), head, 2):
            return b"the available ring is not inside RAM"
        if head[0] >= self.ring:
            return b"a head is past the descriptor table"
        found[0] = True
        return NULL

    cdef const char *_walk(self, uint16_t head, uint32_t *count, uint32_t *nread) noexcept nogil:
        # The chain's buffers into `scratch`. A table is walked for at most as many steps as it has descriptors.
        cdef Descriptor d
        cdef uint64_t table = self.desc
        cdef uint32_t length = self.ring
        cdef uint32_t i = head
        cdef uint32_t steps = 0
        cdef uint32_t n = 0
        cdef uint32_t readable = 0
        cdef bint inside = False
        cdef uint64_t total = 0
        while True:
            if i >= length:
                return b"a descriptor's next is past its table"
            if steps >= length:
                return b"a descriptor chain is a loop"
            steps += 1
            if not self.dma.fetch(table + 16 * <uint64_t>i, &d, 16):
                return b"a descriptor table is not inside RAM"
            if d.flags & DESC_INDIRECT:
                if not self.indirect:
                    return b"an indirect table without the feature"
                if inside:
                    return b"an indirect table inside another"
                if d.flags & DESC_NEXT:
                    return b"an indirect table does not end its chain"
                if d.size == 0 or d.size & 15 or d.size >> 4 > MAX_INDIRECT:
                    return b"an indirect table's length is not allowed"
                if not self.dma.covers(d.gpa, d.size):
                    return b"an indirect table is not inside RAM"
                inside = True
                table = d.gpa
                length = d.size >> 4
                i = steps = 0
                continue
            if d.flags & DESC_WRITE == 0:
                if n > readable:
                    return b"a readable buffer after a writable one"
                readable += 1
            if not self.dma.covers(d.gpa, d.size):
                return b"a buffer is not inside RAM"
            total += d.size
            if total > MAX_CHAIN_BYTES:
                return b"a chain of 2**32 bytes or more"
            self.scratch[n].gpa = d.gpa
            self.scratch[n].size = d.size
            n += 1
            if d.flags & DESC_NEXT == 0:
                break
            i = d.next
        count[0] = n
        nread[0] = readable
        return NULL

    def push(self, Chain chain not None, written=None):
        """Give a chain back to the driver.

        Parameters
        ----------
        chain : Chain
            From :meth:`pop` or :meth:`pending`.
        written : int, optional
            Bytes stored at the start of its writable part (2.7.8); what :meth:`Chain.write` stored by default.

        Returns
        -------
        bool
            False when the queue was reset or broke meanwhile: the driver then knows nothing of the chain.

        Raises
        ------
        DeviceError
            The chain is of another queue, was pushed already, or `written` is more than its capacity.
        """
        if chain.queue is not self:
            raise DeviceError(f"a chain of queue {chain.queue.index} was pushed to queue {self.index}")
        if chain.epoch != self.epoch or self.broken:
            return False
        if self.inflight.get(chain.head) is not chain:
            raise DeviceError(f"chain {chain.head} of queue {self.index} was pushed already")
        cdef uint64_t size = chain.written if written is None else written
        if size > chain.capacity:
            raise DeviceError(f"{size} bytes written to chain {chain.head}, its capacity is {chain.capacity}")
        del self.inflight[chain.head]
        cdef const char *wrong = self._complete(chain.head, <uint32_t>min(size, <uint64_t>UINT32_MAX))
        if wrong != NULL:
            self.fail((<bytes>wrong).decode())
            return False
        return True

    cdef const char *_complete(self, uint16_t head, uint32_t written) noexcept nogil:
        cdef UsedElement element
        cdef uint16_t idx = <uint16_t>(self.next_used + 1)
        element.head = head
        element.written = written
        if not self.dma.store(self.device + 4 + 8 * <uint64_t>(self.next_used & (self.ring - 1)), &element, 8):
            return b"the used ring cannot be written"
        # ORDER: data and element are visible before the index that publishes them (2.7.8.2).
        vq_release()
        if not self.dma.store(self.device + 2, &idx, 2):
            return b"the used ring cannot be written"
        self.next_used = idx
        return NULL

    def notify_needed(self):
        """Whether the driver wants an interrupt for what was pushed since the last call (2.7.7)."""
        cdef uint16_t word, old
        if not self.enabled or self.broken or (self.ever_signalled and self.signalled == self.next_used):
            return False
        if not self.ever_signalled and self.next_used == 0:
            return False
        # ORDER: the used index is out before the driver's wish is read, or an interrupt could be lost.
        vq_full()
        if not self.dma.fetch(self.driver + (4 + 2 * <uint64_t>self.ring if self.event_idx else 0), &word, 2):
            self.fail("the available ring is not inside RAM")
            return False
        old = self.signalled
        # 2.7.7.1: with used_event == e, tell when the index passed e + 1 since the last time. Without the feature a
        # flag says no, and what was not told is then not told later.
        if self.event_idx:
            wanted = not self.ever_signalled or <uint16_t>(self.next_used - word - 1) < <uint16_t>(self.next_used - old)
        else:
            wanted = not word & AVAIL_NO_INTERRUPT
        self.signalled = self.next_used
        self.ever_signalled = True
        return wanted

    def pending(self):
        """Return the chains that were popped and not pushed, oldest first (what a restored device goes on with)."""
        return list(self.inflight.values())

    def save(self):
        """Return the whole state as a dict of plain values."""
        return {
            "size": self.size,
            "desc": self.desc,
            "driver": self.driver,
            "device": self.device,
            "enabled": bool(self.enabled),
            "broken": self.broken,
            "event_idx": bool(self.event_idx),
            "indirect": bool(self.indirect),
            "next_avail": self.next_avail,
            "next_used": self.next_used,
            "signalled": self.signalled,
            "ever_signalled": bool(self.ever_signalled),
            "inflight": [(<Chain>chain)._save() for chain in self.inflight.values()],
        }

    def load(self, state, Dma memory):
        """Take the state that :meth:`save` returned; chains in flight come back through :meth:`pending`.

        Parameters
        ----------
        state : dict
            From :meth:`save`.
        memory : Dma
            Guest memory of this queue's machine.

        Raises
        ------
        DeviceError
            The state is not one of such a queue. The queue is then reset.
        """
        self.reset()
        try:
            self._load(state, memory)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            self.reset()
            raise DeviceError(
                f"the saved state of virtqueue {self.index} is damaged ({type(error).__name__}: {error})",
                hint="Load what save() of the same device returned",
            ) from None

    def _load(self, state, Dma memory):
        cdef Chain chain
        cdef uint32_t i
        cdef uint64_t total
        # Everything is taken out (and so type- and range-checked by C) before it is used.
        enabled, inflight = state["enabled"], state["inflight"]
        if enabled is True:
            self.dma = memory
        elif enabled is not False or inflight:
            raise ValueError("enabled")
        self.size = state["size"]
        if enabled and not state["broken"] and (not 0 < self.size <= self.max_size or self.size & (self.size - 1)):
            raise ValueError(f"size {self.size}")
        self.ring = self.size if enabled and self.size <= self.max_size else 0
        self.desc, self.driver, self.device = state["desc"], state["driver"], state["device"]
        self.event_idx, self.indirect, self.ever_signalled = (
            state["event_idx"], state["indirect"], state["ever_signalled"])
        self.next_avail, self.next_used, self.signalled = state["next_avail"], state["next_used"], state["signalled"]
        if not isinstance(state["broken"], str):
            raise ValueError("broken")
        self.broken = state["broken"]
        self.enabled = enabled
        for one in inflight:
            segments = one["segments"]
            if len(segments) > self.max_size + MAX_INDIRECT or not 0 <= one["nread"] <= len(segments):
                raise ValueError("segments")
            total = 0
            for i, (gpa, size) in enumerate(segments):
                self.scratch[i].gpa = gpa
                self.scratch[i].size = size
                if self.scratch[i].size > UINT32_MAX or not memory.covers(self.scratch[i].gpa, self.scratch[i].size):
                    raise ValueError("a buffer outside RAM")
                total += self.scratch[i].size
            chain = Chain.__new__(Chain)
            chain.queue, chain.dma, chain.epoch, chain.head = self, memory, self.epoch, one["head"]
            chain.fill(self.scratch, <uint32_t>len(segments), <uint32_t>one["nread"])
            if (
                total > MAX_CHAIN_BYTES or chain.head in self.inflight or chain.head >= self.ring
                or not 0 <= one["consumed"] <= chain.length or not 0 <= one["written"] <= chain.capacity
            ):
                raise ValueError("a chain")
            chain._resume(one["consumed"], one["written"])
            self.inflight[chain.head] = chain
