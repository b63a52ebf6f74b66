"""Translating one block: decode, emit, and put what is rare behind it."""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.hart.decode cimport decode_number
from vmcore._fast.hart.handlers cimport handler_number
from vmcore._fast.hart.state cimport SINK, CodeBundle, Hart, Op
from vmcore._fast.jit.convention cimport (
    STUB_CLEAN, STUB_LOST, STUB_MISS, STUB_NEXT, STUB_NEXT_RAX, STUB_STEP, at_budget, at_f, at_stub)
from vmcore._fast.jit.l1 cimport jump_rax
from vmcore._fast.jit.x64.asm cimport (
    CC_L, CC_P, F_ADD_I, F_MOVSD_LOAD, F_UCOMISD, F_UCOMISS, RAX, RBP, RDX, x_call_m, x_jcc, x_jcc8, x_jmp, x_jmp8,
    x_jmp_m, x_jmp_to, x_mov_imm, x_patch32, x_patch8, x_rm, x_rmi, x_rr)
from vmcore._fast.memory.guestmem cimport gld16, gld32

cdef extern from *:
    int lowest_bit "__builtin_ctz"(uint32_t v) noexcept nogil

cdef enum:
    MOST_HANDLERS = 1024
    # Blocks that do not grow any more have room for their stubs.
    STUB_ROOM = 8192

cdef emit_t emitters[MOST_HANDLERS]
cdef bint pure[MOST_HANDLERS]


cdef int register_emitter(str name, emit_t emit, bint is_pure) except -1:
    cdef uint32_t number = handler_number(name)
    emitters[number] = emit
    pure[number] = is_pure
    return 0


cdef emit_t emitter_of(uint32_t handler) noexcept nogil:
    return emitters[handler]


cdef void go_rax(Block *b) noexcept nogil:
    away(b, jump_rax(&b.a, b.sys.counting), AWAY_LOST, 0)


cdef inline uint8_t *test_two(Block *b, uint32_t *left, bint near) noexcept nogil:
    # One comparison tells whether either of two registers holds a NaN: take them out of *left, return its jump.
    cdef uint32_t half = left[0] & 0xFFFF
    cdef uint32_t shift = 0 if half else 16
    cdef int one, two
    half = left[0] >> shift & 0xFFFF
    one = lowest_bit(half)
    half &= half - 1
    two = lowest_bit(half) if half else one
    left[0] &= ~(((<uint32_t>1 << one) | (<uint32_t>1 << two)) << shift)
    x_rr(&b.a, F_UCOMISS if shift else F_UCOMISD, 0, one, two)
    return x_jcc8(&b.a, CC_P) if near else x_jcc(&b.a, CC_P)


cdef void clean(Block *b, uint32_t which) noexcept nogil:
    cdef uint32_t left = b.loose & which
    cdef uint32_t before
    cdef uint8_t *field
    b.loose &= ~which
    while left:
        before = left
        field = test_two(b, &left, False)
        away(b, field, AWAY_CLEAN, before & ~left)


cdef void clean_out_of_line(Block *b) noexcept nogil:
    # The same where nothing lies behind the code any more.
    cdef uint32_t which = b.loose
    cdef uint32_t left = which
    cdef uint8_t *found[16]
    cdef uint8_t *done
    cdef uint32_t n = 0
    cdef uint32_t i
    b.loose = 0
    while left:
        found[n] = test_two(b, &left, True)
        n += 1
    if n == 0:
        return
    done = x_jmp8(&b.a)
    if not b.a.full:
        for i in range(n):
            x_patch8(found[i], b.a.at)
    x_mov_imm(&b.a, RDX, which)
    x_call_m(&b.a, RBP, at_stub(STUB_CLEAN))
    if not b.a.full:
        x_patch8(done, b.a.at)


cdef void go_far(Block *b, int32_t off) noexcept nogil:
    clean_all(b)
    page_address(b, RAX, off)
    poll(b)
    away(b, x_jcc(&b.a, CC_L), AWAY_NEXT_RAX, 0)
    go_rax(b)


cdef inline bint is_probed_place(const Block *b, uint32_t off) noexcept nogil:
    return (b.sys.probe_map[off >> 4] >> ((off >> 1) & 7)) & 1


cdef bint peek_next(const Block *b, Op *op, uint32_t *handler, uint32_t *length) noexcept nogil:
    cdef uint32_t off = b.next
    cdef uint32_t insn
    if off >= 4096 or b.insns >= MAX_INSNS or is_probed_place(b, off):
        return False
    insn = gld16(<uint64_t>&b.bundle.saved[0] + off)
    if insn & 3 == 3:
        if off == 4094:
            return False
        insn = gld32(<uint64_t>&b.bundle.saved[0] + off)
    length[0] = decode_number(b.hart.isa, insn, op, handler)
    return True


cdef void emit_stubs(Block *b) noexcept nogil:
    # More of them may come while they are written.
    cdef Stub *s
    cdef uint32_t i = 0
    cdef uint32_t k
    while i < b.nstubs:
        s = &b.stubs[i]
        if s.kind == AWAY_NEXT or s.kind == AWAY_NEXT_RAX or s.kind == AWAY_STEP or s.kind == AWAY_LOST:
            # The same exit, if it is there already.
            k = 0
            while k < i and not (b.stubs[k].kind == s.kind and b.stubs[k].info == s.info
                                 and b.stubs[k].loose == s.loose):
                k += 1
            if k < i:
                if not b.a.full:
                    x_patch32(s.field, b.stubs[k].back)
                i += 1
                continue
        if not b.a.full:
            x_patch32(s.field, b.a.at)
        b.count = s.count
        b.loose = s.loose
        forget_f(b)
        if s.kind == AWAY_CLEAN:
            x_mov_imm(&b.a, RDX, s.info)
            x_call_m(&b.a, RBP, at_stub(STUB_CLEAN))
            x_jmp_to(&b.a, s.back)
            i += 1
            continue
        if s.kind == AWAY_LATE:
            s.late(b, s)
            i += 1
            continue
        s.back = b.a.at if s.kind != AWAY_MISS else s.back
        if s.kind == AWAY_TAKEN or s.kind == AWAY_FAR:
            clean_out_of_line(b)
        elif s.loose:
            x_mov_imm(&b.a, RDX, s.loose)
            x_call_m(&b.a, RBP, at_stub(STUB_CLEAN))
        if s.kind == AWAY_MISS:
            x_mov_imm(&b.a, RDX, s.info)
            x_call_m(&b.a, RBP, at_stub(STUB_MISS))
            for k in range(2):
                if s.held[k] != NOT_HELD:
                    x_rm(&b.a, F_MOVSD_LOAD, 0, k, RBP, at_f(s.held[k]))
            x_jmp_to(&b.a, s.back)
        elif s.kind == AWAY_TAKEN:
            go_to(b, s.info)
        elif s.kind == AWAY_FAR:
            go_far(b, <int32_t>s.info)
        elif s.kind == AWAY_BEFORE:
            x_rmi(&b.a, F_ADD_I, 1, 0, RBP, at_budget(), 1)
            x_mov_imm(&b.a, RDX, s.info)
            x_jmp_m(&b.a, RBP, at_stub(STUB_NEXT))
        elif s.kind == AWAY_NEXT:
            x_mov_imm(&b.a, RDX, s.info)
            x_jmp_m(&b.a, RBP, at_stub(STUB_NEXT))
        elif s.kind == AWAY_NEXT_RAX:
            x_jmp_m(&b.a, RBP, at_stub(STUB_NEXT_RAX))
        elif s.kind == AWAY_LOST:
            x_jmp_m(&b.a, RBP, at_stub(STUB_LOST))
        else:
            x_mov_imm(&b.a, RDX, s.info)
            x_jmp_m(&b.a, RBP, at_stub(STUB_STEP))
        i += 1


cdef bint translate_block(Block *b, Hart *hart, CodeBundle *bundle, uint32_t off, uint32_t second) noexcept nogil:
    cdef uint8_t *bytes_ = bundle.saved
    cdef uint32_t insn, length
    cdef Op op
    cdef emit_t emit
    b.hart = hart
    b.sys = hart.sys
    b.bundle = bundle
    b.start = off
    b.next = off
    b.second = second
    b.count = 0
    b.insns = 0
    b.ended = False
    b.failed = False
    b.nstubs = 0
    b.nlinks = 0
    b.fp_ready = False
    b.fs_dirty = False
    b.boxed = 0
    b.loose = 0
    b.latest = 0
    b.results = 0
    forget_f(b)
    while not b.ended:
        b.off = b.next
        off = b.off
        if off >= 4096:
            go_far(b, <int32_t>off)
            b.why = END_PAGE
            break
        if b.insns and (bundle.code[off >> 1] or b.insns >= MAX_INSNS or b.nstubs > MAX_STUBS // 2
                        or b.nlinks > MAX_LINKS // 2 or b.a.end - b.a.at < STUB_ROOM):
            go_to(b, off)
            b.why = END_NEXT if bundle.code[off >> 1] else END_LIMIT
            break
        if is_probed_place(b, off):
            if b.insns == 0:
                return False
            poll(b)
            away(b, x_jmp(&b.a), AWAY_NEXT, off)
            b.why = END_PROBE
            break
        insn = gld16(<uint64_t>bytes_ + off)
        if insn & 3 == 3:
            if off < 4094:
                insn = gld32(<uint64_t>bytes_ + off)
            elif b.insns:
                # Half of it lies in the next page: it has a block of its own.
                go_far(b, <int32_t>off)
                b.why = END_PAGE
                break
            elif second == NO_SECOND:
                return False
            else:
                insn |= second << 16
        length = decode_number(hart.isa, insn, &op, &b.handler)
        emit = emitters[b.handler]
        b.next = off + length
        b.count += 1
        b.insns += 1
        if emit == NULL:
            if b.insns == 1:
                return False
            step(b)
        elif op.rd != SINK or not pure[b.handler]:
            emit(b, &op)
        if b.failed:
            return False
    emit_stubs(b)
    return not b.failed and not b.a.full
