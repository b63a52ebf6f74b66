"""How fast is the ring queue beside boost's lock-free queue, and from Python beside queue.SimpleQueue?

``cd benches && python -m components.ring`` runs this part alone. It wants a C++20 compiler and boost's headers
(Debian: ``g++ libboost-dev``), and two processors.
"""

from __future__ import annotations

import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from measure import interleave, ratio

from vmcore._fast.ring import RingQueue

HERE = Path(__file__).resolve().parent
HEADERS = HERE.parents[1] / "vmcore" / "_fast"
PAIRS, BATCHED, MOVED, CALLS = 5_000_000, 6_400_000, 1_000_000, 300_000


def build(folder: Path) -> Path:
    """Compile the driver that moves numbers through either queue."""
    compiler = shutil.which("c++")
    if compiler is None:
        raise SystemExit("the ring bench wants a C++ compiler: apt-get install g++")
    driver = folder / "ring"
    command = [compiler, "-std=c++20", "-O2", f"-I{HEADERS}", str(HERE / "ring.cpp"), "-o", str(driver), "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        hint = "apt-get install libboost-dev\n" if "boost" in done.stderr else ""
        raise SystemExit(f"{hint}the driver of the ring bench cannot be compiled:\n{done.stderr}")
    return driver


def drive(driver: Path, subject: str, what: str, count: int) -> float:
    """Return nanoseconds an item."""
    done = subprocess.run([driver, subject, what, str(count)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"ring bench, {subject} {what}: {done.stderr}")
    return float(done.stdout)


def _ring(calls: int) -> float:
    ring: RingQueue[None] = RingQueue(1024)
    start = time.thread_time()
    for _ in range(calls):
        ring.push(None)
        ring.pop()
    return time.thread_time() - start


def _queue(make: Callable[[], queue.SimpleQueue[None] | queue.Queue[None]], calls: int) -> float:
    peer = make()
    start = time.thread_time()
    for _ in range(calls):
        peer.put(None)
        peer.get()
    return time.thread_time() - start


def _show(what: str, results: dict[str, list[float]]) -> None:
    middle = ", ".join(f"{name} {median(values):.2f}" for name, values in results.items())
    print(f"ring: {what:32} ns an item: {middle}", flush=True)


def run(rounds: int) -> dict[str, float]:
    """Measure everything `rounds` times in turn, print it, and return the speed ratios (higher is better)."""
    with tempfile.TemporaryDirectory() as folder:
        driver = build(Path(folder))
        moves = {
            name: interleave(rounds, {peer: partial(drive, driver, peer, name, count) for peer in peers})
            for name, count, peers in (
                ("pair", PAIRS, ("ours", "boost", "boost-spsc")),
                ("threads", MOVED, ("ours", "boost", "boost-spsc")),
                ("batch", BATCHED, ("ours", "boost-spsc")),
            )
        }
    _show("push and pop on one thread", moves["pair"])
    _show("one producer, one consumer", moves["threads"])
    _show("batches of 64 in and out", moves["batch"])
    python = interleave(
        rounds,
        {
            "ours": lambda: _ring(CALLS) / CALLS * 1e9,
            "SimpleQueue": lambda: _queue(queue.SimpleQueue, CALLS) / CALLS * 1e9,
            "Queue": lambda: _queue(queue.Queue, CALLS // 10) / (CALLS // 10) * 1e9,
        },
    )
    _show("push and pop from Python", python)
    figures = {
        "ring.pair_vs_boost": moves["pair"]["boost"], "ring.spsc_vs_boost": moves["threads"]["boost"],
        "ring.python_vs_simplequeue": python["SimpleQueue"],
    }  # fmt: skip
    ours = (moves["pair"]["ours"], moves["threads"]["ours"], python["ours"])
    result = {}
    for (name, peer), mine in zip(figures.items(), ours, strict=True):
        result[name], least, most = ratio(peer, mine)
        print(f"{name} {result[name]:.2f} ({least:.2f} to {most:.2f})", flush=True)
    result["ring.batch64_ns"] = median(moves["batch"]["ours"])
    return result


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
