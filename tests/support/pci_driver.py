"""The driver's side of PCI: finds devices through the ECAM, sizes and programs their BARs, reads capabilities."""

from __future__ import annotations

from collections.abc import Iterator

from support.virtio_driver import ALL, Driver, Line, Ram

from vmcore.devices.pci import PciHost
from vmcore.devices.virtio.device import VirtioDevice
from vmcore.devices.virtio.pci import VirtioPci


class Bus:
    """A processor's view of the host bridge: one physical address space."""

    def __init__(self, host: PciHost) -> None:
        self.host = host
        self.ecam = 0x3000_0000
        self.next = {"memory32": 0x4000_0000, "memory64": next(w.base for w in host.windows if w.kind == "memory64")}

    def read(self, address: int, size: int) -> int:
        for window in self.host.windows:
            if window.base <= address < window.base + window.size:
                return window.read(address - window.base, size)
        raise AssertionError(f"no window at {address:#x}")

    def write(self, address: int, size: int, value: int) -> None:
        for window in self.host.windows:
            if window.base <= address < window.base + window.size:
                return window.write(address - window.base, size, value)
        raise AssertionError(f"no window at {address:#x}")

    def config(self, slot: int, offset: int, size: int) -> int:
        return self.read(self.ecam + (slot << 15) + offset, size)

    def set_config(self, slot: int, offset: int, size: int, value: int) -> None:
        self.write(self.ecam + (slot << 15) + offset, size, value)

    def scan(self) -> dict[int, tuple[int, int]]:
        """Device number -> (vendor, device) of everything on bus 0."""
        found = {slot: self.config(slot, 0, 4) for slot in range(32)}
        return {slot: (value & 0xFFFF, value >> 16) for slot, value in found.items() if value != 0xFFFF_FFFF}

    def capabilities(self, slot: int) -> Iterator[tuple[int, int]]:
        """(id, offset) of each capability."""
        assert self.config(slot, 6, 2) & 0x10
        at, seen = self.config(slot, 0x34, 1), 0
        while at:
            yield self.config(slot, at, 1), at
            at, seen = self.config(slot, at + 1, 1), seen + 1
            assert seen < 48, "the list of capabilities is a loop"

    def bar_size(self, slot: int, index: int) -> tuple[int, int]:
        """(size, type bits) of a BAR, found by writing ones and put back."""
        at = 0x10 + 4 * index
        old = self.config(slot, at, 4)
        self.set_config(slot, at, 4, 0xFFFF_FFFF)
        mask = self.config(slot, at, 4)
        self.set_config(slot, at, 4, old)
        kind = mask & (3 if mask & 1 else 15)
        mask &= ~kind
        if kind & 4 and not kind & 1:
            high = self.config(slot, at + 4, 4)
            self.set_config(slot, at + 4, 4, 0xFFFF_FFFF)
            mask |= self.config(slot, at + 4, 4) << 32
            self.set_config(slot, at + 4, 4, high)
            return (-mask) & ((1 << 64) - 1), kind
        return (-mask) & 0xFFFF_FFFF, kind

    def place(self, slot: int, index: int, window: str = "memory64") -> int:
        """Give a memory BAR an address and switch memory on."""
        size, kind = self.bar_size(slot, index)
        address = (self.next[window] + size - 1) & -size
        self.next[window] = address + size
        self.set_config(slot, 0x10 + 4 * index, 4, address & 0xFFFF_FFFF)
        if kind & 4:
            self.set_config(slot, 0x14 + 4 * index, 4, address >> 32)
        self.set_config(slot, 4, 2, self.config(slot, 4, 2) | 2)
        return address


class Pci:
    """virtio over PCI (4.1), from the driver's side; found and set up as a guest does it."""

    def __init__(self, bus: Bus, slot: int, *, place: bool = True) -> None:
        self.bus = bus
        self.slot = slot
        if place:
            self.bar = bus.place(slot, 4)
            bus.set_config(slot, 4, 2, bus.config(slot, 4, 2) | 4)
        else:
            self.bar = (bus.config(slot, 0x20, 4) | bus.config(slot, 0x24, 4) << 32) & ~15
        self.at: dict[int, int] = {}
        for number, offset in bus.capabilities(slot):
            if number == 9:
                kind = bus.config(slot, offset + 3, 1)
                self.at[kind] = self.bar + bus.config(slot, offset + 8, 4)
                if kind == 2:
                    self.step = bus.config(slot, offset + 16, 4)
                if kind == 5:
                    self.window = offset

    def get(self, offset: int, size: int) -> int:
        return self.bus.read(self.at[1] + offset, size)

    def put(self, offset: int, size: int, value: int) -> None:
        self.bus.write(self.at[1] + offset, size, value)

    def status(self) -> int:
        return self.get(0x14, 1)

    def set_status(self, value: int) -> None:
        self.put(0x14, 1, value)

    def features(self) -> int:
        value = 0
        for word in range(2):
            self.put(0, 4, word)
            value |= self.get(4, 4) << 32 * word
        return value

    def set_features(self, value: int) -> None:
        for word in range(2):
            self.put(8, 4, word)
            self.put(12, 4, value >> 32 * word & 0xFFFF_FFFF)

    def max_size(self, index: int) -> int:
        self.put(0x16, 2, index)
        return self.get(0x18, 2)

    def set_queue(self, index: int, size: int, desc: int, avail: int, used: int) -> None:
        self.put(0x16, 2, index)
        self.put(0x18, 2, size)
        for offset, value in ((0x20, desc), (0x28, avail), (0x30, used)):
            self.put(offset, 4, value & 0xFFFF_FFFF)
            self.put(offset + 4, 4, value >> 32)
        self.put(0x1C, 2, 1)

    def ready(self, index: int) -> bool:
        self.put(0x16, 2, index)
        return self.get(0x1C, 2) == 1

    def reset_queue(self, index: int) -> None:
        self.put(0x16, 2, index)
        self.put(0x3A, 2, 1)
        assert self.get(0x3A, 2) == 0

    def notify(self, index: int) -> None:
        self.put(0x16, 2, index)
        self.bus.write(self.at[2] + self.get(0x1E, 2) * self.step, 2, index)

    def isr(self) -> int:
        return self.bus.read(self.at[3], 1)

    def config(self, offset: int, size: int) -> int:
        return self.bus.read(self.at[4] + offset, size)

    def set_config(self, offset: int, size: int, value: int) -> None:
        self.bus.write(self.at[4] + offset, size, value)

    def generation(self) -> int:
        return self.get(0x15, 1)


def pci_host(*devices: VirtioDevice, ram: Ram | None = None) -> tuple[PciHost, list[Line]]:
    """A host with virtio devices, attached to memory and four lines."""
    host = PciHost()
    lines = [Line() for _ in range(4)]
    for device in devices:
        host.add(VirtioPci(device))
    host.attach((ram or Ram()).dma, lines)
    return host, lines


def pci_driver(device: VirtioDevice, wanted: int = ALL, sizes: dict[int, int] | None = None) -> tuple[Driver, Line]:
    """A running driver of `device` over PCI, as device 1: its INTA is the second line."""
    ram = Ram()
    host, lines = pci_host(device, ram=ram)
    return Driver(ram, Pci(Bus(host), 1)).start(wanted, sizes), lines[1]
