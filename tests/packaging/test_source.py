"""Promises of the source tree: the README's commands, stubs beside the compiled modules, few dependencies."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_readme_begins_with_the_two_commands_and_is_short() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    first = "\n".join(text.splitlines()[:5])
    assert "pip install . && vmcore demo" in first
    assert "pip install tox && tox" in first
    assert len(text.encode()) < 5 * 1024


def test_links_of_the_readme_and_the_manual_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
            if not link.startswith(("http://", "https://")):
                assert (page.parent / link).exists(), f"{page.relative_to(ROOT)} links to {link}"


def test_ci_runs_the_command_of_the_readme() -> None:
    assert "\npip install tox && tox\n" in (ROOT / ".ci/run").read_text("utf-8")


def test_every_compiled_module_has_its_types() -> None:
    sources = list((ROOT / "vmcore").rglob("*.pyx"))
    assert sources
    assert [str(s.relative_to(ROOT)) for s in sources if not s.with_suffix(".pyi").exists()] == []


def test_what_runs_needs_little() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {re.split(r"[<>=!~ ]", requirement)[0] for requirement in project["dependencies"]}
    assert names <= {"numpy", "typer", "rich", "pyelftools"}
