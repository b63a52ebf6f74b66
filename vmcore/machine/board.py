"""Board ``virt``: which devices a machine has, where they are, and what drives which interrupt input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from vmcore._fast.dev.aclint import Sswi
from vmcore._fast.dev.clint import Clint
from vmcore._fast.dev.flash import Flash
from vmcore._fast.dev.plic import Plic
from vmcore._fast.dev.power import PowerControl
from vmcore._fast.dev.rtc import Rtc
from vmcore._fast.dev.uart import Uart
from vmcore._fast.run import Core
from vmcore.config.numa import GuestNode
from vmcore.devices.base import Device
from vmcore.devices.pci import PciHost
from vmcore.devices.virtio.block import VirtioBlock
from vmcore.devices.virtio.console import VirtioConsole
from vmcore.devices.virtio.device import VirtioDevice
from vmcore.devices.virtio.mmio import VirtioMmio
from vmcore.devices.virtio.pci import VirtioPci
from vmcore.devices.virtio.rng import VirtioRng
from vmcore.errors import ConfigError
from vmcore.machine import memmap
from vmcore.machine.disk import Disk
from vmcore.machine.numa import place_memory

__all__ = ["Board", "BoardOptions", "Placed"]

PAGE = 4096


@dataclass(frozen=True, slots=True)
class BoardOptions:
    """What the user may choose about the board.

    Attributes
    ----------
    banks : tuple of (int, int)
        Start and size of each bank of memory, the main one first.
    disks : tuple of Disk
        virtio disks.
    devices : tuple of Device
        Devices written in Python.
    flash : tuple
        Contents of the flash banks, at most two.
    aclint : bool
        Whether there is a SSWI device, as ACLINT has it.
    virtio_console : bool
        Whether there is a virtio console.
    rng : bool
        Whether there is an entropy device.
    seed : int
        Its seed.
    numa : tuple of GuestNode
        The guest's NUMA nodes.
    placement : tuple of str
        Where on the host memory shall be.
    """

    banks: tuple[tuple[int, int], ...]
    disks: tuple[Disk, ...] = ()
    devices: tuple[Device, ...] = ()
    flash: tuple[Any, ...] = ()
    aclint: bool = False
    virtio_console: bool = False
    rng: bool = False
    seed: int = 0
    numa: tuple[GuestNode, ...] = ()
    placement: tuple[str, ...] = ()


class Resettable(Protocol):
    """A device that goes back to its state after power-on."""

    def reset(self) -> None:
        """Go back."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A device of the user's, and where it was put."""

    device: Device
    base: int
    irq: int


@dataclass(slots=True)
class Board:
    """The devices of one machine, connected.

    Parameters
    ----------
    core : Core
        The core that they are attached to.
    options : BoardOptions
        What was asked for.
    """

    core: Core
    options: BoardOptions
    clint: Clint = field(init=False)
    plic: Plic = field(init=False)
    uart: Uart = field(init=False)
    rtc: Rtc = field(init=False)
    power: PowerControl = field(init=False)
    sswi: Sswi | None = field(init=False, default=None)
    flash: list[Flash] = field(init=False, default_factory=list)
    slots: list[VirtioMmio] = field(init=False, default_factory=list)
    pci: PciHost = field(init=False)
    console: VirtioConsole | None = field(init=False, default=None)
    placed: list[Placed] = field(init=False, default_factory=list)
    _opened: list[VirtioBlock] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        core, options = self.core, self.options
        for base, size in options.banks:
            core.add_ram(base, size)
        place_memory(core.memory, options.banks, options.numa, options.placement)
        pins = [core.pins(i) for i in range(core.nharts)]
        self.clint = Clint(core.clock, pins)
        self.plic = Plic(pins, memmap.PLIC_SOURCES)
        self.power = PowerControl(pins)
        self.rtc = Rtc(core.clock)
        self.uart = Uart()
        self.rtc.connect(self.plic.line(memmap.IRQ_RTC))
        self.uart.connect(self.plic.line(memmap.IRQ_UART))
        core.attach(memmap.TEST, self.power)
        core.attach(memmap.RTC, self.rtc)
        core.attach(memmap.CLINT, self.clint)
        if options.aclint:
            self.sswi = Sswi(pins)
            core.attach(memmap.ACLINT_SSWI, self.sswi)
        core.attach(memmap.PLIC, self.plic)
        core.attach(memmap.UART, self.uart)
        core.watch_word(self.power.watch_address, self.power)
        # Whoever runs the machine takes the output, or the guest waits for the transmitter without end.
        core.watch_word(self.uart.full_address, self.uart)
        try:
            self._build_flash()
            self._build_virtio()
            for device in options.devices:
                self._place(device)
        except BaseException:
            self.close()
            raise

    @property
    def compiled(self) -> list[Resettable]:
        """The devices that run inside the run loop."""
        devices: list[Resettable] = [self.power, self.rtc, self.clint, self.plic, self.uart, *self.flash]
        return devices if self.sswi is None else [*devices, self.sswi]

    def _build_flash(self) -> None:
        contents = self.options.flash
        if len(contents) > 2:
            raise ConfigError(f"flash has {len(contents)} entries; the board has two banks")
        for bank in range(2):
            flash = Flash(contents[bank] if bank < len(contents) else None)
            self.core.attach(memmap.FLASH + bank * memmap.FLASH_BANK, flash, True)
            self.flash.append(flash)

    def _build_virtio(self) -> None:
        options = self.options
        start = min(base for base, _ in options.banks)
        end = max(base + size for base, size in options.banks)
        self.pci = PciHost(start, end - start)
        on_mmio: list[VirtioDevice] = []
        for disk in options.disks:
            block = VirtioBlock(disk.path, readonly=disk.readonly, serial=disk.serial)
            self._opened.append(block)
            if disk.transport == "mmio":
                on_mmio.append(block)
            else:
                self.pci.add(VirtioPci(block))
        if options.virtio_console:
            self.console = VirtioConsole()
            self.pci.add(VirtioPci(self.console))
        if options.rng:
            self.pci.add(VirtioPci(VirtioRng(options.seed)))
        if len(on_mmio) > memmap.VIRTIO_SLOTS:
            raise ConfigError(
                f"{len(on_mmio)} disks with transport='mmio'; the board has {memmap.VIRTIO_SLOTS} slots",
                hint="Use transport='pci' for some",
            )
        # The last slot first, as QEMU fills them: Linux numbers disks by the order of the tree.
        for index in range(memmap.VIRTIO_SLOTS):
            slot = VirtioMmio(on_mmio[index] if index < len(on_mmio) else None)
            self.slots.append(slot)
            self._attach_python(slot, memmap.VIRTIO + index * memmap.VIRTIO_STRIDE, memmap.IRQ_VIRTIO + index)
        for window in self.pci.windows:
            self.core.attach_python(window.base, window.size, window)
        self.pci.attach(self.core.memory, [self.plic.line(memmap.IRQ_PCI + i) for i in range(4)])

    def _attach_python(self, device: Device, base: int, irq: int) -> None:
        self.core.attach_python(base, device.size, device)
        device.attach(self.core.memory, clock=self.core.clock, irq=self.plic.line(irq))

    def _place(self, device: Device) -> None:
        if not isinstance(device, Device):
            raise ConfigError(f"{device!r} is no device", hint="Subclass vmcore.devices.base.Device")
        if any(placed.device is device for placed in self.placed):
            raise ConfigError(f"device {device.name!r} is given twice", hint="Make an object for each")
        base = memmap.PLATFORM
        if self.placed:
            last = self.placed[-1]
            base = last.base + (last.device.size + PAGE - 1) // PAGE * PAGE
        irq = memmap.IRQ_PLATFORM + len(self.placed)
        end = memmap.PLATFORM + memmap.PLATFORM_SIZE
        if not 0 < device.size <= end - base:
            raise ConfigError(
                f"device {device.name!r} has a region of {device.size:#x} bytes; {end - base:#x} are left for devices"
            )
        if irq >= memmap.IRQ_PLATFORM_END:
            raise ConfigError(f"device {device.name!r} is one too many: there are 32 interrupt inputs for devices")
        self._attach_python(device, base, irq)
        self.placed.append(Placed(device, base, irq))

    def reset(self) -> None:
        """Put every device into its state after power-on; what is on disks and in flash stays."""
        for device in self.compiled:
            device.reset()
        for slot in self.slots:
            slot.reset()
        self.pci.reset()
        for placed in self.placed:
            placed.device.reset()

    def close(self) -> None:
        """Let go of the host's files."""
        for block in self._opened:
            block.close()
