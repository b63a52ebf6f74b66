"""The fragmentation monitor: how scattered the free memory of allocators is, and what is done about it.

Whatever has a ``survey()`` can be watched; whatever has a ``compact()`` too can be compacted when its free memory lies
in too many pieces. The ratio is ``1 - largest / free``: 0 where all that is free is one piece, near 1 where it is dust.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Literal, NamedTuple, Protocol, Self, runtime_checkable

from vmcore._fast.memory import slab, slabheap
from vmcore._fast.memory.slabheap import Survey
from vmcore.errors import ClosedError, ConfigError, VmError

__all__ = [
    "Advice",
    "Compactable",
    "Event",
    "FragmentationMonitor",
    "Sample",
    "Source",
    "ThreadHeaps",
    "process_monitor",
    "watch_while_alive",
]

_log = logging.getLogger(__name__)

_COUNTS = ("samples", "alerts", "compactions", "back")
LONGEST_PAUSE = 64
"""Samples after which a compaction is tried again at the latest, however often it did not help."""


@runtime_checkable
class Source(Protocol):
    """What can be watched."""

    def survey(self) -> Survey:
        """Return what is free now."""


@runtime_checkable
class Compactable(Source, Protocol):
    """What can be compacted too."""

    def compact(self) -> object:
        """Move together what can be moved, and give back what becomes free. What it returns is nobody's business."""


class ThreadHeaps:
    """The heaps of all threads as one source: what compiled code allocates. Blocks cannot move; empty pages go back."""

    def survey(self) -> Survey:
        """Return what is free in the slabs of all threads."""
        return slabheap.survey()

    def compact(self) -> None:
        """Give empty slabs back to the system, and pages of the others on which no cell is used."""
        slab.trim()


class Sample(NamedTuple):
    """What one look at a source found: seconds of the monitor's clock, and bytes."""

    time: float
    held: int
    free: int
    largest: int
    histogram: tuple[int, ...]

    @property
    def ratio(self) -> float:
        """float: 0 where all that is free is one piece (or nothing is free), near 1 where it is dust."""
        return 1 - self.largest / self.free if self.free else 0.0

    @property
    def pieces(self) -> int:
        """int: how many free pieces there are."""
        return sum(self.histogram)


class Advice(NamedTuple):
    """What to do about a source, and why."""

    action: Literal["nothing", "compact", "release", "wait"]
    reason: str


class Event(NamedTuple):
    """What callbacks are told: the source crossed its threshold, came back, or was compacted."""

    kind: Literal["above", "below", "compacted"]
    name: str
    before: Sample
    after: Sample


@dataclass(slots=True)
class _Watched:
    source: Source
    threshold: float
    least: int
    automatic: bool
    history: deque[Sample]
    above: bool = False
    pause: int = 1
    wait: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))

    def is_scattered(self, sample: Sample) -> bool:
        return sample.free >= self.least and sample.ratio > self.threshold


class FragmentationMonitor:
    """Watches allocators, keeps a history of each, tells callbacks, and compacts what can be compacted.

    Parameters
    ----------
    history : int
        Samples that are kept of each source.
    clock : callable
        Where the time of a sample comes from.

    Notes
    -----
    Any thread may use a monitor. Sources and callbacks are called without its lock.
    """

    def __init__(self, *, history: int = 256, clock: Callable[[], float] = time.monotonic) -> None:
        if history < 1:
            raise ConfigError(f"a history of {history} samples", hint="Keep at least one")
        self._length = history
        self._clock = clock
        self._lock = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        # Names of sources that are gone. The garbage collector may say so at any moment, within our lock too.
        self._gone: deque[str] = deque()
        self._callbacks: list[Callable[[Event], object]] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def register(
        self, name: str, source: Source, *, threshold: float = 0.5, least: int = 1 << 20, automatic: bool = True
    ) -> None:
        """Watch `source` from now on, until :meth:`unregister`.

        Parameters
        ----------
        name : str
            What to call it.
        source : Source
            Something with a ``survey()``, and with a ``compact()`` if it can be compacted.
        threshold : float
            The ratio above which its free memory counts as scattered, 0 to 1.
        least : int
            Bytes: with less than this free the ratio does not matter.
        automatic : bool
            Whether it is compacted when it is scattered.

        Raises
        ------
        ConfigError
            The name is taken, the threshold is none, or the source has no ``survey()``.
        """
        if not 0 <= threshold <= 1:
            raise ConfigError(f"a threshold of {threshold} for {name!r}", hint="Ratios are between 0 and 1")
        if not isinstance(source, Source):
            raise ConfigError(f"{name!r} cannot be watched: {type(source).__name__} has no survey()")
        with self._lock:
            if name in self._watched:
                raise ConfigError(f"{name!r} is watched already", hint="Unregister it first, or choose another name")
            self._watched[name] = _Watched(source, threshold, least, automatic, deque(maxlen=self._length))

    def unregister(self, name: str) -> None:
        """Forget a source and its history."""
        with self._lock:
            self._find(name)
            del self._watched[name]

    def gone(self, name: str) -> None:
        """Forget a source as soon as somebody asks for the sources: this takes no lock, so finalisers may call it."""
        self._gone.append(name)

    def on_event(self, callback: Callable[[Event], object]) -> Callable[[Event], object]:
        """Call `callback` with every :class:`Event`; also a decorator. Whatever thread takes the sample calls it."""
        with self._lock:
            self._callbacks.append(callback)
        return callback

    @property
    def names(self) -> tuple[str, ...]:
        """tuple of str: the sources that are watched."""
        with self._lock:
            self._tidy()
            return tuple(self._watched)

    def sample(self) -> dict[str, Sample]:
        """Look at every source once, compact what is scattered, and return what was found (after compactions)."""
        found: dict[str, Sample] = {}
        for name in self.names:
            try:
                found[name] = self._look(name)
            except VmError:
                # One that was closed and unregistered while we looked is not missed.
                if name in self.names:
                    raise
        return found

    def compact(self, name: str) -> tuple[Sample, Sample]:
        """Compact one source now; returns what was found before and after.

        Raises
        ------
        ConfigError
            There is no such source, or it cannot be compacted.
        """
        with self._lock:
            watched = self._find(name)
        if not isinstance(watched.source, Compactable):
            raise ConfigError(f"{name!r} cannot be compacted: {type(watched.source).__name__} has no compact()")
        before = self._survey(watched)
        watched.source.compact()
        after = self._survey(watched)
        with self._lock:
            watched.counts["compactions"] += 1
            watched.counts["back"] += max(before.held - after.held, 0)
            watched.history += (before, after)
        self._tell(Event("compacted", name, before, after))
        return before, after

    def history(self, name: str) -> tuple[Sample, ...]:
        """Return the samples of a source that are kept, oldest first."""
        with self._lock:
            return tuple(self._find(name).history)

    def advice(self, name: str) -> Advice:
        """Return what to do about a source, by its last sample."""
        with self._lock:
            watched = self._find(name)
            last = watched.history[-1] if watched.history else None
            paused = watched.wait
        if last is None:
            return Advice("wait", "there is no sample yet")
        percent = f"{last.pieces} free pieces, the largest {last.largest} of {last.free} bytes (ratio {last.ratio:.2f})"
        if not watched.is_scattered(last):
            return Advice("nothing", percent)
        if not isinstance(watched.source, Compactable):
            return Advice("release", f"{percent}, and blocks cannot move: free long-lived blocks between them")
        if paused:
            return Advice("wait", f"{percent}; the last compaction did not help, the next is in {paused} samples")
        return Advice("compact", percent)

    def metrics(self) -> dict[str, dict[str, float]]:
        """Return numbers of each source: its last sample, and counts since it was registered.

        ``ratio``, ``held``, ``free``, ``largest`` and ``pieces`` are the last sample's; ``samples``, ``alerts`` and
        ``compactions`` are counts, ``back`` the bytes that compactions gave back.
        """
        with self._lock:
            self._tidy()
            result: dict[str, dict[str, float]] = {}
            for name, watched in self._watched.items():
                numbers: dict[str, float] = dict(watched.counts)
                if watched.history:
                    last = watched.history[-1]
                    numbers |= {"held": last.held, "free": last.free, "largest": last.largest}
                    numbers |= {"ratio": last.ratio, "pieces": last.pieces}
                result[name] = numbers
            return result

    def start(self, interval: float = 1.0) -> None:
        """Take samples on a thread of the monitor's, every `interval` seconds, until :meth:`stop`."""
        if interval <= 0:
            raise ConfigError(f"an interval of {interval} seconds", hint="Give more than 0")
        with self._lock:
            if self._thread is not None:
                raise ConfigError("the monitor has been started already", hint="Stop it first")
            self._stop.clear()
            self._thread = threading.Thread(
                target=self._serve, args=(interval,), name="vmcore-fragmentation", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the monitor's thread and wait for it. Without one this does nothing."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _serve(self, interval: float) -> None:
        while not self._stop.wait(interval):
            try:
                self.sample()
            except Exception:
                # A source or a callback of the user's failed: the others go on being watched.
                _log.exception("the fragmentation monitor could not take a sample")

    def _tidy(self) -> None:
        while self._gone:
            self._watched.pop(self._gone.popleft(), None)

    def _find(self, name: str) -> _Watched:
        self._tidy()
        try:
            return self._watched[name]
        except KeyError:
            known = ", ".join(self._watched) or "none"
            raise ConfigError(f"nothing called {name!r} is watched", hint=f"Watched are: {known}") from None

    def _survey(self, watched: _Watched) -> Sample:
        found = watched.source.survey()
        return Sample(self._clock(), found.held, found.free, found.largest, tuple(found.histogram))

    def _look(self, name: str) -> Sample:
        with self._lock:
            watched = self._find(name)
        sample = self._survey(watched)
        scattered = watched.is_scattered(sample)
        with self._lock:
            last = watched.history[-1] if watched.history else sample
            watched.history.append(sample)
            watched.counts["samples"] += 1
            crossed, watched.above = watched.above != scattered, scattered
            watched.counts["alerts"] += crossed and scattered
            watched.wait = max(watched.wait - 1, 0)
            due = scattered and watched.automatic and not watched.wait and isinstance(watched.source, Compactable)
        if crossed:
            self._tell(Event("above" if scattered else "below", name, last, sample))
        return self._help(name, watched) if due else sample

    def _help(self, name: str, watched: _Watched) -> Sample:
        before, after = self.compact(name)
        helped = not watched.is_scattered(after)
        with self._lock:
            # Where it did not help, memory is held still: to try as often as we look would cost and win nothing.
            watched.pause = 1 if helped else min(watched.pause * 2, LONGEST_PAUSE)
            watched.wait = 0 if helped else watched.pause
            watched.above = not helped
        if helped:
            self._tell(Event("below", name, before, after))
        return after

    def _tell(self, event: Event) -> None:
        with self._lock:
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            callback(event)


class _Weakly:
    """A source that the monitor does not keep alive."""

    def __init__(self, source: Compactable) -> None:
        self._source = weakref.ref(source)

    def _alive(self) -> Compactable:
        source = self._source()
        if source is None:
            raise ClosedError("the source is gone")
        return source

    def survey(self) -> Survey:
        return self._alive().survey()

    def compact(self) -> object:
        return self._alive().compact()


_process = FragmentationMonitor()
_process.register("threads", ThreadHeaps())
_numbers = count(1)


def process_monitor() -> FragmentationMonitor:
    """Return the monitor of this process.

    It watches ``"threads"``, the slabs that compiled code allocates from, each open
    :class:`~vmcore.heap.ManagedHeap` as ``"heap-1"``, ``"heap-2"``, ..., and the compiled code of each open
    :class:`~vmcore.Machine` as ``"code-3"``, ... (one count for all). Nobody looks until somebody calls
    :meth:`~FragmentationMonitor.sample` or :meth:`~FragmentationMonitor.start`.
    """
    return _process


def watch_while_alive(kind: str, source: Compactable) -> Callable[[], object]:
    """Let the process's monitor watch `source` under a name made from `kind`, as long as it lives.

    Returns
    -------
    callable
        Call it when the source is closed earlier; later calls do nothing.
    """
    name = f"{kind}-{next(_numbers)}"
    _process.register(name, _Weakly(source))
    forget = weakref.finalize(source, _process.gone, name)
    # The end of the process is no reason to tidy up.
    forget.atexit = False
    return forget
