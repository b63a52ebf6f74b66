"""``vmcore boot``: an operating system on the terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from vmcore.cli.options import (
    Board,
    CodeCache,
    Harts,
    IsaString,
    Numa,
    Parallel,
    Placement,
    Ram,
    Tier,
    joined,
    resolve,
)

__all__ = ["boot"]


def boot(
    kernel: Annotated[
        str | None, typer.Option(metavar="FILE", help="Kernel: ELF or raw Image, or an image's name.")
    ] = None,
    initrd: Annotated[str | None, typer.Option(metavar="FILE", help="Initial RAM disk, or an image's name.")] = None,
    append: Annotated[str, typer.Option(metavar="TEXT", help="The kernel's command line.")] = "",
    bios: Annotated[
        str, typer.Option(metavar="builtin|none|FILE", help="Firmware: vmcore's own SBI, none, or a file or image.")
    ] = "builtin",
    disk: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE[,ro]", help="A raw disk image; may be repeated. With `,ro` the guest only reads."),
    ] = None,
    ram: Ram = None,
    harts: Harts = None,
    parallel: Parallel = None,
    isa: IsaString = None,
    numa: Numa = None,
    placement: Placement = None,
    tier: Tier = None,
    code_cache: CodeCache = None,
    board: Board = "virt",
) -> None:
    """Boot a kernel or a firmware with the console on the terminal; Ctrl-A x quits.

    The exit status is that of the guest's power-off. Where a file is wanted, the name of a pulled image does as well:
    `--kernel debian-kernel --initrd busybox`.
    """
    from vmcore.cli import session
    from vmcore.errors import BootError
    from vmcore.machine.disk import Disk
    from vmcore.machine.machine import Machine

    if kernel is None and bios in ("builtin", "none"):
        raise BootError("there is nothing to boot", hint="Give --kernel FILE, or a firmware with --bios FILE.")
    disks = [Disk(item.removesuffix(",ro"), readonly=item.endswith(",ro")) for item in disk or ()]
    with Machine(
        board,
        ram=ram,
        harts=harts,
        parallel=parallel,
        isa=isa,
        numa=joined(numa),
        placement=joined(placement),
        tier=tier,
        code_cache=code_cache,
        clock="host" if session.is_interactive() else None,
        kernel=resolve(kernel, "kernel") if kernel else None,
        initrd=resolve(initrd, "initrd") if initrd else None,
        append=append,
        bios=bios if bios in ("builtin", "none") else resolve(bios, "bios"),
        disks=disks,
    ) as vm:
        status = session.report(vm, session.talk(vm))
    raise typer.Exit(status)
