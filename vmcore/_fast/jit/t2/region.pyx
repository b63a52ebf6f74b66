"""Regions: which instructions, in which order, from where to where."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.hart.decode cimport decode_number
from vmcore._fast.hart.fpregs cimport DYNAMIC
from vmcore._fast.hart.handlers cimport handler_number
from vmcore._fast.hart.isabits cimport BIT_C, has
from vmcore._fast.hart.softcore cimport RMM, RTZ
from vmcore._fast.hart.state cimport SINK, Op
from vmcore._fast.jit.t2.flow cimport (
    GO_AWAY, GO_BACK, GO_BRANCH, GO_NOT, GO_ON, GO_SWITCH, GO_TO, MOST_PLACES, MOST_WAYS, Flow, Place, Way,
    flow_analyse, flow_cut)
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

from vmcore._fast.hart import control as _control
from vmcore._fast.hart import ops_bits, ops_crypto, ops_fp, ops_int, ops_mem, ops_sys

# Handlers have their numbers once their modules are imported.
HANDLER_MODULES = (_control, ops_bits, ops_crypto, ops_fp, ops_int, ops_mem, ops_sys)

cdef enum:
    MOST_HANDLERS = 1024
    PAGE_END = 4096
    NO_CONTEXT = 0xFFFF
    MOST_TRIES = 24           # headers that are tried for one sample
    MOST_SWITCHED = 96        # ways of switches in a region

cdef enum Control:
    STRAIGHT = 0
    BRANCHES = 1
    JUMPS = 2                 # jal
    JUMPS_FAR = 3             # jalr
    DIES = 4                  # nothing comes behind it

cdef struct Row:
    uint8_t liftable
    uint8_t when
    uint8_t rd
    uint8_t control

cdef Row rows[MOST_HANDLERS]

for _name in ("beq", "bne", "blt", "bge", "bltu", "bgeu"):
    rows[handler_number(_name)].control = BRANCHES
rows[handler_number("jal")].control = JUMPS
rows[handler_number("jalr")].control = JUMPS_FAR
for _name in ("illegal", "mret", "sret"):
    rows[handler_number(_name)].control = DIES


cdef int register_liftable(str name, uint32_t when, uint32_t rd) except -1:
    cdef Row *row = &rows[handler_number(name)]
    row.liftable = True
    row.when = when
    row.rd = rd
    return 0


cdef Region *region_new() noexcept nogil:
    return <Region *>vm_calloc(1, sizeof(Region))


cdef void region_free(Region *r) noexcept nogil:
    vm_free(r)


cdef inline bint bit(const uint8_t *bits, uint32_t off) noexcept nogil:
    return (bits[off >> 4] >> (off >> 1 & 7)) & 1


cdef inline void set_bit(uint8_t *bits, uint32_t off) noexcept nogil:
    bits[off >> 4] |= <uint8_t>(1 << (off >> 1 & 7))


# --- instructions -----------------------------------------------------------------------------------------------------

cdef inline bint can_lift(const Region *r, uint32_t handler, const Op *op) noexcept nogil:
    cdef const Row *row = &rows[handler]
    cdef uint32_t mode
    if not row.liftable:
        return False
    if row.when == LIFT_TURNS:
        return not r.given.parallel
    if row.when == LIFT_ALONE:
        return not r.given.many_harts
    if row.when == LIFT_EXACT:
        # With a reserved mode it is illegal. (Where frm has one the host's FPU is never the guest's.)
        mode = (<uint32_t>op.imm >> 16) & 7
        return mode <= RMM or mode == DYNAMIC
    if row.when == LIFT_ROUNDED or row.when == LIFT_ROUNDED_INT:
        mode = (<uint32_t>op.imm >> 16) & 7
        return mode == DYNAMIC or (mode == RTZ and row.when == LIFT_ROUNDED_INT)
    return True


cdef const Insn *decoded(Region *r, uint32_t off) noexcept nogil:
    cdef Insn *n = &r.insns[off >> 1]
    cdef const uint8_t *at = r.given.page + off
    cdef uint32_t insn, handler
    if n.length:
        return n
    insn = at[0] | <uint32_t>at[1] << 8
    if insn & 3 == 3:
        if off == PAGE_END - 2:
            # Half of it lies in the next page.
            n.length = 4
            return n
        insn |= <uint32_t>at[2] << 16 | <uint32_t>at[3] << 24
    n.length = <uint8_t>decode_number(r.given.isa, insn, &n.op, &handler)
    n.handler = <uint16_t>handler
    n.liftable = can_lift(r, handler, &n.op)
    return n


cdef inline uint64_t writes_of(const Insn *n) noexcept nogil:
    cdef const Row *row = &rows[n.handler]
    if row.rd == RD_X and n.op.rd != SINK:
        return <uint64_t>1 << n.op.rd
    if row.rd == RD_F:
        return <uint64_t>1 << (32 + n.op.rd)
    return 0


# --- where control goes -----------------------------------------------------------------------------------------------

cdef uint32_t context_of(Region *r, uint32_t parent, uint32_t call, uint32_t back, uint32_t link) noexcept nogil:
    cdef uint32_t i
    cdef Context *c
    for i in range(1, r.ncontexts):
        c = &r.contexts[i]
        if c.parent == parent and c.call == call:
            return i
    if r.ncontexts >= MOST_CONTEXTS or r.contexts[parent].depth >= MOST_CALLS or back >= PAGE_END:
        return NO_CONTEXT
    i = r.ncontexts
    c = &r.contexts[i]
    c.parent = <uint16_t>parent
    c.depth = r.contexts[parent].depth + 1
    c.call = <uint16_t>call
    c.back = <uint16_t>back
    c.link = <uint8_t>link
    memset(r.seen[i], 0, sizeof(r.seen[i]))
    memset(r.leads[i], 0, sizeof(r.leads[i]))
    r.ncontexts += 1
    return i


cdef inline bint is_inside(const Region *r, const Way *w) noexcept nogil:
    # May the region go on there?
    if not 0 <= w.off < PAGE_END or w.context == NO_CONTEXT or not bit(r.given.warm, <uint32_t>w.off):
        return False
    return w.context != 0 or bit(r.within, <uint32_t>w.off)


cdef inline bint misaligned(const Region *r, int32_t off) noexcept nogil:
    return off & 2 and not has(r.given.isa, BIT_C)


cdef inline bint is_switch(const Region *r, const Op *op) noexcept nogil:
    # ra and t0 are what returns go by.
    return op.rd == SINK and op.rs1 != 1 and op.rs1 != 5 and r.ntargets != 0


cdef inline uint32_t num_ways(const Region *r, uint32_t how) noexcept nogil:
    if how == GO_SWITCH:
        return r.ntargets
    return 2 if how == GO_BRANCH else 0 if how == GO_AWAY else 1


cdef uint32_t goes(Region *r, uint32_t context, uint32_t off, bint stepping, Way *ways) noexcept nogil:
    # How control goes on from the instruction there: GO_*. Stepping: calls are nothing but a name for what follows, and
    # so is what cannot be lifted.
    cdef const Insn *n = decoded(r, off)
    cdef uint32_t control = rows[n.handler].control
    cdef int32_t target = <int32_t>off + n.op.imm
    cdef int32_t following = <int32_t>off + n.length
    cdef uint32_t i
    ways[0].context = <uint16_t>context
    ways[1].context = <uint16_t>context
    ways[0].to = 0
    ways[1].to = 0
    ways[0].off = following
    ways[1].off = following
    if not stepping and not n.liftable:
        return GO_NOT
    if control == STRAIGHT or (stepping and n.length == 4 and off == PAGE_END - 2):
        return GO_ON
    if control == DIES:
        return GO_AWAY
    if control == JUMPS_FAR:
        if n.op.rd != SINK and stepping:
            return GO_ON
        if n.op.rd == SINK and n.op.imm == 0 and context and n.op.rs1 == r.contexts[context].link:
            ways[0].off = r.contexts[context].back
            ways[0].context = r.contexts[context].parent
            return GO_BACK
        if is_switch(r, &n.op) and (stepping or has(r.given.isa, BIT_C)):
            for i in range(r.ntargets):
                ways[i].off = r.targets[i]
                ways[i].context = <uint16_t>context
                ways[i].to = 0
            return GO_SWITCH
        return GO_AWAY if stepping or has(r.given.isa, BIT_C) else GO_NOT
    if misaligned(r, target):
        return GO_ON if stepping else GO_NOT
    if control == BRANCHES:
        ways[0].off = target
        return GO_BRANCH
    if n.op.rd == SINK:
        ways[0].off = target
        return GO_TO
    if stepping:
        return GO_ON
    ways[0].off = target
    if 0 <= target < PAGE_END and bit(r.given.warm, <uint32_t>target):
        ways[0].context = <uint16_t>context_of(r, context, off, <uint32_t>following, n.op.rd)
    else:
        ways[0].context = NO_CONTEXT
    return GO_TO


# --- looking at a part of the page ------------------------------------------------------------------------------------
# First it is found which instructions there are, and which of them are jumped to; then they are cut into basic blocks.

cdef void want(Region *r, uint32_t context, uint32_t off) noexcept nogil:
    if bit(r.leads[context], off):
        return
    set_bit(r.leads[context], off)
    if not bit(r.seen[context], off) and r.nwait < 4 * MOST_WALKED:
        r.wait[r.nwait] = context << 16 | off
        r.nwait += 1


cdef void walk(Region *r, bint stepping, uint32_t most) noexcept nogil:
    # What can be reached from what waits: nearer things first, as there may be too many.
    cdef uint32_t i = 0
    cdef uint32_t context, off, how, k
    cdef Way ways[MOST_WAYS]
    cdef const Insn *n
    cdef int32_t target
    while i < r.nwait:
        context = r.wait[i] >> 16
        off = r.wait[i] & 0xFFFF
        i += 1
        while True:
            if bit(r.seen[context], off):
                set_bit(r.leads[context], off)
                break
            how = goes(r, context, off, stepping, ways)
            if how == GO_NOT or r.nwalked >= most:
                break
            set_bit(r.seen[context], off)
            r.nwalked += 1
            n = &r.insns[off >> 1]
            if stepping and rows[n.handler].control == JUMPS and how == GO_ON:
                # What is called is looked at too.
                target = <int32_t>off + n.op.imm
                if 0 <= target < PAGE_END and bit(r.given.warm, <uint32_t>target):
                    want(r, context, <uint32_t>target)
            if how == GO_ON and is_inside(r, &ways[0]):
                off = <uint32_t>ways[0].off
                continue
            for k in range(0 if how == GO_ON else num_ways(r, how)):
                if is_inside(r, &ways[k]):
                    want(r, ways[k].context, <uint32_t>ways[k].off)
            break
    r.nwait = 0


cdef inline uint32_t place_of(const Region *r, const Way *w) noexcept nogil:
    if not is_inside(r, w) or not bit(r.seen[w.context], <uint32_t>w.off):
        return 0
    return r.place_at[w.context][w.off >> 1] if bit(r.leads[w.context], <uint32_t>w.off) else 0


cdef void new_place(Region *r, Flow *f, uint32_t context, uint32_t off) noexcept nogil:
    cdef Place *p = &f.places[f.nplaces]
    if f.nplaces >= MOST_PLACES:
        f.failed = True
        return
    memset(p, 0, sizeof(Place))
    p.off = <uint16_t>off
    p.context = <uint16_t>context
    r.place_at[context][off >> 1] = <uint16_t>f.nplaces
    f.nplaces += 1


cdef void fill_place(Region *r, Place *p, bint stepping) noexcept nogil:
    cdef uint32_t off = p.off
    cdef uint32_t k, how
    cdef const Insn *n
    while True:
        how = goes(r, p.context, off, stepping, p.ways)
        n = &r.insns[off >> 1]
        p.insns += 1
        p.last = <uint16_t>off
        p.writes |= writes_of(n)
        if stepping and rows[n.handler].control == JUMPS and how == GO_ON:
            p.calls |= 0 <= <int32_t>off + n.op.imm < PAGE_END
        if how != GO_ON:
            break
        off = <uint32_t>p.ways[0].off
        if not is_inside(r, &p.ways[0]) or not bit(r.seen[p.context], off) or bit(r.leads[p.context], off):
            break
    if how == GO_SWITCH:
        r.nswitched += r.ntargets
        if r.nswitched > MOST_SWITCHED:
            how = GO_AWAY
    p.how = <uint8_t>how
    p.nways = <uint8_t>num_ways(r, how)
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
    for context in range(r.ncontexts):
        for byte in range(MAP_BYTES):
            here = r.leads[context][byte] & r.seen[context][byte]
            if here == 0:
                continue
            for off in range(byte * 16, byte * 16 + 16, 2):
                if (here >> (off >> 1 & 7)) & 1 and not (context == 0 and off == first):
                    new_place(r, f, context, off)
    for here in range(1, f.nplaces):
        fill_place(r, &f.places[here], stepping)


cdef void start_walk(Region *r) noexcept nogil:
    r.ncontexts = 1
    r.nwait = 0
    r.nwalked = 0
    memset(&r.contexts[0], 0, sizeof(Context))
    memset(r.seen[0], 0, sizeof(r.seen[0]))
    memset(r.leads[0], 0, sizeof(r.leads[0]))


# --- switches ---------------------------------------------------------------------------------------------------------

cdef void note_led_to(Region *r, uint8_t *led) noexcept nogil:
    # Where warm instructions of the page lead by themselves, calls to what follows them. Each stretch is taken to begin
    # with one.
    cdef uint32_t off = 0
    cdef uint32_t control
    cdef int32_t target
    cdef const Insn *n
    while off < PAGE_END:
        if not bit(r.given.warm, off):
            off += 2
            continue
        n = decoded(r, off)
        control = rows[n.handler].control
        target = <int32_t>off + n.op.imm
        if (control == BRANCHES or control == JUMPS) and 0 <= target < PAGE_END:
            set_bit(led, <uint32_t>target)
        off += n.length
        if off < PAGE_END and control != DIES and (n.op.rd != SINK or (control != JUMPS and control != JUMPS_FAR)):
            set_bit(led, off)


cdef void find_targets(Region *r) noexcept nogil:
    # What nothing else leads to. (What a switch and something else lead to is left to the table of code.)
    cdef uint8_t led[MAP_BYTES]
    cdef uint32_t off
    r.ntargets = 0
    if r.given.targets == NULL:
        return
    memset(led, 0, sizeof(led))
    note_led_to(r, led)
    for off in range(0, PAGE_END, 2):
        if not bit(r.given.targets, off) or not bit(r.given.warm, off) or bit(led, off):
            continue
        if r.ntargets == MOST_WAYS:
            # Comparing with that many is no faster than looking it up.
            r.ntargets = 0
            return
        r.targets[r.ntargets] = <uint16_t>off
        r.ntargets += 1
    if r.ntargets == 1:
        # Where the page is entered from another one, more likely.
        r.ntargets = 0


# --- the page ---------------------------------------------------------------------------------------------------------

cdef void look_at_page(Region *r, const RegionInput *given) noexcept nogil:
    # All that is warm, from the start of each stretch of it that is not known yet. The loops of the page, and which
    # places they have, are those of this flow.
    cdef uint32_t off = 0
    cdef uint32_t target, i
    cdef Place *p
    cdef Way w
    r.given = given[0]
    # Nothing else is decoded.
    for i in range(MAP_BYTES):
        if given.warm[i]:
            memset(&r.insns[8 * i], 0, 8 * sizeof(Insn))
    memset(r.within, 0xFF, sizeof(r.within))
    find_targets(r)
    start_walk(r)
    while off < PAGE_END:
        if bit(r.seen[0], off):
            off += r.insns[off >> 1].length
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
            if rows[r.insns[off >> 1].handler].control == JUMPS and r.insns[off >> 1].op.rd != SINK:
                w.off = <int32_t>off + r.insns[off >> 1].op.imm
                w.context = 0
                target = place_of(r, &w)
                if target:
                    r.page.places[target].called = True
            off += r.insns[off >> 1].length
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
                at += r.insns[at >> 1].length
            if at == off:
                found = i
    return found


cdef bint is_in_loop(const Flow *f, uint32_t place, uint32_t header) noexcept nogil:
    cdef uint32_t loop = f.places[place].loop
    while loop and loop != header:
        loop = f.places[loop].outer
    return loop != 0


cdef bint keep_within_loop(Region *r, uint32_t header) noexcept nogil:
    # The region's own context has the instructions of that loop alone. False: there is none with this header.
    cdef uint32_t i, off
    cdef uint32_t top = place_with(r, &r.page, header)
    cdef const Place *p
    memset(r.within, 0xFF, sizeof(r.within))
    if top == 0 or r.page.places[top].off != header or r.page.places[top].loop != top:
        return False
    memset(r.within, 0, sizeof(r.within))
    for i in range(1, r.page.nplaces):
        if not is_in_loop(&r.page, i, top):
            continue
        p = &r.page.places[i]
        off = p.off
        for _ in range(p.insns):
            set_bit(r.within, off)
            off += r.insns[off >> 1].length
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


cdef bint explore(Region *r, uint32_t header, uint32_t most) noexcept nogil:
    start_walk(r)
    want(r, 0, header)
    walk(r, False, most)
    if not bit(r.seen[0], header):
        return False
    make_places(r, &r.flow, header, False)
    settle(r)
    return True


cdef uint32_t form_at(Region *r, uint32_t header) noexcept nogil:
    cdef bint fits
    r.header = header
    r.is_loop = False
    r.ninsns = 0
    if header >= PAGE_END or header & 1 or not bit(r.given.warm, header):
        return REFUSED_COLD
    keep_within_loop(r, header)
    if not explore(r, header, MOST_WALKED):
        return REFUSED_FIRST
    if r.flow.failed or r.page.failed:
        return REFUSED_LARGE
    r.is_loop = keep_loop(r)
    if r.is_loop:
        settle(r)
        # (What was cut may have been all that came back.)
        r.is_loop = r.flow.places[1].npreds != 0
    fits = r.ninsns <= r.given.limit and r.flow.norder <= MOST_FORMED
    if not fits:
        # As much of it as there may be.
        r.is_loop = False
        memset(r.within, 0xFF, sizeof(r.within))
        explore(r, header, r.given.limit)
        if r.flow.norder > MOST_FORMED:
            return REFUSED_LARGE
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
        return best
    if taken or (given.taken != NULL and bit(given.taken, sample)):
        return NOT_A_PLACE
    return sample


cdef bint is_first_call(const Flow *f, uint32_t place, uint32_t header) noexcept nogil:
    cdef uint32_t i
    for i in range(1, place):
        if f.places[i].calls and is_in_loop(f, i, header):
            return False
    return True
