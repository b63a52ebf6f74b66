"""Breakpoints: addresses at which a run ends."""

from __future__ import annotations

from collections.abc import Iterator

from vmcore._fast.run import Core
from vmcore.errors import ConfigError
from vmcore.machine.loader.symbols import Symbols

__all__ = ["Breakpoints"]


class Breakpoints:
    """The breakpoints of a machine, a set of addresses. They may be changed at any time, from a hook's callback too.

    Parameters
    ----------
    core : Core
        The core.
    symbols : Symbols
        The names that stand for addresses.
    """

    def __init__(self, core: Core, symbols: Symbols) -> None:
        self._core = core
        self._resolve = symbols.resolve
        self._addresses: set[int] = set()

    def add(self, where: int | str) -> int:
        """End runs before the instruction at `where`, an address or a symbol; returns the address."""
        address = self._resolve(where)
        if address not in self._addresses:
            self._core.probe_add(address)
            self._addresses.add(address)
        return address

    def remove(self, where: int | str) -> None:
        """Forget a breakpoint.

        Raises
        ------
        ConfigError
            There is none.
        """
        address = self._resolve(where)
        if address not in self._addresses:
            raise ConfigError(f"no breakpoint at {address:#x}", hint=f"Breakpoints are at {self!r}")
        self._core.probe_remove(address)
        self._addresses.remove(address)

    def clear(self) -> None:
        """Forget all of them."""
        for address in tuple(self._addresses):
            self.remove(address)

    def __contains__(self, where: object) -> bool:
        return isinstance(where, (int, str)) and self._resolve(where) in self._addresses

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._addresses))

    def __len__(self) -> int:
        return len(self._addresses)

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{address:#x}" for address in self) + "}"
