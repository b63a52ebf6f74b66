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
    isa: str = ""  # what vmcore and Spike run it with, when that is not everything there is
    privileges: str = "msu"
    harts: int = 1


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
    Program("csr", {"qemu": "7.2 has no Smstateen", "spike": "has no FIOM; passes up to there"}),
    Program("counters", {"qemu": "without icount it counts blocks, and no trap is told from a retired instruction"}),
    Program("stateen", {"qemu": "7.2 has no Smstateen"}),
    Program("irq", {"qemu": "7.2 takes the interrupt with the lowest number first"}),
    Program("sstc", {"qemu": "7.2 looks at stimecmp only when it is written"}),
    Program("contexts"),
    Program("edges", {"qemu": "7.2 reports an AMO to nowhere as a load access fault"}),
    Program("codepage", {"qemu": "7.2 has no Zicboz"}),
    Program("smp", {"qemu": "its SC compares values: a store of the old one goes unnoticed"}, harts=4),
    Program("lrsc"),
    Program("zacas", {"qemu": "7.2 has no Zacas"}),
    Program("misaligned", {"qemu": "7.2 always sets A and D itself"}),
    Program("selfmod"),
    Program("zicbo", {"qemu": "7.2 has no Zicbom"}),
    Program("hints", {"qemu": "7.2 has no Zawrs"}),
    Program("nocompress", {"qemu": "7.2 does not put the target into mtval"}, isa="rv64imafd_zicntr"),
    Program("bare", {"qemu": "its configuration cannot be cut down this far"}, isa="rv64imafdc_zicntr_svade"),
    Program(
        "sv39only",
        {"spike": "its modes come from the device tree", "qemu": "7.2 offers Sv48 on every CPU"},
        isa="rv64imafdc_sv39",
    ),
    Program("nofloat", {"qemu": "7.2 has no rv64imac with S"}, isa="rv64imac"),
    Program("machine_user", {"qemu": "7.2 has no such CPU"}, isa="rv64imafdc_zicntr", privileges="mu"),
    Program("machine_only", {"qemu": "7.2 has no such CPU"}, isa="rv64imafdc_zicntr", privileges="m"),
    Program("seed", {"qemu": "7.2 has no Zkr"}),
    Program("svpbmt", {"qemu": "7.2 takes the bits without menvcfg.PBMTE"}),
]


def build_program(name: str, *flags: str) -> Path:
    """Return the ELF of a program."""
    runtime = HERE / "rt"
    return build(HERE / f"{name}.c", runtime / "start.S", runtime / "rt.c", script=runtime / "link.ld", flags=flags)


def build_supervisor(name: str) -> Path:
    """Return the ELF of a program that runs in S-mode on the built-in firmware and brings its own start."""
    return build(HERE / f"{name}.c", script=HERE / "rt" / "link.ld")
