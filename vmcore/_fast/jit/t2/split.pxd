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

# Better colours for what colour_ranges() has coloured. `lv` and `regs` become those of the graph as it is then; the
# caller frees them in any case. -1: no memory.
cdef int split_ranges(Live *lv, Graph *g, int8_t **regs) noexcept nogil
