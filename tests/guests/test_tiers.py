"""Whole operating systems on T0 and T1 together: every register, CSR and byte of memory is the same all the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pytest
from support.chaos import COMPARED

from vmcore import Machine
from vmcore._fast import jitface
from vmcore.guests import image_path
from vmcore.images import ImageSet
from vmcore.isa.riscv.csrs import csr_number
from vmcore.machine.stop import StopReason

RAM, CHUNK = 0x8000_0000, 8 << 20
MIP, MIE = csr_number("mip"), csr_number("mie")
PROMPT = b"vmcore> "


def harts(vm: Machine) -> list[object]:
    """Return what is in every hart."""
    core = vm.core
    return [
        (core.pc(i), core.priv(i), core.icount(i), [core.x(i, n) for n in range(32)], [core.f(i, n) for n in range(32)],
         [(n, core.csr_read(i, n)) for n in COMPARED])
        for i in range(core.nharts)
    ]  # fmt: skip


def memory(vm: Machine, size: int) -> Iterator[bytes]:
    """Return a hash of each piece of RAM."""
    for at in range(RAM, RAM + size, CHUNK):
        yield hashlib.blake2b(vm.phys[at : at + CHUNK]).digest()


def step(vm: Machine, insns: int) -> StopReason:
    """Run that many, and one more where an interrupt waits: between two instructions it may be taken or not yet."""
    reason = vm.run(max_insns=insns).reason
    if any(vm.core.csr_read(i, MIP) & vm.core.csr_read(i, MIE) for i in range(vm.core.nharts)):
        reason = vm.run(max_insns=1).reason
    return reason


def together(make: Callable[[str], Machine], insns: int, *, piece: int, rarely: int, size: int,
             commands: Iterable[str] = (), **stress: Any) -> tuple[str, dict[str, int]]:
    """Run both for `insns` instructions, compare every `piece`, and memory every `rarely`.

    A command is typed whenever the guest shows its prompt; without one the guest waits and that is the end. Returns
    what the guest said, and T1's figures.
    """
    with make("t0") as one, make("t1") as two:
        jitface.stress(two.core, **stress)
        said = {vm: bytearray() for vm in (one, two)}
        for vm in said:
            vm.console.on_output(said[vm].extend)
        left = iter(commands)
        for count in range(1, insns // piece + 1):
            reason = step(one, piece)
            assert reason == step(two, piece)
            assert one.now == two.now, count * piece
            assert harts(two) == harts(one), f"within {piece} instructions before {one.core.icount()}"
            if count % (rarely // piece) == 0:
                assert list(memory(one, size)) == list(memory(two, size)), count * piece
            if said[one].endswith(PROMPT) and (command := next(left, None)):
                for vm in said:
                    vm.console.send(command)
            elif reason == StopReason.IDLE:
                break
        assert list(memory(one, size)) == list(memory(two, size))
        assert said[one] == said[two]
        return said[one].decode(errors="replace"), two.core.stats()


STRESS: dict[str, dict[str, Any]] = {
    "none": {},
    "stressed": {"poll_every": 3, "flush_every": 50, "forget_every": 1000, "miss_every": 7, "evict": True},
    "evicted": {"limit": 64 << 10},
}


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("stress", STRESS)
def test_the_bundled_guest(stress: str, count: int) -> None:
    def make(tier: str) -> Machine:
        return Machine(kernel=image_path(), ram="64M", harts=count, append="console=ttyS0 earlycon=sbi", tier=tier)

    said, stats = together(make, 12_000_000, piece=20_011, rarely=2_000_000, size=64 << 20,
                           commands=("ps", "primes 500", "fault", "ps"), **STRESS[stress])  # fmt: skip
    assert "primes" in said and "fault" in said
    assert stats["t1_insns"] > stats["t0_insns"]
    if stress == "evicted":
        assert stats["t1_evictions"] > 3


def debian(guest_image: Callable[[str], ImageSet], tier: str) -> Machine:
    return Machine(kernel=guest_image("debian-kernel").kernel, initrd=guest_image("busybox").initrd, ram="256M",
                   append="console=ttyS0 earlycon=sbi", tier=tier)  # fmt: skip


@pytest.mark.guest
@pytest.mark.slow
@pytest.mark.parametrize("stress", STRESS)
def test_debian_begins_to_boot(guest_image: Callable[[str], ImageSet], stress: str) -> None:
    _, stats = together(partial(debian, guest_image), 5_000_000, piece=10_007, rarely=2_500_000, size=256 << 20,
                        **STRESS[stress])  # fmt: skip
    assert stats["t1_insns"] > 3_000_000


@pytest.mark.guest
@pytest.mark.soak
def test_debian_boots(guest_image: Callable[[str], ImageSet]) -> None:
    said, stats = together(partial(debian, guest_image), 200_000_000, piece=100_003, rarely=10_000_000, size=256 << 20)
    assert "Linux version" in said
    assert stats["t1_insns"] > 150_000_000
