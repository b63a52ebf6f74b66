"""How control goes on from an instruction of the guest."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcpy, memset

from vmcore._fast.hart.decode cimport decode_number
from vmcore._fast.hart.fpregs cimport DYNAMIC
from vmcore._fast.hart.handlers cimport handler_number
from vmcore._fast.hart.isabits cimport BIT_C, has
from vmcore._fast.hart.softcore cimport RMM, RTZ
from vmcore._fast.hart.state cimport SINK, Op
from vmcore._fast.jit.image cimport MOST_JUMPS, Jump
from vmcore._fast.jit.t2.flow cimport GO_AWAY, GO_BACK, GO_BRANCH, GO_NOT, GO_ON, GO_SWITCH, GO_TO, MOST_WAYS, Way
from vmcore._fast.jit.t2.ir cimport MOST_OFF

from vmcore._fast.hart import control as _control
from vmcore._fast.hart import ops_bits, ops_crypto, ops_fp, ops_int, ops_mem, ops_sys

# Handlers have their numbers once their modules are imported.
HANDLER_MODULES = (_control, ops_bits, ops_crypto, ops_fp, ops_int, ops_mem, ops_sys)

cdef enum:
    MOST_HANDLERS = 1024
    MOST_TIMES = 0xFFFF
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


# --- instructions -----------------------------------------------------------------------------------------------------

cdef inline bint can_lift(const Guide *g, uint32_t handler, const Op *op) noexcept nogil:
    cdef const Row *row = &rows[handler]
    cdef uint32_t mode
    if not row.liftable:
        return False
    if row.when == LIFT_TURNS:
        return not g.given.parallel
    if row.when == LIFT_ALONE:
        return not g.given.many_harts
    if row.when == LIFT_EXACT:
        # With a reserved mode it is illegal. (Where frm has one the host's FPU is never the guest's.)
        mode = (<uint32_t>op.imm >> 16) & 7
        return mode <= RMM or mode == DYNAMIC
    if row.when == LIFT_ROUNDED or row.when == LIFT_ROUNDED_INT:
        mode = (<uint32_t>op.imm >> 16) & 7
        return mode == DYNAMIC or (mode == RTZ and row.when == LIFT_ROUNDED_INT)
    return True


cdef const Insn *decoded(Guide *g, uint32_t off) noexcept nogil:
    cdef Insn *n = &g.insns[off >> 1]
    cdef const uint8_t *at = g.given.pages + off
    cdef uint32_t insn, handler, following
    if n.length:
        return n
    insn = at[0] | <uint32_t>at[1] << 8
    if insn & 3 == 3:
        at += 2
        if off & OFF_MASK == PAGE_END - 2:
            # Half of it lies in the next page.
            following = page_of(g, address_of(g, off) + 2)
            if following == NO_PAGE:
                n.length = 4
                return n
            at = g.given.pages + PAGE_END * following
        insn |= <uint32_t>at[0] << 16 | <uint32_t>at[1] << 24
    n.length = <uint8_t>decode_number(g.given.isa, insn, &n.op, &handler)
    n.handler = <uint16_t>handler
    n.liftable = can_lift(g, handler, &n.op)
    return n


cdef uint64_t writes_of(const Insn *n) noexcept nogil:
    cdef const Row *row = &rows[n.handler]
    if row.rd == RD_X and n.op.rd != SINK:
        return <uint64_t>1 << n.op.rd
    if row.rd == RD_F:
        return <uint64_t>1 << (32 + n.op.rd)
    return 0


# --- contexts ---------------------------------------------------------------------------------------------------------

cdef inline bint is_warm(const Guide *g, uint32_t page, int32_t address) noexcept nogil:
    return bit(g.given.warm, PAGE_END * page + <uint32_t>(address - g.given.at[page]))


cdef void guide_clear(Guide *g) noexcept nogil:
    g.ncontexts = 1
    memset(&g.contexts[0], 0, sizeof(Context))


cdef uint32_t new_context(Guide *g) noexcept nogil:
    g.ncontexts += 1
    return g.ncontexts - 1


cdef uint32_t turns_of(const Guide *g, uint32_t context, int32_t target) noexcept nogil:
    # How many calls of that one there are around.
    cdef uint32_t turns = target == g.own
    while context:
        turns += g.contexts[context].target == target
        context = g.contexts[context].parent
    return turns


cdef uint32_t context_of_call(Guide *g, uint32_t parent, uint32_t call, int32_t target, int32_t back,
                              uint32_t link) noexcept nogil:
    cdef uint32_t page = page_of(g, target)
    cdef uint32_t i
    cdef Context *c
    if page == NO_PAGE or (page and g.narrow) or not is_warm(g, page, target):
        return NO_CONTEXT
    for i in range(1, g.ncontexts):
        c = &g.contexts[i]
        if c.frame == i and c.parent == parent and c.call == call:
            return i
    if g.ncontexts >= MOST_CONTEXTS or g.contexts[parent].depth >= MOST_CALLS or not is_in_page(g, parent, back):
        return NO_CONTEXT
    i = turns_of(g, parent, target)
    g.recursive = g.recursive or i
    if i and i >= g.turns:
        return NO_CONTEXT
    i = new_context(g)
    c = &g.contexts[i]
    c.frame = <uint16_t>i
    c.target = target
    c.page = <uint16_t>page
    c.parent = <uint16_t>parent
    c.depth = g.contexts[parent].depth + 1
    c.call = <uint16_t>call
    c.back = back
    c.link = <uint8_t>link
    return i


cdef uint32_t context_at(Guide *g, uint32_t context, int32_t address) noexcept nogil:
    # The one of the same calls where control goes on at an address.
    cdef uint32_t frame = g.contexts[context].frame
    cdef uint32_t page, i
    if is_in_page(g, context, address):
        return context
    page = page_of(g, address)
    if page == NO_PAGE or g.narrow or (frame == 0 and not g.wide) or not is_warm(g, page, address):
        return NO_CONTEXT
    for i in range(g.ncontexts):
        if g.contexts[i].frame == frame and g.contexts[i].page == page:
            return i
    if g.ncontexts >= MOST_CONTEXTS:
        return NO_CONTEXT
    i = new_context(g)
    g.contexts[i] = g.contexts[context]
    g.contexts[i].page = <uint16_t>page
    return i


# --- where control goes -----------------------------------------------------------------------------------------------

cdef inline void set_way(Way *way, int32_t address, uint32_t context) noexcept nogil:
    way.off = address
    way.context = <uint16_t>context
    way.to = 0
    way.times = 0


cdef inline bint misaligned(const Guide *g, int32_t off) noexcept nogil:
    return off & 2 and not has(g.given.isa, BIT_C)


cdef uint32_t jumps_at(const Guide *g, uint32_t off, uint16_t *to) noexcept nogil:
    # Where that instruction of the page was seen to jump, most often first.
    cdef uint32_t n = 0
    cdef uint32_t i
    for i in range(g.njumps):
        if g.jumps[i].at == off and n < MOST_WAYS:
            to[n] = g.jumps[i].to
            n += 1
    return n


cdef inline bint is_among(uint16_t what, const uint16_t *of, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        if of[i] == what:
            return True
    return False


cdef uint32_t targets_of(const Guide *g, uint32_t off, uint16_t *to, uint32_t *alone) noexcept nogil:
    # Where that one may lead; the first `alone` are what nothing else leads to, or what it was seen to jump to.
    cdef uint32_t n = jumps_at(g, off, to)
    cdef uint32_t seen = n
    cdef uint32_t i
    if n == 0:
        memcpy(to, g.targets, g.ntargets * sizeof(to[0]))
        alone[0] = g.nalone
        return g.ntargets
    for i in range(g.nalone):
        if not is_among(g.targets[i], to, seen):
            if n == MOST_WAYS:
                # What others may have meant is left out rather than only some of it.
                n = seen
                break
            to[n] = g.targets[i]
            n += 1
    alone[0] = n
    return n


cdef inline bint is_switch(const Op *op) noexcept nogil:
    # ra and t0 are what returns go by.
    return op.rd == SINK and op.rs1 != 1 and op.rs1 != 5


cdef uint32_t switch(Guide *g, uint32_t context, uint32_t off, Way *ways) noexcept nogil:
    # Where nothing is led to by it alone there is none.
    cdef uint16_t to[MOST_WAYS]
    cdef uint32_t i
    cdef uint32_t alone = 0
    if g.contexts[context].page:
        return GO_AWAY
    g.nways = targets_of(g, off, to, &alone)
    if alone < 2:
        return GO_AWAY
    for i in range(g.nways):
        set_way(&ways[i], to[i], context)
    return GO_SWITCH


cdef uint32_t called_at(const Guide *g, uint32_t off, const Op *op, uint16_t *to, uint32_t *alone) noexcept nogil:
    # Of the header's page, by a register: the functions that it may be, if they are few.
    cdef uint32_t n
    if op.rd == SINK or off >= PAGE_END:
        return 0
    n = targets_of(g, off, to, alone)
    return n if 0 < alone[0] <= MOST_CALLED else 0


cdef bint is_far_jump(Guide *g, uint32_t off, const Insn *n, int64_t *target) noexcept nogil:
    # Does auipc just before it say where jalr goes, as far as anyone can tell?
    cdef const Insn *before
    if off & OFF_MASK < 4 or not bit(g.given.warm, off - 4):
        return False
    before = decoded(g, off - 4)
    target[0] = (address_of(g, off - 4) + <int64_t>before.op.imm + n.op.imm) & ~<int64_t>1
    return before.handler == AUIPC and before.op.rd == n.op.rs1


cdef bint calls_here(Guide *g, uint32_t off, int32_t *target) noexcept nogil:
    cdef const Insn *n = &g.insns[off >> 1]
    cdef uint32_t control = rows[n.handler].control
    cdef int64_t far = -1
    cdef uint16_t to[MOST_WAYS]
    cdef uint32_t alone = 0
    if n.op.rd == SINK:
        return False
    if control == JUMPS:
        far = <int64_t>off + n.op.imm
    elif control != JUMPS_FAR:
        return False
    elif not is_far_jump(g, off, n, &far):
        target[0] = -1
        return called_at(g, off, &n.op, to, &alone) != 0
    target[0] = <int32_t>far if 0 <= far < PAGE_END and bit(g.given.warm, <uint32_t>far) else -1
    return target[0] >= 0


cdef uint32_t goes_far(Guide *g, uint32_t context, uint32_t off, const Insn *n, Way *ways) noexcept nogil:
    # Behind jalr of the region.
    cdef int32_t following = address_of(g, off) + n.length
    cdef int64_t target = 0
    cdef uint16_t to[MOST_WAYS]
    cdef uint32_t i
    cdef uint32_t alone = 0
    if is_far_jump(g, off, n, &target):
        if not -MOST_OFF < target < MOST_OFF or page_of(g, <int32_t>target) == NO_PAGE:
            return GO_AWAY
        set_way(&ways[0], <int32_t>target, context_at(g, context, <int32_t>target) if n.op.rd == SINK else
                context_of_call(g, context, off, <int32_t>target, following, n.op.rd))
        return GO_TO if is_inside(g, &ways[0]) else GO_AWAY
    g.nways = called_at(g, off, &n.op, to, &alone)
    for i in range(g.nways):
        set_way(&ways[i], to[i], NO_CONTEXT if i >= alone else
                context_of_call(g, context, off, to[i], following, n.op.rd))
    return GO_SWITCH if g.nways else GO_AWAY


cdef uint32_t goes(Guide *g, uint32_t context, uint32_t off, bint stepping, Way *ways) noexcept nogil:
    cdef const Insn *n = decoded(g, off)
    cdef uint32_t control = rows[n.handler].control
    cdef int32_t here = address_of(g, off)
    cdef int32_t target = here + n.op.imm
    cdef int32_t following = here + n.length
    if not stepping and not n.liftable:
        return GO_NOT
    set_way(&ways[0], following, context_at(g, context, following))
    ways[1] = ways[0]
    if control == STRAIGHT or (stepping and is_split(g, off)):
        return GO_ON
    if control == DIES:
        return GO_AWAY
    if control == JUMPS_FAR:
        if n.op.rd != SINK and stepping:
            return GO_ON
        if n.op.rd == SINK and n.op.imm == 0 and context and n.op.rs1 == g.contexts[context].link:
            set_way(&ways[0], g.contexts[context].back, g.contexts[context].parent)
            return GO_BACK
        if not stepping and not has(g.given.isa, BIT_C):
            # It may be misaligned.
            return GO_NOT
        if is_switch(&n.op) and switch(g, context, off, ways) == GO_SWITCH:
            return GO_SWITCH
        return GO_AWAY if stepping else goes_far(g, context, off, n, ways)
    if misaligned(g, target):
        return GO_ON if stepping else GO_NOT
    if control == BRANCHES or n.op.rd == SINK:
        set_way(&ways[0], target, context_at(g, context, target))
        return GO_BRANCH if control == BRANCHES else GO_TO
    if not stepping:
        set_way(&ways[0], target, context_of_call(g, context, off, target, following, n.op.rd))
    return GO_ON if stepping else GO_TO


# --- switches ---------------------------------------------------------------------------------------------------------

cdef void note_led_to(Guide *g, uint8_t *led, uint8_t *back) noexcept nogil:
    # Where warm instructions of the page lead by themselves, and where calls come back to. Each stretch is taken to
    # begin with one.
    cdef uint32_t off = 0
    cdef uint32_t control
    cdef int64_t target
    cdef const Insn *n
    cdef const Insn *before = NULL
    while off < PAGE_END:
        if not bit(g.given.warm, off):
            off += 2
            before = NULL
            continue
        n = decoded(g, off)
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


cdef void find_targets(Guide *g) noexcept nogil:
    # What nothing else leads to; then, as they may be cases all the same, what something does.
    cdef uint8_t led[MAP_BYTES]
    cdef uint8_t back[MAP_BYTES]
    cdef uint32_t off
    cdef bint too
    g.ntargets = 0
    g.nalone = 0
    if g.given.targets == NULL:
        return
    memset(led, 0, sizeof(led))
    memset(back, 0, sizeof(back))
    note_led_to(g, led, back)
    for too in range(2):
        for off in range(0, PAGE_END, 2):
            if not bit(g.given.targets, off) or not bit(g.given.warm, off) or bit(back, off) or bit(led, off) != too:
                continue
            if g.ntargets == MOST_WAYS:
                # Comparing with more is no faster than looking it up.
                g.ntargets = g.ntargets if too else 0
                return
            g.targets[g.ntargets] = <uint16_t>off
            g.ntargets += 1
        if not too:
            g.nalone = g.ntargets


cdef void add_jump(Guide *g, uint32_t at, uint32_t to) noexcept nogil:
    cdef uint32_t i = 0
    while i < g.njumps and (g.jumps[i].at != at or g.jumps[i].to != to):
        i += 1
    if i == MOST_JUMPS:
        return
    if i == g.njumps:
        g.jumps[i].at = <uint16_t>at
        g.jumps[i].to = <uint16_t>to
        g.jumps[i].times = 0
        g.njumps += 1
    if g.jumps[i].times < MOST_TIMES:
        g.jumps[i].times += 1


cdef int by_times(const void *one, const void *two) noexcept nogil:
    cdef const Jump *a = <const Jump *>one
    cdef const Jump *b = <const Jump *>two
    if a.times != b.times:
        return -1 if a.times > b.times else 1
    return <int>(a.at << 16 | a.to) - <int>(b.at << 16 | b.to)


cdef void find_jumps(Guide *g) noexcept nogil:
    # Those that are known, and those of the trail.
    cdef const int32_t *trail = g.given.trail
    cdef const Insn *n
    cdef int64_t target
    cdef uint32_t i
    g.njumps = g.given.njumps
    if g.njumps:
        memcpy(g.jumps, g.given.jumps, g.njumps * sizeof(g.jumps[0]))
    for i in range(1, g.given.ntrail):
        if not (0 <= trail[i - 1] < PAGE_END and 0 <= trail[i] < PAGE_END and not (trail[i - 1] | trail[i]) & 1
                and bit(g.given.warm, trail[i - 1]) and bit(g.given.warm, trail[i])):
            continue
        n = decoded(g, trail[i - 1])
        # (What comes next may also be what an interrupt interrupted elsewhere.)
        if rows[n.handler].control == JUMPS_FAR and (n.op.rd != SINK or is_switch(&n.op)) and \
                not is_far_jump(g, trail[i - 1], n, &target):
            add_jump(g, trail[i - 1], trail[i])
    qsort(g.jumps, g.njumps, sizeof(g.jumps[0]), by_times)


cdef void guide_begin(Guide *g, const RegionInput *given) noexcept nogil:
    cdef uint32_t i
    g.given = given[0]
    # Nothing else is decoded.
    for i in range(MAP_BYTES * given.npages):
        if given.warm[i]:
            memset(&g.insns[8 * i], 0, 8 * sizeof(Insn))
    memset(g.within, 0xFF, sizeof(g.within))
    find_targets(g)
    find_jumps(g)
