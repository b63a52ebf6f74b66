from collections.abc import Callable
from typing import TypeVar

from vmcore._fast.run import Core

Answer = TypeVar("Answer")

class Team:
    core: Core

def run_team(
    core: Core,
    serve: Callable[[int], Answer | None],
    next_stop: Callable[[], int | None] | None = None,
    max_insns: int | None = None,
) -> Answer: ...
