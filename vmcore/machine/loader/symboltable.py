"""The symbol table of one ELF file. Only who loads one imports this, and numpy with it."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmcore.machine.loader.symbols import Symbol

__all__ = ["SYMBOL_DTYPE", "SymbolTable"]

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


class SymbolTable:
    """One image's symbol table; names become Python strings when they are first asked for.

    Parameters
    ----------
    table : ndarray of SYMBOL_DTYPE
        Its entries.
    strings : bytes
        The string table that the entries' names point into.
    """

    def __init__(self, table: NDArray[Any], strings: bytes) -> None:
        section = table["section"]
        keep = (section != _UNDEFINED) & (section != _COMMON) & (_RANK[table["info"] & 15] < 9)
        keep &= (table["name"] != 0) & (table["name"] < len(strings))
        self._table = table[keep]
        self._strings = strings
        self._names: dict[str, int] | None = None
        self._sorted: tuple[NDArray[Any], list[int]] | None = None

    def names(self) -> dict[str, int]:
        """Return the row of each name."""
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

    def symbol(self, index: int) -> Symbol:
        """Return a row as a symbol."""
        row = self._table[index]
        start = int(row["name"])
        name = self._strings[start : self._strings.find(b"\0", start)].decode("utf-8", "replace")
        return Symbol(int(row["value"]), int(row["size"]), name, _KINDS[int(row["info"]) & 15])

    def _by_address(self) -> tuple[NDArray[Any], list[int]]:
        if self._sorted is None:
            placed = np.flatnonzero(self._table["section"] != _ABSOLUTE)
            table = self._table[placed]
            # Ascending addresses; among equals the best name last, where bisect_right finds it.
            order = placed[np.lexsort((-_RANK[table["info"] & 15].astype(np.int8), table["value"]))]
            self._sorted = (order, self._table["value"][order].tolist())
        return self._sorted

    def before(self, address: int) -> Symbol | None:
        """Return the last symbol at or before `address`."""
        order, addresses = self._by_address()
        at = bisect_right(addresses, address)
        while at:
            at -= 1
            symbol = self.symbol(int(order[at]))
            if not symbol.name.startswith(("$", ".L")):
                return symbol
        return None
