"""Values on which instructions go wrong, and random ones that are often near them."""

from __future__ import annotations

from functools import cache
from random import Random

from support.fp_patterns import edges, random_pattern
from support.ieee754 import FORMATS

M64 = 2**64 - 1

#: What every integer operand is tried with.
INTEGERS = sorted({
    value % 2**64
    for n in (0, 7, 8, 15, 16, 31, 32, 62, 63)
    for value in (1 << n, -(1 << n), (1 << n) - 1, ~(1 << n))
} | {0, 1, 2, M64, M64 - 1, 0x5555555555555555, 0xAAAAAAAAAAAAAAAA, 0x0123456789ABCDEF, 0xFFFFFFFF00000000,
     0x00000000FFFFFFFF, 0x80000000FFFFFFFF, 0x7FFFFFFF80000000, 0x0080FF7F01FE8000, 0x00FF00FF00FF00FF})

_EDGES = {name: edges(form) for name, form in FORMATS.items()}
_BOX = {"f64": 0, "f32": M64 ^ 2**32 - 1, "f16": M64 ^ 2**16 - 1}


def integer(rng: Random) -> int:
    """Return an integer operand."""
    kind = rng.randrange(8)
    if kind < 3:
        return rng.choice(INTEGERS)
    if kind == 3:
        return rng.randrange(-70, 70) % 2**64
    if kind == 4:
        return (rng.getrandbits(64) >> rng.randrange(64)) * rng.choice((1, -1)) % 2**64
    if kind == 5:
        return (rng.choice(INTEGERS) + rng.randrange(-2, 3)) % 2**64
    return rng.getrandbits(64)


def related(rng: Random, other: int) -> int:
    """Return an integer operand that often has to do with another one (equal, next to it, its negative)."""
    kind = rng.randrange(6)
    if kind == 0:
        return other
    if kind == 1:
        return (other + rng.randrange(-1, 2)) % 2**64
    if kind == 2:
        return -other % 2**64
    return integer(rng)


def pattern(rng: Random, width: str) -> int:
    """Return the bits of a number of format `width` (``f16``, ``f32``, ``f64``), not boxed."""
    return rng.choice(_EDGES[width]) if rng.randrange(3) == 0 else random_pattern(FORMATS[width], rng)


def boxed(rng: Random, width: str) -> int:
    """Return a register that holds a number of format `width`, boxed."""
    return pattern(rng, width) | _BOX[width]


def unboxed(rng: Random, width: str) -> int:
    """Return a register whose upper bits make it no number of format `width`, but for chance."""
    value = pattern(rng, width)
    if width == "f64":
        return value
    low = 32 if width == "f32" else 16
    kind = rng.randrange(4)
    if kind == 0:
        return value
    if kind == 1:
        # One bit of the box is missing.
        return (value | _BOX[width]) ^ 1 << rng.randrange(low, 64)
    if kind == 2:
        return rng.getrandbits(64 - low) << low | value
    return pattern(rng, "f64")


def float_register(rng: Random, width: str, *, boxes: bool = True) -> int:
    """Return a floating-point register for an instruction of format `width`; `boxes`: only proper boxes."""
    return boxed(rng, width) if boxes or rng.randrange(4) else unboxed(rng, width)


@cache
def integer_pool() -> tuple[int, ...]:
    """Return many integers, for the registers that nobody asked for."""
    rng = Random(1)
    return tuple(integer(rng) for _ in range(2000))


@cache
def float_pool(boxes: bool) -> tuple[int, ...]:
    """Return many floating-point registers of every format."""
    rng = Random(2)
    return tuple(float_register(rng, rng.choice(("f16", "f32", "f64")), boxes=boxes) for _ in range(3000))
