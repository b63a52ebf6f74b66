"""Images of compiled pages: what may be believed of one that comes from outside."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from vmcore._fast.hart.state cimport CODE_UNIT
from vmcore._fast.jit.block cimport END_REGION


cdef inline bint is_place(uint32_t off) noexcept nogil:
    return off < PAGE_BYTES and off & 1 == 0


cdef bint profile_is_sound(const Profile *p) noexcept nogil:
    cdef uint32_t i
    if p.njumps > MOST_JUMPS or p.nrefused > MOST_REFUSED or p.tries > MOST_TRIES or p.vain > MOST_VAIN or \
            p.agains > MOST_AGAIN or p.steady > MOST_STEADY or p.narrow > 1 or \
            p.warm > PAGE_BYTES // 2 or p.vain_warm > PAGE_BYTES // 2:
        return False
    for i in range(p.njumps):
        if not is_place(p.jumps[i].at) or not is_place(p.jumps[i].to):
            return False
    for i in range(p.nrefused):
        if not is_place(p.refused[i]):
            return False
    return True


cdef bint image_is_sound(const Image *image, uint64_t size) noexcept nogil:
    cdef Compiled *block
    cdef Link *link
    cdef uint64_t insns = 0
    cdef uint64_t expected = 0
    cdef uint32_t i
    # The places that a block begins at, and those at which one did before a region.
    cdef unsigned char starts[2][2048]
    cdef uint32_t place, behind
    if size < sizeof(Image) or size > IMAGE_LIMIT or size & 7 or image.size != size:
        return False
    # Each below the limit first, so that the sum cannot pass 64 bits.
    if image.nblocks == 0 or image.nblocks > 2048 or image.nlinks > IMAGE_LIMIT or image.code_bytes > IMAGE_LIMIT:
        return False
    if image_size(image.nblocks, image.nlinks, image.code_bytes) != size or image_check(image) != image.check:
        return False
    if page_hash(image.page, image.isa, image.flags) != image.hash or not profile_is_sound(&image.profile):
        return False
    memset(starts, 0, sizeof(starts))
    for i in range(image.nblocks):
        # Blocks follow one another as they are laid out.
        block = &image_blocks(image)[i]
        if block.at != expected or block.bytes == 0 or block.bytes > image.code_bytes:
            return False
        expected += (block.bytes + CODE_UNIT - 1) // CODE_UNIT
        if block.off >= PAGE_BYTES or not (block.off & ~<uint32_t>REPLACED) < block.end <= PAGE_BYTES + 2:
            return False
        if block.insns == 0 or block.why > END_REGION:
            return False
        if not block.off & REPLACED:
            if starts[0][block.off >> 1]:
                return False
            starts[0][block.off >> 1] = 1
        elif block.why != END_REGION:
            starts[1][block.off >> 1] = 1
        insns += block.insns
    if expected * CODE_UNIT != image.code_bytes or insns != image.insns:
        return False
    for i in range(image.nlinks):
        link = &image_links(image)[i]
        if link.block >= image.nblocks or link.off & ~<uint32_t>(PLACE_BITS | LINKED | BEHIND):
            return False
        if <uint64_t>link.field + 4 > image_blocks(image)[link.block].bytes:
            return False
        place = (link.off & PLACE_BITS) >> 1
        behind = link.off & BEHIND != 0
        if link.off & LINKED and not starts[behind][place]:
            return False
    return True
