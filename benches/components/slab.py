"""How fast and how tight is the slab allocator beside glibc's malloc, jemalloc and mimalloc?

``cd benches && python -m components.slab`` runs this part alone. It wants a C compiler called ``cc`` and the libraries
of the peers (Debian: ``libjemalloc2 libmimalloc2.0``). All of them are driven by the same compiled loops, in turn, in
one process: CPU time of the threads that work.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from measure import interleave, ratio

from vmcore._fast.memory import slab
from vmcore._fast.memory.slabheap import SlabHeap
from vmcore.heap.monitor import FragmentationMonitor

HERE = Path(__file__).resolve().parent
JEMALLOC, MIMALLOC = "libjemalloc.so.2", "libmimalloc.so.2"
COUNT, LIVE, PHASES = 1_000_000, 48 << 20, 12
PEERS = ("jemalloc", "mimalloc")
HANDLES = "ours by handles"
Subject = tuple[ctypes.c_void_p, ctypes.c_void_p]


def build(folder: Path) -> Path:
    """Compile the loops."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("the slab bench wants a C compiler: apt-get install gcc")
    driver = folder / "slab_driver.so"
    command = [compiler, "-O2", "-shared", "-fPIC", str(HERE / "slab_driver.c"), "-o", str(driver), "-pthread"]
    subprocess.run(command, check=True)
    return driver


def _exported(name: str) -> ctypes.c_void_p:
    """Return the address of a function that ``slab.pxd`` declares."""
    capsule = vars(slab)["__pyx_capi__"][name]
    name_of, address_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    address_of.restype, address_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.c_void_p(address_of(capsule, name_of(capsule)))


def _subjects() -> dict[str, Subject]:
    def of(library: str, take: str, give: str) -> Subject:
        loaded = ctypes.CDLL(library)
        return ctypes.cast(loaded[take], ctypes.c_void_p), ctypes.cast(loaded[give], ctypes.c_void_p)

    return {
        "ours": (_exported("slab_alloc"), _exported("slab_free")),
        "glibc": of("libc.so.6", "malloc", "free"),
        "jemalloc": of(JEMALLOC, "malloc", "free"),
        "mimalloc": of(MIMALLOC, "mi_malloc", "mi_free"),
    }


def _loops(driver: ctypes.CDLL) -> dict[str, Callable[..., float]]:
    size, count, seed = ctypes.c_size_t, ctypes.c_long(COUNT), ctypes.c_uint64(88172645463325252)

    def loop(name: str, *arguments: Any) -> Callable[..., float]:
        function = driver[f"drive_{name}"]
        function.restype = ctypes.c_double
        return lambda subject: float(function(*subject, *arguments))

    loops = {f"pair of {n}": loop("pair", size(n), count) for n in (16, 256, 4096)}
    loops |= {f"1000 of {n}": loop("batch", size(n), count) for n in (16, 256, 1024, 4096)}
    loops["mixed sizes"] = loop("mixed", count, seed)
    loops["two threads"] = loop("threads", count)
    loops["handed over"] = loop("handover", count)
    loops["churn"] = loop("churn", ctypes.c_long(LIVE), ctypes.c_int(PHASES))
    return loops


def _churn_by_handles() -> float:
    """Churn as ``drive_churn`` does, with blocks that can be moved, and compact as the monitor finds it right.

    Returns the bytes that are held, those of the handles among them, for each live byte.
    """
    seed, mask = 0x2545F4914F6CDD1D, (1 << 64) - 1

    def draw() -> int:
        nonlocal seed
        seed ^= seed << 13 & mask
        seed ^= seed >> 7
        seed ^= seed << 17 & mask
        return seed

    before = slab.statistics().bytes
    heap, blocks, live = SlabHeap(), [], 0
    for phase in range(PHASES):
        least = 32 << phase % 5
        while live < LIVE and len(blocks) < LIVE // 16:
            size = least + draw() % (least * 3)
            blocks.append((heap.alloc(size), size))
            live += size
        for _ in range(len(blocks) * 4 // 5):
            place = draw() % len(blocks)
            blocks[place], blocks[-1] = blocks[-1], blocks[place]
            live -= blocks.pop()[1]
    monitor = FragmentationMonitor()
    monitor.register("heap", heap)
    monitor.sample()
    return (heap.statistics().held + slab.statistics().bytes - before) / live


def _measure(driver: str, what: str, rounds: int) -> None:
    """In the child: print nanoseconds of every loop, or the bytes that one subject holds after a churn."""
    if what == HANDLES:
        print(json.dumps(_churn_by_handles()))
        return
    loops, subjects = _loops(ctypes.CDLL(driver)), _subjects()
    churn = loops.pop("churn")
    if what != "speed":
        print(json.dumps(churn(subjects[what])))
        return
    results = {}
    for name, loop in loops.items():
        calls: dict[str, Callable[[], float]] = {
            subject: partial(loop, functions) for subject, functions in subjects.items()
        }
        # The first run takes memory from the system.
        interleave(1, calls)
        results[name] = interleave(rounds, calls)
    print(json.dumps(results))


def _child(driver: Path, what: str, rounds: int) -> Any:
    # jemalloc wants to be there when the process starts.
    environment = os.environ | {"LD_PRELOAD": JEMALLOC, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "components.slab", str(driver), what, str(rounds)]
    done = subprocess.run(
        command, cwd=HERE.parent, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode or "cannot be preloaded" in done.stderr:
        raise SystemExit(f"{done.stderr}the slab bench wants its peers: apt-get install libjemalloc2 libmimalloc2.0")
    return json.loads(done.stdout)


def run(rounds: int) -> dict[str, float]:
    """Measure everything `rounds` times in turn, print it, and return the ratios (speed: higher is better)."""
    with tempfile.TemporaryDirectory() as folder:
        driver = build(Path(folder))
        speed = _child(driver, "speed", rounds)
        # Each in a process of its own: what one leaves behind is no room for the next.
        churn = {name: _child(driver, name, 1) for name in ("ours", HANDLES, "glibc", *PEERS)}
    result: dict[str, float] = {}
    worst = ("", float("inf"))
    for name, times in speed.items():
        best = min(PEERS, key=lambda peer: median(times[peer]))
        value, least, most = ratio(times[best], times["ours"])
        middle = ", ".join(f"{subject} {median(values):.1f}" for subject, values in times.items())
        print(
            f"slab: {name:12} ns a block: {middle}; {best} / ours {value:.2f} ({least:.2f} to {most:.2f})", flush=True
        )
        result[f"slab.{name.replace(' ', '_')}"] = value
        # What another thread frees is told, and no part of the promise.
        if name != "handed over":
            worst = min(worst, (name, value), key=lambda one: one[1])
    result["slab.worst_vs_best_peer"] = worst[1]
    result["slab.mixed_vs_glibc"] = ratio(speed["mixed sizes"]["glibc"], speed["mixed sizes"]["ours"])[0]
    result["slab.churn_waste_vs_glibc"] = (churn["ours"] - 1) / (churn["glibc"] - 1)
    result["slab.churn_waste_by_handles_vs_glibc"] = (churn[HANDLES] - 1) / (churn["glibc"] - 1)
    print(f"slab: resident bytes a live byte after churn: {', '.join(f'{n} {v:.2f}' for n, v in churn.items())}")
    print(f"slab.worst_vs_best_peer {worst[1]:.2f} ({worst[0]})")
    print(f"slab.mixed_vs_glibc {result['slab.mixed_vs_glibc']:.2f}")
    print(f"slab.churn_waste_vs_glibc {result['slab.churn_waste_vs_glibc']:.2f}")
    print(f"slab.churn_waste_by_handles_vs_glibc {result['slab.churn_waste_by_handles_vs_glibc']:.2f}", flush=True)
    return result


if __name__ == "__main__":
    if len(sys.argv) == 4:
        _measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        run(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
