"""Integer instructions as plain functions of their operands: RV64I, M, Zicond, Zba, Zbb, Zbc, Zbs, Zbkb, Zbkx.

Operands are unsigned 64-bit integers; an immediate comes in the place of the second. Results are taken modulo 2**64 by
the caller. Everything is written from the specification's definitions, bit by bit where that is how they are given.
"""

from __future__ import annotations

from collections.abc import Callable

M64 = 2**64 - 1


def signed(value: int, bits: int = 64) -> int:
    """Read the low `bits` of a value as a two's-complement number."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def low(value: int, bits: int) -> int:
    """Return the low `bits` of a value."""
    return value & ((1 << bits) - 1)


def _quotient(a: int, b: int) -> int:
    """Divide toward zero."""
    result = abs(a) // abs(b)
    return -result if (a < 0) != (b < 0) else result


def _div(a: int, b: int, bits: int, is_signed: bool) -> int:
    """Divide; by zero gives all ones (volume I, M, table of division by zero and overflow)."""
    if low(b, bits) == 0:
        return -1
    return _quotient(signed(a, bits), signed(b, bits)) if is_signed else low(a, bits) // low(b, bits)


def _rem(a: int, b: int, bits: int, is_signed: bool) -> int:
    """Return the remainder, whose sign is the dividend's; by zero gives the dividend."""
    if low(b, bits) == 0:
        return a
    if not is_signed:
        return low(a, bits) % low(b, bits)
    x, y = signed(a, bits), signed(b, bits)
    return x - y * _quotient(x, y)


def _rotate_right(value: int, by: int, bits: int) -> int:
    by %= bits
    value = low(value, bits)
    return value >> by | low(value << bits - by, bits)


def carryless(a: int, b: int) -> int:
    """Return the 127-bit product of two polynomials over GF(2)."""
    product = 0
    for i in range(64):
        if b >> i & 1:
            product ^= a << i
    return product


def _leading(value: int, bits: int) -> int:
    return bits - low(value, bits).bit_length()


def _trailing(value: int, bits: int) -> int:
    value = low(value, bits)
    return (value & -value).bit_length() - 1 if value else bits


def _bytes_of(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _reverse_bits(byte: int) -> int:
    return int(f"{byte:08b}"[::-1], 2)


def _crossbar(table: int, index: int, bits: int) -> int:
    """Replace every field of `index` by the field of `table` that it names; 0 where there is none so far up."""
    count, result = 64 // bits, 0
    for i in range(count):
        number = low(index >> i * bits, bits)
        if number < count:
            result |= low(table >> number * bits, bits) << i * bits
    return result


Binary = Callable[[int, int], int]


def _word(function: Binary) -> Binary:
    """Return a function whose result is 32 bits, sign-extended."""
    return lambda a, b: signed(function(a, b), 32)


_ARITHMETIC: dict[str, Binary] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "sll": lambda a, b: a << (b & 63),
    "slt": lambda a, b: signed(a) < signed(b),
    "sltu": lambda a, b: a < b & M64,
    "xor": lambda a, b: a ^ b,
    "srl": lambda a, b: a >> (b & 63),
    "sra": lambda a, b: signed(a) >> (b & 63),
    "or": lambda a, b: a | b,
    "and": lambda a, b: a & b,
    "addw": _word(lambda a, b: a + b),
    "subw": _word(lambda a, b: a - b),
    "sllw": _word(lambda a, b: a << (b & 31)),
    "srlw": _word(lambda a, b: low(a, 32) >> (b & 31)),
    "sraw": _word(lambda a, b: signed(a, 32) >> (b & 31)),
    "mul": lambda a, b: a * b,
    "mulh": lambda a, b: signed(a) * signed(b) >> 64,
    "mulhsu": lambda a, b: signed(a) * b >> 64,
    "mulhu": lambda a, b: a * b >> 64,
    "div": lambda a, b: _div(a, b, 64, True),
    "divu": lambda a, b: _div(a, b, 64, False),
    "rem": lambda a, b: _rem(a, b, 64, True),
    "remu": lambda a, b: _rem(a, b, 64, False),
    "mulw": _word(lambda a, b: a * b),
    "divw": _word(lambda a, b: _div(a, b, 32, True)),
    "divuw": _word(lambda a, b: _div(a, b, 32, False)),
    "remw": _word(lambda a, b: _rem(a, b, 32, True)),
    "remuw": _word(lambda a, b: _rem(a, b, 32, False)),
    "czero.eqz": lambda a, b: a if b else 0,
    "czero.nez": lambda a, b: 0 if b else a,
    "lui": lambda a, b: b,
}

_BITS: dict[str, Binary] = {
    "sh1add": lambda a, b: 2 * a + b,
    "sh2add": lambda a, b: 4 * a + b,
    "sh3add": lambda a, b: 8 * a + b,
    "add.uw": lambda a, b: low(a, 32) + b,
    "sh1add.uw": lambda a, b: 2 * low(a, 32) + b,
    "sh2add.uw": lambda a, b: 4 * low(a, 32) + b,
    "sh3add.uw": lambda a, b: 8 * low(a, 32) + b,
    "slli.uw": lambda a, b: low(a, 32) << b,
    "andn": lambda a, b: a & ~b,
    "orn": lambda a, b: a | ~b,
    "xnor": lambda a, b: ~(a ^ b),
    "max": lambda a, b: max(signed(a), signed(b)),
    "maxu": max,
    "min": lambda a, b: min(signed(a), signed(b)),
    "minu": min,
    "rol": lambda a, b: _rotate_right(a, -(b & 63), 64),
    "ror": lambda a, b: _rotate_right(a, b & 63, 64),
    "rolw": _word(lambda a, b: _rotate_right(a, -(b & 31), 32)),
    "rorw": _word(lambda a, b: _rotate_right(a, b & 31, 32)),
    "clmul": carryless,
    "clmulh": lambda a, b: carryless(a, b) >> 64,
    "clmulr": lambda a, b: carryless(a, b) >> 63,
    "bclr": lambda a, b: a & ~(1 << (b & 63)),
    "bext": lambda a, b: a >> (b & 63) & 1,
    "binv": lambda a, b: a ^ 1 << (b & 63),
    "bset": lambda a, b: a | 1 << (b & 63),
    "pack": lambda a, b: low(a, 32) | low(b, 32) << 32,
    "packh": lambda a, b: low(a, 8) | low(b, 8) << 8,
    "packw": _word(lambda a, b: low(a, 16) | low(b, 16) << 16),
    "xperm4": lambda a, b: _crossbar(a, b, 4),
    "xperm8": lambda a, b: _crossbar(a, b, 8),
    "clz": lambda a, b: _leading(a, 64),
    "ctz": lambda a, b: _trailing(a, 64),
    "cpop": lambda a, b: bin(a).count("1"),
    "clzw": lambda a, b: _leading(a, 32),
    "ctzw": lambda a, b: _trailing(a, 32),
    "cpopw": lambda a, b: bin(low(a, 32)).count("1"),
    "sext.b": lambda a, b: signed(a, 8),
    "sext.h": lambda a, b: signed(a, 16),
    "zext.h": lambda a, b: low(a, 16),
    "orc.b": lambda a, b: int.from_bytes(bytes(255 if byte else 0 for byte in _bytes_of(a)), "little"),
    "rev8": lambda a, b: int.from_bytes(_bytes_of(a), "big"),
    "brev8": lambda a, b: int.from_bytes(bytes(map(_reverse_bits, _bytes_of(a))), "little"),
    "mop": lambda a, b: 0,
}

#: The function of each instruction.
FUNCTIONS: dict[str, Binary] = {**_ARITHMETIC, **_BITS}
FUNCTIONS |= {
    immediate: FUNCTIONS[base]
    for immediate, base in (
        ("addi", "add"), ("slti", "slt"), ("sltiu", "sltu"), ("xori", "xor"), ("ori", "or"), ("andi", "and"),
        ("slli", "sll"), ("srli", "srl"), ("srai", "sra"), ("addiw", "addw"), ("slliw", "sllw"), ("srliw", "srlw"),
        ("sraiw", "sraw"), ("rori", "ror"), ("roriw", "rorw"), ("bclri", "bclr"), ("bexti", "bext"),
        ("binvi", "binv"), ("bseti", "bset"),
    )
}  # fmt: skip

#: What decides each conditional branch.
CONDITIONS: dict[str, Callable[[int, int], bool]] = {
    "beq": lambda a, b: a == b,
    "bne": lambda a, b: a != b,
    "blt": lambda a, b: signed(a) < signed(b),
    "bge": lambda a, b: signed(a) >= signed(b),
    "bltu": lambda a, b: a < b,
    "bgeu": lambda a, b: a >= b,
}
