# Which instructions make a region, and how control flows between them.
#
# A region is entered at its header, and lies in the header's page and in others that are known by then. Where the
# header is that of a loop the region is this loop, with inner loops whole; else it is what follows. It goes on through
# calls and returns (ways.pxd). A loop of one page leaves its pages by calls alone; where there is none, any jump may
# lead to another page. What is cold, what cannot be lifted, and whatever else is no part of the region is where it is
# left.

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from vmcore._fast.jit.t2.flow cimport Flow
from vmcore._fast.jit.t2.ways cimport HALVES, MAP_BYTES, MOST_CONTEXTS, Guide, RegionInput

cdef enum:
    MOST_FORMED = 320         # basic blocks of a region
    MOST_WALKED = 2048        # instructions that are looked at for one
    NOT_A_PLACE = 0xFFFFFFFF

# Why there is no region.
cdef enum:
    REFUSED_NOT = 0
    REFUSED_COLD = 1          # its header is not in the page, or cold
    REFUSED_FIRST = 2         # its first instruction cannot be lifted
    REFUSED_LARGE = 3         # its loop has too many instructions
    REFUSED_MEMORY = 4

cdef struct Region:
    Guide guide
    Flow page                 # all that is warm, calls stepped over
    Flow flow
    # Of each context: which instructions there are, and which of them are led to. Behind the last context it is clear.
    uint8_t seen[MOST_CONTEXTS][MAP_BYTES]
    uint8_t leads[MOST_CONTEXTS][MAP_BYTES]
    uint16_t place_at[MOST_CONTEXTS][HALVES]
    uint32_t wait[4 * MOST_WALKED]
    uint32_t nwait
    uint32_t nswitched        # ways of switches
    uint32_t nwalked
    # What came of it.
    uint32_t header           # offset; its basic block is number 1
    uint32_t ninsns
    uint32_t used             # pages, a bit for each
    uint32_t refused          # REFUSED_*
    uint8_t is_loop

# For a thread that forms regions. NULL: no memory.
cdef Region *region_new() noexcept nogil
cdef void region_free(Region *r) noexcept nogil
# Which place to make the header of a region for what is executed at `sample`: the header of the outermost loop of the
# page around it, through calls too, that is within the limit; or of the innermost; without any loop the place itself.
# NOT_A_PLACE: all of them are taken.
cdef uint32_t loop_header(Region *r, const RegionInput *given, uint32_t sample, bint innermost) noexcept nogil
# The region at a header: REFUSED_*.
cdef uint32_t form_region(Region *r, const RegionInput *given, uint32_t header) noexcept nogil
# The same for what loop_header() was asked about last.
cdef uint32_t form_found(Region *r, uint32_t header) noexcept nogil
