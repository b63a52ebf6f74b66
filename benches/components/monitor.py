"""What does a compaction win after a churn, and how long does it take?

``cd benches && python -m components.monitor`` runs this part alone.
"""

from __future__ import annotations

import random
import sys
import time
from statistics import median

from vmcore._fast.memory.slabheap import SlabBuffer, SlabHeap
from vmcore.heap.monitor import Event, FragmentationMonitor

BLOCKS, LEFT = 120_000, 12_000


def churn(heap: SlabHeap, seed: int) -> list[tuple[SlabBuffer, int]]:
    """Fill a heap with blocks of mixed sizes and leave one of ten, at random, with a byte that each is full of."""
    draw = random.Random(seed)
    blocks = []
    for _ in range(BLOCKS):
        low = 16 << draw.randrange(8)
        block, value = heap.alloc(low + draw.randrange(low)), draw.randrange(256)
        with memoryview(block) as view:
            view[:] = bytes([value]) * len(view)
        blocks.append((block, value))
    draw.shuffle(blocks)
    return blocks[:LEFT]


def run(rounds: int) -> dict[str, float]:
    """Churn and compact `rounds` times; return 1 where each time the ratio and the bytes fell by half or more."""
    halves, costs, back = True, [], []
    for seed in range(rounds):
        heap = SlabHeap()
        kept = churn(heap, seed)
        monitor = FragmentationMonitor()
        monitor.register("heap", heap)
        events: list[Event] = []
        monitor.on_event(events.append)
        start = time.thread_time()
        monitor.sample()
        costs.append((time.thread_time() - start) * 1e3)
        _, before, after = next(event for event in events if event.kind == "compacted")[1:]
        for block, value in kept:
            with memoryview(block) as view:
                if view != bytes([value]) * len(view):
                    raise SystemExit("a compaction changed a block")
        halves &= before.ratio > 0.5 and after.ratio <= before.ratio / 2 and after.held <= before.held / 2
        back.append(1 - after.held / before.held)
        print(
            f"monitor: {LEFT} blocks of {BLOCKS} left: ratio {before.ratio:.3f} to {after.ratio:.3f}, "
            f"{before.held >> 20} MiB to {after.held >> 20}, {costs[-1]:.0f} ms",
            flush=True,
        )
    result = {
        "monitor.compaction_halves": float(halves),
        "monitor.bytes_back_pct": 100 * median(back),
        "monitor.compaction_ms": median(costs),
    }
    print(f"monitor.compaction_halves {result['monitor.compaction_halves']:.0f}", flush=True)
    return result


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
