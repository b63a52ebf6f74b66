"""The look-up of a place in the table of compiled code, by compiled code."""

from libc.stdint cimport uint8_t

from vmcore._fast.hart.state cimport L1_MASK
from vmcore._fast.jit.convention cimport at_l1, at_l1_tag, at_n_hits, at_n_lookups, at_page_base
from vmcore._fast.jit.x64.asm cimport (
    CC_NE, F_ADD_I, F_AND_I, F_CMP, F_MOV, F_MOV_MR, F_SHR_I, F_XOR, RAX, RBP, RCX, RDX, Asm, x_jcc, x_jmp_x, x_rm,
    x_rmi, x_rr, x_rri, x_rx)


cdef uint8_t *jump_rax(Asm *a, bint counting) noexcept nogil:
    # In line: one indirect jump for each place that makes it.
    cdef uint8_t *lost
    if counting:
        x_rmi(a, F_ADD_I, 1, 0, RBP, at_n_lookups(), 1)
    # l1_index(), twice.
    x_rr(a, F_MOV, 0, RCX, RAX)
    x_rri(a, F_SHR_I, 0, 0, RCX, 12)
    x_rr(a, F_XOR, 0, RCX, RAX)
    x_rri(a, F_AND_I, 0, 0, RCX, L1_MASK << 1)
    x_rr(a, F_MOV, 1, RDX, RAX)
    x_rm(a, F_XOR, 1, RDX, RBP, at_l1_tag())
    x_rx(a, F_CMP, 1, RDX, RBP, RCX, 3, at_l1())
    lost = x_jcc(a, CC_NE)
    if counting:
        x_rmi(a, F_ADD_I, 1, 0, RBP, at_n_hits(), 1)
    x_rri(a, F_AND_I, 1, 0, RAX, -4096)
    x_rm(a, F_MOV_MR, 1, RAX, RBP, at_page_base())
    x_jmp_x(a, RBP, RCX, 3, at_l1() + 8)
    return lost
