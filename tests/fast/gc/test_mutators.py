"""Compiled mutators on several threads while cycles run: nothing live is lost, nothing dead stays."""

import time
from functools import partial

import pytest
from support.heaps import BARRIERS, cycling, in_threads

from vmcore._fast.gc.exercise import churn, graph, mutate, store_loop
from vmcore.errors import ClosedError, ConfigError, HeapExhausted
from vmcore.heap import ManagedHeap


@pytest.fixture(params=BARRIERS)
def barrier(request):
    return request.param


@pytest.mark.parametrize("markers", [1, 3])
def test_random_mutation_loses_nothing_live_and_keeps_nothing_dead(barrier, markers):
    with ManagedHeap("64M", barrier=barrier, markers=markers) as heap:
        with cycling(heap):
            done = in_threads(
                *(lambda n=n: mutate(heap, 150_000, seed=n, nodes=8000, check_every=25_000) for n in range(3))
            )
        assert [one.wrong for one in done] == [0, 0, 0]
        assert all(one.checked > 10_000 for one in done)
        # Floating garbage of the last cycle goes with the next one.
        assert heap.collect().live == sum(one.reachable for one in done) + len(done)
        del done
        assert heap.collect().live == 0


def test_mutators_allocate_and_store_during_one_mark(barrier):
    with ManagedHeap("256M", barrier=barrier) as heap:
        kept = graph(heap, 300_000)
        with cycling(heap):
            done = mutate(heap, 300_000)
        busy = max(heap.cycles(), key=lambda cycle: cycle.allocated)
        assert busy.allocated > 1000 and busy.marked >= 300_000
        assert done.stores_while_marking > 1000 and done.allocs_while_marking > 1000
        assert done.wrong == 0 and len(kept) == 3


def test_without_a_barrier_the_shadow_copy_finds_what_was_lost():
    """The other tests would notice: fields that are written past the barrier lose objects.

    It is noticed when a cycle has ended without the mark of one that can be reached, before its memory is another's.
    """
    wrong = 0
    for seed in range(20):
        with ManagedHeap("64M", barrier="insert") as heap, cycling(heap):
            wrong += mutate(heap, 300_000, seed=seed, barrier=False).wrong
        if wrong:
            break
    assert wrong


def test_a_million_roots_are_scanned_while_their_owner_goes_on(barrier):
    with ManagedHeap("256M", barrier=barrier) as heap:
        with cycling(heap):
            stops = churn(heap, 300_000, live=20_000, roots=1_000_000)
        # It allocated black while the chunks below its top one were looked at.
        assert stops.stops > 10 and stops.stalls == 0
        assert max(cycle.allocated for cycle in heap.cycles()) > 1000
        assert heap.collect().live == 0


def test_threads_share_one_heap_and_memory_is_used_again(barrier):
    with ManagedHeap("32M", barrier=barrier) as heap:
        in_threads(*(lambda seed=seed: churn(heap, 600_000, live=5000, seed=seed) for seed in range(3)))
        assert heap.stats().held_bytes <= 32 << 20
        assert heap.stats().swept > 1_000_000
        assert heap.collect().live == heap.stats().live == 0


def test_markers_steal(barrier):
    with ManagedHeap("256M", barrier=barrier, markers=2) as heap:
        kept = graph(heap, 400_000)
        cycles = [heap.collect() for _ in range(20)]
        assert {cycle.marked for cycle in cycles} == {400_000}
        assert sum(cycle.stolen for cycle in cycles) > 0
        assert kept[0] is not None


def test_what_short_mutators_fill_while_a_cycle_ends_is_not_swept(barrier):
    """Blocks that a mutator swept, filled and gave back before the collector came to them were swept a second time."""

    def fill(heap):
        return [graph(heap, 100) for _ in range(1500)]

    for _ in range(10):
        with ManagedHeap("16M", barrier=barrier) as heap:
            with cycling(heap):
                kept = in_threads(partial(fill, heap), partial(fill, heap))
            assert heap.collect().live == 2 * 1500 * 100
            del kept
            assert heap.collect().live == 0


def test_cells_that_short_mutators_leave_half_used_runs_of_are_empty_for_the_next(barrier):
    """Such a run was zeroed again when it was taken again, while a scanner of cards that had seen its marks read it."""

    def one_after_another(heap, first):
        return [mutate(heap, 400, seed=first + n, nodes=100, check_every=50) for n in range(150)]

    with ManagedHeap("16M", barrier=barrier) as heap:
        with cycling(heap):
            first, second = in_threads(partial(one_after_another, heap, 0), partial(one_after_another, heap, 1000))
        done = first + second
        assert [one.wrong for one in done] == [0] * 300
        assert heap.collect().live == sum(one.reachable for one in done) + len(done)
        del done, first, second
        assert heap.collect().live == 0


def test_a_full_heap_says_so_and_recovers(barrier):
    with ManagedHeap("8M", barrier=barrier) as heap:
        with pytest.raises(HeapExhausted, match="8388608 bytes"):
            churn(heap, 1_000_000, live=400_000)
        with pytest.raises(HeapExhausted):
            graph(heap, 1_000_000)
        assert heap.collect().live == 0
        churn(heap, 100_000, live=1000)


def test_stores_in_a_loop_keep_their_objects():
    with ManagedHeap("64M") as heap:
        with cycling(heap):
            assert store_loop(heap, 200_000, 4, True) > 0
            assert store_loop(heap, 200_000, 4, False) > 0
        assert heap.collect().live == 0


def test_wrong_numbers_are_refused():
    heap = ManagedHeap("4M")
    for call in (
        lambda: mutate(heap, 10, nodes=0),
        lambda: mutate(heap, 10, check_every=0),
        lambda: churn(heap, 10, live=0),
        lambda: graph(heap, 0),
        lambda: store_loop(heap, 10, 1, True, objects=1),
    ):
        with pytest.raises(ConfigError):
            call()
    heap.close()
    with pytest.raises(ClosedError):
        churn(heap, 10)


def soak(barrier, seconds):
    end = time.monotonic() + seconds
    seed = 1
    with ManagedHeap("96M", barrier=barrier, markers=2) as heap:
        # Once at least, however slow the host is.
        while seed == 1 or time.monotonic() < end:
            with cycling(heap):
                done = in_threads(
                    partial(mutate, heap, 1_000_000, seed=seed * 8, nodes=100_000),
                    partial(mutate, heap, 1_000_000, seed=seed * 8 + 1, nodes=100_000),
                    partial(churn, heap, 500_000, live=20_000, roots=seed * 997 % 100_000, seed=seed),
                )[:2]
            assert [one.wrong for one in done] == [0, 0]
            assert heap.collect().live == sum(one.reachable for one in done) + len(done)
            del done
            assert heap.collect().live == 0
            seed += 1


@pytest.mark.slow
def test_soak_short(barrier):
    soak(barrier, 10)


@pytest.mark.soak
def test_soak(barrier):
    soak(barrier, 600)
