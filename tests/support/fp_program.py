"""One bare-metal program of many floating-point instructions, and what every case of it leaves behind.

A case loads the f registers (and the x register) that its instruction names, sets fcsr, turns mstatus.FS to clean,
executes one random encoding, and stores what it left: fd, xd, fcsr, mcause (0 or the trap's) and mstatus. Nothing of
it depends on where it runs, so the same bytes go to vmcore and to an oracle.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from support.fp_model import DYNAMIC, ROWS, expected, from_x, legal, random_sources, rounded, to_x
from support.ieee754 import MODES

from vmcore.isa.riscv import BY_MNEMONIC
from vmcore.isa.riscv.assemble import encode
from vmcore.isa.riscv.table import enabled

BASE = 0x8000_0000
TOHOST = 0x1000  # offsets from BASE
DATA_SIZE, RESULT_SIZE = 40, 40
# The program's own x registers: data, results, scratch, and two masks of mstatus. Cases use the others.
X_DATA, X_RESULT, X_SCRATCH, X_FS, X_CLEAN = 5, 6, 7, 8, 9
FREE_X = (0, 1, 2, 3, 4, *range(10, 32))
FCSR, MSTATUS, MTVEC, MEPC, MCAUSE = 0x003, 0x300, 0x305, 0x341, 0x342


def word(mnemonic: str, **operands: int) -> int:
    return encode(BY_MNEMONIC[mnemonic], **operands)


@dataclass(frozen=True)
class Case:
    """One instruction and the state before it."""

    name: str
    rd: int
    rs1: int
    rs2: int
    rs3: int
    rm: int
    fcsr: int
    sources: tuple[int, int, int]

    @property
    def encoding(self) -> int:
        form = ROWS[self.name].format
        operands = {"rd": self.rd, "rs1": self.rs1, "rs2": self.rs2, "rs3": self.rs3, "rm": self.rm}
        return word(self.name, **{key: value for key, value in operands.items() if form.field(key)[1]})


@dataclass(frozen=True)
class Left:
    """What a case left behind."""

    fd: int
    xd: int
    fcsr: int
    cause: int
    fs: int


def random_case(name: str, random: Random, reserved: bool) -> Case:
    """A case of that instruction; with `reserved` one in ten has a reserved rounding mode."""
    rm, frm = random.choice((*MODES, DYNAMIC, DYNAMIC)), random.choice(MODES)
    if reserved and random.random() < 0.1:
        if random.random() < 0.5:
            rm = random.choice((5, 6))
        else:
            rm, frm = DYNAMIC, random.choice((5, 6, 7))
    if not rounded(name):
        rm = 0
    # An integer destination or source that the program does not need itself; the number also stands for an f register.
    rd, rs1, rs2, rs3 = random.choice(FREE_X), random.choice(FREE_X), random.randrange(32), random.randrange(32)
    fflags = random.choice((0, 1, 1, random.randrange(32)))
    return Case(name, rd, rs1, rs2, rs3, rm, frm << 5 | fflags, random_sources(name, random))


def random_cases(names: Iterable[str], each: int, seed: int, reserved: bool) -> list[Case]:
    random = Random(seed)
    cases = [random_case(name, random, reserved) for name in names for _ in range(each)]
    random.shuffle(cases)
    return cases


@dataclass(frozen=True)
class Program:
    """The bytes at BASE, and where things are in them."""

    image: bytes
    cases: tuple[Case, ...]
    end: int  # the address reached when all is done; behind it the program tells Spike so
    results: int

    @property
    def size(self) -> int:
        return len(self.image)

    def decode(self, memory: bytes) -> list[Left]:
        """What each case left, from the bytes at `results`."""
        found = struct.iter_unpack("<5Q", memory)
        return [Left(fd, xd, fcsr, cause, mstatus >> 13 & 3) for fd, xd, fcsr, cause, mstatus in found]


def _address(register: int, target: int, pc: int) -> list[int]:
    """auipc and addi: `register` = `target`, from code at `pc`."""
    offset = target - pc
    low = (offset + 0x800) % 0x1000 - 0x800
    return [word("auipc", rd=register, imm=offset - low), word("addi", rd=register, rs1=register, imm=low)]


def _case(case: Case) -> list[int]:
    loads = [] if from_x(case.name) else [("fld", case.rs1, 0)]
    loads += [("fld", case.rs2, 8), ("fld", case.rs3, 16)]
    if from_x(case.name):
        loads.append(("ld", case.rs1, 24))
    return [
        *(word(load, rd=register, rs1=X_DATA, imm=offset) for load, register, offset in loads),
        word("ld", rd=X_SCRATCH, rs1=X_DATA, imm=32),
        word("csrrw", rd=0, rs1=X_SCRATCH, imm=FCSR),
        word("csrrc", rd=0, rs1=X_FS, imm=MSTATUS),
        word("csrrs", rd=0, rs1=X_CLEAN, imm=MSTATUS),
        case.encoding,
        word("csrrs", rd=X_SCRATCH, rs1=0, imm=MSTATUS),
        word("sd", rs1=X_RESULT, rs2=X_SCRATCH, imm=32),
        word("fsd", rs1=X_RESULT, rs2=case.rd, imm=0),
        word("sd", rs1=X_RESULT, rs2=case.rd, imm=8),
        word("csrrs", rd=X_SCRATCH, rs1=0, imm=FCSR),
        word("sd", rs1=X_RESULT, rs2=X_SCRATCH, imm=16),
        word("addi", rd=X_DATA, rs1=X_DATA, imm=DATA_SIZE),
        word("addi", rd=X_RESULT, rs1=X_RESULT, imm=RESULT_SIZE),
    ]


def build(cases: list[Case]) -> Program:
    """Lay the program out: entry, tohost, trap handler, code, data, results."""
    body = [one for case in cases for one in _case(case)]
    handler = BASE + TOHOST + 0x40
    code = handler + 0x40
    # What tells Spike that all is done: store 1 to tohost, then wait.
    end = code + 4 * len(body)
    finish = [
        *_address(X_DATA, BASE + TOHOST, end),
        word("addi", rd=X_SCRATCH, rs1=0, imm=1),
        word("sd", rs1=X_DATA, rs2=X_SCRATCH, imm=0),
        word("jal", rd=0, imm=0),
    ]
    data = (end + 4 * len(finish) + 63) & ~63
    results = data + DATA_SIZE * len(cases)
    entry: list[int] = []
    for register, target in ((X_DATA, handler), (X_RESULT, results)):
        entry += _address(register, target, BASE + 4 * len(entry))
    entry += [
        word("csrrw", rd=0, rs1=X_DATA, imm=MTVEC),
        word("lui", rd=X_FS, imm=0x6000),
        word("lui", rd=X_CLEAN, imm=0x4000),
        word("csrrs", rd=0, rs1=X_FS, imm=MSTATUS),
        *(word("addi", rd=x, rs1=0, imm=0) for x in FREE_X[1:]),
        *(word("fmv.d.x", rd=f, rs1=0) for f in range(32)),
    ]
    entry += _address(X_DATA, data, BASE + 4 * len(entry))
    entry += [word("jal", rd=0, imm=code - BASE - 4 * len(entry))]
    trap = [
        word("csrrs", rd=X_SCRATCH, rs1=0, imm=MCAUSE),
        word("sd", rs1=X_RESULT, rs2=X_SCRATCH, imm=24),
        word("csrrs", rd=X_SCRATCH, rs1=0, imm=MEPC),
        word("addi", rd=X_SCRATCH, rs1=X_SCRATCH, imm=4),
        word("csrrw", rd=0, rs1=X_SCRATCH, imm=MEPC),
        word("mret"),
    ]
    image = bytearray(results - BASE + RESULT_SIZE * len(cases))
    for address, words in ((BASE, entry), (handler, trap), (code, body), (end, finish)):
        struct.pack_into(f"<{len(words)}I", image, address - BASE, *words)
    for i, case in enumerate(cases):
        a, b, c = case.sources
        struct.pack_into("<5Q", image, data - BASE + DATA_SIZE * i, a, b, c, a, case.fcsr)
    return Program(bytes(image), tuple(cases), end, results)


def predict(cases: Iterable[Case], isa: int | None = None) -> list[Left]:
    """What exact arithmetic says each case leaves: the registers are followed through the whole program.

    `isa` are the ISA bits of the hart; without it everything is on.
    """
    f, x, found = [0] * 32, [0] * 32, []
    for case in cases:
        a, b, c = case.sources
        if not from_x(case.name):
            f[case.rs1] = a
        f[case.rs2], f[case.rs3] = b, c
        if from_x(case.name) and case.rs1:
            x[case.rs1] = a
        fcsr, cause, fs = case.fcsr, 2, 2
        on = isa is None or enabled(ROWS[case.name], isa)
        if on and legal(case.name, case.rm, case.fcsr >> 5):
            sources = (x[case.rs1] if from_x(case.name) else f[case.rs1], f[case.rs2], f[case.rs3])
            mode = case.fcsr >> 5 if case.rm == DYNAMIC else case.rm
            result, flags = expected(case.name, sources, mode, case.rs1)
            cause, fcsr = 0, case.fcsr | flags
            if to_x(case.name):
                if case.rd:
                    x[case.rd] = result
                fs = 3 if fcsr != case.fcsr else 2
            else:
                f[case.rd], fs = result, 3
        found.append(Left(f[case.rd], x[case.rd], fcsr, cause, fs))
    return found
