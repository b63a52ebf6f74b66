"""``vmcore cache``: what is kept across runs is shown and removed."""

from __future__ import annotations

import re
from pathlib import Path

from .conftest import Vmcore


def test_a_run_fills_the_cache_and_a_command_empties_it(vmcore: Vmcore, tmp_path: Path) -> None:
    here = {"VMCORE_CACHE": str(tmp_path), "VMCORE_CODE_CACHE": "on"}
    assert "pages   0 " in vmcore("cache", "show", **here).stdout
    assert not (tmp_path / "code").exists(), "looking makes nothing"
    assert vmcore("demo", text="primes 3000\npoweroff\n", **here).returncode == 0
    shown = vmcore("cache", "show", **here).stdout
    assert f"folder  {tmp_path / 'code'}\n" in shown
    assert int(re.search(r"pages +(\d+) \(\d+ hot, \d+ warm, \d+ cold\)", shown)[1]) > 0
    assert int(re.search(r"insns +(\d+) guest", shown)[1]) > 256
    size = sum(path.stat().st_size for path in (tmp_path / "code").iterdir())
    assert f"{size / 1e6:.1f} MB of at most 128M" in shown
    assert f"code, {size / 1e6:.1f} MB of compiled code" in vmcore("info", **here).stdout
    assert vmcore("cache", "clear", **here).returncode == 0
    assert list((tmp_path / "code").iterdir()) == []


def test_another_folder(vmcore: Vmcore, tmp_path: Path) -> None:
    assert f"folder  {tmp_path}\n" in vmcore("cache", "show", "--folder", tmp_path).stdout
    tmp_path.chmod(0o777)
    assert "not used: " in vmcore("cache", "show", "--folder", tmp_path).stdout


def test_a_folder_that_is_open_to_others_is_refused(vmcore: Vmcore, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    done = vmcore("demo", VMCORE_CODE_CACHE=str(tmp_path))
    assert done.returncode == 2
    assert "chmod 700" in done.stderr
    assert done.stderr.count("\n") == 1
