"""How long does Linux take to boot? Debian's kernel with busybox: CPU seconds, and the ratio to QEMU."""

from __future__ import annotations

import resource
import shutil
import subprocess
import time

from measure import interleave, options, ratio, report

import vmcore
from vmcore import images

MARKER = "vmcore: busybox on Linux"
APPEND = "console=ttyS0 earlycon=sbi"
QEMU = "qemu-system-riscv64"
LIMIT = 600.0


def main() -> None:
    """Boot in turn, print."""
    arguments = options(__doc__ or "", rounds=1)
    kernel, initrd = images.pull("debian-kernel").kernel, images.pull("busybox").initrd

    def on_vmcore() -> float:
        start = time.process_time()
        with vmcore.Machine("virt", ram="512M", kernel=kernel, initrd=initrd, append=APPEND) as vm:
            vm.console.expect(MARKER, timeout=LIMIT)
        return time.process_time() - start

    def on_qemu() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [QEMU, "-machine", "virt", "-m", "512M", "-nographic", "-kernel", str(kernel), "-initrd", str(initrd)]
        command += ["-append", APPEND]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            found = any(MARKER.encode() in line for line in process.stdout)
            process.kill()
        if not found:
            raise SystemExit(f"QEMU ended without saying {MARKER!r}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    subjects = {"vmcore": on_vmcore}
    if shutil.which(QEMU):
        subjects["qemu"] = on_qemu
    seconds = interleave(arguments.rounds, subjects)
    for name, values in seconds.items():
        print(f"{name:8} {min(values):6.1f} s of CPU")
    figures: dict[str, object] = {"seconds": seconds}
    if "qemu" in seconds:
        middle, least, most = ratio(seconds["qemu"], seconds["vmcore"])
        figures["ratio"] = middle
        print(f"vmcore boots at {middle:.2f} of QEMU's speed ({least:.2f} to {most:.2f})")
    report(arguments, figures)


if __name__ == "__main__":
    main()
