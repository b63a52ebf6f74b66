"""Build bare-metal RISC-V programs for tests, with the compiler that comes from PyPI (``ziglang``)."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

# No compressed code from the compiler, so that a program can also run where C is off.
CPU = "generic_rv64+m+a+f+d+zicsr+zifencei"
FLAGS = [
    "-target",
    "riscv64-freestanding-none",
    f"-mcpu={CPU}",
    "-mabi=lp64",
    "-mcmodel=medany",
    "-O1",
    "-Wall",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-sanitize=undefined",
    "-fno-pic",
    "-nostdlib",
    "-static",
    "-Wl,--build-id=none",
]


def cache_folder() -> Path:
    """Return the folder for built programs: ``VMCORE_TEST_CACHE``, else one of the user's in the temporary folder."""
    folder = Path(os.environ.get("VMCORE_TEST_CACHE") or Path(tempfile.gettempdir()) / f"vmcore-tests-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def build(*sources: Path, script: Path, include: Path | None = None, flags: tuple[str, ...] = ()) -> Path:
    """Compile and link `sources` by the linker script and return the ELF, from the cache if nothing changed.

    The key holds every source, every header beside the linker script and the compiler's version.
    """
    headers = sorted(script.parent.glob("*.h"))
    command = [*FLAGS, *flags, f"-Wl,-T,{script}", f"-I{include or script.parent}", *map(str, sources)]
    return _compiled(command, (FLAGS, flags), (*sources, *headers, script), "elf")


def build_shared(source: Path, *, flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """Compile `source`, which needs no library, for this machine and return it loaded."""
    command = ["-shared", "-fPIC", "-nostdlib", *flags, str(source)]
    return ctypes.CDLL(str(_compiled(command, ("shared", flags), (source,), "so")))


def _compiled(command: list[str], settings: tuple[object, ...], inputs: tuple[Path, ...], suffix: str) -> Path:
    """Return what the compiler makes of it, from the cache if it was made of the same settings and inputs before."""
    key = hashlib.sha256(repr((version("ziglang"), *settings)).encode())
    for path in inputs:
        key.update(path.name.encode() + b"\0" + path.read_bytes())
    made = cache_folder() / f"{inputs[0].stem}-{key.hexdigest()[:24]}.{suffix}"
    if made.exists():
        return made
    with tempfile.TemporaryDirectory(dir=cache_folder()) as work:
        out = Path(work) / f"out.{suffix}"
        command = [sys.executable, "-m", "ziglang", "cc", *command, "-o", str(out)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
        if done.stderr:
            raise RuntimeError(f"the compiler warns:\n{done.stderr}")
        out.replace(made)  # atomic: parallel test processes may build the same program
    return made
