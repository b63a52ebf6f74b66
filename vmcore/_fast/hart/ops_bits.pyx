"""Handlers of Zba, Zbb, Zbc, Zbs, Zbkb, Zbkc, Zbkx and Zicond (RV64)."""

from libc.stdint cimport int8_t, int16_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.hart.bits cimport (
    brev8_64,
    clmul64,
    clmulr64,
    clz32,
    clz64,
    cpop64,
    ctz32,
    ctz64,
    orc_b64,
    sext32,
    vmcore_bswap64,
    vmcore_rol32,
    vmcore_rol64,
    vmcore_ror32,
    vmcore_ror64,
    xperm4_64,
    xperm8_64,
)
from vmcore._fast.hart.handlers cimport register_handler
from vmcore._fast.hart.state cimport Hart, Op, next_op

# Shift amounts in op.imm are 0..63 (0..31 for the W forms): the decoder's format says how many bits they have.

# --- Zba: addresses ---

cdef void h_add_uw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <uint32_t>hart.x[op.rs1] + hart.x[op.imm]
    next_op(op, hart)

cdef void h_sh1add(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = (hart.x[op.rs1] << 1) + hart.x[op.imm]
    next_op(op, hart)

cdef void h_sh2add(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = (hart.x[op.rs1] << 2) + hart.x[op.imm]
    next_op(op, hart)

cdef void h_sh3add(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = (hart.x[op.rs1] << 3) + hart.x[op.imm]
    next_op(op, hart)

cdef void h_sh1add_uw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = (<uint64_t><uint32_t>hart.x[op.rs1] << 1) + hart.x[op.imm]
    next_op(op, hart)

cdef void h_sh2add_uw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = (<uint64_t><uint32_t>hart.x[op.rs1] << 2) + hart.x[op.imm]
    next_op(op, hart)

cdef void h_sh3add_uw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = (<uint64_t><uint32_t>hart.x[op.rs1] << 3) + hart.x[op.imm]
    next_op(op, hart)

cdef void h_slli_uw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <uint64_t><uint32_t>hart.x[op.rs1] << op.imm
    next_op(op, hart)

# --- Zbb: logic, counting, extension, rotation ---

cdef void h_andn(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] & ~hart.x[op.imm]
    next_op(op, hart)

cdef void h_orn(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] | ~hart.x[op.imm]
    next_op(op, hart)

cdef void h_xnor(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = ~(hart.x[op.rs1] ^ hart.x[op.imm])
    next_op(op, hart)

cdef void h_clz(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = clz64(hart.x[op.rs1])
    next_op(op, hart)

cdef void h_clzw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = clz32(<uint32_t>hart.x[op.rs1])
    next_op(op, hart)

cdef void h_ctz(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = ctz64(hart.x[op.rs1])
    next_op(op, hart)

cdef void h_ctzw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = ctz32(<uint32_t>hart.x[op.rs1])
    next_op(op, hart)

cdef void h_cpop(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = cpop64(hart.x[op.rs1])
    next_op(op, hart)

cdef void h_cpopw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = cpop64(<uint32_t>hart.x[op.rs1])
    next_op(op, hart)

cdef void h_max(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = hart.x[op.rs1]
    cdef uint64_t b = hart.x[op.imm]
    hart.x[op.rd] = a if <int64_t>a > <int64_t>b else b
    next_op(op, hart)

cdef void h_maxu(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = hart.x[op.rs1]
    cdef uint64_t b = hart.x[op.imm]
    hart.x[op.rd] = a if a > b else b
    next_op(op, hart)

cdef void h_min(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = hart.x[op.rs1]
    cdef uint64_t b = hart.x[op.imm]
    hart.x[op.rd] = a if <int64_t>a < <int64_t>b else b
    next_op(op, hart)

cdef void h_minu(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = hart.x[op.rs1]
    cdef uint64_t b = hart.x[op.imm]
    hart.x[op.rd] = a if a < b else b
    next_op(op, hart)

cdef void h_sext_b(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <uint64_t><int64_t><int8_t>hart.x[op.rs1]
    next_op(op, hart)

cdef void h_sext_h(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <uint64_t><int64_t><int16_t>hart.x[op.rs1]
    next_op(op, hart)

cdef void h_zext_h(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <uint16_t>hart.x[op.rs1]
    next_op(op, hart)

cdef void h_rol(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = vmcore_rol64(hart.x[op.rs1], hart.x[op.imm])
    next_op(op, hart)

cdef void h_rolw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sext32(vmcore_rol32(<uint32_t>hart.x[op.rs1], <uint32_t>hart.x[op.imm]))
    next_op(op, hart)

cdef void h_ror(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = vmcore_ror64(hart.x[op.rs1], hart.x[op.imm])
    next_op(op, hart)

cdef void h_rorw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sext32(vmcore_ror32(<uint32_t>hart.x[op.rs1], <uint32_t>hart.x[op.imm]))
    next_op(op, hart)

cdef void h_rori(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = vmcore_ror64(hart.x[op.rs1], op.imm)
    next_op(op, hart)

cdef void h_roriw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sext32(vmcore_ror32(<uint32_t>hart.x[op.rs1], op.imm))
    next_op(op, hart)

cdef void h_orc_b(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = orc_b64(hart.x[op.rs1])
    next_op(op, hart)

cdef void h_rev8(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = vmcore_bswap64(hart.x[op.rs1])
    next_op(op, hart)

# --- Zbs: single bits ---

cdef void h_bclr(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] & ~(<uint64_t>1 << (hart.x[op.imm] & 63))
    next_op(op, hart)

cdef void h_bclri(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] & ~(<uint64_t>1 << op.imm)
    next_op(op, hart)

cdef void h_bext(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] >> (hart.x[op.imm] & 63) & 1
    next_op(op, hart)

cdef void h_bexti(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] >> op.imm & 1
    next_op(op, hart)

cdef void h_binv(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] ^ <uint64_t>1 << (hart.x[op.imm] & 63)
    next_op(op, hart)

cdef void h_binvi(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] ^ <uint64_t>1 << op.imm
    next_op(op, hart)

cdef void h_bset(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] | <uint64_t>1 << (hart.x[op.imm] & 63)
    next_op(op, hart)

cdef void h_bseti(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] | <uint64_t>1 << op.imm
    next_op(op, hart)

# --- Zbc, Zbkc: carry-less products ---

cdef void h_clmul(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = clmul64(hart.x[op.rs1], hart.x[op.imm])
    next_op(op, hart)

cdef void h_clmulh(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = clmulr64(hart.x[op.rs1], hart.x[op.imm]) >> 1
    next_op(op, hart)

cdef void h_clmulr(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = clmulr64(hart.x[op.rs1], hart.x[op.imm])
    next_op(op, hart)

# --- Zbkb, Zbkx: packing and permuting ---

cdef void h_pack(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <uint32_t>hart.x[op.rs1] | hart.x[op.imm] << 32
    next_op(op, hart)

cdef void h_packh(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <uint8_t>hart.x[op.rs1] | <uint64_t><uint8_t>hart.x[op.imm] << 8
    next_op(op, hart)

cdef void h_packw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sext32(<uint16_t>hart.x[op.rs1] | <uint32_t>hart.x[op.imm] << 16)
    next_op(op, hart)

cdef void h_brev8(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = brev8_64(hart.x[op.rs1])
    next_op(op, hart)

cdef void h_xperm4(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = xperm4_64(hart.x[op.rs1], hart.x[op.imm])
    next_op(op, hart)

cdef void h_xperm8(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = xperm8_64(hart.x[op.rs1], hart.x[op.imm])
    next_op(op, hart)

# --- Zicond: conditional zero ---

cdef void h_czero_eqz(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] if hart.x[op.imm] else 0
    next_op(op, hart)

cdef void h_czero_nez(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = 0 if hart.x[op.imm] else hart.x[op.rs1]
    next_op(op, hart)


register_handler("add.uw", h_add_uw)
register_handler("sh1add", h_sh1add)
register_handler("sh2add", h_sh2add)
register_handler("sh3add", h_sh3add)
register_handler("sh1add.uw", h_sh1add_uw)
register_handler("sh2add.uw", h_sh2add_uw)
register_handler("sh3add.uw", h_sh3add_uw)
register_handler("slli.uw", h_slli_uw)
register_handler("andn", h_andn)
register_handler("orn", h_orn)
register_handler("xnor", h_xnor)
register_handler("clz", h_clz)
register_handler("clzw", h_clzw)
register_handler("ctz", h_ctz)
register_handler("ctzw", h_ctzw)
register_handler("cpop", h_cpop)
register_handler("cpopw", h_cpopw)
register_handler("max", h_max)
register_handler("maxu", h_maxu)
register_handler("min", h_min)
register_handler("minu", h_minu)
register_handler("sext.b", h_sext_b)
register_handler("sext.h", h_sext_h)
register_handler("zext.h", h_zext_h)
register_handler("rol", h_rol)
register_handler("rolw", h_rolw)
register_handler("ror", h_ror)
register_handler("rorw", h_rorw)
register_handler("rori", h_rori)
register_handler("roriw", h_roriw)
register_handler("orc.b", h_orc_b)
register_handler("rev8", h_rev8)
register_handler("bclr", h_bclr)
register_handler("bclri", h_bclri)
register_handler("bext", h_bext)
register_handler("bexti", h_bexti)
register_handler("binv", h_binv)
register_handler("binvi", h_binvi)
register_handler("bset", h_bset)
register_handler("bseti", h_bseti)
register_handler("clmul", h_clmul)
register_handler("clmulh", h_clmulh)
register_handler("clmulr", h_clmulr)
register_handler("pack", h_pack)
register_handler("packh", h_packh)
register_handler("packw", h_packw)
register_handler("brev8", h_brev8)
register_handler("xperm4", h_xperm4)
register_handler("xperm8", h_xperm8)
register_handler("czero.eqz", h_czero_eqz)
register_handler("czero.nez", h_czero_nez)
