"""The managed heap as Python makes it: sizes are written as everywhere else, and options have defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

from vmcore._fast.gc.heap import BARRIERS, LEAST_LIMIT, MOST_LIMIT, MOST_MARKERS, HeapBase
from vmcore._fast.gc.survey import survey
from vmcore._fast.memory.slabheap import Survey
from vmcore.config.values import parse_choice, parse_count, parse_size
from vmcore.heap.monitor import watch_while_alive

__all__ = ["ManagedHeap"]

_BLOCK = 256 << 10


class ManagedHeap(HeapBase):
    """A heap of objects with reference fields and payload, collected by background threads while mutators run.

    Objects are reached from Python through handles; what no handle, no root of a compiled mutator and no live object
    refers to is reclaimed. Any thread may use it. While it is open the process's fragmentation monitor knows it.

    Parameters
    ----------
    limit : int or str
        Bytes it may hold: ``"4M"`` to ``"1T"``, a multiple of 256 KiB. Only what is used takes memory.
    barrier : {"satb", "insert", "card"}
        The write barrier. ``"satb"`` keeps what was reachable when marking began (deletion barrier); ``"insert"``
        shades what is stored (incremental update); ``"card"`` notes where something was stored (card table) and looks
        again.
    markers : int
        Threads that mark, 1 to 64.

    Raises
    ------
    ConfigError
        An option is not allowed.

    Examples
    --------
    >>> with ManagedHeap("16M") as heap:
    ...     pair = heap.alloc(refs=2, payload=5)
    ...     pair[0] = heap.alloc(payload=3)
    ...     pair.write(0, b"hello")
    ...     cycle = heap.collect()
    ...     print(pair.read(), pair[1], cycle.marked)
    ...     del pair
    b'hello' None 2
    """

    _forget: Callable[[], object]

    def __new__(
        cls,
        limit: int | str = "256M",
        *,
        barrier: Literal["satb", "insert", "card"] = "satb",
        markers: int = 1,
    ) -> Self:
        """Parse the options; the compiled class does the rest."""
        heap = super().__new__(
            cls,
            parse_size(limit, "limit", least=LEAST_LIMIT, most=MOST_LIMIT, multiple=_BLOCK),
            parse_choice(barrier, "barrier", tuple(BARRIERS)),
            parse_count(markers, "markers", least=1, most=MOST_MARKERS),
        )
        heap._forget = watch_while_alive("heap", heap)
        return heap

    def close(self) -> None:
        """End the collector's threads and give the memory back; a second time this does nothing."""
        super().close()
        # Only now: while handles forbid it, it stays open and watched.
        self._forget()

    def survey(self) -> Survey:
        """Return what is free in the memory that the heap holds, for a `FragmentationMonitor`.

        Free pieces are runs of free cells, and runs of empty blocks. `compact` gives the latter back; live objects
        never move, so the former stay.

        Raises
        ------
        ClosedError
            The heap is closed.
        """
        return survey(self)
