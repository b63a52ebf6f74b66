"""Guest memory for tests of devices that are written in Python."""

from __future__ import annotations

from vmcore.errors import MemoryAccessError


class FakeMemory:
    """The GuestMemory protocol over one bytearray, with a list of the writes."""

    def __init__(self, base: int = 0x8000_0000, size: int = 0x10000) -> None:
        self.base = base
        self.data = bytearray(size)
        self.writes: list[tuple[int, bytes]] = []

    def _slice(self, gpa: int, n: int) -> slice:
        start = gpa - self.base
        if start < 0 or n < 0 or start + n > len(self.data):
            raise MemoryAccessError(f"{gpa:#x} with {n:#x} bytes is outside the fake memory")
        return slice(start, start + n)

    def read(self, gpa: int, n: int) -> bytes:
        return bytes(self.data[self._slice(gpa, n)])

    def write(self, gpa: int, data: bytes | bytearray | memoryview) -> None:
        self.data[self._slice(gpa, len(data))] = data
        self.writes.append((gpa, bytes(data)))

    def view(self, gpa: int, n: int) -> memoryview:
        return memoryview(self.data)[self._slice(gpa, n)]
