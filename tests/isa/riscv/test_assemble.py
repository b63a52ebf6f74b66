from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore.errors import IsaError
from vmcore.isa.riscv import BY_MNEMONIC, INSTRUCTIONS, find, parse_isa
from vmcore.isa.riscv.assemble import encode, random_encoding


@given(st.sampled_from(INSTRUCTIONS), st.randoms(use_true_random=False))
def test_operands_taken_from_an_encoding_make_it_again(row, rng):
    word = random_encoding(row, rng)
    assert encode(row, **row.format.extract(word)) == word


@pytest.mark.parametrize(
    ("mnemonic", "operands", "word"),
    [
        ("addi", {"rd": 10, "rs1": 10, "imm": -1}, 0xFFF50513),
        ("jal", {"rd": 1, "imm": 16}, 0x010000EF),
        ("bne", {"rs1": 10, "imm": -16}, 0xFE0518E3),
        ("csrrw", {"rs1": 5, "imm": 0x305}, 0x30529073),
        ("amoadd.d", {"rd": 10, "rs1": 11, "rs2": 12, "imm": 3}, 0x06C5B52F),
        ("fadd.d", {"rd": 10, "rs1": 11, "rs2": 12, "rm": 7}, 0x02C5F553),
        ("c.sdsp", {"rs2": 1, "imm": 8}, 0xE406),
        ("c.zext.b", {"rd": 8, "imm": 255}, 0x9C61),
        ("c.zext.b", {"rd": 8}, 0x9C61),
        ("ecall", {}, 0x73),
    ],
)
def test_known_encodings(mnemonic, operands, word):
    assert encode(BY_MNEMONIC[mnemonic], **operands) == word


@pytest.mark.parametrize(
    ("mnemonic", "operands", "words"),
    [
        ("addi", {"imm": 2048}, "-2048 to 2047"),
        ("addi", {"rd": 32}, "0 to 31"),
        ("jal", {"imm": 3}, "steps of 2"),
        ("lui", {"imm": 1}, "steps of 4096"),
        ("slli", {"imm": 64}, "0 to 63"),
        ("c.lw", {"rd": 3}, "8 to 15"),
        ("c.lw", {"imm": 2}, "steps of 4"),
        ("add", {"imm": 1}, "0 to 0"),
        ("add", {"rs4": 1}, "no operand"),
        ("c.addi16sp", {"imm": 0}, "must not be zero"),
        ("c.addi4spn", {"rd": 8}, "must not be zero"),
        ("c.not", {"rd": 8, "imm": 0}, "fixes"),
        ("c.sub", {"rd": 8, "rs1": 9}, "shares"),
        ("lr.w", {"rs2": 1}, "cannot have rs2=1"),
        ("c.lwsp", {"rd": 0, "imm": 4}, "must not be zero"),
        ("mret", {"rd": 1}, "0 to 0"),
    ],
)
def test_operands_that_do_not_fit_get_a_clear_error(mnemonic, operands, words):
    with pytest.raises(IsaError) as error:
        encode(BY_MNEMONIC[mnemonic], **operands)
    assert words in str(error.value)


def test_random_encodings_keep_what_is_given_and_fill_what_is_ignored():
    rng = Random(5)
    row = BY_MNEMONIC["fence"]
    assert all(not random_encoding(row, rng) & row.ignored_bits for _ in range(50))
    assert any(random_encoding(row, rng, ignored=True) & row.ignored_bits for _ in range(50))
    words = [random_encoding(BY_MNEMONIC["add"], rng, rd=3) for _ in range(50)]
    assert {word >> 7 & 31 for word in words} == {3}
    assert len({word >> 15 & 31 for word in words}) > 10


def test_random_encodings_are_never_reserved_or_another_instruction():
    rng = Random(6)
    for row in INSTRUCTIONS:
        for _ in range(20):
            word = random_encoding(row, rng, ignored=True)
            assert find(word) is row
            assert not row.reserved(word)


def test_an_instruction_that_is_off_has_no_encoding():
    with pytest.raises(IsaError, match="no encoding of mul"):
        random_encoding(BY_MNEMONIC["mul"], Random(7), isa_mask=parse_isa("rv64i").mask)
