from collections.abc import Iterable
from types import ModuleType
from typing import Any

LIFTER_MODULES: tuple[ModuleType, ...]

def explain_region(
    page: bytes | bytearray | memoryview,
    isa: int,
    header: int,
    fuel: int | None = None,
    warm: bytes | bytearray | memoryview | None = None,
    more: Iterable[tuple[int, bytes, bytes | None]] = (),
    trail: Iterable[int] = (),
    jumps: Iterable[tuple[int, int, int]] = (),
) -> dict[str, Any]: ...
