# The order in which the blocks of a region are laid out.

from libc.stdint cimport uint32_t

from vmcore._fast.jit.t2.ir cimport Graph

# Into `order`, which has room for g.norder blocks: all that are reached, block 1 first. Each loop is in one piece, a
# block is followed by the heavier of its successors where that is possible, and blocks that are hardly executed come
# last. Right after analyse(). Returns how many.
cdef uint32_t lay_out(const Graph *g, uint32_t *order) noexcept nogil
