"""Where firmware, kernel, initrd and device tree go, so that none is in another's way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmcore.config.values import format_size
from vmcore.errors import BootError

__all__ = ["Extent", "place_fdt", "place_initrd", "place_kernel"]

PAGE = 4096
MEGAPAGE = 2 << 20
# Firmware and kernels with 32-bit habits look for the tree below 3 GiB, as QEMU's virt board promises.
FDT_LIMIT = 3 << 30
INITRD_GAP = 128 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """A piece of physical memory in use, for messages and for collisions.

    Attributes
    ----------
    what : str
        Who has it.
    start, end : int
        First address, and first address after it.
    """

    what: str
    start: int
    end: int


def _align_up(value: int, alignment: int) -> int:
    return (value + alignment - 1) & -alignment


def place_kernel(size: int, text_offset: int, dram: tuple[int, int], taken: Sequence[Extent]) -> int:
    """Return where a raw kernel goes: DRAM's start plus its offset, behind the firmware where one is there.

    Parameters
    ----------
    size : int
        Bytes that the kernel takes in memory.
    text_offset : int
        What its header asks for.
    dram : (int, int)
        Start and size of the bank.
    taken : sequence of Extent
        What is there already.

    Raises
    ------
    BootError
        It does not fit.
    """
    base, length = dram
    start = base + text_offset
    for extent in taken:
        if start < extent.end and extent.start < start + size:
            start = _align_up(extent.end - text_offset % MEGAPAGE, MEGAPAGE) + text_offset % MEGAPAGE
    if start + size > base + length:
        raise BootError(
            f"the kernel needs {start:#x}..{start + size:#x} ({size} bytes), the memory ends at {base + length:#x}",
            hint=f"Give the machine at least ram='{_round_up_mega(start + size - base)}'",
        )
    return start


def place_fdt(size: int, dram: tuple[int, int], taken: Sequence[Extent]) -> int:
    """Return where a device tree of `size` bytes goes: as high as possible, below 3 GiB, on a 2 MiB boundary.

    Raises
    ------
    BootError
        There is no room behind what is `taken`.
    """
    base, length = dram
    end = min(base + length, FDT_LIMIT) if base < FDT_LIMIT else base + length
    floor = max((extent.end for extent in taken if extent.start < end), default=base)
    for alignment in (MEGAPAGE, PAGE):
        start = (end - size) & -alignment
        if start >= floor and start > base:
            return start
    raise BootError(
        f"no room for the device tree: it needs {size} bytes between {floor:#x} and {end:#x}",
        hint=f"Give the machine at least ram='{_round_up_mega(floor + size - base + PAGE)}'",
    )


def place_initrd(size: int, kernel: Extent, exact: bool, ceiling: int, base: int) -> int:
    """Return where an initrd goes: behind the kernel's last byte in memory, below the device tree.

    Parameters
    ----------
    size : int
        Its bytes.
    kernel : Extent
        What the kernel takes in memory.
    exact : bool
        Whether the kernel said how much that is (an ``Image`` header or an ELF file does). Behind a flat binary a
        gap is left, for the zeroed data that nobody knows of.
    ceiling : int
        Where the device tree begins.
    base : int
        Start of the memory bank.

    Raises
    ------
    BootError
        There is no room.
    """
    # Where QEMU puts it: firmware such as OpenSBI's fw_jump copies the device tree right behind the kernel.
    apart = max(kernel.end, kernel.start + min((ceiling - base) // 2, INITRD_GAP))
    floor = kernel.end if exact else apart
    for start in (_align_up(apart, MEGAPAGE), _align_up(floor, MEGAPAGE), _align_up(floor, PAGE)):
        if start + size <= ceiling:
            return start
    need = _align_up(floor, PAGE) + size
    raise BootError(
        f"the initrd has {size} bytes, and only {max(0, ceiling - _align_up(floor, PAGE))} are free behind the kernel, "
        f"which ends at {floor:#x}, and the device tree at {ceiling:#x}",
        hint=f"Give the machine at least ram='{_round_up_mega(need - base + 2 * MEGAPAGE)}'",
    )


def _round_up_mega(size: int) -> str:
    return format_size(_align_up(size, 1 << 20))
