"""Raw kernels, packed files and where things go."""

from __future__ import annotations

import gzip
import importlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from vmcore.errors import BootError, DependencyError, LoadError
from vmcore.machine.loader.compress import is_packed, unpack
from vmcore.machine.loader.files import read_file
from vmcore.machine.loader.image import parse_header
from vmcore.machine.loader.placement import Extent, place_fdt, place_initrd, place_kernel

DRAM = 0x8000_0000
MEG = 1 << 20


def test_the_header_is_read(make_image: Callable[..., bytes]) -> None:
    header = parse_header(make_image(b"code", image_size=0x123_0000), "k")
    assert header is not None
    assert (header.text_offset, header.image_size, header.version) == (0x20_0000, 0x123_0000, (0, 2))
    assert parse_header(b"\0" * 64, "k") is None
    assert parse_header(b"", "k") is None
    with pytest.raises(LoadError, match="big-endian"):
        parse_header(make_image(flags=1), "k")
    with pytest.raises(LoadError, match="image_size=0x10"):
        parse_header(make_image(image_size=16), "k")


def test_gzip_with_something_behind_it() -> None:
    plain = os.urandom(5000)
    assert unpack(gzip.compress(plain) + b"trailing data", "k", limit=5000) == plain
    assert unpack(plain, "k", limit=1) is plain


def test_what_is_damaged_cut_or_too_large_is_refused() -> None:
    packed = gzip.compress(bytes(1 << 20))
    with pytest.raises(LoadError, match="more than 1000 bytes"):
        unpack(packed, "k", limit=1000)
    with pytest.raises(LoadError, match="cut off"):
        unpack(packed[:-9], "k", limit=1 << 21)
    with pytest.raises(LoadError, match="damaged"):
        unpack(packed[:-8] + bytes(8), "k", limit=1 << 21)
    for magic, name in ((b"\xfd7zXZ\0", "xz"), (b"BZh9", "bzip2"), (b"\x04\x22\x4d\x18", "lz4")):
        assert is_packed(magic + bytes(9))
        with pytest.raises(LoadError, match=f"packed with {name}.*gzip and zstd"):
            unpack(magic + bytes(9), "k", limit=100)


def test_zboot(make_image: Callable[..., bytes]) -> None:
    kernel = make_image(b"code")
    payload = gzip.compress(kernel)
    head = b"MZ\0\0zimg" + struct.pack("<II", 64, len(payload)) + bytes(8) + b"gzip\0\0\0\0" + bytes(32)
    assert unpack(head + payload, "k", limit=MEG) == kernel
    with pytest.raises(LoadError, match="cut off"):
        unpack((head + payload)[:-1], "k", limit=MEG)
    with pytest.raises(LoadError, match="cut off inside its zboot header"):
        unpack(head[:20], "k", limit=MEG)
    lzma = head[:24] + b"lzma\0\0\0\0" + head[32:] + b"\x5d" + bytes(len(payload))
    with pytest.raises(LoadError, match="lzma"):
        unpack(lzma, "k", limit=MEG)


def _compress_zstd(data: bytes) -> bytes:
    try:
        library = importlib.import_module("compression.zstd")
    except ImportError:
        return bytes(importlib.import_module("zstandard").compress(data))
    return bytes(library.compress(data))


def test_zstd_of_the_library_that_is_there() -> None:
    plain = os.urandom(70_000) + bytes(100_000)
    packed = _compress_zstd(plain)
    assert unpack(packed + b"trailing", "k", limit=len(plain)) == plain
    with pytest.raises(LoadError, match="cut off"):
        unpack(packed[:-5], "k", limit=len(plain))
    with pytest.raises(LoadError, match="more than 1000 bytes"):
        unpack(packed, "k", limit=1000)
    with pytest.raises(LoadError, match="damaged"):
        unpack(packed[:4] + b"\xff" * 50, "k", limit=1000)


class FakeStream:
    """What both zstd libraries offer, over a format of our own."""

    def __init__(self) -> None:
        self.eof = False

    def decompress(self, data: bytes) -> bytes:
        if b"bad" in data:
            raise RuntimeError("checksum")
        self.eof = b"end" in data
        return b"plain" * len(data)


@pytest.fixture
def zstd_library(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        ZstdDecompressor = FakeStream

    monkeypatch.setattr(importlib, "import_module", lambda name: Library)


def test_zstd_is_bounded_and_checked(zstd_library: None) -> None:
    magic = b"\x28\xb5\x2f\xfd"
    assert unpack(magic + b"end", "k", limit=100) == b"plain" * 7
    with pytest.raises(LoadError, match="more than 30 bytes"):
        unpack(magic + b"end", "k", limit=30)
    with pytest.raises(LoadError, match="cut off"):
        unpack(magic, "k", limit=100)
    with pytest.raises(LoadError, match="damaged: checksum"):
        unpack(magic + b"bad", "k", limit=100)


def test_without_a_zstd_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(DependencyError, match=r"vmcore\[zstd\]"):
        unpack(b"\x28\xb5\x2f\xfd" + bytes(9), "k", limit=100)


def test_files_that_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LoadError, match=r"kernel .* is a directory"):
        read_file(tmp_path, "kernel")
    with pytest.raises(LoadError, match="does not exist"):
        read_file(tmp_path / "none", "kernel")
    with pytest.raises(LoadError, match="not a regular file"):
        read_file("/dev/zero", "initrd")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(LoadError, match="not a regular file"):
        read_file(fifo, "initrd")
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(LoadError, match="is empty"):
        read_file(empty, "kernel")
    with pytest.raises(LoadError, match="cannot be read"):
        read_file("a\0b", "kernel")
    with pytest.raises(LoadError, match="neither a path nor bytes"):
        read_file(7, "kernel")  # type: ignore[arg-type]
    with pytest.raises(LoadError, match="no bytes"):
        read_file(b"", "kernel")
    large = tmp_path / "large"
    large.write_bytes(b"12345")
    with pytest.raises(LoadError, match="5 bytes, more than the 4"):
        read_file(large, "kernel", limit=4)
    assert read_file(large, "kernel") == (b"12345", str(large))

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", denied)
        with pytest.raises(LoadError, match="Permission denied"):
            read_file(large, "kernel")


def test_the_kernel_goes_behind_the_firmware() -> None:
    dram = (DRAM, 64 * MEG)
    assert place_kernel(MEG, 2 * MEG, dram, []) == DRAM + 2 * MEG
    firmware = Extent("firmware", DRAM, DRAM + 300_000)
    assert place_kernel(MEG, 2 * MEG, dram, [firmware]) == DRAM + 2 * MEG
    assert place_kernel(MEG, 0, dram, [firmware]) == DRAM + 2 * MEG
    large = Extent("firmware", DRAM, DRAM + 3 * MEG)
    assert place_kernel(MEG, 2 * MEG, dram, [large]) == DRAM + 4 * MEG
    with pytest.raises(BootError, match=r"the memory ends at 0x84000000.*at least ram='66M'"):
        place_kernel(64 * MEG, 2 * MEG, dram, [])


def test_the_device_tree_goes_high_but_below_3_gib() -> None:
    assert place_fdt(8000, (DRAM, 128 * MEG), []) == DRAM + 126 * MEG
    assert place_fdt(8000, (DRAM, 8 << 30), []) == (3 << 30) - 2 * MEG
    assert place_fdt(8000, (DRAM, MEG), []) == DRAM + MEG - 8192, "no 2 MiB boundary in 1 MiB"
    with pytest.raises(BootError, match="no room for the device tree"):
        place_fdt(8000, (DRAM, MEG), [Extent("kernel", DRAM, DRAM + MEG - 100)])


def test_the_initrd_goes_past_the_kernels_last_byte() -> None:
    kernel = Extent("kernel", DRAM + 2 * MEG, DRAM + 20 * MEG + 5)
    assert place_initrd(MEG, kernel, True, DRAM + 126 * MEG, DRAM) == DRAM + 66 * MEG, "as QEMU, where there is room"
    assert place_initrd(80 * MEG, kernel, True, DRAM + 126 * MEG, DRAM) == DRAM + 22 * MEG
    assert place_initrd(MEG, kernel, False, DRAM + 126 * MEG, DRAM) == DRAM + 66 * MEG
    tight = DRAM + 20 * MEG + 4096 + 100
    assert place_initrd(100, kernel, True, tight, DRAM) == DRAM + 20 * MEG + 4096
    with pytest.raises(BootError, match=r"101 bytes, and only 100 are free.*ram='\d+M'"):
        place_initrd(101, kernel, True, tight, DRAM)
