"""Where vmcore keeps what it can get or make again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder", "code_folder"]


def cache_folder() -> Path:
    """Return the folder of everything that is fetched: ``VMCORE_CACHE``, else ``vmcore`` in the user's cache folder."""
    own = os.environ.get("VMCORE_CACHE")
    if own:
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification of these folders says to ignore a relative path.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "vmcore"


def code_folder() -> Path:
    """Return the folder of compiled code that is kept across runs, where no other was chosen."""
    return cache_folder() / "code"
