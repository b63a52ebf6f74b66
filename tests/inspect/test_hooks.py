"""Hooks: callbacks at addresses, and everything they may do while they run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vmcore import ConfigError, Hart, Machine, SymbolError

DRAM = 0x8000_0000
# addi a0, a0, 1; addi a1, a1, 1; j -8
CODE = bytes.fromhex("13051500 93851500 6ff09fff")


@pytest.fixture
def vm() -> Iterator[Machine]:
    with Machine(ram="1M", harts=2) as machine:
        machine.mem[DRAM:] = CODE
        machine.core.hart_stop(1)
        yield machine


def test_a_callback_sees_the_hart_before_the_instruction(vm: Machine) -> None:
    seen = []

    @vm.hook.code(DRAM + 4)
    def note(hart: Hart) -> None:
        seen.append((hart.index, hart.pc, hart.x.a0, hart.x.a1))

    assert vm.run(max_insns=9).reason == "budget"
    assert seen == [(0, DRAM + 4, 1, 0), (0, DRAM + 4, 2, 1), (0, DRAM + 4, 3, 2)]
    assert note.__name__ == "note", "the function stays what it was"


def test_a_true_result_ends_the_run(vm: Machine) -> None:
    vm.hook.add(DRAM + 4, lambda hart: hart.x.a0 == 5)
    stop = vm.run()
    assert (stop.reason, stop.pc, vm.x.a0, vm.x.a1) == ("hook", DRAM + 4, 5, 4)
    assert vm.run(max_insns=100).reason == "budget"


def test_stop_from_a_callback(vm: Machine) -> None:
    vm.hook.add(DRAM + 8, lambda hart: vm.stop())
    assert vm.run().reason == "stopped"
    assert vm.pc == DRAM + 8


def test_symbols_are_addresses(vm: Machine) -> None:
    vm.symbols.add("loop", DRAM)
    hits = []
    vm.hook.code("loop")(hits.append)
    vm.run(max_insns=6)
    assert len(hits) == 2
    with pytest.raises(SymbolError, match="'none'"):
        vm.hook.code("none")


def test_several_at_one_address_with_a_breakpoint(vm: Machine) -> None:
    order: list[str] = []
    vm.hook.add(DRAM, lambda hart: order.append("one"))
    vm.hook.add(DRAM, lambda hart: order.append("two"))
    vm.break_at(DRAM)
    assert vm.run().reason == "breakpoint"
    assert order == ["one", "two"]
    vm.breakpoints.remove(DRAM)
    vm.run(max_insns=3)
    assert order == ["one", "two"], "the instruction at which the run ended is passed"
    vm.run(max_insns=3)
    assert order == ["one", "two"] * 2


def test_a_callback_changes_everything(vm: Machine) -> None:
    hits: list[int] = []

    def first(hart: Hart) -> None:
        hits.append(1)
        hook.remove()
        vm.hook.add(DRAM + 4, second)
        vm.break_at(DRAM + 8)

    def second(hart: Hart) -> None:
        hits.append(2)
        hart.x.a1 = 100
        hart.mem[DRAM + 8 :] = bytes.fromhex("13060600")

    hook = vm.hook.add(DRAM, first)
    assert vm.run().reason == "breakpoint"
    assert (hits, vm.x.a1, hook.active, len(vm.hook)) == ([1, 2], 101, False, 1)


def test_a_callback_moves_the_hart(vm: Machine) -> None:
    def skip(hart: Hart) -> None:
        hart.pc = DRAM + 8

    vm.hook.add(DRAM + 4, skip)
    vm.run(max_insns=10)
    assert (vm.x.a0, vm.x.a1) == (5, 0)


def test_an_exception_leaves_the_run_and_the_machine_goes_on(vm: Machine) -> None:
    def fail(hart: Hart) -> None:
        raise RuntimeError("mine")

    vm.hook.add(DRAM + 4, fail)
    with pytest.raises(RuntimeError, match="mine"):
        vm.run()
    assert (vm.pc, vm.x.a0) == (DRAM + 4, 1)
    vm.hook.remove(fail)
    assert vm.run(max_insns=10).reason == "budget"


def test_a_callback_cannot_run_the_machine(vm: Machine) -> None:
    from vmcore import VmError

    vm.hook.add(DRAM, lambda hart: vm.run(max_insns=1))
    with pytest.raises(VmError, match="running"):
        vm.run()


def test_every_hart_is_told_apart(vm: Machine) -> None:
    vm.core.hart_start(1, DRAM, 0, 0, 3)
    harts = set()
    vm.hook.add(DRAM, lambda hart: harts.add(hart.index))
    vm.run(max_insns=100_000)
    assert harts == {0, 1}


def test_wrong_use(vm: Machine) -> None:
    with pytest.raises(ConfigError, match="cannot be called"):
        vm.hook.add(DRAM, 7)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no registered hook"):
        vm.hook.remove(len)  # type: ignore[arg-type]
    hook = vm.hook.add(DRAM, lambda hart: None)
    hook.remove()
    hook.remove()
    vm.hook.add(DRAM, lambda hart: None)
    vm.hook.clear()
    assert len(vm.hook) == 0 and "removed" in repr(hook)
