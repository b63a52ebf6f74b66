"""What an installed vmcore carries: everything that others compile and type-check against, and no build leftovers."""

from __future__ import annotations

import importlib
import sysconfig
from importlib.metadata import PackageNotFoundError, distribution, entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def files() -> set[str]:
    """The installed files, relative to site-packages."""
    try:
        installed = distribution("vmcore")
    except PackageNotFoundError:
        installed = None
    # A source tree that was once built leaves metadata, too; only a wheel says that it is one.
    if installed is None or installed.read_text("WHEEL") is None:
        pytest.skip("vmcore is not installed as a wheel here; tox does that")
    return {path.as_posix() for path in installed.files or ()}


def in_source(pattern: str) -> set[str]:
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "vmcore").rglob(pattern)}
    assert found, f"the source tree has no {pattern}"
    return found


@pytest.mark.parametrize("pattern", ["*.py", "*.pxd", "*.pyi", "*.h", "py.typed"])
def test_it_carries_every(pattern: str, files: set[str]) -> None:
    assert in_source(pattern) - files == set()


def test_every_compiled_module_is_there(files: set[str]) -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    wanted = {source.removesuffix(".pyx") + suffix for source in in_source("*.pyx")}
    assert wanted - files == set()
    for module in wanted:
        importlib.import_module(module.removesuffix(suffix).replace("/", "."))


def test_no_sources_of_compiled_modules_and_no_tests(files: set[str]) -> None:
    assert not [name for name in files if name.endswith((".pyx", ".c", ".cpp")) and name.startswith("vmcore/")]
    assert not [name for name in files if name.startswith(("tests/", "benches/", "guests/", "docs/"))]


def test_the_command_and_the_licence(files: set[str]) -> None:
    (command,) = entry_points(group="console_scripts", name="vmcore")
    assert command.value == "vmcore.cli.main:main"
    assert any(name.endswith("licenses/LICENSE") for name in files)
