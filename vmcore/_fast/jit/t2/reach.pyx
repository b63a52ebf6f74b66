"""Where a page leads to: branches, jumps, and calls by auipc and jalr."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.hart.decode cimport decode_number
from vmcore._fast.hart.handlers cimport handler_number
from vmcore._fast.hart.state cimport Op
from vmcore._fast.jit.t2.ir cimport MOST_OFF
from vmcore._fast.jit.t2.ways cimport BRANCHES, DIES, JUMPS, JUMPS_FAR, control_of

cdef enum:
    PAGE_END = 4096

cdef uint32_t AUIPC = handler_number("auipc")


cdef uint32_t note(Led *led, uint32_t n, int64_t to, uint32_t distance) noexcept nogil:
    # Sorted by distance.
    cdef uint32_t i = 0
    cdef Led one
    if 0 <= to < PAGE_END or not -MOST_OFF < to < MOST_OFF:
        return n
    while i < n and led[i].to >> 12 != <int32_t>to >> 12:
        i += 1
    if i == n:
        if n == MOST_LED:
            return n
        n += 1
    elif led[i].distance <= distance:
        return n
    one.to = <int32_t>to
    one.distance = distance
    while i and led[i - 1].distance > distance:
        led[i] = led[i - 1]
        i -= 1
    led[i] = one
    return n


cdef inline bint may_lead(uint32_t insn) noexcept nogil:
    # Is it worth decoding? The hart waits meanwhile, so what is none of these is passed over by its length: branches,
    # jalr, jal, auipc; c.j, c.beqz, c.bnez.
    cdef uint32_t opcode = insn & 0x7F
    if insn & 3 == 3:
        return opcode == 0x63 or opcode == 0x67 or opcode == 0x6F or opcode == 0x17
    return insn & 3 == 1 and (insn >> 13 & 7) >= 5


cdef uint32_t led_to(const uint8_t *page, const uint8_t *warm, uint64_t isa, uint32_t here, Led *led) noexcept nogil:
    cdef uint32_t off = 0
    cdef uint32_t n = 0
    cdef uint32_t insn, length, handler, control, distance
    # What auipc has put into which register, just before.
    cdef int64_t known = 0
    cdef uint32_t where = 0
    cdef Op op
    while off < PAGE_END:
        if not warm[off >> 4] >> (off >> 1 & 7) & 1:
            off += 2
            where = 0
            continue
        insn = 0
        memcpy(&insn, page + off, 4 if off < PAGE_END - 2 else 2)
        distance = off - here if off > here else here - off
        if insn & 3 == 3 and off == PAGE_END - 2:
            # It ends in the next page.
            return note(led, n, PAGE_END, distance)
        if not may_lead(insn):
            where = 0
            off += 4 if insn & 3 == 3 else 2
            if off == PAGE_END:
                n = note(led, n, PAGE_END, distance)
            continue
        length = decode_number(isa, insn, &op, &handler)
        control = control_of(handler)
        if control == BRANCHES or control == JUMPS:
            n = note(led, n, <int64_t>off + op.imm, distance)
        elif control == JUMPS_FAR and where and op.rs1 == where:
            n = note(led, n, known + op.imm, distance)
        where = 0
        if handler == AUIPC:
            where = op.rd
            known = <int64_t>off + op.imm
        off += length
        if off == PAGE_END and control != DIES and control != JUMPS and control != JUMPS_FAR:
            n = note(led, n, PAGE_END, distance)
    return n
