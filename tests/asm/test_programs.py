"""Each program of this folder on vmcore. oracles.py runs the same files on QEMU and Spike."""

from __future__ import annotations

import pytest
from asm.programs import PROGRAMS, Program, build_program
from support.baremetal import run_elf

from vmcore.isa.riscv import parse_isa
from vmcore.isa.riscv.extensions import Isa


def isa_of(program: Program) -> Isa | None:
    return parse_isa(program.isa, privileges=program.privileges) if program.isa else None


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(program: Program) -> None:
    outcome = run_elf(build_program(program.name), isa=isa_of(program), harts=program.harts)
    assert outcome.code == 0, f"{outcome.reason} at {outcome.pc:#x}, line {outcome.code}: {outcome.output}"


@pytest.mark.parametrize("piece", [pytest.param(1, marks=pytest.mark.slow), 7])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_stopping_often_changes_nothing(program: Program, piece: int) -> None:
    """A budget ends a run between any two instructions, and the next run goes on as if it had not."""
    elf, isa = build_program(program.name), isa_of(program)
    whole = run_elf(elf, isa=isa, harts=program.harts)
    parts = run_elf(elf, isa=isa, harts=program.harts, piece=piece, max_insns=whole.icount + 1000)
    assert (parts.code, parts.icount, parts.registers) == (whole.code, whole.icount, whole.registers), parts.output
