"""What the benches share: interleaved runs, CPU seconds of a child process, the report."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any


def interleave(rounds: int, subjects: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Measure each subject once a round, one after the other, so that the host's moods hit all of them alike."""
    results: dict[str, list[float]] = {name: [] for name in subjects}
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


def child_seconds(command: Sequence[str], expect: int = 0, **options: Any) -> float:
    """Run a command and return the CPU seconds, user and system, that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != expect:
        raise SystemExit(f"{' '.join(command)}\nended with status {done.returncode}:\n{done.stderr.decode()}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def options(description: str, **defaults: Any) -> argparse.Namespace:
    """Read ``--json F`` and ``--rounds N`` from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to this file as well")
    parser.add_argument("--rounds", type=int, default=defaults.pop("rounds", 3), help="runs of each subject")
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", nargs="*", default=value)
    return parser.parse_args()


def report(arguments: argparse.Namespace, figures: dict[str, Any]) -> None:
    """Write the figures where ``--json`` says, with what a reader needs to know about the host."""
    if arguments.json is None:
        return
    host = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()}
    text = json.dumps({"host": {**host, "python": platform.python_version()}, **figures}, indent=2)
    arguments.json.write_text(text + "\n")
