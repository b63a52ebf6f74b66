"""Parallel harts: memory order, fences between harts, and that a machine of theirs stops, goes on and fails as any."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asm.programs import build_program, build_supervisor
from support.bundled import PROMPT

from vmcore import ConfigError, Machine, VmError
from vmcore.config.settings import load_settings
from vmcore.guests import image_path
from vmcore.machine.hart import Hart

DRAM = 0x8000_0000
# Seconds on the host's clock after which a run counts as hung.
HUNG = 120.0
Asm = Callable[..., bytes]


@pytest.fixture(params=["t0", "t1", "auto"])
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def counters(asm: Asm) -> Iterator[Machine]:
    """Two harts that count in a0 without end."""
    with Machine(ram="16M", harts=2, parallel=True) as vm:
        vm.mem[DRAM:] = asm("addi rd=10 rs1=10 imm=1", "jal rd=0 imm=-4")
        yield vm


def failed_line(vm: Machine) -> int:
    return int.from_bytes(vm.phys.read("failed_line", 8), "little")


def run_program(elf: Path, tier: str) -> None:
    with Machine(ram="32M", harts=4, kernel=elf, bios="none", parallel=True, tier=tier) as vm:
        stop = vm.run(watchdog=HUNG)
        assert (stop.reason, stop.code) == ("exit", 0), vm.console.read()


def test_outcomes_that_the_memory_model_forbids_are_never_seen(tier: str) -> None:
    run_program(build_program("litmus"), tier)


def test_locks_doorbells_timers_and_shootdowns(tier: str) -> None:
    run_program(build_program("smp", "-DBY_VALUE"), tier)


def test_the_firmwares_fences_and_interrupts_reach_harts_that_run(tier: str) -> None:
    with Machine(ram="32M", harts=4, kernel=build_supervisor("remote"), parallel=True, tier=tier) as vm:
        stop = vm.run(watchdog=HUNG)
        assert (stop.reason, stop.code) == ("poweroff", 0), f"line {failed_line(vm)}"
        assert vm.run() is stop


def test_the_bundled_guest() -> None:
    with Machine(ram="128M", harts=4, kernel=image_path(), parallel=True) as vm:
        vm.console.expect(PROMPT, timeout=HUNG)
        for command, answer in (("harts", "hart"), ("spawn 8 50", ""), ("primes 20000", "2262"), ("stress 2", "")):
            vm.console.write(command + "\n")
            vm.console.expect(command)
            assert answer in vm.console.expect(PROMPT, timeout=HUNG).before
        vm.console.write("reboot\n")
        vm.console.expect(PROMPT, timeout=HUNG)
        vm.console.write("poweroff 3\n")
        stop = vm.run(timeout=HUNG)
        assert (stop.reason, stop.code) == ("poweroff", 3)


def test_budgets_steps_and_timeouts(counters: Machine) -> None:
    stop = counters.run(max_insns=1001)
    assert (stop.reason, stop.icount, counters.core.icount()) == ("budget", 1001, 1001)
    assert counters.step(3).icount == 1004
    before = counters.now
    stop = counters.run(timeout=0.01)
    assert stop.reason == "timeout"
    assert counters.now - before >= 0.01
    assert stop.icount == counters.core.icount()


def test_until_and_breakpoints(counters: Machine) -> None:
    counters.run(max_insns=100_000)
    stop = counters.run(until=DRAM + 4)
    assert (stop.reason, stop.pc) == ("until", DRAM + 4)
    counters.breakpoints.add(DRAM)
    stop = counters.run()
    assert (stop.reason, stop.pc, counters.harts[stop.hart].pc) == ("breakpoint", DRAM, DRAM)
    counters.breakpoints.clear()
    assert counters.run(max_insns=10).reason == "budget"


def test_hooks_run_one_at_a_time_and_see_every_hart(counters: Machine) -> None:
    inside: list[int] = []
    most: list[int] = []
    seen: set[int] = set()

    @counters.hook.code(DRAM)
    def on_turn(hart: Hart) -> bool:
        inside.append(hart.index)
        most.append(len(inside))
        assert hart.pc == DRAM
        counters.harts[1 - hart.index].x.s1 += 1
        seen.add(hart.index)
        inside.pop()
        return len(most) > 50 and seen == {0, 1}

    assert counters.run(watchdog=HUNG).reason == "hook"
    assert set(most) == {1}
    assert sum(hart.x.s1 for hart in counters.harts) == len(most)


def test_an_exception_in_a_hook_leaves_run(counters: Machine) -> None:
    @counters.hook.code(DRAM + 4)
    def on_jump(hart: Hart) -> None:
        if hart.index == 1:
            raise RuntimeError("enough")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="enough"):
        counters.run(watchdog=HUNG)
    assert threading.active_count() == before
    counters.hook.clear()
    assert counters.run(max_insns=1000).reason == "budget"


def test_stop_from_another_thread_and_the_watchdog(counters: Machine) -> None:
    threading.Timer(0.05, counters.stop).start()
    assert counters.run().reason == "stopped"
    assert counters.run(watchdog=0.05).reason == "watchdog"


@pytest.mark.usefixtures("control_c")
def test_ctrl_c(counters: Machine) -> None:
    def interrupt() -> None:
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    before = threading.active_count()
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        counters.run()
    thread.join()
    assert threading.active_count() == before
    assert counters.run(max_insns=10).reason == "budget"


@pytest.mark.usefixtures("control_c")
def test_ctrl_c_while_all_harts_wait(asm: Asm) -> None:
    with Machine(ram="16M", harts=2, parallel=True) as vm:
        # A timer that is set keeps the run from ending: far away, by the host's clock.
        vm.mem[DRAM:] = asm("wfi", "jal rd=0 imm=-4")
        threading.Timer(0.05, _thread.interrupt_main).start()
        with pytest.raises(KeyboardInterrupt):
            vm.run(timeout=3600)


def test_waiting_harts_end_the_run(asm: Asm) -> None:
    with Machine(ram="16M", harts=3, parallel=True) as vm:
        vm.mem[DRAM:] = asm("wfi", "jal rd=0 imm=-4")
        assert vm.run().reason == "idle"


def test_a_machine_that_runs_is_not_closed(counters: Machine) -> None:
    messages: list[str] = []

    @counters.hook.code(DRAM)
    def on_turn(hart: Hart) -> bool:
        with pytest.raises(VmError, match="running") as error:
            counters.close()
        messages.append(str(error.value))
        with pytest.raises(VmError, match="running"):
            counters.run()
        return True

    assert counters.run().reason == "hook"
    assert messages


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parallel": True, "clock": "virtual"}, "parallel=True with clock='virtual'"),
        ({"parallel": True, "icount": True}, "icount=True with parallel=True"),
        ({"icount": True, "clock": "host"}, "icount=True with clock='host'"),
        ({"parallel": "perhaps"}, "parallel='perhaps' is neither yes nor no"),
    ],
)
def test_what_contradicts_itself(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(arguments, {})


def test_the_clock_follows() -> None:
    assert load_settings({}, {}).clock == "virtual"
    assert load_settings({"icount": True}, {}).clock == "virtual"
    assert load_settings({}, {"VMCORE_PARALLEL": "1"}) == load_settings({"parallel": True, "clock": "host"}, {})
    with pytest.raises(ConfigError, match="VMCORE_PARALLEL"):
        load_settings({}, {"VMCORE_PARALLEL": "2"})


def test_icount_is_the_virtual_clock(asm: Asm) -> None:
    ends = []
    for named in ({}, {"icount": True}):
        with Machine(ram="16M", harts=2, **named) as vm:
            vm.mem[DRAM:] = asm("csrrs rd=10 rs1=0 imm=0xC01", "add rd=11 rs1=11 rs2=10", "jal rd=0 imm=-8")
            vm.run(max_insns=123_457)
            ends.append(([(hart.pc, hart.x.a0, hart.x.a1) for hart in vm.harts], vm.now))
    assert ends[0] == ends[1]
