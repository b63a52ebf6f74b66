"""Regions of several pages: are they what they were?"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.defs cimport gva_t
from vmcore._fast.hart.state cimport FETCH_SIZE, PAGES_SIZE, PRIV_S, CodePage, FetchEntry, Hart
from vmcore._fast.hart.translate cimport note_fetch, translate
from vmcore._fast.memory.mmu cimport PTE_G, WALK_OK, WANT_X


cdef CodePage *page_at(Hart *hart, gva_t gva) noexcept nogil:
    # Fetched from there again, if it was before; NULL: that is for T0 to find out.
    cdef FetchEntry *f = &hart.fetches[(gva >> 12) & (FETCH_SIZE - 1)]
    cdef CodePage *page
    cdef uint8_t adue
    cdef int status
    if f.page == gva and f.ctx == hart.fetch_ctx:
        return f.code
    adue = hart.walk.adue
    # So no bit of a page table is set: where one would be, it faults.
    hart.walk.adue = 0
    status = translate(hart, gva, 2, WANT_X, hart.priv)
    hart.walk.adue = adue
    if status != WALK_OK or hart.partial:
        return NULL
    if hart.priv == PRIV_S and hart.walk.levels and not hart.fctx_split and not hart.walk.pte & PTE_G:
        # It would split the context.
        return NULL
    page = hart.pages[(hart.walk.gpa >> 12) & (PAGES_SIZE - 1)]
    while page != NULL and page.gpa != hart.walk.gpa & ~<uint64_t>4095:
        page = page.next
    if page == NULL:
        return NULL
    note_fetch(hart, gva, hart.walk.span)
    f.page = gva
    f.ctx = hart.fetch_ctx
    f.code = page
    return page


cdef uint64_t on_t2_pages(Hart *hart, const uint8_t *record, uint64_t unused) noexcept nogil:
    cdef uint32_t n = 0
    cdef int32_t at = 0
    cdef uint64_t serial = 0
    cdef const CodePage *page
    memcpy(&n, record, 4)
    record += PAGES_HEAD
    for _ in range(n):
        memcpy(&at, record, 4)
        memcpy(&serial, record + 4, 8)
        page = page_at(hart, hart.page_base + <uint64_t><int64_t>at)
        if page == NULL or page.bundle.serial != serial:
            return 1
        record += PAGES_EACH
    return 0
