# The x86-64 encoder: emit functions over the table of forms (forms.h), meant for a one-pass compiler.
#
# An Asm is a window of writable memory. Each function writes one instruction at `at`, or nothing once the window is
# full: the compiler emits a whole block and looks at `full` once, at its end. No function fails in another way; a form
# used with operands that it does not have is a broken invariant (VMCORE_ASSERT).
#
# `w` is 0 for 32 bits and 1 for 64; forms of a fixed width ignore it. `reg` is the register of ModRM.reg (ignored by
# forms that have an opcode extension there), `rm` or [base + index << scale + disp] the other operand. Registers are
# 0 to 15, general or xmm as the form says. Rows whose form is a constant fold to a few stores where they are inlined.

from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from vmcore._fast.defs cimport VMCORE_ASSERT, vmcore_unlikely

cdef extern from "jit/x64/forms.h" nogil:
    # Names of rows, in the order of the table.
    enum:
        F_ADD, F_ADD_MR, F_ADD_I, F_OR, F_OR_MR, F_OR_I, F_ADC, F_ADC_MR, F_ADC_I, F_SBB, F_SBB_MR, F_SBB_I
        F_AND, F_AND_MR, F_AND_I, F_SUB, F_SUB_MR, F_SUB_I, F_XOR, F_XOR_MR, F_XOR_I, F_CMP, F_CMP_MR, F_CMP_I
        F_TEST, F_TEST_I, F_CMP8_MI, F_OR8_MI, F_TEST8_MI, F_CMP16_MI
        F_MOV, F_MOV_MR, F_MOV8_MR, F_MOV16_MR, F_MOV_MI, F_MOV8_MI, F_MOV16_MI, F_MOV_RI, F_MOVABS
        F_MOVZX8, F_MOVZX16, F_MOVSX8, F_MOVSX16, F_MOVSXD, F_LEA, F_CMOV, F_SETCC, F_PUSH, F_POP
        F_ROL_I, F_ROL_CL, F_ROR_I, F_ROR_CL, F_SHL_I, F_SHL_CL, F_SHR_I, F_SHR_CL, F_SAR_I, F_SAR_CL
        F_SHLX, F_SHRX, F_SARX, F_RORX, F_ANDN, F_NOT, F_NEG, F_MUL, F_IMUL1, F_DIV, F_IDIV, F_INC, F_DEC
        F_IMUL, F_IMUL_I, F_CDQ, F_CQO, F_BSWAP, F_POPCNT, F_LZCNT, F_TZCNT, F_BSR, F_BSF
        F_BT, F_BT_I, F_BTS, F_BTS_I, F_BTR, F_BTR_I, F_BTC, F_BTC_I
        F_XCHG_MR, F_XCHG8_MR, F_XCHG16_MR, F_LOCK_XADD, F_LOCK_XADD8, F_LOCK_XADD16
        F_LOCK_CMPXCHG, F_LOCK_CMPXCHG8, F_LOCK_CMPXCHG16, F_LOCK_CMPXCHG16B
        F_LOCK_ADD_MR, F_LOCK_ADD_I, F_LOCK_OR_MR, F_LOCK_OR_I, F_LOCK_AND_MR, F_LOCK_AND_I, F_LOCK_XOR_MR, F_LOCK_XOR_I
        F_MFENCE, F_PAUSE, F_RET, F_INT3, F_UD2, F_JCC, F_JCC8, F_JMP, F_JMP8, F_JMP_M, F_CALL_M
        F_MOVSD_LOAD, F_MOVSD_STORE, F_MOVSS_LOAD, F_MOVSS_STORE, F_MOVAPS, F_MOVDQU_LOAD, F_MOVDQU_STORE
        F_MOVQ_XR, F_MOVQ_RX, F_MOVD_XR, F_MOVD_RX, F_MOVQ_XX
        F_SQRTSD, F_SQRTSS, F_ADDSD, F_ADDSS, F_MULSD, F_MULSS, F_SUBSD, F_SUBSS, F_MINSD, F_MINSS
        F_DIVSD, F_DIVSS, F_MAXSD, F_MAXSS, F_UCOMISD, F_UCOMISS, F_COMISD, F_COMISS
        F_CVTSI2SD, F_CVTSI2SS, F_CVTTSD2SI, F_CVTTSS2SI, F_CVTSD2SI, F_CVTSS2SI, F_CVTSD2SS, F_CVTSS2SD
        F_ANDPD, F_ANDPS, F_ANDNPD, F_ANDNPS, F_ORPD, F_ORPS, F_XORPD, F_XORPS
        F_PXOR, F_POR, F_PAND, F_PANDN, F_PCMPEQD, F_PSLLQ_I, F_PSRLQ_I, F_UNPCKLPS, F_PUNPCKLDQ
        F_CMPSD_I, F_CMPSS_I, F_ROUNDSD_I, F_ROUNDSS_I, F_PCLMULQDQ_I, F_LDMXCSR, F_STMXCSR
        F_VFMADD132SD, F_VFMADD213SD, F_VFMADD231SD, F_VFMADD132SS, F_VFMADD213SS, F_VFMADD231SS
        F_VFMSUB132SD, F_VFMSUB213SD, F_VFMSUB231SD, F_VFMSUB132SS, F_VFMSUB213SS, F_VFMSUB231SS
        F_VFNMADD132SD, F_VFNMADD213SD, F_VFNMADD231SD, F_VFNMADD132SS, F_VFNMADD213SS, F_VFNMADD231SS
        F_VFNMSUB132SD, F_VFNMSUB213SD, F_VFNMSUB231SD, F_VFNMSUB132SS, F_VFNMSUB213SS, F_VFNMSUB231SS
        F_VCVTPH2PS, F_VCVTPS2PH, F_COUNT

    enum:
        X64_I_NONE, X64_I_8, X64_I_16, X64_I_32, X64_I_64, X64_I_ALU, X64_I_ALU16, X64_I_REL8, X64_I_REL32
        X64_REG, X64_MEM, X64_BOTH, X64_NOWHERE

    ctypedef struct X64Form:
        uint32_t op
        uint16_t prefix
        uint8_t op_bytes, prefix_bytes
        int8_t ext
        uint8_t imm, w_and, w_or, vex, pp, place, bytes

    const X64Form X64_FORMS[]
    const uint8_t X64_NOPS[9][9]
    void x64_put16(uint8_t *p, uint16_t v)
    void x64_put32(uint8_t *p, uint32_t v)
    void x64_put64(uint8_t *p, uint64_t v)

cdef enum:
    RAX = 0
    RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15

cdef enum:
    CC_O = 0
    CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G

cdef enum:
    # An instruction has 15 bytes at most and is written with stores of up to 8 bytes, all inside the first 24 of these.
    # The last 8 of a full window are thus nobody's: they take the patches of jumps that were not emitted.
    ASM_SLACK = 32

cdef struct Asm:
    uint8_t *start
    uint8_t *at
    uint8_t *end              # at least start + ASM_SLACK; with fewer than ASM_SLACK bytes left nothing is written
    uint32_t full

cdef inline void x_open(Asm *a, uint8_t *start, uint8_t *end) noexcept nogil:
    VMCORE_ASSERT(end - start >= ASM_SLACK)
    a.start = start
    a.at = start
    a.end = end
    a.full = 0

# --- parts of an instruction ------------------------------------------------------------------------------------------

cdef inline bint x_no_room(Asm *a) noexcept nogil:
    if vmcore_unlikely(a.end - a.at < ASM_SLACK):
        a.full = 1
        return True
    return False

# Mandatory prefix, REX (or VEX) and opcode. Branch-free but for VEX: each part is stored and then stepped over, or not.
cdef inline uint8_t *x_head(uint8_t *p, const X64Form *f, uint32_t op, int w, int reg, int index, int base, int vvvv,
                            int byte_reg) noexcept nogil:
    cdef uint32_t wide = (w & f.w_and) | f.w_or
    cdef uint32_t rex
    VMCORE_ASSERT((reg | index | base | vvvv) & ~15 == 0 and w & ~1 == 0)
    if f.vex:
        p[0] = 0xC4
        p[1] = f.vex | (~reg & 8) << 4 | (~index & 8) << 3 | (~base & 8) << 2
        p[2] = wide << 7 | (~vvvv & 15) << 3 | f.pp
        p[3] = op
        return p + 4
    x64_put16(p, f.prefix)
    p += f.prefix_bytes
    rex = 0x40 | wide << 3 | (reg & 8) >> 1 | (index & 8) >> 2 | base >> 3
    p[0] = rex
    p += (rex != 0x40) | byte_reg
    x64_put32(p, op)
    return p + f.op_bytes

# Registers 4 to 7 are ah, ch, dh, bh in a byte form without REX, and spl, bpl, sil, dil with one.
cdef inline int x_byte_reg(const X64Form *f, int reg) noexcept nogil:
    return f.bytes & (reg >> 2) & 1

cdef inline int x_byte_rm(const X64Form *f, int rm) noexcept nogil:
    return (f.bytes >> 1) & (rm >> 2) & 1

# mod = 0: no displacement, 1: one byte, 2: four. Base 5 (rbp, r13) has no mod 0, which means rip or no base there.
cdef inline uint32_t x_mod(int base, int32_t disp) noexcept nogil:
    cdef uint32_t mod = 1 if disp == <int8_t>disp else 2
    return 0 if disp == 0 and (base & 7) != RBP else mod

cdef inline uint8_t *x_disp(uint8_t *p, uint32_t mod, int32_t disp) noexcept nogil:
    x64_put32(p, <uint32_t>disp)
    return p + ((0x040100 >> (mod << 3)) & 7)

cdef inline uint8_t *x_modrm_r(uint8_t *p, int reg, int rm) noexcept nogil:
    p[0] = 0xC0 | (reg & 7) << 3 | rm & 7
    return p + 1

cdef inline uint8_t *x_modrm_m(uint8_t *p, int reg, int base, int32_t disp) noexcept nogil:
    cdef uint32_t mod = x_mod(base, disp)
    p[0] = mod << 6 | (reg & 7) << 3 | base & 7
    # rm = 4 announces a SIB byte; this one says "no index, base rsp or r12".
    p[1] = 0x24
    return x_disp(p + 1 + ((base & 7) == RSP), mod, disp)

cdef inline uint8_t *x_modrm_x(uint8_t *p, int reg, int base, int index, int scale_log2, int32_t disp) noexcept nogil:
    cdef uint32_t mod = x_mod(base, disp)
    VMCORE_ASSERT(index != RSP)
    VMCORE_ASSERT(scale_log2 & ~3 == 0)
    p[0] = mod << 6 | (reg & 7) << 3 | 4
    p[1] = scale_log2 << 6 | (index & 7) << 3 | base & 7
    return x_disp(p + 2, mod, disp)

cdef inline int x_reg(const X64Form *f, int reg) noexcept nogil:
    return reg if f.ext < 0 else f.ext

# How many bytes of the immediate are written. An ALU form with a small one changes its opcode (81 to 83, 69 to 6B).
cdef inline uint32_t x_imm_bytes(const X64Form *f, int w, int64_t imm, uint32_t *op) noexcept nogil:
    if f.imm == X64_I_ALU:
        # A 32-bit operation takes the immediate's low half; a 64-bit one has its sign extension.
        VMCORE_ASSERT(imm == <int32_t>imm or (w == 0 and <uint64_t>imm >> 32 == 0))
        if <int32_t>imm == <int8_t>imm:
            op[0] |= 2
            return 1
        return 4
    if f.imm == X64_I_ALU16:
        if <int16_t>imm == <int8_t>imm:
            op[0] |= 2
            return 1
        return 2
    VMCORE_ASSERT(f.imm == X64_I_8 or f.imm == X64_I_16 or f.imm == X64_I_32)
    VMCORE_ASSERT(f.imm != X64_I_32 or imm == <int32_t>imm or (w == 0 and <uint64_t>imm >> 32 == 0))
    return 1 if f.imm == X64_I_8 else 2 if f.imm == X64_I_16 else 4

# The general forms of the emitters below; `op` is the row's opcode, with a condition or the imm8 bit added.

cdef inline uint8_t *x_any_r(uint8_t *p, const X64Form *f, uint32_t op, int w, int reg, int vvvv,
                             int rm) noexcept nogil:
    cdef int byte_reg = x_byte_reg(f, reg) | x_byte_rm(f, rm)
    VMCORE_ASSERT(f.place & X64_REG)
    reg = x_reg(f, reg)
    return x_modrm_r(x_head(p, f, op, w, reg, 0, rm, vvvv, byte_reg), reg, rm)

cdef inline uint8_t *x_any_m(uint8_t *p, const X64Form *f, uint32_t op, int w, int reg, int vvvv, int base,
                             int32_t disp) noexcept nogil:
    cdef int byte_reg = x_byte_reg(f, reg)
    VMCORE_ASSERT(f.place & X64_MEM)
    reg = x_reg(f, reg)
    return x_modrm_m(x_head(p, f, op, w, reg, 0, base, vvvv, byte_reg), reg, base, disp)

cdef inline uint8_t *x_any_x(uint8_t *p, const X64Form *f, uint32_t op, int w, int reg, int base, int index,
                             int scale_log2, int32_t disp) noexcept nogil:
    cdef int byte_reg = x_byte_reg(f, reg)
    VMCORE_ASSERT(f.place & X64_MEM)
    reg = x_reg(f, reg)
    return x_modrm_x(x_head(p, f, op, w, reg, index, base, 0, byte_reg), reg, base, index, scale_log2, disp)

# --- forms of the table -----------------------------------------------------------------------------------------------

cdef inline void x_rr(Asm *a, int form, int w, int reg, int rm) noexcept nogil:
    cdef const X64Form *f = &X64_FORMS[form]
    VMCORE_ASSERT(f.imm == X64_I_NONE)
    if not x_no_room(a):
        a.at = x_any_r(a.at, f, f.op, w, reg, 0, rm)

# [base + disp], with the shortest displacement.
cdef inline void x_rm(Asm *a, int form, int w, int reg, int base, int32_t disp) noexcept nogil:
    cdef const X64Form *f = &X64_FORMS[form]
    VMCORE_ASSERT(f.imm == X64_I_NONE)
    if not x_no_room(a):
        a.at = x_any_m(a.at, f, f.op, w, reg, 0, base, disp)

# [base + (index << scale_log2) + disp]; any index but rsp.
cdef inline void x_rx(Asm *a, int form, int w, int reg, int base, int index, int scale_log2,
                      int32_t disp) noexcept nogil:
    cdef const X64Form *f = &X64_FORMS[form]
    VMCORE_ASSERT(f.imm == X64_I_NONE)
    if not x_no_room(a):
        a.at = x_any_x(a.at, f, f.op, w, reg, base, index, scale_log2, disp)

cdef inline void x_rri(Asm *a, int form, int w, int reg, int rm, int64_t imm) noexcept nogil:
    cdef const X64Form *f = &X64_FORMS[form]
    cdef uint32_t op = f.op
    cdef uint32_t n = x_imm_bytes(f, w, imm, &op)
    cdef uint8_t *p
    if not x_no_room(a):
        p = x_any_r(a.at, f, op, w, reg, 0, rm)
        x64_put32(p, <uint32_t>imm)
        a.at = p + n

cdef inline void x_rmi(Asm *a, int form, int w, int reg, int base, int32_t disp, int64_t imm) noexcept nogil:
    cdef const X64Form *f = &X64_FORMS[form]
    cdef uint32_t op = f.op
    cdef uint32_t n = x_imm_bytes(f, w, imm, &op)
    cdef uint8_t *p
    if not x_no_room(a):
        p = x_any_m(a.at, f, op, w, reg, 0, base, disp)
        x64_put32(p, <uint32_t>imm)
        a.at = p + n

cdef inline void x_rxi(Asm *a, int form, int w, int reg, int base, int index, int scale_log2, int32_t disp,
                       int64_t imm) noexcept nogil:
    cdef const X64Form *f = &X64_FORMS[form]
    cdef uint32_t op = f.op
    cdef uint32_t n = x_imm_bytes(f, w, imm, &op)
    cdef uint8_t *p
    if not x_no_room(a):
        p = x_any_x(a.at, f, op, w, reg, base, index, scale_log2, disp)
        x64_put32(p, <uint32_t>imm)
        a.at = p + n

# VEX forms with three operands; those with two are emitted by the functions above.
cdef inline void x_vrr(Asm *a, int form, int w, int reg, int vvvv, int rm) noexcept nogil:
    cdef const X64Form *f = &X64_FORMS[form]
    VMCORE_ASSERT(f.vex and f.imm == X64_I_NONE)
    if not x_no_room(a):
        a.at = x_any_r(a.at, f, f.op, w, reg, vvvv, rm)

cdef inline void x_vrm(Asm *a, int form, int w, int reg, int vvvv, int base, int32_t disp) noexcept nogil:
    cdef const X64Form *f = &X64_FORMS[form]
    VMCORE_ASSERT(f.vex and f.imm == X64_I_NONE)
    if not x_no_room(a):
        a.at = x_any_m(a.at, f, f.op, w, reg, vvvv, base, disp)

# Forms without operands.
cdef inline void x_plain(Asm *a, int form, int w) noexcept nogil:
    cdef const X64Form *f = &X64_FORMS[form]
    cdef uint8_t *p
    VMCORE_ASSERT(f.place == X64_NOWHERE and f.imm == X64_I_NONE)
    if not x_no_room(a):
        p = x_head(a.at, f, f.op, w, 0, 0, 0, 0, 0)
        x_modrm_r(p, f.ext, 0)
        a.at = p + (f.ext >= 0)

# --- registers in the opcode ------------------------------------------------------------------------------------------

cdef inline uint8_t *x_opcode_reg(uint8_t *p, int form, int reg) noexcept nogil:
    cdef const X64Form *f = &X64_FORMS[form]
    return x_head(p, f, f.op + (reg & 7), 0, 0, 0, reg, 0, 0)

cdef inline void x_push(Asm *a, int reg) noexcept nogil:
    if not x_no_room(a):
        a.at = x_opcode_reg(a.at, F_PUSH, reg)

cdef inline void x_pop(Asm *a, int reg) noexcept nogil:
    if not x_no_room(a):
        a.at = x_opcode_reg(a.at, F_POP, reg)

# reg <- value, in the fewest bytes that leave the flags alone: 5 or 6, 7, 10.
cdef inline void x_mov_imm(Asm *a, int reg, uint64_t value) noexcept nogil:
    cdef uint8_t *p
    if <int64_t>value < 0 and <int64_t>value == <int32_t>value:
        x_rri(a, F_MOV_MI, 1, 0, reg, <int64_t>value)
    elif not x_no_room(a):
        if value >> 32 == 0:
            p = x_opcode_reg(a.at, F_MOV_RI, reg)
            x64_put32(p, <uint32_t>value)
            a.at = p + 4
        else:
            p = x_opcode_reg(a.at, F_MOVABS, reg)
            x64_put64(p, value)
            a.at = p + 8

# --- conditions -------------------------------------------------------------------------------------------------------

cdef inline uint32_t x_cc_op(int form, int cc) noexcept nogil:
    VMCORE_ASSERT(cc & ~15 == 0)
    # The condition is in the opcode byte, behind the escape byte 0F.
    return X64_FORMS[form].op + (<uint32_t>cc << 8)

# The byte register is 0 or 1, the rest of the register keeps its value.
cdef inline void x_setcc(Asm *a, int cc, int reg) noexcept nogil:
    if not x_no_room(a):
        a.at = x_any_r(a.at, &X64_FORMS[F_SETCC], x_cc_op(F_SETCC, cc), 0, 0, 0, reg)

cdef inline void x_cmov(Asm *a, int cc, int w, int reg, int rm) noexcept nogil:
    if not x_no_room(a):
        a.at = x_any_r(a.at, &X64_FORMS[F_CMOV], x_cc_op(F_CMOV, cc), w, reg, 0, rm)

cdef inline void x_cmov_m(Asm *a, int cc, int w, int reg, int base, int32_t disp) noexcept nogil:
    if not x_no_room(a):
        a.at = x_any_m(a.at, &X64_FORMS[F_CMOV], x_cc_op(F_CMOV, cc), w, reg, 0, base, disp)

# --- jumps ------------------------------------------------------------------------------------------------------------
# The forward ones return where their displacement is, for x_patch32 and x_patch8. Of a full window that is its end,
# which may be patched like any other place.

cdef inline void x_patch32(uint8_t *field, uint8_t *target) noexcept nogil:
    VMCORE_ASSERT(target - (field + 4) == <int32_t>(target - (field + 4)))
    x64_put32(field, <uint32_t>(target - (field + 4)))

# Whether the target is near enough; if not, nothing is written.
cdef inline int x_patch8(uint8_t *field, uint8_t *target) noexcept nogil:
    cdef int64_t distance = target - (field + 1)
    VMCORE_ASSERT(distance == <int8_t>distance)
    if distance != <int8_t>distance:
        return 0
    field[0] = <uint8_t>distance
    return 1

cdef inline uint8_t *x_branch(Asm *a, uint32_t op, uint32_t op_bytes, uint32_t field_bytes) noexcept nogil:
    cdef uint8_t *field
    if x_no_room(a):
        return a.end - 4
    x64_put32(a.at, op)
    field = a.at + op_bytes
    x64_put32(field, 0)
    a.at = field + field_bytes
    return field

cdef inline uint8_t *x_jcc(Asm *a, int cc) noexcept nogil:
    return x_branch(a, x_cc_op(F_JCC, cc), 2, 4)

cdef inline uint8_t *x_jcc8(Asm *a, int cc) noexcept nogil:
    VMCORE_ASSERT(cc & ~15 == 0)
    return x_branch(a, X64_FORMS[F_JCC8].op + <uint32_t>cc, 1, 1)

cdef inline uint8_t *x_jmp(Asm *a) noexcept nogil:
    return x_branch(a, X64_FORMS[F_JMP].op, 1, 4)

cdef inline uint8_t *x_jmp8(Asm *a) noexcept nogil:
    return x_branch(a, X64_FORMS[F_JMP8].op, 1, 1)

# To a place that is known, in the same view of the same mapping as `at`.
cdef inline void x_jmp_to(Asm *a, uint8_t *target) noexcept nogil:
    cdef uint8_t *field = x_jmp(a)
    if not a.full:
        x_patch32(field, target)

cdef inline void x_jcc_to(Asm *a, int cc, uint8_t *target) noexcept nogil:
    cdef uint8_t *field = x_jcc(a, cc)
    if not a.full:
        x_patch32(field, target)

cdef inline void x_jmp_r(Asm *a, int reg) noexcept nogil:
    x_rr(a, F_JMP_M, 0, 0, reg)

cdef inline void x_jmp_m(Asm *a, int base, int32_t disp) noexcept nogil:
    x_rm(a, F_JMP_M, 0, 0, base, disp)

cdef inline void x_jmp_x(Asm *a, int base, int index, int scale_log2, int32_t disp) noexcept nogil:
    x_rx(a, F_JMP_M, 0, 0, base, index, scale_log2, disp)

cdef inline void x_call_r(Asm *a, int reg) noexcept nogil:
    x_rr(a, F_CALL_M, 0, 0, reg)

cdef inline void x_call_m(Asm *a, int base, int32_t disp) noexcept nogil:
    x_rm(a, F_CALL_M, 0, 0, base, disp)

# reg <- address of the place that x_patch32 is given for the returned field.
cdef inline uint8_t *x_lea_rip(Asm *a, int reg) noexcept nogil:
    cdef const X64Form *f = &X64_FORMS[F_LEA]
    cdef uint8_t *p
    if x_no_room(a):
        return a.end - 4
    p = x_head(a.at, f, f.op, 1, reg, 0, 0, 0, 0)
    # mod 0 with base 5: four bytes of displacement from the next instruction.
    p[0] = (reg & 7) << 3 | 5
    x64_put32(p + 1, 0)
    a.at = p + 5
    return p + 1

# n bytes of no-operations that are as long as possible.
cdef inline void x_nops(Asm *a, uint32_t n) noexcept nogil:
    cdef uint32_t step
    while n and not x_no_room(a):
        step = n if n < 9 else 9
        memcpy(a.at, X64_NOPS[step - 1], step)
        a.at += step
        n -= step

# Up to the next multiple of n, a power of two.
cdef inline void x_align(Asm *a, uint32_t n) noexcept nogil:
    x_nops(a, <uint32_t>(0 - <uint64_t>a.at) & (n - 1))
