"""Entropy device (virtio 1.2, section 5.4)."""

from __future__ import annotations

import hashlib
import os
from typing import ClassVar

from vmcore._fast.dev.virtqueue import VirtQueue
from vmcore.devices.virtio.device import VirtioDevice

__all__ = ["VirtioRng"]

#: Bytes given for one request, however large its buffer: 5.4.6.2 lets a device fill less, and work stays bounded.
MOST = 1 << 16


class VirtioRng(VirtioDevice):
    """A source of random bytes.

    Parameters
    ----------
    seed : int or bytes, optional
        Makes the bytes the same in every run: block i is SHA-512 of the seed and i. Without a seed they come from the
        host's ``os.urandom``.
    """

    name = "rng"
    device_id = 4
    pci_class = 0x00FF00
    queue_sizes: ClassVar[tuple[int, ...]] = (8,)
    state: ClassVar[tuple[str, ...]] = ("key", "counter")
    limits: ClassVar[dict[str, int]] = {"counter": 2**63 - 1}

    def __init__(self, seed: int | bytes | None = None) -> None:
        super().__init__()
        if isinstance(seed, int):
            seed = seed.to_bytes((seed.bit_length() + 8) // 8, "little", signed=True)
        self.key: bytes | None = None if seed is None else hashlib.sha512(seed).digest()
        self.counter = 0

    def serve(self, queue: VirtQueue) -> None:
        """Fill every buffer in the queue."""
        for chain in self.chains(queue):
            chain.write(self.take(min(chain.writable, MOST)))
            queue.push(chain)
        self.done(queue)

    def take(self, n: int) -> bytes:
        """Return the next `n` random bytes."""
        if self.key is None:
            return os.urandom(n)
        blocks = -(-n // 64)
        numbers = range(self.counter, self.counter + blocks)
        self.counter += blocks
        return b"".join([hashlib.sha512(self.key + i.to_bytes(8, "little")).digest() for i in numbers])[:n]
