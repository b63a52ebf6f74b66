"""How often blocks are executed, as far as someone looked: counted on a trail, and where the code of each goes then."""

from __future__ import annotations

import pytest
from fast.jit.t2.test_region import RET, branch, code_of, nop, to
from fast.jit.t2.test_tier import RAM, machine, run_until
from support.assembler import Assembler
from support.regionhart import ISA
from support.tiers import registers

from vmcore._fast.jit.t2.explain import explain_region
from vmcore._fast.jit.t2.face import Region
from vmcore._fast.jit.t2.liftface import Former
from vmcore.errors import ConfigError

A0, A1, A2, A3 = 10, 11, 12, 13
#: A loop at 0 that goes by 8 or by 20.
FORKED = code_of({0: nop(1), 4: branch(4, 20), 8: nop(2), 16: to(16, 24), 20: nop(1), 24: branch(24, 0), 28: RET})
BY_8 = [0, 4, 8, 12, 16, 24]
BY_20 = [0, 4, 20, 24]


def times(trail: list[int]) -> dict[tuple[int, int], int]:
    """How often it was gone from one place of the loop to another, by where they begin."""
    formed = Former(FORKED, ISA, trail=trail).form(0)
    return {
        (place["off"], to): count
        for place in formed["places"]
        for (to, _), count in zip(place["ways"], place["times"], strict=True)
    }


def test_ways_are_counted_on_a_trail() -> None:
    counted = times(3 * BY_8 + BY_20 + BY_8 + [28])
    assert counted == {(0, 20): 1, (0, 8): 4, (8, 24): 4, (20, 24): 1, (24, 0): 4, (24, 28): 1}


def test_a_trail_may_begin_anywhere_and_be_interrupted() -> None:
    handler = [0x7000, 0x7004]
    # (20 begins a place, 12 does not; what came before a trap is not counted if the place was not gone through.)
    assert times([12, 16, 24, *BY_20])[24, 0] == 1
    counted = times([20, 24, 0, *handler, 4, 20, 24, 0])
    assert counted[20, 24] == 2
    assert counted[0, 20] == 0
    assert not any(times([]).values())
    assert not any(times([1, 0x7FFFFFFF, -4, 4096]).values())


def test_a_trail_has_an_end() -> None:
    assert times([0] * 512)
    with pytest.raises(ConfigError):
        times([0] * 513)
    with pytest.raises(ConfigError):
        explain_region(FORKED, ISA, 0, trail=[0] * 513)


def called(seen: int) -> list[int]:
    return [0, 4, *seen * [0x100, 0x104], 0x108, 8]


def test_an_inner_loop_turns_as_often_as_it_was_seen_to() -> None:
    # A loop that calls one at 0x100, which turns three times.
    page = code_of({0: nop(1), 4: to(4, 0x100, rd=1), 8: branch(8, 0), 12: RET,
                    0x100: nop(1), 0x104: branch(0x104, 0x100), 0x108: RET})  # fmt: skip
    weights = {}
    for trail in ([], 20 * called(3)):
        blocks = explain_region(page, ISA, 0, fuel=0, trail=trail)["blocks"].values()
        weights[bool(trail)] = max(block["weight"] for block in blocks if block["off"] == 0x100)
    assert weights[False] == pytest.approx(100)
    assert weights[True] == pytest.approx(30, rel=0.1)


def order_of(trail: list[int]) -> list[int]:
    """Where the blocks of the fork begin, in the order of the code, each once."""
    blocks = explain_region(FORKED, ISA, 0, fuel=0, trail=trail)["blocks"]
    laid = sorted(blocks.values(), key=lambda block: block["span"])
    return [off for off in dict.fromkeys(block["off"] for block in laid) if off in (8, 20)]


def test_what_is_gone_more_often_comes_first() -> None:
    assert order_of(40 * BY_8 + BY_20) == [8, 20]
    assert order_of(2 * BY_8 + 60 * BY_20) == [20, 8]


def test_a_short_look_says_nothing() -> None:
    short, none = (explain_region(FORKED, ISA, 0, fuel=0, trail=trail)["blocks"] for trail in (BY_8, []))
    assert short == none


def test_the_text_says_what_was_seen() -> None:
    text = (
        "b1:\n  v1 = entry x10\n  branch v1, b2 times 12, b3(v1) times 3\nb2:\n  leave [next 0x4:]\n"
        "b3(v2.int):\n  leave [next 0x8: x11=v2]\n"
    )
    assert Region.from_text(text).text() == text


def biased() -> bytes:
    """A loop that goes one way seven times of eight."""
    code = Assembler(RAM)
    code.label("loop")
    code.emit("addi", rd=A0, rs1=A0, imm=1)
    code.emit("andi", rd=A1, rs1=A0, imm=7)
    code.emit("bne", "often", rs1=A1, rs2=0)
    code.emit("xor", rd=A2, rs1=A2, rs2=A0)
    code.emit("slli", rd=A2, rs1=A2, imm=1)
    code.emit("jal", "loop", rd=0)
    code.label("often")
    code.emit("add", rd=A3, rs1=A3, rs2=A0)
    code.emit("jal", "loop", rd=0)
    return code.code()


def test_a_hart_is_watched_and_goes_on_as_it_would_have() -> None:
    core = machine(biased())
    run_until(core, "t2_watched")
    run_until(core, "t2_entries")
    insns = core.icount()
    other = machine(biased(), "t1")
    other.run(max_insns=insns)
    assert registers(core, 0) == registers(other, 0)
    core.close()
    other.close()


def test_a_machine_may_end_while_a_hart_is_watched() -> None:
    core = machine(biased())
    before = -1
    while core.stats()["t1_insns"] != before:
        # Compiled code executes nearly all of it, unless the hart is watched.
        before = core.stats()["t1_insns"]
        core.run(max_insns=400)
    assert core.stats()["t2_samples"]
    assert core.stats()["t2_watched"] == 0
    core.close()
