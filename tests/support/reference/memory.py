"""The reference machine's memory: bytes that were given or written, c.ebreak, zeros, and nothing outside RAM."""

from __future__ import annotations

from support.lockstep import C_EBREAK, FILL, RAM, RAM_END, Case, split_data


class AccessFault(Exception):
    """Nothing answers at `address`, the first byte of an access that is not in RAM."""

    def __init__(self, address: int) -> None:
        self.address = address


class Memory:
    """A sparse memory of bytes."""

    def __init__(self, case: Case) -> None:
        self.bytes: dict[int, int] = {}
        for base, piece in ((case.address, case.code), *split_data(case.data)):
            for i, byte in enumerate(piece):
                self.bytes[base + i] = byte

    def _check(self, address: int, size: int) -> None:
        if not RAM <= address < RAM_END:
            raise AccessFault(address)
        if address + size > RAM_END:
            raise AccessFault(RAM_END)

    def _byte(self, address: int) -> int:
        if FILL[0] <= address < FILL[1]:
            return self.bytes.get(address, C_EBREAK[address & 1])
        return self.bytes.get(address, 0)

    def read(self, address: int, size: int) -> int:
        """Return the little-endian number at an address."""
        self._check(address, size)
        return int.from_bytes(bytes(self._byte(address + i) for i in range(size)), "little")

    def write(self, address: int, size: int, value: int) -> None:
        """Store a little-endian number."""
        self._check(address, size)
        for i in range(size):
            self.bytes[address + i] = value >> 8 * i & 255
