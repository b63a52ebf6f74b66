"""The symbols of a loaded image, in both directions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmcore.errors import SymbolError

__all__ = ["SYMBOL_DTYPE", "Symbol", "Symbols"]

SYMBOL_DTYPE = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
"""Elf64_Sym."""

_UNDEFINED, _ABSOLUTE, _COMMON = 0, 0xFFF1, 0xFFF2
_KINDS = {0: "notype", 1: "object", 2: "function", 10: "function"}
# Of several symbols at one address, `nearest` names a function before an object before a bare label.
_RANK = np.full(16, 9, dtype=np.uint8)
_RANK[[2, 10, 1, 0]] = (0, 0, 1, 2)
_LOCAL = 0
MOST_COMPARED = 2000


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

    The table is kept as an array; names become Python strings when they are first asked for, so an image with
    a hundred thousand symbols costs nothing until one is used.

    Parameters
    ----------
    table : ndarray of SYMBOL_DTYPE, optional
        The symbol table's entries.
    strings : bytes, optional
        The string table that the entries' names point into.
    """

    def __init__(self, table: NDArray[Any] | None = None, strings: bytes = b"") -> None:
        if table is None:
            table = np.empty(0, dtype=SYMBOL_DTYPE)
        kind = table["info"] & 15
        section = table["section"]
        keep = (section != _UNDEFINED) & (section != _COMMON) & (_RANK[kind] < 9)
        keep &= (table["name"] != 0) & (table["name"] < len(strings))
        self._table = table[keep]
        self._strings = strings
        self._names: dict[str, int] | None = None
        self._sorted: tuple[NDArray[Any], list[int]] | None = None
        self._added: dict[str, Symbol] = {}

    def _name(self, index: int) -> str:
        start = int(self._table["name"][index])
        return self._strings[start : self._strings.find(b"\0", start)].decode("utf-8", "replace")

    def _by_name(self) -> dict[str, int]:
        if self._names is None:
            # Locals first, so that a global of the same name replaces them.
            order = np.argsort((self._table["info"] >> 4) != _LOCAL, kind="stable")
            starts = self._table["name"]
            strings = self._strings
            names: dict[str, int] = {}
            for index in order.tolist():
                start = int(starts[index])
                name = strings[start : strings.find(b"\0", start)]
                # Mapping symbols ($x, $d) and the assembler's own labels name nothing.
                if not name.startswith((b"$", b".L")):
                    names[name.decode("utf-8", "replace")] = index
            self._names = names
        return self._names

    def _by_address(self) -> tuple[NDArray[Any], list[int]]:
        if self._sorted is None:
            placed = np.flatnonzero(self._table["section"] != _ABSOLUTE)
            table = self._table[placed]
            # Ascending addresses; among equals the best name last, where bisect_right finds it.
            order = placed[np.lexsort((-_RANK[table["info"] & 15].astype(np.int8), table["value"]))]
            self._sorted = (order, self._table["value"][order].tolist())
        return self._sorted

    def _symbol(self, index: int) -> Symbol:
        row = self._table[index]
        return Symbol(int(row["value"]), int(row["size"]), self._name(index), _KINDS[int(row["info"]) & 15])

    def add(self, name: str, address: int, size: int = 0) -> None:
        """Name an address yourself; the name goes before one of the image's."""
        self._added[name] = Symbol(address, size, name, "notype")

    def update(self, other: Symbols) -> None:
        """Take all symbols of `other` that have no namesake here."""
        for name in other:
            if name not in self:
                self._added[name] = other.get_symbol(name)

    def get_symbol(self, name: str) -> Symbol:
        """Return the symbol called `name`.

        Raises
        ------
        SymbolError
            There is none; the message names similar ones.
        """
        if name in self._added:
            return self._added[name]
        index = self._by_name().get(name)
        if index is None:
            # Likely slips keep the first letter; comparing with every name of a kernel would take seconds.
            close = get_close_matches(name, [n for n in self if n[:1] == name[:1]][:MOST_COMPARED], n=3)
            hint = f"Did you mean {', '.join(close)}?" if close else f"{len(self)} symbols are loaded"
            raise SymbolError(f"symbol {name!r} is not known", hint=hint)
        return self._symbol(index)

    def nearest(self, address: int) -> tuple[Symbol, int] | None:
        """Return the symbol that `address` lies in or after, and how far behind its start it is.

        Returns
        -------
        tuple of Symbol and int, or None
            None when no symbol is at or before `address`, or the address is past the end of a symbol with a size.
        """
        best: Symbol | None = None
        for symbol in self._added.values():
            if symbol.address <= address and (best is None or symbol.address >= best.address):
                best = symbol
        order, addresses = self._by_address()
        at = bisect_right(addresses, address)
        # Skip mapping symbols and labels: a few steps back reach a real name.
        while at:
            at -= 1
            if best is not None and addresses[at] < best.address:
                break
            symbol = self._symbol(int(order[at]))
            if not symbol.name.startswith(("$", ".L")):
                best = symbol if best is None or symbol.address > best.address else best
                break
        if best is None or (best.size and address - best.address >= best.size):
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
        return name in self._added or name in self._by_name()

    def __iter__(self) -> Iterator[str]:
        yield from self._added
        for name in self._by_name():
            if name not in self._added:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<Symbols: {len(self)} names>"
