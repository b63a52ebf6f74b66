"""The row: what the project knows about one instruction."""

from __future__ import annotations

from dataclasses import dataclass

from vmcore.isa.riscv.formats import FORMATS, Format

__all__ = ["FLAGS", "RESERVED_ROUNDING", "Instruction", "row"]

#: What a flag of a row says.
FLAGS = {
    "aqrl": "carries the aq and rl ordering bits, shown as a suffix of the mnemonic",
    "atomic": "reads and writes memory in one step, or reserves it",
    "branch": "may go to pc + imm",
    "even": "the registers rd and rs2 name pairs and must be even",
    "float": "uses the floating-point unit: illegal while mstatus.FS is off",
    "hint": "changes no architectural state",
    "jump": "always goes elsewhere",
    "load": "reads memory",
    "privileged": "its legality depends on the privilege mode or on a control register",
    "rnum": "imm is a round number: above 10 it is reserved",
    "store": "writes memory",
    "system": "reads or changes the state of the hart beyond its registers",
}

#: Values of the rounding-mode field that are reserved: the instruction is illegal.
RESERVED_ROUNDING = (5, 6)

_NONZERO = {"rd": 1, "rs1": 2, "rs2": 4, "imm": 8}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Parameters
    ----------
    mnemonic : str
        Its name, such as ``fadd.d``.
    match, mask : int
        ``word & mask == match`` for its encodings.
    format : Format
        Where the operands are.
    any : tuple of str
        Extensions that each bring the instruction; empty for the base integer set.
    all : tuple of str
        Extensions that are needed besides.
    handler : str
        Name of the handler that executes it; a compressed row names that of the instruction it stands for.
    syntax : str
        Operands in assembly, separated by commas (see :mod:`vmcore.isa.riscv.disasm`).
    semantics : str
        What it does, in one line.
    flags : frozenset of str
        Keys of :data:`FLAGS`.
    nonzero : tuple of str
        Operands (``rd``, ``rs1``, ``rs2``, ``imm``) that must not be zero; where one is, this row does not match.
    """

    mnemonic: str
    match: int
    mask: int
    format: Format
    any: tuple[str, ...]
    all: tuple[str, ...]
    handler: str
    syntax: str
    semantics: str
    flags: frozenset[str]
    nonzero: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of the encoding: 2 or 4."""
        return self.format.size

    @property
    def tokens(self) -> tuple[str, ...]:
        """The operands of the assembly syntax."""
        return tuple(self.syntax.split(",")) if self.syntax else ()

    @property
    def rd_is_float(self) -> bool:
        """Whether the destination is a floating-point register."""
        return "fd" in self.tokens

    @property
    def nonzero_bits(self) -> int:
        """`nonzero` as bits: 1 rd, 2 rs1, 4 rs2, 8 imm."""
        return sum(_NONZERO[name] for name in self.nonzero)

    @property
    def ignored_bits(self) -> int:
        """The bits of an encoding that neither select the instruction nor hold an operand."""
        return (1 << 8 * self.size) - 1 & ~(self.mask | self.format.operand_bits)

    def matches(self, word: int) -> bool:
        """Whether `word` is decoded by this row (a more specific row may take it first)."""
        if word & self.mask != self.match:
            return False
        if not self.nonzero:
            return True
        operands = self.format.extract(word)
        return all_nonzero(operands, self.nonzero)

    def reserved(self, word: int) -> bool:
        """Whether an operand of `word` has a reserved value, on which the handler raises illegal instruction."""
        operands = self.format.extract(word)
        if self.format.rm[1] and operands["rm"] in RESERVED_ROUNDING:
            return True
        if "even" in self.flags and (operands["rd"] | operands["rs2"]) & 1:
            return True
        return "rnum" in self.flags and operands["imm"] > 10


def all_nonzero(operands: dict[str, int], names: tuple[str, ...]) -> bool:
    """Whether every operand named is not zero."""
    return all(operands[name] for name in names)


def _parse(pattern: str) -> tuple[int, int, int]:
    """Return match, mask and bytes of a pattern: 0 and 1 fixed, ``.`` an operand or ignored, spaces free."""
    bits = pattern.replace(" ", "")
    match = int(bits.replace(".", "0"), 2)
    mask = int(bits.replace("0", "1").replace(".", "0"), 2)
    return match, mask, len(bits) // 8


def row(
    mnemonic: str,
    pattern: str,
    format: str,
    syntax: str,
    semantics: str,
    *,
    any: str = "",
    all: str = "",
    handler: str = "",
    flags: str = "",
    nonzero: str = "",
) -> Instruction:
    """Build a row from text as the rows' files hold it.

    Parameters
    ----------
    mnemonic, syntax, semantics : str
        As in :class:`Instruction`.
    pattern : str
        The encoding, most significant bit first: ``0``, ``1``, or ``.`` for a bit that the row leaves open.
    format : str
        A key of :data:`~vmcore.isa.riscv.formats.FORMATS`.
    any, all, flags, nonzero : str
        As in :class:`Instruction`, separated by spaces.
    handler : str
        Default: the mnemonic.

    Returns
    -------
    Instruction
        The row.

    Raises
    ------
    ValueError
        The pattern's length is not the format's, or a flag is unknown.
    """
    match, mask, size = _parse(pattern)
    form = FORMATS[format]
    if size != form.size or len(pattern.replace(" ", "")) != 8 * size:
        raise ValueError(f"{mnemonic}: the pattern does not have the {8 * form.size} bits of format {format}")
    unknown = set(flags.split()) - set(FLAGS)
    if unknown:
        raise ValueError(f"{mnemonic}: unknown flags {sorted(unknown)}")
    return Instruction(
        mnemonic,
        match,
        mask,
        form,
        tuple(any.split()),
        tuple(all.split()),
        handler or mnemonic,
        syntax,
        semantics,
        frozenset(flags.split()),
        tuple(nonzero.split()),
    )
