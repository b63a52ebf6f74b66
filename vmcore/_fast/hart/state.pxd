# A hart: its registers, its CSRs, its address translation, and the decoded operation that T0 runs.
#
# A handler is `cdef void h_NAME(Op *op, Hart *hart) noexcept nogil`. It ends by calling the next operation,
# `op[1].fn(op + 1, hart)`, as its very last statement, which the C compiler turns into a jump: so a handler has no
# local whose address is taken, calls nothing that gcc could inline with such a local, and reaches every rare path by
# a tail call through `hart.go_*`.
#
# Registers: x[0] is always zero. A handler writes x[op.rd] without a check: the decoder turns rd = x0 into 32, the
# sink. f[] holds NaN-boxed values of any width.
#
# Operands by shape (see decode.pyx):
#   I  rd rs1 imm          R  rd rs1, imm = rs2             S,B  rd = rs2, rs1 imm
#   U,J rd imm             R4/FP  rd rs1, imm = rs2 | rs3 << 8 | rm << 16
#   AMO rd rs1, imm = rs2 | aqrl << 8    CSR  rd rs1 (register number or uimm), imm = csr number
#   sh  rd rs1 imm         crypto with bs/rnum: imm = rs2 | bs << 8  (aes64ks1i: imm = rnum)

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.defs cimport Clock, HartPins, gpa_t, gva_t, vmcore_load32, vmcore_unlikely
from vmcore._fast.memory.mmu cimport Walk
from vmcore._fast.memory.pmp cimport Pmp
from vmcore._fast.memory.ram cimport Memory
from vmcore._fast.memory.tlb cimport DataCtx, TlbEntry
from vmcore._fast.memory.tlb2 cimport Tlb2

ctypedef void (*handler_t)(Op *op, Hart *hart) noexcept nogil

cdef struct Op:
    handler_t fn
    int32_t imm
    uint8_t rd
    uint8_t rs1
    uint16_t off              # byte offset in its page, bit 0 set when the instruction has four bytes

cdef enum:
    SINK = 32                 # x[SINK] takes the writes to x0
    PRIV_U = 0
    PRIV_S = 1
    PRIV_M = 3
    NUM_DCTX = 8
    NUM_FCTX = 16
    JUMP_BITS = 12
    JUMP_SIZE = 1 << JUMP_BITS
    FETCH_SIZE = 1024
    PAGES_SIZE = 1024
    MAX_HARTS = 8
    REGION_SLOTS = 16         # counts of what regions do, per hart
    L1_BITS = 13              # entries of the table of compiled code, per hart and way
    L1_SIZE = 1 << L1_BITS
    L1_MASK = L1_SIZE - 1
    ID_SHIFT = 1              # of a fetch context's id in l1_tag: where the index of an entry says what the pc has
    LAST_ID = L1_MASK
    L1_RAW = 0                # no entry was ever made, not even an empty one
    L1_EMPTY = 1
    L1_USED = 2
    FETCHED_WORDS = 64
    NUM_STUBS = 32
    TLB_ARRAY = 16 * (1 << 10)   # bytes from the read to the write entries of a data context

# Exceptions (mcause values).
cdef enum:
    CAUSE_FETCH_MISALIGNED = 0
    CAUSE_FETCH_ACCESS = 1
    CAUSE_ILLEGAL = 2
    CAUSE_BREAKPOINT = 3
    CAUSE_LOAD_MISALIGNED = 4
    CAUSE_LOAD_ACCESS = 5
    CAUSE_STORE_MISALIGNED = 6
    CAUSE_STORE_ACCESS = 7
    CAUSE_ECALL_U = 8
    CAUSE_ECALL_S = 9
    CAUSE_ECALL_M = 11
    CAUSE_FETCH_PAGE = 12
    CAUSE_LOAD_PAGE = 13
    CAUSE_STORE_PAGE = 15

cdef enum:
    CODE_UNIT = 16            # alignment of compiled blocks
    CODE_SLACK = 96           # more than the instructions that compiled code runs between two polls
    CODE_LEAST = (CODE_SLACK + 1) * 16    # budget, in sixteenths, below which only T0 runs

# Why compiled code was left.
cdef enum:
    EXIT_NEXT = 0             # go on at exit_pc, in the same page
    EXIT_STEP = 1             # the instruction at exit_pc is T0's to execute
    EXIT_FAR = 2              # go on at exit_pc, anywhere: the L1 table does not know it, or there was no time to ask

# Why a bundle is dead.
cdef enum:
    BUNDLE_CHANGED = 1        # its page holds other bytes now
    BUNDLE_DROPPED = 2

# What all harts share of one physical page of code: its bytes when it was first executed, from which everything is
# made, and its compiled code. A bundle whose page has changed is dead: it is found no more, and freed when no hart can
# be using it.
cdef struct CodeBundle:
    gpa_t gpa
    CodeBundle *next          # in its hash chain, or among the dead
    uint32_t *code            # halfword -> compiled code, in CODE_UNIT bytes from sys.code_base; NULL, 0: none
    void *blocks              # what the compiler knows about them (jit/cache.pxd)
    uint32_t users            # decoded pages that refer to it
    uint32_t heat             # entries into its compiled code that were not in the L1 table; halved now and then
    uint8_t dead              # BUNDLE_*
    uint64_t dead_serial
    uint64_t serial           # no other one of the machine ever has the same
    uint8_t saved[4096]

# The operations that one hart has decoded of one physical page (codepage.pyx). `ops` may move when it grows: the hart's
# jump cache is emptied then, and whoever decodes works out `op` anew.
cdef struct CodePage:
    gpa_t gpa
    Op *ops
    uint32_t count
    uint32_t capacity
    uint8_t hot               # looked up since the last eviction round
    CodePage *next            # in its hash chain
    CodeBundle *bundle
    uint16_t map[2048]        # halfword -> index + 1 into ops, 0 when not decoded

# Jump cache: virtual pc in a fetch context -> decoded operation.
cdef struct JumpEntry:
    uint64_t pc
    uint64_t ctx
    Op *op
    CodePage *page

# What regions did, those of one page and of others with the same number (image.pxd).
cdef struct RegionCount:
    uint64_t entries
    uint64_t insns            # retired in them, in the lower 62 bits: what raises a poll sets those above
    uint64_t strays           # wrong guesses
    uint64_t crossings        # exits for what lies in two pages

# Compiled code by virtual pc: tag = pc ^ (hart.l1_tag of its fetch context). The tag's bits 1 to 13 hold the context's
# id too. Two pcs that differ there and nowhere else have different entries, so no target, canonical or not, matches the
# entry of another pc or context. An empty entry has the tag of id 0, which no context has. As long as there are not
# even empty ones, l1_tag is odd, which matches no pc.
cdef struct CodeEntry:
    uint64_t tag
    uint64_t code

# The serial number of a fetch context (mode, ASID, privilege); a flush gives it a new one. `id` does the same for
# the tags of compiled code, in as many bits as the index: when all are used up, the table is emptied and they are
# dealt out again. Which pages code was fetched from since then is known roughly: a Bloom filter, and the hull of what
# lies in superpages.
cdef struct FetchCtx:
    uint64_t key
    uint64_t serial
    uint64_t id
    uint64_t lo
    uint64_t hi
    uint64_t fetched[FETCHED_WORDS]

cdef struct FetchEntry:
    uint64_t page             # virtual page address
    uint64_t ctx
    CodePage *code

# What compiled code touches comes first, at offsets that a byte reaches from `hart + HART_BIAS`: its base register.
# jit/convention.pxd names them; docs/adr/0003-boundary-convention.md says why they are where they are.
cdef struct Hart:
    HartPins pins             # devices hold a pointer to it; its last word is the budget of compiled code
    uint64_t x[33]
    uint64_t page_base        # virtual address of the page being executed
    uint64_t l1_tag           # of the current fetch context, see CodeEntry
    TlbEntry *tlb_r           # of the current data context; the write entries follow the TLB_SIZE read entries
    TlbEntry *tlb_w
    # Floating point. fs is mstatus.FS: 0 off, 1 initial, 2 clean, 3 dirty. fp_live: the pinned registers and the flags
    # of the host's FPU stand for f[] and fflags now (only ever inside compiled code).
    uint32_t fflags
    uint32_t frm
    uint8_t fs
    uint8_t fp_live
    uint8_t zero_ok           # cbo.zero is allowed in this privilege
    uint8_t priv
    uint8_t waiting           # in WFI or WRS
    uint8_t stopped           # HSM: not started
    uint8_t in_region         # compiled code was left inside one, for its budget or what was raised
    uint64_t f[32]
    # Where compiled code was left, and what it calls (jit/).
    uint64_t exit_pc
    uint64_t exit_kind        # EXIT_*
    uint64_t exit_info
    uint64_t mxcsr            # of the guest while fp_live, of the host otherwise: two words of 32 bits
    void *stubs[NUM_STUBS]
    # --- what T0 touches ---
    uint32_t index
    uint64_t pc               # exact only outside run()
    CodePage *page
    uint64_t rem              # budget: (rem - op address) / 16 instructions are left at op
    uint64_t fetch_ctx        # serial number of the current fetch context
    # Rare paths, reached by tail calls; all take over from the operation given.
    handler_t go_illegal      # illegal-instruction exception for this op
    handler_t go_trap         # exception trap_cause / trap_tval for this op
    handler_t go_jump         # continue at virtual address jump_pc (this op counts as retired)
    handler_t go_poll         # the budget is nearly used up; the op is where to go on
    handler_t go_link         # a branch is taken for the first time: find its target, link it, run it again
    handler_t go_access       # acc_addr, acc_info missed the TLB
    handler_t go_jalr         # jalr missed the jump cache
    handler_t go_leave        # leave the run loop: exit_reason is set, this op has not run
    handler_t go_left         # ... this op has run
    uint64_t trap_cause
    uint64_t trap_tval
    uint64_t jump_pc
    System *sys
    # --- everything below is touched only by rare paths ---
    uint64_t isa              # ISA_* bits that are on (the user's choice)
    uint64_t dctx_stamp
    DataCtx *dctx             # NUM_DCTX of them
    DataCtx *dctx_now         # the current one, and its key
    uint64_t dctx_key
    FetchCtx *fctx_now        # the current fetch context, and its key
    uint64_t fctx_key
    uint32_t fctx_turn        # slot that was filled last
    uint8_t fctx_split        # S-mode has executed a page that is not global: its context is that of its ASID
    uint64_t next_id          # of a fetch context, 1 to LAST_ID
    uint8_t l1_state          # L1_*
    FetchCtx fctx[NUM_FCTX]
    CodePage **pages          # PAGES_SIZE, hash by gpa >> 12
    uint64_t code_serial      # of sys, when this hart last forgot what died
    uint64_t code_bytes       # of decoded pages
    uint64_t next_serial      # of fetch contexts
    JumpEntry *jumps          # JUMP_SIZE
    FetchEntry *fetches       # FETCH_SIZE
    Op scratch[6]             # 0..3: an operation run outside any decoded page; 4, 5: one with a lent TLB entry
    # Counting. `left` is the budget in sixteenths of an instruction at the place where compiled code was left;
    # (rem_start - left at an op) / 16 instructions were attempted since icount was brought up to date.
    uint64_t left
    uint64_t rem_start
    uint64_t icount           # instructions attempted since power-on
    uint64_t trapped          # of those, the ones that trapped (so minstret = icount - trapped + its offset)
    # Reservation of LR. With parallel harts it stands as long as memory holds the value that was read.
    gva_t res_addr
    uint64_t res_ctx          # data context of that address
    uint64_t res_value
    uint32_t res_size         # 0: none
    uint64_t seed_state       # of the entropy source (Zkr)
    # Privileged state.
    uint64_t mstatus          # without FS, which lives in fs
    uint64_t mip_soft         # bits of mip that software set
    uint64_t mie
    uint64_t mideleg
    uint64_t medeleg
    uint64_t mtvec
    uint64_t mepc
    uint64_t mcause
    uint64_t mtval
    uint64_t mscratch
    uint64_t mcounteren
    uint64_t mcountinhibit
    uint64_t menvcfg
    uint64_t mseccfg
    uint64_t mstateen[4]
    uint64_t stvec
    uint64_t sepc
    uint64_t scause
    uint64_t stval
    uint64_t sscratch
    uint64_t scounteren
    uint64_t senvcfg
    uint64_t satp
    uint64_t stimecmp
    uint32_t stimer           # clock slot
    uint64_t misa
    uint64_t mcycle_off       # mcycle = icount + mcycle_off while it counts
    uint64_t minstret_off
    uint64_t mcycle_held      # value while inhibited
    uint64_t minstret_held
    Pmp pmp
    Walk walk                 # how this hart translates, and what the last translation found
    uint8_t partial           # ... its page may have no TLB entry (PMP cuts through it)
    # An access that missed the TLB: what it wants. If no entry may be made, the operation is run once against
    # `bounce` through an entry lent to it, and finish_shot() puts everything right (access.pyx).
    gva_t acc_addr
    uint32_t acc_info         # size in bytes | ACC_*
    uint32_t shot_kind        # SHOT_*
    uint8_t shot_locked       # shot_lock is held until it is finished
    uint32_t shot_size
    uint32_t shot_part        # bytes of it in the first of two pages
    uint32_t shot_region
    gpa_t shot_gpa[2]
    Op *shot_op               # the operation that was lent the entry
    TlbEntry *shot_entry
    TlbEntry shot_saved
    uint8_t bounce[64]
    # An access that a Python device has to serve. A read is run again with mmio_done set.
    uint64_t mmio_off
    uint64_t mmio_value
    uint32_t mmio_size
    uint32_t mmio_region
    uint8_t mmio_write
    uint8_t mmio_done
    # Why the run loop was left.
    uint32_t exit_reason
    uint64_t resume_pc        # a probe at this address is passed once
    uint8_t resuming
    # Builds without tail calls: what to run next (dispatch.h).
    handler_t loop_fn
    Op *loop_op
    # The STOP operation planted for an exact end of the budget.
    Op *stop_op
    handler_t stop_fn
    uint64_t n_code           # instructions retired in compiled code, and how often it was left
    uint64_t n_exits
    uint64_t n_steps          # ... to have T0 execute an instruction
    uint64_t n_misses         # ... because the L1 table did not know where to go on
    uint64_t no_page          # address of a page that there is not, which no guest can guess (state.pyx)
    RegionCount regions[REGION_SLOTS]
    uint8_t watched           # instruction by instruction, for a short while: System.follow is asked before each
    uint64_t n_lookups        # how often compiled code asked it, and was answered: only where sys.counting
    uint64_t n_hits
    uint64_t n_decoded
    uint64_t n_fills
    uint64_t n_walks
    uint64_t n_tlb2_hits
    uint64_t n_traps
    uint64_t n_mmio
    # Parallel harts (hart/parking.pxd): its thread is at work on this structure; and somebody wants it not to be.
    uint32_t busy
    uint32_t hold
    # Last: they are large.
    CodeEntry l1[L1_SIZE]
    CodeEntry l1_second[L1_SIZE]   # its second way: what the first held there before
    Tlb2 tlb2

# Bits of mstatus.
cdef enum:
    MSTATUS_SIE = 1 << 1
    MSTATUS_MIE = 1 << 3
    MSTATUS_SPIE = 1 << 5
    MSTATUS_MPIE = 1 << 7
    MSTATUS_SPP = 1 << 8
    MSTATUS_MPP = 3 << 11
    MSTATUS_MPRV = 1 << 17
    MSTATUS_SUM = 1 << 18
    MSTATUS_MXR = 1 << 19
    MSTATUS_TVM = 1 << 20
    MSTATUS_TW = 1 << 21
    MSTATUS_TSR = 1 << 22

cdef enum:
    AMO_RL = 0x100            # bit of an AMO's imm

cdef enum:
    ACC_READ = 0x100
    ACC_WRITE = 0x200
    ACC_ATOMIC = 0x400        # naturally aligned or an exception; never on MMIO
    ACC_SIZE = 0xFF
    SHOT_LOAD = 0             # nothing to commit
    SHOT_RAM = 1
    SHOT_MMIO = 2

# Why the handlers returned to the run loop.
cdef enum:
    LEAVE_BUDGET = 0          # the quantum is used up
    LEAVE_WAIT = 1            # WFI or WRS
    LEAVE_PYMMIO = 2          # a Python device has to serve mmio_*
    LEAVE_PROBE = 3           # pc is probed
    LEAVE_SBI = 4             # ecall from S-mode and the SBI is built in
    LEAVE_ATTENTION = 5       # a deadline moved, or somebody raised sys.request
    LEAVE_HTIF = 6            # the HTIF page was written
    LEAVE_YIELD = 7           # the guest spins (pause, wrs): another hart may go on

# Compile the block at `off` of the page; its place in bundle.code, or 0. May drop or move compiled code of any page.
ctypedef uint32_t (*compile_t)(Hart *hart, CodeBundle *bundle, uint32_t off) noexcept nogil
# Code for the instruction whose first half ends the page, with the second half that it has now; where it is, or 0. May
# drop or move compiled code of any page.
ctypedef uint64_t (*straddle_t)(Hart *hart, CodeBundle *bundle, uint32_t second) noexcept nogil
# A bundle was made: perhaps there is compiled code for its bytes already.
ctypedef void (*recall_t)(System *sys, CodeBundle *bundle) noexcept nogil
# The bundle goes: forget its compiled code.
ctypedef void (*forget_t)(System *sys, CodeBundle *bundle) noexcept nogil
# A hart's budget was used up at `pc`.
ctypedef void (*sample_t)(Hart *hart, gva_t pc) noexcept nogil
# A hart that is watched is about to execute an instruction. False: more than one, if it likes.
ctypedef bint (*follow_t)(Hart *hart) noexcept nogil
ctypedef void (*enter_t)(Hart *hart, uint64_t code) noexcept nogil

# What the harts of a machine share. One thread only, that which runs the machine, but for what parallel harts need.
cdef struct System:
    Memory mem
    Clock *clock
    uint32_t nharts
    Hart *harts[8]
    # The clock while a hart runs: now = q_ns + (icount - q_icount) * ns_per_insn.
    uint64_t q_ns
    uint64_t q_icount
    uint64_t ns_per_insn
    uint8_t host_clock
    uint64_t host_base_ns
    uint32_t request          # somebody outside wants the run loop to return
    uint8_t sbi               # S-mode ecalls leave the run loop
    gpa_t htif_lo             # writes into [lo, hi) leave the run loop
    gpa_t htif_hi
    int64_t time_off          # mtime = now / 100 + this, in ticks
    uint64_t *time_source     # where the CLINT keeps it
    # Code, page by page.
    CodeBundle *bundles[4096]  # hash by gpa >> 12
    CodeBundle *dead
    uint64_t code_bytes       # of bundles
    uint64_t code_limit       # of bundles, and of the decoded pages of a hart
    uint64_t code_serial      # grows whenever bundles die
    uint64_t bundle_serial    # of the bundle that was made last
    uint32_t code_full        # parallel harts: everything is to be dropped when none of them runs
    # Parallel harts: each has a thread of its own. Locks, never one inside another: `code_lock` for bundles and
    # compiling, clock.lock for devices and timers, `shot_lock` for pages whose every store passes through access.pyx.
    uint8_t parallel
    uint32_t code_lock
    uint32_t shot_lock
    uint32_t over             # all harts are to leave the run loop
    uint32_t woken            # how often a hart's thread has woken
    uint64_t budget           # of all harts together, and how many of them have taken a part of it
    uint32_t takers
    # The compiler, when there is one (jit/): it is reached through these, as nothing here may import it.
    compile_t compile
    straddle_t straddle
    recall_t recall
    forget_t forget
    enter_t enter_code
    sample_t sample           # NULL: nobody wants to know
    follow_t follow
    void *cache
    uint64_t code_base
    uint32_t hot_after        # executions of a block's start before it is compiled
    uint8_t counting          # compiled code counts its look-ups in the L1 table
    # Probes: page offsets that hold one, and the addresses, sorted.
    uint8_t probe_map[256]
    uint32_t nprobes
    gva_t *probes

# Where a pc is looked for in the table of compiled code. Its bits 1 to 13, and those of its page folded in.
cdef inline uint32_t l1_index(gva_t pc) noexcept nogil:
    return ((<uint32_t>pc ^ <uint32_t>pc >> 12) >> 1) & L1_MASK

# The tag of entry i when it is empty: the least pc that is looked for there.
cdef inline uint64_t no_code_tag(uint32_t i) noexcept nogil:
    return <uint64_t>(i ^ i >> (L1_BITS - 1)) << 1

cdef extern from "hart/dispatch.h" nogil:
    void vmcore_go(handler_t fn, Op *op, Hart *hart)
    void vmcore_leave(Hart *hart)

cdef inline void next_op(Op *op, Hart *hart) noexcept nogil:
    # The last statement of a handler whose instruction is done.
    vmcore_go(op[1].fn, op + 1, hart)

# How many sixteenths of an instruction may pass between two polls: a run of decoded operations is at most
# MAX_RUN long, and then a GOTO polls.
cdef enum:
    MAX_RUN = 256
    POLL_LIMIT = (MAX_RUN + 1) * 16

# Go on at `target`, with `left` sixteenths of the budget: the common end of every transfer.
cdef inline void transfer(Op *target, uint64_t left, Hart *hart) noexcept nogil:
    hart.rem = left + <uint64_t>target
    if vmcore_unlikely(left < <uint64_t>POLL_LIMIT):
        vmcore_go(hart.go_poll, target, hart)
    else:
        vmcore_go(target.fn, target, hart)

# Take the STOP back that marks the exact end of the budget. Before anything that looks at, moves or frees operations.
cdef inline void unplant(Hart *hart) noexcept nogil:
    if hart.stop_op != NULL:
        hart.stop_op.fn = hart.stop_fn
        hart.stop_op = NULL

cdef inline void illegal(Op *op, Hart *hart) noexcept nogil:
    # Also a last statement: follow it by `return`.
    vmcore_go(hart.go_illegal, op, hart)

# Another hart's turn may come sooner now. (That of a parallel one is short in any case.)
cdef inline bint deadline_moved(const System *sys) noexcept nogil:
    return sys.clock.changed and not sys.parallel

# Parallel harts: does somebody want the hart's thread to leave?
cdef inline bint is_wanted(Hart *hart) noexcept nogil:
    return hart.sys.parallel and (
        vmcore_load32(&hart.hold) or vmcore_load32(&hart.sys.over) or vmcore_load32(&hart.sys.code_full))

# Does a fence with these sets (predecessors << 4 | successors, each I O R W) order stores before loads? The host keeps
# every other order by itself.
cdef inline bint orders_store_load(int32_t imm) noexcept nogil:
    return imm & 0x50 != 0 and imm & 0x0A != 0
