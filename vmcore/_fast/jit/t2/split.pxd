# Live ranges split around loops: what has no register for all of its life may have one in a loop.
#
# A value never changes after it was made, so where it has a slot, one read gives it a register from there on. The
# header of a loop gets an argument for it, which is read in the loop in its place: the slot is read where the loop is
# entered, instead of in each turn. Exits go on to read the slot.
#
# What is remembered of pages (OP_TAG, OP_ADDEND) is made far outside of the one loop that asks for it, and would take a
# register all the way. It does change: who finds another page writes both, the loop's argument and what that is a copy
# of, if that is read again. Node.spare of such an argument is the other node then.

from libc.stdint cimport int8_t

from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.live cimport Live

cdef enum:
    MOST_TRIES = 3

cdef struct Colours:
    Live lv
    int8_t *regs              # of each range, or NO_REG

# Registers for what is in `lv`, none yet. False: no memory.
cdef bint make_regs(Colours *c) noexcept nogil

# Better colours than those that colour_ranges() found for the first of MOST_TRIES, if there are any; the graph is what
# belongs to them. The caller frees all of them, the last one first, in any case. NULL: no memory.
cdef Colours *split_ranges(Graph *g, Colours *tries) noexcept nogil
