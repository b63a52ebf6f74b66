"""A hart's address translation: its TLB contexts, its fetch contexts, and what flushes them."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.defs cimport gva_t
from vmcore._fast.hart.isabits cimport BIT_S, has
from vmcore._fast.hart.state cimport (
    FETCHED_WORDS, ID_SHIFT, L1_EMPTY, L1_RAW, L1_SIZE, L1_USED, LAST_ID, MSTATUS_MXR, MSTATUS_SUM, NUM_DCTX, NUM_FCTX,
    PRIV_M, PRIV_S, CodeEntry, FetchCtx, Hart, l1_index, no_code_tag)
from vmcore._fast.memory.mmu cimport PTE_G, WALK_ACCESS_FAULT, WALK_OK, WANT_R, WANT_W, WANT_X, mmu_walk
from vmcore._fast.memory.pmp cimport PMP_R, PMP_W, PMP_X, pmp_allows, pmp_splits_page
from vmcore._fast.memory.tlb cimport DataCtx, ctx_clear, drop_entry
from vmcore._fast.memory.tlb2 cimport answers, tlb2_clear, tlb2_find, tlb2_flush, tlb2_put

# Keys: bit 63 says that the slot is used.
#   data   levels 0..3 | priv 4..5 | SUM 6 | MXR 7 | ASID 8..23
#   fetch  levels 0..3 | priv 4..5 | every ASID 6 | ASID 8..23
cdef enum:
    EVERY_ASID = 1 << 6
    ASID_SHIFT = 8


cdef inline uint32_t levels_of(uint64_t satp) noexcept nogil:
    cdef uint32_t mode = <uint32_t>(satp >> 60)
    return mode - 5 if mode >= 8 else 0


cdef inline void name_context(Hart *hart, FetchCtx *ctx, uint64_t number) noexcept nogil:
    # What the old id and the old serial number tag is gone, so no flush has to find it.
    hart.next_serial += 1
    ctx.serial = hart.next_serial
    ctx.id = number
    ctx.lo = 1
    ctx.hi = 0
    memset(ctx.fetched, 0, sizeof(ctx.fetched))


cdef void empty_l1(Hart *hart) noexcept nogil:
    cdef uint32_t i
    for i in range(L1_SIZE):
        hart.l1[i].tag = no_code_tag(i)
        hart.l1_second[i].tag = no_code_tag(i)
    hart.l1_state = L1_EMPTY


cdef void deal_ids(Hart *hart) noexcept nogil:
    # The table of compiled code is emptied, and every context starts again.
    cdef uint32_t i
    if hart.l1_state == L1_USED:
        empty_l1(hart)
    for i in range(NUM_FCTX):
        name_context(hart, &hart.fctx[i], i + 1)
    hart.next_id = NUM_FCTX + 1


cdef void renew(Hart *hart, FetchCtx *ctx) noexcept nogil:
    # Neither the serial number nor the id that the context had will be met again: whatever they tag is gone.
    if hart.next_id > LAST_ID or hart.next_id == 0:
        deal_ids(hart)
    else:
        name_context(hart, ctx, hart.next_id)
        hart.next_id += 1


cdef void use_fetch_context(Hart *hart, uint64_t key) noexcept nogil:
    cdef uint32_t i = 0
    while i < NUM_FCTX and hart.fctx[i].key != key:
        i += 1
    if i == NUM_FCTX:
        hart.fctx_turn = (hart.fctx_turn + 1) % NUM_FCTX
        i = hart.fctx_turn
        hart.fctx[i].key = key
        renew(hart, &hart.fctx[i])
    hart.fctx_now = &hart.fctx[i]
    hart.fctx_key = key
    hart.fetch_ctx = hart.fctx[i].serial
    hart.l1_tag = hart.fctx[i].id << ID_SHIFT | (hart.l1_state == L1_RAW)


cdef void choose_fetch_context(Hart *hart) noexcept nogil:
    # A kernel is the same in every address space, and its pages say so: they are global. As long as S-mode executes no
    # other pages, what is known of them outlives a change of the ASID and what is flushed of one.
    cdef uint64_t key = <uint64_t>1 << 63 | hart.priv << 4
    if hart.priv != PRIV_M and hart.walk.levels:
        key |= hart.walk.levels
        if hart.priv == PRIV_S and not hart.fctx_split:
            key |= EVERY_ASID
        else:
            key |= ((hart.satp >> 44) & 0xFFFF) << ASID_SHIFT
    if key != hart.fctx_key:
        use_fetch_context(hart, key)


cdef void update_contexts(Hart *hart) noexcept nogil:
    cdef uint32_t dpriv = data_priv(hart)
    cdef uint32_t levels = levels_of(hart.satp)
    cdef uint64_t asid = (hart.satp >> 44) & 0xFFFF
    cdef uint64_t key = <uint64_t>1 << 63 | dpriv << 4
    cdef uint64_t oldest = ~<uint64_t>0
    cdef uint32_t i, victim = 0
    hart.walk.levels = levels
    hart.walk.root = (hart.satp & 0xFFFFFFFFFFFu) << 12
    hart.walk.sum = (hart.mstatus & MSTATUS_SUM) != 0
    hart.walk.mxr = (hart.mstatus & MSTATUS_MXR) != 0
    hart.walk.adue = (hart.menvcfg >> 61) & 1
    hart.walk.pbmte = (hart.menvcfg >> 62) & 1
    if dpriv != PRIV_M and levels:
        key |= levels | asid << ASID_SHIFT | <uint64_t>hart.walk.mxr << 7
        if dpriv == 1:
            key |= <uint64_t>hart.walk.sum << 6
    if key != hart.dctx_key:
        hart.dctx_stamp += 1
        hart.dctx_key = key
        for i in range(NUM_DCTX):
            if hart.dctx[i].key == key:
                victim = i
                oldest = 0
                break
            if hart.dctx[i].used < oldest:
                oldest = hart.dctx[i].used
                victim = i
        if hart.dctx[victim].key != key:
            hart.dctx[victim].key = key
            ctx_clear(&hart.dctx[victim])
        hart.dctx[victim].used = hart.dctx_stamp
        hart.dctx_now = &hart.dctx[victim]
        hart.tlb_r = hart.dctx[victim].r
        hart.tlb_w = hart.dctx[victim].w
    # cbo.zero: menvcfg.CBZE below M-mode, senvcfg.CBZE below S-mode (CMO specification, section 2.4).
    hart.zero_ok = ((hart.priv == PRIV_M or (hart.menvcfg >> 7) & 1)
                    and (hart.priv != 0 or not has(hart.isa, BIT_S) or (hart.senvcfg >> 7) & 1))
    choose_fetch_context(hart)


cdef int find_leaf(Hart *hart, gva_t gva, uint32_t want) noexcept nogil:
    cdef uint64_t asid = (hart.satp >> 44) & 0xFFFF
    cdef int status
    if hart.walk.peek:
        # A debugger sees the page tables as they are, and its walk leaves A and D as they must not be kept.
        return mmu_walk(&hart.walk, gva, want)
    if tlb2_find(&hart.tlb2, &hart.walk, gva, asid, want):
        hart.n_tlb2_hits += 1
        return WALK_OK
    hart.n_walks += 1
    status = mmu_walk(&hart.walk, gva, want)
    if status == WALK_OK:
        tlb2_put(&hart.tlb2, &hart.walk, gva, asid)
    return status


cdef int translate(Hart *hart, gva_t gva, uint32_t size, uint32_t want, uint32_t priv) noexcept nogil:
    cdef uint32_t need = 0
    cdef int status
    if priv == PRIV_M or hart.walk.levels == 0:
        if gva >> 56:
            return WALK_ACCESS_FAULT
        hart.walk.gpa = gva
        hart.walk.span = 4096
    else:
        hart.walk.priv = priv
        status = find_leaf(hart, gva, want)
        if status != WALK_OK:
            return status
    if want & WANT_R:
        need |= PMP_R
    if want & WANT_W:
        need |= PMP_W
    if want & WANT_X:
        need |= PMP_X
    if not pmp_allows(&hart.pmp, hart.walk.gpa, size, need, priv):
        return WALK_ACCESS_FAULT
    hart.partial = hart.pmp.active != 0 and pmp_splits_page(&hart.pmp, hart.walk.gpa)
    return WALK_OK


cdef bint is_translated(Hart *hart, gva_t gva, uint32_t want) noexcept nogil:
    cdef uint64_t asid = (hart.satp >> 44) & 0xFFFF
    cdef uint32_t priv = data_priv(hart)
    cdef bint found
    if priv == PRIV_M or hart.walk.levels == 0:
        return True
    hart.walk.priv = priv
    if tlb2_find(&hart.tlb2, &hart.walk, gva, asid, want):
        return True
    hart.n_walks += 1
    hart.walk.peek = True
    found = mmu_walk(&hart.walk, gva, want) == WALK_OK and answers(&hart.walk, hart.walk.pte, want)
    hart.walk.peek = False
    if found:
        tlb2_put(&hart.tlb2, &hart.walk, gva, asid)
    return found


cdef void drop_context(Hart *hart, DataCtx *ctx) noexcept nogil:
    if ctx == hart.dctx_now:
        ctx_clear(ctx)
    else:
        ctx.key = 0
        ctx.used = 0


cdef void flush_tlb(Hart *hart, bint by_address, gva_t gva, bint by_asid, uint64_t asid) noexcept nogil:
    cdef uint32_t i
    cdef uint64_t key
    cdef DataCtx *ctx
    asid &= 0xFFFF
    tlb2_flush(&hart.tlb2, by_address, gva, by_asid, asid)
    for i in range(NUM_DCTX):
        ctx = &hart.dctx[i]
        if not ctx.key & 15 or (by_asid and (ctx.key >> ASID_SHIFT) & 0xFFFF != asid):
            continue
        if by_address and not (ctx.span_lo <= gva <= ctx.span_hi):
            drop_entry(ctx.r, gva)
            drop_entry(ctx.w, gva)
        else:
            drop_context(hart, ctx)
    hart.res_size = 0
    for i in range(NUM_FCTX):
        key = hart.fctx[i].key
        if not key & 15 or (by_address and not was_fetched(&hart.fctx[i], gva)):
            continue
        # What is global is of no ASID.
        if not by_asid or (not key & EVERY_ASID and (key >> ASID_SHIFT) & 0xFFFF == asid):
            renew(hart, &hart.fctx[i])
    use_fetch_context(hart, hart.fctx_key)


cdef void flush_all(Hart *hart) noexcept nogil:
    cdef uint32_t i
    tlb2_clear(&hart.tlb2)
    for i in range(NUM_DCTX):
        drop_context(hart, &hart.dctx[i])
    hart.res_size = 0
    forget_code(hart)


cdef void forget_jumps(Hart *hart) noexcept nogil:
    cdef uint32_t i
    for i in range(NUM_FCTX):
        hart.next_serial += 1
        hart.fctx[i].serial = hart.next_serial
    use_fetch_context(hart, hart.fctx_key)


cdef void forget_code(Hart *hart) noexcept nogil:
    deal_ids(hart)
    use_fetch_context(hart, hart.fctx_key)


cdef void put_code(Hart *hart, gva_t pc, uint64_t code) noexcept nogil:
    cdef uint32_t i
    cdef CodeEntry *e
    if hart.l1_state == L1_RAW:
        # Here the pages of a large table are touched first: a machine that never gets warm does without.
        empty_l1(hart)
        use_fetch_context(hart, hart.fctx_key)
    hart.l1_state = L1_USED
    i = l1_index(pc)
    e = &hart.l1[i]
    if e.tag != pc ^ hart.l1_tag:
        hart.l1_second[i] = e[0]
    e.tag = pc ^ hart.l1_tag
    e.code = code


cdef inline uint32_t fetched_bit(gva_t gva) noexcept nogil:
    return <uint32_t>(((gva >> 12) * 0x9E3779B97F4A7C15u) >> 52) % (64 * FETCHED_WORDS)


cdef void note_fetch(Hart *hart, gva_t gva, uint64_t span) noexcept nogil:
    cdef uint32_t bit = fetched_bit(gva)
    cdef uint64_t lo
    cdef FetchCtx *ctx
    if hart.priv == PRIV_S and hart.walk.levels and not hart.fctx_split and not hart.walk.pte & PTE_G:
        hart.fctx_split = 1
        choose_fetch_context(hart)
    ctx = hart.fctx_now
    if span <= 4096:
        ctx.fetched[bit >> 6] |= <uint64_t>1 << (bit & 63)
        return
    lo = gva & ~(span - 1)
    if ctx.lo > ctx.hi:
        ctx.lo = lo
        ctx.hi = lo + span - 1
        return
    if lo < ctx.lo:
        ctx.lo = lo
    if lo + span - 1 > ctx.hi:
        ctx.hi = lo + span - 1


cdef bint was_fetched(const FetchCtx *ctx, gva_t gva) noexcept nogil:
    cdef uint32_t bit = fetched_bit(gva)
    return (ctx.fetched[bit >> 6] >> (bit & 63)) & 1 or ctx.lo <= gva <= ctx.hi
