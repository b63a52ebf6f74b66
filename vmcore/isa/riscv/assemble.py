"""The other way: words from rows. Tests and fuzzers make their instructions here."""

from __future__ import annotations

from random import Random

from vmcore.errors import IsaError
from vmcore.isa.riscv.row import Instruction
from vmcore.isa.riscv.table import find

__all__ = ["encode", "random_encoding"]

_TRIES = 10_000


def encode(row: Instruction, **operands: int) -> int:
    """Return the encoding of an instruction.

    Parameters
    ----------
    row : Instruction
        Which one.
    **operands : int
        ``rd``, ``rs1``, ``rs2``, ``rs3`` (register numbers), ``rm`` and ``imm``, as the format has them; what is left
        out is 0, or the value that the format fixes. ``imm`` is whatever the format's pieces hold: an immediate, a
        CSR's number, ``aq << 1 | rl``, the sets of a fence.

    Returns
    -------
    int
        The word, of ``row.size`` bytes.

    Raises
    ------
    IsaError
        An operand does not fit, or the encoding with these operands is not this instruction.

    Examples
    --------
    >>> from vmcore.isa.riscv import BY_MNEMONIC
    >>> hex(encode(BY_MNEMONIC["addi"], rd=10, rs1=10, imm=-1))
    '0xfff50513'
    """
    word = row.match
    for name, value in operands.items():
        word = _insert(row, word, name, value)
    held = row.format.extract(word)
    for name, value in operands.items():
        if held[name] != value:
            raise IsaError(f"{row.mnemonic} cannot have {name}={value} together with {operands}",
                           hint=f"Its encoding fixes or shares that operand: here it is {held[name]}")
    if not row.matches(word):
        raise IsaError(f"{row.mnemonic} with {operands} is another instruction or reserved",
                       hint=f"These operands must not be zero: {', '.join(row.nonzero) or 'none'}")
    return word


def _insert(row: Instruction, word: int, name: str, value: int) -> int:
    if name == "imm":
        return _insert_immediate(row, word, value)
    if name not in ("rd", "rs1", "rs2", "rs3", "rm"):
        raise IsaError(f"{name!r} is no operand of an instruction", hint="Use rd, rs1, rs2, rs3, rm or imm")
    lo, width, add = row.format.field(name)
    if not 0 <= value - add < 1 << width:
        raise IsaError(f"{row.mnemonic} cannot have {name}={value}",
                       hint=f"Allowed are {add} to {add + (1 << width) - 1}")
    return word & ~((1 << width) - 1 << lo) | value - add << lo


def _insert_immediate(row: Instruction, word: int, value: int) -> int:
    form = row.format
    low = -(1 << form.bits - 1) if form.signed else 0
    high = low + (1 << form.bits) - 1 if form.bits else 0
    held = sum((1 << width) - 1 << to for _, width, to in form.pieces)
    if not low <= value <= high or value & (1 << form.bits) - 1 & ~held:
        step = (held & -held) or 1
        raise IsaError(f"{row.mnemonic} cannot have imm={value}",
                       hint=f"Allowed are {low} to {high} in steps of {step}")
    for lo, width, to in form.pieces:
        # The constant immediates of c.zext.b and c.not are made of bits that the row fixes.
        field = ((1 << width) - 1 << lo) & ~row.mask
        word = word & ~field | (value >> to << lo & field)
    return word


def random_encoding(
    row: Instruction, rng: Random, *, isa_mask: int | None = None, ignored: bool = False, **operands: int
) -> int:
    """Return a random encoding of an instruction: one that is decoded as it and that is not reserved.

    Parameters
    ----------
    row : Instruction
        Which one.
    rng : random.Random
        Where the bits come from.
    isa_mask : int, optional
        ISA bits of the hart; default: everything is on.
    ignored : bool
        Also fill the bits that the instruction ignores.
    **operands : int
        Operands that are not left to chance, as in :func:`encode`.

    Returns
    -------
    int
        The word, of ``row.size`` bytes.

    Raises
    ------
    IsaError
        An operand does not fit, or no encoding was found: the instruction is off, or the operands given rule it out.
    """
    free = row.format.operand_bits & ~row.mask | (row.ignored_bits if ignored else 0)
    for _ in range(_TRIES):
        word = row.match | rng.getrandbits(8 * row.size) & free
        for name, value in operands.items():
            word = _insert(row, word, name, value)
        if find(word, isa_mask) is row and not row.reserved(word):
            return word
    raise IsaError(f"no encoding of {row.mnemonic} has {operands or 'free operands'}",
                   hint="Check that its extension is on and that the operands given are not reserved")
