"""Plain records through the C interface, from threads that really run at the same time (ctypes lets go of the GIL)."""

import ctypes
import random
import threading
import time
from collections import deque

import pytest
from support.capi import c_function

from vmcore._fast import ring as ring_module
from vmcore._fast.memory import alloc

RING = ctypes.c_void_p
U64 = ctypes.c_uint64
FOREVER = (1 << 64) - 1

init = c_function(ring_module, "ring_init", ctypes.c_int, RING, U64)
init_records = c_function(ring_module, "ring_init_records", ctypes.c_int, RING, U64, U64)
free = c_function(ring_module, "ring_free", None, RING)
close = c_function(ring_module, "ring_close", None, RING)
count = c_function(ring_module, "ring_count", U64, RING)
closed = c_function(ring_module, "ring_closed", ctypes.c_int, RING)
deadline = c_function(ring_module, "ring_deadline", U64, U64)
push, pop, push_records, pop_records = (
    c_function(ring_module, name, U64, RING, ctypes.c_void_p, U64)
    for name in ("ring_push", "ring_pop", "ring_push_records", "ring_pop_records")
)
push_wait, pop_wait = (
    c_function(ring_module, name, U64, RING, ctypes.c_void_p, U64, U64) for name in ("ring_push_wait", "ring_pop_wait")
)


@pytest.fixture
def ring():
    """Storage for a ring, on a cache line of its own; whatever was made there is freed."""
    storage = ctypes.create_string_buffer(4096)
    address = (ctypes.addressof(storage) + 63) & ~63
    before = alloc.live()
    yield address
    free(address)
    assert alloc.live() == before
    del storage


def test_sizes_that_are_refused(ring):
    assert [init(ring, n) for n in (0, 1, (1 << 24) + 1, 1 << 63)] == [-1] * 4
    assert [init_records(ring, 4, n) for n in (0, 4, 12, 4104, FOREVER)] == [-1] * 5
    assert init_records(ring, 4, 4096) == 0


def record(serial, size):
    return random.Random(serial).randbytes(size)


@pytest.mark.parametrize("size", [8, 16, 24, 32, 40, 64, 256, 4096])
def test_records_of_any_size_are_kept_whole(ring, size):
    assert init_records(ring, 8, size) == 0
    model = deque()
    serial = 0
    choose = random.Random(size)
    buffer = ctypes.create_string_buffer(16 * size)
    for _ in range(300):
        n = choose.randrange(0, 12)
        if choose.random() < 0.5:
            records = [record(serial + i, size) for i in range(n)]
            buffer[: n * size] = b"".join(records)
            done = push_records(ring, buffer, n)
            assert done == min(n, 8 - len(model))
            model.extend(records[:done])
            serial += done
        else:
            done = pop_records(ring, buffer, n)
            expected = [model.popleft() for _ in range(min(n, len(model)))]
            assert done == len(expected) and buffer[: done * size] == b"".join(expected)
        assert count(ring) == len(model)


def test_closing(ring):
    one = (U64 * 1)(5)
    assert init(ring, 4) == 0
    assert push(ring, one, 1) == 1 and not closed(ring)
    close(ring)
    assert closed(ring) and push(ring, one, 1) == 0 and push_wait(ring, one, 1, FOREVER) == 0
    assert count(ring) == 1
    assert pop_wait(ring, one, 1, FOREVER) == 1 and one[0] == 5
    assert pop_wait(ring, one, 1, FOREVER) == 0 and pop(ring, one, 1) == 0


def test_deadlines(ring):
    one = (U64 * 2)(1, 2)
    assert init(ring, 2) == 0
    assert deadline(FOREVER) == FOREVER
    start = time.monotonic_ns()
    until = deadline(5_000_000)
    assert until >= start + 5_000_000
    assert pop_wait(ring, one, 1, until) == 0 and time.monotonic_ns() >= until
    assert pop_wait(ring, one, 1, 0) == 0 and pop_wait(ring, one, 0, FOREVER) == 0
    assert push(ring, one, 2) == 2
    until = deadline(5_000_000)
    assert push_wait(ring, one, 1, until) == 0 and time.monotonic_ns() >= until


def transfer(ring, size, producers, consumers, each, batch, waiting):
    """Move numbered records by threads; returns the numbers that each consumer got, in its order."""
    words = size // 8
    taken = [[] for _ in range(consumers)]
    put = (lambda *a: push_wait(*a, FOREVER)) if waiting else push_records
    take = (lambda *a: pop_wait(*a, FOREVER)) if waiting else pop_records

    def produce(who):
        for first in range(who * each, (who + 1) * each, batch):
            # Every word of a record says the same, so that a torn one shows.
            records = (U64 * (batch * words))(*[n for n in range(first, first + batch) for _ in range(words)])
            done = 0
            while done < batch:
                done += put(ring, ctypes.addressof(records) + done * size, batch - done)

    def consume(into):
        records = (U64 * (batch * words))()
        while True:
            n = take(ring, records, batch)
            if n == 0 and closed(ring) and count(ring) == 0:
                return
            for i in range(n):
                parts = set(records[i * words : (i + 1) * words])
                into.append(parts.pop() if len(parts) == 1 else parts)

    makers = [threading.Thread(target=produce, args=(who,)) for who in range(producers)]
    eaters = [threading.Thread(target=consume, args=(into,)) for into in taken]
    for thread in makers + eaters:
        thread.start()
    for thread in makers:
        thread.join()
    close(ring)
    for thread in eaters:
        thread.join()
    return taken


def check(taken, producers, each):
    assert sorted(n for into in taken for n in into) == list(range(producers * each))
    for into in taken:
        for who in range(producers):
            mine = [n for n in into if n // each == who]
            assert mine == sorted(mine)


@pytest.mark.parametrize("waiting", [False, True], ids=["polling", "waiting"])
@pytest.mark.parametrize("size, capacity, batch", [(8, 16, 64), (8, 2, 1), (32, 4, 3), (64, 64, 16)])
def test_threads_lose_nothing(ring, size, capacity, batch, waiting):
    each = batch * ((3000 if waiting else 500) // batch)
    assert init_records(ring, capacity, size) == 0
    check(transfer(ring, size, 2, 2, each, batch, waiting), 2, each)


@pytest.mark.soak
def test_soak():
    end = time.monotonic() + 30
    rounds = 0
    while time.monotonic() < end:
        storage = ctypes.create_string_buffer(4096)
        address = (ctypes.addressof(storage) + 63) & ~63
        size = 8 << rounds % 4
        assert init_records(address, 2 << rounds % 7, size) == 0
        producers, batch = 1 + rounds % 3, 1 + rounds % 5
        taken = transfer(address, size, producers, 1 + rounds % 4, 1200 * batch, batch, rounds % 2 == 0)
        check(taken, producers, 1200 * batch)
        free(address)
        rounds += 1
    assert rounds > 0
