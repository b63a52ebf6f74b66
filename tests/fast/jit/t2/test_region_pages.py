"""Regions of several pages, and calls by what a register says."""

from __future__ import annotations

import pytest
from fast.jit.t2.test_region import RET, branch, code_of, nop, offsets, to
from support.regionhart import ISA, insn

from vmcore._fast.jit.t2.liftface import Former
from vmcore.errors import ConfigError

NEXT, FURTHER, BEFORE = 0x1000, 0x5000, -0x2000
#: How a block ends that leaves for an address (END_LEAVE_TO of ir.pxd).
LEAVE_TO = 4


def far(off, target, link=1, base=1):
    """Call what lies there by auipc and jalr."""
    low = (target - off + 0x800 & 0xFFF) - 0x800
    return insn("auipc", rd=base, imm=target - off - low) + insn("jalr", rd=link, rs1=base, imm=low)


def ways(formed):
    return [way for place in formed["places"] for way in place["ways"]]


# 4088: header, two instructions; on into the next page, which goes back from its third one.
ACROSS = code_of({4088: nop(2)})
BEHIND = code_of({0: nop(2), 8: branch(NEXT + 8, 4088), 12: RET})


def test_a_loop_across_the_end_of_a_page():
    formed = Former(ACROSS, ISA, more={NEXT: BEHIND}).form(4088)
    assert formed["loop"]
    assert formed["insns"] == 5
    assert formed["pages"] == [0, NEXT]
    assert [place["off"] for place in formed["places"]] == [4088, NEXT]
    assert formed["places"][1]["ways"] == [(4088, 0), (NEXT + 12, -1)]


def test_without_the_other_page_it_is_none():
    formed = Former(ACROSS, ISA).form(4088)
    assert not formed["loop"]
    assert formed["pages"] == [0]


def test_an_instruction_in_two_pages_is_one_of_both():
    word = insn("addi", rd=5, rs1=5, imm=1)
    first = code_of({4090: nop(1), 4094: word[:2]})
    second = code_of({0: word[2:], 2: insn("bne", rs1=5, rs2=6, imm=4090 - (NEXT + 2)), 6: RET})
    formed = Former(first, ISA, more={NEXT: second}).form(4090)
    assert formed["loop"]
    assert formed["insns"] == 3
    assert formed["pages"] == [0, NEXT]
    # By itself it is where nothing is known of the second half.
    assert Former(first, ISA).form(4090)["insns"] == 1
    # And no region begins with it.
    assert Former(first, ISA, more={NEXT: second}).form(4094)["refused"] == "first"


@pytest.mark.parametrize("where", [FURTHER, BEFORE])
@pytest.mark.parametrize("how", ["jal", "auipc"])
def test_what_is_called_in_another_page_is_inlined(how, where):
    call = to(4, where, rd=1) if how == "jal" else far(4, where)
    page = code_of({0: nop(1), 4: call, 4 + len(call): branch(4 + len(call), 0)})
    formed = Former(page, ISA, more={where: code_of({0: nop(3), 12: RET})}).form(0)
    assert formed["loop"]
    assert formed["pages"] == [0, where]
    assert formed["insns"] == 1 + len(call) // 4 + 4 + 1
    assert offsets(formed, 1) == [where]
    assert (4 + len(call), 2) in ways(formed)


def test_what_is_called_calls_another_page():
    page = code_of({0: to(0, NEXT, rd=1), 4: branch(4, 0)})
    between = code_of({0: far(NEXT, FURTHER, link=5, base=5), 8: RET})
    last = code_of({0: nop(1), 4: insn("jalr", rd=0, rs1=5, imm=0)})
    formed = Former(page, ISA, more={NEXT: between, FURTHER: last}).form(0)
    assert formed["loop"]
    assert formed["pages"] == [0, NEXT, FURTHER]
    assert formed["insns"] == 7


def test_only_pages_that_it_has_are_its_pages():
    formed = Former(ACROSS, ISA, more={FURTHER: BEHIND, NEXT: BEHIND}).form(4088)
    assert formed["pages"] == [0, NEXT]


def test_a_loop_of_one_page_does_not_jump_out_of_it():
    # The way over the other page is longer, and nothing of it is.
    page = code_of({0: nop(1), 4: branch(4, NEXT), 8: nop(1), 12: to(12, 0)})
    formed = Former(page, ISA, more={NEXT: code_of({0: nop(5), 20: to(NEXT + 20, 8)})}).form(0)
    assert formed["loop"]
    assert formed["pages"] == [0]
    assert (NEXT, -1) in ways(formed)


def test_where_it_is_too_large_it_goes_without_other_pages():
    page = code_of({0: nop(1), 4: to(4, NEXT, rd=1), 8: branch(8, 0)})
    other = {NEXT: code_of({0: nop(60), 240: RET})}
    assert Former(page, ISA, more=other, limit=100).form(0)["pages"] == [0, NEXT]
    formed = Former(page, ISA, more=other, limit=50).form(0)
    # The call leaves it, so it is no loop.
    assert formed["pages"] == [0]
    assert not formed["loop"]


def test_pages_are_checked():
    with pytest.raises(ConfigError, match="no page"):
        Former(ACROSS, ISA, more={NEXT: b"\0" * 4095})
    with pytest.raises(ConfigError, match="no page lies 0x800 bytes"):
        Former(ACROSS, ISA, more={0x800: BEHIND})
    with pytest.raises(ConfigError, match="no page lies"):
        Former(ACROSS, ISA, more={1 << 30: BEHIND})
    with pytest.raises(ConfigError, match="more than 8 pages"):
        Former(ACROSS, ISA, more={n << 12: BEHIND for n in range(1, 9)})


# 0: header, which calls what s4 says; 8: back. 16 and 32: functions.
CALLS = code_of({0: insn("jalr", rd=1, rs1=20, imm=0), 4: nop(1), 8: branch(8, 0), 12: RET, 16: nop(2), 24: RET,
                 32: nop(3), 44: RET})  # fmt: skip


def test_a_call_by_register_goes_on_where_such_calls_went():
    formed = Former(CALLS, ISA, targets=[16, 32]).form(0)
    assert formed["loop"]
    assert formed["places"][0]["how"] == "switch"
    assert offsets(formed, 1) == [16, 32]
    assert formed["insns"] == 3 + 3 + 4


@pytest.mark.parametrize(
    "targets", [(), (4,), (4, 8), range(16, 64, 4)], ids=["none", "what follows it", "gone on to", "many"]
)
def test_what_is_no_call_by_register(targets):
    formed = Former(CALLS, ISA, targets=targets).form(0)
    assert not formed["loop"]
    assert formed["places"][0]["how"] == "away"


def test_what_is_called_directly_is_not_what_a_register_says():
    # The same function, by a call that says where it is.
    page = code_of({0: insn("jalr", rd=1, rs1=20, imm=0), 4: nop(1), 8: branch(8, 0), 12: RET, 16: nop(2), 24: RET,
                    64: far(64, 16), 72: RET})  # fmt: skip
    assert Former(page, ISA, targets=[16]).form(0)["places"][0]["how"] == "away"


@pytest.mark.parametrize("over", [False, True], ids=["always", "jumped over"])
def test_what_auipc_says_is_checked_where_it_may_be_jumped_over(over):
    page = code_of({0: nop(1), 4: branch(4, 12) if over else nop(1), 8: far(8, 64, base=7), 16: branch(16, 0), 20: RET,
                    64: nop(1), 68: RET})  # fmt: skip
    former = Former(page, ISA)
    assert former.form(0)["loop"]
    assert offsets(former.form(0), 1) == [64]
    # Behind the jump, as it may be where a region begins.
    graph = former.lift(0)
    assert sum(block["end"] == LEAVE_TO for block in graph["blocks"].values()) == over


def test_the_loop_around_a_function_is_found_through_far_calls():
    page = code_of({0: nop(1), 4: far(4, 64), 12: branch(12, 0), 16: RET, 64: nop(1), 68: branch(68, 64), 72: RET})
    former = Former(page, ISA, taken=[64])
    assert former.header(64) == 0
    assert former.form(0)["insns"] == 7


def test_what_calls_itself_is_inlined_once_where_it_is_large():
    small = code_of({0: nop(3), 12: to(12, 0x100, rd=1), 16: branch(16, 0), 0x100: nop(2), 0x108: branch(0x108, 0x114),
                     0x10C: to(0x10C, 0x100, rd=1), 0x110: nop(1), 0x114: RET})  # fmt: skip
    large = code_of({0: nop(3), 12: to(12, 0x100, rd=1), 16: branch(16, 0), 0x100: nop(60), 0x1F0: branch(0x1F0, 0x1FC),
                     0x1F4: to(0x1F4, 0x100, rd=1), 0x1F8: nop(1), 0x1FC: RET})  # fmt: skip
    assert max(place["context"] for place in Former(small, ISA).form(0)["places"]) == 6
    assert max(place["context"] for place in Former(large, ISA).form(0)["places"]) == 1
