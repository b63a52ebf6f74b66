"""The last of what a console showed, in bounded memory."""

from __future__ import annotations

__all__ = ["Transcript"]


class Transcript:
    """Keeps the last bytes that were added.

    Parameters
    ----------
    limit : int
        How many are kept at least; up to twice as many are for a while.
    """

    def __init__(self, limit: int = 1 << 20) -> None:
        self._limit = limit
        self._data = bytearray()
        self.dropped = 0

    def add(self, data: bytes) -> None:
        """Add `data` at the end."""
        self._data += data
        if len(self._data) > 2 * self._limit:
            excess = len(self._data) - self._limit
            del self._data[:excess]
            self.dropped += excess

    def __bytes__(self) -> bytes:
        return bytes(self._data)

    def __str__(self) -> str:
        return self._data.decode("utf-8", "replace").replace("\r\n", "\n")

    def tail(self, lines: int = 15) -> str:
        """Return the last lines, each cut to a readable width, for messages."""
        text = self._data[-16384:].decode("utf-8", "replace").replace("\r\n", "\n").rstrip()
        return "\n".join(line[-200:] for line in text.split("\n")[-lines:])
