"""Board ``virt``: its map, its device tree, devices of the user's, consoles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmcore import Device, Machine, Register
from vmcore.devices.fdt import Tree
from vmcore.machine import memmap

DRAM = 0x8000_0000
PLIC, UART = 0xC00_0000, 0x1000_0000
Asm = Callable[..., bytes]


class Doorbell(Device):
    """A device in ten lines."""

    name = "doorbell"
    compatible = ("acme,doorbell",)
    state = ("rings",)
    rings = 0
    count = Register(0x0, writable=0)
    ring = Register(0x4)

    @count.on_read
    def _count(self) -> int:
        return self.rings

    @ring.on_write
    def _rung(self, value: int) -> None:
        self.rings += value
        self.irq(self.rings > 2)


def tree_of(vm: Machine) -> Tree:
    return Tree.from_blob(vm.fdt_blob)


def test_the_map_is_qemus() -> None:
    with Machine(ram="64M", harts=2) as vm:
        tree = tree_of(vm)
        nodes = {node.path: node for node in tree}
        expected = {
            "/soc/test@100000": (0x10_0000, 0x1000), "/soc/rtc@101000": (0x10_1000, 0x1000),
            "/soc/clint@2000000": (0x200_0000, 0x1_0000), "/soc/plic@c000000": (0xC00_0000, 0x60_0000),
            "/soc/serial@10000000": (0x1000_0000, 0x100), "/soc/pci@30000000": (0x3000_0000, 0x1000_0000),
            "/soc/virtio_mmio@10001000": (0x1000_1000, 0x1000), "/soc/virtio_mmio@10008000": (0x1000_8000, 0x1000),
            "/memory@80000000": (DRAM, 64 << 20),
        }  # fmt: skip
        for path, (base, size) in expected.items():
            assert nodes[path].cells("reg") == [base >> 32, base & 0xFFFFFFFF, size >> 32, size & 0xFFFFFFFF], path
        interrupts = {path: nodes[path].cells("interrupts") for path in nodes if "interrupts" in nodes[path]}
        assert interrupts["/soc/serial@10000000"] == [10] and interrupts["/soc/rtc@101000"] == [11]
        assert [interrupts[f"/soc/virtio_mmio@1000{i}000"] for i in range(1, 9)] == [[i] for i in range(1, 9)]
        flash = nodes["/flash@20000000"].cells("reg")
        assert flash == [0, 0x2000_0000, 0, 0x200_0000, 0, 0x2200_0000, 0, 0x200_0000]
        for hart in range(2):
            cpu = nodes[f"/cpus/cpu@{hart}"]
            assert cpu.strings("mmu-type") == ["riscv,sv57"]
            assert cpu.cells("riscv,cbom-block-size") == cpu.cells("riscv,cboz-block-size") == [64]
            assert cpu.strings("riscv,isa-base") == ["rv64i"]
            assert {"i", "m", "a", "zba", "sstc", "svadu"} <= set(cpu.strings("riscv,isa-extensions"))
        assert nodes["/cpus"].cells("timebase-frequency") == [10_000_000]
        assert nodes["/chosen"].strings("stdout-path") == ["/soc/serial@10000000"]
        assert nodes["/poweroff"].cells("regmap") == [nodes["/soc/test@100000"].phandle]
        assert len(nodes["/soc/plic@c000000"].cells("interrupts-extended")) == 8
        assert "/soc/sswi@2f00000" not in nodes
        assert vm.fdt.startswith("/dts-v1/;")


def test_the_tree_says_what_the_harts_really_have() -> None:
    with Machine(ram="1M", isa="rv64imac_sv39", aclint=True) as vm:
        tree = tree_of(vm)
        cpu = tree.find("/cpus/cpu@0")
        assert cpu is not None and cpu.strings("mmu-type") == ["riscv,sv39"]
        names = cpu.strings("riscv,isa-extensions")
        assert "m" in names and not {"f", "d", "zba", "sstc"} & set(names)
        assert "riscv,cbom-block-size" not in cpu
        assert tree.find("/soc/sswi@2f00000") is not None
    with Machine(ram="1M", isa="rv64gc_svbare") as vm:
        cpu = tree_of(vm).find("/cpus/cpu@0")
        assert cpu is not None and cpu.strings("mmu-type") == ["riscv,none"]


def test_a_second_bank(asm: Asm) -> None:
    with Machine(ram="16M", extra_ram=[(0x10_0000_0000, "4M")]) as vm:
        vm.mem[0x10_0000_0000:] = asm("addi rd=10 rs1=0 imm=9")
        vm.pc = 0x10_0000_0000
        vm.step()
        assert vm.x.a0 == 9
        assert tree_of(vm).find("/memory@1000000000") is not None
        high = [window.base for window in vm.board.pci.windows if window.kind == "memory64"]
        assert high[0] >= 0x10_0040_0000 == 0x10_0000_0000 + (4 << 20)


def test_a_device_in_ten_lines(asm: Asm) -> None:
    bell = Doorbell()
    with Machine(ram="1M", devices=[bell, Doorbell()]) as vm:
        node = tree_of(vm).find("/soc/doorbell@4000000")
        assert node is not None
        assert node.strings("compatible") == ["acme,doorbell"] and node.cells("interrupts") == [64]
        second = tree_of(vm).find("/soc/doorbell@4001000")
        assert second is not None and second.cells("interrupts") == [65]
        # M-mode enables the PLIC's input 64 for itself, rings three times and waits.
        for offset, value in ((4 * 64, 1), (0x2008, 1), (0x20_0000, 0)):
            vm.board.plic.write(offset, 4, value)
        vm.x.a1 = memmap.PLATFORM
        vm.csr.mie = 1 << 11
        vm.mem[DRAM:] = asm(
            "addi rd=12 rs1=0 imm=1", "sw rs2=12 rs1=11 imm=4", "sw rs2=12 rs1=11 imm=4", "sw rs2=12 rs1=11 imm=4",
            "wfi", "lw rd=10 rs1=11 imm=0", "jal rd=0 imm=0",
        )  # fmt: skip
        assert vm.run(until=DRAM + 24, max_insns=1000).reason == "until", "the interrupt ends the wait"
        assert vm.x.a0 == bell.rings == 3
        assert vm.csr.mip >> 11 & 1
        assert vm.board.plic.read(0x20_0004, 4) == 64


def test_dma_of_a_device_reaches_memory(asm: Asm) -> None:
    class Copier(Device):
        name = "copier"
        go = Register(0, 8)

        @go.on_write
        def _go(self, value: int) -> None:
            self.memory.write(value, self.memory.read(value + 8, 8))

    with Machine(ram="1M", devices=[Copier()]) as vm:
        vm.mem[DRAM + 0x108 : DRAM + 0x110] = b"payload!"
        vm.x.a1, vm.x.a2 = memmap.PLATFORM, DRAM + 0x100
        vm.mem[DRAM:] = asm("sd rs2=12 rs1=11 imm=0", "ld rd=10 rs1=12 imm=0", "jal rd=0 imm=0")
        vm.run(max_insns=10)
        assert vm.x.a0.to_bytes(8, "little") == b"payload!"


def test_the_console_waits_for_room_in_the_uart(asm: Asm) -> None:
    """An echo program that polls the UART: every byte comes back, however many are typed at once."""
    with Machine(ram="1M") as vm:
        vm.x.a1 = UART
        vm.mem[DRAM:] = asm(
            "lbu rd=10 rs1=11 imm=5", "andi rd=10 rs1=10 imm=1", "beq rs1=10 rs2=0 imm=-8",
            "lbu rd=12 rs1=11 imm=0", "sb rs2=12 rs1=11 imm=0", "jal rd=0 imm=-20",
        )  # fmt: skip
        text = bytes(range(32, 127)) * 100
        vm.console.write(text)
        vm.console.write("END")
        match = vm.console.expect("END", timeout=5)
        assert match.before == text.decode()
        assert vm.console.unsent == 0


def test_what_was_typed_reaches_a_guest_that_polls_in_a_plain_run(asm: Asm) -> None:
    with Machine(ram="1M") as vm:
        vm.x.a1, vm.x.a3 = UART, 20_000
        vm.mem[DRAM:] = asm(
            "lbu rd=10 rs1=11 imm=5", "andi rd=10 rs1=10 imm=1", "beq rs1=10 rs2=0 imm=-8",
            "lbu rd=12 rs1=11 imm=0", "addi rd=13 rs1=13 imm=-1", "bne rs1=13 rs2=0 imm=-20", "jal rd=0 imm=0",
        )  # fmt: skip
        vm.console.write(b"y" * 20_000)
        assert vm.console.unsent > 0
        vm.break_at(DRAM + 24)
        assert vm.run().reason == "breakpoint"
        assert vm.console.unsent == 0
        vm.breakpoints.clear()
        assert vm.run(max_insns=10).reason == "budget"


def test_a_guest_that_prints_is_never_held_up(asm: Asm) -> None:
    """A driver that waits for the transmitter goes on although nobody reads the console."""
    with Machine(ram="1M") as vm:
        vm.x.a1, vm.x.a2, vm.x.a3 = UART, ord("x"), 200_000
        vm.mem[DRAM:] = asm(
            "lbu rd=10 rs1=11 imm=5", "andi rd=10 rs1=10 imm=32", "beq rs1=10 rs2=0 imm=-8",
            "sb rs2=12 rs1=11 imm=0", "addi rd=13 rs1=13 imm=-1", "bne rs1=13 rs2=0 imm=-20", "jal rd=0 imm=0",
        )  # fmt: skip
        assert vm.run(until=DRAM + 24, timeout=1).reason == "until"
        assert vm.console.read() == "x" * 200_000
        assert vm.board.uart.overruns == 0


def test_consoles_by_name(tmp_path: Path) -> None:
    with Machine(ram="1M") as vm:
        assert list(vm.consoles) == ["ttyS0"] and vm.console.name == "ttyS0"
    image = tmp_path / "disk"
    image.write_bytes(bytes(1 << 20))
    with Machine(ram="1M", console="hvc0", rng=True, disks=[image]) as vm:
        assert vm.console.name == "hvc0" and "ttyS0" in vm.consoles
        functions = [function for function in vm.board.pci.functions if function is not None]
        assert len(functions) == 4, "host bridge, disk, console, entropy"


def test_sbi_and_the_uart_share_a_console(make_image: Asm, asm: Asm) -> None:
    """What DBCN and the legacy calls print stands in order with the UART's; what is typed reaches getchar."""
    code = asm(
        "lui rd=11 imm=0x10000000", "addi rd=12 rs1=0 imm=65", "sb rs2=12 rs1=11 imm=0",  # A by the UART
        "lui rd=17 imm=0x44424000", "addi rd=17 rs1=17 imm=0x34e", "addi rd=16 rs1=0 imm=2",
        "addi rd=10 rs1=0 imm=66", "ecall",  # B by DBCN
        "addi rd=17 rs1=0 imm=1", "addi rd=10 rs1=0 imm=67", "ecall",  # C by putchar
        "lui rd=11 imm=0x10000000", "addi rd=12 rs1=0 imm=68", "sb rs2=12 rs1=11 imm=0",  # D
        "addi rd=17 rs1=0 imm=2", "ecall", "blt rs1=10 rs2=0 imm=-4",  # getchar until there is one
        "addi rd=17 rs1=0 imm=1", "ecall", "jal rd=0 imm=0",
    )  # fmt: skip
    with Machine(kernel=make_image(code), ram="16M") as vm:
        assert vm.console.expect("D", timeout=1).before == "ABC"
        vm.console.write("z")
        assert vm.console.expect("z", timeout=1).text == "z"


@pytest.mark.parametrize("harts", [1, 8])
def test_every_hart_has_its_interrupts(harts: int) -> None:
    with Machine(ram="1M", harts=harts) as vm:
        for hart in range(harts):
            vm.board.clint.write(4 * hart, 4, 1)
            assert [h.csr.mip >> 3 & 1 for h in vm.harts] == [int(i == hart) for i in range(harts)]
            vm.board.clint.write(4 * hart, 4, 0)
