"""The command as a whole: its parts, its errors, and that asking for help loads no machine."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from vmcore.cli.info import version
from vmcore.cli.main import app

from .conftest import Vmcore


def test_the_version(vmcore: Vmcore) -> None:
    assert vmcore("--version").stdout == f"vmcore {version()}\n"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command in this process, for what needs no process of its own."""
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_help_names_every_command(call: Callable[..., Result]) -> None:
    shown = call("--help")
    assert shown.exit_code == 0
    for command in ("demo", "boot", "run", "info", "disasm", "image"):
        assert re.search(rf"\b{command}\b", shown.output)
        assert call(command, "-h").exit_code == 0


@pytest.mark.parametrize("arguments", [("fly",), ("boot", "--warp", "9"), ("run",), ("image", "pull")])
def test_what_it_does_not_know(call: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    done = call(*arguments)
    assert done.exit_code == 2
    assert re.search("No such|Missing", done.output)


def test_a_wrong_use_is_one_line_and_status_2(vmcore: Vmcore, tmp_path: object) -> None:
    done = vmcore("disasm", tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"vmcore: .*is a directory.*\n", done.stderr)
    assert done.stdout == ""


def test_debugging_shows_where_it_came_from(vmcore: Vmcore, tmp_path: object) -> None:
    done = vmcore("disasm", tmp_path, VMCORE_DEBUG="1")
    assert "Traceback" in done.stderr
    assert "Traceback" not in vmcore("disasm", tmp_path, VMCORE_DEBUG="0").stderr


@pytest.mark.parametrize("module", ["rich.progress", "vmcore.images", "vmcore.guests", "vmcore.isa.riscv.doc"])
def test_the_command_line_loads_only_what_a_command_needs(module: str) -> None:
    program = "import sys, vmcore.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "typer" in loaded
    assert module not in loaded


def test_info(vmcore: Vmcore) -> None:
    shown = vmcore("info", VMCORE_CACHE="/some/where").stdout
    for line in (
        r"vmcore +\d",
        r"build +(release|debug|trace).*, (gcc|clang) ",
        r"tiers +T0 ",
        r"code +(memfd|shm|file|mprotect|none)",
        r"isa +rv64imafdc",
    ):
        assert re.search(f"^{line}", shown, re.MULTILINE), line
    assert "/some/where" in shown


@pytest.mark.parametrize("arguments", [("info",), ("demo",)])
def test_an_output_that_is_full_is_one_line(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", "from vmcore.cli.main import main; main()", *arguments]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "vmcore: the output cannot be written (No space left on device)\n")
