"""NUMA of the host: the topology out of made-up sysfs trees, and the real system calls on node 0."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcore import ConfigError, Machine
from vmcore._fast.memory import numa as kernel
from vmcore.config.values import parse_ids
from vmcore.heap import numa
from vmcore.heap.numa import Placement, Topology, format_ids, parse_placement, parse_placements, pinned, placement_of

DRAM = 0x8000_0000
GIB = 1 << 30


def make_sysfs(root: Path, nodes: dict[int, tuple[str, int, Sequence[int]]]) -> Path:
    """Write what the kernel shows for nodes of (cpulist, bytes, distances)."""
    root.mkdir(exist_ok=True)
    (root / "online").write_text(format_ids(nodes) + "\n")
    for number, (cpus, memory, distances) in nodes.items():
        folder = root / f"node{number}"
        folder.mkdir()
        (folder / "cpulist").write_text(cpus + "\n")
        (folder / "distance").write_text(" ".join(map(str, distances)) + "\n")
        lines = [("MemTotal", memory >> 10), ("MemFree", 4), ("MemUsed", 0), ("HugePages_Total", 0)]
        (folder / "meminfo").write_text("".join(f"Node {number} {name}: {size:14} kB\n" for name, size in lines))
    return root


@pytest.fixture
def two(tmp_path: Path) -> Topology:
    nodes = {0: ("0-3", 32 * GIB, (10, 21)), 1: ("4-7", 32 * GIB, (21, 10))}
    return Topology.discover(make_sysfs(tmp_path / "two", nodes))


@pytest.fixture
def four(tmp_path: Path) -> Topology:
    """Four nodes with gaps in their numbers: one without processors, one without memory."""
    nodes = {
        0: ("0,2,4", 8 * GIB, (10, 12, 20, 20)),
        1: ("1,3,5", 8 * GIB, (12, 10, 20, 20)),
        4: ("", 64 * GIB, (20, 20, 10, 30)),
        6: ("6-7", 0, (20, 20, 30, 10)),
    }
    return Topology.discover(make_sysfs(tmp_path / "four", nodes))


def test_two_nodes(two: Topology) -> None:
    assert two.describe() == "2 nodes: 0 (CPUs 0-3, 32G), 1 (CPUs 4-7, 32G)"
    assert two[1] == numa.Node(1, (4, 5, 6, 7), 32 * GIB, (21, 10))
    assert two.with_memory == (0, 1)


def test_four_nodes_of_different_kinds(four: Topology) -> None:
    first = "4 nodes: 0 (CPUs 0,2,4, 8G), 1 (CPUs 1,3,5, 8G)"
    assert four.describe() == f"{first}, 4 (no CPU, 64G), 6 (CPUs 6-7, no memory)"
    assert four.with_memory == (0, 1, 4)
    assert [node.distances[2] for node in four.nodes] == [20, 20, 10, 30]


def test_a_kernel_without_numa_is_one_node(tmp_path: Path) -> None:
    topology = Topology.discover(tmp_path)
    assert [node.number for node in topology.nodes] == [0]
    assert topology[0].cpus == tuple(sorted(os.sched_getaffinity(0))) and topology[0].memory > 0
    assert topology.describe().startswith("1 node: 0 (CPUs ")


def test_this_host() -> None:
    topology = Topology.discover()
    assert set().union(*[node.cpus for node in topology.nodes]) >= os.sched_getaffinity(0)
    assert topology.with_memory and topology.describe().startswith(f"{len(topology.nodes)} node")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("online", "0-x"),
        ("online", "3-1"),
        ("online", "0-99999999"),
        ("node1/cpulist", "4-"),
        ("node1/cpulist", "\xff"),
        ("node0/distance", "10"),
        ("node0/distance", "10 far"),
        ("node1/meminfo", "nothing"),
        ("node1/meminfo", None),
    ],
)
def test_what_the_kernel_would_not_write(two: Topology, tmp_path: Path, file: str, text: str | None) -> None:
    path = tmp_path / "two" / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text, "latin-1")
    with pytest.raises(ConfigError, match=file.split("/")[0]):
        Topology.discover(tmp_path / "two")


@given(st.sets(st.integers(0, 200)))
def test_lists_of_numbers_are_read_back(numbers: set[int]) -> None:
    assert parse_ids(format_ids(numbers), "n", most=200) == tuple(sorted(numbers))


@pytest.mark.parametrize(
    ("text", "placement"),
    [
        ("local", Placement("local")),
        ("interleave", Placement("interleave", (0, 1, 4))),
        ("interleave:0-1", Placement("interleave", (0, 1))),
        ("bind:4", Placement("bind", (4,))),
        ("bind:1,0", Placement("bind", (0, 1))),
    ],
)
def test_placements(four: Topology, text: str, placement: Placement) -> None:
    assert parse_placement(text, four) == placement
    assert parse_placement(str(placement), four) == placement


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not known"),
        ("near", "is not known"),
        ("local:0", "is not known"),
        ("bind", "is not known"),
        ("bind:", "is not known"),
        ("interleave:", "is not known"),
        (5, "is not known"),
        ("bind:x", "no list of numbers"),
        ("bind:-1", "no list of numbers"),
        ("bind:1024", "Give 0 to 1023"),
        ("bind:2", "has no NUMA node 2. It has 0-1,4,6"),
        ("interleave:0-2", "has no NUMA node 2"),
        ("bind:6", "node 6 has no memory. Those that have: 0-1,4"),
    ],
)
def test_placements_that_cannot_be(four: Topology, text: object, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_placement(text, four)


def test_one_placement_for_all_or_one_for_each(two: Topology) -> None:
    assert parse_placements(["bind:1"], 3, two) == [Placement("bind", (1,))] * 3
    assert parse_placements(["bind:1", "local"], 2, two) == [Placement("bind", (1,)), Placement("local")]
    with pytest.raises(ConfigError, match="2 placements for 3 nodes"):
        parse_placements(["local", "local"], 3, two)


# The real kernel, on the node that every host has.


@pytest.mark.parametrize("text", ["local", "interleave", "bind:0"])
def test_memory_of_a_machine_is_placed(text: str) -> None:
    host = Topology.discover()
    with Machine(ram="64M", extra_ram=[(DRAM + GIB, "1M")], placement=text) as vm:
        for address in (DRAM, DRAM + (64 << 20) - 1, DRAM + GIB):
            placed = placement_of(vm.core.memory, address)
            assert placed is not None and placed.kind == text.partition(":")[0]
            assert placed.nodes == parse_placement(text, host).nodes
        vm.phys[DRAM : DRAM + 4] = b"here"
        assert vm.phys[DRAM : DRAM + 4] == b"here"


def test_without_a_placement_the_kernel_decides() -> None:
    with Machine(ram="64M") as vm:
        assert placement_of(vm.core.memory, DRAM) is None


def test_a_node_that_the_host_does_not_have() -> None:
    with pytest.raises(ConfigError, match="has no NUMA node 900"):
        Machine(ram="64M", placement="bind:900")


def test_what_the_kernel_refuses_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topology that the kernel knows nothing of: it answers EINVAL, the user is told."""
    nodes = {number: ("0", GIB, (10, 20)) for number in (0, 1000)}
    monkeypatch.setattr(numa, "SYSFS", make_sysfs(tmp_path / "wrong", nodes))
    with pytest.raises(ConfigError, match=r"does not place guest memory by bind:1000 \(Invalid argument\)"):
        Machine(ram="64M", placement="bind:1000")
    with (
        pytest.raises(ConfigError, match="does not place a thread's memory by interleave:1000"),
        pinned(Placement("interleave", (1000,)), Topology.discover()),
    ):
        pass
    with pytest.raises(ValueError, match="node 1024"):
        kernel.set_thread_policy(kernel.BIND, [1024])


def test_addresses_outside_memory_are_refused() -> None:
    with Machine(ram="64M") as vm:
        memory = vm.core.memory
        for address, size in ((0, 4096), (DRAM, 65 << 20), (DRAM + (64 << 20), 4096)):
            with pytest.raises(LookupError, match="not in one bank"):
                kernel.bind_ram(memory, address, size, kernel.LOCAL, ())
    # A closed machine has no memory.
    with pytest.raises(LookupError, match="not in one bank"):
        kernel.ram_policy(memory, DRAM)


@pytest.mark.parametrize("kind", ["local", "interleave", "bind"])
def test_a_thread_is_placed_and_released(kind: str) -> None:
    host = Topology.discover()
    placement = Placement("local") if kind == "local" else Placement(kind, (0,))
    before = kernel.thread_policy(), os.sched_getaffinity(0)
    with pinned(placement, host):
        mode = {"local": kernel.LOCAL, "interleave": kernel.INTERLEAVE, "bind": kernel.BIND}[kind]
        assert kernel.thread_policy() == (mode, placement.nodes)
        allowed = before[1] & set(host[0].cpus) if kind == "bind" else before[1]
        assert os.sched_getaffinity(0) == allowed
    assert (kernel.thread_policy(), os.sched_getaffinity(0)) == before


def test_a_thread_that_may_not_run_there(tmp_path: Path) -> None:
    host = Topology.discover(make_sysfs(tmp_path / "far", {0: ("60000", GIB, (10,))}))
    before = kernel.thread_policy()
    with pytest.raises(ConfigError, match="may use no processor of it"), pinned(Placement("bind", (0,)), host):
        pass
    assert kernel.thread_policy() == before
