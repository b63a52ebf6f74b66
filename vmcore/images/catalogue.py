"""The images that can be pulled, as data: which packages they are made of and which files are taken out of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CATALOGUE", "SUITE", "Image"]

SUITE = "trixie"
"""The Debian release that the packages are taken from: the first with riscv64."""


@dataclass(frozen=True)
class Image:
    """One row of the catalogue.

    Attributes
    ----------
    name : str
        What the user says.
    description : str
        One line for ``vmcore image list``.
    package : str
        The Debian package.
    files : mapping of str to str
        Role (``kernel``, ``initrd``, ``bios``, ...) to a regular expression that one member's path must match in full.
    download : int
        Size of the download in bytes, about.
    depends : str
        A regular expression: the package is a metapackage, and the real one is its dependency of this name.
    trees : mapping of str to str
        Role to a folder of the package that is taken whole.
    built_from : tuple of str
        Other images that this one is built from.
    """

    name: str
    description: str
    package: str
    files: Mapping[str, str]
    download: int
    depends: str = ""
    trees: Mapping[str, str] = field(default_factory=dict)
    built_from: tuple[str, ...] = ()


def _installer(file: str) -> str:
    return rf"usr/lib/debian-installer/images/\d+/riscv64/text/debian-installer/riscv64/{file}"


_ROWS = (
    Image(
        "debian-netboot",
        "Debian's installer: kernel and initrd",
        "debian-installer-13-netboot-riscv64",
        {"kernel": _installer("linux"), "initrd": _installer(r"initrd\.gz")},
        52_400_000,
    ),
    Image(
        "debian-kernel",
        "Debian's kernel and its modules",
        "linux-image-riscv64",
        {"kernel": r"boot/vmlinu[xz]-[^/]+", "config": r"boot/config-[^/]+"},
        112_000_000,
        depends=r"linux-image-\d[^ ,]*-riscv64",
        trees={"modules": "usr/lib/modules"},
    ),
    Image(
        "busybox",
        "a small initramfs with a shell; a second one loads the disk's modules first",
        "busybox-static",
        {"busybox": r"(usr/)?bin/busybox"},
        942_000,
        built_from=("debian-kernel",),
    ),
    Image(
        "opensbi",
        "OpenSBI firmware, generic platform",
        "opensbi",
        {
            "bios": r"usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic\.bin",
            "fw_dynamic_elf": r"usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic\.elf",
            "fw_jump": r"usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump\.bin",
            "fw_jump_elf": r"usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump\.elf",
        },
        204_000,
    ),
    Image(
        "u-boot",
        "U-Boot: `bios` runs in M-mode, `kernel` in S-mode under OpenSBI or the built-in SBI",
        "u-boot-qemu",
        {
            "bios": r"usr/lib/u-boot/qemu-riscv64/u-boot\.bin",
            "kernel": r"usr/lib/u-boot/qemu-riscv64_smode/u-boot\.bin",
        },
        2_330_000,
    ),
)

CATALOGUE: Mapping[str, Image] = {row.name: row for row in _ROWS}
"""Every image by name."""
