"""The command line, as a function and as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

Vmcore = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def vmcore() -> Vmcore:
    """``vmcore("run", "prog.elf")``: the command in a process of its own, its input empty unless given."""

    def call(*arguments: object, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from vmcore.cli.main import main; main()", *map(str, arguments)]
        clean = {name: value for name, value in os.environ.items() if name != "VMCORE_DEBUG"}
        # Help texts break their lines at the terminal's width.
        clean |= {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"} | environment
        return subprocess.run(command, input=text, capture_output=True, text=True, env=clean, timeout=600, check=False)

    return call
