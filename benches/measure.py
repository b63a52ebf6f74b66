"""What the benches share: interleaved runs, CPU seconds of a child process, the report."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from threading import Timer
from types import TracebackType
from typing import IO, Any, Self, TypeVar

T = TypeVar("T")

# Seconds on the wall after which a run counts as hung.
LIMIT = 900.0


def interleave(rounds: int, subjects: dict[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Measure each subject once a round, one after the other, so that the host's moods hit all of them alike."""
    results: dict[str, list[T]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            results[name].append(subject())
    return results


def ratio(above: Sequence[float], below: Sequence[float]) -> tuple[float, float, float]:
    """Return median, least and greatest of the ratios of the rounds."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return median(ratios), min(ratios), max(ratios)


def geomean(values: Iterable[float]) -> float:
    """Return the geometric mean."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))


class Child:
    """A process whose CPU time is known while it runs and when it has ended, every thread of it included.

    Its standard input and output are pipes. Whoever leaves the context early kills it.
    """

    def __init__(self, command: Sequence[str], **environment: str) -> None:
        self.command = command
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the context is left
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=os.environ | environment
        )
        self._timer = Timer(LIMIT, self._process.kill)
        self._timer.daemon = True
        self._timer.start()
        assert self._process.stdin is not None and self._process.stdout is not None
        self.input: IO[bytes] = self._process.stdin
        self.output: IO[bytes] = self._process.stdout

    def seconds(self) -> float:
        """Return the CPU seconds so far, of a process that runs."""
        # Linux makes a clock's number of a process's: see clock_getcpuclockid(3).
        return time.clock_gettime(~self._process.pid << 3 | 2)

    def wait(self) -> tuple[float, bytes]:
        """Wait for the end; return the CPU seconds of all of it, and what it said that was not read yet."""
        # What it still says may be more than a pipe holds.
        said = self.output.read()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            raise self.failure(f"ended with status {self._process.returncode}", said)
        return usage.ru_utime + usage.ru_stime, said

    def failure(self, what: str, said: bytes = b"") -> SystemExit:
        """Return the error that ends a bench, with the last lines of what the process said."""
        self._errors.seek(0)
        lines = (said + self._errors.read()).decode(errors="replace").splitlines()[-20:]
        return SystemExit("\n".join([" ".join(self.command), what, *lines]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._timer.cancel()
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        for file in (self.input, self.output, self._errors):
            file.close()


def parser(description: str, rounds: int = 3) -> argparse.ArgumentParser:
    """Return a parser of the command line that knows ``--json F`` and ``--rounds N``."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", type=Path, metavar="F", help="write the figures to this file as well")
    made.add_argument("--rounds", type=int, metavar="N", default=rounds, help="runs of each subject (%(default)s)")
    return made


def report(arguments: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Write the figures where ``--json`` says, with what a reader needs to know about the host."""
    if arguments.json is None:
        return
    host = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()}
    text = json.dumps({"host": {**host, "python": platform.python_version()}, **figures}, indent=2)
    arguments.json.write_text(text + "\n")
