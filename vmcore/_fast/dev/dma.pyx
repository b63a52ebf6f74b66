"""Guest physical memory as a device sees it.

:class:`Dma` is the accessor that every compiled device uses and that implements the ``GuestMemory`` protocol of
:mod:`vmcore.devices.base` for devices in Python. The machine's RAM is a subclass; :class:`BufferDma` is another one,
over ordinary Python buffers, for embedders and tests.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport UINT64_MAX, uint8_t, uint64_t
from libc.string cimport memcpy

from vmcore.errors import ConfigError, MemoryAccessError


cdef class _View:
    # The exporter behind a memoryview made by Dma.view: keeps the Dma alive and counts itself on it.
    cdef Dma dma
    cdef uint8_t *host
    cdef Py_ssize_t size

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.host, self.size, 0, flags)
        self.dma.views += 1

    def __releasebuffer__(self, Py_buffer *buffer):
        self.dma.views -= 1


cdef class Dma:
    """Guest physical memory, by address. One thread only: the one that serves the device."""

    cdef uint8_t *span(self, uint64_t gpa, uint64_t n, bint write, uint64_t *got) noexcept nogil:
        return NULL

    cdef bint covers(self, uint64_t gpa, uint64_t n) noexcept nogil:
        cdef uint64_t got
        if n == 0:
            return True
        if n - 1 > UINT64_MAX - gpa:
            return False
        while n:
            if self.span(gpa, n, False, &got) == NULL:
                return False
            gpa += got
            n -= got
        return True

    cdef bint fetch(self, uint64_t gpa, void *into, uint64_t n) noexcept nogil:
        cdef uint64_t got
        cdef uint8_t *host
        cdef uint8_t *to = <uint8_t *>into
        if n and n - 1 > UINT64_MAX - gpa:
            return False
        while n:
            host = self.span(gpa, n, False, &got)
            if host == NULL:
                return False
            memcpy(to, host, got)
            gpa += got
            to += got
            n -= got
        return True

    cdef bint store(self, uint64_t gpa, const void *data, uint64_t n) noexcept nogil:
        cdef uint64_t got
        cdef uint8_t *host
        cdef const uint8_t *source = <const uint8_t *>data
        if n and n - 1 > UINT64_MAX - gpa:
            return False
        while n:
            host = self.span(gpa, n, True, &got)
            if host == NULL:
                return False
            memcpy(host, source, got)
            gpa += got
            source += got
            n -= got
        return True

    def read(self, uint64_t gpa, uint64_t n):
        """Return `n` bytes of guest memory.

        Parameters
        ----------
        gpa : int
            Guest physical address.
        n : int
            Number of bytes.

        Returns
        -------
        bytes

        Raises
        ------
        MemoryAccessError
            Some of the bytes are not RAM.
        """
        # The check comes first: a length from the guest must not make the host allocate it.
        if not self.covers(gpa, n):
            raise _outside(gpa, n)
        cdef bytes out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>n)
        self.fetch(gpa, PyBytes_AS_STRING(out), n)
        return out

    def write(self, uint64_t gpa, const uint8_t[::1] data):
        """Copy `data` into guest memory; nothing is written unless all of it is RAM.

        Raises
        ------
        MemoryAccessError
            Some of the bytes are not RAM, or are read-only.
        """
        cdef uint64_t n = <uint64_t>data.shape[0]
        if n == 0:
            return
        if not self.covers(gpa, n) or not self.store(gpa, &data[0], n):
            raise _outside(gpa, n)

    def view(self, uint64_t gpa, uint64_t n):
        """Return a writable memoryview of `n` bytes of guest memory, without a copy.

        The bytes count as written from now on. The memory stays mapped while the view lives.

        Raises
        ------
        MemoryAccessError
            The bytes are not RAM or do not lie together in one bank.
        """
        cdef uint64_t got = 0
        cdef uint8_t *host = NULL
        if n and self.covers(gpa, n):
            host = self.span(gpa, n, True, &got)
        if host == NULL or got != n:
            raise _outside(gpa, n)
        cdef _View exporter = _View.__new__(_View)
        exporter.dma = self
        exporter.host = host
        exporter.size = <Py_ssize_t>n
        return memoryview(exporter)


cdef object _outside(uint64_t gpa, uint64_t n):
    return MemoryAccessError(
        f"guest physical {gpa:#x} with {n:#x} bytes is not (all) RAM",
        hint="Use an address inside one of the machine's memory banks",
    )


cdef class BufferDma(Dma):
    """Guest memory over writable Python buffers.

    Parameters
    ----------
    *banks : tuple of (int, buffer)
        Guest physical base and a writable, contiguous buffer (``bytearray``, ``mmap``, numpy array); up to 8, which
        must not overlap.

    Examples
    --------
    >>> ram = bytearray(4096)
    >>> memory = BufferDma((0x8000_0000, ram))
    >>> memory.write(0x8000_0010, b"hi")
    >>> bytes(ram[16:18])
    b'hi'
    """

    def __cinit__(self, *banks):
        cdef uint8_t[::1] whole
        if not 1 <= len(banks) <= MAX_BUFFERS:
            raise ConfigError(f"{len(banks)} banks given, allowed are 1 to {MAX_BUFFERS}")
        ends = []
        views = []
        self.nbanks = 0
        for gpa, buffer in banks:
            view = memoryview(buffer).cast("B")
            if view.readonly or not view.nbytes:
                raise ConfigError(f"the buffer of bank {gpa:#x} is read-only or empty: give a writable one")
            if gpa < 0 or gpa + view.nbytes > 1 << 64 or any(gpa < e and b < gpa + view.nbytes for b, e in ends):
                raise ConfigError(f"bank {gpa:#x} of {view.nbytes:#x} bytes overlaps another or passes 2**64")
            ends.append((gpa, gpa + view.nbytes))
            views.append(view)
        for (gpa, _), view in zip(banks, views):
            whole = view
            self.banks[self.nbanks].gpa = gpa
            self.banks[self.nbanks].size = <uint64_t>whole.shape[0]
            self.banks[self.nbanks].host = &whole[0]
            self.nbanks += 1
        self.held = views

    cdef uint8_t *span(self, uint64_t gpa, uint64_t n, bint write, uint64_t *got) noexcept nogil:
        cdef uint32_t i
        cdef uint64_t off
        for i in range(self.nbanks):
            off = gpa - self.banks[i].gpa
            if off < self.banks[i].size:
                got[0] = n if n < self.banks[i].size - off else self.banks[i].size - off
                return self.banks[i].host + off
        return NULL
