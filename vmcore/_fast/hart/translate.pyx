"""A hart's address translation: its TLB contexts, its fetch contexts, and what flushes them."""

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport gva_t
from vmcore._fast.hart.state cimport (MSTATUS_MXR, MSTATUS_SUM, NUM_DCTX, NUM_FCTX, PRIV_M, Hart)
from vmcore._fast.memory.mmu cimport (WALK_ACCESS_FAULT, WALK_OK, WANT_R, WANT_W, WANT_X, mmu_walk)
from vmcore._fast.memory.pmp cimport PMP_R, PMP_W, PMP_X, pmp_allows, pmp_splits_page
from vmcore._fast.memory.tlb cimport DataCtx, ctx_clear, drop_entry
from vmcore._fast.memory.tlb2 cimport tlb2_clear, tlb2_find, tlb2_flush, tlb2_put

# Keys: bit 63 says that the slot is used.
#   data   levels 0..3 | priv 4..5 | SUM 6 | MXR 7 | ASID 8..23
#   fetch  levels 0..3 | priv 4..5 | ASID 8..23
cdef enum:
    ASID_SHIFT = 8


cdef inline uint32_t levels_of(uint64_t satp) noexcept nogil:
    cdef uint32_t mode = <uint32_t>(satp >> 60)
    return mode - 5 if mode >= 8 else 0


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
    key = <uint64_t>1 << 63 | hart.priv << 4
    if hart.priv != PRIV_M and levels:
        key |= levels | asid << ASID_SHIFT
    if key != hart.fctx_key:
        hart.fctx_key = key
        victim = 0
        for i in range(NUM_FCTX):
            if hart.fctx[i].key == key:
                hart.fetch_ctx = hart.fctx[i].serial
                return
        # Serial numbers are never reused, so the entries of the context that is dropped can never match again.
        hart.fctx_turn = (hart.fctx_turn + 1) % NUM_FCTX
        hart.sys.next_serial += 1
        hart.fctx[hart.fctx_turn].key = key
        hart.fctx[hart.fctx_turn].serial = hart.sys.next_serial
        hart.fetch_ctx = hart.sys.next_serial


cdef int find_leaf(Hart *hart, gva_t gva, uint32_t want) noexcept nogil:
    cdef uint64_t asid = (hart.satp >> 44) & 0xFFFF
    cdef int status
    if hart.walk.peek:
        # A debugger sees the page tables as they are, and its walk leaves A and D as they must not be kept.
        return mmu_walk(&hart.walk, gva, want)
    if tlb2_find(&hart.tlb2, &hart.walk, gva, asid, want):
        hart.sys.n_tlb2_hits += 1
        return WALK_OK
    hart.sys.n_walks += 1
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


cdef void drop_context(Hart *hart, DataCtx *ctx) noexcept nogil:
    if ctx == hart.dctx_now:
        ctx_clear(ctx)
    else:
        ctx.key = 0
        ctx.used = 0


cdef void flush_tlb(Hart *hart, bint by_address, gva_t gva, bint by_asid, uint64_t asid) noexcept nogil:
    cdef uint32_t i
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
        if not hart.fctx[i].key & 15 or (by_asid and (hart.fctx[i].key >> ASID_SHIFT) & 0xFFFF != asid):
            continue
        hart.sys.next_serial += 1
        hart.fctx[i].serial = hart.sys.next_serial
        if hart.fctx[i].key == hart.fctx_key:
            hart.fetch_ctx = hart.sys.next_serial


cdef void flush_all(Hart *hart) noexcept nogil:
    cdef uint32_t i
    tlb2_clear(&hart.tlb2)
    for i in range(NUM_DCTX):
        drop_context(hart, &hart.dctx[i])
    hart.res_size = 0
    forget_code(hart)


cdef void forget_code(Hart *hart) noexcept nogil:
    cdef uint32_t i
    for i in range(NUM_FCTX):
        hart.sys.next_serial += 1
        hart.fctx[i].serial = hart.sys.next_serial
        if hart.fctx[i].key == hart.fctx_key:
            hart.fetch_ctx = hart.sys.next_serial
