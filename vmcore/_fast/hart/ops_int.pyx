"""Integer and control-flow handlers: RV64I and M."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport gva_t, vmcore_likely
from vmcore._fast.hart.clock cimport pc_after, pc_of
from vmcore._fast.hart.handlers cimport register_handler
from vmcore._fast.hart.state cimport JUMP_SIZE, Hart, JumpEntry, Op, next_op, transfer, vmcore_go
from vmcore._fast.memory.guestmem cimport vmcore_mulh, vmcore_mulhsu, vmcore_mulhu


cdef inline uint64_t sx(int32_t v) noexcept nogil:
    # A 32-bit result is kept sign-extended.
    return <uint64_t><int64_t>v


cdef inline void far_jump(Op *op, gva_t target, Hart *hart) noexcept nogil:
    # Continue at another page's address: by the jump cache when it knows the place.
    cdef JumpEntry *j = &hart.jumps[(target >> 1) & (JUMP_SIZE - 1)]
    if vmcore_likely(j.pc == target and j.ctx == hart.fetch_ctx):
        hart.page = j.page
        hart.page_base = target & ~<uint64_t>4095
        transfer(j.op, hart.rem - <uint64_t>op - 16, hart)
    else:
        hart.jump_pc = target
        vmcore_go(hart.go_jump, op, hart)


cdef void h_lui(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <uint64_t><int64_t>op.imm
    next_op(op, hart)


cdef void h_auipc(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = pc_of(op, hart) + <uint64_t><int64_t>op.imm
    next_op(op, hart)


cdef void h_addi(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    next_op(op, hart)


cdef void h_slti(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <int64_t>hart.x[op.rs1] < <int64_t>op.imm
    next_op(op, hart)


cdef void h_sltiu(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] < <uint64_t><int64_t>op.imm
    next_op(op, hart)


cdef void h_xori(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] ^ <uint64_t><int64_t>op.imm
    next_op(op, hart)


cdef void h_ori(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] | <uint64_t><int64_t>op.imm
    next_op(op, hart)


cdef void h_andi(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] & <uint64_t><int64_t>op.imm
    next_op(op, hart)


cdef void h_slli(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] << (op.imm & 63)
    next_op(op, hart)


cdef void h_srli(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] >> (op.imm & 63)
    next_op(op, hart)


cdef void h_srai(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <uint64_t>(<int64_t>hart.x[op.rs1] >> (op.imm & 63))
    next_op(op, hart)


cdef void h_addiw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sx(<int32_t>(<uint32_t>hart.x[op.rs1] + <uint32_t>op.imm))
    next_op(op, hart)


cdef void h_slliw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sx(<int32_t>(<uint32_t>hart.x[op.rs1] << (op.imm & 31)))
    next_op(op, hart)


cdef void h_srliw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sx(<int32_t>(<uint32_t>hart.x[op.rs1] >> (op.imm & 31)))
    next_op(op, hart)


cdef void h_sraiw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sx(<int32_t><uint32_t>hart.x[op.rs1] >> (op.imm & 31))
    next_op(op, hart)


cdef void h_add(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] + hart.x[op.imm]
    next_op(op, hart)


cdef void h_sub(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] - hart.x[op.imm]
    next_op(op, hart)


cdef void h_xor(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] ^ hart.x[op.imm]
    next_op(op, hart)


cdef void h_or(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] | hart.x[op.imm]
    next_op(op, hart)


cdef void h_and(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] & hart.x[op.imm]
    next_op(op, hart)


cdef void h_sll(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] << (hart.x[op.imm] & 63)
    next_op(op, hart)


cdef void h_srl(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] >> (hart.x[op.imm] & 63)
    next_op(op, hart)


cdef void h_sra(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <uint64_t>(<int64_t>hart.x[op.rs1] >> (hart.x[op.imm] & 63))
    next_op(op, hart)


cdef void h_slt(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = <int64_t>hart.x[op.rs1] < <int64_t>hart.x[op.imm]
    next_op(op, hart)


cdef void h_sltu(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] < hart.x[op.imm]
    next_op(op, hart)


cdef void h_addw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sx(<int32_t>(<uint32_t>hart.x[op.rs1] + <uint32_t>hart.x[op.imm]))
    next_op(op, hart)


cdef void h_subw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sx(<int32_t>(<uint32_t>hart.x[op.rs1] - <uint32_t>hart.x[op.imm]))
    next_op(op, hart)


cdef void h_sllw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sx(<int32_t>(<uint32_t>hart.x[op.rs1] << (<uint32_t>hart.x[op.imm] & 31)))
    next_op(op, hart)


cdef void h_srlw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sx(<int32_t>(<uint32_t>hart.x[op.rs1] >> (<uint32_t>hart.x[op.imm] & 31)))
    next_op(op, hart)


cdef void h_sraw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sx(<int32_t><uint32_t>hart.x[op.rs1] >> (<uint32_t>hart.x[op.imm] & 31))
    next_op(op, hart)


cdef void h_mul(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = hart.x[op.rs1] * hart.x[op.imm]
    next_op(op, hart)


cdef void h_mulh(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = vmcore_mulh(<int64_t>hart.x[op.rs1], <int64_t>hart.x[op.imm])
    next_op(op, hart)


cdef void h_mulhsu(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = vmcore_mulhsu(<int64_t>hart.x[op.rs1], hart.x[op.imm])
    next_op(op, hart)


cdef void h_mulhu(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = vmcore_mulhu(hart.x[op.rs1], hart.x[op.imm])
    next_op(op, hart)


cdef void h_mulw(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = sx(<int32_t>(<uint32_t>hart.x[op.rs1] * <uint32_t>hart.x[op.imm]))
    next_op(op, hart)


cdef void h_div(Op *op, Hart *hart) noexcept nogil:
    cdef int64_t a = <int64_t>hart.x[op.rs1]
    cdef int64_t b = <int64_t>hart.x[op.imm]
    if b == 0:
        hart.x[op.rd] = ~<uint64_t>0
    elif b == -1:
        hart.x[op.rd] = 0 - <uint64_t>a               # overflow wraps to the dividend
    else:
        hart.x[op.rd] = <uint64_t>(a // b)
    next_op(op, hart)


cdef void h_divu(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t b = hart.x[op.imm]
    hart.x[op.rd] = hart.x[op.rs1] // b if b else ~<uint64_t>0
    next_op(op, hart)


cdef void h_rem(Op *op, Hart *hart) noexcept nogil:
    cdef int64_t a = <int64_t>hart.x[op.rs1]
    cdef int64_t b = <int64_t>hart.x[op.imm]
    if b == 0:
        hart.x[op.rd] = <uint64_t>a
    elif b == -1:
        hart.x[op.rd] = 0
    else:
        hart.x[op.rd] = <uint64_t>(a % b)
    next_op(op, hart)


cdef void h_remu(Op *op, Hart *hart) noexcept nogil:
    cdef uint64_t a = hart.x[op.rs1]
    cdef uint64_t b = hart.x[op.imm]
    hart.x[op.rd] = a % b if b else a
    next_op(op, hart)


cdef void h_divw(Op *op, Hart *hart) noexcept nogil:
    cdef int32_t a = <int32_t>hart.x[op.rs1]
    cdef int32_t b = <int32_t>hart.x[op.imm]
    if b == 0:
        hart.x[op.rd] = ~<uint64_t>0
    elif b == -1:
        hart.x[op.rd] = sx(<int32_t>(0 - <uint32_t>a))
    else:
        hart.x[op.rd] = sx(a // b)
    next_op(op, hart)


cdef void h_divuw(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t a = <uint32_t>hart.x[op.rs1]
    cdef uint32_t b = <uint32_t>hart.x[op.imm]
    hart.x[op.rd] = sx(<int32_t>(a // b)) if b else ~<uint64_t>0
    next_op(op, hart)


cdef void h_remw(Op *op, Hart *hart) noexcept nogil:
    cdef int32_t a = <int32_t>hart.x[op.rs1]
    cdef int32_t b = <int32_t>hart.x[op.imm]
    if b == 0:
        hart.x[op.rd] = sx(a)
    elif b == -1:
        hart.x[op.rd] = 0
    else:
        hart.x[op.rd] = sx(a % b)
    next_op(op, hart)


cdef void h_remuw(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t a = <uint32_t>hart.x[op.rs1]
    cdef uint32_t b = <uint32_t>hart.x[op.imm]
    hart.x[op.rd] = sx(<int32_t>(a % b)) if b else sx(<int32_t>a)
    next_op(op, hart)


cdef void h_beq(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] == hart.x[op.rd]:
        vmcore_go(hart.go_link, op, hart)
    else:
        next_op(op, hart)


cdef void h_beq__linked(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] == hart.x[op.rd]:
        transfer(<Op *>(<uint8_t *>op + op.imm), hart.rem - <uint64_t>op - 16, hart)
    else:
        next_op(op, hart)


cdef void h_beq__far(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] == hart.x[op.rd]:
        far_jump(op, pc_of(op, hart) + <uint64_t><int64_t>op.imm, hart)
    else:
        next_op(op, hart)


cdef void h_bne(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] != hart.x[op.rd]:
        vmcore_go(hart.go_link, op, hart)
    else:
        next_op(op, hart)


cdef void h_bne__linked(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] != hart.x[op.rd]:
        transfer(<Op *>(<uint8_t *>op + op.imm), hart.rem - <uint64_t>op - 16, hart)
    else:
        next_op(op, hart)


cdef void h_bne__far(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] != hart.x[op.rd]:
        far_jump(op, pc_of(op, hart) + <uint64_t><int64_t>op.imm, hart)
    else:
        next_op(op, hart)


cdef void h_blt(Op *op, Hart *hart) noexcept nogil:
    if <int64_t>hart.x[op.rs1] < <int64_t>hart.x[op.rd]:
        vmcore_go(hart.go_link, op, hart)
    else:
        next_op(op, hart)


cdef void h_blt__linked(Op *op, Hart *hart) noexcept nogil:
    if <int64_t>hart.x[op.rs1] < <int64_t>hart.x[op.rd]:
        transfer(<Op *>(<uint8_t *>op + op.imm), hart.rem - <uint64_t>op - 16, hart)
    else:
        next_op(op, hart)


cdef void h_blt__far(Op *op, Hart *hart) noexcept nogil:
    if <int64_t>hart.x[op.rs1] < <int64_t>hart.x[op.rd]:
        far_jump(op, pc_of(op, hart) + <uint64_t><int64_t>op.imm, hart)
    else:
        next_op(op, hart)


cdef void h_bge(Op *op, Hart *hart) noexcept nogil:
    if <int64_t>hart.x[op.rs1] >= <int64_t>hart.x[op.rd]:
        vmcore_go(hart.go_link, op, hart)
    else:
        next_op(op, hart)


cdef void h_bge__linked(Op *op, Hart *hart) noexcept nogil:
    if <int64_t>hart.x[op.rs1] >= <int64_t>hart.x[op.rd]:
        transfer(<Op *>(<uint8_t *>op + op.imm), hart.rem - <uint64_t>op - 16, hart)
    else:
        next_op(op, hart)


cdef void h_bge__far(Op *op, Hart *hart) noexcept nogil:
    if <int64_t>hart.x[op.rs1] >= <int64_t>hart.x[op.rd]:
        far_jump(op, pc_of(op, hart) + <uint64_t><int64_t>op.imm, hart)
    else:
        next_op(op, hart)


cdef void h_bltu(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] < hart.x[op.rd]:
        vmcore_go(hart.go_link, op, hart)
    else:
        next_op(op, hart)


cdef void h_bltu__linked(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] < hart.x[op.rd]:
        transfer(<Op *>(<uint8_t *>op + op.imm), hart.rem - <uint64_t>op - 16, hart)
    else:
        next_op(op, hart)


cdef void h_bltu__far(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] < hart.x[op.rd]:
        far_jump(op, pc_of(op, hart) + <uint64_t><int64_t>op.imm, hart)
    else:
        next_op(op, hart)


cdef void h_bgeu(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] >= hart.x[op.rd]:
        vmcore_go(hart.go_link, op, hart)
    else:
        next_op(op, hart)


cdef void h_bgeu__linked(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] >= hart.x[op.rd]:
        transfer(<Op *>(<uint8_t *>op + op.imm), hart.rem - <uint64_t>op - 16, hart)
    else:
        next_op(op, hart)


cdef void h_bgeu__far(Op *op, Hart *hart) noexcept nogil:
    if hart.x[op.rs1] >= hart.x[op.rd]:
        far_jump(op, pc_of(op, hart) + <uint64_t><int64_t>op.imm, hart)
    else:
        next_op(op, hart)


cdef void h_jal(Op *op, Hart *hart) noexcept nogil:
    vmcore_go(hart.go_link, op, hart)


cdef void h_jal__linked(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = pc_after(op, hart)
    transfer(<Op *>(<uint8_t *>op + op.imm), hart.rem - <uint64_t>op - 16, hart)


cdef void h_jal__far(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t target = pc_of(op, hart) + <uint64_t><int64_t>op.imm
    hart.x[op.rd] = pc_after(op, hart)
    far_jump(op, target, hart)


cdef void h_jalr(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t target = (hart.x[op.rs1] + <uint64_t><int64_t>op.imm) & ~<uint64_t>1
    cdef JumpEntry *j = &hart.jumps[(target >> 1) & (JUMP_SIZE - 1)]
    if vmcore_likely(j.pc == target and j.ctx == hart.fetch_ctx):
        hart.x[op.rd] = pc_after(op, hart)
        hart.page = j.page
        hart.page_base = target & ~<uint64_t>4095
        transfer(j.op, hart.rem - <uint64_t>op - 16, hart)
    else:
        vmcore_go(hart.go_jalr, op, hart)


cdef void h_nop(Op *op, Hart *hart) noexcept nogil:
    next_op(op, hart)


cdef void h_mop(Op *op, Hart *hart) noexcept nogil:
    hart.x[op.rd] = 0
    next_op(op, hart)


register_handler("lui", h_lui)
register_handler("auipc", h_auipc)
register_handler("addi", h_addi)
register_handler("slti", h_slti)
register_handler("sltiu", h_sltiu)
register_handler("xori", h_xori)
register_handler("ori", h_ori)
register_handler("andi", h_andi)
register_handler("slli", h_slli)
register_handler("srli", h_srli)
register_handler("srai", h_srai)
register_handler("addiw", h_addiw)
register_handler("slliw", h_slliw)
register_handler("srliw", h_srliw)
register_handler("sraiw", h_sraiw)
register_handler("add", h_add)
register_handler("sub", h_sub)
register_handler("xor", h_xor)
register_handler("or", h_or)
register_handler("and", h_and)
register_handler("sll", h_sll)
register_handler("srl", h_srl)
register_handler("sra", h_sra)
register_handler("slt", h_slt)
register_handler("sltu", h_sltu)
register_handler("addw", h_addw)
register_handler("subw", h_subw)
register_handler("sllw", h_sllw)
register_handler("srlw", h_srlw)
register_handler("sraw", h_sraw)
register_handler("mul", h_mul)
register_handler("mulh", h_mulh)
register_handler("mulhsu", h_mulhsu)
register_handler("mulhu", h_mulhu)
register_handler("mulw", h_mulw)
register_handler("div", h_div)
register_handler("divu", h_divu)
register_handler("rem", h_rem)
register_handler("remu", h_remu)
register_handler("divw", h_divw)
register_handler("divuw", h_divuw)
register_handler("remw", h_remw)
register_handler("remuw", h_remuw)
register_handler("beq", h_beq)
register_handler("beq@linked", h_beq__linked)
register_handler("beq@far", h_beq__far)
register_handler("bne", h_bne)
register_handler("bne@linked", h_bne__linked)
register_handler("bne@far", h_bne__far)
register_handler("blt", h_blt)
register_handler("blt@linked", h_blt__linked)
register_handler("blt@far", h_blt__far)
register_handler("bge", h_bge)
register_handler("bge@linked", h_bge__linked)
register_handler("bge@far", h_bge__far)
register_handler("bltu", h_bltu)
register_handler("bltu@linked", h_bltu__linked)
register_handler("bltu@far", h_bltu__far)
register_handler("bgeu", h_bgeu)
register_handler("bgeu@linked", h_bgeu__linked)
register_handler("bgeu@far", h_bgeu__far)
register_handler("jal", h_jal)
register_handler("jal@linked", h_jal__linked)
register_handler("jal@far", h_jal__far)
register_handler("jalr", h_jalr)
register_handler("nop", h_nop)
register_handler("mop", h_mop)
