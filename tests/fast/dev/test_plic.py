"""The PLIC as a driver sees it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore._fast.dev.bus import Pins
from vmcore._fast.dev.plic import Plic
from vmcore.errors import DeviceError

SEIP, MEIP = 1 << 9, 1 << 11


class Driver:
    """What an operating system does with a PLIC."""

    def __init__(self, harts=1, sources=96):
        self.pins = [Pins() for _ in range(harts)]
        self.plic = Plic(self.pins, sources)

    def priority(self, source, value):
        self.plic.write(4 * source, 4, value)

    def enable(self, context, *sources):
        for source in sources:
            at = 0x2000 + 0x80 * context + source // 32 * 4
            self.plic.write(at, 4, self.plic.read(at, 4) | 1 << source % 32)

    def disable(self, context, source):
        at = 0x2000 + 0x80 * context + source // 32 * 4
        self.plic.write(at, 4, self.plic.read(at, 4) & ~(1 << source % 32))

    def threshold(self, context, value):
        self.plic.write(0x200000 + 0x1000 * context, 4, value)

    def claim(self, context):
        return self.plic.read(0x200004 + 0x1000 * context, 4)

    def complete(self, context, source):
        self.plic.write(0x200004 + 0x1000 * context, 4, source)

    def pending(self, source):
        return bool(self.plic.read(0x1000 + source // 32 * 4, 4) >> source % 32 & 1)


def ready(*sources, harts=1, context=1):
    driver = Driver(harts)
    for source in sources:
        driver.priority(source, 1)
    driver.enable(context, *sources)
    return driver


def test_an_interrupt_is_raised_claimed_and_completed():
    d = ready(10)
    line = d.plic.line(10)
    line(True)
    assert d.pending(10)
    assert d.pins[0].lines == SEIP
    assert d.claim(1) == 10
    assert d.pins[0].lines == 0
    assert not d.pending(10)
    line(False)
    d.complete(1, 10)
    assert d.pins[0].lines == 0
    assert d.claim(1) == 0


def test_a_level_still_high_at_completion_is_pending_again():
    d = ready(10)
    d.plic.line(10)(True)
    assert d.claim(1) == 10
    assert d.claim(1) == 0
    d.complete(1, 10)
    assert d.pins[0].lines == SEIP
    assert d.claim(1) == 10


def test_a_request_stays_pending_when_the_wire_falls():
    d = ready(10)
    line = d.plic.line(10)
    line(True)
    line(False)
    assert d.pins[0].lines == SEIP
    assert d.claim(1) == 10
    d.complete(1, 10)
    assert d.pins[0].lines == 0


def test_a_rise_while_in_flight_waits_for_completion():
    d = ready(10)
    line = d.plic.line(10)
    line(True)
    d.claim(1)
    line(False)
    line(True)
    assert not d.pending(10)
    d.complete(1, 10)
    assert d.pending(10)


def test_priority_decides_then_the_lower_number():
    d = ready(3, 40, 90)
    d.priority(90, 5)
    for source in (90, 40, 3):
        d.plic.line(source)(True)
    assert [d.claim(1) for _ in range(4)] == [90, 3, 40, 0]


def test_priority_zero_never_interrupts_nor_is_claimed():
    d = ready(7)
    d.priority(7, 0)
    d.plic.line(7)(True)
    assert d.pending(7)
    assert d.pins[0].lines == 0
    assert d.claim(1) == 0
    d.priority(7, 1)
    assert d.pins[0].lines == SEIP


def test_threshold_masks_the_interrupt_but_not_the_claim():
    d = ready(7)
    d.priority(7, 3)
    d.threshold(1, 3)
    d.plic.line(7)(True)
    assert d.pins[0].lines == 0
    d.threshold(1, 2)
    assert d.pins[0].lines == SEIP
    d.threshold(1, 7)
    assert d.claim(1) == 7


def test_contexts_are_m_and_s_of_each_hart():
    d = Driver(harts=2)
    d.priority(5, 1)
    d.plic.line(5)(True)
    expected = [(MEIP, 0), (SEIP, 0), (0, MEIP), (0, SEIP)]
    for context in range(4):
        d.enable(context, 5)
        assert (d.pins[0].lines, d.pins[1].lines) == expected[context]
        d.disable(context, 5)
    d.enable(0, 5)
    d.enable(3, 5)
    assert (d.pins[0].lines, d.pins[1].lines) == (MEIP, SEIP)
    assert d.claim(3) == 5
    assert (d.pins[0].lines, d.pins[1].lines) == (0, 0)


def test_completion_by_a_context_that_has_the_source_disabled_is_ignored():
    d = ready(9)
    d.plic.line(9)(True)
    d.claim(1)
    d.disable(1, 9)
    d.complete(1, 9)
    d.enable(1, 9)
    assert d.pins[0].lines == 0
    d.complete(1, 9)
    assert d.pins[0].lines == SEIP


@pytest.mark.parametrize("source", [0, 8, 97, 127, 128, 2**32 - 1])
def test_completion_of_something_else_changes_nothing(source):
    d = ready(9)
    d.plic.line(9)(True)
    d.claim(1)
    before = d.plic.save()
    d.complete(1, source)
    assert d.plic.save() == before


def test_reserved_and_oddly_sized_accesses_read_zero():
    d = Driver(sources=96)
    d.priority(0, 7)
    d.priority(97, 7)
    d.priority(1, 0xFFFF_FFFF)
    assert [d.plic.read(4 * n, 4) for n in (0, 1, 97)] == [0, 7, 0]
    for word in range(4):
        d.plic.write(0x2000 + 4 * word, 4, 0xFFFF_FFFF)
    assert [d.plic.read(0x2000 + 4 * w, 4) for w in range(5)] == [0xFFFF_FFFE, 0xFFFF_FFFF, 0xFFFF_FFFF, 1, 0]
    before = d.plic.save()
    for offset, size in [
        (4, 1),
        (4, 8),
        (6, 4),
        (0x1000, 4),
        (0x1FFC, 4),
        (0x2000 + 0x80 * 2, 4),
        (0x200008, 4),
        (0x202000, 4),
        (0x5FFFFC, 4),
    ]:
        d.plic.write(offset, size, 0xFFFF_FFFF)
        assert d.plic.read(offset, size) == 0
    assert d.plic.save() == before


@pytest.mark.parametrize("source", [0, 97, -1, 1.0, True])
def test_wrong_line_is_a_clear_error(source):
    with pytest.raises(DeviceError, match="sources 1 to 96"):
        Driver().plic.line(source)


@pytest.mark.parametrize("sources", [0, 128, "96"])
def test_wrong_number_of_sources(sources):
    with pytest.raises(DeviceError, match="1 to 127"):
        Plic([Pins()], sources)


@pytest.mark.parametrize("harts", [0, 9])
def test_wrong_number_of_harts(harts):
    with pytest.raises(DeviceError, match="1 to 8"):
        Plic([Pins()] * harts)


def test_the_wire_keeps_its_plic_alive():
    line = Plic([Pins()]).line(3)
    line(True)
    line(False)


def test_reset_keeps_the_wires():
    d = ready(4, 5)
    d.plic.line(4)(True)
    d.threshold(1, 3)
    d.claim(1)
    d.plic.reset()
    assert d.pins[0].lines == 0
    assert d.pending(4)
    d.priority(4, 1)
    d.enable(1, 4)
    assert d.claim(1) == 4


def test_moved_with_a_claim_in_flight_into_a_new_device():
    d = ready(10, 20, harts=2, context=3)
    d.threshold(2, 6)
    d.plic.line(10)(True)
    assert d.claim(3) == 10
    d.plic.line(20)(True)
    e = Driver(harts=2)
    e.plic.load(d.plic.save())
    for x in (d, e):
        assert x.pins[1].lines == SEIP
        assert x.claim(3) == 20
        x.plic.line(20)(False)
        x.complete(3, 20)
        assert x.pins[1].lines == 0
        x.complete(3, 10)
        assert x.claim(3) == 10
    assert d.plic.save() == e.plic.save()


def test_a_bad_state_changes_nothing():
    d = ready(10)
    d.plic.line(10)(True)
    before = d.plic.save()
    empty = [0, 0, 0, 0]
    for change in (
        {"pending": [1, 0, 0, 0]},
        {"pending": [0, 0, 0, 2]},
        {"flight": before["pending"]},
        {"pending": empty},
        {"priority": [1] * 97},
        {"priority": [8] * 97},
        {"threshold": [0]},
        {"enable": empty},
        {"level": None},
    ):
        with pytest.raises(DeviceError):
            d.plic.load({**before, **change})
    assert d.plic.save() == before
    with pytest.raises(DeviceError):
        Driver(harts=2).plic.load(before)


accesses = st.tuples(
    st.one_of(
        st.integers(0, 12).map(lambda n: 4 * n),
        st.sampled_from([0x1000, 0x2000, 0x2080, 0x2100, 0x2180, 0x200000, 0x201000, 0x202000, 0x203000]),
        st.sampled_from([0x200004, 0x201004, 0x202004, 0x203004]),
        st.integers(0, 0x600000 - 8),
    ),
    st.sampled_from([1, 2, 4, 4, 4, 4, 8]),
    st.one_of(st.integers(0, 12), st.integers(0, 2**64 - 1)),
)
steps = st.one_of(
    st.tuples(st.just("wire"), st.integers(1, 12), st.booleans()),
    st.tuples(st.just("read"), accesses, st.none()),
    st.tuples(st.just("write"), accesses, st.none()),
)


@given(st.lists(steps, max_size=60))
def test_random_use_keeps_the_outputs_equal_to_the_rule(program):
    d = Driver(harts=2, sources=12)
    for what, a, b in program:
        if what == "wire":
            d.plic.line(a)(b)
        elif what == "read":
            d.plic.read(a[0], a[1])
        else:
            d.plic.write(*a)
        s = d.plic.save()
        assert s["pending"][0] & s["flight"][0] == 0
        assert s["level"][0] & ~(s["pending"][0] | s["flight"][0]) == 0
        for context in range(4):
            want = any(
                s["pending"][0] & s["enable"][4 * context] & 1 << n and s["priority"][n] > s["threshold"][context]
                for n in range(1, 13)
            )
            bit = SEIP if context % 2 else MEIP
            assert bool(d.pins[context // 2].lines & bit) == want
    e = Driver(harts=2, sources=12)
    e.plic.load(d.plic.save())
    assert e.plic.save() == d.plic.save()
    assert [p.lines for p in e.pins] == [p.lines for p in d.pins]
