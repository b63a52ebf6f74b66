"""Do two harts on two processors do twice the work of one? Speedup in vmcore beside that of the same program native."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from measure import interleave, parser, report

import vmcore
from guests import BARE, CODE, HERE, ZIG, compile_with

LEAST = 0.9
SOURCES = HERE / "parallel"


def build(folder: Path) -> tuple[Path, Path]:
    """Compile the program for bare metal and for the host; return both."""
    bare, native = folder / "bare.elf", folder / "native"
    script = ["-T", str(HERE / "bare.ld")]
    compile_with([*ZIG, *CODE, *BARE, *script, str(SOURCES / "bare.c"), "-o", str(bare)])
    compile_with(["cc", *CODE, "-D_POSIX_C_SOURCE=200809L", "-pthread", str(SOURCES / "native.c"), "-o", str(native)])
    return bare, native


def in_vmcore(elf: Path, harts: int) -> tuple[float, float]:
    """Return the seconds that the harts take, on the wall and of processors, compiling their code included."""
    with vmcore.Machine(ram="32M", harts=harts, kernel=elf, bios="none", parallel=True) as vm:
        vm.phys.write("workers", harts.to_bytes(8, "little"))
        wall, processors = time.monotonic(), time.process_time()
        stop = vm.run()
        taken = time.monotonic() - wall, time.process_time() - processors
        if stop.reason != "exit" or stop.code != 0:
            raise SystemExit(f"the guest ended with {stop}")
        return taken


def natively(program: Path, threads: int) -> tuple[float, float]:
    """Return the same for threads of the host."""
    done = subprocess.run([str(program), str(threads)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{program} {threads} failed: {done.stderr}")
    wall, processors = done.stdout.split()
    return float(wall), float(processors)


def main() -> None:
    """Measure all four in turn and print how each scales."""
    made = parser(__doc__ or "", rounds=7)
    made.add_argument("--harts", type=int, metavar="N", default=2, help="harts, and threads (%(default)s)")
    arguments = made.parse_args()
    many = arguments.harts
    with tempfile.TemporaryDirectory() as name:
        bare, native = build(Path(name))
        taken = interleave(
            arguments.rounds,
            {
                "native one": lambda: natively(native, 1),
                "native many": lambda: natively(native, many),
                "vmcore one": lambda: in_vmcore(bare, 1),
                "vmcore many": lambda: in_vmcore(bare, many),
            },
        )
    # The least of each: what the program can do when nobody else wants the processors.
    wall = {what: min(pair[0] for pair in pairs) for what, pairs in taken.items()}
    cpu = {what: min(pair[1] for pair in pairs) for what, pairs in taken.items()}
    figures = {}
    print(f"{'':8} {'one':>9} {f'{many} at once':>11} {'speedup':>8}   processors: {'one':>7} {'many':>9} {'cost':>6}")
    for what in ("native", "vmcore"):
        one, more = f"{what} one", f"{what} many"
        speedup, cost = wall[one] / wall[more], cpu[more] / cpu[one]
        figures[what] = {"one_s": wall[one], "many_s": wall[more], "speedup": speedup, "cost": cost}
        print(f"{what:8} {wall[one]:7.3f} s {wall[more]:9.3f} s {speedup:8.2f}   {'':11} {cpu[one]:7.3f} s "
              f"{cpu[more]:7.3f} s {cost:6.2f}")
    share = figures["vmcore"]["speedup"] / figures["native"]["speedup"]
    # On a host with other work the wall says how much of it the program was given; the processors' seconds say what it
    # needed, and so how it would scale alone.
    alone = figures["native"]["cost"] / figures["vmcore"]["cost"]
    print(f"vmcore scales {share:.2f} times as well as native code by the wall, {alone:.2f} by processors' seconds "
          f"(at least {LEAST} wanted)")
    report(arguments, {**figures, "share": share, "share_alone": alone, "least": LEAST})


if __name__ == "__main__":
    main()
