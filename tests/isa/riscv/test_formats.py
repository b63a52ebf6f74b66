import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore.isa.riscv.formats import FORMATS, SHAPES
from vmcore.isa.riscv.table import INSTRUCTIONS


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_a_format_fits_its_encoding_and_what_the_decoder_takes(form):
    assert form.shape in SHAPES
    assert form.size in (2, 4)
    assert len(form.pieces) <= 8
    bits = 8 * form.size
    for lo, width, add in (form.rd, form.rs1, form.rs2, form.rs3, form.rm):
        assert lo + width <= bits
        assert 0 <= add <= 32 - (1 << width)
    for lo, width, to in form.pieces:
        assert lo + width <= bits
        assert to + width <= form.bits <= 32


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_the_pieces_of_an_immediate_do_not_meet(form):
    seen = 0
    for _, width, to in form.pieces:
        piece = ((1 << width) - 1) << to
        assert not seen & piece
        seen |= piece


def test_every_format_is_used():
    assert {one.format.name for one in INSTRUCTIONS} == set(FORMATS)


def test_immediates_are_put_together_as_the_specification_draws_them():
    # By hand: beq with imm[12]=1, imm[11]=0, imm[10:5]=000001, imm[4:1]=0010.
    word = 1 << 31 | 0 << 7 | 1 << 25 | 2 << 8
    assert FORMATS["b"].extract(word)["imm"] == -4096 + (1 << 5) + (2 << 1)
    # jal with imm[20]=0, imm[19:12]=0x81, imm[11]=1, imm[10:1]=3.
    assert FORMATS["j"].extract(0x81 << 12 | 1 << 20 | 3 << 21)["imm"] == 0x81 << 12 | 1 << 11 | 3 << 1
    # c.j of -2: every bit of the immediate but bit 0.
    assert FORMATS["c_j"].extract(0b101_11111111111_01)["imm"] == -2


@given(st.integers(0, 2**32 - 1))
def test_extraction_stays_in_range_for_any_word(word):
    for form in FORMATS.values():
        values = form.extract(word & (1 << 8 * form.size) - 1)
        assert all(0 <= values[name] < 32 for name in ("rd", "rs1", "rs2", "rs3"))
        assert 0 <= values["rm"] < 8
        low = -(1 << form.bits - 1) if form.signed else 0
        assert low <= values["imm"] < low + (1 << form.bits) or (form.bits == 0 and values["imm"] == 0)
