from typing import NamedTuple

class ClassUse(NamedTuple):
    size: int
    slabs: int
    cells: int
    live: int

class Statistics(NamedTuple):
    blocks: int
    bytes: int
    held: int
    slabs: int
    large: int
    heaps: int
    foreign: int
    misaligned: int
    double: int
    late: int
    classes: tuple[ClassUse, ...]

def statistics() -> Statistics: ...
def trim() -> None: ...
