"""The threads of parallel harts, on the core alone: budgets, who serves, what may be touched, that nothing is left."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest
from support.assembler import assemble

from vmcore._fast.memory.alloc import live
from vmcore._fast.run import EXITS, Core
from vmcore._fast.team import run_team
from vmcore.errors import ClosedError, ConfigError, DeviceError, VmError
from vmcore.isa.riscv import Isa, install

install()
DRAM = 0x8000_0000
DEVICE = 0x1000_0000
BUDGET, DEADLINE, IDLE, PROBE, STOP = (EXITS[name] for name in ("budget", "deadline", "idle", "probe", "stop"))
LOOP = assemble("addi rd=10 rs1=10 imm=1", "jal rd=0 imm=-4")
# Harts take turns to look at a device: lui t0, 0x10000; 1: lw a1, 0(t0); addi a0, a0, 1; j 1b
LOOKS = assemble("lui rd=5 imm=0x10000000", "lw rd=11 rs1=5 imm=0", "addi rd=10 rs1=10 imm=1", "jal rd=0 imm=-8")
WAITS = assemble("wfi", "jal rd=0 imm=-4")


def make(harts: int = 2, code: bytes = LOOP, tier: str = "auto") -> Core:
    core = Core(harts, Isa.default().mask, host_clock=True, tier=tier, parallel=True)
    core.add_ram(DRAM, 1 << 20)
    core.memory.write(DRAM, code)
    for hart in range(harts):
        core.set_pc(hart, DRAM)
    return core


@pytest.fixture(params=["auto", "t0"])
def core(request: pytest.FixtureRequest) -> Iterator[Core]:
    made = make(4, tier=request.param)
    yield made
    made.close()


def until_budget(core: Core, n: int) -> int:
    return run_team(core, lambda code: code, None, n)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 1000, 1_234_567])
def test_a_budget_is_exact_for_all_harts_together(core: Core, n: int) -> None:
    for times in (1, 2):
        assert until_budget(core, n) == BUDGET
        assert (core.icount(), core.insns_left) == (times * n, 0)


def test_threads_end_with_the_run(core: Core) -> None:
    seen: list[set[str]] = []

    def serve(code: int) -> int:
        seen.append({thread.name for thread in threading.enumerate()})
        return code

    before = threading.active_count()
    run_team(core, serve, lambda: core.now_ns + 1_000_000)
    assert {f"vmcore-hart-{i}" for i in range(1, 4)} <= seen[0]
    assert threading.active_count() == before


def test_many_short_runs_leave_nothing() -> None:
    before, threads = live(), threading.active_count()
    core = make(4)
    for _ in range(300):
        until_budget(core, 100)
    assert core.icount() == 30_000
    core.close()
    del core
    assert (live(), threading.active_count()) == (before, threads)


def test_a_deadline_ends_a_run_that_would_not_end(core: Core) -> None:
    ends = core.now_ns + 2_000_000
    assert run_team(core, lambda code: code, lambda: ends) == DEADLINE
    assert core.now_ns >= ends


def test_harts_that_all_wait_are_noticed() -> None:
    core = make(3, WAITS)
    assert run_team(core, lambda code: code) == IDLE
    assert all(core.hart_waiting(hart) for hart in range(3))
    core.close()


def test_a_stop_from_another_thread(core: Core) -> None:
    codes: list[int] = []

    def serve(code: int) -> int:
        codes.append(code)
        return code

    timer = threading.Timer(0.05, core.request_stop)
    timer.start()
    assert run_team(core, serve) == STOP
    timer.join()
    assert codes == [STOP]


def test_a_stop_that_comes_before_the_run_ends_it(core: Core) -> None:
    core.request_stop()
    assert run_team(core, lambda code: code) == STOP
    core.request_stop()
    core.forget_stop()
    assert until_budget(core, 1000) == BUDGET


class Register:
    """A device that notes who is inside, and how many at once."""

    name = "register"

    def __init__(self) -> None:
        self.inside = self.most = self.reads = 0
        self.threads: set[int] = set()

    def read(self, offset: int, size: int) -> int:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.threads.add(threading.get_ident())
        time.sleep(0)
        self.reads += 1
        self.inside -= 1
        return self.reads

    def write(self, offset: int, size: int, value: int) -> None:
        raise ValueError("no")


def test_one_hart_at_a_time_is_served() -> None:
    core = make(4, LOOKS)
    device = Register()
    core.attach_python(DEVICE, 0x1000, device)
    run_team(core, lambda code: code, None, 4000)
    assert device.most == 1
    assert len(device.threads) == 4
    # Each hart's latest answer may wait for the instruction that asked, where the budget ended in between.
    taken = sum(core.x(hart, 10) + (core.pc(hart) == DRAM + 8) for hart in range(4))
    assert 0 <= device.reads - taken <= 4
    core.close()


def test_an_exception_stops_all_and_is_raised() -> None:
    core = make(4)
    core.memory.write(DRAM + 0x100, assemble("lui rd=5 imm=0x10000000", "sw rs2=0 rs1=5 imm=0"))
    core.set_pc(2, DRAM + 0x100)
    core.attach_python(DEVICE, 0x1000, Register())
    before = threading.active_count()
    with pytest.raises(DeviceError, match="register.*ValueError"):
        run_team(core, lambda code: code)
    assert threading.active_count() == before
    assert core.pc(2) == DRAM + 0x108, "the store is done as far as the guest can tell"
    core.memory.write(DRAM + 0x108, LOOP)
    assert until_budget(core, 1000) == BUDGET, "it can go on"
    core.close()


def test_who_serves_may_touch_harts_and_nobody_else(core: Core) -> None:
    """A hart that a hook looks at stands still; other threads are told that the machine runs."""
    errors: list[str] = []
    looks: list[bool] = []

    def outside() -> None:
        for attempt in (lambda: core.x(1, 10), lambda: core.set_pc(0, DRAM), core.close, core.reset,
                        lambda: core.run(1), lambda: core.hook_add(DRAM, print)):  # fmt: skip
            try:
                attempt()
            except VmError as error:
                errors.append(str(error))

    def hook(hart: int) -> bool:
        thread = threading.Thread(target=outside)
        thread.start()
        thread.join()
        others = [core.icount(i) for i in range(4)]
        time.sleep(0.002)
        looks.append(others == [core.icount(i) for i in range(4)])
        core.set_x(3, 20, 77)
        return True

    until_budget(core, 100_000)
    core.memory.write(DRAM + 0x100, LOOP)
    core.fence_i()
    core.set_pc(1, DRAM + 0x100)
    core.hook_add(DRAM + 0x100, hook)
    assert run_team(core, lambda code: code) == PROBE
    assert core.exit_hart == 1
    assert looks == [True]
    assert core.x(3, 20) == 77
    assert len(errors) == 6 and all("running" in error for error in errors), errors


def until_all(core: Core, harts: range, register: int) -> None:
    """Run until the register of all these harts is set: how soon is up to the host."""
    for _ in range(1000):
        if all(core.x(hart, register) for hart in harts):
            return
        ends = core.now_ns + 20_000_000
        run_team(core, lambda code: code, lambda ends=ends: ends)
    raise AssertionError("some hart does not get on")


def test_a_hook_may_change_code_under_the_others(core: Core) -> None:
    """The new code is what all of them run, wherever they are: `addi a0, a0, 1` becomes `addi a1, a1, 1`."""

    def hook(hart: int) -> bool:
        core.memory.write(DRAM, assemble("addi rd=11 rs1=11 imm=1"))
        core.fence_i()
        before.extend(core.x(i, 10) for i in range(3))
        return True

    before: list[int] = []
    until_all(core, range(3), 10)
    core.memory.write(DRAM + 0x2000, LOOP)
    core.fence_i()
    core.set_pc(3, DRAM + 0x2000)
    core.hook_add(DRAM + 0x2000, hook)
    assert run_team(core, lambda code: code) == PROBE
    core.hook_remove(DRAM + 0x2000, hook)
    until_all(core, range(3), 11)
    assert [core.x(i, 10) for i in range(3)] == before


def test_wrong_use() -> None:
    with pytest.raises(ConfigError, match="parallel harts need the host's clock"):
        Core(2, Isa.default().mask, parallel=True)
    serial = Core(1, Isa.default().mask)
    with pytest.raises(ConfigError, match="not parallel"):
        run_team(serial, lambda code: code)
    serial.close()
    core = make(1)
    with pytest.raises(ConfigError, match="run_team"):
        core.run(1)
    with pytest.raises(ConfigError, match="max_insns=-1"):
        until_budget(core, -1)
    core.close()
    with pytest.raises(ClosedError):
        until_budget(core, 1)


@pytest.mark.parametrize("harts", [1, 3])
def test_a_fork_while_harts_run(harts: int) -> None:
    """The child's copy is closed, and waits for no lock that a thread of the parent's held."""

    def hook(hart: int) -> bool:
        child = os.fork()
        if child == 0:
            try:
                core.x(0, 10)
            except ClosedError:
                os._exit(7)
            os._exit(1)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return True

    statuses: list[int] = []
    core = make(harts)
    core.hook_add(DRAM, hook)
    assert run_team(core, lambda code: code) == PROBE
    assert statuses == [7]
    core.close()


def test_an_interrupt_wakes_who_sleeps() -> None:
    # csrwi sie, 2; 1: wfi; addi a0, a0, 1; csrci sip, 2; j 1b
    code = assemble("csrrwi rd=0 rs1=2 imm=0x104", "wfi", "addi rd=10 rs1=10 imm=1",
                    "csrrci rd=0 rs1=2 imm=0x144", "jal rd=0 imm=-12")  # fmt: skip
    core = make(2, code)
    for hart in range(2):
        core.csr_write(hart, 0x303, 2)
    rung = 0

    def serve(code: int) -> int | None:
        nonlocal rung
        if code != IDLE:
            return code
        if rung == 20:
            return code
        rung += 1
        for hart in range(2):
            core.hart_interrupt(hart)
        return None

    assert run_team(core, serve) == IDLE
    assert [core.x(hart, 10) for hart in range(2)] == [20, 20]
    core.close()
