# When a region is compiled, and how it takes the place of block code.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.defs cimport gpa_t, gva_t
from vmcore._fast.hart.state cimport MAX_HARTS, REGION_SLOTS, Hart, RegionCount, System
from vmcore._fast.jit.t2.compile cimport Workshop
from vmcore._fast.jit.t2.job cimport Client, Job

cdef enum:
    SAMPLE_INSNS = 1 << 19    # instructions after which a hart is looked at, at the latest

# What a hart had executed when it was seen last; and for each count of regions, when it was last seen in a page that
# has it.
cdef struct Look:
    uint64_t insns            # of compiled code
    uint64_t ns               # when that was, and the number of the bundle that it was in
    uint64_t serial
    uint64_t before[REGION_SLOTS]         # the same
    RegionCount regions[REGION_SLOTS]
    Job *job                  # that it is watched for, and the address of the page that the job is of
    gva_t page

cdef extern from "<stdint.h>":
    const uint64_t NO_LIMIT "UINT64_MAX"

cdef enum:
    CHANGES = 32

# Other code begins somewhere: what harts that led to the old one do not know yet.
cdef struct Change:
    gpa_t gpa
    uint64_t bundle           # its serial number: what comes after it at that address is other code
    uint64_t evictions        # there had been: others have moved all code since
    uint32_t off
    uint32_t old
    uint32_t new_

# Of one machine.
cdef struct Tier:
    Client *client
    Workshop *shop            # for what is compiled on the machine's own thread
    uint32_t how              # registers are allocated: BY_* (places.pxd)
    uint64_t fuel             # rewrites, in all regions of the process; with a limit none is compiled in the background
    Change changes[CHANGES]   # the last ones
    uint64_t serial           # how many there were
    uint64_t seen[MAX_HARTS]          # ... when each hart looked last
    Look looks[MAX_HARTS]
    uint64_t n_samples
    uint64_t n_regions
    uint64_t n_paged          # of those, what has several pages
    uint64_t n_insns
    uint64_t n_bytes
    uint64_t n_nodes
    uint64_t n_spilled
    uint64_t n_refused
    uint64_t n_watched        # times that a hart was watched to its end
    uint64_t n_given_up       # regions that were left, or guessed wrong, all the time
    uint64_t n_stale          # pages that changed meanwhile
    uint64_t ns

# Have regions compiled from now on, in the background, or wherever a hart is seen and on its own thread. `fuel` limits
# the rewrites of the process, NO_LIMIT: nothing does. False: this host's processor lacks what they need, or there is no
# memory. `how`: BY_*, who allocates registers. After cache_open().
cdef bint tier_open(System *sys, bint at_once, uint64_t fuel, uint32_t how) noexcept nogil
cdef void tier_close(System *sys) noexcept nogil
# The hart was seen at pc: compile a region around it now, on this thread, if there is one to be had.
cdef void tier_at_once(Hart *hart, gva_t pc) noexcept nogil
# What there is, for people.
cdef dict tier_figures(System *sys)
