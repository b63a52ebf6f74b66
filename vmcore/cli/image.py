"""``vmcore image``: guest kernels, firmware and root file systems."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from vmcore.cli.output import progress

__all__ = ["app"]

app = typer.Typer(help="Fetch guest images, and see what there is.", no_args_is_help=True)


@app.command()
def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Images; `vmcore image list` names them.")],
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="VMCORE_DEBIAN_MIRROR",
            help="The Debian archive to use. Default: the one of this machine's apt.",
        ),
    ] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Look for newer versions of what is there.")] = False,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Accept a mirror whose index is not signed.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Fetch images into the cache and say where their files are."""
    from vmcore import images

    for name in names:
        with progress(quiet=quiet) as report:
            made = images.pull(name, mirror=mirror, refresh=refresh, unsigned=unsigned, progress=report)
        if not quiet:
            typer.echo(f"{made.name} {made.version}")
            for role, path in made.files.items():
                typer.echo(f"  {role:<16}{path}")


@app.command("list")
def list_images() -> None:
    """Show the images there are, and which of them are in the cache."""
    from vmcore import images

    rows = []
    for row in images.CATALOGUE.values():
        present = images.cached(row.name)
        state = f"{present.version}, {present.size / 1e6:.0f} MB" if present else "-"
        rows.append((row.name, f"{row.download / 1e6:.1f} MB", state, row.description))
    header = ("NAME", "DOWNLOAD", "IN THE CACHE", "WHAT IT IS")
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(3)]
    for cells in (header, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
        typer.echo(f"{line}  {cells[3]}")
    typer.echo(f"\nThe cache is {images.cache_folder()}")


@app.command()
def remove(names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Images.")]) -> None:
    """Remove images from the cache."""
    from vmcore import images

    for name in names:
        if not images.remove(name):
            print(f"vmcore: {name} was not in the cache", file=sys.stderr)
