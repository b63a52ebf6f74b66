from collections.abc import Sequence
from typing import Any

SHAPES: dict[str, int]

def install(format_rows: Sequence[tuple[Any, ...]], instruction_rows: Sequence[tuple[Any, ...]]) -> None: ...
