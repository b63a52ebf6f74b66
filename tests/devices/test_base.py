"""Devices in Python: registers, state that is declared, memory and lines handed in."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory import FakeMemory
from support.virtio_driver import Line

from vmcore.devices.base import Device, GuestMemory, Register, Stateful
from vmcore.devices.fdt import Tree
from vmcore.errors import ConfigError, DeviceError


class Copier(Device):
    """Copies memory when told to: what a small device looks like."""

    name = "copier"
    compatible = ("acme,copier-2", "acme,copier")
    state: ClassVar[tuple[str, ...]] = ("log",)
    source = Register(0x00, 8)
    length = Register(0x08, reset=16, writable=0xFF)
    target = Register(0x10, 8)
    status = Register(0x18, 2, writable=0)
    go = Register(0x1C)

    def __init__(self) -> None:
        self.log: list[int] = []

    @go.on_write
    def _go(self, value: int) -> None:
        self.memory.write(self.target, self.memory.read(self.source, self.length))
        self.log.append(value)
        self.status = 0x12345
        self.irq(True)

    @status.on_read
    def _status(self) -> int:
        return self.status | len(self.log) << 12


def test_a_small_device():
    device, memory, line = Copier(), FakeMemory(), Line()
    device.attach(memory, irq=line)
    memory.data[:5] = b"bytes"
    device.write(0x00, 8, 0x8000_0000)
    device.write(0x10, 4, 0x8000_0100)
    device.write(0x08, 4, 0xFFFF_FF05)
    device.write(0x1C, 4, 7)
    assert memory.writes == [(0x8000_0100, b"bytes")]
    assert line.level
    assert device.log == [7]
    assert device.read(0x18, 2) == 0x2345 | 0x1000
    device.reset()
    assert not line.level
    assert (device.source, device.length) == (0, 16)


def test_accesses_to_parts_of_registers():
    device = Copier()
    device.write(0x00, 8, 0x1122_3344_5566_7788)
    assert device.read(0x04, 4) == 0x1122_3344
    assert device.read(0x06, 1) == 0x22
    device.write(0x02, 2, 0xABCD)
    assert device.source == 0x1122_3344_ABCD_7788
    assert device.read(0x06, 4) == 0, "across two registers is nobody's"
    device.write(0x06, 4, 0)
    assert device.source == 0x1122_3344_ABCD_7788
    device.write(0x18, 2, 0xFFFF)
    assert device.status == 0


access = st.tuples(st.booleans(), st.integers(0, 0x1B), st.sampled_from([1, 2, 4, 8]), st.integers(0, 2**64 - 1))


@given(st.lists(access))
def test_any_access_is_answered_within_its_width_and_the_device_can_be_moved(accesses):
    device = Copier()
    for write, offset, size, value in accesses:
        if write:
            device.write(offset, size, value & ((1 << 8 * size) - 1))
        else:
            assert 0 <= device.read(offset, size) < 1 << 8 * size
    twin = Copier()
    twin.load(device.save())
    assert twin.save() == device.save()
    assert [twin.read(i, 1) for i in range(0x20)] == [device.read(i, 1) for i in range(0x20)]


def test_the_device_tree_node():
    node = Tree().add("copier@1000")
    Copier().describe(node)
    assert node.strings("compatible") == ["acme,copier-2", "acme,copier"]


def test_a_device_without_a_machine():
    with pytest.raises(DeviceError, match="'copier' is in no machine"):
        _ = Copier().memory
    Copier().irq(True)
    assert isinstance(FakeMemory(), GuestMemory)


def test_registers_that_cannot_be():
    for arguments in ((1, 4), (0, 3), (-4, 4)):
        with pytest.raises(ConfigError, match="sizes are 1, 2, 4 and 8"):
            Register(*arguments)
    with pytest.raises(ConfigError, match="registers a and b overlap"):
        type("Bad", (Device,), {"a": Register(0, 8), "b": Register(4, 4)})


class Fields(Stateful):
    state: ClassVar[tuple[str, ...]] = ("number", "data", "things")
    limits: ClassVar[dict[str, int]] = {"number": 9}

    def __init__(self) -> None:
        self.number = 1
        self.data = bytearray(b"abc")
        self.things: Any = {"a": [1, None, True, b"x", {"b": "c"}]}


class More(Fields):
    state: ClassVar[tuple[str, ...]] = ("flag",)

    def __init__(self) -> None:
        super().__init__()
        self.flag = False


def test_state_is_copied_and_inherited():
    thing = More()
    saved = thing.save()
    assert saved == {"number": 1, "data": b"abc", "things": {"a": [1, None, True, b"x", {"b": "c"}]}, "flag": False}
    thing.data[0] = 0
    thing.things["a"][4]["b"] = 0
    assert saved["data"] == b"abc"
    other = More()
    other.load(saved)
    assert other.save() == saved
    assert isinstance(other.data, bytearray)
    other.things["a"].clear()
    assert saved["things"]["a"], "what was loaded is a copy too"


@pytest.mark.parametrize(
    "change",
    [
        {"number": "1"}, {"number": True}, {"number": 10}, {"number": -1}, {"data": 5}, {"flag": 1}, {"extra": 1},
        {"things": [object()]}, {"things": {"a": {1.5: 2}}}, {"things": {"a": (1,)}}, {"number": None},
    ],
)  # fmt: skip
def test_a_bad_state_changes_nothing(change):
    thing = More()
    before = thing.save()
    with pytest.raises(DeviceError):
        thing.load({**before, **change})
    assert thing.save() == before
    with pytest.raises(DeviceError, match="is a dict"):
        thing.load([])  # type: ignore[arg-type]
    with pytest.raises(DeviceError, match="missing or unknown fields: flag"):
        thing.load({k: v for k, v in before.items() if k != "flag"})


def test_what_is_no_plain_value_is_refused_when_saved():
    thing = Fields()
    thing.things = {"a": {1, 2}}
    with pytest.raises(DeviceError, match="Fields.things holds a set"):
        thing.save()
