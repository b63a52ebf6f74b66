"""The test finisher as a guest uses it."""

import ctypes

import pytest

from vmcore._fast.dev.bus import Pins
from vmcore._fast.dev.power import PowerControl
from vmcore.errors import DeviceError


@pytest.mark.parametrize(
    ("value", "size", "request_", "code"),
    [
        (0x5555, 4, "off", 0),
        (0x5555, 2, "off", 0),
        (0xABCD_5555, 4, "off", 0),
        (0x2A_3333, 4, "fail", 42),
        (0x3333, 2, "fail", 0),
        (0x7777, 4, "reset", 0),
        (0x1234, 4, None, 0),
        (0x5555, 8, None, 0),
        (0x55, 1, None, 0),
    ],
)
def test_what_a_write_asks_for(value, size, request_, code):
    power = PowerControl()
    power.write(0, size, value)
    assert (power.request, power.code) == (request_, code)
    assert power.read(0, 4) == 0


def test_other_offsets_do_nothing():
    power = PowerControl()
    power.write(4, 4, 0x5555)
    assert power.request is None


def test_the_first_request_stays_until_cleared():
    power = PowerControl()
    power.write(0, 4, 0x1_3333)
    power.write(0, 4, 0x5555)
    assert (power.request, power.code) == ("fail", 1)
    power.clear()
    assert (power.request, power.code) == (None, 0)
    power.write(0, 4, 0x7777)
    assert power.request == "reset"
    power.reset()
    assert power.request is None


def test_a_request_moves_with_the_device():
    power = PowerControl()
    power.write(0, 4, 0x7_3333)
    other = PowerControl()
    other.load(power.save())
    assert (other.request, other.code) == ("fail", 7)
    with pytest.raises(DeviceError):
        other.load({"request": 4, "code": 0})
    assert other.save() == power.save()


def test_the_word_that_the_run_loop_watches():
    power = PowerControl()
    word = ctypes.c_uint32.from_address(power.watch_address)
    assert word.value == 0
    power.write(0, 4, 0x5555)
    assert word.value != 0
    power.clear()
    assert word.value == 0


def test_too_many_harts():
    with pytest.raises(DeviceError, match="up to 8"):
        PowerControl([Pins()] * 9)


def test_interrupt_inputs_are_left_alone():
    pins = Pins()
    pins.set(0x80, True)
    PowerControl([pins]).write(0, 4, 0x5555)
    assert pins.lines == 0x80
