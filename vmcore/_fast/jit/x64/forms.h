/* The instructions that the x86-64 encoder knows: one row a form, read by the emitters, their checker and the docs.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2. Columns:
 *
 *   name      F_<name> is the row's number. Without a suffix: register <- register op rm; _MR: rm <- rm op register;
 *             _I, _MI: an immediate; _M: rm alone; _CL: the count in cl.
 *   prefix    mandatory prefix bytes, the first one lowest: 0, 0x66, 0xF2, 0xF3, LOCK, LOCK66.
 *   map, op   opcode map (M1: one byte, 0F, 0F38, 0F3A) and opcode byte.
 *   ext       the opcode's three bits in ModRM.reg, or -1: there is a register.
 *   imm       immediate: I_NONE, I_8, I_16, I_32 (sign-extended to the operand), I_64, I_ALU and I_ALU16 (a full
 *             one, or one byte that is sign-extended, then with bit 1 of the opcode set), I_REL8 and I_REL32 (from the
 *             next instruction).
 *   width     WW: w chooses 32 or 64 bits (REX.W, VEX.W); W0, W1: fixed whatever w says.
 *   coding    LEGACY or VEX (128 bits or scalar).
 *   order     operands as Intel writes them: RM, MR, M, RVM and RMV (V: VEX.vvvv), NONE, O (register in the opcode).
 *   reg, rm   kinds of the operands: GB GH GD GQ general registers of 8, 16, 32, 64 bits; GW as w says; XD XQ XO an xmm
 *             register, of which memory holds 4, 8 or 16 bytes; NO none (rm of lea: memory that is not touched).
 *   place     what rm may be: REG, MEM or BOTH; NOWHERE: the form has no ModRM.
 */
#ifndef VMCORE_X64_FORMS_H
#define VMCORE_X64_FORMS_H

#include <stdint.h>
#include <string.h>

/* An ALU operation: load-op, store form, immediate. */
#define X64_ALU(F, name, op, ext)                                             \
    F(name, 0, M1, op + 3, -1, I_NONE, WW, LEGACY, RM, GW, GW, BOTH)          \
    F(name##_MR, 0, M1, op + 1, -1, I_NONE, WW, LEGACY, MR, GW, GW, BOTH)     \
    F(name##_I, 0, M1, 0x81, ext, I_ALU, WW, LEGACY, M, NO, GW, BOTH)

#define X64_SHIFT(F, name, ext)                                               \
    F(name##_I, 0, M1, 0xC1, ext, I_8, WW, LEGACY, M, NO, GW, BOTH)           \
    F(name##_CL, 0, M1, 0xD3, ext, I_NONE, WW, LEGACY, M, NO, GW, BOTH)

#define X64_BIT(F, name, op, ext)                                             \
    F(name, 0, 0F, op, -1, I_NONE, WW, LEGACY, MR, GW, GW, REG)               \
    F(name##_I, 0, 0F, 0xBA, ext, I_8, WW, LEGACY, M, NO, GW, BOTH)

#define X64_LOCKED(F, name, op, ext)                                          \
    F(LOCK_##name##_MR, LOCK, M1, op + 1, -1, I_NONE, WW, LEGACY, MR, GW, GW, MEM) \
    F(LOCK_##name##_I, LOCK, M1, 0x81, ext, I_ALU, WW, LEGACY, M, NO, GW, MEM)

/* One scalar operation on doubles and on floats. */
#define X64_SCALAR(F, name, op)                                               \
    F(name##SD, 0xF2, 0F, op, -1, I_NONE, W0, LEGACY, RM, XO, XQ, BOTH)       \
    F(name##SS, 0xF3, 0F, op, -1, I_NONE, W0, LEGACY, RM, XO, XD, BOTH)

/* A bitwise operation: the pd and the ps spelling. */
#define X64_BITWISE(F, name, op)                                              \
    F(name##PD, 0x66, 0F, op, -1, I_NONE, W0, LEGACY, RM, XO, XO, BOTH)       \
    F(name##PS, 0, 0F, op, -1, I_NONE, W0, LEGACY, RM, XO, XO, BOTH)

/* Fused multiply-add in its three operand orders, doubles and floats; `op` is that of the 132 form. */
#define X64_FUSED(F, name, op)                                                \
    F(name##132SD, 0x66, 0F38, op, -1, I_NONE, W1, VEX, RVM, XO, XQ, BOTH)    \
    F(name##213SD, 0x66, 0F38, op + 0x10, -1, I_NONE, W1, VEX, RVM, XO, XQ, BOTH) \
    F(name##231SD, 0x66, 0F38, op + 0x20, -1, I_NONE, W1, VEX, RVM, XO, XQ, BOTH) \
    F(name##132SS, 0x66, 0F38, op, -1, I_NONE, W0, VEX, RVM, XO, XD, BOTH)    \
    F(name##213SS, 0x66, 0F38, op + 0x10, -1, I_NONE, W0, VEX, RVM, XO, XD, BOTH) \
    F(name##231SS, 0x66, 0F38, op + 0x20, -1, I_NONE, W0, VEX, RVM, XO, XD, BOTH)

#define X64_FORM_ROWS(F)                                                      \
    X64_ALU(F, ADD, 0x00, 0)                                                  \
    X64_ALU(F, OR, 0x08, 1)                                                   \
    X64_ALU(F, ADC, 0x10, 2)                                                  \
    X64_ALU(F, SBB, 0x18, 3)                                                  \
    X64_ALU(F, AND, 0x20, 4)                                                  \
    X64_ALU(F, SUB, 0x28, 5)                                                  \
    X64_ALU(F, XOR, 0x30, 6)                                                  \
    X64_ALU(F, CMP, 0x38, 7)                                                  \
    F(TEST, 0, M1, 0x85, -1, I_NONE, WW, LEGACY, MR, GW, GW, BOTH)            \
    F(TEST_I, 0, M1, 0xF7, 0, I_32, WW, LEGACY, M, NO, GW, BOTH)              \
    F(CMP8_MI, 0, M1, 0x80, 7, I_8, W0, LEGACY, M, NO, GB, BOTH)              \
    F(OR8_MI, 0, M1, 0x80, 1, I_8, W0, LEGACY, M, NO, GB, BOTH)               \
    F(TEST8_MI, 0, M1, 0xF6, 0, I_8, W0, LEGACY, M, NO, GB, BOTH)             \
    F(CMP16_MI, 0x66, M1, 0x81, 7, I_ALU16, W0, LEGACY, M, NO, GH, BOTH)      \
    /* moves */                                                               \
    F(MOV, 0, M1, 0x8B, -1, I_NONE, WW, LEGACY, RM, GW, GW, BOTH)             \
    F(MOV_MR, 0, M1, 0x89, -1, I_NONE, WW, LEGACY, MR, GW, GW, BOTH)          \
    F(MOV8_MR, 0, M1, 0x88, -1, I_NONE, W0, LEGACY, MR, GB, GB, BOTH)         \
    F(MOV16_MR, 0x66, M1, 0x89, -1, I_NONE, W0, LEGACY, MR, GH, GH, BOTH)     \
    F(MOV_MI, 0, M1, 0xC7, 0, I_32, WW, LEGACY, M, NO, GW, BOTH)              \
    F(MOV8_MI, 0, M1, 0xC6, 0, I_8, W0, LEGACY, M, NO, GB, BOTH)              \
    F(MOV16_MI, 0x66, M1, 0xC7, 0, I_16, W0, LEGACY, M, NO, GH, BOTH)         \
    F(MOV_RI, 0, M1, 0xB8, -1, I_32, W0, LEGACY, O, GD, NO, NOWHERE)          \
    F(MOVABS, 0, M1, 0xB8, -1, I_64, W1, LEGACY, O, GQ, NO, NOWHERE)          \
    F(MOVZX8, 0, 0F, 0xB6, -1, I_NONE, WW, LEGACY, RM, GW, GB, BOTH)          \
    F(MOVZX16, 0, 0F, 0xB7, -1, I_NONE, WW, LEGACY, RM, GW, GH, BOTH)         \
    F(MOVSX8, 0, 0F, 0xBE, -1, I_NONE, WW, LEGACY, RM, GW, GB, BOTH)          \
    F(MOVSX16, 0, 0F, 0xBF, -1, I_NONE, WW, LEGACY, RM, GW, GH, BOTH)         \
    F(MOVSXD, 0, M1, 0x63, -1, I_NONE, W1, LEGACY, RM, GQ, GD, BOTH)          \
    F(LEA, 0, M1, 0x8D, -1, I_NONE, WW, LEGACY, RM, GW, NO, MEM)              \
    F(CMOV, 0, 0F, 0x40, -1, I_NONE, WW, LEGACY, RM, GW, GW, BOTH)            \
    F(SETCC, 0, 0F, 0x90, 0, I_NONE, W0, LEGACY, M, NO, GB, BOTH)             \
    F(PUSH, 0, M1, 0x50, -1, I_NONE, W0, LEGACY, O, GQ, NO, NOWHERE)          \
    F(POP, 0, M1, 0x58, -1, I_NONE, W0, LEGACY, O, GQ, NO, NOWHERE)           \
    /* arithmetic */                                                          \
    X64_SHIFT(F, ROL, 0)                                                      \
    X64_SHIFT(F, ROR, 1)                                                      \
    X64_SHIFT(F, SHL, 4)                                                      \
    X64_SHIFT(F, SHR, 5)                                                      \
    X64_SHIFT(F, SAR, 7)                                                      \
    F(SHLX, 0x66, 0F38, 0xF7, -1, I_NONE, WW, VEX, RMV, GW, GW, BOTH)         \
    F(SHRX, 0xF2, 0F38, 0xF7, -1, I_NONE, WW, VEX, RMV, GW, GW, BOTH)         \
    F(SARX, 0xF3, 0F38, 0xF7, -1, I_NONE, WW, VEX, RMV, GW, GW, BOTH)         \
    F(RORX, 0xF2, 0F3A, 0xF0, -1, I_8, WW, VEX, RM, GW, GW, BOTH)             \
    F(ANDN, 0, 0F38, 0xF2, -1, I_NONE, WW, VEX, RVM, GW, GW, BOTH)            \
    F(NOT, 0, M1, 0xF7, 2, I_NONE, WW, LEGACY, M, NO, GW, BOTH)               \
    F(NEG, 0, M1, 0xF7, 3, I_NONE, WW, LEGACY, M, NO, GW, BOTH)               \
    F(MUL, 0, M1, 0xF7, 4, I_NONE, WW, LEGACY, M, NO, GW, BOTH)               \
    F(IMUL1, 0, M1, 0xF7, 5, I_NONE, WW, LEGACY, M, NO, GW, BOTH)             \
    F(DIV, 0, M1, 0xF7, 6, I_NONE, WW, LEGACY, M, NO, GW, BOTH)               \
    F(IDIV, 0, M1, 0xF7, 7, I_NONE, WW, LEGACY, M, NO, GW, BOTH)              \
    F(INC, 0, M1, 0xFF, 0, I_NONE, WW, LEGACY, M, NO, GW, BOTH)               \
    F(DEC, 0, M1, 0xFF, 1, I_NONE, WW, LEGACY, M, NO, GW, BOTH)               \
    F(IMUL, 0, 0F, 0xAF, -1, I_NONE, WW, LEGACY, RM, GW, GW, BOTH)            \
    F(IMUL_I, 0, M1, 0x69, -1, I_ALU, WW, LEGACY, RM, GW, GW, BOTH)           \
    F(CDQ, 0, M1, 0x99, -1, I_NONE, W0, LEGACY, NONE, NO, NO, NOWHERE)        \
    F(CQO, 0, M1, 0x99, -1, I_NONE, W1, LEGACY, NONE, NO, NO, NOWHERE)        \
    /* 0F C8+r is laid out like a one-byte opcode 0F whose ModRM names extension 1 and a register. */ \
    F(BSWAP, 0, M1, 0x0F, 1, I_NONE, WW, LEGACY, M, NO, GW, REG)              \
    F(POPCNT, 0xF3, 0F, 0xB8, -1, I_NONE, WW, LEGACY, RM, GW, GW, BOTH)       \
    F(LZCNT, 0xF3, 0F, 0xBD, -1, I_NONE, WW, LEGACY, RM, GW, GW, BOTH)        \
    F(TZCNT, 0xF3, 0F, 0xBC, -1, I_NONE, WW, LEGACY, RM, GW, GW, BOTH)        \
    F(BSR, 0, 0F, 0xBD, -1, I_NONE, WW, LEGACY, RM, GW, GW, BOTH)             \
    F(BSF, 0, 0F, 0xBC, -1, I_NONE, WW, LEGACY, RM, GW, GW, BOTH)             \
    X64_BIT(F, BT, 0xA3, 4)                                                   \
    X64_BIT(F, BTS, 0xAB, 5)                                                  \
    X64_BIT(F, BTR, 0xB3, 6)                                                  \
    X64_BIT(F, BTC, 0xBB, 7)                                                  \
    /* atomics; xchg with memory locks by itself */                           \
    F(XCHG_MR, 0, M1, 0x87, -1, I_NONE, WW, LEGACY, MR, GW, GW, BOTH)         \
    F(XCHG8_MR, 0, M1, 0x86, -1, I_NONE, W0, LEGACY, MR, GB, GB, BOTH)        \
    F(XCHG16_MR, 0x66, M1, 0x87, -1, I_NONE, W0, LEGACY, MR, GH, GH, BOTH)    \
    F(LOCK_XADD, LOCK, 0F, 0xC1, -1, I_NONE, WW, LEGACY, MR, GW, GW, MEM)     \
    F(LOCK_XADD8, LOCK, 0F, 0xC0, -1, I_NONE, W0, LEGACY, MR, GB, GB, MEM)    \
    F(LOCK_XADD16, LOCK66, 0F, 0xC1, -1, I_NONE, W0, LEGACY, MR, GH, GH, MEM) \
    F(LOCK_CMPXCHG, LOCK, 0F, 0xB1, -1, I_NONE, WW, LEGACY, MR, GW, GW, MEM)  \
    F(LOCK_CMPXCHG8, LOCK, 0F, 0xB0, -1, I_NONE, W0, LEGACY, MR, GB, GB, MEM) \
    F(LOCK_CMPXCHG16, LOCK66, 0F, 0xB1, -1, I_NONE, W0, LEGACY, MR, GH, GH, MEM) \
    F(LOCK_CMPXCHG16B, LOCK, 0F, 0xC7, 1, I_NONE, W1, LEGACY, M, NO, XO, MEM) \
    X64_LOCKED(F, ADD, 0x00, 0)                                               \
    X64_LOCKED(F, OR, 0x08, 1)                                                \
    X64_LOCKED(F, AND, 0x20, 4)                                               \
    X64_LOCKED(F, XOR, 0x30, 6)                                               \
    /* mfence is 0F AE /6 with a register operand that means nothing. */      \
    F(MFENCE, 0, 0F, 0xAE, 6, I_NONE, W0, LEGACY, NONE, NO, NO, NOWHERE)      \
    F(PAUSE, 0xF3, M1, 0x90, -1, I_NONE, W0, LEGACY, NONE, NO, NO, NOWHERE)   \
    /* transfers */                                                           \
    F(RET, 0, M1, 0xC3, -1, I_NONE, W0, LEGACY, NONE, NO, NO, NOWHERE)        \
    F(INT3, 0, M1, 0xCC, -1, I_NONE, W0, LEGACY, NONE, NO, NO, NOWHERE)       \
    F(UD2, 0, 0F, 0x0B, -1, I_NONE, W0, LEGACY, NONE, NO, NO, NOWHERE)        \
    F(JCC, 0, 0F, 0x80, -1, I_REL32, W0, LEGACY, NONE, NO, NO, NOWHERE)       \
    F(JCC8, 0, M1, 0x70, -1, I_REL8, W0, LEGACY, NONE, NO, NO, NOWHERE)       \
    F(JMP, 0, M1, 0xE9, -1, I_REL32, W0, LEGACY, NONE, NO, NO, NOWHERE)       \
    F(JMP8, 0, M1, 0xEB, -1, I_REL8, W0, LEGACY, NONE, NO, NO, NOWHERE)       \
    F(JMP_M, 0, M1, 0xFF, 4, I_NONE, W0, LEGACY, M, NO, GQ, BOTH)             \
    F(CALL_M, 0, M1, 0xFF, 2, I_NONE, W0, LEGACY, M, NO, GQ, BOTH)            \
    /* scalar floating point, and the bits of xmm registers */                \
    F(MOVSD_LOAD, 0xF2, 0F, 0x10, -1, I_NONE, W0, LEGACY, RM, XO, XQ, BOTH)   \
    F(MOVSD_STORE, 0xF2, 0F, 0x11, -1, I_NONE, W0, LEGACY, MR, XO, XQ, BOTH)  \
    F(MOVSS_LOAD, 0xF3, 0F, 0x10, -1, I_NONE, W0, LEGACY, RM, XO, XD, BOTH)   \
    F(MOVSS_STORE, 0xF3, 0F, 0x11, -1, I_NONE, W0, LEGACY, MR, XO, XD, BOTH)  \
    F(MOVAPS, 0, 0F, 0x28, -1, I_NONE, W0, LEGACY, RM, XO, XO, BOTH)          \
    F(MOVDQU_LOAD, 0xF3, 0F, 0x6F, -1, I_NONE, W0, LEGACY, RM, XO, XO, BOTH)  \
    F(MOVDQU_STORE, 0xF3, 0F, 0x7F, -1, I_NONE, W0, LEGACY, MR, XO, XO, BOTH) \
    F(MOVQ_XR, 0x66, 0F, 0x6E, -1, I_NONE, W1, LEGACY, RM, XO, GQ, BOTH)      \
    F(MOVQ_RX, 0x66, 0F, 0x7E, -1, I_NONE, W1, LEGACY, MR, XO, GQ, BOTH)      \
    F(MOVD_XR, 0x66, 0F, 0x6E, -1, I_NONE, W0, LEGACY, RM, XO, GD, BOTH)      \
    F(MOVD_RX, 0x66, 0F, 0x7E, -1, I_NONE, W0, LEGACY, MR, XO, GD, BOTH)      \
    F(MOVQ_XX, 0xF3, 0F, 0x7E, -1, I_NONE, W0, LEGACY, RM, XO, XQ, BOTH)      \
    X64_SCALAR(F, SQRT, 0x51)                                                 \
    X64_SCALAR(F, ADD, 0x58)                                                  \
    X64_SCALAR(F, MUL, 0x59)                                                  \
    X64_SCALAR(F, SUB, 0x5C)                                                  \
    X64_SCALAR(F, MIN, 0x5D)                                                  \
    X64_SCALAR(F, DIV, 0x5E)                                                  \
    X64_SCALAR(F, MAX, 0x5F)                                                  \
    F(UCOMISD, 0x66, 0F, 0x2E, -1, I_NONE, W0, LEGACY, RM, XO, XQ, BOTH)      \
    F(UCOMISS, 0, 0F, 0x2E, -1, I_NONE, W0, LEGACY, RM, XO, XD, BOTH)         \
    F(COMISD, 0x66, 0F, 0x2F, -1, I_NONE, W0, LEGACY, RM, XO, XQ, BOTH)       \
    F(COMISS, 0, 0F, 0x2F, -1, I_NONE, W0, LEGACY, RM, XO, XD, BOTH)          \
    F(CVTSI2SD, 0xF2, 0F, 0x2A, -1, I_NONE, WW, LEGACY, RM, XO, GW, BOTH)     \
    F(CVTSI2SS, 0xF3, 0F, 0x2A, -1, I_NONE, WW, LEGACY, RM, XO, GW, BOTH)     \
    F(CVTTSD2SI, 0xF2, 0F, 0x2C, -1, I_NONE, WW, LEGACY, RM, GW, XQ, BOTH)    \
    F(CVTTSS2SI, 0xF3, 0F, 0x2C, -1, I_NONE, WW, LEGACY, RM, GW, XD, BOTH)    \
    F(CVTSD2SI, 0xF2, 0F, 0x2D, -1, I_NONE, WW, LEGACY, RM, GW, XQ, BOTH)     \
    F(CVTSS2SI, 0xF3, 0F, 0x2D, -1, I_NONE, WW, LEGACY, RM, GW, XD, BOTH)     \
    F(CVTSD2SS, 0xF2, 0F, 0x5A, -1, I_NONE, W0, LEGACY, RM, XO, XQ, BOTH)     \
    F(CVTSS2SD, 0xF3, 0F, 0x5A, -1, I_NONE, W0, LEGACY, RM, XO, XD, BOTH)     \
    X64_BITWISE(F, AND, 0x54)                                                 \
    X64_BITWISE(F, ANDN, 0x55)                                                \
    X64_BITWISE(F, OR, 0x56)                                                  \
    X64_BITWISE(F, XOR, 0x57)                                                 \
    F(PXOR, 0x66, 0F, 0xEF, -1, I_NONE, W0, LEGACY, RM, XO, XO, BOTH)         \
    F(POR, 0x66, 0F, 0xEB, -1, I_NONE, W0, LEGACY, RM, XO, XO, BOTH)          \
    F(PAND, 0x66, 0F, 0xDB, -1, I_NONE, W0, LEGACY, RM, XO, XO, BOTH)         \
    F(PANDN, 0x66, 0F, 0xDF, -1, I_NONE, W0, LEGACY, RM, XO, XO, BOTH)        \
    F(PCMPEQD, 0x66, 0F, 0x76, -1, I_NONE, W0, LEGACY, RM, XO, XO, BOTH)      \
    F(PSLLQ_I, 0x66, 0F, 0x73, 6, I_8, W0, LEGACY, M, NO, XO, REG)            \
    F(PSRLQ_I, 0x66, 0F, 0x73, 2, I_8, W0, LEGACY, M, NO, XO, REG)            \
    F(UNPCKLPS, 0, 0F, 0x14, -1, I_NONE, W0, LEGACY, RM, XO, XO, BOTH)        \
    F(PUNPCKLDQ, 0x66, 0F, 0x62, -1, I_NONE, W0, LEGACY, RM, XO, XO, BOTH)    \
    F(CMPSD_I, 0xF2, 0F, 0xC2, -1, I_8, W0, LEGACY, RM, XO, XQ, BOTH)         \
    F(CMPSS_I, 0xF3, 0F, 0xC2, -1, I_8, W0, LEGACY, RM, XO, XD, BOTH)         \
    F(ROUNDSD_I, 0x66, 0F3A, 0x0B, -1, I_8, W0, LEGACY, RM, XO, XQ, BOTH)     \
    F(ROUNDSS_I, 0x66, 0F3A, 0x0A, -1, I_8, W0, LEGACY, RM, XO, XD, BOTH)     \
    F(PCLMULQDQ_I, 0x66, 0F3A, 0x44, -1, I_8, W0, LEGACY, RM, XO, XO, BOTH)   \
    F(LDMXCSR, 0, 0F, 0xAE, 2, I_NONE, W0, LEGACY, M, NO, GD, MEM)            \
    F(STMXCSR, 0, 0F, 0xAE, 3, I_NONE, W0, LEGACY, M, NO, GD, MEM)            \
    X64_FUSED(F, VFMADD, 0x99)                                                \
    X64_FUSED(F, VFMSUB, 0x9B)                                                \
    X64_FUSED(F, VFNMADD, 0x9D)                                               \
    X64_FUSED(F, VFNMSUB, 0x9F)                                               \
    F(VCVTPH2PS, 0x66, 0F38, 0x13, -1, I_NONE, W0, VEX, RM, XO, XQ, BOTH)     \
    F(VCVTPS2PH, 0x66, 0F3A, 0x1D, -1, I_8, W0, VEX, MR, XO, XQ, BOTH)

/* <unistd.h> has a macro of this name, an argument of lockf(). */
#undef F_TEST

typedef enum {
#define F(name, ...) F_##name,
    X64_FORM_ROWS(F)
#undef F
    F_COUNT
} X64FormName;

enum { X64_I_NONE, X64_I_8, X64_I_16, X64_I_32, X64_I_64, X64_I_ALU, X64_I_ALU16, X64_I_REL8, X64_I_REL32 };
enum { X64_REG = 1, X64_MEM = 2, X64_BOTH = 3, X64_NOWHERE = 0 };

/* What the emitters read of a row, in sixteen bytes. */
typedef struct {
    uint32_t op;         /* opcode with its escape bytes, in the order of memory; for VEX the opcode byte alone */
    uint16_t prefix;
    uint8_t op_bytes;
    uint8_t prefix_bytes;
    int8_t ext;
    uint8_t imm;
    uint8_t w_and;       /* W is (w & w_and) | w_or */
    uint8_t w_or;
    uint8_t vex;         /* opcode map of the VEX prefix, or 0 */
    uint8_t pp;          /* the mandatory prefix as VEX spells it */
    uint8_t place;
    uint8_t bytes;       /* 1: reg is a byte register, 2: rm is; sil, dil, spl and bpl then need a REX prefix */
} X64Form;

#define X64_LOCK_PREFIX 0xF0
#define X64_MAP_M1 0
#define X64_MAP_0F 1
#define X64_MAP_0F38 2
#define X64_MAP_0F3A 3
#define X64_PREFIX_0 0
#define X64_OP(map, op)                                                          \
    ((map) == 0 ? (uint32_t)(op) : (map) == 1 ? 0x0Fu | (uint32_t)(op) << 8 :    \
     (map) == 2 ? 0x380Fu | (uint32_t)(op) << 16 : 0x3A0Fu | (uint32_t)(op) << 16)
#define X64_PP(prefix) ((prefix) == 0x66 ? 1 : (prefix) == 0xF3 ? 2 : (prefix) == 0xF2 ? 3 : 0)
#define X64_IS_VEX_VEX 1
#define X64_IS_VEX_LEGACY 0
#define X64_BYTE_GB 1
#define X64_BYTE_GH 0
#define X64_BYTE_GD 0
#define X64_BYTE_GQ 0
#define X64_BYTE_GW 0
#define X64_BYTE_XD 0
#define X64_BYTE_XQ 0
#define X64_BYTE_XO 0
#define X64_BYTE_NO 0
#define X64_AND_WW 1
#define X64_AND_W0 0
#define X64_AND_W1 0
#define X64_OR_WW 0
#define X64_OR_W0 0
#define X64_OR_W1 1

#define LOCK 0xF0
#define LOCK66 0x66F0
static const X64Form X64_FORMS[] = {
#define F(name, prefix, map, op, ext, imm, width, coding, order, reg, rm, place)                           \
    {X64_IS_VEX_##coding ? (uint32_t)(op) : X64_OP(X64_MAP_##map, op),                                     \
     (prefix),                                                                                             \
     X64_MAP_##map == 0 ? 1 : X64_MAP_##map == 1 ? 2 : 3,                                                  \
     (prefix) > 0xFF ? 2 : (prefix) > 0,                                                                   \
     (ext), X64_##imm, X64_AND_##width, X64_OR_##width,                                                    \
     X64_IS_VEX_##coding ? X64_MAP_##map : 0,                                                              \
     X64_PP(prefix), X64_##place,                                                                          \
     X64_BYTE_##reg | X64_BYTE_##rm << 1},
    X64_FORM_ROWS(F)
#undef F
};
#undef LOCK
#undef LOCK66

/* Little-endian stores at any address. */
static inline void x64_put16(uint8_t *p, uint16_t v) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap16(v);
#endif
    memcpy(p, &v, 2);
}

static inline void x64_put32(uint8_t *p, uint32_t v) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    memcpy(p, &v, 4);
}

static inline void x64_put64(uint8_t *p, uint64_t v) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, 8);
}

/* No-operations of 1 to 9 bytes, as the manual recommends them (NOP in volume 2B). */
static const uint8_t X64_NOPS[9][9] = {
    {0x90},
    {0x66, 0x90},
    {0x0F, 0x1F, 0x00},
    {0x0F, 0x1F, 0x40, 0x00},
    {0x0F, 0x1F, 0x44, 0x00, 0x00},
    {0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00},
    {0x0F, 0x1F, 0x80, 0x00, 0x00, 0x00, 0x00},
    {0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    {0x66, 0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
};

#endif
