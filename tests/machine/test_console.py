"""The console against a guest that is a Python program behind a 16-byte FIFO."""

from __future__ import annotations

import re
import threading
from collections.abc import Generator

import pytest

from vmcore.errors import ConfigError, ConsoleError, GuestTimeout
from vmcore.machine.console.console import Console
from vmcore.machine.console.transcript import Transcript

# A program yields what it says and how many milliseconds it takes. When it yields None it is sent what was typed.
Program = Generator[tuple[bytes | None, int], bytes, None]
FIFO = 16


class Guest:
    """A guest with virtual time, a small receive FIFO and a program."""

    def __init__(self, program: Program) -> None:
        self.now_ns = 0
        self.fifo = bytearray()
        self.out = bytearray()
        self.program: Program | None = program
        self.wakes_ns = 0
        self.started = False
        self.listens = False

    def hold(self) -> None:
        self.held = True

    def push(self, data: bytes) -> int:
        taken = data[: FIFO - len(self.fifo)]
        self.fifo += taken
        return len(taken)

    def take(self) -> bytes:
        data = bytes(self.out)
        self.out.clear()
        return data

    def drive(self, until_ns: int) -> str | None:
        while self.program is not None and self.wakes_ns <= until_ns:
            self.now_ns = max(self.now_ns, self.wakes_ns)
            end = (self.fifo.find(b"\r") + 1 or len(self.fifo)) if self.listens else 0
            typed = bytes(self.fifo[:end])
            del self.fifo[:end]
            try:
                said, wait = self.program.send(typed if self.started else None)  # type: ignore[arg-type]
            except StopIteration:
                self.program = None
                break
            self.started = True
            self.listens = said is None
            self.out += said or b""
            self.wakes_ns = self.now_ns + wait * 1_000_000
        if self.program is None:
            return "the guest powered off"
        self.now_ns = until_ns
        return None


def console_of(program: Program) -> Console:
    guest = Guest(program)
    return Console("ttyS0", guest, guest)


def line(echo: bool = True) -> Generator[tuple[bytes | None, int], bytes, bytes]:
    """Read a line as a terminal does."""
    got = b""
    while not got.endswith(b"\r"):
        typed = yield None, 1
        got += typed
        if echo:
            yield typed.replace(b"\r", b"\r\n"), 0
    return got[:-1]


def saying(*parts: tuple[bytes, int]) -> Program:
    while parts:
        yield parts[0]
        parts = parts[1:]
    while True:
        yield b"", 1000


def test_expect_finds_text_over_several_pieces_and_keeps_the_rest() -> None:
    console = console_of(saying((b"boo", 5), (b"ting\r\nlog", 700), (b"in: more", 1)))
    match = console.expect("login: ", timeout=2)
    assert (match.index, match.before, match.text) == (0, "booting\n", "login: ")
    assert console.read() == "more"
    assert str(console.transcript) == "booting\nlogin: more"


def test_the_first_in_the_text_wins_whatever_its_place_in_the_list() -> None:
    console = console_of(saying((b"a1 b2 c3", 1)))
    assert console.expect(["c3", "b2", re.compile(r"a(\d)(x)?")]).index == 2
    match = console.expect([re.compile(rb"c(\d)"), b"b2"])
    assert (match.index, match.before) == (1, " ")
    assert console.expect(re.compile(rb"c(\d)")).groups == ("3",)


def test_a_newline_in_text_is_the_terminals_line_end() -> None:
    assert console_of(saying((b"one\r\ntwo", 1))).expect("one\ntwo").text == "one\ntwo"


def test_a_timeout_is_virtual_and_shows_the_last_lines() -> None:
    console = console_of(saying(*[(b"line %d\r\n" % i, 1) for i in range(40)]))
    with pytest.raises(
        GuestTimeout, match=r"ttyS0: no 'never' in 3600 virtual seconds(.|\n)*line 38\nline 39"
    ) as error:
        console.expect("never", timeout=3600)
    assert "line 10" not in str(error.value)
    assert console.now == 3600


def test_the_guests_end_is_an_error_with_its_last_words() -> None:
    def program() -> Program:
        yield b"panic\r\n", 3

    with pytest.raises(ConsoleError, match=r"powered off while waiting for 'x' or 'y'(.|\n)*panic") as error:
        console_of(program()).expect(["x", re.compile("y")])
    assert not isinstance(error.value, GuestTimeout)


def test_last_words_are_found_though_the_guest_ended() -> None:
    def program() -> Program:
        yield b"", 3
        yield b"bye", 0

    assert console_of(program()).expect("bye").text == "bye"


def test_a_guest_that_said_nothing() -> None:
    with pytest.raises(GuestTimeout, match="nothing at all"):
        console_of(saying((b"", 1))).expect("x", timeout=1)


def test_no_byte_is_lost_to_a_small_fifo() -> None:
    text = bytes(range(33, 127)) * 30

    def program() -> Program:
        got = b""
        yield b"ready", 1
        while len(got) < len(text):
            got += yield None, 1
        yield b"all right" if got == text else b"wrong", 1

    console = console_of(program())
    console.expect("ready")
    console.write(text)
    assert console.unsent > 0
    console.drain()
    assert console.unsent == 0
    assert console.expect(["all right", "wrong"]).index == 0


def test_drain_says_how_much_was_not_taken() -> None:
    def program() -> Program:
        yield b"", 1

    console = console_of(program())
    console.write("x" * 50)
    with pytest.raises(ConsoleError, match=r"powered off, (34|18) bytes not taken"):
        console.drain()


def test_a_guest_that_prints_forever_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmcore.machine.console.console.MOST_UNREAD", 1000)
    console = console_of(saying(*[(b"0123456789" * 10, 1) for _ in range(100)]))
    with pytest.raises(GuestTimeout):
        console.expect("never", timeout=1)
    assert len(console.read_bytes()) == 1000 and console.dropped == 9000


def test_a_transcript_keeps_the_end() -> None:
    transcript = Transcript(limit=100)
    for i in range(100):
        transcript.add(b"%09d\n" % i)
    assert 100 <= len(bytes(transcript)) <= 200 and bytes(transcript).endswith(b"000000099\n")
    assert transcript.dropped + len(bytes(transcript)) == 1000
    assert transcript.tail(2) == "000000098\n000000099"


def test_listeners_hear_everything_until_they_leave() -> None:
    heard: list[bytes] = []
    console = console_of(saying((b"one", 5), (b"two", 5)))
    leave = console.on_output(heard.append)
    console.expect("one")
    leave()
    console.expect("two")
    assert heard == [b"one"]


def test_what_is_no_pattern_or_no_time() -> None:
    console = console_of(saying((b"", 1)))
    with pytest.raises(ConfigError, match="no pattern"):
        console.expect([])
    with pytest.raises(ConfigError, match="no pattern"):
        console.expect([5])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="timeout=-1"):
        console.expect("x", timeout=-1)


def shell(prompt: bytes = b"~ # ") -> Program:
    """A shell of which only printf marks, `echo`, `false` and `hang` work."""
    while True:
        yield prompt, 0
        text = yield from line()
        while text.count(b"{") > text.count(b"}"):
            yield b"> ", 0
            text += b"\n" + (yield from line())
        found = re.fullmatch(
            rb"printf 'vmc%s\\n' (\S+); \{ (.*)\n\}; printf '\\nvmc%s %d\\n' (\S+) \$\?", text, re.DOTALL
        )
        if found is None:
            yield b"syntax error\r\n", 1
            continue
        begin, command, end = found.groups()
        yield b"vmc%s\r\n" % begin, 1
        if command == b"hang":
            while True:
                yield b"", 1000
        if command == b"exit":
            return
        if command.startswith(b"echo "):
            yield command[5:].replace(b"\n", b"\r\n") + b"\r\n", 2
        yield b"\r\nvmc%s %d\r\n" % (end, command == b"false"), 1


def booted_shell() -> Program:
    yield b"[0.1] booting # \r\n", 5000
    yield from shell()


def test_commands_and_their_status() -> None:
    sh = console_of(booted_shell()).login()
    assert sh.run("echo hello").stdout == "hello\n"
    result = sh.run("false")
    assert (result.stdout, result.status, result.ok) == ("", 1, False)
    assert sh.run("echo a\nb").stdout == "a\nb\n", "several lines"


def test_login_with_a_password() -> None:
    def program(password: bytes | None) -> Program:
        yield b"Debian GNU/Linux 13 host ttyS0\r\n\r\nhost login: ", 5
        user = yield from line()
        assert user == b"root"
        if password is not None:
            yield b"Password: ", 1
            if (yield from line(echo=False)) != password:
                yield b"\r\n\r\nLogin incorrect\r\nhost login: ", 1000
        yield from shell(b"root@host:~# ")

    assert console_of(program(None)).login("root").run("echo hi").stdout == "hi\n"
    assert console_of(program(b"secret")).login("root", "secret").run("echo hi").ok
    with pytest.raises(ConsoleError, match=r"refused the login as 'root': Login incorrect"):
        console_of(program(b"secret")).login("root", "wrong")
    with pytest.raises(ConsoleError, match="asks 'root' for a password"):
        console_of(program(b"secret")).login("root")


def test_login_presses_enter_where_it_is_asked_to_or_nobody_speaks() -> None:
    def asks() -> Program:
        yield b"Please press Enter to activate this console. ", 1
        yield from line()
        yield from shell()

    def waits() -> Program:
        yield from line()
        yield from shell()

    assert console_of(asks()).login().run("echo a").ok
    assert console_of(waits()).login().run("echo a").ok


def test_what_only_looks_like_a_prompt_is_no_shell() -> None:
    def program() -> Program:
        yield b"Linux #", 2
        yield b"1 SMP\r\nloading /dev/sda$ ", 20_000
        yield b"done\r\n", 1
        yield from shell()

    assert console_of(program()).login(timeout=60).run("echo real").stdout == "real\n"


def test_a_command_that_does_not_end() -> None:
    sh = console_of(booted_shell()).login()
    with pytest.raises(GuestTimeout, match="virtual seconds"):
        sh.run("hang", timeout=5)
    with pytest.raises(ConsoleError, match="powered off"):
        console_of(booted_shell()).login().run("exit")


def test_no_shell_in_time() -> None:
    with pytest.raises(GuestTimeout, match="no login and no shell in 30 virtual seconds"):
        console_of(saying((b"nothing here\r\n", 1))).login(timeout=30)


def test_expect_finds_last_words_that_the_machine_itself_pumped() -> None:
    console: Console

    class Ending(Guest):
        def drive(self, until_ns: int) -> str | None:
            self.out += b"going down\r\n"
            console.pump()
            return "the guest powered off"

    guest = Ending(saying())
    console = Console("ttyS0", guest, guest)
    assert console.expect("going down").text == "going down"
    with pytest.raises(ConsoleError, match="powered off"):
        console.expect("again")


def test_posts_of_other_threads_arrive_whole_and_in_each_threads_order() -> None:
    def program() -> Program:
        got = b""
        while got.count(b"\r") < 60:
            got += yield None, 1
        yield got + b"END", 1
        yield b"", 1000

    console = console_of(program())

    def type_lines(who: int) -> None:
        for number in range(20):
            assert console.post(f"{who}:{number:02}\r")

    threads = [threading.Thread(target=type_lines, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    said = console.expect("END").before.split("\r")[:-1]
    for thread in threads:
        thread.join()
    assert len(said) == 60
    for who in "012":
        assert [text for text in said if text[0] == who] == [f"{who}:{number:02}" for number in range(20)]


def test_a_post_without_room_is_refused_and_only_the_machines_thread_types() -> None:
    def program() -> Program:
        yield b"", 1000

    guest = Guest(program())
    console = Console("ttyS0", guest, guest)
    assert all(console.post(b"x") for _ in range(1024))
    assert not console.post(b"y")
    assert not guest.fifo
    console.pump()
    assert guest.fifo == b"x" * FIFO and console.unsent == 1024 - FIFO
    assert console.post(b"y")
