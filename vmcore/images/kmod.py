"""Kernel modules of a distribution: found by name, unpacked, and put in the order in which they load."""

from __future__ import annotations

import gzip
import io
import lzma
from collections.abc import Iterable
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from vmcore.errors import ImageError

__all__ = ["load_order", "read_module"]


def _name_of(path: Path) -> str:
    """``virtio-rng.ko.xz`` is the module ``virtio_rng``."""
    return path.name.partition(".ko")[0].replace("-", "_")


def read_module(path: Path) -> bytes:
    """Return a module's ELF file, unpacked when it is stored as ``.ko.xz`` or ``.ko.gz``.

    Raises
    ------
    ImageError
        The file is damaged or packed in another way.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = lzma.decompress(data)
        elif path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, lzma.LZMAError, EOFError) as error:
        raise ImageError(f"{path} cannot be read as a kernel module ({error})") from error
    if not data.startswith(b"\x7fELF"):
        raise ImageError(f"{path} is no kernel module", hint="Give .ko, .ko.xz or .ko.gz files.")
    return data


def _needs(data: bytes, path: Path) -> tuple[list[str], list[str]]:
    """Return the modules that a module must have, and those that it would like to have, before it."""
    try:
        section = ELFFile(io.BytesIO(data)).get_section_by_name(".modinfo")
    except ELFError as error:
        raise ImageError(f"{path} is a damaged kernel module ({error})") from error
    hard: list[str] = []
    soft: list[str] = []
    for entry in (section.data() if section else b"").split(b"\0"):
        key, _, value = entry.decode("ascii", "replace").partition("=")
        if key == "depends":
            hard += [name.replace("-", "_") for name in value.split(",") if name]
        elif key == "softdep":
            before = value.partition("pre:")[2].partition("post:")[0]
            soft += [name.replace("-", "_") for name in before.split()]
    return hard, soft


def load_order(folder: Path, wanted: Iterable[str]) -> list[tuple[str, bytes]]:
    """Return the modules `wanted` and all that they need, each after what it needs.

    Parameters
    ----------
    folder : Path
        A ``modules`` folder: ``VERSION/kernel/...`` is below it.
    wanted : iterable of str
        Names, with ``-`` or ``_``. Those that are built into the kernel are left out.

    Returns
    -------
    list of (str, bytes)
        Name and unpacked ELF file.

    Raises
    ------
    ImageError
        A module is neither there nor built in.
    """
    found = {_name_of(path): path for path in sorted(folder.rglob("*.ko*"))}
    builtin = {
        _name_of(Path(line)) for path in folder.rglob("modules.builtin") for line in path.read_text("utf-8").split()
    }
    order: dict[str, bytes] = {}
    entered: set[str] = set()

    def visit(name: str, *, must: bool) -> None:
        if name in entered or name in builtin:
            return
        if name not in found:
            if must:
                raise ImageError(f"no kernel module {name!r} below {folder}", hint="It is not built in either.")
            return
        entered.add(name)
        data = read_module(found[name])
        hard, soft = _needs(data, found[name])
        for other in soft:
            visit(other, must=False)
        for other in hard:
            visit(other, must=True)
        order[name] = data

    for name in wanted:
        visit(name.replace("-", "_"), must=True)
    return list(order.items())
