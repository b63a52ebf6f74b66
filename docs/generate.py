"""Fills the generated parts of the manual while mkdocs builds it: the marker ``<!-- generated: NAME -->``."""

from __future__ import annotations

import re
from typing import Any


def _commands() -> str:
    import typer
    from typer.cli import get_docs_for_click

    from vmcore.cli.main import app

    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="vmcore")
    # The page has its own title, and completion is typer's.
    text = re.sub(r"\A# .*\n", "", text)
    return re.sub(r"^\* `--(install|show)-completion`.*\n", "", text, flags=re.MULTILINE)


def _isa() -> str:
    from vmcore.isa.riscv.doc import reference

    return re.sub(r"\A# .*\n", "", "\n".join(reference()))


_MAKERS = {"commands": _commands, "isa": _isa}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers of a page (mkdocs calls this)."""
    return re.sub(r"<!-- generated: (\w+) -->", lambda match: _MAKERS[match[1]](), markdown)
