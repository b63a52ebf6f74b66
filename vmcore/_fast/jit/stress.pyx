"""What stands between the run loop and compiled code while a test puts it under stress."""

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport raised_bits
from vmcore._fast.hart.state cimport ACC_WRITE, EXIT_STEP, L1_SIZE, Hart, System, no_code_tag
from vmcore._fast.jit.cache cimport CodeCache, Stress
from vmcore._fast.jit.convention cimport FN_MISS
from vmcore._fast.jit.stubs cimport on_miss
from vmcore._fast.jit.t2.tier cimport tier_at_once
from vmcore._fast.memory.tlb cimport TLB_MASK, TLB_SIZE, empty_tag


cdef inline bint is_turn(uint64_t count, uint32_t every) noexcept nogil:
    return every and count % every == 0


cdef void enter_stressed(Hart *hart, uint64_t code) noexcept nogil:
    cdef Stress *s = &(<CodeCache *>hart.sys.cache).stress
    cdef uint64_t before
    cdef uint32_t i
    s.entered += 1
    if is_turn(s.entered, s.poll_every):
        hart.pins.budget |= raised_bits()
    if is_turn(s.entered, s.flush_every):
        for i in range(TLB_SIZE):
            hart.tlb_r[i].tag = empty_tag(i)
            hart.tlb_w[i].tag = empty_tag(i)
    before = hart.pins.budget
    s.enter(hart, code)
    if is_turn(s.entered, s.forget_every):
        for i in range(L1_SIZE):
            hart.l1[i].tag = no_code_tag(i)
            hart.l1_second[i].tag = no_code_tag(i)
    if is_turn(s.entered, s.region_every) and hart.sys.sample != NULL:
        tier_at_once(hart, hart.exit_pc & ~<uint64_t>1)
    if hart.pins.budget != before:
        if s.stop:
            hart.sys.request = 1
    elif hart.exit_kind != EXIT_STEP and before >> 63:
        # A block that begins with a poll would be entered and left for ever.
        hart.exit_kind = EXIT_STEP


cdef uint64_t miss_stressed(Hart *hart, uint64_t gva, uint64_t info) noexcept nogil:
    cdef Stress *s = &(<CodeCache *>hart.sys.cache).stress
    cdef uint64_t refused
    s.missed += 1
    if s.made != NULL:
        s.made.tag = empty_tag(s.made_index)
        s.made = NULL
    if is_turn(s.missed, s.miss_every):
        return 1
    refused = on_miss(hart, gva, info)
    if s.evict and not refused:
        s.made_index = (gva >> 12) & TLB_MASK
        s.made = (hart.tlb_w if hart.acc_info & ACC_WRITE else hart.tlb_r) + s.made_index
    return refused


cdef void stress_install(System *sys) noexcept nogil:
    cdef Stress *s = &(<CodeCache *>sys.cache).stress
    cdef uint32_t i
    if s.enter == NULL:
        s.enter = sys.enter_code
    s.made = NULL
    sys.enter_code = s.enter
    if s.stop or s.poll_every or s.flush_every or s.forget_every or s.region_every:
        sys.enter_code = enter_stressed
    for i in range(sys.nharts):
        sys.harts[i].stubs[FN_MISS] = <void *>(miss_stressed if s.evict or s.miss_every else on_miss)
