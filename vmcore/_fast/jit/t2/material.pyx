"""What a region is made from: the page that a hart is in, what is warm there, where jumps go, and other pages."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmcore._fast.defs cimport gva_t
from vmcore._fast.hart.state cimport FETCH_SIZE, L1_USED, PRIV_U, CodeBundle, FetchEntry, Hart, l1_index, no_code_tag
from vmcore._fast.jit.block cimport END_REGION
from vmcore._fast.jit.cache cimport PageBlocks, image_flags
from vmcore._fast.jit.image cimport REPLACED, Compiled
from vmcore._fast.jit.t2.ir cimport MOST_OFF
from vmcore._fast.jit.t2.job cimport Job
from vmcore._fast.jit.t2.jobs cimport job_new
from vmcore._fast.jit.t2.made cimport find_warm
from vmcore._fast.jit.t2.reach cimport MOST_LED, Led, led_to
from vmcore._fast.jit.t2.ways cimport MAP_BYTES, MOST_PAGES, bit, set_bit

cdef extern from *:
    uint32_t count_ones "__builtin_popcount"(uint32_t v) noexcept nogil


cdef CodeBundle *bundle_at(Hart *hart, gva_t pc) noexcept nogil:
    cdef const FetchEntry *f = &hart.fetches[(pc >> 12) & (FETCH_SIZE - 1)]
    cdef CodeBundle *bundle
    if f.page != pc & ~<uint64_t>4095 or f.ctx != hart.fetch_ctx or f.code == NULL or hart.sys.nprobes:
        return NULL
    bundle = f.code.bundle
    if bundle == NULL or bundle.blocks == NULL or bundle.dead:
        return NULL
    return bundle


# --- warmth -----------------------------------------------------------------------------------------------------------

cdef uint32_t count_warm(const uint8_t *warm) noexcept nogil:
    cdef uint32_t n = 0
    cdef uint32_t i
    for i in range(MAP_BYTES):
        n += count_ones(warm[i])
    return n


cdef uint32_t warmth(const PageBlocks *u) noexcept nogil:
    cdef uint8_t warm[MAP_BYTES]
    memset(warm, 0, sizeof(warm))
    find_warm(u, warm)
    return count_warm(warm)


# --- targets ----------------------------------------------------------------------------------------------------------

cdef void find_targets(const Hart *hart, gva_t page, Job *job) noexcept nogil:
    # What compiled code has looked up since forget_targets(): jumps to what a register says and returns, above all, as
    # all others were looked up for the first time before.
    cdef uint32_t half, i
    cdef uint64_t tag
    if hart.l1_state != L1_USED:
        return
    for half in range(2048):
        if bit(job.warm[0], 2 * half):
            i = l1_index(page + 2 * half)
            tag = (page + 2 * half) ^ hart.l1_tag
            if hart.l1[i].tag == tag or hart.l1_second[i].tag == tag:
                set_bit(job.targets, 2 * half)


cdef void forget_targets(Hart *hart, gva_t page) noexcept nogil:
    cdef uint32_t half, i
    cdef uint64_t tag
    if hart.l1_state != L1_USED:
        return
    for half in range(2048):
        i = l1_index(page + 2 * half)
        tag = (page + 2 * half) ^ hart.l1_tag
        if hart.l1[i].tag == tag:
            hart.l1[i].tag = no_code_tag(i)
        if hart.l1_second[i].tag == tag:
            hart.l1_second[i].tag = no_code_tag(i)


# --- pages ------------------------------------------------------------------------------------------------------------

cdef void add_page(Job *job, const CodeBundle *bundle, int32_t at) noexcept nogil:
    cdef uint32_t i = job.npages
    memcpy(job.pages[i], bundle.saved, sizeof(job.pages[i]))
    find_warm(<const PageBlocks *>bundle.blocks, job.warm[i])
    job.at[i] = at
    job.gpa[i] = bundle.gpa
    job.serial[i] = bundle.serial
    job.npages += 1


cdef bint has_page(const Job *job, int32_t at) noexcept nogil:
    cdef uint32_t i
    for i in range(job.npages):
        if job.at[i] == at:
            return True
    return False


cdef void find_pages(Hart *hart, gva_t pc, Job *job) noexcept nogil:
    # Those that the page leads to, the nearest to the hart first; then those that they lead to.
    cdef Led led[MOST_LED]
    cdef CodeBundle *bundle
    cdef gva_t base = pc & ~<uint64_t>4095
    cdef uint32_t here = pc & 4095
    cdef uint32_t entered[MOST_PAGES]
    cdef uint32_t i = 0
    cdef uint32_t k, n
    cdef int64_t at
    entered[0] = here
    while i < job.npages:
        n = led_to(job.pages[i], job.warm[i], job.isa, entered[i], led)
        for k in range(n):
            at = job.at[i] + <int64_t>(led[k].to & ~4095)
            if job.npages == MOST_PAGES or not -MOST_OFF < at < MOST_OFF or has_page(job, <int32_t>at):
                continue
            bundle = bundle_at(hart, base + <uint64_t>at)
            if bundle != NULL:
                entered[job.npages] = led[k].to & 4095
                add_page(job, bundle, <int32_t>at)
        i += 1


cdef Job *describe(Hart *hart, CodeBundle *bundle, gva_t pc) noexcept nogil:
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef Compiled *one
    cdef Job *job = job_new()
    cdef uint32_t i
    if job == NULL:
        return NULL
    add_page(job, bundle, 0)
    for i in range(u.nblocks):
        one = &u.blocks[i]
        if one.why >= END_REGION and not (one.off & REPLACED and u.again):
            set_bit(job.taken, one.off & ~<uint32_t>REPLACED)
    for i in range(u.profile.nrefused):
        set_bit(job.taken, u.profile.refused[i])
    job.isa = hart.isa
    job.flags = image_flags(hart.sys)
    job.sample = pc & 4095
    job.program = hart.priv == PRIV_U
    memcpy(job.jumps, u.profile.jumps, sizeof(job.jumps))
    job.njumps = u.profile.njumps
    find_targets(hart, pc & ~<uint64_t>4095, job)
    find_pages(hart, pc, job)
    job.steady = u.profile.steady
    job.narrow = u.profile.narrow
    return job
