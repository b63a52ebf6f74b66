# Divisions by constants become multiplications and shifts.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_strength(Graph *g) noexcept nogil
