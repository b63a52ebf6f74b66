"""Regions: which instructions, in which order, from where to where."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from vmcore._fast.jit.t2.flow cimport (
    GO_AWAY, GO_BACK, GO_NOT, GO_ON, GO_SWITCH, MOST_PLACES, MOST_WAYS, Flow, Place, Way, flow_analyse, flow_cut)
from vmcore._fast.jit.t2.ways cimport (
    HALVES, MAP_BYTES, MOST_CALLS, NO_ADDRESS, OFF_MASK, PAGE_BITS, PAGE_END, Insn, RegionInput, address_of, bit,
    calls_here, goes, guide_begin, guide_clear, insn_at, is_inside, is_split, num_ways, page_of, set_bit, spot_of,
    writes_of)
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

cdef enum:
    MOST_TRIES = 24           # headers that are tried for one sample
    MOST_TWINS = 2            # ... for the same loop
    MOST_SWITCHED = 96        # ways of switches in a region
    MOST_RECURSIVE = 128      # instructions of a region in which something calls itself


cdef Region *region_new() noexcept nogil:
    return <Region *>vm_calloc(1, sizeof(Region))


cdef void region_free(Region *r) noexcept nogil:
    vm_free(r)


# --- looking at a part of the page ------------------------------------------------------------------------------------
# First it is found which instructions there are, and which of them are jumped to; then they are cut into basic blocks.

cdef void want(Region *r, uint32_t context, uint32_t off) noexcept nogil:
    if bit(r.leads[context], off & OFF_MASK):
        return
    set_bit(r.leads[context], off & OFF_MASK)
    if not bit(r.seen[context], off & OFF_MASK) and r.nwait < 4 * MOST_WALKED:
        r.wait[r.nwait] = context << 16 | off
        r.nwait += 1


cdef void walk(Region *r, bint stepping, uint32_t most) noexcept nogil:
    # What can be reached from what waits: nearer things first, as there may be too many.
    cdef uint32_t i = 0
    cdef uint32_t context, off, how, k
    cdef Way ways[MOST_WAYS]
    cdef int32_t target = 0
    while i < r.nwait:
        context = r.wait[i] >> 16
        off = r.wait[i] & 0xFFFF
        i += 1
        while True:
            if bit(r.seen[context], off & OFF_MASK):
                set_bit(r.leads[context], off & OFF_MASK)
                break
            how = goes(&r.guide, context, off, stepping, ways)
            if how == GO_NOT or r.nwalked >= most:
                break
            set_bit(r.seen[context], off & OFF_MASK)
            r.nwalked += 1
            if off == r.header and r.guide.contexts[context].frame and not stepping:
                r.guide.own = r.guide.contexts[context].target
                r.guide.recursive = True
            if stepping and calls_here(&r.guide, off, &target) and target >= 0:
                # What is called is looked at too.
                want(r, context, <uint32_t>target)
            if how == GO_ON and ways[0].context == context and is_inside(&r.guide, &ways[0]):
                off = spot_of(&r.guide, &ways[0])
                continue
            for k in range(num_ways(&r.guide, how)):
                if is_inside(&r.guide, &ways[k]):
                    want(r, ways[k].context, spot_of(&r.guide, &ways[k]))
            break
    r.nwait = 0


cdef inline uint32_t place_of(const Region *r, const Way *w) noexcept nogil:
    cdef uint32_t off
    if not is_inside(&r.guide, w):
        return 0
    off = spot_of(&r.guide, w) & OFF_MASK
    return r.place_at[w.context][off >> 1] if bit(r.seen[w.context], off) and bit(r.leads[w.context], off) else 0


cdef void new_place(Region *r, Flow *f, uint32_t context, uint32_t off) noexcept nogil:
    cdef Place *p = &f.places[f.nplaces]
    if f.nplaces >= MOST_PLACES:
        f.failed = True
        return
    memset(p, 0, sizeof(Place))
    p.off = <uint16_t>off
    p.context = <uint16_t>context
    r.place_at[context][(off & OFF_MASK) >> 1] = <uint16_t>f.nplaces
    f.nplaces += 1


cdef void fill_place(Region *r, Place *p, bint stepping) noexcept nogil:
    cdef uint32_t off = p.off
    cdef uint32_t k, how
    cdef int32_t target = 0
    cdef const Insn *n
    while True:
        how = goes(&r.guide, p.context, off, stepping, p.ways)
        n = insn_at(&r.guide, off)
        p.insns += 1
        p.last = <uint16_t>off
        p.writes |= writes_of(n)
        p.calls |= stepping and calls_here(&r.guide, off, &target)
        if how != GO_ON or p.ways[0].context != p.context or not is_inside(&r.guide, &p.ways[0]):
            break
        off = spot_of(&r.guide, &p.ways[0])
        if not bit(r.seen[p.context], off & OFF_MASK) or bit(r.leads[p.context], off & OFF_MASK):
            break
    if how == GO_SWITCH:
        r.nswitched += r.guide.nways
        if r.nswitched > MOST_SWITCHED:
            how = GO_AWAY
    p.how = <uint8_t>how
    p.nways = <uint8_t>num_ways(&r.guide, how)
    for k in range(p.nways):
        p.ways[k].to = <uint16_t>place_of(r, &p.ways[k])


cdef void make_places(Region *r, Flow *f, uint32_t first, bint stepping) noexcept nogil:
    # The one at `first` is number 1.
    cdef uint32_t context, byte, off, here
    f.nplaces = 1
    f.failed = False
    r.nswitched = 0
    if first < PAGE_END:
        new_place(r, f, 0, first)
    for context in range(r.guide.ncontexts):
        for byte in range(MAP_BYTES):
            here = r.leads[context][byte] & r.seen[context][byte]
            if here == 0:
                continue
            for off in range(byte * 16, byte * 16 + 16, 2):
                if (here >> (off >> 1 & 7)) & 1 and not (context == 0 and off == first):
                    new_place(r, f, context, PAGE_END * r.guide.contexts[context].page + off)
    for here in range(1, f.nplaces):
        fill_place(r, &f.places[here], stepping)


cdef void start_walk(Region *r) noexcept nogil:
    # What the last one has marked goes.
    memset(r.seen, 0, r.guide.ncontexts * sizeof(r.seen[0]))
    memset(r.leads, 0, r.guide.ncontexts * sizeof(r.leads[0]))
    guide_clear(&r.guide)
    r.nwait = 0
    r.nwalked = 0


# --- the page ---------------------------------------------------------------------------------------------------------

cdef void look_at_page(Region *r, const RegionInput *given) noexcept nogil:
    # All that is warm, from the start of each stretch of it that is not known yet. The loops of the page, and which
    # places they have, are those of this flow.
    cdef uint32_t off = 0
    cdef uint32_t target, i
    cdef Place *p
    cdef Way w
    guide_begin(&r.guide, given)
    start_walk(r)
    while off < PAGE_END:
        if bit(r.seen[0], off):
            off += insn_at(&r.guide, off).length
            continue
        if bit(given.warm, off):
            want(r, 0, off)
            walk(r, True, HALVES)
        if not bit(r.seen[0], off):
            off += 2
    make_places(r, &r.page, NOT_A_PLACE, True)
    for i in range(1, r.page.nplaces):
        p = &r.page.places[i]
        if not p.calls:
            continue
        # Where functions begin is where they are entered.
        off = p.off
        for _ in range(p.insns):
            if calls_here(&r.guide, off, &w.off) and w.off >= 0:
                w.context = 0
                target = place_of(r, &w)
                if target:
                    r.page.places[target].called = True
            off += insn_at(&r.guide, off).length
    flow_analyse(&r.page, False)


cdef uint32_t place_with(const Region *r, const Flow *f, uint32_t off) noexcept nogil:
    # One that has an instruction there, in any context; one that begins there, if there is one.
    cdef uint32_t i, at
    cdef uint32_t found = 0
    for i in range(1, f.nplaces):
        if f.places[i].order and f.places[i].off <= off <= f.places[i].last:
            at = f.places[i].off
            if at == off:
                return i
            while at < off:
                at += insn_at(&r.guide, at).length
            if at == off:
                found = i
    return found


cdef bint is_in_loop(const Flow *f, uint32_t place, uint32_t header) noexcept nogil:
    cdef uint32_t loop = f.places[place].loop
    while loop and loop != header:
        loop = f.places[loop].outer
    return loop != 0


cdef inline bint may_be_in_cycle(const Flow *f, uint32_t place, uint32_t top) noexcept nogil:
    cdef uint32_t around = f.places[top].outer
    return place != 0 and f.places[place].root == f.places[top].root and place != around and \
        (around == 0 or is_in_loop(f, place, around))


cdef void mark_cycle(Flow *f, uint32_t top, uint8_t *marks) noexcept nogil:
    # What goes round through `top` without coming to the header of the loop around it: its loop, and what else leads
    # back to it, though there are other ways into that. Marks are 3 there.
    cdef uint32_t depth = 1
    cdef uint32_t k, place
    cdef const Place *p
    memset(marks, 0, f.nplaces)
    marks[top] = 1
    f.stack[0] = <uint16_t>top
    while depth:
        depth -= 1
        p = &f.places[f.stack[depth]]
        for k in range(p.nways):
            place = p.ways[k].to
            if may_be_in_cycle(f, place, top) and marks[place] == 0:
                marks[place] = 1
                f.stack[depth] = <uint16_t>place
                depth += 1
    depth = 1
    marks[top] = 3
    f.stack[0] = <uint16_t>top
    while depth:
        depth -= 1
        p = &f.places[f.stack[depth]]
        for k in range(p.npreds):
            place = f.list[p.preds + k]
            if marks[place] == 1:
                marks[place] = 3
                f.stack[depth] = <uint16_t>place
                depth += 1


cdef bint keep_within_loop(Region *r, uint32_t header) noexcept nogil:
    # The region's own context has the instructions of that loop alone. False: there is none with this header.
    cdef uint8_t marks[MOST_PLACES]
    cdef uint32_t i, off
    cdef uint32_t top = place_with(r, &r.page, header)
    cdef const Place *p
    memset(r.guide.within, 0xFF, sizeof(r.guide.within))
    if top == 0 or r.page.places[top].off != header or r.page.places[top].loop != top:
        return False
    memset(r.guide.within, 0, sizeof(r.guide.within))
    mark_cycle(&r.page, top, marks)
    for i in range(1, r.page.nplaces):
        if marks[i] != 3:
            continue
        p = &r.page.places[i]
        off = p.off
        for _ in range(p.insns):
            set_bit(r.guide.within, off)
            off += insn_at(&r.guide, off).length
    return True


# --- the region -------------------------------------------------------------------------------------------------------

cdef void settle(Region *r) noexcept nogil:
    # Until every cycle is a loop with one entry.
    cdef uint32_t i, k
    cdef Place *p
    flow_analyse(&r.flow, True)
    while flow_cut(&r.flow):
        flow_analyse(&r.flow, True)
    r.ninsns = 0
    for i in range(r.flow.norder):
        p = &r.flow.places[r.flow.order[i]]
        r.ninsns += p.insns
        if p.how == GO_BACK and p.ways[0].to == 0:
            # A return that goes nowhere in particular.
            p.how = GO_AWAY
            p.nways = 0
        elif p.how == GO_SWITCH:
            for k in range(p.nways):
                if p.ways[k].to:
                    break
            else:
                p.how = GO_AWAY
                p.nways = 0


cdef bint keep_loop(Region *r) noexcept nogil:
    # What cannot come back to the header goes. False: it is the header of no loop.
    cdef Flow *f = &r.flow
    cdef uint32_t depth = 1
    cdef uint32_t i, k, place
    cdef Place *p
    if f.places[1].npreds == 0:
        return False
    # `called` marks what stays.
    f.places[1].called = True
    f.stack[0] = 1
    while depth:
        depth -= 1
        p = &f.places[f.stack[depth]]
        for k in range(p.npreds):
            place = f.list[p.preds + k]
            if not f.places[place].called:
                f.places[place].called = True
                f.stack[depth] = <uint16_t>place
                depth += 1
    for i in range(f.norder):
        p = &f.places[f.order[i]]
        for k in range(p.nways):
            if p.ways[k].to and not f.places[p.ways[k].to].called:
                p.ways[k].to = 0
    return True


cdef uint32_t used_pages(const Region *r) noexcept nogil:
    cdef uint32_t used = 1
    cdef uint32_t i
    cdef const Place *p
    for i in range(r.flow.norder):
        p = &r.flow.places[r.flow.order[i]]
        used |= <uint32_t>1 << (p.off >> PAGE_BITS)
        if is_split(&r.guide, p.last):
            used |= <uint32_t>1 << page_of(&r.guide, address_of(&r.guide, p.last) + 2)
    return used


cdef bint explore(Region *r, uint32_t header, uint32_t most) noexcept nogil:
    start_walk(r)
    want(r, 0, header)
    walk(r, False, most)
    if not bit(r.seen[0], header):
        return False
    make_places(r, &r.flow, header, False)
    settle(r)
    return True


cdef uint32_t form_loop(Region *r, uint32_t header) noexcept nogil:
    if not explore(r, header, MOST_WALKED):
        return REFUSED_FIRST
    if r.flow.failed or r.page.failed:
        return REFUSED_LARGE
    r.is_loop = keep_loop(r)
    if r.is_loop:
        settle(r)
        # (What was cut may have been all that came back.)
        r.is_loop = r.flow.places[1].npreds != 0
    return REFUSED_NOT


cdef inline bint fits(const Region *r) noexcept nogil:
    return r.ninsns <= r.guide.given.limit and r.flow.norder <= MOST_FORMED


cdef uint32_t form_at(Region *r, uint32_t header) noexcept nogil:
    cdef uint32_t refused
    r.header = header
    r.is_loop = False
    r.ninsns = 0
    r.used = 1
    if header >= PAGE_END or header & 1 or not bit(r.guide.given.warm, header):
        return REFUSED_COLD
    if is_split(&r.guide, header):
        # It has code of its own, which belongs to no page.
        return REFUSED_FIRST
    r.guide.wide = not keep_within_loop(r, header)
    r.guide.narrow = False
    r.guide.turns = MOST_CALLS
    r.guide.recursive = False
    r.guide.own = NO_ADDRESS
    refused = form_loop(r, header)
    while r.guide.recursive and r.guide.turns and (refused == REFUSED_LARGE or r.ninsns > MOST_RECURSIVE):
        r.guide.turns -= 1
        refused = form_loop(r, header)
    if r.guide.given.npages > 1 and (refused == REFUSED_LARGE or (refused == REFUSED_NOT and not fits(r))):
        # It may be small enough without what it calls in other pages.
        r.guide.narrow = True
        refused = form_loop(r, header)
    if refused:
        return refused
    if not fits(r):
        # As much of it as there may be.
        r.is_loop = False
        memset(r.guide.within, 0xFF, sizeof(r.guide.within))
        explore(r, header, r.guide.given.limit)
        if r.flow.norder > MOST_FORMED:
            return REFUSED_LARGE
    r.used = used_pages(r)
    return REFUSED_NOT


cdef uint32_t form_region(Region *r, const RegionInput *given, uint32_t header) noexcept nogil:
    look_at_page(r, given)
    return form_found(r, header)


cdef uint32_t form_found(Region *r, uint32_t header) noexcept nogil:
    r.refused = form_at(r, header)
    return r.refused


cdef bint try_header(Region *r, uint32_t top, uint32_t sample, bint innermost, uint32_t *best,
                     uint32_t *size) noexcept nogil:
    # Is it better than what there was?
    cdef uint32_t off = r.page.places[top].off
    if form_at(r, off) or not r.is_loop or place_with(r, &r.flow, sample) == 0:
        return False
    if best[0] != NOT_A_PLACE and (r.ninsns >= size[0] if innermost else r.ninsns <= size[0]):
        return False
    best[0] = off
    size[0] = r.ninsns
    return True


cdef uint32_t times_at(const RegionInput *given, uint32_t off) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t i
    for i in range(given.ntrail):
        n += given.trail[i] == <int32_t>off
    return n


cdef uint32_t seldom_header(Region *r, const RegionInput *given, uint32_t sample, uint32_t best,
                            uint32_t size) noexcept nogil:
    # A loop that is entered at two places may have its header at either. Of those with the same instructions the one
    # where the hart came to less often leaves the part where it came to more often a loop within, for which things can
    # be done once.
    cdef uint32_t times = times_at(given, best)
    cdef uint32_t tries = 0
    cdef uint32_t i, off, n
    for i in range(1, r.page.nplaces):
        off = r.page.places[i].off
        if r.page.places[i].loop != i or (given.taken != NULL and bit(given.taken, off)) or tries == MOST_TWINS:
            continue
        n = times_at(given, off)
        if not 0 < n < times:
            continue
        tries += 1
        if form_at(r, off) == REFUSED_NOT and r.is_loop and r.ninsns == size and place_with(r, &r.flow, sample):
            best = off
            times = n
    return best


cdef uint32_t loop_header(Region *r, const RegionInput *given, uint32_t sample, bint innermost) noexcept nogil:
    cdef uint32_t best = NOT_A_PLACE
    cdef uint32_t size = 0
    cdef uint32_t tries = 0
    cdef bint taken = False
    cdef uint32_t i, top, here
    sample &= PAGE_END - 2
    look_at_page(r, given)
    here = place_with(r, &r.page, sample)
    # Those around it, and those that call something: it may be that.
    top = r.page.places[here].loop
    while top and tries < MOST_TRIES:
        if given.taken != NULL and bit(given.taken, r.page.places[top].off):
            taken = True
        else:
            tries += 1
            try_header(r, top, sample, innermost, &best, &size)
        top = r.page.places[top].outer
    for i in range(1, r.page.nplaces):
        if not r.page.places[i].calls or tries >= MOST_TRIES:
            continue
        top = r.page.places[i].loop
        while top and tries < MOST_TRIES:
            # Once for each loop: its first place that calls.
            if not is_in_loop(&r.page, here, top) and is_first_call(&r.page, i, top):
                if given.taken == NULL or not bit(given.taken, r.page.places[top].off):
                    tries += 1
                    try_header(r, top, sample, innermost, &best, &size)
            top = r.page.places[top].outer
    if best != NOT_A_PLACE:
        return seldom_header(r, given, sample, best, size)
    if taken or (given.taken != NULL and bit(given.taken, sample)):
        return NOT_A_PLACE
    return sample


cdef bint is_first_call(const Flow *f, uint32_t place, uint32_t header) noexcept nogil:
    cdef uint32_t i
    for i in range(1, place):
        if f.places[i].calls and is_in_loop(f, i, header):
            return False
    return True
