"""Guest RAM: banks of anonymous memory, reached by page or by span."""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap

from vmcore._fast.defs cimport gpa_t
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free
from vmcore.errors import ClosedError, ConfigError, MemoryAccessError

cdef extern from "sys/mman.h" nogil:
    int madvise(void *addr, size_t length, int advice)
    int MADV_HUGEPAGE

cdef enum:
    HUGE = 2 << 20


cdef uint8_t *ram_span(Memory *mem, gpa_t gpa, uint64_t n, bint write, uint64_t *got) noexcept nogil:
    cdef Bank *b = find_bank(mem, gpa)
    cdef uint64_t left, page
    got[0] = 0
    if b == NULL or (write and b.readonly) or n == 0:
        return NULL
    left = b.size - (gpa - b.base)
    if n > left:
        n = left
    if write:
        page = (gpa - b.base) >> 12
        while page <= (gpa - b.base + n - 1) >> 12:
            note_write(mem, b, page)
            page += 1
    got[0] = n
    return b.host + (gpa - b.base)


cdef class Ram(Dma):
    """The RAM of a machine, as its devices and its owner see it: by physical address.

    Banks are anonymous mappings, aligned to 2 MiB and asking for huge pages, so an untouched gigabyte costs nothing.
    One thread only: the thread that runs the machine.
    """

    cdef int map_bank(self, gpa_t base, uint64_t size, bint readonly) except -1:
        cdef Memory *mem = self.mem
        cdef Bank *b
        cdef uint64_t length, aligned, low
        cdef void *raw
        cdef uint32_t i
        if mem.nbanks >= MAX_BANKS:
            raise ConfigError(f"a machine has at most {<int>MAX_BANKS} banks of memory")
        if size == 0 or size & (PAGE - 1) or base & (PAGE - 1) or base + size < base or base + size > <uint64_t>1 << 56:
            raise ConfigError(f"memory at {base:#x} of {size:#x} bytes: base and size must be multiples of 4 KiB "
                              "below 2**56")
        for i in range(mem.nbanks):
            b = &mem.banks[i]
            if base < b.base + b.size and b.base < base + size:
                raise ConfigError(f"memory at {base:#x} of {size:#x} bytes overlaps the bank at {b.base:#x}")
        b = &mem.banks[mem.nbanks]
        length = size + HUGE
        raw = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        if raw == MAP_FAILED:
            raise MemoryError(f"the host has no {size:#x} bytes of address space for guest memory")
        # The bank starts on a 2 MiB boundary of the host; what lies before and after is given back.
        low = <uint64_t>raw
        aligned = (low + HUGE - 1) & ~<uint64_t>(HUGE - 1)
        if aligned > low:
            munmap(raw, aligned - low)
        if aligned + size < low + length:
            munmap(<void *>(aligned + size), low + length - aligned - size)
        if size >= HUGE:
            madvise(<void *>aligned, size, MADV_HUGEPAGE)
        b.state = <uint8_t *>vm_calloc(size >> 12, 1)
        if b.state == NULL:
            munmap(<void *>aligned, size)
            raise MemoryError(f"the host has no {size >> 12} bytes for the page states of guest memory")
        b.base = base
        b.size = size
        b.host = <uint8_t *>aligned
        b.readonly = readonly
        mem.nbanks += 1
        return 0

    cdef uint8_t *span(self, uint64_t gpa, uint64_t n, bint write, uint64_t *got) noexcept nogil:
        if self.mem == NULL:
            got[0] = 0
            return NULL
        return ram_span(self.mem, gpa, n, write, got)

    def banks(self):
        """Return the banks as a list of ``(base, size, readonly)``."""
        cdef uint32_t i
        if self.mem == NULL:
            raise ClosedError("the machine is closed")
        return [(self.mem.banks[i].base, self.mem.banks[i].size, bool(self.mem.banks[i].readonly))
                for i in range(self.mem.nbanks)]

    def poke(self, uint64_t gpa, const uint8_t[::1] data):
        """Write `data` at `gpa`, into read-only memory too (loaders put firmware into ROM this way).

        Raises
        ------
        MemoryAccessError
            When a byte would land outside RAM; nothing is written then.
        """
        cdef Bank *b
        cdef uint64_t n = <uint64_t>data.shape[0]
        cdef uint64_t page
        if self.mem == NULL:
            raise ClosedError("the machine is closed")
        if n == 0:
            return
        b = find_bank(self.mem, gpa)
        if b == NULL or n > b.size - (gpa - b.base):
            raise MemoryAccessError(f"{n:#x} bytes at {gpa:#x} do not fit into RAM")
        for page in range((gpa - b.base) >> 12, ((gpa - b.base + n - 1) >> 12) + 1):
            note_write(self.mem, b, page)
        memcpy(b.host + (gpa - b.base), &data[0], n)


cdef int free_banks(Memory *mem) except -1:
    # The owner of `mem` (Core) calls this once no view of the memory is left.
    cdef uint32_t i
    for i in range(mem.nbanks):
        munmap(mem.banks[i].host, mem.banks[i].size)
        vm_free(mem.banks[i].state)
    mem.nbanks = 0
    return 0
