# The second-level TLB of a hart: what page walks found, asked when the first level (tlb.pxd) or the fetch cache misses.
#
# An entry is one leaf of the page tables: of an ASID, or of all of them when it is global. It keeps the PTE, and who
# asks compares rights, A and D with its own privilege, SUM and MXR, so one entry serves loads, stores and fetches of
# every privilege. It never refuses anything: what it does not allow is walked again, which sets D, finds rights that
# were added without a fence, or faults.
#
# Pages of 4 KiB are in sets of four, a cache line each, most recently used first. All that is larger is in `wide`, once
# a leaf; `wide_sizes` says which sizes there are any of.
# Invariant: an empty entry has tag 0; no other has, because `levels` is 3 to 5.

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.defs cimport gva_t
from vmcore._fast.memory.mmu cimport PTE_A, PTE_D, PTE_G, WANT_W, Walk, pte_allows

cdef enum:
    TLB2_WAYS = 4
    TLB2_SETS = 512
    TLB2_WIDE_SETS = 32
    TLB2_SIZES = 5            # larger than 4 KiB: 64 KiB (Svnapot), 2 MiB, 1 GiB, 512 GiB, 256 TiB

cdef struct Tlb2Entry:
    uint64_t tag              # page number << 19 | levels << 16 | ASID; a wide page number ends in its size
    uint64_t pte              # A and D as the walk left them

cdef struct Tlb2:
    uint32_t wide_sizes       # bit n: `wide` may hold a leaf of size n
    uint32_t in_use           # anything at all was put in since it was cleared
    Tlb2Entry pages[TLB2_SETS * TLB2_WAYS]
    Tlb2Entry wide[TLB2_WIDE_SETS * TLB2_WAYS]

cdef inline uint32_t wide_shift(uint32_t size) noexcept nogil:
    return 16 if size == 0 else 12 + 9 * size

cdef inline Tlb2Entry *page_set(Tlb2 *t, gva_t gva) noexcept nogil:
    # Neighbours go to different sets; the upper part keeps what is a multiple of 2 MiB apart from falling on one.
    return &t.pages[((gva >> 12 ^ gva >> 21) & (TLB2_SETS - 1)) * TLB2_WAYS]

cdef inline Tlb2Entry *wide_set(Tlb2 *t, gva_t gva, uint32_t size) noexcept nogil:
    return &t.wide[((gva >> wide_shift(size)) + size & (TLB2_WIDE_SETS - 1)) * TLB2_WAYS]

# The page number is at most 45 bits wide (Sv57), and at least the last four of a wide one are 0: room for its size.
cdef inline uint64_t page_tag(gva_t gva, uint32_t levels, uint64_t asid) noexcept nogil:
    return gva >> 12 << 19 | levels << 16 | asid

cdef inline uint64_t wide_tag(gva_t gva, uint32_t size, uint32_t levels, uint64_t asid) noexcept nogil:
    return (gva >> wide_shift(size) << wide_shift(size) >> 12 | size) << 19 | levels << 16 | asid

# Is this the address space's entry for the tag, or everybody's?
cdef inline bint tag_matches(const Tlb2Entry *e, uint64_t tag) noexcept nogil:
    return e.tag == tag or (e.pte & PTE_G and e.tag >> 16 == tag >> 16)

# The PTE for the tag, moved to the front of its set; 0 (never a leaf) when there is none.
cdef inline uint64_t find_pte(Tlb2Entry *ways, uint64_t tag) noexcept nogil:
    cdef uint32_t i
    cdef Tlb2Entry found
    for i in range(TLB2_WAYS):
        if tag_matches(&ways[i], tag):
            found = ways[i]
            while i:
                ways[i] = ways[i - 1]
                i -= 1
            ways[0] = found
            return found.pte
    return 0

# May this entry answer for `want`, with nothing left to do to the PTE in memory?
cdef inline bint answers(const Walk *w, uint64_t pte, uint32_t want) noexcept nogil:
    cdef uint64_t need = PTE_A | PTE_D if want & WANT_W else PTE_A
    return pte & need == need and pte_allows(w, pte, want)

cdef inline void put_answer(Walk *w, uint64_t pte, gva_t gva, uint32_t shift) noexcept nogil:
    w.pte = pte
    w.span = <uint64_t>1 << shift
    w.gpa = (pte >> 10 & 0xFFFFFFFFFFFu) << 12
    w.gpa = w.gpa & ~(w.span - 1) | gva & (w.span - 1)

# Fill in what mmu_walk() would, from an entry. False: there is none that allows it.
cdef inline bint tlb2_find(Tlb2 *t, Walk *w, gva_t gva, uint64_t asid, uint32_t want) noexcept nogil:
    cdef uint64_t pte
    cdef uint32_t size
    # A tag has no room for bits 57 to 63; those below tell wrong addresses of Sv39 and Sv48 from right ones.
    if gva + (<uint64_t>1 << 56) >> 57:
        return False
    pte = find_pte(page_set(t, gva), page_tag(gva, w.levels, asid))
    if pte:
        if not answers(w, pte, want):
            return False
        put_answer(w, pte, gva, 12)
        return True
    for size in range(TLB2_SIZES):
        if t.wide_sizes >> size & 1:
            pte = find_pte(wide_set(t, gva, size), wide_tag(gva, size, w.levels, asid))
            if pte and answers(w, pte, want):
                put_answer(w, pte, gva, wide_shift(size))
                return True
    return False

cdef inline void put_pte(Tlb2Entry *ways, uint64_t tag, uint64_t pte) noexcept nogil:
    # Over the entry that was found wanting, or else over the one that was not used for longest.
    cdef uint32_t i
    for i in range(TLB2_WAYS - 1):
        if tag_matches(&ways[i], tag):
            break
    else:
        i = TLB2_WAYS - 1
    while i:
        ways[i] = ways[i - 1]
        i -= 1
    ways[0].tag = tag
    ways[0].pte = pte

# Keep what mmu_walk() has just found.
cdef inline void tlb2_put(Tlb2 *t, const Walk *w, gva_t gva, uint64_t asid) noexcept nogil:
    cdef uint32_t size
    t.in_use = 1
    if w.span == 4096:
        put_pte(page_set(t, gva), page_tag(gva, w.levels, asid), w.pte)
        return
    for size in range(TLB2_SIZES):
        if w.span >> wide_shift(size) == 1:
            t.wide_sizes |= <uint32_t>1 << size
            put_pte(wide_set(t, gva, size), wide_tag(gva, size, w.levels, asid), w.pte)

cdef inline void tlb2_clear(Tlb2 *t) noexcept nogil:
    if t.in_use:
        memset(t.pages, 0, sizeof(t.pages))
        memset(t.wide, 0, sizeof(t.wide))
        t.wide_sizes = 0
        t.in_use = 0

cdef inline void drop_ptes(Tlb2Entry *entries, uint32_t count, bint by_tag, uint64_t tag, bint by_asid) noexcept nogil:
    # Of every mode: what a fence means does not depend on that of satp. With an ASID, what is global stays.
    cdef uint32_t i
    for i in range(count):
        if by_tag and entries[i].tag >> 19 != tag >> 19:
            continue
        if by_asid and (entries[i].pte & PTE_G or (entries[i].tag ^ tag) & 0xFFFF):
            continue
        entries[i].tag = 0
        entries[i].pte = 0

# sfence.vma; by_address and by_asid say which operands were given.
cdef inline void tlb2_flush(Tlb2 *t, bint by_address, gva_t gva, bint by_asid, uint64_t asid) noexcept nogil:
    cdef uint32_t size
    if not t.in_use:
        return
    if by_address:
        drop_ptes(page_set(t, gva), TLB2_WAYS, True, page_tag(gva, 0, asid), by_asid)
        for size in range(TLB2_SIZES):
            if t.wide_sizes >> size & 1:
                drop_ptes(wide_set(t, gva, size), TLB2_WAYS, True, wide_tag(gva, size, 0, asid), by_asid)
    elif by_asid:
        drop_ptes(t.pages, TLB2_SETS * TLB2_WAYS, False, asid, True)
        drop_ptes(t.wide, TLB2_WIDE_SETS * TLB2_WAYS, False, asid, True)
    else:
        tlb2_clear(t)
