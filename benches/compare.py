"""How fast is vmcore? Kernels under Debian's riscv64 Linux, in vmcore, in QEMU, and native: CPU seconds and ratios.

Each run is a process. Its CPU seconds, those of all threads, count from the moment when the guest has booted, is at
rest and says so; what the same run with an empty kernel takes from there on is taken off. The row `boot` is what a
process takes from its start, Python's imports included, until the guest's first program runs; `boot-rest` until the
guest is at rest, which is when the kernel has tested its ciphers. Both machines have one hart and Sv39. How often
compiled code finds its way in its table (L1) is counted in one more run of each row, whose time is not looked at.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from measure import geomean, interleave, parser, ratio, report
from subjects import QEMU, QEMU_WANTED, Guests, Native, Qemu, Run, Vmcore

import guests

# The rows of the boot, and the moments that they last until.
BOOTS = {"boot": "init", "boot_rest": "ready"}
AGAIN = "_again"
# What only a run that counts look-ups knows.
LOOKUPS = ("l1_lookups", "l1_hits", "l1_hit_pct")
# No process is measured finer than this.
LEAST = 1e-4
HOW_TO_GET = (
    "QEMU {wanted} or later is what vmcore is compared with. Debian 13 has it; Debian 12 gets it by `apt-get install "
    "-t bookworm-backports qemu-system-misc` (see README.md)."
)


# What the engine says of itself: title, counter, what it is divided by (counters that are summed up, if any), factor.
# A column is there where vmcore has its counters.
TIERS = ("t0_insns", "t1_insns")
ENGINE = (
    ("compiled %", "t1_insns", TIERS, 100.0),
    ("T2 %", "t2_insns", TIERS, 100.0),
    ("L1 hit %", "l1_hits", ("l1_lookups",), 100.0),
    ("L3 hit %", "l3_hit_pct", (), 1.0),
    ("insn/exit", "instructions", ("exits",), 1.0),
    ("compile us/insn", "t1_compile_ns", ("t1_compiled",), 1e-3),
    ("code B/insn", "t1_code_bytes", ("t1_compiled",), 1.0),
)
HEAD = ("row", "native s", "QEMU s", "vmcore s", "of QEMU's speed", "/ native", "Minsn")
WIDTHS = (15, 8, 8, 8, 19, 8, 6)


def line(*cells: str) -> str:
    """Return the cells in their columns: those of HEAD, then the engine's, each as wide as its title."""
    widths = (*WIDTHS, *(max(len(cell), 9) for cell in cells[len(WIDTHS) :]))
    pairs = enumerate(zip(cells, widths, strict=False))
    first, *rest = (f"{cell:{'<' if at == 0 else '>'}{width}}" for at, (cell, width) in pairs)
    return "  ".join([first, *rest]).rstrip()


def lookups(counters: dict[str, float]) -> dict[str, float]:
    """Return what was counted of the look-ups; nothing, where nothing is compiled."""
    return {key: counters[key] for key in LOOKUPS if key in counters}


@dataclass
class Row:
    """What is known about one row: the seconds of each subject's rounds, and vmcore's counters in the last of them."""

    name: str
    seconds: dict[str, list[float]]
    counters: dict[str, float]
    stats: dict[str, Any]

    def speed(self) -> tuple[float, float, float] | None:
        """Return how many times as fast as QEMU vmcore is: median, least, most."""
        return ratio(self.seconds["qemu"], self.seconds["vmcore"]) if "qemu" in self.seconds else None

    def engine(self) -> dict[str, str]:
        """Return the engine's columns, as far as their counters are there."""
        count, found = self.counters, {}
        for title, key, below, factor in ENGINE:
            parts = [count[part] for part in below if part in count]
            if key in count and (parts or not below):
                value = count[key] * factor / (max(sum(parts), 1) if below else 1)
                found[title] = f"{value:{'.0f' if value >= 1000 else '.4g'}}"
        return found

    def __str__(self) -> str:
        middle = {who: median(values) for who, values in self.seconds.items()}
        seconds = [f"{middle[who]:.3f}" if who in middle else "" for who in ("native", "qemu", "vmcore")]
        speed = self.speed()
        of_qemu = "{:.2f} ({:.2f}-{:.2f})".format(*speed) if speed else ""
        to_native = f"{middle['vmcore'] / middle['native']:.1f}" if "native" in middle else ""
        millions = f"{self.counters['instructions'] / 1e6:.0f}"
        engine = [f"{value:>{len(title)}}" for title, value in self.engine().items()]
        return line(self.name.replace("_", "-"), *seconds, of_qemu, to_native, millions, *engine)


class Table:
    """The rows, printed as they come.

    Parameters
    ----------
    subjects : dict
        Who is compared: name, and what runs a kernel by its name.
    rounds : int
        How often.
    vmcore : Vmcore
        Who runs each kernel once more, to count look-ups.
    """

    def __init__(self, subjects: dict[str, Callable[[str], Run]], rounds: int, vmcore: Vmcore) -> None:
        self._subjects, self._rounds, self._vmcore = subjects, rounds, vmcore
        self.rows: list[Row] = []
        self._empties: dict[str, list[Run]] = {}

    def _runs(self, name: str) -> dict[str, list[Run]]:
        return interleave(self._rounds, {who: partial(run, name) for who, run in self._subjects.items()})

    def _add(self, row: Row) -> None:
        if not self.rows:
            print(line(*HEAD, *row.engine()))
        self.rows.append(row)
        print(row, flush=True)

    def _boots(self, runs: dict[str, list[Run]], counted: Run, suffix: str = "") -> None:
        for name, moment in BOOTS.items():
            last = runs["vmcore"][-1]
            seconds = {who: [run.seconds[moment] for run in of] for who, of in runs.items() if of[-1].seconds}
            counters = last.counters(end=moment) | lookups(counted.counters(end=moment))
            self._add(Row(name + suffix, seconds, counters, last.stats[moment]))

    def empty(self) -> None:
        """Run nothing: what that takes is taken off every kernel, and what comes before it are the rows of the boot."""
        self._empties = self._runs(guests.EMPTY)
        if "ready" in self._empties["vmcore"][0].seconds:
            self._boots(self._empties, self._vmcore.run(guests.EMPTY, counting=True))

    def again(self) -> None:
        """Boot with a cache folder that an earlier boot has filled; QEMU, which has none, boots as it did before."""
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder)
            self._vmcore.run(guests.EMPTY, cache)
            if not any(cache.iterdir()):
                print("(vmcore keeps no code on disk: a second boot is like the first)")
                return
            runs = [self._vmcore.run(guests.EMPTY, cache) for _ in range(self._rounds)]
            # Code that counts is other code: it has to be there too.
            _, counted = (self._vmcore.run(guests.EMPTY, cache, counting=True) for _ in range(2))
        self._boots({**self._empties, "vmcore": runs}, counted, AGAIN)

    def kernel(self, name: str) -> None:
        """Run a kernel."""
        runs = self._runs(name)
        seconds = {}
        for who, of in runs.items():
            nothing = median(run.work for run in self._empties[who])
            seconds[who] = [max(run.work - nothing, LEAST) for run in of]
        last = runs["vmcore"][-1]
        counted = self._vmcore.run(name, counting=True)
        counters = last.counters("ready") | lookups(counted.counters("ready"))
        self._add(Row(name, seconds, counters, last.stats["end"]))

    def summary(self) -> dict[str, dict[str, float]]:
        """Print the geometric means, and return them."""
        found = {}
        groups = {**guests.GROUPS, "all": tuple(name for group in guests.GROUPS.values() for name in group)}
        for label, names in groups.items():
            rows = [row for row in self.rows if row.name in names]
            if not rows:
                continue
            to_native = [median(row.seconds["vmcore"]) / median(row.seconds["native"]) for row in rows]
            means = {"rows": len(rows), "to_native": geomean(to_native)}
            speeds = [speed[0] for row in rows if (speed := row.speed())]
            if speeds:
                means["speed"] = geomean(speeds)
            found[label] = means
            of_qemu = f"{means['speed']:.2f}" if speeds else ""
            print(line(f"geomean {label}", "", "", f"{len(rows)} rows", of_qemu, f"{means['to_native']:.1f}"))
        return found


def main() -> None:
    """Build, run, print."""
    options = parser(__doc__ or "", rounds=1)
    options.add_argument("--only", nargs="+", metavar="ROW", default=[], help="kernels or groups of kernels")
    options.add_argument("--bare", action="store_true", help="in S-mode on the bare machine instead of under Linux")
    options.add_argument("--tier", choices=("auto", "t0", "t1", "t2"),
                         help="how vmcore runs code; default: as it decides")
    options.add_argument("--times", type=int, default=1, metavar="N",
                         help="how often a kernel runs in each run, under Linux (1: with all that it takes to get hot)")
    arguments = options.parse_args()
    if arguments.times < 1 or (arguments.bare and arguments.times > 1):
        raise SystemExit(f"{arguments.times} times are not possible: at least 1, and on the bare machine once")
    names = guests.kernels(hosted=not arguments.bare)
    only = [name.replace("-", "_") for name in arguments.only]
    unknown = set(only) - {*names, *guests.GROUPS, *BOOTS}
    if unknown:
        raise SystemExit(f"no row is called {', '.join(sorted(unknown))}; rows are {', '.join([*BOOTS, *names])}")
    if only:
        names = [name for name in names if name in only or any(name in guests.GROUPS.get(group, ()) for group in only)]

    with tempfile.TemporaryDirectory() as folder:
        made = Guests(Path(folder), "bare" if arguments.bare else "linux", arguments.times)
        vmcore = Vmcore(made, arguments.tier)
        subjects: dict[str, Callable[[str], Run]] = {"vmcore": vmcore.run}
        peer = None
        if Qemu.installed():
            qemu = Qemu(made)
            subjects["qemu"], peer = qemu.run, ".".join(map(str, qemu.version))
            print(f"{QEMU} {peer}, one hart, Sv39, {'bare S-mode' if arguments.bare else 'Debian kernel'}")
        if peer is None or qemu.version < QEMU_WANTED:
            print(HOW_TO_GET.format(wanted=".".join(map(str, QEMU_WANTED))))
        subjects["native"] = Native(made).run
        table = Table(subjects, arguments.rounds, vmcore)
        table.empty()
        if not arguments.bare and (not only or "boot" in only):
            table.again()
        for name in names:
            table.kernel(name)
        means = table.summary()
    rows = {row.name: {"seconds": row.seconds, "counters": row.counters, "stats": row.stats} for row in table.rows}
    report(arguments, {"qemu": peer, "tier": arguments.tier, "times": arguments.times, "rows": rows, "geomeans": means})


if __name__ == "__main__":
    main()
