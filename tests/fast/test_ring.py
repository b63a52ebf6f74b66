"""The bounded queue of objects: order, full and empty, references, the collector, closing, many threads at once."""

import gc
import sys
import threading
import weakref
from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore._fast.memory import alloc
from vmcore._fast.ring import RingQueue
from vmcore.errors import ClosedError, ConfigError


@pytest.mark.parametrize("asked, got", [(2, 2), (3, 4), (4, 4), (5, 8), (1000, 1024)])
def test_capacity_is_the_next_power_of_two(asked, got):
    queue = RingQueue(asked)
    assert queue.capacity == got
    assert queue.push_many(range(got + 5)) == got
    assert queue.full and not queue.push("more")
    assert queue.pop_many() == list(range(got))
    assert queue.empty and queue.pop() is None


@pytest.mark.parametrize("capacity", [-1, 0, 1, (1 << 24) + 1, 1 << 70])
def test_a_capacity_out_of_range_says_what_is_allowed(capacity):
    with pytest.raises(ConfigError, match="2 to 16777216"):
        RingQueue(capacity)


def test_an_empty_queue_gives_the_default():
    queue = RingQueue(4)
    marker = object()
    assert queue.pop(marker) is marker
    queue.push(None)
    assert queue.pop(marker) is None


@given(st.integers(2, 20), st.lists(st.tuples(st.booleans(), st.integers(0, 12))))
def test_it_is_a_queue_with_a_limit(capacity, steps):
    queue = RingQueue(capacity)
    model = deque()
    serial = 0
    for push, n in steps:
        if push:
            items = list(range(serial, serial + n))
            serial += n
            accepted = queue.push_many(items)
            assert accepted == min(n, queue.capacity - len(model))
            model.extend(items[:accepted])
        else:
            expected = [model.popleft() for _ in range(min(n, len(model)))]
            assert queue.pop_many(n) == expected
        assert len(queue) == len(model)
        assert queue.empty == (not model) and queue.full == (len(model) == queue.capacity)


def test_more_than_a_batch_and_many_rounds():
    queue = RingQueue(256)
    for _ in range(40):
        assert queue.push_many(range(200)) == 200
        assert queue.pop_many(150) == list(range(150))
        assert queue.pop_many() == list(range(150, 200))


def test_a_negative_number_is_refused():
    with pytest.raises(ConfigError, match="most=-1"):
        RingQueue(2).pop_many(-1)


def test_closing_refuses_pushes_and_keeps_what_is_in():
    queue = RingQueue(4)
    queue.push_many("ab")
    assert not queue.closed and not queue.drained
    queue.close()
    queue.close()
    for push in (lambda: queue.push("c"), lambda: queue.push_many("cd")):
        with pytest.raises(ClosedError):
            push()
    assert queue.closed and not queue.drained and len(queue) == 2
    assert queue.pop() == "a" and queue.pop_many() == ["b"]
    assert queue.drained


class _Thing:
    pass


def test_references_are_held_while_inside_and_not_longer():
    queue = RingQueue(2)
    things = [_Thing() for _ in range(3)]
    refs = [weakref.ref(thing) for thing in things]
    assert queue.push_many(things) == 2
    del things
    gc.collect()
    # The third had no room.
    assert refs[0]() is not None and refs[1]() is not None and refs[2]() is None
    assert queue.pop() is refs[0]()
    assert refs[0]() is None
    del queue
    gc.collect()
    assert refs[1]() is None


def test_reference_counts_stay_exact():
    queue = RingQueue(2)
    thing = _Thing()
    count = sys.getrefcount(thing)
    for _ in range(10):
        assert queue.push(thing) and queue.push(thing) and not queue.push(thing)
        assert queue.push_many([thing] * 3) == 0
        assert queue.pop() is thing and queue.pop_many() == [thing]
    assert sys.getrefcount(thing) == count


class _Holder:
    def __init__(self):
        self.queue = RingQueue(8)


def test_the_collector_looks_into_the_cells():
    holder = _Holder()
    # Beyond the first round, so that the cells in use are not the first ones.
    for _ in range(13):
        holder.queue.push(None)
        holder.queue.pop()
    assert holder.queue.push_many([holder, "other", holder]) == 3
    assert gc.is_tracked(holder.queue)
    assert [r for r in gc.get_referents(holder.queue) if r is holder or r == "other"] == [holder, "other", holder]
    gone = weakref.ref(holder)
    before = alloc.live()
    del holder
    gc.collect()
    assert gone() is None
    assert alloc.live().blocks == before.blocks - 1


def test_what_is_taken_out_is_not_seen_any_more():
    queue = RingQueue(4)
    thing = _Thing()
    queue.push(thing)
    queue.pop()
    assert thing not in gc.get_referents(queue)


def test_the_collector_frees_only_what_nobody_reaches():
    queue = RingQueue(4)
    inside = _Holder()
    inside.queue.push(inside)
    queue.push(inside)
    gone = weakref.ref(inside)
    del inside
    gc.collect()
    assert gone() is queue.pop()
    gc.collect()
    assert gone() is None


def test_an_iterable_that_fails_leaves_nothing_behind():
    queue = RingQueue(4)
    thing = _Thing()
    count = sys.getrefcount(thing)

    def fails():
        yield thing
        raise KeyError

    with pytest.raises(KeyError):
        queue.push_many(fails())
    assert queue.empty and sys.getrefcount(thing) == count


def test_queues_in_queues_are_freed_without_a_deep_stack():
    queue = RingQueue(2)
    for _ in range(100_000):
        outer = RingQueue(2)
        outer.push(queue)
        queue = outer
    gc.collect()
    before = alloc.live()
    del queue, outer
    assert alloc.live().blocks <= before.blocks - 100_000


def test_the_type_takes_a_parameter_for_annotations():
    assert RingQueue[bytes].__origin__ is RingQueue


def test_a_subclass_is_collected_as_well():
    class Named(RingQueue):
        pass

    queue = Named(2)
    queue.name = "mine"
    queue.push(queue)
    gone = weakref.ref(queue)
    del queue
    gc.collect()
    assert gone() is None


def test_the_cells_are_given_back():
    gc.collect()
    before = alloc.live()
    queue = RingQueue(1024)
    queue.push_many(range(100))
    # Sixteen bytes a cell, and a line to begin on a boundary.
    assert alloc.live().bytes == before.bytes + 1024 * 16 + 64
    del queue
    assert alloc.live() == before


@pytest.mark.parametrize("capacity", [2, 8, 1024])
@pytest.mark.parametrize("batch", [1, 7])
def test_threads_lose_nothing_and_keep_each_producer_in_order(capacity, batch):
    producers, consumers, each = 3, 3, 300
    queue = RingQueue(capacity)
    taken = [[] for _ in range(consumers)]

    def produce(who):
        todo = [(who, i) for i in range(each)]
        while todo:
            del todo[: queue.push_many(todo[:batch])]

    def consume(into):
        while not queue.drained:
            into += queue.pop_many(batch)

    makers = [threading.Thread(target=produce, args=(who,)) for who in range(producers)]
    eaters = [threading.Thread(target=consume, args=(into,)) for into in taken]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in makers + eaters:
            thread.start()
        for thread in makers:
            thread.join()
        queue.close()
        for thread in eaters:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert Counter(item for into in taken for item in into) == Counter(
        (who, i) for who in range(producers) for i in range(each)
    )
    for into in taken:
        for who in range(producers):
            numbers = [i for w, i in into if w == who]
            assert numbers == sorted(numbers)


def test_nothing_gets_in_after_close_returned():
    for _ in range(50):
        queue = RingQueue(1 << 14)
        accepted = []

        def produce(queue=queue, accepted=accepted):
            try:
                while queue.push(1):
                    accepted.append(1)
            except ClosedError:
                return

        threads = [threading.Thread(target=produce) for _ in range(2)]
        for thread in threads:
            thread.start()
        queue.close()
        count = len(queue)
        for thread in threads:
            thread.join()
        assert len(queue) == count == len(accepted)
