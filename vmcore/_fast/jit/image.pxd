# The compiled code of one page and what is known of it, in one piece that can be moved, shared and kept on disk: an
# Image. Behind it lie its blocks, its links and its code.
#
# Code refers to nothing but its page's other blocks, which move together with it, and to the hart: so an image is good
# wherever the same bytes are executed by the same engine, with the same `isa` and `flags`, on a processor that has the
# same features.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.hart.state cimport REGION_SLOTS

cdef extern from *:
    """
    /* Not for secrets. Four lanes, each step of which loses nothing: a change of one word always shows. `n`: a multiple
     * of 8. */
    static inline uint64_t vmcore_mix(uint64_t h) {
        h ^= h >> 32; h *= 0xD6E8FEB86659FD93u; h ^= h >> 32; h *= 0xD6E8FEB86659FD93u; return h ^ h >> 32;
    }
    static uint64_t vmcore_hash(const void *what, size_t n, uint64_t seed) {
        const unsigned char *p = what;
        uint64_t lane[4] = {seed ^ 0x9E3779B97F4A7C15u, seed + 0xBF58476D1CE4E5B9u, ~seed, seed ^ n};
        uint64_t w;
        size_t i, k;
        for (i = 0; i + 32 <= n; i += 32)
            for (k = 0; k < 4; k++) {
                memcpy(&w, p + i + 8 * k, 8);
                lane[k] = (lane[k] ^ w) * 0x9FB21C651E98DF25u;
                lane[k] ^= lane[k] >> 29;
            }
        for (k = 0; i + 8 <= n; i += 8, k++) {
            memcpy(&w, p + i, 8);
            lane[k] = (lane[k] ^ w) * 0x9FB21C651E98DF25u;
            lane[k] ^= lane[k] >> 29;
        }
        return vmcore_mix(lane[0] + vmcore_mix(lane[1] + vmcore_mix(lane[2] + vmcore_mix(lane[3]))));
    }
    """
    uint64_t hash_bytes "vmcore_hash"(const void *what, size_t n, uint64_t seed) noexcept nogil

cdef enum:
    PAGE_BYTES = 4096
    NO_BLOCK = 0xFFFF
    # More than a page's code can need: what claims to be larger is none of ours.
    IMAGE_LIMIT = 1 << 20

# `flags`: what else the code depends on.
cdef enum:
    IMAGE_HARTS = 1           # more than one
    IMAGE_PARALLEL = 2        # each has a thread
    IMAGE_COUNTING = 4        # it counts its look-ups
    IMAGE_REGIONS = 8         # there may be regions in it

cdef struct Compiled:
    uint32_t at               # in CODE_UNIT: from sys.code_base, or from the start of the image's code
    uint32_t bytes
    uint16_t off              # of its first instruction in the page; REPLACED: other code begins there now
    uint16_t end              # ... of what follows its last one
    uint16_t insns
    uint16_t why              # END_*

cdef enum:
    MOST_JUMPS = 64

# A jump of a page to what a register said, not a return: from one of its places to another, and how often it was seen.
cdef struct Jump:
    uint16_t at
    uint16_t to
    uint16_t times

# At most, in a profile.
cdef enum:
    MOST_TRIES = 32           # regions of a page, and what was too large for one
    MOST_VAIN = 8             # times that twice as many sightings are asked for where there was nothing to compile
    MOST_AGAIN = 3            # times that regions of a page are made once more after storms
    MOST_REFUSED = 8
    MOST_STEADY = 2

# What T2 has learnt of a page, which is as good elsewhere as its code is.
cdef struct Profile:
    Jump jumps[MOST_JUMPS]    # that were seen, those that were seen most first
    uint16_t refused[MOST_REFUSED]    # places where there is no region to be had
    uint16_t warm             # halfwords that blocks covered when the first of its regions was made; 0: it has none
    uint16_t vain_warm        # ... when it was last looked whether there were more
    uint8_t njumps
    uint8_t nrefused
    uint8_t tries             # regions that were made, or tried
    uint8_t vain              # how often there was none to be had
    uint8_t steady            # how much less its regions guess than they might: MOST_STEADY, nothing
    uint8_t agains            # how often those that were given up might be made once more
    uint8_t narrow            # look-ups that are shared are for a few bytes
    uint8_t spare[5]
    uint8_t vain_at[256]      # a bit for each halfword where a hart was seen, and no region was to be had

# A jump to another place of the page. Until that place is compiled it leads to an exit.
cdef struct Link:
    uint32_t field            # where its displacement is: offset in the block
    uint16_t block            # index
    uint16_t off              # of the place; LINKED: the displacement leads there; BEHIND: to what a region replaced

cdef enum:
    LINKED = 1
    REPLACED = 1
    # Block code for where the region begins, that is executed once where the region cannot.
    BEHIND = 0x8000
    PLACE_BITS = 0xFFE

cdef struct Image:
    uint64_t check            # of everything behind it
    uint64_t hash             # of the page, isa and flags
    uint64_t isa
    uint32_t flags
    uint32_t size             # all of it, a multiple of 8
    uint32_t insns
    uint32_t heat
    uint32_t nblocks
    uint32_t nlinks
    uint32_t code_bytes
    uint32_t spare
    Profile profile
    uint8_t page[PAGE_BYTES]

cdef inline Compiled *image_blocks(const Image *image) noexcept nogil:
    return <Compiled *>(image + 1)

cdef inline Link *image_links(const Image *image) noexcept nogil:
    return <Link *>(image_blocks(image) + image.nblocks)

cdef inline uint8_t *image_code(const Image *image) noexcept nogil:
    return <uint8_t *>(image_links(image) + image.nlinks)

cdef inline uint64_t image_size(uint64_t nblocks, uint64_t nlinks, uint64_t code_bytes) noexcept nogil:
    return sizeof(Image) + nblocks * sizeof(Compiled) + nlinks * sizeof(Link) + code_bytes

cdef inline uint64_t image_check(const Image *image) noexcept nogil:
    return hash_bytes(&image.hash, image.size - 8, 0)

cdef inline uint64_t page_hash(const uint8_t *page, uint64_t isa, uint32_t flags) noexcept nogil:
    return hash_bytes(page, PAGE_BYTES, isa ^ <uint64_t>flags << 56)

# Which count of a hart the regions of a page have: by its bytes, as images are.
cdef inline uint32_t region_slot(const uint8_t *page) noexcept nogil:
    return <uint32_t>hash_bytes(page, PAGE_BYTES, 0) & (REGION_SLOTS - 1)

# Is what came from outside, of which `size` bytes are there, an image, every number in it in its place?
cdef bint image_is_sound(const Image *image, uint64_t size) noexcept nogil
