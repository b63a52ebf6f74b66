"""The scalar cryptography instructions: whole algorithms built on them, against the standards' own test vectors.

Each algorithm is the instruction sequence that software uses on RV64, so a wrong byte order or a wrong half shows.
"""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vmcore._fast.hart.ops_crypto  # noqa: F401  (registers the handlers)
from vmcore._fast.hart.single import execute

M32 = 2**32 - 1
M64 = 2**64 - 1


def run(name: str, a: int, b: int = 0, *, imm: int | None = None, bs: int = 0) -> int:
    value = execute(name, a, b, imm=imm, bs=bs)
    assert value is not None
    return value


def words32(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]


def sext32(value: int) -> int:
    value &= M32
    return value | M64 ^ M32 if value >> 31 else value


# --- AES ---


def aes_round_keys(key: bytes) -> list[tuple[int, int]]:
    """The expanded key as pairs of doublewords, by aes64ks1i and aes64ks2 as FIPS 197 5.2 asks."""
    parts = [int.from_bytes(key[i : i + 8], "little") for i in range(0, len(key), 8)]
    n = len(parts)
    rounds = {2: 10, 3: 12, 4: 14}[n]
    out = list(parts)
    step = 0
    while len(out) < 2 * (rounds + 1):
        last = out[-n:]
        new = [run("aes64ks2", run("aes64ks1i", last[-1], imm=step), last[0])]
        for i in range(1, n):
            # AES-256 puts one more SubWord, without rotation, in the middle of each group.
            source = run("aes64ks1i", new[-1], imm=10) if n == 4 and i == 2 else new[-1]
            new.append(run("aes64ks2", source, last[i]))
        out += new
        step += 1
    return [(out[2 * i], out[2 * i + 1]) for i in range(rounds + 1)]


def aes_encrypt(key: bytes, block: bytes) -> bytes:
    keys = aes_round_keys(key)
    low, high = int.from_bytes(block[:8], "little"), int.from_bytes(block[8:], "little")
    for i, (k0, k1) in enumerate(keys[:-1]):
        low, high = low ^ k0, high ^ k1
        name = "aes64esm" if i < len(keys) - 2 else "aes64es"
        low, high = run(name, low, high), run(name, high, low)
    low, high = low ^ keys[-1][0], high ^ keys[-1][1]
    return low.to_bytes(8, "little") + high.to_bytes(8, "little")


def aes_decrypt(key: bytes, block: bytes) -> bytes:
    """The equivalent inverse cipher (FIPS 197 5.3.5): the inner round keys go through aes64im."""
    keys = aes_round_keys(key)
    inner = [(run("aes64im", a, imm=0), run("aes64im", b, imm=0)) for a, b in keys[1:-1]]
    keys = [keys[0], *inner, keys[-1]][::-1]
    low, high = int.from_bytes(block[:8], "little"), int.from_bytes(block[8:], "little")
    for i, (k0, k1) in enumerate(keys[:-1]):
        low, high = low ^ k0, high ^ k1
        name = "aes64dsm" if i < len(keys) - 2 else "aes64ds"
        low, high = run(name, low, high), run(name, high, low)
    low, high = low ^ keys[-1][0], high ^ keys[-1][1]
    return low.to_bytes(8, "little") + high.to_bytes(8, "little")


# FIPS 197, appendices B and C: key, plaintext, ciphertext.
AES_VECTORS = [
    ("2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734", "3925841d02dc09fbdc118597196a0b32"),
    ("000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"),
    (
        "000102030405060708090a0b0c0d0e0f1011121314151617",
        "00112233445566778899aabbccddeeff",
        "dda97ca4864cdfe06eaf70a0ec0d7191",
    ),
    (
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "00112233445566778899aabbccddeeff",
        "8ea2b7ca516745bfeafc49904b496089",
    ),
]


@pytest.mark.parametrize(("key", "plain", "cipher"), AES_VECTORS)
def test_aes_vectors_of_fips_197(key: str, plain: str, cipher: str) -> None:
    assert aes_encrypt(bytes.fromhex(key), bytes.fromhex(plain)).hex() == cipher
    assert aes_decrypt(bytes.fromhex(key), bytes.fromhex(cipher)).hex() == plain


def test_aes_key_expansion_of_fips_197_appendix_a() -> None:
    # The last words w[40..43] of A.1 and w[56..59] of A.3.
    short = aes_round_keys(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))[-1]
    long = aes_round_keys(bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"))[-1]
    assert b"".join(half.to_bytes(8, "little") for half in short).hex() == "d014f9a8c9ee2589e13f0cc8b6630ca6"
    assert b"".join(half.to_bytes(8, "little") for half in long).hex() == "fe4890d1e6188d0b046df344706c631e"


@given(key=st.sampled_from([16, 24, 32]).flatmap(lambda n: st.binary(min_size=n, max_size=n)), data=st.data())
def test_aes_decryption_undoes_encryption(key: bytes, data: st.DataObject) -> None:
    block = data.draw(st.binary(min_size=16, max_size=16))
    assert aes_decrypt(key, aes_encrypt(key, block)) == block


@given(a=st.integers(0, M64))
def test_aes64im_is_the_inverse_of_mix_columns(a: int) -> None:
    def times(x: int, y: int) -> int:
        total = 0
        for i in range(8):
            if y >> i & 1:
                total ^= x << i
        for i in range(14, 7, -1):
            if total >> i & 1:
                total ^= 0x11B << (i - 8)
        return total

    got = run("aes64im", a, imm=0).to_bytes(8, "little")
    mixed = bytearray()
    for c in (0, 4):
        for row in range(4):
            weights = [(2, 3, 1, 1)[(j - row) % 4] for j in range(4)]
            value = 0
            for j in range(4):
                value ^= times(got[c + j], weights[j])
            mixed.append(value)
    assert int.from_bytes(mixed, "little") == a


@pytest.mark.parametrize("rnum", range(11, 16))
def test_aes64ks1i_refuses_reserved_round_numbers(rnum: int) -> None:
    assert execute("aes64ks1i", 0x0123_4567_89AB_CDEF, imm=rnum) is None


# --- SHA-2 ---


def primes(count: int) -> list[int]:
    found: list[int] = []
    n = 2
    while len(found) < count:
        if all(n % p for p in found):
            found.append(n)
        n += 1
    return found


def root_fraction(n: int, power: int, bits: int) -> int:
    """The first `bits` bits of the fractional part of n ** (1/power)."""
    scaled, low, high = n << (power * bits), 0, n << bits
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**power <= scaled else (low, middle - 1)
    return low & ((1 << bits) - 1)


def sha2(message: bytes, bits: int) -> bytes:
    """SHA-256 (bits=32) or SHA-512 (bits=64), with the sigma functions done by the instructions."""
    prefix, rounds, mask, size = ("sha256", 64, M32, 4) if bits == 32 else ("sha512", 80, M64, 8)

    def sigma(which: str, value: int) -> int:
        got = run(prefix + which, value, imm=0)
        assert got == (sext32(got) if bits == 32 else got)
        return got & mask

    state = [root_fraction(p, 2, bits) for p in primes(8)]
    constants = [root_fraction(p, 3, bits) for p in primes(rounds)]
    block = 16 * size
    padded = message + b"\x80"
    padded += bytes(-(len(padded) + 2 * size) % block) + (8 * len(message)).to_bytes(2 * size, "big")
    for start in range(0, len(padded), block):
        chunk = padded[start : start + block]
        w = [int.from_bytes(chunk[i : i + size], "big") for i in range(0, block, size)]
        for t in range(16, rounds):
            w.append(sigma("sig1", w[t - 2]) + w[t - 7] + sigma("sig0", w[t - 15]) + w[t - 16] & mask)
        a, b, c, d, e, f, g, h = state
        for t in range(rounds):
            t1 = h + sigma("sum1", e) + (e & f ^ ~e & g) + constants[t] + w[t]
            t2 = sigma("sum0", a) + (a & b ^ a & c ^ b & c)
            a, b, c, d, e, f, g, h = t1 + t2 & mask, a, b, c, d + t1 & mask, e, f, g
        state = [x + y & mask for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]
    return b"".join(x.to_bytes(size, "big") for x in state)


def test_sha2_vectors_of_fips_180_4() -> None:
    assert sha2(b"abc", 32).hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha2(b"abc", 64).hex() == (
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    )


@pytest.mark.parametrize("length", [0, 55, 56, 64, 111, 112, 200])
def test_sha2_agrees_with_hashlib(length: int) -> None:
    message = bytes(i * 37 % 251 for i in range(length))
    assert sha2(message, 32) == hashlib.sha256(message).digest()
    assert sha2(message, 64) == hashlib.sha512(message).digest()


def rotr(value: int, n: int, bits: int) -> int:
    return (value >> n | value << (bits - n)) & ((1 << bits) - 1)


SIGMA: dict[str, Callable[[int], int]] = {
    "sha256sig0": lambda v: rotr(v, 7, 32) ^ rotr(v, 18, 32) ^ v >> 3,
    "sha256sig1": lambda v: rotr(v, 17, 32) ^ rotr(v, 19, 32) ^ v >> 10,
    "sha256sum0": lambda v: rotr(v, 2, 32) ^ rotr(v, 13, 32) ^ rotr(v, 22, 32),
    "sha256sum1": lambda v: rotr(v, 6, 32) ^ rotr(v, 11, 32) ^ rotr(v, 25, 32),
    "sm3p0": lambda v: v ^ rotr(v, 23, 32) ^ rotr(v, 15, 32),
    "sm3p1": lambda v: v ^ rotr(v, 17, 32) ^ rotr(v, 9, 32),
}


@pytest.mark.parametrize("name", SIGMA)
@given(a=st.integers(0, M64))
def test_word_functions_ignore_the_upper_half_and_sign_extend(name: str, a: int) -> None:
    assert run(name, a, imm=0) == sext32(SIGMA[name](a & M32))


# --- SM3 (GB/T 32905) ---


def sm3(message: bytes) -> bytes:
    def rotl(v: int, n: int) -> int:
        return rotr(v & M32, (32 - n) % 32, 32)

    state = words32(bytes.fromhex("7380166f4914b2b9172442d7da8a0600a96f30bc163138aae38dee4db0fb0e4e"))
    padded = message + b"\x80"
    padded += bytes(-(len(padded) + 8) % 64) + (8 * len(message)).to_bytes(8, "big")
    for start in range(0, len(padded), 64):
        w = words32(padded[start : start + 64])
        for t in range(16, 68):
            mixed = run("sm3p1", w[t - 16] ^ w[t - 9] ^ rotl(w[t - 3], 15), imm=0) & M32
            w.append(mixed ^ rotl(w[t - 13], 7) ^ w[t - 6])
        a, b, c, d, e, f, g, h = state
        for t in range(64):
            constant = 0x79CC4519 if t < 16 else 0x7A879D8A
            ss1 = rotl(rotl(a, 12) + e + rotl(constant, t % 32), 7)
            ff = a ^ b ^ c if t < 16 else a & b | a & c | b & c
            gg = e ^ f ^ g if t < 16 else e & f | ~e & g
            tt1 = ff + d + (ss1 ^ rotl(a, 12)) + (w[t] ^ w[t + 4]) & M32
            tt2 = gg + h + ss1 + w[t] & M32
            a, b, c, d = tt1, a, rotl(b, 9), c
            e, f, g, h = run("sm3p0", tt2, imm=0) & M32, e, rotl(f, 19), g
        state = [x ^ y for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]
    return b"".join(x.to_bytes(4, "big") for x in state)


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_vectors_of_gbt_32905(message: bytes, digest: str) -> None:
    assert sm3(message).hex() == digest


# --- SM4 (GB/T 32907) ---


def sm4_t(name: str, accumulator: int, value: int) -> int:
    """Four instructions substitute and mix the four bytes of `value` into `accumulator`."""
    for bs in range(4):
        accumulator = run(name, accumulator, value, bs=bs)
        assert accumulator == sext32(accumulator)
    return accumulator & M32


def swap32(value: int) -> int:
    return int.from_bytes(value.to_bytes(4, "big"), "little")


def sm4_round_keys(key: bytes) -> list[int]:
    """The round keys in the mirrored byte order that the instructions work in."""
    fk = [0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC]
    k = [swap32(a ^ b) for a, b in zip(words32(key), fk, strict=True)]
    for i in range(32):
        ck = int.from_bytes(bytes((4 * i + j) * 7 % 256 for j in range(4)), "big")
        k.append(sm4_t("sm4ks", k[i], k[i + 1] ^ k[i + 2] ^ k[i + 3] ^ swap32(ck)))
    return k[4:]


def sm4(block: bytes, round_keys: list[int]) -> bytes:
    x = [swap32(w) for w in words32(block)]
    for i, key in enumerate(round_keys):
        x.append(sm4_t("sm4ed", x[i], x[i + 1] ^ x[i + 2] ^ x[i + 3] ^ key))
    return b"".join(swap32(w).to_bytes(4, "big") for w in x[:-5:-1])


def test_sm4_vector_of_gbt_32907() -> None:
    text = bytes.fromhex("0123456789abcdeffedcba9876543210")
    keys = sm4_round_keys(text)
    assert swap32(keys[0]) == 0xF12186F9
    assert swap32(keys[31]) == 0x9124A012
    cipher = sm4(text, keys)
    assert cipher.hex() == "681edf34d206965e86b3e94f536e4246"
    assert sm4(cipher, keys[::-1]) == text
