"""The stubs: the pieces of machine code that every hart shares, and the C functions that they call.

They are written once for each code memory. Compiled code reaches them through ``hart.stubs``, so it holds no address.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport vmcore_load32, vmcore_load64, vmcore_store32, without_raise
from vmcore._fast.hart.access cimport ACCESS_REDO, fill
from vmcore._fast.hart.fpregs cimport settle_fp
from vmcore._fast.hart.handlers cimport numbered_handler
from vmcore._fast.hart.state cimport (
    CODE_SLACK, EXIT_FAR, EXIT_NEXT, EXIT_STEP, Hart, Op, deadline_moved, handler_t, is_wanted, vmcore_leave)
from vmcore._fast.hart.trap cimport due_interrupt
from vmcore._fast.jit.convention cimport (
    FN_FP, FN_MISS, FN_OP, FN_T2_MISS, FN_T2_PAGES, HART_BIAS, HOST_OF, INFO_ACC_SHIFT, INFO_COUNT_MASK,
    INFO_COUNT_SHIFT, INFO_OFF_MASK, NUM_PINNED, NUM_PINNED_F, NUM_VOLATILE, PINNED, PINNED_F, STUB_CLEAN, STUB_COUNT,
    STUB_FP, STUB_LOST, STUB_MISS, STUB_NEXT, STUB_NEXT_RAX, STUB_OP, STUB_STEP, STUB_T2_MISS, STUB_T2_PAGES, XMM_OF,
    at_acc_addr, at_budget, at_exit_info, at_exit_kind, at_exit_pc, at_f, at_fp_live, at_l1_second, at_mxcsr, at_n_hits,
    at_page_base, at_stub, at_tlb, at_x)
from vmcore._fast.jit.t2.moves cimport FRAME_BYTES
from vmcore._fast.jit.t2.pages cimport on_t2_pages
from vmcore._fast.jit.t2.record cimport SAVED_BYTES, SAVED_XMM, T2_MISS_STEP, on_t2_miss
from vmcore._fast.jit.x64.asm cimport (
    CC_E, CC_NE, CC_NP, F_ADD, F_ADD_I, F_AND_I, F_CMP, F_CMP8_MI, F_CMP_I, F_LDMXCSR, F_LEA, F_MOV, F_MOVSD_LOAD,
    F_MOVSD_STORE, F_MOVQ_XR, F_MOV_MI, F_MOV_MR, F_RET, F_SHR_I, F_STMXCSR, F_SUB_I, F_SUB_MR, F_TEST, F_TEST_I,
    Asm, F_UCOMISD, F_UCOMISS, R10, R11, R12, R13, R14, R15, R8, R9, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP,
    x_call_m, x_jcc, x_jcc8, x_jcc_to, x_jmp_r, x_jmp_to, x_jmp_x, x_mov_imm, x_patch32, x_patch8, x_plain, x_pop,
    x_push, x_rm, x_rmi, x_rr, x_rri, x_rx)

cdef extern from *:
    void full_fence "__sync_synchronize"() nogil

# --- what the stubs call ----------------------------------------------------------------------------------------------

cdef uint64_t on_miss(Hart *hart, uint64_t gva, uint64_t info) noexcept nogil:
    # 0: the TLB has an entry for it now.
    cdef uint32_t acc = <uint32_t>(info >> INFO_ACC_SHIFT)
    hart.acc_addr = gva
    hart.acc_info = (acc & 0x1F) | (acc & 0xE0) << 3
    return fill(hart) != ACCESS_REDO


cdef void p_done(Op *op, Hart *hart) noexcept nogil:
    # Behind an operation that compiled code had run: back to it.
    vmcore_leave(hart)


cdef Op *borrow(Hart *hart, uint64_t packed, uint64_t imm) noexcept nogil:
    # The operation that the compiled code stands for, as T0 would have decoded it.
    cdef Op *op = &hart.scratch[2]
    op.rd = <uint8_t>packed
    op.rs1 = <uint8_t>(packed >> 8)
    op.imm = <int32_t>imm
    op.fn = numbered_handler(<uint32_t>(packed >> 16))
    op[1].fn = p_done
    return op


cdef void p_refuse(Op *op, Hart *hart) noexcept nogil:
    hart.exit_info = 1
    vmcore_leave(hart)


cdef void p_again(Op *op, Hart *hart) noexcept nogil:
    hart.exit_info = 2
    vmcore_leave(hart)


cdef inline bint only_status(uint64_t csr) noexcept nogil:
    # A write that changes neither how code is fetched nor when a timer fires: sstatus, sie, sip and those of M-mode.
    return csr == 0x100 or csr == 0x104 or csr == 0x144 or csr == 0x300 or csr == 0x304 or csr == 0x344


cdef inline bint nothing_due(Hart *hart) noexcept nogil:
    if deadline_moved(hart.sys) or vmcore_load32(&hart.sys.request):
        return False
    if vmcore_load32(&hart.pins.exit_req):
        vmcore_store32(&hart.pins.exit_req, 0)
        # ORDER: a line that is raised from here on sets exit_req again; one that was raised before is seen below.
        full_fence()
        if due_interrupt(hart) >= 0 or is_wanted(hart):
            vmcore_store32(&hart.pins.exit_req, 1)
            return False
    return True


cdef uint64_t on_op(Hart *hart, uint64_t packed, uint64_t imm) noexcept nogil:
    # 0: done. 1: it is illegal here, and T0 shall say so. 2: done, and contexts or interrupts have to be looked at.
    cdef Op *op
    cdef handler_t go_illegal = hart.go_illegal
    cdef handler_t go_jump = hart.go_jump
    cdef uint64_t budget = without_raise(vmcore_load64(&hart.pins.budget))
    cdef uint64_t tag = hart.l1_tag
    if hart.fp_live:
        settle_fp(hart)
    op = borrow(hart, packed, imm)
    hart.rem = ((budget + CODE_SLACK) << 4) + <uint64_t>op
    hart.go_illegal = p_refuse
    hart.go_jump = p_again
    hart.exit_info = 0
    hart.loop_fn = NULL
    op.fn(op, hart)
    while hart.loop_fn != NULL:
        # Only where handlers do not go on by tail calls.
        hart.loop_fn(hart.loop_op, hart)
    hart.go_illegal = go_illegal
    hart.go_jump = go_jump
    if hart.exit_info == 2 and only_status(imm & 0xFFF) and hart.l1_tag == tag and nothing_due(hart):
        # A kernel switches its interrupts off and on all the time: compiled code goes on.
        return 0
    return hart.exit_info


cdef uint64_t on_fp(Hart *hart, uint64_t unused1, uint64_t unused2) noexcept nogil:
    # The host's FPU becomes the guest's, if the guest's state lets it: FS on, and a rounding mode that the host has.
    if hart.fs == 0 or hart.frm > 3:
        return 1
    # frm: RNE, RTZ, RDN, RUP; the host's two bits: nearest, down, up, to zero. All exceptions are masked, no flag is
    # set.
    hart.mxcsr = 0x1F80 | ((0x2130 >> (4 * hart.frm)) & 3) << 13
    hart.fp_live = 1
    return 0


# --- the stubs themselves ---------------------------------------------------------------------------------------------

cdef inline void save(Asm *a, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        x_rm(a, F_MOV_MR, 1, HOST_OF[PINNED[i]], RBP, at_x(PINNED[i]))


cdef inline void restore(Asm *a, uint32_t n) noexcept nogil:
    cdef uint32_t i
    for i in range(n):
        x_rm(a, F_MOV, 1, HOST_OF[PINNED[i]], RBP, at_x(PINNED[i]))


cdef inline void move_fp(Asm *a, int form) noexcept nogil:
    cdef uint32_t i
    for i in range(NUM_PINNED_F):
        x_rm(a, form, 0, XMM_OF[PINNED_F[i]], RBP, at_f(PINNED_F[i]))


cdef inline uint8_t *unless_live(Asm *a) noexcept nogil:
    x_rmi(a, F_CMP8_MI, 0, 0, RBP, at_fp_live(), 0)
    return x_jcc(a, CC_E)


cdef inline void call_c(Asm *a, uint32_t fn) noexcept nogil:
    # From inside a stub that was called: the stack is 8 bytes off.
    x_rm(a, F_LEA, 1, RDI, RBP, -HART_BIAS())
    x_rri(a, F_SUB_I, 1, 0, RSP, 8)
    x_call_m(a, RBP, at_stub(fn))
    x_rri(a, F_ADD_I, 1, 0, RSP, 8)


cdef void call_saved(Asm *a, uint32_t fn, int argument) noexcept nogil:
    # The same behind save(a, NUM_VOLATILE), with what a register holds; only scratch registers are other ones then.
    cdef uint8_t *field = unless_live(a)
    move_fp(a, F_MOVSD_STORE)
    x_patch32(field, a.at)
    x_rr(a, F_MOV, 1, RSI, argument)
    call_c(a, fn)
    restore(a, NUM_VOLATILE)
    field = unless_live(a)
    move_fp(a, F_MOVSD_LOAD)
    x_patch32(field, a.at)


cdef inline void move_saved(Asm *a, int form) noexcept nogil:
    cdef uint32_t i
    for i in range(NUM_PINNED_F):
        x_rm(a, form, 0, XMM_OF[PINNED_F[i]], RSP, 8 * (SAVED_XMM + XMM_OF[PINNED_F[i]]))


cdef void leave_at(Asm *a, int kind, uint8_t *leave) noexcept nogil:
    # rdx: info about the instruction to go on at.
    x_rr(a, F_MOV, 0, RAX, RDX)
    x_rri(a, F_SHR_I, 0, 0, RAX, INFO_COUNT_SHIFT)
    x_rri(a, F_AND_I, 0, 0, RAX, INFO_COUNT_MASK)
    x_rm(a, F_SUB_MR, 1, RAX, RBP, at_budget())
    x_rri(a, F_AND_I, 0, 0, RDX, INFO_OFF_MASK)
    x_rm(a, F_MOV, 1, RAX, RBP, at_page_base())
    x_rx(a, F_LEA, 1, RAX, RAX, RDX, 1, 0)
    x_rm(a, F_MOV_MR, 1, RAX, RBP, at_exit_pc())
    x_rmi(a, F_MOV_MI, 1, 0, RBP, at_exit_kind(), kind)
    x_jmp_to(a, leave)


cdef void write_t2_miss(Asm *a, uint8_t *step, uint8_t *leave) noexcept nogil:
    # An access of a region missed. The guest's registers are anywhere: all of the host's are there to be looked at, and
    # those that the C function may change come back from there.
    cdef uint32_t volatile_ = 1 << RCX | 1 << RSI | 1 << RDI | 1 << R8 | 1 << R9 | 1 << R10 | 1 << R11
    cdef uint32_t seen = volatile_ | 1 << RBX | 1 << R12 | 1 << R13 | 1 << R15
    cdef uint8_t *field
    cdef int i
    x_rri(a, F_SUB_I, 1, 0, RSP, SAVED_BYTES)
    for i in range(16):
        if seen >> i & 1:
            x_rm(a, F_MOV_MR, 1, i, RSP, 8 * i)
    field = unless_live(a)
    move_saved(a, F_MOVSD_STORE)
    x_patch32(field, a.at)
    x_rm(a, F_LEA, 1, RDI, RBP, -HART_BIAS())
    x_rr(a, F_MOV, 1, RSI, RAX)
    x_rr(a, F_MOV, 1, RCX, RSP)
    x_call_m(a, RBP, at_stub(FN_T2_MISS))
    for i in range(16):
        if volatile_ >> i & 1:
            x_rm(a, F_MOV, 1, i, RSP, 8 * i)
    field = unless_live(a)
    move_saved(a, F_MOVSD_LOAD)
    x_patch32(field, a.at)
    x_rri(a, F_ADD_I, 1, 0, RSP, SAVED_BYTES)
    x_rr(a, F_TEST, 0, RAX, RAX)
    field = x_jcc(a, CC_NE)
    x_plain(a, F_RET, 0)
    # The hart has the guest's registers now; the way out takes those that are pinned from where they belong.
    x_patch32(field, a.at)
    x_rri(a, F_ADD_I, 1, 0, RSP, 8)
    restore(a, NUM_PINNED)
    field = unless_live(a)
    move_fp(a, F_MOVSD_LOAD)
    x_patch32(field, a.at)
    x_rm(a, F_MOV, 1, RDX, RBP, at_exit_info())
    x_rri(a, F_CMP_I, 0, 0, RAX, T2_MISS_STEP)
    x_jcc_to(a, CC_E, step)
    leave_at(a, EXIT_NEXT, leave)


cdef void write_stubs(Asm *a, uint64_t delta, uint64_t *table, bint counting) noexcept nogil:
    # `delta`: from where they are written to where they run. table[n] is set for each STUB_*; table[STUB_COUNT] is the
    # way in: enter(hart, code).
    cdef uint8_t *leave
    cdef uint8_t *next_
    cdef uint8_t *far
    cdef uint8_t *step
    cdef uint8_t *field
    cdef uint8_t *other
    cdef uint32_t i
    # Way in.
    table[STUB_COUNT] = <uint64_t>a.at + delta
    x_push(a, RBX)
    x_push(a, RBP)
    x_push(a, R12)
    x_push(a, R13)
    x_push(a, R14)
    x_push(a, R15)
    x_rri(a, F_SUB_I, 1, 0, RSP, FRAME_BYTES + 8)
    x_rm(a, F_LEA, 1, RBP, RDI, HART_BIAS())
    x_rr(a, F_MOV, 1, RAX, RSI)
    x_rm(a, F_MOV, 1, R14, RBP, at_tlb())
    restore(a, NUM_PINNED)
    x_jmp_r(a, RAX)
    # Way out: the hart's state is whole again but for its floating-point flags (settle_fp).
    leave = a.at
    save(a, NUM_PINNED)
    field = unless_live(a)
    move_fp(a, F_MOVSD_STORE)
    x_rm(a, F_STMXCSR, 0, 0, RBP, at_mxcsr())
    x_rmi(a, F_MOV_MI, 0, 0, RBP, at_mxcsr() + 4, 0x1F80)
    x_rm(a, F_LDMXCSR, 0, 0, RBP, at_mxcsr() + 4)
    x_patch32(field, a.at)
    x_rri(a, F_ADD_I, 1, 0, RSP, FRAME_BYTES + 8)
    x_pop(a, R15)
    x_pop(a, R14)
    x_pop(a, R13)
    x_pop(a, R12)
    x_pop(a, RBP)
    x_pop(a, RBX)
    x_plain(a, F_RET, 0)
    # edx: offset of the page.
    next_ = a.at
    table[STUB_NEXT] = <uint64_t>a.at + delta
    x_rm(a, F_MOV, 1, RAX, RBP, at_page_base())
    x_rr(a, F_ADD, 1, RAX, RDX)
    x_rm(a, F_MOV_MR, 1, RAX, RBP, at_exit_pc())
    x_rmi(a, F_MOV_MI, 1, 0, RBP, at_exit_kind(), EXIT_NEXT)
    x_jmp_to(a, leave)
    # rax: where.
    far = a.at
    table[STUB_NEXT_RAX] = <uint64_t>a.at + delta
    x_rm(a, F_MOV_MR, 1, RAX, RBP, at_exit_pc())
    x_rmi(a, F_MOV_MI, 1, 0, RBP, at_exit_kind(), EXIT_FAR)
    x_jmp_to(a, leave)
    # An address that the first way of the L1 table does not know.
    table[STUB_LOST] = <uint64_t>a.at + delta
    x_rx(a, F_CMP, 1, RDX, RBP, RCX, 3, at_l1_second())
    x_jcc_to(a, CC_NE, far)
    if counting:
        x_rmi(a, F_ADD_I, 1, 0, RBP, at_n_hits(), 1)
    x_rri(a, F_AND_I, 1, 0, RAX, -4096)
    x_rm(a, F_MOV_MR, 1, RAX, RBP, at_page_base())
    x_jmp_x(a, RBP, RCX, 3, at_l1_second() + 8)
    # edx: info. What came before the instruction is subtracted.
    step = a.at
    table[STUB_STEP] = <uint64_t>a.at + delta
    leave_at(a, EXIT_STEP, leave)
    # A miss. rax and edx outlive it in the hart.
    table[STUB_MISS] = <uint64_t>a.at + delta
    save(a, NUM_VOLATILE)
    x_rm(a, F_MOV_MR, 1, RAX, RBP, at_acc_addr())
    x_rm(a, F_MOV_MR, 1, RDX, RBP, at_exit_info())
    call_saved(a, FN_MISS, RAX)
    x_rm(a, F_MOV, 1, RDX, RBP, at_exit_info())
    x_rr(a, F_TEST, 0, RAX, RAX)
    field = x_jcc(a, CC_NE)
    x_rm(a, F_MOV, 1, RAX, RBP, at_acc_addr())
    x_plain(a, F_RET, 0)
    x_patch32(field, a.at)
    x_rri(a, F_ADD_I, 1, 0, RSP, 8)
    x_jmp_to(a, step)
    # A handler of T0's. eax: info, edx: what it is given, ecx: its immediate.
    table[STUB_OP] = <uint64_t>a.at + delta
    save(a, NUM_PINNED)
    x_push(a, RAX)
    field = unless_live(a)
    move_fp(a, F_MOVSD_STORE)
    x_rm(a, F_STMXCSR, 0, 0, RBP, at_mxcsr())
    x_rmi(a, F_MOV_MI, 0, 0, RBP, at_mxcsr() + 4, 0x1F80)
    x_rm(a, F_LDMXCSR, 0, 0, RBP, at_mxcsr() + 4)
    x_patch32(field, a.at)
    x_rr(a, F_MOV, 1, RSI, RDX)
    x_rr(a, F_MOV, 1, RDX, RCX)
    x_rm(a, F_LEA, 1, RDI, RBP, -HART_BIAS())
    x_call_m(a, RBP, at_stub(FN_OP))
    # The data context may be another one now (mstatus.SUM).
    x_rm(a, F_MOV, 1, R14, RBP, at_tlb())
    restore(a, NUM_PINNED)
    x_pop(a, RDX)
    x_rri(a, F_CMP_I, 0, 0, RAX, 1)
    field = x_jcc(a, CC_E)
    other = x_jcc(a, 7)                          # above
    x_plain(a, F_RET, 0)
    x_patch32(field, a.at)
    x_rri(a, F_ADD_I, 1, 0, RSP, 8)
    x_jmp_to(a, step)
    # Done, but the hart has to look around before the next instruction: these four bytes are behind us, and count.
    x_patch32(other, a.at)
    x_rri(a, F_ADD_I, 1, 0, RSP, 8)
    x_rmi(a, F_SUB_I, 1, 0, RBP, at_budget(), 1)
    x_rri(a, F_AND_I, 0, 0, RDX, INFO_OFF_MASK)
    x_rx(a, F_LEA, 1, RDX, RDX, RDX, 0, 4)
    x_jmp_to(a, next_)
    # The host's FPU becomes the guest's.
    table[STUB_FP] = <uint64_t>a.at + delta
    save(a, NUM_VOLATILE)
    x_rm(a, F_MOV_MR, 1, RDX, RBP, at_exit_info())
    call_c(a, FN_FP)
    restore(a, NUM_VOLATILE)
    x_rm(a, F_MOV, 1, RDX, RBP, at_exit_info())
    x_rr(a, F_TEST, 0, RAX, RAX)
    field = x_jcc(a, CC_NE)
    x_rm(a, F_LDMXCSR, 0, 0, RBP, at_mxcsr())
    move_fp(a, F_MOVSD_LOAD)
    x_plain(a, F_RET, 0)
    x_patch32(field, a.at)
    x_rri(a, F_ADD_I, 1, 0, RSP, 8)
    x_jmp_to(a, step)
    table[STUB_T2_MISS] = <uint64_t>a.at + delta
    write_t2_miss(a, step, leave)
    # The pages of a region. rdx: record.
    table[STUB_T2_PAGES] = <uint64_t>a.at + delta
    save(a, NUM_VOLATILE)
    call_saved(a, FN_T2_PAGES, RDX)
    x_plain(a, F_RET, 0)
    # NaNs of the registers in edx become canonical ones.
    table[STUB_CLEAN] = <uint64_t>a.at + delta
    for i in range(2 * 16):
        if i & 15 == 0:
            x_mov_imm(a, RCX, 0xFFFFFFFF7FC00000 if i else 0x7FF8000000000000)
        x_rri(a, F_TEST_I, 0, 0, RDX, <uint32_t>1 << i)
        field = x_jcc8(a, CC_E)
        x_rr(a, F_UCOMISS if i & 16 else F_UCOMISD, 0, i & 15, i & 15)
        other = x_jcc8(a, CC_NP)
        x_rr(a, F_MOVQ_XR, 0, i & 15, RCX)
        x_patch8(field, a.at)
        x_patch8(other, a.at)
    x_plain(a, F_RET, 0)


cdef void install_stubs(Hart *hart, const uint64_t *table) noexcept nogil:
    cdef uint32_t i
    for i in range(STUB_COUNT):
        hart.stubs[i] = <void *>table[i]
    hart.stubs[FN_MISS] = <void *>on_miss
    hart.stubs[FN_OP] = <void *>on_op
    hart.stubs[FN_FP] = <void *>on_fp
    hart.stubs[FN_T2_MISS] = <void *>on_t2_miss
    hart.stubs[FN_T2_PAGES] = <void *>on_t2_pages
