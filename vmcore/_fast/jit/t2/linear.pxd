# Register allocation by linear scan: one interval for each live range, in the order of the blocks, without holes. For
# regions that are too large for colouring, and to compare with: costs and wishes are the same (live.pxd).

from libc.stdint cimport int8_t

from vmcore._fast.jit.t2.ir cimport Graph
from vmcore._fast.jit.t2.live cimport Live

# The register of each range, NO_REG for those that have to be spilled: into `regs`. -1: no memory.
cdef int scan_ranges(const Live *lv, const Graph *g, int8_t *regs) noexcept nogil
