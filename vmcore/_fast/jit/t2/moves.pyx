"""Parallel moves: put into an order, cycles broken, and emitted."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.jit.convention cimport at_f, at_page_base, at_x
from vmcore._fast.jit.t2.ir cimport F_REGISTERS
from vmcore._fast.jit.t2.places cimport AT_SLOT, AT_XMM
from vmcore._fast.jit.x64.asm cimport (
    F_LEA, F_MOV, F_MOVAPS, F_MOVQ_RX, F_MOVQ_XR, F_MOVSD_LOAD, F_MOVSD_STORE, F_MOV_MI, F_MOV_MR, RAX, RBP, RDX, RSP,
    Asm, x_mov_imm, x_rm, x_rmi, x_rr)


cdef int memory_of(uint32_t place, int32_t *disp) noexcept nogil:
    if place >= PLACE_BASE or place < AT_SLOT:
        return -1
    if place >= PLACE_HOME + F_REGISTERS:
        disp[0] = at_f(place - PLACE_HOME - F_REGISTERS)
        return RBP
    if place >= PLACE_HOME:
        disp[0] = at_x(place - PLACE_HOME)
        return RBP
    disp[0] = 8 * <int32_t>(place - AT_SLOT)
    return RSP


cdef uint32_t order_moves(Move *moves, uint32_t n, Move *steps, bint keep_rax) noexcept nogil:
    # A move may be made once nobody wants to read its target any more. Where every target is still wanted, each is
    # wanted once: only cycles are left, and one value of a cycle goes aside.
    cdef uint8_t wanted[NUM_PLACES]
    cdef uint32_t left = 0
    cdef uint32_t done = 0
    cdef uint32_t kept, i
    cdef uint16_t aside
    memset(wanted, 0, sizeof(wanted))
    for i in range(n):
        if moves[i].to != moves[i].source:
            moves[left] = moves[i]
            wanted[moves[left].source] += 1
            left += 1
    while left:
        kept = 0
        for i in range(left):
            if wanted[moves[i].to]:
                moves[kept] = moves[i]
                kept += 1
            else:
                steps[done] = moves[i]
                done += 1
                wanted[moves[i].source] -= 1
        if kept == left:
            if AT_XMM <= moves[0].to < AT_SLOT:
                aside = AT_XMM
            else:
                aside = PLACE_TEMP if keep_rax else RAX
            steps[done].to = aside
            steps[done].source = moves[0].to
            steps[done].value = 0
            done += 1
            for i in range(left):
                if moves[i].source == moves[0].to:
                    moves[i].source = aside
                    wanted[moves[0].to] -= 1
                    wanted[aside] += 1
        left = kept
    return done


cdef inline void constant(Asm *a, const Move *m) noexcept nogil:
    cdef int32_t disp = 0
    cdef int base = memory_of(m.to, &disp)
    if base >= 0 and m.value == <int32_t>m.value:
        x_rmi(a, F_MOV_MI, 1, 0, base, disp, m.value)
        return
    if m.to < AT_XMM:
        x_mov_imm(a, m.to, <uint64_t>m.value)
        return
    x_mov_imm(a, RDX, <uint64_t>m.value)
    if base >= 0:
        x_rm(a, F_MOV_MR, 1, RDX, base, disp)
    else:
        x_rr(a, F_MOVQ_XR, 0, <int>m.to - AT_XMM, RDX)


cdef inline void page_address(Asm *a, const Move *m) noexcept nogil:
    cdef int32_t disp = 0
    cdef int base = memory_of(m.to, &disp)
    cdef int to = m.to if m.to < AT_XMM else RDX
    x_rm(a, F_MOV, 1, to, RBP, at_page_base())
    if m.value:
        x_rm(a, F_LEA, 1, to, to, <int32_t>m.value)
    if base >= 0:
        x_rm(a, F_MOV_MR, 1, RDX, base, disp)


cdef void emit_move(Asm *a, const Move *m) noexcept nogil:
    cdef int32_t to_disp = 0
    cdef int32_t disp = 0
    cdef int to_base, base
    cdef int to = m.to
    cdef int source = m.source
    if source == PLACE_CONST:
        constant(a, m)
        return
    if source == PLACE_BASE:
        page_address(a, m)
        return
    to_base = memory_of(m.to, &to_disp)
    base = memory_of(m.source, &disp)
    if base >= 0 and to_base >= 0:
        x_rm(a, F_MOV, 1, RDX, base, disp)
        x_rm(a, F_MOV_MR, 1, RDX, to_base, to_disp)
    elif base >= 0:
        if to >= AT_XMM:
            x_rm(a, F_MOVSD_LOAD, 0, to - AT_XMM, base, disp)
        else:
            x_rm(a, F_MOV, 1, to, base, disp)
    elif to_base >= 0:
        if source >= AT_XMM:
            x_rm(a, F_MOVSD_STORE, 0, source - AT_XMM, to_base, to_disp)
        else:
            x_rm(a, F_MOV_MR, 1, source, to_base, to_disp)
    elif to >= AT_XMM and source >= AT_XMM:
        x_rr(a, F_MOVAPS, 0, to - AT_XMM, source - AT_XMM)
    elif to >= AT_XMM:
        x_rr(a, F_MOVQ_XR, 0, to - AT_XMM, source)
    elif source >= AT_XMM:
        x_rr(a, F_MOVQ_RX, 0, source - AT_XMM, to)
    else:
        x_rr(a, F_MOV, 1, to, source)
