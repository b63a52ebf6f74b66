"""Block device over a raw image file (virtio 1.2, section 5.2)."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import ClassVar

from vmcore._fast.dev.virtqueue import Chain, VirtQueue
from vmcore.devices.base import State
from vmcore.devices.virtio.device import VirtioDevice
from vmcore.devices.virtio.rawfile import RawFile
from vmcore.errors import ConfigError

__all__ = ["SECTOR", "VirtioBlock"]

SECTOR = 512

# Feature bits, 5.2.3.
F_SEG_MAX = 1 << 2
F_GEOMETRY = 1 << 4
F_RO = 1 << 5
F_BLK_SIZE = 1 << 6
F_FLUSH = 1 << 9
F_TOPOLOGY = 1 << 10
F_CONFIG_WCE = 1 << 11
F_DISCARD = 1 << 13
F_WRITE_ZEROES = 1 << 14

# Request types and status, 5.2.6.
IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES = 0, 1, 4, 8, 11, 13
OK, IOERR, UNSUPP = 0, 1, 2
UNMAP = 1

HEADER = struct.Struct("<IIQ")
RANGE = struct.Struct("<QII")
CONFIG = struct.Struct("<QIIHBBIBBHIBBHIIIIIB3x")
WRITEBACK_AT = 32

QUEUE_SIZE = 256
#: Data segments of one request: header and status take the other two of the 256 descriptors.
SEG_MAX = QUEUE_SIZE - 2
#: Ranges of one discard or write-zeroes request, and sectors of one range.
MAX_RANGES = 16
MAX_DISCARD = 1 << 22
MAX_ZEROES = 1 << 16
#: Bytes moved at a time, so that the host memory a request takes does not depend on the guest.
CHUNK = 1 << 20
ID_SIZE = 20


class VirtioBlock(VirtioDevice):
    """A disk whose contents are a raw image file (or a block device of the host).

    Parameters
    ----------
    path : path-like
        The image. A last part that is no whole sector of 512 bytes is left alone.
    readonly : bool, default False
        Refuse writes; such an image may be used by many machines at a time.
    serial : str, optional
        Serial number of at most 20 ASCII characters; by default the start of the file's name.

    Raises
    ------
    ConfigError
        The file cannot be opened, is no file or shorter than a sector, or is in use by another machine.
    """

    name = "block"
    device_id = 2
    pci_class = 0x010000
    queue_sizes: ClassVar[tuple[int, ...]] = (QUEUE_SIZE,)
    state: ClassVar[tuple[str, ...]] = ("writeback", "sectors")
    limits: ClassVar[dict[str, int]] = {"writeback": 1}

    def __init__(self, path: str | os.PathLike[str], *, readonly: bool = False, serial: str | None = None) -> None:
        super().__init__()
        if serial is None:
            serial = Path(path).stem.encode("ascii", "replace")[:ID_SIZE].decode("ascii")
        if not serial.isascii() or len(serial) > ID_SIZE:
            raise ConfigError(f"disk serial {serial!r}: allowed are at most {ID_SIZE} ASCII characters")
        self.serial = serial
        self.file = RawFile(path, readonly=readonly)
        self.readonly = readonly
        self.sectors = self.file.size // SECTOR
        self.writeback = 1
        self.features = F_SEG_MAX | F_GEOMETRY | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_CONFIG_WCE
        self.features |= F_RO if readonly else F_DISCARD | F_WRITE_ZEROES
        if not self.sectors:
            self.file.close()
            raise ConfigError(
                f"disk {os.fspath(path)!r} has {self.file.size} bytes, less than one sector of {SECTOR}",
                hint="Make an image first, for example with truncate -s 1G FILE",
            )

    def config_space(self) -> bytes:
        """Return ``struct virtio_blk_config`` (5.2.4)."""
        # The geometry is what drivers without LBA expect of a disk of that size: 16 heads, 63 sectors a track.
        return CONFIG.pack(
            self.sectors,
            0,  # size_max: not offered
            SEG_MAX,
            min(self.sectors // (16 * 63), 0xFFFF),
            16,
            63,
            SECTOR,
            3,  # the host's file systems work in 4096 = 512 << 3 bytes
            0,
            1,
            0,
            self.writeback,
            0,
            1,  # num_queues
            MAX_DISCARD,
            MAX_RANGES,
            8,
            MAX_ZEROES,
            MAX_RANGES,
            1,  # write_zeroes_may_unmap
        )

    def config_written(self, offset: int, size: int, value: int) -> None:
        """Take a write to `writeback`, the one field a driver may change (5.2.5.1)."""
        if offset == WRITEBACK_AT and size == 1 and self.has(F_CONFIG_WCE):
            self.writeback = value & 1

    def device_reset(self) -> None:
        """Go back to a write-back cache."""
        self.writeback = 1

    def serve(self, queue: VirtQueue) -> None:
        """Carry out every request in the queue."""
        for chain in self.chains(queue):
            self.carry_out(queue, chain)
        self.done(queue)

    def carry_out(self, queue: VirtQueue, chain: Chain) -> None:
        """Carry out one request and give it back."""
        # A request that an exception (Ctrl-C) or a move cut short is done again from its start, which changes nothing.
        chain.rewind()
        header = chain.read(HEADER.size)
        if len(header) < HEADER.size or not chain.capacity:
            # Without room for a status there is no way to answer (5.2.6).
            queue.fail("a block request without header or status byte")
            return
        kind, _, sector = HEADER.unpack(header)
        try:
            status = self._request(chain, kind, sector)
        except OSError:
            status = IOERR
        # The status is the last byte of the chain, wherever the driver cut its buffers.
        chain.write_at(chain.capacity - 1, bytes((status,)))
        # Only a request that filled all of its room has written up to and including the status (2.7.8.2).
        queue.push(chain, chain.capacity if chain.writable == 1 else chain.written)

    def _request(self, chain: Chain, kind: int, sector: int) -> int:
        """Return the status of a request."""
        if kind == IN:
            return self._read(chain, sector)
        if kind == OUT:
            return self._write(chain, sector)
        if kind == FLUSH:
            self.file.sync()
            return OK
        if kind == GET_ID:
            chain.write(self.serial.encode("ascii").ljust(ID_SIZE, b"\0")[: chain.writable - 1])
            return OK
        if kind in (DISCARD, WRITE_ZEROES):
            return self._ranges(chain, kind)
        return UNSUPP

    def _inside(self, sector: int, sectors: int) -> bool:
        # Python's integers do not wrap, so a sector near 2**64 is simply too large.
        return sector + sectors <= self.sectors

    def _read(self, chain: Chain, sector: int) -> int:
        left = chain.writable - 1
        if left % SECTOR or not self._inside(sector, left // SECTOR):
            return IOERR
        at = sector * SECTOR
        while left:
            data = self.file.read(at, min(left, CHUNK))
            if not chain.write(data):
                return IOERR
            at += len(data)
            left -= len(data)
        return OK

    def _write(self, chain: Chain, sector: int) -> int:
        if self.readonly or chain.readable % SECTOR or not self._inside(sector, chain.readable // SECTOR):
            return IOERR
        at = sector * SECTOR
        while data := chain.read(CHUNK):
            self.file.write(at, data)
            at += len(data)
        return self._written()

    def _written(self) -> int:
        # 5.2.6.2: without a cache, or with a driver that knows of none, data is safe before the request is used.
        if not self.writeback or not self.driver_features & (F_FLUSH | F_CONFIG_WCE):
            self.file.sync()
        return OK

    def _ranges(self, chain: Chain, kind: int) -> int:
        """Carry out a discard or write-zeroes request (5.2.6.1); nothing is done unless all ranges are good."""
        if self.readonly:
            return UNSUPP
        if chain.readable % RANGE.size or not 0 < chain.readable <= MAX_RANGES * RANGE.size:
            return UNSUPP if chain.readable > MAX_RANGES * RANGE.size else IOERR
        limit = MAX_DISCARD if kind == DISCARD else MAX_ZEROES
        ranges = list(RANGE.iter_unpack(chain.read()))
        for sector, sectors, flags in ranges:
            if flags & ~UNMAP or (kind == DISCARD and flags):
                return UNSUPP
            if sectors > limit or not self._inside(sector, sectors):
                return IOERR
        for sector, sectors, flags in ranges:
            if not sectors:
                continue
            if kind == DISCARD:
                self.file.punch(sector * SECTOR, sectors * SECTOR)
            else:
                self.file.zero(sector * SECTOR, sectors * SECTOR, unmap=bool(flags & UNMAP))
        return self._written()

    def load(self, state: State) -> None:
        """Take what :meth:`save` returned, into a device over an image of the same size."""
        sectors = self.sectors
        super().load(state)
        saved, self.sectors = self.sectors, sectors
        if saved != sectors:
            self.reset()
            raise ConfigError(
                f"the saved disk has {saved} sectors, this image has {sectors}",
                hint="Restore with a copy of the image that the machine had when it was saved",
            )

    def close(self) -> None:
        """Close the image; nothing is lost, since the host has every write already."""
        self.file.close()
