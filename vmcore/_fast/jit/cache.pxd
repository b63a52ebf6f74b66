# The compiled code of one machine: where it lies, page by page, and how its blocks are linked.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.hart.state cimport System
from vmcore._fast.jit.block cimport Block
from vmcore._fast.jit.codebuf cimport CodeSegment
from vmcore._fast.jit.convention cimport STUB_COUNT

# A jump to a place of the same page that is not compiled yet.
cdef struct Pending:
    uint32_t site             # of its displacement, from sys.code_base
    uint16_t off

cdef struct Compiled:
    uint32_t at               # from sys.code_base, in CODE_UNIT
    uint32_t bytes
    uint16_t off
    uint16_t insns

# What is known of a page's blocks: it is made, linked and dropped as a whole.
cdef struct PageBlocks:
    Pending *pending
    uint32_t npending
    uint32_t pending_room
    Compiled *blocks
    uint32_t nblocks
    uint32_t blocks_room

cdef struct CodeCache:
    uint64_t stubs[STUB_COUNT + 1]
    CodeSegment *segments     # all but the last one are full
    uint32_t nsegments
    uint32_t segments_room
    uint64_t at               # where the next block goes: address at which it runs, and where that segment ends
    uint64_t end
    uint64_t stubs_bytes
    uint32_t generation       # of the code memory
    uint64_t limit            # bytes of segments
    uint64_t n_blocks
    uint64_t n_insns
    uint64_t n_bytes
    uint64_t n_failed
    uint64_t n_evictions
    uint64_t compile_ns
    Block block
    uint8_t stage[1 << 15]

# A compiler for the machine: False when the host has no memory for code.
cdef bint cache_open(System *sys, uint32_t hot_after) noexcept nogil
# Every page must have been dropped before.
cdef void cache_close(System *sys) noexcept nogil

# Drop every page and all compiled code. No hart runs.
cdef void cache_evict(System *sys) noexcept nogil
