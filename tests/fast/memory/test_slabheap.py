"""Heaps whose blocks move: bytes survive, views hold a block still, churn leaves nothing sparse."""

import gc
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmcore._fast.memory.slabheap import SlabBuffer, SlabHeap, survey
from vmcore.errors import ClosedError, ConfigError


def fill(block, value):
    with memoryview(block) as view:
        view[:] = bytes([value]) * len(block)


def holds(block, value):
    with memoryview(block) as view:
        return view == bytes([value]) * len(block)


def churned(heap, sizes, count=4000, seed=7):
    """Return the one block of ten that is left, by what is in it."""
    draw = random.Random(seed)
    blocks = [(heap.alloc(draw.choice(sizes)), draw.randrange(256)) for _ in range(count)]
    for block, value in blocks:
        fill(block, value)
    draw.shuffle(blocks)
    return blocks[: count // 10]


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 32768, 32769, 1 << 20])
def test_a_block_is_zero_writable_and_as_long_as_asked(size):
    heap = SlabHeap()
    for _ in range(2):
        block = heap.alloc(size)
        assert len(block) == size
        with memoryview(block) as view:
            assert view == bytes(size) and not view.readonly and view.nbytes == size
            view[:] = b"\xff" * size
        assert heap.statistics()[:2] == (1, size)
        block.free()
        assert heap.statistics()[:2] == (0, 0)


def test_a_block_frees_itself():
    heap = SlabHeap()
    block = heap.alloc(100)
    view = memoryview(block)
    del block
    gc.collect()
    assert heap.statistics().blocks == 1
    view[3] = 9
    view.release()
    gc.collect()
    assert heap.statistics().blocks == 0


def test_a_heap_lives_as_long_as_its_blocks():
    block = SlabHeap().alloc(1000)
    gc.collect()
    fill(block, 5)
    assert holds(block, 5)


def test_a_freed_block_says_so():
    heap = SlabHeap()
    with heap.alloc(8) as block:
        assert not block.closed
    assert block.closed and len(block) == 8
    block.free()
    for use in (lambda: memoryview(block), lambda: block.address, block.__enter__):
        with pytest.raises(ClosedError, match="freed"):
            use()


def test_a_block_with_a_view_is_not_freed():
    heap = SlabHeap()
    block = heap.alloc(8)
    with memoryview(block) as view, memoryview(block):
        with pytest.raises(BufferError, match="views"):
            block.free()
        view[0] = 1
    block.free()
    assert block.closed


@pytest.mark.parametrize("align", [0, 3, 8192])
def test_an_impossible_alignment_is_refused(align):
    with pytest.raises(ConfigError, match=f"alignment of {align} "):
        SlabHeap().alloc(8, align)


def test_sizes_that_are_none_are_refused():
    with pytest.raises(OverflowError):
        SlabHeap().alloc(-1)
    with pytest.raises(MemoryError, match="block of"):
        SlabHeap().alloc(1 << 50)
    with pytest.raises(TypeError, match="SlabHeap"):
        SlabBuffer()


@pytest.mark.parametrize("align", [16, 256, 4096])
def test_alignment_survives_a_move(align):
    heap = SlabHeap()
    blocks = [heap.alloc(100, align) for _ in range(2000)]
    kept = blocks[::17]
    del blocks
    assert heap.compact() > 0
    assert all(block.address % align == 0 for block in kept)


@pytest.mark.parametrize("sizes", [(48,), (16, 100, 700, 3000), (20_000,)])
def test_compaction_ends_what_churn_left(sizes):
    heap = SlabHeap()
    kept = churned(heap, sizes)
    before, sparse = heap.statistics(), heap.survey()
    assert 1 - sparse.largest / sparse.free > 0.5
    moved = heap.compact()
    after, dense = heap.statistics(), heap.survey()
    assert 0 < moved <= len(kept)
    assert all(holds(block, value) for block, value in kept)
    assert (after.blocks, after.bytes) == (before.blocks, before.bytes)
    # Whatever is free of a class is in one piece, in less than one slab.
    assert dense.largest == dense.free
    assert dense.held == after.held <= before.held / 3
    assert (after.compactions, after.moved) == (1, moved)
    # There is nothing more to win.
    assert heap.compact() == 0
    assert heap.statistics().held == after.held


def test_a_block_with_a_view_stays_where_it_is():
    heap = SlabHeap()
    kept = churned(heap, (64,))
    with memoryview(kept[0][0]):
        places = [block.address for block, _ in kept]
        assert heap.compact() > 0
        assert kept[0][0].address == places[0]
        assert [block.address for block, _ in kept] != places
        assert all(holds(block, value) for block, value in kept)
    before = heap.statistics().held
    heap.compact()
    assert heap.statistics().held <= before
    assert all(holds(block, value) for block, value in kept)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("aaaafffvrc"), st.integers(0, 40_000), st.integers(0, 255)), max_size=120),
)
def test_a_heap_is_a_dictionary_of_bytes(steps):
    heap = SlabHeap()
    blocks, views = [], []
    for what, size, value in steps:
        if what == "a":
            block = heap.alloc(size if value % 7 == 0 else size % 300)
            fill(block, value)
            blocks.append((block, value))
        elif what == "f" and blocks:
            blocks.pop(size % len(blocks))
        elif what == "v" and blocks:
            block, value = blocks[size % len(blocks)]
            views.append((memoryview(block), value))
        elif what == "r" and views:
            view, value = views.pop(size % len(views))
            assert view == bytes([value]) * len(view)
            view.release()
        elif what == "c":
            heap.compact()
            assert all(holds(block, value) for block, value in blocks)
    assert all(view == bytes([value]) * len(view) for view, value in views)
    assert all(holds(block, value) for block, value in blocks)
    found = heap.survey()
    assert found.largest <= found.free <= found.held
    for view, _ in views:
        view.release()
    block = view = None
    views.clear()
    blocks.clear()
    gc.collect()
    heap.compact()
    assert heap.statistics()[:4] == (0, 0, 0, 0)
    assert heap.survey()[:3] == (0, 0, 0)


def test_threads_write_while_blocks_move():
    heap = SlabHeap()
    done = threading.Event()
    failed = []

    def work(number):
        draw = random.Random(number)
        mine = []
        for _ in range(3000):
            block = heap.alloc(draw.choice((24, 100, 900)))
            fill(block, number)
            mine.append(block)
            if len(mine) > 60 and not holds(mine.pop(draw.randrange(len(mine))), number):
                failed.append(number)

    def compact():
        while not done.is_set():
            heap.compact()

    compactor = threading.Thread(target=compact)
    compactor.start()
    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    compactor.join()
    assert failed == []
    assert heap.statistics().blocks == 0


def test_the_histogram_counts_every_free_piece():
    heap = SlabHeap()
    blocks = [heap.alloc(1024) for _ in range(64)]
    # One slab of 64 cells: holes of one, two and four cells.
    base = min(block.address for block in blocks)
    for block in list(blocks):
        if (block.address - base) // 1024 in (3, 10, 11, 20, 21, 22, 23):
            blocks.remove(block)
            block.free()
    found = heap.survey()
    assert (found.held, found.free, found.largest) == (65536, 7 * 1024, 4 * 1024)
    assert {size: count for size, count in enumerate(found.histogram) if count} == {10: 1, 11: 1, 12: 1}


def test_the_survey_of_all_threads_agrees_with_itself():
    found = survey()
    assert 0 < found.largest <= found.free < found.held
    least = sum(count << size for size, count in enumerate(found.histogram))
    assert least <= found.free < 2 * least
