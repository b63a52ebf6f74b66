"""What every virtio device is, whatever carries it (virtio 1.2, chapter 2).

A transport (:mod:`~vmcore.devices.virtio.mmio`, :mod:`~vmcore.devices.virtio.pci`) turns register accesses into calls
of the methods under "transport"; a device overrides those under "device" and talks to the driver through its queues.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from vmcore._fast.dev.dma import Dma
from vmcore._fast.dev.virtqueue import Chain, VirtQueue
from vmcore.devices.base import IrqLine, State, Stateful, check_fields
from vmcore.errors import DeviceError

__all__ = [
    "ACKNOWLEDGE",
    "DRIVER",
    "DRIVER_OK",
    "FAILED",
    "FEATURES_OK",
    "F_EVENT_IDX",
    "F_INDIRECT_DESC",
    "F_RING_RESET",
    "F_VERSION_1",
    "ISR_CONFIG",
    "ISR_QUEUE",
    "NEEDS_RESET",
    "VirtioDevice",
]

# Device status, 2.1.
ACKNOWLEDGE = 1
DRIVER = 2
DRIVER_OK = 4
FEATURES_OK = 8
NEEDS_RESET = 64
FAILED = 128

# Reserved feature bits, chapter 6.
F_INDIRECT_DESC = 1 << 28
F_EVENT_IDX = 1 << 29
F_VERSION_1 = 1 << 32
F_RING_RESET = 1 << 40

# Interrupt status, 4.1.4.5 and 4.2.2.
ISR_QUEUE = 1
ISR_CONFIG = 2


def _unheard(level: bool) -> None:
    """Drive the interrupt of a device that no transport carries yet."""


class VirtioDevice(Stateful):
    """Base of the virtio devices. One thread only: the thread that serves its transport.

    Attributes
    ----------
    device_id : int
        Which device it is (chapter 5).
    pci_class : int
        Class code it has on PCI, 24 bits.
    queue_sizes : tuple of int
        Largest size of each queue.
    features : int
        Feature bits it offers besides the common ones.
    status, driver_features : int
        What the driver has set (2.1, 2.2).
    isr : int
        Interrupt status: bit 0 used buffers, bit 1 configuration change.
    generation : int
        Changes with every change of the configuration space by the device (2.5).
    line : callable
        Interrupt line, set by the transport; its level is ``isr != 0``.
    bus_master : bool
        Whether the transport lets the device reach memory (PCI's Bus Master Enable).
    """

    name: ClassVar[str] = "virtio"
    device_id: ClassVar[int] = 0
    pci_class: ClassVar[int] = 0x00FF00
    queue_sizes: ClassVar[tuple[int, ...]] = ()
    state: ClassVar[tuple[str, ...]] = ("status", "driver_features", "isr", "generation")
    limits: ClassVar[dict[str, int]] = {"status": 0xFF, "driver_features": 2**64 - 1, "isr": 3, "generation": 0xFF}

    features: int = 0

    def __init__(self) -> None:
        self.queues = [VirtQueue(index, size) for index, size in enumerate(self.queue_sizes)]
        self.status = 0
        self.driver_features = 0
        self.isr = 0
        self.generation = 0
        self.line: IrqLine = _unheard
        self.bus_master = True
        self._memory: Dma | None = None

    # --- device: what a kind of device overrides

    def serve(self, queue: VirtQueue) -> None:
        """Take what the driver made available in `queue`, then call :meth:`done`."""

    def config_space(self) -> bytes:
        """Return the configuration space as it is now (2.5)."""
        return b""

    def config_written(self, offset: int, size: int, value: int) -> None:
        """Take a write of the driver to the configuration space."""

    def driver_ready(self) -> None:
        """Begin: the driver has set DRIVER_OK."""

    def device_reset(self) -> None:
        """Forget what the driver told this kind of device."""

    # --- device: what it calls

    @property
    def live(self) -> bool:
        """bool: queues may be used: the driver is ready, memory is there and nothing is broken."""
        return self.status & (DRIVER_OK | NEEDS_RESET) == DRIVER_OK and self.bus_master

    def has(self, feature: int) -> bool:
        """Tell whether the feature bit was negotiated."""
        return bool(self.driver_features & feature)

    def chains(self, queue: VirtQueue) -> Iterator[Chain]:
        """Yield what there is to do in `queue`: first what was in flight when the machine was saved, then the new."""
        yield from queue.pending()
        while (chain := queue.pop()) is not None:
            yield chain

    def done(self, queue: VirtQueue) -> None:
        """Say that work on `queue` is over for now: interrupts the driver if it wants that, or asks for a reset."""
        if queue.notify_needed():
            self._interrupt(ISR_QUEUE)
        if queue.broken:
            self.needs_reset()

    def config_changed(self) -> None:
        """Say that the device changed its configuration space."""
        self.generation = (self.generation + 1) & 0xFF
        if self.status & DRIVER_OK:
            self._interrupt(ISR_CONFIG)

    def needs_reset(self) -> None:
        """Stop until the driver resets the device (2.1.2)."""
        if not self.status & NEEDS_RESET:
            self.status |= NEEDS_RESET
            if self.status & DRIVER_OK:
                self._interrupt(ISR_CONFIG)

    def _interrupt(self, bit: int) -> None:
        self.isr |= bit
        self.line(True)

    # --- transport

    @property
    def memory(self) -> Dma:
        """Dma: guest memory; DeviceError while the device is in no machine."""
        if self._memory is None:
            raise DeviceError(f"virtio device {self.name!r} is in no machine", hint="Attach its transport first")
        return self._memory

    @memory.setter
    def memory(self, memory: object) -> None:
        if not isinstance(memory, Dma):
            raise DeviceError(
                f"virtio needs a vmcore._fast.dev.dma.Dma as guest memory, not a {type(memory).__name__}",
                hint="Hand in the machine's memory, or a BufferDma over your buffers",
            )
        self._memory = memory

    @property
    def offered(self) -> int:
        """int: all feature bits the device offers (2.2)."""
        return self.features | F_VERSION_1 | F_INDIRECT_DESC | F_EVENT_IDX | F_RING_RESET

    def accept_features(self, word: int, value: int) -> None:
        """Take 32 feature bits from the driver; ignored once FEATURES_OK is set (3.1.1)."""
        if word < 2 and not self.status & FEATURES_OK:
            shift = 32 * word
            self.driver_features = self.driver_features & ~(0xFFFF_FFFF << shift) | (value & 0xFFFF_FFFF) << shift

    def set_status(self, value: int) -> None:
        """Take a status write: 0 resets, anything else adds bits (2.1.1: the driver never clears one)."""
        value &= 0xFF
        if value == 0:
            self.reset()
            return
        new = value & ~self.status & (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | FAILED)
        if new & FEATURES_OK and (self.driver_features & ~self.offered or not self.has(F_VERSION_1)):
            # 2.2.2: a set of features that cannot be is answered by not keeping the bit.
            new &= ~FEATURES_OK
        if not (self.status | new) & FEATURES_OK:
            new &= ~DRIVER_OK
        self.status |= new
        if new & DRIVER_OK:
            if self.status & NEEDS_RESET:
                self._interrupt(ISR_CONFIG)
            else:
                self.driver_ready()

    def enable_queue(self, index: int) -> None:
        """Start queue `index` with the size and the addresses that the driver has set."""
        if index >= len(self.queues) or not self.status & FEATURES_OK or self.queues[index].enabled:
            return
        if not self.queues[index].enable(self.memory, self.driver_features):
            self.needs_reset()

    def reset_queue(self, index: int) -> None:
        """Stop queue `index` and forget what was in it (2.6)."""
        if index < len(self.queues):
            self.queues[index].reset()

    def notify(self, index: int) -> None:
        """Serve queue `index`: the driver rang its doorbell."""
        if index < len(self.queues) and self.live and self.queues[index].enabled:
            self.serve(self.queues[index])

    def read_config(self, offset: int, size: int) -> int:
        """Read the configuration space; what is past its end reads as 0."""
        return int.from_bytes(self.config_space()[offset : offset + size], "little")

    def write_config(self, offset: int, size: int, value: int) -> None:
        """Write to the configuration space."""
        self.config_written(offset, size, value)

    def acknowledge(self, bits: int) -> None:
        """Clear interrupt status bits."""
        self.isr &= ~bits
        self.line(self.isr != 0)

    def reset(self) -> None:
        """Go back to the state before any driver (2.4)."""
        self.status = 0
        self.driver_features = 0
        for queue in self.queues:
            queue.reset()
        self.device_reset()
        self.acknowledge(ISR_QUEUE | ISR_CONFIG)

    def save(self) -> State:
        """Return the whole state, the queues' and their chains in flight included."""
        return {"fields": super().save(), "queues": [queue.save() for queue in self.queues]}

    def load(self, state: State) -> None:
        """Take what :meth:`save` returned, into a device of the same kind with guest memory handed in.

        Raises
        ------
        DeviceError
            The state is damaged or of another device; the device is then reset.
        """
        check_fields(type(self).__name__, state, ("fields", "queues"))
        queues = state["queues"]
        if not isinstance(queues, list) or len(queues) != len(self.queues):
            raise DeviceError(f"the saved state of a {type(self).__name__} needs {len(self.queues)} queues")
        try:
            super().load(state["fields"])
            for queue, saved in zip(self.queues, queues, strict=True):
                queue.load(saved, self.memory)
        except DeviceError:
            self.reset()
            raise
        self.line(self.isr != 0)

    def close(self) -> None:
        """Let go of what the device holds of the host (files)."""
