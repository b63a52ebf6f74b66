"""``vmcore disasm``: the code of an ELF file as text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["disasm"]


def disasm(
    elf: Annotated[Path, typer.Argument(metavar="ELF", help="A 64-bit RISC-V ELF file.")],
    isa: Annotated[
        str | None, typer.Option(metavar="STRING", help="The hart's ISA. What it lacks is shown as unknown.")
    ] = None,
    aliases: Annotated[bool, typer.Option("--aliases/--no-aliases", help="Show pseudo-instructions.")] = True,
) -> None:
    """Show the code of an ELF file as assembly."""
    from vmcore.inspect.disasm import disassemble_elf

    for line in disassemble_elf(elf, isa=isa, aliases=aliases):
        typer.echo(line)
