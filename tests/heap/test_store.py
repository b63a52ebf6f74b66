"""The snapshot store: trees share pages, dropping one frees what only it had, and machines go on meanwhile."""

import gc
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.baremetal import DRAM
from support.bundled import PROMPT
from support.heaps import cycling, in_threads

from vmcore import Machine
from vmcore._fast.memory import alloc
from vmcore.errors import ClosedError, ConfigError, HeapError, HeapExhausted, MemoryAccessError
from vmcore.guests import image_path
from vmcore.heap import ManagedHeap
from vmcore.heap.store import PAGE_SIZE, PageStore, PageTree


def page(number: int) -> bytes:
    return number.to_bytes(8, "little") * (PAGE_SIZE // 8)


@pytest.fixture
def store():
    with PageStore("64M") as made:
        yield made
        gc.collect()


@pytest.mark.parametrize("pages", [1, 2, 63, 64, 65, 4095, 4097, 5000])
def test_a_tree_gives_back_what_it_was_made_of(store, pages):
    data = [page(n % 97) for n in range(pages)]
    tree = store.build(b"".join(data))
    assert len(tree) == pages
    assert [tree[i] for i in range(pages)] == data and tree[-1] == data[-1]
    assert list(tree) == [(i, data[i]) for i in range(pages) if i % 97]
    assert store.stats().pages == min(pages - 1, 96)


def test_equal_pages_are_one_page(store):
    tree = store.build(page(7) * 1000)
    stats = store.stats()
    assert (stats.mapped, stats.pages, stats.made, stats.found) == (1000, 1, 1, 999)
    again = store.build(page(0) * 10 + page(7))
    assert store.stats().pages == 1 and tree[999] == again[10] == page(7)


def test_zeroes_take_no_memory(store):
    tree = store.build(bytes(PAGE_SIZE * 100))
    assert tree.root is None and store.zeroes(1 << 36)[12345] == bytes(PAGE_SIZE) and list(tree) == []
    assert store.heap.collect().live == 0
    back = tree.derive([(5, page(1))]).derive([(5, page(0))])
    assert back.root is None and back.diff(tree) == []


def test_a_derived_tree_shares_what_did_not_change(store):
    first = store.build(b"".join(page(n + 1) for n in range(4096)))
    nodes = store.stats().nodes
    second = first.derive([(100, page(9999)), (101, bytearray(page(9998)))])
    assert first.diff(second) == second.diff(first) == [100, 101]
    assert (first[100], second[100], second[102]) == (page(101), page(9999), first[102])
    stats = store.stats()
    assert stats.pages == 4098 and stats.nodes == nodes + 2 and stats.mapped == 8192
    assert first.unique() == second.unique() == 2
    same = first.derive([(100, page(101))])
    assert same.root == first.root and same.diff(first) == []


def test_of_a_page_that_comes_twice_the_last_counts(store):
    tree = store.zeroes(10).derive([(3, page(1)), (2, page(5)), (3, page(2))])
    assert list(tree) == [(2, page(5)), (3, page(2))]


def test_dropping_a_snapshot_frees_what_only_it_had(store):
    first = store.build(b"".join(page(n + 1) for n in range(500)))
    kept = first.derive([(0, page(1000))])
    gone = kept.derive((n, page(n + 2000)) for n in range(200))
    live = store.heap.collect().live
    gone.drop()
    gone.drop()
    cycle = store.heap.collect()
    # Its pages, their nodes (500 pages are eight) and the root above them.
    assert live - cycle.live == 200 + 4 + 1
    with pytest.raises(ClosedError, match="dropped"):
        gone[0]
    del first
    assert kept[0] == page(1000) and kept[499] == page(500) and store.stats().trees == 1
    assert store.heap.collect().live == 500 + 9


def test_a_page_that_died_is_made_again(store):
    tree = store.build(page(3))
    tree.drop()
    store.heap.collect()
    assert store.build(page(3))[0] == page(3)
    assert store.stats().made == 2


def test_thousands_of_snapshots_share_pages_while_cycles_run(store):
    dice = random.Random(5)
    shadow = [page(n) for n in range(256)]
    base = store.build(b"".join(shadow))
    trees, shadows = [base], [shadow]
    with cycling(store.heap):
        for n in range(3000):
            at = dice.randrange(len(trees))
            changes = [(dice.randrange(256), page(dice.randrange(300))) for _ in range(3)]
            shadow = list(shadows[at])
            for index, data in changes:
                shadow[index] = data
            trees.append(trees[at].derive(changes))
            shadows.append(shadow)
            if len(trees) > 1500 or n % 7 == 0:
                del trees[at], shadows[at]
                trees = trees or [base]
                shadows = shadows or [[page(n) for n in range(256)]]
    assert len(trees) > 1000
    for tree, shadow in zip(trees[::50], shadows[::50], strict=True):
        assert [tree[i] for i in range(256)] == shadow
    stats = store.stats()
    assert stats.pages <= 300 and stats.mapped > 200_000
    assert len(store.heap.cycles()) > 5


CHANGES = st.lists(st.tuples(st.integers(0, 129), st.integers(0, 3)), max_size=12)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 7), CHANGES, st.booleans()), max_size=12))
def test_any_history_agrees_with_plain_lists(history):
    with PageStore("8M") as store:
        trees, shadows = [store.zeroes(130)], [[0] * 130]
        for at, changes, drop in history:
            at %= len(trees)
            shadow = list(shadows[at])
            for index, number in changes:
                shadow[index] = number
            trees.append(trees[at].derive((index, page(number)) for index, number in changes))
            shadows.append(shadow)
            if drop:
                trees.pop(at).drop()
                shadows.pop(at)
                store.heap.collect()
        for tree, shadow in zip(trees, shadows, strict=True):
            assert [tree[i] for i in range(130)] == [page(number) for number in shadow]
            assert tree.diff(trees[0]) == [i for i in range(130) if shadow[i] != shadows[0][i]]
        stats = store.stats()
        assert stats.pages == len({number for shadow in shadows for number in shadow} - {0})
        assert stats.mapped == sum(number != 0 for shadow in shadows for number in shadow)
        trees.clear()
        del tree
        gc.collect()
        assert store.heap.collect().live == 0


def test_several_threads_use_one_store(store):
    def work(seed):
        tree = store.zeroes(300)
        shadow = {}
        dice = random.Random(seed)
        for n in range(300):
            index, number = dice.randrange(300), dice.randrange(1, 50)
            tree = tree.derive([(index, page(number))])
            shadow[index] = number
            if n % 20 == 0:
                assert store.stats().pages >= tree.unique()
        return [tree[i] == page(shadow.get(i, 0)) for i in range(300)]

    with cycling(store.heap):
        results = in_threads(*(lambda seed=seed: work(seed) for seed in range(4)))
    assert all(all(result) for result in results)


def test_a_full_store_says_so_and_goes_on():
    with PageStore("4M") as store:
        kept = store.build(b"".join(page(n + 1) for n in range(100)))
        with pytest.raises(HeapExhausted, match="higher limit"):
            store.build(b"".join(page(n + 1) for n in range(5000)))
        assert kept.derive([(0, page(77_777))])[0] == page(77_777)
        assert kept[99] == page(100)


def test_a_store_in_a_heap_of_others():
    with ManagedHeap("16M", barrier="card") as heap:
        store = PageStore(heap=heap)
        tree = store.build(page(1))
        with pytest.raises(HeapError, match="1 mutators"):
            heap.close()
        store.close()
        store.close()
        for call in (lambda: tree[0], lambda: store.build(page(1)), lambda: store.zeroes(1).derive([(0, page(1))])):
            with pytest.raises(ClosedError):
                call()
        tree.drop()
        assert heap.collect().live == 0
    with pytest.raises(ClosedError):
        PageStore(heap=heap)


def test_wrong_use_is_a_typed_error(store):
    tree = store.build(page(1) * 4)
    with PageStore("4M") as other, pytest.raises(HeapError, match="another store"):
        tree.diff(other.zeroes(4))
    with pytest.raises(HeapError, match="5 pages"):
        tree.diff(store.zeroes(5))
    for index in (4, -5):
        with pytest.raises(IndexError):
            tree[index]
    for index in (4, -1, 1 << 70):
        with pytest.raises(MemoryAccessError, match="of 4 pages"):
            tree.derive([(index, page(1))])
    with pytest.raises(ConfigError, match="4095 bytes"):
        tree.derive([(0, bytes(4095))])
    for data in (b"", bytes(4097)):
        with pytest.raises(ConfigError):
            store.build(data)
    for pages in (0, (1 << 36) + 1):
        with pytest.raises(ConfigError):
            store.zeroes(pages)


def test_nothing_is_left_of_a_store():
    gc.collect()
    before = alloc.live()
    store = PageStore("16M")
    trees = [store.build(page(n + 1) * 3) for n in range(10)]
    assert isinstance(trees[0], PageTree)
    del store, trees
    gc.collect()
    assert alloc.live() == before


# ---- memory of machines


def contents(vm: Machine) -> list[bytes]:
    return [vm.core.memory.read(base, size) for base, size, _ in vm.core.memory.banks()]


def test_a_small_machine_goes_back_and_forth(store):
    with Machine("virt", ram="2M") as vm:
        ram = vm.core.memory
        empty = store.capture(ram)
        assert len(empty.tree) == sum(size for _, size, _ in ram.banks()) // PAGE_SIZE
        vm.phys[DRAM : DRAM + 5] = b"first"
        vm.phys[DRAM + 0x10_0000 : DRAM + 0x10_0004] = b"more"
        first = store.capture(ram, empty)
        assert len(first.tree.diff(empty.tree)) == 2
        vm.phys[DRAM : DRAM + 6] = b"second"
        second = store.capture(ram, first)
        assert len(second.tree.diff(first.tree)) == 1
        vm.phys[DRAM + 0x5000] = 1
        # Each from a memory that counts from another capture, with pages written since.
        for capture, expect, writes in (
            (first, (b"first\0", b"more"), 2),
            (second, (b"second", b"more"), 1),
            (empty, (bytes(6), bytes(4)), 2),
            (empty, (bytes(6), bytes(4)), 0),
        ):
            assert store.restore(capture, ram) == writes
            assert bytes(vm.phys[DRAM : DRAM + 6]) == expect[0]
            assert bytes(vm.phys[DRAM + 0x10_0000 : DRAM + 0x10_0004]) == expect[1]
        # Not the capture that the dirty pages count from: every page is compared, and the result is right all the same.
        vm.phys[DRAM : DRAM + 5] = b"third"
        assert store.capture(ram, second).tree.diff(empty.tree) == first.tree.diff(second.tree)


def test_a_view_keeps_its_pages_looked_at(store):
    with Machine("virt", ram="1M") as vm:
        view = vm.core.memory.view(DRAM, 8192)
        first = store.capture(vm.core.memory)
        view[5000] = 9
        second = store.capture(vm.core.memory, first)
        assert len(second.tree.diff(first.tree)) == 1
        assert store.restore(first, vm.core.memory) == 1 and view[5000] == 0
        view.release()


def test_another_machine_of_the_same_shape_takes_the_memory(store):
    with Machine("virt", ram="1M") as one, Machine("virt", ram="1M") as two, Machine("virt", ram="2M") as three:
        one.phys[DRAM : DRAM + 4] = b"abcd"
        capture = store.capture(one.core.memory)
        two.phys[DRAM + 0x3000] = 5
        store.restore(capture, two.core.memory)
        assert contents(one) == contents(two)
        with pytest.raises(HeapError, match="other banks"):
            store.restore(capture, three.core.memory)
        with pytest.raises(HeapError, match="other banks"):
            store.capture(three.core.memory, capture)
        ram = two.core.memory
    for call in (lambda: store.capture(ram), lambda: store.capture(ram, capture), lambda: store.restore(capture, ram)):
        with pytest.raises(ClosedError, match="machine is closed"):
            call()


def test_the_bundled_guest_goes_back_to_the_middle_of_its_boot():
    with PageStore("256M") as store, Machine("virt", ram="64M", kernel=image_path()) as vm:
        ram = vm.core.memory
        vm.run(max_insns=300_000)
        middle = store.capture(ram)
        was = contents(vm)
        vm.console.expect(PROMPT, timeout=600.0)
        with cycling(store.heap):
            later = store.capture(ram, middle)
            now = contents(vm)
            assert was != now
            changed = later.tree.diff(middle.tree)
            assert 0 < len(changed) < len(later.tree) // 2
            vm.console.write("ps\r")
            vm.console.expect(PROMPT, timeout=600.0)
            last = store.capture(ram, later)
            assert 0 < len(last.tree.diff(later.tree)) < len(changed)
            assert store.restore(middle, ram) >= len(changed)
            assert contents(vm) == was
            store.restore(later, ram)
            assert contents(vm) == now
        stats = store.stats()
        assert stats.trees == 3 and stats.pages < stats.mapped
        live = store.heap.collect().live
        last.drop()
        assert store.heap.collect().live < live
