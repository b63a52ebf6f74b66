"""Decoded pages: for each physical page of code a dense array of operations and a halfword -> operation map.

A page is decoded in runs, from an address that is jumped to up to the next unconditional transfer. Where a run meets
operations that exist, a GOTO joins them; at the page's end stands PAGE_END, and a four-byte instruction in the last
halfword becomes STRADDLE, which is decoded anew each time. Pages are counted and dropped when they pass a limit.

Everything of a page, compiled code included, is made from the bytes that were saved when it was first decoded. Stores
that come later mark the page; a fence.i compares the bytes and drops the page if they differ. (Until then a hart may
execute either: unprivileged specification, chapter Zifencei.) Those bytes and the compiled code are the bundle, which
all harts share; the decoded operations are each hart's own, as they are changed while they run.

Where a compiler is at work, each place that is jumped to begins with a COUNT, which becomes CODE once the block behind
it is compiled. Both count for nothing themselves. A place inside a run that is jumped to later gets its COUNT
elsewhere, followed by a GOTO.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from vmcore._fast.defs cimport (
    gpa_t, gva_t, vmcore_add32, vmcore_add64, vmcore_and8, vmcore_fence, vmcore_load32, vmcore_load64, vmcore_lock,
    vmcore_or8, vmcore_store32, vmcore_store64, vmcore_unlock)
from vmcore._fast.hart.decode cimport decode_one
from vmcore._fast.hart.handlers cimport find_handler
from vmcore._fast.hart.state cimport (
    BUNDLE_CHANGED, BUNDLE_DROPPED, CODE_UNIT, L1_SIZE, L1_USED, MAX_RUN, NUM_DCTX, PAGES_SIZE, CodeBundle, CodePage,
    Hart, Op, System, handler_t, unplant)
from vmcore._fast.hart.translate cimport forget_code, forget_jumps
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
    # No hart keeps a write entry for this page: from now on every store to it is seen. One thread runs all harts.
    cdef uint64_t host = <uint64_t>b.host + (index << 12)
    cdef uint32_t h, c, i
    cdef TlbEntry *w
    for h in range(sys.nharts):
        for c in range(NUM_DCTX):
            if sys.harts[h].dctx[c].key == 0:
                continue
            w = sys.harts[h].dctx[c].w
            for i in range(TLB_SIZE):
                if w[i].tag + w[i].addend == host:
                    w[i].tag = empty_tag(i)
    vmcore_and8(&b.state[index], <uint8_t>~PG_WRITABLE)


cdef CodeBundle *find_bundle(System *sys, gpa_t gpa) noexcept nogil:
    cdef CodeBundle *bundle = sys.bundles[(gpa >> 12) & HASH_MASK]
    while bundle != NULL and bundle.gpa != gpa:
        bundle = bundle.next
    return bundle


cdef CodeBundle *new_bundle(System *sys, Bank *b, gpa_t gpa) noexcept nogil:
    cdef CodeBundle **head = &sys.bundles[(gpa >> 12) & HASH_MASK]
    cdef uint64_t index = (gpa - b.base) >> 12
    cdef CodeBundle *bundle = <CodeBundle *>vm_alloc(sizeof(CodeBundle))
    if bundle == NULL:
        return NULL
    bundle.gpa = gpa
    bundle.code = NULL
    bundle.blocks = NULL
    bundle.users = 0
    bundle.heat = 0
    bundle.dead = 0
    sys.bundle_serial += 1
    bundle.serial = sys.bundle_serial
    # ORDER: the page is a code page before its bytes are copied. A store that is not in the copy marks it: it either
    # needs a new TLB entry, which sees PG_CODE, or has one, and then PG_WRITABLE is seen here.
    vmcore_and8(&b.state[index], <uint8_t>~PG_MARKED)
    if vmcore_or8(&b.state[index], PG_CODE) & PG_WRITABLE:
        if sys.parallel:
            vmcore_or8(&b.state[index], PG_MARKED)
            sys.mem.marked = 1
        else:
            shoot_down_writes(sys, b, index)
    memcpy(bundle.saved, b.host + (index << 12), 4096)
    bundle.next = head[0]
    head[0] = bundle
    vmcore_add64(&sys.code_bytes, sizeof(CodeBundle))
    return bundle


cdef void free_page(Hart *hart, CodePage *page) noexcept nogil:
    vmcore_add32(&page.bundle.users, ~<uint32_t>0)
    hart.code_bytes -= sizeof(CodePage) + page.capacity * sizeof(Op)
    vm_free(page.ops)
    vm_free(page)


cdef void drop_pages(Hart *hart, bint dead, bint cold) noexcept nogil:
    # Decoded pages of this hart: those whose bundle is dead, those that were not entered for a while, or all.
    cdef uint32_t i
    cdef CodePage **link
    cdef CodePage *page
    for i in range(PAGES_SIZE):
        link = &hart.pages[i]
        while link[0] != NULL:
            page = link[0]
            if (dead and not page.bundle.dead) or (cold and page.hot):
                page.hot = 0
                link = &page.next
            else:
                link[0] = page.next
                free_page(hart, page)
    hart.page = NULL
    forget_code(hart)


cdef void reap(System *sys) noexcept nogil:
    # Free the dead bundles that no hart can be using: none has decoded pages of them, and all have forgotten since.
    cdef CodeBundle **link = &sys.dead
    cdef CodeBundle *bundle
    cdef uint64_t oldest = sys.code_serial
    cdef uint32_t i
    for i in range(sys.nharts):
        if vmcore_load64(&sys.harts[i].code_serial) < oldest:
            oldest = vmcore_load64(&sys.harts[i].code_serial)
    while link[0] != NULL:
        bundle = link[0]
        if bundle.users == 0 and bundle.dead_serial <= oldest:
            link[0] = bundle.next
            if bundle.code != NULL:
                sys.forget(sys, bundle)
            vm_free(bundle)
        else:
            link = &bundle.next


cdef void catch_up(Hart *hart) noexcept nogil:
    cdef uint64_t serial = vmcore_load64(&hart.sys.code_serial)
    if hart.code_serial != serial:
        # ORDER: forgotten before it is said so: reap() may free it then.
        drop_pages(hart, True, False)
        vmcore_store64(&hart.code_serial, serial)


cdef void bury(System *sys, bint everything) noexcept nogil:
    # Bundles whose page has changed since it was saved die, or all of them. The code lock is held.
    cdef uint32_t i
    cdef CodeBundle **link
    cdef CodeBundle *bundle
    cdef Bank *b
    cdef uint8_t *state
    cdef bint died = False
    for i in range(HASH_MASK + 1):
        link = &sys.bundles[i]
        while link[0] != NULL:
            bundle = link[0]
            b = find_bank(&sys.mem, bundle.gpa)
            state = &b.state[(bundle.gpa - b.base) >> 12]
            if not everything:
                if not state[0] & PG_MARKED:
                    link = &bundle.next
                    continue
                if memcmp(bundle.saved, b.host + (bundle.gpa - b.base), 4096) == 0:
                    # What was written is what was there, or lies elsewhere: it stays marked, it may be written again.
                    sys.mem.marked = 1
                    link = &bundle.next
                    continue
            link[0] = bundle.next
            bundle.dead = BUNDLE_DROPPED if everything else BUNDLE_CHANGED
            bundle.dead_serial = sys.code_serial + 1
            bundle.next = sys.dead
            sys.dead = bundle
            vmcore_add64(&sys.code_bytes, 0 - <uint64_t>sizeof(CodeBundle))
            vmcore_and8(state, <uint8_t>~(PG_CODE | PG_MARKED))
            died = True
    if died:
        # ORDER: they are dead before the number says that some are.
        vmcore_store64(&sys.code_serial, sys.code_serial + 1)


cdef void all_catch_up(System *sys) noexcept nogil:
    # One thread runs all harts, or none runs: they forget at once.
    cdef uint32_t i
    for i in range(sys.nharts):
        catch_up(sys.harts[i])
    reap(sys)


cdef void drop_marked(System *sys) noexcept nogil:
    if sys.mem.marked:
        sys.mem.marked = 0
        bury(sys, False)
        all_catch_up(sys)


cdef void drop_all(System *sys) noexcept nogil:
    bury(sys, True)
    all_catch_up(sys)


cdef void fence_i(Hart *hart) noexcept nogil:
    cdef System *sys = hart.sys
    if not sys.parallel:
        drop_marked(sys)
        return
    # Also where nothing is marked: another hart that has just taken the mark back may not have buried it all yet.
    vmcore_lock(&sys.code_lock)
    if sys.mem.marked:
        sys.mem.marked = 0
        # ORDER: the mark is taken back before pages are compared: who stores meanwhile sets it again.
        vmcore_fence()
        bury(sys, False)
    vmcore_unlock(&sys.code_lock)
    catch_up(hart)


cdef CodePage *get_page(Hart *hart, gpa_t gpa) noexcept nogil:
    cdef System *sys = hart.sys
    cdef CodePage **head = &hart.pages[(gpa >> 12) & (PAGES_SIZE - 1)]
    cdef CodePage *page = head[0]
    cdef CodeBundle *bundle
    cdef Bank *b
    while page != NULL:
        if page.gpa == gpa:
            return page
        page = page.next
    b = find_bank(&sys.mem, gpa)
    if b == NULL:
        return NULL
    if hart.code_bytes > sys.code_limit:
        # Second chance: decoded pages that were not entered since the last time go; then all of them.
        drop_pages(hart, False, True)
        if hart.code_bytes > sys.code_limit - sys.code_limit // 4:
            drop_pages(hart, False, False)
    # ORDER: none; it is but a number.
    if vmcore_load64(&sys.code_bytes) > sys.code_limit:
        if sys.parallel:
            # The bundles can only go when no hart runs: the run loop sees to that, and T0 goes on alone until then.
            vmcore_store32(&sys.code_full, 1)
            return NULL
        drop_all(sys)
    page = <CodePage *>vm_calloc(1, sizeof(CodePage))
    if page == NULL:
        return NULL
    if sys.parallel:
        vmcore_lock(&sys.code_lock)
    bundle = find_bundle(sys, gpa)
    if bundle == NULL:
        bundle = new_bundle(sys, b, gpa)
        if bundle != NULL and sys.recall != NULL:
            sys.recall(sys, bundle)
    if bundle != NULL:
        vmcore_add32(&bundle.users, 1)
    if sys.parallel:
        vmcore_unlock(&sys.code_lock)
    if bundle == NULL:
        vm_free(page)
        return NULL
    hart.code_bytes += sizeof(CodePage)
    page.gpa = gpa
    page.bundle = bundle
    page.next = head[0]
    head[0] = page
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
    hart.code_bytes += (capacity - page.capacity) * sizeof(Op)
    if page.ops != NULL and moved != page.ops:
        forget_jumps(hart)
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
    # ORDER: acquire: the code was written before its place.
    cdef uint32_t code = 0 if page.bundle.code == NULL else vmcore_load32(&page.bundle.code[off >> 1])
    if code:
        append(page, fn_code, off, <int32_t>code)
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
    host = <uint64_t>page.bundle.saved
    hart.n_decoded += 1
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


cdef void recode(Hart *hart) noexcept nogil:
    cdef uint32_t i, k, code
    cdef CodePage *page
    cdef Op *op
    unplant(hart)
    for i in range(PAGES_SIZE):
        page = hart.pages[i]
        while page != NULL:
            for k in range(page.count):
                op = &page.ops[k]
                if op.fn != fn_code and op.fn != fn_count:
                    continue
                code = page.bundle.code[op.off >> 1] if page.bundle.code != NULL else 0
                if code:
                    op.fn = fn_code
                    op.imm = <int32_t>code
                elif op.fn == fn_code:
                    op.fn = fn_count
                    op.imm = <int32_t>hart.sys.hot_after
            page = page.next
    forget_code(hart)


cdef void recode_place(Hart *hart, const CodeBundle *bundle, uint32_t off, uint32_t old, uint32_t new_) noexcept nogil:
    cdef uint64_t base = hart.sys.code_base
    cdef uint64_t was = base + <uint64_t>CODE_UNIT * old
    cdef uint64_t will = base + <uint64_t>CODE_UNIT * new_
    cdef CodePage *page = hart.pages[(bundle.gpa >> 12) & (PAGES_SIZE - 1)]
    cdef uint32_t i
    # (One of an earlier bundle goes when the hart catches up.)
    while page != NULL and page.bundle != bundle:
        page = page.next
    if page != NULL and page.map[off >> 1]:
        unplant(hart)
        i = page.map[off >> 1] - 1
        if is_counter(page.ops[i].fn):
            page.ops[i].fn = fn_code
            page.ops[i].imm = <int32_t>new_
    for i in range(L1_SIZE if hart.l1_state == L1_USED else 0):
        if hart.l1[i].code == was:
            hart.l1[i].code = will
        if hart.l1_second[i].code == was:
            hart.l1_second[i].code = will


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
