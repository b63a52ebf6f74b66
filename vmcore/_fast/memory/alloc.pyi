from typing import NamedTuple

class Live(NamedTuple):
    blocks: int
    bytes: int

def live() -> Live: ...
