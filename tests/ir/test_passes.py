"""What each pass makes of the regions in the ``.ir`` files beside this one.

A case is a line ``=== what it is about``, a line ``passes:`` with their names, a region, a line ``---``, and the
region that is expected. ``guesses=N`` among the names sets what may be guessed, ``narrow=1`` that look-ups are shared
within sixteen bytes alone.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from support.ir_expressions import CORNERS

from vmcore._fast.jit.t2.face import Region
from vmcore._fast.jit.t2.passes import PASSES
from vmcore.errors import ConfigError

CASES = [
    pytest.param(*case.split("\n", 2)[1:], id=f"{path.stem}: {case.split(chr(10), 1)[0]}")
    for path in sorted(Path(__file__).parent.glob("*.ir"))
    for case in re.split(r"^=== ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]
]


#: Passes after which a region may be left elsewhere, in a state that it had before as well.
ELSEWHERE = {"share", "hoist", "unroll"}


def seen_of(region: Region, registers: dict[int, int], base: int, **how: int) -> dict[str, Any]:
    """Return how a run ends, as the guest sees it."""
    memory = bytearray(range(256)) * 20
    run = region.evaluate(registers, memory=memory, base=base, page=0x5000, **({"budget": 100} | how))
    return {name: run[name] for name in ("how", "pc", "regs", "executed", "budget")} | {"memory": bytes(memory)}


def comes_by(region: Region, registers: dict[int, int], base: int, state: dict[str, Any]) -> bool:
    """Can a region be left in that state, if it has time enough? As it was entered it always can."""
    entered = [registers.get(register, 0) for register in range(64)]
    if state["executed"] == 0 and state["regs"] == entered and state["memory"] == bytes(range(256)) * 20:
        return True
    many = (seen_of(region, registers, base, leave_at=place, budget=10_000, steps=5_000) for place in range(1, 200))
    return any(one | {"budget": 0} == state | {"budget": 0} for one in many)


@pytest.mark.parametrize(("passes", "case"), CASES)
def test_pass(passes: str, case: str) -> None:
    text, expected = case.split("---\n")
    before, after = Region.from_text(text), Region.from_text(text)
    for name in passes.split()[1:]:
        if "=" in name:
            what, value = name.split("=")
            setattr(after, what, int(value))
            continue
        after.run_pass(name)
        assert after.verify() is None
    assert after.text() == expected.rstrip("\n") + "\n"
    if " early" in text:
        # What is looked up before its time leaves before its time; without it, the region goes on for longer.
        return
    elsewhere = not ELSEWHERE.isdisjoint(passes.split())
    rng = random.Random(0)
    for _ in range(40):
        registers = {register: rng.choice(CORNERS) for register in (10, 11, 42)}
        for base in (registers[10] & ~0xFFF, 0):
            was, now = (seen_of(region, registers, base) for region in (before, after))
            assert was["how"] != "wrong"
            assert now == was or (elsewhere and comes_by(before, registers, base, now))


def test_there_are_cases_for_every_pass() -> None:
    named = {name for case in CASES for name in str(case.values[0]).split()[1:]}
    assert named | {"fold"} >= set(PASSES)


def test_an_unknown_pass_is_named() -> None:
    with pytest.raises(ConfigError, match="'nothing'.*gvn"):
        Region.from_text("b1:\n  leave [next 0:]\n").run_pass("nothing")


WRONG = {
    "v9 is not there": "b1:\n  v1 = add v9, 1\n  leave [next 0:]\n",
    "v1 is made twice": "b1:\n  v1 = entry x10\n  v1 = entry x11\n  leave [next 0:]\n",
    "b7 is not there": "b1:\n  goto b7\n",
    "no operation 'plus'": "b1:\n  v1 = plus 1, 2\n  leave [next 0:]\n",
    "needs a type": "b1:\n  v1 = select 1, 2, 3\n  leave [next 0:]\n",
    "no register": "b1:\n  v1 = entry x32\n  leave [next 0:]\n",
    "x0": "b1:\n  leave [next 0: x0=1]\n",
    "means nothing": "b1:\n  leave [next 0: x1=~1]\n",
    "ends too early": "b1:\n  v1 = add 1, 2\n",
    "has no result": "b1:\n  v1 = poll #1 [next 0:]\n",
    "has a result": "b1:\n  add 1, 2\n  leave [next 0:]\n",
    "where ',' is expected": "b1:\n  v1 = add 1\n  leave [next 0:]\n",
    "is not from": "b1:\n  leave [next 0x50000000:]\n",
    "an operand is made later": "b1:\n  v1 = add v2, 1\n  v2 = add v1, 1\n  leave [next 0:]\n",
    "does not dominate": "b1:\n  branch 1, b2, b3\nb2:\n  v1 = entry x5\n  v2 = neg v1\n  leave [next 0:]\nb3:\n"
                         "  leave [next 0: x5=v2]\n",
    "has no snapshot": "b1:\n  poll #1\n  leave [next 0:]\n",
    "cannot leave has a snapshot": "b1:\n  v1 = add 1, 2 [next 0:]\n  leave [next 0:]\n",
    "another number of arguments": "b1:\n  goto b2(1)\nb2(v1.int, v2.int):\n  leave [next 0:]\n",
    "where the region is entered": "b1:\n  goto b1\n",
    "has no host": "b1:\n  v1 = load.int 1, 2 size 8\n  leave [next 0:]\n",
    "does not cover": "b1:\n  v1 = host 64 size 8 [next 0:]\n  v2 = load.int v1, 64 #4 size 8\n  leave [next 0:]\n",
    "a host for loads": "b1:\n  v1 = host 64 size 8 [next 0:]\n  store v1, 64, 1 size 8\n  leave [next 0:]\n",
    "a size that there is not": "b1:\n  v1 = host 64 size 8 [next 0:]\n"
                                "  v2 = load.int v1, 64 size 3\n  leave [next 0:]\n",
    "a register twice": "b1:\n  leave [next 0: x5=1 x5=2]\n",
    "for no instruction": "b1:\n  leave [next 1:]\n",
    "counts more than it can say": "b1:\n  leave [next 0 count 128:]\n",
    "nobody gives it arguments": "b1(v1.int):\n  leave [next 0: x5=v1]\n",
    "another type": "region fpu\nb1:\n  fpu [next 0:]\n  v1 = entry f1\n  v2 = add v1, 1\n  leave [next 0:]\n",
    "refers to what is remembered": "b1:\n  v1 = tag\n  v2 = add v1, 1\n  leave [next 0:]\n",
    "ahead of time": "b1:\n  v1 = host 8 size 8 ahead [next 0:]\n  leave [next 0:]\n",
    "half of what it remembers": "b1:\n  v1 = tag\n  v2 = host 8, v1 size 8 [next 0:]\n  leave [next 0:]\n",
    "remembers something else": "b1:\n  v1 = tag\n  v2 = host 8, v1, v1 size 8 [next 0:]\n  leave [next 0:]\n",
    "before it is possible": "region fpu\nb1:\n  v1 = frombits.f64 0\n  fpu [next 0:]\n  leave [next 0:]\n",
    "possible twice": "region fpu\nb1:\n  fpu [next 0:]\n  fpu [next 0:]\n  leave [next 0:]\n",
    "no such rounding mode": "region fpu\nb1:\n  fpu [next 0:]\n  v1 = entry f1\n  v2 = fadd.f64 v1, v1 mode 5\n"
                             "  leave [next 0:]\n",
}  # fmt: skip


@pytest.mark.parametrize("complaint", WRONG)
def test_what_is_wrong_is_said(complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        Region.from_text(WRONG[complaint])


def test_every_mark_is_written_and_read() -> None:
    text = (
        "region insns 12 fpu\n"
        "b1 @0x20:\n"
        "  v1 = entry x10\n"
        "  fpu [step 0x20 count 3 insn 7: x10=v1 x11=-1]\n"
        "  v2 = entry f10\n"
        "  v3 = tag\n"
        "  v4 = addend\n"
        "  v5 = host v1, v3, v4 #-8 size 16 write early [next 0x24:]\n"
        "  v6 = load.f32 v5, v1 #4 size 4\n"
        "  v7 = fsqrt.f32 v6 mode 2\n"
        "  v8 = int_f v7 size 4 mode 1 signed\n"
        "  v9 = const 77 covered remat\n"
        "  v10 = add v8, v9 covered\n"
        "  count #3\n"
        "  dirty\n"
        "  leave_to v10 [next 0x28: f10=v2]\n"
    )
    assert Region.from_text(text).text() == text
    assert Region.from_text(text.replace("\n", " ; said\n")).text() == text
