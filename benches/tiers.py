"""Is anything slower with regions than without? Each kernel under Debian's kernel, with two tiers, in turns.

Of each kernel two processes boot, on one processor. Then they take turns of some million instructions until both
kernels are done: a host whose speed changes from second to second slows both. What is compared are the CPU seconds of
those turns, those of all threads, from the moment when the guest is at rest. With ``--times 1`` they hold all that it
takes to get hot.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from measure import Child, parser, report
from subjects import Guests, Vmcore

import guests

TURN = 8_000_000
# Beside these a row counts as slower.
SLOWER = 1.03


def start(vmcore: Vmcore, name: str, cache: Path) -> Child:
    """Start a process that boots, says so, and then runs a turn for each line that it gets."""
    cache.mkdir()
    order = json.dumps({"machine": vmcore.machine(name), "turn": TURN})
    script = Path(__file__).with_name("in_turns.py")
    return Child([sys.executable, str(script), order], VMCORE_CACHE=str(cache))


def answer(child: Child) -> dict[str, Any]:
    """Return what a process says next."""
    line = child.output.readline()
    if not line:
        raise child.failure("it ended before its kernel did")
    said: dict[str, Any] = json.loads(line)
    return said


def compare(subjects: list[Vmcore], name: str) -> list[float]:
    """Run a kernel in each, in turns; return their seconds."""
    seconds = [0.0] * len(subjects)
    with tempfile.TemporaryDirectory() as folder:
        children = [start(subject, name, Path(folder) / str(i)) for i, subject in enumerate(subjects)]
        try:
            for child in children:
                answer(child)
            left = list(range(len(children)))
            while left:
                for i in tuple(left):
                    children[i].input.write(b"\n")
                    children[i].input.flush()
                    said = answer(children[i])
                    seconds[i] = said["seconds"]
                    if said["done"]:
                        left.remove(i)
                # Who goes first is not always the same.
                left.reverse()
            for child in children:
                child.wait()
        finally:
            for child in children:
                child.__exit__(None, None, None)
    return seconds


def main() -> None:
    options = parser(__doc__.splitlines()[0], rounds=5)
    options.add_argument("--only", nargs="+", default=[], metavar="ROW", help="kernels")
    options.add_argument("--tiers", nargs=2, default=["auto", "t1"], metavar="TIER", help="(auto t1)")
    options.add_argument("--times", type=int, default=1, metavar="N", help="how often a kernel runs (%(default)s)")
    arguments = options.parse_args()
    names = guests.kernels(hosted=True)
    only = [name.replace("-", "_") for name in arguments.only]
    unknown = set(only) - set(names)
    if unknown:
        raise SystemExit(f"no row is called {', '.join(sorted(unknown))}; rows are {', '.join(names)}")
    if arguments.times < 1 or arguments.rounds < 2:
        raise SystemExit("a kernel runs once at least, and two rounds are the least that tell how far they are apart")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows: dict[str, Any] = {}
    first, second = arguments.tiers
    print(f"{'kernel':15} {first + ' s':>9} {second + ' s':>9}  time with {first} by that with {second}")
    with tempfile.TemporaryDirectory() as folder:
        made = Guests(Path(folder), "linux", arguments.times)
        subjects = [Vmcore(made, tier) for tier in arguments.tiers]
        for name in [name for name in names if not only or name in only]:
            took = [compare(subjects, name) for _ in range(arguments.rounds)]
            ratios = [a / b for a, b in took]
            middle, average, error = median(ratios), mean(ratios), stdev(ratios) / len(ratios) ** 0.5
            seconds = [median(column) for column in zip(*took, strict=True)]
            rows[name] = {"seconds": took, "ratio": middle, "mean": average, "error": error}
            verdict = f"{middle:.3f} (mean {average:.3f} +- {error:.3f}){'  slower' if middle > SLOWER else ''}"
            print(f"{name:15} {seconds[0]:9.3f} {seconds[1]:9.3f}  {verdict}", flush=True)
    report(arguments, {"tiers": arguments.tiers, "times": arguments.times, "rows": rows})


if __name__ == "__main__":
    main()
