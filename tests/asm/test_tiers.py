"""Each program of this folder on T0 and T1 together, compared wherever compiled code is left."""

from __future__ import annotations

import pytest
from asm.programs import PROGRAMS, Program, build_program
from support.baremetal import Bare
from support.tiers import in_lockstep

from vmcore.isa.riscv import parse_isa

#: The seed program draws from the entropy source, which both do alike; nothing has to be left out.
STRESS = {"every exit": {}, "every block": {"poll_every": 1, "flush_every": 3, "evict": True},
          "regions": {"region_every": 1}, "regions missed": {"region_every": 1, "flush_every": 2, "evict": True}}
STOPS_MOST = 15_000
#: Where a longer program goes on, it is looked at now and then.
PIECE = 1009


@pytest.mark.parametrize("stress", STRESS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program_in_lockstep(program: Program, stress: str) -> None:
    isa = parse_isa(program.isa, privileges=program.privileges) if program.isa else None
    elf = build_program(program.name)

    def make(tier: str) -> Bare:
        return Bare(elf, isa=isa, harts=program.harts, tier=tier)

    def ended(bare: Bare) -> bool:
        return bare.code() is not None

    compared = in_lockstep(make, STOPS_MOST, ended=ended, **STRESS[stress])
    assert compared.compiled > 0
    in_lockstep(make, 100 * STOPS_MOST, piece=PIECE, ended=ended, stop=False)
