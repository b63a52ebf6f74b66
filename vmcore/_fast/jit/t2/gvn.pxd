# Value numbering: of pure nodes with the same operation and operands, those that another one dominates go. The rules of
# fold.pyx are applied on the way.

from vmcore._fast.jit.t2.ir cimport Graph

cdef void pass_gvn(Graph *g) noexcept nogil
