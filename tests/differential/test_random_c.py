"""Random C programs come to the same end on each tier, however a run is cut into pieces, and to the host's result.

``VMCORE_DIFF_CASES`` makes more of them, ``VMCORE_DIFF_SEED`` others (see :mod:`support.amount`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ctypes import c_uint64
from pathlib import Path

import pytest
from support.amount import SEED, rng, scaled
from support.asm import CPU, build, build_shared
from support.baremetal import Bare
from support.random_c import FLAGS, program
from support.tiers import differences

from vmcore._fast import jitface
from vmcore._fast.run import EXITS

RUNTIME = Path(__file__).parents[1] / "asm" / "rt"
MAIN = 'unsigned long checksum(void);\n#include "rt.h"\nint main(void) { print_hex(checksum()); return 0; }\n'
LEVELS = ("-O1", "-O2", "-O3")
#: The profile that distributions build for, and with more instructions for the compiler to choose from.
CPUS = (CPU, CPU.replace("+d", "+d+c"), CPU.replace("+d", "+d+c+zba+zbb+zbs+zicond"))
#: A program that has not ended by then never does: the generator bounds what one does.
MOST = 200_000_000
#: Tier, instructions between two looks, and what else is asked of compiled code.
RUNS = {
    "t1": ("t1", 4093, {}),
    # A region is compiled wherever the budget is used up.
    "t2 in pieces": ("t2", 1009, {}),
    "t2": ("t2", 100_003, {"region_every": 1}),
    "t2 alone": ("t2", 9973, {"region_every": 1, "poll_every": 97, "miss_every": 3}),
}


class Totals:
    """What the runs of this file did, all together."""

    def __init__(self) -> None:
        self.stats: Counter[str] = Counter()
        self.programs = 0


@pytest.fixture(scope="module")
def totals() -> Iterator[Totals]:
    """What the runs did; looked at when all have ended."""
    found = Totals()
    yield found
    if found.programs:
        assert found.stats["t1_insns"] > 0
        assert found.stats["t2_regions"] > found.programs


def run(elf: Path, tier: str, piece: int, stress: dict[str, int]) -> tuple[dict[str, object], dict[str, int]]:
    """Run it to its end and return its state there, and the statistics of its core."""
    bare = Bare(elf, tier=tier)
    try:
        core = bare.core
        if stress:
            jitface.stress(core, **stress)
        while core.icount() < MOST and core.run(max_insns=piece) == EXITS["budget"]:
            pass
        assert bare.code() == 0, f"{tier} is at {core.pc(0):#x} after {core.icount()} instructions"
        return bare.state(), core.stats()
    finally:
        bare.close()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("number", range(scaled(3)))
def test_random_program(number: int, level: str, tmp_path: Path, totals: Totals) -> None:
    source = rng(f"random C {number}")
    text = tmp_path / "random.c"
    text.write_text(program(source))
    main = tmp_path / "main.c"
    main.write_text(MAIN)
    cpu = source.choice(CPUS)
    elf = build(text, main, RUNTIME / "start.S", RUNTIME / "rt.c", script=RUNTIME / "link.ld",
                flags=(*FLAGS, level, f"-mcpu={cpu}", "-mabi=lp64d"))  # fmt: skip
    native = build_shared(text, flags=(*FLAGS, level)).checksum
    native.restype = c_uint64
    wanted, _ = run(elf, "t0", MOST, {})
    assert wanted["output"] == f"{native():#018x}".encode(), f"seed {SEED}, the host's result: {elf}"
    totals.programs += 1
    for name, (tier, piece, stress) in RUNS.items():
        state, stats = run(elf, tier, piece, stress)
        found = differences(state, wanted)
        assert not found, f"seed {SEED}, {name}: {elf}\n" + "\n".join(found)
        totals.stats.update({key: value for key, value in stats.items() if isinstance(value, int)})
