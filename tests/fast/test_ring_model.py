"""The queue's algorithm under every interleaving: nothing lost, nothing twice, nobody left asleep.

What is modelled is ``vmcore/_fast/ring.h``, line by line and with its orders; each rule of it is also broken on
purpose, and then a schedule that shows the damage must be found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from support.interleave import (
    ACQUIRE,
    PLAIN,
    RELAXED,
    RELEASE,
    Explorer,
    Failure,
    Op,
    Thread,
    change,
    load,
    store,
)

CLOSED = 1 << 63
SIZE = 2
EVERYBODY = 99


@dataclass(frozen=True)
class Rules:
    """What the algorithm keeps; a test switches one off."""

    turns_decide: bool = True
    cell_before_turn: bool = True
    claim_decides: bool = True
    shows: str = RELEASE
    looks: str = ACQUIRE
    fence: bool = True
    passes_on: bool = True
    ends_for_all: bool = True
    sees_closed: bool = True


def late(turn: int, position: int) -> int:
    """Return the difference as C computes it: modulo 2**64, with a sign."""
    difference = (turn - position) % 2**64
    return difference - 2**64 if difference >= CLOSED else difference


def memory(first: int, full: bool) -> dict[str, Any]:
    """Return a queue whose next record is that of position `first`; `full`: it holds two."""
    turns = {f"turn{p % SIZE}": p + full for p in range(first, first + SIZE)}
    records = {f"record{i}": f"z{i}" if full else None for i in range(SIZE)}
    doors = {f"{door}.{word}": 0 for door in ("filled", "freed") for word in ("sleepers", "news")}
    return {"tail": first + SIZE * full, "head": first, **turns, **records, **doors}


class Queue:
    """The operations of ring.h as generators."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    def wake(self, door: str, most: int) -> Thread:
        yield change(f"{door}.news", lambda value: value + 1, RELEASE)
        yield Op("wake", f"{door}.news", most)

    def tell(self, door: str, n: int) -> Thread:
        if (yield load(f"{door}.sleepers", RELAXED)):
            yield from self.wake(door, n)

    def scan(self, at: int, offset: int, n: int) -> Thread:
        """Count the cells from `at` on whose turn has come; also say how late the first other one is."""
        ready = 0
        if offset and not self.rules.turns_decide:
            tail = yield load("tail", ACQUIRE)
            return min(n, tail - at), -1
        while True:
            turn = yield load(f"turn{(at + ready) % SIZE}", self.rules.looks)
            lateness = late(turn, at + ready + offset)
            if lateness:
                return ready, lateness
            ready += 1
            if ready in (n, SIZE):
                return ready, 0

    def claim(self, index: str, at: int, n: int) -> Thread:
        if not self.rules.claim_decides:
            yield store(index, at + n)
            return at
        return (yield change(index, lambda value: at + n if value == at else None))

    def push(self, records: tuple[Any, ...]) -> Thread:
        at = yield load("tail")
        while True:
            free, lateness = yield from self.scan(at, 0, len(records))
            if not free:
                now = yield load("tail")
                if (at & CLOSED and self.rules.sees_closed) or (lateness < 0 and now == at):
                    return 0
                at = now
                continue
            seen = yield from self.claim("tail", at, free)
            if seen != at:
                at = seen
                continue
            yield from self.publish(at, records[:free])
            return free

    def publish(self, at: int, records: tuple[Any, ...]) -> Thread:
        """Fill the cells that were claimed."""
        for i, record in enumerate(records):
            cell = (at + i) % SIZE
            steps = [store(f"record{cell}", record, PLAIN), store(f"turn{cell}", at + i + 1, self.rules.shows)]
            # No `yield from`: an iterator of a list does not tell where it stands.
            for step in steps if self.rules.cell_before_turn else reversed(steps):  # noqa: UP028
                yield step
        yield from self.tell("filled", len(records))

    def pop(self, n: int) -> Thread:
        at = yield load("head")
        while True:
            ready, lateness = yield from self.scan(at, 1, n)
            if not ready:
                now = yield load("head")
                if lateness < 0 and now == at:
                    return ()
                at = now
                continue
            seen = yield from self.claim("head", at, ready)
            if seen != at:
                at = seen
                continue
            taken: tuple[Any, ...] = ()
            for i in range(ready):
                cell = (at + i) % SIZE
                show = store(f"turn{cell}", at + i + SIZE, self.rules.shows)
                if not self.rules.cell_before_turn:
                    yield show
                taken += ((yield load(f"record{cell}", PLAIN)),)
                if self.rules.cell_before_turn:
                    yield show
            yield from self.tell("freed", ready)
            return taken

    def drained(self) -> Thread:
        tail = yield load("tail", ACQUIRE)
        if not tail & CLOSED:
            return False
        return (yield load("head", ACQUIRE)) == tail & ~CLOSED

    def close(self) -> Thread:
        yield change("tail", lambda value: value | CLOSED, RELEASE)
        yield from self.wake("filled", EVERYBODY)
        yield from self.wake("freed", EVERYBODY)

    def look(self, door: str) -> Thread:
        popping = door == "filled"
        at = yield load("head" if popping else "tail")
        if not popping and at & CLOSED:
            return "ended"
        if late((yield load(f"turn{at % SIZE}", self.rules.looks)), at + popping) >= 0:
            return "ready"
        if popping and (yield from self.drained()):
            return "ended"
        return "wait"

    def wait(self, door: str) -> Thread:
        seen = yield from self.look(door)
        if seen != "wait":
            return seen
        yield change(f"{door}.sleepers", lambda value: value + 1, RELEASE)
        news = yield load(f"{door}.news", ACQUIRE)
        if self.rules.fence:
            yield Op("fence_all")
        seen = yield from self.look(door)
        if seen == "wait":
            yield Op("sleep", f"{door}.news", news)
            seen = "ready"
        yield change(f"{door}.sleepers", lambda value: value - 1)
        return seen

    def pass_on(self, door: str) -> Thread:
        if not self.rules.passes_on or not (yield load(f"{door}.sleepers")):
            return
        if (yield load("tail", ACQUIRE)) & CLOSED:
            if self.rules.ends_for_all:
                yield from self.wake(door, EVERYBODY)
        elif (yield from self.look(door)) == "ready":
            yield from self.wake(door, 1)

    def push_wait(self, record: Any) -> Thread:
        done = yield from self.push((record,))
        while not done:
            seen = yield from self.wait("freed")
            done = yield from self.push((record,))
            if done or seen == "ended":
                yield from self.pass_on("freed")
                break
        return done

    def pop_wait(self) -> Thread:
        taken = yield from self.pop(1)
        while not taken:
            seen = yield from self.wait("filled")
            taken = yield from self.pop(1)
            if taken or seen == "ended":
                yield from self.pass_on("filled")
                break
        return taken


# What a thread does: it returns ("put", what went in) or ("got", what came out).

Body = Callable[[Queue], Thread]


def pushes(*batches: tuple[str, ...]) -> Body:
    def run(queue: Queue) -> Thread:
        done: tuple[str, ...] = ()
        for batch in batches:
            done += batch[: (yield from queue.push(batch))]
        return "put", done

    return run


def publishes(position: int, record: str) -> Body:
    """A producer that has claimed its position already."""

    def run(queue: Queue) -> Thread:
        yield from queue.publish(position, (record,))
        return "put", (record,)

    return run


def pops(*numbers: int) -> Body:
    def run(queue: Queue) -> Thread:
        done: tuple[str, ...] = ()
        for n in numbers:
            done += yield from queue.pop(n)
        return "got", done

    return run


def puts(record: str) -> Body:
    def run(queue: Queue) -> Thread:
        return "put", (record,) if (yield from queue.push_wait(record)) else ()

    return run


def gets(queue: Queue) -> Thread:
    return "got", (yield from queue.pop_wait())


def closes(queue: Queue) -> Thread:
    yield from queue.close()
    return "put", ()


def sound(results: list[Any]) -> None:
    """Check what threads put in and got out: nothing invented, nothing twice, each producer's records in order."""
    put = [record for kind, records in results if kind == "put" for record in records]
    got = [record for kind, records in results if kind == "got" for record in records]
    assert len(set(got)) == len(got), f"{got} holds a record twice"
    assert set(got) <= {*put, *FULL}, f"lost or invented: got {got}, put {put}"
    for kind, records in results:
        for who in {record[0] for record in records if kind == "got"}:
            mine = [record for record in records if record[0] == who]
            assert mine == sorted(mine), f"{who}'s records changed places: {records}"


def explore(rules: Rules, threads: tuple[Body, ...], kept: int = 3, first: int = 0, **words: Any) -> Explorer:
    """Run every schedule; afterwards whatever went in has come out, or is still in its place."""
    queue = Queue(rules)
    shared = memory(first, words.pop("full", False)) | words
    explorer = Explorer(shared, [lambda body=body: body(queue) for body in threads], sound, kept)
    assert explorer.run() > 0
    return explorer


FULL = ("z0", "z1")
SOUND = Rules()
TRYING: dict[str, tuple[Body, ...]] = {
    "one each": (pushes(("a0",)), pops(1)),
    "two producers": (pushes(("a0",)), pushes(("b0",)), pops(1, 1)),
    "two consumers": (pushes(("a0",), ("a1",)), pops(1), pops(1)),
    "a full round": (pushes(("a0",), ("a1",), ("a2",)), pops(1, 1)),
    "batches": (pushes(("a0", "a1")), pushes(("b0", "b1")), pops(2, 2)),
    "batches taken by two": (pushes(("a0", "a1"), ("a2",)), pops(2), pops(2)),
    "closed meanwhile": (pushes(("a0",), ("a1",), ("a2",)), closes, pops(1)),
}
# Threads; how many stores back a load may look (one is sequential consistency, where more is too much); memory.
WAITING: dict[str, tuple[tuple[Body, ...], int, dict[str, Any]]] = {
    "a getter": ((puts("a0"), gets), 3, {}),
    "a putter": ((puts("a0"), pops(1)), 3, {"full": True}),
    "a getter and the end": ((pushes(("a0",)), closes, gets), 1, {}),
    "a putter and the end": ((puts("a0"), closes), 3, {"full": True}),
    "out of order": ((publishes(0, "a0"), publishes(1, "b0"), gets, gets), 1, {"tail": 2}),
    "the last record": ((publishes(0, "a0"), gets, gets), 1, {"tail": CLOSED | 1}),
    "somebody takes it without waiting": ((publishes(0, "a0"), pops(1), gets), 2, {"tail": CLOSED | 1}),
}


@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("name", TRYING)
def test_trying(name: str, first: int) -> None:
    assert explore(SOUND, TRYING[name], first=first).ends > 0


@pytest.mark.parametrize("name", WAITING)
def test_waiting(name: str) -> None:
    threads, kept, words = WAITING[name]
    assert explore(SOUND, threads, kept, **words).ends > 0


def test_what_was_put_comes_out() -> None:
    """One producer that waits for a consumer that waits: every schedule ends with the record on the other side."""
    seen = []
    queue = Queue(SOUND)
    Explorer(memory(0, False), [lambda: puts("a0")(queue), lambda: gets(queue)], seen.append).run()
    assert seen and all(result == [("put", ("a0",)), ("got", ("a0",))] for result in seen)


@pytest.mark.parametrize(
    ("rules", "threads", "words", "damage"),
    [
        (Rules(turns_decide=False), TRYING["one each"], {}, "race|lost"),
        (Rules(turns_decide=False), TRYING["one each"], {"kept": 1}, "lost or invented: got \\[None\\]"),
        (Rules(cell_before_turn=False), TRYING["one each"], {"kept": 1}, "lost or invented: got \\[None\\]"),
        (Rules(cell_before_turn=False), TRYING["a full round"], {"kept": 1}, "lost|twice"),
        (Rules(claim_decides=False), TRYING["two producers"], {}, "race|lost|forever"),
        (Rules(claim_decides=False), TRYING["two consumers"], {"kept": 1}, "twice"),
        (Rules(shows=RELAXED), TRYING["one each"], {}, "race"),
        (Rules(looks=RELAXED), TRYING["one each"], {}, "race"),
        (Rules(sees_closed=False), TRYING["closed meanwhile"], {}, "runs forever"),
        (Rules(fence=False), WAITING["a getter"][0], {}, "lost wake-up"),
        (Rules(fence=False), WAITING["a putter"][0], {"full": True}, "lost wake-up"),
        (Rules(passes_on=False), WAITING["out of order"][0], {"tail": 2}, "lost wake-up"),
        (Rules(ends_for_all=False), WAITING["the last record"][0], {"tail": CLOSED | 1}, "lost wake-up"),
    ],
)
def test_each_rule_is_needed(rules: Rules, threads: tuple[Body, ...], words: dict[str, Any], damage: str) -> None:
    """A queue that breaks it (an index that is trusted before the cell is written, say) is caught."""
    with pytest.raises(Failure, match=damage):
        explore(rules, threads, **words)


def test_the_memory_is_as_weak_as_it_should_be() -> None:
    """Two stores and two crossed loads: both may miss the other's, unless there are fences."""

    def thread(mine: str, other: str, fence: bool) -> Thread:
        yield store(mine, 1, RELEASE)
        if fence:
            yield Op("fence_all")
        return (yield load(other, ACQUIRE))

    for fence in (False, True):
        seen: list[Any] = []
        threads = [lambda: thread("x", "y", fence), lambda: thread("y", "x", fence)]  # noqa: B023
        Explorer({"x": 0, "y": 0}, threads, seen.append).run()
        assert ([0, 0] in seen) != fence and [1, 1] in seen
