"""The goldfish clock as a driver sees it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore._fast.dev.bus import ClockHandle, Pins
from vmcore._fast.dev.plic import Plic
from vmcore._fast.dev.rtc import Rtc
from vmcore.errors import DeviceError

LOW, HIGH, ALARM_LOW, ALARM_HIGH, ENABLE, CLEAR_ALARM, STATUS, CLEAR = range(0, 0x20, 4)
BASE = 1_700_000_000_000_000_000


class Driver:
    """The clock on a PLIC of its own, so that the wire can be seen."""

    def __init__(self, state=None, now=0):
        self.clock = ClockHandle(BASE)
        self.clock.advance(now)
        self.plic = Plic([Pins()])
        self.rtc = Rtc(self.clock)
        self.rtc.connect(self.plic.line(11))
        if state is not None:
            self.rtc.load(state)

    @property
    def irq(self):
        return bool(self.plic.save()["level"][0] >> 11 & 1)

    def read(self, register):
        return self.rtc.read(register, 4)

    def write(self, register, value):
        self.rtc.write(register, 4, value)

    def time(self):
        low = self.read(LOW)
        return self.read(HIGH) << 32 | low

    def alarm(self, at):
        self.write(ALARM_HIGH, at >> 32)
        self.write(ALARM_LOW, at & 0xFFFF_FFFF)


def test_time_is_the_wall_base_plus_virtual_time():
    d = Driver()
    assert d.time() == d.rtc.time_ns == BASE
    d.clock.advance(5_000_000_001)
    assert d.time() == BASE + 5_000_000_001


def test_the_high_half_belongs_to_the_low_half_read_before():
    d = Driver()
    low = d.read(LOW)
    d.clock.advance(1 << 33)
    assert d.read(HIGH) << 32 | low == BASE


def test_time_can_be_set():
    d = Driver(now=1000)
    d.write(HIGH, 0x1234)
    d.write(LOW, 0x5678)
    assert d.time() == 0x1234 << 32 | 0x5678
    d.clock.advance(1100)
    assert d.time() == (0x1234 << 32 | 0x5678) + 100


def test_alarm_fires_on_time_and_is_acknowledged():
    d = Driver()
    d.write(ENABLE, 1)
    d.alarm(BASE + 700)
    assert d.read(STATUS) == 1
    assert d.read(ALARM_HIGH) << 32 | d.read(ALARM_LOW) == BASE + 700
    assert d.clock.next_deadline_ns == 700
    d.clock.advance(699)
    assert not d.irq
    d.clock.advance(700)
    assert d.irq
    assert d.read(STATUS) == 0
    d.write(CLEAR, 1)
    assert not d.irq
    d.clock.advance(2000)
    assert not d.irq


def test_an_alarm_in_the_past_fires_at_once():
    d = Driver()
    d.write(ENABLE, 1)
    d.alarm(BASE - 1)
    assert d.irq
    assert d.read(STATUS) == 0


def test_a_disabled_interrupt_waits():
    d = Driver()
    d.alarm(BASE)
    assert not d.irq
    d.write(ENABLE, 1)
    assert d.irq
    d.write(ENABLE, 0)
    assert not d.irq


def test_alarm_can_be_cancelled_and_time_moved_over_it():
    d = Driver()
    d.write(ENABLE, 1)
    d.alarm(BASE + 700)
    d.write(CLEAR_ALARM, 1)
    assert d.clock.next_deadline_ns is None
    d.clock.advance(800)
    assert not d.irq
    d.alarm(BASE + 10_000)
    d.write(HIGH, (BASE >> 32) + 1)
    assert d.irq, "the alarm's time has passed"


def test_an_alarm_beyond_the_clock_never_fires():
    d = Driver(now=2**63)
    d.alarm(2**64 - 1)
    assert d.read(STATUS) == 1
    assert d.clock.next_deadline_ns is None or d.clock.next_deadline_ns < 2**64 - 1


@pytest.mark.parametrize(("offset", "size"), [(LOW, 1), (LOW, 2), (LOW, 8), (0x20, 4), (0xFFC, 4), (2, 4)])
def test_other_accesses_do_nothing(offset, size):
    d = Driver()
    before = d.rtc.save()
    d.rtc.write(offset, size, 2**64 - 1)
    assert d.rtc.read(offset, size) == 0
    assert d.rtc.save() == before


def test_moved_with_an_alarm_running():
    d = Driver(now=50)
    d.write(LOW, 0)
    d.write(ENABLE, 1)
    d.alarm(d.time() + 400)
    e = Driver(d.rtc.save(), now=50)
    for now in (449, 450):
        for x in (d, e):
            x.clock.advance(now)
        assert d.irq == e.irq == (now == 450)
        assert d.rtc.save() == e.rtc.save()
        assert d.time() == e.time()


def test_reset_keeps_the_time():
    d = Driver()
    d.write(HIGH, 7)
    d.write(ENABLE, 1)
    d.alarm(0)
    time = d.time()
    d.rtc.reset()
    assert not d.irq
    assert d.read(ENABLE) == d.read(STATUS) == 0
    assert d.time() == time


def test_a_bad_state_changes_nothing():
    d = Driver()
    d.alarm(BASE + 700)
    before = d.rtc.save()
    for change in ({"armed": 2}, {"alarm": -1}, {"latch": 2**32}, {"more": 0}):
        with pytest.raises(DeviceError):
            d.rtc.load({**before, **change})
    assert d.rtc.save() == before


def test_a_clock_outlives_its_device():
    d = Driver()
    d.alarm(BASE + 700)
    d.rtc = None
    assert d.clock.next_deadline_ns is None
    d.clock.advance(1000)


steps = st.tuples(
    st.integers(0, 9).map(lambda n: 4 * n),
    st.sampled_from([1, 2, 4, 4, 4, 8]),
    st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1), st.just(BASE >> 32)),
    st.booleans(),
    st.integers(0, 1000),
)


@given(st.lists(steps, max_size=40))
def test_random_pokes_keep_the_alarm_and_the_wire_true(program):
    d = Driver()
    now = 0
    for offset, size, value, write, wait in program:
        if write:
            d.rtc.write(offset, size, value)
        else:
            d.rtc.read(offset, size)
        now += wait
        d.clock.advance(now)
        s = d.rtc.save()
        assert d.irq == bool(s["enabled"] and s["pending"])
        assert not (s["armed"] and s["alarm"] <= d.rtc.time_ns)
        assert d.clock.next_deadline_ns is None or s["armed"]
