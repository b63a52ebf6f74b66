# Physical memory protection (privileged specification 1.13, section 3.7).

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport gpa_t

cdef enum:
    NUM_PMP = 16              # real entries; the encoding has room for 64
    PMP_R = 1
    PMP_W = 2
    PMP_X = 4
    PMP_A = 0x18
    PMP_TOR = 0x08
    PMP_NA4 = 0x10
    PMP_NAPOT = 0x18
    PMP_L = 0x80

cdef struct Pmp:
    uint64_t addr[NUM_PMP]
    uint8_t cfg[NUM_PMP]
    # Derived by pmp_update: the range of each entry (last byte included), and how many are worth looking at.
    uint64_t lo[NUM_PMP]
    uint64_t hi[NUM_PMP]
    uint32_t active

cdef inline void pmp_update(Pmp *p) noexcept nogil:
    cdef uint32_t i
    cdef uint64_t a
    p.active = 0
    for i in range(NUM_PMP):
        p.lo[i] = 1
        p.hi[i] = 0
        if p.cfg[i] & PMP_A == PMP_TOR:
            p.lo[i] = p.addr[i - 1] << 2 if i else 0
            p.hi[i] = (p.addr[i] << 2) - 1
            if p.addr[i] == 0:
                p.lo[i] = 1
                p.hi[i] = 0
        elif p.cfg[i] & PMP_A == PMP_NA4:
            p.lo[i] = p.addr[i] << 2
            p.hi[i] = p.lo[i] + 3
        elif p.cfg[i] & PMP_A == PMP_NAPOT:
            a = p.addr[i] ^ (p.addr[i] + 1)          # ones up to and including the lowest zero
            p.lo[i] = (p.addr[i] & ~a) << 2
            p.hi[i] = p.lo[i] + ((a << 2) | 3)
        if p.cfg[i] & PMP_A:
            p.active = i + 1

# May `priv` access the `n` bytes at gpa with the rights `need` (PMP_R|PMP_W|PMP_X)? The lowest entry that touches
# any byte decides, and must cover all of them.
cdef inline bint pmp_allows(const Pmp *p, gpa_t gpa, uint64_t n, uint32_t need, uint32_t priv) noexcept nogil:
    cdef uint32_t i
    cdef uint64_t last = gpa + n - 1
    for i in range(p.active):
        if gpa <= p.hi[i] and last >= p.lo[i] and p.lo[i] <= p.hi[i]:
            if gpa < p.lo[i] or last > p.hi[i]:
                return False
            if priv == 3 and not p.cfg[i] & PMP_L:
                return True
            return p.cfg[i] & need == need
    return priv == 3

# Does an entry's edge cut through the page of gpa (so that its bytes may have different rights)?
cdef inline bint pmp_splits_page(const Pmp *p, gpa_t gpa) noexcept nogil:
    cdef uint32_t i
    cdef uint64_t first = gpa & ~<uint64_t>4095
    cdef uint64_t last = first + 4095
    for i in range(p.active):
        if p.lo[i] > p.hi[i] or first > p.hi[i] or last < p.lo[i]:
            continue
        if first < p.lo[i] or last > p.hi[i]:
            return True
        return False                                  # covers the whole page: later entries do not matter
    return False
