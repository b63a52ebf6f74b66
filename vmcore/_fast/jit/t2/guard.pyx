"""Regions of several pages: what is executed where they are entered."""

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.hart.state cimport FETCH_SIZE, CodeBundle, CodePage, FetchEntry
from vmcore._fast.jit.convention cimport STUB_T2_PAGES, at_fetch_ctx, at_fetches, at_page_base, at_stub
from vmcore._fast.jit.image cimport BEHIND
from vmcore._fast.jit.t2.code cimport ASIDE_PAGES, Code, PageOf, away
from vmcore._fast.jit.t2.exits cimport link_to
from vmcore._fast.jit.t2.pages cimport PAGES_EACH, PAGES_HEAD
from vmcore._fast.jit.x64.asm cimport (
    ASM_SLACK, CC_E, CC_NE, F_ADD_I, F_AND_I, F_CMP, F_LEA, F_MOV, F_SHR_I, F_TEST, RAX, RBP, RCX, RDX, x64_put32,
    x64_put64, x_call_m, x_jcc, x_jcc_to, x_lea_rip, x_mov_imm, x_patch32, x_rm, x_rri, x_rr, x_rx)


cdef inline void unless(Code *c, int cc, uint32_t header) noexcept nogil:
    away(c, x_jcc(&c.a, cc), ASIDE_PAGES, header)


cdef void guard_page(Code *c, const PageOf *page, uint32_t header) noexcept nogil:
    # As page_at() of pages.pyx, but for what the table has forgotten.
    x_rm(&c.a, F_MOV, 1, RDX, RBP, at_page_base())
    x_rri(&c.a, F_ADD_I, 1, 0, RDX, page.at)
    x_rr(&c.a, F_MOV, 1, RAX, RDX)
    x_rri(&c.a, F_SHR_I, 1, 0, RAX, 12)
    x_rri(&c.a, F_AND_I, 0, 0, RAX, FETCH_SIZE - 1)
    # An entry has three words.
    x_rx(&c.a, F_LEA, 1, RAX, RAX, RAX, 1, 0)
    x_rm(&c.a, F_MOV, 1, RCX, RBP, at_fetches())
    x_rx(&c.a, F_LEA, 1, RCX, RCX, RAX, 3, 0)
    x_rm(&c.a, F_CMP, 1, RDX, RCX, <int><size_t>&(<FetchEntry *>NULL).page)
    unless(c, CC_NE, header)
    x_rm(&c.a, F_MOV, 1, RDX, RBP, at_fetch_ctx())
    x_rm(&c.a, F_CMP, 1, RDX, RCX, <int><size_t>&(<FetchEntry *>NULL).ctx)
    unless(c, CC_NE, header)
    x_rm(&c.a, F_MOV, 1, RCX, RCX, <int><size_t>&(<FetchEntry *>NULL).code)
    x_rr(&c.a, F_TEST, 1, RCX, RCX)
    unless(c, CC_E, header)
    x_rm(&c.a, F_MOV, 1, RCX, RCX, <int><size_t>&(<CodePage *>NULL).bundle)
    x_mov_imm(&c.a, RDX, page.serial)
    x_rm(&c.a, F_CMP, 1, RDX, RCX, <int><size_t>&(<CodeBundle *>NULL).serial)
    unless(c, CC_NE, header)


cdef void emit_guard(Code *c) noexcept nogil:
    cdef uint32_t header = <uint32_t>c.g.blocks[1].off
    cdef uint32_t first = c.naways
    cdef uint32_t i
    for i in range(c.npages):
        guard_page(c, &c.pages[i], header)
    for i in range(first, c.naways):
        c.aways[i].back = c.a.at


cdef void guard_aside(Code *c, uint32_t off, uint8_t *back) noexcept nogil:
    c.pages_field = x_lea_rip(&c.a, RDX)
    x_call_m(&c.a, RBP, at_stub(STUB_T2_PAGES))
    x_rr(&c.a, F_TEST, 0, RAX, RAX)
    x_jcc_to(&c.a, CC_E, back)
    link_to(c, off | BEHIND)


cdef void emit_pages(Code *c) noexcept nogil:
    cdef uint8_t *at = c.a.at
    cdef uint32_t i
    if c.npages == 0 or c.a.full:
        return
    if c.a.end - at < <long>(2 * PAGES_HEAD + PAGES_EACH * c.npages + ASM_SLACK):
        c.a.full = 1
        return
    x_patch32(c.pages_field, at)
    x64_put32(at, c.npages)
    at += PAGES_HEAD
    for i in range(c.npages):
        x64_put32(at, <uint32_t>c.pages[i].at)
        x64_put64(at + 4, c.pages[i].serial)
        at += PAGES_EACH
    x64_put32(at, c.npages)
    c.a.at = at + PAGES_HEAD
