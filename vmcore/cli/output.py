"""What the commands say besides their result: on stderr, so that a pipe gets the result alone."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["note", "progress"]

# Work that is done sooner is not worth a bar.
PATIENCE = 0.5

Report = Callable[[str, float | None], None]


def note(text: str) -> None:
    """Say one line on stderr."""
    print(f"vmcore: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress(*, quiet: bool = False) -> Iterator[Report]:
    """Show what takes long: a bar on a terminal, a line a step elsewhere, nothing when `quiet`.

    Yields
    ------
    callable
        To be called with (what is being done, share from 0.0 to 1.0 or None when it is not known).
    """
    if quiet:
        yield lambda what, share: None
        return
    if not sys.stderr.isatty():
        said = ""

        def say(what: str, share: float | None) -> None:
            nonlocal said
            if what != said:
                said = what
                note(what)

        yield say
        return

    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("", total=None)
    start = time.monotonic()
    shown = False

    def update(what: str, share: float | None) -> None:
        nonlocal shown
        bar.update(task, description=what, total=None if share is None else 1.0, completed=share or 0.0)
        if not shown and time.monotonic() - start > PATIENCE:
            bar.start()
            shown = True

    try:
        yield update
    finally:
        bar.stop()
