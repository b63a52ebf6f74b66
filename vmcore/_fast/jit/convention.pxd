# The boundary convention: where the state of a hart is whenever control passes between two pieces of compiled code,
# or between compiled code and a stub (docs/adr/0003-boundary-convention.md). x86-64.
#
#   rbp          hart + HART_BIAS, so that the budget and x0 to x30 are reached with a displacement of one byte
#   r14          hart.tlb_r
#   rsp          a multiple of 16, with FRAME_BYTES above it for whoever runs (jit/t2/moves.pxd)
#   rax rcx rdx  scratch
#   the others   pinned guest registers, see HOST_OF
#   xmm0 xmm1    scratch
#   xmm2-xmm15   pinned floating-point registers, see XMM_OF, while hart.fp_live; otherwise anything
#   MXCSR        the guest's rounding mode and flags while hart.fp_live; otherwise the host's
#
# hart.x[] of a pinned register is stale inside compiled code.

from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint32_t

from vmcore._fast.hart.state cimport TLB_ARRAY, Hart
from vmcore._fast.jit.x64.asm cimport R8, R9, R10, R11, R12, R13, R15, RBX, RDI, RSI

cdef extern from *:
    """
    /* Guest register -> host register, -1: in hart.x. Chosen from histograms of a Debian boot and of our kernels. */
    static const signed char vmcore_host_of[33] = {
        -1, -1, 3, -1, -1, -1, -1, -1, 12, 13, 6, 7, 8, 9, 10, 11, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
        -1, -1, -1, -1};
    /* The ten of them, guest registers in any order; the first six live in registers that a C function may change. */
    static const signed char vmcore_pinned[10] = {10, 11, 12, 13, 14, 15, 2, 8, 9, 16};
    /* Guest floating-point register -> xmm register: fa0-fa5 and ft0-ft7, which compilers take first, in this order. */
    static const signed char vmcore_xmm_of[32] = {
        2, 3, 4, 5, 6, 7, 8, 9, -1, -1, 10, 11, 12, 13, 14, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
        -1, -1};
    static const signed char vmcore_pinned_f[14] = {0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15};
    """
    const signed char HOST_OF "vmcore_host_of"[33]
    const signed char PINNED "vmcore_pinned"[10]
    const signed char XMM_OF "vmcore_xmm_of"[32]
    const signed char PINNED_F "vmcore_pinned_f"[14]

cdef enum:
    NUM_PINNED = 10
    NUM_VOLATILE = 6
    NUM_PINNED_F = 14
    # hart.stubs: what compiled code calls or jumps to. The first ones are code, the last ones C functions.
    STUB_NEXT = 0             # edx: offset of the page; leave, to go on there
    STUB_NEXT_RAX = 1         # rax: address; leave, to go on there
    STUB_STEP = 2             # edx: info; leave, T0 executes the instruction
    # call; rax: address, edx: info. Returns when the TLB has an entry, rax is kept; or leaves like STEP
    STUB_MISS = 3
    # call; ecx: imm, edx: rd | rs1 << 8 | handler << 16, eax: info. Runs T0's handler; or leaves
    STUB_OP = 4
    STUB_FP = 5               # call; edx: info. Makes fp_live; or leaves like STEP
    STUB_CLEAN = 6            # call; edx: what may be loose (jit/block.pxd). Makes NaNs canonical; rax kept
    # rax: address, rdx: its tag, rcx: twice its index. The L1 table's first way does not know it: the second, or leave
    STUB_LOST = 7
    # call; rax: address, rdx: record of the access (jit/t2/record.pxd). Returns when the TLB has an entry, all
    # registers but rax and rdx are kept; or leaves like STEP or NEXT, at the instruction that the record names
    STUB_T2_MISS = 8
    # call; rdx: record of the pages of a region (jit/t2/pages.pxd), on the way into it. eax: 0 if they are what they
    # were
    STUB_T2_PAGES = 9
    STUB_COUNT = 10
    FN_MISS = 16
    FN_OP = 17
    FN_FP = 18
    FN_T2_MISS = 19
    FN_T2_PAGES = 20

# Info about an instruction: half its offset in the page, instructions since the last poll before it, what it accesses.
cdef enum:
    INFO_OFF_MASK = 0x7FF
    INFO_COUNT_SHIFT = 11
    INFO_COUNT_MASK = 0x7F
    INFO_ACC_SHIFT = 18       # ACC_* >> 3 | size

cdef inline int32_t HART_BIAS() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).pins.budget + 128

cdef inline int32_t at_x(uint32_t r) noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).x + 8 * <int32_t>r - HART_BIAS()

cdef inline int32_t at_f(uint32_t r) noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).f + 8 * <int32_t>r - HART_BIAS()

cdef inline int32_t at_stub(uint32_t n) noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).stubs + 8 * <int32_t>n - HART_BIAS()

cdef inline int32_t at_budget() noexcept nogil:
    return -128

cdef inline int32_t at_page_base() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).page_base - HART_BIAS()

cdef inline int32_t at_fetch_ctx() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).fetch_ctx - HART_BIAS()

cdef inline int32_t at_fetches() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).fetches - HART_BIAS()

cdef inline int32_t at_l1_tag() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).l1_tag - HART_BIAS()

cdef inline int32_t at_n_lookups() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).n_lookups - HART_BIAS()

cdef inline int32_t at_no_page() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).no_page - HART_BIAS()

cdef inline int32_t at_entries(uint32_t slot) noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).regions[slot].entries - HART_BIAS()

cdef inline int32_t at_insns(uint32_t slot) noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).regions[slot].insns - HART_BIAS()

cdef inline int32_t at_strays(uint32_t slot) noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).regions[slot].strays - HART_BIAS()

cdef inline int32_t at_crossings(uint32_t slot) noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).regions[slot].crossings - HART_BIAS()

cdef inline int32_t at_in_region() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).in_region - HART_BIAS()

cdef inline int32_t at_n_hits() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).n_hits - HART_BIAS()

cdef inline int32_t at_l1() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).l1 - HART_BIAS()

cdef inline int32_t at_l1_second() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).l1_second - HART_BIAS()

cdef inline int32_t at_tlb() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).tlb_r - HART_BIAS()

cdef inline int32_t at_exit_pc() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).exit_pc - HART_BIAS()

cdef inline int32_t at_exit_kind() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).exit_kind - HART_BIAS()

cdef inline int32_t at_exit_info() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).exit_info - HART_BIAS()

cdef inline int32_t at_acc_addr() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).acc_addr - HART_BIAS()

cdef inline int32_t at_fp_live() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).fp_live - HART_BIAS()

cdef inline int32_t at_fs() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).fs - HART_BIAS()

cdef inline int32_t at_zero_ok() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).zero_ok - HART_BIAS()

cdef inline int32_t at_frm() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).frm - HART_BIAS()

cdef inline int32_t at_mxcsr() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).mxcsr - HART_BIAS()

cdef inline int32_t at_res_addr() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).res_addr - HART_BIAS()

cdef inline int32_t at_res_ctx() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).res_ctx - HART_BIAS()

cdef inline int32_t at_res_size() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).res_size - HART_BIAS()

cdef inline int32_t at_res_value() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).res_value - HART_BIAS()

cdef inline int32_t at_dctx_key() noexcept nogil:
    return <int32_t><size_t>&(<Hart *>NULL).dctx_key - HART_BIAS()
