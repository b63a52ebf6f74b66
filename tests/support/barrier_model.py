"""A model of one collection cycle, small enough to look at every order in which its steps can happen.

Two mutators with a stack of roots each, a few objects with one field each, and the collector with its handshakes. A
mutator loads, stores (its barrier and its store are steps of their own), allocates, drops a root, or answers the
collector between two operations. At the end nothing that a mutator can still reach may be unmarked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MUTATORS = 2
STACK = 2
# Broken on purpose, to see that the explorer finds it.
FAULTS = {
    "satb": (
        "no barrier",
        "black mutators only",
        "scan before all are armed",
        "no second handshake",
        "white allocation",
        "black at once",
    ),
    "insert": ("no barrier", "roots scanned once", "no second handshake", "white allocation", "black at once"),
    "card": ("no barrier", "no precise phase", "card before field", "black at once"),
}


class Mutator(NamedTuple):
    stack: tuple[int, ...]
    left: int
    armed: str = ""
    # What it allocates is marked.
    black: bool = False
    grey: bool = False
    ask: str = ""
    log: int = 0
    # The rest of a store that has begun: (object, value, what is left to do).
    storing: tuple[int, int | None, tuple[str, ...]] | None = None


class State(NamedTuple):
    fields: tuple[int | None, ...]
    allocated: int
    mutators: tuple[Mutator, ...]
    # Sets of objects, a bit for each.
    marked: int = 0
    grey: int = 0
    dirty: int = 0
    phase: str = "idle"
    # In this round of handshakes something was found.
    found: bool = False
    cleaned: int = 0


class Model:
    """The protocol of one barrier, or of a broken variant of it."""

    def __init__(self, barrier: str, fault: str = "") -> None:
        self.barrier = barrier
        self.fault = fault

    # ---- mutators

    def _shade(self, s: State, m: int, o: int | None) -> State:
        if o is None or s.marked >> o & 1:
            return s
        who = s.mutators[m]
        return self._with(s._replace(marked=s.marked | 1 << o), m, who._replace(log=who.log | 1 << o))

    @staticmethod
    def _with(s: State, m: int, who: Mutator) -> State:
        return s._replace(mutators=(*s.mutators[:m], who, *s.mutators[m + 1 :]))

    def _store_steps(self, who: Mutator) -> tuple[str, ...]:
        if not who.armed or self.fault == "no barrier":
            return ("write",)
        if who.armed == "card":
            return ("dirty", "write") if self.fault == "card before field" else ("write", "dirty")
        return ("shade", "write")

    def _continue_store(self, s: State, m: int) -> State:
        who = s.mutators[m]
        assert who.storing is not None
        target, value, (step, *rest) = who.storing
        after = who._replace(storing=(target, value, tuple(rest)) if rest else None)
        if step == "write":
            fields = (*s.fields[:target], value, *s.fields[target + 1 :])
            return self._with(s._replace(fields=fields), m, after)
        if step == "dirty":
            return self._with(s._replace(dirty=s.dirty | 1 << target), m, after)
        s = self._with(s, m, after)
        if who.armed == "insert":
            return self._shade(s, m, value)
        s = self._shade(s, m, s.fields[target])
        if who.grey and self.fault != "black mutators only":
            s = self._shade(s, m, value)
        return s

    def _answer(self, s: State, m: int) -> State:
        who = s.mutators[m]
        if who.ask == "arm":
            at_once = self.fault in ("black at once", "no second handshake")
            return self._with(s, m, who._replace(ask="", armed=self.barrier, grey=True, black=at_once))
        if who.ask == "sync":
            return self._with(s, m, who._replace(ask="", black=True))
        if who.ask == "precise":
            return self._with(s, m, who._replace(ask="", armed="insert"))
        again = self.barrier != "satb" and not (self.fault == "roots scanned once" and s.phase == "round")
        if who.grey or again:
            for o in who.stack:
                s = self._shade(s, m, o)
        who = s.mutators[m]
        s = s._replace(grey=s.grey | who.log, found=s.found or bool(who.log))
        # The collector has seen all the roots of this mutator: they are on one chunk here.
        return self._with(s, m, who._replace(ask="", log=0, grey=False))

    def _mutator_steps(self, s: State, m: int) -> Iterator[State]:
        who = s.mutators[m]
        if who.storing is not None:
            yield self._continue_store(s, m)
            return
        if who.ask:
            yield self._answer(s, m)
        if not who.left:
            return
        who = who._replace(left=who.left - 1)
        for o in set(who.stack):
            value = s.fields[o]
            if value is not None and value not in who.stack and len(who.stack) < STACK:
                yield self._with(s, m, who._replace(stack=(*who.stack, value)))
            for new in {None, *who.stack}:
                if new != s.fields[o]:
                    yield self._with(s, m, who._replace(storing=(o, new, self._store_steps(who))))
        if who.stack:
            yield self._with(s, m, who._replace(stack=who.stack[1:]))
            if len(who.stack) > 1:
                yield self._with(s, m, who._replace(stack=who.stack[:-1]))
        if s.allocated < len(s.fields) and len(who.stack) < STACK:
            black = who.black and self.fault != "white allocation"
            new_state = s._replace(allocated=s.allocated + 1, marked=s.marked | black << s.allocated)
            yield self._with(new_state, m, who._replace(stack=(*who.stack, s.allocated)))

    # ---- the collector

    def _ask(self, s: State, what: str, phase: str) -> State:
        asked = tuple(who._replace(ask=what) for who in s.mutators)
        return s._replace(mutators=asked, phase=phase, found=False)

    def _collector_steps(self, s: State) -> Iterator[State]:
        if s.phase == "idle":
            yield self._ask(s, "arm", "arming")
        elif s.grey and s.phase in ("draining", "cleaning", "cleaning last"):
            o = s.grey.bit_length() - 1
            child = s.fields[o]
            fresh = 1 << child & ~s.marked if child is not None else 0
            yield s._replace(grey=s.grey & ~(1 << o) | fresh, marked=s.marked | fresh)
        elif s.phase == "arming":
            if self.fault == "scan before all are armed":
                # Whoever is armed is asked for its roots at once.
                for m, who in enumerate(s.mutators):
                    if who.armed and who.grey and not who.ask:
                        yield self._with(s, m, who._replace(ask="scan"))
                if all(who.armed and not who.grey and not who.ask for who in s.mutators):
                    yield s._replace(phase="draining")
            elif not any(who.ask for who in s.mutators):
                if self.fault != "no second handshake":
                    yield self._ask(s, "sync", "syncing")
                else:
                    yield self._ask(s, "scan", "scanning")
        elif any(who.ask for who in s.mutators):
            return
        elif s.phase == "syncing":
            yield self._ask(s, "scan", "scanning")
        elif s.phase == "scanning":
            yield s._replace(phase="draining")
        elif s.phase == "draining":
            if self.barrier == "card" and s.cleaned == 0:
                yield s._replace(phase="cleaning", cleaned=1)
            else:
                yield self._ask(s, "scan", "round")
        elif s.phase in ("cleaning", "cleaning last"):
            if s.dirty:
                # Clean the card, then look at the object again: it becomes grey if it was marked.
                card = s.dirty & -s.dirty
                yield s._replace(dirty=s.dirty & ~card, grey=s.grey | card & s.marked)
            elif s.phase == "cleaning" and self.fault != "no precise phase":
                yield self._ask(s, "precise", "precise")
            else:
                yield self._ask(s, "scan", "round")
        elif s.phase == "precise":
            yield s._replace(phase="cleaning last")
        elif s.phase == "round":
            yield s._replace(phase="draining" if s.found else "over")

    # ---- what must hold

    @staticmethod
    def lost(s: State) -> int:
        """Return the unmarked objects that a mutator can reach, a bit for each."""
        reached = 0
        todo = [o for who in s.mutators for o in who.stack]
        todo += [who.storing[1] for who in s.mutators if who.storing and who.storing[1] is not None]
        while todo:
            o = todo.pop()
            if not reached >> o & 1:
                reached |= 1 << o
                child = s.fields[o]
                if child is not None:
                    todo.append(child)
        return reached & ~s.marked

    def explore(self, start: State) -> tuple[int, State | None]:
        """Visit every state that can follow; return how many, and one in which something is lost."""
        seen = {start}
        todo = [start]
        while todo:
            s = todo.pop()
            if s.phase == "over":
                if self.lost(s):
                    return len(seen), s
                continue
            for after in (*self._collector_steps(s), *(t for m in range(MUTATORS) for t in self._mutator_steps(s, m))):
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        return len(seen), None


def starts() -> Iterator[State]:
    """Yield what a cycle begins with: fields, stacks, operations left to each mutator, one more object or none."""
    for fields, stacks in (
        ((None, None), ((0, 1), (0,))),
        ((1, None), ((0,), (0,))),
        ((None, 0), ((1,), (0,))),
    ):
        for left in ((3, 1), (2, 2), (1, 3)):
            yield State(fields, 2, tuple(map(Mutator, stacks, left)))
        yield State((*fields, None), 2, tuple(map(Mutator, stacks, (2, 1))))


def deep_start() -> State:
    """Return a start in which one mutator can make an object and the other can fill it, and both go on."""
    return State((None, None), 1, (Mutator((0,), 3), Mutator((0,), 3)))
