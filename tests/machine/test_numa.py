"""The guest's NUMA nodes in its device tree, and on the command line."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from vmcore import ConfigError, Machine
from vmcore.devices.fdt import Node, Tree
from vmcore.machine.numa import memory_ranges

DRAM = 0x8000_0000
NODES = [{"harts": [0, 3], "ram": "64M"}, {"harts": [1], "ram": "32M"}, {"harts": [2], "ram": "96M"}]


def tree(vm: Machine) -> Tree:
    return Tree.from_blob(vm.fdt_blob)


def cells(node: Node, name: str) -> list[int]:
    raw = node[name]
    return [int.from_bytes(raw[at : at + 4], "big") for at in range(0, len(raw), 4)]


def test_harts_memory_and_distances_are_in_the_tree() -> None:
    nodes = [{**NODES[0], "distances": [10, 15, 40]}, *NODES[1:]]
    with Machine(numa=nodes, extra_ram=[(DRAM + (1 << 30), "4M")]) as vm:
        root = tree(vm)
        assert vm.settings.harts == 4 and vm.settings.ram == 192 << 20
    starts = {"80000000": (64, 0), "84000000": (32, 1), "86000000": (96, 2), "c0000000": (4, 0)}
    memory = {name[7:]: root.child(name) for name in ("memory@" + start for start in starts)}
    for start, (megabytes, number) in starts.items():
        assert cells(memory[start], "reg") == [0, int(start, 16), 0, megabytes << 20]
        assert cells(memory[start], "numa-node-id") == [number]
    cpus = root.child("cpus")
    assert [cells(cpus.child(f"cpu@{hart}"), "numa-node-id") for hart in range(4)] == [[0], [1], [2], [0]]
    distances = root.child("distance-map")
    assert distances["compatible"] == b"numa-distance-map-v1\0"
    matrix = cells(distances, "distance-matrix")
    assert [matrix[at : at + 3] for at in range(0, 27, 3)] == [
        [0, 0, 10], [0, 1, 15], [0, 2, 40], [1, 0, 20], [1, 1, 10], [1, 2, 20], [2, 0, 20], [2, 1, 20], [2, 2, 10],
    ]  # fmt: skip


def test_a_machine_without_nodes_says_nothing_of_them() -> None:
    with Machine(harts=2) as vm:
        assert "numa" not in vm.fdt and "distance" not in vm.fdt


def test_memory_is_one_piece_across_nodes() -> None:
    with Machine(numa="0:1M;1:1M") as vm:
        vm.phys[DRAM + (1 << 20) - 2 : DRAM + (1 << 20) + 2] = b"edge"
        assert vm.phys[DRAM + (1 << 20) - 2 : DRAM + (1 << 20) + 2] == b"edge"


def test_ranges() -> None:
    assert list(memory_ranges([(DRAM, 4096)], ())) == [(DRAM, 4096, 0)]


def test_each_node_has_its_own_placement() -> None:
    with Machine(numa="0:1M;1:1M", placement=["bind:0", "local"]) as vm:
        from vmcore.heap.numa import placement_of

        kinds = [getattr(placement_of(vm.core.memory, DRAM + (at << 20)), "kind", None) for at in (0, 1)]
        assert kinds == ["bind", "local"]
    with pytest.raises(ConfigError, match="3 placements for 2 nodes"):
        Machine(numa="0:1M;1:1M", placement="local;local;local")


def test_the_command_line_passes_nodes_on(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from vmcore.cli.main import app

    kernel = f"{tmp_path}/kernel"
    with open(kernel, "wb") as file:
        file.write(bytes(8))
    arguments = ["boot", "--kernel", kernel, "--numa", "0:64M", "--numa", "1:64M", "--harts", "3"]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, ConfigError) and "hart 2 is in no node" in str(done.exception)
    arguments = ["boot", "--kernel", kernel, "--numa", "0:64M", "--placement", "bind:900"]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, ConfigError) and "has no NUMA node 900" in str(done.exception)


def test_info_shows_the_host() -> None:
    from vmcore.cli.main import app
    from vmcore.heap.numa import Topology

    assert f"numa    {Topology.discover().describe()}" in CliRunner().invoke(app, ["info"]).output
