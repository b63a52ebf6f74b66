"""Debian's own riscv64 kernel: it boots by every firmware, on one hart and on four, finds a disk, and powers off."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmcore import Machine
from vmcore.images import ImageSet
from vmcore.machine.disk import Disk
from vmcore.machine.stop import StopReason

pytestmark = [pytest.mark.guest, pytest.mark.slow]

PROMPT = "~ # "
# Virtual seconds; a boot takes about one.
BOOT = 30
# Seconds of the host's clock, for machines that go by it.
PATIENCE = 300
DISK_SIZE = 16 << 20


@dataclass
class Images:
    """The files that every test here starts from."""

    kernel: Path
    initrd: Path
    initrd_modules: Path
    opensbi: Path


@pytest.fixture(scope="session")
def debian(guest_image: Callable[[str], ImageSet]) -> Images:
    busybox = guest_image("busybox")
    return Images(
        guest_image("debian-kernel").kernel,
        busybox.initrd,
        busybox.files["initrd-modules"],
        guest_image("opensbi").bios,
    )


def ask(vm: Machine, command: str) -> str:
    """Type a command at the guest's shell and return what it prints."""
    vm.console.send(command)
    vm.console.expect("\n")
    return vm.console.expect(PROMPT).before.strip()


def power_off(vm: Machine) -> None:
    vm.console.send("poweroff")
    stop = vm.run(timeout=BOOT)
    assert (stop.reason, stop.code) == (StopReason.POWEROFF, 0)
    assert vm.exit_code == 0


@pytest.mark.parametrize("harts", [1, 4])
@pytest.mark.parametrize("firmware", ["builtin", "opensbi"])
def test_boots_to_a_shell_and_powers_off(debian: Images, firmware: str, harts: int) -> None:
    bios = "builtin" if firmware == "builtin" else debian.opensbi
    append = "console=ttyS0"
    with Machine(kernel=debian.kernel, initrd=debian.initrd, append=append, bios=bios, harts=harts) as vm:
        boot = vm.console.expect(PROMPT, timeout=BOOT).before
        assert "Machine model: riscv-virtio,vmcore" in boot
        assert ("OpenSBI v" in boot) == (firmware == "opensbi")
        assert f"smp: Brought up 1 node, {harts} CPU" in boot
        for trouble in ("BUG:", "Oops", "Call Trace", "WARNING:", "rcu_sched"):
            assert trouble not in boot
        assert ask(vm, "uname -m") == "riscv64"
        assert ask(vm, "nproc") == str(harts)
        assert ask(vm, "cat /proc/cmdline") == append
        assert ask(vm, "grep -c ^processor /proc/cpuinfo") == str(harts)
        # The guest's clock is the machine's: seconds that nobody waits for, and the calendar of virtual time.
        assert ask(vm, "sleep 1; date +%Y-%m-%d") == "2026-01-01"
        # One pipe a hart, all at work together.
        ask(vm, "for i in 1 2 3 4; do (seq 500 | sha256sum > /tmp/$i) & done; wait")
        expected = hashlib.sha256("".join(f"{i}\n" for i in range(1, 501)).encode()).hexdigest()
        assert ask(vm, "cat /tmp/1 /tmp/2 /tmp/3 /tmp/4").split() == [expected, "-"] * 4
        power_off(vm)
        assert "reboot: Power down" in vm.console.read()


@pytest.mark.parametrize("harts", [2, 4])
@pytest.mark.parametrize("firmware", ["builtin", "opensbi"])
def test_parallel_harts(debian: Images, firmware: str, harts: int) -> None:
    """One thread a hart: the kernel finds nothing wrong, and what its processes work out is right."""
    bios = "builtin" if firmware == "builtin" else debian.opensbi
    with Machine(
        kernel=debian.kernel, initrd=debian.initrd, append="console=ttyS0", bios=bios, harts=harts, parallel=True
    ) as vm:
        boot = vm.console.expect(PROMPT, timeout=PATIENCE).before
        assert f"smp: Brought up 1 node, {harts} CPU" in boot
        for trouble in ("BUG:", "Oops", "Call Trace", "WARNING:"):
            assert trouble not in boot
        vm.console.send("for i in 1 2 3 4; do (seq 500 | sha256sum >/tmp/$i) & done; wait")
        vm.console.send("cat /tmp/[1-4]; echo all-done")
        said = vm.console.expect("\nall-done", timeout=PATIENCE).before
        expected = hashlib.sha256("".join(f"{i}\n" for i in range(1, 501)).encode()).hexdigest()
        assert said.count(expected) == 4
        vm.console.expect(PROMPT, timeout=PATIENCE)
        vm.console.send("poweroff")
        stop = vm.run(timeout=PATIENCE)
        assert (stop.reason, stop.code) == (StopReason.POWEROFF, 0)


def test_parallel_harts_that_sleep_are_not_idle(debian: Images) -> None:
    """Whatever hart fires the timer that another sleeps for: the run goes on until the guest ends it."""
    with Machine(kernel=debian.kernel, initrd=debian.initrd, append="console=ttyS0", harts=2, parallel=True) as vm:
        vm.console.expect(PROMPT, timeout=PATIENCE)
        vm.console.send("for i in $(seq 100); do sleep 0.02; done; poweroff")
        stop = vm.run(timeout=PATIENCE)
        assert (stop.reason, stop.code) == (StopReason.POWEROFF, 0)


# A disk. The stock kernel has only virtio-pci built in; the block driver and ext4 are modules of the initramfs.


def pattern(seed: int, size: int) -> bytes:
    return b"".join(hashlib.sha256(b"%d %d" % (seed, i)).digest() for i in range(size // 32))


def make_ext4(path: Path) -> bool:
    """Put a file system on the image, where the host has the tool for it."""
    tool = shutil.which("mke2fs") or shutil.which("mke2fs", path="/usr/sbin:/sbin")
    if tool is None:
        return False
    subprocess.run([tool, "-q", "-F", "-t", "ext4", str(path)], check=True)
    return True


def check_ext4(path: Path) -> None:
    tool = shutil.which("e2fsck") or shutil.which("e2fsck", path="/usr/sbin:/sbin")
    assert tool is not None
    done = subprocess.run([tool, "-f", "-n", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_disks_over_virtio_pci(debian: Images, tmp_path: Path) -> None:
    filesystem, raw, readonly = (tmp_path / name for name in ("fs.img", "raw.img", "ro.img"))
    filesystem.write_bytes(bytes(DISK_SIZE))
    with_filesystem = make_ext4(filesystem)
    raw.write_bytes(pattern(1, 1 << 20))
    readonly.write_bytes(pattern(2, 1 << 20))
    disks = [filesystem, Disk(raw, serial="vmcore-raw"), Disk(readonly, readonly=True)]
    # Quiet, or the kernel's own lines come in between the answers.
    boot = {"kernel": debian.kernel, "initrd": debian.initrd_modules, "append": "console=ttyS0 quiet loglevel=1"}
    with Machine(disks=disks, **boot) as vm:
        vm.console.expect(PROMPT, timeout=BOOT)
        assert ask(vm, "cat /sys/block/vda/size /sys/block/vdb/size /sys/block/vdc/size").split() == [
            str(DISK_SIZE // 512),
            "2048",
            "2048",
        ]
        assert ask(vm, "cat /sys/block/vda/ro /sys/block/vdc/ro").split() == ["0", "1"]
        assert ask(vm, "cat /sys/block/vdb/serial") == "vmcore-raw"

        # What is in the file is what the guest reads, and what the guest writes is in the file.
        digests = ask(vm, "sha256sum /dev/vdb /dev/vdc").split()[::2]
        assert digests == [hashlib.sha256(pattern(seed, 1 << 20)).hexdigest() for seed in (1, 2)]
        ask(vm, "seq 10000 | dd of=/dev/vdb bs=512 seek=3 conv=notrunc,fsync 2>/dev/null")

        # A disk that may only be read.
        assert ask(vm, "dd if=/dev/zero of=/dev/vdc bs=512 count=1 2>/dev/null && echo written") == ""

        if with_filesystem:
            assert ask(vm, "mount -t ext4 /dev/vda /mnt && echo mounted") == "mounted"
            ask(vm, "mkdir /mnt/d; seq 20000 > /mnt/d/numbers; echo left-by-the-guest > /mnt/note; sync")
        else:
            ask(vm, "echo left-by-the-guest > /dev/vda; sync")
        # Synced: it is in the file while the machine runs.
        assert b"left-by-the-guest" in filesystem.read_bytes()
        if with_filesystem:
            assert ask(vm, "umount /mnt && echo away") == "away"
        power_off(vm)

    seq = "".join(f"{i}\n" for i in range(1, 10001)).encode()
    expected = bytearray(pattern(1, 1 << 20))
    expected[3 * 512 : 3 * 512 + len(seq)] = seq
    assert raw.read_bytes() == expected
    assert readonly.read_bytes() == pattern(2, 1 << 20)
    if with_filesystem:
        check_ext4(filesystem)
        # A file of a hundred kilobytes lies in one piece on a fresh file system.
        assert "".join(f"{i}\n" for i in range(1, 20001)).encode() in filesystem.read_bytes()
