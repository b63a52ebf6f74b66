"""Regions with the places that allocation gives them compute what the evaluator computes, with any budget."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from support.emitted import DATA, DATA_SIZE, PAGE, Machine
from support.graphs import random_region

from vmcore._fast.jit.t2.emitface import Emitted, evaluated
from vmcore.errors import ConfigError, VmError

BUDGET = 3000
# Compiled code is given that many instructions less: what it can execute between two polls.
SLACK = 96


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    made = Machine()
    yield made
    made.close()


@pytest.mark.parametrize("how", ["colouring", "scan"])
@given(st.integers(0, 2**32), st.integers(1, 10), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_allocated_regions_compute_what_they_say(
    machine: Machine, how: str, seed: int, size: int, floats: bool
) -> None:
    text = random_region(seed, size, floats=floats, runs=True)
    random = Random(seed)
    regs = [0, *(random.choice([0, 1, 2**63, DATA, random.getrandbits(64)]) for _ in range(63))]
    memory = random.randbytes(DATA_SIZE)
    try:
        region = Emitted(text, how=how)
    except VmError:
        # There are 64 slots; hardly any of these regions wants more.
        reject()
    expected = evaluated(text, regs, page=PAGE, memory=memory, base=DATA, budget=BUDGET - SLACK)
    assert expected["how"] == "snap", expected["what"]
    machine.core.memory.write(DATA, memory)
    found = machine.run(region, regs, budget=BUDGET)
    assert found["pc"] == expected["pc"]
    assert found["regs"] == expected["regs"]
    assert found["executed"] == expected["executed"]
    assert machine.core.memory.read(DATA, DATA_SIZE) == expected["memory"]


def test_a_way_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="greedy"):
        Emitted(random_region(1, 2, runs=True), how="greedy")
