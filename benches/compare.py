"""How fast is vmcore? Every kernel under Debian's riscv64 Linux, in vmcore, in QEMU, and native: CPU seconds, ratios.

Each run is a process. Its CPU seconds, all threads included, count from the moment when the guest has booted, is at rest
and says so; what the same run with an empty kernel takes from there on is taken off. The row `boot` is what a process
takes from its start, Python's imports included, until the guest's first program runs; `boot-rest` until the guest is at
rest, which is when the kernel has tested its ciphers. Both machines have one hart and Sv39.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from measure import geomean, interleave, parser, ratio, report

import guests
from subjects import QEMU, QEMU_WANTED, Guests, Native, Qemu, Run, Vmcore

# The rows of the boot, and the moments that they last until.
BOOTS = {"boot": "init", "boot_rest": "ready"}
AGAIN = "_again"
# No process is measured finer than this.
LEAST = 1e-4
HOW_TO_GET = (
    "QEMU {wanted} or later is what vmcore is compared with. Debian 13 has it; Debian 12 gets it by `apt-get install "
    "-t bookworm-backports qemu-system-misc` (see README.md)."
)


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

    def cells(self) -> list[str]:
        """Return the row as it is printed."""
        middle = {who: median(values) for who, values in self.seconds.items()}
        cells = [self.name.replace("_", "-")]
        cells += [f"{middle[who]:.3f}" if who in middle else "" for who in ("native", "qemu", "vmcore")]
        speed = self.speed()
        cells.append("{:.2f} ({:.2f}-{:.2f})".format(*speed) if speed else "")
        cells.append(f"{middle['vmcore'] / middle['native']:.1f}" if "native" in middle else "")
        count = self.counters
        instructions = count["instructions"]
        cells.append(f"{instructions / 1e6:.0f}")
        tiers = [count[key] for key in ("t0_insns", "t1_insns", "t2_insns") if key in count]
        cells.append("/".join(f"{100 * tier / max(sum(tiers), 1):.1f}" for tier in tiers))
        cells.append(f"{count['l1_hit_pct']:.1f}" if "l1_hit_pct" in count else "")
        cells.append(f"{instructions / max(count['exits'], 1):.0f}" if "exits" in count else "")
        return cells


HEAD = ["row", "native s", "QEMU s", "vmcore s", "of QEMU's speed", "/ native", "Minsn", "T0/T1 %", "L1 hit %", "insn/exit"]
WIDTHS = [14, 8, 8, 8, 19, 8, 6, 12, 8, 9]


def line(cells: list[str]) -> str:
    """Return the cells in their columns."""
    first, *rest = zip(cells, WIDTHS, strict=False)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip()


class Table:
    """The rows, printed as they come.

    Parameters
    ----------
    subjects : dict
        Who is compared: name, and what runs a kernel by its name.
    rounds : int
        How often.
    """

    def __init__(self, subjects: dict[str, Callable[[str], Run]], rounds: int) -> None:
        self._subjects, self._rounds = subjects, rounds
        self.rows: list[Row] = []
        self._empties: dict[str, list[Run]] = {}
        print(line(HEAD), flush=True)

    def _runs(self, name: str) -> dict[str, list[Run]]:
        return interleave(self._rounds, {who: lambda run=run: run(name) for who, run in self._subjects.items()})

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        print(line(row.cells()), flush=True)

    def _boots(self, runs: dict[str, list[Run]], suffix: str = "") -> None:
        for name, moment in BOOTS.items():
            last = runs["vmcore"][-1]
            seconds = {who: [run.seconds[moment] for run in of] for who, of in runs.items() if of[-1].seconds}
            self._add(Row(name + suffix, seconds, last.counters(end=moment), last.stats[moment]))

    def empty(self) -> None:
        """Run nothing: what that takes is taken off every kernel, and what comes before it are the rows of the boot."""
        self._empties = self._runs(guests.EMPTY)
        if "ready" in self._empties["vmcore"][0].seconds:
            self._boots(self._empties)

    def again(self, vmcore: Vmcore) -> None:
        """Boot with a cache folder that an earlier boot has filled; QEMU, which has none, boots as it did before."""
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder)
            vmcore.run(guests.EMPTY, cache)
            if not any(cache.iterdir()):
                print("(vmcore keeps no code on disk: a second boot is like the first)")
                return
            runs = [vmcore.run(guests.EMPTY, cache) for _ in range(self._rounds)]
        self._boots({**self._empties, "vmcore": runs}, AGAIN)

    def kernel(self, name: str) -> None:
        """Run a kernel."""
        runs = self._runs(name)
        seconds = {}
        for who, of in runs.items():
            nothing = median(run.work for run in self._empties[who])
            seconds[who] = [max(run.work - nothing, LEAST) for run in of]
        last = runs["vmcore"][-1]
        self._add(Row(name, seconds, last.counters("ready"), last.stats["end"]))

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
            speed = f"{means['speed']:.2f}" if speeds else ""
            print(line([f"geomean {label}", "", "", f"{len(rows)} rows", speed, f"{means['to_native']:.1f}"]))
        return found


def main() -> None:
    """Build, run, print."""
    options = parser(__doc__ or "", rounds=1)
    options.add_argument("--only", nargs="+", metavar="ROW", default=[], help="kernels or groups of kernels")
    options.add_argument("--bare", action="store_true", help="in S-mode on the bare machine instead of under Linux")
    options.add_argument("--tier", choices=("auto", "t0", "t1"), help="how vmcore runs code; default: as it decides")
    arguments = options.parse_args()
    names = guests.kernels(hosted=not arguments.bare)
    only = [name.replace("-", "_") for name in arguments.only]
    unknown = set(only) - {*names, *guests.GROUPS, *BOOTS}
    if unknown:
        raise SystemExit(f"no row is called {', '.join(sorted(unknown))}; rows are {', '.join([*BOOTS, *names])}")
    if only:
        names = [name for name in names if name in only or any(name in guests.GROUPS.get(group, ()) for group in only)]

    with tempfile.TemporaryDirectory() as folder:
        made = Guests(Path(folder), "bare" if arguments.bare else "linux")
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
        table = Table(subjects, arguments.rounds)
        table.empty()
        if not arguments.bare and (not only or "boot" in only):
            table.again(vmcore)
        for name in names:
            table.kernel(name)
        means = table.summary()
    rows = {row.name: {"seconds": row.seconds, "counters": row.counters, "stats": row.stats} for row in table.rows}
    report(arguments, {"qemu": peer, "tier": arguments.tier, "rows": rows, "geomeans": means})


if __name__ == "__main__":
    main()
