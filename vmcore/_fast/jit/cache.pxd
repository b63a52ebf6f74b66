# The compiled code of one machine: where it lies, page by page, and how its blocks are linked.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.hart.state cimport System, enter_t
from vmcore._fast.jit.block cimport Block
from vmcore._fast.jit.codebuf cimport CodeSegment
from vmcore._fast.jit.convention cimport STUB_COUNT
from vmcore._fast.memory.tlb cimport TlbEntry

# A jump to a place of the same page that is not compiled yet.
cdef struct Pending:
    uint32_t site             # of its displacement, from sys.code_base
    uint16_t off

cdef struct Compiled:
    uint32_t at               # from sys.code_base, in CODE_UNIT
    uint32_t bytes
    uint16_t off
    uint8_t insns
    uint8_t why               # END_*

# What is known of a page's blocks: it is made, linked and dropped as a whole.
cdef struct PageBlocks:
    Pending *pending
    uint32_t npending
    uint32_t pending_room
    Compiled *blocks
    uint32_t nblocks
    uint32_t blocks_room

cdef enum:
    STRESS_LEAST = 8 << 10    # bytes of code that a machine may keep, the stubs among them

# What a test does to compiled code (stress.pyx). 0: nothing.
cdef struct Stress:
    uint8_t stop              # the run ends wherever compiled code was left
    uint8_t evict             # an entry that a miss of the TLB made goes at the next miss
    uint32_t poll_every       # each n-th time that code is entered its first poll leaves it
    uint32_t flush_every      # ... the TLB is empty
    uint32_t forget_every     # ... the table of compiled code is empty afterwards
    uint32_t miss_every       # each n-th miss of the TLB is T0's to serve
    enter_t enter             # the way in
    uint64_t entered
    uint64_t missed
    TlbEntry *made            # by the last miss
    uint64_t made_index

cdef struct CodeCache:
    uint64_t stubs[STUB_COUNT + 1]
    CodeSegment *segments     # all but the last one are full
    uint32_t nsegments
    uint32_t segments_room
    uint64_t at               # where the next block goes: address at which it runs, and where that segment ends
    uint64_t end
    uint64_t stubs_bytes
    uint32_t generation       # of the code memory
    uint64_t limit            # bytes of segments; less than one of them only where a test says so
    uint64_t n_blocks
    uint64_t n_insns
    uint64_t n_bytes
    uint64_t n_failed
    uint64_t n_evictions
    uint64_t compile_ns
    Stress stress
    Block block
    uint8_t stage[1 << 15]

# A compiler for the machine: False when the host has no memory for code.
cdef bint cache_open(System *sys, uint32_t hot_after) noexcept nogil
# Have the stubs in place, which the first block would do. False: no memory for code.
cdef bint cache_start(System *sys) noexcept nogil
# Keep at most so many bytes from now on; what there is goes. It has been started.
cdef void cache_limit(System *sys, uint64_t limit) noexcept nogil
# Every page must have been dropped before.
cdef void cache_close(System *sys) noexcept nogil

# Drop every page and all compiled code. No hart runs.
cdef void cache_evict(System *sys) noexcept nogil
