from collections.abc import Callable
from typing import TypeVar

from vmcore._fast.run import Core

Answer = TypeVar("Answer")

class Team:
    core: Core
    def thread(self, index: int) -> None: ...
    def fail(self, error: BaseException) -> None: ...
    def run(self) -> object: ...
    def join(self) -> None: ...

def run_team(
    core: Core,
    serve: Callable[[int], Answer | None],
    next_stop: Callable[[], int | None] | None = None,
    max_insns: int | None = None,
) -> Answer: ...
