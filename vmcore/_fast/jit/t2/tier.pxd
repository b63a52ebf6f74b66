# When a region is compiled, and how it takes the place of block code.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.hart.state cimport CodeBundle, Hart, System
from vmcore._fast.jit.t2.compile cimport Workshop
from vmcore._fast.jit.t2.jobs cimport Client

# Of one machine.
cdef struct Tier:
    Client *client
    Workshop *shop            # for what is compiled on the machine's own thread
    uint64_t fuel
    uint64_t serial           # grows with each region that is put in place
    uint64_t seen[8]          # ... when each hart looked last
    uint64_t n_samples
    uint64_t n_regions
    uint64_t n_insns
    uint64_t n_bytes
    uint64_t n_nodes
    uint64_t n_spilled
    uint64_t n_refused
    uint64_t n_stale          # pages that changed meanwhile
    uint64_t ns

# Have regions compiled in the background from now on. False: this host's processor lacks what they need, or there is no
# memory. After cache_open().
cdef bint tier_open(System *sys) noexcept nogil
cdef void tier_close(System *sys) noexcept nogil
# Compile a region now, on this thread, and put it in place. False: there is none to be had.
cdef bint tier_compile_now(Hart *hart, CodeBundle *bundle, uint32_t off) noexcept nogil
# What there is, for people.
cdef dict tier_figures(System *sys)
