"""The PCI host as a guest sees it: enumeration, BARs inside and outside of windows, shared interrupts, state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pci_driver import Bus
from support.virtio_driver import Line, Ram

from vmcore.devices.fdt import Tree
from vmcore.devices.pci import Bar, PciFunction, PciHost
from vmcore.errors import ConfigError, DeviceError


class Scratch:
    """A BAR that remembers."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    def read(self, offset: int, size: int) -> int:
        assert offset + size <= len(self.data)
        return int.from_bytes(self.data[offset : offset + size], "little")

    def write(self, offset: int, size: int, value: int) -> None:
        assert offset + size <= len(self.data)
        self.data[offset : offset + size] = value.to_bytes(size, "little")


def function(*, pin: int = 1) -> PciFunction:
    """A function with a 64-bit, a 32-bit and a port BAR."""
    made = PciFunction(0x1234, 0x5678, 0x020000, revision=3, pin=pin)
    made.add_bar(Bar(0, 0x1000, Scratch(0x1000), wide=True, prefetchable=True))
    made.add_bar(Bar(2, 0x100, Scratch(0x100)))
    made.add_bar(Bar(5, 0x20, Scratch(0x20), io=True))
    return made


@pytest.fixture
def host() -> PciHost:
    host = PciHost(ram_size=1 << 30)
    host.add(function())
    host.add(function(), slot=7)
    host.lines = [Line() for _ in range(4)]
    return host


@pytest.fixture
def bus(host) -> Bus:
    return Bus(host)


def test_enumeration_finds_the_bridge_and_the_devices(bus):
    assert bus.scan() == {0: (0x1B36, 0x0008), 1: (0x1234, 0x5678), 7: (0x1234, 0x5678)}
    assert bus.config(0, 8, 4) == 0x06000000
    assert bus.config(1, 8, 4) == 0x02000003
    assert bus.config(1, 0x0E, 1) == 0
    assert bus.config(1, 0x2C, 4) == 0x1100_1AF4


def test_other_functions_and_buses_are_not_there(bus):
    for address in (1 << 12, 7 << 12 | 1 << 15, 1 << 20, 255 << 20, 1 << 20 | 1 << 15):
        for size in (1, 2, 4, 8):
            assert bus.read(bus.ecam + address, size) == (1 << 8 * size) - 1
            bus.write(bus.ecam + address, size, 0)
    # An access across the end of a function's space belongs to nobody.
    assert bus.read(bus.ecam + 0xFFE, 4) == 0xFFFF_FFFF
    bus.write(bus.ecam + 0xFFE, 4, 0)


def test_only_writable_bits_change(bus):
    before = [bus.config(1, offset, 4) for offset in range(0, 4096, 4)]
    for offset in range(0, 4096, 4):
        bus.set_config(1, offset, 4, 0xFFFF_FFFF)
    changed = {4 * i: bus.config(1, 4 * i, 4) ^ old for i, old in enumerate(before) if bus.config(1, 4 * i, 4) != old}
    assert changed == {
        0x04: 0x547,
        0x0C: 0xFF,
        0x10: 0xFFFF_F000,
        0x14: 0xFFFF_FFFF,
        0x18: 0xFFFF_FF00,
        0x24: 0xFFFF_FFE0,
        0x3C: 0xFF,
    }


def test_bar_sizes(bus):
    assert bus.bar_size(1, 0) == (0x1000, 12)
    assert bus.bar_size(1, 2) == (0x100, 0)
    assert bus.bar_size(1, 5) == (0x20, 1)
    assert bus.config(1, 0x10, 4) == 12


@pytest.mark.parametrize("window", ["memory32", "memory64"])
def test_a_placed_bar_answers_as_long_as_memory_is_on(bus, window):
    at = bus.place(1, 0, window)
    assert bus.config(1, 0x10, 8) == at | 12
    bus.write(at + 0x10, 4, 0xDEADBEEF)
    assert bus.read(at + 0x12, 2) == 0xDEAD
    assert bus.read(at + 0xFFC, 4) == 0
    assert bus.read(at + 0xFFC, 8) == 2**64 - 1, "an access past the end of a BAR is nobody's"
    assert bus.read(at + 0x1000, 4) == 0xFFFF_FFFF
    bus.set_config(1, 4, 2, 0)
    assert bus.read(at + 0x10, 4) == 0xFFFF_FFFF
    bus.write(at + 0x10, 4, 0)
    bus.set_config(1, 4, 2, 2)
    assert bus.read(at + 0x10, 4) == 0xDEADBEEF


def test_ports(bus):
    bus.set_config(1, 0x24, 4, 0x1000)
    assert bus.read(0x0300_1000, 4) == 0xFFFF_FFFF
    bus.set_config(1, 4, 2, 1)
    bus.write(0x0300_1004, 1, 7)
    assert bus.read(0x0300_1004, 4) == 7
    assert bus.read(0x0300_1020, 4) == 0xFFFF_FFFF
    # Ports and memory are two spaces: port 0x1000 is no memory address.
    assert bus.read(0x4000_1000, 4) == 0xFFFF_FFFF


@pytest.mark.parametrize("address", [0, 0x3FFF_F000, 0x8000_0000, 0xFFFF_F000, 0x4_0000_0000 - 0x1000, 2**64 - 0x1000])
def test_a_bar_outside_of_the_windows_is_nowhere(bus, address):
    bus.set_config(1, 0x10, 8, address)
    bus.set_config(1, 4, 2, 7)
    assert bus.config(1, 0x10, 8) == address | 12
    for base in (0x4000_0000, 0x7FFF_F000, 0x4_0000_0000, 0x7_FFFF_F000):
        assert bus.read(base, 4) == 0xFFFF_FFFF


def test_of_overlapping_bars_the_first_answers(bus, host):
    for slot in (1, 7):
        bus.set_config(slot, 0x10, 8, 0x5000_0000)
        bus.set_config(slot, 0x18, 4, 0x5000_0800)
        bus.set_config(slot, 4, 2, 2)
    bus.write(0x5000_0800, 4, 1)
    assert host.functions[1].bars[0].region.data[0x800] == 1
    assert host.functions[1].bars[1].region.data[0] == 0
    assert host.functions[7].bars[0].region.data[0x800] == 0
    bus.set_config(1, 4, 2, 0)
    assert bus.read(0x5000_0800, 4) == 0


def test_interrupts_are_rotated_shared_and_maskable(bus, host):
    one, seven = host.functions[1], host.functions[7]
    levels = lambda: [line.level for line in host.lines]  # noqa: E731
    one.set_interrupt(True)
    assert levels() == [False, True, False, False]
    seven.set_interrupt(True)
    assert levels() == [False, True, False, True]
    five = function()
    host.add(five, slot=5)
    five.set_interrupt(True)
    one.set_interrupt(False)
    assert levels() == [False, True, False, True], "the line is low only when nobody drives it"
    five.set_interrupt(False)
    assert levels() == [False, False, False, True]
    bus.set_config(7, 4, 2, 1 << 10)
    assert levels() == [False] * 4
    assert bus.config(7, 6, 2) & 8, "Interrupt Status shows it all the same"
    bus.set_config(7, 4, 2, 0)
    assert levels() == [False, False, False, True]
    host.reset()
    assert levels() == [False] * 4
    assert not bus.config(7, 6, 2) & 8


def test_every_slot_and_pin_arrives_where_the_device_tree_says():
    host = PciHost()
    host.lines = [Line() for _ in range(4)]
    for _ in range(31):
        host.add(function())
    tree = Tree()
    plic = tree.add("plic")
    node = tree.add("pci@30000000")
    host.describe(node, plic)
    cells = node.cells("interrupt-map")
    mask = node.cells("interrupt-map-mask")
    rows = {(row[0], row[3]): row[5] for row in (cells[i : i + 6] for i in range(0, len(cells), 6))}
    assert len(rows) == 16
    for slot in range(1, 32):
        host.functions[slot].set_interrupt(True)
        (line,) = [i for i, wire in enumerate(host.lines) if wire.level]
        assert rows[slot << 11 & mask[0], 1] == 32 + line
        host.functions[slot].set_interrupt(False)


def test_device_tree_is_that_of_qemu():
    tree = Tree()
    plic = tree.add("plic")
    node = tree.add("pci@30000000")
    PciHost(ram_size=128 << 20).describe(node, plic)
    assert node.cells("reg") == [0, 0x3000_0000, 0, 0x1000_0000]
    assert node.cells("ranges") == [
        *(0x0100_0000, 0, 0, 0, 0x0300_0000, 0, 0x1_0000),
        *(0x0200_0000, 0, 0x4000_0000, 0, 0x4000_0000, 0, 0x4000_0000),
        *(0x0300_0000, 4, 0, 4, 0, 4, 0),
    ]
    assert node.cells("interrupt-map")[:18] == [
        *(0, 0, 0, 1, plic.phandle, 32),
        *(0, 0, 0, 2, plic.phandle, 33),
        *(0, 0, 0, 3, plic.phandle, 34),
    ]
    assert node.strings("compatible") == ["pci-host-ecam-generic"]
    assert "dma-coherent" in node


@pytest.mark.parametrize(("gib", "base"), [(1, 4 << 32), (13, 4 << 32), (14, 4 << 32), (15, 8 << 32), (31, 12 << 32)])
def test_the_high_window_is_above_ram(gib, base):
    (high,) = [w for w in PciHost(ram_size=gib << 30).windows if w.kind == "memory64"]
    assert (high.base, high.size) == (base, 4 << 32)


def test_wrong_use_says_what_is_allowed():
    host = PciHost()
    for _ in range(31):
        host.add(function())
    with pytest.raises(ConfigError, match="1 to 31"):
        host.add(function())
    with pytest.raises(ConfigError, match="is there already"):
        host.add(function(), slot=4)
    with pytest.raises(ConfigError, match="4 interrupt lines"):
        host.attach(Ram().dma, [])
    with pytest.raises(ConfigError, match="powers of two"):
        Bar(0, 0x1800, Scratch(1))
    with pytest.raises(ConfigError, match="BARs 0 to 5"):
        Bar(5, 0x1000, Scratch(1), wide=True)
    with pytest.raises(ConfigError, match="taken already"):
        function().add_bar(Bar(1, 0x1000, Scratch(1)))
    with pytest.raises(ConfigError, match="no room"):
        function().add_capability(9, bytes(0xC0))


def test_capabilities_are_a_list(bus, host):
    made = PciFunction(1, 2, 3)
    first = made.add_capability(9, b"abc")
    made.add_express()
    made.add_capability(5, b"x", b"\xff")
    slot = host.add(made)
    assert [number for number, _ in bus.capabilities(slot)] == [9, 0x10, 5]
    assert first == 0x40
    assert [at % 4 for _, at in bus.capabilities(slot)] == [0, 0, 0]
    # Device control keeps what a root complex integrated endpoint lets a driver choose.
    at = dict(bus.capabilities(slot))[0x10]
    bus.set_config(slot, at + 8, 2, 0xFFFF)
    assert bus.config(slot, at + 8, 2) == 0x781F
    assert bus.config(slot, at + 2, 2) >> 4 & 15 == 9


config_writes = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 7, 3]),
        st.one_of(st.sampled_from([4, 0x10, 0x14, 0x18, 0x24]), st.integers(0, 4095)),
        st.sampled_from([1, 2, 4, 8]),
        st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([7, 0x4000_0000, 0x7FFF_F000, 4, 2**64 - 1, 0x1000])),
    ),
    max_size=40,
)


@given(config_writes, st.lists(st.integers(0, 2**34), max_size=5))
def test_whatever_is_written_the_bus_stays_sane_and_can_be_moved(writes, offsets):
    host = PciHost()
    host.add(function())
    host.add(function(), slot=7)
    bus = Bus(host)
    for slot, offset, size, value in writes:
        bus.write(bus.ecam + (slot << 15) + min(offset, 4096 - size), size, value & ((1 << 8 * size) - 1))
    assert bus.scan() == {0: (0x1B36, 0x0008), 1: (0x1234, 0x5678), 7: (0x1234, 0x5678)}
    twin = PciHost()
    twin.add(function())
    twin.add(function(), slot=7)
    twin.load(host.save())
    assert twin.save() == host.save()
    for window, moved in zip(host.windows, twin.windows, strict=True):
        for offset in offsets:
            offset = offset % (window.size - 8) & ~7
            window.write(offset, 8, offset)
            moved.write(offset, 8, offset)
            assert window.read(offset, 8) == moved.read(offset, 8)


def test_damaged_state_is_refused(host):
    good = host.save()
    with pytest.raises(DeviceError, match="missing or unknown"):
        PciHost().load(good)
    for damage in ({**good["1"], "config": b"short"}, {**good["1"], "intx": 7}, {}, None):
        with pytest.raises(DeviceError):
            host.load({**good, "1": damage})
    # Identity is the function's own, whatever the state says.
    host.load({**good, "1": {"config": b"\xff" * 4096, "intx": False}})
    assert Bus(host).config(1, 0, 4) == 0x5678_1234
