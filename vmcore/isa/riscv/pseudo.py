"""Pseudo-instructions: friendlier names that the disassembler gives to special cases of a row.

Source: The RISC-V Assembly Programmer's Manual, "Assembler pseudoinstructions".
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PSEUDOS", "Pseudo"]


@dataclass(frozen=True, slots=True)
class Pseudo:
    """A pseudo-instruction.

    Parameters
    ----------
    mnemonic : str
        The friendlier name.
    base : str
        Mnemonic of the row that it is a case of.
    syntax : str
        Its operands, in the words of the row's.
    where : tuple of (str, int or str)
        Each operand named has that value, or that of the other operand named.
    """

    mnemonic: str
    base: str
    syntax: str
    where: tuple[tuple[str, int | str], ...]

    def fits(self, operands: dict[str, int]) -> bool:
        """Whether these operands of its base are the special case."""
        return all(
            operands[name] == (operands[value] if isinstance(value, str) else value) for name, value in self.where
        )


def _pseudo(mnemonic: str, base: str, syntax: str, **where: int | str) -> Pseudo:
    return Pseudo(mnemonic, base, syntax, tuple(where.items()))


_FCSR, _FRM, _FFLAGS = 3, 2, 1

_TABLE = (
    _pseudo("nop", "addi", "", rd=0, rs1=0, imm=0),
    _pseudo("li", "addi", "rd,imm", rs1=0),
    _pseudo("mv", "addi", "rd,rs1", imm=0),
    _pseudo("nop", "c.nop", "", imm=0),
    _pseudo("mv", "c.mv", "rd,rs2"),
    _pseudo("not", "xori", "rd,rs1", imm=-1),
    _pseudo("zext.b", "andi", "rd,rs1", imm=255),
    _pseudo("sext.w", "addiw", "rd,rs1", imm=0),
    _pseudo("zext.w", "add.uw", "rd,rs1", rs2=0),
    _pseudo("neg", "sub", "rd,rs2", rs1=0),
    _pseudo("negw", "subw", "rd,rs2", rs1=0),
    _pseudo("seqz", "sltiu", "rd,rs1", imm=1),
    _pseudo("snez", "sltu", "rd,rs2", rs1=0),
    _pseudo("sltz", "slt", "rd,rs1", rs2=0),
    _pseudo("sgtz", "slt", "rd,rs2", rs1=0),
    _pseudo("beqz", "beq", "rs1,target", rs2=0),
    _pseudo("bnez", "bne", "rs1,target", rs2=0),
    _pseudo("bltz", "blt", "rs1,target", rs2=0),
    _pseudo("bgez", "bge", "rs1,target", rs2=0),
    _pseudo("bgtz", "blt", "rs2,target", rs1=0),
    _pseudo("blez", "bge", "rs2,target", rs1=0),
    _pseudo("j", "jal", "target", rd=0),
    _pseudo("jal", "jal", "target", rd=1),
    _pseudo("ret", "jalr", "", rd=0, rs1=1, imm=0),
    _pseudo("jr", "jalr", "rs1", rd=0, imm=0),
    _pseudo("jr", "jalr", "off(rs1)", rd=0),
    _pseudo("jalr", "jalr", "rs1", rd=1, imm=0),
    _pseudo("jalr", "jalr", "off(rs1)", rd=1),
    _pseudo("fence", "fence", "", imm=255),
    _pseudo("sfence.vma", "sfence.vma", "", rs1=0, rs2=0),
    _pseudo("sfence.vma", "sfence.vma", "rs1", rs2=0),
    _pseudo("unimp", "csrrw", "", rd=0, rs1=0, imm=0xC00),
    _pseudo("rdcycle", "csrrs", "rd", imm=0xC00, rs1=0),
    _pseudo("rdtime", "csrrs", "rd", imm=0xC01, rs1=0),
    _pseudo("rdinstret", "csrrs", "rd", imm=0xC02, rs1=0),
    _pseudo("frcsr", "csrrs", "rd", imm=_FCSR, rs1=0),
    _pseudo("frrm", "csrrs", "rd", imm=_FRM, rs1=0),
    _pseudo("frflags", "csrrs", "rd", imm=_FFLAGS, rs1=0),
    _pseudo("fscsr", "csrrw", "rs1", imm=_FCSR, rd=0),
    _pseudo("fscsr", "csrrw", "rd,rs1", imm=_FCSR),
    _pseudo("fsrm", "csrrw", "rs1", imm=_FRM, rd=0),
    _pseudo("fsrm", "csrrw", "rd,rs1", imm=_FRM),
    _pseudo("fsflags", "csrrw", "rs1", imm=_FFLAGS, rd=0),
    _pseudo("fsflags", "csrrw", "rd,rs1", imm=_FFLAGS),
    _pseudo("fsrmi", "csrrwi", "zimm", imm=_FRM, rd=0),
    _pseudo("fsrmi", "csrrwi", "rd,zimm", imm=_FRM),
    _pseudo("fsflagsi", "csrrwi", "zimm", imm=_FFLAGS, rd=0),
    _pseudo("fsflagsi", "csrrwi", "rd,zimm", imm=_FFLAGS),
    _pseudo("csrr", "csrrs", "rd,csr", rs1=0),
    _pseudo("csrw", "csrrw", "csr,rs1", rd=0),
    _pseudo("csrs", "csrrs", "csr,rs1", rd=0),
    _pseudo("csrc", "csrrc", "csr,rs1", rd=0),
    _pseudo("csrwi", "csrrwi", "csr,zimm", rd=0),
    _pseudo("csrsi", "csrrsi", "csr,zimm", rd=0),
    _pseudo("csrci", "csrrci", "csr,zimm", rd=0),
    *(_pseudo(f"fmv.{width}", f"fsgnj.{width}", "fd,fs1", rs1="rs2") for width in "sdh"),
    *(_pseudo(f"fneg.{width}", f"fsgnjn.{width}", "fd,fs1", rs1="rs2") for width in "sdh"),
    *(_pseudo(f"fabs.{width}", f"fsgnjx.{width}", "fd,fs1", rs1="rs2") for width in "sdh"),
)


def _by_base() -> dict[str, tuple[Pseudo, ...]]:
    table: dict[str, tuple[Pseudo, ...]] = {}
    for one in _TABLE:
        table[one.base] = (*table.get(one.base, ()), one)
    return table


#: The pseudo-instructions of each row, the most special first.
PSEUDOS: dict[str, tuple[Pseudo, ...]] = _by_base()
