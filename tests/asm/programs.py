"""The programs: their names, and which oracle cannot run one and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from support.asm import build

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Program:
    """A test program: NAME.c beside this file."""

    name: str
    unsuited: dict[str, str] = field(default_factory=dict)


PROGRAMS = [
    Program("pt_perm", {"qemu": "7.2 reports an AMO on a page without R as a load page fault"}),
    Program("pt_ad", {"qemu": "7.2 always sets A and D itself and has no ADUE"}),
    Program("pt_format", {"qemu": "7.2 ignores the reserved bits 54..60"}),
    Program("pt_super"),
    Program("pt_fence", {"qemu": "7.2 leaves mtval 0 for privileged instructions"}),
    Program("satp"),
    Program("mprv", {"qemu": "7.2 does not clear MPRV in sret"}),
    Program("svnapot"),
    Program("pmp", {"qemu": "7.2 keeps 64 bits of pmpaddr"}),
    Program("pmp_lock"),
    Program("traps", {"qemu": "7.2 reports an AMO to nowhere as a load access fault"}),
    Program("deleg", {"qemu": "7.2 lets medeleg keep bit 11"}),
    Program("xret", {"qemu": "7.2 keeps the reserved value 2 of MPP"}),
    Program("svpbmt", {"qemu": "7.2 takes the bits without menvcfg.PBMTE"}),
]


def build_program(name: str) -> Path:
    """Return the ELF of a program."""
    runtime = HERE / "rt"
    return build(HERE / f"{name}.c", runtime / "start.S", runtime / "rt.c", script=runtime / "link.ld")
