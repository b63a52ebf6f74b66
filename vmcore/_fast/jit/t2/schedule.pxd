# The order of the nodes of a block.

from vmcore._fast.jit.t2.ir cimport Graph

# In blocks of loops, what others wait for longest comes early: as far as the registers reach, and nothing that can be
# seen happens in another order.
cdef void pass_schedule(Graph *g) noexcept nogil
