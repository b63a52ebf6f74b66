"""Emission of arithmetic, logic, shifts and comparisons.

``compute`` leaves the value of a node in a register: the wanted one, or rax where the wanted one is still read on the
way. What is covered is computed by whoever covers it.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.code cimport (
    ASIDE_DIVIDE, NO_REGISTER, Away, Code, away, home_of, is_covered, is_imm32, is_number, land8, load_to, node_of,
    op_from, op_with, put, register_of, target_of, use)
from vmcore._fast.jit.t2.emit_bits cimport compute_bits
from vmcore._fast.jit.t2.emit_fp cimport emit_order
from vmcore._fast.jit.t2.ir cimport *
from vmcore._fast.jit.t2.moves cimport PLACE_TEMP, memory_of
from vmcore._fast.jit.t2.places cimport AT_SLOT
from vmcore._fast.jit.x64.asm cimport (
    CC_AE, CC_B, CC_BE, CC_E, CC_G, CC_GE, CC_L, CC_LE, CC_A, CC_NE, F_ADD, F_ADD_I, F_AND, F_ANDN, F_AND_I, F_AND_MR,
    F_ADD_MR, F_BT_I, F_CDQ, F_CMP, F_CMP_I, F_CMP_MR, F_CQO, F_DIV, F_IDIV, F_IMUL, F_IMUL1, F_IMUL_I, F_LEA, F_MOV,
    F_MOVSXD, F_MOVZX16, F_MOVZX8, F_MOV_MR, F_MUL, F_NEG, F_NOT, F_OR, F_OR_I, F_OR_MR, F_SAR_I, F_SUB, F_SUB_I,
    F_SUB_MR, F_TEST, F_TEST_I, F_XOR, F_XOR_I, F_XOR_MR, RAX, RDX, x_cmov, x_cmov_m, x_jcc, x_jcc8, x_jmp_to,
    x_mov_imm, x_plain, x_rm, x_rmi, x_rr, x_rri, x_rx, x_setcc, x_vrm, x_vrr)


# --- sums -------------------------------------------------------------------------------------------------------------

cdef struct Sum:
    uint32_t terms[2]
    uint32_t scales[2]
    uint32_t n
    int64_t constant


cdef void collect(const Code *c, uint32_t node, Sum *s) noexcept nogil:
    # The terms of an ADD and of what it covers.
    cdef const Node *n = node_of(c, node)
    cdef uint32_t i, o
    for i in range(2):
        o = operand(n, i)
        if is_imm32(c, o):
            s.constant += node_of(c, o).imm
        elif is_covered(c, o) and node_of(c, o).op == OP_ADD:
            collect(c, o, s)
        elif s.n < 2:
            if is_covered(c, o):
                s.terms[s.n] = node_of(c, o).a
                s.scales[s.n] = <uint32_t>node_of(c, node_of(c, o).b).imm
            else:
                s.terms[s.n] = o
                s.scales[s.n] = 0
            s.n += 1


cdef inline void swap(Sum *s) noexcept nogil:
    cdef uint32_t term = s.terms[0]
    cdef uint32_t scale = s.scales[0]
    s.terms[0] = s.terms[1]
    s.scales[0] = s.scales[1]
    s.terms[1] = term
    s.scales[1] = scale


cdef int add(Code *c, uint32_t node, int w, int to) noexcept nogil:
    cdef Sum s
    cdef int one, two
    cdef int32_t imm
    s.n = 0
    s.constant = 0
    collect(c, node, &s)
    imm = <int32_t>s.constant
    if s.n < 2:
        # A register and a constant.
        one = register_of(c, s.terms[0]) if s.n else NO_REGISTER
        if s.n == 0:
            x_mov_imm(&c.a, to, <uint64_t>s.constant if w else <uint32_t>s.constant)
        elif imm == 0:
            op_from(c, F_MOV, w, to, s.terms[0], to)
        elif one >= 0 and one != to:
            x_rm(&c.a, F_LEA, w, to, one, imm)
        else:
            load_to(c, s.terms[0], to)
            x_rri(&c.a, F_ADD_I, w, 0, to, imm)
        return to
    if s.scales[0]:
        # The one that is scaled is the index.
        swap(&s)
    one = register_of(c, s.terms[0])
    two = register_of(c, s.terms[1])
    if s.scales[1] == 0 and imm == 0:
        if two == to and one != to:
            swap(&s)
            one, two = two, one
        if one == to or one < 0 or two < 0:
            if one < 0 and two >= 0:
                # The one in memory is added.
                swap(&s)
            load_to(c, s.terms[0], to)
            op_with(c, F_ADD, w, to, s.terms[1])
            return to
    one = use(c, s.terms[0], RAX)
    two = use(c, s.terms[1], RDX)
    x_rx(&c.a, F_LEA, w, to, one, two, s.scales[1], imm)
    return to


# --- two operands -----------------------------------------------------------------------------------------------------

cdef inline int form_of(uint32_t op) noexcept nogil:
    if op == OP_ADD:
        return F_ADD
    if op == OP_SUB:
        return F_SUB
    if op == OP_AND:
        return F_AND
    return F_OR if op == OP_OR else F_XOR


cdef inline int form_with_imm(uint32_t op) noexcept nogil:
    if op == OP_ADD:
        return F_ADD_I
    if op == OP_SUB:
        return F_SUB_I
    if op == OP_AND:
        return F_AND_I
    return F_OR_I if op == OP_OR else F_XOR_I


cdef inline int form_to_memory(uint32_t op) noexcept nogil:
    if op == OP_ADD:
        return F_ADD_MR
    if op == OP_SUB:
        return F_SUB_MR
    if op == OP_AND:
        return F_AND_MR
    return F_OR_MR if op == OP_OR else F_XOR_MR


cdef bint in_its_slot(Code *c, uint32_t node) noexcept nogil:
    # A slot that is read and written by one instruction: its first operand lived there and dies. True: done.
    cdef const Node *n = node_of(c, node)
    cdef uint32_t op = n.op
    cdef uint32_t a = n.a
    cdef uint32_t b = n.b
    cdef int32_t disp = 0
    cdef int base
    if not (op == OP_ADD or op == OP_SUB or OP_AND <= op <= OP_XOR) or is_covered(c, a) or is_covered(c, b):
        return False
    if not AT_SLOT <= c.places[node] < PLACE_TEMP:
        return False
    if c.places[a] != c.places[node]:
        a, b = b, a
        if op == OP_SUB or c.places[a] != c.places[node]:
            return False
    base = memory_of(c.places[node], &disp)
    if is_imm32(c, b):
        x_rmi(&c.a, form_with_imm(op), 1, 0, base, disp, node_of(c, b).imm)
    else:
        x_rm(&c.a, form_to_memory(op), 1, use(c, b, RAX), base, disp)
    return True


cdef int logic(Code *c, uint32_t node, int w, int to) noexcept nogil:
    # AND, OR, XOR.
    cdef const Node *n = node_of(c, node)
    cdef uint32_t a = n.a
    cdef uint32_t b = n.b
    cdef uint64_t imm
    cdef int32_t disp = 0
    cdef int base
    if is_covered(c, a):
        a, b = b, a
    if is_covered(c, b):
        # a and not y
        b = node_of(c, b).a
        base = home_of(c, a, &disp)
        if base >= 0:
            x_vrm(&c.a, F_ANDN, w, to, use(c, b, RDX), base, disp)
        else:
            x_vrr(&c.a, F_ANDN, w, to, use(c, b, RDX), use(c, a, RAX))
        return to
    if is_number(c, a) or register_of(c, b) == to:
        a, b = b, a
    if not is_imm32(c, b):
        load_to(c, a, to)
        op_with(c, form_of(n.op), w, to, b)
        return to
    imm = <uint64_t>node_of(c, b).imm
    if n.op == OP_AND and imm == 0xFF:
        op_from(c, F_MOVZX8, 0, to, a, to)
    elif n.op == OP_AND and imm == 0xFFFF:
        op_from(c, F_MOVZX16, 0, to, a, to)
    elif n.op == OP_AND and <int64_t>imm >= 0:
        # The upper half becomes zero.
        if register_of(c, a) != to:
            op_from(c, F_MOV, 0, to, a, to)
        x_rri(&c.a, F_AND_I, 0, 0, to, <int64_t>imm)
    else:
        load_to(c, a, to)
        x_rri(&c.a, form_with_imm(n.op), w, 0, to, <int64_t>imm)
    return to


cdef int subtract(Code *c, uint32_t node, int w, int to) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef int one
    if is_imm32(c, n.b):
        one = register_of(c, n.a)
        if one >= 0 and one != to and node_of(c, n.b).imm != -(<int64_t>1 << 31):
            x_rm(&c.a, F_LEA, w, to, one, <int32_t>-node_of(c, n.b).imm)
            return to
        load_to(c, n.a, to)
        x_rri(&c.a, F_SUB_I, w, 0, to, node_of(c, n.b).imm)
        return to
    if register_of(c, n.b) == to and register_of(c, n.a) != to:
        to = RAX
    load_to(c, n.a, to)
    op_with(c, F_SUB, w, to, n.b)
    return to


cdef int multiply(Code *c, uint32_t node, int w, int to) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef uint32_t a = n.a
    cdef uint32_t b = n.b
    cdef int32_t disp = 0
    cdef int base
    if is_number(c, a) or register_of(c, b) == to:
        a, b = b, a
    if is_imm32(c, b):
        base = home_of(c, a, &disp)
        if base >= 0:
            x_rmi(&c.a, F_IMUL_I, w, to, base, disp, node_of(c, b).imm)
        else:
            x_rri(&c.a, F_IMUL_I, w, to, use(c, a, RAX), node_of(c, b).imm)
        return to
    load_to(c, a, to)
    op_with(c, F_IMUL, w, to, b)
    return to


cdef int compute(Code *c, uint32_t node, int w, int to) noexcept nogil:
    # Its value, or with w = 0 the lower half of it, whatever is above.
    cdef const Node *n = node_of(c, node)
    cdef uint32_t op = n.op
    if op == OP_ADD:
        return add(c, node, w, to)
    if op == OP_SUB:
        return subtract(c, node, w, to)
    if op == OP_MUL:
        return multiply(c, node, w, to)
    if OP_AND <= op <= OP_XOR:
        return logic(c, node, w, to)
    if op == OP_NEG or op == OP_NOT:
        load_to(c, n.a, to)
        x_rr(&c.a, F_NEG if op == OP_NEG else F_NOT, w, 0, to)
        return to
    if op == OP_MULH or op == OP_MULHU or op == OP_MULHSU:
        return high_product(c, node)
    if OP_DIV <= op <= OP_REMU or OP_DIV32 <= op <= OP_REMU32:
        return divide(c, node)
    return compute_bits(c, node, w, to)


cdef int high_product(Code *c, uint32_t node) noexcept nogil:
    # Into rdx.
    cdef const Node *n = node_of(c, node)
    cdef uint32_t b = n.b
    cdef int32_t disp = 0
    cdef int base = home_of(c, b, &disp)
    if base < 0 and register_of(c, b) < 0:
        # Nothing is left to hold a constant.
        load_to(c, b, RAX)
        base = memory_of(PLACE_TEMP, &disp)
        x_rm(&c.a, F_MOV_MR, 1, RAX, base, disp)
    load_to(c, n.a, RAX)
    if base >= 0:
        x_rm(&c.a, F_IMUL1 if n.op == OP_MULH else F_MUL, 1, 0, base, disp)
    else:
        x_rr(&c.a, F_IMUL1 if n.op == OP_MULH else F_MUL, 1, 0, register_of(c, b))
    if n.op == OP_MULHSU:
        # high(a * b) with a signed and b unsigned = highu(a * b) - (b if a < 0).
        load_to(c, n.a, RAX)
        x_rri(&c.a, F_SAR_I, 1, 0, RAX, 63)
        if base >= 0:
            x_rm(&c.a, F_AND, 1, RAX, base, disp)
        else:
            x_rr(&c.a, F_AND, 1, RAX, register_of(c, b))
        x_rr(&c.a, F_SUB, 1, RDX, RAX)
    return RDX


# --- division ---------------------------------------------------------------------------------------------------------
# By zero gives all ones (the remainder: the dividend), and the most negative number by -1 gives itself (the remainder:
# 0). The host traps on both: they go out of line.

cdef inline bint is_narrow(uint32_t op) noexcept nogil:
    return OP_DIV32 <= op <= OP_REMU32


cdef inline bint is_remainder(uint32_t op) noexcept nogil:
    return op == OP_REM or op == OP_REMU or op == OP_REM32 or op == OP_REMU32


cdef inline bint is_signed(uint32_t op) noexcept nogil:
    return op == OP_DIV or op == OP_REM or op == OP_DIV32 or op == OP_REM32


cdef int divide(Code *c, uint32_t node) noexcept nogil:
    # rdx : rax by a register or memory. Out of line with the dividend in rax.
    cdef const Node *n = node_of(c, node)
    cdef int w = not is_narrow(n.op)
    cdef int32_t disp = 0
    cdef int base = home_of(c, n.b, &disp)
    cdef int by = register_of(c, n.b)
    cdef uint32_t rare = 0
    cdef uint8_t *field = NULL
    if base < 0 and by < 0:
        load_to(c, n.b, RAX)
        base = memory_of(PLACE_TEMP, &disp)
        x_rm(&c.a, F_MOV_MR, 1, RAX, base, disp)
    load_to(c, n.a, RAX)
    # (A constant is never 0 or -1 in its lower half either if it is a positive word.)
    if not is_imm32(c, n.b) or node_of(c, n.b).imm <= 0:
        if is_signed(n.op):
            # rdx: 1 for zero, 0 for -1, which "not above 1" finds.
            if base >= 0:
                x_rm(&c.a, F_MOV, w, RDX, base, disp)
                x_rri(&c.a, F_ADD_I, w, 0, RDX, 1)
            else:
                x_rm(&c.a, F_LEA, w, RDX, by, 1)
            x_rri(&c.a, F_CMP_I, w, 0, RDX, 1)
            field = x_jcc(&c.a, CC_BE)
        else:
            if base >= 0:
                x_rmi(&c.a, F_CMP_I, w, 0, base, disp, 0)
            else:
                x_rr(&c.a, F_TEST, w, by, by)
            field = x_jcc(&c.a, CC_E)
        rare = c.naways
        away(c, field, ASIDE_DIVIDE, node)
    if is_signed(n.op):
        x_plain(&c.a, F_CQO if w else F_CDQ, w)
    else:
        x_rr(&c.a, F_XOR, 0, RDX, RDX)
    if base >= 0:
        x_rm(&c.a, F_IDIV if is_signed(n.op) else F_DIV, w, 0, base, disp)
    else:
        x_rr(&c.a, F_IDIV if is_signed(n.op) else F_DIV, w, 0, by)
    if field != NULL and not c.failed:
        c.aways[rare].back = c.a.at
    if not w:
        x_rr(&c.a, F_MOVSXD, 1, RAX, RDX if is_remainder(n.op) else RAX)
        return RAX
    return RDX if is_remainder(n.op) else RAX


cdef void divide_aside(Code *c, uint32_t node, const Away *w) noexcept nogil:
    cdef uint32_t op = node_of(c, node).op
    cdef uint8_t *back = w.back
    cdef int wide = not is_narrow(op)
    cdef uint8_t *field
    if is_signed(op):
        x_rr(&c.a, F_TEST, 0, RDX, RDX)
        field = x_jcc8(&c.a, CC_NE)
        # By -1: the negated dividend, which wraps as it should.
        if is_remainder(op):
            x_rr(&c.a, F_XOR, 0, RDX, RDX)
        else:
            x_rr(&c.a, F_NEG, wide, 0, RAX)
        x_jmp_to(&c.a, back)
        land8(c, field)
    if is_remainder(op):
        x_rr(&c.a, F_MOV, 1, RDX, RAX)
    else:
        x_mov_imm(&c.a, RAX, ~<uint64_t>0)
    x_jmp_to(&c.a, back)


# --- comparisons ------------------------------------------------------------------------------------------------------

cdef inline int code_of(uint32_t op) noexcept nogil:
    if op == OP_EQ:
        return CC_E
    if op == OP_NE:
        return CC_NE
    if op == OP_LT:
        return CC_L
    if op == OP_GE:
        return CC_GE
    return CC_B if op == OP_LTU else CC_AE


cdef inline int swapped(int cc) noexcept nogil:
    # The condition of b ? a instead of a ? b.
    if cc == CC_L:
        return CC_G
    if cc == CC_GE:
        return CC_LE
    if cc == CC_B:
        return CC_A
    return CC_BE if cc == CC_AE else cc


cdef int test_bits(Code *c, uint32_t node) noexcept nogil:
    # The flags by a & b; the code of "not zero".
    cdef const Node *n = node_of(c, node)
    cdef uint32_t a = n.a
    cdef uint32_t b = n.b
    cdef int32_t disp = 0
    cdef int base
    cdef uint64_t imm
    cdef uint32_t bit = 0
    if is_number(c, a) or register_of(c, b) < 0 <= register_of(c, a) and not is_number(c, b):
        a, b = b, a
    # a: whatever; b: a constant, or in a register if any of them is.
    base = home_of(c, a, &disp)
    if is_number(c, b):
        imm = <uint64_t>node_of(c, b).imm
        if imm == <uint64_t><int64_t><int32_t>imm or imm >> 32 == 0:
            # Below bit 32 alone: those bits are enough, in four bytes that are there in memory too.
            if base >= 0:
                x_rmi(&c.a, F_TEST_I, imm >> 31 > 1, 0, base, disp, <int64_t>imm)
            else:
                x_rri(&c.a, F_TEST_I, imm >> 31 > 1, 0, use(c, a, RAX), <int64_t>imm)
            return CC_NE
        if imm & (imm - 1) == 0:
            while imm >> bit != 1:
                bit += 1
            if base >= 0:
                x_rmi(&c.a, F_BT_I, 1, 0, base, disp, bit)
            else:
                x_rri(&c.a, F_BT_I, 1, 0, use(c, a, RAX), bit)
            return CC_B
    if base >= 0:
        x_rm(&c.a, F_TEST, 1, use(c, b, RDX), base, disp)
    else:
        x_rr(&c.a, F_TEST, 1, use(c, b, RDX), use(c, a, RAX))
    return CC_NE


cdef inline bint is_stripped(const Code *c, uint32_t node) noexcept nogil:
    return is_covered(c, node) and node_of(c, node).op == OP_SEXT32


cdef int compare(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef uint32_t a = n.a
    cdef uint32_t b = n.b
    cdef int cc = code_of(n.op)
    cdef int w = 1
    cdef int32_t disp = 0
    cdef int base
    if is_covered(c, a) and node_of(c, a).op != OP_SEXT32:
        # It is zero, or is not. The opposite of a condition has the next number, or the one before.
        return emit_condition(c, a) ^ (cc == CC_E)
    if is_stripped(c, a) or is_stripped(c, b):
        # Two sign-extended words: their lower halves are compared.
        w = 0
        if is_stripped(c, a):
            a = node_of(c, a).a
        if is_stripped(c, b):
            b = node_of(c, b).a
    if is_number(c, a) and not is_number(c, b):
        a, b = b, a
        cc = swapped(cc)
    base = home_of(c, a, &disp)
    if is_imm32(c, b):
        if node_of(c, b).imm == 0 and base < 0:
            a = use(c, a, RAX)
            x_rr(&c.a, F_TEST, w, a, a)
        elif base >= 0:
            x_rmi(&c.a, F_CMP_I, w, 0, base, disp, node_of(c, b).imm)
        else:
            x_rri(&c.a, F_CMP_I, w, 0, use(c, a, RAX), node_of(c, b).imm)
    elif base >= 0 and home_of(c, b, &disp) < 0:
        base = home_of(c, a, &disp)
        x_rm(&c.a, F_CMP_MR, w, use(c, b, RDX), base, disp)
    else:
        op_with(c, F_CMP, w, use(c, a, RAX), b)
    return cc


cdef int emit_condition(Code *c, uint32_t node) noexcept nogil:
    cdef int32_t disp = 0
    cdef int base
    if is_covered(c, node):
        if node_of(c, node).op == OP_FLT or node_of(c, node).op == OP_FLE:
            return emit_order(c, node)
        return test_bits(c, node) if node_of(c, node).op == OP_AND else compare(c, node)
    if node == c.compared and c.a.at == c.flags:
        return c.compared_cc
    base = home_of(c, node, &disp)
    if base >= 0:
        x_rmi(&c.a, F_CMP_I, 1, 0, base, disp, 0)
    else:
        base = use(c, node, RAX)
        x_rr(&c.a, F_TEST, 1, base, base)
    return CC_NE


cdef void select_one(Code *c, uint32_t node) noexcept nogil:
    # The flags first: moves leave them alone.
    cdef const Node *n = node_of(c, node)
    cdef int cc = emit_condition(c, n.a)
    cdef int to = target_of(c, node)
    cdef uint32_t b = n.b
    cdef uint32_t other = n.c
    cdef int32_t disp = 0
    cdef int base
    if n.type != T_INT:
        c.failed = True
        return
    if register_of(c, b) == to:
        b, other = other, b
        cc ^= 1
    load_to(c, other, to)
    base = home_of(c, b, &disp)
    if base >= 0:
        x_cmov_m(&c.a, cc, 1, to, base, disp)
    else:
        x_cmov(&c.a, cc, 1, to, use(c, b, RDX))
    put(c, node, to)


cdef void compare_to(Code *c, uint32_t node, int to) noexcept nogil:
    # A jump by it that comes next needs no other comparison: moves leave the flags alone.
    c.compared_cc = compare(c, node)
    x_setcc(&c.a, c.compared_cc, RAX)
    x_rr(&c.a, F_MOVZX8, 0, to, RAX)
    put(c, node, to)
    c.compared = node
    c.flags = c.a.at


cdef void emit_int(Code *c, uint32_t node) noexcept nogil:
    cdef const Node *n = node_of(c, node)
    cdef uint32_t op = n.op
    cdef int to = target_of(c, node)
    cdef int reg
    if OP_EQ <= op <= OP_GEU:
        compare_to(c, node, to)
    elif op == OP_SELECT:
        select_one(c, node)
    elif (op == OP_SEXT32 or op == OP_ZEXT32) and is_covered(c, n.a):
        reg = compute(c, n.a, 0, to)
        if op == OP_SEXT32:
            x_rr(&c.a, F_MOVSXD, 1, to, reg)
            reg = to
        elif reg != to:
            x_rr(&c.a, F_MOV, 0, to, reg)
            reg = to
        put(c, node, reg)
    elif not in_its_slot(c, node):
        put(c, node, compute(c, node, 1, to))
