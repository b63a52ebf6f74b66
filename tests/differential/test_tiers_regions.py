"""What regions are made for, on random programs against the interpreter: chains of pointers, switches, machines with a
state, accesses of several turns that lie in two pages, and calls by what a register says.
"""

from __future__ import annotations

import random
import struct

import pytest
from differential.test_tiers import REGIONS, STRESS
from support.amount import rng, scaled
from support.assembler import Assembler
from support.storms import CODE, RAM, TABLE, WINDOW, WINDOW_LAST, Storm, count_down, data, end_round, leaf
from support.tiers import in_lockstep

A0, A1, A2, A3, A4, A5, T2, T3, S2, RA, SP = 10, 11, 12, 13, 14, 15, 7, 28, 18, 1, 2
#: Pages of the window that lead to pages of data, in another order.
FIRST, PAGES = 2, 6
DATA = WINDOW + (FIRST << 12)
ENDED = 1 << 62
#: Another page of code.
AWAY = CODE + 0x1000


class Program(Storm):
    """A program and what lies in the pages of its window."""

    def __init__(self, code: Assembler, tier: str, order: list[int], memory: bytes, away: bytes) -> None:
        super().__init__(code, tier)
        self.core.memory.write(AWAY, away)
        self.put(WINDOW_LAST, {FIRST + n: leaf(data(page)) for n, page in enumerate(order)})
        for n, page in enumerate(order):
            self.core.memory.write(data(page), memory[n << 12 : (n + 1) << 12])

    def is_done(self) -> bool:
        return self.word(TABLE) == ENDED


def finish(code: Assembler) -> None:
    """End the program where the machine can see that it is done."""
    end_round(code)
    for n, (mnemonic, operands, to) in enumerate(code.items):
        if mnemonic == "sd" and operands.get("rs2") == A0 and operands["rs1"] == A1 and operands["imm"] == 0:
            code.items[n] = (mnemonic, operands | {"rs2": T3}, to)
    # t3: what says so; nothing else writes it.
    code.items[:0] = [("addi", {"rd": T3, "rs1": 0, "imm": 1}, None), ("slli", {"rd": T3, "rs1": T3, "imm": 62}, None)]
    code.labels = {name: at + 8 for name, at in code.labels.items()}


def compare(source: random.Random, code: Assembler, made: tuple[bytes, bytes], stress: str) -> dict[str, int]:
    finish(code)
    assert len(code.code()) <= 4096
    order = source.sample(range(8), PAGES)
    compared = in_lockstep(lambda tier: Program(code, tier, order, *made), 60_000, ram=(RAM, 0x5_0000),
                           ended=Program.is_done, **STRESS[stress])  # fmt: skip
    return compared.stats


def filled(source: random.Random) -> bytearray:
    return bytearray(source.randbytes(PAGES << 12))


def a_list(source: random.Random, code: Assembler) -> tuple[bytes, bytes]:
    """Loops along a list, or two: look for a value, count, change it, turn it round."""
    memory = filled(source)
    # Nodes of two words or three; some lie in two pages.
    places = sorted(source.sample(range(0, (PAGES << 12) - 24, 24), 40))
    places = [place - place % 8 for place in places] + [(n << 12) - 8 for n in range(1, PAGES)]
    places = [place for n, place in enumerate(sorted(places)) if n == 0 or place - sorted(places)[n - 1] >= 24]
    if source.random() < 0.3:
        places = places[:8]
    source.shuffle(places)
    if source.random() < 0.5:
        places.sort()
    link = source.choice((0, 8))
    for here, following in zip(places, [*places[1:], None], strict=True):
        target = 0 if following is None else DATA + following
        memory[here : here + 24] = struct.pack("<QQQ", *source.sample(range(1, 1 << 40), 3))
        memory[here + link : here + link + 8] = struct.pack("<Q", target)
    other = 8 - link
    code.value(A1, DATA + places[0])
    count_down(code, source.randrange(6, 16))
    for number in range(source.randrange(1, 4)):
        again, behind = f"again {number}", f"behind {number}"
        kind = source.choice(("sum", "find", "change", "reverse", "pick"))
        code.emit("addi", rd=A2, rs1=A1, imm=0)
        code.emit("addi", rd=A4, rs1=0, imm=0)
        code.label(again)
        if kind == "reverse":
            code.emit("ld", rd=A3, rs1=A2, imm=link)
            code.emit("sd", rs1=A2, rs2=A4, imm=link)
            code.emit("addi", rd=A4, rs1=A2, imm=0)
            code.emit("addi", rd=A2, rs1=A3, imm=0)
            code.emit("bne", again, rs1=A2, rs2=0)
            code.emit("addi", rd=A1, rs1=A4, imm=0)
            continue
        code.emit(source.choice(("ld", "lw", "lbu")), rd=A3, rs1=A2, imm=other)
        code.emit("add", rd=A0, rs1=A0, rs2=A3)
        if kind == "find":
            code.emit("andi", rd=A3, rs1=A3, imm=source.choice((1, 15, 63)))
            code.emit("beq", behind, rs1=A3, rs2=0)
        elif kind == "change":
            code.emit("sd", rs1=A2, rs2=A0, imm=other)
        elif kind == "pick":
            # Either the next one, or the one behind it: what is gone on with meets again.
            code.emit("ld", rd=A4, rs1=A2, imm=link)
            code.emit("andi", rd=A3, rs1=A3, imm=1)
            code.emit("beq", f"one {number}", rs1=A3, rs2=0)
            code.emit("beq", f"one {number}", rs1=A4, rs2=0)
            code.emit("addi", rd=A2, rs1=A4, imm=0)
            code.label(f"one {number}")
        code.emit("ld", rd=A2, rs1=A2, imm=link)
        code.emit("bne", again, rs1=A2, rs2=0)
        code.label(behind)
    return bytes(memory), b""


def a_switch(source: random.Random, code: Assembler) -> tuple[bytes, bytes]:
    """A loop over bytes, each of which says by a table where to go on: cases here and there, and some in a row."""
    memory = filled(source)
    cases = source.choice((2, 3, 5, 8, 11, 14))
    shift = (cases - 1).bit_length()
    # The table lies behind the data: addresses, each of a case.
    table = (PAGES - 1) << 12
    away = Assembler(AWAY)
    code.value(A5, DATA + table)
    code.value(A1, DATA)
    code.value(A4, DATA + source.choice((64, 300, 900)))
    count_down(code, source.randrange(4, 10))
    code.emit("addi", rd=A2, rs1=A1, imm=0)
    code.label("again")
    code.emit("lbu", rd=A3, rs1=A2, imm=0)
    code.emit("addi", rd=A2, rs1=A2, imm=1)
    code.emit("andi", rd=A3, rs1=A3, imm=(1 << shift) - 1)
    code.emit("slli", rd=A3, rs1=A3, imm=3)
    code.emit("add", rd=A3, rs1=A3, rs2=A5)
    code.emit("ld", rd=A3, rs1=A3, imm=0)
    if source.random() < 0.3:
        code.emit("bne", "case 0", rs1=A0, rs2=A3)
    code.emit("jalr", rd=0, rs1=A3, imm=source.choice((0, 0, 0, 1)))
    for case in range(cases):
        code.label(f"case {case}")
        for _ in range(source.randrange(1, 4)):
            code.emit(source.choice(("addi", "xori", "slti")), rd=source.choice((A0, T2)), rs1=source.choice((A0, T2)),
                      imm=source.randrange(-64, 64))  # fmt: skip
        if source.random() < 0.4:
            code.emit("sb", rs1=A2, rs2=A0, imm=source.choice((-1, 0, 40)))
        how = source.random()
        if how < 0.6:
            code.emit("bltu", "again", rs1=A2, rs2=A4)
            code.emit("jal", "behind", rd=0)
        elif how < 0.8:
            code.emit("jal", "next", rd=0)
        # Or on into the next case.
    code.label("next")
    code.emit("bltu", "again", rs1=A2, rs2=A4)
    code.label("behind")
    targets = [code.labels[f"case {source.randrange(cases)}"] + 8 for _ in range(1 << shift)]
    if source.random() < 0.3:
        # It comes back from another page.
        away.emit("addi", rd=A0, rs1=A0, imm=5)
        away.value(A3, code.labels["next"] + 8)
        away.emit("jalr", rd=0, rs1=A3, imm=0)
        targets[source.randrange(len(targets))] = AWAY
    memory[table : table + 8 * len(targets)] = struct.pack(f"<{len(targets)}Q", *targets)
    return bytes(memory), away.code()


def a_machine(source: random.Random, code: Assembler) -> tuple[bytes, bytes]:
    """A loop over bytes with a state, which says where to go, and which most ways set to a constant; what it was before
    is remembered, and both look things up in a table.
    """
    states, before, wanted = source.randrange(2, 6), T2, A1
    code.value(A4, DATA + source.choice((64, 300, 900)))
    count_down(code, source.randrange(4, 10))
    code.value(A2, DATA)
    code.emit("addi", rd=A5, rs1=0, imm=0)
    code.label("again")
    code.emit("lbu", rd=A3, rs1=A2, imm=0)
    code.emit("addi", rd=A2, rs1=A2, imm=1)
    if source.random() < 0.5:
        code.emit("slli", rd=wanted, rs1=A5, imm=3)
        code.emit("add", rd=wanted, rs1=wanted, rs2=A4)
        code.emit("ld", rd=wanted, rs1=wanted, imm=source.choice((-64, 0, 512)))
        code.emit("xor", rd=A0, rs1=A0, rs2=wanted)
    for state in range(states - 1):
        code.emit("addi", rd=wanted, rs1=0, imm=state)
        code.emit(source.choice(("beq", "bgeu")), f"state {state}", rs1=wanted, rs2=A5)
    code.emit("jal", f"state {states - 1}", rd=0)
    for state in range(states):
        code.label(f"state {state}")
        for arm in range(source.randrange(1, 4)):
            # By a bit of what was read.
            code.emit("andi", rd=wanted, rs1=A3, imm=1 << source.randrange(8))
            code.emit("beq", f"state {state} arm {arm}", rs1=wanted, rs2=0)
            turn(source, code, before, states)
            code.label(f"state {state} arm {arm}")
        turn(source, code, before, states)
    code.label("meet")
    code.emit("add", rd=A0, rs1=A0, rs2=A5)
    if source.random() < 0.5:
        code.emit("slli", rd=before, rs1=A5, imm=1)
    code.emit("bltu", "again", rs1=A2, rs2=A4)
    return bytes(filled(source)), b""


def turn(source: random.Random, code: Assembler, before: int, states: int) -> None:
    """The end of a turn of the machine."""
    code.emit("add", rd=A0, rs1=A0, rs2=source.choice((before, A3, A5)))
    if source.random() < 0.2:
        code.emit("sb", rs1=A2, rs2=A0, imm=source.choice((-1, 0, 40)))
    if source.random() < 0.7:
        code.emit("addi", rd=before, rs1=A5, imm=source.choice((0, 0, 3)))
    if source.random() < 0.8:
        code.emit("addi", rd=A5, rs1=0, imm=source.randrange(states))
    else:
        code.emit("andi", rd=A5, rs1=source.choice((A3, before)), imm=3)
    if source.random() < 0.2:
        # Without meeting the others.
        code.emit("bltu", "again", rs1=A2, rs2=A4)
    code.emit("jal", "meet", rd=0)


def some_arrays(source: random.Random, code: Assembler) -> tuple[bytes, bytes]:
    """Loops over arrays that begin and end anywhere; the first thing in some of them is an access."""
    memory = filled(source)
    count_down(code, source.randrange(3, 7))
    for number in range(source.randrange(1, 4)):
        size, load, store = source.choice(((8, "ld", "sd"), (4, "lw", "sw"), (2, "lhu", "sh"), (1, "lbu", "sb")))
        stride = size * source.choice((1, 1, 1, 2, 3))
        length = source.choice((1, 7, 30, 90))
        first = source.choice(
            (source.randrange(0, 8 << 10), (source.randrange(1, 3) << 12) - stride * source.randrange(40))
        )
        second = source.choice((first + source.randrange(64), source.randrange(8 << 10, 12 << 10)))
        again = f"again {number}"
        code.value(A2, DATA + first - first % size + source.choice((0, 0, 0, 1)))
        code.value(A3, DATA + second - second % size)
        code.emit("addi", rd=A4, rs1=0, imm=length)
        if source.random() < 0.5:
            code.emit("addi", rd=T2, rs1=0, imm=0)
        code.label(again)
        code.emit(load, rd=A5, rs1=A2, imm=0)
        if source.random() < 0.7:
            code.emit(load, rd=T2, rs1=A3, imm=source.choice((0, size, -size)))
        code.emit(source.choice(("add", "sub", "xor")), rd=A0, rs1=A5, rs2=T2)
        if source.random() < 0.7:
            code.emit(store, rs1=source.choice((A2, A3)), rs2=A0, imm=source.choice((0, 0, stride)))
        for register in (A2, A3):
            code.emit("addi", rd=register, rs1=register, imm=stride)
        code.emit("addi", rd=A4, rs1=A4, imm=-1)
        code.emit("bne", again, rs1=A4, rs2=0)
    return bytes(memory), b""


def callbacks(source: random.Random, code: Assembler) -> tuple[bytes, bytes]:
    """A loop that calls functions: by a table of addresses, by auipc and jalr, and some that call themselves."""
    memory = filled(source)
    table = (PAGES - 1) << 12
    names = [f"function {n}" for n in range(source.randrange(1, 7))]
    code.value(A5, DATA + table)
    code.value(A1, DATA)
    code.value(SP, DATA + 0x2000)
    count_down(code, source.randrange(20, 60))
    code.emit("jal", "main", rd=0)
    for number, name in enumerate(names):
        code.label(name)
        code.emit(source.choice(("addi", "xori")), rd=A0, rs1=A0, imm=source.randrange(-64, 64))
        how = source.random()
        if how < 0.35:
            # As deep as some bits say.
            code.emit("andi", rd=T2, rs1=A3, imm=source.choice((1, 3, 7)))
            code.emit("srli", rd=A3, rs1=A3, imm=1)
            code.emit("beq", f"leaf {number}", rs1=T2, rs2=0)
            code.emit("addi", rd=SP, rs1=SP, imm=-16)
            code.emit("sd", rs1=SP, rs2=RA, imm=8)
            code.emit("sd", rs1=SP, rs2=A3, imm=0)
            code.emit("jal", source.choice(names[: number + 1]), rd=RA)
            code.emit("ld", rd=A3, rs1=SP, imm=0)
            code.emit("ld", rd=RA, rs1=SP, imm=8)
            code.emit("addi", rd=SP, rs1=SP, imm=16)
            code.label(f"leaf {number}")
        elif how < 0.6:
            code.emit("lw", rd=A4, rs1=A1, imm=source.choice((0, 4, 8)))
            code.emit("add", rd=A0, rs1=A0, rs2=A4)
        elif how < 0.7:
            # It returns elsewhere now and then.
            code.emit("andi", rd=T2, rs1=A0, imm=15)
            code.emit("bne", f"here {number}", rs1=T2, rs2=0)
            code.emit("addi", rd=RA, rs1=RA, imm=4)
            code.label(f"here {number}")
        code.emit("jalr", rd=0, rs1=RA, imm=0)
    code.label("main")
    code.emit("andi", rd=A2, rs1=A0, imm=0x78 if source.random() < 0.7 else 8)
    code.emit("add", rd=A2, rs1=A2, rs2=A5)
    code.emit("ld", rd=A2, rs1=A2, imm=0)
    code.emit("addi", rd=A3, rs1=A0, imm=0)
    code.emit("jalr", rd=RA, rs1=A2, imm=0)
    code.emit("addi", rd=A0, rs1=A0, imm=1)
    if source.random() < 0.6:
        # The number of instructions is known before the label is: two, from wherever they are.
        here = code.base + 4 * len(code.items) + 8
        code.emit("auipc", rd=RA, imm=0)
        code.emit("jalr", rd=RA, rs1=RA, imm=code.labels[source.choice(names)] + 8 - here)
        code.emit("addi", rd=A0, rs1=A0, imm=3)
    some = source.sample(names, source.randrange(1, len(names) + 1))
    targets = [code.labels[source.choice(some)] + 8 for _ in range(16)]
    memory[table : table + 128] = struct.pack("<16Q", *targets)
    return bytes(memory), b""


@pytest.mark.parametrize("stress", REGIONS)
@pytest.mark.parametrize(
    "kind",
    [a_list, a_switch, a_machine, some_arrays, callbacks],
    ids=["lists", "switches", "machines", "arrays", "callbacks"],
)
def test_regions_of_a_kind(kind, stress):
    source, regions = rng(f"regions {kind.__name__} {stress}"), 0
    for _ in range(scaled(30 if kind is a_machine else 4)):
        code = Assembler(CODE)
        regions += compare(source, code, kind(source, code), stress)["t2_regions"]
    assert regions
