"""The block device from the driver's side: what reaches the image, what is refused, and that nothing else changes."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.virtio_driver import ALL, Mmio, mmio_driver, mmio_slot

from vmcore.devices.virtio.block import VirtioBlock
from vmcore.errors import ConfigError

SECTORS = 64
IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES = 0, 1, 4, 8, 11, 13
OK, IOERR, UNSUPP = 0, 1, 2
FEATURE_FLUSH, FEATURE_WCE, FEATURE_RO, FEATURE_DISCARD = 1 << 9, 1 << 11, 1 << 5, 1 << 13


def header(kind: int, sector: int = 0) -> bytes:
    return struct.pack("<IIQ", kind, 0, sector)


class Disk:
    """A running driver and the image under it."""

    def __init__(self, path: Path, readonly: bool = False, wanted: int = ALL) -> None:
        self.path = path
        self.device = VirtioBlock(path, readonly=readonly)
        self.driver, self.line = mmio_driver(self.device, wanted)
        self.queue = self.driver.queues[0]

    def request(self, kind: int, sector: int = 0, data: bytes = b"", room: int = 0) -> tuple[int, bytes]:
        out = [header(kind, sector)] + ([data] if data else [])
        answer, _ = self.queue.call(out, ([room] if room else []) + [1])
        return answer[-1], answer[:-1]

    def ranges(self, kind: int, *ranges: tuple[int, int, int]) -> int:
        return self.request(kind, 0, b"".join(struct.pack("<QII", *one) for one in ranges))[0]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(b"".join(bytes([i]) * 512 for i in range(SECTORS)))
    return path


@pytest.fixture
def disk(image: Path) -> Iterator[Disk]:
    disk = Disk(image)
    yield disk
    disk.device.close()


def test_reads_the_sectors_of_the_image(disk):
    assert disk.request(IN, 5, room=1024) == (OK, bytes([5]) * 512 + bytes([6]) * 512)
    assert disk.line.rises == 1


def test_written_sectors_are_in_the_image_and_nothing_else_changes(disk):
    before = disk.path.read_bytes()
    assert disk.request(OUT, 7, b"x" * 512) == (OK, b"")
    after = disk.path.read_bytes()
    assert after[7 * 512 : 8 * 512] == b"x" * 512
    assert after[: 7 * 512] == before[: 7 * 512]
    assert after[8 * 512 :] == before[8 * 512 :]


@given(cuts=st.lists(st.integers(1, 300), min_size=1, max_size=5), status_alone=st.booleans())
def test_the_cut_into_buffers_does_not_matter(tmp_path_factory, cuts, status_alone):
    # 2.7.4.2: header, data and status may share buffers or be cut anywhere.
    path = tmp_path_factory.mktemp("cut") / "disk.img"
    path.write_bytes(bytes(512 * 4))
    disk = Disk(path)
    raw = header(OUT, 1) + bytes(range(256)) * 2
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(raw[at : at + cut])
        at += cut
    pieces.append(raw[at:])
    answer, written = disk.queue.call([p for p in pieces if p], [1])
    assert (answer, written) == (b"\0", 1)
    room = [512, 1] if status_alone else [400, 113]
    answer, written = disk.queue.call([header(IN, 1)[:3], header(IN, 1)[3:]], room)
    assert answer == bytes(range(256)) * 2 + b"\0"
    assert written == 513
    disk.device.close()


@pytest.mark.parametrize("sector", [SECTORS, SECTORS - 1, 2**55, 2**64 - 1, 2**64 - 2])
@pytest.mark.parametrize("kind", [IN, OUT])
def test_sectors_outside_are_io_errors(disk, kind, sector):
    before = disk.path.read_bytes()
    if kind == IN:
        assert disk.request(IN, sector, room=1024)[0] == IOERR
    else:
        assert disk.request(OUT, sector, b"y" * 1024)[0] == IOERR
    assert disk.path.read_bytes() == before
    assert not disk.driver.broken


def test_parts_of_sectors_are_io_errors(disk):
    assert disk.request(IN, 0, room=100)[0] == IOERR
    assert disk.request(OUT, 0, b"z" * 100)[0] == IOERR
    assert disk.path.read_bytes()[:512] == bytes(512)


def test_unknown_requests_are_unsupported(disk):
    assert disk.request(77, 0, room=512)[0] == UNSUPP


def test_a_failed_read_says_that_it_wrote_nothing(disk):
    head = disk.queue.add([header(IN, SECTORS)], [512, 1])
    disk.queue.kick()
    assert disk.queue.collect() == [(head, 0)]
    assert disk.queue.release(head) == b"\xee" * 512 + bytes([IOERR])


def test_a_request_without_status_or_header_asks_for_a_reset(image):
    for out, room in (([header(IN)], []), ([header(IN)[:7]], [1])):
        disk = Disk(image)
        disk.queue.add(out, room)
        disk.queue.kick()
        assert disk.driver.broken
        assert disk.driver.transport.isr() & 2
        assert disk.queue.collect() == []
        disk.queue = disk.driver.start().queues[0]
        assert disk.request(IN, 1, room=512) == (OK, b"\1" * 512)
        disk.device.close()


def test_serial(image):
    disk = Disk(image)
    assert disk.request(GET_ID, room=20) == (OK, b"disk".ljust(20, b"\0"))
    disk.device.close()
    with pytest.raises(ConfigError, match="20 ASCII"):
        VirtioBlock(image, serial="x" * 21)


def test_flush_waits_for_the_host(disk, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fdatasync", calls.append)
    assert disk.request(OUT, 0, b"a" * 512)[0] == OK
    assert not calls
    assert disk.request(FLUSH)[0] == OK
    assert len(calls) == 1


def test_without_a_cache_every_write_is_on_the_disk_first(image, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fdatasync", calls.append)
    disk = Disk(image, wanted=ALL & ~(FEATURE_FLUSH | FEATURE_WCE))
    assert disk.request(OUT, 0, b"a" * 512)[0] == OK
    assert len(calls) == 1
    disk.device.close()
    disk = Disk(image)
    disk.driver.transport.set_config(32, 1, 0)
    assert disk.driver.transport.config(32, 1) == 0
    assert disk.request(OUT, 0, b"a" * 512)[0] == OK
    assert len(calls) == 2
    disk.device.close()


def test_configuration_space(disk):
    t = disk.driver.transport
    assert t.config(0, 4) | t.config(4, 4) << 32 == SECTORS
    assert t.config(12, 4) == 254
    assert t.config(20, 4) == 512
    assert t.config(24, 1) == 3
    assert t.config(32, 1) == 1
    assert t.config(36, 4) == 1 << 22
    assert t.config(40, 4) == 16
    assert t.config(48, 4) == 1 << 16
    assert t.config(56, 1) == 1
    assert t.config(0xE00, 4) == 0
    t.set_config(0, 4, 0xFFFF)
    assert t.config(0, 4) == SECTORS


def test_discarded_sectors_stay_inside_the_file(disk):
    before = disk.path.read_bytes()
    assert disk.ranges(DISCARD, (8, 8, 0), (24, 1, 0)) == OK
    after = disk.path.read_bytes()
    assert len(after) == len(before)
    assert after[: 8 * 512] == before[: 8 * 512]
    assert after[16 * 512 : 24 * 512] == before[16 * 512 : 24 * 512]
    assert after[25 * 512 :] == before[25 * 512 :]


@pytest.mark.parametrize("flags", [0, 1])
@pytest.mark.parametrize("host", ["holes", "no holes"])
def test_write_zeroes(disk, monkeypatch, flags, host):
    if host == "no holes":
        monkeypatch.setattr(type(disk.device.file), "_allocate", lambda *_: False)
    before = disk.path.read_bytes()
    assert disk.ranges(WRITE_ZEROES, (3, 9, flags), (SECTORS - 1, 1, flags)) == OK
    after = disk.path.read_bytes()
    assert after == before[: 3 * 512] + bytes(9 * 512) + before[12 * 512 : (SECTORS - 1) * 512] + bytes(512)


@pytest.mark.parametrize(
    ("kind", "ranges", "status"),
    [
        (DISCARD, [(0, 1, 1)], UNSUPP),
        (DISCARD, [(0, 1, 2)], UNSUPP),
        (WRITE_ZEROES, [(0, 1, 2)], UNSUPP),
        (WRITE_ZEROES, [(0, 1, 0), (SECTORS, 1, 0)], IOERR),
        (WRITE_ZEROES, [(2**64 - 1, 1, 0)], IOERR),
        (WRITE_ZEROES, [(0, 0xFFFF_FFFF, 0)], IOERR),
        (DISCARD, [(SECTORS - 1, 2, 0)], IOERR),
        (DISCARD, [(0, 1, 0)] * 17, UNSUPP),
        (DISCARD, [], IOERR),
    ],
)
def test_bad_ranges_change_nothing(disk, kind, ranges, status):
    before = disk.path.read_bytes()
    assert disk.ranges(kind, *ranges) == status
    assert disk.path.read_bytes() == before


def test_a_read_only_disk_is_never_written(image):
    disk = Disk(image, readonly=True)
    features = disk.driver.transport.features()
    assert features & FEATURE_RO
    assert not features & FEATURE_DISCARD
    before = image.read_bytes()
    assert disk.request(OUT, 0, b"a" * 512)[0] == IOERR
    assert disk.ranges(DISCARD, (0, 1, 0)) == UNSUPP
    assert disk.ranges(WRITE_ZEROES, (0, 1, 0)) == UNSUPP
    assert disk.request(IN, 1, room=512) == (OK, b"\1" * 512)
    assert image.read_bytes() == before
    disk.device.close()


def test_errors_of_the_host_are_io_errors_of_the_guest(disk, monkeypatch):
    def broken(*_args: object) -> int:
        raise OSError(errno.EIO, "the disk is on fire")

    monkeypatch.setattr(os, "pwrite", broken)
    monkeypatch.setattr(os, "fdatasync", broken)
    assert disk.request(OUT, 0, b"a" * 512)[0] == IOERR
    assert disk.request(FLUSH)[0] == IOERR
    os.truncate(disk.path, 512)
    assert disk.request(IN, 5, room=512)[0] == IOERR
    assert not disk.driver.broken


def test_a_request_cut_short_by_the_user_is_done_by_the_next_doorbell(disk, monkeypatch):
    def interrupted(*_args: object) -> bytes:
        raise KeyboardInterrupt

    head = disk.queue.add([header(IN, 4)], [512, 1])
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", interrupted)
        with pytest.raises(KeyboardInterrupt):
            disk.queue.kick()
    disk.queue.kick()
    assert disk.queue.collect() == [(head, 513)]
    assert disk.queue.release(head) == b"\4" * 512 + b"\0"


def test_short_reads_and_writes_of_the_host_are_continued(disk, monkeypatch):
    pread, pwrite = os.pread, os.pwrite
    monkeypatch.setattr(os, "pread", lambda fd, n, at: pread(fd, min(n, 100), at))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:100], at))
    assert disk.request(OUT, 9, bytes(range(256)) * 2)[0] == OK
    assert disk.request(IN, 9, room=512) == (OK, bytes(range(256)) * 2)


def refused(make: Callable[[], object], *words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def test_images_that_cannot_be_used(tmp_path, image):
    refused(lambda: VirtioBlock(tmp_path / "none.img"), "none.img", "No such file")
    refused(lambda: VirtioBlock(tmp_path), "Is a directory")
    refused(lambda: VirtioBlock(tmp_path, readonly=True), "no regular file")
    os.mkfifo(tmp_path / "pipe")
    refused(lambda: VirtioBlock(tmp_path / "pipe", readonly=True), "no regular file")
    (tmp_path / "short.img").write_bytes(b"x" * 511)
    refused(lambda: VirtioBlock(tmp_path / "short.img"), "511 bytes", "truncate")
    # A refused image is not left open and locked.
    refused(lambda: VirtioBlock(tmp_path / "short.img"), "511 bytes")


def test_an_image_has_one_writer_or_many_readers(image):
    first = VirtioBlock(image)
    refused(lambda: VirtioBlock(image), "in use", "copy")
    refused(lambda: VirtioBlock(image, readonly=True), "in use")
    first.close()
    readers = [VirtioBlock(image, readonly=True), VirtioBlock(image, readonly=True)]
    refused(lambda: VirtioBlock(image), "in use")
    for reader in readers:
        reader.close()
    VirtioBlock(image).close()


def test_a_last_part_of_a_sector_is_left_alone(tmp_path):
    path = tmp_path / "odd.img"
    path.write_bytes(bytes(512) + b"tail")
    disk = Disk(path)
    assert disk.request(OUT, 0, b"a" * 512)[0] == OK
    assert disk.request(OUT, 1, b"a" * 512)[0] == IOERR
    assert path.read_bytes() == b"a" * 512 + b"tail"
    disk.device.close()


requests = st.tuples(
    st.sampled_from([IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES, 2, 99]),
    st.one_of(st.integers(0, SECTORS + 2), st.integers(0, 2**64 - 1)),
    st.one_of(st.binary(max_size=64), st.integers(0, 4).map(lambda n: b"\xaa" * 512 * n)),
    st.integers(0, 1100),
)


@given(st.lists(requests, max_size=12))
def test_no_request_touches_anything_outside_of_the_file(tmp_path_factory, todo):
    folder = tmp_path_factory.mktemp("fs")
    image, neighbour = folder / "disk.img", folder / "neighbour"
    image.write_bytes(b"\x11" * 512 * SECTORS)
    neighbour.write_bytes(b"n" * 4096)
    disk = Disk(image)
    for kind, sector, data, room in todo:
        status, _ = disk.request(kind, sector, data, room)
        assert status in (OK, IOERR, UNSUPP)
    disk.device.close()
    assert sorted(os.listdir(folder)) == ["disk.img", "neighbour"]
    assert neighbour.read_bytes() == b"n" * 4096
    assert image.stat().st_size == 512 * SECTORS


def move(disk: Disk) -> Disk:
    """Stop the machine, save the disk, and go on in a new one over the same image."""
    state = disk.device.save()
    disk.device.close()
    twin = Disk.__new__(Disk)
    twin.path = disk.path
    twin.device = VirtioBlock(disk.path)
    ram = disk.driver.ram.copy()
    slot, twin.line = mmio_slot(twin.device, ram)
    twin.device.load(state)
    twin.driver = disk.driver.moved(ram, Mmio(slot))
    twin.queue = twin.driver.queues[0]
    return twin


def test_a_moved_disk_does_what_was_available(disk):
    head = disk.queue.add([header(OUT, 2), b"m" * 512], [1])
    twin = move(disk)
    twin.queue.kick()
    assert twin.queue.collect() == [(head, 1)]
    assert twin.queue.release(head) == b"\0"
    assert twin.request(IN, 2, room=512) == (OK, b"m" * 512)
    twin.device.close()


def test_a_moved_disk_does_what_was_taken_and_not_done(disk):
    head = disk.queue.add([header(OUT, 2), b"m" * 512], [1])
    assert disk.device.queues[0].pop().head == head
    twin = move(disk)
    second = twin.queue.add([header(IN, 2)], [512, 1])
    twin.queue.kick()
    assert twin.queue.collect() == [(head, 1), (second, 513)]
    assert twin.queue.release(second) == b"m" * 512 + b"\0"
    assert twin.device.save()["queues"][0]["inflight"] == []
    twin.device.close()


def test_a_disk_of_another_size_does_not_take_the_state(disk, tmp_path):
    (tmp_path / "other.img").write_bytes(bytes(1024))
    other = Disk(tmp_path / "other.img")
    with pytest.raises(ConfigError, match="64 sectors"):
        other.device.load(disk.device.save())
    other.device.close()
