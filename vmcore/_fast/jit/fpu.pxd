# What every floating-point emitter needs: its registers, when the host's FPU is the guest's, boxes and rounding modes.
#
# An instruction is emitted in this order: begin(); everything that may leave before it (boxed operands, its rounding
# mode); mark_dirty() if it writes an f register; the operation; put_f().

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.hart.fpregs cimport DYNAMIC, FS_DIRTY
from vmcore._fast.hart.softcore cimport RMM
from vmcore._fast.hart.state cimport Op
from vmcore._fast.jit.block cimport (
    AWAY_STEP, NOT_HELD, Block, Stub, away, away_late, call_handler, clean, forget_f, info_of)
from vmcore._fast.jit.convention cimport STUB_FP, STUB_OP, XMM_OF, at_f, at_fp_live, at_frm, at_fs, at_stub
from vmcore._fast.jit.x64.asm cimport (
    CC_E, CC_NE, F_CMP8_MI, F_CMP_I, F_MOV8_MI, F_MOVAPS, F_MOVQ_RX, F_MOVSD_LOAD, F_MOVSD_STORE, F_SAR_I, RAX, RBP,
    RCX, RDX, x_call_m, x_jcc, x_jmp_to, x_mov_imm, x_rm, x_rmi, x_rr, x_rri)

cdef enum:
    XMM0 = 0                  # the scratch registers
    XMM1 = 1
    NOWHERE = -1
    NO_STUB = 0xFFFFFFFF

# What put_f() is given.
cdef enum:
    RAW = 0                   # the bits are exactly those of the guest
    RAW_BOXED = 1             # ... a boxed single
    LOOSE64 = 2               # the result of arithmetic: its NaN need not be the canonical one
    LOOSE32 = 3

cdef inline uint32_t rs2_of(const Op *op) noexcept nogil:
    return <uint32_t>op.imm & 31

cdef inline uint32_t rs3_of(const Op *op) noexcept nogil:
    return (<uint32_t>op.imm >> 8) & 31

cdef inline uint32_t rm_of(const Op *op) noexcept nogil:
    return (<uint32_t>op.imm >> 16) & 7

# --- before the operation ---------------------------------------------------------------------------------------------

cdef inline void late_begin(Block *b, const Stub *s) noexcept nogil:
    x_mov_imm(&b.a, RDX, s.info)
    x_call_m(&b.a, RBP, at_stub(STUB_FP))
    x_jmp_to(&b.a, s.back)

# From here on in this block the host's FPU is the guest's, and FS is on.
cdef inline void begin(Block *b, const Op *op) noexcept nogil:
    if not b.fp_ready:
        x_rmi(&b.a, F_CMP8_MI, 0, 0, RBP, at_fp_live(), 0)
        away_late(b, x_jcc(&b.a, CC_E), late_begin, op)
        b.fp_ready = True

# f[r] is about to be read as its plain bits.
cdef inline void reads_bits(Block *b, uint32_t r) noexcept nogil:
    if XMM_OF[r] >= 0 and b.loose & (<uint32_t>0x10001 << XMM_OF[r]):
        clean(b, <uint32_t>0x10001 << XMM_OF[r])

# ... as a double.
cdef inline void reads_double(Block *b, uint32_t r) noexcept nogil:
    if XMM_OF[r] >= 0 and b.loose & (<uint32_t>0x10000 << XMM_OF[r]):
        clean(b, <uint32_t>0x10000 << XMM_OF[r])

# ... as a single: whatever is in no proper box is for T0.
cdef inline void reads_single(Block *b, uint32_t r) noexcept nogil:
    if b.boxed >> r & 1:
        return
    if XMM_OF[r] >= 0:
        if b.loose >> XMM_OF[r] & 1:
            clean(b, <uint32_t>1 << XMM_OF[r])
        x_rr(&b.a, F_MOVQ_RX, 0, XMM_OF[r], RAX)
        x_rri(&b.a, F_SAR_I, 1, 0, RAX, 32)
        x_rri(&b.a, F_CMP_I, 0, 0, RAX, -1)
    else:
        x_rmi(&b.a, F_CMP_I, 0, 0, RBP, at_f(r) + 4, -1)
    away(b, x_jcc(&b.a, CC_NE), AWAY_STEP, info_of(b, 0))
    b.boxed |= <uint32_t>1 << r

cdef inline void reads(Block *b, uint32_t r, bint single) noexcept nogil:
    if single:
        reads_single(b, r)
    else:
        reads_double(b, r)

# T0's handler does the current instruction, which writes f[rd] or x[rd].
cdef inline void call_fp(Block *b, const Op *op) noexcept nogil:
    call_handler(b, op)
    b.boxed &= ~(<uint32_t>1 << (op.rd & 31))

# Out of line: T0's handler does the instruction, which is legal and leaves its result in the same format.
cdef inline void late_handler(Block *b, const Stub *s) noexcept nogil:
    x_mov_imm(&b.a, RAX, s.info)
    x_mov_imm(&b.a, RCX, <uint32_t>s.op.imm)
    x_mov_imm(&b.a, RDX, s.op.rd | <uint32_t>s.op.rs1 << 8 | s.handler << 16)
    x_call_m(&b.a, RBP, at_stub(STUB_OP))
    # Nothing that could refuse has changed: this does not leave.
    x_mov_imm(&b.a, RDX, s.info)
    x_call_m(&b.a, RBP, at_stub(STUB_FP))
    x_jmp_to(&b.a, s.back)

# The stub that `field` leads to calls the handler and lands where land() is called.
cdef inline uint32_t to_handler(Block *b, uint8_t *field, const Op *op) noexcept nogil:
    away_late(b, field, late_handler, op)
    return b.nstubs - 1

cdef inline void land(Block *b, uint32_t stub) noexcept nogil:
    if stub != NO_STUB:
        b.stubs[stub].back = b.a.at
        forget_f(b)

cdef inline bint is_legal(const Op *op) noexcept nogil:
    return rm_of(op) <= RMM or rm_of(op) == DYNAMIC

# Whether the host can round as the instruction's own mode says: not to nearest with ties away, nor in a reserved mode.
cdef inline bint can_round(const Op *op) noexcept nogil:
    return rm_of(op) < RMM or rm_of(op) == DYNAMIC

# A mode of its own must be the current one; else the handler does it. For land().
cdef inline uint32_t check_mode(Block *b, const Op *op) noexcept nogil:
    if rm_of(op) == DYNAMIC:
        return NO_STUB
    x_rmi(&b.a, F_CMP_I, 0, 0, RBP, at_frm(), rm_of(op))
    return to_handler(b, x_jcc(&b.a, CC_NE), op)

cdef inline void mark_dirty(Block *b) noexcept nogil:
    if not b.fs_dirty:
        x_rmi(&b.a, F_MOV8_MI, 0, 0, RBP, at_fs(), FS_DIRTY)
        b.fs_dirty = True

# --- registers --------------------------------------------------------------------------------------------------------

# The xmm register that holds f[r], or NOWHERE.
cdef inline int where_f(const Block *b, uint32_t r) noexcept nogil:
    if XMM_OF[r] >= 0:
        return XMM_OF[r]
    return XMM0 if b.held[0] == r else XMM1 if b.held[1] == r else NOWHERE

# A scratch register that may be written: the one used longer ago, unless it is `but`. What was computed is more likely
# to be waited for than what was loaded, which is in memory since long.
cdef inline int free_f(Block *b, int but) noexcept nogil:
    cdef int n = 1 - <int>b.latest
    if n == but or (b.results >> n & 1 and not b.results >> b.latest & 1 and <int>b.latest != but):
        n = 1 - n
    b.held[n] = NOT_HELD
    b.results &= ~(<uint32_t>1 << n)
    b.latest = <uint32_t>n
    return n

# All 64 bits of f[r] into `to`.
cdef inline void load_f(Block *b, int to, uint32_t r) noexcept nogil:
    cdef int place = where_f(b, r)
    if place < 0:
        x_rm(&b.a, F_MOVSD_LOAD, 0, to, RBP, at_f(r))
    elif place != to:
        x_rr(&b.a, F_MOVAPS, 0, to, place)

# An xmm register that holds f[r]; if it has to be loaded, a scratch register other than `but`.
cdef inline int use_f(Block *b, uint32_t r, int but) noexcept nogil:
    cdef int place = where_f(b, r)
    if place < 0:
        place = free_f(b, but)
        x_rm(&b.a, F_MOVSD_LOAD, 0, place, RBP, at_f(r))
        b.held[place] = <uint8_t>r
    return place

# reg op= f[r], for a scalar form.
cdef inline void op_f(Block *b, int form, int reg, uint32_t r) noexcept nogil:
    cdef int place = where_f(b, r)
    if place >= 0:
        x_rr(&b.a, form, 0, reg, place)
    else:
        x_rm(&b.a, form, 0, reg, RBP, at_f(r))

# Where to compute f[rd]: its own register, or a scratch register other than `but`.
cdef inline int target_f(Block *b, uint32_t rd, int but) noexcept nogil:
    return XMM_OF[rd] if XMM_OF[rd] >= 0 else free_f(b, but)

# f[rd] <- reg, which is its own register or a scratch register.
cdef inline void put_f(Block *b, uint32_t rd, int reg, uint32_t kind) noexcept nogil:
    cdef int home = XMM_OF[rd]
    cdef uint32_t bit
    if kind & 1:
        b.boxed |= <uint32_t>1 << rd
    else:
        b.boxed &= ~(<uint32_t>1 << rd)
    if home >= 0 and home != reg:
        x_rr(&b.a, F_MOVAPS, 0, home, reg)
    bit = <uint32_t>1 << (home if home >= 0 else reg)
    b.loose &= ~(bit | bit << 16)
    if kind & 2:
        b.loose |= bit << 16 if kind & 1 else bit
    if home < 0:
        # There is no telling who reads memory.
        if kind & 2:
            clean(b, bit | bit << 16)
        x_rm(&b.a, F_MOVSD_STORE, 0, reg, RBP, at_f(rd))
        if b.held[1 - reg] == rd:
            b.held[1 - reg] = NOT_HELD
        b.held[reg] = <uint8_t>rd
        b.results |= <uint32_t>1 << reg
        b.latest = <uint32_t>reg
