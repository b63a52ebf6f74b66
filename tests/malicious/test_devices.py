"""Guests that write anything into any register of the board, and what the board's memory map does at its seams."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from support.amount import scaled
from support.hostile import (
    ATOMICS,
    CACHE,
    DRAM,
    LOADS,
    STORES,
    Act,
    bounded,
    chunks,
    code,
    do,
    interesting,
    op,
    run,
    write_acts,
)

from vmcore import Machine
from vmcore.machine import memmap
from vmcore.machine.disk import Disk

RAM = 1 << 20
MIB = 1 << 20
# Behind the program and its table.
FREE = DRAM + 0x4_0000

DEVICES = {
    "reset-rom": (memmap.RESET_ROM, memmap.RESET_ROM_SIZE),
    "rtc": (memmap.RTC, 0x1000),
    "clint": (memmap.CLINT, memmap.CLINT_SIZE),
    "sswi": (memmap.ACLINT_SSWI, 0x4000),
    "pio": (memmap.PCI_PIO, memmap.PCI_PIO_SIZE),
    "plic": (memmap.PLIC, memmap.PLIC_SIZE),
    "uart": (memmap.UART, 0x100),
    "virtio": (memmap.VIRTIO, memmap.VIRTIO_STRIDE * memmap.VIRTIO_SLOTS),
    "flash": (memmap.FLASH, 2 * memmap.FLASH_BANK),
    "ecam": (memmap.PCI_ECAM, memmap.PCI_ECAM_SIZE),
    "pci": (memmap.PCI_MMIO, memmap.PCI_MMIO_SIZE),
    "pci-high": (memmap.pci_high(DRAM + RAM), memmap.PCI_HIGH_SIZE),
}


@pytest.fixture
def disks(tmp_path: Path) -> list[Disk]:
    made = []
    for i, transport in enumerate(("pci", "mmio")):
        path = tmp_path / f"{i}.img"
        path.write_bytes(bytes(64 << 10))
        made.append(Disk(path, transport=transport))
    return made


@pytest.fixture
def board(disks: list[Disk]) -> Iterator[Machine]:
    """Everything that a board can have."""
    with Machine(
        ram=RAM, harts=2, disks=disks, console="hvc0", rng=True, aclint=True, flash=[b"flash"], reboot="stop"
    ) as vm:
        # Hart 1 waits, far from what hart 0 does.
        vm.phys.write(DRAM + RAM - 4096, code(op("wfi"), op("jal", imm=-4)))
        vm.harts[1].pc = DRAM + RAM - 4096
        yield vm


def within(rng: Random, name: str) -> int:
    """Return an address in a device, mostly where its registers are."""
    base, size = DEVICES[name]
    if name == "ecam" and rng.randrange(8):
        return base + (rng.randrange(6) << 15) + rng.randrange(0x140)
    if name == "virtio" and rng.randrange(4):
        return base + rng.choice((0, 1, 7)) * memmap.VIRTIO_STRIDE + rng.randrange(0x120)
    if name in ("pci", "pci-high") and rng.randrange(4):
        return base + rng.randrange(4) * 0x4000 + rng.randrange(4) * 0x1000 + rng.randrange(0x48)
    if rng.randrange(2):
        return base + rng.randrange(min(size, 0x1000))
    return base + rng.randrange(-8, size)


def access(rng: Random, name: str) -> Act:
    address = within(rng, name)
    act = rng.choice(LOADS + STORES * 3 + ATOMICS[:6] + CACHE[:1])
    if rng.randrange(4):
        address &= -8 if name != "uart" else -1
        act = rng.choice(("sw", "sw", "sd", "lw", "sb", "sh"))
    return Act(act, address, interesting(rng, RAM))


@pytest.mark.parametrize("name", DEVICES)
def test_random_registers_of_one_device(board: Machine, name: str) -> None:
    rng = Random(f"one {name}")
    with bounded(64 * MIB):
        for _ in range(scaled(2)):
            # PCI memory may be given to devices that read and write RAM: the guest may not survive, the host must.
            write_acts(board, [access(rng, name) for _ in range(1500)])
            run(board, 100_000)
            board.reset()


@pytest.mark.parametrize("seed", range(4))
def test_random_registers_of_all_devices(board: Machine, seed: int) -> None:
    rng = Random(f"all {seed}")
    names = list(DEVICES)
    with bounded(64 * MIB):
        acts = []
        # Let the bus decode, and switch bus mastering on.
        for slot in range(1, 5):
            ecam = memmap.PCI_ECAM + (slot << 15)
            acts += [Act("sw", ecam + 0x20, memmap.PCI_MMIO + (slot - 1) * 0x4000), Act("sw", ecam + 0x24, 0)]
            acts.append(Act("sh", ecam + 4, 7))
        acts += [access(rng, rng.choice(names)) for _ in range(4000)]
        write_acts(board, acts)
        run(board, 400_000)
    board.reset()
    # After a reset it is a good machine.
    assert do(board, [Act("sd", FREE, 0x1234), Act("ld", FREE)])[1] == 0x1234


def test_bars_over_memory_and_over_devices_change_neither(board: Machine) -> None:
    """Only the windows of the host bridge lead to PCI: a BAR elsewhere answers nowhere."""
    places = [DRAM, FREE, DRAM + RAM - 0x4000, memmap.PLIC, memmap.UART & -0x4000, memmap.PCI_ECAM, 0,
              (1 << 64) - 0x4000, memmap.PCI_MMIO - 0x4000, memmap.PCI_MMIO, DEVICES["pci-high"][0] - 0x4000]
    acts = []
    for place in places:
        for slot in (1, 2, 3):  # all on one address, too
            ecam = memmap.PCI_ECAM + (slot << 15)
            acts.append(Act("sw", ecam + 0x20, place & 0xFFFF_FFFF))
            acts.append(Act("sw", ecam + 0x24, place >> 32))
            acts.append(Act("sh", ecam + 4, 7))
        acts += [Act("ld", place), Act("lw", place + 0x14), Act("ld", place + 0x3FF8), Act("lw", place + 0x4000 - 2)]
        acts += [Act("sd", FREE, 0x55), Act("ld", FREE)]
    got = do(board, acts)
    assert got[-1] == 0x55


QUEUE = FREE + 0x1_0000
# The smallest queue on the board is the entropy device's.
QUEUE_SIZE = 8


def descriptors(rng: Random) -> bytes:
    """A descriptor table, an available ring and a used ring in 4 KiB, with everything that can be wrong in it."""
    table = b""
    for i in range(QUEUE_SIZE):
        address = rng.choice((QUEUE + rng.randrange(4096), FREE + rng.randrange(4096), DRAM + RAM - rng.randrange(16),
                              memmap.UART, interesting(rng, RAM)))
        size = rng.choice((0, 1, 16, 512, 4096, RAM, 0xFFFF_FFFF, rng.getrandbits(32)))
        flags = rng.choice((0, 1, 1, 1, 2, 3, 3, 4, 5, rng.getrandbits(16)))
        following = rng.choice((i, (i + 1) % QUEUE_SIZE, rng.randrange(QUEUE_SIZE), rng.getrandbits(16)))
        table += struct.pack("<QIHH", address, size, flags, following)
    ring = [rng.choice((rng.randrange(QUEUE_SIZE), rng.getrandbits(16))) for _ in range(QUEUE_SIZE + 1)]
    index = rng.choice((1, 3, QUEUE_SIZE, QUEUE_SIZE + 1, rng.getrandbits(16)))
    avail = struct.pack(f"<HH{QUEUE_SIZE + 1}H", rng.getrandbits(1), index, *ring)
    # A header of a disk's request, now and then a good one.
    header = struct.pack("<IIQ", rng.choice((0, 1, 4, 8, 11, 13, rng.getrandbits(32))), 0, rng.choice((0, 3, 1 << 62)))
    page = bytearray(rng.randbytes(4096) if rng.randrange(2) else bytes(4096))
    page[0 : len(table)] = table
    page[0x400 : 0x400 + len(avail)] = avail
    page[0x800:0x810] = header
    return bytes(page)


def start_mmio(base: int) -> list[Act]:
    acts = [Act("sw", base + 0x70, status) for status in (0, 1, 3)]
    for word in (0, 1):
        acts += [Act("sw", base + 0x14, word), Act("lw", base + 0x10), Act("sw", base + 0x24, word)]
        acts.append(Act("sw", base + 0x20, 1 if word else 0))
    acts += [Act("sw", base + 0x70, 11), Act("sw", base + 0x30, 0), Act("sw", base + 0x38, QUEUE_SIZE)]
    for offset, address in ((0x80, QUEUE), (0x90, QUEUE + 0x400), (0xA0, QUEUE + 0xC00)):
        acts += [Act("sw", base + offset, address), Act("sw", base + offset + 4, address >> 32)]
    return [*acts, Act("sw", base + 0x44, 1), Act("sw", base + 0x70, 15), Act("sw", base + 0x50, 0)]


def start_pci(slot: int, queue: int) -> list[Act]:
    ecam, bar = memmap.PCI_ECAM + (slot << 15), memmap.PCI_MMIO + slot * 0x4000
    acts = [Act("sw", ecam + 0x20, bar), Act("sw", ecam + 0x24, 0), Act("sh", ecam + 4, 6)]
    acts += [Act("sb", bar + 0x14, status) for status in (0, 1, 3)]
    for word in (0, 1):
        acts += [Act("sw", bar + 8, word), Act("sw", bar + 12, word)]
    acts += [Act("sb", bar + 0x14, 11), Act("sh", bar + 0x16, queue), Act("sh", bar + 0x18, QUEUE_SIZE)]
    for offset, address in ((0x20, QUEUE), (0x28, QUEUE + 0x400), (0x30, QUEUE + 0xC00)):
        acts += [Act("sw", bar + offset, address), Act("sw", bar + offset + 4, address >> 32)]
    acts += [Act("sh", bar + 0x1C, 1), Act("sb", bar + 0x14, 15), Act("sh", bar + 0x3000, queue)]
    # All doorbells, wherever the multiplier puts them.
    return acts + [Act("sh", bar + 0x3000 + 4 * i, queue) for i in range(4)]


STARTS = {
    "disk-mmio": lambda: start_mmio(memmap.VIRTIO),
    "disk-pci": lambda: start_pci(1, 0),
    "console-in": lambda: start_pci(2, 0),
    "console-out": lambda: start_pci(2, 1),
    "rng": lambda: start_pci(3, 0),
}


@pytest.mark.parametrize("device", STARTS)
def test_random_virtqueues(board: Machine, device: str) -> None:
    rng = Random(f"queue {device}")
    acts = STARTS[device]()
    with bounded(64 * MIB):
        for _ in range(scaled(25)):
            board.phys.write(QUEUE, descriptors(rng))
            board.consoles["hvc0"].write(b"typed")
            write_acts(board, acts)
            run(board, 5000)


@pytest.mark.parametrize("device", STARTS)
def test_a_good_virtqueue_is_served(board: Machine, device: str) -> None:
    """The same start with a queue as it should be: the tests above do reach the devices."""
    writes = device not in ("console-out",)
    table = struct.pack("<QIHH", FREE, 16, 1 if "disk" in device else 2 * writes, 1)
    table += struct.pack("<QIHH", FREE + 0x400, 512, 3, 2) + struct.pack("<QIHH", FREE + 0x800, 1, 2, 0)
    page = table.ljust(0x400, b"\0") + struct.pack("<HHH", 0, 1, 0).ljust(0x800, b"\0")
    board.phys.write(QUEUE, page.ljust(4096, b"\0"))
    board.phys.write(FREE, struct.pack("<IIQ", 0, 0, 0))
    board.consoles["hvc0"].write(b"typed")
    do(board, STARTS[device]())
    assert board.phys.u16(QUEUE + 0xC02) == 1


# Memory that is none, and the ends of memory.


def test_atomics_and_cache_operations_on_devices(board: Machine) -> None:
    rng = Random("atomics")
    acts = [Act(act, within(rng, name) & -align, interesting(rng)) for name in DEVICES for act in ATOMICS + CACHE
            for align in (1, 8, 64)]
    with bounded(64 * MIB):
        do(board, acts)


def test_code_in_devices(board: Machine) -> None:
    """Fetching from anything but memory and flash is a fault; it has no side effect on the device."""
    rng = Random("execute")
    # Flash may be executed: its zeros and its erased bytes are illegal instructions.
    acts = [Act("execute", within(rng, name) & -2) for name in DEVICES for _ in range(20)]
    acts += [Act("execute", address) for address in (0, 2, (1 << 64) - 2, (1 << 55), DRAM - 2, DRAM + RAM, 1)]
    acts += [Act("execute", memmap.UART), Act("lb", memmap.UART + 5)]
    got = do(board, acts)
    assert got[-1] & 0x60 == 0x60
    assert board.consoles["ttyS0"].read_bytes() == b""


def test_accesses_across_both_ends_of_memory(board: Machine) -> None:
    end = DRAM + RAM
    acts = [Act(act, edge + offset, 0x5A) for edge in (end, DRAM) for offset in range(-17, 17)
            for act in LOADS + ATOMICS]
    do(board, acts)
    board.phys.write(end - 32, bytes(range(32)))
    straddling = [Act(act, end - n, (1 << 64) - 1) for act, size in
                  (("sh", 2), ("sw", 4), ("sd", 8), ("fsw", 4), ("fsd", 8)) for n in range(1, size)]
    do(board, straddling)
    # A store that does not fit into memory changes none of it.
    assert board.phys.read(end - 32, 32) == bytes(range(32))
    assert do(board, [Act("sd", end - 8, 0x1122334455667788), Act("ld", end - 8)])[1] == 0x1122334455667788


def test_every_access_everywhere(board: Machine) -> None:
    """Addresses at random over the whole 64 bits: what is not there faults, and costs nothing."""
    rng = Random("everywhere")
    acts = []
    for act in LOADS + ATOMICS + CACHE + ("execute",):
        for _ in range(40):
            # The program's own page is left alone; reading a device is what other tests do.
            address = rng.getrandbits(rng.choice((64, 56, 40, 34)))
            if not DRAM <= address < DRAM + RAM:
                acts.append(Act(act, address, interesting(rng)))
    with bounded(64 * MIB):
        for part in chunks(acts, 500):
            do(board, part)


def test_the_power_device_takes_only_its_words(board: Machine) -> None:
    rng = Random("power")
    words = [word for word in (interesting(rng) for _ in range(300)) if word & 0xFFFF not in (0x5555, 0x3333, 0x7777)]
    acts = [Act(rng.choice(("sb", "sh", "sw", "sd")), memmap.TEST + rng.choice((0, 4, 8, 0xFFC)), w) for w in words]
    do(board, acts)
    assert board.exit_code is None
    write_acts(board, [Act("sw", memmap.TEST, 0x3333 | 77 << 16)])
    stop = run(board, 1000)
    assert (stop.reason, stop.code) == ("poweroff", 77)
