# Live ranges of a region after selection, in the form that both allocators and the checks of their work walk over: the
# steps of each block with the ranges that each reads and writes, the sets that are live at the borders of blocks, what
# reading and writing each costs, and which register each would like.
#
# A live range is the life of one node that needs a place: it has a result, is emitted (neither covered nor
# rematerialised) and read somewhere. Integers come first, floating-point ones follow from a multiple of 64 on; the
# numbers between belong to nobody.
#
# Order of things, which emission keeps to:
# - Where the region is entered, OP_FPU comes first, with the state of the hart still in the places of the boundary
#   convention (so its snapshot reads nothing here). Then all OP_ENTRY and OP_BASE get their places at once.
# - Where a block begins, its arguments have got their places, all at once, on the way along the edge.
# - A step reads, is left by its snapshot or not, and writes its result.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.jit.t2.ir cimport (
    OP_ADD, OP_AND, OP_BOX, OP_F32_F64, OP_F64_F32, OP_FADD, OP_FCLEAN, OP_FDIV, OP_FMADD, OP_FMUL, OP_FNMADD,
    OP_FSGNJ, OP_FSGNJX, OP_FSQRT, OP_FSUB, OP_GEU, OP_LOAD, OP_MUL, OP_MULH, OP_NOT, OP_SELECT, OP_SHL, OP_SUB,
    OP_UNBOX, OP_XOR, Graph, Node)

from vmcore._fast.jit.t2.scratch cimport Scratch

cdef enum:
    NO_RANGE = 0x0FFFFFFF
    READ_EARLY = 1 << 30      # the result must have another register
    READ_EXIT = 1 << 31       # read only where the region is left here
    READ_RANGE = 0x0FFFFFFF
    NO_REG = -1
    # Allocatable registers: rcx rbx rsi rdi r8-r13 r15, and xmm2-xmm15.
    GPR_SET = 0xBFCA
    XMM_SET = 0xFFFC

cdef struct Step:
    uint32_t node
    uint32_t result           # its range, or NO_RANGE
    uint32_t first            # of what it reads in Live.reads: range | READ_*
    uint32_t nreads

# A block. Its ranges are in Live.reads too.
cdef struct Span:
    uint32_t block
    uint32_t first            # of its steps
    uint32_t nsteps
    uint32_t defs             # what begins where it begins: arguments, in block 1 OP_ENTRY and OP_BASE
    uint32_t ndefs
    uint32_t ends             # what is read where it ends, its snapshot and what goes along its edges included
    uint32_t nends

# Two ranges that would like to share a register, and how often that saves a copy.
cdef struct Move:
    uint32_t one
    uint32_t two
    float weight
    float saves               # reads and writes of memory, if both are in one slot instead

cdef struct Live:
    Scratch *scratch          # of the graph: what has its size from the beginning comes from there
    uint32_t *range_of        # of each node; NO_RANGE
    uint32_t *node_of         # of each range; 0: this number is nobody's
    uint32_t nodes
    uint32_t nranges          # how many numbers
    uint32_t count            # how many of them are ranges
    uint32_t nints            # integers: 0 to nints - 1
    uint32_t first_fp
    uint32_t words            # of a set of ranges
    uint32_t nspans           # as Graph.order
    Span *spans
    Step *steps
    uint32_t nsteps
    uint32_t steps_room
    uint32_t *reads
    uint32_t nreads
    uint32_t reads_room
    uint64_t *ins             # live where a block begins, its arguments not: `words` for each span
    uint64_t *outs            # live where it ends, for the sake of what follows: without what goes along the edges
    float *read               # how often each is read for one entry, and written
    float *written
    float *wants              # 16 for each: how much it would like each register
    Move *moves               # the heaviest first
    uint32_t nmoves
    uint32_t moves_room

# -1: no memory. After analyse() and select_nodes(). Free it in any case, before the graph.
cdef int live_make(Live *lv, const Graph *g) noexcept nogil
cdef void live_free(Live *lv) noexcept nogil

# What spilling a range costs for one entry of the region: what is read and written that a register would not need. What
# can be had again from the hart (`is_home`) or by computing it is not stored, and a register would need one load too.
cdef float spill_cost(const Live *lv, const Graph *g, uint32_t rng) noexcept nogil
# Does it lie in the hart as long as nobody leaves: an unpinned OP_ENTRY, OP_BASE?
cdef bint is_home(const Node *n) noexcept nogil
# How often an edge is taken.
cdef float edge_weight(const Graph *g, uint32_t block, uint32_t edge) noexcept nogil
# Where a pinned guest register is at the boundary, -1 for the others.
cdef int boundary_place(uint32_t reg) noexcept nogil

# --- sets -------------------------------------------------------------------------------------------------------------

cdef extern from *:
    """
    static inline uint32_t vmcore_bit_of(uint64_t v) { return (uint32_t)__builtin_ctzll(v); }
    static inline uint32_t vmcore_bits_in(uint64_t v) { return (uint32_t)__builtin_popcountll(v); }
    """
    uint32_t bit_of "vmcore_bit_of"(uint64_t v) nogil      # the lowest one; v is not 0
    uint32_t bits_in "vmcore_bits_in"(uint64_t v) nogil

cdef inline bint in_set(const uint64_t *words, uint32_t i) noexcept nogil:
    return words[i >> 6] >> (i & 63) & 1

cdef inline void put_in(uint64_t *words, uint32_t i) noexcept nogil:
    words[i >> 6] |= <uint64_t>1 << (i & 63)

cdef inline void take_from(uint64_t *words, uint32_t i) noexcept nogil:
    words[i >> 6] &= ~(<uint64_t>1 << (i & 63))

# --- what the allocator and the emission agree on ---------------------------------------------------------------------

# Which operands' registers, bit by bit, the emission of an operation has read for the last time, with everything that
# they cover, before it writes its result: the result may take the register of one of them that dies there.
cdef inline uint32_t read_before_result(const Node *n) noexcept nogil:
    cdef uint32_t op = n.op
    if op == OP_LOAD or OP_SHL <= op <= OP_NOT or OP_MULH <= op <= OP_GEU:
        return 7
    if op == OP_SELECT:
        return 1
    if op == OP_FSQRT or op == OP_F64_F32 or op == OP_F32_F64 or OP_FSGNJ <= op <= OP_FSGNJX:
        return 7
    return 0

# Which operands, bit by bit, may be in the register of the result already: nothing is copied then (two-address form; a
# fused multiply-add still needs its factors where it makes a NaN). This is not so for what a covered operand reads.
cdef inline uint32_t updated_in_place(const Node *n) noexcept nogil:
    cdef uint32_t op = n.op
    if op == OP_ADD or op == OP_MUL or OP_AND <= op <= OP_XOR or op == OP_FADD or op == OP_FMUL:
        return 3
    if op == OP_SUB or op == OP_FSUB or op == OP_FDIV or op == OP_FCLEAN or op == OP_BOX or op == OP_UNBOX:
        return 1
    if op == OP_SELECT:
        return 6
    return 4 if OP_FMADD <= op <= OP_FNMADD else 0

# May the result of a node share the register of `read`, a node that it reads and that dies there?
cdef bint result_may_overlap(const Graph *g, uint32_t node, uint32_t read) noexcept nogil
