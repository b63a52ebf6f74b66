"""The console from both sides: bytes in order, nothing lost, a side that does not listen costs bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pci_driver import pci_driver
from support.virtio_driver import Driver, Line, Mmio, mmio_driver, mmio_slot

from vmcore.devices.virtio.console import CAPACITY, VirtioConsole
from vmcore.errors import ConfigError, DeviceError

RX, TX = 0, 1


def up(make=mmio_driver, **options) -> tuple[VirtioConsole, Driver, Line]:
    console = VirtioConsole(**options)
    driver, line = make(console)
    return console, driver, line


@pytest.mark.parametrize("make", [mmio_driver, pci_driver])
def test_bytes_both_ways(make):
    console, driver, line = up(make)
    assert driver.queues[TX].call([b"login", b": "], []) == (b"", 0)
    assert console.waiting == 7
    assert console.take() == b"login: "
    assert console.take() == b""
    head = driver.queues[RX].add([], [3])
    second = driver.queues[RX].add([], [100])
    driver.queues[RX].kick()
    assert driver.queues[RX].collect() == [], "no buffer is used without bytes"
    rises = line.rises
    driver.transport.isr()
    assert console.push(b"root\n") == 5
    assert line.rises == rises + 1
    assert driver.queues[RX].collect() == [(head, 3), (second, 2)]
    assert driver.queues[RX].release(head) + driver.queues[RX].release(second)[:2] == b"root\n"


def test_bytes_wait_for_a_driver_and_for_buffers():
    console = VirtioConsole()
    assert console.push(b"early") == 5
    driver, _ = mmio_driver(console)
    head = driver.queues[RX].add([], [2])
    driver.queues[RX].kick()
    assert driver.queues[RX].collect() == [(head, 2)]
    assert driver.queues[RX].release(head) == b"ea"
    head = driver.queues[RX].add([], [10])
    driver.queues[RX].kick()
    assert driver.queues[RX].collect() == [(head, 3)]


def test_a_host_that_sends_too_much_is_told():
    console, _, _ = up()
    assert console.push(bytes(CAPACITY - 1)) == CAPACITY - 1
    assert console.room == 1
    assert console.push(b"ab") == 1
    assert console.push(b"c") == 0


def test_a_guest_that_is_not_read_waits():
    console, driver, _ = up()
    queue = driver.queues[TX]
    big = bytes(range(256)) * 200
    heads = [queue.add([big]), queue.add([big])]
    queue.kick()
    assert queue.collect() == [(heads[0], 0)]
    assert console.waiting == CAPACITY
    first = console.take()
    assert len(first) == CAPACITY
    assert queue.collect() == [(heads[1], 0)]
    assert first + console.take() == big * 2


@given(st.lists(st.one_of(st.binary(max_size=300), st.integers(1, 200), st.just(None)), max_size=40))
def test_nothing_is_lost_or_reordered(steps):
    # Bytes are sent, an int gives a buffer of that size, None reads what the guest wrote.
    console, driver, _ = up()
    sent, received, written, taken = b"", b"", b"", b""
    for step in steps:
        if step is None:
            taken += console.take()
        elif isinstance(step, int):
            if driver.queues[RX].free:
                driver.queues[RX].add([], [step])
                driver.queues[RX].kick()
        else:
            sent += step[: console.push(step)]
            if step:
                driver.queues[TX].call([step], [])
                written += step
        for head, n in driver.queues[RX].collect():
            received += driver.queues[RX].release(head)[:n]
    while len(received) < len(sent):
        driver.queues[RX].add([], [50])
        driver.queues[RX].kick()
        for head, n in driver.queues[RX].collect():
            received += driver.queues[RX].release(head)[:n]
    assert received == sent
    assert taken + console.take() == written


def test_size_of_the_terminal():
    console, driver, _ = up(columns=132, rows=43)
    t = driver.transport
    assert t.features() & 1
    assert (t.config(0, 2), t.config(2, 2), t.config(4, 4)) == (132, 43, 1)
    before = t.generation()
    console.resize(100, 30)
    assert t.isr() == 2
    assert t.generation() != before
    assert (t.config(0, 2), t.config(2, 2)) == (100, 30)
    for columns, rows in ((0, 25), (80, 0), (65536, 1)):
        with pytest.raises(ConfigError, match="1 to 65535"):
            console.resize(columns, rows)
    with pytest.raises(ConfigError):
        VirtioConsole(-1)


def test_emergency_writes_need_no_driver():
    console = VirtioConsole()
    slot, _ = mmio_slot(console, up()[1].ram)
    for char in b"panic":
        slot.write(0x108, 4, char)
    assert console.take() == b"panic"
    for _ in range(CAPACITY + 5):
        slot.write(0x108, 1, 0x41)
    assert console.waiting == CAPACITY


def test_a_broken_transmit_queue_is_no_endless_loop():
    console, driver, _ = up()
    queue = driver.queues[TX]
    queue.expose(queue.build([(0x10, 4, False)]))
    queue.kick()
    assert driver.broken
    assert console.take() == b""
    assert console.push(b"x") == 1
    driver.start()
    driver.queues[TX].call([b"ok"], [])
    assert console.take() == b"ok"


def test_moved_with_bytes_on_both_sides_and_a_transmission_half_done():
    console, driver, _ = up()
    big = bytes(range(256)) * 300
    tx = driver.queues[TX].add([big])
    driver.queues[TX].kick()
    console.push(b"typed")
    ram, twin = driver.ram.copy(), VirtioConsole()
    slot, _ = mmio_slot(twin, ram)
    slot.load(driver.transport.slot.save())
    moved = driver.moved(ram, Mmio(slot))
    for one, side in ((twin, moved), (console, driver)):
        assert side.queues[TX].collect() == []
        assert one.take() + one.take() == big
        assert side.queues[TX].collect() == [(tx, 0)]
        head = side.queues[RX].add([], [9])
        side.queues[RX].kick()
        assert side.queues[RX].collect() == [(head, 5)]
        assert side.queues[RX].release(head)[:5] == b"typed"
    assert moved.transport.slot.save() == driver.transport.slot.save()
    assert ram.banks == driver.ram.banks


def test_a_state_with_too_many_bytes_is_refused():
    console, _, _ = up()
    state = console.save()
    state["fields"]["incoming"] = bytes(CAPACITY + 1)
    with pytest.raises(DeviceError, match="more than"):
        console.load(state)
    assert console.room == CAPACITY
