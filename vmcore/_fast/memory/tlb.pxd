# The software TLB: per data context two direct-mapped arrays, one for reads and one for writes.
#
# An access of `size` bytes at `a` hits when (a ^ tag) <= 4096 - size: same page, and all of it inside the page.
# Invariant: the tag of an empty entry i is a page that maps to entry i ^ 1, so it never matches.

from libc.stdint cimport uint64_t

cdef enum:
    TLB_BITS = 10
    TLB_SIZE = 1 << TLB_BITS
    TLB_MASK = TLB_SIZE - 1

cdef struct TlbEntry:
    uint64_t tag              # page address
    uint64_t addend           # host address = guest address + addend

# Translations valid for one (mode, ASID, effective privilege, SUM, MXR).
cdef struct DataCtx:
    uint64_t key              # packed key; 0 = free
    uint64_t used             # LRU stamp
    uint64_t span_lo          # hull of the superpages that filled entries here (lo > hi: none)
    uint64_t span_hi
    TlbEntry r[TLB_SIZE]
    TlbEntry w[TLB_SIZE]

cdef inline uint64_t empty_tag(uint64_t index) noexcept nogil:
    return (index ^ 1) << 12

cdef inline void drop_entry(TlbEntry *table, uint64_t gva) noexcept nogil:
    cdef uint64_t i = (gva >> 12) & TLB_MASK
    table[i].tag = empty_tag(i)

cdef inline void ctx_clear(DataCtx *ctx) noexcept nogil:
    cdef uint64_t i
    for i in range(TLB_SIZE):
        ctx.r[i].tag = empty_tag(i)
        ctx.w[i].tag = empty_tag(i)
    ctx.span_lo = 1
    ctx.span_hi = 0
