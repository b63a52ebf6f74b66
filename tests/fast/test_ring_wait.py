"""Waiting at the queue: put and get wake, time out, end with the queue, and hear signals."""

import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from vmcore._fast.ring import RingQueue
from vmcore.errors import ClosedError, ConfigError

# Long enough that a wake-up which is lost shows as a failure, whatever else the host does.
LONG = 60.0


def in_thread(function, *arguments):
    """Start a thread; returns it, and the list that its result (or exception) goes into."""
    result = []

    def body():
        try:
            result.append(function(*arguments))
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    return thread, result


def wait_for_sleepers(*threads):
    """Return once each of the threads sleeps in the kernel, waiting for a futex."""
    for thread in threads:
        stat = Path(f"/proc/self/task/{thread.native_id}/stat")
        while stat.read_text().rsplit(")", 1)[1].split()[0] != "S":
            time.sleep(0.001)


def test_get_takes_what_is_there_without_waiting():
    queue = RingQueue(4)
    assert queue.put("a") is True
    assert queue.get(0) == "a"
    assert queue.get(0) is None
    assert queue.get(0, "nothing") == "nothing"


def test_put_and_get_wait_for_each_other():
    queue = RingQueue(2)
    getter, got = in_thread(queue.get, LONG)
    wait_for_sleepers(getter)
    queue.push("first")
    getter.join(LONG)
    assert got == ["first"]
    assert queue.push_many("ab") == 2
    putter, put = in_thread(queue.put, "c", LONG)
    wait_for_sleepers(putter)
    assert queue.pop() == "a"
    putter.join(LONG)
    assert put == [True] and queue.pop_many() == ["b", "c"]


@pytest.mark.parametrize("seconds", [0, 0.0, 0.02])
def test_time_runs_out(seconds):
    queue = RingQueue(2)
    start = time.monotonic()
    assert queue.get(seconds, "late") == "late"
    queue.push_many("ab")
    assert queue.put("c", seconds) is False
    assert time.monotonic() - start >= 2 * seconds
    assert queue.pop_many() == ["a", "b"]


def test_a_put_that_timed_out_keeps_no_reference():
    queue = RingQueue(2)
    queue.push_many("ab")
    thing = object()
    count = sys.getrefcount(thing)
    assert not queue.put(thing, 0.001)
    assert sys.getrefcount(thing) == count


@pytest.mark.parametrize("bad", [-1, -0.5, float("nan"), "soon", [], 1j])
def test_a_timeout_that_is_none(bad):
    queue = RingQueue(2)
    with pytest.raises(ConfigError, match="is not a time"):
        queue.get(bad)
    queue.push_many("ab")
    with pytest.raises(ConfigError, match="is not a time"):
        queue.put("c", bad)


@pytest.mark.parametrize("huge", [1e10, 1e300, float("inf")])
def test_a_timeout_beyond_the_clock_is_without_end(huge):
    queue = RingQueue(2)
    getter, got = in_thread(queue.get, huge)
    wait_for_sleepers(getter)
    queue.push(1)
    getter.join(LONG)
    assert got == [1]


def test_closing_wakes_everybody():
    empty, full = RingQueue(2), RingQueue(2)
    full.push_many("ab")
    waiting = [in_thread(empty.get, LONG) for _ in range(3)] + [in_thread(full.put, "c", LONG) for _ in range(3)]
    wait_for_sleepers(*[thread for thread, _ in waiting])
    empty.close()
    full.close()
    for thread, result in waiting:
        thread.join(LONG)
        assert len(result) == 1 and isinstance(result[0], ClosedError)
    assert full.get() == "a" and full.get() == "b"
    with pytest.raises(ClosedError, match="closed and empty"):
        full.get(0, "default")
    with pytest.raises(ClosedError):
        full.put("c")


def test_each_of_several_records_wakes_somebody():
    queue = RingQueue(8)
    waiting = [in_thread(queue.get, LONG) for _ in range(5)]
    wait_for_sleepers(*[thread for thread, _ in waiting])
    assert queue.push_many(range(5)) == 5
    for thread, _ in waiting:
        thread.join(LONG)
    assert sorted(result[0] for _, result in waiting) == list(range(5))


def test_each_freed_cell_wakes_somebody():
    queue = RingQueue(4)
    queue.push_many(range(4))
    waiting = [in_thread(queue.put, 4 + i, LONG) for i in range(4)]
    wait_for_sleepers(*[thread for thread, _ in waiting])
    assert queue.pop_many() == [0, 1, 2, 3]
    for thread, result in waiting:
        thread.join(LONG)
        assert result == [True]
    assert sorted(queue.pop_many()) == [4, 5, 6, 7]


def test_a_signal_ends_a_wait_when_its_handler_raises():
    queue = RingQueue(2)
    main = threading.get_ident()

    def interrupt():
        wait_for_sleepers(threading.main_thread())
        signal.pthread_kill(main, signal.SIGUSR1)

    def handler(number, frame):
        raise InterruptedError("from the handler")

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        thread, _ = in_thread(interrupt)
        with pytest.raises(InterruptedError, match="from the handler"):
            queue.get(LONG)
        thread.join(LONG)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_whose_handler_returns_does_not_end_a_wait():
    queue = RingQueue(2)
    main = threading.get_ident()
    seen = []

    def interrupt():
        wait_for_sleepers(threading.main_thread())
        signal.pthread_kill(main, signal.SIGUSR1)
        while not seen:
            time.sleep(0.001)
        queue.push("after")

    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        thread, _ = in_thread(interrupt)
        assert queue.get(LONG) == "after"
        thread.join(LONG)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == [signal.SIGUSR1]


def exchange(capacity, producers, consumers, each):
    """Let threads put and get through a small queue; returns what each consumer got, in its order."""
    queue = RingQueue(capacity)
    taken = [[] for _ in range(consumers)]

    def produce(who):
        for i in range(each):
            if not queue.put((who, i), LONG):
                raise TimeoutError("put")

    def consume(into):
        try:
            while True:
                item = queue.get(LONG)
                if item is None:
                    raise TimeoutError("get")
                into.append(item)
        except ClosedError:
            return

    makers = [in_thread(produce, who) for who in range(producers)]
    eaters = [in_thread(consume, into) for into in taken]
    for thread, result in makers:
        thread.join()
        assert result == [None]
    queue.close()
    for thread, result in eaters:
        thread.join()
        assert result == [None]
    return taken


def check(taken, producers, each):
    """Nothing is lost, nothing comes twice, and each consumer sees each producer's in order."""
    assert Counter(item for into in taken for item in into) == Counter(
        (who, i) for who in range(producers) for i in range(each)
    )
    for into in taken:
        for who in range(producers):
            numbers = [i for w, i in into if w == who]
            assert numbers == sorted(numbers)


@pytest.mark.parametrize("capacity", [2, 8, 256])
@pytest.mark.parametrize("producers, consumers", [(1, 1), (3, 1), (1, 3), (3, 3)])
def test_threads_that_wait_lose_nothing(capacity, producers, consumers):
    check(exchange(capacity, producers, consumers, 1500), producers, 1500)


@pytest.mark.soak
def test_soak():
    end = time.monotonic() + 30
    rounds = 0
    while time.monotonic() < end:
        capacity = 2 << (rounds % 6)
        producers, consumers = 1 + rounds % 4, 1 + rounds // 4 % 4
        check(exchange(capacity, producers, consumers, 3000), producers, 3000)
        rounds += 1
    assert rounds > 0


def test_a_forked_child_can_wait():
    """The kernel may have to be asked for its fence again."""
    queue = RingQueue(2)
    queue.get(0.001)
    child = os.fork()
    if not child:
        status = 1
        try:
            getter, got = in_thread(queue.get, LONG)
            wait_for_sleepers(getter)
            queue.push(7)
            getter.join(LONG)
            status = 0 if got == [7] else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
