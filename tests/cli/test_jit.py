"""``vmcore jit show``: guest code, host code, and why each block ends."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.asm import build

from .conftest import Vmcore

HERE = Path(__file__).parent / "programs"


@pytest.fixture(scope="module")
def elf() -> Path:
    return build(HERE / "blocks.S", script=HERE / "link.ld")


def test_shows_both_sides_and_the_reason(vmcore: Vmcore, elf: Path) -> None:
    done = vmcore("jit", "show", elf, "loop")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"loop at 0x\w+ to 0x\w+: 1 block, 3 instructions, \d+ bytes of code", lines[0])
    assert re.fullmatch(r"registers: (\w+=\w+ ?){10}", lines[1])
    ends = [line for line in lines if line.startswith("block ")]
    assert len(ends) == 1
    assert ends[0].endswith("ends as it jumps to an address in a register")
    assert any(re.search(r"\tbnez\t", line) for line in lines)
    # The loop polls the budget, and its branch leads back to the block itself.
    start = re.search(r"block (0x\w+)", ends[0])
    assert start is not None
    assert any("; budget" in line for line in lines)
    assert any(line.endswith(f"; block {start[1]}") for line in lines)


def test_without_a_disassembler_there_are_bytes_and_a_hint(vmcore: Vmcore, elf: Path, tmp_path: Path) -> None:
    # Found before the installed one, and there is nothing in it.
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['capstone'] = None\n")
    # (An empty part of the path would be the current folder: a source tree without compiled modules.)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    done = vmcore("jit", "show", elf, "loop", PYTHONPATH=path)
    assert done.returncode == 0
    assert 'pip install "vmcore[debug]"' in done.stderr
    assert re.search(r"^ +[0-9a-f]+: [0-9a-f ]+$", done.stdout, re.M)


def test_a_wrong_name_is_one_line(vmcore: Vmcore, elf: Path) -> None:
    done = vmcore("jit", "show", elf, "lopo")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no code is called 'lopo'" in done.stderr and done.stderr.count("\n") == 1
