"""Which regions there are."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from vmcore._fast.hart.state cimport CodeBundle, System
from vmcore._fast.jit.block cimport END_REGION
from vmcore._fast.jit.cache cimport PageBlocks
from vmcore._fast.jit.image cimport PAGE_BYTES, REPLACED, Compiled
from vmcore._fast.jit.t2.region cimport MAP_BYTES


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


cdef list regions_of(System *sys):
    cdef uint8_t warm[MAP_BYTES]
    cdef CodeBundle *bundle
    cdef const PageBlocks *u
    cdef uint32_t i, k
    cdef uint32_t n = sizeof(sys.bundles) // sizeof(bundle)
    found = []
    for i in range(n):
        bundle = sys.bundles[i]
        while bundle != NULL:
            u = <const PageBlocks *>bundle.blocks
            if u != NULL and not bundle.dead:
                memset(warm, 0, sizeof(warm))
                find_warm(u, warm)
                for k in range(u.nblocks):
                    if u.blocks[k].why >= END_REGION and not u.blocks[k].off & REPLACED:
                        found.append((<bytes>(<char *>bundle.saved)[:PAGE_BYTES], u.blocks[k].off,
                                      <bytes>(<char *>warm)[:MAP_BYTES]))
            bundle = bundle.next
    return found
