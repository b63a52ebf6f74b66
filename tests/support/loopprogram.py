"""The program whose loops are shown as regions."""

from __future__ import annotations

from pathlib import Path

from support.asm import build

PROGRAMS = Path(__file__).parents[1] / "cli" / "programs"


def regions_elf(rounds: int = 200_000) -> Path:
    """Return it, built; it goes through its hottest loop so many times when it is run."""
    flags = (f"-DROUNDS={rounds}", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables")
    return build(PROGRAMS / "regions.c", script=PROGRAMS / "link.ld", flags=flags)
