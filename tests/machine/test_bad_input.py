"""Wrong use: each mistake gets one clear VmError, and nothing is left behind."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vmcore
from vmcore import (
    BootError,
    ConfigError,
    Device,
    DeviceError,
    Disk,
    IsaError,
    LoadError,
    Machine,
    VmError,
)

DRAM = 0x8000_0000
Maker = Callable[..., bytes]


def refuse(kind: type[VmError], message: str, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(kind, match=message) as error:
        Machine(*args, **kwargs).close()
    return str(error.value)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"ram": 0}, ConfigError, r"ram=0 is out of range. Allowed are 1M to 16G"),
        ({"ram": "1T"}, ConfigError, "ram='1T' is out of range"),
        ({"ram": "lots"}, ConfigError, "ram='lots' is not a size"),
        ({"ram": (1 << 20) + 1}, ConfigError, "not a multiple of 4K"),
        ({"ram": -1}, ConfigError, "out of range"),
        ({"harts": 0}, ConfigError, "harts=0 is out of range. Allowed are 1 to 8"),
        ({"harts": 9}, ConfigError, "harts=9"),
        ({"harts": 1.5}, ConfigError, "not a whole number"),
        ({"clock": "wall"}, ConfigError, "clock='wall'"),
        ({"seed": -1}, ConfigError, "seed=-1"),
        ({"console": "tty0"}, ConfigError, "console='tty0' is not known"),
        ({"reboot": "never"}, ConfigError, "reboot='never'"),
        ({"append": 7}, ConfigError, "append=7 is no command line"),
        ({"append": "a\0b"}, ConfigError, "no command line"),
        ({"isa": "rv64gcq"}, IsaError, "'q'"),
        ({"isa": "rv32gc"}, IsaError, "RV32 is not offered"),
        ({"isa": "rv64gcv"}, IsaError, "'v'"),
        ({"isa": "rv64gc_zxyz"}, IsaError, "unknown extension"),
        ({"isa": ""}, VmError, "isa=''"),
        ({"isa": 64}, VmError, "isa=64"),
        ({"board": "sifive"}, ConfigError, "board='sifive' is not known. Allowed are 'virt'"),
        ({"extra_ram": [7]}, ConfigError, "extra_ram entry 7"),
        ({"extra_ram": [(DRAM, "1M")]}, ConfigError, "overlaps"),
        ({"extra_ram": [(0x1000, "1M")]}, ConfigError, "start of extra_ram"),
        ({"extra_ram": [(1 << 40, "3")]}, ConfigError, "size of extra_ram"),
        ({"disks": [7]}, ConfigError, "disk 7 is no path"),
        ({"devices": [7]}, ConfigError, "7 is no device"),
        ({"flash": [b"a", b"b", b"c"]}, ConfigError, "flash has 3 entries"),
        ({"kernel": 7}, LoadError, "kernel=7 is neither a path nor bytes"),
        ({"kernel": b""}, LoadError, "no bytes"),
        ({"initrd": b"x"}, BootError, "no kernel"),
        ({"bios": "builtin"}, BootError, "no kernel"),
        ({"bios": "/nonexistent/fw"}, LoadError, "bios /nonexistent/fw does not exist"),
    ],
)
def test_options(given: dict[str, Any], kind: type[VmError], message: str) -> None:
    refuse(kind, message, **given)


def test_keyword_and_position() -> None:
    refuse(ConfigError, "board='qemu'", "qemu")
    with pytest.raises(TypeError):
        Machine("virt", memory="1G")  # type: ignore[call-arg]


def test_a_directory_as_kernel(tmp_path: Path) -> None:
    refuse(LoadError, "is a directory", kernel=tmp_path)


def test_files_that_do_not_load(tmp_path: Path, make_elf: Maker, make_image: Maker) -> None:
    truncated = tmp_path / "truncated.elf"
    truncated.write_bytes(make_elf()[:100])
    assert str(truncated) in refuse(LoadError, "cut off", kernel=truncated)
    refuse(LoadError, r"0x1000\.\.0x1004 is outside the memory", kernel=make_elf([(0x1000, b"code", 4)]))
    refuse(LoadError, "is outside the memory", kernel=make_elf([(DRAM, b"code", 1 << 30)]), ram="16M")
    refuse(LoadError, "big-endian", kernel=make_image(flags=1))
    refuse(BootError, r"the memory ends at 0x80100000.*at least ram='", kernel=make_image(b"code"), ram="1M")
    refuse(LoadError, "cut off", kernel=gzip.compress(bytes(5000))[:-9])


def test_an_initrd_too_large(make_image: Maker) -> None:
    message = refuse(BootError, "bytes are free|are free", kernel=make_image(b"x"), initrd=bytes(13 << 20), ram="16M")
    assert str(13 << 20) in message and "ram='" in message
    refuse(LoadError, "is a directory", kernel=make_image(b"x"), initrd="/")


def test_images_over_each_other(make_elf: Maker, make_image: Maker) -> None:
    firmware = make_elf([(DRAM, b"firm", 0x30_0000)])
    kernel = make_elf([(DRAM + 0x20_0000, b"kern", 4)])
    refuse(BootError, r"where the bios is \(0x80000000\.\.0x80300000\)", bios=firmware, kernel=kernel)


def test_disks(tmp_path: Path) -> None:
    refuse(VmError, "none.img", disks=[tmp_path / "none.img"])
    refuse(VmError, "directory", disks=[tmp_path])
    readonly = tmp_path / "readonly.img"
    readonly.write_bytes(bytes(1024))
    with Machine(disks=[Disk(readonly, readonly=True)], ram="1M") as vm:
        assert vm.run(max_insns=1).reason == "budget"
    odd = tmp_path / "odd.img"
    odd.write_bytes(bytes(100))
    refuse(VmError, "512", disks=[odd])
    with pytest.raises(ConfigError, match="transport='usb'"):
        Disk(readonly, transport="usb")
    images = []
    for i in range(9):
        images.append(tmp_path / f"{i}.img")
        images[-1].write_bytes(bytes(512))
    refuse(ConfigError, "9 disks with transport='mmio'", disks=[Disk(image, transport="mmio") for image in images])
    with Machine(disks=[Disk(image, transport="mmio") for image in images[:8]], ram="1M"):
        pass


def test_a_disk_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(512))
    real = os.open

    def deny(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if os.fspath(path) == str(image) and flags & (os.O_RDWR | os.O_WRONLY):
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", deny)
    refuse(VmError, "readonly", disks=[image])
    with Machine(disks=[Disk(image, readonly=True)], ram="1M"):
        pass


def test_what_failed_lets_go_of_its_files(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(512))
    refuse(VmError, "none.img", disks=[image, tmp_path / "none.img"])
    refuse(LoadError, "does not exist", disks=[image], kernel=tmp_path / "none")
    with Machine(disks=[image], ram="1M"):
        pass


class Faulty(Device):
    """A device whose registers all raise."""

    name = "faulty"

    def read(self, offset: int, size: int) -> int:
        raise ZeroDivisionError("reading is not my thing")

    def write(self, offset: int, size: int, value: int) -> None:
        raise KeyError(value)


def test_a_device_that_raises(asm: Maker) -> None:
    with Machine(ram="1M", devices=[Faulty()]) as vm:
        base = vm.board.placed[0].base
        vm.x.a1 = base
        vm.mem[DRAM:] = asm("lw rd=10 rs1=11 imm=8", "sw rs2=10 rs1=11 imm=4", "jal rd=0 imm=0")
        with pytest.raises(
            DeviceError, match=r"'faulty' at 0x4000000 .*4 bytes at offset 0x8: reading is not"
        ) as error:
            vm.run()
        assert isinstance(error.value.__cause__, ZeroDivisionError)
        assert (vm.pc, vm.x.a1) == (DRAM, base), "the machine can be inspected"
        vm.pc = DRAM + 4
        with pytest.raises(DeviceError, match="serving a write of 4 bytes at offset 0x4") as error:
            vm.run(max_insns=5)
        assert isinstance(error.value.__cause__, KeyError)
        vm.pc = DRAM + 8
        assert vm.run(max_insns=5).reason == "budget"


def test_too_many_devices_and_too_large_ones() -> None:
    class Large(Device):
        size = 64 << 20

    class Small(Device):
        size = 8

    refuse(ConfigError, "region of 0x4000000 bytes", devices=[Large()])
    device = Small()
    refuse(ConfigError, "given twice", devices=[device, device])
    refuse(ConfigError, "one too many|at most", devices=[Small() for _ in range(64)])


def test_every_error_is_a_vm_error() -> None:
    for name in vmcore.__all__:
        value = getattr(vmcore, name)
        if isinstance(value, type) and issubclass(value, Exception):
            assert issubclass(value, VmError)
