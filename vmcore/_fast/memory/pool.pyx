"""A bounded pool of objects of one size, named by handles that are checked. See ``pool.pxd``."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmcore._fast.defs cimport vmcore_load32, vmcore_lock, vmcore_store32, vmcore_unlock
from vmcore._fast.memory.alloc cimport vm_alloc, vm_calloc, vm_free

from collections import namedtuple

from vmcore.errors import ClosedError, ConfigError

cdef enum:
    SIZE_MOST = 1 << 30

PoolUse = namedtuple("PoolUse", ("live", "made", "hits", "misses", "refused"))
PoolUse.__doc__ = """What a pool holds.

Attributes
----------
live, made : int
    Objects that are taken, and objects that there are.
hits, misses : int
    How often an object was used again, and how often one had to be made.
refused : int
    How often a handle named no object that was taken.
"""


cdef class MemoryPool:
    """Objects of one size that are used again.

    Parameters
    ----------
    size : int
        Bytes of an object, 1 to 2**30.
    limit : int
        The most objects, 1 to 2**20.

    Raises
    ------
    ConfigError
        One of them is out of range.
    """

    def __cinit__(self, size, limit):
        if not 1 <= size <= SIZE_MOST:
            raise ConfigError(f"pool objects of {size} bytes", hint=f"Allowed are 1 to {SIZE_MOST}")
        if not 1 <= limit <= POOL_LIMIT_MOST:
            raise ConfigError(f"a pool of {limit} objects", hint=f"Allowed are 1 to {POOL_LIMIT_MOST}")
        self.size = size
        self.limit = limit

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.made):
            vm_free(self.entries[i].item)
        vm_free(self.entries)

    cdef uint64_t acquire(self) noexcept nogil:
        cdef uint64_t handle = 0
        cdef Entry *entry = NULL
        vmcore_lock(&self.lock)
        if self.entries == NULL:
            self.entries = <Entry *>vm_calloc(self.limit, sizeof(Entry))
        if self.free:
            entry = &self.entries[self.free - 1]
            self.free = entry.next
            self.hits += 1
        elif self.entries != NULL and self.made < self.limit:
            entry = &self.entries[self.made]
            entry.item = vm_alloc(self.size)
            if entry.item == NULL:
                entry = NULL
            else:
                self.made += 1
                self.misses += 1
        if entry != NULL:
            self.live += 1
            # ORDER: the item is written before this release store shows that there is one.
            vmcore_store32(&entry.serial, entry.serial + 1)
            handle = <uint64_t>entry.serial << 32 | <uint64_t>(entry - self.entries)
        vmcore_unlock(&self.lock)
        return handle

    cdef void *at(self, uint64_t handle) noexcept nogil:
        cdef uint32_t i = <uint32_t>handle
        cdef uint32_t serial = <uint32_t>(handle >> 32)
        if serial & 1 and self.entries != NULL and i < self.limit and vmcore_load32(&self.entries[i].serial) == serial:
            return self.entries[i].item
        return NULL

    cdef bint release(self, uint64_t handle) noexcept nogil:
        cdef uint32_t i = <uint32_t>handle
        cdef bint taken
        vmcore_lock(&self.lock)
        taken = self.at(handle) != NULL
        if taken:
            # Wraps around after 2**31 uses of one entry: only then could a handle name a later object.
            vmcore_store32(&self.entries[i].serial, self.entries[i].serial + 1)
            self.entries[i].next = self.free
            self.free = i + 1
            self.live -= 1
        else:
            self.refused += 1
        vmcore_unlock(&self.lock)
        return taken

    cdef uint8_t *item(self, uint64_t handle) except NULL:
        cdef void *at = self.at(handle)
        if at == NULL:
            raise ClosedError(f"handle {handle:#x} names no object that is taken", hint="Take one from this pool")
        return <uint8_t *>at

    def take(self):
        """Return the handle of a zeroed object, or None while all of them are taken.

        Raises
        ------
        MemoryError
            There is no memory for another object.
        """
        cdef uint64_t handle = self.acquire()
        if handle:
            memset(self.at(handle), 0, self.size)
            return handle
        if self.live < self.limit:
            raise MemoryError(f"no memory for an object of {self.size} bytes")
        return None

    def give(self, uint64_t handle):
        """Give an object back.

        Raises
        ------
        ClosedError
            The handle was given back before, or is another pool's.
        """
        if not self.release(handle):
            raise ClosedError(f"handle {handle:#x} names no object that is taken", hint="Give each back once")

    def read(self, uint64_t handle):
        """Return a copy of an object's bytes.

        Raises
        ------
        ClosedError
            The handle names no object that is taken.
        """
        return PyBytes_FromStringAndSize(<char *>self.item(handle), <Py_ssize_t>self.size)

    def write(self, uint64_t handle, const uint8_t[::1] data, size_t offset=0):
        """Store bytes in an object.

        Raises
        ------
        ClosedError
            The handle names no object that is taken.
        ConfigError
            The bytes do not fit there.
        """
        cdef uint8_t *item = self.item(handle)
        cdef size_t length = <size_t>data.shape[0]
        if offset > self.size or length > self.size - offset:
            raise ConfigError(f"{length} bytes at {offset} do not fit into an object of {self.size} bytes")
        if length:
            memcpy(item + offset, &data[0], length)

    def statistics(self):
        """Return what the pool holds.

        Returns
        -------
        PoolUse
            See there.
        """
        return PoolUse(self.live, self.made, self.hits, self.misses, self.refused)
