"""Control flow outside the fast paths: entering code at an address, polls, links, traps, leaving the run loop."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.defs cimport (
    gva_t, raised_bits, vmcore_add32, vmcore_load32, vmcore_load64, vmcore_lock, vmcore_or64, vmcore_store32,
    vmcore_store64, vmcore_swap32, vmcore_unlock, without_raise)
from vmcore._fast.hart.access cimport (
    ACCESS_LEAVE, ACCESS_REDO, ACCESS_SHOT, SHOT_ATTENTION, SHOT_DONE, finish_shot, region_read, resolve)
from vmcore._fast.hart.clock cimport pc_after, pc_of, sync_count
from vmcore._fast.hart.codepage cimport bind, decode_at, decode_counted, get_page, is_counter, is_probed, set_code
from vmcore._fast.hart.decode cimport decode_one
from vmcore._fast.hart.fpregs cimport settle_fp
from vmcore._fast.hart.handlers cimport find_handler, register_handler
from vmcore._fast.hart.isabits cimport BIT_C, has
from vmcore._fast.hart.state cimport (
    CAUSE_ECALL_S, CAUSE_FETCH_ACCESS, CAUSE_FETCH_MISALIGNED, CAUSE_FETCH_PAGE, CAUSE_ILLEGAL, CODE_LEAST,
    CODE_SLACK, CODE_UNIT, EXIT_FAR, EXIT_STEP, FETCH_SIZE, JUMP_SIZE, LEAVE_ATTENTION, LEAVE_BUDGET, LEAVE_PROBE,
    LEAVE_SBI, CodeBundle, CodeEntry, CodePage, FetchEntry, Hart, JumpEntry, Op, System, deadline_moved, handler_t,
    is_wanted, l1_index, transfer, unplant, vmcore_go, vmcore_leave)
from vmcore._fast.hart.translate cimport note_fetch, put_code, translate
from vmcore._fast.hart.trap cimport due_interrupt, take_exception, take_interrupt
from vmcore._fast.memory.guestmem cimport gld16
from vmcore._fast.memory.mmu cimport WALK_ACCESS_FAULT, WALK_OK, WALK_PAGE_FAULT, WANT_X
from vmcore._fast.memory.ram cimport Region, find_bank, find_region, page_r

cdef extern from "atomics.h" nogil:
    int VMCORE_SWITCH_LOOP

cdef enum:
    MAX_LINKS = 32
    NEVER = 1 << 30           # a counter that is not met again: compiling failed

# A branch handler, the form it takes once its target in the same page is known, and the form for other pages.
cdef struct Link:
    handler_t fn
    handler_t linked
    handler_t far

cdef Link links[MAX_LINKS]
cdef uint32_t nlinks = 0
cdef handler_t fn_scratch_next = NULL
cdef handler_t fn_finish = NULL
cdef handler_t fn_stop = NULL
cdef handler_t fn_probe = NULL


def bind_links():
    """Look up the branch forms; called once, when every module of handlers is imported."""
    global nlinks, fn_scratch_next, fn_finish, fn_stop, fn_probe
    nlinks = 0
    for name in ("beq", "bne", "blt", "bge", "bltu", "bgeu", "jal", "@goto_new"):
        links[nlinks].fn = find_handler(name)
        links[nlinks].linked = find_handler("@goto" if name == "@goto_new" else f"{name}@linked")
        links[nlinks].far = find_handler("@goto" if name == "@goto_new" else f"{name}@far")
        nlinks += 1
    fn_scratch_next = find_handler("@scratch_next")
    fn_finish = find_handler("@finish")
    fn_stop = find_handler("@stop")
    fn_probe = find_handler("@probe")
    bind()


cdef inline bint in_page(const Hart *hart, const Op *op) noexcept nogil:
    return hart.page != NULL and hart.page.ops <= op < hart.page.ops + hart.page.count


cdef int fetch_fault(Hart *hart, int status, gva_t gva) noexcept nogil:
    hart.trap_cause = CAUSE_FETCH_PAGE if status == WALK_PAGE_FAULT else CAUSE_FETCH_ACCESS
    hart.trap_tval = gva
    return 1


cdef int fetch_half(Hart *hart, gva_t gva, uint32_t *half) noexcept nogil:
    # One halfword, translated and checked by itself; from RAM, or from a device that holds code (flash).
    cdef int status = translate(hart, gva, 2, WANT_X, hart.priv)
    cdef uint8_t *page
    cdef int index
    cdef Region *region
    if status != WALK_OK:
        return fetch_fault(hart, status, gva)
    page = page_r(&hart.sys.mem, hart.walk.gpa)
    if page != NULL:
        half[0] = gld16(<uint64_t>page + (hart.walk.gpa & 4095))
        return 0
    index = find_region(&hart.sys.mem, hart.walk.gpa)
    if index < 0 or not hart.sys.mem.regions[index].executable:
        return fetch_fault(hart, WALK_ACCESS_FAULT, gva)
    region = &hart.sys.mem.regions[index]
    if region.size - (hart.walk.gpa - region.base) < 2:
        return fetch_fault(hart, WALK_ACCESS_FAULT, gva)
    half[0] = <uint32_t>region_read(hart, region, hart.walk.gpa - region.base, 2) & 0xFFFF
    return 0


cdef Op *single(Hart *hart, gva_t pc) noexcept nogil:
    # Decode the instruction at pc into scratch[1], outside any page. NULL: it cannot be fetched (hart.trap_*).
    cdef uint32_t insn = 0
    cdef uint32_t high = 0
    cdef uint32_t length
    cdef Op *op = &hart.scratch[1]
    if fetch_half(hart, pc, &insn):
        return NULL
    if insn & 3 == 3:
        if fetch_half(hart, pc + 2, &high):
            return NULL
        insn |= high << 16
    length = decode_one(hart.isa, insn, op)
    op.off = <uint16_t>((pc & 4095) | (length >> 2))
    op[1].fn = fn_scratch_next
    op[1].off = op.off
    hart.page_base = pc & ~<uint64_t>4095
    return op


cdef Op *lookup(Hart *hart, gva_t pc, bint step) noexcept nogil:
    # The operation at pc; `step`: the instruction itself, not the compiled code that begins there. NULL: the fetch
    # faults (hart.trap_*).
    cdef System *sys = hart.sys
    cdef FetchEntry *f = &hart.fetches[(pc >> 12) & (FETCH_SIZE - 1)]
    cdef JumpEntry *j = &hart.jumps[(pc >> 1) & (JUMP_SIZE - 1)]
    cdef CodePage *page = NULL
    cdef gva_t page_va = pc & ~<uint64_t>4095
    cdef uint32_t off = pc & 4095
    cdef int status
    cdef Op *op
    if f.page == page_va and f.ctx == hart.fetch_ctx:
        page = f.code
    else:
        status = translate(hart, pc, 2, WANT_X, hart.priv)
        if status != WALK_OK:
            fetch_fault(hart, status, pc)
            return NULL
        if not hart.partial and find_bank(&sys.mem, hart.walk.gpa) != NULL:
            page = get_page(hart, hart.walk.gpa & ~<uint64_t>4095)
            note_fetch(hart, pc, hart.walk.span)
            f.page = page_va
            f.ctx = hart.fetch_ctx
            f.code = page
    if page == NULL or not (decode_at(hart, page, off) if step else decode_counted(hart, page, off)):
        f.ctx = 0
        op = single(hart, pc)
        if op != NULL and (sys.probe_map[off >> 4] >> ((off >> 1) & 7)) & 1:
            op -= 1
            op.fn = fn_probe
            op.off = <uint16_t>off
        hart.page = NULL
        return op
    page.hot = 1
    hart.page = page
    hart.page_base = page_va
    op = &page.ops[page.map[off >> 1] - 1]
    if step:
        return op + 1 if is_counter(op.fn) else op
    j.pc = pc
    j.ctx = hart.fetch_ctx
    j.op = op
    j.page = page
    return op


cdef inline bint find_code(Hart *hart, gva_t pc) noexcept nogil:
    # Compiled code for pc, in a page that was looked up before: the L1 table knows it then, and nothing is decoded.
    cdef const FetchEntry *f = &hart.fetches[(pc >> 12) & (FETCH_SIZE - 1)]
    cdef CodePage *page = f.code
    cdef uint32_t code
    if f.page != pc & ~<uint64_t>4095 or f.ctx != hart.fetch_ctx or page == NULL or page.bundle.code == NULL:
        return False
    code = page.bundle.code[(pc & 4095) >> 1]
    if not code:
        return False
    page.hot = 1
    vmcore_add32(&page.bundle.heat, 1)
    put_code(hart, pc, hart.sys.code_base + <uint64_t>CODE_UNIT * code)
    return True


cdef FetchEntry *fetch_page(Hart *hart, gva_t pc) noexcept nogil:
    # The page of pc, as code; may drop others, and change the fetch context. NULL: it is none now.
    cdef FetchEntry *f = &hart.fetches[(pc >> 12) & (FETCH_SIZE - 1)]
    cdef CodePage *page
    if f.page != pc & ~<uint64_t>4095 or f.ctx != hart.fetch_ctx:
        if (translate(hart, pc, 2, WANT_X, hart.priv) != WALK_OK or hart.partial
                or find_bank(&hart.sys.mem, hart.walk.gpa) == NULL):
            return NULL
        page = get_page(hart, hart.walk.gpa & ~<uint64_t>4095)
        note_fetch(hart, pc, hart.walk.span)
        f.page = pc & ~<uint64_t>4095
        f.ctx = hart.fetch_ctx
        f.code = page
    return f if f.code != NULL else NULL


cdef inline CodeBundle *split_in(const FetchEntry *f) noexcept nogil:
    # The page of an entry, if its last instruction ends in the next one.
    cdef CodeBundle *bundle = NULL if f == NULL else f.code.bundle
    return bundle if bundle != NULL and not bundle.dead and bundle.saved[4094] & 3 == 3 else NULL


cdef bint find_split(Hart *hart, gva_t pc) noexcept nogil:
    # The same for an instruction at pc that lies in two pages. Both have to be code: then L1 forgets it when one of
    # them changes, or is mapped elsewhere.
    cdef System *sys = hart.sys
    cdef CodeBundle *bundle = split_in(fetch_page(hart, pc))
    cdef FetchEntry *second
    cdef uint64_t code, serial
    if bundle == NULL:
        return False
    second = fetch_page(hart, pc + 2)
    if second == NULL:
        return False
    # That may have dropped the first page, and this the second one again.
    bundle = split_in(fetch_page(hart, pc))
    if bundle == NULL or second.ctx != hart.fetch_ctx:
        return False
    serial = sys.code_serial
    if sys.parallel:
        vmcore_lock(&sys.code_lock)
    code = sys.straddle(hart, bundle, gld16(<uint64_t>&second.code.bundle.saved[0]))
    if sys.parallel:
        vmcore_unlock(&sys.code_lock)
    if not code or sys.code_serial != serial:
        return False
    second.code.hot = 1
    vmcore_add32(&bundle.heat, 1)
    put_code(hart, pc, code)
    return True


cdef inline uint64_t run_code(Hart *hart, uint64_t code, uint64_t left) noexcept nogil:
    # Run compiled code; returns the budget that is left, at hart.exit_pc. Code stops up to CODE_SLACK instructions
    # early or late: the slack is taken off before, so that it never runs past the end, and T0 does the rest.
    cdef uint64_t budget = (left >> 4) - CODE_SLACK
    cdef uint64_t after
    # ORDER: none is needed: a raise that this store covers is seen below, or where the budget ends (pins_raise()).
    vmcore_store64(&hart.pins.budget, budget)
    if vmcore_load32(&hart.pins.exit_req):
        # Raised before the budget was set: the code is to stop at its first poll.
        vmcore_or64(&hart.pins.budget, raised_bits())
    hart.n_exits += 1
    hart.sys.enter_code(hart, code)
    if hart.fp_live:
        settle_fp(hart)
    after = vmcore_load64(&hart.pins.budget)
    if hart.exit_kind == EXIT_STEP:
        hart.n_steps += 1
    elif hart.exit_kind == EXIT_FAR and <int64_t>after >= 0:
        # Neither used up nor raised: the poll before the look-up went through.
        hart.n_misses += 1
    after = without_raise(after)
    hart.n_code += budget - after
    return (after + CODE_SLACK) << 4


cdef Op *enter(Hart *hart, gva_t pc, uint64_t left, bint step) noexcept nogil:
    # Find what to run at pc, running compiled code where there is some. `step`: the next instruction is T0's. NULL:
    # leave the run loop (hart.pc, left and exit_reason are set).
    cdef System *sys = hart.sys
    cdef JumpEntry *j
    cdef CodeEntry *e
    cdef Op *op
    cdef int number
    while True:
        # A load that a Python device has answered is run again at once: nothing may come between.
        if ((vmcore_load32(&hart.pins.exit_req) or vmcore_load32(&sys.request) or deadline_moved(sys))
                and not hart.mmio_done):
            # ORDER: taken back before what was raised is looked at, or it would be lost.
            vmcore_swap32(&hart.pins.exit_req, 0)
            if vmcore_load32(&sys.request) or deadline_moved(sys) or is_wanted(hart):
                # The interrupts are still to be looked at.
                vmcore_store32(&hart.pins.exit_req, 1)
                hart.pc = pc
                hart.left = left
                hart.exit_reason = LEAVE_ATTENTION
                return NULL
            number = due_interrupt(hart)
            if number >= 0:
                pc = take_interrupt(hart, <uint32_t>number, pc)
                step = False
        if left < 16:
            hart.pc = pc
            hart.left = left
            hart.exit_reason = LEAVE_BUDGET
            return NULL
        e = &hart.l1[l1_index(pc)]
        if e.tag == pc ^ hart.l1_tag and not step and left >= <uint64_t>CODE_LEAST and not hart.mmio_done:
            hart.page_base = pc & ~<uint64_t>4095
            left = run_code(hart, e.code, left)
            pc = hart.exit_pc & ~<uint64_t>1
            step = hart.exit_kind == EXIT_STEP
            if sys.sample != NULL and not step and <int64_t>vmcore_load64(&hart.pins.budget) < 0:
                sys.sample(hart, pc)
                # What is left of this budget would be T0's. But it may be a part of a longer one, cut so that the hart
                # is seen: then the caller's next part begins here, in compiled code.
                hart.pc = pc
                hart.left = left
                hart.exit_reason = LEAVE_BUDGET
                return NULL
            continue
        if not step and left >= <uint64_t>CODE_LEAST and not hart.mmio_done and find_code(hart, pc):
            continue
        if (pc & 4095 == 4094 and sys.straddle != NULL and not step and left >= <uint64_t>CODE_LEAST
                and not hart.mmio_done and find_split(hart, pc)):
            continue
        j = &hart.jumps[(pc >> 1) & (JUMP_SIZE - 1)]
        if j.pc == pc and j.ctx == hart.fetch_ctx and not step:
            hart.page = j.page
            hart.page_base = pc & ~<uint64_t>4095
            op = j.op
        else:
            op = lookup(hart, pc, step)
        if op != NULL:
            hart.rem = left + <uint64_t>op
            return op
        left -= 16
        sync_count(hart, left)
        hart.trapped += 1
        pc = take_exception(hart, hart.trap_cause, hart.trap_tval, pc)
        step = False


cdef inline void go_or_leave(Op *op, Hart *hart) noexcept nogil:
    if op == NULL:
        vmcore_leave(hart)
    else:
        vmcore_go(hart.go_poll, op, hart)


cdef void p_poll(Op *op, Hart *hart) noexcept nogil:
    # Here every transfer of the last POLL_LIMIT of a budget passes: the exact end is planted as a STOP.
    cdef uint64_t left = hart.rem - <uint64_t>op
    cdef Op *at
    unplant(hart)
    if left < 16:
        hart.exit_reason = LEAVE_BUDGET
        vmcore_go(hart.go_leave, op, hart)
        return
    if left < <uint64_t>(300 * 16) and in_page(hart, op):
        at = op + (left >> 4)
        if at < hart.page.ops + hart.page.count:
            hart.stop_op = at
            hart.stop_fn = at.fn
            at.fn = fn_stop
    vmcore_go(op.fn, op, hart)


cdef void p_stop(Op *op, Hart *hart) noexcept nogil:
    # A planted STOP is reached. Operations that count for nothing (probes) may have been passed: then go on.
    vmcore_go(hart.go_poll, op, hart)


cdef void p_jump(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t left = hart.rem - <uint64_t>op - 16
    unplant(hart)
    go_or_leave(enter(hart, hart.jump_pc, left, False), hart)


cdef void p_jalr(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t target = (hart.x[op.rs1] + <uint64_t><int64_t>op.imm) & ~<uint64_t>1
    if target & 2 and not has(hart.isa, BIT_C):
        hart.trap_cause = CAUSE_FETCH_MISALIGNED
        hart.trap_tval = target
        vmcore_go(hart.go_trap, op, hart)
        return
    hart.x[op.rd] = pc_after(op, hart)
    hart.jump_pc = target
    vmcore_go(hart.go_jump, op, hart)


cdef void p_link(Op *op, Hart *hart) noexcept nogil:
    # A branch is taken for the first time.
    cdef CodePage *page = hart.page
    cdef uint64_t left = hart.rem - <uint64_t>op
    cdef int64_t off = <int64_t>(op.off & 0xFFFE) + op.imm
    cdef uint32_t i, index
    cdef bint counts = True
    cdef gva_t target = hart.page_base + <uint64_t>off
    if target & 2 and not has(hart.isa, BIT_C):
        hart.trap_cause = CAUSE_FETCH_MISALIGNED
        hart.trap_tval = target
        vmcore_go(hart.go_trap, op, hart)
        return
    unplant(hart)
    i = 0
    while i < nlinks and links[i].fn != op.fn:
        i += 1
    counts = i != nlinks - 1
    if not in_page(hart, op):
        # In scratch: nothing to link.
        if op.fn == links[6].fn:
            hart.x[op.rd] = pc_after(op, hart)
        hart.jump_pc = target
        vmcore_go(hart.go_jump, op, hart)
        return
    if not 0 <= off < 4096:
        op.fn = links[i].far
        vmcore_go(op.fn, op, hart)
        return
    index = <uint32_t>(op - page.ops)
    if not decode_counted(hart, page, <uint32_t>off):
        if op.fn == links[6].fn:
            hart.x[op.rd] = pc_after(op, hart)
        go_or_leave(enter(hart, target, left - 16 if counts else left, False), hart)
        return
    # The operations may have moved.
    op = &page.ops[index]
    op.imm = (<int32_t>page.map[off >> 1] - 1 - <int32_t>index) * <int32_t>sizeof(Op)
    op.fn = links[i].linked
    hart.rem = left + <uint64_t>op
    vmcore_go(hart.go_poll, op, hart)


cdef void p_trap(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t pc = pc_of(op, hart)
    cdef uint64_t left = hart.rem - <uint64_t>op
    unplant(hart)
    if hart.trap_cause == CAUSE_ECALL_S and hart.sys.sbi:
        # The firmware is outside the guest: it sees the hart right after the ecall.
        hart.pc = pc + 4
        hart.left = left - 16
        hart.exit_reason = LEAVE_SBI
        vmcore_leave(hart)
        return
    left -= 16
    sync_count(hart, left)
    hart.trapped += 1
    pc = take_exception(hart, hart.trap_cause, hart.trap_tval, pc)
    go_or_leave(enter(hart, pc, left, False), hart)


cdef void p_illegal(Op *op, Hart *hart) noexcept nogil:
    # tval holds the instruction, which is fetched again: the decoded form does not keep it.
    cdef uint64_t bits = refetch(hart, pc_of(op, hart))
    hart.trap_cause = CAUSE_ILLEGAL
    hart.trap_tval = bits
    vmcore_go(hart.go_trap, op, hart)


cdef uint64_t refetch(Hart *hart, gva_t pc) noexcept nogil:
    cdef uint32_t low = 0
    cdef uint32_t high = 0
    if fetch_half(hart, pc, &low):
        return 0
    if low & 3 == 3:
        if fetch_half(hart, pc + 2, &high):
            return low
    return low | high << 16


cdef void p_access(Op *op, Hart *hart) noexcept nogil:
    cdef int status = resolve(hart, op)
    if status == ACCESS_REDO:
        vmcore_go(op.fn, op, hart)
    elif status == ACCESS_SHOT:
        hart.scratch[4] = op[0]
        hart.scratch[5].fn = fn_finish
        hart.rem = hart.rem - <uint64_t>op + <uint64_t>&hart.scratch[4]
        vmcore_go(hart.scratch[4].fn, &hart.scratch[4], hart)
    elif status == ACCESS_LEAVE:
        vmcore_go(hart.go_leave, op, hart)
    else:
        vmcore_go(hart.go_trap, op, hart)


cdef void p_finish(Op *op, Hart *hart) noexcept nogil:
    cdef Op *origin = hart.shot_op
    cdef int status = finish_shot(hart)
    # As if `origin` had just been reached and not yet counted.
    hart.rem = hart.rem - <uint64_t>op + 16 + <uint64_t>origin
    if status == SHOT_DONE:
        vmcore_go(origin[1].fn, origin + 1, hart)
    elif status == SHOT_ATTENTION:
        hart.jump_pc = pc_after(origin, hart)
        vmcore_go(hart.go_jump, origin, hart)
    else:
        vmcore_go(hart.go_left, origin, hart)


cdef void p_leave(Op *op, Hart *hart) noexcept nogil:
    unplant(hart)
    hart.pc = pc_of(op, hart)
    hart.left = hart.rem - <uint64_t>op
    vmcore_leave(hart)


cdef void p_left(Op *op, Hart *hart) noexcept nogil:
    unplant(hart)
    hart.pc = pc_after(op, hart)
    hart.left = hart.rem - <uint64_t>op - 16
    vmcore_leave(hart)


cdef void p_goto(Op *op, Hart *hart) noexcept nogil:
    transfer(<Op *>(<uint8_t *>op + op.imm), hart.rem - <uint64_t>op, hart)


cdef void p_goto_new(Op *op, Hart *hart) noexcept nogil:
    vmcore_go(hart.go_link, op, hart)


cdef void p_page_end(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t left = hart.rem - <uint64_t>op
    unplant(hart)
    go_or_leave(enter(hart, hart.page_base + 4096, left, False), hart)


cdef void p_straddle(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t left = hart.rem - <uint64_t>op
    cdef gva_t pc = pc_of(op, hart)
    cdef Op *copy
    unplant(hart)
    copy = single(hart, pc)
    if copy == NULL:
        hart.rem = left + <uint64_t>op
        vmcore_go(hart.go_trap, op, hart)
        return
    hart.rem = left + <uint64_t>copy
    vmcore_go(hart.go_poll, copy, hart)


cdef void p_scratch_next(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t left = hart.rem - <uint64_t>op
    unplant(hart)
    go_or_leave(enter(hart, pc_after(op, hart), left, False), hart)


cdef void p_probe(Op *op, Hart *hart) noexcept nogil:
    # It stands before its instruction and counts for nothing.
    cdef gva_t pc = pc_of(op, hart)
    if hart.resuming and hart.resume_pc == pc:
        hart.resuming = 0
    elif is_probed(hart.sys, pc):
        hart.exit_reason = LEAVE_PROBE
        vmcore_go(hart.go_leave, op, hart)
        return
    hart.rem += 16
    vmcore_go(op[1].fn, op + 1, hart)


cdef inline void pass_by(Op *op, Hart *hart) noexcept nogil:
    # The operation counts for nothing.
    hart.rem += 16
    vmcore_go(op[1].fn, op + 1, hart)


cdef void p_count(Op *op, Hart *hart) noexcept nogil:
    op.imm -= 1
    if op.imm > 0:
        pass_by(op, hart)
    else:
        vmcore_go(hot, op, hart)


cdef void hot(Op *op, Hart *hart) noexcept nogil:
    # Compile what begins here. That may drop pages, this one too; so what is needed later is taken before.
    cdef System *sys = hart.sys
    cdef CodePage *page = hart.page
    cdef uint64_t left = hart.rem - <uint64_t>op
    cdef uint64_t serial = sys.code_serial
    cdef gva_t pc = pc_of(op, hart)
    cdef uint32_t code
    op.imm = NEVER
    unplant(hart)
    if in_page(hart, op):
        if sys.parallel:
            vmcore_lock(&sys.code_lock)
        code = sys.compile(hart, page.bundle, pc & 4095) if sys.compile != NULL else 0
        if sys.parallel:
            vmcore_unlock(&sys.code_lock)
        if code and sys.code_serial == serial:
            set_code(page, pc & 4095, code)
    go_or_leave(enter(hart, pc, left, False), hart)


cdef void p_code(Op *op, Hart *hart) noexcept nogil:
    # The block that begins here is compiled.
    cdef uint64_t left = hart.rem - <uint64_t>op
    cdef gva_t pc = pc_of(op, hart)
    if left < <uint64_t>CODE_LEAST or hart.mmio_done:
        pass_by(op, hart)
        return
    unplant(hart)
    vmcore_add32(&hart.page.bundle.heat, 1)
    put_code(hart, pc, hart.sys.code_base + <uint64_t>CODE_UNIT * <uint32_t>op.imm)
    go_or_leave(enter(hart, pc, left, False), hart)


cdef void p_illegal_op(Op *op, Hart *hart) noexcept nogil:
    vmcore_go(hart.go_illegal, op, hart)


cdef void install_paths(Hart *hart) noexcept nogil:
    hart.go_illegal = p_illegal
    hart.go_trap = p_trap
    hart.go_jump = p_jump
    hart.go_poll = p_poll
    hart.go_link = p_link
    hart.go_access = p_access
    hart.go_jalr = p_jalr
    hart.go_leave = p_leave
    hart.go_left = p_left


cdef void run_for(Hart *hart, uint64_t budget) noexcept nogil:
    cdef Op *op
    hart.left = budget << 4
    hart.rem_start = hart.left
    op = enter(hart, hart.pc, hart.left, False)
    if op != NULL:
        if VMCORE_SWITCH_LOOP:
            hart.loop_fn = hart.go_poll
            hart.loop_op = op
            while hart.loop_fn != NULL:
                hart.loop_fn(hart.loop_op, hart)
        else:
            hart.go_poll(op, hart)
    sync_count(hart, hart.left)


cdef void run_hart(Hart *hart, uint64_t budget) noexcept nogil:
    while hart.watched and budget > 1 and hart.sys.follow(hart):
        run_for(hart, 1)
        budget -= 1
        if hart.exit_reason != LEAVE_BUDGET:
            return
    run_for(hart, budget)


register_handler("illegal", p_illegal_op)
register_handler("@goto", p_goto)
register_handler("@goto_new", p_goto_new)
register_handler("@page_end", p_page_end)
register_handler("@straddle", p_straddle)
register_handler("@scratch_next", p_scratch_next)
register_handler("@finish", p_finish)
register_handler("@stop", p_stop)
register_handler("@probe", p_probe)
register_handler("@count", p_count)
register_handler("@code", p_code)
