"""The software floating point against exact rational arithmetic (support/ieee754.py): every result, every flag."""

import operator
import struct
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fp_patterns import edges, few_edges, integer_edges, random_operands
from support.ieee754 import FORMATS, MODES, NX, RNE, evaluate

from vmcore._fast.hart.softfloat import FUNCTIONS, op

# By what their names say; a function that none of these names is tested as one of two operands and all modes.
ALONE = ("sqrt", "round", "roundnx", "classify")
EXACT = ("min", "max", "minm", "maxm", "eq", "lt", "le", "ltq", "leq", "classify")
ONE_OPERAND = [n for n in FUNCTIONS if "_to_" in n or "_from_" in n or n[4:] in ALONE]
UNROUNDED = [n for n in FUNCTIONS if n[4:] in EXACT]
FMA = [n for n in FUNCTIONS if n.endswith("_fma")]
RANDOM_CASES = 2500


def modes(name: str) -> range:
    return range(1) if name in UNROUNDED or name.endswith("_mod") else MODES


def check(name: str, a: int, b: int = 0, c: int = 0) -> None:
    wanted = None
    for rm in modes(name):
        # A conversion that raises nothing in one mode is exact, so its result is that of every mode.
        if wanted is None or wanted[1] or "_to_" not in name:
            wanted = evaluate(name, a, b, c, rm)
        got = op(name, a, b, c, rm)
        if got != wanted:
            call = f"{name}({a:#x}, {b:#x}, {c:#x}) in mode {rm}"
            pytest.fail(f"{call}: {got[0]:#x} with flags {got[1]:#x}, not {wanted[0]:#x} with {wanted[1]:#x}")


def test_the_functions_are_those_of_three_formats():
    per_format = {name[4:] for name in FUNCTIONS if name.startswith("f32")} - {"to_f16", "to_f64"}
    assert len(per_format) == 26
    for prefix in FORMATS:
        assert {f"{prefix}_{what}" for what in per_format} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in FMA])
def test_edges(name):
    form = FORMATS[name[:3]]
    if "_from_" in name:
        for word in integer_edges():
            check(name, word)
    elif name in ONE_OPERAND:
        for a in edges(form):
            check(name, a)
    else:
        for a, b in product(edges(form), repeat=2):
            check(name, a, b)


@pytest.mark.parametrize("name", FMA)
def test_edges_of_fused_multiply_add(name):
    for a, b, c in product(few_edges(FORMATS[name[:3]]), repeat=3):
        check(name, a, b, c)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in ONE_OPERAND if n.startswith("f16") and "_from_" not in n])
def test_every_binary16_number(name):
    for a in range(1 << 16):
        check(name, a)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_random_patterns(name):
    random = Random(name)
    for _ in range(RANDOM_CASES):
        check(name, *random_operands(name, random))


formats = st.sampled_from(sorted(FORMATS))


@st.composite
def halves(draw):
    """A format, a number of it, and a piece that brings the sum to half a unit in the last place, or next to that."""
    prefix = draw(formats)
    form = FORMATS[prefix]
    exponent = draw(st.integers(form.fraction_bits + 3, 2**form.exponent_bits - 2))
    a = exponent << form.fraction_bits | draw(st.integers(0, 2**form.fraction_bits - 1))
    half = (exponent - form.fraction_bits - 1) << form.fraction_bits
    signs = draw(st.integers(0, 3))
    return prefix, a | (signs & 1) << (form.bits - 1), (half + draw(st.integers(-2, 2))) | signs >> 1 << (form.bits - 1)


@given(halves())
def test_sums_at_and_next_to_a_half(case):
    prefix, a, b = case
    check(f"{prefix}_add", a, b)
    check(f"{prefix}_sub", a, b)


@given(formats, st.data())
def test_products_with_one_bit_too_many(prefix, data):
    form = FORMATS[prefix]
    m = form.fraction_bits
    bits = data.draw(st.integers(1, m))
    # Odd numbers of `bits + 1` and of `m + 1 - bits` bits: half of their products end in a tie.
    left = data.draw(st.integers(0, 2**bits - 1)) | 1 << bits | 1
    right = data.draw(st.integers(0, 2 ** (m + 1 - bits) - 1)) | 1 << (m - bits) | 1
    scale = data.draw(st.integers(1, 2**form.exponent_bits - 2))

    def pattern(n: int, field: int) -> int:
        length = n.bit_length() - 1
        return field << m | (n << (m - length) if length <= m else n >> (length - m)) & (2**m - 1)

    check(f"{prefix}_mul", pattern(left, scale), pattern(right, form.bias))
    # The same with a result that falls among the subnormals, where more bits have to go.
    check(f"{prefix}_mul", pattern(left, form.bias // 2), pattern(right, data.draw(st.integers(1, form.bias // 2 + m))))


@given(formats, st.data())
def test_cancellation_in_fused_multiply_add(prefix, data):
    form = FORMATS[prefix]
    pattern = st.integers(1 << form.fraction_bits, form.largest)
    a, b, nudge = data.draw(pattern), data.draw(pattern), data.draw(st.integers(-1, 1))
    rounded = op(f"{prefix}_mul", a, b)[0]
    check(f"{prefix}_fma", a, b, (min(max(rounded + nudge, 0), form.infinity)) | form.sign)


@given(formats, st.data())
def test_roots_of_and_next_to_squares(prefix, data):
    form = FORMATS[prefix]
    base = data.draw(st.integers(form.bias // 2 << form.fraction_bits, (3 * form.bias // 2 << form.fraction_bits) - 1))
    square = op(f"{prefix}_mul", base, base)[0]
    for nudge in (-1, 0, 1):
        check(f"{prefix}_sqrt", square + nudge)


@given(formats, st.data())
def test_quotients_next_to_a_half(prefix, data):
    form = FORMATS[prefix]
    pattern = st.integers(0, form.largest)
    divisor, quotient = data.draw(pattern), data.draw(pattern)
    dividend = op(f"{prefix}_mul", quotient, divisor)[0] & (form.sign - 1)
    for nudge in (-1, 0, 1):
        check(f"{prefix}_div", min(max(dividend + nudge, 0), form.infinity), divisor)


@given(st.sampled_from(sorted(FUNCTIONS)), *[st.integers(0, 2**64 - 1)] * 3)
def test_any_pattern(name, a, b, c):
    mask = 2 ** FORMATS[name[:3]].bits - 1 if "_from_" not in name else 2**64 - 1
    check(name, a & mask, b & mask, c & mask)


def as_float(pattern: int) -> float:
    return struct.unpack("<d", pattern.to_bytes(8, "little"))[0]


PYTHON = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv}


@pytest.mark.parametrize(("name", "function"), PYTHON.items())
def test_the_reference_agrees_with_python(name, function):
    """The judge is judged too: Python's own floats are binary64 in round-to-nearest-even."""
    random = Random(name)
    for _ in range(2000):
        a, b, _ = random_operands(f"f64_{name}", random)
        x, y = as_float(a), as_float(b)
        if x != x or y != y or (name == "div" and y == 0):
            continue
        wanted = function(x, y)
        pattern = int.from_bytes(struct.pack("<d", wanted), "little")
        assert evaluate(f"f64_{name}", a, b, 0, RNE)[0] == (FORMATS["f64"].nan if wanted != wanted else pattern)


def test_the_five_modes_differ_where_they_should():
    one, tiny = 0x3FF0000000000000, 0x3CA0000000000000  # 1 and half a unit in its last place
    up = one + 1
    assert [op("f64_add", one, tiny, 0, rm) for rm in MODES] == [(one, NX), (one, NX), (one, NX), (up, NX), (up, NX)]


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="f64_frobnicate"):
        op("f64_frobnicate", 0)
    with pytest.raises(ValueError, match="rounding mode"):
        op("f64_add", 0, 0, 0, 5)
