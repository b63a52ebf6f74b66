"""What does colouring the interference graph save, beside linear scan? Spills, copies and the speed of each kernel.

Every kernel runs on the bare machine. The regions that it has in the end are compiled once more, up to register
allocation, and allocated in both ways, with the same costs, wishes, rematerialisation and fixed registers. What is
spilled is counted as often as its block is executed for one entry of the region (the compiler's own estimate: ten times
for each loop). Then the kernel runs with each allocator in turn; what is timed is the second half of its instructions,
in which most regions are there, on its own thread.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from pathlib import Path
from statistics import mean
from typing import Any

from measure import geomean, interleave, parser, ratio, report

import guests
import vmcore
from vmcore._fast.jit.t2.allocface import Allocated
from vmcore._fast.jit.t2.explain import explain_region
from vmcore.machine.stop import StopReason

ALLOCATOR = "VMCORE_JIT_ALLOCATOR"
# As the environment variable calls them, and as allocation does.
WAYS = {"colouring": "colouring", "scan": "linear"}
# Virtual seconds.
LIMIT = 3600.0
# Figures of a region that are summed up.
SUMS = ("ranges", "spilled", "spill_weight", "copy_weight", "ns")
# Of each allocation; the fastest one counts.
REPEATS = 5
WANTED_LESS = 60.0
SLOWER = 0.97


@contextmanager
def started(elf: Path, allocator: str) -> Iterator[vmcore.Machine]:
    """Give a machine with a kernel in it whose regions are allocated in one way."""
    before = os.environ.get(ALLOCATOR)
    os.environ[ALLOCATOR] = allocator
    try:
        vm = vmcore.Machine("virt", ram="128M", bios="none", kernel=str(elf))
    finally:
        if before is None:
            del os.environ[ALLOCATOR]
        else:
            os.environ[ALLOCATOR] = before
    with vm:
        yield vm


def finish(vm: vmcore.Machine) -> None:
    """Run a kernel to its end, which has to be the right one."""
    stop = vm.run(timeout=LIMIT)
    if stop.reason not in (StopReason.EXIT, StopReason.POWEROFF) or stop.code != 0:
        raise SystemExit(f"the guest ended with {stop}")


def regions(elf: Path) -> tuple[int, list[dict[str, Any]]]:
    """Run a kernel; return how many instructions it has, and its regions with the figures of both allocators."""
    with started(elf, "colouring") as vm:
        finish(vm)
        made, isa, insns = vm.core.regions(), vm.isa.mask, vm.stats()["instructions"]
    found = []
    for page, header, warm, more, jumps in made:
        stages = explain_region(page, isa, header, warm=warm, more=more, jumps=jumps).get("stages")
        if stages is None:
            continue
        # The last stage but selection, which allocation begins with.
        text = "".join(f"{line}\n" for _, line in stages[-2][2])
        figures = {way: min((Allocated(text, name).figures for _ in range(REPEATS)), key=itemgetter("ns"))
                   for way, name in WAYS.items()}  # fmt: skip
        found.append({"header": header, **figures})
    return insns, found


def seconds(elf: Path, insns: int, allocator: str) -> float:
    """Return the seconds of the second half of a kernel."""
    with started(elf, allocator) as vm:
        vm.run(max_insns=insns // 2)
        begin = time.thread_time()
        finish(vm)
        return time.thread_time() - begin


def less(figures: dict[str, dict[str, float]]) -> float | None:
    """Return how many percent less colouring spills; None where linear scan spills nothing."""
    if not figures["scan"]["spill_weight"]:
        return None
    return 100 * (1 - figures["colouring"]["spill_weight"] / figures["scan"]["spill_weight"])


class Table:
    """The rows, printed as they are made."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        print(f"{'':15} {'':7} {'most':>8} {'spills for one entry':>30} {'copies':>19} {'us/100 ranges':>15}")
        print(f"{'kernel':15} {'regions':>7} {'pressure':>8} {'colouring':>11} {'scan':>11} {'less':>6} "
              f"{'colouring':>9} {'scan':>9} {'colour.':>7} {'scan':>7}  speed")  # fmt: skip

    def kernel(self, name: str, elf: Path, rounds: int) -> None:
        """Allocate the regions of a kernel, and run it."""
        insns, made = regions(elf)
        if not made:
            print(f"{name:15} {0:7}")
            return
        sums = {way: {key: sum(one[way][key] for one in made) for key in SUMS} for way in WAYS}
        pressure = max(one["colouring"]["pressure"] for one in made)
        took = interleave(rounds, {way: partial(seconds, elf, insns, way) for way in WAYS})
        speed = ratio(took["scan"], took["colouring"])
        saved = less(sums)
        self.rows[name] = {"pressure": pressure, **sums, "less_pct": saved, "speed": speed, "seconds": took,
                           "regions": made}  # fmt: skip
        mine, other = sums["colouring"], sums["scan"]
        effort = [sums[way]["ns"] / sums[way]["ranges"] / 10 for way in WAYS]
        print(f"{name:15} {len(made):7} {pressure:8} {mine['spill_weight']:11.1f} {other['spill_weight']:11.1f} "
              f"{'' if saved is None else f'{saved:.0f} %':>6} {mine['copy_weight']:9.0f} {other['copy_weight']:9.0f} "
              f"{effort[0]:7.0f} {effort[1]:7.0f}  {speed[0]:.2f} ({speed[1]:.2f}-{speed[2]:.2f})"
              f"{'  slower' if speed[0] < SLOWER else ''}", flush=True)  # fmt: skip

    def summary(self) -> dict[str, float]:
        """Print what all kernels together say, and return it."""
        spilling = [row for row in self.rows.values() if row["less_pct"] is not None]
        if not spilling:
            return {}
        sums = {way: {"spill_weight": sum(row[way]["spill_weight"] for row in spilling)} for way in WAYS}
        found = {"less_pct_sum": less(sums) or 0.0, "less_pct_mean": mean(row["less_pct"] for row in spilling),
                 "speed": geomean(row["speed"][0] for row in self.rows.values())}  # fmt: skip
        for what, key in (("each as much as it spills", "less_pct_sum"), ("all alike", "less_pct_mean")):
            mark = "" if found[key] >= WANTED_LESS else f"  under {WANTED_LESS:.0f} %"
            print(f"{len(spilling)} kernels that spill, {what}: {found[key]:.1f} % less{mark}")
        print(f"speed of colouring to scan, geometric mean: {found['speed']:.3f}")
        return found


def main() -> None:
    """Build, allocate, run, print."""
    options = parser(__doc__ or "", rounds=5)
    options.add_argument("--only", nargs="+", metavar="KERNEL", default=guests.kernels(), help="some kernels")
    arguments = options.parse_args()
    unknown = set(arguments.only) - set(guests.kernels())
    if unknown:
        raise SystemExit(f"no kernel is called {', '.join(sorted(unknown))}; there are {', '.join(guests.kernels())}")
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            table.kernel(name, guests.build(name, Path(folder)), arguments.rounds)
    report(arguments, {"kernels": table.rows, "all": table.summary()})


if __name__ == "__main__":
    main()
