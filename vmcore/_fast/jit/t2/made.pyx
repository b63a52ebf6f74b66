"""Which regions there are."""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from vmcore._fast.hart.state cimport CODE_UNIT, CodeBundle, System
from vmcore._fast.jit.block cimport END_PAGES, END_REGION
from vmcore._fast.jit.cache cimport PageBlocks
from vmcore._fast.jit.image cimport PAGE_BYTES, REPLACED, Compiled, Jump
from vmcore._fast.jit.t2.pages cimport PAGES_EACH, PAGES_HEAD
from vmcore._fast.jit.t2.ways cimport MAP_BYTES


cdef void find_warm(const PageBlocks *u, uint8_t *warm) noexcept nogil:
    # What block code covers, or once did.
    cdef const Compiled *one
    cdef uint32_t i, half, end
    for i in range(u.nblocks):
        one = &u.blocks[i]
        if one.why >= END_REGION:
            continue
        end = min(one.end, <uint32_t>PAGE_BYTES)
        for half in range((one.off & ~<uint32_t>REPLACED) >> 1, end >> 1):
            warm[half >> 3] |= <uint8_t>(1 << (half & 7))


cdef CodeBundle *bundle_of(System *sys, uint64_t serial):
    cdef CodeBundle *bundle
    cdef uint32_t i
    for i in range(sizeof(sys.bundles) // sizeof(bundle)):
        bundle = sys.bundles[i]
        while bundle != NULL:
            if bundle.serial == serial and bundle.blocks != NULL and not bundle.dead:
                return bundle
            bundle = bundle.next
    return NULL


cdef bytes warm_of(const CodeBundle *bundle):
    cdef uint8_t warm[MAP_BYTES]
    memset(warm, 0, sizeof(warm))
    find_warm(<const PageBlocks *>bundle.blocks, warm)
    return (<char *>warm)[:MAP_BYTES]


cdef bytes bytes_of(const CodeBundle *bundle):
    return (<const char *>bundle.saved)[:PAGE_BYTES]


cdef tuple more_of(System *sys, const Compiled *one):
    # The other pages of a region. None: one of them is gone.
    cdef const uint8_t *end = <const uint8_t *>(sys.code_base + <uint64_t>CODE_UNIT * one.at + one.bytes)
    cdef CodeBundle *bundle
    cdef uint32_t n = 0
    cdef uint32_t i
    cdef int32_t at = 0
    cdef uint64_t serial = 0
    found = []
    if one.why != END_PAGES:
        return ()
    memcpy(&n, end - PAGES_HEAD, 4)
    for i in range(n, 0, -1):
        memcpy(&at, end - PAGES_HEAD - PAGES_EACH * i, 4)
        memcpy(&serial, end - PAGES_HEAD - PAGES_EACH * i + 4, 8)
        bundle = bundle_of(sys, serial)
        if bundle == NULL:
            return None
        found.append((at, bytes_of(bundle), warm_of(bundle)))
    return tuple(found)


cdef tuple jumps_of(const PageBlocks *u):
    cdef uint32_t i
    cdef const Jump *jumps = u.profile.jumps
    return tuple([(jumps[i].at, jumps[i].to, jumps[i].times) for i in range(u.profile.njumps)])


cdef list regions_of(System *sys):
    cdef CodeBundle *bundle
    cdef const PageBlocks *u
    cdef uint32_t i, k
    found = []
    for i in range(sizeof(sys.bundles) // sizeof(bundle)):
        bundle = sys.bundles[i]
        while bundle != NULL:
            u = <const PageBlocks *>bundle.blocks
            for k in range(0 if u == NULL or bundle.dead else u.nblocks):
                if u.blocks[k].why < END_REGION or u.blocks[k].off & REPLACED:
                    continue
                more = more_of(sys, &u.blocks[k])
                if more is not None:
                    found.append((bytes_of(bundle), u.blocks[k].off, warm_of(bundle), more, jumps_of(u)))
            bundle = bundle.next
    return found
