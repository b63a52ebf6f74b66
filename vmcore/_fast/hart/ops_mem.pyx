"""Loads, stores and atomics, of both register files: the one way to touch guest memory, through the TLB."""

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.defs cimport gva_t, vmcore_fence, vmcore_likely
from vmcore._fast.hart.access cimport check_block, zero_block
from vmcore._fast.hart.handlers cimport register_handler
from vmcore._fast.hart.state cimport (
    ACC_ATOMIC, ACC_READ, ACC_WRITE, AMO_RL, PRIV_M, PRIV_U, Hart, Op, illegal, next_op, vmcore_go)
from vmcore._fast.hart.isabits cimport BIT_S, has
from vmcore._fast.memory.guestmem cimport (
    gld8, gld16, gld32, gld64, gst8, gst16, gst32, gst64, gswap8, gswap16, gswap32, gswap64, gadd8, gadd16, gadd32,
    gadd64, gand8, gand16, gand32, gand64, gor8, gor16, gor32, gor64, gxor8, gxor16, gxor32, gxor64, gmin8, gmin16,
    gmin32, gmin64, gcas8, gcas16, gcas32, gcas64, gcas128)
from vmcore._fast.memory.tlb cimport TLB_MASK, TlbEntry


cdef void h_lb(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = <uint64_t><int64_t><int8_t>gld8(a + e.addend)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ
        vmcore_go(hart.go_access, op, hart)


cdef void h_lbu(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = gld8(a + e.addend)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ
        vmcore_go(hart.go_access, op, hart)


cdef void h_lh(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094):
        hart.x[op.rd] = <uint64_t><int64_t><int16_t>gld16(a + e.addend)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ
        vmcore_go(hart.go_access, op, hart)


cdef void h_lhu(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094):
        hart.x[op.rd] = gld16(a + e.addend)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ
        vmcore_go(hart.go_access, op, hart)


cdef void h_lw(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092):
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>gld32(a + e.addend)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ
        vmcore_go(hart.go_access, op, hart)


cdef void h_lwu(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092):
        hart.x[op.rd] = gld32(a + e.addend)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ
        vmcore_go(hart.go_access, op, hart)


cdef void h_ld(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088):
        hart.x[op.rd] = gld64(a + e.addend)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ
        vmcore_go(hart.go_access, op, hart)


cdef void h_flh(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if hart.fs == 0:
        illegal(op, hart)
        return
    if vmcore_likely((a ^ e.tag) <= 4094):
        hart.f[op.rd] = gld16(a + e.addend) | 0xFFFFFFFFFFFF0000u
        hart.fs = 3
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ
        vmcore_go(hart.go_access, op, hart)


cdef void h_flw(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if hart.fs == 0:
        illegal(op, hart)
        return
    if vmcore_likely((a ^ e.tag) <= 4092):
        hart.f[op.rd] = gld32(a + e.addend) | 0xFFFFFFFF00000000u
        hart.fs = 3
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ
        vmcore_go(hart.go_access, op, hart)


cdef void h_fld(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if hart.fs == 0:
        illegal(op, hart)
        return
    if vmcore_likely((a ^ e.tag) <= 4088):
        hart.f[op.rd] = gld64(a + e.addend)
        hart.fs = 3
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ
        vmcore_go(hart.go_access, op, hart)


cdef void h_sb(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        gst8(a + e.addend, <uint8_t>hart.x[op.rd])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_WRITE
        vmcore_go(hart.go_access, op, hart)


cdef void h_sh(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094):
        gst16(a + e.addend, <uint16_t>hart.x[op.rd])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_WRITE
        vmcore_go(hart.go_access, op, hart)


cdef void h_sw(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092):
        gst32(a + e.addend, <uint32_t>hart.x[op.rd])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_WRITE
        vmcore_go(hart.go_access, op, hart)


cdef void h_sd(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088):
        gst64(a + e.addend, <uint64_t>hart.x[op.rd])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_WRITE
        vmcore_go(hart.go_access, op, hart)


cdef void h_fsh(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if hart.fs == 0:
        illegal(op, hart)
        return
    if vmcore_likely((a ^ e.tag) <= 4094):
        gst16(a + e.addend, <uint16_t>hart.f[op.rd])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_WRITE
        vmcore_go(hart.go_access, op, hart)


cdef void h_fsw(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if hart.fs == 0:
        illegal(op, hart)
        return
    if vmcore_likely((a ^ e.tag) <= 4092):
        gst32(a + e.addend, <uint32_t>hart.f[op.rd])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_WRITE
        vmcore_go(hart.go_access, op, hart)


cdef void h_fsd(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1] + <uint64_t><int64_t>op.imm
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if hart.fs == 0:
        illegal(op, hart)
        return
    if vmcore_likely((a ^ e.tag) <= 4088):
        gst64(a + e.addend, <uint64_t>hart.f[op.rd])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_WRITE
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoswap_b(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = <uint64_t><int64_t><int8_t>gswap8(a + e.addend, <uint8_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoadd_b(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = <uint64_t><int64_t><int8_t>gadd8(a + e.addend, <uint8_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoand_b(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = <uint64_t><int64_t><int8_t>gand8(a + e.addend, <uint8_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoor_b(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = <uint64_t><int64_t><int8_t>gor8(a + e.addend, <uint8_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoxor_b(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = <uint64_t><int64_t><int8_t>gxor8(a + e.addend, <uint8_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomin_b(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = <uint64_t><int64_t><int8_t>gmin8(a + e.addend, <uint8_t>hart.x[op.imm & 31], True, False)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomax_b(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = <uint64_t><int64_t><int8_t>gmin8(a + e.addend, <uint8_t>hart.x[op.imm & 31], True, True)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amominu_b(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = <uint64_t><int64_t><int8_t>gmin8(a + e.addend, <uint8_t>hart.x[op.imm & 31], False, False)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomaxu_b(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = <uint64_t><int64_t><int8_t>gmin8(a + e.addend, <uint8_t>hart.x[op.imm & 31], False, True)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amocas_b(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4095):
        hart.x[op.rd] = <uint64_t><int64_t><int8_t>gcas8(
            a + e.addend, <uint8_t>hart.x[op.rd & 31], <uint8_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 1 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoswap_h(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094 and not a & 1):
        hart.x[op.rd] = <uint64_t><int64_t><int16_t>gswap16(a + e.addend, <uint16_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoadd_h(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094 and not a & 1):
        hart.x[op.rd] = <uint64_t><int64_t><int16_t>gadd16(a + e.addend, <uint16_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoand_h(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094 and not a & 1):
        hart.x[op.rd] = <uint64_t><int64_t><int16_t>gand16(a + e.addend, <uint16_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoor_h(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094 and not a & 1):
        hart.x[op.rd] = <uint64_t><int64_t><int16_t>gor16(a + e.addend, <uint16_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoxor_h(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094 and not a & 1):
        hart.x[op.rd] = <uint64_t><int64_t><int16_t>gxor16(a + e.addend, <uint16_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomin_h(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094 and not a & 1):
        hart.x[op.rd] = <uint64_t><int64_t><int16_t>gmin16(a + e.addend, <uint16_t>hart.x[op.imm & 31], True, False)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomax_h(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094 and not a & 1):
        hart.x[op.rd] = <uint64_t><int64_t><int16_t>gmin16(a + e.addend, <uint16_t>hart.x[op.imm & 31], True, True)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amominu_h(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094 and not a & 1):
        hart.x[op.rd] = <uint64_t><int64_t><int16_t>gmin16(a + e.addend, <uint16_t>hart.x[op.imm & 31], False, False)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomaxu_h(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094 and not a & 1):
        hart.x[op.rd] = <uint64_t><int64_t><int16_t>gmin16(a + e.addend, <uint16_t>hart.x[op.imm & 31], False, True)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amocas_h(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4094 and not a & 1):
        hart.x[op.rd] = <uint64_t><int64_t><int16_t>gcas16(
            a + e.addend, <uint16_t>hart.x[op.rd & 31], <uint16_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 2 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoswap_w(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>gswap32(a + e.addend, <uint32_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoadd_w(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>gadd32(a + e.addend, <uint32_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoand_w(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>gand32(a + e.addend, <uint32_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoor_w(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>gor32(a + e.addend, <uint32_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoxor_w(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>gxor32(a + e.addend, <uint32_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomin_w(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>gmin32(a + e.addend, <uint32_t>hart.x[op.imm & 31], True, False)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomax_w(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>gmin32(a + e.addend, <uint32_t>hart.x[op.imm & 31], True, True)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amominu_w(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>gmin32(a + e.addend, <uint32_t>hart.x[op.imm & 31], False, False)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomaxu_w(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>gmin32(a + e.addend, <uint32_t>hart.x[op.imm & 31], False, True)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amocas_w(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>gcas32(
            a + e.addend, <uint32_t>hart.x[op.rd & 31], <uint32_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoswap_d(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        hart.x[op.rd] = <uint64_t><int64_t><int64_t>gswap64(a + e.addend, <uint64_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoadd_d(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        hart.x[op.rd] = <uint64_t><int64_t><int64_t>gadd64(a + e.addend, <uint64_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoand_d(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        hart.x[op.rd] = <uint64_t><int64_t><int64_t>gand64(a + e.addend, <uint64_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoor_d(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        hart.x[op.rd] = <uint64_t><int64_t><int64_t>gor64(a + e.addend, <uint64_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amoxor_d(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        hart.x[op.rd] = <uint64_t><int64_t><int64_t>gxor64(a + e.addend, <uint64_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomin_d(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        hart.x[op.rd] = <uint64_t><int64_t><int64_t>gmin64(a + e.addend, <uint64_t>hart.x[op.imm & 31], True, False)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomax_d(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        hart.x[op.rd] = <uint64_t><int64_t><int64_t>gmin64(a + e.addend, <uint64_t>hart.x[op.imm & 31], True, True)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amominu_d(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        hart.x[op.rd] = <uint64_t><int64_t><int64_t>gmin64(a + e.addend, <uint64_t>hart.x[op.imm & 31], False, False)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amomaxu_d(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        hart.x[op.rd] = <uint64_t><int64_t><int64_t>gmin64(a + e.addend, <uint64_t>hart.x[op.imm & 31], False, True)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amocas_d(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        hart.x[op.rd] = <uint64_t><int64_t><int64_t>gcas64(
            a + e.addend, <uint64_t>hart.x[op.rd & 31], <uint64_t>hart.x[op.imm & 31])
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_amocas_q(Op *op, Hart *hart) noexcept nogil:
    # Register pairs; x0 as first of a pair stands for two zeros (Zacas, section 2).
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    cdef uint32_t d = op.rd & 31
    cdef uint32_t s = op.imm & 31
    if (d | s) & 1:
        illegal(op, hart)
        return
    if vmcore_likely((a ^ e.tag) <= 4080 and not a & 15):
        gcas128(a + e.addend, &hart.x[d], d != 0, hart.x[s], hart.x[s + 1] if s else 0)
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 16 | ACC_READ | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_lr_w(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        if op.imm & AMO_RL and hart.sys.parallel:
            vmcore_fence()
        hart.res_value = gld32(a + e.addend)
        hart.x[op.rd] = <uint64_t><int64_t><int32_t>hart.res_value
        hart.res_addr = a
        hart.res_ctx = hart.dctx_key
        hart.res_size = 4
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_READ | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_sc_w(Op *op, Hart *hart) noexcept nogil:
    # A failing SC is checked like one that succeeds; every SC ends the reservation.
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4092 and not a & 3):
        if hart.res_size == 4 and hart.res_addr == a and hart.res_ctx == hart.dctx_key:
            if not hart.sys.parallel:
                gst32(a + e.addend, <uint32_t>hart.x[op.imm & 31])
                hart.x[op.rd] = 0
            else:
                # The value may have been another in between: a deviation (docs/adr/0005-parallel-harts.md).
                hart.x[op.rd] = gcas32(
                    a + e.addend, <uint32_t>hart.res_value, <uint32_t>hart.x[op.imm & 31]
                ) != <uint32_t>hart.res_value
        else:
            hart.x[op.rd] = 1
        hart.res_size = 0
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 4 | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_lr_d(Op *op, Hart *hart) noexcept nogil:
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_r[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        if op.imm & AMO_RL and hart.sys.parallel:
            vmcore_fence()
        hart.res_value = gld64(a + e.addend)
        hart.x[op.rd] = <uint64_t><int64_t><int64_t>hart.res_value
        hart.res_addr = a
        hart.res_ctx = hart.dctx_key
        hart.res_size = 8
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_READ | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef void h_sc_d(Op *op, Hart *hart) noexcept nogil:
    # A failing SC is checked like one that succeeds; every SC ends the reservation.
    cdef gva_t a = hart.x[op.rs1]
    cdef TlbEntry *e = &hart.tlb_w[(a >> 12) & TLB_MASK]
    if vmcore_likely((a ^ e.tag) <= 4088 and not a & 7):
        if hart.res_size == 8 and hart.res_addr == a and hart.res_ctx == hart.dctx_key:
            if not hart.sys.parallel:
                gst64(a + e.addend, <uint64_t>hart.x[op.imm & 31])
                hart.x[op.rd] = 0
            else:
                # The value may have been another in between: a deviation (docs/adr/0005-parallel-harts.md).
                hart.x[op.rd] = gcas64(
                    a + e.addend, <uint64_t>hart.res_value, <uint64_t>hart.x[op.imm & 31]
                ) != <uint64_t>hart.res_value
        else:
            hart.x[op.rd] = 1
        hart.res_size = 0
        next_op(op, hart)
    else:
        hart.acc_addr = a
        hart.acc_info = 8 | ACC_WRITE | ACC_ATOMIC
        vmcore_go(hart.go_access, op, hart)


cdef bint block_allowed(const Hart *hart, uint64_t mask) noexcept nogil:
    # menvcfg enables the operation below M-mode, senvcfg below S-mode (CMO specification, section 2.4).
    if hart.priv < PRIV_M and not hart.menvcfg & mask:
        return False
    return hart.priv != PRIV_U or not has(hart.isa, BIT_S) or hart.senvcfg & mask != 0


cdef void h_cbo_inval(Op *op, Hart *hart) noexcept nogil:
    # No cache is modelled, so nothing is left to do once the operation is allowed.
    if not block_allowed(hart, 3 << 4):
        illegal(op, hart)
    elif check_block(hart, op):
        vmcore_go(hart.go_trap, op, hart)
    else:
        next_op(op, hart)


cdef void h_cbo_clean(Op *op, Hart *hart) noexcept nogil:
    # No cache is modelled, so nothing is left to do once the operation is allowed.
    if not block_allowed(hart, 1 << 6):
        illegal(op, hart)
    elif check_block(hart, op):
        vmcore_go(hart.go_trap, op, hart)
    else:
        next_op(op, hart)


cdef void h_cbo_flush(Op *op, Hart *hart) noexcept nogil:
    # No cache is modelled, so nothing is left to do once the operation is allowed.
    if not block_allowed(hart, 1 << 6):
        illegal(op, hart)
    elif check_block(hart, op):
        vmcore_go(hart.go_trap, op, hart)
    else:
        next_op(op, hart)


cdef void h_cbo_zero(Op *op, Hart *hart) noexcept nogil:
    if not block_allowed(hart, 1 << 7):
        illegal(op, hart)
    elif zero_block(hart, op):
        vmcore_go(hart.go_trap, op, hart)
    else:
        next_op(op, hart)


register_handler("lb", h_lb)
register_handler("lbu", h_lbu)
register_handler("lh", h_lh)
register_handler("lhu", h_lhu)
register_handler("lw", h_lw)
register_handler("lwu", h_lwu)
register_handler("ld", h_ld)
register_handler("flh", h_flh)
register_handler("flw", h_flw)
register_handler("fld", h_fld)
register_handler("sb", h_sb)
register_handler("sh", h_sh)
register_handler("sw", h_sw)
register_handler("sd", h_sd)
register_handler("fsh", h_fsh)
register_handler("fsw", h_fsw)
register_handler("fsd", h_fsd)
register_handler("amoswap.b", h_amoswap_b)
register_handler("amoadd.b", h_amoadd_b)
register_handler("amoand.b", h_amoand_b)
register_handler("amoor.b", h_amoor_b)
register_handler("amoxor.b", h_amoxor_b)
register_handler("amomin.b", h_amomin_b)
register_handler("amomax.b", h_amomax_b)
register_handler("amominu.b", h_amominu_b)
register_handler("amomaxu.b", h_amomaxu_b)
register_handler("amocas.b", h_amocas_b)
register_handler("amoswap.h", h_amoswap_h)
register_handler("amoadd.h", h_amoadd_h)
register_handler("amoand.h", h_amoand_h)
register_handler("amoor.h", h_amoor_h)
register_handler("amoxor.h", h_amoxor_h)
register_handler("amomin.h", h_amomin_h)
register_handler("amomax.h", h_amomax_h)
register_handler("amominu.h", h_amominu_h)
register_handler("amomaxu.h", h_amomaxu_h)
register_handler("amocas.h", h_amocas_h)
register_handler("amoswap.w", h_amoswap_w)
register_handler("amoadd.w", h_amoadd_w)
register_handler("amoand.w", h_amoand_w)
register_handler("amoor.w", h_amoor_w)
register_handler("amoxor.w", h_amoxor_w)
register_handler("amomin.w", h_amomin_w)
register_handler("amomax.w", h_amomax_w)
register_handler("amominu.w", h_amominu_w)
register_handler("amomaxu.w", h_amomaxu_w)
register_handler("amocas.w", h_amocas_w)
register_handler("amoswap.d", h_amoswap_d)
register_handler("amoadd.d", h_amoadd_d)
register_handler("amoand.d", h_amoand_d)
register_handler("amoor.d", h_amoor_d)
register_handler("amoxor.d", h_amoxor_d)
register_handler("amomin.d", h_amomin_d)
register_handler("amomax.d", h_amomax_d)
register_handler("amominu.d", h_amominu_d)
register_handler("amomaxu.d", h_amomaxu_d)
register_handler("amocas.d", h_amocas_d)
register_handler("amocas.q", h_amocas_q)
register_handler("lr.w", h_lr_w)
register_handler("sc.w", h_sc_w)
register_handler("lr.d", h_lr_d)
register_handler("sc.d", h_sc_d)
register_handler("cbo.inval", h_cbo_inval)
register_handler("cbo.clean", h_cbo_clean)
register_handler("cbo.flush", h_cbo_flush)
register_handler("cbo.zero", h_cbo_zero)
