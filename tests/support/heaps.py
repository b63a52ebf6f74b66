"""What tests of the managed heap share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vmcore.heap import ManagedHeap

BARRIERS = ("satb", "insert", "card")


@contextmanager
def cycling(heap: ManagedHeap) -> Iterator[None]:
    """Collect all the time, on a thread of its own."""
    over = threading.Event()

    def collect() -> None:
        while not over.is_set():
            heap.collect()

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    """Call each on a thread of its own; return the results, or raise what one of them raised."""
    results: list[Any] = [None] * len(calls)
    failures: list[BaseException] = []

    def work(i: int) -> None:
        try:
            results[i] = calls[i]()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results
