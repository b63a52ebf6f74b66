"""Frees of one cell by several threads, in every order: none is lost, none counts twice, each error is told or counted.

What is modelled is the state byte of ``vmcore/_fast/memory/heaps.pxd`` with ``put`` and ``mark`` of ``slab.pyx`` and
``collect`` and ``drain`` of ``heaps.pyx``, with their orders. Each rule is also broken on purpose, and then a schedule
that shows the damage must be found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from support.interleave import ACQUIRE, PLAIN, RELAXED, RELEASE, Explorer, Failure, Thread, change, load, store

LIVE, FREE, REMOTE = "live", "free", "remote"


@dataclass(frozen=True)
class Rules:
    """What the algorithm keeps; a test switches one off."""

    mark_exchanges: bool = True
    mark_before_warm: bool = True
    warm_before_flag: bool = True
    flag_falls_first: bool = True
    warm_acquires: bool = True
    state_acquires: bool = True


def newest(where: str) -> Any:
    """Read as a sequentially consistent load does where all writers are exchanges."""
    return change(where, lambda value: None, ACQUIRE)


@dataclass(frozen=True)
class Slab:
    """Some cells of one lot that were handed out; their owner and other threads free them."""

    rules: Rules
    cells: int

    def put(self, cell: int) -> Thread:
        """Free as the owner does: look, then store."""
        if (yield load(f"state{cell}")) != LIVE:
            return False
        yield store(f"state{cell}", FREE)
        return True

    def take(self, cell: int, writes: bool) -> Thread:
        """Hand the cell out again, if the owner sees it free; whoever has it writes to it."""
        if (yield load(f"state{cell}")) != FREE:
            return False
        yield store(f"state{cell}", LIVE)
        if writes:
            # A plain access: it is a race unless it comes after what the last holder wrote.
            yield store(f"bytes{cell}", "owner", PLAIN)
        return True

    def mark(self, cell: int) -> Thread:
        """Free as other threads do."""
        if not self.rules.mark_before_warm:
            yield change("warm", lambda value: 1, RELEASE)
        if self.rules.mark_exchanges:
            seen = yield change(f"state{cell}", lambda value: REMOTE if value == LIVE else None, RELEASE)
        else:
            seen = yield load(f"state{cell}")
            if seen == LIVE:
                yield store(f"state{cell}", REMOTE, RELEASE)
        if seen != LIVE:
            return False
        if self.rules.mark_before_warm:
            yield change("warm", lambda value: 1, RELEASE)
        flagged = yield newest("pending") if self.rules.warm_before_flag else load("pending")
        if not flagged and not (yield change("pending", lambda value: 1, RELEASE)):
            yield change("listed", lambda value: 1, RELEASE)
        return True

    def drain(self) -> Thread:
        found = 0
        if (yield newest("warm")):
            yield change("warm", lambda value: 0, ACQUIRE if self.rules.warm_acquires else RELAXED)
            for cell in range(self.cells):
                if (yield load(f"state{cell}", ACQUIRE if self.rules.state_acquires else RELAXED)) == REMOTE:
                    yield store(f"state{cell}", FREE)
                    found += 1
        return found

    def collect(self) -> Thread:
        """Take in what was marked."""
        if not (yield change("listed", lambda value: 0, ACQUIRE)):
            return 0
        if self.rules.flag_falls_first:
            yield change("pending", lambda value: 0, ACQUIRE)
        found = yield from self.drain()
        if not self.rules.flag_falls_first:
            yield change("pending", lambda value: 0, ACQUIRE)
        return found


def owner(slab: Slab, steps: str, others: int) -> Thread:
    """Do `steps` (f: free cell 0, t: take all, c: collect), and collect once more when the others have ended."""
    freed = taken = found = 0
    for _at, step in enumerate(steps):
        if step == "f":
            freed += yield from slab.put(0)
        elif step == "c":
            found += yield from slab.collect()
        else:
            for cell in range(slab.cells):
                taken += yield from slab.take(cell, "f" not in steps)
    for i in range(others):
        while not (yield load(f"ended{i}", ACQUIRE)):
            pass
    found += yield from slab.collect()
    states: tuple[str, ...] = ()
    for cell in range(slab.cells):
        states += ((yield load(f"state{cell}")),)
    return freed, taken, found, states


def other(slab: Slab, number: int, holds: bool) -> Thread:
    """Free a cell, as its holder or as somebody who holds it no more."""
    cell = number % slab.cells
    if holds:
        yield store(f"bytes{cell}", "other", PLAIN)
    marked = yield from slab.mark(cell)
    yield store(f"ended{number}", 1, RELEASE)
    return int(marked)


def check(results: list[Any]) -> None:
    (freed, taken, found, states), *marked = results
    late = sum(marked) - found
    assert REMOTE not in states, "a mark was left behind"
    assert late >= 0, "a mark was taken in twice"
    assert late <= freed, "two who do not own the cell were both told that all is well"
    ended = freed + sum(marked) - late
    handed_out = len(states) + taken
    assert ended == handed_out - states.count(LIVE), f"{ended} frees count of {handed_out} blocks"


def explore(
    steps: str,
    others: int,
    cells: int = 1,
    rules: Rules | None = None,
    verdict: Callable[[list[Any]], None] = check,
) -> int:
    slab = Slab(rules or Rules(), cells)
    memory: dict[str, Any] = {"warm": 0, "pending": 0, "listed": 0}
    memory |= {f"state{i}": LIVE for i in range(cells)} | {f"bytes{i}": "first" for i in range(cells)}
    memory |= {f"ended{i}": 0 for i in range(others)}
    holds = others == cells and "f" not in steps
    threads: list[Callable[[], Thread]] = [lambda: owner(slab, steps, others)]
    threads += [lambda i=i: other(slab, i, holds) for i in range(others)]
    explorer = Explorer(memory, threads, verdict)
    explorer.run()
    return explorer.ends


@pytest.mark.parametrize("steps", ["", "f", "ff", "ft", "ftf", "fc", "ct", "fct", "cfct", "ctct"])
def test_owner_and_one_other(steps):
    assert explore(steps, 1)


@pytest.mark.parametrize("steps", ["", "c", "f", "ft", "ct"])
def test_owner_and_two_others_at_one_cell(steps):
    assert explore(steps, 2)


@pytest.mark.parametrize("steps", ["", "c", "cc", "ct", "fc", "ftc"])
def test_owner_and_two_others_at_a_cell_each(steps):
    assert explore(steps, 2, cells=2)


def test_both_may_be_told_that_all_is_well_and_then_it_is_counted():
    seen = set()

    def verdict(results):
        check(results)
        (freed, _, found, _), marked = results
        seen.add((int(freed), marked, marked - found))

    explore("f", 1, verdict=verdict)
    # One of them is refused, or nobody is and the count says so.
    assert seen == {(1, 0, 0), (0, 1, 0), (1, 1, 1)}


@pytest.mark.parametrize(
    ("broken", "steps", "cells", "damage"),
    [
        ("mark_exchanges", "", 1, "both told"),
        ("mark_before_warm", "c", 2, "left behind"),
        ("warm_before_flag", "c", 2, "left behind"),
        ("flag_falls_first", "c", 2, "left behind"),
        ("warm_acquires", "c", 2, "left behind"),
        ("state_acquires", "ct", 2, "race"),
    ],
)
def test_each_rule_is_needed(broken, steps, cells, damage):
    with pytest.raises(Failure, match=damage):
        explore(steps, 2, cells, Rules(**{broken: False}))
