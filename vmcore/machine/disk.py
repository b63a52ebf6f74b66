"""What the user says about a disk."""

from __future__ import annotations

import os
from dataclasses import dataclass

from vmcore.config.values import parse_choice
from vmcore.errors import ConfigError

__all__ = ["Disk", "DiskSource", "to_disk"]


@dataclass(frozen=True, slots=True)
class Disk:
    """A raw disk image.

    Attributes
    ----------
    path : str or path
        The file. Its size must be a multiple of 512.
    readonly : bool
        The guest may not write; the file is opened for reading only.
    transport : str
        ``"pci"`` or ``"mmio"``.
    serial : str, optional
        What the guest reads as the disk's serial number.
    """

    path: str | os.PathLike[str]
    readonly: bool = False
    transport: str = "pci"
    serial: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.path, (str, os.PathLike)):
            raise ConfigError(f"disk {self.path!r} is no path")
        parse_choice(self.transport, "transport", ("pci", "mmio"))


DiskSource = str | os.PathLike[str] | Disk


def to_disk(source: DiskSource) -> Disk:
    """Return `source` as a :class:`Disk`."""
    return source if isinstance(source, Disk) else Disk(source)
