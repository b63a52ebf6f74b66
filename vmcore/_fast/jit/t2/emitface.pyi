from collections.abc import Iterable, Sequence
from typing import Any

from vmcore._fast.run import Core

PLACES: dict[str, int]
WAYS: dict[int, str]


class Emitted:
    def __init__(
        self, text: str, seed: int = 1, select: bool = True, how: str = "scatter", parallel: bool = False
    ) -> None: ...
    def bytes(self) -> bytes: ...
    def figures(self) -> dict[str, Any]: ...
    def text(self) -> str: ...
    def place_of(self) -> dict[int, int]: ...
    def put(self, core: Core, gpa: int) -> None: ...


def evaluated(
    text: str,
    regs: Sequence[int],
    *,
    page: int = 0,
    memory: bytes = b"",
    base: int = 0,
    budget: int = ...,
    frm: int = 0,
) -> dict[str, Any]: ...
def order(moves: Iterable[tuple[int, int]], keep_rax: bool = False) -> list[tuple[int, int]]: ...
