"""The reset state of a hart."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.hart.csr cimport update_stimer
from vmcore._fast.hart.isabits cimport (
    BIT_A, BIT_C, BIT_D, BIT_F, BIT_M, BIT_S, BIT_SVNAPOT, BIT_U, BIT_ZBA, BIT_ZBB, BIT_ZBS, has)
from vmcore._fast.hart.state cimport NUM_DCTX, PRIV_M, Hart
from vmcore._fast.hart.translate cimport forget_code, update_contexts
from vmcore._fast.memory.pmp cimport pmp_update
from vmcore._fast.memory.tlb2 cimport tlb2_clear


cdef void reset_hart(Hart *h) noexcept nogil:
    # The reset state (privileged specification 1.13, section 3.4); registers are zero for determinism.
    cdef uint64_t isa = h.isa
    cdef uint32_t i
    memset(h.x, 0, sizeof(h.x))
    memset(h.f, 0, sizeof(h.f))
    h.pc = 0
    h.fflags = 0
    h.frm = 0
    h.fs = 0
    h.priv = PRIV_M
    h.waiting = 0
    h.stopped = 0
    h.mstatus = 0 if has(isa, BIT_U) else 3 << 11
    h.mip_soft = h.mie = h.mideleg = h.medeleg = 0
    h.mtvec = h.mepc = h.mcause = h.mtval = h.mscratch = 0
    h.mcounteren = h.mcountinhibit = h.menvcfg = h.mseccfg = 0
    h.stvec = h.sepc = h.scause = h.stval = h.sscratch = 0
    h.scounteren = h.senvcfg = h.satp = 0
    h.stimecmp = ~<uint64_t>0
    h.minstret_off = 0 - (h.icount - h.trapped)
    h.mcycle_off = 0 - h.icount
    memset(h.mstateen, 0, sizeof(h.mstateen))
    memset(&h.pmp, 0, sizeof(h.pmp))
    pmp_update(&h.pmp)
    h.res_size = 0
    h.mmio_done = 0
    h.resuming = 0
    h.walk.mem = &h.sys.mem
    h.walk.pmp = &h.pmp
    h.walk.napot = has(isa, BIT_SVNAPOT)
    h.misa = <uint64_t>2 << 62 | 1 << 8
    if has(isa, BIT_A):
        h.misa |= 1 << 0
    if has(isa, BIT_ZBA) and has(isa, BIT_ZBB) and has(isa, BIT_ZBS):
        h.misa |= 1 << 1
    if has(isa, BIT_C):
        h.misa |= 1 << 2
    if has(isa, BIT_D):
        h.misa |= 1 << 3
    if has(isa, BIT_F):
        h.misa |= 1 << 5
    if has(isa, BIT_M):
        h.misa |= 1 << 12
    if has(isa, BIT_S):
        h.misa |= 1 << 18
    if has(isa, BIT_U):
        h.misa |= 1 << 20
    h.page = NULL
    h.stop_op = NULL
    for i in range(NUM_DCTX):
        h.dctx[i].key = 0
        h.dctx[i].used = 0
    h.dctx_key = 0
    h.fctx_key = 0
    h.fctx_split = 0
    tlb2_clear(&h.tlb2)
    update_contexts(h)
    forget_code(h)
    update_stimer(h)
