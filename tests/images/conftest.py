"""A small archive on the loopback and a cache of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.debian_archive import OPENSBI, Archive, add_kernel, served, tar_of

from vmcore.images import aptroot


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that nobody else uses, and no second try (each would wait for seconds)."""
    monkeypatch.setenv("VMCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VMCORE_DEBIAN_MIRROR", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(aptroot, "RETRIES", 0)
    return tmp_path / "cache"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An archive with firmware, a kernel with two modules, and busybox."""
    with served(tmp_path) as made:
        firmware = ("fw_dynamic.bin", "fw_dynamic.elf", "fw_jump.bin", "fw_jump.elf")
        members = tar_of((f"./{OPENSBI}{name}", name.encode()) for name in firmware)
        made.add("opensbi", members, version="1.6-1", arch="all")
        made.add("busybox-static", tar_of([("./usr/bin/busybox", b"\x7fELF busybox")]), version="1:1.37.0-6")
        add_kernel(made, "6.12.1")
        yield made
