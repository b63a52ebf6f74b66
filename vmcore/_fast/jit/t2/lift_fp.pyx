"""Lifting F and D.

A register is a double: its 64 bits. A single is boxed in it; what the box was made of is remembered, so that singles
that are computed with one after the other are never boxed. Results of arithmetic are loose until somebody could tell
(ir.pxd): a load, a store or an exit behind them, a move of their bits, or a meeting of ways.
"""

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.hart.fpregs cimport DYNAMIC
from vmcore._fast.hart.handlers cimport handler_number
from vmcore._fast.hart.softcore cimport RTZ
from vmcore._fast.hart.state cimport SINK, Op
from vmcore._fast.jit.t2.build cimport entry_node, make
from vmcore._fast.jit.t2.ir cimport *
from vmcore._fast.jit.t2.lift cimport Lift, clean, get_x, put_x, register_lift, sext32
from vmcore._fast.jit.t2.lift_mem cimport load, store
from vmcore._fast.jit.t2.ways cimport LIFT_ALWAYS, LIFT_EXACT, LIFT_ROUNDED, LIFT_ROUNDED_INT, RD_F, RD_NONE, RD_X

cdef enum:
    MOST_HANDLERS = 1024

# What an instruction computes, by the number of its handler.
cdef struct Calculation:
    uint32_t op
    uint8_t type              # of its operands, or of its result where these are integers
    uint8_t sources
    uint16_t size             # of an integer
    uint8_t flags

cdef Calculation calculations[MOST_HANDLERS]


cdef inline uint32_t rs2_of(const Op *op) noexcept nogil:
    return <uint32_t>op.imm & 31


cdef inline uint32_t rs3_of(const Op *op) noexcept nogil:
    return (<uint32_t>op.imm >> 8) & 31


cdef inline uint32_t rm_of(const Op *op) noexcept nogil:
    return (<uint32_t>op.imm >> 16) & 7


# --- registers --------------------------------------------------------------------------------------------------------

cdef inline uint32_t bits_of(Lift *t, uint32_t r) noexcept nogil:
    # All 64 of them, as anybody can see them.
    clean(t, <uint32_t>1 << r)
    return t.now[F_REGISTERS + r] if t.now[F_REGISTERS + r] else entry_node(t.g, F_REGISTERS + r)


cdef inline uint32_t operand_of(Lift *t, uint32_t r, uint8_t type) noexcept nogil:
    # For arithmetic, which takes one NaN for another.
    if type == T_F64:
        if t.loose >> r & 1:
            return t.now[F_REGISTERS + r]
        return bits_of(t, r)
    if t.boxed >> r & 1:
        return t.single[r]
    return make(t.g, t.block, OP_UNBOX, T_F32, bits_of(t, r), 0, 0, 0)


cdef inline void mark_dirty(Lift *t) noexcept nogil:
    if not t.dirty:
        append(t.g, t.block, OP_DIRTY, T_NONE, 0, 0, 0, 0)
        t.dirty = True


cdef void put_f(Lift *t, uint32_t rd, uint32_t node, uint8_t type, bint loose) noexcept nogil:
    cdef uint32_t one = <uint32_t>1 << rd
    mark_dirty(t)
    t.loose &= ~one
    t.boxed &= ~one
    t.loose_single &= ~one
    if type == T_F32:
        t.single[rd] = node
        t.boxed |= one
        if loose:
            t.loose_single |= one
        node = make(t.g, t.block, OP_BOX, T_F64, node, 0, 0, 0)
    elif loose:
        t.loose |= one
    t.now[F_REGISTERS + rd] = node


# --- arithmetic -------------------------------------------------------------------------------------------------------

cdef inline uint32_t calculate(Lift *t, const Op *op, uint8_t result, uint32_t a, uint32_t b,
                               uint32_t c) noexcept nogil:
    cdef const Calculation *what = &calculations[t.handler]
    cdef uint32_t node = append(t.g, t.block, what.op, result, a, b, c, 0)
    # (Where it does not matter any mode will do.)
    t.g.nodes[node].mode = RTZ if what.op == OP_INT_F and rm_of(op) == RTZ else DYNAMIC
    t.g.nodes[node].size = what.size
    t.g.nodes[node].flags = what.flags
    return node


cdef void l_arithmetic(Lift *t, const Op *op) noexcept nogil:
    cdef const Calculation *what = &calculations[t.handler]
    cdef uint32_t a = operand_of(t, op.rs1, what.type)
    cdef uint32_t b = operand_of(t, rs2_of(op), what.type) if what.sources > 1 else 0
    cdef uint32_t c = operand_of(t, rs3_of(op), what.type) if what.sources > 2 else 0
    put_f(t, op.rd, calculate(t, op, what.type, a, b, c), what.type, True)


cdef void l_compare(Lift *t, const Op *op) noexcept nogil:
    cdef const Calculation *what = &calculations[t.handler]
    cdef uint32_t a = operand_of(t, op.rs1, what.type)
    cdef uint32_t b = operand_of(t, rs2_of(op), what.type)
    # Also where its result goes nowhere: it raises flags.
    put_x(t, op.rd, calculate(t, op, T_INT, a, b, 0))


cdef void l_to_int(Lift *t, const Op *op) noexcept nogil:
    put_x(t, op.rd, calculate(t, op, T_INT, operand_of(t, op.rs1, calculations[t.handler].type), 0, 0))


cdef void l_from_int(Lift *t, const Op *op) noexcept nogil:
    cdef uint8_t type = calculations[t.handler].type
    put_f(t, op.rd, calculate(t, op, type, get_x(t, op.rs1), 0, 0), type, False)


cdef void l_between(Lift *t, const Op *op) noexcept nogil:
    cdef uint8_t source = calculations[t.handler].type
    cdef uint8_t result = T_F32 if source == T_F64 else T_F64
    put_f(t, op.rd, calculate(t, op, result, operand_of(t, op.rs1, source), 0, 0), result, True)


# --- bits -------------------------------------------------------------------------------------------------------------

cdef void l_move_sign(Lift *t, const Op *op) noexcept nogil:
    cdef const Calculation *what = &calculations[t.handler]
    cdef uint32_t rs1 = op.rs1
    cdef uint32_t rs2 = rs2_of(op)
    cdef uint32_t a
    if what.op == OP_FSGNJ and rs1 == rs2 and what.type == T_F64:
        # A move of 64 bits: what is boxed or loose stays so.
        a = t.now[F_REGISTERS + rs1] if t.now[F_REGISTERS + rs1] else entry_node(t.g, F_REGISTERS + rs1)
        if t.boxed >> rs1 & 1:
            put_f(t, op.rd, t.single[rs1], T_F32, t.loose_single >> rs1 & 1)
        else:
            put_f(t, op.rd, a, T_F64, t.loose >> rs1 & 1)
        return
    if what.op == OP_FSGNJ and rs1 == rs2:
        a = operand_of(t, rs1, T_F32)
        put_f(t, op.rd, a, T_F32, t.loose_single >> rs1 & 1)
        return
    clean(t, <uint32_t>1 << rs1 | <uint32_t>1 << rs2)
    a = operand_of(t, rs1, what.type)
    put_f(t, op.rd, make(t.g, t.block, what.op, what.type, a, operand_of(t, rs2, what.type), 0, 0), what.type, False)


cdef void l_fmv_x_d(Lift *t, const Op *op) noexcept nogil:
    if op.rd != SINK:
        put_x(t, op.rd, make(t.g, t.block, OP_BITS, T_INT, bits_of(t, op.rs1), 0, 0, 0))


cdef void l_fmv_x_w(Lift *t, const Op *op) noexcept nogil:
    # The lower half, boxed or not.
    cdef uint32_t node
    if op.rd == SINK:
        return
    clean(t, <uint32_t>1 << op.rs1)
    if t.boxed >> op.rs1 & 1:
        node = make(t.g, t.block, OP_BITS, T_INT, t.single[op.rs1], 0, 0, 0)
    else:
        node = sext32(t, make(t.g, t.block, OP_BITS, T_INT, bits_of(t, op.rs1), 0, 0, 0))
    put_x(t, op.rd, node)


cdef void l_from_bits(Lift *t, const Op *op) noexcept nogil:
    cdef uint8_t type = calculations[t.handler].type
    put_f(t, op.rd, make(t.g, t.block, OP_FROMBITS, type, get_x(t, op.rs1), 0, 0, 0), type, False)


# --- memory -----------------------------------------------------------------------------------------------------------

cdef void l_fld(Lift *t, const Op *op) noexcept nogil:
    put_f(t, op.rd, load(t, op, 8, 0, T_F64), T_F64, False)


cdef void l_flw(Lift *t, const Op *op) noexcept nogil:
    put_f(t, op.rd, load(t, op, 4, 0, T_F32), T_F32, False)


cdef void l_fsd(Lift *t, const Op *op) noexcept nogil:
    store(t, op, 8, bits_of(t, op.rd))


cdef void l_fsw(Lift *t, const Op *op) noexcept nogil:
    # The lower half, boxed or not.
    clean(t, <uint32_t>1 << op.rd)
    if t.boxed >> op.rd & 1:
        store(t, op, 4, t.single[op.rd])
    else:
        store(t, op, 4, make(t.g, t.block, OP_BITS, T_INT, bits_of(t, op.rd), 0, 0, 0))


# --- what is what -----------------------------------------------------------------------------------------------------

cdef int calculates(str name, uint32_t op, uint8_t type, uint8_t sources=0, uint16_t size=0, uint8_t flags=0) except -1:
    cdef Calculation *what = &calculations[handler_number(name)]
    what.op = op
    what.type = type
    what.sources = sources
    what.size = size
    what.flags = flags
    return 0


for _suffix, _type in (("d", T_F64), ("s", T_F32)):
    for _name, _op, _sources in (
        ("fadd", OP_FADD, 2), ("fsub", OP_FSUB, 2), ("fmul", OP_FMUL, 2), ("fdiv", OP_FDIV, 2), ("fsqrt", OP_FSQRT, 1),
        ("fmadd", OP_FMADD, 3), ("fmsub", OP_FMSUB, 3), ("fnmsub", OP_FNMSUB, 3), ("fnmadd", OP_FNMADD, 3),
    ):
        calculates(f"{_name}.{_suffix}", _op, _type, _sources)
        register_lift(f"{_name}.{_suffix}", l_arithmetic, LIFT_ROUNDED, RD_F, True)
    for _name, _op in (("fmin", OP_FMIN), ("fmax", OP_FMAX)):
        calculates(f"{_name}.{_suffix}", _op, _type, 2)
        register_lift(f"{_name}.{_suffix}", l_arithmetic, LIFT_ALWAYS, RD_F, True)
    for _name, _op in (("feq", OP_FEQ), ("flt", OP_FLT), ("fle", OP_FLE)):
        calculates(f"{_name}.{_suffix}", _op, _type, 2)
        register_lift(f"{_name}.{_suffix}", l_compare, LIFT_ALWAYS, RD_X, True)
    for _name, _op in (("fsgnj", OP_FSGNJ), ("fsgnjn", OP_FSGNJN), ("fsgnjx", OP_FSGNJX)):
        calculates(f"{_name}.{_suffix}", _op, _type, 2)
        register_lift(f"{_name}.{_suffix}", l_move_sign, LIFT_ALWAYS, RD_F, True)
    for _int, _size, _flags in (("w", 4, MEM_SIGNED), ("wu", 4, 0), ("l", 8, MEM_SIGNED), ("lu", 8, 0)):
        calculates(f"fcvt.{_int}.{_suffix}", OP_INT_F, _type, 1, _size, _flags)
        register_lift(f"fcvt.{_int}.{_suffix}", l_to_int, LIFT_ROUNDED_INT, RD_X, True)
        calculates(f"fcvt.{_suffix}.{_int}", OP_F_INT, _type, 1, _size, _flags)
        register_lift(f"fcvt.{_suffix}.{_int}", l_from_int,
                      LIFT_EXACT if _suffix == "d" and _size == 4 else LIFT_ROUNDED, RD_F, True)
calculates("fcvt.d.s", OP_F64_F32, T_F32, 1)
register_lift("fcvt.d.s", l_between, LIFT_EXACT, RD_F, True)
calculates("fcvt.s.d", OP_F32_F64, T_F64, 1)
register_lift("fcvt.s.d", l_between, LIFT_ROUNDED, RD_F, True)
calculates("fmv.d.x", OP_FROMBITS, T_F64)
register_lift("fmv.d.x", l_from_bits, LIFT_ALWAYS, RD_F, True)
calculates("fmv.w.x", OP_FROMBITS, T_F32)
register_lift("fmv.w.x", l_from_bits, LIFT_ALWAYS, RD_F, True)
register_lift("fmv.x.d", l_fmv_x_d, LIFT_ALWAYS, RD_X, True)
register_lift("fmv.x.w", l_fmv_x_w, LIFT_ALWAYS, RD_X, True)
register_lift("fld", l_fld, LIFT_ALWAYS, RD_F, True)
register_lift("flw", l_flw, LIFT_ALWAYS, RD_F, True)
register_lift("fsd", l_fsd, LIFT_ALWAYS, RD_NONE, True)
register_lift("fsw", l_fsw, LIFT_ALWAYS, RD_NONE, True)
