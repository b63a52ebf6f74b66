"""Each program of this folder on vmcore. oracles.py runs the same files on QEMU and Spike."""

from __future__ import annotations

import pytest
from asm.programs import PROGRAMS, Program, build_program
from support.baremetal import run_elf

WITHOUT_C = "rv64imafd_zicsr_zifencei"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(program: Program) -> None:
    outcome = run_elf(build_program(program.name), isa=None if program.compressed else WITHOUT_C)
    assert outcome.code == 0, f"{outcome.reason} at {outcome.pc:#x}, line {outcome.code}: {outcome.output}"


@pytest.mark.parametrize("piece", [1, 7, 1000])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_stopping_often_changes_nothing(program: Program, piece: int) -> None:
    """A budget ends a run between any two instructions, and the next run goes on as if it had not."""
    isa = None if program.compressed else WITHOUT_C
    whole = run_elf(build_program(program.name), isa=isa)
    parts = run_elf(build_program(program.name), isa=isa, piece=piece)
    assert (parts.code, parts.icount, parts.registers) == (whole.code, whole.icount, whole.registers), parts.output
