"""Console device with one port (virtio 1.2, section 5.3)."""

from __future__ import annotations

import struct
from typing import ClassVar

from vmcore._fast.dev.virtqueue import VirtQueue
from vmcore.devices.base import State
from vmcore.devices.virtio.device import VirtioDevice
from vmcore.errors import ConfigError, DeviceError

__all__ = ["VirtioConsole"]

# Feature bits, 5.3.3.
F_SIZE = 1 << 0
F_EMERG_WRITE = 1 << 2

RECEIVE, TRANSMIT = 0, 1
CONFIG = struct.Struct("<HHII")
EMERGENCY_AT = 8

#: Bytes kept for the guest until it gives buffers, and for the host until it takes them. A guest that writes more
#: waits: its buffers stay in the queue.
CAPACITY = 1 << 16


class VirtioConsole(VirtioDevice):
    """A console: bytes from the host with :meth:`push`, bytes of the guest with :meth:`take`, as the UART.

    Parameters
    ----------
    columns, rows : int
        Size of the terminal that the guest is told.
    """

    name = "console"
    device_id = 3
    pci_class = 0x078000
    queue_sizes: ClassVar[tuple[int, ...]] = (64, 64)
    features = F_SIZE | F_EMERG_WRITE
    state: ClassVar[tuple[str, ...]] = ("columns", "rows", "incoming", "outgoing")
    limits: ClassVar[dict[str, int]] = {"columns": 0xFFFF, "rows": 0xFFFF}

    def __init__(self, columns: int = 80, rows: int = 25) -> None:
        super().__init__()
        self.columns, self.rows = _checked(columns, rows)
        self.incoming = bytearray()
        self.outgoing = bytearray()

    # --- the host's side

    def push(self, data: bytes | bytearray | memoryview) -> int:
        """Send `data` to the guest; returns how many bytes were accepted (see :attr:`room`)."""
        part = bytes(data[: self.room])
        self.incoming += part
        self._receive()
        return len(part)

    def take(self) -> bytes:
        """Return what the guest has written since the last call; a guest that waits for room goes on."""
        taken = bytes(self.outgoing)
        self.outgoing.clear()
        if len(taken) >= CAPACITY and self.live:
            self._transmit()
        return taken

    @property
    def room(self) -> int:
        """int: bytes that :meth:`push` accepts now."""
        return CAPACITY - len(self.incoming)

    @property
    def waiting(self) -> int:
        """int: bytes that :meth:`take` returns now."""
        return len(self.outgoing)

    def resize(self, columns: int, rows: int) -> None:
        """Tell the guest that the terminal has another size."""
        self.columns, self.rows = _checked(columns, rows)
        self.config_changed()

    # --- the driver's side

    def serve(self, queue: VirtQueue) -> None:
        """Move bytes: the driver gave buffers to fill or has written some."""
        if queue.index == RECEIVE:
            self._receive()
        else:
            self._transmit()

    def _receive(self) -> None:
        queue = self.queues[RECEIVE]
        if not self.live:
            return
        # A buffer is taken only when there are bytes for it, so none is ever held without need.
        while self.incoming and (chain := next(self.chains(queue), None)) is not None:
            del self.incoming[: chain.write(self.incoming)]
            queue.push(chain)
        self.done(queue)

    def _transmit(self) -> None:
        queue = self.queues[TRANSMIT]
        while len(self.outgoing) < CAPACITY and (chain := next(self.chains(queue), None)) is not None:
            self.outgoing += chain.read(CAPACITY - len(self.outgoing))
            if chain.readable and not queue.broken:
                # No room for all of it: the rest stays in flight until take().
                break
            queue.push(chain, 0)
        self.done(queue)

    def driver_ready(self) -> None:
        """Hand over what the host has sent before the driver was there."""
        self._receive()

    def config_space(self) -> bytes:
        """Return ``struct virtio_console_config`` (5.3.4)."""
        return CONFIG.pack(self.columns, self.rows, 1, 0)

    def config_written(self, offset: int, size: int, value: int) -> None:
        """Take an emergency write (5.3.4): a character without any queue."""
        if offset == EMERGENCY_AT and len(self.outgoing) < CAPACITY:
            self.outgoing.append(value & 0xFF)

    def load(self, state: State) -> None:
        """Take what :meth:`save` returned."""
        super().load(state)
        if len(self.incoming) > CAPACITY or len(self.outgoing) > CAPACITY:
            self.incoming.clear()
            self.outgoing.clear()
            raise DeviceError(f"the saved state of a console holds more than {CAPACITY} bytes in a direction")


def _checked(columns: int, rows: int) -> tuple[int, int]:
    if not (0 < columns <= 0xFFFF and 0 < rows <= 0xFFFF):
        raise ConfigError(f"a terminal of {columns} x {rows} characters: allowed are 1 to 65535 each way")
    return columns, rows
