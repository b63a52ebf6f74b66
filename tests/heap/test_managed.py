"""The managed heap from Python: handles, weak references, finalisers, limits, errors, what is left."""

import gc
import os
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.heaps import BARRIERS, cycling, in_threads

from vmcore._fast.memory import alloc
from vmcore.errors import ClosedError, ConfigError, HeapError, HeapExhausted, MemoryAccessError, VmError
from vmcore.heap import ManagedHeap


@pytest.fixture(params=BARRIERS)
def heap(request):
    with ManagedHeap("32M", barrier=request.param) as made:
        yield made
        gc.collect()


def test_an_object_has_fields_and_payload(heap):
    o = heap.alloc(refs=3, payload=10)
    assert len(o) == 3 and o.payload == 10 and o.read() == bytes(10)
    assert [o[i] for i in range(3)] == [None] * 3
    other = heap.alloc()
    o[0] = other
    o[-1] = o
    assert o[0] == other and o[2] == o and o[1] is None
    assert hash(o[0]) == hash(other) and o[0] != o and o != 1
    o.write(4, b"abc")
    assert o.read(3, 5) == b"\0abc\0"
    with memoryview(o) as view:
        view[0:2] = b"xy"
        assert len(view) == 10 and not view.readonly
    assert o.read(0, 2) == b"xy"
    o[0] = None
    assert o[0] is None
    assert "3 references, 10 bytes" in repr(o)


@pytest.mark.parametrize("size", [0, 1, 8, 500, 4088, 4096, 30_000, 40_000, 1 << 20, 5 << 20])
def test_objects_of_every_size_keep_their_bytes(heap, size):
    data = bytes(i % 251 for i in range(size))
    made = [heap.alloc(refs=1, payload=size) for _ in range(3)]
    for o in made:
        o.write(0, data)
    heap.collect()
    assert [o.read() for o in made] == [data] * 3


def test_what_nothing_refers_to_goes(heap):
    a = heap.alloc(refs=1, payload=40)
    a[0] = heap.alloc(refs=1)
    a[0][0] = a
    assert heap.collect().live == 2
    del a
    assert heap.collect().live == 0


def test_large_objects_go_and_their_memory_with_them(heap):
    big = [heap.alloc(payload=4 << 20) for _ in range(6)]
    held = heap.stats().held_bytes
    del big
    heap.collect()
    # A cycle that the allocations asked for may have come first.
    assert sum(cycle.returned_bytes for cycle in heap.cycles()) >= 24 << 20
    assert heap.stats().held_bytes < held - (20 << 20)


def test_a_full_heap_collects_then_says_so(heap):
    for _ in range(40):
        heap.alloc(payload=4 << 20)
    assert heap.stats().cycles > 0
    kept = []
    with pytest.raises(HeapExhausted, match="higher limit") as caught:
        while True:
            kept.append(heap.alloc(payload=1 << 20))
    assert isinstance(caught.value, MemoryError) and isinstance(caught.value, VmError)
    assert len(kept) > 20
    kept.clear()
    assert heap.alloc(payload=1 << 20).payload == 1 << 20


def test_weak_references_do_not_keep_and_are_emptied(heap):
    o = heap.alloc(payload=4)
    reference = heap.weakref(o)
    assert reference() == o
    heap.collect()
    assert reference() == o
    del o
    heap.collect()
    assert reference() is None
    again = heap.weakref(heap.alloc())
    del reference
    heap.collect()
    assert again() is None


def test_a_weak_reference_taken_while_marking_is_alive_or_empty_never_another(heap):
    def work(seed):
        for n in range(2000):
            o = heap.alloc(payload=8)
            o.write(0, (seed * 10_000 + n).to_bytes(8, "little"))
            weak = heap.weakref(o)
            if n % 3:
                del o
            got = weak()
            assert got is None or got.read() == (seed * 10_000 + n).to_bytes(8, "little")
            assert n % 3 or got is not None

    with cycling(heap):
        in_threads(*(lambda seed=seed: work(seed) for seed in range(3)))


def test_finalisers_run_when_asked_on_the_thread_that_asks(heap):
    called = []
    o = heap.alloc(refs=1, payload=2)
    o.write(0, b"hi")
    o[0] = heap.alloc(payload=3)
    o[0].write(0, b"you")
    weak = heap.weakref(o)

    def last(handle):
        called.append((handle.read(), handle[0].read(), weak(), threading.current_thread()))

    heap.finalise(o, last)
    heap.finalise(o, lambda handle: called.append(handle.read()))
    heap.collect()
    assert heap.run_finalisers() == 0
    del o
    assert heap.collect().finalisable == 2
    assert called == []
    assert heap.run_finalisers(most=1) == 1
    heap.collect()
    assert heap.run_finalisers() == 1 and heap.run_finalisers() == 0
    assert sorted(called, key=str) == [(b"hi", b"you", None, threading.current_thread()), b"hi"]
    assert heap.collect().live == 0


def test_a_finaliser_can_bring_its_object_back_once(heap):
    back = []
    o = heap.alloc(payload=1)
    o.write(0, b"x")
    heap.finalise(o, back.append)
    del o
    heap.collect()
    assert heap.run_finalisers() == 1
    assert heap.collect().live == 1 and back[0].read() == b"x"
    back.clear()
    assert heap.collect().live == 0 and heap.run_finalisers() == 0


def test_an_exception_of_a_finaliser_is_the_callers(heap):
    heap.finalise(heap.alloc(), lambda handle: 1 // 0)
    called = []
    heap.finalise(heap.alloc(), called.append)
    heap.collect()
    with pytest.raises(ZeroDivisionError):
        while heap.run_finalisers():
            pass
    heap.run_finalisers()
    assert len(called) == 1


# One step on a graph: what, on which objects, in which field.
STEPS = st.lists(
    st.tuples(st.sampled_from(["new", "link", "cut", "drop", "hold", "collect"]), *[st.integers(0, 15)] * 3),
    max_size=60,
)


@pytest.mark.parametrize("barrier", BARRIERS)
@settings(max_examples=40)
@given(steps=STEPS)
def test_any_graph_agrees_with_its_shadow(barrier, steps):
    with ManagedHeap("4M", barrier=barrier) as heap, cycling(heap):
        handles, shadow, number = [], [], 0

        def same(handle, node, seen):
            assert handle.read() == node[0].to_bytes(4, "little")
            if id(node) not in seen:
                seen.add(id(node))
                for i, child in enumerate(node[1]):
                    got = handle[i]
                    assert (got is None) == (child is None)
                    if child is not None:
                        same(got, child, seen)

        for what, a, b, field in steps:
            if what == "new" or not handles:
                handles.append(heap.alloc(refs=3, payload=4))
                handles[-1].write(0, number.to_bytes(4, "little"))
                shadow.append((number, [None] * 3))
                number += 1
                continue
            a, b, field = a % len(handles), b % len(handles), field % 3
            if what == "link":
                handles[a][field] = handles[b]
                shadow[a][1][field] = shadow[b]
            elif what == "cut":
                handles[a][field] = None
                shadow[a][1][field] = None
            elif what == "drop":
                del handles[a], shadow[a]
            elif what == "hold" and shadow[a][1][field] is not None:
                handles.append(handles[a][field])
                shadow.append(shadow[a][1][field])
            elif what == "collect":
                heap.collect()
        for handle, node in zip(handles, shadow, strict=True):
            same(handle, node, set())
        reachable, todo = set(), list(shadow)
        while todo:
            node = todo.pop()
            if id(node) not in reachable:
                reachable.add(id(node))
                todo += [child for child in node[1] if child is not None]
        assert heap.collect().live == len(reachable)
        handles.clear()


def test_a_page_is_aligned_and_never_moves(heap):
    page = heap.alloc_page(bytes(range(256)) * 16)
    before = repr(page)
    heap.compact()
    assert int(before.split("at 0x")[1][:-1], 16) % 4096 == 0
    assert repr(page) == before and page.read() == bytes(range(256)) * 16 and len(page) == 0
    with pytest.raises(ConfigError, match="a page has 4096"):
        heap.alloc_page(b"short")


def test_fragmentation_is_told_and_empty_blocks_go_back(heap):
    kept = [heap.alloc(payload=1000) for _ in range(12_000)]
    del kept[1:]
    heap.collect()
    pieces = heap.free_blocks()
    assert heap.total_free == sum(size * n for size, n in pieces.items())
    assert heap.largest_free == max(pieces)
    before = heap.stats().held_bytes
    heap.compact()
    assert heap.stats().held_bytes == 256 << 10 < before
    assert heap.total_free < 256 << 10 and kept[0].payload == 1000


def test_a_survey_counts_runs_of_free_cells_and_of_blocks(heap):
    kept = [heap.alloc(payload=1000) for _ in range(1040)]
    # Cells of 1 KiB, 256 of them in a block: leave one cell in ten of the first, and nothing of the others.
    cells = [kept[i] for i in range(0, 256, 10)]
    del kept
    heap.collect()
    found = heap.survey()
    assert found.held == heap.stats().held_bytes
    assert found.free == found.held - len(cells) * 1024
    # The longest run of cells, and the longest of blocks.
    assert found.largest == 9 * 1024 + (found.held - (256 << 10))
    assert found.histogram[13] == 25 and sum(found.histogram) == 26 + 1
    heap.compact()
    assert heap.survey() == (256 << 10, (256 - 26) * 1024, 9 * 1024, (*[0] * 12, 1, 25, *[0] * 27))


def test_figures_add_up(heap):
    kept = [heap.alloc(refs=2, payload=8) for _ in range(100)]
    for _ in range(50):
        heap.alloc()
    cycle = heap.collect()
    assert (cycle.marked, cycle.swept, cycle.live) == (100, 50, 100)
    assert cycle.live_bytes == 100 * 32 and cycle.swept_bytes == 50 * 16
    stats = heap.stats()
    assert (stats.live, stats.handles, stats.mutators, stats.cycles) == (100, 100, 1, 1)
    assert heap.cycles() == [cycle] and kept
    for _ in range(300):
        heap.collect()
    numbers = [cycle.number for cycle in heap.cycles()]
    assert numbers == list(range(301 - 255, 302))


def test_wrong_use_is_a_typed_error(heap):
    o = heap.alloc(refs=1, payload=4)
    with ManagedHeap("4M") as other:
        stranger = other.alloc()
        for call in (
            lambda: o.__setitem__(0, stranger),
            lambda: heap.weakref(stranger),
            lambda: heap.finalise(stranger, print),
        ):
            with pytest.raises(HeapError, match="another heap"):
                call()
    for index in (1, -2):
        with pytest.raises(IndexError):
            o[index]
        with pytest.raises(IndexError):
            o[index] = None
    for call in (lambda: o.read(0, 5), lambda: o.read(-1, 1), lambda: o.read(1, -1), lambda: o.write(3, b"ab")):
        with pytest.raises(MemoryAccessError, match="payload of 4 bytes"):
            call()
    for options in ({"refs": -1}, {"refs": 1 << 24}, {"payload": -1}, {"payload": 1 << 32}):
        with pytest.raises(ConfigError):
            heap.alloc(**options)
    with pytest.raises(ConfigError, match="cannot be called"):
        heap.finalise(o, 1)


@pytest.mark.parametrize(
    "options",
    [{"limit": "1M"}, {"limit": "2T"}, {"limit": 5_000_000}, {"barrier": "none"}, {"markers": 0}, {"markers": 65}],
)
def test_wrong_options_are_refused(options):
    with pytest.raises(ConfigError):
        ManagedHeap(**options)


def test_a_closed_heap_refuses_everything_and_leaves_nothing():
    gc.collect()
    before, threads = alloc.live(), len(os.listdir("/proc/self/task"))
    heap = ManagedHeap("16M", markers=3)
    assert len(os.listdir("/proc/self/task")) == threads + 3
    o = heap.alloc(refs=1, payload=8)
    weak = heap.weakref(o)
    heap.finalise(o, print)
    view = memoryview(o)
    with pytest.raises(HeapError, match="1 buffers"):
        heap.close()
    view.release()
    heap.close()
    heap.close()
    assert heap.closed and "closed" in repr(heap)
    for call in (heap.alloc, heap.collect, heap.stats, heap.cycles, heap.free_blocks, heap.compact, heap.survey, weak,
                 o.read, heap.run_finalisers, lambda: o[0], lambda: o.__setitem__(0, o), lambda: heap.weakref(o),
                 lambda: o.write(0, b"x"), lambda: memoryview(o), lambda: heap.alloc_page(bytes(4096))):  # fmt: skip
        with pytest.raises(ClosedError):
            call()
    assert len(os.listdir("/proc/self/task")) == threads
    heap = o = weak = call = None
    gc.collect()
    assert alloc.live() == before


def test_a_heap_that_nobody_closed_leaves_nothing():
    gc.collect()
    before = alloc.live()
    heap = ManagedHeap("16M")
    o = heap.alloc(refs=1)
    o[0] = o
    del heap, o
    gc.collect()
    assert alloc.live() == before


def test_in_a_forked_child_the_heap_is_closed():
    heap = ManagedHeap("16M", markers=2)
    o = heap.alloc(payload=4)
    child = os.fork()
    if not child:
        status = 1
        try:
            for call in (heap.alloc, heap.collect, o.read, heap.stats):
                try:
                    call()
                except ClosedError:
                    continue
                break
            else:
                heap.close()
                # A heap of the child's own works.
                with ManagedHeap("4M") as mine:
                    mine.alloc(refs=1)
                    status = 0 if mine.collect().live == 0 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert o.read() == bytes(4) and heap.collect().live == 1
    heap.close()
