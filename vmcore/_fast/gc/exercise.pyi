from typing import NamedTuple

from vmcore._fast.gc.heap import Handle, HeapBase

class Mutated(NamedTuple):
    graph: Handle
    wrong: int
    reachable: int
    checked: int
    stores_while_marking: int
    allocs_while_marking: int

class Churned(NamedTuple):
    longest_stop_ns: int
    stops: int
    stalls: int
    stall_ns: int
    longest_step_ns: int
    cpu_ns: int

def mutate(
    heap: HeapBase,
    steps: int,
    seed: int = 1,
    nodes: int = 10_000,
    roots: int = 64,
    check_every: int = 100_000,
    barrier: bool = True,
) -> Mutated: ...
def churn(heap: HeapBase, objects: int, live: int = 10_000, roots: int = 0, seed: int = 1) -> Churned: ...
def store_loop(heap: HeapBase, stores: int, rounds: int, barrier: bool, objects: int = 4096) -> int: ...
def graph(heap: HeapBase, n: int, seed: int = 1, links: bool = True) -> Handle: ...
