"""Which ways of a region a hart goes: a trail of it is followed from wherever it comes into the region's own code.

(Not from inside what is called there, of which there may be several.)
"""

from libc.stdint cimport int32_t, uint32_t

from vmcore._fast.jit.t2.flow cimport Place, Way
from vmcore._fast.jit.t2.ways cimport PAGE_END, address_of, bit, is_in_page


cdef Way *way_gone(Place *p, int32_t to) noexcept nogil:
    cdef uint32_t k
    for k in range(p.nways):
        if p.ways[k].off == to:
            return &p.ways[k]
    return NULL


cdef uint32_t follow(Region *r, uint32_t i, uint32_t place) noexcept nogil:
    # From the place that is at number i of the trail until the region is left: the number of what comes then.
    cdef const int32_t *at = r.guide.given.trail
    cdef uint32_t n = r.guide.given.ntrail
    cdef Place *p = &r.flow.places[place]
    cdef Way *way
    while i + p.insns < n and at[i + p.insns - 1] == address_of(&r.guide, p.last):
        i += p.insns
        way = way_gone(p, at[i])
        if way == NULL:
            return i
        way.times += 1
        if way.to == 0:
            return i
        p = &r.flow.places[way.to]
    # A trap, an interrupt, or the end.
    return i + 1


cdef uint32_t place_at(const Region *r, int32_t at) noexcept nogil:
    # Of the region's own, 0: none begins there.
    if not 0 <= at < PAGE_END or at & 1 or not bit(r.seen[0], at) or not bit(r.leads[0], at):
        return 0
    return r.place_at[0][at >> 1] if r.flow.places[r.place_at[0][at >> 1]].order else 0


cdef void count_ways(Region *r) noexcept nogil:
    cdef uint32_t i = 0
    cdef uint32_t place
    while i < r.guide.given.ntrail:
        place = place_at(r, r.guide.given.trail[i])
        i = follow(r, i, place) if place else i + 1


cdef inline bint has_address(const Region *r, int32_t at) noexcept nogil:
    cdef uint32_t context
    if at & 1:
        # NO_ADDRESS.
        return False
    for context in range(r.guide.ncontexts):
        if is_in_page(&r.guide, context, at) and bit(r.seen[context], <uint32_t>at & (PAGE_END - 1)):
            return True
    return False


cdef uint32_t count_trodden(const Region *r) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t i
    for i in range(r.guide.given.ntrail):
        n += has_address(r, r.guide.given.trail[i])
    return n
