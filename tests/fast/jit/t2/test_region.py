"""Which instructions become a region."""

from __future__ import annotations

import pytest
from support.regionhart import ISA, insn, page_of

from vmcore._fast.jit.t2.liftface import Former
from vmcore.errors import ConfigError


def nop(count=1):
    return insn("addi", rd=5, rs1=5, imm=1) * count


def to(off, target, rd=0):
    return insn("jal", rd=rd, imm=target - off)


def branch(off, target):
    return insn("bne", rs1=5, rs2=6, imm=target - off)


def code_of(parts):
    """Lay out code by offset: ``{offset: bytes}``."""
    page = bytearray(4096)
    for off, part in parts.items():
        page[off : off + len(part)] = part
    return bytes(page)


def offsets(formed, context=0):
    return sorted(place["off"] for place in formed["places"] if place["context"] == context)


RET = insn("jalr", rd=0, rs1=1, imm=0)

# 0: outer header; 8: inner loop; 12: its end; 20: back to 0; 24: after.
NEST = code_of({0: nop(2), 8: nop(1), 12: branch(12, 8), 16: nop(1), 20: branch(20, 0), 24: nop(1), 28: RET})


def test_a_loop_and_no_more():
    formed = Former(NEST, ISA).form(0)
    assert formed["loop"]
    assert formed["insns"] == 6
    assert offsets(formed) == [0, 8, 16]
    assert [place["loop"] for place in formed["places"]] == [0, 1, 0]


def test_an_inner_loop_by_itself():
    formed = Former(NEST, ISA).form(8)
    assert formed["loop"]
    assert formed["insns"] == 2
    assert formed["places"][0]["ways"] == [(8, 0), (16, -1)]


# 0: header, which goes where t3 says; 8, 16, 24: cases, the last two in a row; 36: back; 48: no way back.
SWITCH = code_of({0: nop(1), 4: insn("jalr", rd=0, rs1=28, imm=0), 8: nop(1), 12: to(12, 32), 16: nop(2), 24: nop(2),
                  32: nop(1), 36: branch(36, 0), 40: nop(1), 44: RET, 48: nop(1), 52: RET})  # fmt: skip


def test_a_switch_goes_on_where_such_jumps_went():
    formed = Former(SWITCH, ISA, targets=[8, 16, 48]).form(0)
    assert formed["loop"]
    switch = formed["places"][0]
    assert switch["how"] == "switch"
    # What has no way back is left for.
    assert [off for off, _ in switch["ways"]] == [8, 16, 48]
    assert [place != -1 for _, place in switch["ways"]] == [True, True, False]
    assert offsets(formed) == [0, 8, 16, 32]


@pytest.mark.parametrize(
    "targets",
    [(), (8,), (8, 12), (8, 24), (8, 36), range(8, 40, 2)],
    ids=["none", "one", "behind it", "gone on to", "odd", "many"],
)
def test_what_is_no_switch(targets):
    # One target alone, what other instructions lead to, and more than are compared with.
    many = code_of({0: nop(1), 4: insn("jalr", rd=0, rs1=28, imm=0)} | {8 + 4 * n: to(8 + 4 * n, 0) for n in range(20)})
    page, targets = (many, range(8, 88, 4)) if len(targets) > 3 else (SWITCH, targets)
    formed = Former(page, ISA, targets=targets).form(0)
    assert not formed["loop"]
    assert formed["places"][0]["how"] == "away"


@pytest.mark.parametrize("register", [1, 5])
def test_a_return_is_no_switch(register):
    page = bytearray(SWITCH)
    page[4:8] = insn("jalr", rd=0, rs1=register, imm=0)
    assert Former(bytes(page), ISA, targets=[8, 16]).form(0)["places"][0]["how"] == "away"


def test_which_loop():
    former = Former(NEST, ISA)
    for sample in (8, 12):
        assert former.header(sample) == 0
        assert former.header(sample, innermost=True) == 8
    assert former.header(16, innermost=True) == 0
    # Without a loop it is the place itself.
    assert former.header(24) == 24


def test_the_limit_decides_which_loop():
    assert Former(NEST, ISA, limit=6).header(12) == 0
    assert Former(NEST, ISA, limit=5).header(12) == 8
    assert Former(NEST, ISA, limit=1).header(12) == 12


def test_what_is_taken_is_not_looked_for_again():
    assert Former(NEST, ISA, taken=[0]).header(12) == 8
    assert Former(NEST, ISA, taken=[0, 8]).header(12) is None
    assert Former(NEST, ISA, taken=[24]).header(24) is None


def test_a_loop_entered_at_its_condition():
    # for (;;): j 16; body 4..12; condition 16, 20. The header is where the loop is entered, not where it begins.
    page = code_of({0: to(0, 16), 4: nop(3), 16: nop(1), 20: branch(20, 4), 24: RET})
    assert Former(page, ISA).header(8) == 16
    formed = Former(page, ISA).form(16)
    assert formed["loop"]
    assert formed["insns"] == 5


def test_cold_code_is_left_out():
    # The way over 16 is cold: 8 leaves there.
    page = code_of({0: nop(2), 8: branch(8, 16), 12: to(12, 20), 16: nop(1), 20: branch(20, 0)})
    warm = set(range(0, 24, 2)) - {16, 18}
    formed = Former(page, ISA, warm=warm).form(0)
    assert formed["loop"]
    assert offsets(formed) == [0, 12, 20]
    assert formed["places"][0]["ways"][0] == (16, -1)
    assert Former(page, ISA, warm=warm - {0}).form(0)["refused"] == "cold"


def test_a_call_is_inlined():
    page = code_of({0: nop(1), 4: to(4, 64, 1), 8: branch(8, 0), 64: nop(2), 72: RET})
    former = Former(page, ISA)
    formed = former.form(0)
    assert formed["loop"]
    assert formed["insns"] == 6
    assert offsets(formed, 1) == [64]
    assert [place["how"] for place in formed["places"]] == ["to", "back", "branch"]
    # What is hot is the function; the loop around its call is what is worth it.
    assert former.header(64) == 0
    # Without that loop's call there is none.
    assert Former(page, ISA, warm=range(64, 76, 2)).header(64) == 64


def test_each_call_has_a_copy_of_its_own():
    page = code_of({0: to(0, 64, 1), 4: to(4, 64, 1), 8: branch(8, 0), 64: nop(2), 72: RET})
    formed = Former(page, ISA).form(0)
    assert formed["insns"] == 9
    assert offsets(formed, 1) == offsets(formed, 2) == [64]


def test_recursion_ends_somewhere():
    # f: if (..) return; f(); f(); return
    page = code_of({0: branch(0, 12), 4: to(4, 0, 1), 8: to(8, 0, 1), 12: RET})
    formed = Former(page, ISA).form(0)
    assert not formed["loop"]
    contexts = {place["context"] for place in formed["places"]}
    # Four deep: with five there would be more instructions than what calls itself may have.
    assert contexts == set(range(31))
    # In the innermost ones the first call leaves.
    assert formed["insns"] == 4 * 15 + 3 * 16


def test_calls_elsewhere_are_where_it_is_left():
    page = code_of({0: nop(1), 4: to(4, 0x4000, 1), 8: branch(8, 0)})
    formed = Former(page, ISA).form(0)
    assert not formed["loop"]
    assert formed["places"][0]["ways"] == [(0x4000, -1)]


def test_a_loop_around_what_cannot_be_lifted_is_none():
    page = code_of({0: nop(1), 4: insn("ecall"), 8: branch(8, 0)})
    former = Former(page, ISA)
    assert former.header(0) == 0
    assert not former.form(0)["loop"]
    # Where another way leads back it is one, without that.
    page = code_of({0: branch(0, 8), 4: insn("ecall"), 8: branch(8, 0)})
    formed = Former(page, ISA).form(0)
    assert formed["loop"]
    assert formed["places"][0]["ways"] == [(8, 1), (4, -1)]


def test_two_entries_are_no_loop():
    # 4 <-> 12, entered at both.
    page = code_of({0: branch(0, 12), 4: nop(2), 12: nop(1), 16: branch(16, 4), 20: RET})
    formed = Former(page, ISA).form(0)
    places = formed["places"]
    back = [(i, to) for i, place in enumerate(places) for _, to in place["ways"] if 0 <= to <= i]
    assert back == []
    assert formed["insns"] == 6


def test_overlapping_decodings_are_two():
    # The jump leads into the middle of an instruction, whose second half is another one.
    inner = insn("c.addi", rd=5, imm=1)
    word = int.from_bytes(insn("lui", rd=6, imm=0), "little") | int.from_bytes(inner, "little") << 16
    page = code_of({0: branch(0, 6), 4: word.to_bytes(4, "little"), 8: nop(1), 12: RET})
    formed = Former(page, ISA).form(0)
    assert offsets(formed) == [0, 4, 6, 8]


def test_what_is_too_much_is_cut_off():
    page = code_of({0: nop(900), 3600: to(3600, 0)})
    formed = Former(page, ISA, limit=100).form(0)
    assert not formed["loop"]
    assert formed["insns"] == 100
    assert formed["places"][0]["ways"] == [(400, -1)]


def test_a_page_full_of_branches():
    page = code_of({off: branch(off, (off * 7 + 12) % 4096 & ~3) for off in range(0, 4096, 4)})
    former = Former(page, ISA)
    for off in (0, 400, 2048, 4092):
        formed = former.form(off)
        assert formed["refused"] in (None, "large")
        assert former.header(off) is not None


def test_an_empty_page():
    former = Former(bytes(4096), ISA)
    assert former.form(0)["refused"] == "first"
    assert former.header(100) == 100


@pytest.mark.parametrize("off", [-2, 1, 4096])
def test_offsets_are_checked(off):
    former = Former(bytes(4096), ISA)
    with pytest.raises(ConfigError, match="offset"):
        former.form(off)
    with pytest.raises(ConfigError, match="offset"):
        Former(bytes(4096), ISA, warm=[off])
    with pytest.raises(ConfigError, match="page"):
        Former(page_of(b"")[:-1], ISA)


def ways_of(formed, off):
    place = next(place for place in formed["places"] if place["off"] == off)
    return [to for to, _ in place["ways"]]


# 0: header, which goes where t3 says, as 40 does: 8, 16 and 24 lead there; 48: back.
TWO_SWITCHES = code_of({0: nop(1), 4: insn("jalr", rd=0, rs1=28, imm=0), 8: nop(1), 12: to(12, 40), 16: nop(1),
                        20: to(20, 40), 24: nop(3), 36: to(36, 40), 40: insn("jalr", rd=0, rs1=29, imm=0),
                        44: nop(1), 48: branch(48, 0), 52: RET})  # fmt: skip


def test_each_switch_has_the_cases_that_it_was_seen_to_go_to():
    jumps = [(4, 16, 2), (4, 8, 9), (40, 44, 5), (40, 48, 6)]
    formed = Former(TWO_SWITCHES, ISA, jumps=jumps).form(0)
    # Those that were seen most come first.
    assert ways_of(formed, 0) == [8, 16]
    assert ways_of(formed, 40) == [48, 44]
    # A trail says so as well, and more.
    trail = 3 * [0, 4, 24, 28, 32, 36, 40, 48] + [0, 4, 8, 12, 40, 44, 48]
    formed = Former(TWO_SWITCHES, ISA, trail=trail).form(0)
    assert ways_of(formed, 0) == [24, 8]
    assert ways_of(formed, 40) == [48, 44]
    formed = Former(TWO_SWITCHES, ISA, trail=trail, jumps=jumps).form(0)
    assert ways_of(formed, 0) == [8, 24, 16]


def test_what_other_jumps_may_have_gone_to_comes_last():
    formed = Former(SWITCH, ISA, jumps=[(4, 16, 1)], targets=[8, 16, 48]).form(0)
    assert ways_of(formed, 0) == [16, 8, 48]
    # By itself one case is no switch.
    assert Former(SWITCH, ISA, jumps=[(4, 16, 1)]).form(0)["places"][0]["how"] == "away"


@pytest.mark.parametrize(
    "jumps", [[(4, 4096, 1)], [(3, 8, 1)], [(4, 8, 0)], [(-2, 8, 1)], [(4, 8, 1 << 16)], 65 * [(4, 8, 1)]]
)
def test_jumps_that_cannot_have_been_seen(jumps):
    with pytest.raises(ConfigError):
        Former(SWITCH, ISA, jumps=jumps)


def test_a_trail_teaches_no_returns_and_no_far_jumps():
    page = bytearray(SWITCH)
    page[4:8] = insn("jalr", rd=0, rs1=1, imm=0)
    formed = Former(bytes(page), ISA, trail=[0, 4, 8, 12, 32, 36, 0, 4, 16, 20, 24]).form(0)
    assert formed["places"][0]["how"] == "away"


# 0: to 12 or on; 8: header, also come to from outside; 12: so is this; 16: back to 8; 20: back to 12.
TWO_ENTRIES = code_of({0: nop(1), 4: branch(4, 12), 8: nop(1), 12: nop(1), 16: branch(16, 8), 20: nop(1),
                       24: branch(24, 12), 28: RET})  # fmt: skip


def test_a_cycle_with_two_entries_is_the_regions_loop_all_the_same():
    # By dominators 8 is in no loop, as there is a way to 12 that does not come by.
    formed = Former(TWO_ENTRIES, ISA).form(12)
    assert formed["loop"]
    assert formed["insns"] == 5
    assert offsets(formed) == [8, 12, 20]


# 0: to 20 or on; 8: header, and by itself a loop as well; 20: so is this; 28: back to 8; 32: after.
TWO_HEADERS = code_of({0: nop(1), 4: branch(4, 20), 8: nop(1), 12: branch(12, 32), 16: branch(16, 8), 20: nop(1),
                       24: branch(24, 20), 28: branch(28, 8), 32: RET})  # fmt: skip


@pytest.mark.parametrize("sample", [8, 16, 20, 24])
def test_of_two_headers_the_one_that_is_come_to_less_often(sample):
    outer, inner = [8, 12, 16], [20, 24]
    assert Former(TWO_HEADERS, ISA, trail=3 * (outer + 4 * inner + [28])).header(sample) == 8
    assert Former(TWO_HEADERS, ISA, trail=3 * (4 * outer + inner + [28])).header(sample) == 20
    # Without a trail it is the loop around the place; and what is taken is not asked for again.
    assert Former(TWO_HEADERS, ISA).header(sample) == (8 if sample in outer else 20)
    taken = Former(TWO_HEADERS, ISA, trail=3 * (outer + 4 * inner + [28]), taken=[8])
    assert taken.header(sample) == (None if sample in outer else 20)
