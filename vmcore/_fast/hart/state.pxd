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

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from vmcore._fast.defs cimport HartPins

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
    TLB_BITS = 10
    TLB_SIZE = 1 << TLB_BITS
    TLB_MASK = TLB_SIZE - 1
    NUM_DCTX = 8
    JUMP_BITS = 12
    JUMP_SIZE = 1 << JUMP_BITS
    FETCH_SIZE = 256
    NUM_PMP = 16
    NUM_HPM = 29              # mhpmcounter3..31

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

cdef struct TlbEntry:
    uint64_t tag              # page address, or INVALID_TAG(i): a page that maps to another entry
    uint64_t addend           # host address = guest address + addend

# One data context: translations valid for one (mode, ASID, effective privilege, SUM, MXR).
cdef struct DataCtx:
    uint64_t key              # packed key; 0 = free
    uint64_t used             # LRU stamp
    uint64_t span_lo          # hull of the superpages that filled entries here (lo > hi: none)
    uint64_t span_hi
    TlbEntry r[TLB_SIZE]
    TlbEntry w[TLB_SIZE]

cdef struct CodePage          # decode.pxd
cdef struct System            # system.pxd

# Jump cache: virtual pc in a fetch context -> decoded operation.
cdef struct JumpEntry:
    uint64_t pc
    uint64_t ctx
    Op *op
    CodePage *page

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
    handler_t go_poll         # budget ran out: jump_op is where to go on
    uint64_t trap_cause
    uint64_t trap_tval
    uint64_t jump_pc
    Op *jump_op
    System *sys
    # --- everything below is touched only by rare paths ---
    uint64_t isa              # ISA_* bits that are on (the user's choice)
    uint64_t dctx_stamp
    DataCtx *dctx             # NUM_DCTX of them
    JumpEntry *jumps          # JUMP_SIZE
    FetchEntry *fetches       # FETCH_SIZE
    Op scratch[4]
    # Counting: at op, (rem_start - (rem - op)) / 16 instructions were attempted since icount was brought up to date.
    uint64_t rem_start
    uint64_t icount           # instructions attempted since power-on
    uint64_t trapped          # of those, the ones that trapped (so minstret = icount - trapped + its offset)
    # Reservation of LR.
    uint64_t res_gpa
    uint64_t res_value
    uint32_t res_size         # 0: none
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
    uint64_t sstateen[4]
    uint64_t stvec
    uint64_t sepc
    uint64_t scause
    uint64_t stval
    uint64_t sscratch
    uint64_t scounteren
    uint64_t scountovf
    uint64_t senvcfg
    uint64_t satp
    uint64_t stimecmp
    uint64_t stimer           # clock slot
    uint64_t mcycle_off       # mcycle = icount + mcycle_off while it counts
    uint64_t minstret_off
    uint64_t mcycle_held      # value while inhibited
    uint64_t minstret_held
    uint64_t hpmcounter[NUM_HPM]
    uint64_t hpmevent[NUM_HPM]
    uint64_t pmpaddr[NUM_PMP]
    uint8_t pmpcfg[NUM_PMP]
    uint8_t pmp_active        # some entry is not OFF
    # An access that a Python device has to serve: the instruction is run again with mmio_done set.
    uint64_t mmio_addr
    uint64_t mmio_value
    uint32_t mmio_size
    uint32_t mmio_region
    uint8_t mmio_write
    uint8_t mmio_done
    # Why the run loop was left.
    uint32_t exit_reason
    uint64_t resume_pc        # a probe at this address is passed once
    uint64_t resume_icount
    # Builds without tail calls: what to run next (dispatch.h).
    handler_t loop_fn
    Op *loop_op
    # The STOP operation planted for an exact end of the budget.
    Op *stop_op
    handler_t stop_fn

cdef extern from "hart/dispatch.h" nogil:
    void vmcore_go(handler_t fn, Op *op, Hart *hart)

cdef inline void next_op(Op *op, Hart *hart) noexcept nogil:
    # The last statement of a handler whose instruction is done.
    vmcore_go(op[1].fn, op + 1, hart)

cdef inline void illegal(Op *op, Hart *hart) noexcept nogil:
    # Also a last statement: follow it by `return`.
    vmcore_go(hart.go_illegal, op, hart)
