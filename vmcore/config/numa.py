"""The guest's NUMA nodes, as an option: which harts and how much memory each one has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmcore.config.values import format_size, parse_count, parse_ids, parse_size
from vmcore.errors import ConfigError

__all__ = ["LOCAL", "REMOTE", "GuestNode", "check_harts", "check_ram", "parse_nodes", "parse_placements"]

LOCAL, REMOTE, MOST_DISTANCE = 10, 20, 254
MOST_NODES = 8
LEAST_RAM, MOST_RAM, PAGE = 1 << 20, 16 << 30, 4096
MOST_HART = 4095
_KEYS = {"harts", "ram", "distances"}
_HINT = "Give nodes as in '0-1:256M;2-3:256M', or as [{'harts': [0, 1], 'ram': '256M'}, ...]"


@dataclass(frozen=True, slots=True)
class GuestNode:
    """A NUMA node of the guest.

    Attributes
    ----------
    harts : tuple of int
        Its harts; there may be none.
    ram : int
        Its bytes of main memory.
    distances : tuple of int
        How far each node of the guest is: 10 for itself, more for others.
    """

    harts: tuple[int, ...]
    ram: int
    distances: tuple[int, ...]


def parse_nodes(value: object) -> tuple[GuestNode, ...]:
    """Return the nodes that `value` describes.

    Parameters
    ----------
    value : str or sequence of mapping
        ``"0-1:256M;2-3:256M"``, or a mapping a node with ``harts`` (numbers, or text as in ``"0-1"``), ``ram``, and
        perhaps ``distances`` (to each node in turn; without it other nodes are 20 away).

    Raises
    ------
    ConfigError
        It is something else, or a value in it is not allowed.
    """
    if isinstance(value, str):
        entries: list[object] = [_of_text(part) for part in value.split(";")]
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        entries = list(value)
    else:
        raise ConfigError(f"numa={value!r} is no list of nodes", hint=_HINT)
    if len(entries) > MOST_NODES:
        raise ConfigError(f"numa has {len(entries)} nodes", hint=f"There may be {MOST_NODES}")
    return tuple(_node(entry, number, len(entries)) for number, entry in enumerate(entries))


def _of_text(text: str) -> dict[str, str]:
    harts, colon, ram = text.partition(":")
    if not colon:
        raise ConfigError(f"numa node {text!r} has no harts and size", hint=_HINT)
    return {"harts": harts, "ram": ram}


def _node(entry: object, number: int, count: int) -> GuestNode:
    what = f"node {number} of numa"
    if not isinstance(entry, Mapping) or not entry.keys() <= _KEYS or "ram" not in entry:
        raise ConfigError(f"{what} is {entry!r}", hint=_HINT)
    harts = entry.get("harts", ())
    if isinstance(harts, str):
        harts = parse_ids(harts, f"harts of {what}", most=MOST_HART)
    if isinstance(harts, int) or not isinstance(harts, Sequence):
        raise ConfigError(f"harts of {what}: {harts!r} is no list of numbers", hint=_HINT)
    harts = tuple(parse_count(hart, f"hart of {what}", least=0, most=MOST_HART) for hart in harts)
    ram = parse_size(entry["ram"], f"ram of {what}", least=LEAST_RAM, most=MOST_RAM, multiple=PAGE)
    return GuestNode(harts, ram, _distances(entry.get("distances"), number, count))


def _distances(given: object, number: int, count: int) -> tuple[int, ...]:
    if given is None:
        return tuple(LOCAL if other == number else REMOTE for other in range(count))
    what = f"distances of node {number} of numa"
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != count:
        raise ConfigError(f"{what}: {given!r} are not {count} numbers", hint="Give one for each node")
    least = [LOCAL if other == number else LOCAL + 1 for other in range(count)]
    most = [LOCAL if other == number else MOST_DISTANCE for other in range(count)]
    return tuple(parse_count(d, what, least=lo, most=hi) for d, lo, hi in zip(given, least, most, strict=True))


def check_harts(nodes: Sequence[GuestNode], harts: int) -> None:
    """Raise ConfigError unless each of the machine's harts is in one node, and in one only."""
    placed = [hart for node in nodes for hart in node.harts]
    for hart in range(harts):
        if placed.count(hart) != 1:
            where = "in no node" if hart not in placed else "in more than one node"
            raise ConfigError(f"hart {hart} is {where} of numa", hint="Each hart belongs to one node")
    if len(placed) > harts:
        raise ConfigError(f"numa names hart {max(placed)}; the machine has harts 0 to {harts - 1}")


def check_ram(nodes: Sequence[GuestNode], ram: int) -> None:
    """Raise ConfigError unless the nodes' memory is the machine's."""
    total = sum(node.ram for node in nodes)
    if total != ram:
        raise ConfigError(
            f"the nodes of numa have {format_size(total)} together and ram is {format_size(ram)}",
            hint="Leave ram away, or give the sum",
        )


def parse_placements(value: object) -> tuple[str, ...]:
    """Return the texts of placements: one, or one for each node, in text separated by ``;``.

    Whether the host has what they name is looked up where they are used.

    Raises
    ------
    ConfigError
        The value is no text and no list of texts.
    """
    texts = tuple(value.split(";")) if isinstance(value, str) else tuple(value) if isinstance(value, Sequence) else ()
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise ConfigError(f"placement={value!r} is not known", hint="Give 'local', 'interleave' or 'bind:NODES'")
    return texts
