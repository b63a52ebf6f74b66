"""Machines for storms: harts in S-mode under Sv39, RAM mapped to itself by superpages, and a window that is remapped.

The window lies at WINDOW; entry n of its last table is at ENTRY(n). FUNCTION(n) is a page of code that adds a number of
its own to a0 and returns; DATA(n) is a page that begins with another number.
"""

from __future__ import annotations

import struct

from support.assembler import Assembler

from vmcore._fast.dev.clint import Clint
from vmcore._fast.run import Core
from vmcore.isa.riscv import Isa, install
from vmcore.isa.riscv.csrs import csr_number

RAM, SIZE = 0x8000_0000, 4 << 20
ROOT, MIDDLE, WINDOW_MIDDLE, WINDOW_LAST, OTHER_ROOT, OTHER_MIDDLE, OTHER_LAST, SPLIT = (
    RAM + 0x10_0000 + 0x1000 * n for n in range(8))  # fmt: skip
CODE, TRAP, TABLE = RAM, RAM + 0x1_0000, RAM + 0x1_1000
WINDOW, SUPERPAGE = 0x4000_0000, 0x4020_0000
PAGES = 8
LEAF, GLOBAL, POINTER = 0xCF, 0xEF, 0x01
SATP, STVEC, SCAUSE = (csr_number(name) for name in ("satp", "stvec", "scause"))
A0, A1, A2, A3, A4, A5, S1, S2, S3 = 10, 11, 12, 13, 14, 15, 9, 18, 19


def function(n: int) -> int:
    """Return the address of a page of code."""
    return RAM + 0x2_0000 + 0x1000 * n


def data(n: int) -> int:
    """Return the address of a page of data."""
    return RAM + 0x4_0000 + 0x1000 * n


def adds(n: int) -> int:
    """Return what function `n` adds."""
    return 3 * n + 1


def holds(n: int) -> int:
    """Return what data page `n` begins with."""
    return 1000 * n + 7


def leaf(address: int, rights: int = LEAF) -> int:
    """Return a page table entry that allows everything to S-mode, in one address space or (GLOBAL) in all."""
    return address >> 2 | rights


def satp(root: int = ROOT, asid: int = 0) -> int:
    """Return a value of satp."""
    return 8 << 60 | asid << 44 | root >> 12


class Storm:
    """The machine; `code` runs on every hart, which finds its number in a0. It ends by storing to TABLE and `wfi`.

    `rights` are those of everything that is mapped.
    """

    start, end = RAM, RAM + 0x5_0000

    def __init__(self, code: Assembler, tier: str, *, harts: int = 1, size: int = SIZE, rights: int = LEAF) -> None:
        install()
        self.core = core = Core(harts, Isa.default().mask, tier=tier)
        core.add_ram(RAM, size)
        core.attach(0x200_0000, Clint(core.clock, [core.pins(i) for i in range(harts)]))
        self.put(ROOT, {1: WINDOW_MIDDLE >> 2 | POINTER, 2: MIDDLE >> 2 | POINTER})
        self.put(MIDDLE, {n: leaf(RAM + (n << 21), rights) for n in range(size >> 21)})
        self.put(WINDOW_MIDDLE, {0: WINDOW_LAST >> 2 | POINTER, 1: leaf(RAM + (2 << 20), rights)})
        self.put(WINDOW_LAST, {0: leaf(function(0), rights), 1: leaf(data(0), rights)})
        # The same with other pages behind the window.
        self.put(OTHER_ROOT, {1: OTHER_MIDDLE >> 2 | POINTER, 2: MIDDLE >> 2 | POINTER})
        self.put(OTHER_MIDDLE, {0: OTHER_LAST >> 2 | POINTER, 1: SPLIT >> 2 | POINTER})
        self.put(OTHER_LAST, {0: leaf(function(1), rights), 1: leaf(data(1), rights)})
        self.put(SPLIT, {n: leaf(function(5) if n == 0 else data(5), rights) for n in range(512)})
        for n in range(PAGES):
            body = Assembler(0)
            body.emit("addi", rd=A0, rs1=A0, imm=adds(n))
            body.emit("jalr", rd=0, rs1=1, imm=0)
            core.memory.write(function(n), body.code())
            core.memory.write(data(n), struct.pack("<Q", holds(n)))
        # A trap that nobody expects goes round in a circle, and its cause can be looked at.
        core.memory.write(TRAP, struct.pack("<I", 0x6F))
        core.memory.write(CODE, code.code())
        for hart in range(harts):
            for name, value in (("pmpaddr0", 2**54 - 1), ("pmpcfg0", 0x1F), ("medeleg", 0xB3FF), ("satp", satp()),
                                ("stvec", TRAP), ("mcounteren", 7)):  # fmt: skip
                core.csr_write(hart, csr_number(name), value)
            core.set_priv(hart, 1)
            core.set_pc(hart, CODE)
            core.set_x(hart, A0, hart)

    def put(self, table: int, entries: dict[int, int]) -> None:
        """Write entries of a page table."""
        for n, entry in entries.items():
            self.core.memory.write(table + 8 * n, struct.pack("<Q", entry))

    def word(self, address: int) -> int:
        """Return 8 bytes of memory."""
        return int.from_bytes(self.core.memory.read(address, 8), "little")

    def state(self) -> dict[str, object]:
        """Return what can be seen."""
        core = self.core
        found: dict[str, object] = {"memory": core.memory.read(RAM, 0x12_0000), "now": core.now_ns}
        for hart in range(core.nharts):
            found[f"pc {hart}"] = core.pc(hart)
            for number in range(32):
                found[f"x{number} {hart}"] = core.x(hart, number)
            found[f"scause {hart}"] = core.csr_read(hart, SCAUSE)
        return found

    def close(self) -> None:
        """Give the memory back."""
        self.core.close()


def count_down(code: Assembler, rounds: int) -> None:
    """Begin a loop: label ``round``, counter in s2."""
    code.value(S2, rounds)
    code.label("round")


def end_round(code: Assembler) -> None:
    """End it; afterwards a0 goes to TABLE and the hart waits for ever."""
    code.emit("addi", rd=S2, rs1=S2, imm=-1)
    # A branch reaches 4 KiB.
    code.emit("beq", "done", rs1=S2, rs2=0)
    code.emit("jal", "round", rd=0)
    code.label("done")
    code.value(A1, TABLE)
    code.emit("sd", rs1=A1, rs2=A0, imm=0)
    code.label("rest")
    code.emit("wfi")
    code.emit("jal", "rest", rd=0)
