"""virtio over PCI, modern devices only (virtio 1.2, section 4.1)."""

from __future__ import annotations

import struct
from typing import ClassVar

from vmcore._fast.dev.virtqueue import VirtQueue
from vmcore.devices.base import GuestMemory, State, check_fields
from vmcore.devices.pci import COMMAND_MASTER, Bar, PciFunction
from vmcore.devices.virtio.device import VirtioDevice

__all__ = ["VirtioPci"]

VENDOR = 0x1AF4
FIRST_DEVICE = 0x1040

# Structures by cfg_type, 4.1.4, and where they are in the BAR (a page each).
BAR = 4
BAR_SIZE = 0x4000
COMMON, NOTIFY, ISR, DEVICE, PCI_CFG = 1, 2, 3, 4, 5
COMMON_AT, ISR_AT, DEVICE_AT, NOTIFY_AT = 0x0000, 0x1000, 0x2000, 0x3000
PAGE = 0x1000
#: Each queue has a doorbell of its own, this many bytes apart.
NOTIFY_STEP = 4

CAP_VENDOR = 0x09
NO_VECTOR = 0xFFFF

# struct virtio_pci_common_cfg, 4.1.4.3: offset -> (bytes, field).
_COMMON = {
    0x00: (4, "device_feature_select"),
    0x04: (4, "device_feature"),
    0x08: (4, "driver_feature_select"),
    0x0C: (4, "driver_feature"),
    0x10: (2, "config_msix_vector"),
    0x12: (2, "num_queues"),
    0x14: (1, "device_status"),
    0x15: (1, "config_generation"),
    0x16: (2, "queue_select"),
    0x18: (2, "queue_size"),
    0x1A: (2, "queue_msix_vector"),
    0x1C: (2, "queue_enable"),
    0x1E: (2, "queue_notify_off"),
    0x38: (2, "queue_notify_data"),
    0x3A: (2, "queue_reset"),
}
_ADDRESSES = {0x20: "desc", 0x28: "driver", 0x30: "device"}


class _Registers:
    """What is behind the BAR."""

    def __init__(self, function: VirtioPci) -> None:
        self.function = function

    def read(self, offset: int, size: int) -> int:
        return self.function.read_bar(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        self.function.write_bar(offset, size, value)


class VirtioPci(PciFunction):
    """A virtio device as a PCI function: a 16 KiB BAR 4, the five capabilities of 4.1.4, and INTA.

    There is no MSI-X, since the board's interrupt controller takes no messages.

    Parameters
    ----------
    device : VirtioDevice
        The device it carries.
    """

    state: ClassVar[tuple[str, ...]] = ("device_feature_select", "driver_feature_select", "queue_select")
    limits: ClassVar[dict[str, int]] = dict.fromkeys(state, 2**32 - 1)

    def __init__(self, device: VirtioDevice) -> None:
        super().__init__(
            VENDOR,
            FIRST_DEVICE + device.device_id,
            device.pci_class,
            revision=1,
            pin=1,
        )
        self.name = f"virtio-{device.name}"
        self.device = device
        self.device_feature_select = 0
        self.driver_feature_select = 0
        self.queue_select = 0
        device.line = self.set_interrupt
        device.bus_master = False
        self.add_bar(Bar(BAR, BAR_SIZE, _Registers(self), wide=True, prefetchable=True))
        self._add_structure(COMMON, COMMON_AT)
        self._add_structure(ISR, ISR_AT)
        self._add_structure(DEVICE, DEVICE_AT)
        self._add_structure(NOTIFY, NOTIFY_AT, struct.pack("<I", NOTIFY_STEP))
        # 4.1.4.9: BAR, offset and length are the driver's; the data word is answered by read_config and write_config.
        self._window = self._add_structure(PCI_CFG, 0, bytes(4))
        self.allow(self._window + 4, 1, 0xFF)
        self.allow(self._window + 8, 8, (1 << 64) - 1)
        self.add_express()

    def _add_structure(self, kind: int, offset: int, more: bytes = b"") -> int:
        """Add a ``virtio_pci_cap`` (4.1.4)."""
        bar, length = (0, 0) if kind == PCI_CFG else (BAR, PAGE)
        body = struct.pack("<BBBBxxII", 16 + len(more), kind, bar, 0, offset, length) + more
        return self.add_capability(CAP_VENDOR, body)

    def attached(self, memory: GuestMemory) -> None:
        """Hand guest memory to the device."""
        self.device.memory = memory

    def command_written(self) -> None:
        """Let the device reach memory only as a bus master."""
        self.device.bus_master = bool(self.command & COMMAND_MASTER)

    # --- the BAR

    def read_bar(self, offset: int, size: int) -> int:
        """Answer a read of the BAR."""
        page, register = offset & -PAGE, offset & (PAGE - 1)
        if page == COMMON_AT:
            return self._read_common(register, size)
        if page == ISR_AT:
            return self._read_isr() if register == 0 else 0
        if page == DEVICE_AT:
            return self.device.read_config(register, size)
        return 0

    def _read_isr(self) -> int:
        # 4.1.4.5: reading it clears it and so lowers the interrupt.
        value = self.device.isr
        if value:
            self.device.acknowledge(value)
        return value

    def write_bar(self, offset: int, size: int, value: int) -> None:
        """Take a write to the BAR."""
        page, register = offset & -PAGE, offset & (PAGE - 1)
        if page == NOTIFY_AT:
            # The doorbell's place says which queue, whatever is written (4.1.5.2).
            if register % NOTIFY_STEP == 0:
                self.device.notify(register // NOTIFY_STEP)
        elif page == COMMON_AT:
            self._write_common(register, size, value)
        elif page == DEVICE_AT:
            self.device.write_config(register, size, value)

    def _queue(self) -> VirtQueue | None:
        queues = self.device.queues
        return queues[self.queue_select] if self.queue_select < len(queues) else None

    def _read_common(self, offset: int, size: int) -> int:
        width, field = _COMMON.get(offset, (0, ""))
        if width == size:
            return self._field(field)
        # 4.1.3.1: 64-bit fields are accessed as two of 32 bits; whole ones do no harm.
        name = _ADDRESSES.get(offset & ~7)
        queue = self._queue()
        if name is None or queue is None or size < 4:
            return 0
        address: int = getattr(queue, name)
        return address >> 8 * (offset & 4) & ((1 << 8 * size) - 1) if size == 4 or not offset & 7 else 0

    def _field(self, field: str) -> int:
        device, queue = self.device, self._queue()
        if field == "device_status":
            return device.status
        if field == "config_generation":
            return device.generation
        if field == "num_queues":
            return len(device.queues)
        if field == "device_feature":
            select = self.device_feature_select
            return device.offered >> 32 * select & 0xFFFF_FFFF if select < 2 else 0
        if field == "driver_feature":
            select = self.driver_feature_select
            return device.driver_features >> 32 * select & 0xFFFF_FFFF if select < 2 else 0
        if field in ("device_feature_select", "driver_feature_select", "queue_select"):
            value: int = getattr(self, field)
            return value
        if field in ("config_msix_vector", "queue_msix_vector"):
            return NO_VECTOR
        if queue is None:
            # 4.1.4.3.1: size 0 says that there is no such queue.
            return 0
        if field == "queue_size":
            return queue.size
        if field == "queue_enable":
            return int(queue.enabled)
        if field in ("queue_notify_off", "queue_notify_data"):
            return queue.index
        # queue_reset: 1 only while a reset goes on, and ours are over at once.
        return 0

    def _write_common(self, offset: int, size: int, value: int) -> None:
        width, field = _COMMON.get(offset, (0, ""))
        if width != size:
            self._write_address(offset, size, value)
        elif field == "device_status":
            if value == 0:
                self.device_feature_select = self.driver_feature_select = self.queue_select = 0
            self.device.set_status(value)
        elif field in ("device_feature_select", "driver_feature_select", "queue_select"):
            setattr(self, field, value)
        elif field == "driver_feature":
            self.device.accept_features(self.driver_feature_select, value)
        elif field == "queue_size":
            queue = self._queue()
            if queue is not None and not queue.enabled:
                queue.size = value
        elif field == "queue_enable":
            # 4.1.4.3.2: a driver never writes 0 here.
            if value == 1:
                self.device.enable_queue(self.queue_select)
        elif field == "queue_reset" and value == 1:
            self.device.reset_queue(self.queue_select)

    def _write_address(self, offset: int, size: int, value: int) -> None:
        name = _ADDRESSES.get(offset & ~7)
        queue = self._queue()
        if name is None or queue is None or queue.enabled:
            return
        if size == 8 and not offset & 7:
            setattr(queue, name, value)
        elif size == 4 and not offset & 3:
            shift = 8 * (offset & 4)
            setattr(queue, name, getattr(queue, name) & ~(0xFFFF_FFFF << shift) | value << shift)

    # --- the window in configuration space

    def _window_access(self, offset: int, size: int) -> tuple[int, int] | None:
        """Return (BAR offset, length) when a configuration access is to the data word of the window (4.1.4.9)."""
        data = self._window + 16
        if not data <= offset < data + 4:
            return None
        at, length = self.get(self._window + 8, 4), self.get(self._window + 12, 4)
        if offset != data or length not in (1, 2, 4) or length > size or at % length or at + length > BAR_SIZE:
            return None
        return (at, length) if self.get(self._window + 4, 1) == BAR else None

    def read_config(self, offset: int, size: int) -> int:
        """Answer a read of configuration space, through the window where it is the window's data."""
        access = self._window_access(offset, size)
        return super().read_config(offset, size) if access is None else self.read_bar(*access)

    def write_config(self, offset: int, size: int, value: int) -> None:
        """Take a write to configuration space, through the window where it is the window's data."""
        access = self._window_access(offset, size)
        if access is None:
            super().write_config(offset, size, value)
        else:
            at, length = access
            self.write_bar(at, length, value & ((1 << 8 * length) - 1))

    # --- the machine's side

    def reset(self) -> None:
        """Reset the function and its device."""
        self.device_feature_select = self.driver_feature_select = self.queue_select = 0
        self.device.reset()
        super().reset()

    def save(self) -> State:
        """Return the function's and the device's state."""
        return {"function": super().save(), "device": self.device.save()}

    def load(self, state: State) -> None:
        """Take what :meth:`save` returned, into a function with the same kind of device."""
        check_fields(self.name, state, ("function", "device"))
        super().load(state["function"])
        self.device.load(state["device"])

    def close(self) -> None:
        """Close the device."""
        self.device.close()
