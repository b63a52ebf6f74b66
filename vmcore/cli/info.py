"""``vmcore info``: what this vmcore is and what it offers."""

from __future__ import annotations

import typer

__all__ = ["info", "version"]


def version() -> str:
    """Return the version of the installed vmcore; a source tree that was never installed has none."""
    from importlib import metadata

    try:
        return metadata.version("vmcore")
    except metadata.PackageNotFoundError:
        return "0 (a source tree)"


def info() -> None:
    """Show the build, the execution tiers and the features of this vmcore."""
    import platform
    import sys
    import sysconfig

    from vmcore import images
    from vmcore._fast import build
    from vmcore._fast.jit import codebuf
    from vmcore.config.settings import MAX_HARTS, MAX_RAM, MIN_RAM
    from vmcore.config.values import format_size
    from vmcore.heap.numa import Topology
    from vmcore.isa.riscv import EXTENSIONS, INSTRUCTIONS, Isa

    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    gil_is_on = getattr(sys, "_is_gil_enabled", lambda: True)()
    gil = f", free-threaded, GIL {'on' if gil_is_on else 'off'}" if free_threaded else ""
    profile = build.PROFILE + (f" with the {build.SANITIZER} sanitizer" if build.SANITIZER else "")
    # Where the host gives no memory for code, the line `code` says why.
    compiled = "T1 (block code for x86-64)" if codebuf.how().method != "none" else "no T1: the interpreter does it all"
    rows = (
        ("vmcore", version()),
        ("python", f"{platform.python_implementation()} {platform.python_version()}{gil}"),
        ("host", f"{platform.machine()}, {platform.system()} {platform.release()}"),
        ("build", f"{profile}, {build.COMPILER}"),
        ("tiers", f"T0 (interpreter: {build.DISPATCH}), {compiled}"),
        ("code", str(codebuf.how())),
        ("guest", f"riscv64, {len(INSTRUCTIONS)} instructions, {len(EXTENSIONS)} extension names"),
        ("isa", Isa.default().string()),
        ("board", f"virt: 1 to {MAX_HARTS} harts, {format_size(MIN_RAM)} to {format_size(MAX_RAM)} of memory"),
        ("numa", Topology.discover().describe()),
        ("images", str(images.cache_folder())),
    )
    for name, value in rows:
        typer.echo(f"{name:<8}{value}")
