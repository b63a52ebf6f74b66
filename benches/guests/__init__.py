"""Bare-metal programs for the benches, built from C by the compiler that PyPI's ``ziglang`` packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KERNELS = HERE / "kernels"
FLAGS = (
    "-target riscv64-freestanding-none -mcpu=generic_rv64+m+a+c -mabi=lp64 -mcmodel=medany -std=c11 -O2 -g0 "
    "-ffreestanding -fno-builtin -fno-pic -fno-stack-protector -fno-sanitize=all -fno-unwind-tables "
    "-fno-asynchronous-unwind-tables -Wall -Wextra -Werror -nostdlib -static"
)


def kernels() -> list[str]:
    """Return the names of the kernels."""
    return sorted(path.stem for path in KERNELS.glob("*.c"))


def build(name: str, folder: Path) -> Path:
    """Compile kernel `name` with the start-up code into an ELF file in `folder` and return it."""
    elf = folder / f"{name}.elf"
    sources = [HERE / "start.S", HERE / "board.c", KERNELS / f"{name}.c"]
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS.split(), f"-I{HERE}", "-T", str(HERE / "bare.ld")]
    done = subprocess.run(
        [*command, *map(str, sources), "-o", str(elf)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name}: the compiler failed\n{done.stderr}")
    return elf
