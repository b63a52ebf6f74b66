# What comes of register allocation: one place for the whole life of each node.

from libc.stdint cimport uint8_t, uint32_t

# Which allocator: graph colouring, or linear scan (fallback for large regions, and for comparison).
cdef enum:
    BY_COLOURING = 0
    BY_LINEAR_SCAN = 1

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
