"""What a console needs of a device and of the machine."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Driver", "Port"]


class Port(Protocol):
    """The host's end of a serial device."""

    def push(self, data: bytes, /) -> int:
        """Give the guest as much of `data` as there is room for; returns how much that was."""

    def take(self) -> bytes:
        """Return what the guest has sent since the last call."""


class Driver(Protocol):
    """Lets the machine run while a console waits."""

    @property
    def now_ns(self) -> int:
        """Virtual time."""

    def hold(self) -> None:
        """Note that typed bytes wait: runs look at the console now and then until all are out."""

    def drive(self, until_ns: int, /) -> str | None:
        """Run until virtual time `until_ns`; returns why the guest cannot go on, or None when it can."""
