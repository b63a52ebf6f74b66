"""System handlers: CSRs, environment calls, returns, fences and waits."""

from libc.stdint cimport uint64_t

from vmcore._fast.defs cimport vmcore_fence
from vmcore._fast.hart.clock cimport pc_after, pc_of
from vmcore._fast.hart.codepage cimport fence_i
from vmcore._fast.hart.csr cimport CSR_CLEAR, CSR_OK, CSR_REENTER, CSR_SET, CSR_WRITE, csr_op
from vmcore._fast.hart.handlers cimport register_handler
from vmcore._fast.hart.isabits cimport BIT_S, has
from vmcore._fast.hart.state cimport (
    CAUSE_BREAKPOINT, CAUSE_ECALL_U, LEAVE_WAIT, LEAVE_YIELD, MSTATUS_TSR, MSTATUS_TVM, MSTATUS_TW, PRIV_M, PRIV_S,
    PRIV_U, SINK, Hart, Op, illegal, next_op, orders_store_load, unplant, vmcore_go)
from vmcore._fast.hart.translate cimport flush_tlb
from vmcore._fast.hart.trap cimport mip_of, return_m, return_s


cdef inline void after_csr(Op *op, Hart *hart, int status) noexcept nogil:
    if status == CSR_OK:
        next_op(op, hart)
    elif status == CSR_REENTER:
        hart.jump_pc = pc_after(op, hart)
        vmcore_go(hart.go_jump, op, hart)
    else:
        illegal(op, hart)


cdef void h_csrrw(Op *op, Hart *hart) noexcept nogil:
    after_csr(op, hart, csr_op(hart, op, CSR_WRITE, hart.x[op.rs1], True, op.rd != SINK))


cdef void h_csrrwi(Op *op, Hart *hart) noexcept nogil:
    after_csr(op, hart, csr_op(hart, op, CSR_WRITE, op.rs1, True, op.rd != SINK))


cdef void h_csrrs(Op *op, Hart *hart) noexcept nogil:
    after_csr(op, hart, csr_op(hart, op, CSR_SET, hart.x[op.rs1], op.rs1 != 0, True))


cdef void h_csrrsi(Op *op, Hart *hart) noexcept nogil:
    after_csr(op, hart, csr_op(hart, op, CSR_SET, op.rs1, op.rs1 != 0, True))


cdef void h_csrrc(Op *op, Hart *hart) noexcept nogil:
    after_csr(op, hart, csr_op(hart, op, CSR_CLEAR, hart.x[op.rs1], op.rs1 != 0, True))


cdef void h_csrrci(Op *op, Hart *hart) noexcept nogil:
    after_csr(op, hart, csr_op(hart, op, CSR_CLEAR, op.rs1, op.rs1 != 0, True))


cdef void h_ecall(Op *op, Hart *hart) noexcept nogil:
    hart.trap_cause = CAUSE_ECALL_U + hart.priv
    hart.trap_tval = 0
    vmcore_go(hart.go_trap, op, hart)


cdef void h_ebreak(Op *op, Hart *hart) noexcept nogil:
    hart.trap_cause = CAUSE_BREAKPOINT
    hart.trap_tval = pc_of(op, hart)
    vmcore_go(hart.go_trap, op, hart)


cdef void h_mret(Op *op, Hart *hart) noexcept nogil:
    if hart.priv != PRIV_M:
        illegal(op, hart)
    else:
        hart.jump_pc = return_m(hart)
        vmcore_go(hart.go_jump, op, hart)


cdef void h_sret(Op *op, Hart *hart) noexcept nogil:
    if hart.priv == PRIV_U or (hart.priv == PRIV_S and hart.mstatus & MSTATUS_TSR) or not has(hart.isa, BIT_S):
        illegal(op, hart)
    else:
        hart.jump_pc = return_s(hart)
        vmcore_go(hart.go_jump, op, hart)


cdef void h_fence(Op *op, Hart *hart) noexcept nogil:
    if hart.sys.parallel and orders_store_load(op.imm):
        vmcore_fence()
    next_op(op, hart)


cdef void fence_i_tail(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t left = hart.rem - <uint64_t>op
    unplant(hart)
    fence_i(hart)
    # A place that outlives the pages, with the same budget.
    hart.rem = left + <uint64_t>&hart.scratch[0]
    vmcore_go(hart.go_jump, &hart.scratch[0], hart)


cdef void h_fence_i(Op *op, Hart *hart) noexcept nogil:
    # The decoded operations of pages written meanwhile go, perhaps this one's own: op is not looked at afterwards.
    hart.jump_pc = pc_after(op, hart)
    vmcore_go(fence_i_tail, op, hart)


cdef void h_sfence_vma(Op *op, Hart *hart) noexcept nogil:
    if hart.priv == PRIV_U or (hart.priv == PRIV_S and hart.mstatus & MSTATUS_TVM):
        illegal(op, hart)
    else:
        flush_tlb(hart, op.rs1 != 0, hart.x[op.rs1], op.imm != 0, hart.x[op.imm & 31])
        hart.jump_pc = pc_after(op, hart)
        vmcore_go(hart.go_jump, op, hart)


cdef void h_sinval_vma(Op *op, Hart *hart) noexcept nogil:
    if hart.priv == PRIV_U or (hart.priv == PRIV_S and hart.mstatus & MSTATUS_TVM):
        illegal(op, hart)
    else:
        flush_tlb(hart, op.rs1 != 0, hart.x[op.rs1], op.imm != 0, hart.x[op.imm & 31])
        hart.jump_pc = pc_after(op, hart)
        vmcore_go(hart.go_jump, op, hart)


cdef void h_sfence_w_inval(Op *op, Hart *hart) noexcept nogil:
    if hart.priv == PRIV_U:
        illegal(op, hart)
    else:
        next_op(op, hart)


cdef void h_sfence_inval_ir(Op *op, Hart *hart) noexcept nogil:
    if hart.priv == PRIV_U:
        illegal(op, hart)
    else:
        next_op(op, hart)


cdef void h_wfi(Op *op, Hart *hart) noexcept nogil:
    if (hart.priv < PRIV_M and hart.mstatus & MSTATUS_TW) or (hart.priv == PRIV_U and has(hart.isa, BIT_S)):
        illegal(op, hart)
    elif mip_of(hart) & hart.mie:
        next_op(op, hart)
    else:
        hart.waiting = 1
        hart.exit_reason = LEAVE_WAIT
        vmcore_go(hart.go_left, op, hart)


cdef void h_pause(Op *op, Hart *hart) noexcept nogil:
    if hart.sys.nharts == 1:
        next_op(op, hart)
    else:
        hart.exit_reason = LEAVE_YIELD
        vmcore_go(hart.go_left, op, hart)


cdef void h_wrs_nto(Op *op, Hart *hart) noexcept nogil:
    # Stalls at most until another hart may have stored: its quantum ends here, if the reservation stands.
    if hart.priv < PRIV_M and hart.mstatus & MSTATUS_TW:
        illegal(op, hart)
    elif hart.res_size == 0 or hart.sys.nharts == 1:
        next_op(op, hart)
    else:
        hart.exit_reason = LEAVE_YIELD
        vmcore_go(hart.go_left, op, hart)


cdef void h_wrs_sto(Op *op, Hart *hart) noexcept nogil:
    # Stalls at most until another hart may have stored: its quantum ends here, if the reservation stands.
    if hart.res_size == 0 or hart.sys.nharts == 1:
        next_op(op, hart)
    else:
        hart.exit_reason = LEAVE_YIELD
        vmcore_go(hart.go_left, op, hart)


register_handler("csrrw", h_csrrw)
register_handler("csrrwi", h_csrrwi)
register_handler("csrrs", h_csrrs)
register_handler("csrrsi", h_csrrsi)
register_handler("csrrc", h_csrrc)
register_handler("csrrci", h_csrrci)
register_handler("ecall", h_ecall)
register_handler("ebreak", h_ebreak)
register_handler("mret", h_mret)
register_handler("sret", h_sret)
register_handler("fence", h_fence)
register_handler("fence.i", h_fence_i)
register_handler("sfence.vma", h_sfence_vma)
register_handler("sinval.vma", h_sinval_vma)
register_handler("sfence.w.inval", h_sfence_w_inval)
register_handler("sfence.inval.ir", h_sfence_inval_ir)
register_handler("wfi", h_wfi)
register_handler("pause", h_pause)
register_handler("wrs.nto", h_wrs_nto)
register_handler("wrs.sto", h_wrs_sto)
