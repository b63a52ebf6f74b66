"""Sizes, counts and choices as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore.config.settings import load_settings
from vmcore.config.values import format_size, parse_choice, parse_count, parse_seconds, parse_size
from vmcore.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512M", 512 << 20),
        ("2G", 2 << 30),
        ("64k", 64 << 10),
        ("1MiB", 1 << 20),
        ("4096", 4096),
        ("3 GB", 3 << 30),
        (7, 7),
    ],
)
def test_sizes(text: str | int, size: int) -> None:
    assert parse_size(text, "ram") == size


@pytest.mark.parametrize("text", ["", "M", "512X", "-1M", "1.5G", "0x10M", None, 1.5, True, b"1M"])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match="ram="):
        parse_size(text, "ram", least=1, most=100)  # type: ignore[arg-type]


@given(st.integers(min_value=0, max_value=1 << 60))
def test_format_size_is_read_back(size: int) -> None:
    assert parse_size(format_size(size), "n") == size


def test_limits_are_in_the_message() -> None:
    with pytest.raises(ConfigError, match="1M to 16G"):
        parse_size(0, "ram", least=1 << 20, most=16 << 30)
    with pytest.raises(ConfigError, match="multiple of 4K"):
        parse_size((1 << 20) + 1, "ram", multiple=4096)
    with pytest.raises(ConfigError, match="1 to 8"):
        parse_count(9, "harts", least=1, most=8)
    with pytest.raises(ConfigError, match="whole number"):
        parse_count("two", "harts", least=1, most=8)
    with pytest.raises(ConfigError, match="'virtual', 'host'"):
        parse_choice("wall", "clock", ("virtual", "host"))
    for wrong in (-1, float("nan"), float("inf"), "1", None):
        with pytest.raises(ConfigError, match="is not a time"):
            parse_seconds(wrong, "timeout")  # type: ignore[arg-type]


def test_keyword_over_environment_over_default() -> None:
    environ = {"VMCORE_RAM": "64M", "VMCORE_HARTS": "0x2"}
    settings = load_settings({"harts": 4, "ram": None}, environ)
    assert (settings.ram, settings.harts, settings.clock) == (64 << 20, 4, "virtual")
    assert load_settings({}, environ).harts == 2


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(ConfigError, match=r"VMCORE_RAM.*out of range"):
        load_settings({}, {"VMCORE_RAM": "0"})
