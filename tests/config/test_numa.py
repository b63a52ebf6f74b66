"""The guest's NUMA nodes as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from vmcore.config.numa import GuestNode, parse_nodes, parse_placements
from vmcore.config.settings import load_settings
from vmcore.errors import ConfigError

TWO = (GuestNode((0, 1), 256 << 20, (10, 20)), GuestNode((2, 3), 128 << 20, (20, 10)))


@pytest.mark.parametrize(
    "value",
    [
        "0-1:256M;2-3:128M",
        "0,1:256M;2,3:131072K",
        [{"harts": [0, 1], "ram": "256M"}, {"harts": "2-3", "ram": 128 << 20}],
        ({"harts": (0, 1), "ram": "256M", "distances": [10, 20]}, {"harts": range(2, 4), "ram": "128M"}),
    ],
)
def test_ways_to_write_the_same(value: object) -> None:
    assert parse_nodes(value) == TWO


def test_a_node_may_have_no_hart_and_its_own_distances() -> None:
    value = [{"harts": [0], "ram": "1M", "distances": [10, 11]}, {"ram": "1M", "distances": [254, 10]}]
    assert parse_nodes(value) == (GuestNode((0,), 1 << 20, (10, 11)), GuestNode((), 1 << 20, (254, 10)))
    assert parse_nodes(":1M") == (GuestNode((), 1 << 20, (10,)),)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "has no harts and size"),
        ("0", "has no harts and size"),
        ("0:1M;", "has no harts and size"),
        ("x:1M", "no list of numbers"),
        ("0:1X", "is not a size"),
        ("0:4K", "ram of node 0 of numa"),
        ("0:1048577", "multiple"),
        (5, "is no list of nodes"),
        (b"0:1M", "is no list of nodes"),
        ([5], "node 0 of numa is 5"),
        ([{"harts": [0]}], "node 0 of numa"),
        ([{"harts": [0], "ram": "1M", "colour": "red"}], "colour"),
        ([{"harts": 0, "ram": "1M"}], "no list of numbers"),
        ([{"harts": [-1], "ram": "1M"}], "out of range"),
        ([{"harts": [1.5], "ram": "1M"}], "not a whole number"),
        ([{"ram": "1M", "distances": [10, 20]}], "are not 1 numbers"),
        ([{"ram": "1M", "distances": [11]}], "out of range"),
        ([{"ram": "1M", "distances": [10, 10]}, {"ram": "1M"}], "out of range"),
        ([{"ram": "1M", "distances": "1020"}, {"ram": "1M"}], "are not 2 numbers"),
        ([{"ram": "1M"}] * 9, "There may be 8"),
    ],
)
def test_what_is_no_topology(value: object, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_nodes(value)


def load(given: dict[str, Any], **environ: str) -> tuple[int, int]:
    settings = load_settings(given, environ)
    return settings.ram, settings.harts


def test_nodes_say_how_much_there_is() -> None:
    nodes = "0-1:256M;2-3:128M"
    assert load({"numa": nodes}) == (384 << 20, 4)
    assert load({}, VMCORE_NUMA=nodes) == (384 << 20, 4)
    # What is given nearer wins.
    assert load({"numa": nodes}, VMCORE_RAM="1G", VMCORE_HARTS="1") == (384 << 20, 4)
    assert load({"numa": nodes, "ram": "384M", "harts": 4}) == (384 << 20, 4)
    assert load({}) == (512 << 20, 1)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"numa": "0:256M", "ram": "512M"}, "have 256M together and ram is 512M"),
        ({"numa": "0:256M", "harts": 2}, "hart 1 is in no node"),
        ({"numa": "0:256M;0:256M"}, "hart 0 is in more than one node"),
        ({"numa": "0-1:256M", "harts": 1}, "names hart 1; the machine has harts 0 to 0"),
        ({"numa": ":256M"}, "harts of numa"),
        ({"numa": "0-8:256M"}, "harts of numa"),
        ({"numa": "0:16G;1:1M"}, "ram="),
    ],
)
def test_nodes_and_machine_that_do_not_fit(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        load_settings(given, {})


def test_placements_are_texts() -> None:
    assert parse_placements("bind:0") == ("bind:0",)
    assert parse_placements("bind:0;local") == parse_placements(["bind:0", "local"]) == ("bind:0", "local")
    for bad in ("", "local;", [], [0], 7, None):
        with pytest.raises(ConfigError, match="placement="):
            parse_placements(bad)
