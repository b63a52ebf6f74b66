"""Boot: what the first instruction finds, on every way there is."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vmcore import Machine
from vmcore.devices.fdt import Tree

DRAM = 0x8000_0000
ROM = 0x1000
Maker = Callable[..., bytes]
HANG = b"\x6f\0\0\0"


def tree_at(vm: Machine, address: int) -> Tree:
    size = int.from_bytes(vm.phys[address + 4 : address + 8], "big")
    return Tree.from_blob(vm.phys[address : address + size])


def test_the_builtin_firmware_hands_over_in_s_mode(make_image: Maker) -> None:
    with Machine(kernel=make_image(HANG, image_size=0x10_0000), ram="64M", harts=2, append="quiet") as vm:
        one, two = vm.harts
        assert (one.pc, one.priv, one.x.a0, one.stopped) == (DRAM + 0x20_0000, 1, 0, False)
        assert two.stopped
        assert vm.csr.satp == 0 and vm.csr.sstatus & 2 == 0
        assert vm.csr.medeleg == 0xB1FF and vm.csr.mideleg == 0x222
        assert vm.csr.menvcfg >> 61 == 0b111 and vm.csr.menvcfg & 0xF0 == 0xF0
        assert vm.csr.mcounteren & 7 == 7
        tree = tree_at(vm, vm.x.a1)
        chosen = tree.find("/chosen")
        assert chosen is not None and chosen.strings("bootargs") == ["quiet"]
        assert vm.run(max_insns=100).reason == "budget"
        assert one.pc == DRAM + 0x20_0040


def test_the_initrd_lies_past_the_kernels_zeroed_data(make_image: Maker) -> None:
    initrd = os.urandom(100_000)
    with Machine(kernel=make_image(HANG, image_size=0x180_0000), initrd=initrd, ram="64M") as vm:
        chosen = tree_at(vm, vm.x.a1).find("/chosen")
        assert chosen is not None
        start, end = (int.from_bytes(chosen[f"linux,initrd-{which}"], "big") for which in ("start", "end"))
        assert end - start == len(initrd) and start >= DRAM + 0x20_0000 + 0x180_0000
        assert vm.phys[start:end] == initrd
        assert end <= vm.x.a1


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: data])
def test_elf_kernels_keep_their_symbols(make_elf: Maker, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    data = make_elf(
        [(DRAM + 0x20_0000, HANG * 4, 0x1000)],
        entry=0xFFFF_FFFF_8000_0004,
        virtual=0xFFFF_FFFF_8000_0000 - DRAM - 0x20_0000,
        symbols={"_start": (0xFFFF_FFFF_8000_0004, 4, 0x12)},
    )
    path = tmp_path / "kernel"
    path.write_bytes(pack(data))
    with Machine(kernel=path, ram="16M") as vm:
        assert vm.pc == DRAM + 0x20_0004, "the entry point as a physical address"
        assert vm.symbols["_start"] == 0xFFFF_FFFF_8000_0004


def test_a_flat_kernel(asm: Maker) -> None:
    with Machine(kernel=HANG, ram="16M") as vm:
        assert vm.pc == DRAM + 0x20_0000
    with Machine(kernel=HANG, bios="none", ram="16M") as vm:
        vm.run(until=DRAM, max_insns=100)
        assert (vm.pc, vm.harts[0].priv) == (DRAM, 3)


def test_firmware_is_reached_through_the_reset_rom(make_elf: Maker, make_image: Maker) -> None:
    firmware = make_elf(code=HANG)
    with Machine(bios=firmware, kernel=make_image(HANG), ram="16M", harts=2) as vm:
        assert [hart.pc for hart in vm.harts] == [ROM, ROM]
        vm.run(max_insns=100_000)
        for hart in vm.harts:
            assert (hart.pc, hart.priv, hart.x.a0) == (DRAM, 3, hart.index)
            assert tree_at(vm, hart.x.a1).find("/cpus/cpu@1") is not None
            info = [int.from_bytes(vm.phys[hart.x.a2 + 8 * i : hart.x.a2 + 8 * i + 8], "little") for i in range(6)]
            assert info == [0x4942534F, 2, DRAM + 0x20_0000, 1, 0, 0]
        with pytest.raises(Exception, match="0x1000"):
            vm.core.memory.write(ROM, b"x")
        for hart in vm.harts:
            hart.x.t0 = ROM
            hart.pc = DRAM + 4
        vm.mem[DRAM + 4 :] = bytes.fromhex("23a00200")  # sw zero, 0(t0)
        vm.step()
        assert 7 in [hart.csr.mcause for hart in vm.harts], "the guest cannot write the ROM"


def test_m_mode_kernels(make_elf: Maker) -> None:
    with Machine(bios="none", kernel=make_elf(code=HANG * 4, entry=DRAM + 8), ram="1M", harts=2) as vm:
        vm.run(max_insns=50_000)
        assert [(h.pc, h.priv, h.x.a0) for h in vm.harts] == [(DRAM + 8, 3, 0), (DRAM + 8, 3, 1)]


def test_flash_is_started_where_there_is_no_kernel() -> None:
    flash = HANG + bytes(100)
    with Machine(flash=[flash], ram="16M") as vm:
        vm.run(max_insns=100)
        assert (vm.pc, vm.harts[0].priv) == (0x2000_0000, 3)
    with Machine(flash=[flash, b"variables"], bios="builtin", ram="16M") as vm:
        vm.run(max_insns=100)
        assert (vm.pc, vm.harts[0].priv) == (0x2000_0000, 1)


def test_reset_brings_everything_back(make_image: Maker, asm: Maker) -> None:
    code = asm("addi rd=5 rs1=5 imm=1", "jal rd=0 imm=-4")
    with Machine(kernel=make_image(code, image_size=0x1000), initrd=b"initrd", ram="16M", harts=2) as vm:
        start = vm.pc
        before = (vm.phys[start : start + 0x1000], vm.fdt_blob, list(vm.x))
        vm.run(max_insns=1000)
        vm.phys[start : start + 0x1000] = b"\xff" * 0x1000
        vm.x.sp = 5
        vm.board.uart.write(7, 1, 0x55)
        vm.reset()
        assert (vm.phys[start : start + 0x1000], vm.fdt_blob, list(vm.x)) == before
        assert (vm.pc, vm.harts[0].priv, vm.harts[1].stopped) == (start, 1, True)
        assert vm.board.uart.read(7, 1) == 0
        vm.run(max_insns=1000)
        assert vm.x.t0 == 500


def test_the_same_tree_for_the_same_seed(make_image: Maker) -> None:
    def blob(seed: int) -> bytes:
        with Machine(kernel=make_image(HANG), ram="16M", seed=seed) as vm:
            return hashlib.sha256(vm.fdt_blob).digest()

    assert blob(1) == blob(1) != blob(2)


def test_a_reboot_restarts_or_stops(make_image: Maker, asm: Maker) -> None:
    # ecall SRST cold reboot
    code = asm(
        "lui rd=17 imm=0x53525000", "addi rd=17 rs1=17 imm=0x354",
        "addi rd=10 rs1=0 imm=1", "addi rd=11 rs1=0 imm=0", "ecall",
    )  # fmt: skip
    with Machine(kernel=make_image(code), ram="16M", reboot="stop") as vm:
        stop = vm.run()
        assert (stop.reason, stop.code) == ("reboot", None)
        assert vm.run(max_insns=10).reason == "reboot", "the guest has ended"
        vm.reset()
        assert vm.run(max_insns=2).reason == "budget"
    with Machine(kernel=make_image(code), ram="16M") as vm:
        assert vm.run(max_insns=1000).reason == "budget", "it goes round and round"
        assert vm.core.icount() == 1000


@pytest.mark.parametrize(("word", "reason", "code"), [(0x5555, "poweroff", 0), (0x2A_3333, "poweroff", 42)])
def test_the_test_device_powers_off(asm: Maker, word: int, reason: str, code: int) -> None:
    with Machine(ram="1M") as vm:
        vm.mem[DRAM:] = asm("sw rs2=11 rs1=10 imm=0", "jal rd=0 imm=0")
        vm.x.a0, vm.x.a1 = 0x10_0000, word
        stop = vm.run(timeout=1)
        assert (stop.reason, stop.code, vm.exit_code) == (reason, code, code)
        assert vm.run().reason == reason and vm.step().reason == reason


def test_htif_ends_a_run(make_elf: Maker, asm: Maker) -> None:
    code = asm("auipc rd=5 imm=0x1000", "addi rd=6 rs1=0 imm=7", "sd rs2=6 rs1=5 imm=0", "jal rd=0 imm=0")
    symbols = {"tohost": (DRAM + 0x1000, 8, 0x11), "fromhost": (DRAM + 0x1040, 8, 0x11)}
    with Machine(kernel=make_elf([(DRAM, code, 0x2000)], symbols=symbols), bios="none", ram="1M") as vm:
        stop = vm.run(timeout=1)
        assert (stop.reason, stop.code, vm.exit_code) == ("exit", 3, 3)


def test_timers_without_sstc(make_image: Maker, asm: Maker) -> None:
    """SBI set_timer on harts that have no stimecmp: the firmware keeps the time, and idleness jumps to it."""
    code = asm(
        "lui rd=17 imm=0x54495000", "addi rd=17 rs1=17 imm=-0x2bb",  # TIME
        "csrrs rd=10 rs1=0 imm=0xC01", "addi rd=10 rs1=10 imm=2000", "ecall",
        "addi rd=5 rs1=0 imm=32", "csrrs rd=0 rs1=5 imm=0x104",  # sie.STIE
        "wfi", "csrrs rd=6 rs1=0 imm=0x144", "csrrs rd=7 rs1=0 imm=0xC01", "jal rd=0 imm=0",
    )  # fmt: skip
    with Machine(kernel=make_image(code), ram="16M", isa="rv64gc") as vm:
        end = vm.pc + 0x40 + len(code) - 4
        assert vm.run(until=end, timeout=1).reason == "until"
        assert vm.x.t1 & 32 and 2000 <= vm.x.t2 < 2100
