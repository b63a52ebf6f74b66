"""The terminal: commands are taken out of what is typed, and the user gets the terminal back as it was."""

from __future__ import annotations

import os
import pty
import signal
import termios
import threading
from collections.abc import Iterator

import pytest

from vmcore.cli.terminal import MOST_CHUNKS, Escape, RawTerminal, Reader


@pytest.mark.parametrize(
    ("typed", "guest", "commands"),
    [
        (b"ls\r", b"ls\r", ""),
        (b"\x01x", b"", "x"),
        (b"a\x01Hb", b"ab", "h"),
        (b"\x01\x01", b"\x01", ""),
        (b"\x01a", b"\x01", ""),
        (b"\x01zq", b"q", ""),
        (b"\x03\x1a\x1c\x04", b"\x03\x1a\x1c\x04", ""),
    ],
)
def test_ctrl_a_is_for_vmcore(typed: bytes, guest: bytes, commands: str) -> None:
    assert Escape().feed(typed) == (guest, commands)
    # The same keys one by one.
    escape, out, letters = Escape(), b"", ""
    for byte in typed:
        more, letter = escape.feed(bytes([byte]))
        out, letters = out + more, letters + letter
    assert (out, letters) == (guest, commands)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    keyboard, screen = pty.openpty()
    yield keyboard, screen
    os.close(keyboard)
    os.close(screen)


def test_raw_inside_and_as_before_outside(terminal: tuple[int, int]) -> None:
    keyboard, screen = terminal
    before = termios.tcgetattr(screen)
    with RawTerminal(screen):
        inside = termios.tcgetattr(screen)
        assert not inside[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
        os.write(keyboard, b"\x03")
        assert os.read(screen, 10) == b"\x03"
    assert termios.tcgetattr(screen) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(terminal: tuple[int, int], number: signal.Signals) -> None:
    before, handler = termios.tcgetattr(terminal[1]), signal.getsignal(number)
    with pytest.raises(SystemExit) as left, RawTerminal(terminal[1]):
        signal.raise_signal(number)
    assert left.value.code == 128 + number
    assert termios.tcgetattr(terminal[1]) == before
    assert signal.getsignal(number) == handler


def test_what_is_typed_wakes_the_machine(terminal: tuple[int, int]) -> None:
    woken = threading.Semaphore(0)
    with RawTerminal(terminal[1]), Reader(terminal[1], woken.release) as reader:
        assert reader.take() == b""
        os.write(terminal[0], b"abc")
        assert woken.acquire(timeout=30)
        assert reader.wait() == b"abc"
        assert not reader.ended


def test_the_end_of_the_input_is_noticed() -> None:
    read, write = os.pipe()
    with Reader(read, lambda: None) as reader:
        os.write(write, b"last")
        assert reader.wait() == b"last"
        os.close(write)
        assert reader.wait() == b""
        assert reader.ended
        assert reader.wait() == b""
    os.close(read)


def test_no_more_is_read_than_is_taken() -> None:
    """``vmcore boot < /dev/zero`` must not fill the memory."""
    woken = threading.Semaphore(0)
    zero = os.open("/dev/zero", os.O_RDONLY)
    with Reader(zero, woken.release) as reader:
        for _ in range(3 * MOST_CHUNKS):
            assert woken.acquire(timeout=30)
        assert len(reader.take()) == 4096 * MOST_CHUNKS
        assert reader.wait().strip(b"\0") == b""
    os.close(zero)


def test_the_machine_is_woken_although_nobody_types() -> None:
    read, write = os.pipe()
    woken = threading.Semaphore(0)
    with Reader(read, woken.release):
        for _ in range(3):
            assert woken.acquire(timeout=30)
    os.close(read)
    os.close(write)


def test_leaving_does_not_wait_for_input() -> None:
    read, write = os.pipe()
    before = threading.active_count()
    with Reader(read, lambda: None):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    os.close(read)
    os.close(write)
