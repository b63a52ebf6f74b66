"""The disassembler, made of the rows alone.

The words of a row's assembly syntax:

========================  ====================================================================
``rd rs1 rs2``            integer register
``fd fs1 fs2 fs3``        floating-point register
``imm`` ``nzimm``         signed number; ``nzimm`` is left out where it is zero
``shamt`` ``hi20``        shift amount; upper 20 bits, both in hexadecimal
``target``                address that pc + imm makes, with its symbol
``off(rs1)`` ``(rs1)``    memory operand
``csr`` ``zimm``          CSR by name; the number in the place of rs1
``fence``                 predecessor and successor sets
``rm`` ``rm0`` ``rtz``    rounding mode, left out where it is dynamic (``rm``) or 0 (``rm0``); fixed
``bs`` ``rnum`` ``fli``   byte select, round number, constant of fli
========================  ====================================================================
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from vmcore.isa.riscv.csrs import csr_name
from vmcore.isa.riscv.extensions import Isa
from vmcore.isa.riscv.isastring import parse_isa
from vmcore.isa.riscv.pseudo import PSEUDOS
from vmcore.isa.riscv.row import Instruction
from vmcore.isa.riscv.rows.floating import FLI_CONSTANTS
from vmcore.isa.riscv.table import BY_MNEMONIC, find

__all__ = ["FLOAT_REGISTERS", "INTEGER_REGISTERS", "Disassembler", "Line", "disassemble", "instruction_length"]

#: The ABI names of x0 to x31.
INTEGER_REGISTERS = (
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
    "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
)  # fmt: skip

#: The ABI names of f0 to f31.
FLOAT_REGISTERS = (
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
    "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
)  # fmt: skip

_ROUNDING = ("rne", "rtz", "rdn", "rup", "rmm", "", "", "dyn")
_ORDERING = ("", ".rl", ".aq", ".aqrl")
_DYNAMIC = 7
_ADDRESS_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Line:
    """One disassembled instruction.

    Parameters
    ----------
    address : int
        Where it is.
    raw : bytes
        Its bytes.
    mnemonic : str
        Its name; ``.insn`` or ``.byte`` where the bytes are no instruction of this hart.
    operands : str
        Its operands, as assembly writes them.
    """

    address: int
    raw: bytes
    mnemonic: str
    operands: str

    @property
    def text(self) -> str:
        """Mnemonic and operands."""
        return f"{self.mnemonic} {self.operands}".rstrip()

    def __str__(self) -> str:
        """Return the line as an object dump shows it."""
        raw = self.raw[::-1].hex()
        return f"{self.address:8x}:\t{raw:<12}\t{self.mnemonic}\t{self.operands}".rstrip()


def instruction_length(halfword: int) -> int:
    """Return the bytes of the instruction that begins with `halfword`, by the scheme of the specification.

    Encodings of more than 64 bits are reserved; they are taken as 2 bytes, like what has no length at all.
    """
    if halfword & 0b11 != 0b11:
        return 2
    if halfword & 0b11111 != 0b11111:
        return 4
    if halfword & 0b111111 == 0b011111:
        return 6
    if halfword & 0b1111111 == 0b0111111:
        return 8
    return 2


def _fence_set(bits: int) -> str:
    names = "".join(name for name, bit in (("i", 8), ("o", 4), ("r", 2), ("w", 1)) if bits & bit)
    return names or "0"


_OPERANDS: dict[str, Callable[[dict[str, int]], str]] = {
    "rd": lambda ops: INTEGER_REGISTERS[ops["rd"]],
    "rs1": lambda ops: INTEGER_REGISTERS[ops["rs1"]],
    "rs2": lambda ops: INTEGER_REGISTERS[ops["rs2"]],
    "fd": lambda ops: FLOAT_REGISTERS[ops["rd"]],
    "fs1": lambda ops: FLOAT_REGISTERS[ops["rs1"]],
    "fs2": lambda ops: FLOAT_REGISTERS[ops["rs2"]],
    "fs3": lambda ops: FLOAT_REGISTERS[ops["rs3"]],
    "imm": lambda ops: str(ops["imm"]),
    "nzimm": lambda ops: str(ops["imm"] or ""),
    "shamt": lambda ops: hex(ops["imm"]),
    "hi20": lambda ops: hex(ops["imm"] >> 12 & 0xFFFFF),
    "off(rs1)": lambda ops: f"{ops['imm']}({INTEGER_REGISTERS[ops['rs1']]})",
    "(rs1)": lambda ops: f"({INTEGER_REGISTERS[ops['rs1']]})",
    "csr": lambda ops: csr_name(ops["imm"]),
    "zimm": lambda ops: str(ops["rs1"]),
    "fence": lambda ops: f"{_fence_set(ops['imm'] >> 4)},{_fence_set(ops['imm'] & 15)}",
    "rm": lambda ops: _ROUNDING[ops["rm"]] if ops["rm"] != _DYNAMIC else "",
    "rm0": lambda ops: _ROUNDING[ops["rm"]] if ops["rm"] else "",
    "rtz": lambda ops: "rtz",
    "bs": lambda ops: str(ops["imm"]),
    "rnum": lambda ops: str(ops["imm"]),
    "fli": lambda ops: FLI_CONSTANTS[ops["rs1"]],
}


class Disassembler:
    """Turns bytes into lines.

    Parameters
    ----------
    isa : Isa or str, optional
        The hart: encodings of extensions that are off are shown as unknown. Default: everything is on.
    symbols : mapping of int to str, optional
        Address to name; branch targets are shown with them.
    aliases : bool
        Use pseudo-instructions, and the plain names of compressed instructions.
    """

    def __init__(
        self, isa: Isa | str | None = None, symbols: Mapping[int, str] | None = None, *, aliases: bool = True
    ) -> None:
        chosen = parse_isa(isa) if isinstance(isa, str) else isa
        self._mask = None if chosen is None else chosen.mask
        self._symbols = dict(symbols or {})
        self._addresses = sorted(self._symbols)
        self._aliases = aliases

    def disassemble(self, code: bytes, address: int = 0) -> Iterator[Line]:
        """Yield a line for each instruction of `code`, which lies at `address`.

        Every byte is part of exactly one line, whatever the bytes are.
        """
        offset = 0
        while offset < len(code):
            line = self.line(code[offset : offset + 8], address + offset & _ADDRESS_MASK)
            yield line
            offset += len(line.raw)

    def line(self, code: bytes, address: int = 0) -> Line:
        """Return the line of the first instruction in `code`, which holds at least one byte."""
        if len(code) < 2:
            return Line(address, bytes(code[:1]), ".byte", f"0x{code[0]:02x}")
        size = instruction_length(int.from_bytes(code[:2], "little"))
        if len(code) < size:
            size = 2
        raw = bytes(code[:size])
        word = int.from_bytes(raw, "little")
        # An instruction cut off by the end of the code looks like four bytes but is only two: no row may take it.
        whole = size == 4 or (size == 2 and word & 3 != 3)
        found = find(word, self._mask) if whole else None
        if word == 0 and size == 2:
            return Line(address, raw, "unimp" if self._aliases else "c.unimp", "")
        if found is None or found.reserved(word):
            return Line(address, raw, ".insn", f"{size}, 0x{word:0{2 * size}x}")
        mnemonic, operands = self._render(found, word, address)
        return Line(address, raw, mnemonic, operands)

    def _render(self, row: Instruction, word: int, address: int) -> tuple[str, str]:
        operands = row.format.extract(word)
        mnemonic, syntax = row.mnemonic, row.tokens
        if self._aliases:
            mnemonic, syntax = self._alias(row, operands)
        if "aqrl" in row.flags:
            mnemonic += _ORDERING[operands["imm"]]
        texts = (
            self._target(address + operands["imm"] & _ADDRESS_MASK) if token == "target" else _OPERANDS[token](operands)
            for token in syntax
        )
        return mnemonic, ",".join(text for text in texts if text)

    @staticmethod
    def _alias(row: Instruction, operands: dict[str, int]) -> tuple[str, tuple[str, ...]]:
        """Return the friendliest name of an instruction and its syntax."""
        base = row
        if row.size == 2 and row.mnemonic not in PSEUDOS:
            base = BY_MNEMONIC.get(row.handler, row)
        for pseudo in PSEUDOS.get(base.mnemonic, ()):
            if pseudo.fits(operands):
                return pseudo.mnemonic, tuple(pseudo.syntax.split(",")) if pseudo.syntax else ()
        return base.mnemonic, base.tokens

    def _target(self, target: int) -> str:
        at = bisect_right(self._addresses, target) - 1
        if at < 0:
            return hex(target)
        start = self._addresses[at]
        plus = f"+{target - start:#x}" if target != start else ""
        return f"{target:#x} <{self._symbols[start]}{plus}>"


def disassemble(
    code: bytes,
    address: int = 0,
    isa: Isa | str | None = None,
    symbols: Mapping[int, str] | None = None,
    *,
    aliases: bool = True,
) -> Iterator[Line]:
    """Yield a line for each instruction of `code`: ``Disassembler(isa, symbols).disassemble(code, address)``.

    Parameters
    ----------
    code : bytes
        What to disassemble.
    address : int
        Where it lies.
    isa, symbols, aliases
        As in :class:`Disassembler`.

    Yields
    ------
    Line
        One for each instruction.
    """
    yield from Disassembler(isa, symbols, aliases=aliases).disassemble(code, address)
