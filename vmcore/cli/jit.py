"""``vmcore jit``: what the compiler makes of a guest's code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vmcore.cli.options import IsaString

if TYPE_CHECKING:
    from vmcore.inspect.jit import Look, NativeBlock

__all__ = ["app", "show"]

app = typer.Typer(help="Look at compiled code.", no_args_is_help=True)


def _bytes(raw: bytes) -> str:
    return raw.hex(" ", 4) if len(raw) > 8 else raw.hex()


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _print(look: Look, block: NativeBlock) -> None:
    from vmcore.inspect.jit import ENDS

    typer.echo(
        f"\nblock {block.address:#x}: {_count(len(block.guest), 'instruction')}, {len(block.code)} bytes; "
        f"ends as {ENDS[block.why]}"
    )
    for line in block.guest:
        typer.echo(f"  {line}")
    for host in look.host_lines(block):
        note = f"  ; {host.note}" if host.note else ""
        typer.echo(f"    {host.address:6x}: {_bytes(host.raw):<24}  {host.text:<44}{note}".rstrip())


@app.command("show")
def show(
    elf: Annotated[Path, typer.Argument(metavar="ELF", help="A 64-bit RISC-V ELF file: program, kernel or library.")],
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="A function of it.")],
    isa: IsaString = None,
) -> None:
    """Compile a function and show each block: the guest's code, the host's code, and why the block ends there.

    Nothing is run. The host's code is disassembled where capstone is installed (pip install "vmcore[debug]").
    """
    from importlib.util import find_spec

    from vmcore.cli.output import note
    from vmcore.inspect.jit import compile_function, pinned_registers

    look = compile_function(elf, symbol, isa)
    size = sum(len(block.code) for block in look.blocks)
    guest = sum(len(block.guest) for block in look.blocks)
    typer.echo(
        f"{look.name} at {look.start:#x} to {look.end:#x}: {_count(len(look.blocks), 'block')}, "
        f"{_count(guest, 'instruction')}, {size} bytes of code"
    )
    typer.echo("registers: " + " ".join(f"{host}={name}" for host, name in pinned_registers().items()))
    for block in look.blocks:
        _print(look, block)
    for line in look.interpreted:
        typer.echo(f"\nT0 executes {line}")
    if find_spec("capstone") is None:
        note('the host\'s code is shown as bytes; pip install "vmcore[debug]" disassembles it')


def _address(text: str) -> int:
    """Return the number that an option gives, by any of Python's prefixes."""
    try:
        return int(text, 0)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no address; write it as 0x80000000") from None


@app.command("explain")
def explain(
    elf: Annotated[Path, typer.Argument(metavar="ELF", help="A 64-bit RISC-V ELF file: program, kernel or library.")],
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="A function of it.")],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with everything side by side, instead of text.")
    ] = None,
    pc: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="What is executed there is to be in it. Default: the largest loop."),
    ] = None,
    isa: IsaString = None,
) -> None:
    """Compile a function's loop as a region and show every stage of it.

    The guest's code, the IR as it is lifted and after each pass that changed something, who interferes with whom, where
    each value lives, and the host's code with what each piece of it is for. Nothing is run; all of the page is taken to
    be hot.
    """
    from importlib.util import find_spec

    from vmcore.cli.output import note
    from vmcore.errors import ConfigError
    from vmcore.inspect.region import explain_function

    region = explain_function(elf, symbol, pc=None if pc is None else _address(pc), isa=isa)
    if html is None:
        from vmcore.inspect.region_text import region_text

        for line in region_text(region):
            typer.echo(line)
    else:
        from vmcore.inspect.region_html import region_html

        try:
            html.write_text(region_html(region), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{str(html)!r} cannot be written: {error.strerror}", hint="Give another file") from error
        note(f"{html} written")
    if find_spec("capstone") is None:
        note('the host\'s code is shown as bytes; pip install "vmcore[debug]" disassembles it')
