"""How fast does the managed heap mark, how long does it stop a mutator, what does a write barrier cost?

``cd benches && python -m components.gc`` runs this part alone. The peer is Boehm's collector; it wants a C compiler and
its headers (Debian: ``gcc libgc-dev``). Every time is CPU time of the thread it is about: what other processes do to
the host is not in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from measure import interleave, ratio

from vmcore._fast.gc.exercise import churn, graph, store_loop
from vmcore.heap import ManagedHeap

HERE = Path(__file__).resolve().parent
OBJECTS, CHURNED, MARKS, STORES = 1_000_000, 5_000_000, 5, 1_000_000
SHAPES = {"tree": "binary tree", "linked": "binary tree with random links"}
BARRIERS = ("satb", "insert", "card")
# Nanoseconds of other work between two stores.
WORK_NS = 20.0


def build(folder: Path) -> Path:
    """Compile the driver of Boehm's collector."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("the gc bench wants a C compiler: apt-get install gcc")
    driver = folder / "boehm"
    command = [compiler, "-O2", str(HERE / "gc_boehm.c"), "-o", str(driver), "-lgc"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        hint = "apt-get install libgc-dev\n" if "gc.h" in done.stderr or "lgc" in done.stderr else ""
        raise SystemExit(f"{hint}the driver of the gc bench cannot be compiled:\n{done.stderr}")
    return driver


def boehm(driver: Path, *words: object, **environment: str) -> list[float]:
    """Return the nanoseconds that the driver prints."""
    command = [str(driver), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    if done.returncode:
        raise SystemExit(f"gc bench, {' '.join(command[1:])}: {done.stderr}")
    return [float(line) for line in done.stdout.split()]


@contextmanager
def cycling(heap: ManagedHeap) -> Iterator[None]:
    """Collect all the time, on a thread of its own."""
    over = threading.Event()

    def collect() -> None:
        while not over.is_set():
            heap.collect()

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def our_mark(shape: str) -> float:
    """Return nanoseconds an object, of one marker."""
    with ManagedHeap("512M", markers=1) as heap:
        kept = graph(heap, OBJECTS, links=shape == "linked")
        heap.collect()
        cycles = [heap.collect() for _ in range(MARKS)]
        del kept
        return median(cycle.mark_ns / cycle.marked for cycle in cycles)


def boehm_mark(driver: Path, shape: str) -> float:
    """Return nanoseconds an object, of one marker."""
    return median(boehm(driver, shape, OBJECTS, MARKS, GC_MARKERS="1")) / OBJECTS


def our_pause(barrier: str) -> float:
    """Return the longest stop of a mutator, in milliseconds; a wait for memory is one."""
    with ManagedHeap("1G", barrier=barrier) as heap:
        met = churn(heap, CHURNED, live=OBJECTS)
        cycles = len(heap.cycles())
    if not cycles:
        raise SystemExit("gc bench: no cycle ran while objects were churned")
    return max(met.longest_stop_ns, met.stall_ns) / 1e6


def boehm_pause(driver: Path, incremental: str) -> float:
    """Return the longest stop of the world, in milliseconds."""
    return boehm(driver, f"churn{incremental}", CHURNED, OBJECTS)[0] / 1e6


def _rounds_of_work(heap: ManagedHeap) -> int:
    """Return how many rounds of work take as long as WORK_NS."""
    base = min(store_loop(heap, STORES // 4, 1, False) for _ in range(5))
    more = min(store_loop(heap, STORES // 4, 17, False) for _ in range(5))
    return max(1, round(WORK_NS * (STORES // 4) * 16 / (more - base)))


def overhead(barrier: str, rounds: int) -> float:
    """Return the per cent of time that stores through `barrier` add to a mutator while the collector cycles."""
    with ManagedHeap("512M", barrier=barrier, markers=1) as heap:
        kept = graph(heap, OBJECTS)
        work = _rounds_of_work(heap)
        with cycling(heap):
            store = {name: partial(store_loop, heap, STORES, work, name == "barrier") for name in ("barrier", "plain")}
            times = interleave(rounds * 5, store)
        del kept
    middle, least, most = ratio(times["barrier"], times["plain"])
    added = (middle - 1) * 100
    plain = median(times["plain"]) / STORES
    spread = f"{(least - 1) * 100:.1f} to {(most - 1) * 100:.1f}"
    print(f"gc: barrier {barrier:6} {added:5.1f} % ({spread}) on {plain:.1f} ns a store", flush=True)
    return added


def run(rounds: int) -> dict[str, float]:
    """Measure everything `rounds` times in turn, print it, and return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        driver = build(Path(folder))
        marks = {
            shape: interleave(rounds, {"ours": partial(our_mark, shape), "Boehm": partial(boehm_mark, driver, shape)})
            for shape in SHAPES
        }
        pauses = interleave(
            rounds,
            {barrier: partial(our_pause, barrier) for barrier in BARRIERS}
            | {"Boehm": partial(boehm_pause, driver, ""), "Boehm incremental": partial(boehm_pause, driver, "-inc")},
        )
    speeds = {}
    for shape, times in marks.items():
        speeds[shape], least, most = ratio(times["Boehm"], times["ours"])
        millions = ", ".join(f"{name} {1e3 / median(values):.1f}" for name, values in times.items())
        print(f"gc: M objects of a {SHAPES[shape]} marked a second by one thread: {millions}; "
              f"{speeds[shape]:.2f} times ({least:.2f} to {most:.2f})", flush=True)  # fmt: skip
    shown = ", ".join(f"{name} {max(values):.3f}" for name, values in pauses.items())
    print(f"gc: longest stop of a mutator while {CHURNED} objects churn, ms: {shown}", flush=True)
    added = max(overhead(barrier, rounds) for barrier in BARRIERS)
    result = {
        "gc.mark_vs_boehm": min(speeds.values()),
        "gc.max_pause_ms": max(max(pauses[barrier]) for barrier in BARRIERS),
        "gc.barrier_overhead_pct": added,
    }
    for name, value in result.items():
        print(f"{name} {value:.3f}", flush=True)
    return result


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
