"""Loads and stores that missed the TLB: fill an entry, or serve the one access.

Most misses are in RAM and get an entry; the operation then runs again. What may have none (a page that PMP cuts
through, a watched page, an access across two pages, a device) is served by *lending* an entry: the operation is copied
to ``hart.scratch``, run once against ``hart.bounce``, and followed by ``@finish``, which takes the entry back and
carries out the store. So each handler knows one way to touch memory, and everything is checked before it runs.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmcore._fast.defs cimport gpa_t, gva_t, vmcore_lock, vmcore_unlock
from vmcore._fast.hart.clock cimport sync_clock, sync_count
from vmcore._fast.hart.state cimport (
    ACC_ATOMIC, ACC_READ, ACC_SIZE, ACC_WRITE, CAUSE_LOAD_ACCESS, CAUSE_LOAD_MISALIGNED, CAUSE_LOAD_PAGE,
    CAUSE_STORE_ACCESS, CAUSE_STORE_MISALIGNED, CAUSE_STORE_PAGE, LEAVE_HTIF, LEAVE_PYMMIO, SHOT_LOAD, SHOT_MMIO,
    SHOT_RAM, Hart, Op, System, deadline_moved)
from vmcore._fast.hart.translate cimport data_priv, translate
from vmcore._fast.memory.guestmem cimport gld8, gld16, gld32, gld64, gst8, gst16, gst32, gst64
from vmcore._fast.memory.mmu cimport WALK_ACCESS_FAULT, WALK_OK, WALK_PAGE_FAULT, WANT_R, WANT_W
from vmcore._fast.memory.ram cimport (
    PG_WATCH, PG_WRITABLE, Bank, Region, find_bank, find_region, note_write_as, page_r, page_w)
from vmcore._fast.memory.tlb cimport TLB_MASK, DataCtx, TlbEntry


cdef inline int fault(Hart *hart, int status, gva_t gva, bint write) noexcept nogil:
    if status == WALK_PAGE_FAULT:
        hart.trap_cause = CAUSE_STORE_PAGE if write else CAUSE_LOAD_PAGE
    else:
        hart.trap_cause = CAUSE_STORE_ACCESS if write else CAUSE_LOAD_ACCESS
    hart.trap_tval = gva
    return ACCESS_TRAP


cdef inline void copy_in(uint8_t *to, uint64_t host, uint32_t n) noexcept nogil:
    # One host access where the guest's access is one.
    if n == 8:
        gst64(<uint64_t>to, gld64(host))
    elif n == 4:
        gst32(<uint64_t>to, gld32(host))
    elif n == 2:
        gst16(<uint64_t>to, gld16(host))
    elif n == 1:
        gst8(<uint64_t>to, gld8(host))
    else:
        memcpy(to, <void *>host, n)


cdef int lend(Hart *hart, Op *op, gva_t gva, uint32_t size, bint write, uint32_t kind) noexcept nogil:
    # The entry's tag is the address itself: it matches this one access, also one that crosses into the next page.
    cdef uint64_t i = (gva >> 12) & TLB_MASK
    hart.shot_entry = &hart.tlb_w[i] if write else &hart.tlb_r[i]
    hart.shot_saved = hart.shot_entry[0]
    hart.shot_entry.tag = gva
    hart.shot_entry.addend = <uint64_t>&hart.bounce[0] - gva
    hart.shot_op = op
    hart.shot_kind = kind
    hart.shot_size = size
    return ACCESS_SHOT


cdef int resolve_split(Hart *hart, Op *op, gva_t gva, uint32_t size, uint32_t want, uint32_t priv) noexcept nogil:
    # An access across a page boundary: both pages must allow it before anything happens; RAM only.
    cdef bint write = (want & WANT_W) != 0
    cdef uint32_t first = 4096 - <uint32_t>(gva & 4095)
    cdef int status
    cdef uint8_t *page
    hart.shot_part = first
    status = translate(hart, gva, first, want, priv)
    if status == WALK_OK:
        hart.shot_gpa[0] = hart.walk.gpa
        page = page_r(&hart.sys.mem, hart.walk.gpa)
        if page == NULL or (write and find_bank(&hart.sys.mem, hart.walk.gpa).readonly):
            status = WALK_ACCESS_FAULT
    if status != WALK_OK:
        return fault(hart, status, gva, write)
    copy_in(&hart.bounce[0], <uint64_t>page + (hart.walk.gpa & 4095), first)
    gva += first
    status = translate(hart, gva, size - first, want, priv)
    if status == WALK_OK:
        hart.shot_gpa[1] = hart.walk.gpa
        page = page_r(&hart.sys.mem, hart.walk.gpa)
        if page == NULL or (write and find_bank(&hart.sys.mem, hart.walk.gpa).readonly):
            status = WALK_ACCESS_FAULT
    if status != WALK_OK:
        return fault(hart, status, gva, write)
    copy_in(&hart.bounce[first], <uint64_t>page + (hart.walk.gpa & 4095), size - first)
    return lend(hart, op, gva - first, size, write, SHOT_RAM if write else SHOT_LOAD)


cdef int resolve_device(Hart *hart, Op *op, gva_t gva, uint32_t size, bint write, bint atomic) noexcept nogil:
    cdef System *sys = hart.sys
    cdef gpa_t gpa = hart.walk.gpa
    cdef int index = find_region(&sys.mem, gpa)
    cdef Region *region
    cdef uint64_t off, value
    if index < 0 or atomic or gpa & (size - 1) or size > 8:
        return fault(hart, WALK_ACCESS_FAULT, gva, write)
    region = &sys.mem.regions[index]
    off = gpa - region.base
    if size > region.size - off:
        return fault(hart, WALK_ACCESS_FAULT, gva, write)
    hart.shot_region = <uint32_t>index
    hart.shot_gpa[0] = off
    hart.n_mmio += 1
    if write:
        return lend(hart, op, gva, size, True, SHOT_MMIO)
    if region.read == NULL:
        if not hart.mmio_done:
            hart.mmio_region = <uint32_t>index
            hart.mmio_off = off
            hart.mmio_size = size
            hart.mmio_write = 0
            hart.exit_reason = LEAVE_PYMMIO
            return ACCESS_LEAVE
        hart.mmio_done = 0
        value = hart.mmio_value
    else:
        sync_count(hart, hart.rem - <uint64_t>op)
        sync_clock(hart)
        value = region_read(hart, region, off, size)
    memcpy(&hart.bounce[0], &value, 8)
    return lend(hart, op, gva, size, False, SHOT_LOAD)


cdef inline int enter_entry(Hart *hart, gva_t gva, Bank *b, bint write) noexcept nogil:
    # The translation that was just made gets its TLB entry.
    cdef System *sys = hart.sys
    cdef uint64_t index = (hart.walk.gpa - b.base) >> 12
    cdef uint64_t i = (gva >> 12) & TLB_MASK
    cdef uint64_t lo
    cdef DataCtx *ctx = hart.dctx_now
    cdef TlbEntry *e
    hart.n_fills += 1
    if write:
        note_write_as(&sys.mem, b, index, PG_WRITABLE)
        e = &ctx.w[i]
    else:
        e = &ctx.r[i]
    e.tag = gva & ~<uint64_t>4095
    e.addend = <uint64_t>b.host + (index << 12) - e.tag
    if hart.walk.span > 4096:
        lo = gva & ~(hart.walk.span - 1)
        if ctx.span_lo > ctx.span_hi:
            ctx.span_lo = lo
            ctx.span_hi = lo + hart.walk.span - 1
        else:
            if lo < ctx.span_lo:
                ctx.span_lo = lo
            if lo + hart.walk.span - 1 > ctx.span_hi:
                ctx.span_hi = lo + hart.walk.span - 1
    return ACCESS_REDO


cdef inline bint has_entry(const Hart *hart, const Bank *b, bint write) noexcept nogil:
    # May the page have a TLB entry?
    return not hart.partial and not (write and b.state[(hart.walk.gpa - b.base) >> 12] & PG_WATCH)


cdef int fill(Hart *hart) noexcept nogil:
    cdef gva_t gva = hart.acc_addr
    cdef uint32_t size = hart.acc_info & ACC_SIZE
    cdef bint write = (hart.acc_info & ACC_WRITE) != 0
    cdef uint32_t want = 0
    cdef Bank *b
    if hart.acc_info & ACC_READ:
        want |= WANT_R
    if write:
        want |= WANT_W
    if (gva & 4095) + size > 4096 or translate(hart, gva, size, want, data_priv(hart)) != WALK_OK:
        return ACCESS_LEAVE
    b = find_bank(&hart.sys.mem, hart.walk.gpa)
    if b == NULL or (write and b.readonly) or not has_entry(hart, b, write):
        return ACCESS_LEAVE
    return enter_entry(hart, gva, b, write)


cdef int resolve(Hart *hart, Op *op) noexcept nogil:
    cdef System *sys = hart.sys
    cdef gva_t gva = hart.acc_addr
    cdef uint32_t size = hart.acc_info & ACC_SIZE
    cdef bint write = (hart.acc_info & ACC_WRITE) != 0
    cdef bint atomic = (hart.acc_info & ACC_ATOMIC) != 0
    cdef uint32_t want = 0
    cdef uint32_t priv = data_priv(hart)
    cdef int status
    cdef Bank *b
    if hart.acc_info & ACC_READ:
        want |= WANT_R
    if write:
        want |= WANT_W
    if atomic and gva & (size - 1):
        hart.trap_cause = CAUSE_STORE_MISALIGNED if write else CAUSE_LOAD_MISALIGNED
        hart.trap_tval = gva
        return ACCESS_TRAP
    if (gva & 4095) + size > 4096:
        return resolve_split(hart, op, gva, size, want, priv)
    status = translate(hart, gva, size, want, priv)
    if status != WALK_OK:
        return fault(hart, status, gva, write)
    b = find_bank(&sys.mem, hart.walk.gpa)
    if b == NULL:
        return resolve_device(hart, op, gva, size, write, atomic)
    if write and b.readonly:
        return fault(hart, WALK_ACCESS_FAULT, gva, True)
    if not has_entry(hart, b, write):
        hart.shot_gpa[0] = hart.walk.gpa
        hart.shot_part = size
        if write and sys.parallel:
            # Until it is finished: what reads, works out and writes is one operation to the other harts.
            vmcore_lock(&sys.shot_lock)
            hart.shot_locked = 1
        copy_in(&hart.bounce[0], <uint64_t>b.host + (hart.walk.gpa - b.base), size)
        return lend(hart, op, gva, size, write, SHOT_RAM if write else SHOT_LOAD)
    return enter_entry(hart, gva, b, write)


cdef int store_part(Hart *hart, uint32_t at, gpa_t gpa, uint32_t n) noexcept nogil:
    # Checked by resolve(); the page states are brought up to date here, after the operation has run.
    cdef uint8_t *page = page_w(&hart.sys.mem, gpa)
    copy_in(page + (gpa & 4095), <uint64_t>&hart.bounce[at], n)
    return gpa < hart.sys.htif_hi and gpa + n > hart.sys.htif_lo


cdef int finish_shot(Hart *hart) noexcept nogil:
    cdef System *sys = hart.sys
    cdef Region *region
    cdef uint64_t value = 0
    cdef bint htif = False
    hart.shot_entry[0] = hart.shot_saved
    if hart.shot_kind == SHOT_RAM:
        htif = store_part(hart, 0, hart.shot_gpa[0], hart.shot_part)
        if hart.shot_locked:
            hart.shot_locked = 0
            vmcore_unlock(&sys.shot_lock)
        if hart.shot_size > hart.shot_part:
            htif |= store_part(hart, hart.shot_part, hart.shot_gpa[1], hart.shot_size - hart.shot_part)
        if htif:
            hart.exit_reason = LEAVE_HTIF
            return SHOT_LEAVE
        return SHOT_DONE
    if hart.shot_kind == SHOT_MMIO:
        memcpy(&value, &hart.bounce[0], hart.shot_size)
        region = &sys.mem.regions[hart.shot_region]
        if region.write == NULL:
            hart.mmio_region = hart.shot_region
            hart.mmio_off = hart.shot_gpa[0]
            hart.mmio_size = hart.shot_size
            hart.mmio_value = value
            hart.mmio_write = 1
            hart.exit_reason = LEAVE_PYMMIO
            return SHOT_LEAVE
        # The operation that is being finished does not count as attempted yet.
        sync_count(hart, hart.rem - <uint64_t>&hart.scratch[5] + 16)
        sync_clock(hart)
        region_write(hart, region, hart.shot_gpa[0], hart.shot_size, value)
    if hart.pins.exit_req or sys.request or deadline_moved(sys):
        return SHOT_ATTENTION
    return SHOT_DONE


cdef int zero_block(Hart *hart, Op *op) noexcept nogil:
    cdef gva_t gva = hart.x[op.rs1] & ~<uint64_t>63
    cdef int status = translate(hart, gva, 64, WANT_W, data_priv(hart))
    cdef uint8_t *page = NULL
    if status == WALK_OK:
        page = page_w(&hart.sys.mem, hart.walk.gpa)
        if page == NULL:
            status = WALK_ACCESS_FAULT
    if status != WALK_OK:
        # The address reported is that of the operand (CMO specification, section 2.5.2).
        return fault(hart, status, hart.x[op.rs1], True)
    memset(page + (hart.walk.gpa & 4095), 0, 64)
    return 0


cdef int check_block(Hart *hart, Op *op) noexcept nogil:
    # Allowed where a load or a store is. Neither page tables nor PMP let a store through where a load is refused, so
    # the load says it all, and also whether it is a page fault or an access fault.
    cdef gva_t gva = hart.x[op.rs1] & ~<uint64_t>63
    cdef uint32_t priv = data_priv(hart)
    cdef int status = translate(hart, gva, 64, WANT_R, priv)
    if status == WALK_OK and find_bank(&hart.sys.mem, hart.walk.gpa) == NULL:
        if find_region(&hart.sys.mem, hart.walk.gpa) < 0:
            status = WALK_ACCESS_FAULT
    if status != WALK_OK:
        return fault(hart, status, hart.x[op.rs1], True)
    return 0
