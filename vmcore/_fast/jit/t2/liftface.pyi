from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

PAGE: int
REGION_PAGES: int
LIFTER_MODULES: tuple[ModuleType, ...]
REFUSALS: dict[int, str | None]
WAYS: dict[int, str]

def pages_led_to(page: bytes, isa: int, here: int) -> list[int]: ...

class Former:
    def __init__(
        self,
        page: bytes | bytearray | memoryview,
        isa: int,
        *,
        more: Mapping[int, bytes] | None = None,
        warm: Iterable[int] | None = None,
        taken: Iterable[int] = (),
        targets: Iterable[int] = (),
        trail: Iterable[int] = (),
        jumps: Iterable[tuple[int, int, int]] = (),
        limit: int = 500,
        harts: int = 1,
        parallel: bool = False,
    ) -> None: ...
    def header(self, sample: int, *, innermost: bool = False) -> int | None: ...
    def form(self, header: int) -> dict[str, Any]: ...
    def lift(self, header: int) -> dict[str, Any] | None: ...
