"""Traps: entry, return and interrupt priority (privileged specification 1.13, sections 3.1.6 to 3.1.9, 12.1)."""

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport IRQ_MEIP, IRQ_MSIP, IRQ_MTIP, IRQ_SEIP, IRQ_SSIP, IRQ_STIP, gva_t
from vmcore._fast.hart.isabits cimport BIT_S, BIT_U, has
from vmcore._fast.hart.state cimport (
    MSTATUS_MIE, MSTATUS_MPIE, MSTATUS_MPP, MSTATUS_MPRV, MSTATUS_SIE, MSTATUS_SPIE, MSTATUS_SPP, PRIV_M, PRIV_S,
    PRIV_U, Hart)
from vmcore._fast.hart.translate cimport update_contexts


cdef gva_t enter_s(Hart *hart, uint64_t cause, uint64_t tval, gva_t pc) noexcept nogil:
    cdef uint64_t s = hart.mstatus
    hart.scause = cause
    hart.stval = tval
    hart.sepc = pc
    s &= ~<uint64_t>(MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_SIE)
    if hart.mstatus & MSTATUS_SIE:
        s |= MSTATUS_SPIE
    if hart.priv == PRIV_S:
        s |= MSTATUS_SPP
    hart.mstatus = s
    hart.priv = PRIV_S
    update_contexts(hart)
    if hart.stvec & 1 and cause >> 63:
        return (hart.stvec & ~<uint64_t>3) + 4 * (cause & 63)
    return hart.stvec & ~<uint64_t>3


cdef gva_t enter_m(Hart *hart, uint64_t cause, uint64_t tval, gva_t pc) noexcept nogil:
    cdef uint64_t s = hart.mstatus
    hart.mcause = cause
    hart.mtval = tval
    hart.mepc = pc
    s &= ~<uint64_t>(MSTATUS_MPIE | MSTATUS_MPP | MSTATUS_MIE)
    if hart.mstatus & MSTATUS_MIE:
        s |= MSTATUS_MPIE
    s |= <uint64_t>hart.priv << 11
    hart.mstatus = s
    hart.priv = PRIV_M
    update_contexts(hart)
    if hart.mtvec & 1 and cause >> 63:
        return (hart.mtvec & ~<uint64_t>3) + 4 * (cause & 63)
    return hart.mtvec & ~<uint64_t>3


cdef gva_t take_exception(Hart *hart, uint64_t cause, uint64_t tval, gva_t pc) noexcept nogil:
    hart.n_traps += 1
    if hart.priv <= PRIV_S and has(hart.isa, BIT_S) and (hart.medeleg >> cause) & 1:
        return enter_s(hart, cause, tval, pc)
    return enter_m(hart, cause, tval, pc)


cdef inline int highest(uint64_t bits) noexcept nogil:
    # Priority order of section 3.1.9: MEI, MSI, MTI, SEI, SSI, STI.
    if bits & IRQ_MEIP:
        return 11
    if bits & IRQ_MSIP:
        return 3
    if bits & IRQ_MTIP:
        return 7
    if bits & IRQ_SEIP:
        return 9
    if bits & IRQ_SSIP:
        return 1
    if bits & IRQ_STIP:
        return 5
    return -1


cdef int due_interrupt(Hart *hart) noexcept nogil:
    cdef uint64_t pending = mip_of(hart) & hart.mie
    if not pending:
        return -1
    if hart.priv < PRIV_M or hart.mstatus & MSTATUS_MIE:
        if pending & ~hart.mideleg:
            return highest(pending & ~hart.mideleg)
    if hart.priv < PRIV_S or (hart.priv == PRIV_S and hart.mstatus & MSTATUS_SIE):
        return highest(pending & hart.mideleg)
    return -1


cdef gva_t take_interrupt(Hart *hart, uint32_t number, gva_t pc) noexcept nogil:
    cdef uint64_t cause = <uint64_t>1 << 63 | number
    if (hart.mideleg >> number) & 1:
        return enter_s(hart, cause, 0, pc)
    return enter_m(hart, cause, 0, pc)


cdef gva_t return_m(Hart *hart) noexcept nogil:
    cdef uint64_t s = hart.mstatus
    cdef uint32_t back = (s >> 11) & 3
    s &= ~<uint64_t>(MSTATUS_MIE | MSTATUS_MPP)
    if s & MSTATUS_MPIE:
        s |= MSTATUS_MIE
    s |= MSTATUS_MPIE
    if not has(hart.isa, BIT_U):
        s |= MSTATUS_MPP              # the least privileged mode there is
    if back != PRIV_M:
        s &= ~<uint64_t>MSTATUS_MPRV
    hart.mstatus = s
    hart.priv = back
    update_contexts(hart)
    # The return may have enabled an interrupt that is already pending.
    hart.pins.exit_req = 1
    return hart.mepc


cdef gva_t return_s(Hart *hart) noexcept nogil:
    cdef uint64_t s = hart.mstatus
    cdef uint32_t back = PRIV_S if s & MSTATUS_SPP else PRIV_U
    s &= ~<uint64_t>(MSTATUS_SIE | MSTATUS_SPP | MSTATUS_MPRV)
    if s & MSTATUS_SPIE:
        s |= MSTATUS_SIE
    s |= MSTATUS_SPIE
    hart.mstatus = s
    hart.priv = back
    update_contexts(hart)
    hart.pins.exit_req = 1
    return hart.sepc
