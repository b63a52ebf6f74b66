from typing import TypedDict

from vmcore._fast.run import Core

class _Block(TypedDict):
    start: int
    instructions: int
    why: str
    at: int
    code: bytes

ENDS: dict[int, str]

def stress(
    core: Core,
    *,
    stop: bool = False,
    poll_every: int = 0,
    flush_every: int = 0,
    forget_every: int = 0,
    region_every: int = 0,
    miss_every: int = 0,
    evict: bool = False,
    limit: int | None = None,
) -> None: ...
def compile_at(core: Core, gpa: int, index: int = 0) -> bool: ...
def blocks(core: Core, gpa: int) -> list[_Block]: ...
def registers() -> dict[int, int]: ...
def places() -> dict[int, str]: ...
