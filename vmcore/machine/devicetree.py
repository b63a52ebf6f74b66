"""The device tree of the machine that was really built (bindings as QEMU's ``virt`` and the Linux kernel have them)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from vmcore.config.numa import GuestNode
from vmcore.devices import platform
from vmcore.devices.fdt import Node, Tree, u64
from vmcore.isa.riscv import Isa
from vmcore.machine import memmap
from vmcore.machine.board import Board
from vmcore.machine.numa import describe_distances, memory_ranges, node_of_hart

__all__ = ["Chosen", "build_tree"]

CACHE_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Chosen:
    """What goes into ``/chosen``.

    Attributes
    ----------
    bootargs : str
        The kernel's command line.
    initrd : tuple of (int, int), optional
        First address of the initrd, and first address after it.
    seed : int
        The machine's seed; the guest's ``rng-seed`` is made from it.
    hardware_ad : bool
        Whether harts set A and D bits by themselves from the start (``svadu`` without ``svade``).
    """

    bootargs: str = ""
    initrd: tuple[int, int] | None = None
    seed: int = 0
    hardware_ad: bool = False


def build_tree(board: Board, isa: Isa, chosen: Chosen) -> Tree:
    """Return the tree of a board.

    Parameters
    ----------
    board : Board
        The board.
    isa : Isa
        What its harts execute.
    chosen : Chosen
        What the boot loader tells the kernel.
    """
    root = Tree()
    root["#address-cells"] = 2
    root["#size-cells"] = 2
    root["compatible"] = "riscv-virtio"
    root["model"] = "riscv-virtio,vmcore"
    _add_chosen(root, chosen)
    root.add("aliases")["serial0"] = f"/soc/serial@{memmap.UART:x}"
    nodes = board.options.numa
    for base, size, number in memory_ranges(board.options.banks, nodes):
        memory = root.add(f"memory@{base:x}")
        memory["device_type"] = "memory"
        memory["reg"] = u64(base, size)
        if nodes:
            memory["numa-node-id"] = number
    harts = _add_cpus(root, board.core.nharts, isa, chosen.hardware_ad, nodes)
    if nodes:
        describe_distances(root, nodes)
    soc = root.add("soc")
    soc["#address-cells"] = 2
    soc["#size-cells"] = 2
    soc["compatible"] = "simple-bus"
    soc["ranges"] = True
    platform.add_clint(soc, memmap.CLINT, harts)
    if board.sswi is not None:
        platform.add_sswi(soc, memmap.ACLINT_SSWI, harts)
    plic = platform.add_plic(soc, memmap.PLIC, harts, sources=memmap.PLIC_SOURCES)
    platform.add_uart(soc, memmap.UART, plic, memmap.IRQ_UART)
    platform.add_rtc(soc, memmap.RTC, plic, memmap.IRQ_RTC)
    platform.add_power(root, soc, memmap.TEST)
    platform.add_flash(root, memmap.FLASH)
    for index, slot in enumerate(board.slots):
        base = memmap.VIRTIO + index * memmap.VIRTIO_STRIDE
        slot.describe(_add_device(soc, slot.name, base, slot.size, plic, memmap.IRQ_VIRTIO + index))
    pci = soc.add(f"pci@{memmap.PCI_ECAM:x}")
    if nodes:
        pci["numa-node-id"] = 0
    board.pci.describe(pci, plic)
    for placed in board.placed:
        device = placed.device
        device.describe(_add_device(soc, device.name, placed.base, device.size, plic, placed.irq))
    return root


def _add_device(soc: Node, name: str, base: int, size: int, plic: Node, irq: int) -> Node:
    node = soc.add(f"{name}@{base:x}")
    node["reg"] = u64(base, size)
    node["interrupt-parent"] = plic
    node["interrupts"] = irq
    return node


def _add_chosen(root: Tree, chosen: Chosen) -> None:
    node = root.add("chosen")
    node["stdout-path"] = f"/soc/serial@{memmap.UART:x}"
    node["rng-seed"] = hashlib.sha256(b"vmcore rng-seed %d" % chosen.seed).digest()
    if chosen.bootargs:
        node["bootargs"] = chosen.bootargs
    if chosen.initrd is not None:
        node["linux,initrd-start"] = u64(chosen.initrd[0])
        node["linux,initrd-end"] = u64(chosen.initrd[1])


def _add_cpus(root: Tree, nharts: int, isa: Isa, hardware_ad: bool, numa: Sequence[GuestNode]) -> list[Node]:
    """Add the harts; returns their interrupt controllers."""
    cpus = root.add("cpus")
    cpus["#address-cells"] = 1
    cpus["#size-cells"] = 0
    cpus["timebase-frequency"] = memmap.TIMEBASE_HZ
    # With both names in the list a kernel takes it that Svade is in force until it asks for the other.
    extensions = [name for name in isa.extensions if not (hardware_ad and name == "svade")]
    string = isa.string()
    harts, nodes = [], []
    for index in range(nharts):
        cpu = cpus.add(f"cpu@{index:x}")
        cpu["device_type"] = "cpu"
        cpu["reg"] = index
        cpu["status"] = "okay"
        cpu["compatible"] = "riscv"
        cpu["riscv,isa"] = string
        cpu["riscv,isa-base"] = "rv64i"
        cpu["riscv,isa-extensions"] = extensions
        cpu["mmu-type"] = f"riscv,sv{isa.vm}" if isa.vm else "riscv,none"
        for name in ("cbom", "cboz", "cbop"):
            if isa.has(f"zi{name}"):
                cpu[f"riscv,{name}-block-size"] = CACHE_BLOCK
        if numa:
            cpu["numa-node-id"] = node_of_hart(numa, index)
        interrupts = cpu.add("interrupt-controller")
        interrupts["#interrupt-cells"] = 1
        interrupts["interrupt-controller"] = True
        interrupts["compatible"] = "riscv,cpu-intc"
        harts.append(interrupts)
        nodes.append(cpu)
    cluster = cpus.add("cpu-map").add("cluster0")
    for index, cpu in enumerate(nodes):
        cluster.add(f"core{index}")["cpu"] = cpu
    return harts
