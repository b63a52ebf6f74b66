"""``vmcore boot`` and ``vmcore demo`` as processes: piped, at a terminal, and given wrong things."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmcore import guests
from vmcore.images import ImageSet

from .conftest import Vmcore

PROMPT = "vmcore> "


def test_demo_ends_by_itself_where_nobody_types(vmcore: Vmcore) -> None:
    done = vmcore("demo")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 10
    assert done.stderr == ""


def test_what_is_piped_in_reaches_the_guest(vmcore: Vmcore) -> None:
    done = vmcore("boot", "--kernel", guests.elf_path(), "--ram", "64M", "--harts", 2, text="ps\npoweroff 7\n")
    assert done.returncode == 7, done.stderr
    assert PROMPT in done.stdout


def test_input_that_ends_while_the_guest_waits_is_the_end(vmcore: Vmcore) -> None:
    done = vmcore("boot", "--kernel", guests.elf_path(), "--ram", "64M", text="help\n")
    assert done.returncode == 124
    assert re.fullmatch(r"vmcore: every hart waits and nothing will wake one: hart \d .*\n", done.stderr)


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, *arguments: object) -> None:
        self.keyboard, screen = pty.openpty()
        # A usual terminal turns line ends around and echoes; what matters is that it does so again afterwards.
        self.before = termios.tcgetattr(screen)
        self.screen = screen
        self.text = ""
        command = [sys.executable, "-c", "from vmcore.cli.main import main; main()", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=screen, stdout=screen, stderr=screen, start_new_session=True)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 300
        while text not in self.text:
            assert time.monotonic() < deadline, f"no {text!r} in {self.text!r}"
            ready, _, _ = select.select([self.keyboard], [], [], 1)
            if ready:
                self.text += os.read(self.keyboard, 4096).decode(errors="replace")
            else:
                assert self.process.poll() is None, f"ended: {self.text!r}"

    def type(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)

    def end(self) -> int:
        status = self.process.wait(timeout=300)
        assert termios.tcgetattr(self.screen) == self.before
        return status


@contextlib.contextmanager
def terminal(*arguments: object) -> Iterator[Terminal]:
    made = Terminal(*arguments)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        os.close(made.keyboard)
        os.close(made.screen)


def test_the_demo_at_a_terminal() -> None:
    with terminal("demo") as user:
        user.wait_for("Ctrl-A x")
        user.wait_for(PROMPT)
        user.type(b"\x01h")
        user.wait_for("send Ctrl-A to the guest")
        user.type(b"poweroff 5\r")
        assert user.end() == 5


def test_ctrl_a_x_quits_and_ctrl_c_does_not() -> None:
    with terminal("boot", "--kernel", guests.elf_path(), "--ram", "64M") as user:
        user.wait_for(PROMPT)
        user.type(b"\x03")
        user.type(b"uptime\r")
        user.wait_for("uptime")
        user.type(b"\x01x")
        assert user.end() == 0


def test_a_killed_vmcore_gives_the_terminal_back() -> None:
    with terminal("demo") as user:
        user.wait_for(PROMPT)
        user.process.terminate()
        assert user.end() == 128 + 15


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to boot"),
        (("--kernel", "/nowhere"), "/nowhere"),
        (("--kernel", "."), "directory"),
        (("--kernel", "{guest}", "--disk", "/no/disk"), "/no/disk"),
        (("--kernel", "{guest}", "--initrd", "/no/initrd"), "/no/initrd"),
        (("--kernel", "{guest}", "--ram", "0"), "ram"),
        (("--kernel", "{guest}", "--board", "pc"), "virt"),
        (("--kernel", "{guest}", "--bios", "/no/bios"), "/no/bios"),
    ],
)
def test_wrong_things_are_one_line(vmcore: Vmcore, arguments: tuple[str, ...], words: str) -> None:
    done = vmcore("boot", *(a.format(guest=guests.elf_path()) for a in arguments))
    assert done.returncode == 2
    assert re.fullmatch(r"vmcore: [^\n]+\n", done.stderr), done.stderr
    assert words in done.stderr


@pytest.mark.guest
def test_debian_from_the_command_line(guest_image: Callable[[str], ImageSet], tmp_path: Path) -> None:
    guest_image("debian-kernel"), guest_image("busybox")
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(1 << 20))
    options = ("--kernel", "debian-kernel", "--initrd", "busybox:initrd-modules", "--disk", disk, "--append", "quiet")
    with terminal("boot", *options) as user:
        user.wait_for("~ # ")
        user.type(b"echo written-by-the-guest | dd of=/dev/vda bs=512 conv=sync && poweroff\r")
        assert user.end() == 0
    assert disk.read_bytes().startswith(b"written-by-the-guest\n")
