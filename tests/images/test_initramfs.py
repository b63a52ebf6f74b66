"""The initramfs: a cpio archive that others read back, with the modules in the order in which they load."""

from __future__ import annotations

import gzip
import io
import lzma
import stat
from pathlib import Path

import pytest
from support.debian_archive import module_of

from vmcore.errors import ImageError
from vmcore.images import CpioWriter, build_initramfs
from vmcore.images.kmod import load_order, read_module


def read_cpio(data: bytes) -> dict[str, tuple[int, bytes, tuple[int, int]]]:
    """Read a "newc" archive by its specification: name to (mode, content, device)."""
    members, at = {}, 0
    while True:
        assert at % 4 == 0
        assert data[at : at + 6] == b"070701"
        numbers = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        size, name_size = numbers[6], numbers[11]
        name = data[at + 110 : at + 110 + name_size]
        assert name.endswith(b"\0")
        start = (at + 110 + name_size + 3) & ~3
        at = (start + size + 3) & ~3
        if name == b"TRAILER!!!\0":
            assert at == len(data)
            return members
        key = name[:-1].decode()
        assert key not in members
        above = key.rpartition("/")[0]
        assert not above or stat.S_ISDIR(members[above][0]), "a folder comes before what is in it"
        members[key] = (numbers[1], data[start : start + size], (numbers[9], numbers[10]))


def test_members_are_read_back() -> None:
    buffer = io.BytesIO()
    with CpioWriter(buffer) as archive:
        archive.file("a/b/c", b"12345", 0o755)
        archive.symlink("/a/link", "b/c")
        archive.device("dev/console", "c", 5, 1)
        archive.folder("a/b")
    members = read_cpio(buffer.getvalue())
    assert list(members) == ["a", "a/b", "a/b/c", "a/link", "dev", "dev/console"]
    assert members["a/b/c"][:2] == (stat.S_IFREG | 0o755, b"12345")
    assert members["a/link"][:2] == (stat.S_IFLNK | 0o777, b"b/c")
    assert members["dev/console"] == (stat.S_IFCHR | 0o600, b"", (5, 1))


@pytest.mark.parametrize("name", ["", "/", "a/../b", "a\0b"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ImageError, match="is no path for an initramfs"):
        CpioWriter(io.BytesIO()).file(name, b"")


def test_device_nodes_are_of_two_kinds() -> None:
    with pytest.raises(ImageError, match="Give 'c' or 'b'"):
        CpioWriter(io.BytesIO()).device("dev/x", "p", 1, 1)


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    kernel = tmp_path / "modules/6/kernel"
    kernel.mkdir(parents=True)
    (kernel.parent / "modules.builtin").write_text("kernel/virtio.ko\n")
    (kernel / "top.ko.xz").write_bytes(
        lzma.compress(module_of(depends="middle,low-er", softdep="pre: soft gone post: x"))
    )
    (kernel / "middle.ko.gz").write_bytes(gzip.compress(module_of(depends="low_er,virtio")))
    (kernel / "low-er.ko").write_bytes(module_of(depends=""))
    (kernel / "soft.ko").write_bytes(module_of(depends=""))
    (kernel / "lost.ko").write_bytes(module_of(depends="nowhere"))
    return tmp_path / "modules"


def test_modules_come_after_what_they_need(modules: Path) -> None:
    names = [name for name, _ in load_order(modules, ["top", "virtio", "low-er"])]
    assert names == ["soft", "low_er", "middle", "top"]


def test_modules_are_unpacked(modules: Path) -> None:
    assert all(data.startswith(b"\x7fELF") for _, data in load_order(modules, ["top"]))


@pytest.mark.parametrize("name", ["lost", "unknown"])
def test_a_module_that_is_not_there(modules: Path, name: str) -> None:
    with pytest.raises(ImageError, match=r"no kernel module '(nowhere|unknown)'"):
        load_order(modules, [name])


@pytest.mark.parametrize("name", ["x.ko.xz", "x.ko.gz", "x.ko", "gone.ko"])
def test_a_damaged_module(tmp_path: Path, name: str) -> None:
    if not name.startswith("gone"):
        (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(ImageError, match="kernel module"):
        read_module(tmp_path / name)


def test_the_parts_of_the_initramfs(tmp_path: Path, modules: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"program")
    extra = {"etc/rc.local": b"#!/bin/sh\n", "usr/bin/tool": b"t", "data/x": b"x"}
    plain = read_cpio(build_initramfs(busybox, tmp_path / "a").read_bytes())
    full = read_cpio(build_initramfs(busybox, tmp_path / "b", modules=modules, load=["top"], files=extra).read_bytes())
    assert plain["bin/busybox"][:2] == (stat.S_IFREG | 0o755, b"program")
    assert plain["init"][0] == stat.S_IFREG | 0o755
    assert plain["dev/console"][2] == (5, 1)
    assert not any(name.startswith("lib/modules") for name in plain)
    assert full["lib/modules/order"][1] == b"soft\nlow_er\nmiddle\ntop\n"
    assert full["lib/modules/top.ko"][1].startswith(b"\x7fELF")
    assert [full[name][0] & 0o111 != 0 for name in extra] == [True, True, False]


def test_the_same_parts_are_the_same_bytes(tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"program")
    assert (
        build_initramfs(busybox, tmp_path / "a").read_bytes() == build_initramfs(busybox, tmp_path / "b").read_bytes()
    )


def test_busybox_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="Give a static busybox"):
        build_initramfs(tmp_path / "gone", tmp_path / "out")
