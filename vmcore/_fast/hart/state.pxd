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

from vmcore._fast.defs cimport Clock, HartPins, gpa_t, gva_t, vmcore_unlikely
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
    FETCH_SIZE = 256

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

# The decoded operations of one physical page (codepage.pyx). `ops` may move when it grows: every jump cache is
# emptied then, and whoever decodes works out `op` anew.
cdef struct CodePage:
    gpa_t gpa
    Op *ops
    uint32_t count
    uint32_t capacity
    uint8_t hot               # looked up since the last eviction round
    CodePage *next            # in its hash chain
    uint16_t map[2048]        # halfword -> index + 1 into ops, 0 when not decoded

# Jump cache: virtual pc in a fetch context -> decoded operation.
cdef struct JumpEntry:
    uint64_t pc
    uint64_t ctx
    Op *op
    CodePage *page

# The serial number of a fetch context (mode, ASID, privilege); a flush gives it a new one.
cdef struct FetchCtx:
    uint64_t key
    uint64_t serial

cdef struct FetchEntry:
    uint64_t page             # virtual page address
    uint64_t ctx
    CodePage *code

cdef struct Hart:
    HartPins pins             # first: devices hold a pointer to it
    uint32_t index
    uint64_t x[33]
    uint64_t f[32]
    uint64_t pc               # exact only outside run()
    uint64_t page_base        # virtual address of the page being executed
    CodePage *page
    uint64_t rem              # budget: (rem - op address) / 16 instructions are left at op
    TlbEntry *tlb_r           # of the current data context
    TlbEntry *tlb_w
    uint64_t fetch_ctx        # serial number of the current fetch context
    # Floating point. fs is mstatus.FS: 0 off, 1 initial, 2 clean, 3 dirty.
    uint32_t fflags
    uint32_t frm
    uint8_t fs
    uint8_t priv
    uint8_t waiting           # in WFI or WRS
    uint8_t stopped           # HSM: not started
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
    uint64_t fctx_key         # key of the current fetch context
    uint32_t fctx_turn        # slot that was filled last
    FetchCtx fctx[NUM_FCTX]
    JumpEntry *jumps          # JUMP_SIZE
    FetchEntry *fetches       # FETCH_SIZE
    Op scratch[6]             # 0..3: an operation run outside any decoded page; 4, 5: one with a lent TLB entry
    # Counting. `left` is the budget in sixteenths of an instruction at the place where compiled code was left;
    # (rem_start - left at an op) / 16 instructions were attempted since icount was brought up to date.
    uint64_t left
    uint64_t rem_start
    uint64_t icount           # instructions attempted since power-on
    uint64_t trapped          # of those, the ones that trapped (so minstret = icount - trapped + its offset)
    # Reservation of LR.
    gva_t res_addr
    uint64_t res_ctx          # data context of that address
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
    Tlb2 tlb2                 # last: it is large

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

# What the harts of a machine share. One thread only: the thread that runs the machine.
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
    # Decoded pages.
    CodePage *pages[4096]     # hash by gpa >> 12
    uint64_t code_bytes
    uint64_t code_limit
    uint64_t code_serial      # grows with every eviction
    uint64_t next_serial      # fetch contexts
    # Probes: page offsets that hold one, and the addresses, sorted.
    uint8_t probe_map[256]
    uint32_t nprobes
    gva_t *probes
    # Statistics.
    uint64_t n_decoded
    uint64_t n_fills
    uint64_t n_walks
    uint64_t n_tlb2_hits
    uint64_t n_traps
    uint64_t n_mmio

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
