"""Scalar cryptography as functions: the S-boxes from the algebra of their finite fields, the rest from the standards.

Sources: FIPS 197 (AES), FIPS 180-4 (SHA-2), GB/T 32905 (SM3), GB/T 32907 (SM4), and the descriptions of the
instructions in The RISC-V Instruction Set Manual, volume I, "Cryptography Extensions".
"""

from __future__ import annotations

from collections.abc import Callable

from support.reference.integer import low, signed

_AES_POLYNOMIAL = 0x11B
_SM4_POLYNOMIAL = 0x1F5
_ROUND_CONSTANTS = (0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1B, 0x36)


def _times(a: int, b: int, polynomial: int) -> int:
    product = 0
    for i in range(8):
        if b >> i & 1:
            product ^= a << i
    for i in range(14, 7, -1):
        if product >> i & 1:
            product ^= polynomial << i - 8
    return product


def _inverse(a: int, polynomial: int) -> int:
    return next((b for b in range(256) if _times(a, b, polynomial) == 1), 0)


def _rotate8(value: int, by: int) -> int:
    return low(value << by, 8) | value >> 8 - by


def _aes_box() -> list[int]:
    """FIPS 197, 5.1.1: the inverse, then an affine map."""
    box = []
    for a in range(256):
        b = _inverse(a, _AES_POLYNOMIAL)
        box.append(b ^ _rotate8(b, 1) ^ _rotate8(b, 2) ^ _rotate8(b, 3) ^ _rotate8(b, 4) ^ 0x63)
    return box


def _sm4_box() -> list[int]:
    """S(x) = A I(A x + c) + c, where the rows of A are rotations of 0xA7 and c is 0xD3."""

    def affine(x: int) -> int:
        result = 0
        for i in range(8):
            result |= (bin(_rotate8(0xA7, i) & x).count("1") & 1) << i
        return result ^ 0xD3

    return [affine(_inverse(affine(x), _SM4_POLYNOMIAL)) for x in range(256)]


AES_BOX = _aes_box()
AES_INVERSE = [AES_BOX.index(i) for i in range(256)]
SM4_BOX = _sm4_box()


def _split(*words: int) -> list[int]:
    """Return the bytes of doublewords, the first byte of the first one first: the AES state, column by column."""
    return [byte for word in words for byte in word.to_bytes(8, "little")]


def _join(octets: list[int]) -> int:
    return int.from_bytes(bytes(octets), "little")


def _mix(column: list[int], factors: tuple[int, int, int, int]) -> list[int]:
    return [
        _times(column[0], factors[-row % 4], 0x11B) ^ _times(column[1], factors[(1 - row) % 4], 0x11B)
        ^ _times(column[2], factors[(2 - row) % 4], 0x11B) ^ _times(column[3], factors[(3 - row) % 4], 0x11B)
        for row in range(4)
    ]  # fmt: skip


_FORWARD, _BACKWARD = (2, 3, 1, 1), (14, 11, 13, 9)


def _aes_round(a: int, b: int, *, encrypt: bool, mixed: bool) -> int:
    """Return the first two columns of a round on the state whose columns 0 and 1 are in `a`, 2 and 3 in `b`."""
    state = _split(a, b)
    step = 1 if encrypt else -1
    shifted = [state[4 * ((column + step * row) % 4) + row] for column in range(2) for row in range(4)]
    box = AES_BOX if encrypt else AES_INVERSE
    out = [box[byte] for byte in shifted]
    if mixed:
        factors = _FORWARD if encrypt else _BACKWARD
        out = _mix(out[:4], factors) + _mix(out[4:], factors)
    return _join(out)


def _inverse_mix(a: int, b: int) -> int:
    octets = _split(a)
    return _join(_mix(octets[:4], _BACKWARD) + _mix(octets[4:], _BACKWARD))


def _key_step_1(a: int, number: int) -> int:
    word = a >> 32
    if number < 10:
        word = word >> 8 | low(word << 24, 32)
    substituted = _join([AES_BOX[byte] for byte in word.to_bytes(4, "little")])
    if number < 10:
        substituted ^= _ROUND_CONSTANTS[number]
    return substituted | substituted << 32


def _key_step_2(a: int, b: int) -> int:
    first = a >> 32 ^ low(b, 32)
    return first | (first ^ b >> 32) << 32


def _rotations(value: int, bits: int, *by: int, shift: int | None = None) -> int:
    """Return the exclusive or of right rotations, and of a right shift."""
    value = low(value, bits)
    result = value >> shift if shift is not None else 0
    for n in by:
        result ^= value >> n | low(value << bits - n, bits)
    return result


def _left(value: int, by: int) -> int:
    return low(value << by, 32) | low(value, 32) >> 32 - by


def _swap(word: int) -> int:
    return int.from_bytes(word.to_bytes(4, "little"), "big")


def _sm4(a: int, b: int, select: int, linear: Callable[[int], int]) -> int:
    """Substitute byte `select` of b, apply the linear map to it in its place, and add it to a.

    The standard numbers the bytes of a word from its most significant one, registers hold them the other way round.
    """
    substituted = SM4_BOX[b >> 8 * select & 255] << 8 * select
    return signed(a ^ _swap(linear(_swap(substituted))), 32)


def _sm4_round(x: int) -> int:
    return x ^ _left(x, 2) ^ _left(x, 10) ^ _left(x, 18) ^ _left(x, 24)


def _sm4_key(x: int) -> int:
    return x ^ _left(x, 13) ^ _left(x, 23)


#: The function of each instruction: of two operands, or of one and an immediate.
FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "aes64es": lambda a, b: _aes_round(a, b, encrypt=True, mixed=False),
    "aes64esm": lambda a, b: _aes_round(a, b, encrypt=True, mixed=True),
    "aes64ds": lambda a, b: _aes_round(a, b, encrypt=False, mixed=False),
    "aes64dsm": lambda a, b: _aes_round(a, b, encrypt=False, mixed=True),
    "aes64im": _inverse_mix,
    "aes64ks1i": _key_step_1,
    "aes64ks2": _key_step_2,
    "sha256sum0": lambda a, b: signed(_rotations(a, 32, 2, 13, 22), 32),
    "sha256sum1": lambda a, b: signed(_rotations(a, 32, 6, 11, 25), 32),
    "sha256sig0": lambda a, b: signed(_rotations(a, 32, 7, 18, shift=3), 32),
    "sha256sig1": lambda a, b: signed(_rotations(a, 32, 17, 19, shift=10), 32),
    "sha512sum0": lambda a, b: _rotations(a, 64, 28, 34, 39),
    "sha512sum1": lambda a, b: _rotations(a, 64, 14, 18, 41),
    "sha512sig0": lambda a, b: _rotations(a, 64, 1, 8, shift=7),
    "sha512sig1": lambda a, b: _rotations(a, 64, 19, 61, shift=6),
    "sm3p0": lambda a, b: signed(a ^ _left(a, 9) ^ _left(a, 17), 32),
    "sm3p1": lambda a, b: signed(a ^ _left(a, 15) ^ _left(a, 23), 32),
}

#: Those with a byte select besides.
SELECTING: dict[str, Callable[[int, int, int], int]] = {
    "sm4ed": lambda a, b, select: _sm4(a, b, select, _sm4_round),
    "sm4ks": lambda a, b, select: _sm4(a, b, select, _sm4_key),
}
