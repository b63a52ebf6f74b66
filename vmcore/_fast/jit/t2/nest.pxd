# The loops of a region as an allocation sees them: what lives in each, what is read there and how often, and how
# many registers are in use.

from libc.stdint cimport int8_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.live cimport Live
from vmcore._fast.jit.t2.scratch cimport Scratch

cdef enum:
    NO_LOOP = 0xFFFFFFFF

# Loops are numbered, the outer ones first. What is in a loop is in those around it, too.
cdef struct Nest:
    Scratch *scratch
    uint32_t n
    uint32_t nranges
    uint32_t words            # of a set of ranges
    uint32_t *header
    uint32_t *around          # of each loop: the next larger one, or NO_LOOP
    uint32_t *innermost       # of each block, or NO_LOOP
    float *entered            # how often, for one entry of the region
    uint64_t *inside          # what lives somewhere in it: `words` for each
    uint32_t *busy            # the most registers that are in use at one place: two for each, by class
    float *reads              # how often each range is read there, exits apart: `nranges` for each

# False: no memory. analyse() comes before. Free it in any case.
cdef bint nest_make(Nest *n, const Graph *g, const Live *lv, const int8_t *regs) noexcept nogil
cdef void nest_free(Nest *n) noexcept nogil

# Is loop number `outer` one of those around `loop`, or the same?
cdef inline bint is_around(const Nest *n, uint32_t outer, uint32_t loop) noexcept nogil:
    while loop != NO_LOOP and loop != outer:
        loop = n.around[loop]
    return loop == outer

# Has neither of two loops the other one in it?
cdef inline bint are_apart(const Nest *n, uint32_t one, uint32_t two) noexcept nogil:
    return not is_around(n, one, two) and not is_around(n, two, one)

cdef inline bint lives_in(const Nest *n, uint32_t loop, uint32_t rng) noexcept nogil:
    return n.inside[<size_t>loop * n.words + (rng >> 6)] >> (rng & 63) & 1

cdef inline float read_in(const Nest *n, uint32_t loop, uint32_t rng) noexcept nogil:
    return n.reads[<size_t>loop * n.nranges + rng]
