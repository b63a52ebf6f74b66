# Which instructions make a region, and how control flows between them.
#
# A region is entered at its header, and lies in the header's page and in others that are known by then. Where the
# header is that of a loop the region is this loop, with inner loops whole; else it is what follows. A call goes on at
# what is called, in a context of its own, so a function that is called twice is there twice; a return goes on behind
# the call, if it returns there. A loop of one page leaves its pages by calls alone; where there is none, any jump may
# lead to another page. A jump to what a register says goes on at the places of the header's page that such jumps have
# gone to lately, if they are few. What is cold, what cannot be lifted, and whatever else is no part of the region is
# where it is left.
#
# Each page that is known has a number, 0 the header's. A *spot* in them is 4096 times that number plus the offset in
# the page; an *address* is from the start of the header's page, as the guest sees it.

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.hart.state cimport Op
from vmcore._fast.jit.t2.flow cimport MOST_WAYS, Flow

cdef enum:
    MOST_PAGES = 8            # that a region may be made of
    HALVES = 2048             # halfwords of a page
    PAGE_BITS = 12
    OFF_MASK = 4095
    MAP_BYTES = 256           # ... in bits
    MOST_CONTEXTS = 48
    MOST_CALLS = 6            # calls inlined one inside another
    MOST_FORMED = 320         # basic blocks of a region
    MOST_WALKED = 2048        # instructions that are looked at for one
    NOT_A_PLACE = 0xFFFFFFFF
    NO_ADDRESS = 1            # of an instruction

# Why there is no region.
cdef enum:
    REFUSED_NOT = 0
    REFUSED_COLD = 1          # its header is not in the page, or cold
    REFUSED_FIRST = 2         # its first instruction cannot be lifted
    REFUSED_LARGE = 3         # its loop has too many instructions
    REFUSED_MEMORY = 4

# What a region is made from. All of it is only read.
cdef struct RegionInput:
    const uint8_t *pages      # 4096 bytes each
    const uint8_t *warm       # 256 bytes each, a bit for each halfword: elsewhere hardly anything was ever executed
    const int32_t *at         # the address of each
    uint32_t npages
    const uint8_t *taken      # of the first page: where no header is to be looked for; NULL: nowhere
    const uint8_t *targets    # ... where jumps to what a register says have gone lately; NULL: it is not known
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

cdef struct Region:
    RegionInput given
    Insn insns[MOST_PAGES * HALVES]
    Flow page                 # all that is warm, calls stepped over
    Flow flow
    uint8_t within[MAP_BYTES]    # of the header's page, what the region's own context may have
    uint8_t narrow            # no other pages
    uint32_t turns            # how often what calls itself may be there, one inside another
    uint8_t recursive         # something is there that calls itself
    int32_t own               # address of the function that the header is in, if that is called; NO_ADDRESS
    uint8_t wide              # jumps may lead to them too
    Context contexts[MOST_CONTEXTS]
    uint32_t ncontexts
    uint8_t seen[MOST_CONTEXTS][MAP_BYTES]
    uint8_t leads[MOST_CONTEXTS][MAP_BYTES]
    uint16_t place_at[MOST_CONTEXTS][HALVES]
    uint32_t wait[4 * MOST_WALKED]
    uint32_t nwait
    uint16_t targets[MOST_WAYS]
    uint32_t ntargets
    uint32_t nalone           # the first of them: what nothing else of the page leads to
    uint32_t nswitched        # ways of switches
    uint32_t nwalked
    # What came of it.
    uint32_t header           # offset; its basic block is number 1
    uint32_t ninsns
    uint32_t used             # pages, a bit for each
    uint32_t refused          # REFUSED_*
    uint8_t is_loop

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

# For a thread that forms regions. NULL: no memory.
cdef Region *region_new() noexcept nogil
cdef void region_free(Region *r) noexcept nogil
# Which place to make the header of a region for what is executed at `sample`: the header of the outermost loop of the
# page around it, through calls too, that is within the limit; or of the innermost; without any loop the place itself.
# NOT_A_PLACE: all of them are taken.
cdef uint32_t loop_header(Region *r, const RegionInput *given, uint32_t sample, bint innermost) noexcept nogil
# The region at a header: REFUSED_*.
cdef uint32_t form_region(Region *r, const RegionInput *given, uint32_t header) noexcept nogil
# The same for what loop_header() was asked about last.
cdef uint32_t form_found(Region *r, uint32_t header) noexcept nogil

cdef inline const Insn *insn_at(const Region *r, uint32_t off) noexcept nogil:
    # At a spot of a region: decoded already.
    return &r.insns[off >> 1]

cdef inline int32_t address_of(const Region *r, uint32_t off) noexcept nogil:
    return r.given.at[off >> PAGE_BITS] + <int32_t>(off & OFF_MASK)
