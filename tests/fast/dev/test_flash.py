"""The flash as a driver sees it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore._fast.dev.flash import Flash
from vmcore.errors import DeviceError

SIZE = 1 << 20
SECTOR = 1 << 18
WINDOW = 4096
READY, ERASE_ERROR, PROGRAM_ERROR, LOCKED = 0x80, 0x20, 0x10, 2


class Driver:
    """What a CFI driver does, on a bus with two 16-bit chips."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("size", SIZE)
        self.flash = Flash(*args, **kwargs)

    def command(self, at, value):
        self.flash.write(at, 4, value << 16 | value)

    def read(self, at, size=4):
        return self.flash.read(at, size)

    def finish(self):
        """Return the status of both chips, clear it and go back to the array."""
        status = self.read(0)
        assert status & 0xFFFF == status >> 16
        assert status & READY
        self.command(0, 0x50)
        self.command(0, 0xFF)
        return status & 0xFF

    def program(self, at, value, size=4):
        self.command(at, 0x40)
        self.flash.write(at, size, value)
        return self.finish()

    def erase(self, at):
        self.command(at, 0x20)
        self.command(at, 0xD0)
        return self.finish()

    def program_buffer(self, at, words):
        self.command(at, 0xE8)
        assert self.read(at) & READY
        self.command(at, len(words) - 1)
        for i, word in enumerate(words):
            self.flash.write(at + 4 * i, 4, word)
        self.command(at, 0xD0)
        return self.finish()


def test_cfi_query_as_linux_and_u_boot_probe_it():
    d = Driver(size=32 << 20)
    d.command(0x55 * 4, 0x98)
    table = [d.read(4 * i) for i in range(0x40)]
    assert all(word & 0xFFFF == word >> 16 for word in table)
    chip = bytes(word & 0xFF for word in table)
    assert chip[0x10:0x13] == b"QRY"
    assert chip[0x13:0x15] == b"\1\0"
    assert chip[0x15] == 0x31
    assert chip[0x31:0x36] == b"PRI10"
    assert 1 << chip[0x27] == 16 << 20, "one of two chips"
    assert 1 << chip[0x2A] == 2048
    assert chip[0x2C] == 1
    blocks = (chip[0x2D] | chip[0x2E] << 8) + 1
    block = (chip[0x2F] | chip[0x30] << 8) * 256
    assert (blocks, block) == (128, 128 << 10)
    assert blocks * block == 16 << 20
    assert d.read(0x40, 1) == ord("Q")
    assert d.read(0x42, 2) == ord("Q")
    assert d.read(0x41, 1) == 0
    assert d.read(0x40, 8) == 0x00520052_00510051
    assert d.read(0x100) == 0
    d.command(0, 0xFF)
    assert d.read(0x40) == 0xFFFF_FFFF


def test_device_identification():
    d = Driver()
    d.command(0, 0x90)
    assert [d.read(at) for at in (0, 4, 8, SECTOR)] == [0x0089_0089, 0x0018_0018, 0, 0x0089_0089]


def test_a_new_flash_is_erased_and_takes_no_memory():
    d = Driver()
    for size, ones in ((1, 0xFF), (2, 0xFFFF), (4, 0xFFFF_FFFF), (8, 2**64 - 1)):
        assert d.read(SIZE - 8, size) == ones
    assert d.flash.save()["sectors"] == []


def test_programming_clears_bits_and_only_erasing_sets_them():
    d = Driver()
    assert d.program(0x100, 0x1234_5678) == READY
    assert d.read(0x100) == 0x1234_5678
    assert d.program(0x100, 0x0FFF_FFFF) == READY
    assert d.read(0x100) == 0x0234_5678
    assert d.program(0x106, 0xABCD, 2) == READY
    assert d.read(0x104) == 0xABCD_FFFF
    assert d.program(SECTOR, 0) == READY
    assert d.erase(0x3FFFC) == READY
    assert d.read(0x100) == 0xFFFF_FFFF
    assert d.read(SECTOR) == 0
    assert d.flash.save()["sectors"] == [1]


def test_buffered_programming():
    d = Driver()
    words = list(range(0x1000_0000, 0x1000_0000 + WINDOW // 4))
    assert d.program_buffer(WINDOW, words) == READY
    assert [d.read(WINDOW + 4 * i) for i in range(len(words))] == words
    assert d.program_buffer(0x10, [0]) == READY
    assert [d.read(at) for at in (0xC, 0x10, 0x14)] == [0xFFFF_FFFF, 0, 0xFFFF_FFFF]


def test_a_buffer_that_is_too_long_or_leaves_its_window_is_an_error():
    d = Driver()
    d.command(0, 0xE8)
    d.command(0, 1024)
    assert d.finish() == READY | ERASE_ERROR | PROGRAM_ERROR
    d.command(0, 0xE8)
    d.command(0, 1)
    d.flash.write(0, 4, 0)
    d.flash.write(WINDOW, 4, 0)
    assert d.finish() == READY | ERASE_ERROR | PROGRAM_ERROR
    d.command(0, 0xE8)
    d.command(0, 0)
    d.flash.write(WINDOW - 2, 4, 0)
    assert d.finish() == READY | ERASE_ERROR | PROGRAM_ERROR
    assert d.flash.contents() == b"\xff" * SIZE


def test_an_unconfirmed_command_is_an_error_and_0xff_leaves_it():
    d = Driver()
    d.program(0, 0)
    for setup in ([0x20], [0x60], [0xE8, 0, 0]):
        for value in setup:
            d.command(0, value)
        d.command(0, 0x77)
        assert d.finish() == READY | ERASE_ERROR | PROGRAM_ERROR
        for value in setup:
            d.command(0, value)
        d.command(0, 0xFF)
        assert d.read(0) == 0, "the array, unchanged"


@pytest.mark.parametrize("confirm", [0x01, 0xD0, 0x2F])
def test_lock_commands_succeed(confirm):
    d = Driver()
    d.command(SECTOR, 0x60)
    d.command(SECTOR, confirm)
    assert d.finish() == READY
    assert d.program(SECTOR, 5) == READY


def test_unknown_commands_give_the_array():
    d = Driver()
    for value in (0x00, 0xF0, 0xAA, 0x55, 0xB0):
        d.command(0, 0x70)
        assert d.read(0) == 0x80_0080
        d.command(0, value)
        assert d.read(0) == 0xFFFF_FFFF


def test_a_program_across_a_sector_boundary_reaches_both():
    d = Driver()
    assert d.program(SECTOR - 2, 0x1122_3344) == READY
    assert d.read(SECTOR - 2) == 0x1122_3344
    assert d.read(SECTOR - 4, 8) == 0xFFFF_1122_3344_FFFF


def test_a_read_only_flash_refuses():
    d = Driver(b"firmware", read_only=True)
    assert d.flash.read_only
    assert d.program(0, 0) == READY | PROGRAM_ERROR | LOCKED
    assert d.erase(0) == READY | ERASE_ERROR | LOCKED
    assert d.program_buffer(0, [0]) == READY | PROGRAM_ERROR | LOCKED
    assert d.flash.contents(0, 9) == b"firmware\xff"


def test_contents_from_bytes_keep_the_callers_object():
    given_ = bytearray(b"\0" * 8)
    d = Driver(given_)
    d.erase(0)
    assert given_ == b"\0" * 8
    assert Driver(b"\xff" * SIZE).flash.save()["sectors"] == []


def test_contents_by_range():
    d = Driver(b"a" * (SECTOR + 1))
    assert d.flash.contents(SECTOR - 1, 4) == b"aa\xff\xff"
    assert d.flash.contents(SIZE) == b""
    for offset, length in ((SIZE + 1, None), (0, SIZE + 1), (SIZE, 1), (0, -1)):
        with pytest.raises(DeviceError, match="outside"):
            d.flash.contents(offset, length)


def test_a_file_is_changed_by_the_guest(tmp_path):
    path = tmp_path / "vars.fd"
    path.write_bytes(b"\0" * 16 + b"\xff" * (SIZE - 16))
    d = Driver(path)
    assert d.read(0) == 0
    assert d.erase(0) == READY
    assert d.program_buffer(0x20, [0x04030201]) == READY
    assert d.program(SECTOR, 0x08070605) == READY
    assert path.read_bytes() == d.flash.contents()
    assert d.flash.write_errors == 0
    assert path.read_bytes()[0x20:0x24] == bytes([1, 2, 3, 4])
    assert Driver(path).read(SECTOR) == 0x08070605


def test_a_read_only_file_may_be_short_and_stays(tmp_path):
    path = tmp_path / "code.fd"
    path.write_bytes(b"code")
    path.chmod(0o444)
    d = Driver(str(path), read_only=True)
    assert d.flash.contents(0, 6) == b"code\xff\xff"
    d.erase(0)
    assert path.read_bytes() == b"code"


def test_wrong_files_and_sizes_are_clear_errors(tmp_path):
    short = tmp_path / "short"
    short.write_bytes(b"x")
    long = tmp_path / "long"
    long.write_bytes(bytes(SIZE + 1))
    for args, says in [
        ((tmp_path / "none",), "cannot open"),
        ((tmp_path,), "regular|directory"),
        ((short,), "truncate"),
        ((long,), "has"),
        ((bytes(SIZE + 1),), "do not fit"),
    ]:
        with pytest.raises(DeviceError, match=says):
            Driver(*args)
    with pytest.raises(DeviceError, match="no regular file"):
        Driver(tmp_path, read_only=True)
    for size in (0, SECTOR, 3 * SECTOR, 128 << 20, "1M"):
        with pytest.raises(DeviceError, match="powers of two"):
            Flash(size=size)


def mid_operations():
    def buffered(d):
        d.command(0, 0xE8)
        d.command(0, 3)
        d.flash.write(0x20, 4, 0x1111_1111)

    def confirming(d):
        d.command(0, 0xE8)
        d.command(0, 0)
        d.flash.write(0x40, 4, 0x2222_2222)

    def counting(d):
        d.command(0, 0xE8)
        d.command(0, 3)

    return [
        lambda d: None,
        lambda d: d.command(0, 0x40),
        lambda d: d.command(0, 0x20),
        lambda d: d.command(0, 0x98),
        counting,
        buffered,
        confirming,
    ]


@pytest.mark.parametrize("start", mid_operations())
def test_moved_mid_operation_into_a_new_device(start):
    d = Driver(b"\x77" * 100)
    d.program(SECTOR + 8, 0x55)
    start(d)
    e = Driver(b"\0" * SIZE)
    e.flash.load(d.flash.save())
    for value in (0x3333_3333, 0x00D0_00D0, 0x4444_4444, 0x00D0_00D0, 0x00FF_00FF):
        for x in (d, e):
            x.flash.write(0x24, 4, value)
        assert d.flash.save() == e.flash.save()
        assert d.read(0x20) == e.read(0x20)
    assert d.flash.contents() == e.flash.contents()


def test_loading_writes_the_file(tmp_path):
    path = tmp_path / "vars.fd"
    path.write_bytes(bytes(SIZE))
    source = Driver(b"saved")
    d = Driver(path)
    d.flash.load(source.flash.save())
    assert path.read_bytes() == source.flash.contents()


def test_a_read_only_flash_is_saved_by_checksum():
    d = Driver(b"code", read_only=True)
    state = d.flash.save()
    assert state["contents"] == b""
    Driver(b"code", read_only=True).flash.load(state)
    with pytest.raises(DeviceError, match="other read-only contents"):
        Driver(b"Code", read_only=True).flash.load(state)


def test_a_bad_state_changes_nothing():
    d = Driver(b"abc")
    d.command(0, 0xE8)
    d.command(0, 1)
    before = d.flash.save()
    for change in (
        {"mode": 4},
        {"expect": 7},
        {"expect": 0},
        {"expect": 6},
        {"left": 0},
        {"left": 1025},
        {"buffer_at": 1},
        {"buffer_at": SIZE},
        {"buffer": b""},
        {"sectors": [0, 0]},
        {"sectors": [4]},
        {"sectors": [1, 0], "contents": bytes(2 * SECTOR)},
        {"contents": b""},
    ):
        with pytest.raises(DeviceError):
            d.flash.load({**before, **change})
    assert d.flash.save() == before
    with pytest.raises(DeviceError):
        Driver(size=2 * SIZE).flash.load({**before, "contents": bytes(2 * SIZE)})


def test_reset_keeps_the_contents():
    d = Driver(b"abcd")
    d.command(0, 0xE8)
    d.command(0, 1)
    d.flash.reset()
    assert d.read(0) == int.from_bytes(b"abcd", "little")
    assert d.flash.save()["expect"] == 0


places = st.one_of(st.integers(0, SIZE - 8), st.sampled_from([0, 4, WINDOW - 4, WINDOW, SECTOR - 4, SECTOR, SIZE - 8]))
steps = st.tuples(
    places,
    st.sampled_from([1, 2, 4, 4, 4, 8]),
    st.one_of(
        st.sampled_from([0x20, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xD0, 0xE8, 0xFF, 0, 1, 3]),
        st.integers(0, 2**64 - 1),
    ),
)


@given(st.lists(steps, max_size=40))
def test_random_writes_leave_the_flash_sound(program):
    d = Driver(b"\x5a" * 64)
    for at, size, value in program:
        d.flash.write(at, size, value)
        d.flash.read(at, size)
        s = d.flash.save()
        assert s["status"] & READY
        assert (s["left"] > 0) == (s["expect"] == 5)
    e = Driver()
    e.flash.load(d.flash.save())
    assert e.flash.save() == d.flash.save()
    d.flash.reset()
    assert d.read(0, 8) == int.from_bytes(d.flash.contents(0, 8), "little")
