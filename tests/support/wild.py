"""The machine of chaos.py with more trouble: code that is rewritten while it runs, page tables that change under it.

What runs is the same kind of tangle, but it begins a few bytes before a page's end, so instructions and blocks
straddle pages. Before it lie small functions whose instructions the tangle overwrites, calls and jumps into; the first
of them share the tangle's first page. Two pages of data, which page tables may show in either order, follow the window.
"""

from __future__ import annotations

import struct
from functools import partial
from random import Random

from support import cases, chaos
from support.assembler import Assembler
from support.chaos import CLINT, CODE, MTIME, ROOT, Machine

from vmcore.isa.riscv import BY_MNEMONIC, INSTRUCTIONS
from vmcore.isa.riscv.assemble import encode
from vmcore.isa.riscv.csrs import csr_number

FUNCTIONS = 24
#: Of a function: instructions that are overwritten, and the return.
SLOTS = 3
FUNCTION_BYTES = 4 * (SLOTS + 1)
START = CODE + 0x1000 - FUNCTIONS * FUNCTION_BYTES - 54
TANGLE = START + FUNCTIONS * FUNCTION_BYTES
#: Two pages that the page tables exchange, the values of satp that there are, and the entries of the two.
TWINS = chaos.WINDOW + 0x4000
SPACES = TWINS - 0x1000
ADDRESS_SPACES = 4
ENTRIES = ROOT + 8192 + 8 * ((TWINS - chaos.RAM) >> 12)
PYTHON = 0x300_0000
SATP = csr_number("satp")
#: Registers that trouble uses.
AT, VALUE = 6, 7

_SLOT_ROWS = [row for row in INSTRUCTIONS if row.size == 4 and "load" not in row.flags and "store" not in row.flags
              and row.mnemonic not in ("wfi", "fence.i")]  # fmt: skip
_COUNTERS = [csr_number(name) for name in ("cycle", "time", "instret", "mcycle", "minstret", "fcsr", "frm")]


class Counter:
    """A device written in Python: reads count up, writes set it."""

    def __init__(self) -> None:
        self.value = 0

    def read(self, offset: int, size: int) -> int:
        self.value += offset + size
        return self.value * 0x9E37_79B9_7F4A_7C15 & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        self.value = (self.value ^ value) + offset & 0xFFFF_FFFF


def _rewrite(rng: Random, asm: Assembler, fenced: bool) -> None:
    """Overwrite one instruction of a function, say so or not, and often call it."""
    function = START + FUNCTION_BYTES * rng.randrange(FUNCTIONS)
    slot = function + 4 * rng.randrange(SLOTS)
    word = int.from_bytes(cases.straight(rng, _SLOT_ROWS, 1, cases.Style()), "little")
    asm.value(AT, slot)
    asm.value(VALUE, word)
    asm.emit("sw", rs1=AT, rs2=VALUE, imm=0)
    if fenced or rng.randrange(4):
        asm.emit("fence.i")
    if rng.randrange(4):
        asm.emit("jalr", rd=1, rs1=AT, imm=rng.choice((0, function - slot, function - slot)))


def _call(rng: Random, asm: Assembler) -> None:
    """Call a function, often in its middle, or go nowhere."""
    kind = rng.randrange(8)
    if kind == 0:
        # No address at all: one bit away from one, or any number.
        asm.value(AT, TANGLE + 2 * rng.randrange(400))
        asm.value(VALUE, 1)
        asm.emit("slli", rd=VALUE, rs1=VALUE, imm=rng.randrange(40, 64))
        asm.emit("xor", rd=AT, rs1=AT, rs2=VALUE)
    elif kind == 1:
        asm.emit("addi", rd=AT, rs1=0, imm=1)
        asm.emit("slli", rd=AT, rs1=AT, imm=rng.randrange(64))
    else:
        asm.value(AT, START + FUNCTION_BYTES * rng.randrange(FUNCTIONS) + rng.choice((0, 0, 0, 2, 4, 5, 8)))
    asm.emit("jalr", rd=1, rs1=AT, imm=0)


def _device(rng: Random, asm: Assembler) -> None:
    """Load from or store to a device, compiled or in Python."""
    suffix, size = rng.choice((("b", 1), ("h", 2), ("w", 4), ("d", 8)))
    if rng.randrange(2):
        asm.value(AT, PYTHON)
        at = rng.randrange(0, 64, size)
        if rng.randrange(2):
            asm.emit(f"l{suffix}", rd=rng.choice((AT, 10, 11, 20)), rs1=AT, imm=at)
        else:
            asm.emit(f"s{suffix}", rs1=AT, rs2=rng.randrange(32), imm=at)
    elif rng.randrange(2):
        asm.value(AT, MTIME)
        asm.emit("ld", rd=rng.choice((AT, 10, 11, 20)), rs1=AT, imm=0)
    else:
        # An interrupt of this hart's own, if it is the first one.
        asm.value(AT, CLINT)
        asm.emit("addi", rd=VALUE, rs1=0, imm=rng.randrange(2))
        asm.emit("sw", rs1=AT, rs2=VALUE, imm=0)
        asm.emit("sw", rs1=AT, rs2=0, imm=0)


def _remap(rng: Random, asm: Assembler) -> None:
    """Exchange the twins in the page tables, say so in one of the ways there are, and look at them."""
    asm.value(AT, ENTRIES)
    asm.emit("ld", rd=10, rs1=AT, imm=0)
    asm.emit("ld", rd=11, rs1=AT, imm=8)
    asm.emit("sd", rs1=AT, rs2=11, imm=0)
    asm.emit("sd", rs1=AT, rs2=10, imm=8)
    asm.value(AT, TWINS)
    kind = rng.randrange(3)
    if kind == 0:
        asm.emit("sfence.vma", rs1=0, rs2=0)
    elif kind == 1:
        asm.value(VALUE, 4096)
        asm.emit("add", rd=VALUE, rs1=VALUE, rs2=AT)
        asm.emit("sfence.vma", rs1=AT, rs2=0)
        asm.emit("sfence.vma", rs1=VALUE, rs2=0)
    else:
        for number in range(ADDRESS_SPACES):
            asm.emit("addi", rd=VALUE, rs1=0, imm=number)
            asm.emit("sfence.vma", rs1=0, rs2=VALUE)
    asm.emit("ld", rd=rng.choice((10, 12, 21)), rs1=AT, imm=8 * rng.randrange(4))
    asm.emit("amoadd.d", rd=0, rs1=AT, rs2=10)


def _address_space(rng: Random, asm: Assembler) -> None:
    """Give the address space another number."""
    asm.value(AT, SPACES + 8 * rng.randrange(ADDRESS_SPACES))
    asm.emit("ld", rd=VALUE, rs1=AT, imm=0)
    asm.emit("csrrw", rd=0, rs1=VALUE, imm=SATP)


def _counters(rng: Random, asm: Assembler) -> None:
    """Look at counters between other instructions."""
    for _ in range(rng.randrange(1, 5)):
        asm.emit("csrrs", rd=rng.choice((10, 15, 22)), rs1=0, imm=rng.choice(_COUNTERS))
        asm.emit("add", rd=rng.choice((11, 23)), rs1=10, rs2=22)


_TROUBLES = (_call, _call, _device, _remap, _address_space, _counters)


def trouble(rng: Random, *, fenced: bool = False) -> bytes:
    """Return a few instructions of chaos.py or of here."""
    kind = rng.randrange(12)
    if kind < 4:
        return chaos.trouble(rng)
    asm = Assembler(0)
    if kind < 6:
        _rewrite(rng, asm, fenced)
    else:
        rng.choice(_TROUBLES)(rng, asm)
    return asm.code()


class Wild(Machine):
    """The machine of a world, with all of that in its code."""

    start, end = START, CODE + 0x6000

    def make_code(self, rng: Random) -> tuple[bytes, list[int]]:
        give_back = encode(BY_MNEMONIC["jalr"], rd=0, rs1=1, imm=0).to_bytes(4, "little")
        code = b"".join(cases.straight(rng, _SLOT_ROWS, SLOTS, cases.Style()) + give_back for _ in range(FUNCTIONS))
        tangled, starts = chaos.tangle(rng, self.world.reserving, partial(trouble, fenced=self.world.fenced))
        self.device = Counter()
        self.core.attach_python(PYTHON, 64, self.device)
        self.core.memory.write(TWINS, rng.randbytes(8192))
        if self.world.mode in ("supervisor", "user"):
            satp = 8 << 60 | ROOT >> 12
            self.core.memory.write(SPACES, struct.pack("<4Q", *(satp | i << 44 for i in range(ADDRESS_SPACES))))
        return code + tangled, [len(code) + start for start in starts]

    def _begin(self, hart: int, rng: Random, priv: int, paged: bool) -> None:
        super()._begin(hart, rng, priv, paged)
        self.core.set_pc(hart, TANGLE)

    def state(self) -> dict[str, object]:
        return {**super().state(), "device": self.device.value}
