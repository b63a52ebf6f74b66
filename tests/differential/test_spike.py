"""Every instruction and whole programs against Spike, thousands of cases a process."""

import pytest
from support import cases, paging
from support.amount import CASES, rng, scaled
from support.assembler import assemble
from support.lockstep import RAM, Case, minimised, report
from support.oracles import SPIKE_LACKS, SPIKE_STYLE, against_spike
from support.spike_batch import run_batch

from vmcore.isa.riscv import INSTRUCTIONS

ROWS = [row for row in INSTRUCTIONS if row.mnemonic not in SPIKE_LACKS]
BATCH = 4000


def compare(hart, part):
    """Yield each case of a batch and how vmcore and Spike differ, both of which begin it with fresh memory."""
    hart.renew_memory()
    for case, theirs in zip(part, run_batch(part), strict=True):
        yield case, against_spike(case, hart.run(case), theirs)


def alone(hart, case):
    return next(found for _, found in compare(hart, [case]))


def check(hart, all_cases):
    for start in range(0, len(all_cases), BATCH):
        for case, found in compare(hart, all_cases[start : start + BATCH]):
            if found:
                small = minimised(case, lambda one: bool(alone(hart, one)))
                # Where they differ by what earlier cases stored, there is only what was found first.
                pytest.fail(report(small, "spike", alone(hart, small) or found))


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


def test_a_batch_begins_with_fresh_memory(hart):
    # Through a superpage programs store where nothing is put back behind them.
    for line in ("sd rs1=1 rs2=2 imm=0", "ld rs1=1 rd=3 imm=0"):
        check(hart, [Case(assemble(line), x=[0, RAM, 5, *[0] * 29])])
