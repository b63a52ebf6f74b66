"""Block code for the bit-manipulation instructions: Zba, Zbb, Zbs, Zbkb and Zicond."""

from vmcore._fast.hart.state cimport Op
from vmcore._fast.jit.block cimport Block, call_handler, load_x, op_x, put_x, register_emitter, target_x, use_x
from vmcore._fast.jit.convention cimport HOST_OF, at_x
from vmcore._fast.jit.host cimport HAS_LZCNT, HAS_POPCNT, HAS_TZCNT, find_features, host_bits
from vmcore._fast.jit.x64.asm cimport (
    CC_A, CC_B, CC_E, CC_G, CC_L, CC_NE, F_ADD, F_AND, F_AND_I, F_BSWAP, F_BT, F_BTC, F_BTC_I, F_BTR, F_BTR_I, F_BTS,
    F_BTS_I, F_CMP, F_CMP_I, F_IMUL_I, F_LEA, F_LZCNT, F_MOV, F_MOVSX16, F_MOVSX8, F_MOVSXD, F_MOVZX16, F_MOVZX8,
    F_NOT, F_OR, F_POPCNT, F_ROL_CL, F_ROR_CL, F_ROR_I, F_SHL_I, F_SHR_I, F_TEST, F_TZCNT, F_XOR, RAX, RBP, RCX, RDX,
    x_cmov, x_cmov_m, x_mov_imm, x_rmi, x_rr, x_rri, x_rx, x_setcc)


cdef inline void put_w(Block *b, const Op *op) noexcept nogil:
    # The result in eax is kept sign-extended.
    cdef int to = target_x(op.rd, RAX)
    x_rr(&b.a, F_MOVSXD, 1, to, RAX)
    put_x(b, op.rd, to)


# --- Zba: addresses ---------------------------------------------------------------------------------------------------

cdef void e_add_uw(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    if op.imm and to == HOST_OF[op.imm]:
        op_x(b, F_MOV, 0, RAX, op.rs1)
        x_rr(&b.a, F_ADD, 1, to, RAX)
        return
    op_x(b, F_MOV, 0, to, op.rs1)
    if op.imm:
        op_x(b, F_ADD, 1, to, op.imm)
    put_x(b, op.rd, to)


cdef inline void shift_add(Block *b, const Op *op, int shift, bint uw) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    cdef int one = RAX
    if uw:
        op_x(b, F_MOV, 0, RAX, op.rs1)
    else:
        one = use_x(b, op.rs1, RAX)
    x_rx(&b.a, F_LEA, 1, to, use_x(b, op.imm, RCX), one, shift, 0)
    put_x(b, op.rd, to)


cdef void e_sh1add(Block *b, const Op *op) noexcept nogil:
    shift_add(b, op, 1, False)


cdef void e_sh2add(Block *b, const Op *op) noexcept nogil:
    shift_add(b, op, 2, False)


cdef void e_sh3add(Block *b, const Op *op) noexcept nogil:
    shift_add(b, op, 3, False)


cdef void e_sh1add_uw(Block *b, const Op *op) noexcept nogil:
    shift_add(b, op, 1, True)


cdef void e_sh2add_uw(Block *b, const Op *op) noexcept nogil:
    shift_add(b, op, 2, True)


cdef void e_sh3add_uw(Block *b, const Op *op) noexcept nogil:
    shift_add(b, op, 3, True)


cdef void e_slli_uw(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    op_x(b, F_MOV, 0, to, op.rs1)
    if op.imm:
        x_rri(&b.a, F_SHL_I, 1, 0, to, op.imm)
    put_x(b, op.rd, to)


# --- Zbb: logic, counting, extension, rotation ------------------------------------------------------------------------

cdef inline void with_inverse(Block *b, const Op *op, int form) noexcept nogil:
    load_x(b, op.imm, RAX)
    x_rr(&b.a, F_NOT, 1, 0, RAX)
    op_x(b, form, 1, RAX, op.rs1)
    put_x(b, op.rd, RAX)


cdef void e_andn(Block *b, const Op *op) noexcept nogil:
    with_inverse(b, op, F_AND)


cdef void e_orn(Block *b, const Op *op) noexcept nogil:
    with_inverse(b, op, F_OR)


cdef void e_xnor(Block *b, const Op *op) noexcept nogil:
    # ~(a ^ b) = a ^ ~b
    with_inverse(b, op, F_XOR)


cdef inline void count(Block *b, const Op *op, int form, int w, int feature) noexcept nogil:
    # All three count to the width of the operand, as the guest's do. Their 32-bit results are small: zero-extended.
    cdef int to = target_x(op.rd, RAX)
    if not host_bits & feature:
        call_handler(b, op)
        return
    op_x(b, form, w, to, op.rs1)
    put_x(b, op.rd, to)


cdef void e_clz(Block *b, const Op *op) noexcept nogil:
    count(b, op, F_LZCNT, 1, HAS_LZCNT)


cdef void e_clzw(Block *b, const Op *op) noexcept nogil:
    count(b, op, F_LZCNT, 0, HAS_LZCNT)


cdef void e_ctz(Block *b, const Op *op) noexcept nogil:
    count(b, op, F_TZCNT, 1, HAS_TZCNT)


cdef void e_ctzw(Block *b, const Op *op) noexcept nogil:
    count(b, op, F_TZCNT, 0, HAS_TZCNT)


cdef void e_cpop(Block *b, const Op *op) noexcept nogil:
    count(b, op, F_POPCNT, 1, HAS_POPCNT)


cdef void e_cpopw(Block *b, const Op *op) noexcept nogil:
    count(b, op, F_POPCNT, 0, HAS_POPCNT)


cdef inline void choose(Block *b, const Op *op, int cc) noexcept nogil:
    # x[rs1], or x[rs2] if x[rs1] cc x[rs2].
    cdef int to = target_x(op.rd, RAX)
    if to == HOST_OF[op.imm]:
        to = RAX
    load_x(b, op.rs1, to)
    op_x(b, F_CMP, 1, to, op.imm)
    if HOST_OF[op.imm] >= 0:
        x_cmov(&b.a, cc, 1, to, HOST_OF[op.imm])
    else:
        x_cmov_m(&b.a, cc, 1, to, RBP, at_x(op.imm))
    put_x(b, op.rd, to)


cdef void e_max(Block *b, const Op *op) noexcept nogil:
    choose(b, op, CC_L)


cdef void e_maxu(Block *b, const Op *op) noexcept nogil:
    choose(b, op, CC_B)


cdef void e_min(Block *b, const Op *op) noexcept nogil:
    choose(b, op, CC_G)


cdef void e_minu(Block *b, const Op *op) noexcept nogil:
    choose(b, op, CC_A)


cdef inline void extend(Block *b, const Op *op, int form, int w) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    op_x(b, form, w, to, op.rs1)
    put_x(b, op.rd, to)


cdef void e_sext_b(Block *b, const Op *op) noexcept nogil:
    extend(b, op, F_MOVSX8, 1)


cdef void e_sext_h(Block *b, const Op *op) noexcept nogil:
    extend(b, op, F_MOVSX16, 1)


cdef void e_zext_h(Block *b, const Op *op) noexcept nogil:
    extend(b, op, F_MOVZX16, 0)


cdef inline void rotate(Block *b, const Op *op, int form) noexcept nogil:
    # The count goes first: rd may be rs2. The host takes it modulo the width, as the guest does.
    cdef int to = target_x(op.rd, RAX)
    op_x(b, F_MOV, 0, RCX, op.imm)
    load_x(b, op.rs1, to)
    x_rr(&b.a, form, 1, 0, to)
    put_x(b, op.rd, to)


cdef inline void rotate_w(Block *b, const Op *op, int form) noexcept nogil:
    op_x(b, F_MOV, 0, RCX, op.imm)
    op_x(b, F_MOV, 0, RAX, op.rs1)
    x_rr(&b.a, form, 0, 0, RAX)
    put_w(b, op)


cdef void e_rol(Block *b, const Op *op) noexcept nogil:
    rotate(b, op, F_ROL_CL)


cdef void e_rolw(Block *b, const Op *op) noexcept nogil:
    rotate_w(b, op, F_ROL_CL)


cdef void e_ror(Block *b, const Op *op) noexcept nogil:
    rotate(b, op, F_ROR_CL)


cdef void e_rorw(Block *b, const Op *op) noexcept nogil:
    rotate_w(b, op, F_ROR_CL)


cdef void e_rori(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    load_x(b, op.rs1, to)
    x_rri(&b.a, F_ROR_I, 1, 0, to, op.imm)
    put_x(b, op.rd, to)


cdef void e_roriw(Block *b, const Op *op) noexcept nogil:
    op_x(b, F_MOV, 0, RAX, op.rs1)
    x_rri(&b.a, F_ROR_I, 0, 0, RAX, op.imm)
    put_w(b, op)


cdef void e_orc_b(Block *b, const Op *op) noexcept nogil:
    # Bit 7 of each byte becomes whether the byte is nonzero (the low seven bits plus 0x7f carry into it, and never out
    # of the byte); then 1 -> 0xff in each byte is a multiplication by 255.
    load_x(b, op.rs1, RAX)
    x_mov_imm(&b.a, RCX, 0x7F7F7F7F7F7F7F7F)
    x_rr(&b.a, F_MOV, 1, RDX, RAX)
    x_rr(&b.a, F_AND, 1, RAX, RCX)
    x_rr(&b.a, F_ADD, 1, RAX, RCX)
    x_rr(&b.a, F_OR, 1, RAX, RDX)
    x_rr(&b.a, F_NOT, 1, 0, RCX)
    x_rr(&b.a, F_AND, 1, RAX, RCX)
    x_rri(&b.a, F_SHR_I, 1, 0, RAX, 7)
    x_rri(&b.a, F_IMUL_I, 1, RAX, RAX, 255)
    put_x(b, op.rd, RAX)


cdef void e_rev8(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    load_x(b, op.rs1, to)
    x_rr(&b.a, F_BSWAP, 1, 0, to)
    put_x(b, op.rd, to)


# --- Zbs: single bits -------------------------------------------------------------------------------------------------

cdef inline void one_bit(Block *b, const Op *op, int form) noexcept nogil:
    # A bit number in a register is taken modulo 64 by the host as by the guest.
    cdef int to = target_x(op.rd, RAX)
    cdef int number
    if to == HOST_OF[op.imm]:
        to = RAX
    number = use_x(b, op.imm, RCX)
    load_x(b, op.rs1, to)
    x_rr(&b.a, form, 1, number, to)
    put_x(b, op.rd, to)


cdef inline void one_bit_imm(Block *b, const Op *op, int form) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    load_x(b, op.rs1, to)
    x_rri(&b.a, form, 1, 0, to, op.imm)
    put_x(b, op.rd, to)


cdef void e_bclr(Block *b, const Op *op) noexcept nogil:
    one_bit(b, op, F_BTR)


cdef void e_bclri(Block *b, const Op *op) noexcept nogil:
    one_bit_imm(b, op, F_BTR_I)


cdef void e_binv(Block *b, const Op *op) noexcept nogil:
    one_bit(b, op, F_BTC)


cdef void e_binvi(Block *b, const Op *op) noexcept nogil:
    one_bit_imm(b, op, F_BTC_I)


cdef void e_bset(Block *b, const Op *op) noexcept nogil:
    one_bit(b, op, F_BTS)


cdef void e_bseti(Block *b, const Op *op) noexcept nogil:
    one_bit_imm(b, op, F_BTS_I)


cdef void e_bext(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    cdef int one = use_x(b, op.rs1, RAX)
    x_rr(&b.a, F_BT, 1, use_x(b, op.imm, RCX), one)
    x_setcc(&b.a, CC_B, RAX)
    x_rr(&b.a, F_MOVZX8, 0, to, RAX)
    put_x(b, op.rd, to)


cdef void e_bexti(Block *b, const Op *op) noexcept nogil:
    cdef int to = target_x(op.rd, RAX)
    load_x(b, op.rs1, to)
    if op.imm:
        x_rri(&b.a, F_SHR_I, 1, 0, to, op.imm)
    x_rri(&b.a, F_AND_I, 0, 0, to, 1)
    put_x(b, op.rd, to)


# --- Zbkb: packing ----------------------------------------------------------------------------------------------------

cdef void e_pack(Block *b, const Op *op) noexcept nogil:
    load_x(b, op.imm, RCX)
    x_rri(&b.a, F_SHL_I, 1, 0, RCX, 32)
    op_x(b, F_MOV, 0, RAX, op.rs1)
    x_rr(&b.a, F_OR, 1, RAX, RCX)
    put_x(b, op.rd, RAX)


cdef void e_packh(Block *b, const Op *op) noexcept nogil:
    op_x(b, F_MOVZX8, 0, RCX, op.imm)
    x_rri(&b.a, F_SHL_I, 0, 0, RCX, 8)
    op_x(b, F_MOVZX8, 0, RAX, op.rs1)
    x_rr(&b.a, F_OR, 0, RAX, RCX)
    put_x(b, op.rd, RAX)


cdef void e_packw(Block *b, const Op *op) noexcept nogil:
    op_x(b, F_MOV, 0, RCX, op.imm)
    x_rri(&b.a, F_SHL_I, 0, 0, RCX, 16)
    op_x(b, F_MOVZX16, 0, RAX, op.rs1)
    x_rr(&b.a, F_OR, 0, RAX, RCX)
    put_w(b, op)


# --- Zicond: conditional zero -----------------------------------------------------------------------------------------

cdef inline void zero_if(Block *b, const Op *op, int cc) noexcept nogil:
    # The zero goes first: it changes the flags.
    load_x(b, op.rs1, RAX)
    x_rr(&b.a, F_XOR, 0, RCX, RCX)
    if HOST_OF[op.imm] >= 0:
        x_rr(&b.a, F_TEST, 1, HOST_OF[op.imm], HOST_OF[op.imm])
    else:
        x_rmi(&b.a, F_CMP_I, 1, 0, RBP, at_x(op.imm), 0)
    x_cmov(&b.a, cc, 1, RAX, RCX)
    put_x(b, op.rd, RAX)


cdef void e_czero_eqz(Block *b, const Op *op) noexcept nogil:
    zero_if(b, op, CC_E)


cdef void e_czero_nez(Block *b, const Op *op) noexcept nogil:
    zero_if(b, op, CC_NE)


find_features()
register_emitter("add.uw", e_add_uw, True)
register_emitter("sh1add", e_sh1add, True)
register_emitter("sh2add", e_sh2add, True)
register_emitter("sh3add", e_sh3add, True)
register_emitter("sh1add.uw", e_sh1add_uw, True)
register_emitter("sh2add.uw", e_sh2add_uw, True)
register_emitter("sh3add.uw", e_sh3add_uw, True)
register_emitter("slli.uw", e_slli_uw, True)
register_emitter("andn", e_andn, True)
register_emitter("orn", e_orn, True)
register_emitter("xnor", e_xnor, True)
register_emitter("clz", e_clz, True)
register_emitter("clzw", e_clzw, True)
register_emitter("ctz", e_ctz, True)
register_emitter("ctzw", e_ctzw, True)
register_emitter("cpop", e_cpop, True)
register_emitter("cpopw", e_cpopw, True)
register_emitter("max", e_max, True)
register_emitter("maxu", e_maxu, True)
register_emitter("min", e_min, True)
register_emitter("minu", e_minu, True)
register_emitter("sext.b", e_sext_b, True)
register_emitter("sext.h", e_sext_h, True)
register_emitter("zext.h", e_zext_h, True)
register_emitter("rol", e_rol, True)
register_emitter("rolw", e_rolw, True)
register_emitter("ror", e_ror, True)
register_emitter("rorw", e_rorw, True)
register_emitter("rori", e_rori, True)
register_emitter("roriw", e_roriw, True)
register_emitter("orc.b", e_orc_b, True)
register_emitter("rev8", e_rev8, True)
register_emitter("bclr", e_bclr, True)
register_emitter("bclri", e_bclri, True)
register_emitter("binv", e_binv, True)
register_emitter("binvi", e_binvi, True)
register_emitter("bset", e_bset, True)
register_emitter("bseti", e_bseti, True)
register_emitter("bext", e_bext, True)
register_emitter("bexti", e_bexti, True)
register_emitter("pack", e_pack, True)
register_emitter("packh", e_packh, True)
register_emitter("packw", e_packw, True)
register_emitter("czero.eqz", e_czero_eqz, True)
register_emitter("czero.nez", e_czero_nez, True)
