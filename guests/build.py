"""Builds the bundled guest: ``python guests/build.py [--output FOLDER]``.

The compiler is clang as PyPI's ``ziglang`` packages it, so one version gives the same bytes on every machine; nothing
in the output depends on the time or on a path. Three steps:

1. every program below ``user/programs`` (a file, or a folder of files) is linked to an ELF file of its own;
2. a generated assembly file makes them a table in the kernel's read-only data;
3. the kernel is linked to ``vmcore-guest.elf``, whose segments laid end to end are the raw image ``vmcore-guest``.

``manifest.json`` beside them names the compiler and the SHA-256 of each output.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from elftools.elf.elffile import ELFFile

SOURCE = Path(__file__).resolve().parent
DEFAULT_OUTPUT = SOURCE.parent / "vmcore" / "guests"
# The version that made the committed image, and the one that the tests ask for.
COMPILER = "ziglang"
COMPILER_VERSION = "0.17.1"

TARGET = ["-target", "riscv64-freestanding-none", "-mcmodel=medany"]
# The kernel keeps out of the floating point registers: they belong to the programs.
KERNEL_CPU = ["-mcpu=generic_rv64+m+a+c", "-mabi=lp64"]
USER_CPU = ["-mcpu=generic_rv64+m+a+f+d+c", "-mabi=lp64d"]
CFLAGS = [
    "-std=c11",
    "-O2",
    "-g0",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-pic",
    "-fno-stack-protector",
    "-fno-sanitize=all",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-ident",
    "-fno-strict-aliasing",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Werror",
]
LINK_FLAGS = ["--build-id=none", "--no-dynamic-linker", "-static", "--no-relax-gp", "-z", "norelro", "--gc-sections"]


def compiler_version() -> str:
    """Return the version of the compiler that this Python would use."""
    return run_tool("version").strip()


def run_tool(*arguments: str) -> str:
    """Run one of the tools in the compiler's package and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", *arguments], cwd=SOURCE, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}\nended with status {done.returncode}:\n{done.stderr}")
    return done.stdout


def compile_all(sources: Sequence[Path], cpu: Sequence[str], folder: Path) -> list[Path]:
    """Compile C and assembly files, a few at once, and return the object files in the order of the sources."""
    folder.mkdir(parents=True)

    def compile_one(source: Path) -> Path:
        inside = source.is_relative_to(SOURCE)
        # Paths relative to the working folder: nothing of this machine can get into the output.
        name = str(source.relative_to(SOURCE)) if inside else str(source)
        target = folder / (name.replace("/", "-") if inside else source.name)
        target = target.with_name(target.name + ".o")
        remap = [f"-ffile-prefix-map={SOURCE}=guests", f"-ffile-prefix-map={folder.parent}=build"]
        run_tool("cc", *TARGET, *cpu, *CFLAGS, *remap, "-c", name, "-o", str(target))
        return target

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, sources))


def link(objects: Sequence[Path], script: Path, target: Path, *flags: str) -> None:
    """Link object files with a linker script."""
    run_tool("ld.lld", *LINK_FLAGS, *flags, "-T", str(script), "-o", str(target), *map(str, objects))


def build_programs(work: Path) -> dict[str, Path]:
    """Build every user program; return its ELF file by its name."""
    places = sorted((SOURCE / "user" / "programs").iterdir())
    shared = [SOURCE / "common" / name for name in ("string.c", "format.c", "fdt.c")]
    shared += [SOURCE / "user" / "lib" / "start.S", SOURCE / "user" / "lib" / "lib.c"]
    shared_objects = compile_all(shared, USER_CPU, work / "user-lib")
    programs = {}
    for place in places:
        sources = sorted(place.glob("*.c")) if place.is_dir() else [place]
        objects = compile_all(sources, USER_CPU, work / f"user-{place.stem}")
        programs[place.stem] = work / place.stem
        # Stripped and packed tight (-n): the kernel copies pages out of it and needs no alignment in the file.
        link(shared_objects + objects, SOURCE / "user" / "user.ld", programs[place.stem], "-n", "-s")
    return programs


def programs_source(programs: dict[str, Path]) -> str:
    """Return the assembly that puts the programs, and a table of them, into the kernel."""
    names = sorted(programs)
    lines = ['    .section .programs, "a"', "    .balign 8", "    .globl programs", "programs:"]
    lines += [f"    .dword name_{name}, file_{name}, file_{name}_end" for name in names]
    lines += ["    .dword 0, 0, 0"]
    for name in names:
        lines += [f'name_{name}: .asciz "{name}"', "    .balign 8"]
        lines += [f'file_{name}: .incbin "{programs[name]}"', f"file_{name}_end:"]
    return "\n".join(lines) + "\n"


def raw_image(elf: Path) -> bytes:
    """Return the loadable segments of an ELF file as they lie in physical memory."""
    with elf.open("rb") as stream:
        segments = [s for s in ELFFile(stream).iter_segments("PT_LOAD") if s["p_filesz"]]
        base = min(s["p_paddr"] for s in segments)
        image = bytearray(max(s["p_paddr"] + s["p_filesz"] for s in segments) - base)
        for segment in segments:
            at = segment["p_paddr"] - base
            image[at : at + segment["p_filesz"]] = segment.data()
    return bytes(image)


def build(output: Path) -> dict[str, object]:
    """Build everything into a folder and return the manifest, which is written there as well."""
    output.mkdir(parents=True, exist_ok=True)
    elf, image = output / "vmcore-guest.elf", output / "vmcore-guest"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        table = work / "programs.S"
        table.write_text(programs_source(build_programs(work)))
        sources = [*sorted((SOURCE / "kernel").glob("*.[cS]")), *sorted((SOURCE / "common").glob("*.c")), table]
        objects = compile_all(sources, KERNEL_CPU, work / "kernel")
        link(objects, SOURCE / "kernel" / "kernel.ld", elf, "-z", "max-page-size=4096")
    image.write_bytes(raw_image(elf))
    elf.chmod(0o644)
    manifest: dict[str, object] = {
        "compiler": {"package": COMPILER, "version": compiler_version()},
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            for path in (image, elf)
        },
    }
    (output / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return manifest


def main() -> None:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description="Build vmcore's bundled guest.")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="folder for the results")
    output = parser.parse_args().output
    if (version := compiler_version()) != COMPILER_VERSION:
        print(f"{COMPILER} {version}; the committed image is made with {COMPILER_VERSION}", file=sys.stderr)
    print(json.dumps(build(output), indent=2))


if __name__ == "__main__":
    main()
