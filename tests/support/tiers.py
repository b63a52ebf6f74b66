"""Two machines that begin alike, one on T0 and one on T1, compared wherever compiled code is left.

The machine on T1 runs until it leaves compiled code (:func:`vmcore._fast.jitface.stress`), the one on T0 runs as many
instructions, and everything that can be seen of the two must be the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from vmcore._fast import jitface
from vmcore._fast.run import EXITS, Core
from vmcore.isa.riscv.csrs import csr_number

MIP, MIE = csr_number("mip"), csr_number("mie")
#: What changes without a trap, and what a trap changes.
LOOKED_AT = [
    csr_number(name)
    for name in ("fcsr", "mstatus", "mie", "mip", "mcause", "mepc", "mtval", "scause", "sepc", "stval", "sscratch",
                 "satp", "minstret", "mcycle", "stimecmp", "mcountinhibit")
]  # fmt: skip
#: Stops between two looks at everything.
RARELY = 50


class Tested(Protocol):
    """A machine that has a core and can say what its state is."""

    core: Core
    start: int
    end: int

    def state(self) -> dict[str, object]: ...
    def close(self) -> None: ...


@dataclass
class Compared:
    """How much was compared: stops, and instructions that compiled code executed."""

    stops: int
    compiled: int
    stats: dict[str, int]


def registers(core: Core, hart: int) -> list[object]:
    """Return what nearly every instruction changes."""
    x, f, csr = core.x, core.f, core.csr_read
    return [core.pc(hart), core.priv(hart), core.icount(hart), core.hart_waiting(hart),
            [x(hart, n) for n in range(32)], [f(hart, n) for n in range(32)],
            [csr(hart, n) for n in LOOKED_AT]]  # fmt: skip


def differences(ours: dict[str, object], theirs: dict[str, object]) -> list[str]:
    """Say what differs between two states, T1's first."""
    found = []
    for key, value in theirs.items():
        if ours[key] == value:
            continue
        if isinstance(value, bytes) and isinstance(ours[key], bytes):
            at = next(i for i in range(len(value)) if value[i] != ours[key][i])  # type: ignore[index]
            found.append(f"{key} +{at:#x}: T1 {ours[key][at:at + 8].hex()}, T0 {value[at:at + 8].hex()}")  # type: ignore[index]
        elif isinstance(value, int) and isinstance(ours[key], int):
            found.append(f"{key}: T1 {ours[key]:#x}, T0 {value:#x}")
        else:
            found.append(f"{key}: T1 {ours[key]!r}, T0 {value!r}"[:300])
    return found


def in_lockstep(make: Callable[[str], Any], insns: int, *, piece: int | None = None, ram: tuple[int, int] | None = None,
                ended: Callable[[Any], bool] | None = None, stop: bool = True, **stress: Any) -> Compared:
    """Run both for `insns` instructions and compare them at each stop.

    Parameters
    ----------
    make : callable
        Makes a machine of a tier.
    insns : int
        Of all harts together.
    piece : int, optional
        Instructions at most between two stops.
    ram : tuple of int, optional
        Address and size of the memory that is compared at each stop, not only now and then.
    ended : callable, optional
        Whether a machine has come to its end before that.
    stop : bool
        Stop wherever compiled code is left; otherwise every `piece` instructions only.
    **stress
        More for :func:`vmcore._fast.jitface.stress`.
    """
    one, two = make("t0"), make("t2" if stress.get("region_every") else "t1")
    t0, t1 = one.core, two.core
    jitface.stress(t1, stop=stop, **stress)
    stops = 0
    last = -1
    try:
        while (done := t1.icount()) < insns and not (ended is not None and ended(two)):
            reason = t1.run(max_insns=min(insns - done, piece or insns))
            assert reason in (EXITS["stop"], EXITS["budget"], EXITS["htif"], EXITS["idle"]), reason
            if reason not in (EXITS["htif"], EXITS["idle"]) and any(
                t1.csr_read(hart, MIP) & t1.csr_read(hart, MIE) for hart in range(t1.nharts)
            ):
                # An interrupt comes between two instructions: one more, and both have taken it, or none.
                reason = t1.run(max_insns=1)
            # What is due now has happened on both sides.
            t1.run(max_insns=0)
            same = t0.run(max_insns=t1.icount() - done) == (reason if reason == EXITS["htif"] else EXITS["budget"])
            t0.run(max_insns=0)
            stops += 1
            same = same and all(registers(t1, hart) == registers(t0, hart) for hart in range(t0.nharts))
            if same and ram is not None:
                same = t1.memory.read(*ram) == t0.memory.read(*ram)
            if not same or stops % RARELY == 0 or t1.icount() >= insns:
                found = differences(two.state(), one.state())
                assert same and not found, f"stop {stops} at {t1.icount()}, the last one at {done}, pc {last:#x}\n" + \
                    "\n".join(found)
            if reason == EXITS["idle"]:
                # Nobody will do anything any more.
                break
            last = t1.pc(0)
        found = differences(two.state(), one.state())
        assert not found, "at the end\n" + "\n".join(found)
        stats = t1.stats()
        return Compared(stops, stats["t1_insns"], stats)
    finally:
        one.close()
        two.close()
