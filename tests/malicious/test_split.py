"""Instructions that lie in two pages: each half can change by itself, and so can the page behind either."""

from __future__ import annotations

import struct

import pytest
from support.assembler import Assembler
from support.storms import (
    A0,
    A1,
    A2,
    A3,
    A4,
    CODE,
    LEAF,
    PAGES,
    S3,
    TABLE,
    WINDOW,
    WINDOW_LAST,
    Storm,
    count_down,
    data,
    end_round,
    function,
    leaf,
)
from support.tiers import in_lockstep

from vmcore._fast.run import EXITS

ROUNDS, CALLS = 60, 5
SPLIT = WINDOW + 4094
RETURN = 0x8082


def addition(n: int) -> int:
    """Return `addi a0, a0, n`, whose upper half holds the number and whose lower half is always the same."""
    return n << 20 | A0 << 15 | A0 << 7 | 0x13


class Split(Storm):
    """The first halves lie at the ends of the functions' pages, the second ones at the beginnings of data pages."""

    def __init__(self, code: Assembler, tier: str, **more: int) -> None:
        super().__init__(code, tier, **more)
        for n in range(PAGES):
            word = addition(n + 1)
            self.core.memory.write(function(n) + 4094, struct.pack("<H", word & 0xFFFF))
            self.core.memory.write(data(n), struct.pack("<HH", word >> 16, RETURN))


def calls(code: Assembler) -> None:
    code.value(A1, SPLIT)
    for _ in range(CALLS):
        code.emit("jalr", rd=1, rs1=A1, imm=0)


def remapped(kind: str, what: int) -> Assembler:
    """Code that shows other pages, the first one or the second, and calls what lies there."""
    code = Assembler(CODE)
    code.emit("addi", rd=A0, rs1=0, imm=0)
    count_down(code, ROUNDS)
    for n in range(PAGES):
        code.value(A2, WINDOW_LAST)
        code.value(A3, WINDOW + 4096 * what)
        code.value(A4, leaf(data(n) if what else function(n)))
        code.emit("sd", rs1=A2, rs2=A4, imm=8 * what)
        code.emit("sfence.vma", rs1=A3 if kind == "address" else 0, rs2=0)
        calls(code)
    end_round(code)
    return code


def rewritten() -> Assembler:
    """Code that writes other second halves into the same page."""
    code = Assembler(CODE)
    code.emit("addi", rd=A0, rs1=0, imm=0)
    count_down(code, ROUNDS)
    for n in range(PAGES):
        code.value(A2, data(0))
        code.value(A4, addition(n + 1) >> 16)
        code.emit("sh", rs1=A2, rs2=A4, imm=0)
        code.emit("fence.i")
        calls(code)
    end_round(code)
    return code


def test_it_is_compiled() -> None:
    # A page whose second half stays: T0 sees it a few times, and then no more.
    code = Assembler(CODE)
    code.value(S3, 2000)
    code.label("round")
    calls(code)
    code.emit("addi", rd=S3, rs1=S3, imm=-1)
    code.emit("bne", "round", rs1=S3, rs2=0)
    code.emit("wfi")
    storm = Split(code, "auto")
    assert storm.core.run(max_insns=1_000_000) == EXITS["idle"]
    stats = storm.core.stats()
    assert storm.core.x(0, A0) == 2000 * CALLS
    assert stats["exits"] < 200
    assert stats["t0_insns"] < 2000
    storm.close()


@pytest.mark.parametrize("what", [0, 1])
@pytest.mark.parametrize("kind", ["address", "all"])
def test_pages_are_shown(kind: str, what: int) -> None:
    code = remapped(kind, what)
    storm = Split(code, "t1")
    assert storm.core.run(max_insns=30_000_000) == EXITS["idle"]
    expected = sum(range(1, PAGES + 1)) if what else PAGES
    assert storm.word(TABLE) == ROUNDS * CALLS * expected
    storm.close()
    for stress in ({}, {"poll_every": 1, "evict": True, "flush_every": 2}, {"forget_every": 2}, {"limit": 8 << 10}):
        in_lockstep(lambda tier: Split(code, tier), 20_000, piece=997, **stress)


def test_halves_are_written() -> None:
    code = rewritten()
    storm = Split(code, "t1")
    assert storm.core.run(max_insns=30_000_000) == EXITS["idle"]
    assert storm.word(TABLE) == ROUNDS * CALLS * sum(range(1, PAGES + 1))
    storm.close()
    in_lockstep(lambda tier: Split(code, tier), 20_000, piece=997)


@pytest.mark.parametrize("rights", [LEAF & ~8, 0])
def test_a_second_half_that_cannot_be_fetched(rights: int) -> None:
    # The fault names the second page; the first half alone is not executed.
    code = Assembler(CODE)
    calls(code)
    code.value(A2, WINDOW_LAST)
    code.value(A4, data(0) >> 2 | rights)
    code.emit("sd", rs1=A2, rs2=A4, imm=8)
    code.emit("sfence.vma", rs1=0, rs2=0)
    calls(code)
    code.emit("wfi")
    found = []
    for tier in ("t0", "t1"):
        storm = Split(code, tier)
        storm.core.run(max_insns=500)
        found.append([storm.core.csr_read(0, number) for number in (0x141, 0x142, 0x143)] + [storm.core.x(0, A0)])
        storm.close()
    assert found[0] == found[1] == [SPLIT, 12, WINDOW + 4096, CALLS]
