"""The real images of the catalogue, out of the archive that this machine knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmcore.images import CATALOGUE, ImageSet

pytestmark = pytest.mark.guest

RISCV_IMAGE = b"RSC\x05"
"""The second magic of a raw RISC-V kernel, at offset 56 (the kernel's documentation, "boot image header")."""


def starts(path: Path, size: int = 64) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def test_kernels_are_raw_images(guest_image: Callable[[str], ImageSet]) -> None:
    kernel = guest_image("debian-kernel")
    assert starts(kernel.kernel)[56:60] == RISCV_IMAGE
    assert list(kernel.files["modules"].rglob("virtio_blk.ko*"))


def test_busybox_has_the_modules_for_a_disk(guest_image: Callable[[str], ImageSet]) -> None:
    busybox = guest_image("busybox")
    assert starts(busybox.initrd, 6) == b"070701"
    data = busybox.files["initrd-modules"].read_bytes()
    for module in (b"virtio_blk.ko", b"ext4.ko", b"jbd2.ko"):
        assert b"lib/modules/" + module + b"\0" in data
    assert b"lib/modules/ext4.ko" not in busybox.initrd.read_bytes()


def test_firmware(guest_image: Callable[[str], ImageSet]) -> None:
    opensbi, u_boot = guest_image("opensbi"), guest_image("u-boot")
    assert b"OpenSBI" in opensbi.bios.read_bytes()
    assert starts(opensbi.files["fw_jump_elf"], 4) == b"\x7fELF"
    assert b"U-Boot 20" in u_boot.bios.read_bytes()
    assert u_boot.kernel.read_bytes() != u_boot.bios.read_bytes()


def test_the_catalogue_says_what_is_known_about_it() -> None:
    assert set(CATALOGUE) >= {"debian-netboot", "debian-kernel", "busybox", "opensbi", "u-boot"}
    assert all(row.description and row.download for row in CATALOGUE.values())
