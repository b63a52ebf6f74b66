"""The kernels of the benches: one C source each, built for bare metal, for a Linux guest, and for the host.

The guests' compiler is the one that PyPI's ``ziglang`` packages; the host's is ``cc``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What needs no operating system, and what measures one.
FREE, HOSTED = HERE / "kernels", HERE / "linux"
EMPTY = "empty"
# What is summed up together. Integer and floating point are the kernels that emulators are usually compared by.
GROUPS = {
    "integer": ("matmul", "sieve", "sha256", "qsort", "bytecode", "fib", "muldiv"),
    "mixed": ("coremark_like", "dhrystone_like", "crc32", "strings", "libc", "chase", "conflict"),
    "float": ("nbody", "mandelbrot", "lu"),
    "system": ("syscalls", "faults", "switches", "forks"),
}

# The loops of a kernel stay loops: none becomes a call of the C library, which differs from machine to machine.
CODE = ["-std=c11", "-O2", "-g0", "-fno-builtin", "-fno-math-errno", f"-I{HERE}"]
ZIG = [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline_rv64", "-fno-sanitize=all", "-fomit-frame-pointer"]
ZIG += ["-Wall", "-Wextra", "-Werror"]
BARE = ["-target", "riscv64-freestanding-none", "-mcmodel=medany", "-ffreestanding", "-fno-pic", "-nostdlib", "-static"]
BARE += ["-fno-stack-protector", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"]
LINUX = ["-target", "riscv64-linux-musl", "-static", "-s"]
NATIVE = ["cc", "-fno-tree-loop-distribute-patterns"]


def kernels(*, hosted: bool = False) -> list[str]:
    """Return the names of the kernels; where it is `hosted`, those that need Linux too."""
    return [name for group in GROUPS.values() for name in group if hosted or _source(name).parent == FREE]


def _source(name: str) -> Path:
    return next(path for folder in (FREE, HOSTED) if (path := folder / f"{name}.c").is_file())


def build(name: str, folder: Path) -> Path:
    """Compile kernel `name` with the start-up code into a bare-metal ELF file in `folder` and return it."""
    elf = folder / f"{name}.elf"
    sources = [HERE / "start.S", HERE / "board.c", _source(name)]
    compile_with([*ZIG, *CODE, *BARE, "-T", str(HERE / "bare.ld"), *map(str, sources), "-o", str(elf)])
    return elf


def build_linux(folder: Path) -> Path:
    """Compile all kernels into one static program for riscv64 Linux and return it."""
    return _program([*ZIG, *LINUX], folder / "program-riscv64")


def build_native(folder: Path) -> Path:
    """Compile the same program for the host and return it."""
    return _program(NATIVE, folder / "program-native")


def _program(compiler: list[str], out: Path) -> Path:
    objects = []
    for name in (EMPTY, *kernels(hosted=True)):
        # Every kernel's function is called the same in its source.
        objects.append(f"{out}-{name}.o")
        compile_with([*compiler, *CODE, f"-Dkernel=kernel_{name}", "-c", str(_source(name)), "-o", objects[-1]])
    names = "".join(f"X({name})" for name in (EMPTY, *kernels(hosted=True)))
    compile_with([*compiler, *CODE, f"-DKERNELS={names}", str(HERE / "program.c"), *objects, "-o", str(out)])
    return out


def compile_with(command: list[str]) -> None:
    """Run a compiler; what goes wrong ends the bench."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SystemExit(f"there is no C compiler called {command[0]}: install one, for example gcc") from None
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nfailed:\n{done.stderr}")
