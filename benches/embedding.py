"""What do the small steps of a script cost? Least times of many, each beside Unicorn's in the same run."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import unicorn
from measure import options, report
from unicorn import riscv_const as uc

import vmcore

DRAM = 0x8000_0000
# addi a0, a0, 1 ; j back
LOOP = bytes.fromhex("13051500" "6ff0dfff")
LIMITS_NS = {"machine": 1_000_000, "run": 600, "register": 80, "memory": 150, "hook": 200}
WHAT = {
    "machine": "new machine, first instruction",
    "run": "run(max_insns=100)",
    "register": "read a register",
    "memory": "read 64 bytes",
    "hook": "call of a Python hook",
}


def least(step: Callable[[], Any], repeat: int, batches: int = 30) -> float:
    """Return the least nanoseconds of one step over many batches, so that the host's load does not matter."""
    best = float("inf")
    steps = range(repeat)
    for _ in range(batches):
        start = time.perf_counter_ns()
        for _ in steps:
            step()
        best = min(best, (time.perf_counter_ns() - start) / repeat)
    return best


def new_vmcore() -> vmcore.Machine:
    """Return a machine with the loop in its RAM and its pc there."""
    vm = vmcore.Machine("virt", ram="128M")
    vm.mem[DRAM : DRAM + len(LOOP)] = LOOP
    vm.pc = DRAM
    return vm


def new_unicorn() -> unicorn.Uc:
    """Return the same for Unicorn."""
    engine = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV64)
    engine.mem_map(DRAM, 128 << 20)
    engine.mem_write(DRAM, LOOP)
    return engine


def of_vmcore() -> dict[str, float]:
    """Return the nanoseconds of each step."""

    def machine() -> None:
        with new_vmcore() as vm:
            vm.run(max_insns=1)

    found = {"machine": least(machine, 5)}
    with new_vmcore() as vm:
        x, mem = vm.x, vm.mem
        found["run"] = least(lambda: vm.run(max_insns=100), 1000)
        found["register"] = least(lambda: x.a0, 5000)
        found["memory"] = least(lambda: mem[DRAM : DRAM + 64], 5000)
        bare = least(lambda: vm.run(max_insns=20_000), 5)
        vm.hook.code(DRAM)(lambda *_: None)
        # Every second instruction calls the hook.
        found["hook"] = (least(lambda: vm.run(max_insns=20_000), 5) - bare) / 10_000
    return found


def of_unicorn() -> dict[str, float]:
    """Return the nanoseconds of each step."""
    found = {"machine": least(lambda: new_unicorn().emu_start(DRAM, 0, count=1), 5)}
    engine = new_unicorn()
    found["run"] = least(lambda: engine.emu_start(DRAM, 0, count=100), 100)
    found["register"] = least(lambda: engine.reg_read(uc.UC_RISCV_REG_A0), 1000)
    found["memory"] = least(lambda: engine.mem_read(DRAM, 64), 1000)
    engine.hook_add(unicorn.UC_HOOK_CODE, lambda *_: None, begin=DRAM + 4, end=DRAM + 4)
    engine.hook_add(unicorn.UC_HOOK_CODE, lambda *_: None, begin=DRAM, end=DRAM)
    both = least(lambda: engine.emu_start(DRAM, 0, count=20_000), 3, 10)
    # The count itself costs Unicorn a hook on each instruction, which is not the callback's: take it off.
    plain = new_unicorn()
    found["hook"] = (both - least(lambda: plain.emu_start(DRAM, 0, count=20_000), 3, 10)) / 20_000
    return found


def main() -> None:
    """Measure twice in turn, keep the least, print."""
    arguments = options(__doc__ or "", rounds=2)
    gc.disable()
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        ours.append(of_vmcore())
        theirs.append(of_unicorn())
    figures = {}
    print(f"{'':32} {'vmcore':>10} {'at most':>10} {'Unicorn':>10}  ratio")
    for key, limit in LIMITS_NS.items():
        mine, other = min(run[key] for run in ours), min(run[key] for run in theirs)
        figures[key] = {"vmcore_ns": mine, "limit_ns": limit, "unicorn_ns": other}
        mark = "" if mine <= limit else "  over the limit"
        print(f"{WHAT[key]:32} {mine:7.0f} ns {limit:7.0f} ns {other:7.0f} ns  {other / mine:5.1f}{mark}")
    report(arguments, figures)


if __name__ == "__main__":
    main()
