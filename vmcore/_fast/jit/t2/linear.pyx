"""Linear scan: intervals by where they begin; whatever is cheapest to spill gives way."""

from libc.stdint cimport int8_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.live cimport (
    GPR_SET, NO_RANGE, NO_REG, READ_EARLY, READ_RANGE, XMM_SET, Live, Move, Span, Step, bit_of, spill_cost)
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

cdef enum:
    NO_END = 0xFFFFFFFF

# From `start` to before `end`. Positions: a block begins, each step reads and writes, it ends: one each.
cdef struct Interval:
    uint32_t rng
    uint32_t start
    uint32_t end
    float cost                # of spilling it, for each position that it covers

cdef struct Scan:
    const Live *lv
    Interval *interval        # of each range
    Interval *order
    uint32_t *first           # moves of each range, a list of 2 * move + end
    uint32_t *following
    int8_t *regs


# --- intervals --------------------------------------------------------------------------------------------------------

cdef inline void reach(Scan *s, uint32_t rng, uint32_t start, uint32_t end) noexcept nogil:
    cdef Interval *v = &s.interval[rng]
    if v.end == 0 or start < v.start:
        v.start = start
    if end > v.end:
        v.end = end


cdef void reach_all(Scan *s, const uint64_t *live, uint32_t start, uint32_t end) noexcept nogil:
    cdef uint64_t word
    cdef uint32_t k
    for k in range(s.lv.words):
        word = live[k]
        while word:
            reach(s, 64 * k + bit_of(word), start, end)
            word &= word - 1


cdef void find_intervals(Scan *s) noexcept nogil:
    cdef const Live *lv = s.lv
    cdef const Span *span
    cdef const Step *step
    cdef uint32_t i, k, at, read, behind
    cdef uint32_t position = 1
    for i in range(lv.nspans):
        span = &lv.spans[i]
        behind = position + 2 * span.nsteps + 2
        for k in range(span.ndefs):
            reach(s, lv.reads[span.defs + k], position, position + 1)
        # Here until what reads it, or the end.
        reach_all(s, lv.ins + <size_t>i * lv.words, position, position + 1)
        reach_all(s, lv.outs + <size_t>i * lv.words, behind - 1, behind)
        for at in range(span.nsteps):
            step = &lv.steps[span.first + at]
            for k in range(step.nreads):
                read = lv.reads[step.first + k]
                # Until the result is written, or longer.
                reach(s, read & READ_RANGE, position + 2 * at + 1, position + 2 * at + (3 if read & READ_EARLY else 2))
            if step.result != NO_RANGE:
                reach(s, step.result, position + 2 * at + 2, position + 2 * at + 3)
        for k in range(span.nends):
            reach(s, lv.reads[span.ends + k] & READ_RANGE, behind - 1, behind)
        position = behind


cdef int by_start(const void *one, const void *two) noexcept nogil:
    cdef const Interval *a = <const Interval *>one
    cdef const Interval *b = <const Interval *>two
    if a.start != b.start:
        return 1 if a.start > b.start else -1
    return 1 if a.rng > b.rng else -1


# --- registers --------------------------------------------------------------------------------------------------------

cdef int choose(const Scan *s, uint32_t rng, uint32_t free_set) noexcept nogil:
    # The one that saves most by its wishes, and by moves from and to what has a register already.
    cdef float score[16]
    cdef uint32_t entry = s.first[rng]
    cdef uint32_t other, r
    cdef const Move *m
    cdef int best = NO_REG
    for r in range(16):
        score[r] = s.lv.wants[16 * rng + r]
    while entry != NO_END:
        m = &s.lv.moves[entry >> 1]
        other = m.one if entry & 1 else m.two
        if s.regs[other] != NO_REG:
            score[s.regs[other]] += m.weight
        else:
            # What it will become has wishes too.
            for r in range(16):
                score[r] += 0.5 * (m.weight if m.weight < s.lv.wants[16 * other + r] else s.lv.wants[16 * other + r])
        entry = s.following[entry]
    for r in range(16):
        if free_set >> r & 1 and (best == NO_REG or score[r] > score[best]):
            best = <int>r
    return best


cdef void scan(Scan *s, uint32_t n, uint32_t set_of) noexcept nogil:
    # `held`: who has each register now. The owner stays noted until another one comes.
    cdef Interval *held[16]
    cdef Interval *v
    cdef uint32_t i, r, free_set
    cdef int best
    memset(held, 0, sizeof(held))
    for i in range(n):
        v = &s.order[i]
        free_set = 0
        for r in range(16):
            if set_of >> r & 1 and (held[r] == NULL or held[r].end <= v.start):
                free_set |= <uint32_t>1 << r
        if free_set:
            best = choose(s, v.rng, free_set)
        else:
            best = NO_REG
            for r in range(16):
                if set_of >> r & 1 and held[r].cost < v.cost and (best == NO_REG or held[r].cost < held[best].cost):
                    best = <int>r
            if best == NO_REG:
                continue
            s.regs[held[best].rng] = NO_REG
        held[best] = v
        s.regs[v.rng] = <int8_t>best


cdef void scan_class(Scan *s, const Graph *g, uint32_t base, uint32_t end, uint32_t set_of) noexcept nogil:
    cdef Interval *v
    cdef uint32_t i
    cdef uint32_t n = 0
    for i in range(base, end):
        v = &s.interval[i]
        v.rng = i
        v.cost = spill_cost(s.lv, g, i) / <float>(v.end - v.start)
        s.order[n] = v[0]
        n += 1
    if n:
        qsort(s.order, n, sizeof(Interval), by_start)
    scan(s, n, set_of)


cdef int scan_ranges(const Live *lv, const Graph *g, int8_t *regs) noexcept nogil:
    cdef Scan s
    cdef uint32_t i
    cdef size_t n = lv.nranges + 1
    s.lv = lv
    s.regs = regs
    s.interval = <Interval *>vm_calloc(2 * n, sizeof(Interval))
    s.first = <uint32_t *>vm_calloc(n + 2 * lv.nmoves, sizeof(uint32_t))
    if s.interval == NULL or s.first == NULL:
        vm_free(s.interval)
        vm_free(s.first)
        return -1
    s.order = s.interval + n
    s.following = s.first + n
    for i in range(lv.nranges):
        s.first[i] = NO_END
        regs[i] = NO_REG
    for i in range(lv.nmoves):
        s.following[2 * i] = s.first[lv.moves[i].one]
        s.first[lv.moves[i].one] = 2 * i
        s.following[2 * i + 1] = s.first[lv.moves[i].two]
        s.first[lv.moves[i].two] = 2 * i + 1
    find_intervals(&s)
    scan_class(&s, g, 0, lv.nints, GPR_SET)
    scan_class(&s, g, lv.first_fp, lv.nranges, XMM_SET)
    vm_free(s.interval)
    vm_free(s.first)
    return 0
