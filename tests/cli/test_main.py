"""The command as a whole: its parts, its errors, and that asking for help loads no machine."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from .conftest import Vmcore


def test_the_version(vmcore: Vmcore) -> None:
    assert vmcore("--version").stdout == f"vmcore {version('vmcore')}\n"


def test_help_names_every_command(vmcore: Vmcore) -> None:
    shown = vmcore("--help")
    assert shown.returncode == 0
    for command in ("demo", "boot", "run", "info", "disasm", "image"):
        assert re.search(rf"\b{command}\b", shown.stdout)
        assert vmcore(command, "-h").returncode == 0


def test_an_unknown_command_or_option(vmcore: Vmcore) -> None:
    assert vmcore("fly").returncode == 2
    assert vmcore("boot", "--warp", "9").returncode == 2
    assert "No such" in vmcore("fly").stderr


def test_a_wrong_use_is_one_line_and_status_2(vmcore: Vmcore, tmp_path: object) -> None:
    done = vmcore("disasm", tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"vmcore: .*is a directory.*\n", done.stderr)
    assert done.stdout == ""


def test_debugging_shows_where_it_came_from(vmcore: Vmcore, tmp_path: object) -> None:
    done = vmcore("disasm", tmp_path, VMCORE_DEBUG="1")
    assert "Traceback" in done.stderr
    assert "Traceback" not in vmcore("disasm", tmp_path, VMCORE_DEBUG="0").stderr


@pytest.mark.parametrize("module", ["numpy", "elftools", "rich.progress", "vmcore.machine", "vmcore._fast"])
def test_the_command_line_loads_little_before_a_command_runs(module: str) -> None:
    program = "import sys, vmcore.cli.main; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "typer" in loaded
    assert module not in loaded


def test_info(vmcore: Vmcore) -> None:
    shown = vmcore("info", VMCORE_CACHE="/some/where").stdout
    for line in (
        r"vmcore +\d+\.\d+\.\d+",
        r"build +(release|debug|trace).*, (gcc|clang) ",
        r"tiers +T0 ",
        r"isa +rv64imafdc",
    ):
        assert re.search(f"^{line}", shown, re.MULTILINE), line
    assert "/some/where" in shown
