"""The compiled code of a machine: compile a block, place it, link it to its page's other blocks, drop a page's code.

When a page is fetched first, the third level (:mod:`vmcore._fast.jit.l3`) is asked for its code; what was compiled is
handed in when the page goes, and now and then. When memory for code is short, what was entered often is kept and moved
together, and the rest goes: T0 counts there anew.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmcore._fast.defs cimport VMCORE_ASSERT, vmcore_add64, vmcore_store32, vmcore_store64
from vmcore._fast.hart.clock cimport vmcore_monotonic_ns
from vmcore._fast.hart.codepage cimport recode
from vmcore._fast.hart.state cimport (
    BUNDLE_DROPPED, CODE_UNIT, L1_SIZE, L1_USED, CodeBundle, Hart, System, enter_t, no_code_tag)
from vmcore._fast.hart.translate cimport forget_code
from vmcore._fast.jit.block cimport END_REGION, NO_SECOND, Block, translate_block
from vmcore._fast.jit.codebuf cimport (
    CODE_NONE, CODE_SEGMENT_SIZE, CodeSegment, CodeStats, code_begin_write, code_end_write, code_generation,
    code_method, code_rw_delta, code_segment_free, code_segment_new, code_stats)
from vmcore._fast.jit.image cimport (
    BEHIND, IMAGE_COUNTING, IMAGE_HARTS, IMAGE_LIMIT, IMAGE_PARALLEL, IMAGE_REGIONS, LINKED, MOST_TRIES, NO_BLOCK,
    PAGE_BYTES, PLACE_BITS, REPLACED, Compiled, Image, Link, Profile, image_blocks, image_check, image_code,
    image_links, image_size, page_hash)
from vmcore._fast.jit.l3 cimport Table, heat_class, store_give_back, store_knows, store_put, store_take
from vmcore._fast.jit.stubs cimport install_stubs, write_stubs
from vmcore._fast.jit.x64.asm cimport Asm, x_open
from vmcore._fast.memory.alloc cimport vm_alloc, vm_calloc, vm_free, vm_grow

cdef enum:
    FIRST_ROOM = 16
    CACHE_LIMIT = 48 << 20
    STAGE_BYTES = 1 << 15
    HALFWORDS = 2048
    TABLES_BYTES = HALFWORDS * sizeof(uint32_t) + sizeof(PageBlocks)   # of a bundle that has code
    BUNDLE_HEADS = 4096
    # Blocks compiled until the store gets them; it gets them again each time that there are four times as many.
    SHARE_BLOCKS = 2048
    # Blocks compiled until heat is halved.
    COOL_BLOCKS = 4096
    MOST_SPLITS = 16          # times that a page's last instruction is compiled, if it ends in the next one

# A page whose code is kept when memory for it is short.
cdef struct Moved:
    CodeBundle *bundle
    Image *image
    uint32_t shared


cdef inline uint32_t bit_length(uint32_t v) noexcept nogil:
    cdef uint32_t bits = 0
    while v:
        v >>= 1
        bits += 1
    return bits


cdef inline uint32_t in_units(uint32_t size) noexcept nogil:
    return (size + CODE_UNIT - 1) & ~<uint32_t>(CODE_UNIT - 1)


cdef inline void note_hole(CodeCache *c, uint64_t size) noexcept nogil:
    if size:
        vmcore_add64(&c.dropped, size)
        vmcore_add64(&c.holes[bit_length(<uint32_t>size) - 1], 1)


cdef bint new_segment(CodeCache *c) noexcept nogil:
    cdef CodeSegment *s
    if not vm_grow(<void **>&c.segments, &c.segments_room, c.nsegments + 1, FIRST_ROOM, sizeof(CodeSegment)):
        return False
    s = &c.segments[c.nsegments]
    if code_segment_new(s) != 0:
        return False
    c.nsegments += 1
    vmcore_add64(&c.held, s.size)
    note_hole(c, c.end - c.at)
    c.at = <uint64_t>s.exec_base
    c.end = c.at + s.size
    return True


cdef void release_segments(CodeCache *c, uint32_t keep) noexcept nogil:
    while c.nsegments > keep:
        c.nsegments -= 1
        vmcore_add64(&c.held, 0 - <uint64_t>c.segments[c.nsegments].size)
        code_segment_free(&c.segments[c.nsegments])


cdef bint write_code(uint64_t at, const void *what, uint64_t n) noexcept nogil:
    # `at`: the address at which it is executed.
    if code_begin_write(<uint8_t *>at, n) != 0:
        return False
    memcpy(<void *>(at + <uint64_t>code_rw_delta()), what, n)
    return code_end_write(<uint8_t *>at, n) == 0


cdef void patch(uint64_t site, uint64_t target) noexcept nogil:
    # site: address at which the displacement is executed.
    # ORDER: release: the code at the target was written before. One store, which a hart that is there sees whole or not
    # at all: align_link() keeps it inside one aligned word.
    if code_begin_write(<uint8_t *>site, 4) == 0:
        vmcore_store32(<void *>(site + <uint64_t>code_rw_delta()), <uint32_t>(target - (site + 4)))
        code_end_write(<uint8_t *>site, 4)


cdef bint place(CodeCache *c, uint64_t n) noexcept nogil:
    # Room for n bytes at c.at. False: there is none.
    c.at = (c.at + CODE_UNIT - 1) & ~<uint64_t>(CODE_UNIT - 1)
    if c.at + n <= c.end:
        return True
    return c.nsegments * c.segments[0].size < c.limit and new_segment(c) and c.at + n <= c.end


# --- a page's blocks --------------------------------------------------------------------------------------------------

cdef bint equip(System *sys, CodeBundle *bundle) noexcept nogil:
    cdef PageBlocks *u
    if bundle.code != NULL:
        return True
    bundle.code = <uint32_t *>vm_calloc(HALFWORDS, sizeof(uint32_t))
    bundle.blocks = vm_calloc(1, sizeof(PageBlocks))
    if bundle.code == NULL or bundle.blocks == NULL:
        vm_free(bundle.code)
        vm_free(bundle.blocks)
        bundle.code = NULL
        bundle.blocks = NULL
        return False
    vmcore_add64(&sys.code_bytes, TABLES_BYTES)
    u = <PageBlocks *>bundle.blocks
    u.probed = sys.nprobes > 0
    return True


cdef void strip(System *sys, CodeBundle *bundle) noexcept nogil:
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef uint32_t i
    for i in range(u.nblocks):
        note_hole(c, in_units(u.blocks[i].bytes))
    vmcore_add64(&c.live, 0 - <uint64_t>u.code_bytes)
    vm_free(u.links)
    vm_free(u.blocks)
    vm_free(u)
    vm_free(bundle.code)
    bundle.code = NULL
    bundle.blocks = NULL
    vmcore_add64(&sys.code_bytes, 0 - <uint64_t>TABLES_BYTES)


cdef inline uint64_t site_of(const System *sys, const PageBlocks *u, const Link *link) noexcept nogil:
    return sys.code_base + <uint64_t>CODE_UNIT * u.blocks[link.block].at + link.field


cdef inline bint is_kept(const Compiled *block) noexcept nogil:
    # In an image. No other machine has a region's other pages where this one has them; and nothing leads to a region
    # that was replaced.
    return block.why < END_REGION or (block.why == END_REGION and not block.off & REPLACED)


cdef void keep_profile(const PageBlocks *u, Profile *p) noexcept nogil:
    # Of regions only where they are kept as well.
    cdef uint32_t kept = 0
    cdef bint all_of_them = True
    cdef uint32_t i
    p[0] = u.profile
    for i in range(u.nblocks):
        if u.blocks[i].why >= END_REGION and not u.blocks[i].off & REPLACED:
            if is_kept(&u.blocks[i]):
                kept += 1
            else:
                all_of_them = False
    p.tries = <uint8_t>min(kept + p.nrefused, <uint32_t>MOST_TRIES)
    if kept == 0:
        p.warm = 0
    if not all_of_them:
        memset(p.vain_at, 0, sizeof(p.vain_at))


cdef Image *begin_image(System *sys, CodeBundle *bundle) noexcept nogil:
    # With room for what is kept. NULL: no memory, or it is none to be kept.
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef Image *image
    cdef uint64_t size
    cdef uint32_t nblocks = 0
    cdef uint32_t nlinks = 0
    cdef uint32_t insns = 0
    cdef uint32_t bytes = 0
    cdef uint32_t i
    for i in range(u.nblocks):
        if is_kept(&u.blocks[i]):
            nblocks += 1
            insns += u.blocks[i].insns
            bytes += in_units(u.blocks[i].bytes)
    for i in range(u.nlinks):
        nlinks += is_kept(&u.blocks[u.links[i].block])
    size = image_size(nblocks, nlinks, bytes)
    if size > IMAGE_LIMIT or bytes > CODE_SEGMENT_SIZE or nblocks == 0:
        return NULL
    image = <Image *>vm_alloc(size)
    if image == NULL:
        return NULL
    image.isa = sys.harts[0].isa
    image.flags = image_flags(sys)
    image.size = <uint32_t>size
    image.insns = insns
    image.heat = bundle.heat
    image.nblocks = nblocks
    image.nlinks = nlinks
    image.code_bytes = bytes
    image.spare = 0
    keep_profile(u, &image.profile)
    memcpy(image.page, bundle.saved, PAGE_BYTES)
    image.hash = page_hash(image.page, image.isa, image.flags)
    return image


cdef bint copy_blocks(const System *sys, const PageBlocks *u, Image *image, uint16_t *number,
                      uint16_t[2][2048] index) noexcept nogil:
    # `number`: of each block in the image. `index`: by place, of a block, and of one before it that a region replaced.
    # False: there is no block for where a region begins that is not kept.
    cdef Compiled *block = image_blocks(image)
    cdef uint8_t *code = image_code(image)
    # It is read where it was written: those pages are in the process's tables for sure.
    cdef uint64_t written = sys.code_base + <uint64_t>code_rw_delta()
    cdef const Compiled *one
    cdef uint32_t at = 0
    cdef uint32_t n = 0
    cdef uint32_t i, half
    memset(index, 0xFF, 2 * sizeof(index[0]))
    # What lies between blocks is never executed.
    memset(code, 0xCC, image.code_bytes)
    for i in range(u.nblocks):
        one = &u.blocks[i]
        number[i] = NO_BLOCK
        if not is_kept(one):
            continue
        memcpy(code + CODE_UNIT * at, <void *>(written + <uint64_t>CODE_UNIT * one.at), one.bytes)
        block[n] = one[0]
        block[n].at = at
        index[one.off & REPLACED][(one.off & PLACE_BITS) >> 1] = <uint16_t>n
        number[i] = <uint16_t>n
        at += in_units(one.bytes) // CODE_UNIT
        n += 1
    for i in range(u.nblocks):
        one = &u.blocks[i]
        half = one.off >> 1
        if is_kept(one) or one.off & REPLACED:
            continue
        if index[1][half] == NO_BLOCK:
            return False
        index[0][half] = index[1][half]
        block[index[0][half]].off &= ~<uint16_t>REPLACED
    return True


cdef void copy_links(const PageBlocks *u, Image *image, const uint16_t *number,
                     const uint16_t[2][2048] index) noexcept nogil:
    cdef const Compiled *block = image_blocks(image)
    cdef Link *link = image_links(image)
    cdef uint8_t *code = image_code(image)
    cdef uint8_t *site
    cdef int32_t distance
    cdef uint32_t i, target
    for i in range(u.nlinks):
        if number[u.links[i].block] == NO_BLOCK:
            continue
        link[0] = u.links[i]
        link.block = number[link.block]
        if link.off & LINKED:
            site = code + CODE_UNIT * block[link.block].at + link.field
            target = index[link.off & BEHIND != 0][(link.off & PLACE_BITS) >> 1]
            distance = <int32_t>(code + CODE_UNIT * block[target].at - (site + 4))
            memcpy(site, &distance, 4)
        link += 1


cdef Image *make_image(System *sys, CodeBundle *bundle) noexcept nogil:
    # What the page's blocks are now, laid out one behind the other. NULL: no memory, or there is nothing to keep.
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef Image *image = begin_image(sys, bundle)
    cdef uint16_t *number
    cdef uint16_t index[2][2048]
    if image == NULL:
        return NULL
    number = <uint16_t *>vm_alloc(u.nblocks * sizeof(uint16_t))
    if number == NULL or not copy_blocks(sys, u, image, number, index):
        vm_free(number)
        vm_free(image)
        return NULL
    copy_links(u, image, number, index)
    vm_free(number)
    image.check = image_check(image)
    return image


cdef bint is_probed_in(const System *sys, const Image *image) noexcept nogil:
    cdef Compiled *block
    cdef uint32_t i, off
    if sys.nprobes == 0:
        return False
    for i in range(image.nblocks):
        block = &image_blocks(image)[i]
        # A region may hold anything of its page.
        off = block.off & ~<uint32_t>REPLACED if block.why != END_REGION else 0
        while off <= block.end and off < PAGE_BYTES:
            if (sys.probe_map[off >> 4] >> ((off >> 1) & 7)) & 1:
                return True
            off += 2
    return False


cdef bint install(System *sys, CodeBundle *bundle, const Image *image) noexcept nogil:
    # The image becomes the code of a page that has none. Its links lead where they did: it keeps its layout.
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef PageBlocks *u
    cdef uint32_t base, i
    if is_probed_in(sys, image) or not place(c, image.code_bytes) or not equip(sys, bundle):
        return False
    u = <PageBlocks *>bundle.blocks
    u.blocks = <Compiled *>vm_alloc(image.nblocks * sizeof(Compiled))
    u.links = <Link *>vm_alloc(image.nlinks * sizeof(Link))
    if u.blocks == NULL or u.links == NULL or not write_code(c.at, image_code(image), image.code_bytes):
        strip(sys, bundle)
        return False
    u.nblocks = u.blocks_room = image.nblocks
    u.nlinks = u.links_room = image.nlinks
    u.insns = image.insns
    u.code_bytes = image.code_bytes
    u.profile = image.profile
    memcpy(u.blocks, image_blocks(image), image.nblocks * sizeof(Compiled))
    memcpy(u.links, image_links(image), image.nlinks * sizeof(Link))
    base = <uint32_t>((c.at - sys.code_base) // CODE_UNIT)
    for i in range(u.nblocks):
        u.blocks[i].at += base
        if not u.blocks[i].off & REPLACED:
            vmcore_store32(&bundle.code[u.blocks[i].off >> 1], u.blocks[i].at)
    c.at += image.code_bytes
    vmcore_add64(&c.live, image.code_bytes)
    return True


# --- the third level --------------------------------------------------------------------------------------------------

cdef uint32_t image_flags(const System *sys) noexcept nogil:
    return ((IMAGE_HARTS if sys.nharts > 1 else 0) | (IMAGE_PARALLEL if sys.parallel else 0)
            | (IMAGE_COUNTING if sys.counting else 0)
            | (IMAGE_REGIONS if (<const CodeCache *>sys.cache).tier != NULL else 0))


cdef void recall(System *sys, CodeBundle *bundle, bint counts) noexcept nogil:
    # Perhaps the store has code for the page: then none of it is compiled again.
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef Image *image
    if not cache_start(sys):
        return
    image = store_take(c.store, bundle.saved, sys.harts[0].isa, image_flags(sys), counts)
    if image == NULL:
        c.l3_misses += counts
        return
    if install(sys, bundle, image):
        c.l3_hits += 1
        c.l3_insns += image.insns
        (<PageBlocks *>bundle.blocks).shared = image.insns
    store_give_back()


cdef void recall_bundle(System *sys, CodeBundle *bundle) noexcept nogil:
    recall(sys, bundle, True)


cdef void hand_in(System *sys, CodeBundle *bundle) noexcept nogil:
    # The store gets what it does not have of the page.
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef Image *image
    # Code that stops at probes is of no use to others, and that of the process which was forked from cannot be read.
    if c.store == NULL or u.insns <= u.shared or u.probed or c.generation != code_generation():
        return
    if store_knows(c.store, bundle.saved, sys.harts[0].isa, image_flags(sys)) < u.insns:
        image = make_image(sys, bundle)
        if image == NULL:
            return
        store_put(c.store, image)
    u.shared = u.insns


cdef void share(System *sys) noexcept nogil:
    # So that a machine that is made while this one runs has something from it.
    cdef CodeBundle *bundle
    cdef uint32_t i
    for i in range(BUNDLE_HEADS):
        bundle = sys.bundles[i]
        while bundle != NULL:
            if bundle.blocks != NULL:
                hand_in(sys, bundle)
            bundle = bundle.next


cdef void forget_bundle(System *sys, CodeBundle *bundle) noexcept nogil:
    # Code that the guest has just made and changed again is not worth keeping, unless it was used.
    if bundle.dead == BUNDLE_DROPPED or heat_class(bundle.heat):
        hand_in(sys, bundle)
    strip(sys, bundle)


# --- heat and eviction ------------------------------------------------------------------------------------------------

cdef void cool(System *sys) noexcept nogil:
    cdef CodeBundle *bundle
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef uint32_t i
    for i in range(BUNDLE_HEADS):
        bundle = sys.bundles[i]
        while bundle != NULL:
            bundle.heat >>= 1
            bundle = bundle.next
    if c.nsegments * c.segments[0].size > c.limit // 2 and not sys.parallel:
        # Memory will be short: what the L1 tables have forgotten shows its use by being entered again.
        for i in range(sys.nharts):
            forget_code(sys.harts[i])


cdef uint32_t coldest_kept(System *sys, uint64_t *budget) noexcept nogil:
    # The heat, as a number of bits, from which on all code fits into the budget; and what is left of that.
    cdef uint64_t bytes_of[33]
    cdef CodeBundle *bundle
    cdef uint32_t i
    cdef uint32_t bits = 33
    memset(bytes_of, 0, sizeof(bytes_of))
    for i in range(BUNDLE_HEADS):
        bundle = sys.bundles[i]
        while bundle != NULL:
            if bundle.blocks != NULL:
                bytes_of[bit_length(bundle.heat)] += (<PageBlocks *>bundle.blocks).code_bytes
            bundle = bundle.next
    while bits and bytes_of[bits - 1] <= budget[0]:
        bits -= 1
        budget[0] -= bytes_of[bits]
    return bits


cdef void cache_evict(System *sys, uint64_t left) noexcept nogil:
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef uint32_t coldest
    cdef uint32_t kept = 0
    cdef uint32_t room = 0
    cdef uint32_t i, bits
    cdef PageBlocks *u
    cdef Moved *moved = NULL
    cdef CodeBundle *bundle
    if c == NULL or c.nsegments == 0:
        return
    coldest = coldest_kept(sys, &left)
    c.n_evictions += 1
    for i in range(BUNDLE_HEADS):
        bundle = sys.bundles[i]
        while bundle != NULL:
            u = <PageBlocks *>bundle.blocks
            if u != NULL:
                hand_in(sys, bundle)
                bits = bit_length(bundle.heat)
                if bits + 1 == coldest and u.code_bytes <= left:
                    # Not all of that warmth fits.
                    left -= u.code_bytes
                    bits += 1
                if u.nblocks and bits >= coldest and vm_grow(<void **>&moved, &room, kept + 1, FIRST_ROOM,
                                                             sizeof(Moved)):
                    moved[kept].image = make_image(sys, bundle)
                    moved[kept].bundle = bundle
                    moved[kept].shared = u.shared
                    kept += 1
                strip(sys, bundle)
            bundle = bundle.next
    # The first segment begins with the stubs.
    release_segments(c, 1)
    c.at = <uint64_t>c.segments[0].exec_base + c.stubs_bytes
    c.end = <uint64_t>c.segments[0].exec_base + min(c.segments[0].size, c.limit)
    vmcore_store64(&c.dropped, 0)
    for i in range(HOLE_SIZES):
        vmcore_store64(&c.holes[i], 0)
    for i in range(kept):
        bundle = moved[i].bundle
        if moved[i].image != NULL and install(sys, bundle, moved[i].image):
            (<PageBlocks *>bundle.blocks).shared = moved[i].shared
            c.n_moved += 1
        vm_free(moved[i].image)
    vm_free(moved)
    for i in range(sys.nharts):
        recode(sys.harts[i])
    cool(sys)


cdef void cache_limit(System *sys, uint64_t limit) noexcept nogil:
    (<CodeCache *>sys.cache).limit = limit
    cache_evict(sys, 0)


# --- compiling --------------------------------------------------------------------------------------------------------

cdef uint32_t code_behind(const PageBlocks *u, uint32_t off) noexcept nogil:
    # The block that a region stands in for; 0: it was the first code there.
    cdef uint32_t i
    for i in range(u.nblocks, 0, -1):
        if u.blocks[i - 1].off == off | REPLACED and u.blocks[i - 1].why < END_REGION:
            return u.blocks[i - 1].at
    return 0


cdef bint record(System *sys, CodeBundle *bundle, const Made *made, uint64_t at) noexcept nogil:
    # It stands at `at`: link it with the page's others.
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    cdef Compiled *block
    cdef Link *link
    cdef uint32_t i, target
    cdef bint had
    if not vm_grow(<void **>&u.blocks, &u.blocks_room, u.nblocks + 1, FIRST_ROOM, sizeof(Compiled)):
        return False
    block = &u.blocks[u.nblocks]
    had = bundle.code[made.start >> 1] != 0
    block.at = <uint32_t>((at - sys.code_base) // CODE_UNIT)
    block.bytes = made.size
    block.off = <uint16_t>made.start
    block.end = <uint16_t>made.end
    block.insns = <uint16_t>made.insns
    block.why = <uint16_t>made.why
    # ORDER: release: the code is there before its place.
    vmcore_store32(&bundle.code[made.start >> 1], block.at)
    for i in range(u.nblocks if had else 0):
        if u.blocks[i].off == made.start:
            u.blocks[i].off |= REPLACED
    for i in range(made.nlinks):
        # Without room the jump keeps leading to its exit: slower, not wrong.
        if not vm_grow(<void **>&u.links, &u.links_room, u.nlinks + 1, FIRST_ROOM, sizeof(Link)):
            break
        link = &u.links[u.nlinks]
        link.field = made.links[i].field
        link.block = <uint16_t>u.nblocks
        link.off = <uint16_t>made.links[i].off
        VMCORE_ASSERT(not sys.parallel or link.field & 7 <= 4)
        u.nlinks += 1
        if link.off & BEHIND:
            target = code_behind(u, link.off & PLACE_BITS)
        else:
            target = bundle.code[link.off >> 1]
        if target and link.off != made.start:
            patch(site_of(sys, u, link), sys.code_base + <uint64_t>CODE_UNIT * target)
            link.off |= LINKED
    u.nblocks += 1
    u.insns += made.insns
    u.code_bytes += in_units(made.size)
    vmcore_add64(&(<CodeCache *>sys.cache).live, in_units(made.size))
    for i in range(u.nlinks):
        # One that led to an older version of it is told apart by nothing but its place.
        if u.links[i].off & ~<uint32_t>LINKED == made.start:
            patch(site_of(sys, u, &u.links[i]), at)
            u.links[i].off |= LINKED
    return True


cdef uint32_t put_made(System *sys, CodeBundle *bundle, const Made *made) noexcept nogil:
    cdef CodeCache *c = <CodeCache *>sys.cache
    if not place(c, made.size):
        if sys.parallel:
            # Only when no hart runs: the run loop sees to that, and T0 goes on alone until then.
            vmcore_store32(&sys.code_full, 1)
            return 0
        cache_evict(sys, (c.limit - c.stubs_bytes) // 2)
        if not place(c, made.size):
            cache_evict(sys, 0)
        if not place(c, made.size) or not equip(sys, bundle):
            return 0
    if not write_code(c.at, made.code, made.size) or not record(sys, bundle, made, c.at):
        return 0
    c.at += made.size
    c.n_bytes += made.size
    return bundle.code[made.start >> 1]


cdef uint32_t put_block(Hart *hart, CodeBundle *bundle, uint32_t off) noexcept nogil:
    cdef System *sys = hart.sys
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef Block *b = &c.block
    cdef Made made
    cdef uint64_t began = vmcore_monotonic_ns()
    x_open(&b.a, c.stage, c.stage + STAGE_BYTES)
    if not translate_block(b, hart, bundle, off, NO_SECOND):
        c.n_failed += 1
        return 0
    made.code = b.a.start
    made.size = <uint32_t>(b.a.at - b.a.start)
    made.start = b.start
    made.end = b.next
    made.insns = b.insns
    made.why = b.why
    made.nlinks = b.nlinks
    made.links = b.links
    if not put_made(sys, bundle, &made):
        return 0
    c.n_blocks += 1
    c.n_insns += b.insns
    c.compile_ns += vmcore_monotonic_ns() - began
    return bundle.code[off >> 1]


cdef bint unmake(Hart *hart, CodeBundle *bundle, uint32_t off) noexcept nogil:
    return put_block(hart, bundle, off) != 0


cdef uint32_t compile_block(Hart *hart, CodeBundle *bundle, uint32_t off) noexcept nogil:
    cdef System *sys = hart.sys
    cdef CodeCache *c = <CodeCache *>sys.cache
    if not cache_start(sys):
        # No memory for code, now or ever: T0 does it all.
        sys.compile = NULL
        sys.straddle = NULL
        sys.recall = NULL
        return 0
    if bundle.code == NULL and c.store != NULL:
        # Another machine may have compiled the page since it was first fetched.
        recall(sys, bundle, False)
    if not equip(sys, bundle):
        return 0
    if bundle.code[off >> 1]:
        return bundle.code[off >> 1]
    if not put_block(hart, bundle, off):
        return 0
    if c.n_blocks >= c.cool_after:
        c.cool_after = c.n_blocks + COOL_BLOCKS
        cool(sys)
    if c.n_blocks >= c.share_after:
        c.share_after = c.n_blocks * 4
        if c.store != NULL:
            share(sys)
    return bundle.code[off >> 1]


cdef uint64_t straddle_code(Hart *hart, CodeBundle *bundle, uint32_t second) noexcept nogil:
    # Its code belongs to the page, but to none of its places: whoever comes there has to show what follows. So it is
    # entered through the L1 table alone, which is empty again whenever code of any page has changed.
    cdef System *sys = hart.sys
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef PageBlocks *u
    cdef Block *b = &c.block
    cdef uint64_t size
    cdef uint64_t began
    if not cache_start(sys) or not equip(sys, bundle):
        return 0
    u = <PageBlocks *>bundle.blocks
    if u.split and u.split_second == second:
        return sys.code_base + <uint64_t>CODE_UNIT * u.split
    u.split_asked += 1
    if u.split_asked < sys.hot_after or u.split_made >= MOST_SPLITS or sys.nprobes:
        return 0
    began = vmcore_monotonic_ns()
    u.split_asked = 0
    u.split_made += 1
    x_open(&b.a, c.stage, c.stage + STAGE_BYTES)
    if not translate_block(b, hart, bundle, PAGE_BYTES - 2, second):
        c.n_failed += 1
        return 0
    size = <uint64_t>(b.a.at - b.a.start)
    # Without room it has to wait until there is some again: nothing is dropped for it.
    if not place(c, size) or not write_code(c.at, b.a.start, size):
        return 0
    u.split = <uint32_t>((c.at - sys.code_base) // CODE_UNIT)
    u.split_second = <uint16_t>second
    c.at += size
    # Whoever makes room drops it.
    note_hole(c, in_units(<uint32_t>size))
    c.n_bytes += size
    c.n_blocks += 1
    c.n_insns += 1
    c.compile_ns += vmcore_monotonic_ns() - began
    return sys.code_base + <uint64_t>CODE_UNIT * u.split


cdef bint cache_start(System *sys) noexcept nogil:
    # The first segment, which begins with the stubs. A machine that never gets warm needs none.
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef Asm a
    cdef CodeStats memory
    cdef uint32_t i
    if c.nsegments:
        return True
    if not new_segment(c):
        return False
    x_open(&a, c.stage, c.stage + STAGE_BYTES)
    write_stubs(&a, c.at - <uint64_t>a.start, c.stubs, sys.counting)
    c.stubs_bytes = <uint64_t>(a.at - a.start)
    if not write_code(c.at, a.start, c.stubs_bytes):
        release_segments(c, 0)
        return False
    c.at += c.stubs_bytes
    vmcore_add64(&c.live, in_units(<uint32_t>c.stubs_bytes))
    code_stats(&memory)
    sys.code_base = <uint64_t>memory.exec_base
    sys.enter_code = <enter_t>c.stubs[STUB_COUNT]
    for i in range(sys.nharts):
        install_stubs(sys.harts[i], c.stubs)
    return True


cdef bint cache_open(System *sys, uint32_t hot_after, Table *store) noexcept nogil:
    cdef CodeCache *c
    if code_method() == CODE_NONE:
        return False
    c = <CodeCache *>vm_calloc(1, sizeof(CodeCache))
    if c == NULL:
        return False
    c.limit = CACHE_LIMIT
    c.generation = code_generation()
    c.store = store
    c.share_after = SHARE_BLOCKS
    c.cool_after = COOL_BLOCKS
    sys.cache = c
    sys.hot_after = hot_after
    sys.forget = forget_bundle
    sys.compile = compile_block
    sys.straddle = straddle_code
    if store != NULL:
        sys.recall = recall_bundle
    return True


cdef void cache_close(System *sys) noexcept nogil:
    cdef CodeCache *c = <CodeCache *>sys.cache
    if c == NULL:
        return
    release_segments(c, 0)
    vm_free(c.segments)
    vm_free(c)
    sys.cache = NULL
    sys.compile = NULL
    sys.straddle = NULL
    sys.recall = NULL


cdef dict cache_figures(System *sys):
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef CodeBundle *bundle
    cdef uint64_t pages[3]
    cdef uint64_t code_bytes = 0
    cdef uint32_t i, k
    cdef uint32_t l1 = 0
    cdef Hart *hart
    memset(pages, 0, sizeof(pages))
    for i in range(BUNDLE_HEADS):
        bundle = sys.bundles[i]
        while bundle != NULL:
            if bundle.blocks != NULL:
                pages[heat_class(bundle.heat)] += 1
                code_bytes += (<PageBlocks *>bundle.blocks).code_bytes
            bundle = bundle.next
    for i in range(sys.nharts):
        hart = sys.harts[i]
        for k in range(L1_SIZE if hart.l1_state == L1_USED else 0):
            l1 += (hart.l1[k].tag != no_code_tag(k)) + (hart.l1_second[k].tag != no_code_tag(k))
    translated = c.n_insns + c.l3_insns
    return {"t1_blocks": c.n_blocks, "t1_compiled": c.n_insns, "t1_code_bytes": c.n_bytes, "t1_failed": c.n_failed,
            "t1_evictions": c.n_evictions, "t1_compile_ns": c.compile_ns, "l1_entries": l1,
            "l2_pages": pages[0] + pages[1] + pages[2], "l2_bytes": code_bytes, "l2_hot": pages[2], "l2_warm": pages[1],
            "l2_cold": pages[0], "l2_moved": c.n_moved, "l3_hits": c.l3_hits, "l3_misses": c.l3_misses,
            "l3_insns": c.l3_insns, "l3_hit_pct": 100 * c.l3_insns / translated if translated else 0.0}
