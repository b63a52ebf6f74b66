# One block being compiled: a run of instructions of one page from an address that is jumped to, up to where control
# surely goes elsewhere. What is rare lies behind it, out of line.
#
# `count` is the number of instructions since the last poll, the current one included. A poll subtracts it from the
# budget; whoever leaves before the current one is done subtracts one less (info_of).

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.hart.state cimport CODE_SLACK, SINK, CodeBundle, Hart, Op, System
from vmcore._fast.jit.convention cimport (
    HOST_OF, INFO_ACC_SHIFT, INFO_COUNT_SHIFT, STUB_OP, at_acc_addr, at_budget, at_page_base, at_stub, at_x)
from vmcore._fast.jit.x64.asm cimport (
    CC_L, F_ADD_I, F_LEA, F_MOV, F_MOV_MI, F_MOV_MR, F_SUB_I, F_XCHG_MR, F_XOR, RAX, RBP, RCX, RDX, Asm, x_call_m,
    x_jcc, x_jmp, x_mov_imm, x_nops, x_rm, x_rmi, x_rr, x_rri)

cdef enum:
    NO_SECOND = 1 << 16
    MAX_INSNS = 64            # of a block; fewer than CODE_SLACK
    MAX_STUBS = 192
    MAX_LINKS = 96
    STAGE_BYTES = 32768
    NOT_HELD = 0xFF

# Why a block ends where it does.
cdef enum:
    END_JUMP = 0              # an unconditional jump
    END_INDIRECT = 1
    END_PAGE = 2
    END_LIMIT = 3             # as long as a block may be
    END_NEXT = 4              # what comes next is compiled already
    END_PROBE = 5
    END_T0 = 6                # an instruction that T0 executes
    END_REGION = 7            # no block at all, but a region (t2/)
    END_PAGES = 8             # ... made of several pages, which no other machine has at the same places

# What lies out of line.
cdef enum Away:
    AWAY_MISS = 0             # an access that missed: fill and try again
    AWAY_TAKEN = 1            # a forward branch: poll, then to another place of the page
    AWAY_NEXT = 2             # leave, or go on, at a place of the page
    AWAY_NEXT_RAX = 3         # leave, to go on at rax
    AWAY_STEP = 4             # T0 executes the instruction
    AWAY_BEFORE = 5           # the budget is used up before the current instruction, which was counted already
    AWAY_FAR = 6              # a branch to another page: poll, then there
    AWAY_CLEAN = 7            # a NaN was found: make those of `info` canonical
    AWAY_LATE = 8             # whatever `late` emits
    AWAY_LOST = 9             # rax was not found in the first way of the L1 table

ctypedef void (*late_t)(Block *b, const Stub *s) noexcept nogil

cdef struct Stub:
    uint8_t *field            # displacement that is to lead here
    uint8_t *back
    uint32_t kind
    uint32_t info
    uint32_t count
    uint32_t loose            # as they were in the block at that place
    uint8_t held[2]
    uint32_t handler          # for `late`: the instruction
    Op op
    late_t late

# A jump to another place of the page: `field` is its displacement. Until that place is compiled it leads to the exit
# that asks for it.
cdef struct Link:
    uint32_t field            # offset in the block
    uint32_t off

cdef struct Block:
    Asm a
    System *sys
    Hart *hart
    CodeBundle *bundle
    uint32_t start            # offset of the first instruction in the page
    uint32_t off              # of the current one
    uint32_t next             # of the one behind it
    uint32_t count
    uint32_t insns
    uint32_t handler          # number of the current one's
    uint32_t why              # END_*, once it is whole
    uint32_t second           # halfword that begins the next page; NO_SECOND
    bint ended                # control does not come to `next`
    bint failed               # too much for one block
    bint fp_ready             # hart.fp_live is known to be set
    bint fs_dirty             # mstatus.FS is known to be dirty
    uint32_t boxed            # floating-point registers that are known to hold a boxed single
    uint32_t loose            # xmm registers, see clean()
    uint8_t held[2]           # what is not pinned and yet in a scratch register: floating-point register, or NOT_HELD
    uint32_t latest           # the scratch register that was used last
    uint32_t results          # bit n: scratch register n was computed, not loaded
    uint32_t nstubs
    uint32_t nlinks
    Stub stubs[MAX_STUBS]
    Link links[MAX_LINKS]

ctypedef void (*emit_t)(Block *b, const Op *op) noexcept nogil

# An emitter for the handler of that name. Pure: the instruction does nothing but write x[rd].
cdef int register_emitter(str name, emit_t emit, bint pure) except -1
cdef emit_t emitter_of(uint32_t handler) noexcept nogil

# The block at `off`, into b.a. False: nothing can be compiled there. `second`: the halfword that begins the next page,
# if what is at `off` ends with that; else NO_SECOND.
cdef bint translate_block(Block *b, Hart *hart, CodeBundle *bundle, uint32_t off, uint32_t second) noexcept nogil

# The instruction behind the current one, for an emitter that makes one of two: False where it has to stay by itself.
# merge_next() takes it into the current one.
cdef bint peek_next(const Block *b, Op *op, uint32_t *handler, uint32_t *length) noexcept nogil

cdef inline void merge_next(Block *b, uint32_t length) noexcept nogil:
    b.next += length
    b.count += 1
    b.insns += 1

cdef inline uint32_t info_of(const Block *b, uint32_t acc) noexcept nogil:
    return b.off >> 1 | (b.count - 1) << INFO_COUNT_SHIFT | acc << INFO_ACC_SHIFT

cdef inline void away(Block *b, uint8_t *field, uint32_t kind, uint32_t info) noexcept nogil:
    cdef Stub *s = &b.stubs[b.nstubs]
    if b.nstubs >= MAX_STUBS - 1:
        b.failed = True
        return
    s.field = field
    s.back = b.a.at
    s.kind = kind
    s.info = info
    s.count = b.count
    s.loose = b.loose
    s.held[0] = b.held[0]
    s.held[1] = b.held[1]
    b.nstubs += 1

cdef inline void away_late(Block *b, uint8_t *field, late_t late, const Op *op) noexcept nogil:
    cdef Stub *s = &b.stubs[b.nstubs]
    away(b, field, AWAY_LATE, info_of(b, 0))
    s.handler = b.handler
    s.op = op[0]
    s.late = late

# --- guest registers ------------------------------------------------------------------------------------------------

# A host register that holds x[r]; `scratch` if it has to be loaded. May change the flags.
cdef inline int use_x(Block *b, uint32_t r, int scratch) noexcept nogil:
    cdef int host = HOST_OF[r]
    if host >= 0:
        return host
    if r == 0:
        x_rr(&b.a, F_XOR, 0, scratch, scratch)
    else:
        x_rm(&b.a, F_MOV, 1, scratch, RBP, at_x(r))
    return scratch

# x[r] into the register `to`.
cdef inline void load_x(Block *b, uint32_t r, int to) noexcept nogil:
    cdef int host = use_x(b, r, to)
    if host != to:
        x_rr(&b.a, F_MOV, 1, to, host)

# Where to compute x[rd]: its own register, or `scratch`, which put_x() writes back.
cdef inline int target_x(uint32_t rd, int scratch) noexcept nogil:
    cdef int host = HOST_OF[rd]
    return host if host >= 0 else scratch

cdef inline void put_x(Block *b, uint32_t rd, int host) noexcept nogil:
    cdef int home = HOST_OF[rd]
    if rd == SINK:
        return
    if home < 0:
        x_rm(&b.a, F_MOV_MR, 1, host, RBP, at_x(rd))
    elif home != host:
        x_rr(&b.a, F_MOV, 1, home, host)

# reg op= x[r], for a load-op form. (x0 is read from its place in the hart.)
cdef inline void op_x(Block *b, int form, int w, int reg, uint32_t r) noexcept nogil:
    if HOST_OF[r] >= 0:
        x_rr(&b.a, form, w, reg, HOST_OF[r])
    else:
        x_rm(&b.a, form, w, reg, RBP, at_x(r))

# to <- x[r] + imm
cdef inline void add_imm(Block *b, int to, uint32_t r, int32_t imm) noexcept nogil:
    cdef int host
    if r == 0:
        x_mov_imm(&b.a, to, <uint64_t><int64_t>imm)
        return
    host = use_x(b, r, to)
    if imm == 0:
        if host != to:
            x_rr(&b.a, F_MOV, 1, to, host)
    elif host == to:
        x_rri(&b.a, F_ADD_I, 1, 0, to, imm)
    else:
        x_rm(&b.a, F_LEA, 1, to, host, imm)

# to <- address of the page's byte `off`
cdef inline void page_address(Block *b, int to, int32_t off) noexcept nogil:
    x_rm(&b.a, F_MOV, 1, to, RBP, at_page_base())
    if off:
        x_rri(&b.a, F_ADD_I, 1, 0, to, off)

# --- NaNs -----------------------------------------------------------------------------------------------------------
# The result of arithmetic is the canonical NaN or no NaN; the host's may be another NaN, a quiet one. For arithmetic it
# makes no difference, so a register may hold such a result for a while: it is loose. It has to be cleaned before
# anything can tell: before it is stored, moved or seen as another format, and wherever the block is left.
# Bit n of `loose`: xmm register n holds a double that may be such; bit 16 + n: a boxed single.

cdef void clean(Block *b, uint32_t which) noexcept nogil

cdef inline void clean_all(Block *b) noexcept nogil:
    if b.loose:
        clean(b, b.loose)

# --- scratch registers of xmm -----------------------------------------------------------------------------------------
# hart.f[] is always up to date for what is not pinned; xmm0 and xmm1 remember what was read or written last.

cdef inline void forget_f(Block *b) noexcept nogil:
    b.held[0] = NOT_HELD
    b.held[1] = NOT_HELD

# --- leaving ----------------------------------------------------------------------------------------------------------

# Subtract what has been executed. The flags then say whether to leave (CC_L): the budget is used up, or raised.
cdef inline void poll(Block *b) noexcept nogil:
    x_rmi(&b.a, F_SUB_I, 1, 0, RBP, at_budget(), b.count)
    b.count = 0

# Stores before it are seen before what is loaded behind it. An exchange with memory is a full fence, and a cheap one.
cdef inline void full_fence(Block *b) noexcept nogil:
    x_rm(&b.a, F_XCHG_MR, 1, RAX, RBP, at_acc_addr())

# A jump follows whose displacement, behind `before` bytes, may be linked later. Where another hart may be executing it
# then, it has to lie in one aligned word of eight bytes, which is written at once. (Blocks lie at multiples of 16.)
cdef inline void align_link(Block *b, uint32_t before) noexcept nogil:
    cdef uint32_t at
    if b.sys.parallel:
        at = (<uint32_t>(b.a.at - b.a.start) + before) & 7
        if at > 4:
            x_nops(&b.a, 8 - at)

# A jump to another place of the page, which may be linked.
cdef inline void link(Block *b, uint8_t *field, uint32_t off) noexcept nogil:
    if b.nlinks >= MAX_LINKS:
        b.failed = True
        return
    b.links[b.nlinks].field = <uint32_t>(field - b.a.start)
    b.links[b.nlinks].off = off
    b.nlinks += 1
    away(b, field, AWAY_NEXT, off)

# To another page, at `off` from the start of this one.
cdef void go_far(Block *b, int32_t off) noexcept nogil
# Does the instruction there lie in two pages? Its code belongs to no place of the page (cache.pyx: straddle_code()).
cdef inline bint is_split(const Block *b, uint32_t off) noexcept nogil:
    return off == 4094 and b.bundle.saved[4094] & 3 == 3

# Poll, and go on at a place of the page.
cdef inline void go_to(Block *b, uint32_t off) noexcept nogil:
    if is_split(b, off):
        go_far(b, <int32_t>off)
        return
    clean_all(b)
    poll(b)
    away(b, x_jcc(&b.a, CC_L), AWAY_NEXT, off)
    align_link(b, 1)
    link(b, x_jmp(&b.a), off)

# To the address in rax, once the budget has been polled and nothing is loose.
cdef void go_rax(Block *b) noexcept nogil

# T0 executes the current instruction.
cdef inline void step(Block *b) noexcept nogil:
    away(b, x_jmp(&b.a), AWAY_STEP, info_of(b, 0))
    b.why = END_T0
    b.ended = True

# T0's handler of the current instruction is called. It touches no memory; it may be illegal, and leave then; a CSR
# instruction, of four bytes, may leave once it is done. The host's FPU is the host's again afterwards.
cdef inline void call_handler(Block *b, const Op *op) noexcept nogil:
    clean_all(b)
    x_mov_imm(&b.a, RAX, info_of(b, 0))
    x_mov_imm(&b.a, RCX, <uint32_t>op.imm)
    x_mov_imm(&b.a, RDX, op.rd | <uint32_t>op.rs1 << 8 | b.handler << 16)
    x_call_m(&b.a, RBP, at_stub(STUB_OP))
    b.fp_ready = False
    forget_f(b)
    b.fs_dirty = False
