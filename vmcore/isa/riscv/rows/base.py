"""Base integer instructions (RV64I), M, A with Zabha and Zacas, Zicond.

Source: The RISC-V Instruction Set Manual, volume I, the chapters of RV32I, RV64I, M, A, Zacas, Zabha and Zicond.
"""

from __future__ import annotations

from vmcore.isa.riscv.row import Instruction, row

__all__ = ["ROWS"]

_REG = "....."

_UPPER_AND_JUMPS = (
    row("lui", f"{'.' * 20} {_REG} 0110111", "u", "rd,hi20", "rd = imm"),
    row("auipc", f"{'.' * 20} {_REG} 0010111", "u", "rd,hi20", "rd = pc + imm"),
    row("jal", f"{'.' * 20} {_REG} 1101111", "j", "rd,target", "rd = pc + 4; pc += imm", flags="jump"),
    row("jalr", f"{'.' * 12} {_REG} 000 {_REG} 1100111", "i", "rd,off(rs1)",
        "t = pc + 4; pc = (rs1 + imm) & ~1; rd = t", flags="jump"),
)

_BRANCHES = tuple(
    row(mnemonic, f"....... {_REG} {_REG} {funct3} {_REG} 1100011", "b", "rs1,rs2,target",
        f"if {condition}: pc += imm", flags="branch")
    for mnemonic, funct3, condition in (
        ("beq", "000", "rs1 == rs2"),
        ("bne", "001", "rs1 != rs2"),
        ("blt", "100", "rs1 < rs2 (signed)"),
        ("bge", "101", "rs1 >= rs2 (signed)"),
        ("bltu", "110", "rs1 < rs2 (unsigned)"),
        ("bgeu", "111", "rs1 >= rs2 (unsigned)"),
    )
)

_LOADS = tuple(
    row(mnemonic, f"{'.' * 12} {_REG} {funct3} {_REG} 0000011", "i", "rd,off(rs1)",
        f"rd = {extend}(mem{bits}[rs1 + imm])", flags="load")
    for mnemonic, funct3, extend, bits in (
        ("lb", "000", "sext", 8),
        ("lh", "001", "sext", 16),
        ("lw", "010", "sext", 32),
        ("ld", "011", "", 64),
        ("lbu", "100", "zext", 8),
        ("lhu", "101", "zext", 16),
        ("lwu", "110", "zext", 32),
    )
)

_STORES = tuple(
    row(mnemonic, f"....... {_REG} {_REG} {funct3} {_REG} 0100011", "s", "rs2,off(rs1)",
        f"mem{bits}[rs1 + imm] = rs2", flags="store")
    for mnemonic, funct3, bits in (("sb", "000", 8), ("sh", "001", 16), ("sw", "010", 32), ("sd", "011", 64))
)

_IMMEDIATES = tuple(
    row(mnemonic, f"{'.' * 12} {_REG} {funct3} {_REG} {opcode}", "i", "rd,rs1,imm", semantics)
    for mnemonic, funct3, opcode, semantics in (
        ("addi", "000", "0010011", "rd = rs1 + imm"),
        ("slti", "010", "0010011", "rd = rs1 < imm (signed)"),
        ("sltiu", "011", "0010011", "rd = rs1 < imm (unsigned)"),
        ("xori", "100", "0010011", "rd = rs1 ^ imm"),
        ("ori", "110", "0010011", "rd = rs1 | imm"),
        ("andi", "111", "0010011", "rd = rs1 & imm"),
        ("addiw", "000", "0011011", "rd = sext32(rs1 + imm)"),
    )
)

_SHIFTS = (
    row("slli", f"000000 ...... {_REG} 001 {_REG} 0010011", "shift6", "rd,rs1,shamt", "rd = rs1 << imm"),
    row("srli", f"000000 ...... {_REG} 101 {_REG} 0010011", "shift6", "rd,rs1,shamt", "rd = rs1 >> imm (logical)"),
    row("srai", f"010000 ...... {_REG} 101 {_REG} 0010011", "shift6", "rd,rs1,shamt", "rd = rs1 >> imm (arithmetic)"),
    row("slliw", f"0000000 {_REG} {_REG} 001 {_REG} 0011011", "shift5", "rd,rs1,shamt", "rd = sext32(rs1 << imm)"),
    row("srliw", f"0000000 {_REG} {_REG} 101 {_REG} 0011011", "shift5", "rd,rs1,shamt",
        "rd = sext32(lo32(rs1) >> imm) (logical)"),
    row("sraiw", f"0100000 {_REG} {_REG} 101 {_REG} 0011011", "shift5", "rd,rs1,shamt",
        "rd = sext32(lo32(rs1) >> imm) (arithmetic)"),
)

_OPERATIONS = tuple(
    row(mnemonic, f"{funct7} {_REG} {_REG} {funct3} {_REG} {opcode}", "r", "rd,rs1,rs2", semantics, any=extension)
    for mnemonic, funct7, funct3, opcode, extension, semantics in (
        ("add", "0000000", "000", "0110011", "", "rd = rs1 + rs2"),
        ("sub", "0100000", "000", "0110011", "", "rd = rs1 - rs2"),
        ("sll", "0000000", "001", "0110011", "", "rd = rs1 << rs2[5:0]"),
        ("slt", "0000000", "010", "0110011", "", "rd = rs1 < rs2 (signed)"),
        ("sltu", "0000000", "011", "0110011", "", "rd = rs1 < rs2 (unsigned)"),
        ("xor", "0000000", "100", "0110011", "", "rd = rs1 ^ rs2"),
        ("srl", "0000000", "101", "0110011", "", "rd = rs1 >> rs2[5:0] (logical)"),
        ("sra", "0100000", "101", "0110011", "", "rd = rs1 >> rs2[5:0] (arithmetic)"),
        ("or", "0000000", "110", "0110011", "", "rd = rs1 | rs2"),
        ("and", "0000000", "111", "0110011", "", "rd = rs1 & rs2"),
        ("addw", "0000000", "000", "0111011", "", "rd = sext32(rs1 + rs2)"),
        ("subw", "0100000", "000", "0111011", "", "rd = sext32(rs1 - rs2)"),
        ("sllw", "0000000", "001", "0111011", "", "rd = sext32(rs1 << rs2[4:0])"),
        ("srlw", "0000000", "101", "0111011", "", "rd = sext32(lo32(rs1) >> rs2[4:0]) (logical)"),
        ("sraw", "0100000", "101", "0111011", "", "rd = sext32(lo32(rs1) >> rs2[4:0]) (arithmetic)"),
        ("mul", "0000001", "000", "0110011", "m", "rd = lo64(rs1 * rs2)"),
        ("mulh", "0000001", "001", "0110011", "m", "rd = hi64(rs1 * rs2), both signed"),
        ("mulhsu", "0000001", "010", "0110011", "m", "rd = hi64(rs1 * rs2), rs1 signed, rs2 unsigned"),
        ("mulhu", "0000001", "011", "0110011", "m", "rd = hi64(rs1 * rs2), both unsigned"),
        ("div", "0000001", "100", "0110011", "m", "rd = rs1 / rs2 (signed; by zero: -1)"),
        ("divu", "0000001", "101", "0110011", "m", "rd = rs1 / rs2 (unsigned; by zero: all ones)"),
        ("rem", "0000001", "110", "0110011", "m", "rd = rs1 % rs2 (signed; by zero: rs1)"),
        ("remu", "0000001", "111", "0110011", "m", "rd = rs1 % rs2 (unsigned; by zero: rs1)"),
        ("mulw", "0000001", "000", "0111011", "m", "rd = sext32(rs1 * rs2)"),
        ("divw", "0000001", "100", "0111011", "m", "rd = sext32(lo32(rs1) / lo32(rs2)) (signed)"),
        ("divuw", "0000001", "101", "0111011", "m", "rd = sext32(lo32(rs1) / lo32(rs2)) (unsigned)"),
        ("remw", "0000001", "110", "0111011", "m", "rd = sext32(lo32(rs1) % lo32(rs2)) (signed)"),
        ("remuw", "0000001", "111", "0111011", "m", "rd = sext32(lo32(rs1) % lo32(rs2)) (unsigned)"),
        ("czero.eqz", "0000111", "101", "0110011", "zicond", "rd = 0 if rs2 == 0 else rs1"),
        ("czero.nez", "0000111", "111", "0110011", "zicond", "rd = 0 if rs2 != 0 else rs1"),
    )
)

# fence and fence.i ignore every field that they do not use, for forward compatibility.
_FENCES = (
    row("fence", f"{'.' * 12} {_REG} 000 {_REG} 0001111", "fence", "fence", "order memory accesses: pred before succ",
        flags="system"),
    row("fence.tso", f"1000 0011 0011 {_REG} 000 {_REG} 0001111", "none", "",
        "order all but store-load pairs of memory accesses", handler="fence", flags="system"),
    row("fence.i", f"{'.' * 12} {_REG} 001 {_REG} 0001111", "none", "", "later fetches see earlier stores",
        any="zifencei", flags="system"),
    row("ecall", "000000000000 00000 000 00000 1110011", "none", "", "call the execution environment", flags="system"),
    row("ebreak", "000000000001 00000 000 00000 1110011", "none", "", "breakpoint exception", flags="system"),
)

_WIDTHS = (("b", "000", 8), ("h", "001", 16), ("w", "010", 32), ("d", "011", 64))

_RESERVATIONS = tuple(
    instruction
    for suffix, funct3, bits in _WIDTHS[2:]
    for instruction in (
        row(f"lr.{suffix}", f"00010 .. 00000 {_REG} {funct3} {_REG} 0101111", "lr", "rd,(rs1)",
            f"rd = sext(mem{bits}[rs1]); reserve it", any="a", flags="aqrl atomic load"),
        row(f"sc.{suffix}", f"00011 .. {_REG} {_REG} {funct3} {_REG} 0101111", "amo", "rd,rs2,(rs1)",
            f"rd = 0 and mem{bits}[rs1] = rs2 if reserved, else rd = 1", any="a", flags="aqrl atomic store"),
    )
)

_ATOMICS = tuple(
    row(f"{mnemonic}.{suffix}", f"{funct5} .. {_REG} {_REG} {funct3} {_REG} 0101111", "amo", "rd,rs2,(rs1)",
        f"rd = sext(mem{bits}[rs1]); mem{bits}[rs1] = {result}",
        any="a" if bits >= 32 else "zabha", flags="aqrl atomic load store")
    for mnemonic, funct5, result in (
        ("amoswap", "00001", "rs2"),
        ("amoadd", "00000", "mem + rs2"),
        ("amoxor", "00100", "mem ^ rs2"),
        ("amoand", "01100", "mem & rs2"),
        ("amoor", "01000", "mem | rs2"),
        ("amomin", "10000", "min(mem, rs2) (signed)"),
        ("amomax", "10100", "max(mem, rs2) (signed)"),
        ("amominu", "11000", "min(mem, rs2) (unsigned)"),
        ("amomaxu", "11100", "max(mem, rs2) (unsigned)"),
    )
    for suffix, funct3, bits in _WIDTHS
)

_COMPARE_AND_SWAP = tuple(
    row(f"amocas.{suffix}", f"00101 .. {_REG} {_REG} {funct3} {_REG} 0101111", "amo", "rd,rs2,(rs1)",
        f"t = mem{bits}[rs1]; if t == {'pair rd' if bits == 128 else 'rd'}: mem{bits}[rs1] = "
        f"{'pair rs2; pair rd = t' if bits == 128 else 'rs2; rd = sext(t)'}",
        any="zacas", all="zabha" if bits < 32 else "",
        flags="aqrl atomic load store" + (" even" if bits == 128 else ""))
    for suffix, funct3, bits in (*_WIDTHS, ("q", "100", 128))
)

#: The rows of this group.
ROWS: tuple[Instruction, ...] = (
    *_UPPER_AND_JUMPS,
    *_BRANCHES,
    *_LOADS,
    *_STORES,
    *_IMMEDIATES,
    *_SHIFTS,
    *_OPERATIONS,
    *_FENCES,
    *_RESERVATIONS,
    *_ATOMICS,
    *_COMPARE_AND_SWAP,
)
