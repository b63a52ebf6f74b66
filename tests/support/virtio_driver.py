"""The driver's side of virtio: builds chains in guest memory and rings doorbells, as a guest's driver does.

It knows the specification's layouts and nothing of the devices' code.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Protocol

from vmcore._fast.dev.dma import BufferDma
from vmcore.devices.virtio.device import VirtioDevice
from vmcore.devices.virtio.mmio import VirtioMmio

NEXT, WRITE, INDIRECT = 1, 2, 4
VERSION_1 = 1 << 32
INDIRECT_DESC = 1 << 28
EVENT_IDX = 1 << 29
ALL = (1 << 64) - 1

BASE = 0x8000_0000
SIZE = 8 << 20
#: Two banks whose host memory does not lie together: buffers across the border are found out.
BORDER = BASE + SIZE // 2


class Ram:
    """Guest memory with a bump allocator."""

    def __init__(self) -> None:
        self.banks = bytearray(SIZE // 2), bytearray(SIZE // 2)
        self.dma = BufferDma((BASE, self.banks[0]), (BORDER, self.banks[1]))
        self.next = BASE + 0x1000

    def alloc(self, n: int, align: int = 16) -> int:
        at = (self.next + align - 1) & -align
        self.next = at + n
        assert self.next <= BASE + SIZE
        return at

    def copy(self) -> Ram:
        twin = Ram()
        twin.banks[0][:], twin.banks[1][:] = self.banks
        twin.next = self.next
        return twin

    def u16(self, gpa: int) -> int:
        return int.from_bytes(self.dma.read(gpa, 2), "little")

    def put16(self, gpa: int, value: int) -> None:
        self.dma.write(gpa, (value & 0xFFFF).to_bytes(2, "little"))


class Line:
    """An interrupt line that remembers how often it rose."""

    def __init__(self) -> None:
        self.level = False
        self.rises = 0

    def __call__(self, level: bool) -> None:
        self.rises += level and not self.level
        self.level = level


class Transport(Protocol):
    """What a driver does with a transport."""

    def status(self) -> int: ...
    def set_status(self, value: int) -> None: ...
    def features(self) -> int: ...
    def set_features(self, value: int) -> None: ...
    def max_size(self, index: int) -> int: ...
    def set_queue(self, index: int, size: int, desc: int, avail: int, used: int) -> None: ...
    def ready(self, index: int) -> bool: ...
    def reset_queue(self, index: int) -> None: ...
    def notify(self, index: int) -> None: ...
    def isr(self) -> int: ...
    def config(self, offset: int, size: int) -> int: ...
    def set_config(self, offset: int, size: int, value: int) -> None: ...
    def generation(self) -> int: ...


class Mmio:
    """Transport over a virtio-mmio slot's registers (4.2.2)."""

    def __init__(self, slot: VirtioMmio) -> None:
        self.slot = slot

    def get(self, offset: int) -> int:
        return self.slot.read(offset, 4)

    def put(self, offset: int, value: int) -> None:
        self.slot.write(offset, 4, value)

    def status(self) -> int:
        return self.get(0x70)

    def set_status(self, value: int) -> None:
        self.put(0x70, value)

    def features(self) -> int:
        value = 0
        for word in range(2):
            self.put(0x14, word)
            value |= self.get(0x10) << 32 * word
        return value

    def set_features(self, value: int) -> None:
        for word in range(2):
            self.put(0x24, word)
            self.put(0x20, value >> 32 * word & 0xFFFF_FFFF)

    def max_size(self, index: int) -> int:
        self.put(0x30, index)
        return self.get(0x34)

    def set_queue(self, index: int, size: int, desc: int, avail: int, used: int) -> None:
        self.put(0x30, index)
        self.put(0x38, size)
        for register, value in ((0x80, desc), (0x90, avail), (0xA0, used)):
            self.put(register, value & 0xFFFF_FFFF)
            self.put(register + 4, value >> 32)
        self.put(0x44, 1)

    def ready(self, index: int) -> bool:
        self.put(0x30, index)
        return self.get(0x44) == 1

    def reset_queue(self, index: int) -> None:
        self.put(0x30, index)
        self.put(0xC0, 1)

    def notify(self, index: int) -> None:
        self.put(0x50, index)

    def isr(self) -> int:
        value = self.get(0x60)
        self.put(0x64, value)
        return value

    def config(self, offset: int, size: int) -> int:
        return self.slot.read(0x100 + offset, size)

    def set_config(self, offset: int, size: int, value: int) -> None:
        self.slot.write(0x100 + offset, size, value)

    def generation(self) -> int:
        return self.get(0xFC)


@dataclass
class Buffers:
    """One chain as the driver remembers it."""

    writable: list[tuple[int, int]]
    descriptors: list[int]


@dataclass
class Queue:
    """The driver's half of one split virtqueue (2.7)."""

    ram: Ram
    transport: Transport
    index: int
    size: int
    event_idx: bool = False
    indirect: bool = False
    desc: int = 0
    avail: int = 0
    used: int = 0
    idx: int = 0
    seen: int = 0
    free: list[int] = field(default_factory=list)
    chains: dict[int, Buffers] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = self.size
        self.desc = self.desc or self.ram.alloc(16 * n)
        self.avail = self.avail or self.ram.alloc(6 + 2 * n, 2)
        self.used = self.used or self.ram.alloc(6 + 8 * n, 4)
        self.free = self.free or list(range(n))

    def start(self) -> None:
        self.transport.set_queue(self.index, self.size, self.desc, self.avail, self.used)

    def moved(self, ram: Ram, transport: Transport) -> Queue:
        """The same driver after its machine was moved."""
        return Queue(
            ram, transport, self.index, self.size, self.event_idx, self.indirect,
            self.desc, self.avail, self.used, self.idx, self.seen, list(self.free), dict(self.chains),
        )  # fmt: skip

    def descriptor(self, table: int, i: int, gpa: int, size: int, flags: int = 0, following: int = 0) -> None:
        self.ram.dma.write(table + 16 * i, struct.pack("<QIHH", gpa, size, flags, following))

    def build(self, buffers: list[tuple[int, int, bool]]) -> int:
        """Write the descriptors of (gpa, size, writable) buffers; returns the head."""
        flagged = [(gpa, size, WRITE if writable else 0) for gpa, size, writable in buffers]
        writable = [(gpa, size) for gpa, size, wr in buffers if wr]
        last = len(flagged) - 1
        if self.indirect:
            table = self.ram.alloc(16 * len(flagged))
            for i, (gpa, size, flags) in enumerate(flagged):
                self.descriptor(table, i, gpa, size, flags | (NEXT if i < last else 0), i + 1)
            head = self.free.pop()
            self.descriptor(self.desc, head, table, 16 * len(flagged), INDIRECT)
            self.chains[head] = Buffers(writable, [head])
            return head
        indices = [self.free.pop() for _ in flagged]
        for i, (gpa, size, flags) in enumerate(flagged):
            following = indices[i + 1] if i < last else 0
            self.descriptor(self.desc, indices[i], gpa, size, flags | (NEXT if i < last else 0), following)
        self.chains[indices[0]] = Buffers(writable, indices)
        return indices[0]

    def expose(self, head: int) -> None:
        """Put a head into the available ring."""
        self.ram.put16(self.avail + 4 + 2 * (self.idx % self.size), head)
        self.idx = (self.idx + 1) & 0xFFFF
        self.ram.put16(self.avail + 2, self.idx)

    def add(self, out: list[bytes] = (), room: list[int] = ()) -> int:  # type: ignore[assignment]
        """Make a chain available: `out` to the device, then room for its answer. Returns the head."""
        buffers = []
        for data in out:
            gpa = self.ram.alloc(len(data), 1)
            self.ram.dma.write(gpa, data)
            buffers.append((gpa, len(data), False))
        for size in room:
            gpa = self.ram.alloc(size, 1)
            # What the device leaves alone must be seen.
            self.ram.dma.write(gpa, b"\xee" * size)
            buffers.append((gpa, size, True))
        head = self.build(buffers)
        self.expose(head)
        return head

    def kick(self) -> None:
        self.transport.notify(self.index)

    def collect(self) -> list[tuple[int, int]]:
        """Take (head, written) pairs from the used ring."""
        out = []
        while self.seen != self.ram.u16(self.used + 2):
            raw = self.ram.dma.read(self.used + 4 + 8 * (self.seen % self.size), 8)
            out.append(struct.unpack("<II", raw))
            self.seen = (self.seen + 1) & 0xFFFF
        if self.event_idx:
            self.ram.put16(self.avail + 4 + 2 * self.size, self.seen)
        return out

    def release(self, head: int) -> bytes:
        """Return the writable bytes of a used chain and free its descriptors."""
        buffers = self.chains.pop(head)
        self.free += buffers.descriptors
        return b"".join(self.ram.dma.read(gpa, size) for gpa, size in buffers.writable)

    def call(self, out: list[bytes], room: list[int]) -> tuple[bytes, int]:
        """Make one request and wait for it: (writable bytes, written)."""
        head = self.add(out, room)
        self.kick()
        used = self.collect()
        assert [one[0] for one in used] == [head], f"asked {head}, got {used}"
        return self.release(head), used[0][1]


class Driver:
    """Brings a device up as chapter 3.1 says."""

    def __init__(self, ram: Ram, transport: Transport, queues: dict[int, Queue] | None = None) -> None:
        self.ram = ram
        self.transport = transport
        self.queues = queues or {}

    def start(self, wanted: int = ALL, sizes: dict[int, int] | None = None) -> Driver:
        t = self.transport
        t.set_status(0)
        assert t.status() == 0
        t.set_status(1)
        t.set_status(1 | 2)
        features = t.features() & wanted
        t.set_features(features)
        t.set_status(1 | 2 | 8)
        assert t.status() == 1 | 2 | 8
        index = 0
        while largest := t.max_size(index):
            size = (sizes or {}).get(index, min(largest, 16))
            queue = Queue(self.ram, t, index, size, bool(features & EVENT_IDX), bool(features & INDIRECT_DESC))
            self.queues[index] = queue
            queue.start()
            index += 1
        t.set_status(1 | 2 | 8 | 4)
        return self

    def moved(self, ram: Ram, transport: Transport) -> Driver:
        return Driver(ram, transport, {i: q.moved(ram, transport) for i, q in self.queues.items()})

    @property
    def broken(self) -> bool:
        return bool(self.transport.status() & 64)


def mmio_slot(device: VirtioDevice, ram: Ram) -> tuple[VirtioMmio, Line]:
    """A device in a slot, attached to memory and a line."""
    line = Line()
    slot = VirtioMmio(device)
    slot.attach(ram.dma, irq=line)
    return slot, line


def mmio_driver(device: VirtioDevice, wanted: int = ALL, sizes: dict[int, int] | None = None) -> tuple[Driver, Line]:
    """A running driver of `device` over MMIO."""
    ram = Ram()
    slot, line = mmio_slot(device, ram)
    return Driver(ram, Mmio(slot)).start(wanted, sizes), line
