"""Leaving a region: exits and side tables."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.hart.state cimport ACC_READ, ACC_WRITE
from vmcore._fast.jit.block cimport Link
from vmcore._fast.jit.convention cimport (
    HOST_OF, INFO_ACC_SHIFT, INFO_COUNT_SHIFT, STUB_FP, STUB_STEP, STUB_T2_MISS, XMM_OF, at_budget, at_crossings, at_f,
    at_in_region, at_insns, at_page_base, at_stub, at_x)
from vmcore._fast.jit.image cimport BEHIND, PLACE_BITS
from vmcore._fast.jit.l1 cimport jump_rax
from vmcore._fast.jit.t2.code cimport (
    ASIDE_CROSS, ASIDE_EXIT, ASIDE_LOST, ASIDE_NEXT, ASIDE_NEXT_RAX, ASIDE_PAGES, ASIDE_POLLED, ASIDE_STEP, XMM0, XMM1,
    Away, Code, Wait, away, land8, make_moves, node_of, one_more, source_of)
from vmcore._fast.jit.t2.emit_mem cimport host_address
from vmcore._fast.jit.t2.ir cimport (
    F_REGISTERS, MEM_AHEAD, MEM_EARLY, MEM_WRITE, SNAP_STEP, Node, Snap, snap_node, snap_reg)
from vmcore._fast.jit.t2.moves cimport MOST_MOVES, PLACE_BASE, PLACE_CONST, PLACE_HOME, Move
from vmcore._fast.jit.t2.places cimport AT_XMM
from vmcore._fast.jit.t2.record cimport (
    RECORD_EARLY, RECORD_FAR, RECORD_FIRST, RECORD_HEAD, RECORD_SLOT_SHIFT, RECORD_WORK_SHIFT)
from vmcore._fast.jit.t2.select cimport LATE_BOX, LATE_CLEAN, late_work, snap_source
from vmcore._fast.jit.t2.ways cimport OFF_MASK
from vmcore._fast.jit.x64.asm cimport (
    ASM_SLACK, CC_A, CC_L, CC_NP, F_ADD_I, F_AND_I, F_CMP_I, F_MOV, F_MOVQ_XR, F_MOVSD_LOAD, F_MOVSD_STORE, F_MOVSXD,
    F_MOV_MR, F_OR8_MI, F_PCMPEQD, F_SUB_I, F_SUB_MR, F_UCOMISD, F_UCOMISS, F_UNPCKLPS, RAX, RBP, RDX, x64_put16,
    x64_put32, x64_put64, x_call_m, x_jcc, x_jcc8, x_jmp, x_jmp_m, x_jmp_to, x_lea_rip, x_mov_imm, x_nops, x_patch32,
    x_rm, x_rmi, x_rr, x_rri)


cdef enum:
    LARGEST = 8               # access
    LAST_HALF = 4094


cdef uint16_t boundary_of(uint32_t r) noexcept nogil:
    if r >= F_REGISTERS:
        if XMM_OF[r - F_REGISTERS] >= 0:
            return <uint16_t>(AT_XMM + XMM_OF[r - F_REGISTERS])
    elif HOST_OF[r] >= 0:
        return <uint16_t>HOST_OF[r]
    return <uint16_t>(PLACE_HOME + r)


cdef uint32_t snap_moves(Code *c, uint32_t snap, uint32_t n) noexcept nogil:
    cdef const Snap *s = &c.g.snaps[snap]
    cdef uint32_t i
    for i in range(s.nregs):
        if n >= MOST_MOVES:
            c.failed = True
            return 0
        c.moves[n].to = boundary_of(snap_reg(c.g, s, i))
        source_of(c, snap_source(c.g, s, i), &c.moves[n])
        n += 1
    return n


cdef void late_int(Code *c, uint32_t r) noexcept nogil:
    cdef int reg = HOST_OF[r]
    if reg >= 0:
        x_rr(&c.a, F_MOVSXD, 1, reg, reg)
    else:
        x_rm(&c.a, F_MOVSXD, 1, RDX, RBP, at_x(r))
        x_rm(&c.a, F_MOV_MR, 1, RDX, RBP, at_x(r))


cdef void late_fp(Code *c, uint32_t r, uint32_t work) noexcept nogil:
    cdef int own = XMM_OF[r]
    cdef int reg = own if own >= 0 else XMM0
    cdef bint single = work & LATE_BOX
    cdef uint8_t *field
    if own < 0:
        x_rm(&c.a, F_MOVSD_LOAD, 0, reg, RBP, at_f(r))
    if work & LATE_CLEAN:
        x_rr(&c.a, F_UCOMISS if single else F_UCOMISD, 0, reg, reg)
        field = x_jcc8(&c.a, CC_NP)
        x_mov_imm(&c.a, RDX, <uint64_t>(0x7FC00000 if single else 0x7FF8000000000000))
        x_rr(&c.a, F_MOVQ_XR, 1, reg, RDX)
        land8(c, field)
    if single:
        x_rr(&c.a, F_PCMPEQD, 0, XMM1, XMM1)
        x_rr(&c.a, F_UNPCKLPS, 0, reg, XMM1)
    if own < 0:
        x_rm(&c.a, F_MOVSD_STORE, 0, reg, RBP, at_f(r))


cdef void late_works(Code *c, uint32_t snap) noexcept nogil:
    # Behind the moves, where each register of the guest is where it belongs. Leaves rax alone.
    cdef const Snap *s = &c.g.snaps[snap]
    cdef uint32_t i, r, work
    for i in range(s.nregs):
        work = late_work(c.g, snap_node(c.g, s, i))
        r = snap_reg(c.g, s, i)
        if work and r >= F_REGISTERS:
            late_fp(c, r - F_REGISTERS, work)
        elif work:
            late_int(c, r)


cdef inline uint32_t off_of(const Snap *s) noexcept nogil:
    return <uint32_t>s.off & OFF_MASK


cdef inline int32_t page_of(const Snap *s) noexcept nogil:
    # Where its page lies, from the header's on.
    return s.off - <int32_t>off_of(s)


cdef inline uint32_t info_of(const Snap *s) noexcept nogil:
    return off_of(s) >> 1 | s.count << INFO_COUNT_SHIFT


cdef inline void turn_page(Code *c, const Snap *s) noexcept nogil:
    # Behind the moves, for which hart.page_base is that of the header.
    if page_of(s):
        x_rmi(&c.a, F_ADD_I, 1, 0, RBP, at_page_base(), page_of(s))


cdef void count_retired(Code *c, uint32_t more) noexcept nogil:
    # By how much less the budget is than on the way in. `more`: what is still to be subtracted.
    x_rm(&c.a, F_MOV, 1, RDX, RBP, at_budget())
    if more:
        x_rri(&c.a, F_SUB_I, 1, 0, RDX, more)
    x_rm(&c.a, F_SUB_MR, 1, RDX, RBP, at_insns(c.slot))


cdef inline void count_off(Code *c, uint32_t count, uint32_t kind, uint32_t what) noexcept nogil:
    # Subtract what was executed; where the budget is used up, or raised, leave altogether.
    if count:
        x_rmi(&c.a, F_SUB_I, 1, 0, RBP, at_budget(), count)
        away(c, x_jcc(&c.a, CC_L), kind, what)


cdef void link_to(Code *c, uint32_t off) noexcept nogil:
    # A jump to another place of the header's page; BEHIND: to the region's own, in block code. Where another hart may
    # be executing it while it is linked, its displacement lies in one aligned word of eight bytes (jit/block.pxd).
    cdef uint32_t at
    cdef uint8_t *field
    cdef Link *link
    if c.parallel:
        at = (<uint32_t>(c.a.at - c.a.start) + 1) & 7
        if at > 4:
            x_nops(&c.a, 8 - at)
    field = x_jmp(&c.a)
    link = <Link *>one_more(c, <void **>&c.links, &c.nlinks, 3, sizeof(Link))
    if link != NULL:
        link.field = <uint32_t>(field - c.a.start)
        link.off = off
    # (Whoever goes on where the region begins is in the region again.)
    away(c, field, ASIDE_STEP if off & BEHIND else ASIDE_NEXT, off & PLACE_BITS)


cdef inline void go_rax(Code *c) noexcept nogil:
    away(c, jump_rax(&c.a, c.counting), ASIDE_LOST, 0)


cdef void go_on(Code *c, const Snap *s, bint behind) noexcept nogil:
    # In block code, at the snapshot's instruction; `behind`: and not in the region again.
    count_off(c, s.count, ASIDE_NEXT, off_of(s))
    if page_of(s) == 0 and s.off != LAST_HALF:
        link_to(c, off_of(s) | BEHIND if behind and s.off == c.g.blocks[1].off else off_of(s))
        return
    # What lies in another page, or may lie in two, is found by its address.
    x_rm(&c.a, F_MOV, 1, RAX, RBP, at_page_base())
    x_rri(&c.a, F_ADD_I, 1, 0, RAX, off_of(s))
    go_rax(c)


cdef void emit_exit(Code *c, uint32_t snap, bint polled) noexcept nogil:
    cdef const Snap *s = &c.g.snaps[snap]
    make_moves(c, snap_moves(c, snap, 0), False)
    late_works(c, snap)
    turn_page(c, s)
    count_retired(c, 0 if polled else s.count)
    if s.kind == SNAP_STEP and not polled:
        x_mov_imm(&c.a, RDX, info_of(s))
        x_jmp_m(&c.a, RBP, at_stub(STUB_STEP))
    elif polled:
        # Who is seen here is seen in a region.
        x_rmi(&c.a, F_OR8_MI, 0, 0, RBP, at_in_region(), 1)
        away(c, x_jmp(&c.a), ASIDE_NEXT, off_of(s))
    else:
        go_on(c, s, False)


cdef void emit_cross(Code *c, uint32_t snap) noexcept nogil:
    # Who decides about regions wants to know whether that is often.
    cdef const Snap *s = &c.g.snaps[snap]
    x_rmi(&c.a, F_ADD_I, 1, 0, RBP, at_crossings(c.slot), 1)
    make_moves(c, snap_moves(c, snap, 0), False)
    late_works(c, snap)
    turn_page(c, s)
    count_retired(c, s.count)
    go_on(c, s, True)


cdef void emit_leave_to(Code *c, uint32_t target, uint32_t snap) noexcept nogil:
    c.moves[0].to = RAX
    source_of(c, target, &c.moves[0])
    make_moves(c, snap_moves(c, snap, 1), True)
    late_works(c, snap)
    count_retired(c, c.g.snaps[snap].count)
    count_off(c, c.g.snaps[snap].count, ASIDE_NEXT_RAX, 0)
    go_rax(c)


cdef void miss_aside(Code *c, uint32_t host, const Away *w) noexcept nogil:
    cdef uint8_t *back = w.back
    cdef Wait *table
    cdef const Node *n = node_of(c, host)
    host_address(c, host, RAX)
    if n.size > LARGEST:
        # Of several accesses, or of what comes in several turns, some may lie in one page: each is looked at by itself.
        x_rr(&c.a, F_MOV, 0, RDX, RAX)
        x_rri(&c.a, F_AND_I, 0, 0, RDX, 4095)
        x_rri(&c.a, F_CMP_I, 0, 0, RDX, 4096 - <int64_t>n.size)
        away(c, x_jcc(&c.a, CC_A), ASIDE_CROSS, n.snap)
    table = <Wait *>one_more(c, <void **>&c.tables, &c.ntables, 2, sizeof(Wait))
    if table != NULL:
        table.field = x_lea_rip(&c.a, RDX)
        table.what = host
    x_call_m(&c.a, RBP, at_stub(STUB_T2_MISS))
    x_jmp_to(&c.a, back)


cdef void fpu_aside(Code *c, uint32_t snap, const Away *w) noexcept nogil:
    # Nothing has been moved yet. Or T0 executes the first instruction.
    cdef uint8_t *back = w.back
    x_mov_imm(&c.a, RDX, info_of(&c.g.snaps[snap]))
    x_call_m(&c.a, RBP, at_stub(STUB_FP))
    x_jmp_to(&c.a, back)


# --- exits that are alike ---------------------------------------------------------------------------------------------

cdef bint same_snap(const Code *c, uint32_t one, uint32_t two, bint polled) noexcept nogil:
    cdef const Snap *s = &c.g.snaps[one]
    cdef const Snap *t = &c.g.snaps[two]
    cdef uint32_t i
    if one == two:
        return True
    if s.off != t.off or s.nregs != t.nregs:
        return False
    if not polled and (s.count != t.count or s.kind != t.kind):
        return False
    for i in range(s.nregs):
        if c.g.pool[s.regs + i] != c.g.pool[t.regs + i]:
            return False
    return True


cdef Away *find_exit(Code *c, const Away *like) noexcept nogil:
    cdef Away *w
    cdef uint32_t i
    for i in range(c.naways):
        w = &c.aways[i]
        if w == like:
            return NULL
        if w.kind != like.kind or w.at == NULL:
            continue
        if w.kind == ASIDE_NEXT_RAX or w.kind == ASIDE_LOST or w.kind == ASIDE_PAGES:
            return w
        if w.kind == ASIDE_NEXT and w.what == like.what:
            return w
        if w.kind != ASIDE_EXIT and w.kind != ASIDE_POLLED and w.kind != ASIDE_CROSS:
            continue
        if same_snap(c, w.what, like.what, w.kind == ASIDE_POLLED):
            return w
    return NULL


# --- side tables ------------------------------------------------------------------------------------------------------

cdef void emit_record(Code *c, uint32_t host) noexcept nogil:
    cdef const Node *n = node_of(c, host)
    cdef const Snap *s = &c.g.snaps[n.snap]
    cdef uint32_t access = (ACC_WRITE if n.flags & MEM_WRITE else ACC_READ) >> 3 | 1
    cdef uint8_t *at = c.a.at
    cdef uint8_t *pairs = at + RECORD_HEAD
    cdef Move move
    cdef uint32_t npairs = 0
    cdef uint32_t nvalues = 0
    cdef uint64_t values[64]
    cdef uint32_t i, r, work
    if c.a.end - at < RECORD_HEAD + 4 + 10 * 64 + ASM_SLACK:
        c.a.full = 1
        return
    x64_put32(at, info_of(s) | access << INFO_ACC_SHIFT)
    x64_put16(at + 4, n.size)
    at[6] = <uint8_t>(c.slot << RECORD_SLOT_SHIFT)
    if n.flags & (MEM_EARLY | MEM_AHEAD):
        at[6] |= RECORD_EARLY
    if s.off == c.g.blocks[1].off:
        at[6] |= RECORD_FIRST
    if page_of(s):
        at[6] |= RECORD_FAR
        x64_put32(at + RECORD_HEAD, <uint32_t>page_of(s))
        pairs += 4
    for i in range(s.nregs):
        r = snap_reg(c.g, s, i)
        source_of(c, snap_source(c.g, s, i), &move)
        work = late_work(c.g, snap_node(c.g, s, i))
        if (move.source == PLACE_HOME + r and work == 0) or npairs >= 64:
            continue
        if move.source == PLACE_CONST or move.source == PLACE_BASE:
            values[nvalues] = <uint64_t>move.value
            nvalues += 1
        pairs[2 * npairs] = <uint8_t>(r | work << RECORD_WORK_SHIFT)
        pairs[2 * npairs + 1] = <uint8_t>move.source
        npairs += 1
    at[7] = <uint8_t>npairs
    at = pairs + 2 * npairs
    for i in range(nvalues):
        x64_put64(at, values[i])
        at += 8
    c.a.at = at


cdef void emit_tables(Code *c) noexcept nogil:
    cdef uint32_t i
    for i in range(c.ntables):
        if not c.a.full:
            x_patch32(c.tables[i].field, c.a.at)
        emit_record(c, c.tables[i].what)
