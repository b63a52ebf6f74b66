"""Loops of guest code do the same as on the interpreter after any passes, wherever they are left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from support.amount import rng, scaled
from support.lifted import Program, compare_code, compare_left, lifted, run_passes, walking_state
from support.regionhart import ISA, RAM, RAM_SIZE, Interpreter

from vmcore._fast.jit.t2.emitface import Emitted
from vmcore._fast.jit.t2.liftface import Former
from vmcore._fast.jit.t2.passes import ORDER, PASSES
from vmcore._fast.run import Core

#: Passes in an order that lets each find something to do.
ALL = list(ORDER)
#: Those that do nothing else.
OVER_LOOPS = ("share", "hoist", "pair", "unroll")


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    one = Interpreter()
    yield one
    one.close()


@pytest.fixture(scope="module")
def core() -> Iterator[Core]:
    one = Core(1, ISA, tier="t1")
    one.add_ram(RAM, RAM_SIZE)
    yield one
    one.close()


@pytest.mark.parametrize("names", [*PASSES, "all", "any"])
def test_loops(interpreter: Interpreter, names: str) -> None:
    source = rng(f"loops {names}")
    made: Counter[str] = Counter()
    for _ in range(scaled(25 if names in PASSES else 60)):
        program = Program(source, depth=source.randrange(3))
        former = Former(program.page, ISA)
        entry = former.header(4 * source.randrange(len(program.code) // 4)) if source.randrange(2) else 0
        region = lifted(program.page, entry or 0, former=former)
        if region is None:
            # Its loop is too large.
            continue
        if names == "any":
            order = source.choices(PASSES, k=source.randrange(1, 8))
        else:
            order = ALL if names == "all" else ["dead", names]
        if source.randrange(4) == 0:
            region.fuel = source.randrange(60)
        for name in order:
            made[name] += region.run_pass(name)
            assert region.verify() is None, name
        for _ in range(2):
            places = (0, *(source.randrange(1, 60) for _ in range(4)))
            compare_left(interpreter, region, program.page, entry or 0, walking_state(source), leave_at=places,
                         budget=source.choice((20, 100, 2000)))  # fmt: skip
    assert all(made[name] for name in OVER_LOOPS if name == names or names == "all")


def test_early_exits_are_taken(interpreter: Interpreter) -> None:
    # A loop over an address where there is nothing: it is left before the loop, as if it had not been entered.
    source = rng("early")
    while True:
        program = Program(source, depth=0)
        former = Former(program.page, ISA)
        header = former.header(8)
        region = None if header is None else lifted(program.page, header, former=former)
        if region is None:
            continue
        run_passes(region, ["dead", "hoist"])
        if " early" in region.text():
            break
    state = walking_state(source)
    for pointer in (11, 15, 16):
        state.x[pointer] = 0x100
    assert header is not None
    (left,) = compare_left(interpreter, region, program.page, header, state)
    assert left["executed"] == 0


@pytest.mark.parametrize("how", ["colouring", "scan"])
def test_loops_as_machine_code(core: Core, interpreter: Interpreter, how: str) -> None:
    source = rng(f"code {how}")
    executed = 0
    for _ in range(scaled(80)):
        program = Program(source, depth=source.randrange(3))
        former = Former(program.page, ISA)
        entry = former.header(4 * source.randrange(len(program.code) // 4)) if source.randrange(2) else 0
        region = lifted(program.page, entry or 0, former=former)
        if region is None:
            continue
        run_passes(region, ALL if source.randrange(2) else source.choices(PASSES, k=source.randrange(1, 8)))
        code = Emitted(region.text(renumber=False), how=how)
        for _ in range(2):
            executed += compare_code(
                core,
                interpreter,
                code,
                program.page,
                entry or 0,
                walking_state(source),
                flush_every=source.choice((0, 1, 3)),
                insns=source.choice((30, 200, 5000)),
            )
    assert executed > 10_000
