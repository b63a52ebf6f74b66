"""NUMA of the host: which processors and which memory belong together, and where what vmcore uses shall be.

A machine with one node is a topology with one node: everything here works there, and says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vmcore._fast.memory import numa as kernel
from vmcore._fast.memory.ram import Ram
from vmcore.config.values import format_size, parse_ids
from vmcore.errors import ConfigError

__all__ = [
    "Node",
    "Placement",
    "Topology",
    "format_ids",
    "parse_placement",
    "parse_placements",
    "pinned",
    "place_ram",
    "placement_of",
]

SYSFS = Path("/sys/devices/system/node")
"""Where the kernel tells its topology."""

LOCAL_DISTANCE, REMOTE_DISTANCE = 10, 20
MOST_CPUS = 1 << 16
_MODES = {"local": kernel.LOCAL, "interleave": kernel.INTERLEAVE, "bind": kernel.BIND}
_HINT = "Give 'local', 'interleave', 'interleave:NODES', or 'bind:NODES' with nodes as in 0 or 0-1,3"


def format_ids(ids: Iterable[int]) -> str:
    """Write numbers as the kernel does: ``"0-3,8"``."""
    runs: list[list[int]] = []
    for number in sorted(ids):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the host.

    Attributes
    ----------
    number : int
        The kernel's number of it.
    cpus : tuple of int
        Its processors; there may be none.
    memory : int
        Bytes of memory; there may be none.
    distances : tuple of int
        How far each online node is, in the order of :attr:`Topology.nodes`: 10 is here, 20 twice as far.
    """

    number: int
    cpus: tuple[int, ...]
    memory: int
    distances: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """The host's nodes.

    Attributes
    ----------
    nodes : tuple of Node
        By their numbers, which may have gaps.
    """

    nodes: tuple[Node, ...]

    @classmethod
    def discover(cls, root: Path | None = None) -> Topology:
        """Return what the kernel says.

        Parameters
        ----------
        root : Path, optional
            The folder with ``online``, ``node0``, ...; by default :data:`SYSFS`. Where there is none, the kernel knows
            no NUMA, and everything is node 0.

        Raises
        ------
        ConfigError
            A file there is not what the kernel writes.
        """
        root = SYSFS if root is None else root
        if not (root / "online").exists():
            memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            return cls((Node(0, tuple(sorted(os.sched_getaffinity(0))), memory, (LOCAL_DISTANCE,)),))
        numbers = _ids(root / "online", kernel.MOST_NODES)
        return cls(tuple(_read_node(root / f"node{number}", number, len(numbers)) for number in numbers))

    def __getitem__(self, number: int) -> Node:
        """Return the node with this number.

        Raises
        ------
        ConfigError
            There is none.
        """
        for node in self.nodes:
            if node.number == number:
                return node
        have = format_ids(node.number for node in self.nodes)
        raise ConfigError(f"this host has no NUMA node {number}", hint=f"It has {have}")

    @property
    def with_memory(self) -> tuple[int, ...]:
        """tuple of int: the numbers of the nodes that have memory."""
        return tuple(node.number for node in self.nodes if node.memory)

    def describe(self) -> str:
        """Return it in one line: ``2 nodes: 0 (CPUs 0-3, 32G), 1 (CPUs 4-7, 32G)``."""
        parts = []
        for node in self.nodes:
            cpus = f"CPUs {format_ids(node.cpus)}" if node.cpus else "no CPU"
            # Whole megabytes: the kernel's own part makes odd numbers of it.
            size = format_size(node.memory >> 20 << 20) if node.memory else "no memory"
            parts.append(f"{node.number} ({cpus}, {size})")
        return f"{len(parts)} node{'s' if len(parts) > 1 else ''}: {', '.join(parts)}"


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the host's topology cannot be read: {path} ({error})") from error


def _ids(path: Path, most: int) -> tuple[int, ...]:
    return parse_ids(_read(path).strip(), f"{path}", most=most - 1)


def _read_node(folder: Path, number: int, count: int) -> Node:
    fields = [line.split() for line in _read(folder / "meminfo").splitlines()]
    sizes = [words[3] for words in fields if len(words) == 5 and words[2] == "MemTotal:" and words[3].isdecimal()]
    distances = _read(folder / "distance").split()
    if len(sizes) != 1 or len(distances) != count or not all(word.isdecimal() for word in distances):
        raise ConfigError(f"the host's topology cannot be read: {folder} has no MemTotal, or not {count} distances")
    cpus = _ids(folder / "cpulist", MOST_CPUS)
    return Node(number, cpus, int(sizes[0]) << 10, tuple(int(word) for word in distances))


@dataclass(frozen=True, slots=True)
class Placement:
    """Where memory, and those who use it, shall be.

    Attributes
    ----------
    kind : str
        ``"local"``: memory comes from the node of the thread that touches it first; ``"interleave"``: page by page from
        each node in turn; ``"bind"``: from these nodes and no other.
    nodes : tuple of int
        The nodes; none for ``"local"``.
    """

    kind: str
    nodes: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}:{format_ids(self.nodes)}" if self.nodes else self.kind


def parse_placement(text: object, topology: Topology) -> Placement:
    """Return the placement that `text` asks for.

    Parameters
    ----------
    text : object
        ``"local"``, ``"interleave"`` (over every node with memory), ``"interleave:0,2"``, ``"bind:1"``.
    topology : Topology
        The host.

    Raises
    ------
    ConfigError
        It is something else, or names a node that the host does not have or that has no memory.
    """
    kind, colon, given = text.partition(":") if isinstance(text, str) else ("", "", "")
    needs, may = kind == "bind", kind != "local"
    if kind not in _MODES or (colon and not (may and given)) or (needs and not colon):
        raise ConfigError(f"placement={text!r} is not known", hint=_HINT)
    if kind == "local":
        return Placement(kind)
    if not colon:
        return Placement(kind, topology.with_memory)
    nodes = parse_ids(given, f"placement={text!r}: nodes", most=kernel.MOST_NODES - 1)
    if not nodes:
        raise ConfigError(f"placement={text!r} names no node", hint=_HINT)
    for number in nodes:
        if not topology[number].memory:
            have = format_ids(topology.with_memory)
            raise ConfigError(f"placement={text!r}: node {number} has no memory", hint=f"Those that have: {have}")
    return Placement(kind, nodes)


def _refused(what: str, placement: Placement, error: OSError) -> ConfigError:
    return ConfigError(
        f"the kernel does not place {what} by {placement} ({error.strerror})",
        hint="Some containers forbid it, and cpusets leave nodes out; leave the placement away there",
    )


def place_ram(ram: Ram, base: int, size: int, placement: Placement) -> None:
    """Place guest memory: pages that nobody has touched yet will come from where `placement` says.

    Parameters
    ----------
    ram : Ram
        A machine's memory.
    base, size : int
        Guest-physical address and bytes: whole pages inside one bank.
    placement : Placement
        Where.

    Raises
    ------
    ConfigError
        The kernel refuses it.
    """
    try:
        kernel.bind_ram(ram, base, size, _MODES[placement.kind], placement.nodes)
    except OSError as error:
        raise _refused("guest memory", placement, error) from error


def placement_of(ram: Ram, base: int) -> Placement | None:
    """Return where the page of guest memory at `base` comes from; None where nobody has placed it."""
    mode, nodes = kernel.ram_policy(ram, base)
    for kind, known in _MODES.items():
        if known == mode:
            return Placement(kind, nodes)
    return None


@contextmanager
def pinned(placement: Placement, topology: Topology) -> Iterator[None]:
    """Place the calling thread, and everything that it allocates, for as long as the context lasts.

    This is how harts and heaps are placed: a machine's harts run on the thread that calls :meth:`vmcore.Machine.run`,
    and memory belongs to the thread that touches it first. With ``"bind"`` the thread runs on the processors of the
    nodes only; with the others it runs where it did.

    Parameters
    ----------
    placement : Placement
        Where.
    topology : Topology
        The host.

    Raises
    ------
    ConfigError
        The kernel refuses it, or none of the nodes has a processor that this thread may use.
    """
    allowed = os.sched_getaffinity(0)
    wanted = allowed
    if placement.kind == "bind":
        wanted = {cpu for number in placement.nodes for cpu in topology[number].cpus} & allowed
        if not wanted:
            raise ConfigError(
                f"placement {placement}: this thread may use no processor of it",
                hint=f"It may use {format_ids(allowed)}; the host has {topology.describe()}",
            )
    try:
        before = kernel.thread_policy()
        kernel.set_thread_policy(_MODES[placement.kind], placement.nodes)
    except OSError as error:
        raise _refused("a thread's memory", placement, error) from error
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
        kernel.set_thread_policy(*before)


def parse_placements(texts: Sequence[str], ranges: int, topology: Topology) -> list[Placement]:
    """Return a placement for each of `ranges` ranges of memory: one for all, or one for each.

    Raises
    ------
    ConfigError
        There are neither one nor `ranges` of them, or one is not allowed.
    """
    if len(texts) not in (1, ranges):
        raise ConfigError(f"{len(texts)} placements for {ranges} nodes of memory", hint="Give one, or one for each")
    placements = [parse_placement(text, topology) for text in texts]
    return placements * ranges if len(placements) == 1 else placements
