"""What the reference evaluator computes, and so what constants fold to, against the model that the tests have."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from support.ir_expressions import CORNERS, inputs
from support.regions import BITS, F32, INTEGER, M32, M64, floating, floating_bits, is_nan

from vmcore._fast.jit.t2.face import Region

F64 = 2
TYPES = {F32: "f32", F64: "f64"}
OPERANDS = {op: model.__code__.co_argcount for op, model in INTEGER.items()}
#: Zeros, ones, the least and the greatest of each kind, infinities, NaNs, and what rounds.
DOUBLES = tuple((sign << 63) | value for sign in (0, 1) for value in (
    0, 1, 0x3FF0000000000000, 0x3FF0000000000001, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000, 0x7FF8000000000000,
    0x7FF0000000000001, 0x0010000000000000, 0x41DFFFFFFFC00000, 0x43E0000000000000, 0x3810000000000001))  # fmt: skip
SINGLES = tuple((sign << 31) | value for sign in (0, 1) for value in (
    0, 1, 0x3F800000, 0x3F800001, 0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0x7F800001, 0x00800000, 0x4F000000))  # fmt: skip
ARITHMETIC = {"fadd": 2, "fsub": 2, "fmul": 2, "fdiv": 2, "fsqrt": 1, "fmadd": 3, "fmsub": 3, "fnmsub": 3,
              "fnmadd": 3, "fmin": 2, "fmax": 2, "feq": 2, "flt": 2, "fle": 2}  # fmt: skip


@pytest.mark.parametrize("op", INTEGER)
def test_integers(op: str) -> None:
    count = OPERANDS[op]
    text = "b1:\n  v1 = entry x10\n  v2 = entry x11\n  v3 = entry x12\n"
    name = f"{op}.int" if op == "select" else op
    text += f"  v4 = {name} {', '.join(['v1', 'v2', 'v3'][:count])}\n  leave [next 0: x13=v4]\n"
    region = Region.from_text(text)
    values = [tuple(registers.values()) for registers in inputs(2, 200)]
    values += [(a, b, 5) for a, b in itertools.product(CORNERS[::3], CORNERS)]
    for args in values:
        expected = int(INTEGER[op](*args[:count])) & M64
        got = region.evaluate(dict(zip((10, 11, 12), args, strict=True)))["regs"][13]
        assert got == expected, f"{op} of {[hex(arg) for arg in args[:count]]}"
        folded = Region.from_text(
            f"b1:\n  v4 = {name} {', '.join(str(arg) for arg in args[:count])}\n  leave [next 0: x13=v4]\n"
        )
        folded.run_pass("fold")
        assert folded.evaluate({})["regs"][13] == expected


def entries(kind: int, count: int) -> str:
    """Operands v1, v2, v3 of a type, from f10 on; singles from the lower halves."""
    lines = ["region fpu", "b1:", "  fpu [next 0:]"]
    for i in range(1, count + 1):
        lines.append(f"  v{i if kind == F64 else 10 + i} = entry f{9 + i}")
        if kind == F32:
            lines += [f"  v{20 + i} = bits v{10 + i}", f"  v{i} = frombits.f32 v{20 + i}"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("op", ARITHMETIC)
def test_floating_point(op: str, kind: int) -> None:
    count, compares = ARITHMETIC[op], op in ("feq", "flt", "fle")
    name = op if compares else f"{op}.{TYPES[kind]}"
    values = DOUBLES if kind == F64 else SINGLES
    for mode in (7,) if compares else (0, 1, 2, 3, 4, 7):
        text = entries(kind, count) + f"  v4 = {name} {', '.join(f'v{i}' for i in range(1, count + 1))} mode {mode}\n"
        text += "  leave [next 0: x13=v4]\n" if compares else "  v5 = bits v4\n  leave [next 0: x13=v5]\n"
        region = Region.from_text(text)
        node = {"mode": mode, "type": 1 if compares else kind, "flags": 0, "size": 0}
        for args in itertools.product(values, values[::2], values[1::3]) if count == 3 else itertools.product(
                values, repeat=count):  # fmt: skip
            expected, flags = floating(op, node, kind, list(args), 3)
            left = region.evaluate({42 + i: arg for i, arg in enumerate(args)}, frm=3)
            got = left["regs"][13] & (M32 if kind == F32 and not compares else M64)
            assert left["flags"] == flags
            assert got == expected or (not compares and is_nan(got, kind) and is_nan(expected, kind))


@pytest.mark.parametrize("op", BITS)
@pytest.mark.parametrize("kind", TYPES)
def test_bits_of_floating_point(op: str, kind: int) -> None:
    if (op, kind) in (("box", F64), ("unbox", F32)):
        # Of the other type alone.
        kind = {"box": F32, "unbox": F64}[op]
    count = 2 if op.startswith("fsgnj") else 1
    result = {"box": F64, "unbox": F32, "bits": 1}.get(op, kind)
    name = op if op in ("box", "unbox", "bits") else f"{op}.{TYPES[kind]}"
    if op == "frombits":
        text = f"region fpu\nb1:\n  fpu [next 0:]\n  v1 = entry x10\n  v4 = {name} v1\n"
    else:
        text = entries(kind, count) + f"  v4 = {name} {', '.join(f'v{i}' for i in range(1, count + 1))}\n"
    text += "  leave [next 0: x13=v4]\n" if op == "bits" else "  v5 = bits v4\n  leave [next 0: x13=v5]\n"
    region = Region.from_text(text)
    values = DOUBLES if kind == F64 else SINGLES
    if op == "unbox":
        values += tuple(M64 ^ M32 | single for single in SINGLES)
    for args in itertools.product(values, repeat=count):
        registers = {10: args[0]} | {42 + i: arg for i, arg in enumerate(args)}
        got = region.evaluate(registers)["regs"][13]
        expected = floating_bits(op, kind, result, list(args))
        assert got & (M32 if result == F32 else M64) == expected


@pytest.mark.parametrize("signed", ["", " signed"])
@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("kind", TYPES)
def test_conversions(kind: int, size: int, signed: str) -> None:
    for mode in (0, 1, 2, 3, 4):
        node: dict[str, Any] = {"mode": mode, "type": 1, "flags": 2 if signed else 0, "size": size}
        text = entries(kind, 1) + f"  v4 = int_f v1 size {size} mode {mode}{signed}\n  leave [next 0: x13=v4]\n"
        region = Region.from_text(text)
        for value in DOUBLES if kind == F64 else SINGLES:
            left = region.evaluate({42: value})
            assert (left["regs"][13], left["flags"]) == floating("int_f", node, kind, [value], 0)
        node["type"] = kind
        text = f"region fpu\nb1:\n  fpu [next 0:]\n  v1 = entry x10\n  v2 = f_int.{TYPES[kind]} v1 size {size} "
        region = Region.from_text(text + f"mode {mode}{signed}\n  v3 = bits v2\n  leave [next 0: x13=v3]\n")
        for value in CORNERS:
            left = region.evaluate({10: value})
            expected, flags = floating("f_int", node, 1, [value], 0)
            assert (left["regs"][13] & (M32 if kind == F32 else M64), left["flags"]) == (expected, flags)


def test_between_the_formats() -> None:
    region = Region.from_text(
        entries(F64, 1) + "  v2 = f32_f64 v1 mode 7\n  v3 = f64_f32 v2\n  v4 = bits v3\n  leave [next 0: x13=v4]\n"
    )
    for value in DOUBLES:
        single, first = floating("f32_f64", {"mode": 7, "type": F32, "flags": 0, "size": 0}, F64, [value], 1)
        double, second = floating("f64_f32", {"mode": 0, "type": F64, "flags": 0, "size": 0}, F32, [single], 1)
        left = region.evaluate({42: value}, frm=1)
        assert left["regs"][13] == double or (is_nan(double, F64) and is_nan(left["regs"][13], F64))
        assert left["flags"] == first | second
