"""The compiled code of a machine is a source of the process's fragmentation monitor."""

from __future__ import annotations

import os

import pytest
from support.assembler import Assembler

from vmcore import Machine
from vmcore.errors import ConfigError, VmError
from vmcore.heap.monitor import process_monitor

RAM = 0x8000_0000
PAGES = 4000
A0 = 10
NOP = bytes.fromhex("13000000")


def sources() -> set[str]:
    return {name for name in process_monitor().names if name.startswith("code-")}


def page(index: int) -> bytes:
    """Code of some 400 bytes, which leads to the next page; the last one waits."""
    code = Assembler(RAM + 4096 * index)
    for _ in range(60):
        code.emit("addi", rd=A0, rs1=A0, imm=1)
    if index + 1 < PAGES:
        code.emit("jal", rd=0, imm=4096 - 240)
    else:
        code.emit("jal", rd=0, imm=0)
    return code.code()


def test_scattered_code_is_moved_together_by_the_monitor() -> None:
    before = sources()
    with Machine(ram="32M", tier="t1", code_cache="off") as vm:
        (name,) = sources() - before
        for index in range(PAGES):
            vm.core.memory.write(RAM + 4096 * index, page(index))
        vm.core.set_pc(0, RAM)
        vm.run(max_insns=61 * PAGES)
        found = process_monitor().sample()[name]
        assert found.held > 1 << 20 and found.ratio < 0.1
        assert process_monitor().metrics()[name]["compactions"] == 0
        for index in range(PAGES):
            if index % 16:
                vm.core.memory.write(RAM + 4096 * index, NOP)
        vm.core.fence_i()
        # What is scattered is compacted at once.
        after = process_monitor().sample()[name]
        numbers = process_monitor().metrics()[name]
        assert numbers["compactions"] == 1 and numbers["alerts"] == 1
        assert after.ratio < 0.2 and numbers["back"] == found.held - after.held > found.held // 2
        vm.core.set_pc(0, RAM)
        vm.core.set_x(0, A0, 0)
        vm.run(max_insns=61 * PAGES)
        # Of the pages that were changed, one instruction less.
        assert vm.core.x(0, A0) == 60 * PAGES - PAGES * 15 // 16
    assert sources() == before
    with pytest.raises(ConfigError):
        process_monitor().compact(name)


def test_a_machine_that_cannot_be_closed_yet_stays_watched() -> None:
    before = sources()
    vm = Machine(ram="16M")
    view = vm.core.memory.view(RAM, 16)
    with pytest.raises(VmError):
        vm.close()
    assert len(sources() - before) == 1
    del view
    vm.close()
    assert sources() == before


def test_a_machine_that_nobody_holds_is_watched_no_more() -> None:
    before = sources()
    vm = Machine(ram="16M")
    assert len(sources() - before) == 1
    del vm
    assert sources() == before


def test_code_of_the_process_that_was_forked_from_is_not_looked_at() -> None:
    before = sources()
    with Machine(ram="16M", tier="t1", code_cache="off") as vm:
        (name,) = sources() - before
        vm.core.memory.write(RAM, page(PAGES - 1))
        vm.core.set_pc(0, RAM)
        vm.run(max_insns=1000)
        assert process_monitor().sample()[name].held > 0
        child = os.fork()
        if child == 0:
            fine = process_monitor().compact(name)[1].held == 0
            os._exit(0 if fine else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert process_monitor().sample()[name].held > 0
