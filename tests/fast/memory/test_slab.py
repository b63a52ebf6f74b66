"""The slab allocator: what it hands out, what it refuses, what it gives back, among threads and after a fork."""

import ctypes
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.capi import c_function

from vmcore._fast.memory import slab
from vmcore._fast.memory.exercise import FreeRace
from vmcore.errors import ConfigError

UNIT = 64 << 10
LARGEST = 32768
OK, FOREIGN, MISALIGNED, DOUBLE = range(4)
SIZE_MAX = 2**64 - 1
PAGE = os.sysconf("SC_PAGESIZE")
libc = ctypes.CDLL(None)

slab_alloc = c_function(slab, "slab_alloc", ctypes.c_void_p, ctypes.c_size_t)
slab_alloc_aligned = c_function(slab, "slab_alloc_aligned", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
slab_calloc = c_function(slab, "slab_calloc", ctypes.c_void_p, ctypes.c_size_t)
slab_realloc = c_function(slab, "slab_realloc", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
slab_free = c_function(slab, "slab_free", ctypes.c_int, ctypes.c_void_p)
slab_size = c_function(slab, "slab_size", ctypes.c_size_t, ctypes.c_void_p)


def of_class(statistics, size):
    return next(one for one in statistics.classes if one.size >= size)


@pytest.mark.parametrize("size", [0, 1, 8, 9, 16, 17, 128, 129, 1000, 4095, 4096, 4097, LARGEST, LARGEST + 1, 10**6])
def test_a_block_can_be_used_to_its_last_byte(size):
    block = slab_alloc(size)
    usable = slab_size(block)
    assert usable >= max(size, 1)
    ctypes.memset(block, 0x5A, usable)
    assert slab_free(block) == OK and slab_size(block) == 0


def test_no_class_wastes_more_than_an_eighth():
    sizes = [one.size for one in slab.statistics().classes]
    assert sizes == sorted(set(sizes)) and sizes[-1] == LARGEST
    for size in range(9, LARGEST + 1):
        block = slab_alloc(size)
        usable = slab_size(block)
        assert slab_free(block) == OK
        assert usable in sizes
        assert usable - size <= max(7, size / 8), size


@pytest.mark.parametrize("align", [1, 2, 8, 16, 64, 512, 4096])
@pytest.mark.parametrize("size", [0, 1, 24, 100, 4096, 5000, LARGEST, 100_000])
def test_alignment_up_to_a_page(size, align):
    blocks = [slab_alloc_aligned(size, align) for _ in range(5)]
    assert all(block % align == 0 and slab_size(block) >= size for block in blocks)
    assert [slab_free(block) for block in blocks] == [OK] * 5


@pytest.mark.parametrize("align", [0, 3, 24, 8192, SIZE_MAX])
def test_other_alignments_are_refused(align):
    assert slab_alloc_aligned(8, align) is None


@pytest.mark.parametrize("size", range(16, 2000, 16))
def test_whole_sixteens_are_aligned_to_sixteen(size):
    block = slab_alloc(size)
    assert block % 16 == 0 and slab_free(block) == OK


@pytest.mark.parametrize("size", [SIZE_MAX, SIZE_MAX - 7, 2**63, 2**48])
def test_more_than_there_is_gives_none(size):
    assert slab_alloc(size) is None and slab_calloc(size) is None


def test_null_may_be_freed():
    assert slab_free(None) == OK


@pytest.mark.parametrize("size", [16, 48, 500, 4096, LARGEST, 200_000])
def test_whatever_is_no_block_is_refused_and_counted(size):
    block = slab_alloc(size)
    ctypes.memset(block, 0xC3, size)
    before = slab.statistics()
    for offset in (1, 7, 8, size // 2 | 1, size - 1):
        assert slab_free(block + offset) == MISALIGNED
        assert slab_size(block + offset) == 0
    local = ctypes.create_string_buffer(64)
    for address in (8, ctypes.addressof(local), 2**63, SIZE_MAX):
        assert slab_free(address) == FOREIGN
        assert slab_size(address) == 0 and slab_realloc(address, 100) is None
    after = slab.statistics()
    assert after.misaligned == before.misaligned + 5 and after.foreign == before.foreign + 4
    assert after.blocks == before.blocks
    assert ctypes.string_at(block, size) == b"\xc3" * size
    assert slab_free(block) == OK


@pytest.mark.parametrize("size", [16, 48, 500, 4096, LARGEST])
def test_a_double_free_is_refused_and_the_cell_comes_once(size):
    kept = [slab_alloc(size) for _ in range(100)]
    victim = kept.pop(50)
    before = slab.statistics().double
    assert slab_free(victim) == OK
    assert [slab_free(victim) for _ in range(3)] == [DOUBLE] * 3
    assert slab.statistics().double == before + 3
    fresh = [slab_alloc(size) for _ in range(200)]
    assert len(set(fresh)) == 200 and not set(fresh) & set(kept)
    assert {slab_free(block) for block in kept + fresh} == {OK}


def test_a_large_block_is_nobodys_once_it_was_freed():
    block = slab_alloc(1 << 20)
    assert slab_free(block) == OK
    assert slab_free(block) == FOREIGN


def test_behind_the_last_cell_of_a_slab_there_is_no_block():
    # 48 does not divide 64 KiB: sixteen bytes are left over.
    blocks = [slab_alloc(48) for _ in range(5000)]
    ends = {block // UNIT * UNIT + UNIT // 48 * 48 for block in blocks}
    assert {slab_free(end) for end in ends if end % UNIT} <= {MISALIGNED}
    assert {slab_free(block) for block in blocks} == {OK}


def test_calloc_is_zero_where_memory_was_used_before():
    for size in (16, 100, 4000, LARGEST, 300_000):
        block = slab_alloc(size)
        ctypes.memset(block, 0xA5, size)
        slab_free(block)
        block = slab_calloc(size)
        assert ctypes.string_at(block, size) == bytes(size)
        slab_free(block)


def test_realloc_keeps_the_bytes():
    block = slab_realloc(None, 4)
    ctypes.memmove(block, b"abcd", 4)
    for size in (8, 100, 40_000, 4_000_000, 100, 5):
        block = slab_realloc(block, size)
        assert slab_size(block) >= size and ctypes.string_at(block, 4) == b"abcd"
    assert slab_free(block) == OK


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 70_000), st.randoms(use_true_random=False)), max_size=80))
def test_blocks_never_overlap_and_keep_their_bytes(steps):
    before = slab.statistics()
    live = {}
    gone = []
    for what, size, draw in steps:
        if what and live and draw.random() < 0.5:
            block = draw.choice(sorted(live))
            length, fill = live.pop(block)
            assert ctypes.string_at(block, length) == bytes([fill]) * length
            assert slab_free(block) == OK
            gone.append(block)
            continue
        length = size if what == 1 else size % 600
        block = slab_alloc(length)
        usable = slab_size(block)
        assert all(block + usable <= other or other + n <= block for other, (n, _) in live.items())
        fill = draw.randrange(256)
        ctypes.memset(block, fill, length)
        live[block] = (length, fill)
        dead = [other for other in gone if other not in live]
        if dead:
            assert slab_free(draw.choice(dead)) in (DOUBLE, FOREIGN, MISALIGNED)
    for block, (length, fill) in live.items():
        assert ctypes.string_at(block, length) == bytes([fill]) * length
        assert slab_free(block) == OK
    assert slab.statistics().blocks == before.blocks


def test_slabs_go_back_to_the_system():
    slab.trim()
    before = slab.statistics()
    blocks = [slab_alloc(1000) for _ in range(30_000)]
    for block in blocks:
        ctypes.memset(block, 1, 1000)
    full = slab.statistics()
    assert full.held - before.held >= 30_000_000
    assert of_class(full, 1000).live - of_class(before, 1000).live == 30_000
    random.Random(1).shuffle(blocks)
    assert {slab_free(block) for block in blocks} == {OK}
    # Some are kept for the next burst, the others are gone at once.
    assert slab.statistics().held - before.held < 12 << 20
    slab.trim()
    assert slab.statistics().held - before.held < 2 << 20


def pages_of(blocks, size):
    """Return the pages that the blocks lie on."""
    return sorted({page for block in blocks for page in range(block // PAGE, (block + size - 1) // PAGE + 1)})


def pages_with_memory(blocks, size):
    """Return how many of the pages that the blocks lie on have memory behind them."""
    flag = ctypes.create_string_buffer(1)
    resident = 0
    for page in pages_of(blocks, size):
        # Fails where the address is mapped no more.
        if libc.mincore(ctypes.c_void_p(page * PAGE), ctypes.c_size_t(PAGE), flag) == 0:
            resident += flag.raw[0] & 1
    return resident


def sparse(size, count, step):
    """Allocate and fill blocks, and free all but each `step`-th: those, and all."""
    blocks = [slab_alloc(size) for _ in range(count)]
    for block in blocks:
        ctypes.memset(block, 0x5A, size)
    assert {slab_free(block) for i, block in enumerate(blocks) if i % step} == {OK}
    return blocks[::step], blocks


def check_sparse(kept, size):
    """What is used is as it was; what is taken anew can be used, and is zero where that was asked for."""
    fresh = [slab_calloc(size) for _ in range(500)]
    assert all(ctypes.string_at(block, size) == bytes(size) for block in fresh)
    for block in fresh:
        ctypes.memset(block, 0xA5, size)
    assert all(ctypes.string_at(block, size) == b"\x5a" * size for block in kept)
    assert {slab_free(block) for block in fresh + kept} == {OK}
    assert {slab_free(block) for block in kept} <= {DOUBLE, FOREIGN}


@pytest.mark.parametrize(("size", "step"), [(256, 64), (1000, 16), (3000, 7), (24_000, 3)])
def test_pages_without_a_used_block_go_back_when_the_allocator_is_trimmed(size, step):
    slab.trim()
    kept, blocks = sparse(size, 16_000_000 // size, step)
    before = pages_with_memory(blocks, size)
    held = slab.statistics().held
    slab.trim()
    after = pages_with_memory(blocks, size)
    # Where all this takes long, most of them went back by themselves before that.
    assert pages_with_memory(kept, size) <= after < len(pages_of(blocks, size)) / 2 + 64
    # What went back is held no more, until the slabs are used again.
    assert held - slab.statistics().held >= (before - after) * PAGE
    check_sparse(kept, size)


def test_pages_of_sparse_slabs_go_back_by_themselves():
    """Slow steps look at the clock: there is no call to make, but the heap is worked with."""
    slab.trim()
    kept, blocks = sparse(1000, 16_000, 16)
    most = len(pages_of(blocks, 1000)) / 2
    end = time.monotonic() + 60
    while pages_with_memory(blocks, 1000) > most and time.monotonic() < end:
        others = [slab_alloc(30_000) for _ in range(2000)]
        assert {slab_free(block) for block in others} == {OK}
    assert pages_with_memory(kept, 1000) <= pages_with_memory(blocks, 1000) <= most
    check_sparse(kept, 1000)


def test_a_thread_may_free_what_another_allocated():
    with ThreadPoolExecutor(1) as owner, ThreadPoolExecutor(1) as other:
        blocks = owner.submit(lambda: [slab_alloc(64) for _ in range(3000)]).result()
        assert set(other.submit(lambda: [slab_free(block) for block in blocks]).result()) == {OK}
        assert set(other.submit(lambda: [slab_free(block) for block in blocks]).result()) <= {DOUBLE, FOREIGN}
        assert other.submit(slab_free, blocks[0] + 8).result() in (MISALIGNED, FOREIGN)
        # The owner takes them in and hands every one of them out once.
        again = owner.submit(lambda: [slab_alloc(64) for _ in range(6000)]).result()
        assert len(set(again)) == 6000
        assert set(owner.submit(lambda: [slab_free(block) for block in again]).result()) == {OK}


def test_blocks_outlive_their_thread():
    with ThreadPoolExecutor(1) as owner:
        blocks = owner.submit(lambda: [slab_alloc(256) for _ in range(2000)]).result()
    before = slab.statistics().blocks
    assert {slab_free(block) for block in blocks} == {OK}
    assert {slab_free(block) for block in blocks} <= {DOUBLE, FOREIGN}
    assert slab.statistics().blocks == before - 2000


def test_heaps_of_ended_threads_are_used_again():
    def work():
        slab_free(slab_alloc(32))

    def thread():
        one = threading.Thread(target=work)
        one.start()
        one.join()

    thread()
    heaps = slab.statistics().heaps
    for _ in range(50):
        thread()
    assert slab.statistics().heaps <= heaps + 1


def test_threads_that_trade_blocks_lose_none_and_share_none():
    before = slab.statistics()
    exchange = [None] * 64
    failed = []

    def work(number):
        draw = random.Random(number)
        mine = []
        for step in range(6000):
            size = draw.choice((16, 48, 200, 1000, 40_000))
            block = slab_alloc(size)
            ctypes.memset(block, number, 16)
            mine.append(block)
            if len(mine) > 50:
                block = mine.pop(draw.randrange(len(mine)))
                if ctypes.string_at(block, 16) != bytes([number]) * 16:
                    failed.append("a block was written by somebody else")
                if step % 3:
                    if slab_free(block) != OK:
                        failed.append("a block of mine was refused")
                else:
                    # list.pop and insert at a place are atomic enough: one holder at a time.
                    with lock:
                        slot = draw.randrange(64)
                        block, exchange[slot] = exchange[slot], block
                    if block is not None and slab_free(block) != OK:
                        failed.append("a block of another's was refused")
        for block in mine:
            slab_free(block)

    lock = threading.Lock()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for block in exchange:
        if block is not None:
            assert slab_free(block) == OK
    assert failed == []
    after = slab.statistics()
    assert after.blocks == before.blocks and after.late == before.late


def test_one_free_of_many_at_once_is_the_one():
    # Four threads free the same blocks: each block goes once, whoever comes first.
    for _ in range(5):
        blocks = [slab_alloc(96) for _ in range(500)]
        before = slab.statistics()
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(list, map(slab_free, blocks)) for _ in range(4)]
            freed = sum(answer.result().count(OK) for answer in answers)
        assert freed == 500
        assert slab.statistics().blocks == before.blocks - 500
        fresh = [slab_alloc(96) for _ in range(1500)]
        assert len(set(fresh)) == 1500
        assert {slab_free(block) for block in fresh} == {OK}


@pytest.mark.parametrize("size", [16, 96, 4096])
def test_two_threads_that_free_one_block_at_the_same_moment_make_one_error(size):
    # Of the owner and another thread one is refused; or both came so close that none is, and then it is counted.
    blocks = 20_000
    before = slab.statistics()
    race = FreeRace(blocks, size)
    with ThreadPoolExecutor(2) as pool:
        owner, other = pool.submit(race.own), pool.submit(race.join)
        *owned, shared = owner.result()
        joined = other.result()
    after = slab.statistics()
    assert shared == 0
    assert sum(owned) == sum(joined) == blocks == owned[OK] + owned[DOUBLE] == joined[OK] + joined[DOUBLE]
    late = owned[OK] + joined[OK] - blocks
    assert late == after.late - before.late >= 0
    assert after.double - before.double == owned[DOUBLE] + joined[DOUBLE] == blocks - late
    assert after.blocks == before.blocks


@pytest.mark.parametrize(("blocks", "size"), [(0, 16), (10, 0)])
def test_a_race_needs_blocks(blocks, size):
    with pytest.raises(ConfigError):
        FreeRace(blocks, size)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_goes_on_with_its_copy():
    with ThreadPoolExecutor(1) as other:
        theirs = other.submit(lambda: [slab_alloc(80) for _ in range(1000)]).result()
        mine = [slab_alloc(80) for _ in range(1000)]
        child = os.fork()
        if child == 0:
            fine = {slab_free(block) for block in theirs + mine} == {OK}
            fresh = [slab_alloc(80) for _ in range(5000)]
            fine = fine and len(set(fresh)) == 5000 and {slab_free(block) for block in fresh} == {OK}
            os._exit(0 if fine else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert {slab_free(block) for block in theirs + mine} == {OK}
