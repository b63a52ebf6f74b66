"""Generic PCI Express host with an ECAM (PCI Express Base Specification 5.0, sections 7.2.2 and 7.5).

The map is QEMU's ``virt``: configuration space at 0x3000_0000, I/O ports at 0x0300_0000, a 32-bit memory window at
0x4000_0000 and a 64-bit one above RAM; INTA to INTD of device n arrive at four PLIC inputs, rotated by n.

Nobody has to program BARs beforehand: Linux and U-Boot do it. A BAR answers when its command bit is set and it lies
inside a window; of BARs that overlap the one of the lower device and number answers. Everything else reads as ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from vmcore.devices.base import GuestMemory, IrqLine, State, Stateful, check_fields
from vmcore.errors import ConfigError, DeviceError

if TYPE_CHECKING:
    from vmcore.devices.fdt import Node

__all__ = ["Bar", "PciFunction", "PciHost", "PciRegion", "PciWindow"]

CONFIG_SIZE = 4096
SLOTS = 32

# Offsets in the configuration header, 7.5.1.
COMMAND, STATUS, BARS, CAPABILITIES, INTERRUPT_LINE, INTERRUPT_PIN = 0x04, 0x06, 0x10, 0x34, 0x3C, 0x3D
FIRST_CAPABILITY = 0x40

# Command and status, 7.5.1.1.3 and 7.5.1.1.4.
COMMAND_IO = 1
COMMAND_MEMORY = 2
COMMAND_MASTER = 4
COMMAND_NO_INTX = 1 << 10
COMMAND_WRITABLE = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | 1 << 6 | 1 << 8 | COMMAND_NO_INTX
STATUS_INTX = 1 << 3
STATUS_CAPABILITIES = 1 << 4

CAP_PCIE = 0x10

_64_BIT = 4
_PREFETCHABLE = 8


class PciRegion(Protocol):
    """What is behind a BAR, or behind a range of the machine's address space."""

    def read(self, offset: int, size: int) -> int:
        """Answer a read of `size` bytes at `offset`."""

    def write(self, offset: int, size: int, value: int) -> None:
        """Take a write of `size` bytes at `offset`."""


@dataclass(frozen=True)
class Bar:
    """A base address register.

    Attributes
    ----------
    index : int
        Number of the register, 0 to 5; a 64-bit one takes the next as well.
    size : int
        Bytes it decodes: a power of two, 16 or more for memory, 4 to 256 for ports.
    region : PciRegion
        What answers.
    wide : bool
        64-bit.
    prefetchable : bool
        Reads have no side effects that matter to a bridge.
    io : bool
        Ports instead of memory.
    """

    index: int
    size: int
    region: PciRegion
    wide: bool = False
    prefetchable: bool = False
    io: bool = False

    def __post_init__(self) -> None:
        low, high = (4, 256) if self.io else (16, 1 << (40 if self.wide else 30))
        if not low <= self.size <= high or self.size & (self.size - 1):
            raise ConfigError(f"BAR {self.index} of {self.size:#x} bytes: allowed are powers of two {low} to {high:#x}")
        if not 0 <= self.index <= 5 - self.wide or (self.io and self.wide):
            raise ConfigError(f"BAR {self.index} cannot be {'64-bit' if self.wide else 'there'}: there are BARs 0 to 5")


class PciFunction(Stateful):
    """Function 0 of a device on bus 0: its configuration space, BARs, capabilities and interrupt pin.

    Parameters
    ----------
    vendor, device : int
        Vendor and device ID.
    class_code : int
        Base class, sub-class and interface, 24 bits.
    revision : int, default 0
        Revision ID.
    subsystem : tuple of int
        Subsystem vendor and subsystem ID.
    pin : int, default 0
        1 to 4 for INTA to INTD, 0 for none.
    """

    name: str = "pci"
    state: ClassVar[tuple[str, ...]] = ("config", "intx")

    def __init__(
        self,
        vendor: int,
        device: int,
        class_code: int,
        *,
        revision: int = 0,
        subsystem: tuple[int, int] = (0x1AF4, 0x1100),
        pin: int = 0,
    ) -> None:
        self.config = bytearray(CONFIG_SIZE)
        self.writable = bytearray(CONFIG_SIZE)
        self.bars: list[Bar] = []
        self.intx = False
        self.pin = pin
        self.host: PciHost | None = None
        self.slot = 0
        self._next_capability = FIRST_CAPABILITY
        self._last_capability = CAPABILITIES
        self.put(0x00, 2, vendor)
        self.put(0x02, 2, device)
        self.put(0x08, 4, class_code << 8 | revision)
        self.put(0x2C, 2, subsystem[0])
        self.put(0x2E, 2, subsystem[1])
        self.put(INTERRUPT_PIN, 1, pin)
        self.allow(COMMAND, 2, COMMAND_WRITABLE)
        self.allow(0x0C, 1, 0xFF)  # cache line size: has no effect
        self.allow(INTERRUPT_LINE, 1, 0xFF)
        self._power_on = bytes(self.config)

    # --- building

    def get(self, offset: int, size: int) -> int:
        """Return a field of the configuration space."""
        return int.from_bytes(self.config[offset : offset + size], "little")

    def put(self, offset: int, size: int, value: int) -> None:
        """Set a field of the configuration space, as the device does."""
        self.config[offset : offset + size] = value.to_bytes(size, "little")

    def allow(self, offset: int, size: int, mask: int) -> None:
        """Let the guest write the bits in `mask`."""
        self.writable[offset : offset + size] = mask.to_bytes(size, "little")

    def add_bar(self, bar: Bar) -> None:
        """Add a base address register."""
        at = BARS + 4 * bar.index
        taken = {b.index + i for b in self.bars for i in range(1 + b.wide)}
        if taken & {bar.index, bar.index + bar.wide}:
            raise ConfigError(f"BAR {bar.index} of {self.name} is taken already")
        self.bars.append(bar)
        self.bars.sort(key=lambda b: b.index)
        kind = 1 if bar.io else _64_BIT * bar.wide | _PREFETCHABLE * bar.prefetchable
        size = 4 + 4 * bar.wide
        self.put(at, size, kind)
        # Sizing (7.5.1.2.1): of ones written, those above the size come back.
        self.allow(at, size, -bar.size & ((1 << 8 * size) - 1))
        self._power_on = bytes(self.config)

    def add_capability(self, number: int, body: bytes, writable: bytes = b"") -> int:
        """Add a capability (7.5.3): id, `body`, of which `writable` is the guest's mask. Returns its offset."""
        at = self._next_capability
        end = at + 2 + len(body)
        if end > 0x100:
            raise ConfigError(f"{self.name} has no room for a capability of {len(body)} bytes at {at:#x}")
        self.config[at : at + 2] = bytes((number, 0))
        self.config[at + 2 : end] = body
        self.writable[at + 2 : at + 2 + len(writable)] = writable
        self.config[self._last_capability] = at
        self.put(STATUS, 2, self.get(STATUS, 2) | STATUS_CAPABILITIES)
        self._last_capability = at + 1
        self._next_capability = (end + 3) & ~3
        self._power_on = bytes(self.config)
        return at

    def add_express(self) -> None:
        """Add the PCI Express capability of a root complex integrated endpoint (7.5.3): it has no link."""
        body = bytearray(0x3A)
        body[0:2] = (0x92).to_bytes(2, "little")  # version 2, type 9
        body[2:6] = (1 << 15).to_bytes(4, "little")  # role-based error reporting
        body[6:8] = (0x2810).to_bytes(2, "little")  # reads of 512 bytes, no snoop and relaxed order allowed
        self.add_capability(CAP_PCIE, bytes(body), bytes(6) + (0x781F).to_bytes(2, "little"))

    # --- the guest's accesses

    def read_config(self, offset: int, size: int) -> int:
        """Answer a read of configuration space; the access lies inside it."""
        return int.from_bytes(self.config[offset : offset + size], "little")

    def write_config(self, offset: int, size: int, value: int) -> None:
        """Take a write to configuration space; bits that are not writable stay."""
        end = offset + size
        mask = int.from_bytes(self.writable[offset:end], "little")
        new = int.from_bytes(self.config[offset:end], "little") & ~mask | value & mask
        self.config[offset:end] = new.to_bytes(size, "little")
        if offset < STATUS and end > COMMAND:
            self._command_changed()
        elif offset < BARS + 24 and end > BARS and self.host is not None:
            self.host.remap()

    @property
    def command(self) -> int:
        """int: the command register."""
        return self.get(COMMAND, 2)

    def _command_changed(self) -> None:
        self._drive()
        self.command_written()
        if self.host is not None:
            self.host.remap()

    def command_written(self) -> None:
        """Take note of a new command register."""

    def mapped(self) -> list[tuple[int, Bar]]:
        """Return (address, BAR) of those that the command register switches on."""
        command = self.command
        out = []
        for bar in self.bars:
            if command & (COMMAND_IO if bar.io else COMMAND_MEMORY):
                value = self.get(BARS + 4 * bar.index, 4 + 4 * bar.wide)
                out.append((value & -bar.size, bar))
        return out

    # --- the device's side

    def set_interrupt(self, level: bool) -> None:
        """Drive the interrupt pin (7.5.1.1.4: Interrupt Status shows it even while it is switched off)."""
        if level != self.intx:
            self.intx = level
            self._drive()

    def _drive(self) -> None:
        self.put(STATUS, 2, self.get(STATUS, 2) & ~STATUS_INTX | STATUS_INTX * self.intx)
        if self.host is not None and self.pin:
            self.host.drive(self.slot, self.pin, self.intx and not self.command & COMMAND_NO_INTX)

    def attached(self, memory: GuestMemory) -> None:
        """Take guest memory from the host."""

    def reset(self) -> None:
        """Go back to the state after power-on."""
        self.config[:] = self._power_on
        self.intx = False
        self._command_changed()

    def load(self, state: State) -> None:
        """Take what :meth:`save` returned; bits that the guest cannot write stay this function's own."""
        mine = bytes(self.config)
        super().load(state)
        saved = bytes(self.config)
        if len(saved) != CONFIG_SIZE:
            self.config[:] = mine
            raise DeviceError(f"the saved configuration space of {self.name} has {len(saved)} bytes, not {CONFIG_SIZE}")
        self.config[:] = bytes(
            [own & ~mask | new & mask for own, new, mask in zip(mine, saved, self.writable, strict=True)]
        )
        self._command_changed()

    def close(self) -> None:
        """Let go of what the function holds of the host."""


@dataclass(frozen=True)
class PciWindow:
    """A range of the machine's address space that the host answers.

    Attributes
    ----------
    base, size : int
        Where it is, for the processor.
    pci_base : int
        PCI address of its first byte.
    kind : str
        ``"config"``, ``"io"``, ``"memory32"`` or ``"memory64"``.
    read, write : callable
        ``read(offset, size)`` and ``write(offset, size, value)``.
    """

    base: int
    size: int
    pci_base: int
    kind: str
    read: Callable[[int, int], int]
    write: Callable[[int, int, int], None]


class _Mapping:
    """PCI addresses of one kind (memory or ports) that some BAR answers: sorted and disjoint."""

    def __init__(self, windows: Sequence[tuple[int, int]]) -> None:
        self.windows = windows
        self.clear()

    def clear(self) -> None:
        self.starts: list[int] = []
        self.found: list[tuple[int, PciRegion]] = []

    def add(self, start: int, size: int, region: PciRegion) -> None:
        """Map a BAR, unless it is outside of the windows or in the way of one mapped before."""
        end = start + size
        if not any(base <= start and end <= base + length for base, length in self.windows):
            return
        i = bisect_right(self.starts, start)
        if (i and self.found[i - 1][0] > start) or (i < len(self.starts) and self.starts[i] < end):
            return
        self.starts.insert(i, start)
        self.found.insert(i, (end, region))

    def read(self, address: int, size: int) -> int:
        i = bisect_right(self.starts, address) - 1
        if i >= 0:
            end, region = self.found[i]
            if address + size <= end:
                return region.read(address - self.starts[i], size)
        return (1 << 8 * size) - 1

    def write(self, address: int, size: int, value: int) -> None:
        i = bisect_right(self.starts, address) - 1
        if i >= 0:
            end, region = self.found[i]
            if address + size <= end:
                region.write(address - self.starts[i], size, value)


class PciHost:
    """The host bridge and bus 0. One thread only: the one that serves its accesses.

    The board attaches every window in :attr:`windows`, gives four interrupt lines and guest memory to :meth:`attach`,
    and has :meth:`describe` write the device-tree node.

    Parameters
    ----------
    ram_base, ram_size : int
        The machine's RAM: the 64-bit window begins at the first multiple of 16 GiB above it, as QEMU places it.
    """

    ECAM = (0x3000_0000, 0x1000_0000)
    PIO = (0x0300_0000, 0x1_0000)
    MMIO = (0x4000_0000, 0x4000_0000)
    HIGH_MMIO_SIZE = 0x4_0000_0000
    #: PLIC input of INTA of device 0; the other three follow.
    FIRST_IRQ = 32

    name = "pci"

    def __init__(self, ram_base: int = 0x8000_0000, ram_size: int = 0) -> None:
        size = self.HIGH_MMIO_SIZE
        high = (ram_base + max(ram_size, 1) + size - 1) // size * size
        self._memory = _Mapping((self.MMIO, (high, size)))
        self._ports = _Mapping(((0, self.PIO[1]),))
        self.windows: tuple[PciWindow, ...] = (
            PciWindow(*self.ECAM, 0, "config", self.read_ecam, self.write_ecam),
            self._window(*self.PIO, 0, "io", self._ports),
            self._window(*self.MMIO, self.MMIO[0], "memory32", self._memory),
            self._window(high, size, high, "memory64", self._memory),
        )
        self.functions: list[PciFunction | None] = [None] * SLOTS
        self.lines: list[IrqLine] = [_unconnected] * 4
        self._asserted = [0] * 4  # a bit for every device that drives the line
        self.add(PciFunction(0x1B36, 0x0008, 0x060000), slot=0)

    @staticmethod
    def _window(base: int, size: int, pci_base: int, kind: str, mapping: _Mapping) -> PciWindow:
        def read(offset: int, size: int) -> int:
            return mapping.read(pci_base + offset, size)

        def write(offset: int, size: int, value: int) -> None:
            mapping.write(pci_base + offset, size, value)

        return PciWindow(base, size, pci_base, kind, read, write)

    def add(self, function: PciFunction, slot: int | None = None) -> int:
        """Plug in a device; returns its device number.

        Parameters
        ----------
        function : PciFunction
            The device.
        slot : int, optional
            Device number 1 to 31; the first free one by default.

        Raises
        ------
        ConfigError
            The slot is taken or there is none.
        """
        if slot is None:
            slot = next((i for i, f in enumerate(self.functions) if f is None), SLOTS)
        if not 0 <= slot < SLOTS:
            raise ConfigError(f"PCI device number {slot}: bus 0 has devices 1 to {SLOTS - 1}", hint="Remove a device")
        if self.functions[slot] is not None:
            raise ConfigError(f"PCI device {slot} is there already", hint="Leave the number to the host")
        self.functions[slot] = function
        function.host = self
        function.slot = slot
        return slot

    def attach(self, memory: GuestMemory, irqs: Sequence[IrqLine]) -> None:
        """Hand in guest memory and the four interrupt lines (PLIC inputs 32 to 35)."""
        if len(irqs) != 4:
            raise ConfigError(f"a PCI host has 4 interrupt lines, {len(irqs)} were given")
        self.lines = list(irqs)
        for function in self._present():
            function.attached(memory)

    def _present(self) -> list[PciFunction]:
        return [function for function in self.functions if function is not None]

    # --- accesses

    def read_ecam(self, offset: int, size: int) -> int:
        """Answer a read of configuration space: bus in bits 20 to 27, device 15 to 19, function 12 to 14."""
        register = offset & 0xFFF
        # A device number above 31 is another bus, and function 0 is the only one.
        if offset < SLOTS << 15 and not offset & 0x7000 and register + size <= CONFIG_SIZE:
            function = self.functions[offset >> 15]
            if function is not None:
                return function.read_config(register, size)
        return (1 << 8 * size) - 1

    def write_ecam(self, offset: int, size: int, value: int) -> None:
        """Take a write to configuration space."""
        register = offset & 0xFFF
        if offset < SLOTS << 15 and not offset & 0x7000 and register + size <= CONFIG_SIZE:
            function = self.functions[offset >> 15]
            if function is not None:
                function.write_config(register, size, value)

    def remap(self) -> None:
        """Find out anew which BAR answers where."""
        self._memory.clear()
        self._ports.clear()
        for function in self._present():
            for address, bar in function.mapped():
                (self._ports if bar.io else self._memory).add(address, bar.size, bar.region)

    def drive(self, slot: int, pin: int, level: bool) -> None:
        """Drive pin 1 to 4 of a device: the lines are shared, and rotated by the device number."""
        n = (slot + pin - 1) % 4
        before = self._asserted[n]
        self._asserted[n] = before | 1 << slot if level else before & ~(1 << slot)
        if bool(before) != bool(self._asserted[n]):
            self.lines[n](level)

    # --- the machine's side

    def reset(self) -> None:
        """Reset every device."""
        for function in self._present():
            function.reset()

    def close(self) -> None:
        """Close every device."""
        for function in self._present():
            function.close()

    def save(self) -> State:
        """Return the state of every device, by device number."""
        return {str(function.slot): function.save() for function in self._present()}

    def load(self, state: State) -> None:
        """Take what :meth:`save` returned, into a host with the same devices."""
        wanted = {str(function.slot): function for function in self._present()}
        check_fields("the PCI bus", state, wanted)
        for slot, function in wanted.items():
            function.load(state[slot])

    def describe(self, node: Node, plic: Node) -> None:
        """Write the device-tree node (binding ``pci-host-ecam-generic``), as QEMU's ``virt`` has it.

        Parameters
        ----------
        node : Node
            The node, named ``pci@30000000``, below a bus with two address and two size cells.
        plic : Node
            The interrupt controller (one interrupt cell, no address cells).
        """
        node["compatible"] = "pci-host-ecam-generic"
        node["device_type"] = "pci"
        node["#address-cells"] = 3
        node["#size-cells"] = 2
        node["#interrupt-cells"] = 1
        node["linux,pci-domain"] = 0
        node["bus-range"] = [0, 0xFF]
        node["dma-coherent"] = True
        node["reg"] = _cells(*self.ECAM)
        space = {"io": 0x0100_0000, "memory32": 0x0200_0000, "memory64": 0x0300_0000}
        ranges: list[int] = []
        for window in self.windows[1:]:
            ranges += [space[window.kind], *_cells(window.pci_base, window.base, window.size)]
        node["ranges"] = ranges
        node["interrupt-map-mask"] = [3 << 11, 0, 0, 7]
        rows: list[int | Node] = []
        for slot in range(4):
            for pin in range(1, 5):
                rows += [slot << 11, 0, 0, pin, plic, self.FIRST_IRQ + (slot + pin - 1) % 4]
        node["interrupt-map"] = rows


def _cells(*values: int) -> list[int]:
    return [cell for value in values for cell in (value >> 32, value & 0xFFFF_FFFF)]


def _unconnected(level: bool) -> None:
    """Drive a line that no interrupt controller listens to."""
