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
