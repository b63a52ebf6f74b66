# A region being emitted, and what every emitter of operations needs: operands in their places, results into theirs, and
# what lies out of line.
#
# Every sequence works with any operand in a register, in a slot, at home in the hart, or a constant, and with the
# result in the register of any of its operands. Scratch are rax, rdx, xmm0, xmm1 and the temporary words of the frame.
# By agreement rax is where a result is worked out that has no register, and rdx where a constant or a second operand
# goes.

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from vmcore._fast.jit.block cimport Link
from vmcore._fast.jit.convention cimport at_page_base
from vmcore._fast.jit.t2.ir cimport NODE_COVERED, OP_BASE, OP_CONST, Graph, Node
from vmcore._fast.jit.t2.moves cimport MOST_MOVES, PLACE_HOME, Move, memory_of
from vmcore._fast.jit.t2.places cimport AT_HOME, AT_NONE, AT_SLOT, AT_XMM, MOST_SLOTS
from vmcore._fast.jit.t2.ways cimport MOST_PAGES
from vmcore._fast.jit.x64.asm cimport RAX, RBP, RDX, Asm, x_patch32, x_patch8, x_rm, x_rr

cdef enum:
    NO_REGISTER = -1
    XMM0 = 0
    XMM1 = 1

# What lies out of line.
cdef enum Aside:
    ASIDE_EXIT = 0            # by snapshot `what`
    ASIDE_POLLED = 1          # the same behind a poll
    ASIDE_NEXT = 2            # leave, to go on at offset `what` of the page
    ASIDE_NEXT_RAX = 3
    ASIDE_MISS = 4            # HOST `what`
    ASIDE_REFILL = 5          # the same, which remembers what it found
    ASIDE_STRAY = 6           # the same, which guessed
    ASIDE_EDGE = 7            # moves along edge `more` of block `what`
    ASIDE_FPU = 8             # the host's FPU is to become the guest's, by snapshot `what`
    ASIDE_DIVIDE = 9          # by zero or by -1: node `what`
    ASIDE_LOST = 10           # the first way of the L1 table does not know the address in rax
    ASIDE_CROSS = 11          # by snapshot `what`, for what lies in two pages
    ASIDE_STEP = 12           # leave, to have the instruction at offset `what` of the page executed by T0
    ASIDE_NODE = 13           # whatever its emitter has for node `what` there
    ASIDE_PAGES = 14          # are its pages what they were? Block code for its header, `what`, unless they are

cdef struct Away:
    uint8_t *field            # displacement that leads here
    uint8_t *back
    uint8_t *at               # where it was put, NULL: not yet
    uint32_t kind
    uint32_t what
    uint32_t more

# Displacements that wait for the place of a block or of a side table.
cdef struct Wait:
    uint8_t *field
    uint32_t what

# Offset in the code -> the node that begins there, 0: what a block ends with, for people.
cdef struct Mark:
    uint32_t at
    uint32_t node

# A page besides the header's, and the number of the bundle that it was made of (pages.pxd).
cdef struct PageOf:
    int32_t at                # bytes from the header's page on
    uint64_t serial

cdef struct Code:
    Asm a
    bint parallel
    bint counting             # look-ups
    uint32_t slot             # where it is counted what regions do (region_slot())
    PageOf pages[MOST_PAGES]
    uint32_t npages
    bint failed               # too much for one region, or no memory
    # What came of it; offsets in the code.
    Link *links
    uint32_t nlinks
    Mark *marks
    uint32_t nmarks
    uint32_t hot_bytes
    uint32_t cold_bytes
    uint32_t table_bytes
    # While it is made.
    const Graph *g
    const uint8_t *places
    uint8_t **starts          # of blocks; NULL: not yet
    uint32_t following        # the block behind the current one
    uint32_t compared         # comparison that the flags are of, and by which code, while nothing comes behind `flags`
    int compared_cc
    uint8_t *flags
    Wait *jumps
    uint32_t njumps
    Wait *tables
    uint32_t ntables
    uint8_t *pages_field      # displacement that leads to what is known of the pages
    Away *aways
    uint32_t naways
    uint32_t rooms[6]
    Move moves[MOST_MOVES]
    Move steps[2 * MOST_MOVES]

cdef void *one_more(Code *c, void **array, uint32_t *n, uint32_t which, uint64_t each) noexcept nogil

# --- out of line ------------------------------------------------------------------------------------------------------

cdef Away *away(Code *c, uint8_t *field, uint32_t kind, uint32_t what) noexcept nogil

# --- where values are -------------------------------------------------------------------------------------------------

cdef inline const Node *node_of(const Code *c, uint32_t node) noexcept nogil:
    return &c.g.nodes[node]

cdef inline bint is_covered(const Code *c, uint32_t node) noexcept nogil:
    return c.g.nodes[node].flags & NODE_COVERED

cdef inline bint is_number(const Code *c, uint32_t node) noexcept nogil:
    # A constant that is known now, and in no register.
    return c.g.nodes[node].op == OP_CONST and c.places[node] == AT_NONE

cdef inline bint is_imm32(const Code *c, uint32_t node) noexcept nogil:
    return is_number(c, node) and c.g.nodes[node].imm == <int32_t>c.g.nodes[node].imm

# Its general register.
cdef inline int register_of(const Code *c, uint32_t node) noexcept nogil:
    return <int>c.places[node] if c.places[node] < AT_XMM else <int>NO_REGISTER

# Its xmm register.
cdef inline int xmm_of(const Code *c, uint32_t node) noexcept nogil:
    return <int>c.places[node] - AT_XMM if AT_XMM <= c.places[node] < AT_SLOT else <int>NO_REGISTER

# Where it is in memory: base register and displacement. NO_REGISTER: it is not.
cdef inline int home_of(const Code *c, uint32_t node, int32_t *disp) noexcept nogil:
    cdef const Node *n = &c.g.nodes[node]
    cdef uint32_t place = c.places[node]
    if AT_SLOT <= place < AT_SLOT + MOST_SLOTS:
        return memory_of(place, disp)
    if place != AT_HOME:
        return NO_REGISTER
    if n.op == OP_BASE:
        disp[0] = at_page_base()
        return RBP
    return memory_of(PLACE_HOME + <uint32_t>n.imm, disp)

# Where to compute a result: its own register, or rax (xmm0).
cdef inline int target_of(const Code *c, uint32_t node) noexcept nogil:
    return <int>c.places[node] if c.places[node] < AT_XMM else <int>RAX

cdef inline int target_xmm(const Code *c, uint32_t node) noexcept nogil:
    return xmm_of(c, node) if xmm_of(c, node) >= 0 else <int>XMM0

# Its value into register `to`. Leaves the flags alone.
cdef void load_to(Code *c, uint32_t node, int to) noexcept nogil

# A register that has it; `scratch` if it has to be loaded.
cdef inline int use(Code *c, uint32_t node, int scratch) noexcept nogil:
    if register_of(c, node) >= 0:
        return register_of(c, node)
    load_to(c, node, scratch)
    return scratch

# reg op= its value, for a form that reads a register or memory; a constant is loaded into rdx.
cdef inline void op_with(Code *c, int form, int w, int reg, uint32_t node) noexcept nogil:
    cdef int32_t disp = 0
    cdef int base = home_of(c, node, &disp)
    if base >= 0:
        x_rm(&c.a, form, w, reg, base, disp)
    else:
        x_rr(&c.a, form, w, reg, use(c, node, RDX))

# The same for a form whose only operand it is, or which writes its register without reading it: a constant goes into
# `scratch`.
cdef inline void op_from(Code *c, int form, int w, int reg, uint32_t node, int scratch) noexcept nogil:
    cdef int32_t disp = 0
    cdef int base = home_of(c, node, &disp)
    if base >= 0:
        x_rm(&c.a, form, w, reg, base, disp)
    else:
        x_rr(&c.a, form, w, reg, use(c, node, scratch))

# The result of `node` is in `reg`: to its place.
cdef void put(Code *c, uint32_t node, int reg) noexcept nogil

# --- the same for xmm registers ---------------------------------------------------------------------------------------

cdef void load_xmm(Code *c, uint32_t node, int to) noexcept nogil

cdef inline int use_xmm(Code *c, uint32_t node, int scratch) noexcept nogil:
    if xmm_of(c, node) >= 0:
        return xmm_of(c, node)
    load_xmm(c, node, scratch)
    return scratch

cdef inline void op_xmm(Code *c, int form, int reg, uint32_t node) noexcept nogil:
    cdef int32_t disp = 0
    cdef int base = home_of(c, node, &disp)
    if base >= 0:
        x_rm(&c.a, form, 0, reg, base, disp)
    else:
        x_rr(&c.a, form, 0, reg, xmm_of(c, node))

cdef void put_xmm(Code *c, uint32_t node, int reg) noexcept nogil

# --- places -----------------------------------------------------------------------------------------------------------

# Patch a forward jump to here.
cdef inline void land(Code *c, uint8_t *field) noexcept nogil:
    if not c.a.full:
        x_patch32(field, c.a.at)

# ... a short one.
cdef inline void land8(Code *c, uint8_t *field) noexcept nogil:
    if not c.a.full and not x_patch8(field, c.a.at):
        c.failed = True

# A node as something to move from.
cdef void source_of(Code *c, uint32_t node, Move *m) noexcept nogil
# What was put into c.moves.
cdef void make_moves(Code *c, uint32_t n, bint keep_rax) noexcept nogil
