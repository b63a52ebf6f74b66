"""Zba, Zbb, Zbc, Zbs, Zbkb, Zbkx and Zicond against definitions written as plain Python over lists of bits."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import vmcore._fast.hart.ops_bits  # noqa: F401  (registers the handlers)
from vmcore._fast.hart.single import execute

MASK = 2**64 - 1
# Random words, words with few bits, and words of equal bytes: the cases where counting and permuting go wrong.
words = st.one_of(
    st.integers(0, MASK),
    st.integers(0, 63).map(lambda n: 1 << n),
    st.integers(0, 63).map(lambda n: MASK >> n),
    st.integers(0, 63).map(lambda n: MASK << n & MASK),
    st.lists(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]), min_size=8, max_size=8).map(
        lambda b: int.from_bytes(bytes(b), "little")
    ),
)


def sext(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return (value - (1 << bits) if value >> (bits - 1) else value) & MASK


def signed(value: int) -> int:
    return value - 2**64 if value >> 63 else value


def bits_of(value: int, width: int = 64) -> str:
    """The bits as text, most significant first."""
    return format(value & ((1 << width) - 1), f"0{width}b")


def rotated(value: int, left: int, width: int) -> int:
    text = bits_of(value, width)
    left %= width
    return int(text[left:] + text[:left], 2)


def each_byte(value: int, function: Callable[[int], int]) -> int:
    return int.from_bytes(bytes(function(b) for b in value.to_bytes(8, "little")), "little")


def product(a: int, b: int) -> int:
    """Carry-less product: schoolbook, one row for each bit of b."""
    total = 0
    for i in range(64):
        if b >> i & 1:
            total ^= a << i
    return total


def xperm(value: int, index: int, width: int) -> int:
    lanes = [value >> i & ((1 << width) - 1) for i in range(0, 64, width)]
    chosen = [index >> i & ((1 << width) - 1) for i in range(0, 64, width)]
    return sum((lanes[k] if k < len(lanes) else 0) << (i * width) for i, k in enumerate(chosen))


low32 = 0xFFFF_FFFF
BINARY: dict[str, Callable[[int, int], int]] = {
    "add.uw": lambda a, b: b + (a & low32),
    "sh1add": lambda a, b: b + a * 2,
    "sh2add": lambda a, b: b + a * 4,
    "sh3add": lambda a, b: b + a * 8,
    "sh1add.uw": lambda a, b: b + (a & low32) * 2,
    "sh2add.uw": lambda a, b: b + (a & low32) * 4,
    "sh3add.uw": lambda a, b: b + (a & low32) * 8,
    "andn": lambda a, b: a & (b ^ MASK),
    "orn": lambda a, b: a | (b ^ MASK),
    "xnor": lambda a, b: a ^ b ^ MASK,
    "max": lambda a, b: max(a, b, key=signed),
    "min": lambda a, b: min(a, b, key=signed),
    "maxu": lambda a, b: max(a, b),
    "minu": lambda a, b: min(a, b),
    "rol": lambda a, b: rotated(a, b % 64, 64),
    "ror": lambda a, b: rotated(a, -(b % 64), 64),
    "rolw": lambda a, b: sext(rotated(a, b % 32, 32), 32),
    "rorw": lambda a, b: sext(rotated(a, -(b % 32), 32), 32),
    "bclr": lambda a, b: a - (a & 2 ** (b % 64)),
    "bset": lambda a, b: a | 2 ** (b % 64),
    "binv": lambda a, b: a ^ 2 ** (b % 64),
    "bext": lambda a, b: a // 2 ** (b % 64) % 2,
    "clmul": lambda a, b: product(a, b),
    "clmulh": lambda a, b: product(a, b) >> 64,
    "clmulr": lambda a, b: product(a, b) >> 63,
    "pack": lambda a, b: int(bits_of(b, 32) + bits_of(a, 32), 2),
    "packh": lambda a, b: int(bits_of(b, 8) + bits_of(a, 8), 2),
    "packw": lambda a, b: sext(int(bits_of(b, 16) + bits_of(a, 16), 2), 32),
    "xperm4": lambda a, b: xperm(a, b, 4),
    "xperm8": lambda a, b: xperm(a, b, 8),
    "czero.eqz": lambda a, b: 0 if b == 0 else a,
    "czero.nez": lambda a, b: 0 if b != 0 else a,
}
UNARY: dict[str, Callable[[int], int]] = {
    "clz": lambda a: 64 - a.bit_length(),
    "clzw": lambda a: 32 - (a & low32).bit_length(),
    "ctz": lambda a: (bits_of(a)[::-1] + "1").index("1"),
    "ctzw": lambda a: (bits_of(a, 32)[::-1] + "1").index("1"),
    "cpop": lambda a: bits_of(a).count("1"),
    "cpopw": lambda a: bits_of(a, 32).count("1"),
    "sext.b": lambda a: sext(a, 8),
    "sext.h": lambda a: sext(a, 16),
    "zext.h": lambda a: a % 2**16,
    "orc.b": lambda a: each_byte(a, lambda b: 255 if b else 0),
    "rev8": lambda a: int.from_bytes(a.to_bytes(8, "little"), "big"),
    "brev8": lambda a: each_byte(a, lambda b: int(bits_of(b, 8)[::-1], 2)),
}
# The immediate forms by the register form that they abbreviate, and how many bits their amount has.
IMMEDIATE = {
    "rori": ("ror", 64),
    "roriw": ("rorw", 32),
    "bclri": ("bclr", 64),
    "bseti": ("bset", 64),
    "binvi": ("binv", 64),
    "bexti": ("bext", 64),
}


@pytest.mark.parametrize("name", BINARY)
@given(a=words, b=st.one_of(words, st.integers(0, 130)))
@example(a=MASK, b=0)
@example(a=0, b=MASK)
@example(a=1 << 63, b=1 << 63)
@example(a=0x8000_0000, b=32)
def test_binary_operation(name: str, a: int, b: int) -> None:
    assert execute(name, a, b) == BINARY[name](a, b) & MASK


@pytest.mark.parametrize("name", UNARY)
@given(a=words)
@example(a=0)
@example(a=MASK)
@example(a=0xFFFF_FFFF_0000_0000)
@example(a=0x8000_0000)
def test_unary_operation(name: str, a: int) -> None:
    assert execute(name, a, imm=0) == UNARY[name](a)


@pytest.mark.parametrize("name", IMMEDIATE)
@given(a=words)
def test_immediate_form_equals_the_register_form(name: str, a: int) -> None:
    register_form, width = IMMEDIATE[name]
    for amount in range(width):
        assert execute(name, a, imm=amount) == BINARY[register_form](a, amount)


@given(a=words)
def test_slli_uw_shifts_the_zero_extended_word(a: int) -> None:
    for amount in range(64):
        assert execute("slli.uw", a, imm=amount) == (a & low32) * 2**amount & MASK


def test_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError, match="no handler"):
        execute("no.such.instruction")
