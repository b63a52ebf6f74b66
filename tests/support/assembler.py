"""A small assembler for the tests' own loops and trap handlers: rows by name, labels, 32-bit constants."""

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
        """Load a 32-bit constant, zero-extended, with four instructions."""
        high = (value + 0x800) >> 12 & 0xFFFFF
        low = (value & 0xFFF) - (0x1000 if value & 0x800 else 0)
        self.emit("lui", rd=rd, imm=high << 12 if high < 1 << 19 else (high << 12) - (1 << 32))
        self.emit("addiw", rd=rd, rs1=rd, imm=low)
        self.emit("slli", rd=rd, rs1=rd, imm=32)
        self.emit("srli", rd=rd, rs1=rd, imm=32)

    def code(self) -> bytes:
        words = []
        for index, (mnemonic, operands, to) in enumerate(self.items):
            if to is not None:
                operands = {**operands, "imm": self.labels[to] - (self.base + 4 * index)}
            words.append(encode(BY_MNEMONIC[mnemonic], **operands).to_bytes(4, "little"))
        return b"".join(words)
