"""Control and status registers: what exists, who may, what is kept (privileged specification 1.13, chapter 2)."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport (
    IRQ_MEIP, IRQ_MSIP, IRQ_MTIP, IRQ_SEIP, IRQ_SSIP, IRQ_STIP, NO_DEADLINE, NS_PER_TICK, pins_set, timer_set,
    vmcore_lock, vmcore_unlock)
from vmcore._fast.hart.clock cimport sync_clock, sync_count, time_ticks
from vmcore._fast.hart.isabits cimport (
    BIT_C, BIT_F, BIT_S, BIT_SMSTATEEN, BIT_SSTC, BIT_SV39, BIT_SV48, BIT_SV57, BIT_SVADU, BIT_SVPBMT, BIT_U,
    BIT_ZICBOM, BIT_ZICBOZ, BIT_ZICNTR, BIT_ZIHPM, BIT_ZKR, has)
from vmcore._fast.hart.state cimport (
    MSTATUS_MIE, MSTATUS_MPIE, MSTATUS_MPP, MSTATUS_MPRV, MSTATUS_MXR, MSTATUS_SIE, MSTATUS_SPIE, MSTATUS_SPP,
    MSTATUS_SUM, MSTATUS_TSR, MSTATUS_TVM, MSTATUS_TW, PRIV_M, PRIV_S, PRIV_U, Hart, Op)
from vmcore._fast.hart.translate cimport flush_all, update_contexts
from vmcore._fast.hart.trap cimport mip_of
from vmcore._fast.memory.pmp cimport NUM_PMP, PMP_A, PMP_L, PMP_TOR, pmp_update

cdef enum:
    S_INTERRUPTS = IRQ_SSIP | IRQ_STIP | IRQ_SEIP
    ALL_INTERRUPTS = IRQ_SSIP | IRQ_STIP | IRQ_SEIP | IRQ_MSIP | IRQ_MTIP | IRQ_MEIP
    MEDELEG_MASK = 0xB3FF         # everything but an ecall from M-mode and reserved causes
    SSTATUS_BITS = (1 << 1) | (1 << 5) | (1 << 8) | (1 << 18) | (1 << 19)
    ENVCFG_FIOM = 1
    ENVCFG_CBIE = 3 << 4
    ENVCFG_CBCFE = 1 << 6
    ENVCFG_CBZE = 1 << 7
    CSR_SEED = 0x015


cdef uint64_t read_mstatus(const Hart *hart) noexcept nogil:
    cdef uint64_t v = hart.mstatus | <uint64_t>hart.fs << 13
    if has(hart.isa, BIT_U):
        v |= <uint64_t>2 << 32
    if has(hart.isa, BIT_S):
        v |= <uint64_t>2 << 34
    if hart.fs == 3:
        v |= <uint64_t>1 << 63
    return v


cdef uint64_t read_sstatus(const Hart *hart) noexcept nogil:
    cdef uint64_t v = (hart.mstatus & SSTATUS_BITS) | <uint64_t>hart.fs << 13
    if has(hart.isa, BIT_U):
        v |= <uint64_t>2 << 32
    if hart.fs == 3:
        v |= <uint64_t>1 << 63
    return v


cdef void write_mstatus(Hart *hart, uint64_t v, uint64_t mask) noexcept nogil:
    cdef uint64_t keep = 0
    cdef uint64_t mpp
    keep = MSTATUS_MIE | MSTATUS_MPIE
    if has(hart.isa, BIT_U):
        keep |= MSTATUS_MPRV | MSTATUS_TW
    if has(hart.isa, BIT_S):
        keep |= (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_SUM | MSTATUS_MXR | MSTATUS_TVM | MSTATUS_TSR)
    keep &= mask
    hart.mstatus = (hart.mstatus & ~keep) | (v & keep)
    if mask & MSTATUS_MPP:
        mpp = (v >> 11) & 3
        if mpp == PRIV_M or (mpp == PRIV_S and has(hart.isa, BIT_S)) or (mpp == PRIV_U and has(hart.isa, BIT_U)):
            hart.mstatus = (hart.mstatus & ~<uint64_t>MSTATUS_MPP) | mpp << 11
    if mask & (3 << 13) and has(hart.isa, BIT_F):
        hart.fs = (v >> 13) & 3
    update_contexts(hart)
    hart.pins.exit_req = 1


cdef inline uint64_t cycles(const Hart *hart) noexcept nogil:
    if hart.mcountinhibit & 1:
        return hart.mcycle_held
    return hart.icount + hart.mcycle_off


cdef inline uint64_t retired(const Hart *hart) noexcept nogil:
    if hart.mcountinhibit & 4:
        return hart.minstret_held
    return hart.icount - hart.trapped + hart.minstret_off


cdef void drive_stimer(Hart *hart) noexcept nogil:
    # With STCE, STIP is (time >= stimecmp) and nothing else (Sstc, section 2). Touches nothing of the hart but its pins
    # and its timer: with parallel harts, whoever finds the timer due calls this, the clock's lock held.
    cdef uint64_t now, ticks
    if not has(hart.isa, BIT_SSTC) or not hart.menvcfg >> 63:
        pins_set(&hart.pins, IRQ_STIP, False)
        timer_set(hart.sys.clock, hart.stimer, NO_DEADLINE)
        return
    now = time_ticks(hart.sys)
    pins_set(&hart.pins, IRQ_STIP, now >= hart.stimecmp)
    # When that next changes: time reaches stimecmp, or wraps to 0 (the guest may have set mtime to anything). Counted
    # from now, so the deadline is never in the past; one beyond what the clock can count never comes.
    ticks = hart.stimecmp - now if now < hart.stimecmp else 0 - now
    now = hart.sys.clock.now_ns // <uint64_t>NS_PER_TICK
    if ticks == 0 or ticks > (NO_DEADLINE - 1) // <uint64_t>NS_PER_TICK - now:
        timer_set(hart.sys.clock, hart.stimer, NO_DEADLINE)
    else:
        timer_set(hart.sys.clock, hart.stimer, (now + ticks) * <uint64_t>NS_PER_TICK)


cdef void update_stimer(Hart *hart) noexcept nogil:
    if has(hart.isa, BIT_SSTC) and hart.menvcfg >> 63:
        hart.mip_soft &= ~<uint64_t>IRQ_STIP
    drive_stimer(hart)


cdef inline void lock_clock(Hart *hart) noexcept nogil:
    if hart.sys.parallel:
        vmcore_lock(&hart.sys.clock.lock)


cdef inline void unlock_clock(Hart *hart) noexcept nogil:
    if hart.sys.parallel:
        vmcore_unlock(&hart.sys.clock.lock)


cdef uint64_t next_seed(Hart *hart) noexcept nogil:
    # splitmix64: the entropy source of a deterministic machine is its seed.
    cdef uint64_t z
    hart.seed_state += 0x9E3779B97F4A7C15u
    z = hart.seed_state
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu
    return z ^ (z >> 31)


cdef bint exists(const Hart *hart, uint32_t n) noexcept nogil:
    # Registers that come with an extension; all others are known by csr_get.
    cdef uint64_t isa = hart.isa
    if 0x001 <= n <= 0x003:
        return has(isa, BIT_F)
    if n == CSR_SEED:
        return has(isa, BIT_ZKR)
    if 0xC00 <= n <= 0xC02:
        return has(isa, BIT_ZICNTR)
    if 0xC03 <= n <= 0xC1F:
        return has(isa, BIT_ZIHPM)
    if n == 0x10A or n == 0x30A or n == 0x106 or n == 0x306:
        return has(isa, BIT_U) and (has(isa, BIT_S) or n >= 0x300)
    if 0x10C <= n <= 0x10F:
        return has(isa, BIT_SMSTATEEN) and has(isa, BIT_S)
    if 0x30C <= n <= 0x30F:
        return has(isa, BIT_SMSTATEEN)
    if n == 0x14D:
        return has(isa, BIT_SSTC) and has(isa, BIT_S)
    if n >> 8 == 1 or n == 0x302 or n == 0x303:
        return has(isa, BIT_S)
    if n == 0x747:
        return has(isa, BIT_ZKR)
    return True


cdef bint allowed(const Hart *hart, uint32_t n, bint writes) noexcept nogil:
    cdef uint32_t bit
    if (n >> 8) & 3 > hart.priv or (writes and n >> 10 == 3):
        return False
    if n <= 0x003 and hart.fs == 0:
        return False
    if n == CSR_SEED:
        # Only a read-write access is one (Zkr, section 4.1); below M-mode, mseccfg allows it.
        if not writes:
            return False
        if hart.priv == PRIV_S:
            return (hart.mseccfg >> 9) & 1
        if hart.priv == PRIV_U:
            return (hart.mseccfg >> 8) & 1
        return True
    if hart.priv == PRIV_M:
        return True
    if 0xC00 <= n <= 0xC1F:
        bit = n - 0xC00
        if not (hart.mcounteren >> bit) & 1:
            return False
        return hart.priv == PRIV_S or not has(hart.isa, BIT_S) or (hart.scounteren >> bit) & 1
    if n == 0x180:
        return not hart.mstatus & MSTATUS_TVM
    if n == 0x14D:
        return hart.menvcfg >> 63 and hart.mcounteren & 2
    if has(hart.isa, BIT_SMSTATEEN):
        if n == 0x10A:
            return (hart.mstateen[0] >> 62) & 1
        if 0x10C <= n <= 0x10F:
            return hart.mstateen[n - 0x10C] >> 63
    return True


cdef int csr_get(Hart *hart, uint32_t n, uint64_t *value) noexcept nogil:
    cdef uint32_t i
    cdef uint64_t v = 0
    if not exists(hart, n):
        return CSR_ILLEGAL
    if n == 0x001:
        v = hart.fflags
    elif n == 0x002:
        v = hart.frm
    elif n == 0x003:
        v = hart.fflags | hart.frm << 5
    elif n == CSR_SEED:
        v = <uint64_t>2 << 30 | (next_seed(hart) & 0xFFFF)     # OPST = ES16
    elif n == 0xC00 or n == 0xB00:
        v = cycles(hart)
    elif n == 0xC01:
        sync_clock(hart)
        v = time_ticks(hart.sys)
    elif n == 0xC02 or n == 0xB02:
        v = retired(hart)
    elif 0xC03 <= n <= 0xC1F or 0xB03 <= n <= 0xB1F or 0x323 <= n <= 0x33F:
        v = 0                                                  # no event is counted
    elif n == 0x100:
        v = read_sstatus(hart)
    elif n == 0x104:
        v = hart.mie & hart.mideleg
    elif n == 0x105:
        v = hart.stvec
    elif n == 0x106:
        v = hart.scounteren
    elif n == 0x10A:
        v = hart.senvcfg
    elif 0x10C <= n <= 0x10F:
        v = 0
    elif n == 0x140:
        v = hart.sscratch
    elif n == 0x141:
        v = hart.sepc
    elif n == 0x142:
        v = hart.scause
    elif n == 0x143:
        v = hart.stval
    elif n == 0x144:
        v = mip_of(hart) & hart.mideleg
    elif n == 0x14D:
        v = hart.stimecmp
    elif n == 0x180:
        v = hart.satp
    elif n == 0x300:
        v = read_mstatus(hart)
    elif n == 0x301:
        v = hart.misa
    elif n == 0x302:
        v = hart.medeleg
    elif n == 0x303:
        v = hart.mideleg
    elif n == 0x304:
        v = hart.mie
    elif n == 0x305:
        v = hart.mtvec
    elif n == 0x306:
        v = hart.mcounteren
    elif n == 0x30A:
        v = hart.menvcfg
    elif 0x30C <= n <= 0x30F:
        v = hart.mstateen[n - 0x30C]
    elif n == 0x320:
        v = hart.mcountinhibit
    elif n == 0x340:
        v = hart.mscratch
    elif n == 0x341:
        v = hart.mepc
    elif n == 0x342:
        v = hart.mcause
    elif n == 0x343:
        v = hart.mtval
    elif n == 0x344:
        v = mip_of(hart)
    elif 0x3A0 <= n <= 0x3AF:
        if n & 1:
            return CSR_ILLEGAL                                 # odd ones exist on RV32 only
        if n < 0x3A0 + NUM_PMP // 4:
            for i in range(8):
                v |= <uint64_t>hart.pmp.cfg[(n - 0x3A0) * 4 + i] << (8 * i)
    elif 0x3B0 <= n <= 0x3EF:
        if n - 0x3B0 < NUM_PMP:
            v = hart.pmp.addr[n - 0x3B0]
    elif n == 0x747:
        v = hart.mseccfg
    elif 0x7A0 <= n <= 0x7A3:
        v = 0                                                  # no triggers: tdata1.type says so
    elif n == 0xF11 or n == 0xF12 or n == 0xF15:
        v = 0                                                  # not a commercial implementation; no mconfigptr
    elif n == 0xF13:
        v = 1
    elif n == 0xF14:
        v = hart.index
    else:
        return CSR_ILLEGAL
    value[0] = v
    return CSR_OK


cdef void write_pmpcfg(Hart *hart, uint32_t first, uint64_t v) noexcept nogil:
    cdef uint32_t i
    cdef uint8_t c
    for i in range(8):
        if first + i >= NUM_PMP or hart.pmp.cfg[first + i] & PMP_L:
            continue
        c = <uint8_t>(v >> (8 * i)) & 0x9F
        # W without R is reserved: such a write leaves the permission bits as they were.
        if c & 3 == 2:
            c = (c & ~<uint8_t>7) | (hart.pmp.cfg[first + i] & 7)
        hart.pmp.cfg[first + i] = c
    pmp_update(&hart.pmp)
    flush_all(hart)


cdef void write_pmpaddr(Hart *hart, uint32_t i, uint64_t v) noexcept nogil:
    if i >= NUM_PMP or hart.pmp.cfg[i] & PMP_L:
        return
    # A locked TOR entry locks the address below it too.
    if i + 1 < NUM_PMP and hart.pmp.cfg[i + 1] & PMP_L and hart.pmp.cfg[i + 1] & PMP_A == PMP_TOR:
        return
    hart.pmp.addr[i] = v & 0x3FFFFFFFFFFFFFu
    pmp_update(&hart.pmp)
    flush_all(hart)


cdef void write_satp(Hart *hart, uint64_t v) noexcept nogil:
    cdef uint64_t mode = v >> 60
    # A mode that is not offered leaves the whole register as it was (section 12.1.11).
    if mode == 0:
        hart.satp = v & 0x0FFFFFFFFFFFFFFFu
    elif (mode == 8 and has(hart.isa, BIT_SV39)) or (mode == 9 and has(hart.isa, BIT_SV48)) or (
            mode == 10 and has(hart.isa, BIT_SV57)):
        hart.satp = v
    update_contexts(hart)


cdef uint64_t warl_epc(const Hart *hart, uint64_t v) noexcept nogil:
    return v & ~<uint64_t>1 if has(hart.isa, BIT_C) else v & ~<uint64_t>3


cdef uint64_t warl_tvec(uint64_t old, uint64_t v) noexcept nogil:
    if v & 3 > 1:
        return (v & ~<uint64_t>3) | (old & 1)
    return v


cdef uint64_t warl_envcfg(const Hart *hart, uint64_t old, uint64_t v, bint machine) noexcept nogil:
    cdef uint64_t mask = ENVCFG_FIOM
    if has(hart.isa, BIT_ZICBOM):
        mask |= ENVCFG_CBIE | ENVCFG_CBCFE
        if v & ENVCFG_CBIE == 2 << 4:                          # reserved
            v = (v & ~<uint64_t>ENVCFG_CBIE) | (old & ENVCFG_CBIE)
    if has(hart.isa, BIT_ZICBOZ):
        mask |= ENVCFG_CBZE
    if machine:
        if has(hart.isa, BIT_SVADU):
            mask |= <uint64_t>1 << 61
        if has(hart.isa, BIT_SVPBMT):
            mask |= <uint64_t>1 << 62
        if has(hart.isa, BIT_SSTC):
            mask |= <uint64_t>1 << 63
    return v & mask


cdef void write_inhibit(Hart *hart, uint64_t v) noexcept nogil:
    # A counter that stops keeps its value; one that starts goes on from it.
    cdef uint64_t old_cycle = cycles(hart)
    cdef uint64_t old_retired = retired(hart)
    hart.mcountinhibit = v & 5
    hart.mcycle_held = old_cycle
    hart.minstret_held = old_retired
    hart.mcycle_off = old_cycle - hart.icount
    hart.minstret_off = old_retired - (hart.icount - hart.trapped)


cdef int csr_put(Hart *hart, uint32_t n, uint64_t v) noexcept nogil:
    cdef uint64_t mask
    if not exists(hart, n):
        return CSR_ILLEGAL
    if n == 0x001:
        hart.fflags = v & 31
        hart.fs = 3
    elif n == 0x002:
        hart.frm = v & 7
        hart.fs = 3
    elif n == 0x003:
        hart.fflags = v & 31
        hart.frm = (v >> 5) & 7
        hart.fs = 3
    elif n == CSR_SEED:
        return CSR_OK                                          # the written value is ignored
    elif n == 0xB00:
        # The write wins over the increment of the instruction that makes it.
        hart.mcycle_held = v
        hart.mcycle_off = v - hart.icount - 1
    elif n == 0xB02:
        hart.minstret_held = v
        hart.minstret_off = v - (hart.icount - hart.trapped) - 1
    elif 0xB03 <= n <= 0xB1F or 0x323 <= n <= 0x33F:
        return CSR_OK
    elif n == 0x100:
        write_mstatus(hart, v, SSTATUS_BITS | 3 << 13)
        return CSR_REENTER
    elif n == 0x104:
        hart.mie = (hart.mie & ~hart.mideleg) | (v & hart.mideleg & ALL_INTERRUPTS)
        hart.pins.exit_req = 1
        return CSR_REENTER
    elif n == 0x105:
        hart.stvec = warl_tvec(hart.stvec, v)
    elif n == 0x106:
        hart.scounteren = v & 0xFFFFFFFFu
    elif n == 0x10A:
        hart.senvcfg = warl_envcfg(hart, hart.senvcfg, v, False)
        update_contexts(hart)
    elif 0x10C <= n <= 0x10F:
        return CSR_OK
    elif n == 0x140:
        hart.sscratch = v
    elif n == 0x141:
        hart.sepc = warl_epc(hart, v)
    elif n == 0x142:
        hart.scause = v
    elif n == 0x143:
        hart.stval = v
    elif n == 0x144:
        mask = hart.mideleg & IRQ_SSIP
        hart.mip_soft = (hart.mip_soft & ~mask) | (v & mask)
        hart.pins.exit_req = 1
        return CSR_REENTER
    elif n == 0x14D:
        sync_clock(hart)
        lock_clock(hart)
        hart.stimecmp = v
        update_stimer(hart)
        unlock_clock(hart)
        return CSR_REENTER
    elif n == 0x180:
        write_satp(hart, v)
        return CSR_REENTER
    elif n == 0x300:
        write_mstatus(hart, v, ~<uint64_t>0)
        return CSR_REENTER
    elif n == 0x301:
        return CSR_OK                                          # extensions are chosen when the machine is built
    elif n == 0x302:
        hart.medeleg = v & MEDELEG_MASK
    elif n == 0x303:
        hart.mideleg = v & S_INTERRUPTS
        hart.pins.exit_req = 1
        return CSR_REENTER
    elif n == 0x304:
        mask = ALL_INTERRUPTS if has(hart.isa, BIT_S) else IRQ_MSIP | IRQ_MTIP | IRQ_MEIP
        hart.mie = v & mask
        hart.pins.exit_req = 1
        return CSR_REENTER
    elif n == 0x305:
        hart.mtvec = warl_tvec(hart.mtvec, v)
    elif n == 0x306:
        hart.mcounteren = v & 0xFFFFFFFFu
    elif n == 0x30A:
        mask = hart.menvcfg
        sync_clock(hart)
        lock_clock(hart)
        hart.menvcfg = warl_envcfg(hart, hart.menvcfg, v, True)
        mask ^= hart.menvcfg
        if mask >> 63:
            update_stimer(hart)
        unlock_clock(hart)
        if (mask >> 61) & 3:
            flush_all(hart)
        update_contexts(hart)
        return CSR_REENTER
    elif 0x30C <= n <= 0x30F:
        hart.mstateen[n - 0x30C] = v & (<uint64_t>3 << 62 if n == 0x30C else <uint64_t>1 << 63)
    elif n == 0x320:
        write_inhibit(hart, v)
    elif n == 0x340:
        hart.mscratch = v
    elif n == 0x341:
        hart.mepc = warl_epc(hart, v)
    elif n == 0x342:
        hart.mcause = v
    elif n == 0x343:
        hart.mtval = v
    elif n == 0x344:
        if has(hart.isa, BIT_S):
            mask = S_INTERRUPTS
            if hart.menvcfg >> 63:
                mask &= ~<uint64_t>IRQ_STIP                    # stimecmp drives it
            hart.mip_soft = (hart.mip_soft & ~mask) | (v & mask)
        hart.pins.exit_req = 1
        return CSR_REENTER
    elif 0x3A0 <= n <= 0x3AF:
        if n & 1:
            return CSR_ILLEGAL
        write_pmpcfg(hart, (n - 0x3A0) * 4, v)
        return CSR_REENTER
    elif 0x3B0 <= n <= 0x3EF:
        write_pmpaddr(hart, n - 0x3B0, v)
        return CSR_REENTER
    elif n == 0x747:
        hart.mseccfg = v & (3 << 8)
    elif 0x7A0 <= n <= 0x7A3:
        return CSR_OK
    else:
        return CSR_ILLEGAL
    return CSR_OK


cdef int csr_op(Hart *hart, Op *op, uint32_t kind, uint64_t operand, bint writes, bint reads) noexcept nogil:
    cdef uint32_t n = <uint32_t>op.imm & 0xFFF
    cdef uint64_t old = 0
    cdef uint64_t v, base
    cdef int status = CSR_OK
    if not allowed(hart, n, writes):
        return CSR_ILLEGAL
    sync_count(hart, hart.rem - <uint64_t>op)
    if reads:
        if csr_get(hart, n, &old) != CSR_OK:
            return CSR_ILLEGAL
    elif not exists(hart, n):
        return CSR_ILLEGAL
    if writes:
        if kind == CSR_WRITE:
            v = operand
        else:
            # The external line of SEIP is seen by reads but is not part of what a set or clear writes back.
            base = hart.mip_soft if n == 0x344 else old
            v = base | operand if kind == CSR_SET else base & ~operand
        status = csr_put(hart, n, v)
        if status == CSR_ILLEGAL:
            return status
    if reads:
        hart.x[op.rd] = old
    return status
