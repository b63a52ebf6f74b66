# Control flow between basic blocks, before there is a graph: order, dominators, loops.

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    MOST_PLACES = 3072        # basic blocks, while a region is looked for
    MOST_WAYS = 12            # on from one of them

# How an instruction goes on.
cdef enum:
    GO_ON = 0                 # with the next one
    GO_BRANCH = 1             # to ways[0], or with the next one, ways[1]
    GO_TO = 2                 # to ways[0]
    GO_BACK = 3               # to ways[0], a return that is guarded
    GO_AWAY = 4               # who knows
    GO_NOT = 5                # it is not executed: the region is left before it
    GO_SWITCH = 6             # to one of ways, or away: what a register says is compared with them

# Where control goes. `off` is an address (ways.pxd), in the region or not.
cdef struct Way:
    int32_t off
    uint16_t context
    uint16_t to               # Place, 0: it leaves the region
    uint16_t times            # it was gone while someone looked (trail.pxd)

# A basic block. Number 0 is none.
cdef struct Place:
    uint16_t off              # spot (ways.pxd), as is `last`
    uint16_t context
    uint16_t insns
    uint16_t last             # of its instructions
    uint8_t how               # it goes on: GO_*; GO_ON: at ways[0], as another block begins there
    uint8_t nways
    uint8_t calls             # another place of the page (while calls are stepped over)
    uint8_t called
    Way ways[MOST_WAYS]
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
    uint16_t list[MOST_WAYS * MOST_PLACES]
    uint16_t stack[2 * MOST_WAYS * MOST_PLACES]
    uint8_t failed            # too many

# From place 1 alone; or from wherever functions begin. Each place belongs to the first of those it is reached from, and
# edges from what belongs to another one are not looked at.
cdef void flow_analyse(Flow *f, bint from_first) noexcept nogil
cdef bint dominates_place(const Flow *f, uint32_t one, uint32_t two) noexcept nogil
# Ways that lead back to a place that does not dominate where they come from lead out of the region from now on. Were
# there any?
cdef bint flow_cut(Flow *f) noexcept nogil

# Does control go from one place to another one that dominates it?
cdef inline bint goes_back(const Flow *f, uint32_t one, uint32_t two) noexcept nogil:
    return f.places[two].order <= f.places[one].order
