"""A small assembler for the tests' own loops and trap handlers: rows by name, labels, constants."""

from __future__ import annotations

from vmcore.isa.riscv import BY_MNEMONIC
from vmcore.isa.riscv.assemble import encode


class Assembler:
    """Instructions by name, with labels."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.items: list[tuple[str, dict[str, int], str | None]] = []
        self.labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        self.labels[name] = self.base + 4 * len(self.items)

    def emit(self, mnemonic: str, to: str | None = None, **operands: int) -> None:
        self.items.append((mnemonic, operands, to))

    def value(self, rd: int, value: int) -> None:
        """Load a constant below 2**43: eleven bits after eleven, so that none of them is a sign."""
        self.emit("addi", rd=rd, rs1=0, imm=value >> 33)
        for shift in (22, 11, 0):
            self.emit("slli", rd=rd, rs1=rd, imm=11)
            self.emit("ori", rd=rd, rs1=rd, imm=value >> shift & 0x7FF)

    def code(self) -> bytes:
        words = []
        for index, (mnemonic, operands, to) in enumerate(self.items):
            if to is not None:
                operands = {**operands, "imm": self.labels[to] - (self.base + 4 * index)}
            words.append(encode(BY_MNEMONIC[mnemonic], **operands).to_bytes(4, "little"))
        return b"".join(words)


def assemble(*lines: str) -> bytes:
    """Encode instructions written as ``"addi rd=10 rs1=10 imm=1"``."""
    code = b""
    for line in lines:
        name, *operands = line.split()
        values = {key: int(value, 0) for key, value in (operand.split("=") for operand in operands)}
        word = encode(BY_MNEMONIC[name], **values)
        code += word.to_bytes(4 if word & 3 == 3 else 2, "little")
    return code
