"""NUMA of a machine: which memory belongs to which of the guest's nodes, and where on the host it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vmcore._fast.memory.ram import Ram
from vmcore.config.numa import GuestNode
from vmcore.devices.fdt import Tree
from vmcore.heap.numa import Topology, parse_placements, place_ram

__all__ = ["describe_distances", "memory_ranges", "node_of_hart", "place_memory"]

Bank = tuple[int, int]


def memory_ranges(banks: Sequence[Bank], nodes: Sequence[GuestNode]) -> Iterator[tuple[int, int, int]]:
    """Yield start, size and node of the pieces of memory; a machine without nodes has all of it in node 0.

    Main memory, the first bank, is cut into the nodes' parts, one behind the other; more banks belong to node 0.
    """
    start, size = banks[0]
    for number, part in enumerate([node.ram for node in nodes] or [size]):
        yield start, part, number
        start += part
    for start, size in banks[1:]:
        yield start, size, 0


def node_of_hart(nodes: Sequence[GuestNode], hart: int) -> int:
    """Return the number of the node that a hart belongs to."""
    return next(number for number, node in enumerate(nodes) if hart in node.harts)


def describe_distances(root: Tree, nodes: Sequence[GuestNode]) -> None:
    """Add the distances of the nodes (binding ``numa-distance-map-v1``)."""
    node = root.add("distance-map")
    node["compatible"] = "numa-distance-map-v1"
    matrix: list[int] = []
    for number, from_node in enumerate(nodes):
        for other, distance in enumerate(from_node.distances):
            matrix += [number, other, distance]
    node["distance-matrix"] = matrix


def place_memory(ram: Ram, banks: Sequence[Bank], nodes: Sequence[GuestNode], placement: Sequence[str]) -> None:
    """Place memory that nobody has touched yet.

    Parameters
    ----------
    ram : Ram
        The machine's memory.
    banks : sequence of (int, int)
        Its banks, the main one first.
    nodes : sequence of GuestNode
        The guest's nodes.
    placement : sequence of str
        Nothing: the kernel decides. One text: for all of it. One for each node of the guest.

    Raises
    ------
    ConfigError
        A placement is not known, names a node that the host does not have, or the kernel refuses it.
    """
    if not placement:
        return
    placements = parse_placements(placement, max(len(nodes), 1), Topology.discover())
    for start, size, number in memory_ranges(banks, nodes):
        place_ram(ram, start, size, placements[number])
