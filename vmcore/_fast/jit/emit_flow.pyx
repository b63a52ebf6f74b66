"""Block code for branches and jumps."""

from libc.stdint cimport int32_t, uint32_t

from vmcore._fast.hart.isabits cimport BIT_C, has
from vmcore._fast.hart.state cimport SINK, Op
from vmcore._fast.jit.block cimport (
    AWAY_BEFORE, AWAY_FAR, AWAY_NEXT_RAX, AWAY_STEP, AWAY_TAKEN, END_INDIRECT, END_JUMP, NO_SECOND, Block, add_imm,
    align_link, away, clean_all, go_far, go_rax, go_to, info_of, is_split, link, op_x, page_address, poll, put_x,
    register_emitter, step, target_x)
from vmcore._fast.jit.convention cimport HOST_OF, at_x
from vmcore._fast.jit.x64.asm cimport (
    CC_AE, CC_B, CC_E, CC_GE, CC_L, CC_NE, F_CMP, F_CMP_I, F_CMP_MR, F_MOV, F_TEST, F_TEST_I, RAX, RBP, RDX, x_jcc,
    x_rm, x_rmi, x_rr, x_rri)


cdef inline bint in_page(const Block *b, int32_t off) noexcept nogil:
    # Can it be linked to? (What lies in two pages can be neither a jump's target nor its place.)
    return 0 <= off < 4096 and b.second == NO_SECOND and not is_split(b, <uint32_t>off)


cdef inline bint misaligned(const Block *b, int32_t off) noexcept nogil:
    return off & 2 and not has(b.hart.isa, BIT_C)


cdef inline void compare(Block *b, uint32_t one, uint32_t two) noexcept nogil:
    if two == 0 and HOST_OF[one] >= 0:
        x_rr(&b.a, F_TEST, 1, HOST_OF[one], HOST_OF[one])
    elif two == 0:
        x_rmi(&b.a, F_CMP_I, 1, 0, RBP, at_x(one), 0)
    elif HOST_OF[one] >= 0:
        op_x(b, F_CMP, 1, HOST_OF[one], two)
    elif HOST_OF[two] >= 0:
        x_rm(&b.a, F_CMP_MR, 1, HOST_OF[two], RBP, at_x(one))
    else:
        x_rm(&b.a, F_MOV, 1, RAX, RBP, at_x(one))
        x_rm(&b.a, F_CMP, 1, RAX, RBP, at_x(two))


cdef void branch(Block *b, const Op *op, int cc) noexcept nogil:
    cdef int32_t target = <int32_t>b.off + op.imm
    if misaligned(b, target):
        step(b)
    elif not in_page(b, target):
        compare(b, op.rs1, op.rd)
        away(b, x_jcc(&b.a, cc), AWAY_FAR, <uint32_t>target)
    elif target <= <int32_t>b.off:
        # A loop closes here. The poll comes first, so that the branch itself is one compare and one jump.
        clean_all(b)
        poll(b)
        away(b, x_jcc(&b.a, CC_L), AWAY_BEFORE, b.off)
        compare(b, op.rs1, op.rd)
        align_link(b, 2)
        link(b, x_jcc(&b.a, cc), <uint32_t>target)
    else:
        compare(b, op.rs1, op.rd)
        away(b, x_jcc(&b.a, cc), AWAY_TAKEN, <uint32_t>target)


cdef void e_beq(Block *b, const Op *op) noexcept nogil:
    branch(b, op, CC_E)


cdef void e_bne(Block *b, const Op *op) noexcept nogil:
    branch(b, op, CC_NE)


cdef void e_blt(Block *b, const Op *op) noexcept nogil:
    branch(b, op, CC_L)


cdef void e_bge(Block *b, const Op *op) noexcept nogil:
    branch(b, op, CC_GE)


cdef void e_bltu(Block *b, const Op *op) noexcept nogil:
    branch(b, op, CC_B)


cdef void e_bgeu(Block *b, const Op *op) noexcept nogil:
    branch(b, op, CC_AE)


cdef inline void put_return(Block *b, uint32_t rd) noexcept nogil:
    cdef int to = target_x(rd, RDX)
    if rd != SINK:
        page_address(b, to, <int32_t>b.next)
        put_x(b, rd, to)


cdef void e_jal(Block *b, const Op *op) noexcept nogil:
    cdef int32_t target = <int32_t>b.off + op.imm
    if misaligned(b, target):
        step(b)
        return
    put_return(b, op.rd)
    if not in_page(b, target):
        go_far(b, target)
    elif target > <int32_t>b.off and op.rd == SINK and b.bundle.code[target >> 1] == 0:
        # Forward to a place that is not compiled yet: the block goes on there.
        b.next = <uint32_t>target
        return
    else:
        go_to(b, <uint32_t>target)
    b.why = END_JUMP
    b.ended = True


cdef void e_jalr(Block *b, const Op *op) noexcept nogil:
    # Bit 0 of the target is cleared where it is looked up.
    clean_all(b)
    add_imm(b, RAX, op.rs1, op.imm)
    if not has(b.hart.isa, BIT_C):
        x_rri(&b.a, F_TEST_I, 0, 0, RAX, 2)
        away(b, x_jcc(&b.a, CC_NE), AWAY_STEP, info_of(b, 0))
    put_return(b, op.rd)
    poll(b)
    away(b, x_jcc(&b.a, CC_L), AWAY_NEXT_RAX, 0)
    go_rax(b)
    b.why = END_INDIRECT
    b.ended = True


register_emitter("beq", e_beq, False)
register_emitter("bne", e_bne, False)
register_emitter("blt", e_blt, False)
register_emitter("bge", e_bge, False)
register_emitter("bltu", e_bltu, False)
register_emitter("bgeu", e_bgeu, False)
register_emitter("jal", e_jal, False)
register_emitter("jalr", e_jalr, False)
