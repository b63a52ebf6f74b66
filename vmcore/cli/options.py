"""Options that several commands have, and files that may be given as images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Board",
    "CodeCache",
    "Harts",
    "IsaString",
    "Numa",
    "Parallel",
    "Placement",
    "Ram",
    "Tier",
    "joined",
    "resolve",
]

Ram = Annotated[str | None, typer.Option(metavar="SIZE", help="Memory, as in 512M or 2G.", show_default="512M")]
Harts = Annotated[int | None, typer.Option(metavar="N", help="Number of harts, 1 to 8.", show_default="1")]
IsaString = Annotated[
    str | None,
    typer.Option("--isa", metavar="STRING", help="The harts' ISA, as in rv64gc_zba_sv39. Default: everything."),
]
Parallel = Annotated[bool | None, typer.Option("--parallel", help="One thread a hart, by the host's clock.")]
Numa = Annotated[
    list[str] | None,
    typer.Option(metavar="HARTS:SIZE", help="A NUMA node of the guest, as in 0-1:256M; once for each node."),
]
Placement = Annotated[
    list[str] | None,
    typer.Option(metavar="POLICY", help="Host memory: local, interleave or bind:NODE; once, or for each --numa."),
]
Tier = Annotated[
    str | None,
    typer.Option(
        metavar="auto|t0|t1", help="Compile what runs often, nothing, or everything at once.", show_default="auto"
    ),
]
CodeCache = Annotated[
    str | None,
    typer.Option(metavar="on|memory|off|DIR", help="Where compiled code is kept for the next run.", show_default="on"),
]
Board = Annotated[str, typer.Option(metavar="NAME", help="The board.")]


def joined(texts: list[str] | None) -> str | None:
    """Return an option that may be repeated as one setting."""
    return ";".join(texts) if texts else None


def resolve(given: str, role: str) -> Path:
    """Return the file that the user named: a path, or an image that was pulled.

    An image is ``NAME``, or ``NAME:ROLE`` for another of its files. A file of that name wins.

    Parameters
    ----------
    given : str
        What the user gave.
    role : str
        Which file of an image is meant when `given` does not say it.

    Raises
    ------
    ImageError
        It names an image that is not in the cache, or that has no such file.
    """
    from vmcore import images
    from vmcore.errors import ImageError

    name, colon, other = given.partition(":")
    if Path(given).exists() or name not in images.CATALOGUE:
        return Path(given)
    present = images.cached(name)
    if present is None:
        raise ImageError(f"image {name!r} is not in the cache", hint=f"Run `vmcore image pull {name}` first.")
    wanted = other if colon else role
    if wanted not in present.files:
        raise ImageError(f"image {name!r} has no file {wanted!r}", hint=f"It has: {', '.join(sorted(present.files))}.")
    return present.files[wanted]
