# The intermediate representation of a region: SSA with block arguments, in arrays that a Graph owns.
#
# A node is a number, an index into `nodes`; 0 is none. Each stands in one block, in the order in which it is executed;
# what a block does last is its terminator, which is no node. Values are 64-bit integers (T_INT), doubles in an xmm
# register (T_F64) or singles in its lower half, whatever lies above (T_F32). A width is a property of the operation.
#
# Registers: 1 to 31 are the integer registers of the guest, 32 to 63 the floating-point ones.
#
# Every pass takes a Graph, changes it in place and leaves it well formed (verify.pxd). No pass may fail: on lack of
# memory `failed` is set, which every pass looks at where it matters, and the region is dropped.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.jit.t2.scratch cimport Scratch

cdef enum:
    T_NONE = 0
    T_INT = 1
    T_F64 = 2
    T_F32 = 3

cdef enum:
    MOST_NODES = 1 << 16
    MOST_BLOCKS = 1 << 10
    F_REGISTERS = 32          # first floating-point register
    MOST_OFF = 1 << 30        # of an instruction, from the start of the header's page, either way

# Operations. The columns of OPS (ir.pyx) say for each: name, operands, type of the result, properties.
cdef enum Opcode:
    OP_NONE = 0
    # Leaves.
    OP_CONST                  # imm
    OP_ENTRY                  # register imm as it was when the region was entered; all of them stand in block 1
    OP_BASE                   # virtual address of the page that the region's code lies in (hart.page_base)
    OP_ARG                    # argument number imm of its block; a block's arguments come first in it, in order
    # Integers, 64 bits. Shifts take the amount modulo 64.
    OP_ADD
    OP_SUB
    OP_MUL
    OP_AND
    OP_OR
    OP_XOR
    OP_SHL
    OP_SHR                    # logical
    OP_SAR
    OP_ROTR
    OP_NEG
    OP_NOT
    OP_MULH                   # upper half of the product: signed, unsigned, a signed and b unsigned
    OP_MULHU
    OP_MULHSU
    OP_DIV                    # as RISC-V has it: by zero gives -1 (REM: a), overflow gives a (REM: 0)
    OP_DIVU
    OP_REM
    OP_REMU
    # 32 bits: the lower halves are the operands, the result is sign-extended. Shifts take the amount modulo 32.
    # ADD, SUB, MUL, SHL of 32 bits are OP_SEXT32 of the 64-bit operation (SHL32 where the amount is no constant).
    OP_SHL32
    OP_SHR32
    OP_SAR32
    OP_ROTR32
    OP_DIV32
    OP_DIVU32
    OP_REM32
    OP_REMU32
    # Width.
    OP_SEXT8
    OP_SEXT16
    OP_SEXT32
    OP_ZEXT8
    OP_ZEXT16
    OP_ZEXT32
    # Bits.
    OP_CLZ                    # 64 for zero
    OP_CTZ
    OP_POPCNT
    OP_CLZ32                  # of the lower half: 32 for zero
    OP_CTZ32
    OP_POPCNT32
    OP_BSWAP
    OP_ORCB
    # Comparisons: 0 or 1.
    OP_EQ
    OP_NE
    OP_LT
    OP_GE
    OP_LTU
    OP_GEU
    OP_SELECT                 # a is not zero: b, else c
    # Memory. HOST says where the bytes [a + imm, a + imm + span) lie on the host: the result added to a guest address
    # in that range is the host's address. All of them are in one page then, and may be read (written, with MEM_WRITE).
    # It can leave, by its snapshot, which has the state before the first access that it is for.
    # LOAD, STORE: at host address a + b + imm. a: a HOST that covers it; b: its base node.
    # With b and c, an OP_TAG and its OP_ADDEND, what was found last is remembered there: a page of its own is asked for
    # first (with MEM_GUESS it is counted how often that is another one). With b alone, an OP_ADDEND, the page is looked
    # up, but the result is guessed to be what it was last, which is counted as well.
    # These two are the only values that change after they were made; only HOSTs refer to them. OP_TAG begins as one
    # that no address has (hart.no_page), OP_ADDEND as anything, so they are worth it in a loop, and stand before it.
    # (Allocation may put an argument of the loop's header in their place: split.pxd.)
    OP_HOST                   # a: address; imm; span in `size`; b, c: 0, or what it remembers
    OP_TAG
    OP_ADDEND
    OP_LOAD                   # a: host, b: address; imm; size 1, 2, 4, 8; MEM_SIGNED or zero-extended; by type f32, f64
    OP_STORE                  # a: host, b: address, c: value; imm; size. No result
    # Floating point, by type T_F64 or T_F32 of the operands; rounding mode is the guest's (`mode` 7, dynamic) or
    # static. Results may be any quiet NaN (loose), but for fused ones, which are canonical then; CLEAN makes a NaN the
    # canonical one. What leaves, is stored, moved to an integer register or has its sign changed has to be clean, or
    # not to be the result of arithmetic.
    OP_FADD
    OP_FSUB
    OP_FMUL
    OP_FDIV
    OP_FSQRT
    OP_FMADD                  # a * b + c; FMSUB: - c; FNMSUB: -(a * b) + c; FNMADD: -(a * b) - c
    OP_FMSUB
    OP_FNMSUB
    OP_FNMADD
    OP_FMIN
    OP_FMAX
    OP_FEQ                    # 0 or 1 (T_INT)
    OP_FLT
    OP_FLE
    OP_FSGNJ
    OP_FSGNJN
    OP_FSGNJX
    OP_FCLEAN
    OP_BOX                    # f32 -> f64: the register's upper half is all ones
    OP_UNBOX                  # f64 -> f32: not boxed gives the canonical NaN
    OP_BITS                   # f64 or f32 -> its bits as an integer (f32: sign-extended)
    OP_FROMBITS               # int -> f64 with these bits (to make an f32: type T_F32)
    OP_F64_F32                # convert f32 to f64
    OP_F32_F64
    OP_F_INT                  # int (signed 64, or by size and MEM_SIGNED: 4, 8) to float
    OP_INT_F                  # float to int, saturating with RISC-V's flags; size 4, 8, MEM_SIGNED; mode
    OP_FPU                    # makes hart.fp_live, once, in block 1, where anything floating follows; can leave
    OP_DIRTY                  # mstatus.FS becomes dirty
    # Counting and leaving. `imm` instructions have been executed since it was last counted; less than nothing where
    # more than those were counted.
    OP_COUNT                  # subtract imm from the budget
    OP_POLL                   # subtract imm from the budget; leave where it is used up, or raised
    OP_LEAVE_IF               # leave if a is not zero
    OP_COUNT_OF

# What an operation is like (properties).
cdef enum:
    P_PURE = 1                # depends on its operands alone, and does nothing: may be moved, merged, dropped
    P_LEAVES = 2              # has a snapshot
    P_COMMUTES = 4
    P_EFFECT = 8              # must be executed, in order with other effects
    P_READS = 16              # reads guest memory: may be dropped, not moved over a store that may alias

# Node.flags.
cdef enum:
    MEM_WRITE = 1             # HOST: for stores
    MEM_SIGNED = 2            # LOAD
    MEM_EARLY = 4             # HOST: not yet asked for by the guest (hoisted): it may not fault nor set D, but leaves
    NODE_COVERED = 8          # emitted as part of its only user: has no register of its own (select.pyx)
    NODE_REMAT = 16           # computed anew at each use: has no register of its own (constants)
    NODE_LATE = 32            # ... where the region is left: NODE_COVERED too, and read by snapshots alone
    MEM_GUESS = 64            # HOST with b and c: it is counted how often they had to change (chase.pyx)
    MEM_AHEAD = 128           # HOST with MEM_WRITE: the guest reads there first, so nothing is to be set yet

# What may be guessed of an address that comes along a chain (Graph.guesses).
cdef enum:
    GUESS_NONE = 0
    GUESS_ADDEND = 1
    GUESS_PAGE = 2

cdef struct Node:
    uint16_t op
    uint8_t type              # of the result; T_NONE: it has none
    uint8_t flags
    uint16_t size             # memory: bytes
    uint8_t mode              # rounding mode
    uint8_t spare8
    uint32_t block
    uint32_t prev             # neighbours in the block
    uint32_t next
    uint32_t a                # operands
    uint32_t b
    uint32_t c
    uint32_t snap             # 0: none
    uint32_t uses             # by nodes, terminators, edges and snapshots; right after count_uses()
    uint32_t spare
    int64_t imm

# How a block ends.
cdef enum:
    END_NONE = 0
    END_GOTO = 1              # edge 0
    END_BRANCH = 2            # cond is not zero: edge 0, else edge 1
    END_LEAVE = 3             # by its snapshot
    END_LEAVE_TO = 4          # to the guest address `cond`, with the registers of its snapshot

cdef struct Edge:
    uint32_t to               # block; 0: none
    uint32_t args             # first of the values of its arguments in Graph.pool
    uint32_t nargs
    uint32_t times            # it was taken while someone looked; 0 for all edges of a block: nobody did

cdef struct BlockOf:
    uint32_t first            # nodes, 0: empty
    uint32_t last
    uint32_t nargs
    uint32_t end              # END_*
    uint32_t cond
    uint32_t snap
    uint32_t nedges
    Edge edges[2]
    int32_t off               # guest: of its first instruction, from the start of the header's page
    # Right after analyse().
    uint32_t npreds
    uint32_t preds            # in Graph.pool
    uint32_t idom
    uint32_t order            # number in reverse postorder, from 1; 0: not reached
    uint32_t loop             # header of the innermost loop around it, 0: none; a header is in its own loop
    uint32_t depth            # of loops around it
    float weight              # how often it is executed for one entry of the region

# State of the guest at a place where the region can be left. Registers that are not in it are as they were at the
# entry, in their place (hart.x, hart.f). Pinned integer registers are in every snapshot; pinned floating-point ones in
# those of a region with OP_FPU.
cdef enum:
    SNAP_NEXT = 0             # go on at offset `off` of the page
    SNAP_STEP = 1             # T0 executes the instruction there

cdef struct Snap:
    int32_t off               # of the instruction, from the start of the header's page
    uint32_t count            # instructions executed before it since it was last counted
    uint32_t kind
    uint32_t nregs
    uint32_t regs             # in Graph.pool: register | node << 8
    uint32_t insn             # serial number of the guest instruction that it belongs to, for people

cdef struct Graph:
    Node *nodes
    uint32_t nnodes           # number of the next one; the first is 1
    uint32_t nodes_room
    BlockOf *blocks
    uint32_t nblocks          # number of the next one; the first is 1, where the region is entered: no edge leads there
    uint32_t blocks_room
    Snap *snaps
    uint32_t nsnaps
    uint32_t snaps_room
    uint32_t *pool            # lists of numbers
    uint32_t npool
    uint32_t pool_room
    uint32_t *order           # blocks in reverse postorder, norder of them; right after analyse()
    uint32_t norder
    uint32_t order_room
    uint32_t *table           # hash of pure nodes, for value numbering (build.pyx)
    uint32_t table_size       # a power of two; 0: not there
    Scratch scratch           # of whatever works on it
    uint32_t insns            # guest instructions in it
    uint64_t fuel             # rewrites that are still allowed (burn())
    uint64_t burnt            # rewrites so far
    uint64_t fired[4]         # rules of fold.pyx that were used, a bit for each: for people and tests
    uint8_t has_fpu
    uint8_t guesses           # GUESS_*
    uint8_t narrow            # HOSTs that are shared have a small span (share.pyx)
    uint8_t analysed          # nothing that analyse() looks at has changed since
    uint8_t failed

# What a rewrite asks first: False once the fuel is used up. Every pass burns one unit for each rewrite that it makes,
# so that a wrong one can be found by bisection.
cdef inline bint burn(Graph *g) noexcept nogil:
    if g.burnt >= g.fuel:
        return False
    g.burnt += 1
    return True

# --- tables -----------------------------------------------------------------------------------------------------------

cdef extern from "jit/t2/ops.h" nogil:
    ctypedef struct OpRow "vmcore_op_row":
        const char *name
        uint8_t args          # operands: 0 to 3
        uint8_t type          # of the result; 0xFF: as the node says
        uint8_t props         # P_*

cdef const OpRow *op_row(uint32_t op) noexcept nogil

cdef inline bint is_pure(uint32_t op) noexcept nogil:
    return op_row(op).props & P_PURE

# --- making one -------------------------------------------------------------------------------------------------------

# -1: no memory.
cdef int graph_init(Graph *g) noexcept nogil
cdef void graph_free(Graph *g) noexcept nogil
# Forget everything, keep the memory.
cdef void graph_clear(Graph *g) noexcept nogil
# A new block, without anything. 0: failed.
cdef uint32_t new_block(Graph *g) noexcept nogil
# A node, at the end of a block, as it is said: nothing is folded (build.pxd has the functions that fold).
cdef uint32_t append(Graph *g, uint32_t block, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c,
                     int64_t imm) noexcept nogil
# The same before another node.
cdef uint32_t insert_before(Graph *g, uint32_t place, uint32_t op, uint8_t type, uint32_t a, uint32_t b, uint32_t c,
                            int64_t imm) noexcept nogil
# One more argument of a block: a node behind its other arguments. Its edges are the caller's to complete.
cdef uint32_t append_arg(Graph *g, uint32_t block, uint8_t type) noexcept nogil
# Take it out of its block. Its users must be gone.
cdef void remove_node(Graph *g, uint32_t node) noexcept nogil
# Move a node before another one (of any block), or to the end of a block.
cdef void move_before(Graph *g, uint32_t node, uint32_t place) noexcept nogil
cdef void move_to_end(Graph *g, uint32_t node, uint32_t block) noexcept nogil
# `count` numbers in the pool, next to each other: the first one's index. 0: failed.
cdef uint32_t pool_take(Graph *g, uint32_t count) noexcept nogil
# A snapshot with room for `nregs` registers, which the caller fills. 0: failed.
cdef uint32_t new_snap(Graph *g, int32_t off, uint32_t count, uint32_t kind, uint32_t nregs) noexcept nogil
# Every use of a node becomes one of another, in nodes, terminators, edges, snapshots: new_of[n] is what node n becomes,
# 0: it stays. Chains are followed.
cdef void replace_all(Graph *g, uint32_t *new_of) noexcept nogil

# --- looking at one ---------------------------------------------------------------------------------------------------

cdef void count_uses(Graph *g) noexcept nogil

# The header of the loop around the one with this header, 0: there is none.
cdef inline uint32_t loop_around(const Graph *g, uint32_t header) noexcept nogil:
    # The immediate dominator of a header is in the larger loop, or in another one inside of it.
    cdef uint32_t depth = g.blocks[header].depth
    cdef uint32_t inside
    if depth <= 1:
        return 0
    inside = g.blocks[g.blocks[header].idom].loop
    while inside and g.blocks[inside].depth >= depth:
        inside = loop_around(g, inside)
    return inside

cdef inline bint is_const(const Graph *g, uint32_t node) noexcept nogil:
    return g.nodes[node].op == OP_CONST

cdef inline uint32_t operand(const Node *n, uint32_t i) noexcept nogil:
    return n.a if i == 0 else n.b if i == 1 else n.c

cdef inline uint32_t edge_arg(const Graph *g, const Edge *e, uint32_t i) noexcept nogil:
    return g.pool[e.args + i]

cdef inline uint32_t snap_reg(const Graph *g, const Snap *s, uint32_t i) noexcept nogil:
    return g.pool[s.regs + i] & 0xFF

cdef inline uint32_t snap_node(const Graph *g, const Snap *s, uint32_t i) noexcept nogil:
    return g.pool[s.regs + i] >> 8
