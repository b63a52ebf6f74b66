"""``vmcore run``: a bare-metal program, as test suites run them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vmcore.cli.options import Board, CodeCache, Harts, IsaString, Numa, Parallel, Placement, Ram, Tier, joined

if TYPE_CHECKING:
    from vmcore import Machine

__all__ = ["run", "signature_lines"]

MAX_GRANULARITY = 4096


def signature_lines(data: bytes, granularity: int) -> str:
    """Return a signature as Spike writes it: a line is `granularity` bytes as one little-endian hexadecimal number."""
    padded = data + bytes(-len(data) % granularity)
    words = (padded[at : at + granularity] for at in range(0, len(padded), granularity))
    return "".join(word[::-1].hex() + "\n" for word in words)


def _write_signature(vm: Machine, path: Path, granularity: int) -> None:
    from vmcore.errors import ConfigError

    begin, end = vm.symbols["begin_signature"], vm.symbols["end_signature"]
    if end < begin:
        raise ConfigError(f"end_signature ({end:#x}) lies before begin_signature ({begin:#x})")
    try:
        path.write_text(signature_lines(bytes(vm.phys[begin:end]), granularity), "ascii")
    except OSError as error:
        raise ConfigError(f"the signature cannot be written to {path} ({error.strerror})") from error


def _check_elf(path: Path) -> None:
    # A machine would take anything else for a raw image, and run its bytes without end.
    from vmcore.errors import LoadError

    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise LoadError(f"program {path} cannot be read ({error.strerror})", hint="Give an ELF file") from error
    if magic != b"\x7fELF":
        raise LoadError(
            f"program {path} is no ELF file: it begins with {magic.hex() or 'nothing'}",
            hint="`vmcore boot --bios none --kernel FILE` runs a raw image",
        )


def run(
    elf: Annotated[Path, typer.Argument(metavar="ELF", help="A program for M-mode, linked to memory at 0x80000000.")],
    isa: IsaString = None,
    max_insns: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop after this many instructions.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop after this much of the guest's (virtual) time.")
    ] = None,
    signature: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what lies from begin_signature to end_signature.")
    ] = None,
    signature_granularity: Annotated[
        int, typer.Option(metavar="BYTES", min=1, max=MAX_GRANULARITY, help="Bytes in a line of the signature.")
    ] = 4,
    harts: Harts = None,
    parallel: Parallel = None,
    ram: Ram = None,
    numa: Numa = None,
    placement: Placement = None,
    tier: Tier = None,
    code_cache: CodeCache = None,
    board: Board = "virt",
) -> None:
    """Run a bare-metal ELF in M-mode; the exit status is the code that it reports through HTIF (0 is a pass).

    A limit ends it with status 124 and one line on stderr that says where it stopped.
    """
    from vmcore.cli import session
    from vmcore.cli.terminal import write_all
    from vmcore.machine.machine import Machine

    _check_elf(elf)
    with Machine(
        board,
        ram=ram,
        harts=harts,
        parallel=parallel,
        isa=isa,
        numa=joined(numa),
        placement=joined(placement),
        tier=tier,
        code_cache=code_cache,
        kernel=elf,
        bios="none",
    ) as vm:
        vm.console.on_output(write_all)
        stop = vm.run(max_insns=max_insns, timeout=timeout)
        if signature is not None:
            _write_signature(vm, signature, signature_granularity)
        status = session.report(vm, stop)
    raise typer.Exit(status)
