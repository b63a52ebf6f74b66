"""Operands on which floating-point arithmetic goes wrong, and random ones that are often near them."""

from __future__ import annotations

from random import Random

from support.ieee754 import FORMATS, Format


def edges(form: Format) -> list[int]:
    """Zeros, subnormals, the ends of the range, numbers around one and around every integer width, NaNs; both signs."""
    m = form.fraction_bits
    one = form.bias << m

    def power(exponent: int, fraction: int = 0) -> int:
        """2**exponent plus `fraction` units in its last place, or the largest number where that is out of range."""
        if exponent > form.emax:
            return form.largest
        return ((exponent + form.bias) << m) + fraction

    found = [
        0, 1, 2, 3, 1 << (m - 1), (1 << m) - 1, 1 << m, (1 << m) + 1, 2 << m,
        form.largest, form.largest - 1, form.infinity, form.nan, form.nan | 1, form.infinity | 1,
        one - 1, one, one + 1, one | 1 << (m - 1), power(-1), power(-1, -1), power(-1, 1), power(1, 1 << (m - 2)),
        power(m), power(m, 1), power(m + 1), power(m - 1, 1), power(m - 1, -1),
        power(-m - 1), power(-m - 1, 1), power(-m, -1),
        power(31), power(31, -1), power(32), power(32, -1), power(63), power(63, -1), power(64), power(64, -1),
        power(form.emin + m), power(form.emin // 2), power(form.emax // 2, 1),
    ]  # fmt: skip
    return [sign | pattern for pattern in dict.fromkeys(found) for sign in (0, form.sign)]


def few_edges(form: Format) -> list[int]:
    """The most telling ones, where all triples are tried."""
    m = form.fraction_bits
    one = form.bias << m
    found = [0, 1, (1 << m) - 1, 1 << m, one, one + 1, (2 << m) - 1, form.largest, form.infinity, form.nan,
             form.infinity | 1]  # fmt: skip
    return [sign | pattern for pattern in found for sign in (0, form.sign)]


def integer_edges() -> list[int]:
    """Words around every power of two, and words whose rounding to any format is a tie."""
    found = {0, 2**64 - 1, 0x5555555555555555}
    for n in range(64):
        for delta in (-1, 0, 1):
            found.add(2**n + delta)
            found.add(2**64 - 2**n + delta)
    for m in (10, 23, 52):
        for n in (31, 32, 63, 64):
            if n > m + 1:
                tie = 2 ** (n - 1) + 2 ** (n - m - 2)
                found |= {tie, tie - 1, tie + 1, tie + 2 ** (n - m - 1), 2**64 - tie}
    return sorted(word % 2**64 for word in found)


def random_pattern(form: Format, random: Random) -> int:
    """Uniform patterns, special exponents, exponents near one another, fractions with long runs of equal bits."""
    m, top = form.fraction_bits, 2**form.exponent_bits - 1
    kind = random.randrange(10)
    field = random.randrange(top + 1)
    if kind == 0:
        field = random.choice((0, 1, 2, top - 2, top - 1, top))
    elif kind <= 5:
        field = min(max(form.bias + random.randint(-m - 3, m + 12), 0), top)
    fraction = random.getrandbits(m)
    shape = random.randrange(6)
    if shape == 0:
        fraction = random.choice((0, 1, 2**m - 1, 2 ** (m - 1)))
    elif shape == 1:
        fraction = fraction >> random.randrange(m) << random.randrange(m) & (2**m - 1)
    elif shape == 2:
        fraction = (2**m - 2 ** random.randrange(m)) ^ random.randrange(2)
    elif shape == 3:
        fraction = 2 ** random.randrange(m)
    return random.getrandbits(1) << (form.bits - 1) | field << m | fraction


def random_integer(random: Random) -> int:
    word = random.getrandbits(64) >> random.randrange(64)
    if random.random() < 0.5:
        word = (word << random.randrange(40)) + random.randint(-1, 1)
    return (-word if random.random() < 0.5 else word) % 2**64


def random_operands(name: str, random: Random) -> tuple[int, int, int]:
    """Three operands for that softfloat function; the second is often close to the first or to its opposite."""
    form = FORMATS[name[:3]]
    if "_from_" in name:
        return random_integer(random), 0, 0
    a, b, c = (random_pattern(form, random) for _ in range(3))
    if random.random() < 0.15:
        b = min(max(a + random.randint(-2, 2), 0), 2**form.bits - 1)
        if random.random() < 0.5:
            b ^= form.sign
    return a, b, c
