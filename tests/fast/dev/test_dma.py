"""Guest memory over buffers: borders, addresses near 2**64, views that keep the memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore._fast.dev.dma import BufferDma, Dma
from vmcore.devices.base import GuestMemory
from vmcore.errors import ConfigError, MemoryAccessError

BASE = 0x8000_0000


def two_banks() -> tuple[BufferDma, bytearray, bytearray]:
    low, high = bytearray(100), bytearray(100)
    return BufferDma((BASE, low), (BASE + 100, high)), low, high


@given(st.integers(0, 200), st.binary(max_size=220))
def test_reads_and_writes_cross_banks(offset, data):
    memory, low, high = two_banks()
    if offset + len(data) > 200 and data:
        with pytest.raises(MemoryAccessError, match=hex(BASE + offset)):
            memory.write(BASE + offset, data)
        assert not any(low + high), "nothing is written in part"
        with pytest.raises(MemoryAccessError):
            memory.read(BASE + offset, len(data))
        return
    memory.write(BASE + offset, data)
    assert memory.read(BASE + offset, len(data)) == data
    assert bytes(low + high) == bytes(offset) + data + bytes(200 - offset - len(data))


@pytest.mark.parametrize(
    ("gpa", "n"),
    [(0, 1), (BASE - 1, 2), (BASE + 199, 2), (2**64 - 1, 1), (2**64 - 1, 2), (BASE, 2**63), (BASE, -1 % 2**64)],
)
def test_outside_is_an_error_and_no_allocation(gpa, n):
    memory = two_banks()[0]
    for access in (memory.read, memory.view):
        with pytest.raises(MemoryAccessError, match="not \\(all\\) RAM"):
            access(gpa, n)


def test_the_last_byte_of_the_address_space():
    ram = bytearray(16)
    memory = BufferDma((2**64 - 16, ram))
    memory.write(2**64 - 1, b"\x55")
    assert ram[15] == 0x55
    assert memory.read(2**64 - 16, 16) == bytes(ram)
    with pytest.raises(MemoryAccessError):
        memory.read(2**64 - 1, 2)


def test_a_view_is_the_memory_and_is_counted():
    memory, low, _ = two_banks()
    view = memory.view(BASE + 10, 8)
    array = np.frombuffer(view, dtype=np.uint8)
    del view
    array[3] = 9
    assert low[13] == 9
    assert memory.views >= 1
    with pytest.raises(MemoryAccessError):
        memory.view(BASE + 96, 8)  # not together on the host
    del array
    assert memory.views == 0


def test_buffers_that_cannot_be_memory():
    for banks, words in (
        ([], "0 banks"),
        ([(0, bytearray(1))] * 9, "9 banks"),
        ([(0, b"constant")], "read-only"),
        ([(0, bytearray())], "empty"),
        ([(0, bytearray(16)), (15, bytearray(16))], "overlaps"),
        ([(2**64 - 1, bytearray(2))], "2\\*\\*64"),
    ):
        with pytest.raises(ConfigError, match=words):
            BufferDma(*banks)


def test_the_base_class_has_no_memory():
    with pytest.raises(MemoryAccessError):
        Dma().read(0, 1)
    assert isinstance(two_banks()[0], GuestMemory)
