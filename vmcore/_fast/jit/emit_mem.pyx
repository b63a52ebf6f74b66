"""Block code for loads, stores and atomics, of both register files.

An access is ten host instructions: find the TLB entry, compare, access. A miss goes out of line, where the address is
in rax and ``info`` says the rest; when the entry is there the access is made again from ``retry`` on. What can have no
entry (a device, two pages, a misaligned atomic) is T0's to execute.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t

from vmcore._fast.hart.handlers cimport handler_number
from vmcore._fast.hart.state cimport ACC_ATOMIC, ACC_READ, ACC_WRITE, AMO_RL, SINK, TLB_ARRAY, Op
from vmcore._fast.jit.block cimport (
    AWAY_MISS, AWAY_STEP, Block, Stub, add_imm, away, away_late, full_fence, info_of, load_x, merge_next, op_x,
    peek_next, put_x, register_emitter, target_x, use_x)
from vmcore._fast.jit.convention cimport (
    INFO_OFF_MASK, at_dctx_key, at_res_addr, at_res_ctx, at_res_size, at_res_value, at_zero_ok)
from vmcore._fast.jit.x64.asm cimport (
    CC_A, CC_B, CC_E, CC_G, CC_L, CC_NE, F_AND, F_AND_I, F_CMP, F_CMP8_MI, F_CMP_I, F_LEA, F_LOCK_CMPXCHG,
    F_LOCK_CMPXCHG16, F_LOCK_CMPXCHG8, F_LOCK_XADD, F_LOCK_XADD16, F_LOCK_XADD8, F_MOV, F_MOV16_MR, F_MOV8_MR,
    F_MOVSX16, F_MOVSX8, F_MOVSXD, F_MOVZX16, F_MOVZX8, F_MOV_MI, F_MOV_MR, F_OR, F_SHL_I, F_SHR_I, F_TEST_I,
    F_XCHG16_MR, F_XCHG8_MR, F_XCHG_MR, F_XOR, R14, RAX, RBP, RCX, RDX, x_cmov, x_jcc, x_jcc8, x_jcc_to, x_jmp8,
    x_jmp_to, x_mov_imm, x_patch8, x_rm, x_rmi, x_rr, x_rri, x_rx)
from vmcore._fast.memory.tlb cimport TLB_MASK


cdef inline int32_t table_of(uint32_t acc) noexcept nogil:
    return TLB_ARRAY if acc & ACC_WRITE else 0


cdef inline void look_up(Block *b, uint32_t acc, uint32_t size) noexcept nogil:
    # rax: address. The flags then say whether its page, and all of the access in it, is known (CC_A: not). rdx is
    # clobbered; rcx is for found().
    x_rr(&b.a, F_MOV, 0, RCX, RAX)
    x_rri(&b.a, F_SHR_I, 0, 0, RCX, 8)
    x_rri(&b.a, F_AND_I, 0, 0, RCX, TLB_MASK << 4)
    x_rx(&b.a, F_MOV, 1, RDX, R14, RCX, 0, table_of(acc))
    x_rr(&b.a, F_XOR, 1, RDX, RAX)
    x_rri(&b.a, F_CMP_I, 1, 0, RDX, 4096 - size)


cdef inline void found(Block *b, uint32_t acc) noexcept nogil:
    # rcx + rax is where it is on the host.
    x_rx(&b.a, F_MOV, 1, RCX, R14, RCX, 0, table_of(acc) + 8)


cdef void find_host(Block *b, uint32_t size, uint32_t acc) noexcept nogil:
    cdef uint8_t *retry = b.a.at
    cdef uint8_t *field
    look_up(b, acc, size)
    field = x_jcc(&b.a, CC_A)
    away(b, field, AWAY_MISS, info_of(b, size | acc >> 3))
    b.stubs[b.nstubs - 1].back = retry
    found(b, acc)


# --- loads and stores of the integer registers ------------------------------------------------------------------------

cdef enum:
    MOST_HANDLERS = 1024
    MOST_TOGETHER = 12        # accesses that share one look-up
    MOST_SPAN = 1024          # bytes from the first to the last of them

# How an access is made: form, operand width, bytes; 0 bytes: none of these handlers.
cdef struct Access:
    int form
    int w
    uint32_t size
    bint writes

cdef Access accesses[MOST_HANDLERS]


cdef inline void move(Block *b, const Access *how, const Op *op, int32_t disp) noexcept nogil:
    # Between x[rd] (for a store: x[rs2], which the decoder puts there too) and rcx + rax + disp.
    cdef int to
    if how.writes:
        x_rx(&b.a, how.form, how.w, use_x(b, op.rd, RDX), RCX, RAX, 0, disp)
    else:
        to = target_x(op.rd, RDX)
        x_rx(&b.a, how.form, how.w, to, RCX, RAX, 0, disp)
        put_x(b, op.rd, to)


cdef inline void alone(Block *b, const Access *how, const Op *op) noexcept nogil:
    add_imm(b, RAX, op.rs1, op.imm)
    find_host(b, how.size, ACC_WRITE if how.writes else ACC_READ)
    move(b, how, op, 0)


cdef void one_by_one(Block *b, const Stub *s) noexcept nogil:
    # Accesses that shared a look-up which failed: each by itself, with an address and a count of its own.
    cdef uint32_t base = s.count
    cdef uint32_t insns = b.insns
    # The block ends elsewhere.
    cdef uint32_t end = b.next
    cdef uint32_t i, handler, length
    cdef Op op
    b.held[0] = s.held[0]
    b.held[1] = s.held[1]
    b.next = (s.info & INFO_OFF_MASK) << 1
    b.insns = 0
    for i in range(<uint32_t>s.op.imm):
        b.off = b.next
        b.count = base + i
        if not peek_next(b, &op, &handler, &length):
            b.failed = True
            return
        b.next += length
        alone(b, &accesses[handler], &op)
    b.insns = insns
    b.next = end
    x_jmp_to(&b.a, s.back)


cdef void e_access(Block *b, const Op *op) noexcept nogil:
    # Those that follow with the same base, as in a function's prologue, are in the same page nearly always: one look-up
    # for the lowest address and the whole span serves them all, and none of them can fault once it has succeeded.
    cdef const Access *how = &accesses[b.handler]
    cdef Op ops[MOST_TOGETHER]
    cdef const Access *hows[MOST_TOGETHER]
    cdef uint32_t lengths[MOST_TOGETHER]
    cdef uint32_t n = 1
    cdef uint32_t handler, i, stub
    cdef int32_t lo = op.imm
    cdef int32_t hi = op.imm + <int32_t>how.size
    cdef int32_t new_lo, new_hi
    cdef uint32_t after = b.next
    cdef uint32_t insns = b.insns
    cdef uint8_t *field
    ops[0] = op[0]
    hows[0] = how
    while n < MOST_TOGETHER and (how.writes or ops[n - 1].rd != op.rs1):
        if not peek_next(b, &ops[n], &handler, &lengths[n]) or accesses[handler].size == 0:
            break
        hows[n] = &accesses[handler]
        if hows[n].writes != how.writes or ops[n].rs1 != op.rs1:
            break
        new_lo = ops[n].imm if ops[n].imm < lo else lo
        new_hi = ops[n].imm + <int32_t>hows[n].size
        if new_hi < hi:
            new_hi = hi
        if new_hi - new_lo > MOST_SPAN:
            break
        lo = new_lo
        hi = new_hi
        b.next += lengths[n]
        b.insns += 1
        n += 1
    b.next = after
    b.insns = insns
    if n == 1:
        alone(b, how, op)
        return
    add_imm(b, RAX, op.rs1, lo)
    look_up(b, ACC_WRITE if how.writes else ACC_READ, <uint32_t>(hi - lo))
    field = x_jcc(&b.a, CC_A)
    stub = b.nstubs
    away_late(b, field, one_by_one, op)
    b.stubs[stub].op.imm = <int32_t>n
    found(b, ACC_WRITE if how.writes else ACC_READ)
    for i in range(n):
        move(b, hows[i], &ops[i], ops[i].imm - lo)
        if i:
            merge_next(b, lengths[i])
    b.stubs[stub].back = b.a.at


cdef int register_access(str name, int form, int w, uint32_t size, bint writes) except -1:
    cdef Access *how = &accesses[handler_number(name)]
    how.form = form
    how.w = w
    how.size = size
    how.writes = writes
    register_emitter(name, e_access, False)
    return 0


# --- atomics ----------------------------------------------------------------------------------------------------------

cdef inline void atomic_place(Block *b, const Op *op, uint32_t size, uint32_t acc) noexcept nogil:
    # rcx + rax: the host's place of x[rs1], naturally aligned.
    load_x(b, op.rs1, RAX)
    if size > 1:
        x_rri(&b.a, F_TEST_I, 0, 0, RAX, size - 1)
        away(b, x_jcc(&b.a, CC_NE), AWAY_STEP, info_of(b, 0))
    find_host(b, size, acc | ACC_ATOMIC)


cdef inline void put_old(Block *b, const Op *op, uint32_t size, int reg) noexcept nogil:
    # The value that was there, sign-extended.
    cdef int to = target_x(op.rd, reg)
    if op.rd == SINK:
        return
    if size == 1:
        x_rr(&b.a, F_MOVSX8, 1, to, reg)
    elif size == 2:
        x_rr(&b.a, F_MOVSX16, 1, to, reg)
    elif size == 4:
        x_rr(&b.a, F_MOVSXD, 1, to, reg)
    else:
        to = reg
    put_x(b, op.rd, to)


cdef inline int sized(int form8, int form16, int form, uint32_t size) noexcept nogil:
    return form8 if size == 1 else form16 if size == 2 else form


cdef inline void amo_exchange(Block *b, const Op *op, int form, uint32_t size) noexcept nogil:
    atomic_place(b, op, size, ACC_READ | ACC_WRITE)
    load_x(b, op.imm & 31, RDX)
    x_rx(&b.a, form, size == 8, RDX, RCX, RAX, 0, 0)
    put_old(b, op, size, RDX)


cdef inline void amo_swap(Block *b, const Op *op, uint32_t size) noexcept nogil:
    amo_exchange(b, op, sized(F_XCHG8_MR, F_XCHG16_MR, F_XCHG_MR, size), size)


cdef inline void amo_add(Block *b, const Op *op, uint32_t size) noexcept nogil:
    amo_exchange(b, op, sized(F_LOCK_XADD8, F_LOCK_XADD16, F_LOCK_XADD, size), size)


cdef inline void exchange_if(Block *b, uint32_t size) noexcept nogil:
    # [rcx] <- rdx if it is rax; rax <- what was there.
    x_rm(&b.a, sized(F_LOCK_CMPXCHG8, F_LOCK_CMPXCHG16, F_LOCK_CMPXCHG, size), size == 8, RDX, RCX, 0)


cdef inline void load_old(Block *b, uint32_t size) noexcept nogil:
    x_rm(&b.a, sized(F_MOVZX8, F_MOVZX16, F_MOV, size), size == 8, RAX, RCX, 0)


cdef inline void amo_loop(Block *b, const Op *op, int form, uint32_t size) noexcept nogil:
    # Read, work out rdx = old form x[rs2], and exchange if nobody else was faster.
    cdef uint8_t *again
    atomic_place(b, op, size, ACC_READ | ACC_WRITE)
    x_rx(&b.a, F_LEA, 1, RCX, RCX, RAX, 0, 0)
    load_old(b, size)
    again = b.a.at
    x_rr(&b.a, F_MOV, 1, RDX, RAX)
    op_x(b, form, 1, RDX, op.imm & 31)
    exchange_if(b, size)
    x_jcc_to(&b.a, CC_NE, again)
    put_old(b, op, size, RAX)


cdef inline void amo_choose(Block *b, const Op *op, int cc, uint32_t size) noexcept nogil:
    # The same with rdx = old if old cc x[rs2], else x[rs2]. Narrow values are compared where their sign bit is the top
    # one.
    cdef uint8_t *again
    cdef int up = 32 - 8 * <int>size
    atomic_place(b, op, size, ACC_READ | ACC_WRITE)
    x_rx(&b.a, F_LEA, 1, RCX, RCX, RAX, 0, 0)
    load_old(b, size)
    again = b.a.at
    if size >= 4:
        load_x(b, op.imm & 31, RDX)
        x_rr(&b.a, F_CMP, size == 8, RAX, RDX)
        x_cmov(&b.a, cc, 1, RDX, RAX)
        exchange_if(b, size)
    else:
        load_x(b, op.imm & 31, RDX)
        x_rri(&b.a, F_SHL_I, 0, 0, RDX, up)
        x_rri(&b.a, F_SHL_I, 0, 0, RAX, up)
        x_rr(&b.a, F_CMP, 0, RAX, RDX)
        x_cmov(&b.a, cc, 0, RDX, RAX)
        x_rri(&b.a, F_SHR_I, 0, 0, RDX, up)
        x_rri(&b.a, F_SHR_I, 0, 0, RAX, up)
        exchange_if(b, size)
    x_jcc_to(&b.a, CC_NE, again)
    put_old(b, op, size, RAX)


cdef inline void amo_cas(Block *b, const Op *op, uint32_t size) noexcept nogil:
    # x0 as rd stands for the value 0.
    atomic_place(b, op, size, ACC_READ | ACC_WRITE)
    x_rx(&b.a, F_LEA, 1, RCX, RCX, RAX, 0, 0)
    load_x(b, op.rd & 31, RAX)
    load_x(b, op.imm & 31, RDX)
    exchange_if(b, size)
    put_old(b, op, size, RAX)


cdef void e_amoswap_b(Block *b, const Op *op) noexcept nogil:
    amo_swap(b, op, 1)


cdef void e_amoadd_b(Block *b, const Op *op) noexcept nogil:
    amo_add(b, op, 1)


cdef void e_amoand_b(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_AND, 1)


cdef void e_amoor_b(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_OR, 1)


cdef void e_amoxor_b(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_XOR, 1)


cdef void e_amomin_b(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_L, 1)


cdef void e_amomax_b(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_G, 1)


cdef void e_amominu_b(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_B, 1)


cdef void e_amomaxu_b(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_A, 1)


cdef void e_amocas_b(Block *b, const Op *op) noexcept nogil:
    amo_cas(b, op, 1)


cdef void e_amoswap_h(Block *b, const Op *op) noexcept nogil:
    amo_swap(b, op, 2)


cdef void e_amoadd_h(Block *b, const Op *op) noexcept nogil:
    amo_add(b, op, 2)


cdef void e_amoand_h(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_AND, 2)


cdef void e_amoor_h(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_OR, 2)


cdef void e_amoxor_h(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_XOR, 2)


cdef void e_amomin_h(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_L, 2)


cdef void e_amomax_h(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_G, 2)


cdef void e_amominu_h(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_B, 2)


cdef void e_amomaxu_h(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_A, 2)


cdef void e_amocas_h(Block *b, const Op *op) noexcept nogil:
    amo_cas(b, op, 2)


cdef void e_amoswap_w(Block *b, const Op *op) noexcept nogil:
    amo_swap(b, op, 4)


cdef void e_amoadd_w(Block *b, const Op *op) noexcept nogil:
    amo_add(b, op, 4)


cdef void e_amoand_w(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_AND, 4)


cdef void e_amoor_w(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_OR, 4)


cdef void e_amoxor_w(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_XOR, 4)


cdef void e_amomin_w(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_L, 4)


cdef void e_amomax_w(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_G, 4)


cdef void e_amominu_w(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_B, 4)


cdef void e_amomaxu_w(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_A, 4)


cdef void e_amocas_w(Block *b, const Op *op) noexcept nogil:
    amo_cas(b, op, 4)


cdef void e_amoswap_d(Block *b, const Op *op) noexcept nogil:
    amo_swap(b, op, 8)


cdef void e_amoadd_d(Block *b, const Op *op) noexcept nogil:
    amo_add(b, op, 8)


cdef void e_amoand_d(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_AND, 8)


cdef void e_amoor_d(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_OR, 8)


cdef void e_amoxor_d(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_XOR, 8)


cdef void e_amomin_d(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_L, 8)


cdef void e_amomax_d(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_G, 8)


cdef void e_amominu_d(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_B, 8)


cdef void e_amomaxu_d(Block *b, const Op *op) noexcept nogil:
    amo_choose(b, op, CC_A, 8)


cdef void e_amocas_d(Block *b, const Op *op) noexcept nogil:
    amo_cas(b, op, 8)


cdef inline void load_reserved(Block *b, const Op *op, int w) noexcept nogil:
    cdef int to = target_x(op.rd, RDX)
    if b.sys.parallel and op.imm & AMO_RL:
        full_fence(b)
    atomic_place(b, op, 4 << w, ACC_READ)
    x_rm(&b.a, F_MOV_MR, 1, RAX, RBP, at_res_addr())
    x_rm(&b.a, F_MOV, 1, RDX, RBP, at_dctx_key())
    x_rm(&b.a, F_MOV_MR, 1, RDX, RBP, at_res_ctx())
    x_rmi(&b.a, F_MOV_MI, 0, 0, RBP, at_res_size(), 4 << w)
    x_rx(&b.a, F_MOV if w else F_MOVSXD, 1, to, RCX, RAX, 0, 0)
    if b.sys.parallel:
        x_rm(&b.a, F_MOV_MR, 1, to, RBP, at_res_value())
    put_x(b, op.rd, to)


cdef void e_lr_w(Block *b, const Op *op) noexcept nogil:
    load_reserved(b, op, 0)


cdef void e_lr_d(Block *b, const Op *op) noexcept nogil:
    load_reserved(b, op, 1)


cdef inline void store_conditional(Block *b, const Op *op, int w) noexcept nogil:
    # x[rd] <- 0 and the store, if the reservation is of this place; else 1. It ends in any case.
    cdef uint8_t *fail[4]
    cdef uint8_t *done
    cdef int i
    cdef int fails = 3
    atomic_place(b, op, 4 << w, ACC_WRITE)
    x_rmi(&b.a, F_CMP_I, 0, 0, RBP, at_res_size(), 4 << w)
    fail[0] = x_jcc8(&b.a, CC_NE)
    x_rm(&b.a, F_CMP, 1, RAX, RBP, at_res_addr())
    fail[1] = x_jcc8(&b.a, CC_NE)
    x_rm(&b.a, F_MOV, 1, RDX, RBP, at_dctx_key())
    x_rm(&b.a, F_CMP, 1, RDX, RBP, at_res_ctx())
    fail[2] = x_jcc8(&b.a, CC_NE)
    if b.sys.parallel:
        # Another hart may store at this moment: the value that was read must be there still.
        x_rx(&b.a, F_LEA, 1, RCX, RCX, RAX, 0, 0)
        load_x(b, op.imm & 31, RDX)
        x_rm(&b.a, F_MOV, 1, RAX, RBP, at_res_value())
        exchange_if(b, 4 << w)
        fail[3] = x_jcc8(&b.a, CC_NE)
        fails = 4
    else:
        x_rx(&b.a, F_MOV_MR, w, use_x(b, op.imm & 31, RDX), RCX, RAX, 0, 0)
    x_rr(&b.a, F_XOR, 0, RAX, RAX)
    done = x_jmp8(&b.a)
    if not b.a.full:
        for i in range(fails):
            x_patch8(fail[i], b.a.at)
    x_mov_imm(&b.a, RAX, 1)
    if not b.a.full:
        x_patch8(done, b.a.at)
    x_rmi(&b.a, F_MOV_MI, 0, 0, RBP, at_res_size(), 0)
    put_x(b, op.rd, RAX)


cdef void e_sc_w(Block *b, const Op *op) noexcept nogil:
    store_conditional(b, op, 0)


cdef void e_sc_d(Block *b, const Op *op) noexcept nogil:
    store_conditional(b, op, 1)


cdef void e_cbo_zero(Block *b, const Op *op) noexcept nogil:
    # 64 bytes, aligned: never across a page. (What faults reports the operand itself, which is T0's affair.)
    cdef int i
    x_rmi(&b.a, F_CMP8_MI, 0, 0, RBP, at_zero_ok(), 0)
    away(b, x_jcc(&b.a, CC_E), AWAY_STEP, info_of(b, 0))
    load_x(b, op.rs1, RAX)
    x_rri(&b.a, F_AND_I, 1, 0, RAX, -64)
    find_host(b, 8, ACC_WRITE)
    x_rr(&b.a, F_XOR, 0, RDX, RDX)
    for i in range(8):
        x_rx(&b.a, F_MOV_MR, 1, RDX, RCX, RAX, 0, 8 * i)


register_emitter("cbo.zero", e_cbo_zero, False)
register_emitter("lr.w", e_lr_w, False)
register_emitter("lr.d", e_lr_d, False)
register_emitter("sc.w", e_sc_w, False)
register_emitter("sc.d", e_sc_d, False)
register_emitter("amoswap.b", e_amoswap_b, False)
register_emitter("amoadd.b", e_amoadd_b, False)
register_emitter("amoand.b", e_amoand_b, False)
register_emitter("amoor.b", e_amoor_b, False)
register_emitter("amoxor.b", e_amoxor_b, False)
register_emitter("amomin.b", e_amomin_b, False)
register_emitter("amomax.b", e_amomax_b, False)
register_emitter("amominu.b", e_amominu_b, False)
register_emitter("amomaxu.b", e_amomaxu_b, False)
register_emitter("amocas.b", e_amocas_b, False)
register_emitter("amoswap.h", e_amoswap_h, False)
register_emitter("amoadd.h", e_amoadd_h, False)
register_emitter("amoand.h", e_amoand_h, False)
register_emitter("amoor.h", e_amoor_h, False)
register_emitter("amoxor.h", e_amoxor_h, False)
register_emitter("amomin.h", e_amomin_h, False)
register_emitter("amomax.h", e_amomax_h, False)
register_emitter("amominu.h", e_amominu_h, False)
register_emitter("amomaxu.h", e_amomaxu_h, False)
register_emitter("amocas.h", e_amocas_h, False)
register_emitter("amoswap.w", e_amoswap_w, False)
register_emitter("amoadd.w", e_amoadd_w, False)
register_emitter("amoand.w", e_amoand_w, False)
register_emitter("amoor.w", e_amoor_w, False)
register_emitter("amoxor.w", e_amoxor_w, False)
register_emitter("amomin.w", e_amomin_w, False)
register_emitter("amomax.w", e_amomax_w, False)
register_emitter("amominu.w", e_amominu_w, False)
register_emitter("amomaxu.w", e_amomaxu_w, False)
register_emitter("amocas.w", e_amocas_w, False)
register_emitter("amoswap.d", e_amoswap_d, False)
register_emitter("amoadd.d", e_amoadd_d, False)
register_emitter("amoand.d", e_amoand_d, False)
register_emitter("amoor.d", e_amoor_d, False)
register_emitter("amoxor.d", e_amoxor_d, False)
register_emitter("amomin.d", e_amomin_d, False)
register_emitter("amomax.d", e_amomax_d, False)
register_emitter("amominu.d", e_amominu_d, False)
register_emitter("amomaxu.d", e_amomaxu_d, False)
register_emitter("amocas.d", e_amocas_d, False)

register_access("lb", F_MOVSX8, 1, 1, False)
register_access("lbu", F_MOVZX8, 0, 1, False)
register_access("lh", F_MOVSX16, 1, 2, False)
register_access("lhu", F_MOVZX16, 0, 2, False)
register_access("lw", F_MOVSXD, 1, 4, False)
register_access("lwu", F_MOV, 0, 4, False)
register_access("ld", F_MOV, 1, 8, False)
register_access("sb", F_MOV8_MR, 0, 1, True)
register_access("sh", F_MOV16_MR, 0, 2, True)
register_access("sw", F_MOV_MR, 0, 4, True)
register_access("sd", F_MOV_MR, 1, 8, True)
