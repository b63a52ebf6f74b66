"""What both transports promise a driver: status, features, queues, interrupts, configuration, moves (2 to 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pci_driver import Bus, Pci, pci_driver, pci_host
from support.virtio_driver import ALL, EVENT_IDX, VERSION_1, Driver, Mmio, Ram, mmio_driver, mmio_slot

from vmcore.devices.virtio.device import VirtioDevice
from vmcore.devices.virtio.mmio import VirtioMmio
from vmcore.errors import DeviceError

FEATURE = 1 << 5


class Echo(VirtioDevice):
    """Answers with what it reads; its configuration space is a counter and a register."""

    name = "echo"
    device_id = 42
    queue_sizes: ClassVar[tuple[int, ...]] = (16, 64)
    features = FEATURE
    state: ClassVar[tuple[str, ...]] = ("counter", "register")

    def __init__(self) -> None:
        super().__init__()
        self.counter = 1
        self.register = 0
        self.started = 0

    def driver_ready(self) -> None:
        self.started += 1

    def serve(self, queue: Any) -> None:
        for chain in self.chains(queue):
            chain.write(chain.read())
            queue.push(chain)
        self.done(queue)

    def config_space(self) -> bytes:
        return self.counter.to_bytes(4, "little") + self.register.to_bytes(4, "little")

    def config_written(self, offset: int, size: int, value: int) -> None:
        if (offset, size) == (4, 4):
            self.register = value


@pytest.fixture(params=["mmio", "pci"])
def start(request) -> Callable[..., tuple[Driver, Any, Echo]]:
    """Bring up an Echo; returns driver, interrupt line and device."""

    def make(wanted: int = ALL) -> tuple[Driver, Any, Echo]:
        device = Echo()
        driver, line = (mmio_driver if request.param == "mmio" else pci_driver)(device, wanted)
        return driver, line, device

    return make


def test_a_driver_comes_up_and_talks(start):
    driver, line, device = start()
    assert device.started == 1
    assert driver.transport.status() == 15
    assert sorted(driver.queues) == [0, 1]
    assert driver.queues[0].call([b"hello"], [3, 10]) == (b"hello" + b"\xee" * 8, 5)
    assert (line.level, line.rises) == (True, 1)
    assert driver.transport.isr() == 1
    assert not line.level
    assert driver.transport.isr() == 0
    assert driver.queues[1].call([b"x" * 1000], [1000]) == (b"x" * 1000, 1000)


def test_queue_sizes(start):
    t = start()[0].transport
    t.set_status(0)
    assert [t.max_size(i) for i in (0, 1, 2, 0xFFFF)] == [16, 64, 0, 0]


def test_features_that_cannot_be_are_refused(start):
    t = start()[0].transport
    offered = t.features()
    assert offered & FEATURE
    assert offered & VERSION_1
    for bad in (offered & ~VERSION_1, offered | 1 << 6, offered | 1 << 63, 0):
        t.set_status(0)
        t.set_status(3)
        t.set_features(bad)
        t.set_status(11)
        assert t.status() == 3, hex(bad)
        t.set_status(15)
        assert t.status() == 3, "no DRIVER_OK without FEATURES_OK"
        t.set_features(offered)
        t.set_status(11)
        assert t.status() == 11, "another choice is possible"


def test_features_are_settled_by_features_ok(start):
    driver, _, device = start(ALL & ~FEATURE)
    driver.transport.set_features(ALL)
    assert not device.driver_features & FEATURE


def test_status_bits_are_only_added(start):
    t = start()[0].transport
    t.set_status(1)
    assert t.status() == 15
    t.set_status(15 | 128)
    assert t.status() == 15 | 128
    t.set_status(64 | 16 | 32)
    assert t.status() == 15 | 128, "NEEDS_RESET and unknown bits are not the driver's"
    t.set_status(0)
    assert t.status() == 0


def test_queues_wait_for_features_ok_and_doorbells_for_driver_ok(start):
    driver, _, _ = start()
    t, queue = driver.transport, driver.queues[0]
    features = t.features()
    t.set_status(0)
    assert not t.ready(0)
    queue.start()
    assert not t.ready(0)
    t.set_status(3)
    t.set_features(features)
    t.set_status(11)
    queue.start()
    assert t.ready(0)
    queue.add([b"early"], [8])
    queue.kick()
    assert queue.collect() == []
    t.set_status(15)
    queue.kick()
    assert len(queue.collect()) == 1


def test_reset_forgets_everything(start):
    driver, line, _ = start()
    queue = driver.queues[0]
    queue.add([b"a"], [1])
    queue.kick()
    assert line.level
    driver.transport.set_status(0)
    assert not line.level
    assert driver.transport.isr() == 0
    assert not driver.transport.ready(0)
    queue.add([b"b"], [1])
    queue.kick()
    assert len(queue.collect()) == 1, "only the one from before the reset"
    driver.start()
    assert driver.queues[0].call([b"again"], [5]) == (b"again", 5)


def test_a_queue_can_be_reset_alone(start):
    driver, _, _ = start()
    t = driver.transport
    driver.queues[0].call([b"1"], [1])
    t.reset_queue(0)
    assert not t.ready(0)
    assert t.ready(1)
    fresh = type(driver.queues[0])(driver.ram, t, 0, 8, driver.queues[0].event_idx, False)
    fresh.start()
    assert t.ready(0)
    assert fresh.call([b"new"], [3]) == (b"new", 3)
    assert driver.queues[1].call([b"old"], [3]) == (b"old", 3)


def test_a_running_queue_keeps_its_addresses(start):
    driver, _, _ = start()
    queue = driver.queues[0]
    driver.transport.set_queue(0, 8, 0xDEAD0, 0xBEEF0, 0xF00D0)
    assert queue.call([b"same"], [4]) == (b"same", 4)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 0}, {"size": 3}, {"size": 32}, {"size": 0x8001}, {"desc": 8}, {"avail": 1}, {"used": 2},
        {"desc": -0x9000_0000}, {"avail": 0x1_0000_0000}, {"used": 0x0800_0000}, {"desc": 2**64 - 0x8000_1040},
    ],
)  # fmt: skip
def test_queues_that_cannot_be_ask_for_a_reset(start, change):
    driver, line, _ = start()
    t, queue = driver.transport, driver.queues[0]
    t.reset_queue(0)
    size = change.get("size", queue.size)
    where = [(getattr(queue, name) + change.get(name, 0)) % 2**64 for name in ("desc", "avail", "used")]
    t.set_queue(0, size, *where)
    assert driver.broken
    assert line.level
    assert t.isr() == 2
    driver.queues[1].add([b"x"], [1])
    driver.queues[1].kick()
    assert driver.queues[1].collect() == [], "a device that needs a reset does nothing"
    driver.start()
    assert driver.queues[0].call([b"ok"], [2]) == (b"ok", 2)


def test_configuration_space_and_its_generation(start):
    driver, line, device = start()
    t = driver.transport
    assert (t.config(0, 4), t.config(0, 1), t.config(2, 2)) == (1, 1, 0)
    assert t.config(6, 8) == 0
    assert t.config(0xE00, 4) == 0
    t.set_config(4, 4, 77)
    assert t.config(4, 4) == 77
    before = t.generation()
    device.counter = 500
    device.config_changed()
    assert t.generation() != before
    assert t.isr() == 2
    assert t.config(0, 4) == 500
    t.set_status(0)
    device.config_changed()
    assert not line.level, "no interrupt without a driver"


def test_doorbells_of_queues_that_are_not_there(start):
    driver, _, _ = start()
    for index in (2, 3, 1000):
        if isinstance(driver.transport, Mmio):
            driver.transport.notify(index)
        else:
            driver.transport.bus.write(driver.transport.at[2] + index * 4 % 0x1000, 2, index)
    if isinstance(driver.transport, Mmio):
        driver.transport.notify(0xFFFF_FFFF)
    assert not driver.broken


def test_interrupts_are_as_rare_as_the_driver_wants(start):
    driver, line, _ = start()
    queue = driver.queues[0]
    assert queue.event_idx
    for _ in range(3):
        queue.add([b"a"], [1])
    queue.kick()
    assert line.rises == 1
    driver.transport.isr()
    # The driver has not looked at the used ring: used_event is behind, so nothing more is told.
    queue.add([b"a"], [1])
    queue.kick()
    assert line.rises == 1
    queue.collect()
    queue.add([b"a"], [1])
    queue.kick()
    assert line.rises == 2


def test_without_event_idx_a_flag_switches_interrupts_off(start):
    driver, line, _ = start(ALL & ~EVENT_IDX)
    queue = driver.queues[0]
    driver.ram.put16(queue.avail, 1)
    queue.call([b"a"], [1])
    assert line.rises == 0
    driver.ram.put16(queue.avail, 0)
    queue.call([b"a"], [1])
    assert line.rises == 1


def moved(driver: Driver) -> tuple[Driver, Any, Echo]:
    """The machine saved and loaded into new devices: driver, line and device there."""
    ram = driver.ram.copy()
    device = Echo()
    if isinstance(driver.transport, Mmio):
        slot, line = mmio_slot(device, ram)
        slot.load(driver.transport.slot.save())
        return driver.moved(ram, Mmio(slot)), line, device
    host, lines = pci_host(device, ram=ram)
    host.load(driver.transport.bus.host.save())
    return driver.moved(ram, Pci(Bus(host), 1, place=False)), lines[1], device


def state(driver: Driver) -> Any:
    return driver.transport.slot.save() if isinstance(driver.transport, Mmio) else driver.transport.bus.host.save()


def test_moved_with_requests_available_and_taken(start):
    driver, line, device = start()
    queue = driver.queues[1]
    first = queue.add([b"taken"], [5])
    taken = device.queues[1].pop()
    assert taken.read(2) == b"ta"
    assert taken.write(b"TA") == 2
    second = queue.add([b"waits"], [5])
    twin, twin_line, twin_device = moved(driver)
    assert state(twin) == state(driver)
    (chain,) = twin_device.queues[1].pending()
    assert (chain.read(), chain.writable, chain.written) == (b"ken", 3, 2)
    # Both go on in the same way.
    chain.write(b"KEN")
    taken.read()
    taken.write(b"KEN")
    for d, c, dev in ((twin, chain, twin_device), (driver, taken, device)):
        assert dev.queues[1].push(c)
        d.queues[1].kick()
        assert d.queues[1].collect() == [(first, 5), (second, 5)]
        assert d.queues[1].release(first) == b"TAKEN"
        assert d.queues[1].release(second) == b"waits"
    assert twin_line.rises == line.rises
    assert state(twin) == state(driver)
    assert twin.ram.banks == driver.ram.banks


def test_moved_with_an_interrupt_waiting(start):
    driver, line, _ = start()
    driver.queues[0].call([b"a"], [1])
    assert line.level
    twin, twin_line, _ = moved(driver)
    assert twin_line.level
    assert twin.transport.isr() == 1
    assert not twin_line.level


def test_moved_in_the_middle_of_the_setup(start):
    driver, _, _ = start()
    t = driver.transport
    features = t.features()
    t.set_status(0)
    t.set_status(3)
    t.set_features(features)
    twin, _, _ = moved(driver)
    for one in (driver, twin):
        one.transport.set_status(11)
        assert one.transport.status() == 11
        for queue in one.queues.values():
            queue.idx = queue.seen = 0
            one.ram.dma.write(queue.avail, bytes(4))
            one.ram.dma.write(queue.used, bytes(4))
            queue.start()
        one.transport.set_status(15)
        assert one.queues[0].call([b"go"], [2]) == (b"go", 2)
    assert state(twin) == state(driver)


def test_moved_broken(start):
    driver, _, _ = start()
    driver.ram.put16(driver.queues[0].avail + 2, 1000)
    driver.queues[0].kick()
    assert driver.broken
    twin, line, device = moved(driver)
    assert twin.broken
    assert line.level
    assert device.queues[0].broken == "the available index is more than the queue size ahead"


def corrupt(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of a state with one value replaced."""
    if not path:
        return new
    if isinstance(value, list):
        return [corrupt(item, path[1:], new) if i == path[0] else item for i, item in enumerate(value)]
    return {key: corrupt(item, path[1:], new) if key == path[0] else item for key, item in value.items()}


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value of a state is."""
    found = [at]
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths(item, (*at, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            found += paths(item, (*at, i))
    return found


def rich_state() -> Any:
    driver, _ = mmio_driver(device := Echo())
    driver.queues[0].add([b"abc", b"defg"], [3, 3])
    driver.queues[0].add([b"x"], [1])
    chain = device.queues[0].pop()
    chain.read(4)
    chain.write(b"1234")
    return driver.transport.slot.save()


RICH = rich_state()


@given(
    st.sampled_from(paths(RICH)),
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text(max_size=3), st.binary(max_size=3),
              st.just([]), st.just({}), st.lists(st.lists(st.integers(0, 2**64), max_size=2), max_size=3)),
)  # fmt: skip
def test_a_damaged_state_is_refused_or_harmless(path, new):
    device = Echo()
    slot, _ = mmio_slot(device, Ram())
    try:
        slot.load(corrupt(RICH, path, new))
    except DeviceError:
        assert device.status == 0
        assert not any(queue.enabled for queue in device.queues)
    # Whatever was accepted: the device serves a guest without a host error.
    for index in range(2):
        slot.write(0x50, 4, index)
        for chain in device.queues[index].pending():
            chain.read()
            chain.write(bytes(32))
            device.queues[index].push(chain)
    slot.read(0x10, 4)
    slot.write(0x70, 4, 0)
    assert slot.read(0x70, 4) == 0
    Driver(Ram(), Mmio(slot))


accesses = st.lists(
    st.tuples(
        st.booleans(),
        st.one_of(
            st.sampled_from([0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x64, 0x70, 0x80, 0x84, 0x90, 0xA0, 0xC0]),
            st.integers(0, 0xFFF),
        ),
        st.sampled_from([1, 2, 4, 4, 4, 8]),
        st.one_of(
            st.sampled_from([0, 1, 3, 4, 8, 11, 15, 16, 0x8000_1000, 0x8040_0000, 2**32 - 1]), st.integers(0, 2**64 - 1)
        ),
    ),
    max_size=60,
)


@given(accesses)
def test_any_mmio_access_is_answered_within_its_width(todo):
    driver, _ = mmio_driver(Echo())
    slot = driver.transport.slot
    for write, offset, size, value in todo:
        if write:
            slot.write(offset, size, value & ((1 << 8 * size) - 1))
        else:
            assert 0 <= slot.read(offset, size) < 1 << 8 * size
    assert not slot.read(0x70, 4) & ~(15 | 64 | 128)
    driver.start()
    assert driver.queues[0].call([b"still here"], [10]) == (b"still here", 10)


@given(accesses)
def test_any_pci_bar_access_is_answered_within_its_width(todo):
    driver, _ = pci_driver(Echo())
    pci = driver.transport
    for write, offset, size, value in todo:
        address = pci.bar + (offset * 4 & 0x3FFF & -size) if offset & 1 else pci.bar + (offset & 0x3F & -size)
        if write:
            pci.bus.write(address, size, value & ((1 << 8 * size) - 1))
        else:
            assert 0 <= pci.bus.read(address, size) < 1 << 8 * size
    assert not pci.status() & ~(15 | 64 | 128)
    driver.start()
    assert driver.queues[0].call([b"still here"], [10]) == (b"still here", 10)


def test_an_empty_mmio_slot_is_passed_over():
    slot = VirtioMmio()
    slot.attach(Ram().dma)
    assert slot.read(0, 4) == int.from_bytes(b"virt", "little")
    assert slot.read(4, 4) == 2
    assert slot.read(8, 4) == 0
    slot.write(0x70, 4, 1)
    assert slot.read(0x70, 4) == 0
    slot.load(slot.save())
    slot.reset()


def test_mmio_registers_are_32_bits_wide():
    slot = mmio_driver(Echo())[0].transport.slot
    assert slot.read(8, 4) == 42
    assert slot.read(8, 2) == 0
    slot.write(0x70, 1, 0)
    assert slot.read(0x70, 4) == 15
    assert slot.read(0xB0, 4) == 0xFFFF_FFFF


def test_pci_identity_and_structures():
    driver, _ = pci_driver(Echo())
    bus = driver.transport.bus
    assert bus.scan()[1] == (0x1AF4, 0x1040 + 42)
    assert bus.config(1, 8, 1) == 1
    assert bus.config(1, 0x3D, 1) == 1
    assert bus.bar_size(1, 4) == (0x4000, 12)
    kinds = [bus.config(1, at + 3, 1) for number, at in bus.capabilities(1) if number == 9]
    assert sorted(kinds) == [1, 2, 3, 4, 5]
    assert 0x11 not in dict(bus.capabilities(1)), "no MSI-X: nothing on the board takes messages"
    assert driver.transport.get(0x10, 2) == 0xFFFF


def test_pci_registers_through_the_configuration_space():
    driver, _ = pci_driver(Echo())
    bus, at = driver.transport.bus, driver.transport.window

    def select(bar: int, offset: int, length: int) -> None:
        bus.set_config(1, at + 4, 1, bar)
        bus.set_config(1, at + 8, 4, offset)
        bus.set_config(1, at + 12, 4, length)

    select(4, 0x14, 1)
    assert bus.config(1, at + 16, 4) == 15
    select(4, 0x12, 2)
    assert bus.config(1, at + 16, 4) == 2
    select(4, 0x2004, 4)
    bus.set_config(1, at + 16, 4, 99)
    assert driver.transport.config(4, 4) == 99
    for bad in ((0, 0x14, 1), (4, 0x14, 3), (4, 0x4000, 4), (4, 0xFFFF_FFFC, 4), (4, 0x15, 2)):
        select(*bad)
        assert bus.config(1, at + 16, 4) == 0
        bus.set_config(1, at + 16, 4, 0xFFFF_FFFF)


def test_a_function_that_is_no_bus_master_leaves_memory_alone():
    driver, _ = pci_driver(Echo())
    bus, queue = driver.transport.bus, driver.queues[0]
    bus.set_config(1, 4, 2, 2)
    queue.add([b"x"], [1])
    queue.kick()
    assert queue.collect() == []
    bus.set_config(1, 4, 2, 6)
    queue.kick()
    assert len(queue.collect()) == 1


def test_a_device_in_no_machine_says_so():
    slot = VirtioMmio(Echo())
    with pytest.raises(DeviceError, match="in no machine"):
        _ = slot.memory
    with pytest.raises(DeviceError, match="BufferDma"):
        slot.attach(bytearray(10))  # type: ignore[arg-type]
