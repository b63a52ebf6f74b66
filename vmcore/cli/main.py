"""The command ``vmcore``: the commands put together, and what becomes of errors.

The commands' files import typer and little else; what a command works with is imported when it runs.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from vmcore.cli import boot, demo, disasm, image, info, run
from vmcore.errors import VmError

__all__ = ["app", "main"]

ERROR_STATUS = 2
"""The exit status when vmcore was used in a way that cannot work."""

app = typer.Typer(
    name="vmcore",
    help="A full-system RISC-V virtual machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"vmcore {info.version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
app.command("boot")(boot.boot)
app.command("run")(run.run)
app.add_typer(image.app, name="image")
app.command("info")(info.info)
app.command("disasm")(disasm.disasm)


def main() -> None:
    """Run the command line of this process; the way out is always ``SystemExit``.

    A :class:`VmError` is one line on stderr and exit status 2; ``VMCORE_DEBUG=1`` shows where it came from.
    """
    try:
        app()
    except VmError as error:
        if os.environ.get("VMCORE_DEBUG", "") not in ("", "0"):
            raise
        print(f"vmcore: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(ERROR_STATUS)
    except OSError as error:
        # Whoever opens a file has a message for it. What is left is the output: a full disk, a terminal that is gone.
        if error.filename is not None:
            raise
        print(f"vmcore: the output cannot be written ({error.strerror})", file=sys.stderr)
        # What is buffered could not be written at the end of the process either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(ERROR_STATUS)
