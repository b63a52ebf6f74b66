"""Emission of integer operations: each with its operands and its result anywhere, against the reference evaluator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emitted import MASK, Machine, check, straight

BINARY = (
    "add",
    "sub",
    "mul",
    "and",
    "or",
    "xor",
    "shl",
    "shr",
    "sar",
    "rotr",
    "mulh",
    "mulhu",
    "mulhsu",
    "div",
    "divu",
    "rem",
    "remu",
    "shl32",
    "shr32",
    "sar32",
    "rotr32",
    "div32",
    "divu32",
    "rem32",
    "remu32",
    "eq",
    "ne",
    "lt",
    "ge",
    "ltu",
    "geu",
)
UNARY = (
    "neg",
    "not",
    "sext8",
    "sext16",
    "sext32",
    "zext8",
    "zext16",
    "zext32",
    "clz",
    "ctz",
    "popcnt",
    "clz32",
    "ctz32",
    "popcnt32",
    "bswap",
    "orcb",
)
NUMBERS = (
    0,
    1,
    2,
    7,
    31,
    32,
    63,
    64,
    255,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    1 << 32,
    1 << 62,
    1 << 63,
    MASK,
    MASK - 1,
    MASK ^ 0x7FFF_FFFF,
    0x1234_5678_9ABC_DEF0,
)
VALUES = st.sampled_from(NUMBERS) | st.integers(0, MASK)
SEEDS = st.integers(1, (1 << 32) - 1)
HOW = st.sampled_from(("scatter", "scatter", "colouring", "scan"))


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    made = Machine()
    yield made
    made.close()


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def registers(values: list[int]) -> list[int]:
    """Thirty-two registers and as many others, of which x5 to x7, x10 to x12 and x28 are given."""
    regs = [0] + [(0x1111_1111_1111_1111 * number) & MASK for number in range(1, 64)]
    for number, value in zip((10, 5, 11, 6, 12, 7, 28), values, strict=False):
        regs[number] = value
    return regs


@pytest.mark.parametrize("op", BINARY)
@settings(max_examples=60, deadline=None)
@given(
    st.lists(VALUES, min_size=4, max_size=4), SEEDS, st.sampled_from(["rr", "rh", "hr", "hh", "rn", "nr", "hn", "same"])
)
def test_two_operands(machine: Machine, op: str, values: list[int], seed: int, kind: str) -> None:
    number = str(signed(values[2]))
    operands = {
        "rr": "v110, v111",
        "rh": "v110, v106",
        "hr": "v105, v111",
        "hh": "v105, v106",
        "rn": f"v110, {number}",
        "nr": f"{number}, v111",
        "hn": f"v105, {number}",
        "same": "v110, v110",
    }[kind]
    text = straight(f"  v1 = {op} {operands}", {"x10": "v1", "x5": "v1"})
    check(machine, text, registers(values), seed)


@pytest.mark.parametrize("op", UNARY)
@settings(max_examples=30, deadline=None)
@given(VALUES, VALUES, SEEDS, st.sampled_from(["v110", "v105"]))
def test_one_operand(machine: Machine, op: str, one: int, two: int, seed: int, operand: str) -> None:
    check(machine, straight(f"  v1 = {op} {operand}", {"x10": "v1", "x20": "v1"}), registers([one, two]), seed)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """Up to 24 operations on one another, of the kinds that are covered by others above all."""
    known = ["v110", "v111", "v112", "v105", "v106", "v128"]
    lines = []
    for number in range(1, draw(st.integers(2, 24))):
        pick = st.sampled_from(known[-6:]) | st.sampled_from(known)
        small = st.sampled_from(("-1", "0", "1", "8", "100", "-2048", "255", "65535", "0x7fffffff", "-0x80000000"))
        kind = draw(st.sampled_from(("binary", "binary", "number", "shift", "word", "unary", "compare", "select")))
        a, b, c = draw(pick), draw(pick), draw(pick)
        if kind == "binary":
            text = f"{draw(st.sampled_from(BINARY))} {a}, {b}"
        elif kind == "number":
            text = f"{draw(st.sampled_from(('add', 'sub', 'and', 'or', 'xor', 'mul', 'eq', 'ne')))} {a}, {draw(small)}"
        elif kind == "shift":
            text = f"{draw(st.sampled_from(('shl', 'shr', 'sar')))} {a}, {draw(st.integers(0, 4))}"
        elif kind == "word":
            text = f"{draw(st.sampled_from(('sext32', 'zext32')))} {a}"
        elif kind == "unary":
            text = f"{draw(st.sampled_from(UNARY))} {a}"
        elif kind == "compare":
            text = f"{draw(st.sampled_from(('eq', 'ne', 'lt', 'ltu', 'geu', 'ge')))} {a}, {b}"
        else:
            text = f"select.int {a}, {b}, {c}"
        lines.append(f"  v{number} = {text}")
        known.append(f"v{number}")
    results = draw(st.lists(st.sampled_from(("x10", "x11", "x5", "x6", "x20", "x2", "x31")), min_size=1, unique=True))
    chosen = {name: draw(st.sampled_from(known[-4:]) | st.sampled_from(known)) for name in results}
    chosen.setdefault("x16", known[-1])
    return straight("\n".join(lines), chosen)


@settings(max_examples=400, deadline=None)
@given(programs(), st.lists(VALUES, min_size=7, max_size=7), SEEDS, st.booleans(), HOW)
def test_operations_on_one_another(
    machine: Machine, text: str, values: list[int], seed: int, select: bool, how: str
) -> None:
    check(machine, text, registers(values), seed, select=select, how=how)
