"""A console: bytes to and from the guest, and waiting for what it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vmcore._fast.ring import RingQueue
from vmcore.config.values import parse_seconds
from vmcore.errors import ConfigError, ConsoleError, GuestTimeout
from vmcore.machine.console.port import Driver, Port
from vmcore.machine.console.shell import Shell, log_in
from vmcore.machine.console.transcript import Transcript

__all__ = ["Console", "Match", "Pattern"]

Pattern = str | bytes | re.Pattern[str] | re.Pattern[bytes]
PATTERN_HINT = "Give a str, bytes, or a compiled regular expression"
"""Text to wait for as it stands, or a compiled regular expression."""

# Virtual time between two looks at the port: short while bytes move, longer and longer while nothing is said.
SLICE_NS = 1_000_000
LONGEST_SLICE_NS = 16_000_000
# Nobody reads: what the guest said first goes, so that a guest that prints forever costs no more than this.
MOST_UNREAD = 16 << 20
# What other threads typed and the machine's thread has not looked at.
MOST_POSTED = 1024
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Match:
    """What :meth:`Console.expect` found.

    Attributes
    ----------
    index : int
        Which pattern of the list it was.
    before : str
        What the guest said before it.
    text : str
        What matched.
    groups : tuple of str
        The groups of the regular expression; empty strings where one took no part.
    """

    index: int
    before: str
    text: str
    groups: tuple[str, ...] = ()


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def _encode(data: str | bytes) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise ConfigError(f"{data!r} cannot be typed", hint="Give a str or bytes")


def _listed(patterns: Sequence[Pattern]) -> list[Pattern]:
    try:
        return list(patterns)
    except TypeError:
        raise ConfigError(f"{patterns!r} is no pattern", hint=PATTERN_HINT) from None


def _compile(pattern: Pattern) -> re.Pattern[bytes]:
    if isinstance(pattern, str):
        # The guest's terminal turns line ends into CR LF.
        text = re.escape(pattern.encode()).replace(b"\\\n", rb"\r*\n")
        return re.compile(text)
    if isinstance(pattern, bytes):
        return re.compile(re.escape(pattern))
    if isinstance(pattern, re.Pattern):
        if isinstance(pattern.pattern, bytes):
            return re.compile(pattern.pattern, pattern.flags)
        return re.compile(pattern.pattern.encode(), pattern.flags & ~re.UNICODE)
    raise ConfigError(f"{pattern!r} is no pattern", hint=PATTERN_HINT)


class Console:
    """A serial line to the guest.

    Bytes are never lost: what is written waits on the host until the device has room, what the guest says is kept
    until it is read. Waiting runs the machine, and every timeout is in *virtual* seconds: a busy host changes nothing.

    Parameters
    ----------
    name : str
        What the guest calls it: ``"ttyS0"``, ``"hvc0"``.
    port : Port
        The device's end.
    driver : Driver
        Lets the machine run.
    """

    def __init__(self, name: str, port: Port, driver: Driver) -> None:
        self.name = name
        self.transcript = Transcript()
        self.dropped = 0
        self._port = port
        self._driver = driver
        self._posted: RingQueue[bytes] = RingQueue(MOST_POSTED)
        self._out = bytearray()
        self._in = bytearray()
        self._heard = 0
        self._listeners: list[Callable[[bytes], None]] = []

    def on_output(self, listener: Callable[[bytes], None]) -> Callable[[], None]:
        """Call `listener` with everything the guest says from now on; returns a function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def pump(self) -> bool:
        """Move bytes both ways, as many as there are and as there is room for; True if any moved."""
        moved = False
        for data in self._posted.pop_many():
            self._out += data
        if self._out:
            accepted = self._port.push(bytes(self._out[:4096]))
            del self._out[:accepted]
            moved = accepted > 0
        data = self._port.take()
        if not data:
            return moved
        self.take_in(data)
        return True

    def take_in(self, data: bytes) -> None:
        """Take what the guest said, whichever way it came."""
        self._in += data
        self._heard += len(data)
        if len(self._in) > MOST_UNREAD:
            excess = len(self._in) - MOST_UNREAD
            del self._in[:excess]
            self.dropped += excess
        self.transcript.add(data)
        for listener in tuple(self._listeners):
            listener(data)

    @property
    def unsent(self) -> int:
        """int: bytes that were written and that the guest has no room for yet."""
        return len(self._out)

    def write(self, data: str | bytes) -> None:
        """Type `data`. It returns at once; the bytes go out as the guest takes them while the machine runs."""
        self._out += _encode(data)
        self.pump()
        if self._out:
            self._driver.hold()

    def post(self, data: str | bytes) -> bool:
        """Type `data` from any thread.

        Everything else of a console belongs to the thread that runs the machine; it takes what was posted when it next
        looks at its consoles: between two runs, while it waits in :meth:`expect`, or when all harts are idle.
        :meth:`vmcore.Machine.stop` makes it look at once.

        Returns
        -------
        bool
            False when 1024 posts wait already; nothing of `data` is typed then.
        """
        return self._posted.push(_encode(data))

    def send(self, line: str) -> None:
        """Type `line` and the return key."""
        self.write(line + "\r")

    def read_bytes(self) -> bytes:
        """Return what the guest has said and nobody has read; never waits."""
        self.pump()
        data = bytes(self._in)
        self._in.clear()
        return data

    def read(self) -> str:
        """Return what the guest has said and nobody has read, as text; never waits."""
        return _decode(self.read_bytes())

    def expect(self, pattern: Pattern | Sequence[Pattern], timeout: float = 60.0) -> Match:
        """Run the machine until the guest says something.

        What is found, and what came before it, counts as read.

        Parameters
        ----------
        pattern : str, bytes, re.Pattern, or a sequence of them
            What to wait for: text as it stands, or a compiled regular expression. Of several that are there the
            one that begins first wins.
        timeout : float
            Virtual seconds.

        Returns
        -------
        Match

        Raises
        ------
        GuestTimeout
            It was not said in time. The message ends with the console's last lines.
        ConsoleError
            The guest ended, or the machine stopped.
        """
        patterns: list[Pattern] = [pattern] if isinstance(pattern, (str, bytes, re.Pattern)) else _listed(pattern)
        compiled = [_compile(p) for p in patterns]
        if not compiled:
            raise ConfigError("expect() was given no pattern")
        deadline = self._driver.now_ns + int(parse_seconds(timeout, "timeout") * NS)
        self.pump()
        step = SLICE_NS
        ended: str | None = None
        match = self._search(compiled)
        while True:
            if match is not None:
                return match
            if ended is not None:
                raise self.error(ConsoleError, f"{ended} while waiting for {self._describe(patterns)}")
            now = self._driver.now_ns
            if now >= deadline:
                raise self.error(GuestTimeout, f"no {self._describe(patterns)} in {timeout:g} virtual seconds")
            heard = self._heard
            ended = self._driver.drive(min(now + step, deadline))
            moved = self.pump()
            step = SLICE_NS if moved or self._out else min(2 * step, LONGEST_SLICE_NS)
            # The machine pumps as well, before it ends among other times: what it heard is looked at, too.
            if self._heard != heard:
                match = self._search(compiled)
            if ended is None and self._driver.now_ns <= now:
                ended = "the guest's time stands still"

    def _search(self, patterns: Sequence[re.Pattern[bytes]]) -> Match | None:
        best: tuple[int, int, re.Match[bytes]] | None = None
        for index, pattern in enumerate(patterns):
            found = pattern.search(self._in)
            if found is not None and (best is None or found.start() < best[0]):
                best = found.start(), index, found
        if best is None:
            return None
        _, index, found = best
        groups = tuple(_decode(group or b"") for group in found.groups())
        match = Match(index, _decode(bytes(self._in[: found.start()])), _decode(found.group()), groups)
        end = found.end()
        del found, best  # A match keeps the buffer from changing its size.
        del self._in[:end]
        return match

    @staticmethod
    def _describe(patterns: Sequence[Pattern]) -> str:
        return " or ".join(repr(p.pattern if isinstance(p, re.Pattern) else p) for p in patterns)

    def error(self, kind: type[ConsoleError], what: str) -> ConsoleError:
        """Return an error that shows the console's last lines."""
        tail = self.transcript.tail()
        said = f"The last lines were:\n{tail}" if tail else "The guest has said nothing at all"
        return kind(f"{self.name}: {what}", hint=said)

    def is_quiet(self, seconds: float) -> bool:
        """Run the machine for some virtual seconds; False as soon as the guest says something."""
        until = self._driver.now_ns + int(seconds * NS)
        known = len(self._in)
        while (now := self._driver.now_ns) < until:
            ended = self._driver.drive(min(now + LONGEST_SLICE_NS, until))
            self.pump()
            if len(self._in) != known:
                return False
            if ended or self._driver.now_ns <= now:
                break
        return True

    def drain(self, timeout: float = 10.0) -> None:
        """Run the machine until everything that was written has been taken by the device.

        Raises
        ------
        GuestTimeout
            It takes longer than `timeout` virtual seconds.
        """
        deadline = self._driver.now_ns + int(parse_seconds(timeout, "timeout") * NS)
        self.pump()
        while self._out:
            now = self._driver.now_ns
            if now >= deadline:
                raise self.error(GuestTimeout, f"{len(self._out)} bytes not taken in {timeout:g} virtual seconds")
            ended = self._driver.drive(min(now + SLICE_NS, deadline))
            if not self.pump() and (ended or self._driver.now_ns <= now):
                raise self.error(ConsoleError, f"{ended or 'the guest stands still'}, {len(self._out)} bytes not taken")

    def login(self, user: str = "root", password: str | None = None, timeout: float = 120.0) -> Shell:
        """Wait for a login prompt or a shell, log in, and return the shell.

        Parameters
        ----------
        user : str
            Typed at ``login:``; not needed where the guest starts a shell by itself.
        password : str, optional
            Typed at ``Password:``.
        timeout : float
            Virtual seconds for all of it, booting included.

        Raises
        ------
        GuestTimeout
            No shell answered in time.
        ConsoleError
            The guest ended, refused the login, or asks for a password and none was given.
        """
        return log_in(self, user, password, parse_seconds(timeout, "timeout"))

    @property
    def now(self) -> float:
        """float: virtual seconds since power-on."""
        return self._driver.now_ns / NS

    def __repr__(self) -> str:
        return f"<Console {self.name}: {len(self._in)} bytes unread, {len(self._out)} unsent>"
