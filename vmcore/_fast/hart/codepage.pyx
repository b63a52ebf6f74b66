"""Decoded pages: for each physical page of code a dense array of operations and a halfword -> operation map.

A page is decoded in runs, from an address that is jumped to up to the next unconditional transfer. Where a run meets
operations that exist, a GOTO joins them; at the page's end stands PAGE_END, and a four-byte instruction in the last
halfword becomes STRADDLE, which is decoded anew each time. Pages are counted and dropped when they pass a limit.

Everything of a page, compiled code included, is made from the bytes that were saved when it was first decoded. Stores
that come later mark the page; a fence.i compares the bytes and drops the page if they differ. (Until then a hart may
execute either: unprivileged specification, chapter Zifencei.)

Where a compiler is at work, each place that is jumped to begins with a COUNT, which becomes CODE once the block behind
it is compiled. Both count for nothing themselves. A place inside a run that is jumped to later gets its COUNT elsewhere,
followed by a GOTO.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from vmcore._fast.defs cimport gpa_t, gva_t
from vmcore._fast.hart.decode cimport decode_one
from vmcore._fast.hart.handlers cimport find_handler
from vmcore._fast.hart.state cimport MAX_RUN, NUM_DCTX, CodePage, Hart, Op, System, handler_t
from vmcore._fast.hart.translate cimport forget_code
from vmcore._fast.memory.alloc cimport vm_alloc, vm_calloc, vm_free, vm_realloc
from vmcore._fast.memory.guestmem cimport gld16, gld32
from vmcore._fast.memory.ram cimport PG_CODE, PG_MARKED, PG_WRITABLE, Bank, find_bank
from vmcore._fast.memory.tlb cimport TLB_SIZE, TlbEntry, empty_tag

cdef enum:
    FIRST_CAPACITY = 64
    HASH_MASK = 4095
    MAX_ENDS = 8

cdef handler_t fn_goto = NULL
cdef handler_t fn_goto_new = NULL
cdef handler_t fn_page_end = NULL
cdef handler_t fn_straddle = NULL
cdef handler_t fn_probe = NULL
cdef handler_t fn_count = NULL
cdef handler_t fn_code = NULL
# Handlers after which nothing falls through.
cdef handler_t ends[MAX_ENDS]
cdef uint32_t nends = 0


cdef int bind() except -1:
    global fn_goto, fn_goto_new, fn_page_end, fn_straddle, fn_probe, fn_count, fn_code, nends
    fn_goto = find_handler("@goto")
    fn_goto_new = find_handler("@goto_new")
    fn_page_end = find_handler("@page_end")
    fn_straddle = find_handler("@straddle")
    fn_probe = find_handler("@probe")
    fn_count = find_handler("@count")
    fn_code = find_handler("@code")
    for i, name in enumerate(("jal", "jalr", "mret", "sret", "illegal")):
        ends[<int>i] = find_handler(name)
        nends = <uint32_t>(i + 1)


cdef inline bint falls_through(handler_t fn) noexcept nogil:
    cdef uint32_t i
    for i in range(nends):
        if ends[i] == fn:
            return False
    return True


cdef void shoot_down_writes(System *sys, Bank *b, uint64_t index) noexcept nogil:
    # No hart keeps a write entry for this page: from now on every store to it is seen.
    cdef uint64_t host = <uint64_t>b.host + (index << 12)
    cdef uint32_t h, c, i
    cdef TlbEntry *w
    if not b.state[index] & PG_WRITABLE:
        return
    for h in range(sys.nharts):
        for c in range(NUM_DCTX):
            if sys.harts[h].dctx[c].key == 0:
                continue
            w = sys.harts[h].dctx[c].w
            for i in range(TLB_SIZE):
                if w[i].tag + w[i].addend == host:
                    w[i].tag = empty_tag(i)
    b.state[index] &= ~<uint8_t>PG_WRITABLE


cdef void free_page(System *sys, CodePage *page) noexcept nogil:
    cdef Bank *b = find_bank(&sys.mem, page.gpa)
    if b != NULL:
        b.state[(page.gpa - b.base) >> 12] &= ~<uint8_t>(PG_CODE | PG_MARKED)
    sys.code_bytes -= sizeof(CodePage) + 4096 + page.capacity * sizeof(Op)
    if page.code != NULL:
        sys.forget(sys, page)
    vm_free(page.saved)
    vm_free(page.ops)
    vm_free(page)


cdef void forget_everywhere(System *sys) noexcept nogil:
    cdef uint32_t h
    for h in range(sys.nharts):
        forget_code(sys.harts[h])


cdef void drop_if(System *sys, bint everything, bint cold) noexcept nogil:
    cdef uint32_t i
    cdef CodePage **link
    cdef CodePage *page
    cdef Bank *b
    cdef bint drop
    cdef bint dropped = False
    for i in range(HASH_MASK + 1):
        link = &sys.pages[i]
        while link[0] != NULL:
            page = link[0]
            if everything or cold:
                drop = everything or not page.hot
                page.hot = 0
            else:
                b = find_bank(&sys.mem, page.gpa)
                drop = (b.state[(page.gpa - b.base) >> 12] & PG_MARKED) != 0
                if drop and memcmp(page.saved, b.host + (page.gpa - b.base), 4096) == 0:
                    # What was written is what was there, or lies elsewhere: it stays marked, as it may be written again.
                    drop = False
                    sys.mem.marked = 1
            if drop:
                link[0] = page.next
                free_page(sys, page)
                dropped = True
            else:
                link = &page.next
    if not dropped:
        return
    sys.code_serial += 1
    for i in range(sys.nharts):
        sys.harts[i].page = NULL
    forget_everywhere(sys)


cdef void drop_marked(System *sys) noexcept nogil:
    if sys.mem.marked:
        sys.mem.marked = 0
        drop_if(sys, False, False)


cdef void drop_all(System *sys) noexcept nogil:
    drop_if(sys, True, False)


cdef void make_room(System *sys) noexcept nogil:
    # Second chance: pages that were not entered since the last time go; if that is not enough, all of them.
    drop_if(sys, False, True)
    if sys.code_bytes > sys.code_limit - sys.code_limit // 4:
        drop_if(sys, True, False)


cdef CodePage *get_page(System *sys, gpa_t gpa) noexcept nogil:
    cdef CodePage **head = &sys.pages[(gpa >> 12) & HASH_MASK]
    cdef CodePage *page = head[0]
    cdef Bank *b
    cdef uint64_t index
    while page != NULL:
        if page.gpa == gpa:
            return page
        page = page.next
    b = find_bank(&sys.mem, gpa)
    if b == NULL:
        return NULL
    if sys.code_bytes > sys.code_limit:
        make_room(sys)
    page = <CodePage *>vm_calloc(1, sizeof(CodePage))
    if page == NULL:
        return NULL
    page.saved = <uint8_t *>vm_alloc(4096)
    if page.saved == NULL:
        vm_free(page)
        return NULL
    page.gpa = gpa
    page.next = head[0]
    head[0] = page
    sys.code_bytes += sizeof(CodePage) + 4096
    index = (gpa - b.base) >> 12
    shoot_down_writes(sys, b, index)
    b.state[index] = (b.state[index] & ~<uint8_t>PG_MARKED) | PG_CODE
    memcpy(page.saved, b.host + (index << 12), 4096)
    return page


cdef bint reserve(Hart *hart, CodePage *page, uint32_t extra) noexcept nogil:
    cdef uint32_t capacity = page.capacity
    cdef Op *moved
    if page.count + extra <= capacity:
        return True
    capacity = capacity * 2 if capacity else FIRST_CAPACITY
    moved = <Op *>vm_realloc(page.ops, capacity * sizeof(Op))
    if moved == NULL:
        return False
    hart.sys.code_bytes += (capacity - page.capacity) * sizeof(Op)
    if page.ops != NULL and moved != page.ops:
        forget_everywhere(hart.sys)
    page.ops = moved
    page.capacity = capacity
    return True


cdef inline Op *append(CodePage *page, handler_t fn, uint32_t off, int32_t imm) noexcept nogil:
    cdef Op *op = &page.ops[page.count]
    op.fn = fn
    op.off = <uint16_t>off
    op.imm = imm
    op.rd = 0
    op.rs1 = 0
    page.count += 1
    return op


cdef inline void append_counter(System *sys, CodePage *page, uint32_t off) noexcept nogil:
    if page.code != NULL and page.code[off >> 1]:
        append(page, fn_code, off, <int32_t>page.code[off >> 1])
    else:
        append(page, fn_count, off, <int32_t>sys.hot_after)


cdef bint decode_at(Hart *hart, CodePage *page, uint32_t off) noexcept nogil:
    cdef System *sys = hart.sys
    cdef uint64_t host
    cdef uint32_t n = 0
    cdef uint32_t insn, length
    cdef uint16_t *slot
    cdef Op *op
    cdef handler_t fn
    if page.map[off >> 1]:
        return True
    host = <uint64_t>page.saved
    sys.n_decoded += 1
    while True:
        if not reserve(hart, page, 4):
            return False
        if off >= 4096:
            append(page, fn_page_end, 4096, 0)
            return True
        slot = &page.map[off >> 1]
        if slot[0]:
            append(page, fn_goto, off, (<int32_t>slot[0] - 1 - <int32_t>page.count) * <int32_t>sizeof(Op))
            return True
        if n >= MAX_RUN:
            append(page, fn_goto_new, off, 0)
            return True
        slot[0] = <uint16_t>(page.count + 1)
        if n == 0 and sys.compile != NULL:
            append_counter(sys, page, off)
        if (sys.probe_map[off >> 4] >> ((off >> 1) & 7)) & 1:
            append(page, fn_probe, off, 0)
        insn = gld16(host + off)
        if insn & 3 == 3:
            if off == 4094:
                append(page, fn_straddle, off, 0)
                return True
            insn = gld32(host + off)
        op = append(page, NULL, off, 0)
        length = decode_one(hart.isa, insn, op)
        op.off = <uint16_t>(off | (length >> 2))
        fn = op.fn
        off += length
        n += 1
        if not falls_through(fn):
            return True


cdef bint decode_counted(Hart *hart, CodePage *page, uint32_t off) noexcept nogil:
    cdef uint16_t *slot = &page.map[off >> 1]
    cdef handler_t fn
    cdef uint32_t inner
    if not decode_at(hart, page, off):
        return False
    if hart.sys.compile == NULL:
        return True
    inner = slot[0] - 1
    fn = page.ops[inner].fn
    if fn == fn_count or fn == fn_code:
        return True
    if not reserve(hart, page, 2):
        return False
    slot[0] = <uint16_t>(page.count + 1)
    append_counter(hart.sys, page, off)
    append(page, fn_goto, off, (<int32_t>inner - <int32_t>page.count) * <int32_t>sizeof(Op))
    return True


cdef void set_code(CodePage *page, uint32_t off, uint32_t code) noexcept nogil:
    cdef uint32_t index = page.map[off >> 1]
    if index and page.ops[index - 1].fn == fn_count:
        page.ops[index - 1].fn = fn_code
        page.ops[index - 1].imm = <int32_t>code


cdef bint is_counter(handler_t fn) noexcept nogil:
    return fn == fn_count or fn == fn_code


cdef bint is_probed(const System *sys, gva_t gva) noexcept nogil:
    cdef uint32_t lo = 0
    cdef uint32_t hi = sys.nprobes
    cdef uint32_t mid
    while lo < hi:
        mid = (lo + hi) // 2
        if sys.probes[mid] < gva:
            lo = mid + 1
        else:
            hi = mid
    return lo < sys.nprobes and sys.probes[lo] == gva
