"""virtio over MMIO, version 2 (virtio 1.2, section 4.2)."""

from __future__ import annotations

from typing import ClassVar

from vmcore._fast.dev.virtqueue import VirtQueue
from vmcore.devices.base import Device, State, check_fields
from vmcore.devices.virtio.device import VirtioDevice
from vmcore.errors import DeviceError

__all__ = ["VirtioMmio"]

MAGIC = 0x74726976  # "virt"
VERSION = 2
VENDOR = 0x6F636D76  # "vmco"
CONFIG = 0x100

# Register offsets, 4.2.2.
_MAGIC, _VERSION, _DEVICE_ID, _VENDOR_ID = 0x000, 0x004, 0x008, 0x00C
_DEVICE_FEATURES, _DEVICE_FEATURES_SEL, _DRIVER_FEATURES, _DRIVER_FEATURES_SEL = 0x010, 0x014, 0x020, 0x024
_QUEUE_SEL, _QUEUE_SIZE_MAX, _QUEUE_SIZE, _QUEUE_READY, _QUEUE_NOTIFY = 0x030, 0x034, 0x038, 0x044, 0x050
_INTERRUPT_STATUS, _INTERRUPT_ACK, _STATUS = 0x060, 0x064, 0x070
_QUEUE_RESET, _GENERATION = 0x0C0, 0x0FC
_ADDRESSES = {
    0x080: ("desc", 0),
    0x084: ("desc", 32),
    0x090: ("driver", 0),
    0x094: ("driver", 32),
    0x0A0: ("device", 0),
    0x0A4: ("device", 32),
}
_SHARED_MEMORY = range(0x0B0, 0x0C0, 4)


class VirtioMmio(Device):
    """One virtio-mmio slot.

    Parameters
    ----------
    device : VirtioDevice, optional
        What is in the slot; an empty one answers with device id 0, which drivers pass over (4.2.2.2).
    """

    name = "virtio_mmio"
    size = 0x1000
    compatible = ("virtio,mmio",)
    state: ClassVar[tuple[str, ...]] = ("device_features_sel", "driver_features_sel", "queue_sel")
    limits: ClassVar[dict[str, int]] = dict.fromkeys(state, 2**32 - 1)

    def __init__(self, device: VirtioDevice | None = None) -> None:
        self.device = device
        self.device_features_sel = 0
        self.driver_features_sel = 0
        self.queue_sel = 0

    def attached(self) -> None:
        """Pass memory and interrupt line on to the device."""
        if self.device is not None:
            self.device.memory = self.memory
            self.device.line = self._drive

    def _drive(self, level: bool) -> None:
        # Not self.irq itself: the machine may connect the line after the memory.
        self.irq(level)

    def reset(self) -> None:
        """Reset the slot and its device."""
        self.device_features_sel = self.driver_features_sel = self.queue_sel = 0
        if self.device is not None:
            self.device.reset()

    def _queue(self) -> VirtQueue | None:
        queues = self.device.queues if self.device is not None else []
        return queues[self.queue_sel] if self.queue_sel < len(queues) else None

    def read(self, offset: int, size: int) -> int:
        """Answer a read; registers are 32 bits wide, the configuration space takes any width (4.2.2.2)."""
        device = self.device
        if offset >= CONFIG:
            return device.read_config(offset - CONFIG, size) if device is not None else 0
        if size != 4:
            return 0
        if offset == _INTERRUPT_STATUS and device is not None:
            return device.isr
        if offset == _MAGIC:
            return MAGIC
        if offset == _VERSION:
            return VERSION
        if offset == _VENDOR_ID:
            return VENDOR
        if offset in _SHARED_MEMORY:
            # 4.2.2.1: no shared memory region has length and base -1.
            return 0xFFFF_FFFF
        return self._read_device(device, offset) if device is not None else 0

    def _read_device(self, device: VirtioDevice, offset: int) -> int:
        queue = self._queue()
        if offset == _DEVICE_ID:
            return device.device_id
        if offset == _DEVICE_FEATURES:
            return device.offered >> 32 * self.device_features_sel & 0xFFFF_FFFF if self.device_features_sel < 2 else 0
        if offset == _QUEUE_SIZE_MAX:
            return queue.max_size if queue is not None else 0
        if offset == _QUEUE_READY:
            return int(queue is not None and queue.enabled)
        if offset == _STATUS:
            return device.status
        if offset == _GENERATION:
            return device.generation
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        """Take a write; see :meth:`read` for the widths."""
        device = self.device
        if device is None:
            return
        if offset >= CONFIG:
            device.write_config(offset - CONFIG, size, value)
        elif size != 4:
            return
        elif offset == _QUEUE_NOTIFY:
            device.notify(value)
        elif offset == _INTERRUPT_ACK:
            device.acknowledge(value)
        elif offset == _STATUS:
            if value == 0:
                self.reset()
            else:
                device.set_status(value)
        elif offset == _DEVICE_FEATURES_SEL:
            self.device_features_sel = value
        elif offset == _DRIVER_FEATURES_SEL:
            self.driver_features_sel = value
        elif offset == _DRIVER_FEATURES:
            device.accept_features(self.driver_features_sel, value)
        elif offset == _QUEUE_SEL:
            self.queue_sel = value
        else:
            self._write_queue(device, offset, value)

    def _write_queue(self, device: VirtioDevice, offset: int, value: int) -> None:
        queue = self._queue()
        if queue is None:
            return
        if offset == _QUEUE_READY:
            if value & 1:
                device.enable_queue(self.queue_sel)
            else:
                device.reset_queue(self.queue_sel)
        elif offset == _QUEUE_RESET:
            if value & 1:
                device.reset_queue(self.queue_sel)
        elif queue.enabled:
            # 4.2.2.2: size and addresses are the driver's only while the queue is not ready.
            return
        elif offset == _QUEUE_SIZE:
            queue.size = value
        elif offset in _ADDRESSES:
            name, shift = _ADDRESSES[offset]
            setattr(queue, name, getattr(queue, name) & ~(0xFFFF_FFFF << shift) | value << shift)

    def save(self) -> State:
        """Return the slot's and the device's state."""
        return {"slot": super().save(), "device": self.device.save() if self.device is not None else None}

    def load(self, state: State) -> None:
        """Take what :meth:`save` returned, into a slot with the same kind of device."""
        check_fields("a virtio-mmio slot", state, ("slot", "device"))
        if self.device is not None:
            self.device.load(state["device"])
        try:
            super().load(state["slot"])
        except DeviceError:
            self.reset()
            raise
