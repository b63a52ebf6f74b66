"""The Python examples of the README and the manual run, each page from top to bottom."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from vmcore.images import ImageSet

ROOT = Path(__file__).parents[2]
NEEDS_IMAGES = "images.pull"


def blocks(page: Path) -> list[tuple[int, str]]:
    """The Python blocks of a page, with the line on which each begins."""
    text = page.read_text("utf-8")
    return [(text.count("\n", 0, m.start(1)), m[1]) for m in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S)]


def play(page: Path, wanted: list[tuple[int, str]]) -> None:
    names: dict[str, object] = {"__name__": "example"}
    for line, source in wanted:
        # Blank lines in front: a traceback shows the page's own line numbers.
        exec(compile("\n" * line + source, str(page), "exec"), names)


def pages(with_images: bool) -> list[Path]:
    found = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        parts = [source for _, source in blocks(page) if (NEEDS_IMAGES in source) == with_images]
        if parts:
            found.append(page)
    return found


@pytest.mark.parametrize("page", pages(with_images=False), ids=lambda page: page.stem)
def test_examples(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    play(page, [block for block in blocks(page) if NEEDS_IMAGES not in block[1]])


@pytest.mark.guest
@pytest.mark.parametrize("page", pages(with_images=True), ids=lambda page: page.stem)
def test_examples_with_real_guests(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    play(page, [(1, "import vmcore"), *(block for block in blocks(page) if NEEDS_IMAGES in block[1])])


def test_there_are_examples() -> None:
    assert {"script", "device"} <= {page.stem for page in pages(with_images=False)}
    assert {"script", "images"} <= {page.stem for page in pages(with_images=True)}


@pytest.mark.guest
def test_the_readme_runs(
    guest_image: Callable[[str], ImageSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The example stands for a kernel and an initrd of the reader's own.
    (tmp_path / "Image").symlink_to(guest_image("debian-kernel").kernel)
    (tmp_path / "initrd.gz").symlink_to(guest_image("busybox").initrd)
    monkeypatch.chdir(tmp_path)
    play(ROOT / "README.md", blocks(ROOT / "README.md"))
