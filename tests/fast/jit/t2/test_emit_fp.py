"""Emission of floating point: results, NaNs and flags, in every rounding mode, against the reference evaluator."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emitted import DATA, DATA_SIZE, HEADER, MASK, PINNED_F, Machine, check, entries, snapshot, straight

SEEDS = st.integers(1, (1 << 32) - 1)
MODES = st.integers(0, 3)
HOW = st.sampled_from(("scatter", "colouring", "scan"))


def double(value: float) -> int:
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def single(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


CORNERS_64 = (
    0,
    1 << 63,
    double(1.0),
    double(-1.0),
    double(0.5),
    double(-0.5),
    double(1.5),
    double(2.0**31),
    double(2.0**32 - 0.5),
    double(2.0**32),
    double(-(2.0**31) - 0.5),
    double(2.0**63),
    double(-(2.0**63)),
    double(2.0**64),
    double(2.0**70),
    1,
    double(-0.2),
    double(2.0**64 - 2048),
    double(2.0**63 + 2048),
    double(2.0**32 - 1),
    double(-(2.0**70)),
    0x7FEF_FFFF_FFFF_FFFF,
    0x0010_0000_0000_0000,
    0x7FF0_0000_0000_0000,
    0xFFF0_0000_0000_0000,
    0x7FF8_0000_0000_0000,
    0x7FF0_0000_0000_0001,
    0xFFF8_0000_0000_0123,
    double(3e9),
    double(-3e9),
    double(1e300),
)
CORNERS_32 = (
    0,
    1 << 31,
    single(1.0),
    single(-1.0),
    single(0.5),
    single(-0.7),
    single(2.0**31),
    single(2.0**32),
    single(2.0**63),
    single(-(2.0**63)),
    single(2.0**64),
    single(2.0**90),
    1,
    0x7F7F_FFFF,
    0x0080_0000,
    0x7F80_0000,
    0xFF80_0000,
    0x7FC0_0000,
    0x7F80_0001,
    0xFFC0_0123,
    single(3e9),
    single(-3e9),
    single(16777217.0),
    single(-(2.0**90)),
)
DOUBLES = st.sampled_from(CORNERS_64) | st.integers(0, MASK) | st.floats(-1e20, 1e20).map(double)
BOXES = (st.sampled_from(CORNERS_32) | st.integers(0, (1 << 32) - 1)).map(lambda bits: bits | 0xFFFF_FFFF << 32)
NOT_BOXED = st.sampled_from((0x3F80_0000, 0xFFFF_FFFE_3F80_0000, 0x7FF0_0000_0000_0000))


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    made = Machine()
    yield made
    made.close()


def registers(values: list[int], ints: list[int] | None = None) -> list[int]:
    """Of the values f10, f11, f12 (pinned) and f8, f9, f28 (not pinned) get one after the other."""
    regs = [0] + [(0x1111_1111_1111_1111 * number) & MASK for number in range(1, 64)]
    for number, value in zip((10, 28, 11, 8, 12, 9), values, strict=False):
        regs[32 + number] = value
    for number, value in zip((10, 5), ints or (), strict=False):
        regs[number] = value
    return regs


def both(body: str, type_: str, result: str = "v1") -> str:
    """A result as a double register, boxed and clean, in a pinned register and in one that is not."""
    if type_ == "f64":
        return straight(f"{body}\n  v90 = fclean.f64 {result}", {"f10": "v90", "f20": "v90"}, fpu=True)
    return straight(f"{body}\n  v90 = fclean.f32 {result}\n  v91 = box v90", {"f10": "v91", "f20": "v91"}, fpu=True)


def operands(type_: str, places: str, count: int) -> tuple[str, list[str]]:
    """Nodes that unbox singles, and the names of the operands, in pinned registers (p) or others (h)."""
    names = [
        f"v{132 + number}"
        for number in (
            (10, 11, 12)
            if places == "p"
            else (28, 8, 9)
            if places == "h"
            else (10, 8, 28)
            if places == "m"
            else (10, 10, 10)
        )
    ][:count]
    if type_ == "f64":
        return "", names
    return "\n".join(f"  v{70 + i} = unbox {name}" for i, name in enumerate(names)) + "\n", [
        f"v{70 + i}" for i in range(count)
    ]


@pytest.mark.parametrize("type_", ["f64", "f32"])
@pytest.mark.parametrize(
    ("op", "count"),
    [
        ("fadd", 2),
        ("fsub", 2),
        ("fmul", 2),
        ("fdiv", 2),
        ("fsqrt", 1),
        ("fmadd", 3),
        ("fmsub", 3),
        ("fnmsub", 3),
        ("fnmadd", 3),
        ("fmin", 2),
        ("fmax", 2),
        ("fsgnj", 2),
        ("fsgnjn", 2),
        ("fsgnjx", 2),
    ],
)
@settings(max_examples=60, deadline=None)
@given(st.data(), SEEDS, MODES, st.sampled_from("phms"))
def test_arithmetic(
    machine: Machine, op: str, count: int, type_: str, data: st.DataObject, seed: int, frm: int, places: str
) -> None:
    values = data.draw(st.lists(DOUBLES if type_ == "f64" else BOXES | NOT_BOXED, min_size=6, max_size=6))
    first, names = operands(type_, places, count)
    body = f"{first}  v1 = {op}.{type_} {', '.join(names)} mode 7"
    if op.startswith("fsgnj"):
        # What was loaded keeps its payload.
        box = "" if type_ == "f64" else "\n  v2 = box v1"
        result = "v1" if type_ == "f64" else "v2"
        text = straight(body + box, {"f10": result, "f20": result}, fpu=True)
    else:
        text = both(body, type_)
    check(machine, text, registers(values), seed, frm=frm)


@pytest.mark.parametrize("type_", ["f64", "f32"])
@pytest.mark.parametrize("op", ["feq", "flt", "fle"])
@settings(max_examples=60, deadline=None)
@given(st.data(), SEEDS, st.sampled_from("phms"))
def test_comparisons(machine: Machine, op: str, type_: str, data: st.DataObject, seed: int, places: str) -> None:
    values = data.draw(st.lists(DOUBLES if type_ == "f64" else BOXES, min_size=6, max_size=6))
    first, names = operands(type_, places, 2)
    check(
        machine,
        straight(f"{first}  v1 = {op} {', '.join(names)}", {"x10": "v1", "x5": "v1"}, fpu=True),
        registers(values),
        seed,
    )


@pytest.mark.parametrize("type_", ["f64", "f32"])
@pytest.mark.parametrize("op", ["feq", "flt", "fle"])
@settings(max_examples=60, deadline=None)
@given(st.data(), SEEDS, st.sampled_from("phms"), st.sampled_from(("", "v2 = eq v1, 0", "v2 = ne v1, 0")), HOW)
def test_a_branch_by_a_comparison(
    machine: Machine, op: str, type_: str, data: st.DataObject, seed: int, places: str, between: str, how: str
) -> None:
    values = data.draw(st.lists(DOUBLES if type_ == "f64" else BOXES, min_size=6, max_size=6))
    first, names = operands(type_, places, 2)
    body = f"{first}  v1 = {op} {', '.join(names)}\n  {between}"
    text = straight(body, {"x10": "v9"}, fpu=True)
    ways = f"  branch {'v2' if between else 'v1'}, b2, b3\nb2:\n  goto b4(v110)\nb3:\n  goto b4(v105)\nb4(v9.int):\n"
    text = text.replace("  leave", ways + "  leave")
    check(machine, text, registers(values), seed, how=how)


@pytest.mark.parametrize("type_", ["f64", "f32"])
@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("sign", ["signed", ""])
@settings(max_examples=100, deadline=None)
@given(st.data(), SEEDS, MODES, st.sampled_from("ph"), st.sampled_from((1, 7)))
def test_to_integers(
    machine: Machine, type_: str, size: int, sign: str, data: st.DataObject, seed: int, frm: int, places: str, mode: int
) -> None:
    values = data.draw(st.lists(DOUBLES if type_ == "f64" else BOXES, min_size=6, max_size=6))
    first, names = operands(type_, places, 1)
    body = f"{first}  v1 = int_f {names[0]} size {size} mode {mode} {sign}"
    check(machine, straight(body, {"x10": "v1", "x5": "v1"}, fpu=True), registers(values), seed, frm=frm)


@pytest.mark.parametrize("type_", ["f64", "f32"])
@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("sign", ["signed", ""])
@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from((0, 1, MASK, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 63, (1 << 63) + 1025, (1 << 53) + 1, MASK - 1))
    | st.integers(0, MASK),
    SEEDS,
    MODES,
    st.sampled_from(("v110", "v105", "-3", "0x123456789abcdef")),
)
def test_from_integers(
    machine: Machine, type_: str, size: int, sign: str, value: int, seed: int, frm: int, operand: str
) -> None:
    check(
        machine,
        both(f"  v1 = f_int.{type_} {operand} size {size} mode 7 {sign}", type_),
        registers([], [value, value]),
        seed,
        frm=frm,
    )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(DOUBLES | BOXES | NOT_BOXED, min_size=6, max_size=6),
    SEEDS,
    MODES,
    st.sampled_from(
        (
            "v1 = unbox {}\n  v2 = box v1",
            "v1 = bits {}\n  v2 = frombits.f64 v1",
            "v2 = frombits.f64 {int}",
            "v1 = frombits.f32 {int}\n  v2 = box v1",
            "v3 = f32_f64 {} mode 7\n  v1 = fclean.f32 v3\n  v2 = box v1",
            "v1 = unbox {}\n  v3 = f64_f32 v1 mode 7\n  v2 = fclean.f64 v3",
            "v1 = unbox {}\n  v3 = bits v1\n  v2 = frombits.f64 v3",
        )
    ),
    st.sampled_from((("v142", "v110"), ("v160", "v105"))),
)
def test_bits_and_boxes(
    machine: Machine, values: list[int], seed: int, frm: int, body: str, operand: tuple[str, str]
) -> None:
    body = body.format(operand[0], int=operand[1])
    text = straight("  " + body, {"f10": "v2", "f20": "v2"}, fpu=True)
    check(machine, text, registers(values, values), seed, frm=frm)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 400), SEEDS, st.sampled_from(((8, "f64"), (4, "f32"))), st.sampled_from((142, 160)))
def test_loads_and_stores(machine: Machine, at: int, seed: int, what: tuple[int, str], source: int) -> None:
    size, type_ = what
    memory = bytes(number * 37 & 0xFF for number in range(DATA_SIZE))
    _, named = entries(more=(5, 6, 7, 28))
    step = snapshot({}, named, "step", HEADER + 4, 1)
    step = step[:-1] + " " + " ".join(f"f{number}=v{132 + number}" for number in PINNED_F) + "]"
    body = f"  v1 = host v110 # 0 size {size} write {step}\n  v2 = load.{type_} v1, v110 # 0 size {size}\n"
    if size == 8:
        body += f"  store v1, v110, v{source} # 0 size 8"
        text = straight(body, {"f10": "v2", "f20": "v2"}, fpu=True)
    else:
        body += f"  v3 = box v2\n  v4 = unbox v{source}\n  store v1, v110, v4 # 0 size 4"
        text = straight(body, {"f10": "v3", "f20": "v3"}, fpu=True)
    regs = registers([0x3FF0_0000_1234_5678, 0xFFFF_FFFF_1234_5678] * 3, [DATA + at])
    machine.core.flush_tlb(0)
    check(machine, text, regs, seed, memory=memory)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(DOUBLES, min_size=6, max_size=6),
    SEEDS,
    MODES,
    st.lists(
        st.tuples(
            st.sampled_from(("fadd", "fsub", "fmul", "fmadd", "fnmsub", "fmax", "fsgnjx", "fdiv")),
            st.integers(0, 40),
            st.integers(0, 40),
            st.integers(0, 40),
        ),
        min_size=1,
        max_size=20,
    ),
    HOW,
)
def test_operations_on_one_another(
    machine: Machine, values: list[int], seed: int, frm: int, program: list[tuple[str, int, int, int]], how: str
) -> None:
    known = ["v142", "v143", "v160", "v140"]
    lines = []
    for number, (op, *picks) in enumerate(program, 1):
        names = [known[-1 - pick % min(len(known), 5)] for pick in picks]
        count = 3 if op in ("fmadd", "fnmsub") else 2
        if op == "fsgnjx":
            # Signs are looked at of what is clean, as what was there at the entry is.
            for i, name in enumerate(names[:2]):
                if name in known[4:]:
                    lines.append(f"  v{number + 40 + 25 * i} = fclean.f64 {name}")
                    names[i] = f"v{number + 40 + 25 * i}"
        lines.append(f"  v{number} = {op}.f64 {', '.join(names[:count])} mode 7")
        known.append(f"v{number}")
    lines.append("  v39 = fadd.f64 v142, " + known[-1] + " mode 7")
    text = both("\n".join(lines), "f64", "v39")
    check(machine, text, registers(values), seed, frm=frm, how=how)
