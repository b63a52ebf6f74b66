"""Device-tree nodes of the platform devices, with the bindings that QEMU's ``virt`` uses.

Each function adds the node of one device to the tree that the board is building and returns it. Interrupts are named
by nodes: `harts` are the ``riscv,cpu-intc`` nodes in hart order, `plic` the interrupt controller.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmcore.devices.fdt import Node, u64

__all__ = [
    "UART_CLOCK_HZ",
    "add_clint",
    "add_flash",
    "add_plic",
    "add_power",
    "add_rtc",
    "add_sswi",
    "add_uart",
]

#: What the UART's divisor divides; transmission takes no time here, so it matters only to drivers' arithmetic.
UART_CLOCK_HZ = 3686400

# Local interrupt numbers of a hart (bits of mip).
_SSIP, _MSIP, _MTIP, _SEIP, _MEIP = 1, 3, 7, 9, 11


def _lines(harts: Sequence[Node], *numbers: int) -> list[Node | int]:
    """Return ``interrupts-extended``: the same local interrupts of every hart."""
    out: list[Node | int] = []
    for hart in harts:
        for number in numbers:
            out += [hart, number]
    return out


def _device(soc: Node, name: str, base: int, size: int, *compatible: str) -> Node:
    node = soc.add(f"{name}@{base:x}")
    node["compatible"] = compatible
    node["reg"] = u64(base, size)
    return node


def add_clint(soc: Node, base: int, harts: Sequence[Node], *, size: int = 0x10000) -> Node:
    """Add the CLINT (:class:`vmcore._fast.dev.clint.Clint`)."""
    node = _device(soc, "clint", base, size, "sifive,clint0", "riscv,clint0")
    node["interrupts-extended"] = _lines(harts, _MSIP, _MTIP)
    return node


def add_sswi(soc: Node, base: int, harts: Sequence[Node], *, size: int = 0x4000) -> Node:
    """Add the ACLINT's supervisor software interrupts (:class:`vmcore._fast.dev.aclint.Sswi`)."""
    node = _device(soc, "sswi", base, size, "riscv,aclint-sswi")
    node["interrupts-extended"] = _lines(harts, _SSIP)
    node["interrupt-controller"] = True
    node["#interrupt-cells"] = 0
    return node


def add_plic(soc: Node, base: int, harts: Sequence[Node], *, sources: int = 96, size: int = 0x600000) -> Node:
    """Add the PLIC (:class:`vmcore._fast.dev.plic.Plic`)."""
    node = _device(soc, "plic", base, size, "sifive,plic-1.0.0", "riscv,plic0")
    node["interrupts-extended"] = _lines(harts, _MEIP, _SEIP)
    node["interrupt-controller"] = True
    node["#interrupt-cells"] = 1
    node["#address-cells"] = 0
    node["riscv,ndev"] = sources
    return node


def _interrupt(node: Node, plic: Node, irq: int) -> None:
    node["interrupt-parent"] = plic
    node["interrupts"] = irq


def add_uart(soc: Node, base: int, plic: Node, irq: int, *, size: int = 0x100) -> Node:
    """Add the UART (:class:`vmcore._fast.dev.uart.Uart`)."""
    node = _device(soc, "serial", base, size, "ns16550a")
    node["clock-frequency"] = UART_CLOCK_HZ
    _interrupt(node, plic, irq)
    return node


def add_rtc(soc: Node, base: int, plic: Node, irq: int, *, size: int = 0x1000) -> Node:
    """Add the goldfish real-time clock (:class:`vmcore._fast.dev.rtc.Rtc`)."""
    node = _device(soc, "rtc", base, size, "google,goldfish-rtc")
    _interrupt(node, plic, irq)
    return node


def add_power(root: Node, soc: Node, base: int, *, size: int = 0x1000) -> Node:
    """Add the test finisher (:class:`vmcore._fast.dev.power.PowerControl`) and what uses it to power off and reboot."""
    node = _device(soc, "test", base, size, "sifive,test1", "sifive,test0", "syscon")
    for name, value in (("poweroff", 0x5555), ("reboot", 0x7777)):
        user = root.add(name)
        user["compatible"] = f"syscon-{name}"
        user["regmap"] = node
        user["offset"] = 0
        user["value"] = value
    return node


def add_flash(root: Node, base: int, *, bank: int = 32 << 20, banks: int = 2) -> Node:
    """Add the flash (:class:`vmcore._fast.dev.flash.Flash`, one a bank)."""
    node = root.add(f"flash@{base:x}")
    node["compatible"] = "cfi-flash"
    node["reg"] = u64(*[value for i in range(banks) for value in (base + i * bank, bank)])
    node["bank-width"] = 4
    return node
