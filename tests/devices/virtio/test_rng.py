"""The entropy device: how much it gives, the seeded stream, and that the stream goes on after a move."""

from __future__ import annotations

import hashlib

import pytest
from support.pci_driver import pci_driver
from support.virtio_driver import Mmio, mmio_driver, mmio_slot

from vmcore.devices.virtio.rng import MOST, VirtioRng


@pytest.mark.parametrize("make", [mmio_driver, pci_driver])
def test_buffers_are_filled(make):
    driver, line = make(VirtioRng())
    data, written = driver.queues[0].call([], [64, 100])
    assert written == 164
    assert len(set(data)) > 50
    assert driver.queues[0].call([], [64, 100])[0] != data
    assert line.rises == 1


def test_the_seeded_stream_is_sha512_in_counter_mode():
    driver, _ = mmio_driver(VirtioRng(seed=b"seed"))
    key = hashlib.sha512(b"seed").digest()
    stream = b"".join(hashlib.sha512(key + i.to_bytes(8, "little")).digest() for i in range(4))
    assert driver.queues[0].call([], [100]) == (stream[:100], 100)
    assert driver.queues[0].call([], [64]) == (stream[128:192], 64)


def test_seeds_make_streams():
    streams = {VirtioRng(seed).take(32) for seed in (0, 1, -1, 255, 256, 2**100, b"", b"\0")}
    assert len(streams) >= 7
    assert VirtioRng(5).take(100) == VirtioRng(5).take(100)
    assert VirtioRng().take(32) != VirtioRng().take(32)


def test_a_huge_request_costs_bounded_work():
    driver, _ = mmio_driver(VirtioRng(seed=1))
    data, written = driver.queues[0].call([], [MOST, MOST])
    assert written == MOST
    assert data[MOST:] == b"\xee" * MOST


def test_a_buffer_without_room_is_given_back():
    driver, _ = mmio_driver(VirtioRng(seed=1))
    assert driver.queues[0].call([b"only readable"], []) == (b"", 0)


def test_the_stream_goes_on_after_a_move():
    driver, _ = mmio_driver(VirtioRng(seed=3))
    driver.queues[0].call([], [10])
    first = driver.queues[0].add([], [40])
    ram = driver.ram.copy()
    slot, _ = mmio_slot(VirtioRng(seed=99), ram)
    slot.load(driver.transport.slot.save())
    twin = driver.moved(ram, Mmio(slot))
    for one in (driver, twin):
        one.queues[0].kick()
        assert one.queues[0].collect() == [(first, 40)]
    assert twin.queues[0].release(first) == driver.queues[0].release(first)
    assert twin.transport.slot.save() == driver.transport.slot.save()
