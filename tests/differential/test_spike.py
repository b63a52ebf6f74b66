"""Every instruction and whole programs against Spike, thousands of cases a process."""

import pytest
from support import cases, paging
from support.amount import CASES, rng, scaled
from support.lockstep import minimised, report
from support.oracles import SPIKE_LACKS, SPIKE_STYLE, against_spike
from support.spike_batch import run_batch

from vmcore.isa.riscv import INSTRUCTIONS

ROWS = [row for row in INSTRUCTIONS if row.mnemonic not in SPIKE_LACKS]
BATCH = 4000


def check(hart, all_cases):
    for start in range(0, len(all_cases), BATCH):
        part = all_cases[start : start + BATCH]
        for case, theirs in zip(part, run_batch(part), strict=True):
            if against_spike(case, hart.run(case), theirs):
                small = minimised(case, lambda one: bool(against_spike(one, hart.run(one), run_batch([one])[0])))
                found = against_spike(small, hart.run(small), run_batch([small])[0])
                pytest.fail(report(small, "spike", found))


def test_rows(hart):
    every = []
    for row in ROWS:
        source = rng(f"spike {row.mnemonic}")
        every += [cases.single(row, source, SPIKE_STYLE) for _ in range(CASES)]
    check(hart, every)


def test_programs(hart):
    source = rng("spike programs")
    check(hart, [cases.program(source, ROWS, SPIKE_STYLE) for _ in range(scaled(300))])


def test_page_tables(hart):
    source = rng("spike page tables")
    check(hart, [paging.case(source) for _ in range(scaled(2500))])


def test_page_tables_are_passed_as_well_as_refused(hart):
    # What is compared above must not be page faults alone.
    source = rng("page tables")
    causes = {hart.run(paging.case(source)).cause for _ in range(1500)}
    assert causes >= {1, 2, 3, 4, 5, 6, 7, 12, 13, 15}
