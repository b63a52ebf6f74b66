# How control goes on from an instruction of the guest, inside of a region that is being looked for.
#
# Each page that is known has a number, 0 the header's. A *spot* in them is 4096 times that number plus the offset in
# the page; an *address* is from the start of the header's page, as the guest sees it.
#
# A call goes on at what is called, in a context of its own, so a function that is called twice is there twice; a return
# goes on behind the call, if it returns there. A jump to what a register says goes on at the places of the header's
# page that such jumps have gone to lately, if they are few.

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.hart.state cimport Op
from vmcore._fast.jit.image cimport MOST_JUMPS, Jump
from vmcore._fast.jit.t2.flow cimport GO_AWAY, GO_BRANCH, GO_SWITCH, MOST_WAYS, Way

cdef enum:
    MOST_PAGES = 8            # that a region may be made of
    PAGE_END = 4096
    HALVES = 2048             # halfwords of a page
    PAGE_BITS = 12
    OFF_MASK = 4095
    MAP_BYTES = 256           # ... in bits
    MOST_CONTEXTS = 48
    MOST_CALLS = 6            # calls inlined one inside another
    NO_ADDRESS = 1            # of an instruction
    NO_CONTEXT = 0xFFFF
    NO_PAGE = 0xFFFF

# What a region is made from. All of it is only read.
cdef struct RegionInput:
    const uint8_t *pages      # 4096 bytes each
    const uint8_t *warm       # 256 bytes each, a bit for each halfword: elsewhere hardly anything was ever executed
    const int32_t *at         # the address of each
    uint32_t npages
    const uint8_t *taken      # of the first page: where no header is to be looked for; NULL: nowhere
    const int32_t *trail      # what was executed lately, in order (trail.pxd)
    uint32_t ntrail
    const uint8_t *targets    # ... where jumps to what a register says have gone lately; NULL: it is not known
    const Jump *jumps         # ... what is known of them from before
    uint32_t njumps
    uint64_t isa
    uint32_t limit            # instructions
    uint8_t many_harts        # there is more than one
    uint8_t parallel          # ... and each has a thread of its own

# An instruction.
cdef struct Insn:
    Op op
    uint16_t handler
    uint8_t length            # 0: not decoded yet
    uint8_t liftable

# How a place was come to by calls, and its page. Number 0 is the region's own, in the header's page.
cdef struct Context:
    uint16_t frame            # number of the first one that was come to by the same calls
    uint16_t page
    uint16_t parent           # that of the call
    uint16_t depth
    uint16_t call             # spot of the call
    int32_t target            # address of what it calls
    int32_t back              # address of what follows it
    uint8_t link              # register that has the address of `back`

# What ways are found by.
cdef struct Guide:
    RegionInput given
    Insn insns[MOST_PAGES * HALVES]
    Jump jumps[MOST_JUMPS]    # of the page that were seen, also in the trail; those that were seen most first
    uint32_t njumps
    # Where any of them may have gone, too.
    uint16_t targets[MOST_WAYS]
    uint32_t ntargets
    uint32_t nalone           # the first of them: what nothing else of the page leads to
    uint32_t nways            # of the last switch that goes() met
    # Where they may lead; whoever looks for a region says so.
    uint8_t within[MAP_BYTES]    # of the header's page, what the region's own context may have
    uint8_t narrow            # no other pages
    uint8_t wide              # jumps may lead to them too
    uint32_t turns            # how often what calls itself may be there, one inside another
    int32_t own               # address of the function that the header is in, if that is called; NO_ADDRESS
    # What was met.
    uint8_t recursive         # something is there that calls itself
    Context contexts[MOST_CONTEXTS]
    uint32_t ncontexts

# When an instruction can be lifted at all.
cdef enum:
    LIFT_ALWAYS = 0
    LIFT_TURNS = 1            # where one thread runs all harts
    LIFT_ALONE = 2            # with one hart
    LIFT_ROUNDED = 3          # rounding as frm says
    LIFT_ROUNDED_INT = 4      # ... or to zero
    LIFT_EXACT = 5            # it has a rounding mode, which is a legal one and does not matter

# How control goes on behind an instruction.
cdef enum:
    STRAIGHT = 0
    BRANCHES = 1
    JUMPS = 2                 # jal
    JUMPS_FAR = 3             # jalr
    DIES = 4                  # nothing comes behind it

# What its rd is.
cdef enum:
    RD_NONE = 0
    RD_X = 1
    RD_F = 2

# Say that the handler of that name can be lifted.
cdef int register_liftable(str name, uint32_t when, uint32_t rd) except -1

cdef uint32_t control_of(uint32_t handler) noexcept nogil

# For other code, of which nothing is decoded yet. Ways may lead anywhere in the header's page.
cdef void guide_begin(Guide *g, const RegionInput *given) noexcept nogil
# No calls yet.
cdef void guide_clear(Guide *g) noexcept nogil
# How control goes on from the instruction at a spot: GO_*, and where to. Stepping: calls are nothing but a name for
# what follows, and so is what cannot be lifted.
cdef uint32_t goes(Guide *g, uint32_t context, uint32_t off, bint stepping, Way *ways) noexcept nogil
# While calls are stepped over: does that instruction of the page, decoded already, call one of its places (*target), or
# may it (-1)?
cdef bint calls_here(Guide *g, uint32_t off, int32_t *target) noexcept nogil
# The registers that it writes, 1 << n.
cdef uint64_t writes_of(const Insn *n) noexcept nogil

cdef inline const Insn *insn_at(const Guide *g, uint32_t off) noexcept nogil:
    # At a spot: decoded already.
    return &g.insns[off >> 1]

cdef inline int32_t address_of(const Guide *g, uint32_t off) noexcept nogil:
    return g.given.at[off >> PAGE_BITS] + <int32_t>(off & OFF_MASK)

cdef inline uint32_t page_of(const Guide *g, int32_t address) noexcept nogil:
    cdef uint32_t i
    for i in range(g.given.npages):
        if 0 <= address - g.given.at[i] < PAGE_END:
            return i
    return NO_PAGE

# Does the instruction there lie in two pages?
cdef inline bint is_split(const Guide *g, uint32_t off) noexcept nogil:
    return off & OFF_MASK == PAGE_END - 2 and g.given.pages[off] & 3 == 3

# In a map of a page's halfwords, or of several pages'.
cdef inline bint bit(const uint8_t *bits, uint32_t off) noexcept nogil:
    return (bits[off >> 4] >> (off >> 1 & 7)) & 1

cdef inline void set_bit(uint8_t *bits, uint32_t off) noexcept nogil:
    bits[off >> 4] |= <uint8_t>(1 << (off >> 1 & 7))

cdef inline bint is_in_page(const Guide *g, uint32_t context, int32_t address) noexcept nogil:
    return 0 <= address - g.given.at[g.contexts[context].page] < PAGE_END

# Where a way leads, if it is in the page of its context.
cdef inline uint32_t spot_of(const Guide *g, const Way *way) noexcept nogil:
    cdef uint32_t page = g.contexts[way.context].page
    return PAGE_END * page + <uint32_t>(way.off - g.given.at[page])

# May the region go on there?
cdef inline bint is_inside(const Guide *g, const Way *way) noexcept nogil:
    if way.context == NO_CONTEXT or not is_in_page(g, way.context, way.off) or not bit(g.given.warm, spot_of(g, way)):
        return False
    return way.context != 0 or bit(g.within, <uint32_t>way.off)

# How many of them there are where control goes on so.
cdef inline uint32_t num_ways(const Guide *g, uint32_t how) noexcept nogil:
    if how == GO_SWITCH:
        return g.nways
    return 2 if how == GO_BRANCH else 0 if how == GO_AWAY else 1
