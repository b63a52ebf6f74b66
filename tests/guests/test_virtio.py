"""Drivers that are not ours against the virtio devices: Linux and U-Boot, over PCI and over MMIO."""

from __future__ import annotations

import hashlib
import random
import zlib

import pytest

from vmcore.machine.disk import Disk
from vmcore.machine.machine import Machine

pytestmark = [pytest.mark.guest, pytest.mark.slow]

MIB = 1 << 20


@pytest.fixture
def noise() -> bytes:
    return random.Random(1).randbytes(4 * MIB)


def test_linux_uses_every_device(guest_image, tmp_path, noise):
    over_pci, over_mmio, constant = (tmp_path / name for name in ("pci.img", "mmio.img", "constant.img"))
    over_pci.write_bytes(noise)
    over_mmio.write_bytes(bytes(2 * MIB))
    constant.write_bytes(b"c" * MIB)
    disks = [
        Disk(over_pci, serial="over-pci"),
        Disk(over_mmio, serial="over-mmio", transport="mmio"),
        Disk(constant, readonly=True, serial="constant"),
    ]
    kernel = guest_image("debian-kernel").files["kernel"]
    initrd = guest_image("busybox").files["initrd-modules"]
    with Machine(kernel=kernel, initrd=initrd, append="console=ttyS0", disks=disks, rng=True) as vm:
        sh = vm.console.login()
        serials = sh.run("cd /sys/block; for d in vd*; do echo $(cat $d/serial) /dev/$d; done; cd").stdout
        path = dict(line.split() for line in serials.splitlines())
        assert set(path) == {"over-pci", "over-mmio", "constant"}
        # The stock kernel finds the devices on the bus and gives them addresses and interrupts.
        found = sh.run("cat /sys/bus/pci/devices/*/device").stdout.split()
        assert found == ["0x0008", "0x1042", "0x1042", "0x1044"]
        # Every byte is read, in requests of many buffers.
        digest = sh.run(f"sha256sum < {path['over-pci']}", timeout=600).stdout.split()[0]
        assert digest == hashlib.sha256(noise).hexdigest()
        # From one disk to the other, at an odd place, and flushed.
        copy = f"dd if={path['over-pci']} of={path['over-mmio']} bs=512 skip=7 seek=9 count=1500 conv=fsync"
        assert sh.run(copy, timeout=600).ok
        assert over_mmio.read_bytes()[9 * 512 : 1509 * 512] == noise[7 * 512 : 1507 * 512]
        assert not any(over_mmio.read_bytes()[: 9 * 512])
        # A file system: made, mounted, filled, and unmounted.
        assert sh.run(f"mke2fs {path['over-mmio']} && mount -t ext4 {path['over-mmio']} /mnt").ok
        assert sh.run("echo kept-on-disk > /mnt/file && umount /mnt").ok
        assert b"kept-on-disk\n" in over_mmio.read_bytes()
        assert not sh.run(f"dd if=/dev/zero of={path['constant']} count=1").ok
        assert sh.run("cat /sys/class/misc/hw_random/rng_current").stdout.strip() == "virtio_rng.0"
        first, second = (sh.run("dd if=/dev/hwrng bs=64 count=1 2>/dev/null | sha256sum").stdout for _ in range(2))
        assert first != second
        assert "NEEDS_RESET" not in sh.run("dmesg").stdout
        vm.console.send("poweroff -f")
        assert vm.run().reason.name == "POWEROFF"
    assert constant.read_bytes() == b"c" * MIB
    assert over_pci.read_bytes() == noise


def test_linux_on_the_virtio_console(guest_image):
    kernel = guest_image("debian-kernel").files["kernel"]
    initrd = guest_image("busybox").files["initrd-modules"]
    with Machine(kernel=kernel, initrd=initrd, append="console=hvc0", console="hvc0") as vm:
        sh = vm.console.login()
        assert sh.run("tty").stdout.strip() == "/dev/hvc0"
        assert sh.run("seq 3000").stdout == "".join(f"{i}\n" for i in range(1, 3001))


def test_u_boot_reads_disks_over_pci_and_mmio(guest_image, tmp_path, noise):
    images = [tmp_path / "pci.img", tmp_path / "mmio.img"]
    images[0].write_bytes(noise)
    images[1].write_bytes(noise[::-1])
    bios = guest_image("u-boot").files["bios"]
    with Machine(bios=bios, disks=[Disk(images[0]), Disk(images[1], transport="mmio")]) as vm:
        con = vm.console

        def command(line: str) -> str:
            con.send(line)
            return con.expect("\n=> ", timeout=120).before

        con.expect("autoboot", timeout=120)
        con.write("  ")
        con.expect("=> ", timeout=60)
        assert "0x1af4     0x1042" in command("pci")
        command("virtio scan")
        assert command("virtio info").count("Hard Disk") == 2
        sums = set()
        for device in range(2):
            # One request for all of it, and what a second one changes on the disk.
            assert "8192 blocks read: OK" in command(f"virtio dev {device}; virtio read 0x84000000 0 0x2000")
            sums.add(int(command("crc32 0x84000000 0x400000").split("==> ")[1].split()[0], 16))
            command("mw.b 0x84000000 0x5a 0x400")
            assert "2 blocks written: OK" in command("virtio write 0x84000000 5 2")
        assert sums == {zlib.crc32(noise), zlib.crc32(noise[::-1])}
    for image, data in zip(images, (noise, noise[::-1]), strict=True):
        assert image.read_bytes() == data[: 5 * 512] + b"Z" * 1024 + data[7 * 512 :]
