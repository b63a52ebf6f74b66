"""The order that the scheduler finds is one that may be, and takes no more registers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from support.ir_random import random_region

from vmcore._fast.jit.t2.allocface import Allocated
from vmcore._fast.jit.t2.face import Region

SEEDS = st.integers(0, 2**32)
#: What stays in order: what may leave or is seen, and what reads or writes memory.
EFFECTS = {"host", "store", "poll", "count", "leave_if", "dirty", "tag", "addend"}
MEMORY = {"load", "store", "poll", "count", "leave_if", "dirty"}


def op_of(line: str) -> str:
    return line.split(" = ", 1)[-1].split()[0].split(".")[0]


def blocks_of(text: str) -> dict[str, list[str]]:
    """Return the lines of each block; nodes keep their numbers from pass to pass."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("b"):
            lines = found.setdefault(line, [])
        elif line.startswith("  "):
            lines.append(line.strip())
    return found


@given(SEEDS)
@settings(max_examples=300)
def test_what_depends_on_one_another_stays_in_order(seed: int) -> None:
    region = Region.from_text(random_region(seed))
    region.run_pass("dead")
    before = blocks_of(region.text(renumber=False))
    moved = region.run_pass("schedule")
    assert region.verify() is None
    after = blocks_of(region.text(renumber=False))
    assert list(after) == list(before)
    assert bool(moved) == any(after[name] != lines for name, lines in before.items())
    for name, lines in before.items():
        assert sorted(after[name]) == sorted(lines)
        assert after[name][-1] == lines[-1]
        for kind in (EFFECTS, MEMORY):
            assert [one for one in after[name] if op_of(one) in kind] == [one for one in lines if op_of(one) in kind]


@given(SEEDS)
@settings(max_examples=200, deadline=None)
def test_it_takes_no_more_registers(seed: int) -> None:
    region = Region.from_text(random_region(seed))
    for name in ("fold", "gvn", "bits", "dead"):
        region.run_pass(name)
    before = Allocated(region.text(), "colouring").figures["pressure"]
    region.run_pass("schedule")
    assert Allocated(region.text(), "colouring").figures["pressure"] <= before


def test_no_more_than_the_fuel_allows() -> None:
    moved = 0
    for seed in range(60):
        region = Region.from_text(random_region(seed))
        region.run_pass("dead")
        region.fuel = 0
        before = region.text(renumber=False)
        assert region.run_pass("schedule") == 0
        # (Selection, which it begins with, puts a look-up next to its access.)
        assert sorted(before.splitlines()) == sorted(region.text(renumber=False).splitlines())
        region.fuel = 1000
        moved += region.run_pass("schedule")
    assert moved
