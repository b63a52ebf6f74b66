# From guest instructions to the graph of a region.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from vmcore._fast.hart.state cimport SINK, Op
from vmcore._fast.jit.t2.build cimport const_node, entry_node, make
from vmcore._fast.jit.t2.ir cimport OP_ENTRY, OP_SEXT32, T_INT, Graph
from vmcore._fast.jit.t2.region cimport Region

cdef enum:
    MOST_UNCOUNTED = 64       # instructions from one poll, or the entry, to the next

# What is being lifted. `now` has the node of each register; 0: it is as it was at the entry.
cdef struct Lift:
    Graph *g
    const Region *r
    uint32_t block            # nodes go to its end
    int32_t off               # address (ways.pxd) of the current instruction, and of what lies behind it
    int32_t behind
    uint32_t handler
    uint32_t count            # instructions before the current one that were not counted yet
    uint32_t since            # ... since the last poll, on the longest way
    uint32_t serial           # of the current instruction, for people
    uint8_t dirty             # mstatus.FS is known to be dirty
    # Floating-point registers, by bit: the result of arithmetic on doubles, whose NaN need not be the canonical one; a
    # boxed single, whose node without the box is `single`, and the same of these.
    uint32_t loose
    uint32_t boxed
    uint32_t loose_single
    uint32_t now[64]
    uint32_t single[32]

ctypedef void (*lift_t)(Lift *t, const Op *op) noexcept nogil

# A lifter for the handler of that name: when it may be used (LIFT_*), what it writes (RD_*), and whether it needs the
# host's FPU to be the guest's.
cdef int register_lift(str name, lift_t lift, uint32_t when, uint32_t rd, bint floating=*) except -1

# The graph of the region that was formed last. (What it lacks memory for says g.failed.)
cdef void lift_region(const Region *r, Graph *g) noexcept nogil

# The guest's state before the current instruction, for what may leave there.
cdef uint32_t snap_here(Lift *t, uint32_t kind) noexcept nogil

# The value of a register.
cdef inline uint32_t get_x(Lift *t, uint32_t r) noexcept nogil:
    if r == 0:
        return const_node(t.g, 0)
    return t.now[r] if t.now[r] else entry_node(t.g, r)

cdef inline void put_x(Lift *t, uint32_t rd, uint32_t node) noexcept nogil:
    if rd != SINK:
        t.now[rd] = 0 if t.g.nodes[node].op == OP_ENTRY and t.g.nodes[node].imm == rd else node

# Floating-point registers are clean from here on: those of `which`.
cdef void clean(Lift *t, uint32_t which) noexcept nogil

# A pure operation on integers.
cdef inline uint32_t do_x(Lift *t, uint32_t op, uint32_t a, uint32_t b) noexcept nogil:
    return make(t.g, t.block, op, T_INT, a, b, 0, 0)

cdef inline uint32_t sext32(Lift *t, uint32_t a) noexcept nogil:
    return make(t.g, t.block, OP_SEXT32, T_INT, a, 0, 0, 0)

cdef inline uint32_t number(Lift *t, int64_t value) noexcept nogil:
    return const_node(t.g, value)

cdef inline uint32_t rs2_x(Lift *t, const Op *op) noexcept nogil:
    # Of an instruction with two sources.
    return get_x(t, <uint32_t>op.imm & 31)
