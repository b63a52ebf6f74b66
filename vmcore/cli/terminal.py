"""The user's terminal: raw while a guest has it, given back whatever happens; Ctrl-A is for talking to vmcore."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final

from vmcore._fast.ring import RingQueue

__all__ = ["HELP", "Escape", "RawTerminal", "Reader", "write_all"]

ESCAPE = 0x01
MOST_CHUNKS = 16
TICK = 0.05
HELP = "Ctrl-A x  quit    Ctrl-A h  this help    Ctrl-A Ctrl-A  send Ctrl-A to the guest"


class Escape:
    """Takes the commands that begin with Ctrl-A out of what is typed, which may come in any pieces."""

    def __init__(self) -> None:
        self._pending = False

    def feed(self, typed: bytes) -> tuple[bytes, str]:
        """Return what is for the guest, and the letters of the commands (``x`` and ``h``)."""
        guest = bytearray()
        commands = ""
        for byte in typed:
            if self._pending:
                self._pending = False
                letter = chr(byte).lower()
                if letter in "xh":
                    commands += letter
                elif byte == ESCAPE or letter == "a":
                    guest.append(ESCAPE)
            elif byte == ESCAPE:
                self._pending = True
            else:
                guest.append(byte)
        return bytes(guest), commands


class RawTerminal:
    """A context in which the terminal `fd` passes every key on; it is restored on the way out, also by a signal.

    Main thread only, since signal handlers are.
    """

    _SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._saved: list[object] = []
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> RawTerminal:
        self._saved = termios.tcgetattr(self._fd)
        # An exception unwinds through __exit__, which dying of the signal would not.
        for number in self._SIGNALS:
            self._handlers[number] = signal.signal(number, self._leave)
        tty.setraw(self._fd, termios.TCSADRAIN)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)  # type: ignore[arg-type]
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @staticmethod
    def _leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)


class Reader:
    """Reads `fd` on a thread of its own, so that the machine runs on while nobody types.

    It reads no further ahead than :data:`MOST_CHUNKS`, however much there is to read.

    Parameters
    ----------
    fd : int
        What is read.
    wake : callable
        Called on the reader's thread when there is something new, and every :data:`TICK` seconds; it makes the machine
        come back from ``run``, so that what a busy guest says is shown in time.
    """

    def __init__(self, fd: int, wake: Callable[[], None]) -> None:
        self._fd = fd
        self._wake = wake
        self._chunks: RingQueue[bytes] = RingQueue(MOST_CHUNKS)
        self._news = threading.Event()
        self._leaving = False
        self._end_read, self._end_write = os.pipe()
        self._thread = threading.Thread(target=self._read, name="vmcore-stdin", daemon=True)
        self.ended = False

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._leaving = True
        os.write(self._end_write, b"x")
        self._thread.join()
        os.close(self._end_read)
        os.close(self._end_write)

    def take(self) -> bytes:
        """Return what was read since the last call; never waits."""
        return b"".join(self._chunks.pop_many())

    def wait(self) -> bytes:
        """Wait until there is something, and return it; nothing means that the input has ended."""
        while True:
            # Cleared before the look: what comes after it sets it again.
            self._news.clear()
            ended = self.ended
            data = self.take()
            if data or ended:
                return data
            self._news.wait()

    def _read(self) -> None:
        while not self._leaving:
            watched = [self._end_read]
            if not self.ended and not self._chunks.full:
                watched.append(self._fd)
            ready, _, _ = select.select(watched, [], [], TICK)
            if self._fd in ready:
                self._take_in()
            self._wake()

    def _take_in(self) -> None:
        try:
            chunk = os.read(self._fd, 4096)
        except OSError:
            # A terminal that is gone.
            chunk = b""
        # There is room: nothing is read while the queue is full, and nobody else fills it.
        self._chunks.push(chunk)
        self.ended = not chunk
        self._news.set()


def write_all(data: bytes) -> None:
    """Write the guest's bytes to stdout as they are, at once."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
