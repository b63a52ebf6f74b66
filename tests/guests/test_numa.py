"""Debian's kernel finds the NUMA nodes that its machine has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmcore import Machine
from vmcore.images import ImageSet

pytestmark = [pytest.mark.guest, pytest.mark.slow]

PROMPT = "~ # "


def test_linux_sees_two_nodes(guest_image: Callable[[str], ImageSet]) -> None:
    nodes = [{"harts": [0, 1], "ram": "256M"}, {"harts": [2, 3], "ram": "192M", "distances": [33, 10]}]
    kernel, initrd = guest_image("debian-kernel").kernel, guest_image("busybox").initrd
    with Machine(kernel=kernel, initrd=initrd, append="console=ttyS0", numa=nodes, placement="local") as vm:

        def ask(command: str) -> str:
            vm.console.send(command)
            vm.console.expect("\n")
            return vm.console.expect(PROMPT).before.strip()

        boot = vm.console.expect(PROMPT, timeout=30).before
        assert "smp: Brought up 2 nodes, 4 CPUs" in boot
        for trouble in ("BUG:", "Oops", "WARNING:", "Unknown NUMA node"):
            assert trouble not in boot
        assert "NUMA: Initialized distance table, cnt=2" in ask("dmesg | grep -i numa")
        folder = "/sys/devices/system/node"
        assert ask(f"cat {folder}/online") == "0-1"
        assert ask(f"cat {folder}/node*/cpulist").split() == ["0-1", "2-3"]
        assert ask(f"cat {folder}/node*/distance").split() == ["10", "20", "33", "10"]
        sizes = ask(f"grep -h MemTotal {folder}/node*/meminfo").split()
        assert 192 << 10 < int(sizes[3]) <= 256 << 10 and 128 << 10 < int(sizes[8]) <= 192 << 10
