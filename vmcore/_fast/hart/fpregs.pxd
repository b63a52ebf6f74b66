# What every floating-point handler needs: its registers, its rounding mode, and when the host's FPU may do the work.
#
# The host computes in round-to-nearest-even only (run() sets that, see vmcore_fpu_enter) and its flags are never
# read. So it stands in for softfloat only when the result proves that nothing but "inexact" can have been raised, and
# inexact is set in fflags already - it nearly always is, as nothing in a running program clears it.
#   a + b, a - b   a finite result: operands were finite; a sum that small is exact, so it never underflows.
#   a * b, a / b, a * b + c   a finite result of at least twice the smallest normal: no underflow, and no division
#       by zero, infinity or NaN anywhere, as those give zero, infinity or NaN.
# Everything else - another mode, an exact-so-far program, a NaN, a NaN box that is none - goes to softfloat.

from libc.stdint cimport uint32_t, uint64_t

from vmcore._fast.hart.softcore cimport NX, RNE, RTZ
from vmcore._fast.hart.state cimport Hart, Op, handler_t, vmcore_go

cdef extern from "hart/softfloat.h" nogil:
    double as_double "vmcore_as_double"(uint64_t u)
    uint64_t double_bits "vmcore_double_bits"(double d)
    float as_float "vmcore_as_float"(uint32_t u)
    uint32_t float_bits "vmcore_float_bits"(float s)
    bint isunordered "__builtin_isunordered"(double a, double b)
    bint HOST_FPU "VMCORE_HOST_FPU"
    bint has_fma "vmcore_has_fma"
    void find_fma "vmcore_find_fma"()
    double host_fma "vmcore_fma"(double a, double b, double c)
    float host_fmaf "vmcore_fmaf"(float a, float b, float c)
    double host_sqrt "vmcore_sqrt"(double a)
    float host_sqrtf "vmcore_sqrtf"(float a)
    uint64_t fpu_enter "vmcore_fpu_enter"()
    handler_t unseen "vmcore_unseen"(handler_t fn)
    void fpu_leave "vmcore_fpu_leave"(uint64_t old)

cdef enum:
    FS_OFF = 0
    FS_DIRTY = 3
    DYNAMIC = 7               # the rm field that means frm
    NO_ROUNDING = 8

cdef extern from *:
    """
    #define VMCORE_BOX32 0xffffffff00000000ull
    #define VMCORE_BOX16 0xffffffffffff0000ull
    """
    const uint64_t BOX32 "VMCORE_BOX32"
    const uint64_t BOX16 "VMCORE_BOX16"

# --- operands --------------------------------------------------------------------------------------------------

cdef inline uint64_t source1(Op *op, Hart *hart) noexcept nogil:
    return hart.f[op.rs1]

cdef inline uint64_t source2(Op *op, Hart *hart) noexcept nogil:
    return hart.f[op.imm & 31]

cdef inline uint64_t source3(Op *op, Hart *hart) noexcept nogil:
    return hart.f[(op.imm >> 8) & 31]

cdef inline double double1(Op *op, Hart *hart) noexcept nogil:
    return as_double(hart.f[op.rs1])

cdef inline double double2(Op *op, Hart *hart) noexcept nogil:
    return as_double(hart.f[op.imm & 31])

cdef inline double double3(Op *op, Hart *hart) noexcept nogil:
    return as_double(hart.f[(op.imm >> 8) & 31])

# The box is the caller's to check (boxed2, boxed3).
cdef inline float single1(Op *op, Hart *hart) noexcept nogil:
    return as_float(<uint32_t>hart.f[op.rs1])

cdef inline float single2(Op *op, Hart *hart) noexcept nogil:
    return as_float(<uint32_t>hart.f[op.imm & 31])

cdef inline float single3(Op *op, Hart *hart) noexcept nogil:
    return as_float(<uint32_t>hart.f[(op.imm >> 8) & 31])

# A narrower value out of its box; what is in no proper box reads as the canonical NaN.
cdef inline uint64_t unbox32(uint64_t v) noexcept nogil:
    return <uint32_t>v if v >= BOX32 else <uint64_t>0x7fc00000

cdef inline uint64_t unbox16(uint64_t v) noexcept nogil:
    return v & 0xffff if v >= BOX16 else <uint64_t>0x7e00

cdef inline void put64(Op *op, Hart *hart, uint64_t v) noexcept nogil:
    hart.f[op.rd] = v
    hart.fs = FS_DIRTY

cdef inline void put32(Op *op, Hart *hart, uint64_t v) noexcept nogil:
    hart.f[op.rd] = v | BOX32
    hart.fs = FS_DIRTY

cdef inline void put16(Op *op, Hart *hart, uint64_t v) noexcept nogil:
    hart.f[op.rd] = v | BOX16
    hart.fs = FS_DIRTY

# The result of an instruction that writes an x register and may raise flags: `old` is fflags before it.
cdef inline void put_x(Op *op, Hart *hart, uint64_t v, uint32_t old) noexcept nogil:
    hart.x[op.rd] = v
    if hart.fflags != old:
        hart.fs = FS_DIRTY

# Compiled code leaves the flags of the host's FPU in hart.mxcsr (jit/convention.pxd): IE, ZE, OE, UE and PE are NV,
# DZ, OF, UF and NX.
cdef inline void settle_fp(Hart *hart) noexcept nogil:
    cdef uint32_t m = <uint32_t>hart.mxcsr
    cdef uint32_t flags = (m & 1) << 4 | (m & 4) << 1 | (m & 8) >> 1 | (m & 16) >> 3 | (m & 32) >> 5
    hart.fp_live = 0
    if flags & ~hart.fflags:
        hart.fflags |= flags
        hart.fs = FS_DIRTY

# --- rounding --------------------------------------------------------------------------------------------------

# The rounding mode of an instruction; a value above RMM says that it is illegal (FS off, reserved mode).
cdef inline uint32_t rounding(Op *op, Hart *hart) noexcept nogil:
    cdef uint32_t rm = (<uint32_t>op.imm >> 16) & 7
    if hart.fs == FS_OFF:
        return NO_ROUNDING
    return hart.frm if rm == DYNAMIC else rm

# May the host compute this instruction, if its result then passes the test above?
cdef inline bint host_ready(Op *op, Hart *hart) noexcept nogil:
    return HOST_FPU and hart.fflags & NX and rounding(op, hart) == RNE

# Conversions to integers truncate, as C does: the caller checks that the value fits.
cdef inline bint host_truncates(Op *op, Hart *hart) noexcept nogil:
    return HOST_FPU and hart.fflags & NX and rounding(op, hart) == RTZ

cdef inline bint boxed2(Op *op, Hart *hart) noexcept nogil:
    return (hart.f[op.rs1] & hart.f[op.imm & 31]) >= BOX32

cdef inline bint boxed3(Op *op, Hart *hart) noexcept nogil:
    return (hart.f[op.rs1] & hart.f[op.imm & 31] & hart.f[(op.imm >> 8) & 31]) >= BOX32

cdef inline bint is_finite64(uint64_t v) noexcept nogil:
    return (v << 1) < <uint64_t>2047 << 53

# Finite and at least twice the smallest normal number. (The smallest itself may have been rounded up to.)
cdef inline bint is_safe64(uint64_t v) noexcept nogil:
    return (v << 1) - (<uint64_t>2 << 53) < <uint64_t>2045 << 53

cdef inline bint is_finite32(uint32_t v) noexcept nogil:
    return <uint32_t>(v << 1) < <uint32_t>255 << 24

cdef inline bint is_safe32(uint32_t v) noexcept nogil:
    return <uint32_t>((v << 1) - (<uint32_t>2 << 24)) < <uint32_t>253 << 24

# Leave the rest to the handler's twin in software. A last statement.
cdef inline void go_soft(handler_t twin, Op *op, Hart *hart) noexcept nogil:
    vmcore_go(unseen(twin), op, hart)
