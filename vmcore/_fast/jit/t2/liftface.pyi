from collections.abc import Iterable
from types import ModuleType
from typing import Any

PAGE: int
LIFTER_MODULES: tuple[ModuleType, ...]
REFUSALS: dict[int, str | None]
WAYS: dict[int, str]

class Former:
    def __init__(
        self,
        page: bytes | bytearray | memoryview,
        isa: int,
        *,
        warm: Iterable[int] | None = None,
        taken: Iterable[int] = (),
        targets: Iterable[int] = (),
        limit: int = 500,
        harts: int = 1,
        parallel: bool = False,
    ) -> None: ...
    def header(self, sample: int, *, innermost: bool = False) -> int | None: ...
    def form(self, header: int) -> dict[str, Any]: ...
    def lift(self, header: int) -> dict[str, Any] | None: ...
