"""Every instruction and whole programs against their definitions in plain Python."""

import pytest
from support import cases
from support.amount import CASES, rng, scaled
from support.lockstep import RAM_END, Case, differences, minimised, report
from support.oracles import REFERENCE_STYLE
from support.reference import knows

from vmcore.isa.riscv import BY_MNEMONIC, INSTRUCTIONS
from vmcore.isa.riscv.assemble import encode

ROWS = [row for row in INSTRUCTIONS if knows(row)]
MEMORY = [row for row in ROWS if row.flags & {"load", "store", "atomic"} or row.mnemonic.startswith("cbo.")]


def check(hart, reference, case):
    ours, theirs = hart.run(case), reference.run(case)
    found = differences(ours, theirs)
    if found:
        case = minimised(case, lambda one: bool(differences(hart.run(one), reference.run(one))))
        pytest.fail(report(case, "reference", differences(hart.run(case), reference.run(case))))
    return ours


def test_only_waiting_is_not_in_the_reference():
    assert {row.mnemonic for row in INSTRUCTIONS if not knows(row)} == {"wfi"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.mnemonic)
def test_row(hart, reference, row):
    source = rng(f"reference {row.mnemonic}")
    for _ in range(CASES):
        check(hart, reference, cases.single(row, source, REFERENCE_STYLE))


def test_programs(hart, reference):
    source = rng("reference programs")
    for _ in range(scaled(150)):
        check(hart, reference, cases.program(source, ROWS, REFERENCE_STYLE))


@pytest.mark.parametrize("row", MEMORY, ids=lambda row: row.mnemonic)
def test_an_access_that_faults_changes_nothing(hart, reference, row):
    source = rng(f"faults {row.mnemonic}")
    size = 64 if row.mnemonic.startswith("cbo.") else cases.access_size(row)
    for start in (RAM_END, RAM_END + 8 * size, 0, 0x1000, 1 << 40, 1 << 56, 1 << 63, 2**64 - size):
        case = cases.single(row, source, REFERENCE_STYLE)
        at, word = list(case.words())[-1]
        case.code, case.address = word.to_bytes(row.size, "little"), at
        held = row.format.extract(word)
        offset = held["imm"] if row.format.shape != "AMO" and not row.mnemonic.startswith("cbo.") else 0
        case.x[held["rs1"]] = (start - offset) % 2**64
        after = check(hart, reference, case)
        if row.mnemonic.startswith("sc."):
            # Nothing is reserved: it may fail before the access is looked at, or fault. This hart faults.
            assert after.cause == 7
        assert after.cause in (5, 7)
        assert (after.epc, after.tval) == (at, start)
        assert (after.x, after.f, after.data) == (case.x, case.f, case.data)


def test_the_far_end_of_an_access_is_checked_first(hart, reference):
    # Every way across the end of RAM: nothing is loaded, nothing is stored, tval names the part that faulted.
    for row in MEMORY:
        if "atomic" in row.flags or row.mnemonic.startswith("cbo."):
            continue
        source = rng(f"ends {row.mnemonic}")
        for inside in range(1, cases.access_size(row)):
            case = cases.single(row, source, REFERENCE_STYLE)
            held = row.format.extract(int.from_bytes(case.code, "little"))
            case.x[held["rs1"]] = (RAM_END - inside - held["imm"]) % 2**64
            after = check(hart, reference, case)
            assert after.tval == RAM_END
            assert (after.x, after.f, after.data) == (case.x, case.f, case.data)


def at_the_end(code: bytes) -> Case:
    """Code whose last byte is the last one of RAM (and so part of the data as well)."""
    case = Case(code, RAM_END - len(code))
    case.data = case.data[: -len(code)] + code
    return case


def test_code_that_runs_off_the_end_of_memory(hart, reference):
    nop = encode(BY_MNEMONIC["addi"], rd=0, rs1=0, imm=0).to_bytes(4, "little")
    for code in (nop, b"\1\0", nop * 3, b"\1\0" + nop):
        after = check(hart, reference, at_the_end(code))
        assert (after.cause, after.epc, after.tval) == (1, RAM_END, RAM_END)


def test_an_instruction_cut_off_by_the_end_of_memory(hart, reference):
    half = encode(BY_MNEMONIC["addi"], rd=1, rs1=1, imm=1).to_bytes(4, "little")[:2]
    for code in (half, b"\1\0" + half):
        after = check(hart, reference, at_the_end(code))
        assert (after.cause, after.epc, after.tval) == (1, RAM_END - 2, RAM_END)


def test_jumps_out_of_memory_fault_at_their_target(hart, reference):
    source = rng("jumps out")
    for _ in range(scaled(30)):
        case = cases.single(BY_MNEMONIC["jalr"], source, REFERENCE_STYLE)
        held = BY_MNEMONIC["jalr"].format.extract(int.from_bytes(case.code, "little"))
        goal = source.choice((RAM_END, 0, 0x1000, 1 << 40, 2**64 - 2, source.getrandbits(63) & ~1 | 1 << 62))
        case.x[held["rs1"]] = (goal - held["imm"]) % 2**64
        after = check(hart, reference, case)
        assert (after.cause, after.epc, after.tval) == (1, goal, goal)
        assert after.x[held["rd"]] == (case.address + 4 if held["rd"] else 0)
