"""Firmware of others: U-Boot in M-mode, and in S-mode under OpenSBI and under the built-in SBI."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vmcore import Machine
from vmcore.images import ImageSet
from vmcore.machine.stop import StopReason

pytestmark = [pytest.mark.guest, pytest.mark.slow]

PROMPT = "=> "
# Virtual seconds; U-Boot counts down two of them before it starts something.
BOOT = 60


def ask(vm: Machine, command: str) -> str:
    vm.console.send(command)
    vm.console.expect("\n")
    return vm.console.expect(PROMPT, timeout=BOOT).before.strip()


@pytest.mark.parametrize("below", ["m-mode", "opensbi", "builtin"])
def test_u_boot_reaches_its_prompt(guest_image: Callable[[str], ImageSet], below: str) -> None:
    u_boot = guest_image("u-boot")
    if below == "m-mode":
        machine = Machine(bios=u_boot.bios)
    elif below == "opensbi":
        machine = Machine(bios=guest_image("opensbi").bios, kernel=u_boot.kernel)
    else:
        machine = Machine(kernel=u_boot.kernel)
    with machine as vm:
        start = vm.console.expect("Hit any key to stop autoboot", timeout=BOOT).before
        assert ("OpenSBI v" in start) == (below == "opensbi")
        assert "U-Boot 20" in start
        assert "DRAM:  512 MiB" in start
        vm.console.send("")
        vm.console.expect(PROMPT, timeout=BOOT)
        assert ask(vm, "version").startswith("U-Boot 20")
        assert "riscv-virtio,vmcore" in ask(vm, "fdt addr $fdtcontroladdr; fdt print / model")
        # Memory and arithmetic by its own commands.
        ask(vm, "mw.q 84000000 1122334455667788 4")
        assert "1122334455667788" in ask(vm, "md.q 84000000 1")
        assert vm.phys[0x8400_0000:0x8400_0008] == bytes.fromhex("8877665544332211")
        vm.console.send("poweroff")
        stop = vm.run(timeout=BOOT)
        assert (stop.reason, stop.code) == (StopReason.POWEROFF, 0)


def test_u_boot_finds_the_disk_on_pci(guest_image: Callable[[str], ImageSet], tmp_path) -> None:
    disk = tmp_path / "disk.img"
    disk.write_bytes(b"first sector".ljust(512, b".") + bytes((1 << 20) - 512))
    with Machine(bios=guest_image("u-boot").bios, disks=[disk]) as vm:
        vm.console.expect("Hit any key to stop autoboot", timeout=BOOT)
        vm.console.send("")
        vm.console.expect(PROMPT, timeout=BOOT)
        assert "1af4" in ask(vm, "pci").lower()
        ask(vm, "virtio scan")
        assert "Capacity: 1.0 MB" in ask(vm, "virtio info")
        ask(vm, "virtio read 84000000 0 1")
        assert vm.phys[0x8400_0000:0x8400_0200] == disk.read_bytes()[:512]
        ask(vm, "mw.b 84000000 41 200; virtio write 84000000 7 1")
    assert disk.read_bytes()[7 * 512 : 9 * 512] == b"A" * 512 + bytes(512)
