"""The memory map and interrupt numbers of board ``virt``: those of QEMU's machine of that name."""

from __future__ import annotations

__all__ = [
    "ACLINT_SSWI",
    "CLINT",
    "CLINT_SIZE",
    "DRAM",
    "FLASH",
    "FLASH_BANK",
    "IRQ_PCI",
    "IRQ_PLATFORM",
    "IRQ_PLATFORM_END",
    "IRQ_RTC",
    "IRQ_UART",
    "IRQ_VIRTIO",
    "PCI_ECAM",
    "PCI_ECAM_SIZE",
    "PCI_HIGH_SIZE",
    "PCI_MMIO",
    "PCI_MMIO_SIZE",
    "PCI_PIO",
    "PCI_PIO_SIZE",
    "PLATFORM",
    "PLATFORM_SIZE",
    "PLIC",
    "PLIC_SIZE",
    "PLIC_SOURCES",
    "RESET_ROM",
    "RESET_ROM_SIZE",
    "RTC",
    "TEST",
    "TIMEBASE_HZ",
    "UART",
    "VIRTIO",
    "VIRTIO_SLOTS",
    "VIRTIO_STRIDE",
    "pci_high",
]

TIMEBASE_HZ = 10_000_000

RESET_ROM, RESET_ROM_SIZE = 0x1000, 0xF000
TEST = 0x10_0000
RTC = 0x10_1000
CLINT, CLINT_SIZE = 0x200_0000, 0x1_0000
ACLINT_SSWI = 0x2F0_0000
PCI_PIO, PCI_PIO_SIZE = 0x300_0000, 0x1_0000
# QEMU keeps this window for devices that the user plugs in; here they are the ones written in Python.
PLATFORM, PLATFORM_SIZE = 0x400_0000, 0x200_0000
PLIC, PLIC_SIZE = 0xC00_0000, 0x60_0000
UART = 0x1000_0000
VIRTIO, VIRTIO_STRIDE, VIRTIO_SLOTS = 0x1000_1000, 0x1000, 8
FLASH, FLASH_BANK = 0x2000_0000, 0x200_0000
PCI_ECAM, PCI_ECAM_SIZE = 0x3000_0000, 0x1000_0000
PCI_MMIO, PCI_MMIO_SIZE = 0x4000_0000, 0x4000_0000
DRAM = 0x8000_0000
PCI_HIGH_SIZE = 16 << 30

PLIC_SOURCES = 96
IRQ_VIRTIO = 1
IRQ_UART = 10
IRQ_RTC = 11
IRQ_PCI = 32
IRQ_PLATFORM, IRQ_PLATFORM_END = 64, 96


def pci_high(memory_end: int) -> int:
    """Return where the 64-bit PCI window begins: above all memory, on a boundary of its own size."""
    return (memory_end + PCI_HIGH_SIZE - 1) & -PCI_HIGH_SIZE
