"""Run one floating-point handler on given registers, without a machine: how the tests see what it does to a hart."""

from collections.abc import Sequence

def execute(
    name: str,
    f: Sequence[int] = (0, 0, 0),
    *,
    x: int = 0,
    rm: int = 0,
    frm: int = 0,
    fflags: int = 0,
    fs: int = 1,
    to_x: bool = False,
    index: int | None = None,
) -> tuple[int, int, int] | None: ...
