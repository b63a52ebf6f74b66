"""Regions of several pages, on random programs against the interpreter: loops that lie across a page's end, calls of
what lies in other pages, and pages that are mapped elsewhere or rewritten between two rounds.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from differential.test_tiers import REGIONS, STRESS
from support.amount import rng, scaled
from support.assembler import Assembler
from support.storms import (
    A0,
    A1,
    A2,
    A3,
    A4,
    A5,
    CODE,
    OTHER_LAST,
    OTHER_ROOT,
    PAGES,
    RAM,
    ROOT,
    S1,
    S2,
    S3,
    SATP,
    WINDOW,
    WINDOW_LAST,
    Storm,
    count_down,
    data,
    end_round,
    function,
    leaf,
    satp,
)
from support.tiers import in_lockstep

T0, T1, T2, RA = 5, 6, 7, 1
#: Where the words lie that programs load and store.
WORDS = data(2)


class Shifted(Assembler):
    """Code that begins with two bytes of nothing, so that instructions lie across the ends of pages."""

    def __init__(self, base: int, shift: bool) -> None:
        super().__init__(base + 2 * shift)
        self.shift = shift

    def code(self) -> bytes:
        return (b"\x01\x00" if self.shift else b"") + super().code()

    def fill(self, offset: int) -> None:
        """Have what follows begin at an offset of its page, or two bytes behind it."""
        while (self.base + 4 * len(self.items)) % 4096 // 4 != offset // 4:
            self.emit("addi", rd=0, rs1=0, imm=0)


class Program(Storm):
    """A program, at whose end its harts wait."""

    def is_done(self) -> bool:
        return all(self.core.hart_waiting(hart) for hart in range(self.core.nharts))


def some_work(source: random.Random, code: Assembler, room: list[int]) -> None:
    """A few instructions on those registers, some of which load or store."""
    for _ in range(source.randrange(1, 6)):
        rd, one, two = source.choice(room), source.choice(room), source.choice(room)
        kind = source.random()
        if kind < 0.5:
            code.emit(source.choice(("add", "sub", "xor", "addw", "mul", "sltu")), rd=rd, rs1=one, rs2=two)
        elif kind < 0.65:
            code.emit(source.choice(("addi", "xori", "addiw")), rd=rd, rs1=one, imm=source.randrange(-2048, 2048))
        elif kind < 0.7:
            code.emit("auipc", rd=rd, imm=source.choice((0, 1, -1)) << 12)
        else:
            # a5 points into the words; now and then across the end of a page, or at nothing.
            imm = source.choice((0, 8, 16, 64, 0x7F8, 0x7FC))
            if kind < 0.88:
                code.emit(source.choice(("ld", "lw", "lhu", "lb")), rd=rd, rs1=A5, imm=imm)
            else:
                code.emit(source.choice(("sd", "sw", "sh", "sb")), rs1=A5, rs2=two, imm=imm)


def call(source: random.Random, code: Assembler, target: int, link: int, others: list[int]) -> None:
    """Call what lies there, the short way or the long one."""
    here = code.base + 4 * len(code.items)
    if source.random() < 0.6:
        code.emit("jal", rd=link, imm=target - here)
        return
    far = source.choice((link, T2))
    if far == T2 and others and source.random() < 0.7:
        # Now and then it is another one: then auipc is jumped over.
        low = (target - here - 16 + 2048 & 0xFFF) - 2048
        distance = source.choice(others) - low - here
        rest = (distance + 2048 & 0xFFF) - 2048
        code.emit("auipc", rd=far, imm=distance - rest)
        code.emit("addi", rd=far, rs1=far, imm=rest)
        code.emit("andi", rd=T0, rs1=A0, imm=source.choice((1, 3, 7)))
        code.emit("beq", rs1=T0, rs2=0, imm=8)
        here += 16
    low = (target - here + 2048 & 0xFFF) - 2048
    code.emit("auipc", rd=far, imm=target - here - low)
    code.emit("jalr", rd=link, rs1=far, imm=low)


def a_function(source: random.Random, code: Assembler, link: int, others: list[int]) -> None:
    """Something that returns by `link`: straight, with a loop, with a way that is seldom taken, or with a call."""
    number = len(code.items)
    room = [A0, A3, A4]
    some_work(source, code, room)
    kind = source.random()
    if kind < 0.3:
        code.emit("addi", rd=T0, rs1=0, imm=source.randrange(1, 9))
        code.label(f"again {number}")
        some_work(source, code, room)
        code.emit("addi", rd=T0, rs1=T0, imm=-1)
        code.emit("bne", f"again {number}", rs1=T0, rs2=0)
    elif kind < 0.6:
        code.emit("andi", rd=T0, rs1=A0, imm=source.choice((1, 7, 31)))
        code.emit("bne", f"over {number}", rs1=T0, rs2=0)
        some_work(source, code, room)
        code.label(f"over {number}")
    elif others and link == RA:
        call(source, code, source.choice(others), T1, others)
    if source.random() < 0.1:
        # It goes on elsewhere, and returns from there.
        code.emit("addi", rd=link, rs1=link, imm=0)
    code.emit("jalr", rd=0, rs1=link, imm=0)


def across_pages(source: random.Random, harts: int) -> Assembler:
    """A loop about the end of a page, which calls functions of other pages."""
    code = Shifted(CODE, source.random() < 0.4)
    code.value(A5, WORDS + source.choice((0, 0xFF0, 0xFFC, 0x1000)))
    for register in (A0, A3, A4):
        code.value(register, source.getrandbits(40))
    code.emit("addi", rd=S2, rs1=0, imm=source.randrange(20, 60))
    code.emit("jal", "round", rd=0)
    leaves, callers = [], []
    for _ in range(source.randrange(1, 4)):
        if source.random() < 0.7:
            code.fill(source.choice((0, 4, 4000, 4080, 2000)))
        leaves.append(code.base + 4 * len(code.items))
        a_function(source, code, T1, [])
    for _ in range(source.randrange(2, 4)):
        if source.random() < 0.7:
            code.fill(source.choice((0, 8, 4020, 4090, 1000)))
        callers.append(code.base + 4 * len(code.items))
        a_function(source, code, RA, leaves)
    code.fill(4096 - 4 * source.randrange(1, 24))
    code.label("round")
    for number in range(source.randrange(1, 4)):
        some_work(source, code, [A0, A3, A4])
        if source.random() < 0.4:
            code.emit("andi", rd=T0, rs1=A3, imm=source.choice((1, 3, 15)))
            code.emit("beq", f"past {number}", rs1=T0, rs2=0)
        if source.random() < 0.7:
            call(source, code, source.choice(callers), RA, callers)
        elif source.random() < 0.5:
            call(source, code, source.choice(leaves), T1, leaves)
        else:
            code.emit("addi", rd=S1, rs1=0, imm=source.randrange(1, 6))
            code.label(f"inner {number}")
            some_work(source, code, [A0, A3, A4])
            code.emit("addi", rd=S1, rs1=S1, imm=-1)
            code.emit("bne", f"inner {number}", rs1=S1, rs2=0)
        code.label(f"past {number}")
    if harts > 1:
        # Now and then it is the other hart's turn.
        code.emit("andi", rd=T0, rs1=S2, imm=source.choice((3, 7, 15)))
        code.emit("bne", "on", rs1=T0, rs2=0)
        code.emit("pause")
        code.label("on")
    end_round(code)
    return code


class Moved(Program):
    """The loop lies at the window's first page, and calls what its second one shows: other functions by turns.

    Each hart has page tables of its own, and finds in s1 where the window's last one is.
    """

    def __init__(self, loop: Assembler, functions: list[bytes], tier: str, harts: int) -> None:
        code = Assembler(CODE)
        code.value(A1, WINDOW)
        code.emit("jalr", rd=0, rs1=A1, imm=0)
        super().__init__(code, tier, harts=harts)
        self.core.memory.write(function(0), loop.code())
        for n, what in enumerate(functions):
            self.core.memory.write(function(n + 1), what)
        for hart, (root, last) in enumerate([(ROOT, WINDOW_LAST), (OTHER_ROOT, OTHER_LAST)][:harts]):
            self.put(last, {0: leaf(function(0)), 1: leaf(function(hart + 1)), 2: leaf(data(2)), 3: leaf(data(3))})
            self.core.csr_write(hart, SATP, satp(root))
            self.core.set_x(hart, S1, last)


def moved_pages(source: random.Random) -> tuple[Assembler, list[bytes]]:
    """Between two rounds the second page is mapped elsewhere, or its code is rewritten."""
    functions = []
    for _ in range(source.randrange(2, PAGES - 1)):
        body = Assembler(WINDOW + 0x1000)
        a_function(source, body, RA, [])
        functions.append(body.code())
    loop = Assembler(WINDOW)
    loop.value(A5, WORDS)
    for register in (A0, A3, A4):
        loop.value(register, source.getrandbits(40))
    count_down(loop, source.randrange(6, 12))
    for number in range(source.randrange(1, 4)):
        loop.emit("addi", rd=S3, rs1=0, imm=source.randrange(3, 20))
        loop.label(f"again {number}")
        some_work(source, loop, [A0, A3, A4])
        call(source, loop, WINDOW + 0x1000, RA, [])
        loop.emit("addi", rd=S3, rs1=S3, imm=-1)
        loop.emit("bne", f"again {number}", rs1=S3, rs2=0)
        if source.random() < 0.6:
            loop.value(A2, leaf(function(source.randrange(1, len(functions) + 1))))
            loop.emit("sd", rs1=S1, rs2=A2, imm=8)
            loop.value(A1, WINDOW + 0x1000)
            loop.emit("sfence.vma", rs1=source.choice((0, A1)), rs2=0)
        else:
            # The function's second instruction becomes another one.
            word = source.randrange(1, 2000) << 20 | A0 << 15 | A0 << 7 | 0x13
            loop.value(A1, function(source.randrange(1, len(functions) + 1)))
            loop.value(A2, word)
            loop.emit("sw", rs1=A1, rs2=A2, imm=0)
            loop.emit("fence.i")
    # The other hart's turn, if there is one. Nowhere else: it must not meet code that is rewritten before the fence.
    loop.emit("pause")
    end_round(loop)
    return loop, functions


def compare(make: Callable[[str], Program], stress: str) -> int:
    """Return how many regions of several pages there were."""
    # Code is left often: when a page is seen first, none of those it leads to is warm.
    compared = in_lockstep(make, 60_000, ram=(RAM, 0x5_0000), ended=Program.is_done, **{"piece": 97} | STRESS[stress])
    return compared.stats["t2_paged"]


@pytest.mark.parametrize("harts", [1, 2])
@pytest.mark.parametrize("stress", REGIONS)
def test_loops_and_calls_across_pages(stress: str, harts: int) -> None:
    source, regions = rng(f"pages {stress} {harts}"), 0
    for _ in range(scaled(6)):
        code = across_pages(source, harts)
        regions += compare(lambda tier, code=code: Program(code, tier, harts=harts), stress)
    assert regions


@pytest.mark.parametrize("harts", [1, 2])
@pytest.mark.parametrize("stress", REGIONS)
def test_pages_that_are_moved_or_rewritten(stress: str, harts: int) -> None:
    source, regions = rng(f"moved pages {stress} {harts}"), 0
    for _ in range(scaled(6)):
        loop, functions = moved_pages(source)
        assert len(loop.code()) <= 4096
        regions += compare(lambda tier, made=(loop, functions): Moved(*made, tier, harts), stress)
    assert regions
