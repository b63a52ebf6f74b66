"""A bounded queue for any number of producers and consumers: records of 64 bits in compiled code, objects in Python."""

from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int64_t, uint64_t

from vmcore._fast.memory.alloc cimport vm_calloc, vm_free
from vmcore.errors import ClosedError, ConfigError

cdef uint64_t CLOSED = <uint64_t>1 << 63

cdef enum:
    BATCH = 64                # objects that pop_many takes at a time


cdef int ring_init(Ring *ring, uint64_t capacity) noexcept nogil:
    cdef uint64_t size = RING_LEAST
    cdef uint64_t i
    ring.cells = NULL
    if not RING_LEAST <= capacity <= <uint64_t>RING_MOST:
        return -1
    while size < capacity:
        size *= 2
    ring.cells = <Cell *>vm_calloc(size, sizeof(Cell))
    if ring.cells == NULL:
        return -1
    for i in range(size):
        ring.cells[i].turn = i
    ring.mask = size - 1
    ring.tail = ring.head = 0
    return 0


cdef void ring_free(Ring *ring) noexcept nogil:
    vm_free(ring.cells)
    ring.cells = NULL


cdef void ring_close(Ring *ring) noexcept nogil:
    # Producers claim positions by compare-and-swap on this word, so none succeeds once the bit is there.
    vmcore_ring_or(&ring.tail, CLOSED)


cdef uint64_t ring_push(Ring *ring, const uint64_t *records, uint64_t n) noexcept nogil:
    # ORDER: relaxed; a stale position only makes the claim below fail.
    cdef uint64_t at = vmcore_ring_peek(&ring.tail)
    cdef uint64_t free, i
    cdef Cell *cell
    cdef int64_t late
    while n:
        if at & CLOSED:
            return 0
        free = 0
        late = 0
        while free < n and free <= ring.mask:
            cell = &ring.cells[(at + free) & ring.mask]
            # ORDER: acquire; the consumer that freed the cell has read the old record before we overwrite it.
            late = <int64_t>(vmcore_ring_load(&cell.turn) - (at + free))
            if late:
                break
            free += 1
        if free == 0:
            if late < 0:
                # The record of the round before is still there. But is `at` still the tail?
                i = vmcore_ring_peek(&ring.tail)
                if i == at:
                    return 0
                at = i
            else:
                at = vmcore_ring_peek(&ring.tail)
            continue
        # A free cell changes only by the producer that owns its position; while the tail is `at`, nobody does.
        # ORDER: relaxed; the claim decides who writes, the cells' turns publish what was written.
        if not vmcore_ring_claim(&ring.tail, &at, at + free):
            continue
        for i in range(free):
            cell = &ring.cells[(at + i) & ring.mask]
            cell.record = records[i]
            # ORDER: the record is written before this release store shows it to consumers.
            vmcore_ring_store(&cell.turn, at + i + 1)
        return free
    return 0


cdef uint64_t ring_pop(Ring *ring, uint64_t *records, uint64_t n) noexcept nogil:
    # ORDER: relaxed; a stale position only makes the claim below fail.
    cdef uint64_t at = vmcore_ring_peek(&ring.head)
    cdef uint64_t ready, i
    cdef Cell *cell
    cdef int64_t late
    while n:
        ready = 0
        late = 0
        while ready < n and ready <= ring.mask:
            cell = &ring.cells[(at + ready) & ring.mask]
            # ORDER: acquire; what the producer wrote before it stored this turn is visible from here on.
            late = <int64_t>(vmcore_ring_load(&cell.turn) - (at + ready + 1))
            if late:
                break
            ready += 1
        if ready == 0:
            i = vmcore_ring_peek(&ring.head)
            if late < 0 and i == at:
                return 0
            at = i
            continue
        # ORDER: relaxed; the claim decides who reads. The records were acquired above, cell by cell.
        if not vmcore_ring_claim(&ring.head, &at, at + ready):
            continue
        for i in range(ready):
            cell = &ring.cells[(at + i) & ring.mask]
            records[i] = cell.record
            # ORDER: the record is read before this release store gives the cell to the producers of the next round.
            vmcore_ring_store(&cell.turn, at + i + ring.mask + 1)
        return ready
    return 0


cdef uint64_t ring_count(const Ring *ring) noexcept nogil:
    # The head is read first: it never passes the tail, so the difference is no underflow.
    cdef uint64_t head = vmcore_ring_load(&ring.head)
    cdef uint64_t count = (vmcore_ring_load(&ring.tail) & ~CLOSED) - head
    # Between the two reads others may have moved both.
    return count if count <= ring.mask + 1 else ring.mask + 1


cdef bint ring_closed(const Ring *ring) noexcept nogil:
    return (vmcore_ring_load(&ring.tail) & CLOSED) != 0


cdef class RingQueue:
    """A bounded first-in, first-out queue of Python objects that any number of threads may fill and empty.

    No call waits and none takes a lock: a full queue refuses, an empty one says so.

    Parameters
    ----------
    capacity : int
        Objects it holds at most: 2 to 16777216, rounded up to a power of two.

    Raises
    ------
    ConfigError
        `capacity` is out of range.

    Notes
    -----
    The cycle collector does not look inside: do not put an object into a queue that the object itself keeps alive.

    Examples
    --------
    >>> queue = RingQueue(4)
    >>> queue.push("a"), queue.push_many("bcdef")
    (True, 3)
    >>> queue.pop(), queue.pop_many()
    ('a', ['b', 'c', 'd'])
    """

    def __cinit__(self, capacity):
        if not RING_LEAST <= capacity <= RING_MOST:
            raise ConfigError(f"capacity={capacity!r}: a queue holds {<int>RING_LEAST} to {<int>RING_MOST} objects")
        if ring_init(&self.ring, capacity) < 0:
            raise MemoryError(f"no memory for a queue of {capacity} objects")

    def __dealloc__(self):
        cdef uint64_t record
        if self.ring.cells == NULL:
            return
        while ring_pop(&self.ring, &record, 1):
            Py_DECREF(<object><PyObject *>record)
        ring_free(&self.ring)

    def push(self, item):
        """Add `item` at the end; False, and nothing is done, when the queue is full.

        Raises
        ------
        ClosedError
            The queue is closed.
        """
        cdef uint64_t record = <uint64_t><PyObject *>item
        # The queue owns a reference from the moment another thread can take the object out.
        Py_INCREF(item)
        if ring_push(&self.ring, &record, 1):
            return True
        Py_DECREF(item)
        self.refuse_closed()
        return False

    def push_many(self, items):
        """Add as many of `items`, from the first on, as there is room for; return how many that was.

        Up to 64 at a time stay together: nothing of another thread comes between them.

        Raises
        ------
        ClosedError
            The queue is closed (or was, before the first was added).
        """
        cdef uint64_t records[BATCH]
        cdef list todo = list(items)
        cdef uint64_t total = <uint64_t>len(todo)
        cdef uint64_t done = 0
        cdef uint64_t n, i, added
        while done < total:
            n = total - done if total - done < <uint64_t>BATCH else BATCH
            for i in range(n):
                item = todo[done + i]
                Py_INCREF(item)
                records[i] = <uint64_t><PyObject *>item
            added = ring_push(&self.ring, records, n)
            for i in range(added, n):
                Py_DECREF(<object><PyObject *>records[i])
            done += added
            if added < n:
                break
        if done == 0:
            self.refuse_closed()
        return done

    def pop(self, default=None):
        """Return the oldest object and remove it; `default` when the queue is empty."""
        cdef uint64_t record
        if not ring_pop(&self.ring, &record, 1):
            return default
        item = <object><PyObject *>record
        # The queue's reference goes; `item` has its own.
        Py_DECREF(item)
        return item

    def pop_many(self, most=None):
        """Return up to `most` objects (None: as many as there are), oldest first, and remove them."""
        cdef uint64_t records[BATCH]
        cdef uint64_t left, n, i
        if most is not None and most < 0:
            raise ConfigError(f"most={most!r}: a number of objects is not negative")
        # Without a limit one round of the ring is enough: producers could keep a consumer busy forever.
        left = self.ring.mask + 1
        if most is not None and most < left:
            left = most
        taken = []
        while left:
            n = ring_pop(&self.ring, records, left if left < <uint64_t>BATCH else BATCH)
            if n == 0:
                break
            for i in range(n):
                item = <object><PyObject *>records[i]
                taken.append(item)
                Py_DECREF(item)
            left -= n
        return taken

    def close(self):
        """Refuse what is pushed from now on; what is in the queue can still be taken. Closing again does nothing."""
        ring_close(&self.ring)

    cdef int refuse_closed(self) except -1:
        if ring_closed(&self.ring):
            raise ClosedError("the queue is closed")
        return 0

    def __len__(self):
        return <Py_ssize_t>ring_count(&self.ring)

    def __bool__(self):
        # A queue is true even when it is empty, so that `queue or other` does what it says.
        return True

    @property
    def capacity(self):
        """int: how many objects it holds at most."""
        return self.ring.mask + 1

    @property
    def empty(self):
        """bool: whether there is nothing in it; another thread may change that at any time."""
        return ring_count(&self.ring) == 0

    @property
    def full(self):
        """bool: whether there is no room; another thread may change that at any time."""
        return ring_count(&self.ring) > self.ring.mask

    @property
    def closed(self):
        """bool: whether it refuses what is pushed."""
        return ring_closed(&self.ring)

    @property
    def drained(self):
        """bool: whether it is closed and everything was taken: nothing will ever come again."""
        return ring_closed(&self.ring) and ring_count(&self.ring) == 0
