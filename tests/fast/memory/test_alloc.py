"""Memory of the compiled core: sizes are checked, everything is counted, nothing is left."""

import ctypes
import gc
import threading

import pytest
from support.capi import c_function

from vmcore._fast.dev.dma import BufferDma
from vmcore._fast.dev.virtqueue import VirtQueue
from vmcore._fast.memory import alloc
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv import install
from vmcore.isa.riscv.extensions import Isa

SIZE_MAX = 2**64 - 1
DRAM = 0x8000_0000
# addi a0, a0, 1 ; j back: one page of code at each place it is put.
LOOP = bytes.fromhex("13051500" "6ff0dfff")

vm_alloc = c_function(alloc, "vm_alloc", ctypes.c_void_p, ctypes.c_size_t)
vm_calloc = c_function(alloc, "vm_calloc", ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
vm_realloc = c_function(alloc, "vm_realloc", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
vm_free = c_function(alloc, "vm_free", None, ctypes.c_void_p)
vm_size = c_function(alloc, "vm_size", ctypes.c_size_t, ctypes.c_void_p)


@pytest.fixture
def before():
    """What is alive before the test; earlier tests' machines are collected first."""
    gc.collect()
    return alloc.live()


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 4096, 1 << 20])
def test_a_block_is_aligned_counted_and_given_back(before, size):
    block = vm_alloc(size)
    assert block and block % 16 == 0 and vm_size(block) == size
    assert alloc.live() == (before.blocks + 1, before.bytes + size)
    ctypes.memset(block, 0xA5, size)
    vm_free(block)
    assert alloc.live() == before


def test_calloc_is_zero_even_where_memory_was_used_before(before):
    for _ in range(20):
        block = vm_alloc(1000)
        ctypes.memset(block, 0xA5, 1000)
        vm_free(block)
        block = vm_calloc(10, 100)
        assert ctypes.string_at(block, 1000) == bytes(1000)
        vm_free(block)
    assert alloc.live() == before


@pytest.mark.parametrize("count, size", [(2**32, 2**32), (SIZE_MAX, 1), (1, SIZE_MAX), (SIZE_MAX // 8, 8), (2**63, 3)])
def test_a_product_that_does_not_fit_is_refused(before, count, size):
    assert vm_calloc(count, size) is None
    assert alloc.live() == before


@pytest.mark.parametrize("count, size", [(0, 8), (8, 0), (0, 0), (SIZE_MAX, 0), (0, SIZE_MAX)])
def test_nothing_of_something_is_a_block_of_its_own(before, count, size):
    block = vm_calloc(count, size)
    assert block and vm_size(block) == 0
    vm_free(block)
    assert alloc.live() == before


def test_the_largest_sizes_do_not_wrap_around(before):
    for size in range(SIZE_MAX - 40, SIZE_MAX + 1):
        assert vm_alloc(size) is None
    block = vm_alloc(8)
    for size in range(SIZE_MAX - 40, SIZE_MAX + 1):
        assert vm_realloc(block, size) is None
    assert vm_size(block) == 8
    vm_free(block)
    assert alloc.live() == before


def test_realloc_keeps_the_bytes_and_the_count(before):
    block = vm_realloc(None, 4)
    ctypes.memmove(block, b"abcd", 4)
    for size in (100, 100_000, 4_000_000, 10, 4):
        block = vm_realloc(block, size)
        assert block % 16 == 0 and ctypes.string_at(block, 4) == b"abcd"
        assert alloc.live() == (before.blocks + 1, before.bytes + size)
    vm_free(block)
    vm_free(None)
    assert alloc.live() == before


def test_threads_count_without_losing_any(before):
    def work():
        for size in range(2000):
            vm_free(vm_realloc(vm_alloc(size), size * 2))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alloc.live() == before


def test_an_untouched_large_block_costs_nothing():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    before = resident()
    block = vm_calloc(1 << 20, 256)
    after = resident()
    vm_free(block)
    assert after - before < 16 << 20


def test_nothing_is_left_of_a_core(before):
    install()
    core = Core(2, Isa.default().mask)
    core.add_ram(DRAM, 1 << 20)
    for page in range(8):
        core.memory.write(DRAM + page * 4096, LOOP)
        core.probe_add(0x1234_0000 + 2 * page)
    for page in range(8):
        core.set_pc(page % 2, DRAM + page * 4096)
        assert core.run(max_insns=50_000) == EXITS["budget"]
    held = alloc.live()
    assert held.blocks > before.blocks + 10 and held.bytes > before.bytes
    core.close()
    assert alloc.live().blocks < held.blocks
    del core
    gc.collect()
    assert alloc.live() == before


def test_nothing_is_left_of_a_core_that_nobody_closed(before):
    install()
    core = Core(1, Isa.default().mask)
    core.add_ram(DRAM, 1 << 20)
    core.memory.write(DRAM, LOOP)
    core.set_pc(0, DRAM)
    core.run(max_insns=100)
    del core
    gc.collect()
    assert alloc.live() == before


def test_nothing_is_left_of_a_virtqueue(before):
    queue = VirtQueue(0, 64)
    memory = BufferDma((DRAM, bytearray(4096)))
    assert alloc.live().blocks == before.blocks + 1
    del queue, memory
    gc.collect()
    assert alloc.live() == before
