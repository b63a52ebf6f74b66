"""Regions: which instructions, in which order, from where to where."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
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
from vmcore._fast.jit.t2.ir cimport MOST_OFF
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

from vmcore._fast.hart import control as _control
from vmcore._fast.hart import ops_bits, ops_crypto, ops_fp, ops_int, ops_mem, ops_sys

# Handlers have their numbers once their modules are imported.
HANDLER_MODULES = (_control, ops_bits, ops_crypto, ops_fp, ops_int, ops_mem, ops_sys)

cdef enum:
    MOST_HANDLERS = 1024
    PAGE_END = 4096
    NO_CONTEXT = 0xFFFF
    NO_PAGE = 0xFFFF
    MOST_TRIES = 24           # headers that are tried for one sample
    MOST_SWITCHED = 96        # ways of switches in a region
    MOST_RECURSIVE = 128      # instructions of a region in which something calls itself
    MOST_CALLED = 4           # places of the page that may be what a call by a register is of

cdef struct Row:
    uint8_t liftable
    uint8_t when
    uint8_t rd
    uint8_t control

cdef Row rows[MOST_HANDLERS]
cdef uint32_t AUIPC = handler_number("auipc")

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


cdef uint32_t control_of(uint32_t handler) noexcept nogil:
    return rows[handler].control


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


cdef inline uint32_t page_of(const Region *r, int32_t address) noexcept nogil:
    cdef uint32_t i
    for i in range(r.given.npages):
        if 0 <= address - r.given.at[i] < PAGE_END:
            return i
    return NO_PAGE


cdef inline bint is_split(const Region *r, uint32_t off) noexcept nogil:
    # Does the instruction there lie in two pages?
    return off & OFF_MASK == PAGE_END - 2 and r.given.pages[off] & 3 == 3


cdef const Insn *decoded(Region *r, uint32_t off) noexcept nogil:
    cdef Insn *n = &r.insns[off >> 1]
    cdef const uint8_t *at = r.given.pages + off
    cdef uint32_t insn, handler, following
    if n.length:
        return n
    insn = at[0] | <uint32_t>at[1] << 8
    if insn & 3 == 3:
        at += 2
        if off & OFF_MASK == PAGE_END - 2:
            # Half of it lies in the next page.
            following = page_of(r, address_of(r, off) + 2)
            if following == NO_PAGE:
                n.length = 4
                return n
            at = r.given.pages + PAGE_END * following
        insn |= <uint32_t>at[0] << 16 | <uint32_t>at[1] << 24
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

cdef inline bint is_in_page(const Region *r, uint32_t context, int32_t address) noexcept nogil:
    return 0 <= address - r.given.at[r.contexts[context].page] < PAGE_END


cdef inline uint32_t spot_of(const Region *r, const Way *w) noexcept nogil:
    # Where a way leads, if it is in the page of its context.
    cdef uint32_t page = r.contexts[w.context].page
    return PAGE_END * page + <uint32_t>(w.off - r.given.at[page])


cdef inline bint is_warm(const Region *r, uint32_t page, int32_t address) noexcept nogil:
    return bit(r.given.warm, PAGE_END * page + <uint32_t>(address - r.given.at[page]))


cdef uint32_t new_context(Region *r) noexcept nogil:
    cdef uint32_t i = r.ncontexts
    memset(r.seen[i], 0, sizeof(r.seen[i]))
    memset(r.leads[i], 0, sizeof(r.leads[i]))
    r.ncontexts += 1
    return i


cdef uint32_t turns_of(const Region *r, uint32_t context, int32_t target) noexcept nogil:
    # How many calls of that one there are around.
    cdef uint32_t turns = target == r.own
    while context:
        turns += r.contexts[context].target == target
        context = r.contexts[context].parent
    return turns


cdef uint32_t context_of_call(Region *r, uint32_t parent, uint32_t call, int32_t target, int32_t back,
                              uint32_t link) noexcept nogil:
    cdef uint32_t page = page_of(r, target)
    cdef uint32_t i
    cdef Context *c
    if page == NO_PAGE or (page and r.narrow) or not is_warm(r, page, target):
        return NO_CONTEXT
    for i in range(1, r.ncontexts):
        c = &r.contexts[i]
        if c.frame == i and c.parent == parent and c.call == call:
            return i
    if r.ncontexts >= MOST_CONTEXTS or r.contexts[parent].depth >= MOST_CALLS or not is_in_page(r, parent, back):
        return NO_CONTEXT
    i = turns_of(r, parent, target)
    r.recursive = r.recursive or i
    if i and i >= r.turns:
        return NO_CONTEXT
    i = new_context(r)
    c = &r.contexts[i]
    c.frame = <uint16_t>i
    c.target = target
    c.page = <uint16_t>page
    c.parent = <uint16_t>parent
    c.depth = r.contexts[parent].depth + 1
    c.call = <uint16_t>call
    c.back = back
    c.link = <uint8_t>link
    return i


cdef uint32_t context_at(Region *r, uint32_t context, int32_t address) noexcept nogil:
    # The one of the same calls where control goes on at an address.
    cdef uint32_t frame = r.contexts[context].frame
    cdef uint32_t page, i
    if is_in_page(r, context, address):
        return context
    page = page_of(r, address)
    if page == NO_PAGE or r.narrow or (frame == 0 and not r.wide) or not is_warm(r, page, address):
        return NO_CONTEXT
    for i in range(r.ncontexts):
        if r.contexts[i].frame == frame and r.contexts[i].page == page:
            return i
    if r.ncontexts >= MOST_CONTEXTS:
        return NO_CONTEXT
    i = new_context(r)
    r.contexts[i] = r.contexts[context]
    r.contexts[i].page = <uint16_t>page
    return i


cdef inline void set_way(Way *w, int32_t address, uint32_t context) noexcept nogil:
    w.off = address
    w.context = <uint16_t>context
    w.to = 0


cdef inline bint is_inside(const Region *r, const Way *w) noexcept nogil:
    # May the region go on there?
    if w.context == NO_CONTEXT or not is_in_page(r, w.context, w.off) or not bit(r.given.warm, spot_of(r, w)):
        return False
    return w.context != 0 or bit(r.within, <uint32_t>w.off)


cdef inline bint misaligned(const Region *r, int32_t off) noexcept nogil:
    return off & 2 and not has(r.given.isa, BIT_C)


cdef inline bint is_switch(const Region *r, uint32_t context, const Op *op) noexcept nogil:
    # ra and t0 are what returns go by. Where nothing is led to by it alone there is none.
    return op.rd == SINK and op.rs1 != 1 and op.rs1 != 5 and r.nalone > 1 and r.contexts[context].page == 0


cdef inline bint is_call_of_any(const Region *r, uint32_t context, const Op *op) noexcept nogil:
    # Of a function that a register says.
    return op.rd != SINK and 0 < r.nalone <= MOST_CALLED and r.contexts[context].page == 0


cdef bint is_far_jump(Region *r, uint32_t off, const Insn *n, int64_t *target) noexcept nogil:
    # Does auipc just before it say where jalr goes, as far as anyone can tell?
    cdef const Insn *before
    if off & OFF_MASK < 4 or not bit(r.given.warm, off - 4):
        return False
    before = decoded(r, off - 4)
    target[0] = (address_of(r, off - 4) + <int64_t>before.op.imm + n.op.imm) & ~<int64_t>1
    return before.handler == AUIPC and before.op.rd == n.op.rs1


cdef bint calls_here(Region *r, uint32_t off, int32_t *target) noexcept nogil:
    # While calls are stepped over: does that instruction of the page call one of its places, or may it?
    cdef const Insn *n = &r.insns[off >> 1]
    cdef uint32_t control = rows[n.handler].control
    cdef int64_t far = -1
    if n.op.rd == SINK:
        return False
    if control == JUMPS:
        far = <int64_t>off + n.op.imm
    elif control != JUMPS_FAR:
        return False
    elif not is_far_jump(r, off, n, &far):
        target[0] = -1
        return is_call_of_any(r, 0, &n.op)
    target[0] = <int32_t>far if 0 <= far < PAGE_END and bit(r.given.warm, <uint32_t>far) else -1
    return target[0] >= 0


cdef uint32_t goes_far(Region *r, uint32_t context, uint32_t off, const Insn *n, Way *ways) noexcept nogil:
    # Behind jalr of the region.
    cdef int32_t following = address_of(r, off) + n.length
    cdef int64_t target = 0
    cdef uint32_t i
    if is_far_jump(r, off, n, &target):
        if not -MOST_OFF < target < MOST_OFF or page_of(r, <int32_t>target) == NO_PAGE:
            return GO_AWAY
        set_way(&ways[0], <int32_t>target, context_at(r, context, <int32_t>target) if n.op.rd == SINK else
                context_of_call(r, context, off, <int32_t>target, following, n.op.rd))
        return GO_TO if is_inside(r, &ways[0]) else GO_AWAY
    if not is_call_of_any(r, context, &n.op):
        return GO_AWAY
    for i in range(r.ntargets):
        set_way(&ways[i], r.targets[i], NO_CONTEXT if i >= r.nalone else
                context_of_call(r, context, off, r.targets[i], following, n.op.rd))
    return GO_SWITCH


cdef inline uint32_t num_ways(const Region *r, uint32_t how) noexcept nogil:
    if how == GO_SWITCH:
        return r.ntargets
    return 2 if how == GO_BRANCH else 0 if how == GO_AWAY else 1


cdef uint32_t goes(Region *r, uint32_t context, uint32_t off, bint stepping, Way *ways) noexcept nogil:
    # How control goes on from the instruction there: GO_*. Stepping: calls are nothing but a name for what follows, and
    # so is what cannot be lifted.
    cdef const Insn *n = decoded(r, off)
    cdef uint32_t control = rows[n.handler].control
    cdef int32_t here = address_of(r, off)
    cdef int32_t target = here + n.op.imm
    cdef int32_t following = here + n.length
    cdef uint32_t i
    if not stepping and not n.liftable:
        return GO_NOT
    set_way(&ways[0], following, context_at(r, context, following))
    ways[1] = ways[0]
    if control == STRAIGHT or (stepping and is_split(r, off)):
        return GO_ON
    if control == DIES:
        return GO_AWAY
    if control == JUMPS_FAR:
        if n.op.rd != SINK and stepping:
            return GO_ON
        if n.op.rd == SINK and n.op.imm == 0 and context and n.op.rs1 == r.contexts[context].link:
            set_way(&ways[0], r.contexts[context].back, r.contexts[context].parent)
            return GO_BACK
        if not stepping and not has(r.given.isa, BIT_C):
            # It may be misaligned.
            return GO_NOT
        if is_switch(r, context, &n.op):
            for i in range(r.ntargets):
                set_way(&ways[i], r.targets[i], context)
            return GO_SWITCH
        return GO_AWAY if stepping else goes_far(r, context, off, n, ways)
    if misaligned(r, target):
        return GO_ON if stepping else GO_NOT
    if control == BRANCHES or n.op.rd == SINK:
        set_way(&ways[0], target, context_at(r, context, target))
        return GO_BRANCH if control == BRANCHES else GO_TO
    if not stepping:
        set_way(&ways[0], target, context_of_call(r, context, off, target, following, n.op.rd))
    return GO_ON if stepping else GO_TO


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
            how = goes(r, context, off, stepping, ways)
            if how == GO_NOT or r.nwalked >= most:
                break
            set_bit(r.seen[context], off & OFF_MASK)
            r.nwalked += 1
            if off == r.header and r.contexts[context].frame and not stepping:
                r.own = r.contexts[context].target
                r.recursive = True
            if stepping and calls_here(r, off, &target) and target >= 0:
                # What is called is looked at too.
                want(r, context, <uint32_t>target)
            if how == GO_ON and ways[0].context == context and is_inside(r, &ways[0]):
                off = spot_of(r, &ways[0])
                continue
            for k in range(num_ways(r, how)):
                if is_inside(r, &ways[k]):
                    want(r, ways[k].context, spot_of(r, &ways[k]))
            break
    r.nwait = 0


cdef inline uint32_t place_of(const Region *r, const Way *w) noexcept nogil:
    cdef uint32_t off
    if not is_inside(r, w):
        return 0
    off = spot_of(r, w) & OFF_MASK
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
        how = goes(r, p.context, off, stepping, p.ways)
        n = &r.insns[off >> 1]
        p.insns += 1
        p.last = <uint16_t>off
        p.writes |= writes_of(n)
        p.calls |= stepping and calls_here(r, off, &target)
        if how != GO_ON or p.ways[0].context != p.context or not is_inside(r, &p.ways[0]):
            break
        off = spot_of(r, &p.ways[0])
        if not bit(r.seen[p.context], off & OFF_MASK) or bit(r.leads[p.context], off & OFF_MASK):
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
                    new_place(r, f, context, PAGE_END * r.contexts[context].page + off)
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

cdef void note_led_to(Region *r, uint8_t *led, uint8_t *back) noexcept nogil:
    # Where warm instructions of the page lead by themselves, and where calls come back to. Each stretch is taken to
    # begin with one.
    cdef uint32_t off = 0
    cdef uint32_t control
    cdef int64_t target
    cdef const Insn *n
    cdef const Insn *before = NULL
    while off < PAGE_END:
        if not bit(r.given.warm, off):
            off += 2
            before = NULL
            continue
        n = decoded(r, off)
        control = rows[n.handler].control
        target = <int64_t>off + n.op.imm
        if control == JUMPS_FAR and before != NULL and before.handler == AUIPC and before.op.rd == n.op.rs1:
            target += before.op.imm - 4
            control = JUMPS
        before = n
        if (control == BRANCHES or control == JUMPS) and 0 <= target < PAGE_END:
            set_bit(led, <uint32_t>target & ~<uint32_t>1)
        off += n.length
        if off >= PAGE_END or control == DIES:
            continue
        if control != JUMPS and control != JUMPS_FAR:
            set_bit(led, off)
        elif n.op.rd != SINK:
            set_bit(back, off)


cdef void find_targets(Region *r) noexcept nogil:
    # What nothing else leads to; then, as they may be cases all the same, what something does.
    cdef uint8_t led[MAP_BYTES]
    cdef uint8_t back[MAP_BYTES]
    cdef uint32_t off
    cdef bint too
    r.ntargets = 0
    r.nalone = 0
    if r.given.targets == NULL:
        return
    memset(led, 0, sizeof(led))
    memset(back, 0, sizeof(back))
    note_led_to(r, led, back)
    for too in range(2):
        for off in range(0, PAGE_END, 2):
            if not bit(r.given.targets, off) or not bit(r.given.warm, off) or bit(back, off) or bit(led, off) != too:
                continue
            if r.ntargets == MOST_WAYS:
                # Comparing with more is no faster than looking it up.
                r.ntargets = r.ntargets if too else 0
                return
            r.targets[r.ntargets] = <uint16_t>off
            r.ntargets += 1
        if not too:
            r.nalone = r.ntargets


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
    for i in range(MAP_BYTES * given.npages):
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
            if calls_here(r, off, &w.off) and w.off >= 0:
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


cdef uint32_t used_pages(const Region *r) noexcept nogil:
    cdef uint32_t used = 1
    cdef uint32_t i
    cdef const Place *p
    for i in range(r.flow.norder):
        p = &r.flow.places[r.flow.order[i]]
        used |= <uint32_t>1 << (p.off >> PAGE_BITS)
        if is_split(r, p.last):
            used |= <uint32_t>1 << page_of(r, address_of(r, p.last) + 2)
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
    return r.ninsns <= r.given.limit and r.flow.norder <= MOST_FORMED


cdef uint32_t form_at(Region *r, uint32_t header) noexcept nogil:
    cdef uint32_t refused
    r.header = header
    r.is_loop = False
    r.ninsns = 0
    r.used = 1
    if header >= PAGE_END or header & 1 or not bit(r.given.warm, header):
        return REFUSED_COLD
    if is_split(r, header):
        # It has code of its own, which belongs to no page.
        return REFUSED_FIRST
    r.wide = not keep_within_loop(r, header)
    r.narrow = False
    r.turns = MOST_CALLS
    r.recursive = False
    r.own = NO_ADDRESS
    refused = form_loop(r, header)
    while r.recursive and r.turns and (refused == REFUSED_LARGE or r.ninsns > MOST_RECURSIVE):
        r.turns -= 1
        refused = form_loop(r, header)
    if r.given.npages > 1 and (refused == REFUSED_LARGE or (refused == REFUSED_NOT and not fits(r))):
        # It may be small enough without what it calls in other pages.
        r.narrow = True
        refused = form_loop(r, header)
    if refused:
        return refused
    if not fits(r):
        # As much of it as there may be.
        r.is_loop = False
        memset(r.within, 0xFF, sizeof(r.within))
        explore(r, header, r.given.limit)
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
