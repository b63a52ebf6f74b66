"""Bit manipulation: Zba, Zbb, Zbc, Zbs, and the parts of Zbkb, Zbkc and Zbkx.

Source: The RISC-V Instruction Set Manual, volume I, "B" Extension for Bit Manipulation.
"""

from __future__ import annotations

from vmcore.isa.riscv.row import Instruction, row

__all__ = ["ROWS"]

_REG = "....."
_OP = "0110011"
_OP_32 = "0111011"
_IMM = "0010011"
_IMM_32 = "0011011"

_BINARY = tuple(
    row(mnemonic, f"{funct7} {_REG} {_REG} {funct3} {_REG} {opcode}", "r", "rd,rs1,rs2", semantics, any=extensions)
    for mnemonic, funct7, funct3, opcode, extensions, semantics in (
        ("sh1add", "0010000", "010", _OP, "zba", "rd = (rs1 << 1) + rs2"),
        ("sh2add", "0010000", "100", _OP, "zba", "rd = (rs1 << 2) + rs2"),
        ("sh3add", "0010000", "110", _OP, "zba", "rd = (rs1 << 3) + rs2"),
        ("add.uw", "0000100", "000", _OP_32, "zba", "rd = zext32(rs1) + rs2"),
        ("sh1add.uw", "0010000", "010", _OP_32, "zba", "rd = (zext32(rs1) << 1) + rs2"),
        ("sh2add.uw", "0010000", "100", _OP_32, "zba", "rd = (zext32(rs1) << 2) + rs2"),
        ("sh3add.uw", "0010000", "110", _OP_32, "zba", "rd = (zext32(rs1) << 3) + rs2"),
        ("andn", "0100000", "111", _OP, "zbb zbkb", "rd = rs1 & ~rs2"),
        ("orn", "0100000", "110", _OP, "zbb zbkb", "rd = rs1 | ~rs2"),
        ("xnor", "0100000", "100", _OP, "zbb zbkb", "rd = ~(rs1 ^ rs2)"),
        ("max", "0000101", "110", _OP, "zbb", "rd = max(rs1, rs2) (signed)"),
        ("maxu", "0000101", "111", _OP, "zbb", "rd = max(rs1, rs2) (unsigned)"),
        ("min", "0000101", "100", _OP, "zbb", "rd = min(rs1, rs2) (signed)"),
        ("minu", "0000101", "101", _OP, "zbb", "rd = min(rs1, rs2) (unsigned)"),
        ("rol", "0110000", "001", _OP, "zbb zbkb", "rd = rs1 rotated left by rs2[5:0]"),
        ("ror", "0110000", "101", _OP, "zbb zbkb", "rd = rs1 rotated right by rs2[5:0]"),
        ("rolw", "0110000", "001", _OP_32, "zbb zbkb", "rd = sext32(lo32(rs1) rotated left by rs2[4:0])"),
        ("rorw", "0110000", "101", _OP_32, "zbb zbkb", "rd = sext32(lo32(rs1) rotated right by rs2[4:0])"),
        ("clmul", "0000101", "001", _OP, "zbc zbkc", "rd = the low half of the carry-less product"),
        ("clmulh", "0000101", "011", _OP, "zbc zbkc", "rd = the high half of the carry-less product"),
        ("clmulr", "0000101", "010", _OP, "zbc", "rd = bits 126:63 of the carry-less product"),
        ("bclr", "0100100", "001", _OP, "zbs", "rd = rs1 & ~(1 << rs2[5:0])"),
        ("bext", "0100100", "101", _OP, "zbs", "rd = rs1 >> rs2[5:0] & 1"),
        ("binv", "0110100", "001", _OP, "zbs", "rd = rs1 ^ (1 << rs2[5:0])"),
        ("bset", "0010100", "001", _OP, "zbs", "rd = rs1 | (1 << rs2[5:0])"),
        ("pack", "0000100", "100", _OP, "zbkb", "rd = lo32(rs1) | lo32(rs2) << 32"),
        ("packh", "0000100", "111", _OP, "zbkb", "rd = lo8(rs1) | lo8(rs2) << 8"),
        ("packw", "0000100", "100", _OP_32, "zbkb", "rd = sext32(lo16(rs1) | lo16(rs2) << 16)"),
        ("xperm4", "0010100", "010", _OP, "zbkx", "each nibble of rd = the nibble of rs1 that rs2's nibble names"),
        ("xperm8", "0010100", "100", _OP, "zbkx", "each byte of rd = the byte of rs1 that rs2's byte names"),
    )
)

_SHIFTS = tuple(
    row(mnemonic, f"{funct6} ...... {_REG} {funct3} {_REG} {opcode}", "shift6", "rd,rs1,shamt", semantics,
        any=extensions)
    for mnemonic, funct6, funct3, opcode, extensions, semantics in (
        ("slli.uw", "000010", "001", _IMM_32, "zba", "rd = zext32(rs1) << imm"),
        ("rori", "011000", "101", _IMM, "zbb zbkb", "rd = rs1 rotated right by imm"),
        ("bclri", "010010", "001", _IMM, "zbs", "rd = rs1 & ~(1 << imm)"),
        ("bexti", "010010", "101", _IMM, "zbs", "rd = rs1 >> imm & 1"),
        ("binvi", "011010", "001", _IMM, "zbs", "rd = rs1 ^ (1 << imm)"),
        ("bseti", "001010", "001", _IMM, "zbs", "rd = rs1 | (1 << imm)"),
    )
)

_UNARY = tuple(
    row(mnemonic, f"{funct12} {_REG} {funct3} {_REG} {opcode}", "unary", "rd,rs1", semantics, any=extensions)
    for mnemonic, funct12, funct3, opcode, extensions, semantics in (
        ("clz", "011000000000", "001", _IMM, "zbb", "rd = leading zeros of rs1"),
        ("ctz", "011000000001", "001", _IMM, "zbb", "rd = trailing zeros of rs1"),
        ("cpop", "011000000010", "001", _IMM, "zbb", "rd = ones in rs1"),
        ("sext.b", "011000000100", "001", _IMM, "zbb", "rd = sext8(rs1)"),
        ("sext.h", "011000000101", "001", _IMM, "zbb", "rd = sext16(rs1)"),
        ("orc.b", "001010000111", "101", _IMM, "zbb", "each byte of rd = 255 where that of rs1 is not 0"),
        ("rev8", "011010111000", "101", _IMM, "zbb zbkb", "rd = rs1 with its bytes reversed"),
        ("brev8", "011010000111", "101", _IMM, "zbkb", "rd = rs1 with the bits of each byte reversed"),
        ("clzw", "011000000000", "001", _IMM_32, "zbb", "rd = leading zeros of lo32(rs1)"),
        ("ctzw", "011000000001", "001", _IMM_32, "zbb", "rd = trailing zeros of lo32(rs1)"),
        ("cpopw", "011000000010", "001", _IMM_32, "zbb", "rd = ones in lo32(rs1)"),
        # With Zbkb alone this encoding is packw of x0.
        ("zext.h", "000010000000", "100", _OP_32, "zbb", "rd = zext16(rs1)"),
    )
)

_RORIW = row("roriw", f"0110000 {_REG} {_REG} 101 {_REG} {_IMM_32}", "shift5", "rd,rs1,shamt",
             "rd = sext32(lo32(rs1) rotated right by imm)", any="zbb zbkb")

#: The rows of this group.
ROWS: tuple[Instruction, ...] = (*_BINARY, *_SHIFTS, *_UNARY, _RORIW)
