"""The symbols of a loaded image, in both directions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from vmcore.errors import ConfigError, SymbolError

if TYPE_CHECKING:
    from vmcore.machine.loader.symboltable import SymbolTable

__all__ = ["Symbol", "Symbols"]

MOST_COMPARED = 2000


def _check_address(where: object) -> int:
    if isinstance(where, bool) or not isinstance(where, int) or not -(1 << 63) <= where < 1 << 64:
        raise ConfigError(f"{where!r} is no address", hint="Give a number of 64 bits, or a symbol")
    return where & (1 << 64) - 1


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """A name for an address.

    Attributes
    ----------
    address : int
        Where it is: a virtual address, as the image was linked.
    size : int
        Its bytes; 0 when the image does not say.
    name : str
        Its name.
    kind : str
        ``"function"``, ``"object"`` or ``"notype"``.
    """

    address: int
    size: int
    name: str
    kind: str


class Symbols(Mapping[str, int]):
    """Names to addresses, as a mapping, and back by :meth:`nearest`.

    An image with a hundred thousand symbols costs nothing until one is used.

    Parameters
    ----------
    table : SymbolTable, optional
        An image's symbols.
    """

    def __init__(self, table: SymbolTable | None = None) -> None:
        self._tables = [] if table is None else [table]
        self._added: dict[str, Symbol] = {}

    def add(self, name: str, address: int, size: int = 0) -> None:
        """Name an address yourself; the name goes before one of an image's."""
        self._added[name] = Symbol(_check_address(address), size, name, "notype")

    def update(self, other: Symbols) -> None:
        """Take in the symbols of `other`; those that are here already go before their namesakes."""
        self._tables += other._tables
        self._added = {**other._added, **self._added}

    def get_symbol(self, name: str) -> Symbol:
        """Return the symbol called `name`.

        Raises
        ------
        SymbolError
            There is none; the message names similar ones.
        """
        if name in self._added:
            return self._added[name]
        for table in self._tables:
            index = table.names().get(name)
            if index is not None:
                return table.symbol(index)
        # Likely slips keep the first letter; comparing with every name of a kernel would take seconds.
        close = get_close_matches(name, [n for n in self if n[:1] == name[:1]][:MOST_COMPARED], n=3)
        hint = f"Did you mean {', '.join(close)}?" if close else f"{len(self)} symbols are loaded"
        raise SymbolError(f"symbol {name!r} is not known", hint=hint)

    def resolve(self, where: int | str) -> int:
        """Return `where`, an address or a symbol, as an address of 64 bits.

        Raises
        ------
        SymbolError
            It is a name, and there is no such symbol.
        ConfigError
            It is neither.
        """
        if isinstance(where, str):
            return self.get_symbol(where).address
        return _check_address(where)

    def nearest(self, address: int) -> tuple[Symbol, int] | None:
        """Return the symbol that `address` lies in or after, and how far behind its start it is.

        Returns
        -------
        tuple of Symbol and int, or None
            None when no symbol is at or before `address`, or the address is past the end of a symbol with a size.
        """
        found = [symbol for table in self._tables if (symbol := table.before(address)) is not None]
        found += [symbol for symbol in self._added.values() if symbol.address <= address]
        if not found:
            return None
        # Of several at one address, the one that was added last.
        best = max(reversed(found), key=lambda symbol: symbol.address)
        if best.size and address - best.address >= best.size:
            return None
        return best, address - best.address

    def describe(self, address: int) -> str:
        """Write `address` with its symbol: ``0x80000010 <main+0x4>``."""
        found = self.nearest(address)
        if found is None:
            return f"{address:#x}"
        symbol, offset = found
        return f"{address:#x} <{symbol.name}{f'+{offset:#x}' if offset else ''}>"

    def __getitem__(self, name: str) -> int:
        return self.get_symbol(name).address

    def get(self, name: str, default: Any = None) -> Any:
        """Return the address of `name`, or `default` where it is not known."""
        return self.get_symbol(name).address if name in self else default

    def __contains__(self, name: object) -> bool:
        return name in self._added or any(name in table.names() for table in self._tables)

    def __iter__(self) -> Iterator[str]:
        seen = dict.fromkeys(self._added)
        for table in self._tables:
            seen.update(dict.fromkeys(table.names()))
        return iter(seen)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"<Symbols: {len(self)} names>"
