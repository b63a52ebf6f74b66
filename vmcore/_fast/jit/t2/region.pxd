# Which instructions of a page make a region, and how control flows between them.
#
# A region is entered at its header, and lies within one page. Where the header is that of a loop the region is this
# loop, with inner loops whole; else it is what follows. A call to another place of the page goes on there, in a context
# of its own, so a function that is called twice is there twice; a return goes on behind the call, if it returns there.
# What is cold, what cannot be lifted, and whatever else is no part of the region is where it is left.

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.hart.state cimport Op

cdef enum:
    HALVES = 2048             # halfwords of a page
    MAP_BYTES = 256           # ... in bits
    MOST_CONTEXTS = 32
    MOST_CALLS = 3            # calls inlined one inside another
    MOST_PLACES = 3072        # basic blocks while a region is looked for
    MOST_FORMED = 320         # ... of a region
    MOST_WALKED = 2048        # instructions that are looked at for one
    NOT_A_PLACE = 0xFFFFFFFF

# Why there is no region.
cdef enum:
    REFUSED_NOT = 0
    REFUSED_COLD = 1          # its header is not in the page, or cold
    REFUSED_FIRST = 2         # its first instruction cannot be lifted
    REFUSED_LARGE = 3         # its loop has too many instructions
    REFUSED_MEMORY = 4

# What a region is made from. All of it is only read.
cdef struct RegionInput:
    const uint8_t *page       # 4096 bytes
    const uint8_t *warm       # 256 bytes, a bit for each halfword: instructions elsewhere were hardly ever executed
    const uint8_t *taken      # ... where no header is to be looked for; NULL: nowhere
    uint64_t isa
    uint32_t limit            # instructions
    uint8_t many_harts        # there is more than one
    uint8_t parallel          # ... and each has a thread of its own

# How an instruction goes on.
cdef enum:
    GO_ON = 0                 # with the next one
    GO_BRANCH = 1             # to ways[0], or with the next one, ways[1]
    GO_TO = 2                 # to ways[0]
    GO_BACK = 3               # to ways[0], a return that is guarded
    GO_AWAY = 4               # who knows
    GO_NOT = 5                # it is not executed: the region is left before it

# Where control goes. `off` is from the start of the page, and may lie outside of it.
cdef struct Way:
    int32_t off
    uint16_t context
    uint16_t to               # Place, 0: it leaves the region

# A basic block. Number 0 is none.
cdef struct Place:
    uint16_t off
    uint16_t context
    uint16_t insns
    uint16_t last             # offset of the last of them
    uint8_t how               # it goes on: GO_*; GO_ON: at ways[0], as another block begins there
    uint8_t nways
    uint8_t calls             # another place of the page (while calls are stepped over)
    uint8_t called
    Way ways[2]
    uint64_t writes           # registers that its instructions write, 1 << n
    # Right after flow_analyse().
    uint16_t order            # in reverse postorder, from 1; 0: not reached
    uint16_t root             # the place that it was reached from
    uint16_t idom
    uint16_t loop             # header of the innermost loop around it, its own number if it is one, 0: none
    uint16_t outer            # of a header: that of the loop around its own
    uint16_t npreds
    uint32_t preds            # in Flow.list

cdef struct Flow:
    Place places[MOST_PLACES]
    uint32_t nplaces          # number of the next one; the first is 1
    uint16_t order[MOST_PLACES]
    uint32_t norder
    uint16_t list[2 * MOST_PLACES]
    uint16_t stack[4 * MOST_PLACES]
    uint8_t failed            # too many

# An instruction of the page.
cdef struct Insn:
    Op op
    uint16_t handler
    uint8_t length            # 0: not decoded yet
    uint8_t liftable

# How a place was come to by calls. Number 0 is the region's own.
cdef struct Context:
    uint16_t parent
    uint16_t depth
    uint16_t call             # offset of the call
    uint16_t back             # ... of what follows it
    uint8_t link              # register that has the address of `back`

cdef struct Region:
    RegionInput given
    Insn insns[HALVES]
    Flow page                 # all that is warm, calls stepped over
    Flow flow
    uint8_t within[MAP_BYTES]    # offsets that the region's own context may have
    Context contexts[MOST_CONTEXTS]
    uint32_t ncontexts
    uint8_t seen[MOST_CONTEXTS][MAP_BYTES]
    uint8_t leads[MOST_CONTEXTS][MAP_BYTES]
    uint16_t place_at[MOST_CONTEXTS][HALVES]
    uint32_t wait[4 * MOST_WALKED]
    uint32_t nwait
    uint32_t nwalked
    # What came of it.
    uint32_t header           # offset; its place is number 1
    uint32_t ninsns
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

# What its rd is.
cdef enum:
    RD_NONE = 0
    RD_X = 1
    RD_F = 2

# Say that the handler of that name can be lifted.
cdef int register_liftable(str name, uint32_t when, uint32_t rd) except -1

# For a thread that forms regions. NULL: no memory.
cdef Region *region_new() noexcept nogil
cdef void region_free(Region *r) noexcept nogil
# Which place to make the header of a region for what is executed at `sample`: the header of the outermost loop of the
# page around it, through calls too, that is within the limit; or of the innermost; without any loop the place itself.
# NOT_A_PLACE: all of them are taken.
cdef uint32_t loop_header(Region *r, const RegionInput *given, uint32_t sample, bint innermost) noexcept nogil
# The region at a header: REFUSED_*.
cdef uint32_t form_region(Region *r, const RegionInput *given, uint32_t header) noexcept nogil

cdef inline const Insn *insn_at(const Region *r, uint32_t off) noexcept nogil:
    # Of a place of a region: decoded already.
    return &r.insns[off >> 1]

# Does control go from one place to another one that dominates it?
cdef inline bint goes_back(const Flow *f, uint32_t one, uint32_t two) noexcept nogil:
    return f.places[two].order <= f.places[one].order
