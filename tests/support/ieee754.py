"""IEEE 754 as RISC-V has it, from exact rational numbers: the reference that the compiled arithmetic is judged by.

Every operation is done exactly, on integers of any size, and its result is then rounded once. Nothing is shared with
the code under test, neither its structure nor its tricks: a value is a fraction, a square root is compared by
squaring, and "tiny" is found by really rounding to an unbounded exponent.

Sources: IEEE 754-2019; The RISC-V Instruction Set Manual, volume I, chapters F, D, Zfh and Zfa.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import NamedTuple

RNE, RTZ, RDN, RUP, RMM = MODES = range(5)
NX, UF, OF, DZ, NV = 1, 2, 4, 8, 16
MASK64 = 2**64 - 1


@dataclass(frozen=True, eq=False)
class Format:
    """A binary interchange format."""

    exponent_bits: int
    fraction_bits: int

    def __post_init__(self):
        put = object.__setattr__  # frozen, but these are asked for a million times
        put(self, "bits", 1 + self.exponent_bits + self.fraction_bits)
        put(self, "bias", 2 ** (self.exponent_bits - 1) - 1)
        put(self, "emax", self.bias)
        put(self, "emin", 1 - self.bias)
        put(self, "infinity", (2**self.exponent_bits - 1) << self.fraction_bits)
        put(self, "sign", 1 << (self.bits - 1))
        put(self, "largest", self.infinity - 1)
        put(self, "nan", self.infinity | 1 << (self.fraction_bits - 1))


FORMATS = {"f16": Format(5, 10), "f32": Format(8, 23), "f64": Format(11, 52)}


class Value(NamedTuple):
    """What a pattern means: sign and magnitude as ``n / d``; or infinite; or a NaN."""

    negative: bool
    n: int = 0
    d: int = 1
    infinite: bool = False
    nan: bool = False
    signalling: bool = False

    @property
    def zero(self) -> bool:
        return self.n == 0 and not self.infinite and not self.nan

    @property
    def signed(self) -> int:
        return -self.n if self.negative else self.n

    def negated(self) -> Value:
        return self._replace(negative=not self.negative)


@lru_cache(maxsize=1024)
def meaning(form: Format, pattern: int) -> Value:
    negative = bool(pattern & form.sign)
    magnitude = pattern & (form.sign - 1)
    if magnitude > form.infinity:
        return Value(negative, nan=True, signalling=not magnitude >> (form.fraction_bits - 1) & 1)
    if magnitude == form.infinity:
        return Value(negative, infinite=True)
    field, fraction = divmod(magnitude, 2**form.fraction_bits)
    if field:
        fraction += 2**form.fraction_bits
    exponent = max(field, 1) - form.bias - form.fraction_bits
    return Value(negative, fraction << exponent, 1) if exponent >= 0 else Value(negative, fraction, 1 << -exponent)


# --- rounding ---------------------------------------------------------------------------------------------------

Scaled = Callable[[int], tuple[int, int]]


def ratio(n: int, d: int) -> Scaled:
    """Return k -> (floor, rest) of ``n / d * 2**k``; rest is 0, 1, 2, 3 for none, below, at and above a half."""

    def scaled(k: int) -> tuple[int, int]:
        top, bottom = (n << k, d) if k >= 0 else (n, d << -k)
        whole, left = divmod(top, bottom)
        if left == 0:
            return whole, 0
        return whole, 1 if 2 * left < bottom else 2 if 2 * left == bottom else 3

    return scaled


def root(n: int, d: int) -> Scaled:
    """Return the same of the square root of ``n / d``."""

    def scaled(k: int) -> tuple[int, int]:
        top, bottom = (n << 2 * k, d) if k >= 0 else (n, d << -2 * k)
        whole = isqrt(top // bottom)
        if whole * whole * bottom == top:
            return whole, 0
        middle = (2 * whole + 1) ** 2 * bottom
        return whole, 1 if 4 * top < middle else 2 if 4 * top == middle else 3

    return scaled


def round_integer(negative: bool, whole: int, rest: int, rm: int) -> int:
    if rm == RNE:
        up = rest == 3 or (rest == 2 and whole % 2 == 1)
    elif rm == RMM:
        up = rest >= 2
    else:
        up = rest > 0 and rm == (RDN if negative else RUP)
    return whole + up


def round_to(form: Format, negative: bool, scaled: Scaled, exponent: int, rm: int) -> tuple[int, int]:
    """Return pattern and flags of a positive magnitude whose logarithm is about `exponent`, rounded to the format."""
    while scaled(-exponent)[0] >= 2:
        exponent += 1
    while scaled(-exponent)[0] < 1:
        exponent -= 1
    sign = form.sign if negative else 0
    quantum = max(exponent, form.emin) - form.fraction_bits
    whole, rest = scaled(-quantum)
    kept = round_integer(negative, whole, rest, rm)
    flags = NX if rest else 0
    if kept.bit_length() - 1 + quantum > form.emax:
        to_infinity = rm in (RNE, RMM) or rm == (RDN if negative else RUP)
        return sign | (form.infinity if to_infinity else form.largest), OF | NX
    if rest and exponent < form.emin:
        unbounded = round_integer(negative, *scaled(form.fraction_bits - exponent), rm)
        if unbounded.bit_length() - 1 + exponent - form.fraction_bits < form.emin:
            flags |= UF
    if kept < 2**form.fraction_bits:
        return sign | kept, flags
    field = quantum + form.fraction_bits + form.bias
    return sign | ((field << form.fraction_bits) + kept - 2**form.fraction_bits), flags


def round_ratio(form: Format, negative: bool, n: int, d: int, rm: int) -> tuple[int, int]:
    if n == 0:
        return form.sign if negative else 0, 0
    return round_to(form, negative, ratio(n, d), n.bit_length() - d.bit_length(), rm)


# --- arithmetic -------------------------------------------------------------------------------------------------


def nan_of(form: Format, *operands: Value) -> tuple[int, int]:
    return form.nan, NV if any(v.signalling for v in operands) else 0


def infinite(form: Format, negative: bool) -> tuple[int, int]:
    return form.infinity | (form.sign if negative else 0), 0


def add(form: Format, x: Value, y: Value, rm: int) -> tuple[int, int]:
    if x.nan or y.nan:
        return nan_of(form, x, y)
    if x.infinite and y.infinite and x.negative != y.negative:
        return form.nan, NV
    if x.infinite or y.infinite:
        return infinite(form, x.negative if x.infinite else y.negative)
    total = x.signed * y.d + y.signed * x.d
    if total == 0:
        # An exact zero is positive except when rounding down; zeros of one sign keep it.
        negative = x.negative if x.zero and y.zero and x.negative == y.negative else rm == RDN
        return form.sign if negative else 0, 0
    return round_ratio(form, total < 0, abs(total), x.d * y.d, rm)


def multiply(form: Format, x: Value, y: Value, rm: int) -> tuple[int, int]:
    if x.nan or y.nan:
        return nan_of(form, x, y)
    negative = x.negative != y.negative
    if x.infinite or y.infinite:
        return (form.nan, NV) if x.zero or y.zero else infinite(form, negative)
    return round_ratio(form, negative, x.n * y.n, x.d * y.d, rm)


def divide(form: Format, x: Value, y: Value, rm: int) -> tuple[int, int]:
    if x.nan or y.nan:
        return nan_of(form, x, y)
    negative = x.negative != y.negative
    if (x.infinite and y.infinite) or (x.zero and y.zero):
        return form.nan, NV
    if x.infinite:
        return infinite(form, negative)
    if y.infinite:
        return form.sign if negative else 0, 0
    if y.zero:
        return infinite(form, negative)[0], DZ
    return round_ratio(form, negative, x.n * y.d, x.d * y.n, rm)


def square_root(form: Format, x: Value, rm: int) -> tuple[int, int]:
    if x.nan:
        return nan_of(form, x)
    if x.zero:
        return form.sign if x.negative else 0, 0
    if x.negative:
        return form.nan, NV
    if x.infinite:
        return infinite(form, False)
    return round_to(form, False, root(x.n, x.d), (x.n.bit_length() - x.d.bit_length()) // 2, rm)


def multiply_add(form: Format, x: Value, y: Value, z: Value, rm: int) -> tuple[int, int]:
    if (x.infinite and y.zero) or (x.zero and y.infinite):
        return form.nan, NV
    if x.nan or y.nan or z.nan:
        return nan_of(form, x, y, z)
    negative = x.negative != y.negative
    if x.infinite or y.infinite:
        return add(form, Value(negative, infinite=True), z, rm)
    return add(form, Value(negative, x.n * y.n, x.d * y.d), z, rm)


# --- comparing --------------------------------------------------------------------------------------------------


def compared(x: Value, y: Value) -> int:
    """Return -1, 0 or 1; neither is a NaN."""
    if x.infinite or y.infinite:
        left, right = ((-1 if v.negative else 1) if v.infinite else 0 for v in (x, y))
    else:
        left, right = x.signed * y.d, y.signed * x.d
    return (left > right) - (left < right)


def comparison(x: Value, y: Value, quiet: bool, wanted: tuple[int, ...]) -> tuple[int, int]:
    if x.nan or y.nan:
        return 0, 0 if quiet and not (x.signalling or y.signalling) else NV
    return int(compared(x, y) in wanted), 0


def extreme(form: Format, a: int, b: int, larger: bool, keep_nan: bool) -> tuple[int, int]:
    x, y = meaning(form, a), meaning(form, b)
    if x.nan or y.nan:
        flags = nan_of(form, x, y)[1]
        if keep_nan or (x.nan and y.nan):
            return form.nan, flags
        return (b if x.nan else a), flags
    order = compared(x, y)
    if order == 0:
        order = y.negative - x.negative  # -0 is below +0
    return (a if (order > 0) == larger else b), 0


def classify(form: Format, x: Value) -> int:
    if x.nan:
        return 1 << (8 if x.signalling else 9)
    if x.infinite:
        return 1 << (0 if x.negative else 7)
    if x.zero:
        return 1 << (3 if x.negative else 4)
    normal = x.n << -form.emin >= x.d
    return 1 << ({True: 1, False: 2} if x.negative else {True: 6, False: 5})[normal]


# --- converting -------------------------------------------------------------------------------------------------


def to_integer(x: Value, bits: int, signed: bool, rm: int) -> tuple[int, int]:
    """Return the integer as an x register holds it."""
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if x.nan or x.infinite:
        value, flags = (least if x.negative and not x.nan else most), NV
    else:
        whole, rest = ratio(x.n, x.d)(0)
        value = round_integer(x.negative, whole, rest, rm)
        value, flags = -value if x.negative else value, NX if rest else 0
        if not least <= value <= most:
            value, flags = (least if x.negative else most), NV
    if bits == 32 and value >= 2**31:
        value -= 2**32
    return value & MASK64, flags


def to_integer_modulo(x: Value) -> tuple[int, int]:
    flags = to_integer(x, 32, True, RTZ)[1]
    if x.nan or x.infinite:
        return 0, flags
    whole = x.n // x.d
    low = (-whole if x.negative else whole) % 2**32
    return (low - 2**32 if low >= 2**31 else low) & MASK64, flags


def from_integer(form: Format, word: int, bits: int, signed: bool, rm: int) -> tuple[int, int]:
    word %= 2**bits
    if signed and word >= 2 ** (bits - 1):
        word -= 2**bits
    return round_ratio(form, word < 0, abs(word), 1, rm)


def convert(form: Format, x: Value, rm: int) -> tuple[int, int]:
    if x.nan:
        return nan_of(form, x)
    if x.infinite:
        return infinite(form, x.negative)
    return round_ratio(form, x.negative, x.n, x.d, rm)


def to_integral(form: Format, x: Value, exact: bool, rm: int) -> tuple[int, int]:
    if x.nan or x.infinite:
        return convert(form, x, rm)
    whole, rest = ratio(x.n, x.d)(0)
    # An integral value next to a number of the format is a number of the format: this rounds nothing.
    pattern = round_ratio(form, x.negative, round_integer(x.negative, whole, rest, rm), 1, rm)[0]
    return pattern, NX if rest and exact else 0


def evaluate(name: str, a: int, b: int = 0, c: int = 0, rm: int = RNE) -> tuple[int, int]:
    """Return result and flags of the function that ``vmcore._fast.hart.softfloat.op`` knows by the same name."""
    prefix, _, what = name.partition("_")
    form = FORMATS[prefix]
    if what.startswith("from_"):
        return from_integer(form, a, int(what[6:]), what[5] == "i", rm)
    if what in ("min", "max", "minm", "maxm"):
        return extreme(form, a, b, what.startswith("max"), what.endswith("m"))
    x = meaning(form, a)
    if what.startswith("to_f"):
        return convert(FORMATS[what[3:]], x, rm)
    if what == "to_i32_mod":
        return to_integer_modulo(x)
    if what.startswith("to_"):
        return to_integer(x, int(what[4:]), what[3] == "i", rm)
    if what in ("round", "roundnx"):
        return to_integral(form, x, what == "roundnx", rm)
    if what == "sqrt":
        return square_root(form, x, rm)
    if what == "classify":
        return classify(form, x), 0
    y = meaning(form, b)
    if what == "add":
        return add(form, x, y, rm)
    if what == "sub":
        return add(form, x, y.negated(), rm)
    if what == "mul":
        return multiply(form, x, y, rm)
    if what == "div":
        return divide(form, x, y, rm)
    if what == "fma":
        return multiply_add(form, x, y, meaning(form, c), rm)
    wanted, quiet = {"eq": ((0,), True), "lt": ((-1,), False), "ltq": ((-1,), True), "le": ((-1, 0), False),
                     "leq": ((-1, 0), True)}[what]
    return comparison(x, y, quiet, wanted)
