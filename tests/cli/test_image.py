"""``vmcore image``: pulls, says where things are, and keeps stdout for the result."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.debian_archive import Archive

from vmcore import images
from vmcore.cli.options import resolve
from vmcore.errors import ImageError

from .conftest import Vmcore


def test_pull_says_where_the_files_are(vmcore: Vmcore, archive: Archive, empty_cache: Path) -> None:
    done = vmcore("image", "pull", "opensbi", "busybox", "--mirror", archive.url, "--unsigned")
    assert done.returncode == 0, done.stderr
    assert "downloading opensbi" in done.stderr
    assert "downloading" not in done.stdout
    path = re.search(r"^  bios +(.*)$", done.stdout, re.MULTILINE)
    assert path is not None
    assert Path(path[1]).read_bytes() == b"fw_dynamic.bin"
    again = vmcore("image", "pull", "opensbi", "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_the_mirror_may_come_from_the_environment(vmcore: Vmcore, archive: Archive) -> None:
    done = vmcore("image", "pull", "-q", "opensbi", "--unsigned", VMCORE_DEBIAN_MIRROR=archive.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert images.cached("opensbi") is not None


def test_list_and_remove(vmcore: Vmcore, archive: Archive, empty_cache: Path) -> None:
    empty = vmcore("image", "list").stdout
    assert re.search(r"^opensbi +0\.2 MB +- ", empty, re.MULTILINE)
    images.pull("opensbi", mirror=archive.url, unsigned=True)
    full = vmcore("image", "list").stdout
    assert re.search(r"^opensbi +0\.2 MB +1\.6-1, 0 MB ", full, re.MULTILINE)
    assert str(empty_cache) in full
    assert vmcore("image", "remove", "opensbi").returncode == 0
    assert images.cached("opensbi") is None
    assert "was not in the cache" in vmcore("image", "remove", "opensbi").stderr


def test_errors_are_one_line(vmcore: Vmcore, empty_cache: Path) -> None:
    for arguments in (("pull", "windows"), ("remove", "windows"), ("pull", "opensbi", "--mirror", "ftp://x")):
        done = vmcore("image", *arguments)
        assert done.returncode == 2
        assert re.fullmatch(r"vmcore: [^\n]+\n", done.stderr)


def test_an_image_stands_for_its_file(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="Run `vmcore image pull opensbi` first"):
        resolve("opensbi", "bios")
    made = images.pull("opensbi", mirror=archive.url, unsigned=True)
    assert resolve("opensbi", "bios") == made.bios
    assert resolve("opensbi:fw_jump", "bios") == made.files["fw_jump"]
    with pytest.raises(ImageError, match="has no file 'kernel'. It has: bios"):
        resolve("opensbi", "kernel")
    assert resolve("some/file", "kernel") == Path("some/file")
    # A file wins over an image of its name.
    monkeypatch.chdir(tmp_path)
    Path("opensbi").touch()
    assert resolve("opensbi", "bios") == Path("opensbi")
