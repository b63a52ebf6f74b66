# What the passes over loops and memory share: loops, the blocks before them, addresses as sums, copies of snapshots.
#
# All of it is right after analyse(), and as long as no block was added since.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from vmcore._fast.jit.t2.ir cimport OP_ADD, OP_CONST, Graph

cdef inline bint fits_imm(int64_t imm) noexcept nogil:
    # Displacements have 32 bits; what covers an access may begin before it.
    return -0x40000000 <= imm < 0x40000000

# An address as another node plus a constant. 0: it is the constant alone.
cdef inline uint32_t root_of(const Graph *g, uint32_t node, int64_t *off) noexcept nogil:
    off[0] = 0
    while g.nodes[node].op == OP_ADD and g.nodes[g.nodes[node].b].op == OP_CONST:
        off[0] += g.nodes[g.nodes[node].b].imm
        node = g.nodes[node].a
    if g.nodes[node].op == OP_CONST:
        off[0] += g.nodes[node].imm
        return 0
    return node

# Is the block in the loop, or in one inside of it?
cdef bint in_loop(const Graph *g, uint32_t block, uint32_t header) noexcept nogil
# Does a loop have no other one inside?
cdef bint is_innermost(const Graph *g, uint32_t header) noexcept nogil
# Is the node made outside of the loop, so that it is the same in each iteration?
cdef inline bint is_invariant(const Graph *g, uint32_t node, uint32_t header) noexcept nogil:
    return not in_loop(g, g.nodes[node].block, header)
# Is the block executed in every iteration?
cdef bint in_every_turn(const Graph *g, uint32_t block, uint32_t header) noexcept nogil

# What takes a register all through a loop, and perhaps through those around it: `live` has how many there are, for each
# block that is a header. The header of the largest loop around, from `header` on, up to which each has less than `most`
# (0: there is none), and one more in all of these. (Other loops inside do not count: there it can lie aside.)
cdef uint32_t largest_with_room(const Graph *g, const uint32_t *live, uint32_t most, uint32_t header) noexcept nogil
cdef void take_room(const Graph *g, uint32_t *live, uint32_t header, uint32_t found) noexcept nogil

# The block that goes to the header of a loop from outside, and nowhere else; 0: there is none.
cdef uint32_t block_before(const Graph *g, uint32_t header) noexcept nogil
# Make one where there is none. Everything has to be analysed again after it. 0: failed.
cdef uint32_t make_block_before(Graph *g, uint32_t header) noexcept nogil

# A snapshot of its own for whoever wants to change it. 0: failed.
cdef uint32_t copy_snap(Graph *g, uint32_t snap) noexcept nogil
# One more value along an edge. `edge` is that of a block.
cdef void add_edge_arg(Graph *g, uint32_t block, uint32_t edge, uint32_t node) noexcept nogil
# A copy of a node at the end of `block`, with the same operands and without its snapshot. 0: failed.
cdef uint32_t copy_node(Graph *g, uint32_t node, uint32_t block) noexcept nogil
# A block of its own on an edge: what goes along the edge goes on from there. 0: failed.
cdef uint32_t split_edge(Graph *g, uint32_t block, uint32_t edge) noexcept nogil
# The node that is handed to argument number `i` of a block by the block before it.
cdef uint32_t handed(const Graph *g, uint32_t come, uint32_t go, uint32_t i) noexcept nogil
