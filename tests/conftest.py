"""What every test shares: the rule about skips, and the real guests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from support.debian_archive import Archive, fill, served

from vmcore._fast import build

if TYPE_CHECKING:
    from vmcore.images import ImageSet

# A deadline would make a test fail because the machine is busy.
settings.register_profile("vmcore", deadline=None)
settings.load_profile("vmcore")

if build.SANITIZER and hasattr(os, "RTLD_DEEPBIND"):
    # Capstone loads its library with this where there is such a thing, and then the sanitizers end the process.
    del os.RTLD_DEEPBIND

# No test is to be faster or slower for what an earlier run has left, or to leave something to the user.
os.environ["VMCORE_CODE_CACHE"] = "off"

CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure: what CI does not run, nobody runs."""
    if CI and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped with CI=true ({reason}): the project's own scripts must install what the test needs"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Refuse skips of tests, by a mark or from inside."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Refuse skips of whole files (``importorskip`` at the top)."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.fixture(scope="session")
def guest_image() -> Callable[[str], ImageSet]:
    """``guest_image("debian-kernel")``: the files of that image, downloaded once into the user's cache folder."""
    from vmcore import images

    return images.pull


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that nobody else uses; apt tries once (each further try would wait for seconds)."""
    from vmcore.images import aptroot

    monkeypatch.setenv("VMCORE_CACHE", str(tmp_path / "cache"))
    for name in ("VMCORE_DEBIAN_MIRROR", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(aptroot, "RETRIES", 0)
    return tmp_path / "cache"


@pytest.fixture
def archive(tmp_path: Path, empty_cache: Path) -> Iterator[Archive]:
    """A Debian archive on the loopback with firmware, a kernel and busybox, and an empty cache."""
    with served(tmp_path) as made:
        fill(made)
        yield made
