"""Wrong use of a machine that is there: one clear VmError, and nothing has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from vmcore import ClosedError, ConfigError, Device, Machine, MemoryAccessError, VmError
from vmcore.devices.base import Register

DRAM = 0x8000_0000
LOOP = bytes.fromhex("0100fdbf")  # c.nop; c.j back to it


@pytest.fixture
def looping() -> Iterator[Machine]:
    with Machine("virt", ram="1M") as vm:
        vm.mem[DRAM : DRAM + len(LOOP)] = LOOP
        vm.pc = DRAM
        yield vm


@pytest.mark.parametrize(
    "action", [lambda vm: vm.run(max_insns=1), lambda vm: vm.step(), lambda vm: vm.close(), lambda vm: vm.reset(),
               lambda vm: vm.console.expect("x", timeout=1)]
)  # fmt: skip
def test_what_a_run_calls_begins_no_other_and_ends_nothing(action: Callable[[Machine], object]) -> None:
    """Hooks, console listeners and devices of the user's are part of the run that calls them."""

    def refused(vm: Machine) -> None:
        with pytest.raises(VmError, match="the machine is running"):
            action(vm)

    class Caller(Device):
        name = "caller"
        word = Register(0)

        @word.on_read
        def _read(self) -> int:
            refused(vm)
            return 0x600D

    with Machine("virt", ram="1M", devices=[Caller()]) as vm:
        # lb t0, 0(a0) (the UART's line: nothing typed); sb a1, 0(a0); lw t1, 0(a2); wfi; j .
        vm.mem[DRAM : DRAM + 20] = bytes.fromhex("83020500 2300b500 03230600 73005010 6f000000")
        vm.pc, vm.x.a0, vm.x.a1, vm.x.a2 = DRAM, 0x1000_0000, ord("!"), vm.board.placed[0].base
        heard: list[bytes] = []

        def listener(data: bytes) -> None:
            heard.append(data)
            refused(vm)

        vm.console.on_output(listener)
        vm.hook.add(DRAM, lambda _hart: refused(vm))
        stop = vm.run()
        assert (stop.reason, stop.icount, vm.x.t1) == ("idle", 4, 0x600D)
        assert heard == [b"!"]


def test_places_where_no_instruction_can_be(looping: Machine) -> None:
    for wrong in (
        lambda: looping.hook.add(DRAM + 1, print),
        lambda: looping.breakpoints.add(DRAM + 1),
        lambda: looping.run(until=DRAM + 1, max_insns=10),
        lambda: setattr(looping, "pc", DRAM + 1),
        lambda: setattr(looping.harts[0], "pc", DRAM + 1),
    ):
        with pytest.raises(ConfigError, match="odd address 0x80000001"):
            wrong()
    assert (len(looping.hook), len(looping.breakpoints)) == (0, 0)
    assert looping.run(max_insns=10).pc == DRAM


@pytest.mark.parametrize("wrong", [1.0, 1.5, "1", 1 << 64, -1])
def test_budgets_are_whole_numbers(looping: Machine, wrong: object) -> None:
    with pytest.raises(ConfigError, match="is no number of instructions"):
        looping.run(max_insns=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [3, None, 1.5, [1]])
def test_only_text_can_be_typed_and_looked_for(looping: Machine, wrong: object) -> None:
    for method in (looping.console.write, looping.console.post):
        with pytest.raises(ConfigError, match="cannot be typed"):
            method(wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is no pattern"):
        looping.console.expect(wrong)  # type: ignore[arg-type]
    assert looping.console.unsent == 0


def test_addresses_have_64_bits(looping: Machine) -> None:
    for memory in (looping.mem, looping.phys):
        with pytest.raises(MemoryAccessError, match="0x100000000800000"):
            memory[(1 << 64) + DRAM]
    with pytest.raises(MemoryAccessError, match="not mapped"):
        looping.mem[-1]


def test_a_closed_machine_is_not_entered_again(looping: Machine) -> None:
    looping.close()
    with pytest.raises(ClosedError):
        looping.__enter__()
