"""A bounded queue for any number of producers and consumers: plain records in compiled code, objects in Python."""

import cython

from cpython.exc cimport PyErr_CheckSignals
from cpython.list cimport PyList_New
from cpython.object cimport PyObject, traverseproc, visitproc
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint64_t

from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

from types import GenericAlias

from vmcore.errors import ClosedError, ConfigError

cdef extern from "ring.h" nogil:
    ctypedef enum Waited "VmRingWait":
        ENDED "VMCORE_RING_ENDED"
        LATE "VMCORE_RING_LATE"
        INTERRUPTED "VMCORE_RING_INTERRUPTED"
    ctypedef struct Cell "VmRingCell":
        uint64_t turn
        uint64_t *record
    uint64_t vmcore_ring_bytes(uint64_t size, uint64_t words)
    void vmcore_ring_lay_out(Ring *ring, void *block, uint64_t size, uint64_t words)
    Cell *vmcore_ring_cell(const Ring *ring, uint64_t at, uint64_t words)
    uint64_t vmcore_ring_load(const uint64_t *p)
    uint64_t vmcore_ring_push_any(Ring *ring, const void *records, uint64_t n)
    uint64_t vmcore_ring_pop_any(Ring *ring, void *records, uint64_t n)
    uint64_t vmcore_ring_push_wait(Ring *ring, const void *records, uint64_t n, uint64_t deadline)
    uint64_t vmcore_ring_pop_wait(Ring *ring, void *records, uint64_t n, uint64_t deadline)
    uint64_t vmcore_ring_count(const Ring *ring)
    bint vmcore_ring_closed(const Ring *ring)
    bint vmcore_ring_drained(const Ring *ring)
    void vmcore_ring_close(Ring *ring)
    uint64_t vmcore_ring_now()
    Waited vmcore_ring_await(Ring *ring, Door *door, uint64_t deadline)
    void vmcore_ring_pass_on(Ring *ring, Door *door)

cdef extern from *:
    """
    _Static_assert(sizeof(PyObject *) == 8, "a record of 64 bits holds an object's address");
    #define vmcore_items(list) (((PyListObject *)(list))->ob_item)
    #define vmcore_shorten(list, n) Py_SET_SIZE((PyVarObject *)(list), (n))
    /* With a GIL, whoever moves an object holds it. */
    #ifdef Py_GIL_DISABLED
    #define VMCORE_RING_ALONE 0
    #else
    #define VMCORE_RING_ALONE 1
    #endif
    #define vmcore_owned(record) (record)
    """
    bint ALONE "VMCORE_RING_ALONE"
    PyObject **vmcore_items(list items)
    # Forgets the items from `n` on, which hold nothing.
    void vmcore_shorten(list items, Py_ssize_t n)
    # The reference that the queue held becomes the caller's.
    object vmcore_owned(PyObject *record)

# A wait of 292 years is one without an end; it keeps the sum with the clock inside 64 bits.
cdef uint64_t LONGEST_NS = (<uint64_t>1 << 63) - 1


cdef int ring_init(Ring *ring, uint64_t capacity) noexcept nogil:
    return ring_init_records(ring, capacity, 8)


cdef int ring_init_records(Ring *ring, uint64_t capacity, uint64_t size) noexcept nogil:
    cdef uint64_t cells = RING_LEAST
    cdef uint64_t words = size // 8
    cdef void *block
    ring.cells = NULL
    ring.block = NULL
    if not RING_LEAST <= capacity <= <uint64_t>RING_MOST or size % 8 or not 1 <= words <= <uint64_t>RING_MOST_WORDS:
        return -1
    while cells < capacity:
        cells *= 2
    block = vm_calloc(vmcore_ring_bytes(cells, words), 1)
    if block == NULL:
        return -1
    vmcore_ring_lay_out(ring, block, cells, words)
    return 0


cdef void ring_free(Ring *ring) noexcept nogil:
    vm_free(ring.block)
    ring.block = NULL
    ring.cells = NULL


cdef void ring_close(Ring *ring) noexcept nogil:
    vmcore_ring_close(ring)


cdef uint64_t ring_push(Ring *ring, const uint64_t *records, uint64_t n) noexcept nogil:
    return vmcore_ring_push(ring, records, n, 1, False)


cdef uint64_t ring_pop(Ring *ring, uint64_t *records, uint64_t n) noexcept nogil:
    return vmcore_ring_pop(ring, records, n, 1, False)


cdef uint64_t ring_push_records(Ring *ring, const void *records, uint64_t n) noexcept nogil:
    return vmcore_ring_push_any(ring, records, n)


cdef uint64_t ring_pop_records(Ring *ring, void *records, uint64_t n) noexcept nogil:
    return vmcore_ring_pop_any(ring, records, n)


cdef uint64_t ring_push_wait(Ring *ring, const void *records, uint64_t n, uint64_t deadline) noexcept nogil:
    return vmcore_ring_push_wait(ring, records, n, deadline)


cdef uint64_t ring_pop_wait(Ring *ring, void *records, uint64_t n, uint64_t deadline) noexcept nogil:
    return vmcore_ring_pop_wait(ring, records, n, deadline)


cdef uint64_t ring_deadline(uint64_t ns) noexcept nogil:
    return RING_FOREVER if ns > LONGEST_NS else vmcore_ring_now() + ns


cdef uint64_t ring_count(const Ring *ring) noexcept nogil:
    return vmcore_ring_count(ring)


cdef bint ring_closed(const Ring *ring) noexcept nogil:
    return vmcore_ring_closed(ring)


cdef uint64_t deadline_of(object timeout) except? 0:
    """Return the deadline that is `timeout` seconds from now; None is no deadline."""
    cdef double seconds
    if timeout is None:
        return RING_FOREVER
    try:
        seconds = timeout
    except (TypeError, ValueError):
        raise ConfigError(f"timeout={timeout!r} is not a time", hint="Give seconds, or None to wait forever") from None
    # Written so that a NaN is refused as well.
    if not seconds >= 0:
        raise ConfigError(f"timeout={timeout!r} is not a time", hint="Give seconds that are not negative")
    return ring_deadline(<uint64_t>(seconds * 1e9) if seconds < 9e9 else RING_FOREVER)


cdef inline uint64_t push_objects(Ring *ring, PyObject **objects, uint64_t n) noexcept:
    return vmcore_ring_push(ring, objects, n, 1, ALONE)


cdef inline uint64_t pop_objects(Ring *ring, PyObject **objects, uint64_t n) noexcept:
    return vmcore_ring_pop(ring, objects, n, 1, ALONE)


cdef inline bint push_object(Ring *ring, object item) noexcept:
    cdef PyObject *record = <PyObject *>item
    # The queue owns a reference from the moment another thread can take the object out.
    Py_INCREF(item)
    if push_objects(ring, &record, 1):
        return True
    Py_DECREF(item)
    return False


@cython.trashcan(True)
cdef class RingQueue:
    """A bounded first-in, first-out queue of Python objects that any number of threads may fill and empty.

    :meth:`push` and :meth:`pop` never wait: a full queue refuses, an empty one says so. :meth:`put` and :meth:`get`
    wait; whatever fills, empties or closes the queue wakes them. Nothing takes a lock.

    Parameters
    ----------
    capacity : int
        Objects it holds at most: 2 to 16777216, rounded up to a power of two.

    Raises
    ------
    ConfigError
        `capacity` is out of range.

    Examples
    --------
    >>> queue = RingQueue(4)
    >>> queue.push("a"), queue.push_many("bcdef")
    (True, 3)
    >>> queue.pop(), queue.pop_many()
    ('a', ['b', 'c', 'd'])
    """

    __class_getitem__ = classmethod(GenericAlias)

    def __cinit__(self, capacity):
        if not RING_LEAST <= capacity <= RING_MOST:
            raise ConfigError(f"capacity={capacity!r}: a queue holds {<int>RING_LEAST} to {<int>RING_MOST} objects")
        if ring_init(&self.ring, capacity) < 0:
            raise MemoryError(f"no memory for a queue of {capacity} objects")

    def __dealloc__(self):
        if self.ring.cells != NULL:
            empty(&self.ring)
            ring_free(&self.ring)

    # Without cyfunctions the interpreter calls these through its own fast paths; `/` leaves no names to look up.

    @cython.binding(False)
    def push(self, item, /):
        """Add `item` at the end; False, and nothing is done, when the queue is full.

        Raises
        ------
        ClosedError
            The queue is closed.
        """
        if push_object(&self.ring, item):
            return True
        self.refuse_closed()
        return False

    @cython.binding(False)
    def pop(self, default=None, /):
        """Return the oldest object and remove it; `default` when the queue is empty."""
        cdef PyObject *record
        if pop_objects(&self.ring, &record, 1):
            return vmcore_owned(record)
        return default

    @cython.binding(False)
    def push_many(self, items, /):
        """Add as many of `items`, from the first on, as there is room for; return how many that was.

        Those that find room at once stay together: nothing of another thread comes between them.

        Raises
        ------
        ClosedError
            The queue is closed (or was, before the first was added).
        """
        return self.push_items(items)

    cdef object push_items(self, object items):
        # A copy, which nobody else can change meanwhile.
        cdef list todo = list(items)
        cdef uint64_t total = <uint64_t>len(todo)
        cdef uint64_t done = 0
        cdef uint64_t added, i
        cdef PyObject **records = vmcore_items(todo)
        for i in range(total):
            Py_INCREF(<object>records[i])
        while done < total:
            added = push_objects(&self.ring, records + done, total - done)
            if added == 0:
                break
            done += added
        for i in range(done, total):
            Py_DECREF(<object>records[i])
        if done == 0:
            self.refuse_closed()
        return done

    def pop_many(self, most=None):
        """Return up to `most` objects (None: as many as there are), oldest first, and remove them."""
        cdef uint64_t room = ring_count(&self.ring)
        cdef uint64_t done = 0
        cdef uint64_t n
        cdef list taken
        if most is not None:
            if most < 0:
                raise ConfigError(f"most={most!r}: a number of objects is not negative")
            if most < room:
                room = most
        # What comes later than this is left: producers could keep a consumer busy forever.
        taken = PyList_New(room)
        while done < room:
            # The queue's references become the list's.
            n = pop_objects(&self.ring, vmcore_items(taken) + done, room - done)
            if n == 0:
                break
            done += n
        vmcore_shorten(taken, done)
        return taken

    @cython.binding(False)
    def put(self, item, timeout=None, /):
        """Add `item` at the end, and wait for room if there is none.

        Parameters
        ----------
        item : object
            What is added.
        timeout : float, optional
            How many seconds of the host's clock to wait at most; None is without end.

        Returns
        -------
        bool
            False when there was no room in time; nothing is added then.

        Raises
        ------
        ClosedError
            The queue is closed, or was while this waited.
        """
        if push_object(&self.ring, item):
            return True
        return self.wait_to_push(item, timeout)

    cdef object wait_to_push(self, object item, object timeout):
        cdef uint64_t deadline = deadline_of(timeout)
        cdef Waited why
        # An object goes in and out only while this thread holds the interpreter (the GIL, or an attached thread
        # state): the cycle collector must not see the queue change under it. Without it we only look and sleep.
        while True:
            with nogil:
                why = vmcore_ring_await(&self.ring, &self.ring.freed, deadline)
            if push_object(&self.ring, item):
                vmcore_ring_pass_on(&self.ring, &self.ring.freed)
                return True
            if why == ENDED or why == LATE:
                vmcore_ring_pass_on(&self.ring, &self.ring.freed)
                self.refuse_closed()
                return False
            if why == INTERRUPTED:
                PyErr_CheckSignals()

    @cython.binding(False)
    def get(self, timeout=None, default=None, /):
        """Return the oldest object and remove it; wait for one if there is none.

        Parameters
        ----------
        timeout : float, optional
            How many seconds of the host's clock to wait at most; None is without end.
        default : object
            What is returned when nothing came in time.

        Raises
        ------
        ClosedError
            The queue is closed and empty: nothing will ever come again.
        """
        cdef PyObject *record
        if pop_objects(&self.ring, &record, 1):
            return vmcore_owned(record)
        return self.wait_to_pop(timeout, default)

    cdef object wait_to_pop(self, object timeout, object default):
        cdef uint64_t deadline = deadline_of(timeout)
        cdef PyObject *record
        cdef Waited why
        while True:
            with nogil:
                why = vmcore_ring_await(&self.ring, &self.ring.filled, deadline)
            if pop_objects(&self.ring, &record, 1):
                vmcore_ring_pass_on(&self.ring, &self.ring.filled)
                return vmcore_owned(record)
            if why == ENDED or why == LATE:
                vmcore_ring_pass_on(&self.ring, &self.ring.filled)
                if vmcore_ring_drained(&self.ring):
                    raise ClosedError("the queue is closed and empty")
                return default
            if why == INTERRUPTED:
                PyErr_CheckSignals()

    def close(self):
        """Refuse what is pushed from now on; what is in the queue can still be taken. Closing again does nothing.

        Everybody who waits wakes: :meth:`put` raises, :meth:`get` does when nothing is left.
        """
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
        return vmcore_ring_drained(&self.ring)


# --- the cycle collector
#
# Cython's own traversal knows the attributes of a class, not what lies in the cells. `tracked` is there so that the
# type gets a collector's header at all; its two slots are replaced by ours, which call Cython's for it.

ctypedef int (*inquiry_t)(PyObject *self) noexcept

cdef extern from *:
    ctypedef struct Slots "PyTypeObject":
        traverseproc tp_traverse
        inquiry_t tp_clear

cdef traverseproc traverse_attributes
cdef inquiry_t clear_attributes


cdef void empty(Ring *ring) noexcept:
    cdef PyObject *record
    while pop_objects(ring, &record, 1):
        Py_DECREF(<object>record)


cdef int traverse(PyObject *self, visitproc visit, void *argument) noexcept:
    cdef Ring *ring = &(<RingQueue>self).ring
    cdef Cell *cell
    cdef uint64_t at
    cdef int result = traverse_attributes(self, visit, argument)
    if result or ring.cells == NULL:
        return result
    # Every thread that could move an object stands still, so the cells that hold one are those between head and tail.
    at = ring.head
    while True:
        cell = vmcore_ring_cell(ring, at, 1)
        if vmcore_ring_load(&cell.turn) != at + 1:
            return 0
        result = visit(<PyObject *>cell.record[0], argument)
        if result:
            return result
        at += 1


cdef int clear(PyObject *self) noexcept:
    cdef Ring *ring = &(<RingQueue>self).ring
    if ring.cells != NULL:
        empty(ring)
    return clear_attributes(self)


cdef int collect_cells() except -1:
    global traverse_attributes, clear_attributes
    cdef Slots *slots = <Slots *>RingQueue
    traverse_attributes = slots.tp_traverse
    clear_attributes = slots.tp_clear
    slots.tp_traverse = <traverseproc>traverse
    slots.tp_clear = clear
    return 0


collect_cells()
