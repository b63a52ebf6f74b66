"""Every instruction of RV64GC, and programs of them, against Unicorn."""

import pytest
from support import cases
from support.amount import CASES, rng, scaled
from support.lockstep import minimised, report
from support.oracles import UNICORN_LACKS, UNICORN_STYLE, against_unicorn, suits_unicorn, unicorn_style
from support.unicorn_hart import UnicornHart, has

from vmcore.isa.riscv import INSTRUCTIONS

ROWS = [row for row in INSTRUCTIONS if has(row) and row.mnemonic not in UNICORN_LACKS]
# In a program every register counts, so nothing may leave a single that is not boxed.
WIDE = [row for row in ROWS if "float" not in row.flags or (row.mnemonic.endswith((".d", "ld", "sd", "ldsp", "sdsp"))
                                                           and not row.mnemonic.startswith(("fcvt.s", "fmin", "fmax")))]


@pytest.fixture(scope="module")
def unicorn():
    return UnicornHart()


def check(hart, unicorn, case):
    def found(one):
        return against_unicorn(one, hart.run(one), unicorn.run(one))

    if found(case):
        case = minimised(case, lambda one: bool(found(one)))
        pytest.fail(report(case, "unicorn", found(case)))


def test_it_has_all_of_rv64gc():
    assert len(ROWS) > 180
    known = {row.mnemonic for row in ROWS}
    assert {"add", "mulhsu", "amomaxu.d", "sc.d", "fmadd.s", "fcvt.lu.d", "c.lui", "csrrci"} <= known


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.mnemonic)
def test_row(hart, unicorn, row):
    source = rng(f"unicorn {row.mnemonic}")
    for _ in range(CASES):
        case = cases.single(row, source, unicorn_style(row))
        if suits_unicorn(case):
            check(hart, unicorn, case)


def test_programs(hart, unicorn):
    source = rng("unicorn programs")
    for _ in range(scaled(150)):
        check(hart, unicorn, cases.program(source, WIDE, UNICORN_STYLE))
