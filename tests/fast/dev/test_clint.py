"""The CLINT and the SSWI as a driver sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore._fast.dev.aclint import Sswi
from vmcore._fast.dev.bus import ClockHandle, Pins
from vmcore._fast.dev.clint import Clint
from vmcore.errors import DeviceError

SSIP, MSIP, MTIP = 1 << 1, 1 << 3, 1 << 7
MTIMECMP, MTIME = 0x4000, 0xBFF8


def board(harts=1, now=0):
    clock = ClockHandle()
    clock.advance(now)
    pins = [Pins() for _ in range(harts)]
    return clock, pins, Clint(clock, pins)


def test_software_interrupts_reach_only_their_hart():
    _, pins, clint = board(harts=3)
    clint.write(4, 4, 0xFFFF_FFFF)
    assert [p.lines for p in pins] == [0, MSIP, 0]
    assert clint.read(4, 4) == 1
    assert clint.read(0, 8) == 1 << 32
    clint.write(4, 4, 0)
    assert pins[1].lines == 0


def test_mtime_is_ten_megahertz_of_virtual_time():
    clock, _, clint = board(now=12345)
    assert clint.read(MTIME, 8) == 123
    clock.advance(1_000_000_000)
    assert clint.read(MTIME, 8) == clint.mtime == 10_000_000


def test_timer_fires_on_the_exact_tick():
    clock, pins, clint = board(now=1_050)
    clint.write(MTIMECMP, 8, 15)
    assert clock.next_deadline_ns == 1500
    clock.advance(1499)
    assert pins[0].lines == 0
    clock.advance(1500)
    assert pins[0].lines == MTIP
    clint.write(MTIMECMP, 8, 16)
    assert pins[0].lines == 0


def test_a_compare_value_in_the_past_fires_at_once():
    _, pins, clint = board(now=5000)
    clint.write(MTIMECMP, 8, 0)
    assert pins[0].lines == MTIP


def test_nothing_is_pending_before_software_asks():
    clock, pins, clint = board(now=10**15)
    assert clint.read(MTIMECMP, 8) == 2**64 - 1
    assert clock.next_deadline_ns is None
    assert pins[0].lines == 0


def test_a_32_bit_driver_sets_the_compare_register_in_halves():
    clock, pins, clint = board()
    clint.write(MTIMECMP + 4, 4, 1)
    clint.write(MTIMECMP, 4, 2)
    assert clint.read(MTIMECMP, 8) == 1 << 32 | 2
    assert clint.read(MTIMECMP + 4, 4) == 1
    clock.advance(((1 << 32) + 2) * 100 - 1)
    assert pins[0].lines == 0
    clock.advance(((1 << 32) + 2) * 100)
    assert pins[0].lines == MTIP


def test_mtime_can_be_written_and_moves_the_deadlines():
    clock, pins, clint = board(now=100_000)
    clint.write(MTIMECMP, 8, 5000)
    clint.write(MTIME, 8, 4990)
    assert clint.read(MTIME, 8) == 4990
    assert clock.next_deadline_ns == 101_000
    clint.write(MTIME + 4, 4, 7)
    assert clint.read(MTIME + 4, 4) == 7
    assert pins[0].lines == MTIP
    clint.write(MTIME, 8, 0)
    assert pins[0].lines == 0


def test_mtime_wraps_and_takes_the_interrupt_back():
    clock, pins, clint = board()
    clint.write(MTIMECMP, 8, 100)
    clint.write(MTIME, 8, 2**64 - 10)
    assert pins[0].lines == MTIP
    clock.advance(1000)
    assert clint.mtime == 0
    assert pins[0].lines == 0
    clock.advance(11_000)
    assert pins[0].lines == MTIP


def test_a_deadline_beyond_the_clock_is_never():
    clock, _, clint = board(now=2**63)
    clint.write(MTIMECMP, 8, 2**64 - 2)
    assert clock.next_deadline_ns is None


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (0, 2), (MTIME, 2), (MTIME + 4, 8), (2, 4), (MTIMECMP + 4, 8)])
def test_other_sizes_and_alignments_do_nothing(offset, size):
    _, pins, clint = board(now=1000)
    before = clint.save()
    clint.write(offset, size, 2**64 - 1)
    assert clint.read(offset, size) == 0
    assert clint.save() == before
    assert pins[0].lines == 0


def test_registers_of_harts_that_are_not_there_read_zero():
    _, pins, clint = board(harts=2)
    clint.write(8, 4, 1)
    clint.write(MTIMECMP + 16, 8, 5)
    assert clint.read(8, 4) == clint.read(MTIMECMP + 16, 8) == 0
    assert clint.read(4, 8) == 0
    assert [p.lines for p in pins] == [0, 0]


def test_moved_mid_wait_into_a_new_device_fires_at_the_same_time():
    clock, pins, clint = board(harts=2, now=700)
    clint.write(MTIME, 8, 1000)
    clint.write(MTIMECMP, 8, 1100)
    clint.write(MTIMECMP + 8, 8, 900)
    clint.write(0, 4, 1)
    clock2, pins2, clint2 = board(harts=2, now=700)
    clint2.load(clint.save())
    assert clock2.next_deadline_ns == clock.next_deadline_ns
    for now in (700, 10_699, 10_700, 20_000):
        clock.advance(now)
        clock2.advance(now)
        assert [p.lines for p in pins] == [p.lines for p in pins2]
        assert clint.save() == clint2.save()
    assert pins[0].lines == MTIP | MSIP


@pytest.mark.parametrize(
    "change",
    [{"msip": [2]}, {"msip": []}, {"mtimecmp": [-1]}, {"offset": "1"}, {"offset": 2**64}, {"offset": True}, {"x": 1}],
)
def test_a_bad_state_changes_nothing(change):
    _, _, clint = board(now=500)
    clint.write(MTIMECMP, 8, 77)
    before = clint.save()
    with pytest.raises(DeviceError):
        clint.load({**before, "mtimecmp": [1], **change})
    with pytest.raises(DeviceError):
        clint.load([])
    assert clint.save() == before


def test_reset_forgets_everything():
    clock, pins, clint = board(now=500)
    fresh = clint.save()
    clint.write(MTIME, 8, 77)
    clint.write(MTIMECMP, 8, 0)
    clint.write(0, 4, 1)
    clint.reset()
    assert clint.save() == fresh
    assert pins[0].lines == 0
    assert clock.next_deadline_ns is None


@pytest.mark.parametrize("harts", [0, 9])
def test_wrong_number_of_harts(harts):
    with pytest.raises(DeviceError, match="1 to 8"):
        board(harts=harts)
    with pytest.raises(DeviceError, match="1 to 8"):
        Sswi([Pins() for _ in range(harts)])


def test_a_clock_without_timers_left_is_refused():
    clock = ClockHandle()
    pins = [Pins() for _ in range(8)]
    kept = [Clint(clock, pins) for _ in range(8)]
    with pytest.raises(DeviceError, match="timers"):
        Clint(clock, pins)
    assert len(kept) == 8


def test_a_clock_outlives_its_device():
    clock, _, clint = board()
    clint.write(MTIMECMP, 8, 5)
    del clint
    assert clock.next_deadline_ns is None
    clock.advance(1000)


offsets = st.one_of(
    st.sampled_from([0, 4, MTIMECMP, MTIMECMP + 4, MTIMECMP + 8, MTIME, MTIME + 4, 0xBFF0, 0xBFFC]),
    st.integers(0, 0xFFFF),
)
pokes = st.lists(
    st.tuples(
        offsets,
        st.sampled_from([1, 2, 4, 8]),
        st.one_of(st.integers(0, 50), st.integers(0, 2**64 - 1)),
        st.booleans(),
        st.integers(0, 3000),
    ),
    max_size=40,
)


@given(pokes)
def test_random_pokes_keep_the_interrupt_equal_to_the_comparison(steps):
    clock, pins, clint = board(harts=2)
    now = 0
    for offset, size, value, write, wait in steps:
        if offset + size > clint.size:
            continue
        if write:
            clint.write(offset, size, value)
        else:
            clint.read(offset, size)
        now += wait
        clock.advance(now)
        state = clint.save()
        assert clint.mtime == (now // 100 + state["offset"]) % 2**64
        for hart in range(2):
            assert bool(pins[hart].lines & MTIP) == (clint.mtime >= state["mtimecmp"][hart])
            assert bool(pins[hart].lines & MSIP) == bool(state["msip"][hart])


def test_sswi_raises_ssip_and_reads_zero():
    pins = [Pins(), Pins()]
    sswi = Sswi(pins)
    sswi.write(4, 4, 1)
    assert [p.lines for p in pins] == [0, SSIP]
    assert sswi.read(4, 4) == 0
    sswi.write(4, 4, 0)
    assert pins[1].lines == SSIP, "only the hart clears it"
    sswi.write(8, 4, 1)
    sswi.write(0, 2, 1)
    sswi.write(0, 4, 2)
    assert pins[0].lines == 0
    sswi.load(sswi.save())
    with pytest.raises(DeviceError):
        sswi.load({"x": 1})
