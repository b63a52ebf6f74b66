# Where each value of a region lives. The input is a Graph after selection (select.pxd) and analyse(), and the order in
# which its blocks are laid out; the output is one place for the whole life of each node.

from libc.stdint cimport uint8_t, uint32_t

from vmcore._fast.jit.t2.ir cimport Graph

# Places: a general register, an xmm register, a slot of the frame, or none of them.
cdef enum:
    AT_XMM = 16               # 16 + n: xmm register n
    AT_SLOT = 32              # 32 + n: [rsp + 8 * n]
    MOST_SLOTS = 64
    # OP_ENTRY: where it is at the entry in the hart (not for pinned registers); OP_BASE: hart.page_base
    AT_HOME = 0xF0
    AT_NONE = 0xFF            # covered, rematerialised, without result, or never used

cdef struct Allocation:
    uint8_t *at               # of each node
    uint32_t room
    uint32_t nslots
    uint32_t spilled          # live ranges without a register
    float spill_weight        # how often memory is read and written for that, for one entry (live.pxd: spill_cost)
    uint32_t copies           # wishes to share a register: arguments with what flows into them, two-address forms
    uint32_t coalesced        # of them, those that came true
    float copy_weight         # how often the others are executed, for one entry
    uint32_t ranges           # live ranges
    uint32_t pressure         # the greatest number of general registers wanted at one place
    uint8_t how               # BY_*: who did it
    uint8_t failed            # more slots than there are, or no memory

cdef int allocation_init(Allocation *al) noexcept nogil
cdef void allocation_free(Allocation *al) noexcept nogil

# Which allocator: graph colouring, or linear scan (fallback for large regions, and for comparison).
cdef enum:
    BY_COLOURING = 0
    BY_LINEAR_SCAN = 1

# Colouring leaves regions with more than MOST_COLOURED live ranges (colour.pxd) to linear scan. A constant that is
# spilled becomes NODE_REMAT.
cdef void allocate(Graph *g, Allocation *al, uint32_t how) noexcept nogil
