# Regions that wait for being compiled, and the threads that do it: shared by all machines of the process.
#
# A machine has a Client. A job holds a copy of all that its region is made from, so nothing of a machine is touched by a
# compile thread; what comes of it waits at the client until the machine fetches it.

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.defs cimport gpa_t
from vmcore._fast.jit.block cimport Link

cdef enum:
    MOST_REGION_LINKS = 512
    REGION_BYTES = 1 << 16    # of code at most
    JOBS = 64                 # that may wait

# Why there is no region.
cdef enum Refusal:
    REGION_MADE = 0
    REGION_COLD = 1           # nothing that is worth it, or all of it is compiled already
    REGION_LIFT = 2           # an instruction at its start that cannot be lifted
    REGION_LARGE = 3          # too much for one of the stages
    REGION_MEMORY = 4

cdef struct Job:
    Job *next                 # among what its client has not fetched
    Client *client
    # What it is made from.
    uint8_t page[4096]
    uint8_t warm[256]         # a bit for each halfword that compiled blocks cover
    uint8_t taken[256]        # ... that has a region, or was refused one
    gpa_t gpa
    uint64_t isa
    uint32_t flags            # IMAGE_*
    uint32_t sample           # where the hart was seen
    uint64_t fuel
    # What came of it.
    uint32_t refused
    uint32_t header
    uint32_t insns
    uint32_t size
    uint32_t nlinks
    uint64_t ns
    uint32_t nodes
    uint32_t spilled
    Link links[MOST_REGION_LINKS]
    uint8_t *code             # vm_alloc

cdef struct Client:
    uint32_t refs             # of jobs and of the machine
    uint32_t closed
    uint32_t ready            # jobs that can be fetched
    Job *done

# For a machine. NULL: no memory, or no threads.
cdef Client *client_open() noexcept nogil
# Its jobs come to nothing. The last one's going ends the threads.
cdef void client_close(Client *client) noexcept nogil
# Hand it over. False: too many wait already, and it is still the caller's.
cdef bint job_push(Client *client, Job *job) noexcept nogil
# One that is done, or NULL. It is the caller's to free.
cdef Job *job_fetch(Client *client) noexcept nogil
cdef Job *job_new() noexcept nogil
cdef void job_free(Job *job) noexcept nogil
# How many threads there are now.
cdef uint32_t job_threads() noexcept nogil
