# Physical memory: RAM banks and the table of MMIO regions.
#
# Guest RAM is reached only through page_r / page_w / ram_span: they are where a later snapshot may answer another
# host page, and where a write is noted (dirty, code).

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport gpa_t, mmio_read_t, mmio_write_t, vmcore_or8
from vmcore._fast.dev.dma cimport Dma

cdef enum:
    MAX_BANKS = 8
    MAX_REGIONS = 64
    PAGE = 4096
    # State of a physical page (one byte each).
    PG_CODE = 1               # there is code made from it; without PG_MARKED no hart has a write entry
    PG_MARKED = 2             # ... and it may have been written since: looked at by every fence.i
    PG_DIRTY = 4              # written since the flag was cleared
    PG_WRITABLE = 8           # some hart may have a write entry
    PG_WATCH = 16             # never gets a write entry (HTIF)

cdef struct Bank:
    gpa_t base
    uint64_t size
    uint8_t *host
    uint8_t *state
    bint readonly

cdef struct Region:
    gpa_t base
    uint64_t size
    mmio_read_t read          # NULL: a Python device
    mmio_write_t write
    void *dev
    bint executable           # code may be fetched from it (flash)

cdef struct Memory:
    uint32_t nbanks
    uint32_t nregions
    uint32_t marked           # some page is PG_MARKED
    Bank banks[MAX_BANKS]
    Region regions[MAX_REGIONS]

cdef inline Bank *find_bank(Memory *mem, gpa_t gpa) noexcept nogil:
    cdef uint32_t i
    for i in range(mem.nbanks):
        if gpa - mem.banks[i].base < mem.banks[i].size:
            return &mem.banks[i]
    return NULL

cdef inline int find_region(Memory *mem, gpa_t gpa) noexcept nogil:
    cdef uint32_t i
    for i in range(mem.nregions):
        if gpa - mem.regions[i].base < mem.regions[i].size:
            return <int>i
    return -1

# Host address of the page that holds gpa, for reading; NULL when that is no RAM.
cdef inline uint8_t *page_r(Memory *mem, gpa_t gpa) noexcept nogil:
    cdef Bank *b = find_bank(mem, gpa)
    if b == NULL:
        return NULL
    return b.host + ((gpa - b.base) & ~<uint64_t>(PAGE - 1))

# A page is about to be written: once, or (`flags` PG_WRITABLE) whenever somebody likes, through a TLB entry.
# ORDER: the flags are set before the write is made, and before PG_CODE is looked for; whoever makes it a code page sets
# PG_CODE before looking for PG_WRITABLE, and copies it afterwards (codepage.pyx). So the page is marked, or the write
# is in the copy.
cdef inline void note_write_as(Memory *mem, Bank *b, uint64_t index, uint8_t flags) noexcept nogil:
    cdef uint8_t *s = &b.state[index]
    flags |= PG_DIRTY
    if s[0] & (flags | PG_CODE) != flags:
        if vmcore_or8(s, flags) & PG_CODE and not s[0] & PG_MARKED:
            vmcore_or8(s, PG_MARKED)
            mem.marked = 1

cdef inline void note_write(Memory *mem, Bank *b, uint64_t index) noexcept nogil:
    note_write_as(mem, b, index, 0)

# Host address of the page that holds gpa, for one write: the page becomes dirty, a code page marked.
cdef inline uint8_t *page_w(Memory *mem, gpa_t gpa) noexcept nogil:
    cdef Bank *b = find_bank(mem, gpa)
    if b == NULL or b.readonly:
        return NULL
    note_write(mem, b, (gpa - b.base) >> 12)
    return b.host + ((gpa - b.base) & ~<uint64_t>(PAGE - 1))

# Host pointer to up to n bytes at gpa that lie together; *got says how many. NULL: no RAM (or read-only, to write).
cdef uint8_t *ram_span(Memory *mem, gpa_t gpa, uint64_t n, bint write, uint64_t *got) noexcept nogil

cdef class Ram(Dma):
    # Owns the banks' mappings. `mem` is shared with the harts' System, which outlives every hart.
    cdef Memory *mem
    cdef int map_bank(self, gpa_t base, uint64_t size, bint readonly) except -1

cdef int free_banks(Memory *mem) except -1
