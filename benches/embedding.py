"""What do the small steps of a script cost? Least times of many, each beside Unicorn's in the same run."""

from __future__ import annotations

import gc
import timeit
from collections.abc import Callable
from typing import Any

import unicorn
from measure import parser, report
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


def least(statement: str | Callable[[], Any], repeat: int, batches: int = 30, **names: Any) -> float:
    """Return the least nanoseconds of one step over many batches, so that the host's load does not matter."""
    timer = timeit.Timer(statement, globals=names)
    return min(timer.repeat(batches, repeat)) / repeat * 1e9


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
        found["run"] = least("run(max_insns=100)", 1000, run=vm.run)
        found["register"] = least("x.a0", 1000, 200, x=vm.x)
        found["memory"] = least("mem[0x80000000:0x80000040]", 1000, 200, mem=vm.mem)
        bare = least(lambda: vm.run(max_insns=20_000), 5)
        vm.hook.code(DRAM)(lambda hart: None)
        # Every second instruction calls the hook.
        found["hook"] = (least(lambda: vm.run(max_insns=20_000), 5) - bare) / 10_000
    return found


def of_unicorn() -> dict[str, float]:
    """Return the nanoseconds of each step."""
    found = {"machine": least(lambda: new_unicorn().emu_start(DRAM, 0, count=1), 5)}
    engine = new_unicorn()
    found["run"] = least(lambda: engine.emu_start(DRAM, 0, count=100), 100)
    found["register"] = least("read(a0)", 1000, read=engine.reg_read, a0=uc.UC_RISCV_REG_A0)
    found["memory"] = least("read(0x80000000, 64)", 1000, read=engine.mem_read)
    bare = least(lambda: engine.emu_start(DRAM, 0, count=20_000), 3, 10)
    # A new one: code that was translated before a hook was added does not call it.
    hooked = new_unicorn()
    calls = 0

    def hook(*_: Any) -> None:
        nonlocal calls
        calls += 1

    hooked.hook_add(unicorn.UC_HOOK_CODE, hook, begin=DRAM, end=DRAM)
    hooked.emu_start(DRAM, 0, count=20_000)
    each = calls
    if not each:
        raise SystemExit("Unicorn never called the hook")
    # The count costs Unicorn something on every instruction, which is not the callback's: it is taken off.
    found["hook"] = (least(lambda: hooked.emu_start(DRAM, 0, count=20_000), 3, 10) - bare) / each
    return found


def main() -> None:
    """Measure twice in turn, keep the least, print."""
    arguments = parser(__doc__ or "", rounds=2).parse_args()
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
