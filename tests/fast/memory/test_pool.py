"""Pools: objects are used again, handles are checked, and there is a limit."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore._fast.memory.alloc import live
from vmcore._fast.memory.pool import MemoryPool
from vmcore.errors import ClosedError, ConfigError


def test_objects_are_used_again_and_counted():
    pool = MemoryPool(64, 3)
    assert pool.statistics() == (0, 0, 0, 0, 0)
    first, second = pool.take(), pool.take()
    assert pool.statistics() == (2, 2, 0, 2, 0)
    pool.give(first)
    again = pool.take()
    assert again != first and again & 0xFFFFFFFF == first & 0xFFFFFFFF
    assert pool.statistics() == (2, 2, 1, 2, 0)
    pool.write(again, b"abc", 61)
    assert pool.read(again) == bytes(61) + b"abc" and pool.read(second) == bytes(64)
    pool.give(again)
    assert pool.read(pool.take()) == bytes(64)


def test_a_pool_is_bounded():
    pool = MemoryPool(16, 2)
    handles = [pool.take(), pool.take()]
    assert pool.take() is None
    pool.give(handles[0])
    assert pool.take() is not None and pool.take() is None


def test_a_handle_is_good_once():
    pool = MemoryPool(16, 8)
    handle = pool.take()
    pool.give(handle)
    later = pool.take()
    for wrong in (handle, 0, later + 1, later + (1 << 32), later + (2 << 32), later | 0xFFFFFFFF, 2**64 - 1):
        for use in (pool.give, pool.read, lambda one: pool.write(one, b"x")):
            with pytest.raises(ClosedError, match="no object"):
                use(wrong)
    assert pool.statistics().refused == 7
    pool.give(later)


def test_what_does_not_fit_is_refused():
    pool = MemoryPool(16, 1)
    handle = pool.take()
    pool.write(handle, b"", 16)
    pool.write(handle, bytes(16))
    for data, offset in ((bytes(17), 0), (b"x", 16), (b"", 17), (b"xx", 15), (b"x", 2**64 - 1)):
        with pytest.raises(ConfigError, match="do not fit"):
            pool.write(handle, data, offset)


@pytest.mark.parametrize("size, limit", [(0, 1), (-1, 1), (2**30 + 1, 1), (1, 0), (1, 2**20 + 1)])
def test_sizes_and_limits_out_of_range(size, limit):
    with pytest.raises(ConfigError, match="Allowed are 1 to"):
        MemoryPool(size, limit)


def test_a_pool_gives_all_back_when_it_goes():
    before = live()
    pool = MemoryPool(1000, 50)
    assert live() == before
    handles = [pool.take() for _ in range(50)]
    assert live().bytes - before.bytes >= 50_000
    pool.give(handles[3])
    del pool
    assert live() == before


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50), st.binary(min_size=8, max_size=8)), max_size=100))
def test_a_pool_is_a_dictionary_with_a_limit(steps):
    pool = MemoryPool(8, 10)
    model, gone = {}, []
    for take, which, data in steps:
        if take:
            handle = pool.take()
            assert (handle is None) == (len(model) == 10)
            if handle is not None:
                assert handle not in model and handle not in gone
                pool.write(handle, data)
                model[handle] = data
        elif model:
            handle = sorted(model)[which % len(model)]
            assert pool.read(handle) == model.pop(handle)
            pool.give(handle)
            gone.append(handle)
        assert {handle: pool.read(handle) for handle in model} == model
    assert pool.statistics().live == len(model)


def test_threads_never_share_an_object():
    pool = MemoryPool(8, 6)
    failed = []

    def work(number):
        mark = bytes([number]) * 8
        for _ in range(3000):
            handle = pool.take()
            if handle is not None:
                pool.write(handle, mark)
                if pool.read(handle) != mark:
                    failed.append(number)
                pool.give(handle)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    used = pool.statistics()
    assert failed == [] and used.live == 0 and used.made <= 6 and used.refused == 0
