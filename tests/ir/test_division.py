"""Division by constants without dividing."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vmcore._fast.jit.t2.face import Region

NAMES = ("div", "divu", "rem", "remu", "div32", "divu32", "rem32", "remu32")
M64 = 2**64 - 1
NEAR = st.builds(lambda k, near, sign: sign * (1 << k) + near, st.integers(0, 64), st.integers(-3, 3),
                 st.sampled_from((1, -1)))  # fmt: skip
NUMBERS = st.one_of(st.integers(-(2**63), 2**64 - 1), NEAR, st.integers(-300, 300))


def expected(name: str, a: int, b: int) -> int:
    """What RISC-V says, by the schoolbook."""
    bits = 32 if name.endswith("32") else 64
    name = name.removesuffix("32")
    a, b = a & (1 << bits) - 1, b & (1 << bits) - 1
    if not name.endswith("u"):
        a, b = (v - (1 << bits) if v >> (bits - 1) else v for v in (a, b))
    if b == 0:
        result = a if name.startswith("rem") else -1
    else:
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        result = a - quotient * b if name.startswith("rem") else quotient
    result &= (1 << bits) - 1
    return (result - (1 << bits) if result >> (bits - 1) else result) & M64


@pytest.mark.parametrize("name", NAMES)
@given(NUMBERS, st.lists(NUMBERS, min_size=8, max_size=8))
@settings(max_examples=300, deadline=None)
@example(-1, [-(2**63), -(2**31), 0, 1, -1, 2**31, 2**32 - 1, M64])
@example(1, [-(2**63), -(2**31), 0, 1, -1, 2**31, 2**32 - 1, M64])
@example(-(2**63), [-(2**63), -(2**31), 0, 1, -1, 2**63 - 1, 1 - 2**63, M64])
@example(-(2**31), [-(2**63), -(2**31), 0, 1, -1, 2**31 - 1, 1 - 2**31, M64])
@example(0, [-(2**63), -(2**31), 0, 1, -1, 2**31, 2**32 - 1, M64])
@example(7, [M64, M64 - 1, 2**63, 2**63 - 1, 6, 7, -7, -8])
def test_division_by_a_constant(name: str, by: int, numbers: list[int]) -> None:
    constant = (by & M64) - (1 << 64) if (by & M64) >> 63 else by & M64
    region = Region.from_text(f"b1:\n  v1 = entry x10\n  v2 = {name} v1, {constant}\n  leave [next 0: x11=v2]\n")
    made = region.run_pass("strength")
    assert region.verify() is None
    bits = 32 if name.endswith("32") else 64
    assert made == (by % (1 << bits) != 0)
    if made:
        assert not any(f"{one} v" in region.text() for one in NAMES)
    # Around the multiples of the divisor, where rounding shows.
    for number in numbers:
        for near in (number, number // (by or 1) * by, number // (by or 1) * by - 1, number // (by or 1) * by + 1):
            left = region.evaluate({10: near & M64})
            assert left["regs"][11] == expected(name, near, by), (hex(near & M64), region.text())
