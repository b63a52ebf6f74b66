"""Running a machine: why runs end, what they leave behind, and that they can go on."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from vmcore import ClosedError, ConfigError, Machine, MemoryAccessError, StopReason, SymbolError, VmError

DRAM = 0x8000_0000
Asm = Callable[..., bytes]
A0 = 10


@pytest.fixture
def vm() -> Iterator[Machine]:
    with Machine(ram="16M") as machine:
        yield machine


@pytest.fixture
def counter(vm: Machine, asm: Asm) -> Machine:
    """A machine whose hart counts in a0 without end, two instructions a turn."""
    vm.mem[DRAM:] = asm("addi rd=10 rs1=10 imm=1", "jal rd=0 imm=-4")
    return vm


def test_bare_use(vm: Machine, asm: Asm) -> None:
    vm.mem[DRAM : DRAM + 8] = asm("addi rd=6 rs1=0 imm=42", "addi rd=6 rs1=6 imm=1")
    vm.pc = DRAM
    stop = vm.run(max_insns=2)
    assert vm.x.t1 == 43
    assert (stop.reason, stop.hart, stop.pc, stop.icount) == ("budget", 0, DRAM + 8, 2)
    assert stop.reason is StopReason.BUDGET
    assert repr(stop) == "Stop(budget, hart 0, pc 0x80000008, icount 2)"


def test_runs_go_on_where_they_ended(counter: Machine) -> None:
    for _ in range(10):
        counter.run(max_insns=7)
    assert counter.x.a0 == 35
    counter.step()
    counter.step(3)
    assert counter.core.icount() == 74


def test_nothing_to_run(counter: Machine) -> None:
    stop = counter.run(max_insns=0)
    assert (stop.reason, stop.icount) == ("budget", 0)


def test_until_an_address_and_past_it(counter: Machine) -> None:
    assert counter.run(DRAM + 4).reason == "until"
    assert (counter.pc, counter.x.a0) == (DRAM + 4, 1)
    assert counter.run(until=DRAM + 4).reason == "until"
    assert counter.x.a0 == 2, "the instruction at which the last run ended is passed"
    assert counter.run(DRAM + 4, max_insns=1).reason == "budget"
    counter.run(max_insns=100)
    assert len(counter.breakpoints) == 0, "`until` leaves nothing behind"


def test_until_a_symbol(vm: Machine, counter: Machine) -> None:
    vm.symbols.add("again", DRAM + 4)
    assert vm.run(until="again").pc == DRAM + 4
    vm.pc = "again"
    assert vm.mem["again"] == counter.mem[DRAM + 4]
    with pytest.raises(SymbolError, match="symbol 'agian' is not known.*again"):
        vm.run(until="agian")


def test_a_virtual_timeout(counter: Machine) -> None:
    stop = counter.run(timeout=0.001)
    assert stop.reason == "timeout"
    assert counter.now == pytest.approx(0.001, abs=1e-8)
    assert counter.run(timeout=0).reason == "timeout"


def test_the_watchdog_bites_by_the_hosts_clock(counter: Machine) -> None:
    started = time.monotonic()
    stop = counter.run(watchdog=0.05)
    assert stop.reason == "watchdog"
    assert time.monotonic() - started >= 0.05
    assert counter.run(max_insns=10, watchdog=60).reason == "budget"
    assert counter.run(max_insns=10).reason == "budget", "a watchdog that came too late bites nobody"


def test_stop_from_another_thread(counter: Machine) -> None:
    timer = threading.Timer(0.05, counter.stop)
    timer.start()
    assert counter.run().reason == "stopped"
    timer.join()
    counter.stop()
    assert counter.run(max_insns=10).reason == "stopped", "asked for before the run"
    assert counter.run(max_insns=10).reason == "budget"


@pytest.mark.usefixtures("control_c")
def test_control_c_ends_a_run_between_two_instructions(counter: Machine) -> None:
    timer = threading.Timer(0.05, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        counter.run()
    timer.join()
    before = counter.x.a0
    counter.run(max_insns=2)
    assert counter.x.a0 == before + 1
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        counter.run(until=DRAM + 0x1000)
    timer.join()


def test_waiting_for_nothing_is_idle(vm: Machine, asm: Asm) -> None:
    vm.mem[DRAM:] = asm("wfi", "jal rd=0 imm=-4")
    stop = vm.run()
    assert stop.reason == "idle"
    assert vm.harts[0].waiting
    assert vm.run(timeout=5).reason == "timeout"
    assert vm.now >= 5


def test_a_guest_without_code_is_bounded_by_its_budget() -> None:
    with Machine(ram="1M") as vm:
        vm.pc = 0x4000
        assert vm.run(max_insns=10_000).reason == "budget", "an endless loop of access faults"
        assert vm.csr.mcause == 1


def test_breakpoints(counter: Machine) -> None:
    counter.break_at(DRAM)
    assert DRAM in counter.breakpoints and DRAM + 4 not in counter.breakpoints
    assert counter.run().reason == "breakpoint"
    assert counter.x.a0 == 0, "before the instruction"
    counter.run()
    assert counter.x.a0 == 1
    counter.breakpoints.add(DRAM + 4)
    assert counter.run().pc == DRAM + 4
    assert list(counter.breakpoints) == [DRAM, DRAM + 4]
    assert counter.run(until=DRAM).reason == "until"
    counter.breakpoints.remove(DRAM)
    with pytest.raises(ConfigError, match="no breakpoint at 0x80000000"):
        counter.breakpoints.remove(DRAM)
    counter.breakpoints.clear()
    assert counter.run(max_insns=100).reason == "budget"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_insns": -1}, "max_insns"),
        ({"max_insns": "many"}, "max_insns"),
        ({"max_insns": 1 << 70}, "max_insns"),
        ({"timeout": -1}, "timeout=-1"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"watchdog": "soon"}, "watchdog='soon'"),
        ({"until": 1.5}, "1.5 is no address"),
        ({"until": 1 << 64}, "no address"),
    ],
)
def test_arguments_that_make_no_sense(counter: Machine, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(VmError, match=message):
        counter.run(**arguments)  # type: ignore[arg-type]
    assert counter.run(max_insns=2).reason == "budget"


def test_registers_and_memory_by_every_name(vm: Machine) -> None:
    vm.x.a0 = -1
    assert vm.x[10] == vm.x.x10 == vm.harts[0].x.a0 == (1 << 64) - 1
    vm.csr.mscratch = 7
    assert vm.csr["mscratch"] == vm.csr[0x340] == 7
    vm.f.fa0 = 1.5
    assert vm.f.fa0 == 1.5
    vm.phys[DRAM + 8 : DRAM + 12] = b"four"
    assert vm.mem[DRAM + 8 : DRAM + 12] == b"four"
    assert vm.harts[0].translate(DRAM) == DRAM
    assert (vm.harts[0].priv, vm.harts[0].stopped) == (3, False)
    with pytest.raises(MemoryAccessError, match="0x1234"):
        vm.phys[0x1234:0x1238]
    with pytest.raises(AttributeError):
        vm.x.a9  # noqa: B018


def test_harts(asm: Asm) -> None:
    with Machine(ram="1M", harts=3) as vm:
        vm.mem[DRAM:] = asm("csrrs rd=11 rs1=0 imm=0xF14", "jal rd=0 imm=0")
        vm.run(max_insns=200_000)
        assert [(h.index, h.x.a0, h.x.a1) for h in vm.harts] == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]
        assert sum(h.icount for h in vm.harts) == 200_000
        assert "Hart 1" in repr(vm.harts[1])


def test_stats_and_what_notebooks_show(counter: Machine) -> None:
    counter.run(max_insns=1000)
    stats = counter.stats()
    assert stats["instructions"] == 1000 and stats["hart_instructions"] == [1000]
    assert stats["virtual_seconds"] == pytest.approx(1e-6)
    assert "16M" in repr(counter) and "1000 instructions" in repr(counter)
    page = counter._repr_html_()
    assert page.startswith("<table>") and "1,000" in page
    counter.close()
    assert "closed" in repr(counter) and "closed" in counter._repr_html_()


def test_closing(asm: Asm) -> None:
    vm = Machine(ram="1M")
    view = vm.core.memory.view(DRAM, 16)
    with pytest.raises(VmError, match="views of guest memory are alive"):
        vm.close()
    assert not vm.closed
    view.release()
    vm.close()
    vm.close()
    assert vm.closed
    for action in (
        lambda: vm.run(max_insns=1),
        lambda: vm.run(timeout=1),
        lambda: vm.x.a0,
        lambda: vm.mem[DRAM],
        lambda: vm.pc,
        lambda: vm.csr.mstatus,
        vm.reset,
        vm.stats,
        vm.step,
    ):
        with pytest.raises(ClosedError):
            action()


def test_an_error_in_the_block_is_not_hidden_by_a_view() -> None:
    with pytest.raises(ZeroDivisionError), Machine(ram="1M") as vm:
        view = vm.core.memory.view(DRAM, 16)
        _ = 1 // 0
    view.release()
    vm.close()


def test_machines_that_are_dropped_give_their_memory_back() -> None:
    import gc
    import weakref

    vm = Machine(ram="1M")
    assert vm.console.read() == ""
    vm.break_at(DRAM)
    vm.hook.add(DRAM, lambda hart: None)
    vm.run(max_insns=1)
    gone = weakref.ref(vm)
    core = vm.core
    console = vm.console
    gc.disable()
    try:
        del vm
        assert gone() is None, "no cycle keeps a machine until the collector comes"
        with pytest.raises(ClosedError):
            core.run(1)
    finally:
        gc.enable()
    with pytest.raises(ClosedError, match="machine is gone"):
        console.expect("x")


def test_the_same_run_twice(asm: Asm) -> None:
    def run() -> tuple[int, ...]:
        with Machine(ram="1M", harts=2, seed=5) as vm:
            vm.mem[DRAM:] = asm("csrrs rd=11 rs1=0 imm=0xC01", "csrrw rd=12 rs1=0 imm=0x015", "jal rd=0 imm=-8")
            vm.run(max_insns=100_001)
            return (*vm.harts[0].x, *vm.harts[1].x)

    assert run() == run()


def test_the_hosts_clock(asm: Asm) -> None:
    with Machine(ram="1M", clock="host") as vm:
        vm.mem[DRAM:] = asm("csrrs rd=11 rs1=0 imm=0xC01", "jal rd=0 imm=-4")
        assert vm.run(timeout=0.02).reason == "timeout"
        assert vm.now >= 0.02
        time.sleep(0.05)
        stood = vm.now
        vm.run(max_insns=100)
        assert vm.now < stood + 0.05, "time between runs does not count"


def test_a_timer_wakes_an_idle_machine_by_the_hosts_clock(asm: Asm) -> None:
    with Machine(ram="1M", clock="host") as vm:
        vm.mem[DRAM:] = asm("wfi", "addi rd=10 rs1=0 imm=77", "jal rd=0 imm=0")
        vm.csr.mie = 1 << 7
        due = vm.board.clint.mtime + 200_000  # 20 ms
        vm.board.clint.write(0x4000, 8, due)
        assert vm.run(until=DRAM + 8).reason == "until"
        assert vm.x.a0 == 77 and vm.board.clint.mtime >= due
