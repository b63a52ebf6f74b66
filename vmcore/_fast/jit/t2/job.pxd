# A region that is to be compiled, and what came of it.

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.defs cimport gpa_t
from vmcore._fast.jit.block cimport Link
from vmcore._fast.jit.image cimport MOST_JUMPS, Jump
from vmcore._fast.jit.t2.passes cimport Spent
from vmcore._fast.jit.t2.trail cimport Trail
from vmcore._fast.jit.t2.ways cimport MOST_PAGES

cdef enum:
    MOST_REGION_LINKS = 512
    JOBS = 64                 # that may wait

cdef struct Job:
    Job *next                 # among what its client has not fetched
    Client *client
    # What it is made from.
    uint32_t npages           # the first is the one that the hart was seen in
    uint8_t pages[MOST_PAGES][4096]
    uint8_t warm[MOST_PAGES][256]     # a bit for each halfword that compiled blocks cover
    int32_t at[MOST_PAGES]    # address (ways.pxd)
    gpa_t gpa[MOST_PAGES]
    uint64_t serial[MOST_PAGES]       # of its bundle
    uint8_t taken[256]        # of the first: a bit for each halfword that has a region, or was refused one
    uint8_t targets[256]      # ... where jumps to what a register says have gone lately
    Trail trail
    Jump jumps[MOST_JUMPS]    # of it that were seen, and, once it was looked at, those of the trail
    uint32_t njumps
    uint64_t isa
    uint32_t flags            # IMAGE_*
    uint32_t sample           # where the hart was seen
    uint64_t fuel
    uint32_t how              # registers are allocated: BY_* (places.pxd)
    uint8_t program           # it was seen in user mode
    uint8_t anything          # a region that is no loop will do
    uint8_t steady            # how much less is guessed than might be
    uint8_t narrow            # look-ups that are shared are for a few bytes
    # What came of it.
    uint32_t refused          # REFUSED_* (region.pxd)
    uint32_t header
    uint32_t insns
    uint32_t used             # pages, a bit for each
    uint32_t size
    uint32_t nlinks
    uint64_t ns
    uint32_t nodes
    uint32_t spilled
    uint64_t burnt            # rewrites
    Spent spent
    Link links[MOST_REGION_LINKS]
    uint8_t *code             # vm_alloc

cdef struct Client:
    uint32_t refs             # of jobs and of the machine
    uint32_t closed
    uint32_t ready            # jobs that can be fetched
    Job *done
