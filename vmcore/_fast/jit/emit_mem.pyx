"""Block code for loads, stores and atomics, of both register files.

An access is ten host instructions: find the TLB entry, compare, access. A miss goes out of line, where the address is in
rax and ``info`` says the rest; when the entry is there the access is made again from ``retry`` on. What can have no entry
(a device, two pages, a misaligned atomic) is T0's to execute.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.hart.state cimport ACC_ATOMIC, ACC_READ, ACC_WRITE, SINK, TLB_ARRAY, Op
from vmcore._fast.jit.block cimport (
    AWAY_MISS, AWAY_STEP, Block, add_imm, away, info_of, load_x, op_x, put_x, register_emitter, step, target_x, use_x)
from vmcore._fast.jit.convention cimport (
    HOST_OF, at_dctx_key, at_res_addr, at_res_ctx, at_res_size, at_zero_ok)
from vmcore._fast.jit.x64.asm cimport (
    CC_A, CC_AE, CC_B, CC_BE, CC_E, CC_G, CC_GE, CC_L, CC_LE, CC_NE, F_ADD, F_AND, F_AND_I, F_CMP, F_CMP8_MI, F_CMP_I, F_LEA,
    F_LOCK_CMPXCHG, F_LOCK_XADD, F_MOV, F_MOV16_MR, F_MOV8_MR, F_MOVDQU_STORE, F_MOVSX16, F_MOVSX8, F_MOVSXD, F_MOVZX16, F_MOVZX8,
    F_MOV_MI, F_MOV_MR, F_OR, F_PXOR, F_SHR_I, F_TEST_I, F_XCHG_MR, F_XOR, R14, RAX, RBP, RCX, RDX, x_cmov, x_jcc, x_jcc8,
    x_jcc_to, x_jmp8, x_mov_imm, x_patch8, x_rm, x_rmi, x_rr, x_rri, x_rx)
from vmcore._fast.memory.tlb cimport TLB_MASK


cdef void find_host(Block *b, uint32_t size, uint32_t acc) noexcept nogil:
    # rax: address. Then rcx + rax is where it is on the host; rdx is clobbered.
    cdef uint8_t *retry = b.a.at
    cdef int32_t table = TLB_ARRAY if acc & ACC_WRITE else 0
    cdef uint8_t *field
    x_rr(&b.a, F_MOV, 0, RCX, RAX)
    x_rri(&b.a, F_SHR_I, 0, 0, RCX, 8)
    x_rri(&b.a, F_AND_I, 0, 0, RCX, TLB_MASK << 4)
    x_rx(&b.a, F_MOV, 1, RDX, R14, RCX, 0, table)
    x_rr(&b.a, F_XOR, 1, RDX, RAX)
    x_rri(&b.a, F_CMP_I, 1, 0, RDX, 4096 - size)
    field = x_jcc(&b.a, CC_A)
    away(b, field, AWAY_MISS, info_of(b, size | acc >> 3))
    b.stubs[b.nstubs - 1].back = retry
    x_rx(&b.a, F_MOV, 1, RCX, R14, RCX, 0, table + 8)


cdef inline void load(Block *b, const Op *op, int form, int w, uint32_t size) noexcept nogil:
    cdef int to = target_x(op.rd, RDX)
    add_imm(b, RAX, op.rs1, op.imm)
    find_host(b, size, ACC_READ)
    x_rx(&b.a, form, w, to, RCX, RAX, 0, 0)
    put_x(b, op.rd, to)


cdef void e_lb(Block *b, const Op *op) noexcept nogil:
    load(b, op, F_MOVSX8, 1, 1)


cdef void e_lbu(Block *b, const Op *op) noexcept nogil:
    load(b, op, F_MOVZX8, 0, 1)


cdef void e_lh(Block *b, const Op *op) noexcept nogil:
    load(b, op, F_MOVSX16, 1, 2)


cdef void e_lhu(Block *b, const Op *op) noexcept nogil:
    load(b, op, F_MOVZX16, 0, 2)


cdef void e_lw(Block *b, const Op *op) noexcept nogil:
    load(b, op, F_MOVSXD, 1, 4)


cdef void e_lwu(Block *b, const Op *op) noexcept nogil:
    load(b, op, F_MOV, 0, 4)


cdef void e_ld(Block *b, const Op *op) noexcept nogil:
    load(b, op, F_MOV, 1, 8)


cdef inline void store(Block *b, const Op *op, int form, int w, uint32_t size) noexcept nogil:
    add_imm(b, RAX, op.rs1, op.imm)
    find_host(b, size, ACC_WRITE)
    x_rx(&b.a, form, w, use_x(b, op.rd, RDX), RCX, RAX, 0, 0)


cdef void e_sb(Block *b, const Op *op) noexcept nogil:
    store(b, op, F_MOV8_MR, 0, 1)


cdef void e_sh(Block *b, const Op *op) noexcept nogil:
    store(b, op, F_MOV16_MR, 0, 2)


cdef void e_sw(Block *b, const Op *op) noexcept nogil:
    store(b, op, F_MOV_MR, 0, 4)


cdef void e_sd(Block *b, const Op *op) noexcept nogil:
    store(b, op, F_MOV_MR, 1, 8)


# --- atomics ----------------------------------------------------------------------------------------------------------

cdef inline void atomic_place(Block *b, const Op *op, uint32_t size, uint32_t acc) noexcept nogil:
    # rcx + rax: the host's place of x[rs1], naturally aligned.
    load_x(b, op.rs1, RAX)
    x_rri(&b.a, F_TEST_I, 0, 0, RAX, size - 1)
    away(b, x_jcc(&b.a, CC_NE), AWAY_STEP, info_of(b, 0))
    find_host(b, size, acc | ACC_ATOMIC)


cdef inline void put_old(Block *b, const Op *op, int w, int reg) noexcept nogil:
    # The value that was there, sign-extended.
    cdef int to
    if op.rd == SINK:
        return
    if w:
        put_x(b, op.rd, reg)
    else:
        to = target_x(op.rd, reg)
        x_rr(&b.a, F_MOVSXD, 1, to, reg)
        put_x(b, op.rd, to)


cdef inline void amo_exchange(Block *b, const Op *op, int form, int w) noexcept nogil:
    atomic_place(b, op, 4 << w, ACC_READ | ACC_WRITE)
    load_x(b, op.imm & 31, RDX)
    x_rx(&b.a, form, w, RDX, RCX, RAX, 0, 0)
    put_old(b, op, w, RDX)


cdef void e_amoswap_w(Block *b, const Op *op) noexcept nogil:
    amo_exchange(b, op, F_XCHG_MR, 0)


cdef void e_amoswap_d(Block *b, const Op *op) noexcept nogil:
    amo_exchange(b, op, F_XCHG_MR, 1)


cdef void e_amoadd_w(Block *b, const Op *op) noexcept nogil:
    amo_exchange(b, op, F_LOCK_XADD, 0)


cdef void e_amoadd_d(Block *b, const Op *op) noexcept nogil:
    amo_exchange(b, op, F_LOCK_XADD, 1)


cdef inline void amo_loop(Block *b, const Op *op, int form, int cc, int w) noexcept nogil:
    # Read, work out the new value, and exchange if nobody else was faster. `form`: rdx = old form x[rs2]; without one
    # rdx = old if old cc x[rs2], else x[rs2].
    cdef uint8_t *again
    atomic_place(b, op, 4 << w, ACC_READ | ACC_WRITE)
    x_rx(&b.a, F_LEA, 1, RCX, RCX, RAX, 0, 0)
    x_rm(&b.a, F_MOV, w, RAX, RCX, 0)
    again = b.a.at
    if form:
        x_rr(&b.a, F_MOV, w, RDX, RAX)
        op_x(b, form, w, RDX, op.imm & 31)
    else:
        load_x(b, op.imm & 31, RDX)
        x_rr(&b.a, F_CMP, w, RAX, RDX)
        x_cmov(&b.a, cc, w, RDX, RAX)
    x_rm(&b.a, F_LOCK_CMPXCHG, w, RDX, RCX, 0)
    x_jcc_to(&b.a, CC_NE, again)
    put_old(b, op, w, RAX)


cdef void e_amoand_w(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_AND, 0, 0)


cdef void e_amoand_d(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_AND, 0, 1)


cdef void e_amoor_w(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_OR, 0, 0)


cdef void e_amoor_d(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_OR, 0, 1)


cdef void e_amoxor_w(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_XOR, 0, 0)


cdef void e_amoxor_d(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, F_XOR, 0, 1)


cdef void e_amomin_w(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, 0, CC_L, 0)


cdef void e_amomin_d(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, 0, CC_L, 1)


cdef void e_amomax_w(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, 0, CC_G, 0)


cdef void e_amomax_d(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, 0, CC_G, 1)


cdef void e_amominu_w(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, 0, CC_B, 0)


cdef void e_amominu_d(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, 0, CC_B, 1)


cdef void e_amomaxu_w(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, 0, CC_A, 0)


cdef void e_amomaxu_d(Block *b, const Op *op) noexcept nogil:
    amo_loop(b, op, 0, CC_A, 1)


cdef inline void load_reserved(Block *b, const Op *op, int w) noexcept nogil:
    cdef int to = target_x(op.rd, RDX)
    atomic_place(b, op, 4 << w, ACC_READ)
    x_rm(&b.a, F_MOV_MR, 1, RAX, RBP, at_res_addr())
    x_rm(&b.a, F_MOV, 1, RDX, RBP, at_dctx_key())
    x_rm(&b.a, F_MOV_MR, 1, RDX, RBP, at_res_ctx())
    x_rmi(&b.a, F_MOV_MI, 0, 0, RBP, at_res_size(), 4 << w)
    x_rx(&b.a, F_MOV if w else F_MOVSXD, 1, to, RCX, RAX, 0, 0)
    put_x(b, op.rd, to)


cdef void e_lr_w(Block *b, const Op *op) noexcept nogil:
    load_reserved(b, op, 0)


cdef void e_lr_d(Block *b, const Op *op) noexcept nogil:
    load_reserved(b, op, 1)


cdef inline void store_conditional(Block *b, const Op *op, int w) noexcept nogil:
    # x[rd] <- 0 and the store, if the reservation is of this place; else 1. It ends in any case.
    cdef uint8_t *fail[3]
    cdef uint8_t *done
    cdef int i
    atomic_place(b, op, 4 << w, ACC_WRITE)
    x_rmi(&b.a, F_CMP_I, 0, 0, RBP, at_res_size(), 4 << w)
    fail[0] = x_jcc8(&b.a, CC_NE)
    x_rm(&b.a, F_CMP, 1, RAX, RBP, at_res_addr())
    fail[1] = x_jcc8(&b.a, CC_NE)
    x_rm(&b.a, F_MOV, 1, RDX, RBP, at_dctx_key())
    x_rm(&b.a, F_CMP, 1, RDX, RBP, at_res_ctx())
    fail[2] = x_jcc8(&b.a, CC_NE)
    x_rx(&b.a, F_MOV_MR, w, use_x(b, op.imm & 31, RDX), RCX, RAX, 0, 0)
    x_rr(&b.a, F_XOR, 0, RAX, RAX)
    done = x_jmp8(&b.a)
    if not b.a.full:
        for i in range(3):
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
    x_rr(&b.a, F_PXOR, 0, 0, 0)
    for i in range(4):
        x_rx(&b.a, F_MOVDQU_STORE, 0, 0, RCX, RAX, 0, 16 * i)


register_emitter("cbo.zero", e_cbo_zero, False)
register_emitter("lb", e_lb, False)
register_emitter("lbu", e_lbu, False)
register_emitter("lh", e_lh, False)
register_emitter("lhu", e_lhu, False)
register_emitter("lw", e_lw, False)
register_emitter("lwu", e_lwu, False)
register_emitter("ld", e_ld, False)
register_emitter("sb", e_sb, False)
register_emitter("sh", e_sh, False)
register_emitter("sw", e_sw, False)
register_emitter("sd", e_sd, False)
register_emitter("amoswap.w", e_amoswap_w, False)
register_emitter("amoswap.d", e_amoswap_d, False)
register_emitter("amoadd.w", e_amoadd_w, False)
register_emitter("amoadd.d", e_amoadd_d, False)
register_emitter("amoand.w", e_amoand_w, False)
register_emitter("amoand.d", e_amoand_d, False)
register_emitter("amoor.w", e_amoor_w, False)
register_emitter("amoor.d", e_amoor_d, False)
register_emitter("amoxor.w", e_amoxor_w, False)
register_emitter("amoxor.d", e_amoxor_d, False)
register_emitter("amomin.w", e_amomin_w, False)
register_emitter("amomin.d", e_amomin_d, False)
register_emitter("amomax.w", e_amomax_w, False)
register_emitter("amomax.d", e_amomax_d, False)
register_emitter("amominu.w", e_amominu_w, False)
register_emitter("amominu.d", e_amominu_d, False)
register_emitter("amomaxu.w", e_amomaxu_w, False)
register_emitter("amomaxu.d", e_amomaxu_d, False)
register_emitter("lr.w", e_lr_w, False)
register_emitter("lr.d", e_lr_d, False)
register_emitter("sc.w", e_sc_w, False)
register_emitter("sc.d", e_sc_d, False)
