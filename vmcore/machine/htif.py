"""HTIF, as Spike speaks it: a bare-metal program ends its run or prints by storing a word to ``tohost``.

The word is device (bits 63 to 56), command (55 to 48) and payload. Device 0 with an odd payload ends the program
with status payload / 2; with an even one it is the address of eight words, a system call. Device 1 is a console.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from vmcore.errors import VmError

__all__ = ["Htif", "HtifConsole", "HtifMemory"]

SYS_WRITE, SYS_EXIT, SYS_EXIT_GROUP = 64, 93, 94
EBADF, EFAULT, ENOSYS = 9, 14, 38
# One call may write this much; what is beyond is not written, as a short write tells the program.
MOST_BYTES = 1 << 20
MASK64 = (1 << 64) - 1


class HtifMemory(Protocol):
    """Physical memory, RAM only."""

    def read(self, gpa: int, n: int, /) -> bytes:
        """Read `n` bytes."""

    def write(self, gpa: int, data: bytes, /) -> None:
        """Write `data`."""


class HtifConsole(Protocol):
    """Where the program's output goes."""

    def put(self, data: bytes, /) -> None:
        """Show `data`."""

    def get(self, most: int, /) -> bytes:
        """Return up to `most` bytes that were typed, or nothing."""


class Htif:
    """The host's end.

    Parameters
    ----------
    memory : HtifMemory
        Physical memory.
    console : HtifConsole
        The console.
    tohost, fromhost : int
        The two words; `fromhost` may be 0 when the program has none.
    """

    def __init__(self, memory: HtifMemory, console: HtifConsole, tohost: int, fromhost: int = 0) -> None:
        self.tohost = tohost
        self.fromhost = fromhost
        self._memory = memory
        self._console = console
        self._wants_char = False

    @classmethod
    def of_symbols(cls, memory: HtifMemory, console: HtifConsole, symbols: Mapping[str, int]) -> Htif | None:
        """Return the host's end for a program that has the symbol ``tohost``, else None."""
        if "tohost" not in symbols:
            return None
        return cls(memory, console, symbols["tohost"], symbols.get("fromhost", 0))

    def reset(self) -> None:
        """Forget a read that is under way."""
        self._wants_char = False

    def serve(self) -> int | None:
        """Look at ``tohost`` and do what it says; the exit status when the program ended, else None."""
        word = int.from_bytes(self._memory.read(self.tohost, 8), "little")
        if not word:
            return None
        self._memory.write(self.tohost, bytes(8))
        device, command, payload = word >> 56, word >> 48 & 0xFF, word & (1 << 48) - 1
        if device == 0 and command == 0:
            if payload & 1:
                return payload >> 1
            return self._system_call(payload)
        if device == 1 and command == 1:
            self._console.put(bytes((payload & 0xFF,)))
        elif device == 1 and command == 0:
            self._wants_char = True
            self.poll()
        return None

    def poll(self) -> None:
        """Answer a console read that is under way, once something was typed and ``fromhost`` is free."""
        if not self._wants_char or not self.fromhost or any(self._memory.read(self.fromhost, 8)):
            return
        typed = self._console.get(1)
        if typed:
            self._wants_char = False
            self._respond(1 << 56 | 0x100 | typed[0])

    def _respond(self, word: int) -> None:
        if self.fromhost:
            self._answer(self.fromhost, word)

    def _answer(self, address: int, word: int) -> None:
        # Where the program may not write (a ROM holds a readable block), there is no answer and no way to say so.
        with suppress(VmError):
            self._memory.write(address, (word & MASK64).to_bytes(8, "little"))

    def _system_call(self, block: int) -> int | None:
        try:
            words = self._memory.read(block, 64)
        except VmError:
            # No program can hear about it: the block is where the answer would go.
            return None
        number, first, address, size = (int.from_bytes(words[8 * i : 8 * i + 8], "little") for i in range(4))
        if number in (SYS_EXIT, SYS_EXIT_GROUP):
            return first & 0xFFFF_FFFF
        result = self._write(first, address, size) if number == SYS_WRITE else -ENOSYS
        self._answer(block, result)
        self._respond(1)
        return None

    def _write(self, handle: int, address: int, size: int) -> int:
        if handle not in (1, 2):
            return -EBADF
        size = min(size, MOST_BYTES)
        try:
            data = self._memory.read(address, size)
        except VmError:
            return -EFAULT
        self._console.put(data)
        return size
