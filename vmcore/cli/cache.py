"""``vmcore cache``: compiled code that is kept across runs."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="See what compiled code is kept across runs, and remove it.", no_args_is_help=True)

Folder = Annotated[str | None, typer.Option("--folder", metavar="DIR", help="Another folder than the default one.")]


@app.command()
def show(folder: Folder = None) -> None:
    """Show where compiled code is kept and how much of it there is."""
    from vmcore._fast.jit import packfiles
    from vmcore._fast.jit.l3 import open_store
    from vmcore.config.folders import code_folder
    from vmcore.config.values import format_size

    path = folder or str(code_folder())
    store = open_store(path)
    held = store.figures()
    rows = (
        ("folder", path if store.problem is None else f"not used: {store.problem}"),
        ("size", f"{packfiles.total_size(path) / 1e6:.1f} MB of at most {format_size(store.limit)}"),
        ("usable", f"{held.disk_bytes / 1e6:.1f} MB by this engine on this processor"),
        ("pages", f"{held.pages} ({held.hot} hot, {held.warm} warm, {held.cold} cold)"),
        ("insns", f"{held.insns} guest instructions"),
    )
    for name, value in rows:
        typer.echo(f"{name:<8}{value}")


@app.command()
def clear(folder: Folder = None) -> None:
    """Remove all compiled code that is kept."""
    from vmcore._fast.jit.l3 import open_store
    from vmcore.config.folders import code_folder

    open_store(folder or str(code_folder())).clear()
