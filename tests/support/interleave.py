"""Every interleaving of a few threads over a weak memory: a small model checker.

A thread is a generator that yields one :class:`Op` for each access to shared memory and is sent its result. The memory
is that of release and acquire with views (as in the operational accounts of C11): a location is the list of the values
that were stored there, and each thread knows, by location, how old a value it may still read at most. An acquiring load
takes over what the storing thread knew. So relaxed loads see stale values wherever C11 lets them (back to the last
few stores of a location, which keeps the number of states finite), and an access of plain data that is not
ordered after the last store is a race.

The state of a thread is where its generators stand and what their local variables hold, so threads that came to the
same point by different ways count as one, and each point is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import combinations
from typing import Any, NamedTuple

RELAXED, ACQUIRE, RELEASE, PLAIN = "relaxed", "acquire", "release", "plain"

View = tuple[int, ...]


class Op(NamedTuple):
    """One access: what is done, where, with which values and order."""

    kind: str
    where: str = ""
    value: Any = None
    order: str = RELAXED


Thread = Generator[Op, Any, Any]


def load(where: str, order: str = RELAXED) -> Op:
    """Read; the result is the value."""
    return Op("load", where, None, order)


def store(where: str, value: Any, order: str = RELAXED) -> Op:
    """Write."""
    return Op("store", where, value, order)


def change(where: str, function: Callable[[int], int | None], order: str = RELAXED) -> Op:
    """Read the newest value and replace it at once, unless `function` returns None; the result is what was read."""
    return Op("change", where, function, order)


class Failure(AssertionError):
    """A schedule that breaks a rule, with the steps that lead there."""


class State(NamedTuple):
    """Everything: ``memory[i]`` are the values of location i, newest first, each with the view that it hands on."""

    memory: tuple[tuple[tuple[Any, View], ...], ...]
    views: tuple[View, ...]
    threads: tuple[int, ...]
    asleep: tuple[str, ...]


def _join(a: View, b: View) -> View:
    return tuple(map(min, a, b))


class _Program:
    """One thread's points: each is a number, with the access that comes next there."""

    def __init__(self, make: Callable[[], Thread]) -> None:
        self.make = make
        self.known: dict[Any, int] = {}
        self.ops: list[Op] = []
        self.ways: list[tuple[Any, ...]] = []
        self.next: dict[tuple[int, Any], int] = {}
        self.start = self._arrive(())

    def _arrive(self, way: tuple[Any, ...]) -> int:
        thread = self.make()
        try:
            op = next(thread)
            for result in way:
                op = thread.send(result)
            key = self._point(thread, op)
        except StopIteration as end:
            op = Op("done", value=end.value)
            key = ("done", repr(end.value))
        if key not in self.known:
            self.known[key] = len(self.ops)
            self.ops.append(op)
            self.ways.append(way)
        return self.known[key]

    @staticmethod
    def _point(thread: Any, op: Op) -> Any:
        # The access belongs to it: one yield may stand for several of them.
        stack: list[Any] = [(op.kind, op.where, None if callable(op.value) else op.value)]
        while thread is not None:
            frame = thread.gi_frame
            values = [(k, repr(v)) for k, v in frame.f_locals.items() if not hasattr(v, "gi_frame") and not callable(v)]
            stack.append((frame.f_code.co_name, frame.f_lasti, tuple(sorted(values))))
            thread = thread.gi_yieldfrom
        return tuple(stack)

    def after(self, point: int, result: Any) -> int:
        """Return the point after the access at `point` had `result`."""
        key = point, result
        if key not in self.next:
            self.next[key] = self._arrive((*self.ways[point], result))
        return self.next[key]


class Explorer:
    """All schedules of some threads.

    Parameters
    ----------
    memory : dict
        The locations and their first values.
    threads : list of callable
        Each makes one thread anew; what it returns at its end goes to `check`.
    check : callable
        Called with the list of the results of every schedule that ends; raises AssertionError when they are wrong.
    kept : int
        How many stores of a location a relaxed load may choose from.
    """

    def __init__(
        self,
        memory: dict[str, Any],
        threads: list[Callable[[], Thread]],
        check: Callable[[list[Any]], None],
        kept: int = 3,
    ) -> None:
        self.kept = kept
        self.names = {name: i for i, name in enumerate(memory)}
        self.programs = [_Program(make) for make in threads]
        self.check = check
        new = (0,) * len(memory)
        cells = tuple(((value, new),) for value in memory.values())
        self.first = State(
            cells, (new,) * len(threads), tuple(p.start for p in self.programs), ("",) * len(threads)
        )
        self.ends = 0

    def run(self, most: int = 2_000_000) -> int:
        """Look at everything; return the number of states.

        Raises
        ------
        Failure
            A schedule breaks a rule; the message is the schedule.
        """
        came: dict[State, tuple[State | None, str]] = {self.first: (None, "")}
        before: dict[State, list[State]] = {self.first: []}
        last: list[State] = []
        todo = [self.first]
        while todo:
            state = todo.pop()
            try:
                following = list(self._steps(state))
                if not following:
                    self._finish(state)
                    last.append(state)
            except AssertionError as error:
                raise Failure(f"{error}\n" + "\n".join(self._story(came, state))) from None
            for after, what in following:
                if after in came:
                    before[after].append(state)
                    continue
                came[after] = (state, what)
                before[after] = [state]
                todo.append(after)
            if len(came) > most:
                raise RuntimeError(f"more than {most} states: make the scenario smaller")
        self._all_can_end(came, before, last)
        return len(came)

    def _all_can_end(
        self, came: dict[State, tuple[State | None, str]], before: dict[State, list[State]], last: list[State]
    ) -> None:
        """Fail where some schedule has come to a point from which no way leads to an end."""
        good = set(last)
        while last:
            for state in before[last.pop()]:
                if state not in good:
                    good.add(state)
                    last.append(state)
        for state in came:
            if state not in good:
                raise Failure("runs forever\n" + "\n".join(self._story(came, state)))

    def _finish(self, state: State) -> None:
        waiting = [i for i, where in enumerate(state.asleep) if where]
        assert not waiting, f"lost wake-up: threads {waiting} sleep and nobody is left to wake them"
        self.ends += 1
        self.check([self.programs[i].ops[point].value for i, point in enumerate(state.threads)])

    @staticmethod
    def _story(came: dict[State, tuple[State | None, str]], state: State | None) -> list[str]:
        lines = []
        while state is not None:
            state, what = came[state]
            lines.append(what)
        return lines[-2::-1]

    def _steps(self, state: State) -> Iterator[tuple[State, str]]:
        for i, program in enumerate(self.programs):
            op = program.ops[state.threads[i]]
            if op.kind == "done" or state.asleep[i]:
                continue
            for after, result in getattr(self, f"_{op.kind}")(state, i, op):
                value = op.value if op.kind == "store" else result
                yield self._moved(after, i, result), f"thread {i}: {op.kind} {op.where} {op.order}: {value}"

    def _moved(self, state: State, i: int, result: Any) -> State:
        threads = list(state.threads)
        if not state.asleep[i]:
            threads[i] = self.programs[i].after(threads[i], result)
        return state._replace(threads=tuple(threads))

    def _seen(self, state: State, i: int, view: View) -> State:
        return state._replace(views=(*state.views[:i], view, *state.views[i + 1 :]))

    def _append(self, state: State, i: int, at: int, value: Any, released: View) -> State:
        """Store `value` as the newest of a location: everything else there is one older now."""

        def age(view: View) -> View:
            return (*view[:at], min(view[at] + 1, self.kept - 1), *view[at + 1 :])

        if self.kept == 1:
            # Nobody sees anything but the newest values, and all views are equal.
            return state._replace(memory=(*state.memory[:at], ((value, released),), *state.memory[at + 1 :]))
        fresh = (*released[:at], 0, *released[at + 1 :])
        memory = [tuple((v, age(view)) for v, view in cells) for cells in state.memory]
        memory[at] = ((value, fresh), *memory[at])[:self.kept]
        views = [age(view) for view in state.views]
        views[i] = (*views[i][:at], 0, *views[i][at + 1 :])
        return state._replace(memory=tuple(memory), views=tuple(views))

    # One method for each kind of access: it yields every outcome.

    def _load(self, state: State, i: int, op: Op) -> Iterator[tuple[State, Any]]:
        at = self.names[op.where]
        oldest = state.views[i][at]
        assert op.order != PLAIN or oldest == 0, f"race: thread {i} reads {op.where}, which is written meanwhile"
        for age, (value, view) in enumerate(state.memory[at][: oldest + 1]):
            mine = (*state.views[i][:at], age, *state.views[i][at + 1 :])
            yield self._seen(state, i, _join(mine, view) if op.order == ACQUIRE else mine), value

    def _store(self, state: State, i: int, op: Op) -> Iterator[tuple[State, Any]]:
        at = self.names[op.where]
        assert op.order != PLAIN or state.views[i][at] == 0, f"race: thread {i} writes {op.where} unseen by another"
        released = state.views[i] if op.order == RELEASE else (self.kept - 1,) * len(self.names)
        yield self._append(state, i, at, op.value, released), None

    def _change(self, state: State, i: int, op: Op) -> Iterator[tuple[State, Any]]:
        at = self.names[op.where]
        value, view = state.memory[at][0]
        mine = (*state.views[i][:at], 0, *state.views[i][at + 1 :])
        state = self._seen(state, i, _join(mine, view) if op.order == ACQUIRE else mine)
        new = op.value(value)
        if new is not None:
            # What an earlier release handed on is handed on by whoever changes the value after it.
            released = _join(view, state.views[i]) if op.order == RELEASE else view
            state = self._append(state, i, at, new, released)
        yield state, value

    def _fence_all(self, state: State, i: int, op: Op) -> Iterator[tuple[State, Any]]:
        """A full fence in every thread, as membarrier(2) makes it."""
        mine = state.views[i]
        everything = mine
        for view in state.views:
            everything = _join(everything, view)
        views = tuple(everything if j == i else _join(view, mine) for j, view in enumerate(state.views))
        yield state._replace(views=views), None

    def _sleep(self, state: State, i: int, op: Op) -> Iterator[tuple[State, Any]]:
        """Sleep on a futex while its newest value is ``op.value``."""
        if state.memory[self.names[op.where]][0][0] != op.value:
            yield state, None
        else:
            yield state._replace(asleep=(*state.asleep[:i], op.where, *state.asleep[i + 1 :])), None

    def _wake(self, state: State, i: int, op: Op) -> Iterator[tuple[State, Any]]:
        """Wake ``op.value`` of those who sleep there, whichever they are."""
        there = [j for j, where in enumerate(state.asleep) if where == op.where]
        for chosen in combinations(there, min(op.value, len(there))):
            awake = state._replace(asleep=tuple("" if j in chosen else w for j, w in enumerate(state.asleep)))
            for j in chosen:
                awake = self._moved(awake, j, None)
            yield awake, None
