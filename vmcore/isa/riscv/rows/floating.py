"""Floating point: F, D, Zfhmin, Zfh and Zfa.

Source: The RISC-V Instruction Set Manual, volume I, the chapters of F, D, Zfh with Zfhmin, and Zfa.
"""

from __future__ import annotations

from vmcore.isa.riscv.row import Instruction, row

__all__ = ["FLI_CONSTANTS", "ROWS"]

#: The constants of fli, by the number in the place of rs1, as assembly writes them.
FLI_CONSTANTS = (
    "-1.0", "min", "1.52587890625e-05", "3.0517578125e-05", "0.00390625", "0.0078125", "0.0625", "0.125",
    "0.25", "0.3125", "0.375", "0.4375", "0.5", "0.625", "0.75", "0.875",
    "1.0", "1.25", "1.5", "1.75", "2.0", "2.5", "3.0", "4.0",
    "8.0", "16.0", "128.0", "256.0", "32768.0", "65536.0", "inf", "nan",
)  # fmt: skip

_REG = "....."
_OP = "1010011"
# Suffix, code of the width, extension, and what Zfa's forms need besides.
_WIDTHS = (("s", "00", "f", ""), ("d", "01", "d", "d"), ("h", "10", "zfh", "zfh"))
_INTEGERS = (("w", "00000"), ("wu", "00001"), ("l", "00010"), ("lu", "00011"))
_LOADS = (("h", "001", 16, "zfhmin"), ("w", "010", 32, "f"), ("d", "011", 64, "d"))


def _memory() -> list[Instruction]:
    rows = []
    for suffix, funct3, bits, extension in _LOADS:
        rows.append(row(f"fl{suffix}", f"{'.' * 12} {_REG} {funct3} {_REG} 0000111", "i", "fd,off(rs1)",
                        f"fd = box(mem{bits}[rs1 + imm])", any=extension, flags="float load"))
        rows.append(row(f"fs{suffix}", f"....... {_REG} {_REG} {funct3} {_REG} 0100111", "s", "fs2,off(rs1)",
                        f"mem{bits}[rs1 + imm] = fs2", any=extension, flags="float store"))
    return rows


def _arithmetic(suffix: str, width: str, extension: str) -> list[Instruction]:
    rows = []
    for mnemonic, opcode, result in (
        ("fmadd", "1000011", "fs1 * fs2 + fs3"),
        ("fmsub", "1000111", "fs1 * fs2 - fs3"),
        ("fnmsub", "1001011", "-(fs1 * fs2) + fs3"),
        ("fnmadd", "1001111", "-(fs1 * fs2) - fs3"),
    ):
        rows.append(row(f"{mnemonic}.{suffix}", f"..... {width} {_REG} {_REG} ... {_REG} {opcode}", "fp3_rm",
                        "fd,fs1,fs2,fs3,rm", f"fd = {result}, rounded once", any=extension, flags="float"))
    for mnemonic, funct5, sign in (
        ("fadd", "00000", "+"), ("fsub", "00001", "-"), ("fmul", "00010", "*"), ("fdiv", "00011", "/"),
    ):  # fmt: skip
        rows.append(row(f"{mnemonic}.{suffix}", f"{funct5} {width} {_REG} {_REG} ... {_REG} {_OP}", "fp_rm",
                        "fd,fs1,fs2,rm", f"fd = fs1 {sign} fs2", any=extension, flags="float"))
    rows.append(row(f"fsqrt.{suffix}", f"01011 {width} 00000 {_REG} ... {_REG} {_OP}", "fp1_rm",
                    "fd,fs1,rm", "fd = sqrt(fs1)", any=extension, flags="float"))
    for mnemonic, funct5, funct3, syntax, semantics in (
        ("fsgnj", "00100", "000", "fd,fs1,fs2", "fd = fs1 with the sign of fs2"),
        ("fsgnjn", "00100", "001", "fd,fs1,fs2", "fd = fs1 with the opposite sign of fs2"),
        ("fsgnjx", "00100", "010", "fd,fs1,fs2", "fd = fs1 with the product of the signs"),
        ("fmin", "00101", "000", "fd,fs1,fs2", "fd = the smaller; the number where one is NaN"),
        ("fmax", "00101", "001", "fd,fs1,fs2", "fd = the larger; the number where one is NaN"),
        ("feq", "10100", "010", "rd,fs1,fs2", "rd = fs1 == fs2 (quiet)"),
        ("flt", "10100", "001", "rd,fs1,fs2", "rd = fs1 < fs2 (signaling)"),
        ("fle", "10100", "000", "rd,fs1,fs2", "rd = fs1 <= fs2 (signaling)"),
    ):
        rows.append(row(f"{mnemonic}.{suffix}", f"{funct5} {width} {_REG} {_REG} {funct3} {_REG} {_OP}", "fp",
                        syntax, semantics, any=extension, flags="float"))
    rows.append(row(f"fclass.{suffix}", f"11100 {width} 00000 {_REG} 001 {_REG} {_OP}", "fp1", "rd,fs1",
                    "rd = one bit for the class of fs1", any=extension, flags="float"))
    return rows


def _to_and_from_integer(suffix: str, width: str, extension: str) -> list[Instruction]:
    rows = []
    for integer, code in _INTEGERS:
        rows.append(row(f"fcvt.{integer}.{suffix}", f"11000 {width} {code} {_REG} ... {_REG} {_OP}", "fp1_rm",
                        "rd,fs1,rm", f"rd = {integer}(fs1), saturating", any=extension, flags="float"))
        # From a 32-bit integer to a double nothing is ever rounded: assemblers write rm = 0 there.
        exact = suffix == "d" and integer in ("w", "wu")
        rows.append(row(f"fcvt.{suffix}.{integer}", f"11010 {width} {code} {_REG} ... {_REG} {_OP}", "fp1_rm",
                        "fd,rs1,rm0" if exact else "fd,rs1,rm", f"fd = float({integer}(rs1))", any=extension,
                        flags="float"))
    return rows


_MOVES = tuple(
    instruction
    for name, width, extension, bits in (("w", "00", "f", 32), ("d", "01", "d", 64), ("h", "10", "zfhmin", 16))
    for instruction in (
        row(f"fmv.x.{name}", f"11100 {width} 00000 {_REG} 000 {_REG} {_OP}", "fp1", "rd,fs1",
            f"rd = sext(the low {bits} bits of fs1)" if bits < 64 else "rd = bits of fs1",
            any=extension, flags="float"),
        row(f"fmv.{name}.x", f"11110 {width} 00000 {_REG} 000 {_REG} {_OP}", "fp1", "fd,rs1",
            f"fd = box(the low {bits} bits of rs1)" if bits < 64 else "fd = bits of rs1",
            any=extension, flags="float"),
    )
)

_BETWEEN_WIDTHS = tuple(
    row(f"fcvt.{to}.{source}", f"01000 {to_code} {source_code} {_REG} ... {_REG} {_OP}", "fp1_rm",
        f"fd,fs1,{rm}", f"fd = fs1 as {to}", any=extension, all=also, flags="float")
    for to, to_code, source, source_code, rm, extension, also in (
        ("s", "00", "d", "00001", "rm", "d", ""),
        ("d", "01", "s", "00000", "rm0", "d", ""),
        ("s", "00", "h", "00010", "rm0", "zfhmin", ""),
        ("h", "10", "s", "00000", "rm", "zfhmin", ""),
        ("d", "01", "h", "00010", "rm0", "zfhmin", "d"),
        ("h", "10", "d", "00001", "rm", "zfhmin", "d"),
    )
)


def _additional(suffix: str, width: str, also: str) -> list[Instruction]:
    """Zfa in one width."""
    rows = [row(f"fli.{suffix}", f"11110 {width} 00001 {_REG} 000 {_REG} {_OP}", "fp1", "fd,fli",
                "fd = constant number rs1", any="zfa", all=also, flags="float")]
    for mnemonic, funct5, funct3, syntax, semantics in (
        ("fminm", "00101", "010", "fd,fs1,fs2", "fd = the smaller; NaN where one is NaN"),
        ("fmaxm", "00101", "011", "fd,fs1,fs2", "fd = the larger; NaN where one is NaN"),
        ("fleq", "10100", "100", "rd,fs1,fs2", "rd = fs1 <= fs2 (quiet)"),
        ("fltq", "10100", "101", "rd,fs1,fs2", "rd = fs1 < fs2 (quiet)"),
    ):
        rows.append(row(f"{mnemonic}.{suffix}", f"{funct5} {width} {_REG} {_REG} {funct3} {_REG} {_OP}", "fp",
                        syntax, semantics, any="zfa", all=also, flags="float"))
    for mnemonic, code, how in (("fround", "00100", "never inexact"), ("froundnx", "00101", "inexact is flagged")):
        rows.append(row(f"{mnemonic}.{suffix}", f"01000 {width} {code} {_REG} ... {_REG} {_OP}", "fp1_rm",
                        "fd,fs1,rm", f"fd = fs1 rounded to an integer, {how}", any="zfa", all=also, flags="float"))
    return rows


_MODULAR = row("fcvtmod.w.d", f"11000 01 01000 {_REG} 001 {_REG} {_OP}", "fp1", "rd,fs1,rtz",
               "rd = sext32(fs1 toward zero, modulo 2**32)", any="zfa", all="d", flags="float")

#: The rows of this group.
ROWS: tuple[Instruction, ...] = (
    *_memory(),
    *(one for suffix, width, extension, _ in _WIDTHS for one in _arithmetic(suffix, width, extension)),
    *(one for suffix, width, extension, _ in _WIDTHS for one in _to_and_from_integer(suffix, width, extension)),
    *_MOVES,
    *_BETWEEN_WIDTHS,
    *(one for suffix, width, _, also in _WIDTHS for one in _additional(suffix, width, also)),
    _MODULAR,
)
