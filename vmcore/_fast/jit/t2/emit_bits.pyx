"""Emission of shifts, rotations, extensions and operations on bits."""

from libc.stdint cimport int32_t, uint32_t

from vmcore._fast.jit.t2.code cimport Code, home_of, is_number, load_to, node_of, op_from, register_of, use
from vmcore._fast.jit.t2.ir cimport *
from vmcore._fast.jit.t2.moves cimport PLACE_TEMP, memory_of
from vmcore._fast.jit.x64.asm cimport (
    F_ADD, F_AND, F_BSWAP, F_IMUL_I, F_LZCNT, F_MOV, F_MOVSX16, F_MOVSX8, F_MOVSXD, F_MOVZX16, F_MOVZX8, F_MOV_MR,
    F_NEG, F_NOT, F_OR, F_POPCNT, F_RORX, F_SARX, F_SAR_I, F_SHLX, F_SHL_I, F_SHRX, F_SHR_I, F_TZCNT, RAX, RDX,
    x_mov_imm, x_rm, x_rmi, x_rr, x_rri, x_vrm, x_vrr)


cdef inline int amount_form(uint32_t op) noexcept nogil:
    # By a constant.
    if op == OP_SHL or op == OP_SHL32:
        return F_SHL_I
    return F_SHR_I if op == OP_SHR or op == OP_SHR32 else F_SAR_I


cdef inline int register_form(uint32_t op) noexcept nogil:
    if op == OP_SHL or op == OP_SHL32:
        return F_SHLX
    return F_SHRX if op == OP_SHR or op == OP_SHR32 else F_SARX


cdef inline void shift_by(Code *c, int form, int w, int to, uint32_t a, int amount) noexcept nogil:
    # to <- a shifted by a register. A constant goes through `to`, which is not the amount's then.
    cdef int32_t disp = 0
    cdef int base = home_of(c, a, &disp)
    if base >= 0:
        x_vrm(&c.a, form, w, to, amount, base, disp)
    else:
        x_vrr(&c.a, form, w, to, amount, use(c, a, RAX))


cdef int shift(Code *c, uint32_t node, int w, int to) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef uint32_t op = n.op
    cdef bint narrow = op >= OP_SHL32
    cdef uint32_t amount = 0
    if narrow:
        w = 0
    if is_number(c, n.b):
        amount = <uint32_t>node_of(c, n.b).imm & (31 if narrow else 63)
        if register_of(c, n.a) != to:
            op_from(c, F_MOV, w, to, n.a, to)
        if amount == 1 and amount_form(op) == F_SHL_I:
            x_rr(&c.a, F_ADD, w, to, to)
        elif amount:
            x_rri(&c.a, amount_form(op), w, 0, to, amount)
    else:
        shift_by(c, register_form(op), w, to, n.a, use(c, n.b, RDX))
    if narrow and (op != OP_SHR32 or amount == 0):
        # (What comes in from the left is 0, and so is the sign.)
        x_rr(&c.a, F_MOVSXD, 1, to, to)
    return to


cdef int rotate(Code *c, uint32_t node, int to) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef int w = n.op == OP_ROTR
    cdef int32_t disp = 0
    cdef int base = home_of(c, n.a, &disp)
    cdef int reg = register_of(c, n.a)
    cdef uint32_t amount
    if is_number(c, n.b):
        amount = <uint32_t>node_of(c, n.b).imm & (63 if w else 31)
        if base >= 0:
            x_rmi(&c.a, F_RORX, w, to, base, disp, amount)
        else:
            x_rri(&c.a, F_RORX, w, to, use(c, n.a, RAX), amount)
    else:
        # No host rotates by any register but cl: a >> n | a << -n, the amounts modulo the width.
        if base < 0 and reg < 0:
            load_to(c, n.a, RAX)
            base = memory_of(PLACE_TEMP, &disp)
            x_rm(&c.a, F_MOV_MR, 1, RAX, base, disp)
        load_to(c, n.b, RDX)
        if base >= 0:
            x_vrm(&c.a, F_SHRX, w, RAX, RDX, base, disp)
        else:
            x_vrr(&c.a, F_SHRX, w, RAX, RDX, reg)
        x_rr(&c.a, F_NEG, 0, 0, RDX)
        if base >= 0:
            x_vrm(&c.a, F_SHLX, w, RDX, RDX, base, disp)
        else:
            x_vrr(&c.a, F_SHLX, w, RDX, RDX, reg)
        x_rr(&c.a, F_OR, w, RAX, RDX)
        if w:
            return RAX
        x_rr(&c.a, F_MOVSXD, 1, to, RAX)
        return to
    if not w:
        x_rr(&c.a, F_MOVSXD, 1, to, to)
    return to


cdef int combine_bytes(Code *c, uint32_t node) noexcept nogil:
    # Bit 7 of each byte becomes whether the byte is nonzero (the low seven bits plus 0x7f carry into it, and never out
    # of the byte); then 1 -> 0xff in each byte is a multiplication by 255.
    cdef const Node *n = node_of(c, node)
    cdef int32_t disp = 0
    cdef int base
    load_to(c, n.a, RAX)
    base = memory_of(PLACE_TEMP, &disp)
    x_rm(&c.a, F_MOV_MR, 1, RAX, base, disp)
    x_mov_imm(&c.a, RDX, 0x7F7F7F7F7F7F7F7F)
    x_rr(&c.a, F_AND, 1, RAX, RDX)
    x_rr(&c.a, F_ADD, 1, RAX, RDX)
    x_rm(&c.a, F_OR, 1, RAX, base, disp)
    x_rr(&c.a, F_NOT, 1, 0, RDX)
    x_rr(&c.a, F_AND, 1, RAX, RDX)
    x_rri(&c.a, F_SHR_I, 1, 0, RAX, 7)
    x_rri(&c.a, F_IMUL_I, 1, RAX, RAX, 255)
    return RAX


cdef int compute_bits(Code *c, uint32_t node, int w, int to) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef uint32_t op = n.op
    if OP_SHL <= op <= OP_SAR or OP_SHL32 <= op <= OP_SAR32:
        return shift(c, node, w, to)
    if op == OP_ROTR or op == OP_ROTR32:
        return rotate(c, node, to)
    if op == OP_ORCB:
        return combine_bytes(c, node)
    if op == OP_SEXT8:
        op_from(c, F_MOVSX8, 1, to, n.a, to)
    elif op == OP_SEXT16:
        op_from(c, F_MOVSX16, 1, to, n.a, to)
    elif op == OP_SEXT32:
        op_from(c, F_MOVSXD, 1, to, n.a, to)
    elif op == OP_ZEXT8:
        op_from(c, F_MOVZX8, 0, to, n.a, to)
    elif op == OP_ZEXT16:
        op_from(c, F_MOVZX16, 0, to, n.a, to)
    elif op == OP_ZEXT32:
        op_from(c, F_MOV, 0, to, n.a, to)
    elif op == OP_CLZ or op == OP_CLZ32:
        # All of these count to the width of their operand; the narrow ones' results are small: zero-extended.
        op_from(c, F_LZCNT, op == OP_CLZ, to, n.a, to)
    elif op == OP_CTZ or op == OP_CTZ32:
        op_from(c, F_TZCNT, op == OP_CTZ, to, n.a, to)
    elif op == OP_POPCNT or op == OP_POPCNT32:
        op_from(c, F_POPCNT, op == OP_POPCNT, to, n.a, to)
    elif op == OP_BSWAP:
        load_to(c, n.a, to)
        x_rr(&c.a, F_BSWAP, 1, 0, to)
    else:
        # Nothing that is computed.
        c.failed = True
    return to
