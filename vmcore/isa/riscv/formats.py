"""Every operand format: where an encoding keeps its registers and its immediate, and how the core packs them.

A register field is ``(lo, width, add)``: the value is ``bits(lo, width) + add``. A field of width 0 is the constant
``add``, which is how a compressed instruction names ``x0``, ``ra`` or ``sp`` without spending bits on it.

An immediate is a list of pieces ``(lo, width, to)``: ``imm |= bits(lo, width) << to``. It is sign-extended from bit
``bits - 1`` when ``signed``. Pieces also carry what other architectures' manuals would not call an immediate: the
number of a CSR, the ``aq``/``rl`` pair (bit 0 is ``rl``), the byte select of SM4, the predecessor and successor sets
of ``fence``.

Sources: The RISC-V Instruction Set Manual, volume I: "Base Instruction Formats", "Immediate Encoding
Variants", "Compressed Instruction Formats", Zcb.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FORMATS", "SHAPES", "Field", "Format", "Piece"]

Field = tuple[int, int, int]
Piece = tuple[int, int, int]

#: How the decoded operation holds its operands: the packing that the handlers of the core rely on.
SHAPES = {
    "I": "rd, rs1, imm (also upper immediates, jumps and shifts)",
    "R": "rd, rs1, imm = rs2",
    "S": "rs2 in the place of rd, rs1, imm (stores and branches)",
    "FP": "rd, rs1, imm = rs2 | rs3 << 8 | rm << 16",
    "AMO": "rd, rs1, imm = rs2 | pieces << 8",
    "CSR": "rd, rs1 (a register number or a five-bit immediate), imm = CSR number",
}

_NONE: Field = (0, 0, 0)
_RA: Field = (0, 0, 1)
_SP: Field = (0, 0, 2)
_RD: Field = (7, 5, 0)
_RS1: Field = (15, 5, 0)
_RS2: Field = (20, 5, 0)
_RS3: Field = (27, 5, 0)
_RM: Field = (12, 3, 0)
# Compressed: a full register number at bit 7 or 2, or one of x8-x15 in three bits there.
_C7: Field = (7, 5, 0)
_C2: Field = (2, 5, 0)
_P7: Field = (7, 3, 8)
_P2: Field = (2, 3, 8)


@dataclass(frozen=True, slots=True)
class Format:
    """An operand format.

    Parameters
    ----------
    name : str
        Its name; an :class:`~vmcore.isa.riscv.row.Instruction` refers to it.
    shape : str
        A key of :data:`SHAPES`.
    size : int
        Bytes of the encoding: 2 or 4.
    rd, rs1, rs2, rs3, rm : tuple of (lo, width, add)
        Register fields and the rounding mode.
    pieces : tuple of (lo, width, to)
        The immediate's pieces.
    bits : int
        Width of the immediate.
    signed : bool
        Whether the immediate is sign-extended.
    """

    name: str
    shape: str
    size: int = 4
    rd: Field = _NONE
    rs1: Field = _NONE
    rs2: Field = _NONE
    rs3: Field = _NONE
    rm: Field = _NONE
    pieces: tuple[Piece, ...] = ()
    bits: int = 0
    signed: bool = False

    def field(self, name: str) -> Field:
        """Return the register field of that name (``rd``, ``rs1``, ``rs2``, ``rs3`` or ``rm``)."""
        fields = {"rd": self.rd, "rs1": self.rs1, "rs2": self.rs2, "rs3": self.rs3, "rm": self.rm}
        return fields[name]

    @property
    def operand_bits(self) -> int:
        """The bits of an encoding that hold an operand."""
        mask = 0
        for lo, width, _ in (self.rd, self.rs1, self.rs2, self.rs3, self.rm, *self.pieces):
            mask |= ((1 << width) - 1) << lo
        return mask

    def extract(self, word: int) -> dict[str, int]:
        """Return the operands of `word`: ``rd``, ``rs1``, ``rs2``, ``rs3``, ``rm`` and ``imm``."""
        values = {}
        for name in ("rd", "rs1", "rs2", "rs3", "rm"):
            lo, width, add = self.field(name)
            values[name] = (word >> lo & (1 << width) - 1) + add
        imm = 0
        for lo, width, to in self.pieces:
            imm |= (word >> lo & (1 << width) - 1) << to
        if self.signed and imm >> (self.bits - 1) & 1:
            imm -= 1 << self.bits
        values["imm"] = imm
        return values


def _wide(name: str, shape: str, *operands: str, imm: tuple[Piece, ...] = (), bits: int = 0,
          signed: bool = False) -> Format:
    """Return a 32-bit format: `operands` are those of rd, rs1, rs2, rs3, rm that it has, at their usual places."""
    places = {"rd": _RD, "rs1": _RS1, "rs2": _RS2, "rs3": _RS3, "rm": _RM}
    fields = {name: places[name] for name in operands}
    return Format(name, shape, 4, **fields, pieces=imm, bits=bits, signed=signed)


_WIDE = (
    _wide("r", "R", "rd", "rs1", "rs2"),
    _wide("r_rs1_rs2", "R", "rs1", "rs2"),
    _wide("i", "I", "rd", "rs1", imm=((20, 12, 0),), bits=12, signed=True),
    _wide("shift5", "I", "rd", "rs1", imm=((20, 5, 0),), bits=5),
    _wide("shift6", "I", "rd", "rs1", imm=((20, 6, 0),), bits=6),
    _wide("rnum", "I", "rd", "rs1", imm=((20, 4, 0),), bits=4),
    _wide("unary", "I", "rd", "rs1"),
    _wide("rs1", "I", "rs1"),
    _wide("none", "I"),
    _wide("fence", "I", imm=((20, 8, 0),), bits=8),
    _wide("prefetch", "I", "rs1", imm=((25, 7, 5),), bits=12, signed=True),
    _wide("u", "I", "rd", imm=((12, 20, 12),), bits=32, signed=True),
    _wide("j", "I", "rd", imm=((21, 10, 1), (20, 1, 11), (12, 8, 12), (31, 1, 20)), bits=21, signed=True),
    _wide("s", "S", "rs1", "rs2", imm=((7, 5, 0), (25, 7, 5)), bits=12, signed=True),
    _wide("b", "S", "rs1", "rs2", imm=((8, 4, 1), (25, 6, 5), (7, 1, 11), (31, 1, 12)), bits=13, signed=True),
    _wide("csr", "CSR", "rd", "rs1", imm=((20, 12, 0),), bits=12),
    _wide("amo", "AMO", "rd", "rs1", "rs2", imm=((25, 2, 0),), bits=2),
    _wide("lr", "AMO", "rd", "rs1", imm=((25, 2, 0),), bits=2),
    _wide("sm4", "AMO", "rd", "rs1", "rs2", imm=((30, 2, 0),), bits=2),
    _wide("fp", "FP", "rd", "rs1", "rs2"),
    _wide("fp_rm", "FP", "rd", "rs1", "rs2", "rm"),
    _wide("fp1", "FP", "rd", "rs1"),
    _wide("fp1_rm", "FP", "rd", "rs1", "rm"),
    _wide("fp3_rm", "FP", "rd", "rs1", "rs2", "rs3", "rm"),
)

# The scrambled immediates of the compressed formats keep each bit at the same place in as many formats as possible.
_CI = ((2, 5, 0), (12, 1, 5))
_CLW = ((6, 1, 2), (10, 3, 3), (5, 1, 6))
_CLD = ((10, 3, 3), (5, 2, 6))
_CJ = ((3, 3, 1), (11, 1, 4), (2, 1, 5), (7, 1, 6), (6, 1, 7), (9, 2, 8), (8, 1, 10), (12, 1, 11))
_CB = ((3, 2, 1), (10, 2, 3), (2, 1, 5), (5, 2, 6), (12, 1, 8))

_NARROW = (
    Format("c_none", "I", 2),
    Format("c_nop", "I", 2, pieces=_CI, bits=6, signed=True),
    Format("c_i", "I", 2, rd=_C7, rs1=_C7, pieces=_CI, bits=6, signed=True),
    Format("c_li", "I", 2, rd=_C7, pieces=_CI, bits=6, signed=True),
    Format("c_lui", "I", 2, rd=_C7, pieces=((2, 5, 12), (12, 1, 17)), bits=18, signed=True),
    Format("c_addi16sp", "I", 2, rd=_SP, rs1=_SP, bits=10, signed=True,
           pieces=((6, 1, 4), (2, 1, 5), (5, 1, 6), (3, 2, 7), (12, 1, 9))),
    Format("c_addi4spn", "I", 2, rd=_P2, rs1=_SP, pieces=((6, 1, 2), (5, 1, 3), (11, 2, 4), (7, 4, 6)), bits=10),
    Format("c_slli", "I", 2, rd=_C7, rs1=_C7, pieces=_CI, bits=6),
    Format("c_shift", "I", 2, rd=_P7, rs1=_P7, pieces=_CI, bits=6),
    Format("c_andi", "I", 2, rd=_P7, rs1=_P7, pieces=_CI, bits=6, signed=True),
    Format("c_a", "R", 2, rd=_P7, rs1=_P7, rs2=_P2),
    Format("c_add", "R", 2, rd=_C7, rs1=_C7, rs2=_C2),
    Format("c_mv", "R", 2, rd=_C7, rs2=_C2),
    Format("c_jr", "I", 2, rs1=_C7),
    Format("c_jalr", "I", 2, rd=_RA, rs1=_C7),
    Format("c_j", "I", 2, pieces=_CJ, bits=12, signed=True),
    Format("c_b", "S", 2, rs1=_P7, pieces=_CB, bits=9, signed=True),
    Format("c_lw", "I", 2, rd=_P2, rs1=_P7, pieces=_CLW, bits=7),
    Format("c_ld", "I", 2, rd=_P2, rs1=_P7, pieces=_CLD, bits=8),
    Format("c_sw", "S", 2, rs2=_P2, rs1=_P7, pieces=_CLW, bits=7),
    Format("c_sd", "S", 2, rs2=_P2, rs1=_P7, pieces=_CLD, bits=8),
    Format("c_lwsp", "I", 2, rd=_C7, rs1=_SP, pieces=((4, 3, 2), (12, 1, 5), (2, 2, 6)), bits=8),
    Format("c_ldsp", "I", 2, rd=_C7, rs1=_SP, pieces=((5, 2, 3), (12, 1, 5), (2, 3, 6)), bits=9),
    Format("c_swsp", "S", 2, rs2=_C2, rs1=_SP, pieces=((9, 4, 2), (7, 2, 6)), bits=8),
    Format("c_sdsp", "S", 2, rs2=_C2, rs1=_SP, pieces=((10, 3, 3), (7, 3, 6)), bits=9),
    Format("c_lb", "I", 2, rd=_P2, rs1=_P7, pieces=((6, 1, 0), (5, 1, 1)), bits=2),
    Format("c_lh", "I", 2, rd=_P2, rs1=_P7, pieces=((5, 1, 1),), bits=2),
    Format("c_sb", "S", 2, rs2=_P2, rs1=_P7, pieces=((6, 1, 0), (5, 1, 1)), bits=2),
    Format("c_sh", "S", 2, rs2=_P2, rs1=_P7, pieces=((5, 1, 1),), bits=2),
    Format("c_unary", "I", 2, rd=_P7, rs1=_P7),
    Format("c_zext_w", "R", 2, rd=_P7, rs1=_P7),
    # The immediates of the instructions that c.zext.b (andi 255) and c.not (xori -1) stand for are constants, and
    # a format has only bits of the encoding to make them of: these are bits that are always one there.
    Format("c_zext_b", "I", 2, rd=_P7, rs1=_P7, pieces=((10, 3, 0), (5, 2, 3), (10, 3, 5)), bits=9),
    Format("c_not", "I", 2, rd=_P7, rs1=_P7, pieces=((0, 1, 0),), bits=1, signed=True),
)

#: Every format by name.
FORMATS: dict[str, Format] = {form.name: form for form in (*_WIDE, *_NARROW)}
