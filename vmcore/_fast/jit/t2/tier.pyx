"""When a region is compiled, and how it takes the place of block code.

No code counts. Wherever a hart's budget is used up, every few million instructions, it is seen where it was: a page
that is met again and again holds what is worth more. A compile thread gets a copy of the page, and of what is known of
it, finds the loop around that place and compiles it; the machine fetches the result when it is seen next.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport fprintf, stderr
from libc.string cimport memcpy, memset

from vmcore._fast.defs cimport gva_t, vmcore_add64, vmcore_load32, vmcore_load64, vmcore_lock, vmcore_unlock
from vmcore._fast.hart.clock cimport vmcore_monotonic_ns
from vmcore._fast.hart.codepage cimport find_bundle, recode, recode_place
from vmcore._fast.hart.state cimport PRIV_U, REGION_SLOTS, CodeBundle, Hart, RegionCount, System
from vmcore._fast.jit.block cimport END_PAGES, END_REGION
from vmcore._fast.jit.cache cimport CodeCache, Made, PageBlocks, put_made, unmake
from vmcore._fast.jit.image cimport (
    MOST_AGAIN, MOST_REFUSED, MOST_STEADY, MOST_TRIES, MOST_VAIN, REPLACED, region_slot)
from vmcore._fast.jit.t2.compile cimport compile_region, region_host, workshop_close, workshop_open
from vmcore._fast.jit.t2.ir cimport MOST_OFF
from vmcore._fast.jit.t2.job cimport Job
from vmcore._fast.jit.t2.jobs cimport client_close, client_open, job_fetch, job_free, job_push
from vmcore._fast.jit.t2.material cimport bundle_at, count_warm, describe, forget_targets, warmth
from vmcore._fast.jit.t2.passes cimport step_name
from vmcore._fast.jit.t2.region cimport REFUSED_COLD
from vmcore._fast.jit.t2.trail cimport TRAIL
from vmcore._fast.jit.t2.ways cimport NO_ADDRESS, bit, set_bit
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free

cdef enum:
    # What sightings of a page add up to. Those in block code count for more, and those that come soon after the last
    # one, as a region pays for itself sooner there.
    ENOUGH = 32
    LEAST_INSNS = SAMPLE_INSNS // 2   # since a hart was seen: before, it is not seen again
    WEIGHT_OUTSIDE = 8
    WEIGHT_USER = 2           # times as much, where it is a program's: it turns in loops, while a kernel comes by
    MOST_SIGHTINGS = 0xFFFF
    OFTEN_SEEN = 3            # sightings of anything since the last one, at most
    SELDOM_SEEN = 8           # ... more than this
    STORM = 64                # instructions in regions for each entry, below which block code may do as well
    HOPELESS = 16             # ... and does
    SELDOM = 4096             # ... in all, above which it does not matter
    MOST_STORMS = 3           # sightings of a page in a storm, more than of it in none
    NOTHING_TO_SPEAK_OF = 32  # part of the time that regions have to save where they are left all the time
    SLOWEST = 1 << 30
    DRIFT = 128               # part of a time that it may be longer the next time
    LEAST_DOUBTS = 6          # times that regions are not given up for what they were slow at
    NEARLY_ALL = 10           # one of so many instructions at most is not theirs: what is seen in them tells nothing
    ASTRAY = 16               # instructions for each wrong guess, below which no guess is better
    ACROSS = 256              # ... for each access to two pages, below which more look-ups are better


cdef enum:
    JUDGED_NOT = 0
    JUDGED_VAIN = 1           # they are left all the time, or guess wrong
    JUDGED_ENOUGH = 2         # they execute nearly everything


# Of a count of instructions.
cdef uint64_t LOWER_BITS = <uint64_t>-1 >> 2


# --- fuel -------------------------------------------------------------------------------------------------------------

# Rewrites so far, in the regions of all machines with a limit. With one machine at a time it is the same in each run.
cdef uint64_t spent_so_far = 0


cdef uint64_t fuel_left(const Tier *t) noexcept nogil:
    cdef uint64_t spent
    if t.fuel == NO_LIMIT:
        return NO_LIMIT
    # ORDER: none; it is but a number.
    spent = vmcore_load64(&spent_so_far)
    return t.fuel - spent if spent < t.fuel else 0


cdef void spend(const Tier *t, const Job *job) noexcept nogil:
    # The last one is what whoever looks for it wants to know.
    cdef unsigned long long rewrite = job.spent.rewrite
    cdef unsigned long long at = job.gpa[0] + job.header
    cdef unsigned long long limit = t.fuel
    if t.fuel == NO_LIMIT or job.burnt == 0:
        return
    vmcore_add64(&spent_so_far, job.burnt)
    if job.burnt == job.fuel:
        fprintf(stderr, "vmcore: JIT fuel used up: rewrite %llu is number %llu of step %u (%s) of the region at "
                "physical address %#llx\n", limit, rewrite, job.spent.step, step_name(job.spent.step), at)


# --- jobs -------------------------------------------------------------------------------------------------------------

cdef Job *job_for(Hart *hart, const Tier *t, CodeBundle *bundle, gva_t pc) noexcept nogil:
    cdef Job *job = describe(hart, bundle, pc)
    if job != NULL:
        job.fuel = fuel_left(t)
        job.how = t.how
    return job


cdef void note_change(const CodeCache *c, CodeBundle *bundle, uint32_t off, uint32_t old,
                      uint64_t evictions) noexcept nogil:
    # For all harts, if anything may lead to what was there.
    cdef Tier *t = <Tier *>c.tier
    cdef Change *change = &t.changes[t.serial & (CHANGES - 1)]
    if c.n_evictions != evictions:
        # All of them have forgotten all of it.
        return
    change.gpa = bundle.gpa
    change.bundle = bundle.serial
    change.evictions = evictions
    change.off = off
    change.old = old
    change.new_ = bundle.code[off >> 1]
    t.serial += 1


cdef void cut_blocks(Hart *hart, CodeBundle *bundle, uint32_t header) noexcept nogil:
    # Block code that runs across the place where a region begins now ends there from now on. A loop that was entered
    # in its middle, as a region leaves one for an access to two pages, would never come to its region again.
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef const CodeCache *c = <CodeCache *>hart.sys.cache
    cdef uint64_t evictions = c.n_evictions
    cdef uint32_t n = u.nblocks
    cdef uint32_t i, off, old
    for i in range(n):
        off = u.blocks[i].off
        if u.blocks[i].why >= END_REGION or off & REPLACED or not off < header < u.blocks[i].end:
            continue
        old = bundle.code[off >> 1]
        if not unmake(hart, bundle, off) or c.n_evictions != evictions:
            return
        note_change(c, bundle, off, old, evictions)


cdef bint settle(Hart *hart, CodeBundle *bundle, Job *job) noexcept nogil:
    # What came of a job: into its page, if that is still what it was.
    cdef System *sys = hart.sys
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef Tier *t = <Tier *>c.tier
    cdef uint32_t old
    cdef uint64_t evictions
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef Made made
    if u == NULL or bundle.serial != job.serial[0]:
        t.n_stale += 1
        return False
    t.ns += job.ns
    memcpy(u.profile.jumps, job.jumps, sizeof(u.profile.jumps))
    u.profile.njumps = <uint8_t>job.njumps
    if job.refused:
        t.n_refused += 1
        if job.refused == REFUSED_COLD:
            # Found out at once; not to be asked again soon, unless there is more than there was.
            u.profile.tries -= u.profile.tries > 0
            u.profile.vain += u.profile.vain < MOST_VAIN
            set_bit(u.profile.vain_at, job.sample)
        elif u.profile.nrefused < MOST_REFUSED:
            u.profile.refused[u.profile.nrefused] = <uint16_t>job.header
            u.profile.nrefused += 1
        return False
    if sys.nprobes:
        # Regions know nothing of probes.
        return False
    made.code = job.code
    made.size = job.size
    made.start = job.header
    made.end = 4096
    made.insns = job.insns
    made.why = END_PAGES if job.used & ~<uint32_t>1 else END_REGION
    made.nlinks = job.nlinks
    made.links = job.links
    old = bundle.code[job.header >> 1]
    evictions = c.n_evictions
    if not put_made(sys, bundle, &made):
        return False
    # (To make room, what was known of all pages may have gone.)
    u = <PageBlocks *>bundle.blocks
    u.profile.vain = 0
    u.t2_ns = 0
    u.doubts = 0
    if u.profile.warm == 0:
        u.profile.warm = <uint16_t>count_warm(job.warm[0])
    t.n_regions += 1
    t.n_paged += job.used != 1
    t.n_insns += job.insns
    t.n_bytes += job.size
    t.n_nodes += job.nodes
    t.n_spilled += job.spilled
    note_change(c, bundle, job.header, old, evictions)
    if c.n_evictions == evictions:
        cut_blocks(hart, bundle, job.header)
    return True


cdef void fetch(Hart *hart) noexcept nogil:
    cdef System *sys = hart.sys
    cdef Tier *t = <Tier *>(<CodeCache *>sys.cache).tier
    cdef CodeBundle *bundle
    cdef Job *job = job_fetch(t.client)
    while job != NULL:
        bundle = find_bundle(sys, job.gpa[0])
        if bundle != NULL:
            if bundle.blocks != NULL and bundle.serial == job.serial[0]:
                (<PageBlocks *>bundle.blocks).waiting = False
            settle(hart, bundle, job)
        job_free(job)
        job = job_fetch(t.client)


cdef void look_again(Hart *hart, Tier *t) noexcept nogil:
    # The L1 table and the operations that lead to code may lead to what was replaced.
    cdef const CodeCache *c = <CodeCache *>hart.sys.cache
    cdef const Change *change
    cdef CodeBundle *bundle
    cdef uint64_t seen = t.seen[hart.index]
    if t.serial == seen:
        return
    t.seen[hart.index] = t.serial
    if t.serial - seen > CHANGES:
        recode(hart)
        return
    while seen != t.serial:
        change = &t.changes[seen & (CHANGES - 1)]
        bundle = find_bundle(hart.sys, change.gpa)
        if change.evictions == c.n_evictions and bundle != NULL and bundle.serial == change.bundle:
            recode_place(hart, bundle, change.off, change.old, change.new_)
        seen += 1


cdef void give_up(Hart *hart, Tier *t, CodeBundle *bundle) noexcept nogil:
    # Its regions are entered and left again and again, or guess wrong: block code for all of it.
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef uint32_t i
    cdef uint32_t n = u.nblocks
    cdef CodeCache *c = <CodeCache *>hart.sys.cache
    cdef uint64_t evictions
    cdef uint32_t off, old
    for i in range(n):
        off = u.blocks[i].off
        if u.blocks[i].why < END_REGION or off & REPLACED:
            continue
        old = bundle.code[off >> 1]
        evictions = c.n_evictions
        if not unmake(hart, bundle, off) or c.n_evictions != evictions:
            # No room; or it was made, and all that there was has gone or moved.
            return
        t.n_given_up += 1
        note_change(c, bundle, off, old, evictions)
    memset(u.profile.vain_at, 0, sizeof(u.profile.vain_at))
    u.profile.warm = 0


cdef inline bint is_soon(Hart *hart, const Tier *t) noexcept nogil:
    return hart.n_code - t.looks[hart.index].insns < LEAST_INSNS


cdef inline bint is_often(uint8_t *times, bint once_more) noexcept nogil:
    # Has something been seen several times more than it has not?
    if once_more:
        times[0] += 1
    elif times[0]:
        times[0] -= 1
    if times[0] < MOST_STORMS:
        return False
    times[0] = 0
    return True


cdef inline uint32_t nearly_best(uint32_t before, uint32_t now) noexcept nogil:
    # Of a time that whatever else the host does makes longer now and then, by any amount, and that may change.
    return now if before == 0 or now < before else min(now, before + before // DRIFT)


cdef inline bint is_faster(const PageBlocks *u) noexcept nogil:
    # Though its regions are left all the time.
    return u.t2_ns != 0 and u.t2_ns < u.t1_ns - u.t1_ns // NOTHING_TO_SPEAK_OF


cdef void note_speed(Hart *hart, Tier *t, CodeBundle *bundle, uint64_t insns) noexcept nogil:
    # How fast the page's code is, if the hart was in it all the time. `warm`: it has regions.
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef Look *look = &t.looks[hart.index]
    cdef uint64_t now = vmcore_monotonic_ns()
    cdef uint64_t ns = (now - look.ns) << 16
    cdef bint same = look.serial == bundle.serial
    look.ns = now
    look.serial = bundle.serial
    if not same or insns < LEAST_INSNS:
        return
    ns = min(ns // insns, <uint64_t>SLOWEST)
    if u.profile.warm:
        u.t2_ns = nearly_best(u.t2_ns, <uint32_t>ns)
    elif not u.waiting:
        u.t1_ns = nearly_best(u.t1_ns, <uint32_t>ns)
        if is_faster(u) and u.profile.agains < MOST_AGAIN:
            # Those that were given up did better: whatever else the host did had made them slow.
            u.again = True
            u.profile.agains += 1
            u.t2_ns = 0


cdef uint32_t judge(Hart *hart, Tier *t, CodeBundle *bundle) noexcept nogil:
    # Do the page's regions do what they are for? By what came of them since the hart was last seen in it: JUDGED_*. And
    # if they do not, may they be made again: with less to guess; with more look-ups; or with what has become warm
    # since, which they may have been left for?
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef uint32_t slot = region_slot(bundle.saved)
    cdef Look *look = &t.looks[hart.index]
    cdef RegionCount *then = &look.regions[slot]
    cdef const RegionCount *now = &hart.regions[slot]
    cdef uint64_t all_insns = hart.n_code - look.before[slot]
    cdef uint64_t insns = (now.insns - then.insns) & LOWER_BITS
    cdef uint64_t entries = now.entries - then.entries
    cdef bint stormy = insns < entries * STORM and all_insns < entries * SELDOM
    cdef bint astray = insns < (now.strays - then.strays) * ASTRAY
    cdef bint across = insns < (now.crossings - then.crossings) * ACROSS
    look.before[slot] = hart.n_code
    then[0] = now[0]
    note_speed(hart, t, bundle, all_insns)
    if is_often(&u.strays, astray):
        u.profile.steady += u.profile.steady < MOST_STEADY
        u.again = True
        return JUDGED_VAIN
    if is_often(&u.crossings, across) and not u.profile.narrow:
        u.profile.narrow = True
        u.again = True
        return JUDGED_VAIN
    if not is_often(&u.storms, stormy):
        return JUDGED_ENOUGH if insns > all_insns - all_insns // NEARLY_ALL else JUDGED_NOT
    u.again = u.profile.agains < MOST_AGAIN and warmth(u) > u.profile.warm
    u.profile.agains += u.again
    if insns < entries * HOPELESS or u.again:
        u.t2_ns = 0
        return JUDGED_VAIN
    u.doubts += u.doubts < LEAST_DOUBTS
    if is_faster(u) or u.doubts < LEAST_DOUBTS:
        return JUDGED_NOT
    # What it is compared with is of a while ago: once more.
    u.t1_ns = 0
    return JUDGED_VAIN


cdef bint compile_here(Hart *hart, CodeBundle *bundle, Job *job) noexcept nogil:
    # On this thread. The job is freed.
    cdef Tier *t = <Tier *>(<CodeCache *>hart.sys.cache).tier
    cdef bint done = False
    if t.shop == NULL:
        t.shop = workshop_open()
    if t.shop != NULL:
        compile_region(t.shop, job)
        spend(t, job)
        done = settle(hart, bundle, job)
    job_free(job)
    return done


cdef inline uint32_t weight_of(const Hart *hart, uint64_t since) noexcept nogil:
    # Of a sighting in block code, so long since the last one of its page.
    cdef uint32_t weight = WEIGHT_OUTSIDE if since <= OFTEN_SEEN else WEIGHT_OUTSIDE // 2
    if since > SELDOM_SEEN:
        weight = 1
    return weight * WEIGHT_USER if hart.priv == PRIV_U else weight


cdef void watch(Hart *hart, Tier *t, Job *job, gva_t pc) noexcept nogil:
    # Where it goes from here is where it goes as a rule. The job waits until that is known.
    cdef Look *look = &t.looks[hart.index]
    look.job = job
    look.page = pc & ~<uint64_t>4095
    hart.watched = True


cdef void hand_over(System *sys, Tier *t, Job *job) noexcept nogil:
    cdef CodeBundle *bundle
    if job_push(t.client, job):
        return
    if sys.parallel:
        vmcore_lock(&sys.code_lock)
    bundle = find_bundle(sys, job.gpa[0])
    if bundle != NULL and bundle.serial == job.serial[0] and bundle.blocks != NULL:
        (<PageBlocks *>bundle.blocks).waiting = False
    if sys.parallel:
        vmcore_unlock(&sys.code_lock)
    job_free(job)


cdef bint follow(Hart *hart) noexcept nogil:
    cdef Tier *t = <Tier *>(<CodeCache *>hart.sys.cache).tier
    cdef Look *look = &t.looks[hart.index]
    cdef Job *job = look.job
    cdef int64_t at = <int64_t>(hart.pc - look.page)
    job.trail.at[job.trail.n] = <int32_t>at if -MOST_OFF < at < MOST_OFF else NO_ADDRESS
    job.trail.n += 1
    if job.trail.n < TRAIL:
        return True
    hart.watched = False
    look.job = NULL
    vmcore_add64(&t.n_watched, 1)
    hand_over(hart.sys, t, job)
    return False


cdef void consider(Hart *hart, Tier *t, CodeBundle *bundle, gva_t pc, bint outside) noexcept nogil:
    # One more sighting, in a region or `outside`; the last of several asks for a region.
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef Job *job
    cdef uint32_t before, enough, warm, weight
    cdef uint32_t judged = judge(hart, t, bundle)
    t.looks[hart.index].insns = hart.n_code
    if judged == JUDGED_VAIN:
        give_up(hart, t, bundle)
        return
    t.n_samples += 1
    if u.nblocks != u.vain_blocks:
        # Not all of them are new code: a block begins wherever a hart goes on after it was seen.
        u.vain_blocks = u.nblocks
        warm = warmth(u)
        if warm > u.profile.vain_warm:
            u.profile.vain = 0
            memset(u.profile.vain_at, 0, sizeof(u.profile.vain_at))
        u.profile.vain_warm = <uint16_t>warm
    weight = weight_of(hart, t.n_samples - u.seen_at) if outside else 1
    u.seen_at = t.n_samples
    if bit(u.profile.vain_at, <uint32_t>(pc & 4095)) or (judged == JUDGED_ENOUGH and not outside):
        # There is none to be had here; or another one would take its time, and do what these do.
        return
    u.outside = u.outside or outside
    before = u.sightings
    u.sightings = <uint16_t>min(before + weight, <uint32_t>MOST_SIGHTINGS)
    if u.waiting or u.profile.tries >= MOST_TRIES:
        return
    enough = ENOUGH << u.profile.vain
    if before < enough // 2 <= u.sightings:
        forget_targets(hart, pc & ~<uint64_t>4095)
    if u.sightings < enough or (u.outside and not outside):
        # (Where it is not seen in a region is where one is missing.)
        return
    u.sightings = 0
    u.outside = False
    u.profile.tries += 1
    job = job_for(hart, t, bundle, pc)
    if job == NULL:
        return
    if t.fuel != NO_LIMIT:
        # In the same order each time.
        compile_here(hart, bundle, job)
        return
    # The next one is to know what is led to from now on.
    forget_targets(hart, pc & ~<uint64_t>4095)
    u.waiting = True
    watch(hart, t, job, pc)


cdef void sample(Hart *hart, gva_t pc) noexcept nogil:
    cdef System *sys = hart.sys
    cdef Tier *t = <Tier *>(<CodeCache *>sys.cache).tier
    cdef CodeBundle *bundle
    cdef bint outside = not hart.in_region
    hart.in_region = False
    if sys.parallel:
        vmcore_lock(&sys.code_lock)
    if vmcore_load32(&t.client.ready):
        fetch(hart)
    bundle = bundle_at(hart, pc)
    # (While it is followed it executes no compiled code, so it is not seen.)
    if bundle != NULL and not is_soon(hart, t):
        consider(hart, t, bundle, pc, outside)
    look_again(hart, t)
    if sys.parallel:
        vmcore_unlock(&sys.code_lock)


cdef bint compile_now(Hart *hart, const Tier *t, CodeBundle *bundle, gva_t pc) noexcept nogil:
    cdef Job *job = job_for(hart, t, bundle, pc)
    if job == NULL:
        return False
    job.anything = True
    return compile_here(hart, bundle, job)


cdef void tier_at_once(Hart *hart, gva_t pc) noexcept nogil:
    cdef System *sys = hart.sys
    cdef Tier *t = <Tier *>(<CodeCache *>sys.cache).tier
    cdef CodeBundle *bundle
    if sys.parallel:
        vmcore_lock(&sys.code_lock)
    bundle = bundle_at(hart, pc)
    if bundle != NULL:
        t.n_samples += 1
        compile_now(hart, t, bundle, pc)
    look_again(hart, t)
    if sys.parallel:
        vmcore_unlock(&sys.code_lock)


cdef bint tier_open(System *sys, bint at_once, uint64_t fuel, uint32_t how) noexcept nogil:
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef Tier *t
    if c == NULL or not region_host():
        return False
    t = <Tier *>vm_calloc(1, sizeof(Tier))
    if t == NULL:
        return False
    t.client = client_open()
    if t.client == NULL:
        vm_free(t)
        return False
    t.fuel = fuel
    t.how = how
    c.tier = t
    sys.sample = tier_at_once if at_once else sample
    sys.follow = follow
    return True


cdef void tier_close(System *sys) noexcept nogil:
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef Tier *t
    cdef uint32_t i
    if c == NULL or c.tier == NULL:
        return
    t = <Tier *>c.tier
    sys.sample = NULL
    sys.follow = NULL
    for i in range(sys.nharts):
        if sys.harts[i].watched:
            sys.harts[i].watched = False
            job_free(t.looks[i].job)
    client_close(t.client)
    workshop_close(t.shop)
    vm_free(t)
    c.tier = NULL


cdef dict tier_figures(System *sys):
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef Tier *t
    if c == NULL or c.tier == NULL:
        return {}
    t = <Tier *>c.tier
    counts = [(sys.harts[<int>i].regions[<int>k].entries, sys.harts[<int>i].regions[<int>k].insns & LOWER_BITS)
              for i in range(sys.nharts) for k in range(<int>REGION_SLOTS)]
    entries, insns = (sum(column) for column in zip(*counts, strict=True))
    return {"t2_samples": t.n_samples, "t2_entries": entries, "t2_insns": insns, "t2_regions": t.n_regions,
            "t2_paged": t.n_paged, "t2_compiled": t.n_insns, "t2_code_bytes": t.n_bytes,
            "t2_given_up": t.n_given_up, "t2_refused": t.n_refused, "t2_stale": t.n_stale, "t2_compile_ns": t.ns,
            "t2_watched": t.n_watched, "t2_nodes": t.n_nodes, "t2_spilled": t.n_spilled}
