"""Random regions do the same before and after passes, wherever they are left and whenever the fuel runs out."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.ir_expressions import CORNERS
from support.ir_programs import random_program
from support.ir_random import BASE, MEMORY, random_region

from vmcore._fast.jit.t2.face import Region
from vmcore._fast.jit.t2.passes import PASSES

SEEDS = st.integers(0, 2**32)
NAMES = st.lists(st.sampled_from(PASSES), min_size=1, max_size=8)
#: What is unrolled polls less often: it may have come further when its budget is used up.
OFTEN_POLLED = st.lists(st.sampled_from([name for name in PASSES if name != "unroll"]), min_size=1, max_size=8)
CASES = st.one_of(st.tuples(SEEDS.map(random_region), NAMES), st.tuples(SEEDS.map(random_program), OFTEN_POLLED))
VALUES = st.one_of(st.sampled_from(CORNERS), st.integers(0, 2**64 - 1))
REGISTERS = st.fixed_dictionaries({register: VALUES for register in (10, 11, 12, 13)})
#: How a run is observed; places are counted anew where a look-up or a way out went.
SEEN = ("how", "what", "kind", "pc", "regs", "budget", "executed")


def run(region: Region, registers: dict[int, int], budget: int) -> tuple[dict[str, Any], bytes]:
    memory = bytearray(i * 37 & 0xFF for i in range(MEMORY))
    left = region.evaluate(registers, memory=memory, base=BASE, page=0x123000, budget=budget)
    return {name: left[name] for name in SEEN}, bytes(memory)


@given(CASES, st.lists(REGISTERS, min_size=3, max_size=3), st.integers(0, 60))
@settings(max_examples=400)
def test_passes_keep_what_a_region_does(case: tuple[str, list[str]], many: list[dict[int, int]], budget: int) -> None:
    text, names = case
    before, after = Region.from_text(text), Region.from_text(text)
    for name in names:
        after.run_pass(name)
        assert after.verify() is None
    for registers in many:
        assert run(after, registers, budget) == run(before, registers, budget), after.text()


@given(CASES, REGISTERS, st.integers(0, 40))
@settings(max_examples=200)
def test_any_amount_of_fuel_will_do(case: tuple[str, list[str]], registers: dict[int, int], fuel: int) -> None:
    text, names = case
    before, after = Region.from_text(text), Region.from_text(text)
    after.fuel = fuel
    for name in names:
        after.run_pass(name)
        assert after.verify() is None
    assert after.burnt <= fuel
    assert run(after, registers, 50) == run(before, registers, 50), after.text()


@given(SEEDS)
@settings(max_examples=100)
def test_passes_come_to_an_end(seed: int) -> None:
    region = Region.from_text(random_region(seed))
    for _ in range(20):
        before = region.text()
        # What one makes twice for exits another may make one again.
        if not sum(region.run_pass(name) for name in PASSES) or region.text() == before:
            return
    raise AssertionError(region.text())


@given(SEEDS, NAMES)
@settings(max_examples=100)
def test_text_is_read_as_it_was_written(seed: int, names: list[str]) -> None:
    region = Region.from_text(random_region(seed))
    for name in names:
        region.run_pass(name)
    text = region.text()
    assert Region.from_text(text).text() == text
    assert Region.from_text(region.text(renumber=False)).text() == text


@given(SEEDS, st.lists(REGISTERS, min_size=4, max_size=4))
@settings(max_examples=300)
def test_what_is_known_of_bits_is_so(seed: int, many: list[dict[int, int]]) -> None:
    region = Region.from_text(random_region(seed))
    known = region.known()
    snapshots = re.findall(r"leave\w* (?:v?-?\w+ )?\[(?:next|step) (\w+)[^:]*:([^\]]*)\]", region.text(renumber=False))
    for registers in many:
        left = region.evaluate(registers, memory=bytearray(MEMORY), base=BASE, page=0x123000)
        offset = (left["pc"] - 0x123000) & 2**64 - 1
        inside = [regs for off, regs in snapshots if left["how"] != "snap" or int(off, 16) == offset]
        if len(inside) != 1:
            continue
        for register, node in re.findall(r"x(\d+)=v(\d+)", inside[0]):
            value = left["regs"][int(register)]
            zeros, ones, signs = known[int(node)]
            assert value & zeros == 0
            assert value & ones == ones
            assert value >> (64 - signs) in (0, (1 << signs) - 1)
