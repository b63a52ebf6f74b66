"""The bundled guest: a small operating system for the ``virt`` board, as package data.

Its source is in the project's ``guests`` folder. ``vmcore demo`` boots it, and so does::

    with vmcore.Machine("virt", kernel=vmcore.guests.image_path()) as vm:
        vm.console.expect("vmcore> ")
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TypedDict

from ..errors import ImageError

__all__ = ["Compiler", "File", "Manifest", "elf_path", "image_path", "manifest", "names", "path"]

IMAGE = "vmcore-guest"
ELF = "vmcore-guest.elf"
MANIFEST = "manifest.json"


class Compiler(TypedDict):
    """Which compiler made the files."""

    package: str
    version: str


class File(TypedDict):
    """Size and SHA-256 of one file."""

    bytes: int
    sha256: str


class Manifest(TypedDict):
    """What ``manifest.json`` says."""

    compiler: Compiler
    files: dict[str, File]


def names() -> tuple[str, ...]:
    """Return the names of the bundled files that :func:`path` knows."""
    return (IMAGE, ELF)


def path(name: str) -> Path:
    """Return the path of a bundled file.

    Parameters
    ----------
    name : str
        ``"vmcore-guest"``, the raw image, or ``"vmcore-guest.elf"``, the same kernel with its symbols.

    Raises
    ------
    ImageError
        When no such file is bundled, or when it is missing from the installation.
    """
    if name not in names():
        raise ImageError(f"no bundled guest is called {name!r}", hint=f"Bundled are {', '.join(names())}.")
    return _file(name)


def image_path() -> Path:
    """Return the path of the raw image, which boots by the RISC-V Linux protocol (``kernel=`` of a machine)."""
    return path(IMAGE)


def elf_path() -> Path:
    """Return the path of the ELF file, which boots the same way and carries the kernel's symbols."""
    return path(ELF)


def manifest() -> Manifest:
    """Return which compiler built the files, and the size and SHA-256 of each."""
    result: Manifest = json.loads(_file(MANIFEST).read_text(encoding="utf-8"))
    return result


def _file(name: str) -> Path:
    # The package is always a folder: it holds compiled modules, which cannot be imported from an archive.
    found = Path(str(files(__package__).joinpath(name)))
    if not found.is_file():
        raise ImageError(
            f"the bundled file {found} is missing",
            hint="Install vmcore again, or run guests/build.py in a source tree.",
        )
    return found
