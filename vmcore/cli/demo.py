"""``vmcore demo``: the bundled operating system."""

from __future__ import annotations

import typer

from vmcore.cli.options import Harts

__all__ = ["demo"]


def demo(harts: Harts = 4) -> None:
    """Boot the bundled guest: at a terminal its shell, elsewhere a tour that ends by itself."""
    from vmcore import guests
    from vmcore.cli import session
    from vmcore.cli.output import note
    from vmcore.cli.terminal import HELP
    from vmcore.machine.machine import Machine

    interactive = session.is_interactive()
    if interactive:
        note(HELP)
    with Machine(
        "virt",
        ram="64M",
        harts=harts,
        clock="host" if interactive else None,
        kernel=guests.elf_path(),
        append="" if interactive else "demo",
    ) as vm:
        status = session.report(vm, session.talk(vm, listen=interactive))
    raise typer.Exit(status)
