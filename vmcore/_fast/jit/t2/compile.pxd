# From a page's bytes to the machine code of a region: the whole of T2's compiler, stage by stage.

from libc.stdint cimport uint8_t

from vmcore._fast.jit.t2.code cimport Code
from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.job cimport Job
from vmcore._fast.jit.t2.places cimport Allocation
from vmcore._fast.jit.t2.region cimport Region

cdef enum:
    REGION_LIMIT = 500        # instructions
    WINDOW_BYTES = 1 << 16    # of code at most

# What a compile thread works with, again and again.
cdef struct Workshop:
    Region *region
    Graph graph
    Allocation places
    Code code
    uint8_t window[WINDOW_BYTES]

# Does this host's processor have what regions need?
cdef bint region_host() noexcept nogil
# NULL: no memory.
cdef Workshop *workshop_open() noexcept nogil
cdef void workshop_close(Workshop *shop) noexcept nogil
# What comes of it is in the job.
cdef void compile_region(Workshop *shop, Job *job) noexcept nogil
