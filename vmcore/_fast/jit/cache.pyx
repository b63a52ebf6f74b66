"""The compiled code of a machine: compile a block, place it, link it to its page's other blocks, drop a page's code."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.defs cimport VMCORE_ASSERT, vmcore_store32
from vmcore._fast.hart.clock cimport vmcore_monotonic_ns
from vmcore._fast.hart.codepage cimport drop_all
from vmcore._fast.hart.state cimport CODE_UNIT, CodeBundle, Hart, System, enter_t
from vmcore._fast.jit.block cimport Block, translate_block
from vmcore._fast.jit.codebuf cimport (
    CODE_NONE, CodeSegment, CodeStats, code_begin_write, code_end_write, code_generation, code_method, code_rw_delta,
    code_segment_free, code_segment_new, code_stats)
from vmcore._fast.jit.stubs cimport install_stubs, write_stubs
from vmcore._fast.jit.x64.asm cimport Asm, x_open
from vmcore._fast.memory.alloc cimport vm_calloc, vm_free, vm_realloc

cdef enum:
    FIRST_ROOM = 16
    CACHE_LIMIT = 48 << 20
    STAGE_BYTES = 1 << 15


cdef bint more_room(void **array, uint32_t *room, uint32_t used, uint64_t each) noexcept nogil:
    cdef uint32_t wanted = room[0] * 2 if room[0] else FIRST_ROOM
    cdef void *moved
    if used < room[0]:
        return True
    moved = vm_realloc(array[0], wanted * each)
    if moved == NULL:
        return False
    array[0] = moved
    room[0] = wanted
    return True


cdef bint new_segment(CodeCache *c) noexcept nogil:
    cdef CodeSegment *s
    if not more_room(<void **>&c.segments, &c.segments_room, c.nsegments, sizeof(CodeSegment)):
        return False
    s = &c.segments[c.nsegments]
    if code_segment_new(s) != 0:
        return False
    c.nsegments += 1
    c.at = <uint64_t>s.exec_base
    c.end = c.at + s.size
    return True


cdef void release_segments(CodeCache *c, uint32_t keep) noexcept nogil:
    while c.nsegments > keep:
        c.nsegments -= 1
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


cdef bint place(System *sys, CodeCache *c, uint64_t n) noexcept nogil:
    # Room for n bytes at c.at. False: all code was dropped to make some, or there is none.
    c.at = (c.at + CODE_UNIT - 1) & ~<uint64_t>(CODE_UNIT - 1)
    if c.at + n <= c.end:
        return True
    if c.nsegments * c.segments[0].size < c.limit and new_segment(c):
        return True
    if sys.parallel:
        # Only when no hart runs: the run loop sees to that, and T0 goes on alone until then.
        vmcore_store32(&sys.code_full, 1)
    else:
        cache_evict(sys)
    return False


cdef void cache_evict(System *sys) noexcept nogil:
    cdef CodeCache *c = <CodeCache *>sys.cache
    drop_all(sys)
    if c == NULL or c.nsegments == 0:
        return
    c.n_evictions += 1
    # The first segment begins with the stubs.
    release_segments(c, 1)
    c.at = <uint64_t>c.segments[0].exec_base + c.stubs_bytes
    c.end = <uint64_t>c.segments[0].exec_base + min(c.segments[0].size, c.limit)


cdef void cache_limit(System *sys, uint64_t limit) noexcept nogil:
    cdef CodeCache *c = <CodeCache *>sys.cache
    c.limit = limit
    cache_evict(sys)


cdef uint32_t compile_block(Hart *hart, CodeBundle *bundle, uint32_t off) noexcept nogil:
    cdef System *sys = hart.sys
    cdef CodeCache *c = <CodeCache *>sys.cache
    cdef Block *b = &c.block
    cdef PageBlocks *u
    cdef uint64_t size, site
    cdef uint32_t i, target
    cdef uint64_t began = vmcore_monotonic_ns()
    if not cache_start(sys):
        # No memory for code, now or ever: T0 does it all.
        sys.compile = NULL
        return 0
    if bundle.code == NULL:
        bundle.code = <uint32_t *>vm_calloc(2048, sizeof(uint32_t))
        bundle.blocks = vm_calloc(1, sizeof(PageBlocks))
        if bundle.code == NULL or bundle.blocks == NULL:
            vm_free(bundle.code)
            vm_free(bundle.blocks)
            bundle.code = NULL
            bundle.blocks = NULL
            return 0
    u = <PageBlocks *>bundle.blocks
    if bundle.code[off >> 1]:
        return bundle.code[off >> 1]
    x_open(&b.a, c.stage, c.stage + STAGE_BYTES)
    if not translate_block(b, hart, bundle, off):
        c.n_failed += 1
        return 0
    size = <uint64_t>(b.a.at - b.a.start)
    if not more_room(<void **>&u.blocks, &u.blocks_room, u.nblocks, sizeof(Compiled)):
        return 0
    if not place(sys, c, size):
        return 0
    if not write_code(c.at, b.a.start, size):
        return 0
    target = <uint32_t>((c.at - sys.code_base) // CODE_UNIT)
    # ORDER: release: the code is there before its place.
    vmcore_store32(&bundle.code[off >> 1], target)
    u.blocks[u.nblocks].at = target
    u.blocks[u.nblocks].bytes = <uint32_t>size
    u.blocks[u.nblocks].off = <uint16_t>off
    u.blocks[u.nblocks].insns = <uint8_t>b.insns
    u.blocks[u.nblocks].why = <uint8_t>b.why
    u.nblocks += 1
    for i in range(b.nlinks):
        site = c.at + b.links[i].field
        VMCORE_ASSERT(not sys.parallel or site & 7 <= 4)
        target = bundle.code[b.links[i].off >> 1]
        if target:
            patch(site, sys.code_base + <uint64_t>CODE_UNIT * target)
        elif more_room(<void **>&u.pending, &u.pending_room, u.npending, sizeof(Pending)):
            # Without room the jump keeps leading to its exit: slower, not wrong.
            u.pending[u.npending].site = <uint32_t>(site - sys.code_base)
            u.pending[u.npending].off = <uint16_t>b.links[i].off
            u.npending += 1
    i = 0
    while i < u.npending:
        if u.pending[i].off == off:
            patch(sys.code_base + u.pending[i].site, c.at)
            u.npending -= 1
            u.pending[i] = u.pending[u.npending]
        else:
            i += 1
    c.at += size
    c.n_blocks += 1
    c.n_insns += b.insns
    c.n_bytes += size
    c.compile_ns += vmcore_monotonic_ns() - began
    return bundle.code[off >> 1]


cdef void forget_bundle(System *sys, CodeBundle *bundle) noexcept nogil:
    cdef PageBlocks *u = <PageBlocks *>bundle.blocks
    vm_free(u.pending)
    vm_free(u.blocks)
    vm_free(u)
    vm_free(bundle.code)
    bundle.code = NULL
    bundle.blocks = NULL


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
    write_stubs(&a, c.at - <uint64_t>a.start, c.stubs)
    c.stubs_bytes = <uint64_t>(a.at - a.start)
    if not write_code(c.at, a.start, c.stubs_bytes):
        release_segments(c, 0)
        return False
    c.at += c.stubs_bytes
    code_stats(&memory)
    sys.code_base = <uint64_t>memory.exec_base
    sys.enter_code = <enter_t>c.stubs[STUB_COUNT]
    for i in range(sys.nharts):
        install_stubs(sys.harts[i], c.stubs)
    return True


cdef bint cache_open(System *sys, uint32_t hot_after) noexcept nogil:
    cdef CodeCache *c
    if code_method() == CODE_NONE:
        return False
    c = <CodeCache *>vm_calloc(1, sizeof(CodeCache))
    if c == NULL:
        return False
    c.limit = CACHE_LIMIT
    c.generation = code_generation()
    sys.cache = c
    sys.hot_after = hot_after
    sys.forget = forget_bundle
    sys.compile = compile_block
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
