"""T2's compiler, from top to bottom."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.defs cimport VMCORE_ASSERT
from vmcore._fast.hart.clock cimport vmcore_monotonic_ns
from vmcore._fast.jit.host cimport HAS_FMA, HAS_LZCNT, HAS_POPCNT, HAS_TZCNT, find_features, host_bits
from vmcore._fast.jit.image cimport IMAGE_COUNTING, IMAGE_HARTS, IMAGE_PARALLEL, region_slot
from vmcore._fast.jit.t2.alloc cimport allocate, allocation_free, allocation_init
from vmcore._fast.jit.t2.analysis cimport analyse
from vmcore._fast.jit.t2.check cimport Misplaced, check_allocation
from vmcore._fast.jit.t2.emit cimport code_free, code_init, emit_region
from vmcore._fast.jit.t2.ir cimport GUESS_PAGE, Graph, count_uses, graph_clear, graph_free, graph_init
from vmcore._fast.jit.t2.job cimport MOST_REGION_LINKS, Job
from vmcore._fast.jit.t2.layout cimport lay_out
from vmcore._fast.jit.t2.lift cimport lift_region
from vmcore._fast.jit.t2.passes cimport CHECKED, optimise
from vmcore._fast.jit.t2.places cimport Allocation
from vmcore._fast.jit.t2.region cimport (
    NOT_A_PLACE, REFUSED_COLD, REFUSED_LARGE, REFUSED_MEMORY, REFUSED_NOT, form_found, loop_header, region_free,
    region_new)
from vmcore._fast.jit.t2.select cimport select_nodes
from vmcore._fast.jit.t2.trail cimport count_trodden, count_ways
from vmcore._fast.jit.t2.ways cimport RegionInput
from vmcore._fast.memory.alloc cimport vm_alloc, vm_calloc, vm_free

cdef enum:
    LEAST_PART = 4            # a kernel's region has one of so many of the trail's instructions at least

find_features()


cdef bint region_host() noexcept nogil:
    cdef int wanted = HAS_FMA | HAS_LZCNT | HAS_POPCNT | HAS_TZCNT
    return host_bits & wanted == wanted


cdef Workshop *workshop_open() noexcept nogil:
    cdef Workshop *shop = <Workshop *>vm_calloc(1, sizeof(Workshop))
    if shop == NULL:
        return NULL
    shop.region = region_new()
    code_init(&shop.code)
    if shop.region == NULL or graph_init(&shop.graph) != 0 or allocation_init(&shop.places) != 0:
        workshop_close(shop)
        return NULL
    return shop


cdef void workshop_close(Workshop *shop) noexcept nogil:
    if shop == NULL:
        return
    region_free(shop.region)
    graph_free(&shop.graph)
    allocation_free(&shop.places)
    code_free(&shop.code)
    vm_free(shop)


cdef bint is_right(const Graph *g, const Allocation *al) noexcept nogil:
    cdef Misplaced found
    return check_allocation(g, al, &found)


cdef void note_pages(Workshop *shop, const Job *job) noexcept nogil:
    cdef uint32_t i
    shop.code.npages = 0
    for i in range(1, job.npages):
        if job.used >> i & 1:
            shop.code.pages[shop.code.npages].at = job.at[i]
            shop.code.pages[shop.code.npages].serial = job.serial[i]
            shop.code.npages += 1


cdef uint32_t make_code(Workshop *shop, Job *job, uint32_t *layout) noexcept nogil:
    cdef RegionInput given
    cdef uint32_t n
    given.pages = &job.pages[0][0]
    given.warm = &job.warm[0][0]
    given.at = job.at
    given.npages = job.npages
    given.taken = job.taken
    given.targets = job.targets
    given.jumps = job.jumps
    given.njumps = job.njumps
    given.trail = job.trail.at
    given.ntrail = job.trail.n
    given.isa = job.isa
    given.limit = REGION_LIMIT
    given.many_harts = job.flags & IMAGE_HARTS != 0
    given.parallel = job.flags & IMAGE_PARALLEL != 0
    job.header = loop_header(shop.region, &given, job.sample, False)
    memcpy(job.jumps, shop.region.guide.jumps, sizeof(job.jumps))
    job.njumps = shop.region.guide.njumps
    if job.header == NOT_A_PLACE:
        job.header = job.sample
        return REFUSED_COLD
    n = form_found(shop.region, job.header)
    if n:
        return n
    if not shop.region.is_loop and not job.anything:
        # Block code is as good for what is executed once.
        return REFUSED_COLD
    if not job.program and count_trodden(shop.region) * LEAST_PART < job.trail.n:
        # A kernel comes by here and goes on elsewhere: it would not gain what compiling costs.
        return REFUSED_COLD
    job.insns = shop.region.ninsns
    job.used = shop.region.used
    graph_clear(&shop.graph)
    shop.graph.fuel = job.fuel
    shop.graph.guesses = GUESS_PAGE - job.steady
    shop.graph.narrow = job.narrow
    count_ways(shop.region)
    lift_region(shop.region, &shop.graph)
    analyse(&shop.graph)
    optimise(&shop.graph, &job.spent)
    job.burnt = shop.graph.burnt
    analyse(&shop.graph)
    count_uses(&shop.graph)
    if shop.graph.failed:
        return REFUSED_LARGE
    select_nodes(&shop.graph)
    allocate(&shop.graph, &shop.places, job.how)
    if shop.places.failed:
        return REFUSED_LARGE
    if CHECKED:
        VMCORE_ASSERT(is_right(&shop.graph, &shop.places))
    note_pages(shop, job)
    n = lay_out(&shop.graph, layout)
    job.nodes = shop.graph.nnodes
    job.spilled = shop.places.spilled
    if not emit_region(&shop.graph, &shop.places, layout, n, &shop.code, shop.window, shop.window + WINDOW_BYTES,
                       given.parallel, job.flags & IMAGE_COUNTING != 0, region_slot(job.pages[0])):
        return REFUSED_LARGE
    if shop.code.nlinks > MOST_REGION_LINKS:
        return REFUSED_LARGE
    job.size = <uint32_t>(shop.code.a.at - shop.code.a.start)
    job.nlinks = shop.code.nlinks
    memcpy(job.links, shop.code.links, shop.code.nlinks * sizeof(job.links[0]))
    job.code = <uint8_t *>vm_alloc(job.size)
    if job.code == NULL:
        return REFUSED_MEMORY
    memcpy(job.code, shop.window, job.size)
    return REFUSED_NOT


cdef void compile_region(Workshop *shop, Job *job) noexcept nogil:
    cdef uint64_t began = vmcore_monotonic_ns()
    cdef uint32_t layout[1024]
    job.refused = REFUSED_MEMORY if shop == NULL else make_code(shop, job, layout)
    job.ns = vmcore_monotonic_ns() - began
