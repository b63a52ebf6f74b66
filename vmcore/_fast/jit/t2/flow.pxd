# Control flow between places (region.pxd): order, dominators, loops.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.region cimport Flow

# From place 1 alone; or from wherever functions begin. Each place belongs to the first of those it is reached from, and
# edges from what belongs to another one are not looked at.
cdef void flow_analyse(Flow *f, bint from_first) noexcept nogil
cdef bint dominates_place(const Flow *f, uint32_t one, uint32_t two) noexcept nogil
# Ways that lead back to a place that does not dominate where they come from lead out of the region from now on. Were
# there any?
cdef bint flow_cut(Flow *f) noexcept nogil
