# Making pure nodes: folded, simplified and numbered on the way.
#
# Constants, entry values and the page's address stand in block 1, each once.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from vmcore._fast.jit.t2.ir cimport Graph

# A pure operation at the end of `block`: the node that has its value, which may be an older one of this block or of
# block 1. 0: failed.
cdef uint32_t make(Graph *g, uint32_t block, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c,
                   int64_t imm) noexcept nogil
cdef uint32_t const_node(Graph *g, int64_t value) noexcept nogil
cdef uint32_t entry_node(Graph *g, uint32_t reg) noexcept nogil
cdef uint32_t base_node(Graph *g) noexcept nogil
# What a node that is already there could be instead: another node or itself. For passes, which replace its uses.
# New nodes are made before it.
cdef uint32_t simplify(Graph *g, uint32_t node) noexcept nogil
# Room for the nodes of a graph in which each is simplified once, as long as there is room for what that makes.
cdef enum:
    MOST_MADE = 256           # nodes that one simplification makes, and far more than that

cdef inline uint32_t room_to_rewrite(const Graph *g) noexcept nogil:
    return 2 * g.nnodes + 4 * MOST_MADE

# The rules, applied to all nodes that are there.
cdef void pass_fold(Graph *g) noexcept nogil
