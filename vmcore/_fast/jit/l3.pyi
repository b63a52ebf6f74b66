"""The third level of the translation cache: compiled pages by content, across machines and runs."""

import os
from typing import NamedTuple

DISK_LIMIT: int

class StoreFigures(NamedTuple):
    pages: int
    insns: int
    held_bytes: int
    disk_pages: int
    disk_bytes: int
    hot: int
    warm: int
    cold: int
    hits: int
    misses: int
    puts: int
    bad: int

class Store:
    folder: str | None
    problem: str | None
    limit: int

    def __init__(self, folder: str | None = None, limit: int | None = None) -> None: ...
    def flush(self) -> None: ...
    def clear(self) -> None: ...
    def figures(self) -> StoreFigures: ...

def engine_id() -> bytes: ...
def open_store(folder: str | os.PathLike[str] | None = None, limit: int | None = None) -> Store: ...
def close_stores() -> None: ...
def weaken_hash(mask: int) -> int: ...
