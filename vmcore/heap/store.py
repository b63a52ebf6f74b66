"""The snapshot store: what a memory was, as trees of shared pages in a managed heap.

Equal pages are one page, trees share what they have in common, and a tree that nobody holds any more is reclaimed by
the collector while machines run. A page never moves and never changes.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from vmcore._fast.gc.heap import Handle, HeapBase
from vmcore._fast.gc.pagetree import TreeStore, since
from vmcore._fast.memory.ram import Ram
from vmcore.errors import ClosedError, ConfigError, HeapError
from vmcore.heap.managed import ManagedHeap

__all__ = ["PAGE_SIZE", "PageStore", "PageTree", "RamCapture", "StoreStats"]

PAGE_SIZE = 4096
"""Bytes of a page."""

_MOST_PAGES = 1 << 36

Data = bytes | bytearray | memoryview


class StoreStats(NamedTuple):
    """What a store's live trees hold.

    Attributes
    ----------
    trees : int
        Trees that are held.
    mapped : int
        Pages of all trees that are not zero, each counted in every tree that has it.
    pages : int
        Different pages that these are. ``mapped - pages`` were shared instead of copied.
    nodes : int
        Different inner nodes.
    found, made : int
        Pages asked for, since the store exists, that were there already, and that were not.
    """

    trees: int
    mapped: int
    pages: int
    nodes: int
    found: int
    made: int


class PageTree:
    """A sequence of pages that never changes. Made by a `PageStore`.

    ``tree[i]`` are the 4096 bytes of page ``i``, ``len(tree)`` is the number of pages, and iterating yields index and
    bytes of each page that is not zero.
    """

    def __init__(self, store: PageStore, root: Handle | None, pages: int) -> None:
        self.store = store
        self._root = root
        self._pages = pages
        self._dropped = False

    @property
    def root(self) -> Handle | None:
        """Handle: the root node; None when all pages are zero."""
        if self._dropped:
            raise ClosedError("the page tree was dropped")
        return self._root

    @property
    def dropped(self) -> bool:
        """bool: whether it was dropped."""
        return self._dropped

    def __len__(self) -> int:
        return self._pages

    def __getitem__(self, index: int) -> bytes:
        if not -self._pages <= index < self._pages:
            raise IndexError(f"page {index} of a tree of {self._pages} pages")
        return self.store.core.read(self.root, self._pages, index % self._pages)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        index = self.store.core.next_page(self.root, self._pages, 0)
        while index < self._pages:
            yield index, self[index]
            index = self.store.core.next_page(self.root, self._pages, index + 1)

    def diff(self, other: PageTree) -> list[int]:
        """Return the indexes of the pages in which `other` differs; what both share is not looked at.

        Raises
        ------
        HeapError
            `other` is of another store, or has another number of pages.
        """
        self.store.own(other)
        if len(other) != self._pages:
            raise HeapError(f"a tree of {len(other)} pages is compared with one of {self._pages}")
        return self.store.core.diff(self.root, other.root, self._pages)

    def derive(self, changes: Iterable[tuple[int, Data]]) -> PageTree:
        """Return a tree that differs from this one in the pages of `changes`: pairs of index and 4096 bytes."""
        return self.store.derive(self, changes)

    def unique(self) -> int:
        """Return how many pages no other tree of the store has."""
        return self.store.unique(self)

    def drop(self) -> None:
        """Let go of the pages: the collector takes those that no other tree has. Again: does nothing."""
        self._dropped = True
        self._root = None
        self.store.forget(self)


@dataclass(frozen=True, eq=False)
class RamCapture:
    """The memory of a machine as it was. Made by `PageStore.capture`.

    Attributes
    ----------
    tree : PageTree
        Its pages, the banks one after the other.
    banks : tuple of (int, int, bool)
        Base, size and whether it is read-only, of each bank.
    """

    tree: PageTree
    banks: tuple[tuple[int, int, bool], ...]
    serial: int = field(repr=False)

    def drop(self) -> None:
        """Let go of the pages; see `PageTree.drop`."""
        self.tree.drop()


class PageStore:
    """Trees of pages that share what is equal. Any thread may use it; one at a time is served.

    Parameters
    ----------
    limit : int or str
        Bytes that its heap may hold.
    heap : ManagedHeap, optional
        A heap to keep the pages in, together with its other users; `limit` is then the heap's own. It stays open when
        the store is closed.

    Raises
    ------
    ConfigError
        `limit` is not allowed.

    Examples
    --------
    >>> with PageStore("64M") as store:
    ...     first = store.build(bytes(8 * 4096))
    ...     second = first.derive([(3, b"x" * 4096), (5, b"x" * 4096)])
    ...     print(second.diff(first), second[3] == second[5], store.stats().pages)
    [3, 5] True 1
    """

    def __init__(self, limit: int | str = "1G", *, heap: HeapBase | None = None) -> None:
        self._own = heap is None
        self.heap = ManagedHeap(limit) if heap is None else heap
        self.core = TreeStore(self.heap)
        # Guards the set alone: one that grows cannot be walked.
        self._lock = threading.Lock()
        self._trees: weakref.WeakSet[PageTree] = weakref.WeakSet()
        self._captures: weakref.WeakValueDictionary[int, RamCapture] = weakref.WeakValueDictionary()

    def own(self, tree: PageTree) -> None:
        """Raise `HeapError` when `tree` is of another store."""
        if tree.store is not self:
            raise HeapError("the page tree is of another store")

    def _tree(self, root: Handle | None, pages: int) -> PageTree:
        tree = PageTree(self, root, pages)
        with self._lock:
            self._trees.add(tree)
        return tree

    def forget(self, tree: PageTree) -> None:
        """Count `tree` no longer: it was dropped."""
        with self._lock:
            self._trees.discard(tree)

    def _live(self, but: PageTree | None = None) -> list[tuple[Handle | None, int]]:
        with self._lock:
            return [(tree._root, len(tree)) for tree in self._trees if tree is not but]

    def build(self, data: Data) -> PageTree:
        """Return a tree of the bytes of `data`.

        Raises
        ------
        ConfigError
            `data` is not one or more whole pages.
        HeapExhausted
            There is no room.
        """
        view = memoryview(data).cast("B")
        return self._tree(self.core.from_buffer(view), len(view) // PAGE_SIZE)

    def zeroes(self, pages: int) -> PageTree:
        """Return a tree of `pages` pages of zeroes, which takes no memory."""
        if not 1 <= pages <= _MOST_PAGES:
            raise ConfigError(f"pages={pages!r}: a tree has 1 to {_MOST_PAGES} pages")
        return self._tree(None, pages)

    def derive(self, parent: PageTree, changes: Iterable[tuple[int, Data]]) -> PageTree:
        """Return a tree that differs from `parent` in the pages of `changes`; everything else is shared.

        Raises
        ------
        MemoryAccessError
            An index is not one of the tree's.
        ConfigError
            A page has not 4096 bytes.
        HeapExhausted
            There is no room.
        """
        self.own(parent)
        return self._tree(self.core.derive(parent.root, len(parent), changes), len(parent))

    def capture(self, ram: Ram, parent: RamCapture | None = None) -> RamCapture:
        """Keep the memory of a machine that does not run.

        Parameters
        ----------
        ram : Ram
            The machine's memory.
        parent : RamCapture, optional
            An earlier one. What did not change is shared with it without a look when the memory was captured as, or
            restored to, `parent` last; otherwise every page is compared.

        Raises
        ------
        ClosedError
            The machine is closed, or the parent was dropped.
        HeapError
            `parent` is of another store or of a memory with other banks.
        HeapExhausted
            There is no room.
        """
        banks = self._banks(ram)
        if parent is not None:
            self._fits(parent, banks)
        base = (None, 0) if parent is None else (parent.tree.root, parent.serial)
        root, serial = self.core.capture(ram, *base)
        pages = sum(size for _, size, _ in banks) // PAGE_SIZE
        made = RamCapture(self._tree(root, pages), banks, serial)
        self._captures[serial] = made
        return made

    def restore(self, capture: RamCapture, ram: Ram) -> int:
        """Make the memory of a machine that does not run what it was; return how many pages had to be written.

        Written pages count as written, so what was translated from them is looked at again by the next ``fence.i``,
        which a run begins with.

        Raises
        ------
        ClosedError
            The machine is closed, or the capture was dropped.
        HeapError
            `capture` is of another store or of a memory with other banks.
        """
        self._fits(capture, self._banks(ram))
        base = since(ram)
        before = self._captures.get(base)
        changed = None
        if base == 0:
            # Never captured: what is not dirty is zero.
            changed = self.core.diff(None, capture.tree.root, len(capture.tree))
        elif before is not None and before.banks == capture.banks and not before.tree.dropped:
            changed = before.tree.diff(capture.tree)
        return self.core.restore(ram, capture.tree.root, capture.serial, changed)

    @staticmethod
    def _banks(ram: Ram) -> tuple[tuple[int, int, bool], ...]:
        banks = tuple(ram.banks())
        if not banks:
            raise ClosedError("the machine is closed")
        return banks

    def _fits(self, capture: RamCapture, banks: tuple[tuple[int, int, bool], ...]) -> None:
        self.own(capture.tree)
        if capture.banks != banks:
            raise HeapError("the capture is of a memory with other banks",
                            hint="Give the machine the same memory as the captured one had")  # fmt: skip

    def unique(self, tree: PageTree) -> int:
        """Return how many pages of `tree` no other tree has. Every tree is walked."""
        self.own(tree)
        return self.core.figures(self._live()).pages - self.core.figures(self._live(but=tree)).pages

    def stats(self) -> StoreStats:
        """Return what the trees hold together. Every tree is walked."""
        trees = self._live()
        return StoreStats(len(trees), *self.core.figures(trees), *self.core.hits())

    def close(self) -> None:
        """Give everything back; trees are useless afterwards. Again: does nothing."""
        self.core.close()
        if self._own:
            self.heap.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
